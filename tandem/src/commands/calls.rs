//! `tandem calls`.

use super::{complain, load, say};
use crate::control;
use call_metrics::{LiveCall, LiveQuality, LiveState};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) fn calls(path: &Path, watch: bool, json: bool) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    loop {
        match control::live_calls(&config.node.data_dir) {
            Ok(calls) if json => match serde_json::to_string(&calls) {
                Ok(text) => say(text),
                Err(error) => {
                    complain(error);
                    return ExitCode::FAILURE;
                }
            },
            Ok(calls) => {
                // Home and clear, so that the list stays in place.
                let clear = if watch { "\x1b[H\x1b[2J" } else { "" };
                say(format_args!("{clear}{}", table(&calls).trim_end()));
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
            shorten(&call.from_user, 16),
            shorten(&call.to_user, 16),
            state,
            talk,
            quality(call.customer.as_ref()),
            quality(call.remote.as_ref()),
        );
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

fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn shorten(text: &str, most: usize) -> String {
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
}
