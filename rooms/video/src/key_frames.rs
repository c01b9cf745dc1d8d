//! Requests for key frames: coalesced over receivers and limited, so that one receiver with a bad
//! network does not make everybody's picture coarse.

use model::Instant;
use std::time::Duration;

/// The least time between two requests to one source.
pub const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// A source that has not sent a key frame after so many requests is asked less often.
pub const FAST_REQUESTS: u32 = 5;
/// The time between requests to such a source.
pub const SLOW_INTERVAL: Duration = Duration::from_secs(5);
/// The longest time between two requests of one receiver that are passed on.
const MOST_PAUSE: Duration = Duration::from_secs(8);
/// A receiver that asked for nothing for so long begins anew.
const QUIET: Duration = Duration::from_secs(10);

/// By which ways a source takes requests, as its description says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct RequestWays {
    /// `a=rtcp-fb:… nack pli` (RFC 4585 section 6.3.1).
    pub picture_loss: bool,
    /// `a=rtcp-fb:… ccm fir` (RFC 5104 section 4.3.1).
    pub full_intra: bool,
}

impl RequestWays {
    /// Neither: an INFO with `picture_fast_update` is what is left (RFC 5168).
    pub const fn by_signalling(self) -> bool {
        !self.picture_loss && !self.full_intra
    }
}

/// One source's requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyFrameRequests {
    wanted: bool,
    last_sent: Option<Instant>,
    /// Since the last key frame.
    sent: u32,
    /// FIR's number: another one is another request.
    number: u8,
    coalesced: u64,
    total: u64,
}

impl KeyFrameRequests {
    /// A receiver needs one.
    pub(crate) fn want(&mut self) {
        self.coalesced += u64::from(self.wanted);
        self.wanted = true;
    }

    /// A key frame begins: whoever waits for one has it.
    pub(crate) fn key_frame_came(&mut self) {
        self.wanted = false;
        self.sent = 0;
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last_sent.map_or(Instant::ZERO, |last| last + self.interval());
        self.wanted.then_some(last)
    }

    /// Whether a request is to be sent now, and its number. It goes out again until a key frame comes.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<u8> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        self.last_sent = Some(now);
        self.sent = self.sent.saturating_add(1);
        self.total += 1;
        self.number = self.number.wrapping_add(1);
        Some(self.number)
    }

    pub(crate) const fn counts(&self) -> (u64, u64) {
        (self.total, self.coalesced)
    }

    fn interval(&self) -> Duration {
        if self.sent < FAST_REQUESTS { REQUEST_INTERVAL } else { SLOW_INTERVAL }
    }
}

/// What one receiver asks for by PLI, FIR or INFO: each time in a row twice as long apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    last_passed: Option<Instant>,
    last_asked: Option<Instant>,
    pause: Duration,
    pub(crate) held_back: u64,
}

impl Asking {
    /// Whether its request is passed on.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let quiet = self.last_asked.is_none_or(|last| now - last >= QUIET);
        self.last_asked = Some(now);
        if quiet {
            self.pause = REQUEST_INTERVAL;
        } else if self.last_passed.is_some_and(|last| now < last + self.pause) {
            self.held_back += 1;
            return false;
        } else {
            self.pause = (self.pause * 2).min(MOST_PAUSE);
        }
        self.last_passed = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn many_wishes_are_one_request_a_second() {
        let mut requests = KeyFrameRequests::default();
        assert_eq!(requests.poll(at(5_000)), None);
        requests.want();
        requests.want();
        assert_eq!(requests.poll(at(5_000)), Some(1));
        assert_eq!(requests.poll(at(5_999)), None);
        requests.want();
        assert_eq!(requests.poll_timeout(), Some(at(6_000)));
        assert_eq!(requests.poll(at(6_000)), Some(2));
        requests.key_frame_came();
        assert_eq!((requests.poll(at(9_000)), requests.poll_timeout()), (None, None));
        assert_eq!(requests.counts(), (2, 2));
    }

    #[test]
    fn a_source_that_does_not_answer_is_asked_less_often() {
        let mut requests = KeyFrameRequests::default();
        requests.want();
        let asked: Vec<_> = (0..20_000)
            .step_by(100)
            .filter(|ms| requests.poll(at(10_000 + ms)).is_some())
            .collect();
        assert_eq!(asked, [0, 1_000, 2_000, 3_000, 4_000, 9_000, 14_000, 19_000]);
    }

    #[test]
    fn a_receiver_that_asks_all_the_time_is_heard_less_and_less() {
        let mut asking = Asking::default();
        let heard: Vec<_> = (0..40_000).step_by(100).filter(|ms| asking.ask(at(*ms))).collect();
        assert_eq!(heard, [0, 1_000, 3_000, 7_000, 15_000, 23_000, 31_000, 39_000]);
        assert!(asking.ask(at(39_900 + 10_000)), "quiet for long");
        assert!(asking.ask(at(39_900 + 11_000)));
        assert!(!asking.ask(at(39_900 + 12_999)));
    }
}
