//! A picture of our own that a receiver sees while it sees nobody.

use crate::outbound::{Outbound, Outgoing};
use model::Instant;
use std::sync::Arc;
use std::time::Duration;

/// How often the picture is said again. Devices take a stream that stands still for a lost one.
const REPEAT: Duration = Duration::from_secs(1);
/// How often it is begun anew, for whoever has lost a part and asks for nothing.
const BEGIN_AGAIN: Duration = Duration::from_secs(10);
/// bit/s that it may always have.
const LEAST_RATE: u64 = 128_000;
/// And at most, whatever the receiver takes: a key frame is no burst.
const MOST_RATE: u64 = 1_500_000;
/// What is sent ahead of its time: a turn of whoever drives the switch.
const AHEAD: Duration = Duration::from_millis(20);

/// What a picture is coded as, and in what pieces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StillCodec {
    /// H.264, in units without start codes.
    H264,
    /// VP8, in payloads with their descriptors (RFC 7741 section 4.2).
    Vp8,
}

/// A picture that was coded, in pieces none of which is longer than a payload of its receivers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StillPicture {
    /// As what.
    pub codec: StillCodec,
    /// Parameter sets and slices of the key frame, in their order; twice, because two that follow each other
    /// differ in their `idr_pic_id` (ITU-T H.264 section 7.4.3). Of VP8 both are the same.
    pub keys: [Vec<Vec<u8>>; 2],
    /// The picture after it, and so on, by their numbers modulo their count; the first is never sent, for it
    /// is the key frame's. Empty for a picture that is not said again.
    pub repeats: Vec<Vec<u8>>,
}

/// Where a receiver is in one.
#[derive(Debug)]
pub(crate) struct Still {
    picture: Arc<StillPicture>,
    /// The key frame that was begun last is the second one.
    is_second: bool,
    /// The next unit of the key frame; behind its last when it is out.
    next: usize,
    /// Pictures since the key frame.
    number: usize,
    /// When the next packet may go.
    due: Instant,
    begins_again: Instant,
}

impl Still {
    pub(crate) const fn new(picture: Arc<StillPicture>) -> Self {
        let (due, begins_again) = (Instant::ZERO, Instant::ZERO);
        // Whatever begins first is the first one.
        Still { picture, is_second: true, next: 0, number: 0, due, begins_again }
    }

    /// The receiver shows somebody, or could not decode what it has: it begins with a key frame next.
    pub(crate) const fn begin_again(&mut self) {
        self.begins_again = Instant::ZERO;
        self.due = Instant::ZERO;
    }

    pub(crate) const fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// The units of the key frame that was begun last.
    fn key(&self) -> &[Vec<u8>] {
        let [first, second] = &self.picture.keys;
        if self.is_second { second } else { first }
    }

    /// Sends what is due, at `rate` bit/s.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        rate: u64,
        outbound: &mut Outbound,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        self.due = self.due.max(now);
        let is_out = self.next >= self.key().len();
        if now >= self.begins_again && (is_out || self.begins_again == Instant::ZERO) {
            (self.is_second, self.next, self.number) = (!self.is_second, 0, 0);
            self.begins_again = now + BEGIN_AGAIN;
            outbound.begin_own(now);
            self.due = now;
        } else if is_out {
            self.repeat(now, outbound, emit);
            return;
        }
        let last = self.key().len().saturating_sub(1);
        while let Some(unit) = self.key().get(self.next) {
            if self.due > now + AHEAD {
                return;
            }
            outbound.send_own(unit, self.next == last, emit);
            let micros = (unit.len() as u64 * 8_000_000) / rate.clamp(LEAST_RATE, MOST_RATE);
            self.next += 1;
            self.due += Duration::from_micros(micros);
        }
        self.due = now + REPEAT;
    }

    fn repeat(
        &mut self,
        now: Instant,
        outbound: &mut Outbound,
        emit: &mut impl FnMut(Outgoing<'_>),
    ) {
        let Some(place) = (self.number + 1).checked_rem(self.picture.repeats.len()) else {
            self.due = now + REPEAT;
            return;
        };
        self.number += 1;
        if let Some(unit) = self.picture.repeats.get(place) {
            outbound.begin_own(now);
            outbound.send_own(unit, true, emit);
        }
        self.due = now + REPEAT;
    }
}
