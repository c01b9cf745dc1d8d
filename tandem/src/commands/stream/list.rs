//! `tandem stream list`.

use super::Failure;
use crate::commands::calls::{clock, shorten};
use crate::commands::{say, say_data};
use call_metrics::printable_line;
use call_streaming::kinesis::{Stored, StoredCall, StoredFile, StoredLeg};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

pub(super) fn list(
    root: &Path,
    mut stored: Stored,
    connector: Option<&str>,
    limit: usize,
    json: bool,
) -> Result<(), Failure> {
    stored.calls.retain(|call| connector.is_none_or(|id| *call.voice_connector_id == *id));
    let more = stored.calls.len() > limit;
    stored.calls.truncate(limit);
    if json {
        let calls: Vec<_> = stored.calls.iter().map(CallEntry::of).collect();
        say_data(&serde_json::to_string(&calls).map_err(|error| error.to_string())?);
    } else if stored.calls.is_empty() {
        say(format_args!("no audio of calls in {}", root.display()));
    } else {
        say(table(&stored.calls).trim_end());
        if more {
            say(format_args!("the newest {limit}; --limit shows more"));
        }
    }
    Ok(())
}

fn table(calls: &[StoredCall]) -> String {
    let mut text = format!(
        "{:<19}  {:>8}  {:<8}  {:<17}  {:<17}  {:<36}\n",
        "BEGAN (UTC)", "LENGTH", "WAY", "FROM", "TO", "TRANSACTION ID"
    );
    for call in calls {
        let length = call.ended_ns().saturating_sub(call.began_ns()) / 1_000_000_000;
        let _ = writeln!(
            text,
            "{:<19}  {:>8}  {:<8}  {:<17}  {:<17}  {:<36}",
            written(call.began_ns(), "%Y-%m-%d %H:%M:%S"),
            clock(length),
            or_dash(&call.direction.to_lowercase()),
            shorten(&printable_line(or_dash(&call.from_number)), 17),
            shorten(&printable_line(or_dash(&call.to_number)), 17),
            printable_line(or_dash(&call.transaction_id)),
        );
        for leg in &call.legs {
            for stream in streams(leg) {
                let files = leg.files.iter().filter(|file| file.stream.as_str() == stream);
                let octets = files.map(|file| file.octets).sum::<u64>();
                let party = if leg.is_caller { "caller" } else { "called" };
                let rate = leg.files.first().map_or(0, |file| file.sample_rate);
                let size = size(octets);
                let _ = writeln!(text, "  {party}  {stream}  {rate} Hz  {size}{}", cut(leg));
            }
        }
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn cut(leg: &StoredLeg) -> &'static str {
    if leg.files.iter().any(|file| file.is_cut) { "  ends within a fragment" } else { "" }
}

fn size(octets: u64) -> String {
    match octets {
        0..10_240 => format!("{octets} B"),
        10_240..10_485_760 => format!("{} KiB", octets / 1_024),
        _ => format!("{} MiB", octets / 1_048_576),
    }
}

/// The streams of a leg, each once, in the order of time.
fn streams(leg: &StoredLeg) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for file in &leg.files {
        if !names.contains(&file.stream.as_str()) {
            names.push(file.stream.as_str());
        }
    }
    names
}

fn written(time_ns: u64, format: &str) -> String {
    let millis = i64::try_from(time_ns / 1_000_000).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).strftime(format).to_string()
}

/// A call as JSON.
#[derive(Serialize)]
struct CallEntry<'a> {
    transaction_id: &'a str,
    voice_connector_id: &'a str,
    call_id: &'a str,
    direction: &'a str,
    from_number: &'a str,
    to_number: &'a str,
    began: String,
    began_ms: u64,
    ended_ms: u64,
    legs: Vec<LegEntry<'a>>,
}

#[derive(Serialize)]
struct LegEntry<'a> {
    is_caller: bool,
    channel: &'a str,
    streams: Vec<&'a str>,
    files: Vec<FileEntry<'a>>,
}

#[derive(Serialize)]
struct FileEntry<'a> {
    path: &'a Path,
    stream: &'a str,
    bytes: u64,
    sample_rate: u32,
    began_ms: u64,
    ended_ms: u64,
    is_cut: bool,
}

impl<'a> CallEntry<'a> {
    fn of(call: &'a StoredCall) -> Self {
        CallEntry {
            transaction_id: &call.transaction_id,
            voice_connector_id: &call.voice_connector_id,
            call_id: &call.call_id,
            direction: &call.direction,
            from_number: &call.from_number,
            to_number: &call.to_number,
            began: written(call.began_ns(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
            began_ms: call.began_ns() / 1_000_000,
            ended_ms: call.ended_ns() / 1_000_000,
            legs: call.legs.iter().map(LegEntry::of).collect(),
        }
    }
}

impl<'a> LegEntry<'a> {
    fn of(leg: &'a StoredLeg) -> Self {
        LegEntry {
            is_caller: leg.is_caller,
            channel: &leg.channel,
            streams: streams(leg),
            files: leg.files.iter().map(FileEntry::of).collect(),
        }
    }
}

impl<'a> FileEntry<'a> {
    fn of(file: &'a StoredFile) -> Self {
        FileEntry {
            path: &file.path,
            stream: file.stream.as_str(),
            bytes: file.octets,
            sample_rate: file.sample_rate,
            began_ms: file.began_ns / 1_000_000,
            ended_ms: file.ended_ns / 1_000_000,
            is_cut: file.is_cut,
        }
    }
}
