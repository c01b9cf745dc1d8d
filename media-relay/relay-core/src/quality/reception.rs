//! What arrives from one source: order, loss, duplicates and jitter.

use super::burst::LossPattern;
use super::jitter::InterarrivalJitter;
use super::loss::{counts, since, sum};
use model::{Instant, LossCounts};
use rtp_proto::{ExtendedSequence, SequenceStep};
use std::time::Duration;

/// Sequence numbers that are remembered one by one, the highest included: 1.3 s of 20 ms packets.
const WINDOW: u64 = u64::BITS as u64;

/// What a packet carries, as far as measuring it goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketKind {
    /// Audio in any format.
    Audio,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// Telephone events (RFC 4733).
    TelephoneEvent,
}

/// What [`Reception::on_packet`] needs to know of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketFacts {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// When it arrived, not when it is handled.
    pub arrival: Instant,
    /// RTP clock rate of its payload type in Hz. With 0 it has no part in jitter.
    pub clock_rate: u32,
    /// Payload octets without padding.
    pub payload_bytes: usize,
    /// Marker bit.
    pub marker: bool,
    /// What it carries.
    pub kind: PacketKind,
    /// It answers when its sender was asked for it again: however late it comes, it is no restart.
    pub was_asked: bool,
}

/// How a packet came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arrival {
    /// After all before it, perhaps behind a gap.
    InOrder,
    /// After a later one, for the first time.
    Reordered,
    /// A second time.
    Duplicate,
    /// Too far behind to know whether it came before. It counts as received (RFC 3550 A.3).
    Late,
    /// The second packet of a new run of numbers: the source started over, and both count.
    Restart,
    /// A source's first packet (which counts), or one that jumped and counts only once the next
    /// packet confirms it.
    Probation,
}

/// Reception of one SSRC. Fixed size; a packet costs some tens of nanoseconds.
///
/// The relay takes packets from a latched source only, so the first packet counts at once, where
/// RFC 3550 A.1 waits for a second one in sequence; a stray first packet is undone by A.1's restart
/// rule.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reception {
    sequence: Option<ExtendedSequence>,
    /// Bit n: the packet n before the highest came.
    window: u64,
    /// How many bits of `window` stand for packets that were expected.
    window_filled: u64,
    /// Of the packets that left the window.
    pattern: LossPattern,
    /// Since the last restart; duplicates and late packets included, as A.3 says.
    received: u64,
    /// Before the last restart.
    before_restart: LossCounts,
    interval_start: LossCounts,
    jitter: InterarrivalJitter,
    packets: u64,
    payload_bytes: u64,
    reordered: u64,
    duplicated: u64,
    late: u64,
    restarts: u64,
}

impl Reception {
    /// A source that has sent nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet in order of arrival.
    #[inline]
    pub fn on_packet(&mut self, packet: &PacketFacts) -> Arrival {
        self.packets += 1;
        self.payload_bytes += packet.payload_bytes as u64;
        let Some(sequence) = &mut self.sequence else {
            self.begin(packet);
            return Arrival::Probation;
        };
        match sequence.update_or_answered(packet.sequence, || packet.was_asked) {
            SequenceStep::Ahead { by } => {
                self.received += 1;
                self.advance(u64::from(by));
                self.jitter.on_packet(packet);
                Arrival::InOrder
            }
            SequenceStep::Behind { by } => {
                self.received += 1;
                self.jitter.on_packet(packet);
                self.fill(u64::from(by))
            }
            SequenceStep::Jumped | SequenceStep::Probation => Arrival::Probation,
            SequenceStep::Restarted => {
                self.restart(packet);
                Arrival::Restart
            }
        }
    }

    fn begin(&mut self, packet: &PacketFacts) {
        self.sequence = Some(ExtendedSequence::accepted(packet.sequence));
        self.window = 1;
        self.window_filled = 1;
        self.received = 1;
        self.jitter.on_packet(packet);
    }

