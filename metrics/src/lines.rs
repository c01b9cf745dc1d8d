//! The lines of a call beside its audio: what is recorded, shown and logged of each. Nothing of them
//! goes into what is measured of audio.

use crate::call_record::QualityRecord;
use crate::live::LiveQuality;
use crate::quality::{LegQuality, micros};
use model::{
    CallParties, Instant, LegSide, MediaId, MediaLine, QualityReport, ReportKind, Side,
    TransactionId, UnixTime,
};
use serde::{Deserialize, Serialize};

/// Lines of one call that are kept; one that is switched off and on again counts as another.
const LINE_LIMIT: usize = 24;

/// One line of a call's record. A line that was switched off and on again is there once for each time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LineRecord {
    /// Its place among the `m=` lines of leg A's descriptions, from 0.
    pub index: u8,
    /// `video`, `audio`, `text` or `application`.
    pub media: String,
    /// Of leg A and of leg B; `mos` only for audio. What is no RTP is in `fax`: datagrams.
    pub quality: [Option<QualityRecord>; 2],
}

/// One line of a live call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LiveLine {
    /// As in [`LineRecord`].
    pub index: u8,
    /// As in [`LineRecord`].
    pub media: String,
    /// On the customer's side, from the last report.
    pub customer: Option<LiveQuality>,
    /// On the carrier's side, from the last report.
    pub remote: Option<LiveQuality>,
}

#[derive(Debug)]
struct TrackedLine {
    id: MediaId,
    index: u8,
    media: &'static str,
    /// By [`LegSide::index`].
    legs: [LegQuality; 2],
}

/// Those of one call, in the order of their first reports.
#[derive(Debug, Default)]
pub(crate) struct TrackedLines(Vec<TrackedLine>);

impl TrackedLines {
    /// Takes a report in; `false` when the call has too many lines.
    pub(crate) fn take(
        &mut self,
        report: QualityReport,
        began: Instant,
        series_limit: usize,
    ) -> bool {
        let MediaLine::Further { index, media } = report.line else { return true };
        let known = self.0.iter().position(|line| line.id == report.id);
        let at = match known {
            Some(at) => at,
            None if self.0.len() >= LINE_LIMIT => return false,
            None => {
                let (id, media) = (report.id, media.name());
                self.0.push(TrackedLine { id, index, media, legs: Default::default() });
                self.0.len() - 1
            }
        };
        let Some(line) = self.0.get_mut(at) else { return false };
        let [a, b] = &mut line.legs;
        let leg = if report.leg == LegSide::A { a } else { b };
        if report.kind == ReportKind::Live {
            leg.watch(&report, began);
        } else {
            leg.take(Box::new(report), began, series_limit);
        }
        true
    }

    pub(crate) fn records(&self) -> Vec<LineRecord> {
        let record = |line: &TrackedLine| LineRecord {
            index: line.index,
            media: line.media.to_owned(),
            quality: line.legs.each_ref().map(LegQuality::record),
        };
        self.0.iter().map(record).collect()
    }

    /// Those that are not over; `customer` is that side's leg.
    pub(crate) fn live(&self, customer: LegSide) -> Vec<LiveLine> {
        let live = |line: &TrackedLine| {
            let [a, b] = &line.legs;
            let (customer, remote) = if customer == LegSide::A { (a, b) } else { (b, a) };
            LiveLine {
                index: line.index,
                media: line.media.to_owned(),
                customer: customer.live(),
                remote: remote.live(),
            }
        };
        let running = |line: &&TrackedLine| !line.legs.iter().all(|leg| leg.is_final);
        self.0.iter().filter(running).map(live).collect()
    }
}

/// The path of a voice connector's log of lines.
pub(crate) fn log_path(voice_connector: &str) -> String {
    format!("logs/lines/{voice_connector}.jsonl")
}

/// A line of that log: one leg of one line, cumulative since the line was switched on.
pub(crate) fn log_line(
    parties: &CallParties,
    id: TransactionId,
    at: UnixTime,
    report: &QualityReport,
) -> Option<Vec<u8>> {
    let MediaLine::Further { index, media } = report.line else { return None };
    let (received, sent) = (&report.received, &report.sent);
    let datagrams = report.fax;
    let line = LogLine {
        voice_connector_id: parties.voice_connector.as_str(),
        event_timestamp: at.as_millis(),
        call_id: id.to_string(),
        media: media.name(),
        line: index,
        side: match parties.direction.side_of(report.leg) {
            Side::Customer => "customer",
            Side::Remote => "remote",
        },
        is_final: report.kind == ReportKind::Final,
        codec: report.codecs.received.map(|codec| codec.name()),
        received_packets: received.rtp_packets
            + datagrams.map_or(0, |datagrams| datagrams.received_packets),
        received_bytes: received.rtp_bytes
            + datagrams.map_or(0, |datagrams| datagrams.received_bytes),
        received_lost: received.loss.lost,
        received_jitter: micros(received.jitter),
        sent_packets: sent.rtp_packets + datagrams.map_or(0, |datagrams| datagrams.sent_packets),
        sent_bytes: sent.rtp_bytes + datagrams.map_or(0, |datagrams| datagrams.sent_bytes),
        sent_lost: report.peer.map(|peer| peer.packets_lost),
        sent_jitter: report.peer.map(|peer| micros(peer.jitter)),
        rtt: report.rtt.map(micros),
    };
    let mut out = Vec::with_capacity(512);
    // Serialising plain fields into memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &line);
    Some(out)
}

/// Jitter and round trip are µs. What was lost of what we sent is what the leg's RTCP said.
#[derive(Serialize)]
struct LogLine<'a> {
    voice_connector_id: &'a str,
    event_timestamp: u64,
    call_id: String,
    media: &'static str,
    line: u8,
    side: &'static str,
    #[serde(rename = "final")]
    is_final: bool,
    codec: Option<&'static str>,
    received_packets: u64,
    received_bytes: u64,
    received_lost: i64,
    received_jitter: u64,
    sent_packets: u64,
    sent_bytes: u64,
    sent_lost: Option<i64>,
    sent_jitter: Option<u64>,
    rtt: Option<u64>,
}
