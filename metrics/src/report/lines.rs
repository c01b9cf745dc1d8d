//! The lines beside the audio: a short table of each, and what is wrong with them.

use super::findings::{Finding, Severity};
use super::tables::{Cells, Paired};
use super::{is_outbound, ms, side_name};
use crate::call_record::{CallRecord, QualityRecord};
use crate::lines::LineRecord;
use std::fmt::Write as _;

/// Loss of pictures that one sees, in per cent.
const VISIBLE_LOSS: f64 = 2.0;

pub(super) fn tables(out: &mut String, record: &CallRecord) {
    for line in &record.lines {
        let _ = writeln!(out, "\n{}", title(line));
        super::tables::write(out, &rows(record, line));
    }
}

/// The rows of a line by their names.
pub(super) fn rows(record: &CallRecord, line: &LineRecord) -> Vec<(&'static str, Cells)> {
    let [a, b] = &line.quality;
    let (customer, carrier) = if is_outbound(record) { (a, b) } else { (b, a) };
    super::tables::paired(&ROWS, [customer.as_ref(), carrier.as_ref()])
}

/// What was wrong with a line; nothing where all is well.
pub(super) fn findings(record: &CallRecord) -> Vec<Finding> {
    let mut found = Vec::new();
    for line in &record.lines {
        for (leg, quality) in line.quality.iter().enumerate() {
            let Some(quality) = quality else { continue };
            let lost = quality.lost_packets.max(0) as f64;
            let percent = lost * 100.0 / (quality.expected_packets.max(1)) as f64;
            if line.media == "video" && percent >= VISIBLE_LOSS {
                let text = format!(
                    "Pictures from the {}: {lost} packets of {} were lost before they reached \
                     Tandem ({percent:.1} %). They freeze or break up; look at that side's \
                     bandwidth.",
                    side_name(record, leg),
                    quality.expected_packets
                );
                found.push(Finding { severity: Severity::Fair, text });
            }
        }
    }
    found
}

pub(super) fn title(line: &LineRecord) -> String {
    let codec = line.quality.iter().flatten().find_map(|side| side.codec.as_deref());
    let codec = codec.map(|codec| format!(" ({})", crate::printable_line(codec)));
    let media = crate::printable_line(&line.media);
    format!("Line {}: {media}{}", u32::from(line.index) + 1, codec.unwrap_or_default())
}

const ROWS: [Paired; 5] = [
    ("packets", &|q| Some(received(q).to_string()), &|q| Some(sent(q).to_string())),
    ("bytes", &|q| some(q.received_bytes, q.fax.map_or(0, |fax| fax.received_bytes)), &|q| {
        some(q.sent_bytes, q.fax.map_or(0, |fax| fax.sent_bytes))
    }),
    ("lost", &|q| came(q).map(|q| q.lost_packets.max(0).to_string()), &|q| {
        q.peer_lost_packets.map(|lost| lost.to_string())
    }),
    ("jitter", &|q| came(q).map(|q| ms(q.jitter_us)), &|q| q.peer_jitter_us.map(ms)),
    ("round trip", &|q| q.rtt_us.map(ms), &|_| None),
];

fn some(own: u64, fax: u64) -> Option<String> {
    Some(own.saturating_add(fax).to_string())
}

fn received(quality: &QualityRecord) -> u64 {
    let fax = quality.fax.map_or(0, |datagrams| datagrams.received_packets);
    quality.received_packets.saturating_add(fax)
}

fn sent(quality: &QualityRecord) -> u64 {
    let fax = quality.fax.map_or(0, |datagrams| datagrams.sent_packets);
    quality.sent_packets.saturating_add(fax)
}

/// Only RTP is measured.
fn came(quality: &QualityRecord) -> Option<&QualityRecord> {
    (quality.received_packets > 0).then_some(quality)
}
