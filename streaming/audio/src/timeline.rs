//! One channel of a call, from packets to frames.

use crate::consumer::Frame;
use crate::decoding::{Formats, Meaning};
use crate::frames::FrameRing;
use crate::order::{Held, Order, Turn};
use crate::placement::{Place, Placement, Talk};
use crate::slide::slide;
use model::{Codec, Instant, LegSide};
use rtp_proto::RtpPacket;
use std::time::Duration;

pub use crate::decoding::Scratch;

pub(crate) const FRAME_MS: i64 = 20;
/// What a frame lasts.
pub const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// How long after its sound was heard a frame is given away: so much later than the least delayed
/// packets others may come, and find their place still free.
pub const DELAY: Duration = Duration::from_millis(120);
/// How much may be taken between two polls: of packets that span more, the last ones find no room.
pub const LONGEST_BURST: Duration = Duration::from_millis(200);

/// What has become of one channel's packets so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TimelineCounts {
    /// Packets that came.
    pub packets: u64,
    /// Packets that came twice, or after their place was given away.
    pub late: u64,
    /// Packets that are none of their format, or of one that cannot be read.
    pub unreadable: u64,
    /// Samples given away.
    pub samples: u64,
    /// Those of them that nobody sent, or that were lost.
    pub missing: u64,
    /// Samples by which packets were made longer or shorter, because the sender's clock is not ours.
    pub slid: u64,
    /// How often a source was placed by its packet's arrival: new ones, and what jumped.
    pub placed: u64,
}

/// One channel of a call: packets in, frames of 20 ms out, each at its exact place.
///
/// It is of a fixed size, but for the state of decoders, which are made when they are first needed, and
/// for packets that wait for one before them, 32 at most. Neither packets nor frames allocate once those
/// are there.
#[derive(Debug)]
pub struct Timeline {
    side: LegSide,
    sample_rate: u32,
    began: Instant,
    formats: Formats,
    order: Order,
    placement: Placement,
    frames: FrameRing,
    out: Box<[i16]>,
    counts: TimelineCounts,
}

impl Timeline {
    /// The channel `side` of a call whose sample 0 is at `began`. It begins with the first frame that is
    /// not over at `now`. `None` for sample rates other than 8,000 and 16,000.
    pub fn new(side: LegSide, sample_rate: u32, began: Instant, now: Instant) -> Option<Self> {
        if !matches!(sample_rate, 8_000 | 16_000) {
            return None;
        }
        let len = (sample_rate / 1_000) as usize * FRAME_MS as usize;
        let first = now.saturating_since(began).as_nanos() / FRAME.as_nanos();
        Some(Timeline {
            side,
            sample_rate,
            began,
            formats: Formats::new(sample_rate),
            order: Order::default(),
            placement: Placement::new(sample_rate),
            frames: FrameRing::new(len, u64::try_from(first).unwrap_or(u64::MAX)),
            out: vec![0; len].into(),
            counts: TimelineCounts::default(),
        })
    }

    /// What payload types stand for from now on: their numbers, formats and clock rates in Hz. Those
    /// that are not named keep what they had, because packets of before may still come.
    pub fn set_formats(&mut self, formats: impl IntoIterator<Item = (u8, Codec, u32)>) {
        for (payload_type, codec, clock_rate) in formats {
            self.formats.set(payload_type, codec, clock_rate);
        }
    }

    /// Takes the next RTP packet, decrypted, in order of arrival. Between two packets whose arrivals are
    /// further apart than [`LONGEST_BURST`], frames must be polled with the second one's arrival.
    pub fn take(&mut self, octets: &[u8], arrival: Instant, scratch: &mut Scratch) {
        self.counts.packets += 1;
        let Ok(packet) = RtpPacket::parse(octets) else {
            self.counts.unreadable += 1;
            return;
        };
        match self.order.accept(&packet, arrival) {
            Turn::Next => self.hear(&packet, arrival, scratch),
            Turn::Restarts => {
                while let Some(held) = self.order.pop() {
                    self.hear_held(held, scratch);
                }
                self.order.restart(&packet);
                self.hear(&packet, arrival, scratch);
            }
            Turn::Crowded => {
                if let Some(held) = self.order.pop() {
                    self.hear_held(held, scratch);
                }
            }
            Turn::Dropped => self.counts.late += 1,
            Turn::Waits => return,
        }
        while let Some(held) = self.order.pop_next() {
            self.hear_held(held, scratch);
        }
    }

