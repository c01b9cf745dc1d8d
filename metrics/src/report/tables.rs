//! The quality of both sides as a table.

use super::{column_names, is_outbound, ms};
use crate::call_record::{CallRecord, PeerMetricsRecord, QualityRecord};
use std::fmt::Write as _;

/// A row's cells, customer before carrier.
pub(super) enum Cells {
    /// What came from each side, and what went to it.
    FromAndTo([[String; 2]; 2]),
    /// One value of each side.
    OfSide([String; 2]),
}

/// The rows by their names; none for a call without measured media.
pub(super) fn rows(record: &CallRecord) -> Vec<(&'static str, Cells)> {
    let [a, b] = &record.quality;
    let (customer, carrier) = if is_outbound(record) { (a, b) } else { (b, a) };
    if customer.is_none() && carrier.is_none() {
        return Vec::new();
    }
    let sides = [customer.as_ref(), carrier.as_ref()];
    let mut rows = paired(&PAIRED, sides);
    for (name, read) in SINGLE {
        let cells = sides.map(|side| side.and_then(read).unwrap_or_else(none));
        rows.push((name, Cells::OfSide(cells)));
    }
    // What the legs' extended reports say of the audio to them, where one has sent any.
    let told = sides.map(|side| side.and_then(|side| side.peer_metrics.as_ref()));
    if told.iter().any(Option::is_some) {
        for (name, read) in TOLD {
            let cells = told.map(|told| told.and_then(read).unwrap_or_else(none));
            rows.push((name, Cells::OfSide(cells)));
        }
    }
    rows
}

/// A row's name, and how it reads what came from a side and what went to it.
pub(super) type Paired = (&'static str, &'static Read, &'static Read);

/// Rows of what came from each side and what went to it.
pub(super) fn paired(
    rows: &[Paired],
    sides: [Option<&QualityRecord>; 2],
) -> Vec<(&'static str, Cells)> {
    let cells = |from: &Read, to: &Read| {
        sides.map(|side| [from, to].map(|read| side.and_then(read).unwrap_or_else(none)))
    };
    rows.iter().map(|(name, from, to)| (*name, Cells::FromAndTo(cells(from, to)))).collect()
}

fn none() -> String {
    "-".to_owned()
}

pub(super) fn quality(out: &mut String, record: &CallRecord) {
    let rows = rows(record);
    if rows.is_empty() {
        let _ = writeln!(out, "\nQuality\n  the call had no measured media");
        return;
    }
    let _ = writeln!(out, "\nQuality");
    let [first, second] = column_names(record);
    let _ = writeln!(out, "{:<22}{first:^36}  {second:>21}", "");
    let _ = writeln!(
        out,
        "{:<22}{:>17} {:>17}   {:>17} {:>17}",
        "", "from (cust2vc)", "to (vc2cust)", "from (rem2vc)", "to (vc2rem)"
    );
    let _ = writeln!(out, "{:<22}{}  {}", "", "-".repeat(36), "-".repeat(36));
    write(out, &rows);
}

/// The rows as text.
pub(super) fn write(out: &mut String, rows: &[(&str, Cells)]) {
    for (name, cells) in rows {
        let _ = match cells {
            Cells::FromAndTo([[a, b], [c, d]]) => {
                writeln!(out, "{name:<22}{a:>17} {b:>17}   {c:>17} {d:>17}")
            }
            Cells::OfSide([a, b]) => writeln!(out, "{name:<22}{a:>35}   {b:>35}"),
        };
    }
}

type ReadTold = dyn Fn(&PeerMetricsRecord) -> Option<String> + Sync;

const TOLD: [(&str, &ReadTold); 4] = [
    ("MOS (LQ / CQ) it says", &|m| {
        let score =
            |mos: Option<f64>| mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.1}"));
        (m.mos_lq.or(m.mos_cq)).map(|_| format!("{} / {}", score(m.mos_lq), score(m.mos_cq)))
    }),
    ("R factor it says", &|m| m.r_factor.map(|r| r.to_string())),
    ("lost/discarded it says", &|m| {
        let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
        Some(format!("{} / {}", percent(m.loss_ratio), percent(m.discard_ratio)))
    }),
    ("its jitter buffer", &|m| m.jitter_buffer_ms.map(|span| format!("{span} ms"))),
];

/// Reads a cell; `None` where there is nothing to tell.
pub(super) type Read = dyn Fn(&QualityRecord) -> Option<String> + Sync;

const PAIRED: [Paired; 5] = [
    ("RTP packets", &|q| some(q.received_packets), &|q| some(q.sent_packets)),
    ("RTP bytes", &|q| some(q.received_bytes), &|q| some(q.sent_bytes)),
    ("RTCP packets", &|q| some(q.received_rtcp_packets), &|q| some(q.sent_rtcp_packets)),
    ("lost", &|q| came(q).map(|q| share(q.lost_packets, q.expected_packets)), &|q| {
        went(q)?.peer_lost_packets.map(|lost| share(lost, q.sent_packets))
    }),
    ("jitter", &|q| came(q).map(|q| ms(q.jitter_us)), &|q| went(q)?.peer_jitter_us.map(ms)),
];

const SINGLE: [(&str, &Read); 7] = [
    ("codec", &|q| q.codec.as_deref().map(|c| crate::printable_line(c).into_owned())),
    ("MOS", &|q| q.mos.map(|mos| format!("{mos:.2}"))),
    ("round trip", &|q| q.rtt_us.map(ms)),
    ("largest jitter", &|q| came(q).map(|q| ms(q.jitter_max_us))),
    ("burst ratio", &|q| came(q).map(|q| format!("{:.2}", q.burst_ratio))),
    ("reordered/duplicated", &|q| came(q).map(|q| format!("{} / {}", q.reordered, q.duplicated))),
    ("wrong source/malformed", &|q| Some(format!("{} / {}", q.wrong_source, q.malformed))),
];

/// Nothing that never came has a jitter, a loss or an order.
fn came(quality: &QualityRecord) -> Option<&QualityRecord> {
    (quality.received_packets > 0).then_some(quality)
}

/// Nothing that was never sent was lost.
fn went(quality: &QualityRecord) -> Option<&QualityRecord> {
    (quality.sent_packets > 0).then_some(quality)
}

fn some(value: u64) -> Option<String> {
    Some(value.to_string())
}

fn share(lost: i64, of: u64) -> String {
    let lost = lost.max(0);
    if of == 0 {
        return lost.to_string();
    }
    format!("{lost} ({:.2} %)", lost as f64 * 100.0 / of as f64)
}
