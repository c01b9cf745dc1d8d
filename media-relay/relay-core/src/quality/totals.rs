//! A leg's reception across changes of its SSRC.

use super::burst::LossPattern;
use super::loss::{since, sum};
use super::reception::{Arrival, PacketFacts, Reception};
use model::LossCounts;
use std::time::Duration;

/// What came from a leg, over all its sources: totals go on when the SSRC changes.
///
/// The current source and the one before are kept apart, so that two that alternate are not taken
/// for new ones with every packet; a third folds the oldest into the totals.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct StreamTotals {
    current: Option<Source>,
    previous: Option<Source>,
    /// Sums over the sources that are gone.
    finished: Sums,
    /// By [`IntervalReader`].
    intervals: [IntervalMark; 2],
    ssrc_changes: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Source {
    ssrc: u32,
    reception: Reception,
}

/// Who takes intervals: each has its own, and taking one leaves the other's alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IntervalReader {
    /// The reports that records are made of.
    Record,
    /// The live reports.
    Live,
}

/// Where a reader's interval began, and the largest jitter since of what was folded or read by
/// the other reader.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct IntervalMark {
    loss: LossCounts,
    pattern: LossPattern,
    packets: u64,
    jitter_max: Duration,
}

/// What happened since the reader's last report.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct IntervalReception {
    /// Loss as RFC 3550 A.3 counts it.
    pub loss: LossCounts,
    /// Packets that never came, each counted once: duplicates hide nothing. For the quality
    /// estimate.
    pub distinct_loss: LossCounts,
    /// Burst ratio of the interval's losses.
    pub burst_ratio: f64,
    /// The largest jitter estimate.
    pub jitter_max: Duration,
    /// Packets that came, of any kind.
    pub packets: u64,
}

#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Sums {
    loss: LossCounts,
    pattern: LossPattern,
    packets: u64,
    payload_bytes: u64,
    reordered: u64,
    duplicated: u64,
    late: u64,
}

impl StreamTotals {
    /// A leg that has sent nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet of `ssrc` in order of arrival.
    #[inline]
    pub fn on_packet(&mut self, ssrc: u32, packet: &PacketFacts) -> Arrival {
        match &mut self.current {
            Some(source) if source.ssrc == ssrc => source.reception.on_packet(packet),
            _ => self.on_other_source(ssrc, packet),
        }
    }

    fn on_other_source(&mut self, ssrc: u32, packet: &PacketFacts) -> Arrival {
        if self.current.is_some() {
            self.ssrc_changes += 1;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        if self.current.is_none_or(|source| source.ssrc != ssrc) {
            let begun = Source { ssrc, reception: Reception::new() };
            if let Some(mut oldest) = self.current.replace(begun) {
                let jitter_max = oldest.reception.take_interval_jitter_max();
                self.finished.add(&oldest.reception);
                self.note_jitter(jitter_max);
            }
        }
        match &mut self.current {
            Some(source) => source.reception.on_packet(packet),
            None => Arrival::Probation,
        }
    }

    /// The SSRC of the last packet.
    pub fn ssrc(&self) -> Option<u32> {
        self.current.map(|source| source.ssrc)
    }

    /// The reception of the last packet's source.
    pub fn current(&self) -> Option<&Reception> {
        self.current.as_ref().map(|source| &source.reception)
    }

    /// How often a packet came from another source than the one before.
    pub const fn ssrc_changes(&self) -> u64 {
        self.ssrc_changes
    }

    /// Loss since the stream began (RFC 3550 A.3).
    pub fn cumulative(&self) -> LossCounts {
        self.sources().fold(self.finished.loss, |loss, source| sum(loss, source.cumulative()))
    }

    /// Packets that never came since the stream began, each counted once.
    pub fn distinct_loss(&self) -> LossCounts {
        distinct(&self.pattern())
    }

    /// Burst ratio of all losses.
    pub fn burst_ratio(&self) -> f64 {
        self.pattern().burst_ratio()
    }

    /// Which packets came and which never did, over all sources.
    pub fn pattern(&self) -> LossPattern {
        self.sums().pattern
    }

    /// The running jitter estimate of the current source; zero before the first packet.
    pub fn jitter(&self) -> Duration {
        self.current().map_or(Duration::ZERO, Reception::jitter)
    }

    /// Packets of any kind.
    pub fn packets(&self) -> u64 {
        self.sources().fold(self.finished.packets, |count, source| count + source.packets())
    }

    /// Payload octets.
    pub fn payload_bytes(&self) -> u64 {
        self.sources().fold(self.finished.payload_bytes, |sum, source| sum + source.payload_bytes())
    }

    /// Packets that came after a later one, for the first time.
    pub fn reordered(&self) -> u64 {
        self.sources().fold(self.finished.reordered, |count, source| count + source.reordered())
    }

    /// Packets that came again.
    pub fn duplicated(&self) -> u64 {
        self.sources().fold(self.finished.duplicated, |count, source| count + source.duplicated())
    }

    /// Packets too far behind to know whether they came before.
    pub fn late(&self) -> u64 {
        self.sources().fold(self.finished.late, |count, source| count + source.late())
    }

    /// What happened since the same reader's last call; begins its new interval.
    pub fn take_interval(&mut self, reader: IntervalReader) -> IntervalReception {
        let mut read = Duration::ZERO;
        for source in [&mut self.current, &mut self.previous].into_iter().flatten() {
            read = read.max(source.reception.take_interval_jitter_max());
        }
        self.note_jitter(read);
        let now = self.sums();
        let [record, live] = &mut self.intervals;
        let mark = match reader {
            IntervalReader::Record => record,
            IntervalReader::Live => live,
        };
        let begun = IntervalMark {
            loss: now.loss,
            pattern: now.pattern,
            packets: now.packets,
            jitter_max: Duration::ZERO,
        };
        let before = std::mem::replace(mark, begun);
        IntervalReception {
            loss: since(now.loss, before.loss),
            distinct_loss: since(distinct(&now.pattern), distinct(&before.pattern)),
            burst_ratio: now.pattern.burst_ratio_since(&before.pattern),
            jitter_max: before.jitter_max,
            packets: now.packets - before.packets,
        }
    }

    /// A maximum was taken from a source: it stays in every reader's interval.
    fn note_jitter(&mut self, max: Duration) {
        for mark in &mut self.intervals {
            mark.jitter_max = mark.jitter_max.max(max);
        }
    }

    fn sources(&self) -> impl Iterator<Item = &Reception> {
        [&self.current, &self.previous].into_iter().flatten().map(|source| &source.reception)
    }

    fn sums(&self) -> Sums {
        let mut sums = self.finished;
        for reception in self.sources() {
            sums.add(reception);
        }
        sums
    }
}

impl Sums {
    fn add(&mut self, reception: &Reception) {
        self.loss = sum(self.loss, reception.cumulative());
        self.pattern.absorb(reception.pattern());
        self.packets += reception.packets();
        self.payload_bytes += reception.payload_bytes();
        self.reordered += reception.reordered();
        self.duplicated += reception.duplicated();
        self.late += reception.late();
    }
}

fn distinct(pattern: &LossPattern) -> LossCounts {
    LossCounts {
        expected: pattern.received() + pattern.lost(),
        lost: i64::try_from(pattern.lost()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests;
