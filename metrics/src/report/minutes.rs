//! Both sides minute by minute.

use super::facts::clock;
use super::findings::percent;
use super::{column_names, is_outbound, ms};
use crate::call_record::{CallRecord, IntervalRecord};
use std::fmt::Write as _;

/// Rows of the table; what is more is counted.
const SHOWN: usize = 60;
/// Reports of both legs that are this close are of the same minute, ms.
const PAIR_MS: u64 = 5_000;

/// One reporting interval: a minute, but for the last one and in long calls.
#[derive(Clone, Copy)]
pub(super) struct Minute {
    /// When it ended.
    pub(super) offset_ms: u64,
    /// Customer, carrier.
    pub(super) sides: [Option<IntervalRecord>; 2],
}

/// The intervals of both sides by time.
pub(super) fn minutes(record: &CallRecord) -> Vec<Minute> {
    let mut all: Vec<(usize, IntervalRecord)> = Vec::new();
    for (leg, quality) in record.quality.iter().enumerate() {
        let side = usize::from(is_outbound(record) != (leg == 0));
        let intervals = quality.iter().flat_map(|quality| &quality.intervals);
        all.extend(intervals.map(|interval| (side, *interval)));
    }
    all.sort_by_key(|(_, interval)| interval.offset_ms);
    let mut minutes: Vec<Minute> = Vec::new();
    for (side, interval) in all {
        let free = minutes.last_mut().filter(|last| {
            last.sides[side].is_none()
                && interval.offset_ms.saturating_sub(last.offset_ms) <= PAIR_MS
        });
        match free {
            Some(last) => last.sides[side] = Some(interval),
            None => {
                let mut sides = [None; 2];
                sides[side] = Some(interval);
                minutes.push(Minute { offset_ms: interval.offset_ms, sides });
            }
        }
    }
    minutes
}

/// The table; nothing for a call of a single interval, which the table of the whole call tells.
pub(super) fn table(out: &mut String, record: &CallRecord) {
    let minutes = minutes(record);
    if minutes.len() < 2 {
        return;
    }
    let [first, second] = column_names(record);
    let _ = writeln!(out, "\nBy minute\n{:<10}{first:^43}  {second:>25}", "");
    let head = format!("{:>9} {:>12} {:>10} {:>9}", "lost", "jitter", "trip", "MOS");
    let _ = writeln!(out, "{:<10}{head}  {head}", "until");
    for minute in minutes.iter().take(SHOWN) {
        let [customer, carrier] = minute.sides.each_ref().map(cells);
        let _ = writeln!(out, "{:<10}{customer}  {carrier}", clock(record, minute.offset_ms));
    }
    if minutes.len() > SHOWN {
        let _ = writeln!(out, "and {} more", minutes.len() - SHOWN);
    }
}

fn cells(side: &Option<IntervalRecord>) -> String {
    let [lost, jitter, trip, mos] = texts(side);
    format!("{lost:>9} {jitter:>12} {trip:>10} {mos:>9}")
}

/// Loss, largest jitter, round trip and MOS.
pub(super) fn texts(side: &Option<IntervalRecord>) -> [String; 4] {
    let none = || "-".to_owned();
    let heard = side.as_ref().filter(|interval| interval.expected > 0);
    let lost = heard.map_or_else(none, |i| format!("{:.1} %", percent(i.lost, i.expected)));
    let jitter = heard.map_or_else(none, |i| ms(i.jitter_max_us));
    let trip = side.as_ref().and_then(|i| i.rtt_us).map_or_else(none, ms);
    let mos = side.as_ref().and_then(|i| i.mos).map_or_else(none, |mos| format!("{mos:.2}"));
    [lost, jitter, trip, mos]
}

/// Whether somebody will have noticed.
fn is_troubled(interval: &IntervalRecord) -> bool {
    percent(interval.lost, interval.expected) >= 1.0
        || interval.jitter_max_us >= 30_000
        || interval.rtt_us.is_some_and(|rtt| rtt >= 300_000)
        || interval.mos.is_some_and(|mos| mos <= 3.6)
}

/// What the ladder says of the quality, each at its time: all intervals of a short call, the
/// troubled ones of a longer.
pub(super) fn remarks(record: &CallRecord) -> Vec<(u64, String)> {
    const ALL: usize = 4;
    const TROUBLED: usize = 12;
    let minutes = minutes(record);
    let all = minutes.len() <= ALL;
    minutes
        .iter()
        .filter(|minute| all || minute.sides.iter().flatten().any(is_troubled))
        .take(TROUBLED)
        .map(|minute| {
            let sides = column_names(record).into_iter().zip(&minute.sides);
            let told: Vec<_> = sides
                .filter_map(|(name, side)| Some((name, side.as_ref()?)))
                .filter(|(_, side)| side.expected > 0 || side.mos.is_some())
                .map(|(name, side)| remark(name, side))
                .collect();
            (minute.offset_ms, told.join(", "))
        })
        .filter(|(_, text)| !text.is_empty())
        .map(|(at, text)| (at, format!("lost/jitter/MOS: {text}")))
        .collect()
}

fn remark(name: &str, side: &IntervalRecord) -> String {
    let lost = percent(side.lost, side.expected);
    let mos = side.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"));
    format!("{name} {lost:.1} %/{}/{mos}", ms(side.jitter_max_us))
}
