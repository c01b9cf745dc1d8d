//! The messages of a call from before its edge was started anew: its record has those since then, the
//! SIP log all of them.

use crate::capture::{Logged, logged_messages};
use crate::printable::printable_line;
use crate::{CallRecord, LadderRecord, description};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// A ladder that begins with an INVITE no later than this has the whole call.
const BEGINNING_MS: u64 = 1_000;
/// Messages that are put before a ladder at most; the newest stay.
const RUNGS: usize = 200;
const START_LINE_CHARACTERS: usize = 160;

/// `record` with a ladder that begins with the call, where it was taken up by an edge that started
/// anew and the voice connector logs its messages.
///
/// # Errors
/// When the log cannot be read.
pub fn with_whole_ladder(data_dir: &Path, mut record: CallRecord) -> io::Result<CallRecord> {
    let first = record.ladder.first();
    let begins = first.map_or(u64::MAX, |rung| rung.offset_ms);
    if begins <= BEGINNING_MS && first.is_some_and(|rung| rung.start_line.starts_with("INVITE ")) {
        return Ok(record);
    }
    let messages = logged_messages(data_dir, &record)?;
    let mut rungs = rungs_before(&record, begins, &messages);
    let too_many = rungs.len().saturating_sub(RUNGS);
    rungs.drain(..too_many);
    record.ladder_omitted += too_many as u64;
    rungs.append(&mut record.ladder);
    record.ladder = rungs;
    Ok(record)
}

fn rungs_before<'a>(record: &CallRecord, begins: u64, messages: &'a [Logged]) -> Vec<LadderRecord> {
    // Who made each dialog: the tag in the From of its first message.
    let mut makers: HashMap<&'a str, &'a str> = HashMap::new();
    let rung = |message: &'a Logged| {
        let offset_ms = message.event_timestamp.saturating_sub(record.times.attempted);
        let text = &message.sip_message;
        let call_id = header(text, "Call-ID", "i")?;
        let from = tag(header(text, "From", "f")?);
        let by_maker = *makers.entry(call_id).or_insert(from) == from;
        let is_leg_a = call_id == record.call_id;
        let line = text.lines().next().unwrap_or_default();
        // We make leg B's dialogs, its peer leg A's; a response has the From of its request.
        let is_response = line.starts_with("SIP/2.0 ");
        let is_sent = (by_maker != is_leg_a) != is_response;
        let leg = if is_leg_a { "A" } else { "B" };
        (offset_ms < begins).then(|| LadderRecord {
            offset_ms,
            leg: leg.to_owned(),
            direction: if is_sent { "sent" } else { "received" }.to_owned(),
            protocol: protocol(text),
            peer: peer_of(record, leg, offset_ms),
            start_line: printable_line(line).chars().take(START_LINE_CHARACTERS).collect(),
            description: description::of_message(text.as_bytes()),
            reason: description::reason_of(text.as_bytes()),
        })
    };
    messages.iter().filter_map(rung).collect()
}

/// Where the leg was: leg A where its INVITE came from, leg B where the last route until then led.
fn peer_of(record: &CallRecord, leg: &str, offset_ms: u64) -> String {
    if leg == "A" {
        return record.source.clone();
    }
    let led = |route: &&crate::RouteRecord| route.offset_ms <= offset_ms;
    let route = record.routes.iter().rev().find(led).or(record.routes.first());
    route.map(|route| route.destination.clone()).unwrap_or_default()
}

/// What the top Via says that it went over.
fn protocol(message: &str) -> String {
    let via = header(message, "Via", "v").unwrap_or_default();
    let token = via.split([' ', '\t']).next().unwrap_or_default().rsplit('/').next();
    let is = |name: &&str| token.is_some_and(|token| token.eq_ignore_ascii_case(name));
    ["udp", "tcp", "tls"].into_iter().find(is).unwrap_or_default().to_owned()
}

/// The first header of this name, in its long or its compact form.
fn header<'a>(message: &'a str, long: &str, compact: &str) -> Option<&'a str> {
    let lines = message.lines().skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        let name = name.trim();
        let is = name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(compact);
        is.then(|| value.trim())
    })
}

fn tag(party: &str) -> &str {
    let after = party.rsplit_once('>').map_or(party, |(_, after)| after);
    after.split(';').find_map(|part| part.trim().strip_prefix("tag=")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
