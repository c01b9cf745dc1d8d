//! Interarrival jitter (RFC 3550 section 6.4.1 and appendix A.8), with silence kept out of it.

use super::reception::{PacketFacts, PacketKind};
use model::Instant;
use std::time::Duration;

/// A consecutive packet this long after the one before begins anew: a hold or a silence, during
/// which the sender's timestamps may have stood still.
const PAUSE: Duration = Duration::from_secs(1);
/// Timestamps that leave their rhythm by more than this part of a second jumped: a talkspurt
/// without a marker, or another clock.
const JUMP_PER_SECOND: u32 = 5;
/// A.8 keeps the estimate times 16.
const SCALE: u64 = 16;

/// The running estimate of one source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InterarrivalJitter {
    /// Sixteen times the estimate, in timestamp units.
    scaled: u64,
    clock_rate: u32,
    /// The packet before in order of arrival; `None` where nothing may be compared.
    previous: Option<Previous>,
    /// Timestamp units from one packet to the next in the sender's rhythm; 0 while unknown.
    rhythm: u32,
    /// The largest `scaled` since the interval began.
    interval_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Previous {
    transit: u32,
    sequence: u16,
    timestamp: u32,
    arrival: Instant,
}

impl InterarrivalJitter {
    /// Takes a packet in order of arrival.
    ///
    /// Comfort noise (sent when the noise changes) and telephone events (whose timestamp stands
    /// still) say nothing about the network; the audio packet after them starts a new comparison.
    #[inline]
    pub fn on_packet(&mut self, packet: &PacketFacts) {
        if packet.kind != PacketKind::Audio || packet.clock_rate == 0 {
            self.previous = None;
            return;
        }
        if packet.clock_rate != self.clock_rate {
            self.change_clock(packet.clock_rate);
        }
        let arrival_units = timestamp_units(packet.arrival, packet.clock_rate);
        let transit = arrival_units.wrapping_sub(packet.timestamp);
        if let Some(previous) = self.previous
            && !self.is_new_comparison(&previous, packet)
        {
            // A.8: d = |transit - s->transit|; s->jitter += d - ((s->jitter + 8) >> 4).
            let d = (transit.wrapping_sub(previous.transit) as i32).unsigned_abs();
            self.scaled = self.scaled + u64::from(d) - ((self.scaled + 8) >> 4);
            self.interval_max = self.interval_max.max(self.scaled);
        }
        self.previous = Some(Previous {
            transit,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrival: packet.arrival,
        });
    }

    /// Whether silence or a break lies between the packets; learns the rhythm when not.
    fn is_new_comparison(&mut self, previous: &Previous, packet: &PacketFacts) -> bool {
        let packets = i64::from(packet.sequence.wrapping_sub(previous.sequence) as i16);
        let step = i64::from(packet.timestamp.wrapping_sub(previous.timestamp) as i32);
        let off_rhythm = step - packets * i64::from(self.rhythm);
        let jump = i64::from(self.clock_rate / JUMP_PER_SECOND);
        let talkspurt = packet.marker && self.rhythm != 0 && off_rhythm != 0;
        let pause = packets == 1 && packet.arrival.saturating_since(previous.arrival) >= PAUSE;
        let begins_anew = talkspurt || pause || off_rhythm.abs() > jump;
        if packets == 1 && step > 0 && !begins_anew {
            self.rhythm = u32::try_from(step).unwrap_or(self.rhythm);
        }
        begins_anew
    }

    /// Compares nothing across here: the source started over.
    pub fn restart(&mut self) {
        self.previous = None;
        self.rhythm = 0;
    }

    fn change_clock(&mut self, clock_rate: u32) {
        if self.clock_rate != 0 {
            let convert = |scaled: u64| scaled * u64::from(clock_rate) / u64::from(self.clock_rate);
            self.scaled = convert(self.scaled);
            self.interval_max = convert(self.interval_max);
        }
        self.clock_rate = clock_rate;
        self.restart();
    }

    /// The estimate in timestamp units, as a report block carries it.
    pub fn timestamp_units(&self) -> u32 {
        u32::try_from(self.scaled / SCALE).unwrap_or(u32::MAX)
    }

    /// The estimate as a duration; zero before two packets could be compared.
    pub fn current(&self) -> Duration {
        self.duration(self.scaled)
    }

    /// The largest estimate that a packet led to since the last call, zero when none did; begins a
    /// new interval.
    pub fn take_interval_max(&mut self) -> Duration {
        let max = std::mem::take(&mut self.interval_max);
        self.duration(max)
    }

    fn duration(&self, scaled: u64) -> Duration {
        if self.clock_rate == 0 {
            return Duration::ZERO;
        }
        // 62,500,000 = 10^9 / 16: no sixteenth is lost before the division.
        let nanos = u128::from(scaled) * 62_500_000 / u128::from(self.clock_rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A jitter field in timestamp units as a duration, at most an hour so that a lie stays printable;
/// zero when the clock rate is 0.
pub fn jitter_duration(units: u32, clock_rate: u32) -> Duration {
    if clock_rate == 0 {
        return Duration::ZERO;
    }
    let nanos = u64::from(units) * 1_000_000_000 / u64::from(clock_rate);
    Duration::from_nanos(nanos).min(Duration::from_secs(3_600))
}

/// An arrival in units of the media clock, modulo 2^32.
#[inline]
fn timestamp_units(arrival: Instant, clock_rate: u32) -> u32 {
    let nanos = arrival.as_nanos();
    let rate = u64::from(clock_rate);
    let whole = (nanos / 1_000_000_000).wrapping_mul(rate);
    let part = (nanos % 1_000_000_000) * rate / 1_000_000_000;
    whole.wrapping_add(part) as u32
}

#[cfg(test)]
mod tests;
