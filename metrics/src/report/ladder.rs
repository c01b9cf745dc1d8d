//! The message ladder: leg A's peer, Tandem, leg B's peer.

use super::{minutes, side_name, span, wrapped};
use crate::DescriptionRecord;
use crate::call_record::{CallRecord, LadderRecord};
use std::fmt::Write as _;

/// Columns between two lifelines.
const WIDTH: usize = 38;
/// A silence this long gets a row of its own.
pub(super) const PAUSE_MS: u64 = 1_000;
/// RFC 3261's timers B, F and H: nothing is retransmitted for longer.
const AGAIN_MS: u64 = 32_000;
/// Messages before one that it may be a repetition of.
const AGAIN_MESSAGES: usize = 256;

pub(super) fn draw(out: &mut String, record: &CallRecord) {
    if record.ladder.is_empty() {
        let _ = writeln!(out, "\nMessages\n  none were recorded");
        return;
    }
    let mut peers = [first_peer(record, "A"), first_peer(record, "B")];
    let _ = writeln!(out, "\nMessages (time in ms)");
    let heads =
        [0, 1].map(|leg| format!("{} (leg {})", side_name(record, leg), ["A", "B"][leg.min(1)]));
    let _ = writeln!(out, "{}", columns(&heads[0], "tandem", &heads[1]));
    name_peers(out, &peers);
    let mut remarks = minutes::remarks(record).into_iter().peekable();
    let mut known = Known::default();
    let mut before = 0;
    for (at, (rung, again)) in record.ladder.iter().zip(repeated(&record.ladder)).enumerate() {
        if kept_from(record) == Some(at) {
            note(out, &format!("{} messages were not kept here", record.ladder_omitted));
        }
        while let Some((_, remark)) = remarks.next_if(|(at, _)| *at <= rung.offset_ms) {
            note(out, &remark);
        }
        let pause = rung.offset_ms.saturating_sub(before);
        if before > 0 && pause >= PAUSE_MS {
            let label = format!(" {} ", span(pause));
            let _ = writeln!(out, "{:>8} :{:^WIDTH$}:{:WIDTH$}:", "", label, "");
        }
        before = rung.offset_ms.max(before);
        draw_rung(out, rung, again, &mut peers);
        for text in known.told(rung, again) {
            note(out, &text);
        }
    }
    remarks.for_each(|(_, remark)| note(out, &remark));
}

/// The first message behind those that were not kept: of a long ladder the first three quarters
/// stay, and the newest.
pub(super) fn kept_from(record: &CallRecord) -> Option<usize> {
    (record.ladder_omitted > 0).then_some(record.ladder.len() * 3 / 4)
}

/// Under the lifelines where they fit, else one below the other.
fn name_peers(out: &mut String, [a, b]: &[String; 2]) {
    if a.len().max(b.len()) <= WIDTH - 8 {
        let _ = writeln!(out, "{}", columns(a, "", b));
    } else {
        let _ = writeln!(out, "         A: {a}\n         B: {b}");
    }
}

/// Which messages were sent again: the same start line went the same way on the same leg within
/// [`AGAIN_MS`], and what would have made it a new one did not happen in between. For a response
/// that is a new request from the other side; for a request, its final response. The ladder knows
/// no CSeq, so this is a good guess and no proof.
pub(super) fn repeated(ladder: &[LadderRecord]) -> Vec<bool> {
    let mut again: Vec<bool> = Vec::with_capacity(ladder.len());
    for (position, rung) in ladder.iter().enumerate() {
        let repeats = ladder[..position]
            .iter()
            .zip(&again)
            .rev()
            .take(AGAIN_MESSAGES)
            .take_while(|(earlier, _)| rung.offset_ms.saturating_sub(earlier.offset_ms) <= AGAIN_MS)
            .filter(|(earlier, _)| earlier.leg == rung.leg && earlier.peer == rung.peer)
            .map_while(|(earlier, again)| {
                if earlier.direction == rung.direction {
                    Some(earlier.start_line == rung.start_line)
                } else {
                    (!separates(&rung.start_line, &earlier.start_line, *again)).then_some(false)
                }
            })
            .any(|same| same);
        again.push(repeats);
    }
    again
}

/// Whether a message in the other direction makes what follows it new.
fn separates(line: &str, between: &str, between_is_repeated: bool) -> bool {
    match (status(line), status(between)) {
        (Some(_), None) => !between_is_repeated && !between.starts_with("ACK "),
        (None, Some(status)) => !line.starts_with("ACK ") && !status.starts_with('1'),
        _ => false,
    }
}

/// A response's status and reason.
fn status(start_line: &str) -> Option<&str> {
    start_line.strip_prefix("SIP/2.0 ").map(str::trim)
}

/// Rows across both legs.
fn note(out: &mut String, text: &str) {
    for line in wrapped(&crate::printable_line(text), 2 * WIDTH - 1) {
        let line: String = line.chars().take(2 * WIDTH - 1).collect();
        let _ = writeln!(out, "{:>8} : {line:<1$}:", "", 2 * WIDTH);
    }
}

/// The newest description of each leg and direction.
#[derive(Default)]
pub(super) struct Known<'a>([[Option<&'a DescriptionRecord>; 2]; 2]);

