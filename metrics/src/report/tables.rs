//! The quality of both sides as a table.

use super::{is_outbound, ms};
use crate::call_record::{CallRecord, PeerMetricsRecord, QualityRecord};
use std::fmt::Write as _;

pub(super) fn quality(out: &mut String, record: &CallRecord) {
    let [a, b] = &record.quality;
    let (customer, carrier) = if is_outbound(record) { (a, b) } else { (b, a) };
    if customer.is_none() && carrier.is_none() {
        let _ = writeln!(out, "\nQuality\n  the call had no measured media");
        return;
    }
    let sides = [customer.as_ref(), carrier.as_ref()];
    let _ = writeln!(out, "\nQuality");
    let _ = writeln!(out, "{:<22}{:^36}  {:>21}", "", "customer", "carrier");
    let _ = writeln!(
        out,
        "{:<22}{:>17} {:>17}   {:>17} {:>17}",
        "", "from (cust2vc)", "to (vc2cust)", "from (rem2vc)", "to (vc2rem)"
    );
    let _ = writeln!(out, "{:<22}{}  {}", "", "-".repeat(36), "-".repeat(36));
    for (name, from, to) in PAIRED {
        let cells = sides.map(|side| {
            let cell = |read: &Read| side.and_then(read).unwrap_or_else(|| "-".to_owned());
            (cell(from), cell(to))
        });
        let [(a, b), (c, d)] = cells;
        let _ = writeln!(out, "{name:<22}{a:>17} {b:>17}   {c:>17} {d:>17}");
    }
    for (name, read) in SINGLE {
        let [a, b] = sides.map(|side| side.and_then(read).unwrap_or_else(|| "-".to_owned()));
        let _ = writeln!(out, "{name:<22}{a:>35}   {b:>35}");
    }
    peer_metrics(out, sides);
}

/// What the legs' extended reports say of the audio to them, where one has sent any.
fn peer_metrics(out: &mut String, sides: [Option<&QualityRecord>; 2]) {
    let told = sides.map(|side| side.and_then(|side| side.peer_metrics.as_ref()));
    if told.iter().all(Option::is_none) {
        return;
    }
    for (name, read) in TOLD {
        let [a, b] = told.map(|told| told.and_then(read).unwrap_or_else(|| "-".to_owned()));
        let _ = writeln!(out, "{name:<22}{a:>35}   {b:>35}");
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

type Read = dyn Fn(&QualityRecord) -> Option<String> + Sync;

const PAIRED: [(&str, &Read, &Read); 5] = [
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