    fn restart(&mut self, packet: &PacketFacts) {
        // The sequence has already begun anew, so what it expected before is told by the window:
        // every expected packet is in the pattern or still in the window.
        let pattern = self.pattern();
        let expected_before = pattern.received() + pattern.lost() - self.expected_at_restarts();
        self.before_restart = sum(self.before_restart, counts(expected_before, self.received));
        self.pattern = pattern;
        self.window = 0b11;
        self.window_filled = 2;
        self.received = 2;
        self.restarts += 1;
        self.jitter.restart();
        self.jitter.on_packet(packet);
    }

    const fn expected_at_restarts(&self) -> u64 {
        self.before_restart.expected
    }

    /// The highest number grew by `by`; what leaves the window is settled.
    #[inline]
    fn advance(&mut self, by: u64) {
        let steps = by.min(WINDOW);
        let leaving = (self.window_filled + steps).saturating_sub(WINDOW).min(self.window_filled);
        if leaving > 0 {
            settle(&mut self.pattern, self.window, self.window_filled, leaving);
        }
        self.pattern.push_lost(by - steps);
        self.window_filled = (self.window_filled + steps).min(WINDOW);
        self.window = if steps == WINDOW { 1 } else { (self.window << steps) | 1 };
    }

    fn fill(&mut self, behind: u64) -> Arrival {
        if behind >= self.window_filled {
            self.late += 1;
            return Arrival::Late;
        }
        let bit = 1 << behind;
        if self.window & bit != 0 {
            self.duplicated += 1;
            return Arrival::Duplicate;
        }
        self.window |= bit;
        self.reordered += 1;
        Arrival::Reordered
    }

    /// Loss since the source began (A.3): expected less received, where duplicates and late
    /// packets count as received.
    pub fn cumulative(&self) -> LossCounts {
        let expected = self.sequence.map_or(0, |sequence| sequence.expected());
        sum(self.before_restart, counts(expected, self.received))
    }

    /// Loss since the last call; begins a new interval.
    pub fn take_interval(&mut self) -> LossCounts {
        let now = self.cumulative();
        let interval = since(now, self.interval_start);
        self.interval_start = now;
        interval
    }

    /// Which packets came and which never did, each counted once, up to the highest.
    pub fn pattern(&self) -> LossPattern {
        let mut pattern = self.pattern;
        settle(&mut pattern, self.window, self.window_filled, self.window_filled);
        pattern
    }

    /// Burst ratio of all losses so far, see [`LossPattern::burst_ratio`].
    pub fn burst_ratio(&self) -> f64 {
        self.pattern().burst_ratio()
    }

    /// The running jitter estimate.
    pub fn jitter(&self) -> Duration {
        self.jitter.current()
    }

    /// The same in timestamp units, as a report block carries it.
    pub fn jitter_units(&self) -> u32 {
        self.jitter.timestamp_units()
    }

    /// The largest jitter estimate since the last call.
    pub fn take_interval_jitter_max(&mut self) -> Duration {
        self.jitter.take_interval_max()
    }

    /// Highest sequence number with its wraps, as a report block carries it; `None` before the
    /// first packet.
    pub fn highest_sequence(&self) -> Option<u32> {
        self.sequence.map(|sequence| sequence.report_value())
    }

    /// All packets, whatever became of them.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload octets of all packets.
    pub const fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Packets that came after a later one, for the first time.
    pub const fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Packets that came again.
    pub const fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// Packets so far behind that nobody knows whether they came before.
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// How often the source started over.
    pub const fn restarts(&self) -> u64 {
        self.restarts
    }
}

/// Moves the `leaving` oldest of `filled` packets into the pattern, oldest first, run by run.
#[inline]
fn settle(pattern: &mut LossPattern, window: u64, filled: u64, leaving: u64) {
    // The oldest packet to the top bit.
    let mut bits = if filled == 0 { 0 } else { window << (WINDOW - filled) };
    let mut rest = leaving;
    while rest > 0 {
        let came = u64::from(bits.leading_ones()).min(rest);
        pattern.push_received(came);
        bits = bits.checked_shl(came as u32).unwrap_or(0);
        rest -= came;
        let missing = u64::from(bits.leading_zeros()).min(rest);
        pattern.push_lost(missing);
        bits = bits.checked_shl(missing as u32).unwrap_or(0);
        rest -= missing;
    }
}

#[cfg(test)]
mod tests;