impl<'a> Known<'a> {
    /// What a message says beside its start line: its description, or what of it is new, and why it
    /// was sent.
    pub(super) fn told(&mut self, rung: &'a LadderRecord, again: bool) -> Vec<String> {
        let mut told = Vec::new();
        let leg = usize::from(rung.leg == "B");
        let way = usize::from(rung.direction == "sent");
        if let Some(new) = &rung.description {
            let old = self.0[leg][way].replace(new);
            if !again {
                told.push(old.map_or_else(|| whole(new), |old| difference(old, new)));
            }
        }
        told.extend(rung.reason.iter().filter(|_| !again).map(|reason| format!("why: {reason}")));
        told
    }
}

fn whole(new: &DescriptionRecord) -> String {
    let DescriptionRecord { codecs, profile, direction, address, others } = new;
    let others: String = others.iter().map(|media| format!(" + {media}")).collect();
    format!("SDP: {address} {direction} {profile} {}{others}", codecs.join(" "))
}

/// What a new description of the same leg changes.
fn difference(old: &DescriptionRecord, new: &DescriptionRecord) -> String {
    let mut parts = Vec::new();
    if old.address != new.address {
        parts.push(format!("to {}", new.address));
    }
    if old.direction != new.direction {
        parts.push(format!("{} -> {}", old.direction, new.direction));
    }
    if old.profile != new.profile {
        parts.push(format!("{} -> {}", old.profile, new.profile));
    }
    if old.others != new.others {
        parts.push(format!(
            "beside audio [{}] -> [{}]",
            old.others.join(" "),
            new.others.join(" ")
        ));
    }
    if old.codecs != new.codecs {
        parts.push(format!("codecs {} -> {}", old.codecs.join(" "), new.codecs.join(" ")));
    }
    if parts.is_empty() {
        "SDP: as before".to_owned()
    } else {
        format!("SDP: {}", parts.join(", "))
    }
}

fn draw_rung(out: &mut String, rung: &LadderRecord, again: bool, peers: &mut [String; 2]) {
    let leg = usize::from(rung.leg == "B");
    let received = rung.direction == "received";
    // Towards Tandem is rightwards on leg A and leftwards on leg B.
    let rightwards = received == (leg == 0);
    let label = label(&crate::printable_line(&rung.start_line), again);
    if let Some(peer) = peers.get_mut(leg) {
        let name = peer_name(rung);
        if *peer != name {
            let letter = if leg == 0 { 'A' } else { 'B' };
            let note = format!("{letter} is now {name}");
            let _ = writeln!(out, "{:>8} :{note:^1$}:", "", 2 * WIDTH + 1);
            *peer = name;
        }
    }
    let arrow = arrow(&label, rightwards);
    let (left, right) =
        if leg == 0 { (arrow, " ".repeat(WIDTH)) } else { (" ".repeat(WIDTH), arrow) };
    let _ = writeln!(out, "{:>8} |{left}|{right}|", rung.offset_ms);
}

/// `---- 200 OK ---->`, [`WIDTH`] wide.
fn arrow(label: &str, rightwards: bool) -> String {
    let dashes = WIDTH.saturating_sub(label.chars().count() + 3);
    let (before, after) = (dashes / 2, dashes - dashes / 2);
    if rightwards {
        format!("{} {label} {}>", "-".repeat(before), "-".repeat(after))
    } else {
        format!("<{} {label} {}", "-".repeat(after), "-".repeat(before))
    }
}

/// A message's name, cut to fit its arrow, and marked when it was sent before.
fn label(start_line: &str, again: bool) -> String {
    let mark = if again { " (again)" } else { "" };
    let text: String = name(start_line).chars().take(WIDTH - 8 - mark.len()).collect();
    text + mark
}

/// A response's status and reason; a request's method, and its user for an INVITE.
pub(super) fn name(start_line: &str) -> String {
    if let Some(status) = status(start_line) {
        return status.to_owned();
    }
    let mut words = start_line.split(' ');
    let method = words.next().unwrap_or_default();
    let uri = words.next().unwrap_or_default();
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    match rest.split_once('@') {
        Some((user, _)) if method == "INVITE" => format!("{method} {user}"),
        _ => method.to_owned(),
    }
}

fn first_peer(record: &CallRecord, leg: &str) -> String {
    let on_leg = |rung: &&LadderRecord| (rung.leg == "B") == (leg == "B");
    record.ladder.iter().find(on_leg).map_or_else(|| "-".to_owned(), peer_name)
}

pub(super) fn peer_name(rung: &LadderRecord) -> String {
    format!("{} {}", rung.peer, rung.protocol)
}

/// A text centred on each lifeline.
fn columns(a: &str, tandem: &str, b: &str) -> String {
    let mut line: Vec<char> = Vec::new();
    for (text, centre) in [(a, 9), (tandem, 10 + WIDTH), (b, 11 + 2 * WIDTH)] {
        let length = text.chars().count();
        let start = centre.max(length / 2) - length / 2;
        let start = start.max(line.len() + usize::from(!line.is_empty()));
        line.resize(start, ' ');
        line.extend(text.chars());
    }
    line.iter().collect::<String>().trim_end().to_owned()
}