    /// The next frame, if it is to be given away by `now`: [`DELAY`] after its sound was heard.
    pub fn poll_frame(&mut self, now: Instant, scratch: &mut Scratch) -> Option<Frame<'_>> {
        let first = self.frames.first();
        (self.heard_at(first) + DELAY <= now).then(|| self.give(now, scratch))
    }

    /// When [`Timeline::poll_frame`] has a frame.
    pub fn deadline(&self) -> Instant {
        self.heard_at(self.frames.first()) + DELAY
    }

    /// The next frame of those that were heard until `end`, after which no packet comes.
    pub fn poll_last(&mut self, end: Instant, scratch: &mut Scratch) -> Option<Frame<'_>> {
        let first = self.frames.first();
        // What came at the end is heard for a frame's time.
        (self.heard_at(first) < end + FRAME).then(|| self.give(end + DELAY, scratch))
    }

    /// Counts so far.
    pub fn counts(&self) -> TimelineCounts {
        TimelineCounts { placed: self.placement.jumps(), ..self.counts }
    }

    fn give(&mut self, now: Instant, scratch: &mut Scratch) -> Frame<'_> {
        let at = self.frames.start();
        let end = at + self.out.len() as i64;
        while let Some(held) = self.pop_due(end, now) {
            self.hear_held(held, scratch);
        }
        let missing = self.frames.take(&mut self.out);
        self.counts.samples += self.out.len() as u64;
        self.counts.missing += u64::from(missing);
        let at = u64::try_from(at).unwrap_or_default();
        Frame { side: self.side, at, samples: &self.out, missing }
    }

    /// The first packet that waits, if it is not to wait any longer: its place is before `end`, or it
    /// says nothing of its place.
    fn pop_due(&mut self, end: i64, now: Instant) -> Option<Held> {
        let (formats, placement) = (&self.formats, &self.placement);
        self.order.pop_due(|held| {
            if held.arrival + DELAY <= now {
                return true;
            }
            let Ok(packet) = RtpPacket::parse(&held.octets) else { return true };
            let Meaning::Audio(way) = formats.meaning(packet.payload_type()) else { return true };
            let clock_rate = formats.clock_rate(way);
            let place = placement.expected(packet.ssrc(), clock_rate, packet.timestamp());
            place.is_none_or(|place| place < end)
        })
    }

    fn hear_held(&mut self, held: Held, scratch: &mut Scratch) {
        if let Ok(packet) = RtpPacket::parse(&held.octets) {
            self.hear(&packet, held.arrival, scratch);
        }
        self.order.give_back(held);
    }

    /// Puts a packet whose turn it is to its place.
    fn hear(&mut self, packet: &RtpPacket<'_>, arrival: Instant, scratch: &mut Scratch) {
        let way = match self.formats.meaning(packet.payload_type()) {
            Meaning::Audio(way) => way,
            Meaning::Silent => return,
            Meaning::Unreadable | Meaning::Unknown => {
                self.counts.unreadable += 1;
                return;
            }
        };
        let payload = packet.payload();
        if payload.is_empty() {
            // Keeps a way open (RFC 6263 section 4.1).
            return;
        }
        let Some((len, delay)) = self.formats.decode(way, payload, scratch) else {
            self.counts.unreadable += 1;
            return;
        };
        let talk = Talk {
            ssrc: packet.ssrc(),
            clock_rate: self.formats.clock_rate(way),
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            heard_at: self.place_of(arrival) - len as i64,
            len: len as i64,
        };
        match self.placement.place(&talk, self.frames.start(), self.frames.written()) {
            Place::TooLate => self.counts.late += 1,
            Place::At(at, owed) => self.put(at - delay, len, owed, scratch),
        }
    }

    fn put(&mut self, at: i64, len: usize, owed: i64, scratch: &mut Scratch) {
        let Scratch { heard, slid, .. } = scratch;
        let Some(samples) = heard.get(..len) else { return };
        let slid = if owed == 0 { None } else { slide(samples, owed, slid).map(|len| (len, slid)) };
        match slid {
            Some((len, slid)) => {
                self.placement.moved(owed);
                self.counts.slid += owed.unsigned_abs();
                self.frames.write(at, slid.get(..len).unwrap_or_default());
            }
            None => {
                self.frames.write(at, samples);
            }
        }
    }

    /// When a frame's first sample was heard, of a packet that was not delayed.
    fn heard_at(&self, frame: u64) -> Instant {
        let millis = frame.saturating_mul(FRAME_MS as u64);
        self.began + Duration::from_millis(millis)
    }

    /// The end of a packet that came at `arrival`: one of 20 ms is heard from when it came, so that
    /// longer and shorter ones are as far from it as their senders' mouths.
    fn place_of(&self, arrival: Instant) -> i64 {
        let frame = self.out.len() as i64;
        let per_second = i128::from(self.sample_rate);
        let nanos = i128::from(arrival.as_nanos()) - i128::from(self.began.as_nanos());
        let samples = (nanos * per_second).div_euclid(1_000_000_000);
        i64::try_from(samples).unwrap_or(i64::MAX - 2 * frame) + frame
    }
}

#[cfg(test)]
mod tests;
