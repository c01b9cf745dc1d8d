//! `tandem calls`.

use super::{clear_screen, complain, load, say, say_data};
use crate::control;
use call_metrics::{LiveCall, LiveCopy, LiveCopyState, LiveQuality, LiveState, printable_line};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) fn calls(path: &Path, watch: bool, json: bool) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    loop {
        match control::live_calls(&config.node.data_dir) {
            Ok(calls) if json => match serde_json::to_string(&calls) {
                Ok(text) => say_data(&text),
                Err(error) => {
                    complain(error);
                    return ExitCode::FAILURE;
                }
            },
            Ok(calls) => {
                if watch {
                    clear_screen();
                }
                say(table(&calls).trim_end());
            }
            Err(error) => {
                complain(error);
                return ExitCode::FAILURE;
            }
        }
        if !watch {
            return ExitCode::SUCCESS;
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "a display that refreshes every second")]
fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}

fn table(calls: &[LiveCall]) -> String {
    if calls.is_empty() {
        return "no calls".to_owned();
    }
    let mut text = format!(
        "{:<36}  {:<8}  {:<16}  {:<16}  {:<8}  {:>8}  {:<26}  {:<26}\n",
        "TRANSACTION ID", "WAY", "FROM", "TO", "STATE", "TALK", "CUSTOMER SIDE", "REMOTE SIDE"
    );
    for call in calls {
        let state = match call.state {
            LiveState::Calling => "calling",
            LiveState::Ringing => "ringing",
            LiveState::Answered => "answered",
        };
        let talk = call.talk_ms.map_or_else(|| "-".to_owned(), |ms| clock(ms / 1000));
        let _ = writeln!(
            text,
            "{:<36}  {:<8}  {:<16}  {:<16}  {:<8}  {:>8}  {:<26}  {:<26}",
            call.transaction_id,
            call.direction.to_lowercase(),
            shorten(&printable_line(&call.from_user), 16),
            shorten(&printable_line(&call.to_user), 16),
            state,
            talk,
            quality(call.customer.as_ref()),
            quality(call.remote.as_ref()),
        );
        for line in &call.lines {
            let what = format!("+ {}", printable_line(&line.media));
            let sides =
                [&line.customer, &line.remote].map(|side| further(&line.media, side.as_ref()));
            let _ = writeln!(text, "{what:>102}  {:<26}  {:<26}", sides[0], sides[1]);
        }
        if let Some(copy) = &call.copied {
            let _ = writeln!(text, "{}", copied(copy));
        }
    }
    text
}

/// `MOS 4.39 loss 0 jit 0.3 ms`; a dash where nothing is known yet.
fn quality(quality: Option<&LiveQuality>) -> String {
    let Some(quality) = quality else { return "-".to_owned() };
    if quality.received_packets == 0 {
        return "no RTP came".to_owned();
    }
    let mos = quality.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"));
    let jitter = quality.jitter_us as f64 / 1000.0;
    format!("MOS {mos} lost {} jit {jitter:.1} ms", quality.lost_packets)
}

/// `+ copied: sip:srs@recorder.example`, with what went wrong last where it is not.
fn copied(copy: &LiveCopy) -> String {
    let mut text = format!("{:38}+ {}: {}", "", copy.state.name(), printable_line(&copy.recorder));
    if copy.state != LiveCopyState::Copied
        && let Some(failure) = &copy.last_failure
    {
        let _ = write!(text, " ({})", printable_line(failure));
    }
    text
}

/// `H264 lost 0 jit 3.1 ms` of a line beside the audio.
fn further(media: &str, quality: Option<&LiveQuality>) -> String {
    let Some(quality) = quality else { return "-".to_owned() };
    if quality.received_packets == 0 {
        // Floor control is no RTP.
        return if media == "application" { "-" } else { "no RTP came" }.to_owned();
    }
    let codec = printable_line(quality.codec.as_deref().unwrap_or("other"));
    let jitter = quality.jitter_us as f64 / 1000.0;
    format!("{codec} lost {} jit {jitter:.1} ms", quality.lost_packets)
}

pub(super) fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character_and_times_read_as_a_clock() {
        assert_eq!(shorten("+12065550100", 16), "+12065550100");
        assert_eq!(shorten("ä".repeat(20).as_str(), 16).chars().count(), 16);
        assert_eq!(clock(3_725), "1:02:05");
    }

    #[test]
    fn a_caller_can_neither_command_the_terminal_nor_add_a_line() {
        let call = LiveCall {
            transaction_id: "00000000-0000-4000-8000-000000000007".to_owned(),
            voice_connector_id: "abcdef1ghij2klmno3pqr4".to_owned(),
            direction: "Outbound".to_owned(),
            from_user: "\x1b[2J\nfake  line".to_owned(),
            to_user: "\u{9b}1A\u{202e}+1206".to_owned(),
            source: "192.0.2.10:5070".to_owned(),
            destination: None,
            state: LiveState::Ringing,
            began_ms: 0,
            age_ms: 0,
            talk_ms: None,
            customer: None,
            remote: None,
            lines: Vec::new(),
            copied: Some(LiveCopy {
                recorder: "sip:srs@192.0.2.7".to_owned(),
                state: LiveCopyState::Waiting,
                failures: 1,
                last_failure: Some("503 Busy\n\x1b[2J".to_owned()),
            }),
        };
        let text = table(&[call]);
        assert!(text.contains("+ not copied for now: sip:srs@192.0.2.7 (503 Busy"), "{text:?}");
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(text.contains("\u{fffd}[2J\u{fffd}fake"), "what is left is shown: {text:?}");
    }
}
