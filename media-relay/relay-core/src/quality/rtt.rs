//! Round-trip time from LSR and DLSR.

use model::Instant;
use rtp_proto::{NtpMid, dlsr_to_duration};
use std::time::Duration;

/// A longer round trip is a lie or a wrapped clock, and none is better than that.
const PLAUSIBLE: Duration = Duration::from_secs(60);

/// Round-trip time where we sent the sender report ourselves (RFC 3550 section 6.4.1): arrival of
/// the report block less LSR and DLSR, all in NTP middle bits; `dlsr` in 1/65,536 s.
///
/// `None` when LSR is 0 (the peer has seen no sender report), and when the difference is negative
/// or implausible: the peer's DLSR lies.
pub fn round_trip_time(now: NtpMid, lsr: NtpMid, dlsr: u32) -> Option<Duration> {
    if lsr == NtpMid(0) {
        return None;
    }
    let since_report = now.units_since(lsr);
    plausible(dlsr_to_duration(since_report.checked_sub(dlsr)?))
}

/// How many forwarded sender reports can still be answered: at RFC 3550's interval of 5 s, 40 s.
const REMEMBERED: usize = 8;

/// Round-trip time between us and one leg where sender reports only pass through us (transport
/// translator, RFC 7667 section 3.2.1): remembers when those towards the leg were forwarded. The
/// leg's own reports quote them.
///
/// A fixed ring: the ninth report forgets the first, and an answer to a forgotten one gives no
/// round-trip time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SenderReportMemory {
    ring: [Option<Forwarded>; REMEMBERED],
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Forwarded {
    ntp: NtpMid,
    at: Instant,
}

impl SenderReportMemory {
    /// Nothing forwarded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A sender report with this NTP time goes out to the leg now.
    pub fn on_forwarded(&mut self, ntp: NtpMid, at: Instant) {
        if ntp == NtpMid(0) {
            // An LSR of 0 means "none": it could never be told from that.
            return;
        }
        let known = self.ring.iter().position(|entry| entry.is_some_and(|e| e.ntp == ntp));
        let slot = known.unwrap_or(self.next);
        if known.is_none() {
            self.next = (self.next + 1) % REMEMBERED;
        }
        if let Some(entry) = self.ring.get_mut(slot) {
            *entry = Some(Forwarded { ntp, at });
        }
    }

    /// A report block from the leg arrived at `now` quoting `lsr`; `dlsr` in 1/65,536 s.
    ///
    /// `None` when no such report is remembered, or when the leg says that it held the report for
    /// longer than it has been gone.
    pub fn round_trip_time(&self, now: Instant, lsr: NtpMid, dlsr: u32) -> Option<Duration> {
        let forwarded = self.ring.iter().flatten().find(|entry| entry.ntp == lsr)?;
        let gone = now.saturating_since(forwarded.at);
        plausible(gone.checked_sub(dlsr_to_duration(dlsr))?)
    }
}

fn plausible(rtt: Duration) -> Option<Duration> {
    (rtt <= PLAUSIBLE).then_some(rtt)
}

/// The mean of round-trip times, over the stream and over an interval.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RoundTrips {
    total: Mean,
    interval: Mean,
    last: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Mean {
    sum: Duration,
    count: u32,
}

impl RoundTrips {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a measurement.
    pub fn on_sample(&mut self, rtt: Duration) {
        self.total.add(rtt);
        self.interval.add(rtt);
        self.last = Some(rtt);
    }

    /// The last measurement.
    pub const fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Mean over the stream; `None` without a measurement (never 0).
    pub fn mean(&self) -> Option<Duration> {
        self.total.value()
    }

    /// Mean since the last call; begins a new interval.
    pub fn take_interval(&mut self) -> Option<Duration> {
        std::mem::take(&mut self.interval).value()
    }
}

impl Mean {
    fn add(&mut self, rtt: Duration) {
        if let Some(count) = self.count.checked_add(1) {
            self.count = count;
            self.sum = self.sum.saturating_add(rtt);
        }
    }

    fn value(self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

#[cfg(test)]
mod tests;
