//! One participant's stream as it comes in: each packet once, in order, holes known.

use crate::format::VideoFormat;
use crate::h264::{H264Format, ParameterSets, Payload};
use crate::missing::{Missing, MissingPackets};
use crate::vp8::Vp8Payload;
use model::Instant;
use rtp_proto::{ExtendedSequence, MAX_MISORDER, RtpPacket, SequenceStep};
use std::time::Duration;

/// Packets that may wait behind a hole. Full: the hole is given up, what waits goes on.
pub const MAX_WAITING: usize = 64;
/// The same of a sender that is asked for what is missing: a key frame of 100 KB behind its first packet.
/// Fewer than numbers may be behind the highest ([`rtp_proto::MAX_MISORDER`]).
pub const MAX_WAITING_ASKED: usize = 96;
/// Octets of a payload that may wait; a longer one is counted and lost.
pub const MAX_PAYLOAD: usize = 1_500;
/// How long a hole is waited for: longer than packets overtake each other by in a network, shorter
/// than what is seen.
pub const REORDER_WAIT: Duration = Duration::from_millis(20);
/// Losses in front of one packet that are told; more are told as so many.
const MOST_LOST: u64 = 1_000;
/// Nominal clock of video (RFC 6184 section 8.2.1, RFC 7741 section 6.1).
pub const CLOCK_RATE: u32 = 90_000;

/// One packet, in order.
#[derive(Clone, Copy, Debug)]
pub struct SourcePacket<'a> {
    /// Counts the sender's streams: another number is another SSRC, or numbers that started over.
    pub epoch: u32,
    /// Packets that are missing right before this one.
    pub lost_before: u32,
    /// The sender's timestamp.
    pub timestamp: u32,
    /// The last of its picture.
    pub marker: bool,
    /// When it came.
    pub arrival: Instant,
    /// A receiver can begin here: the first slice of an IDR picture, or a VP8 key frame.
    pub begins_key_frame: bool,
    /// It has a sequence parameter set of its own.
    pub has_parameter_sets: bool,
    /// As it came, padding cut off.
    pub payload: &'a [u8],
}

/// What became of packets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SourceCounters {
    /// Given on.
    pub packets: u64,
    /// That were given up.
    pub lost: u64,
    /// That came twice.
    pub duplicates: u64,
    /// That came after they were given up.
    pub late: u64,
    /// That the sender was asked for again, each as often as it was.
    pub asked: u64,
    /// That came in time after it was asked for them.
    pub came_again: u64,
    /// Whose payload is none of the format's ([`crate::h264::PayloadError`], [`crate::vp8::Vp8Error`]).
    pub refused: u64,
    /// Without a payload: padding alone, as browsers probe.
    pub empty: u64,
    /// That were too long to wait.
    pub too_long: u64,
    /// Pictures that a receiver can begin with.
    pub key_frames: u64,
}

#[derive(Clone, Debug, Default)]
struct Waiting {
    /// Extended number; 0 where the place is free.
    number: u64,
    timestamp: u32,
    marker: bool,
    arrival: Instant,
    payload: Vec<u8>,
}

/// A stream. Give it packets by [`Source::handle_packet`], and call [`Source::handle_timeout`] at
/// [`Source::poll_timeout`].
#[derive(Debug)]
pub struct Source {
    format: VideoFormat,
    sets: ParameterSets,
    ssrc: Option<u32>,
    epoch: u32,
    sequence: ExtendedSequence,
    /// The number that is to be given on next.
    next: u64,
    waiting: Vec<Waiting>,
    waits: usize,
    /// Since when there is a hole.
    hole_since: Option<Instant>,
    last_arrival: Option<Instant>,
    /// `None` of a sender that does not send again.
    missing: Option<Missing>,
    /// Payloads that were refused since the last packet that was given on.
    refused_before: u32,
    counters: SourceCounters,
}

impl Source {
    /// A stream of this format. What may wait is allocated here.
    pub fn new(format: VideoFormat) -> Self {
        Source::with(format, MAX_WAITING, None)
    }

    /// The stream of a sender that sends lost packets again where it is asked for them.
    pub fn asked_again(format: VideoFormat) -> Self {
        Source::with(format, MAX_WAITING_ASKED, Some(Missing::new(MAX_WAITING_ASKED)))
    }

    fn with(format: VideoFormat, places: usize, missing: Option<Missing>) -> Self {
        let sets = match &format {
            VideoFormat::H264(format) => format.parameter_sets.clone(),
            VideoFormat::Vp8 => ParameterSets::new(),
        };
        let place = || Waiting { payload: Vec::with_capacity(MAX_PAYLOAD), ..Waiting::default() };
        Source {
            format,
            sets,
            ssrc: None,
            epoch: 0,
            sequence: ExtendedSequence::accepted(0),
            next: 0,
            waiting: std::iter::repeat_with(place).take(places).collect(),
            waits: 0,
            hole_since: None,
            last_arrival: None,
            missing,
            refused_before: 0,
            counters: SourceCounters::default(),
        }
    }

    /// The agreed format.
    pub const fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// The H.264 format, where it is that.
    pub fn h264(&self) -> Option<&H264Format> {
        match &self.format {
            VideoFormat::H264(format) => Some(format),
            VideoFormat::Vp8 => None,
        }
    }

    /// Parameter sets that were described or have come.
    pub const fn parameter_sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// The SSRC of the stream that runs.
    pub const fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// When the last packet came.
    pub const fn last_arrival(&self) -> Option<Instant> {
        self.last_arrival
    }

    /// What became of packets so far.
    pub fn counters(&self) -> SourceCounters {
        let asked = self.missing.as_ref().map_or(0, Missing::asked);
        SourceCounters { asked, ..self.counters }
    }

    /// How long a packet is on its way to the sender and back; `None` where that is not known.
    pub fn set_round_trip(&mut self, round_trip: Option<Duration>) {
        if let Some(missing) = &mut self.missing {
            missing.set_round_trip(round_trip);
        }
    }

    /// When the sender is to be asked for packets.
    pub fn poll_ask(&self) -> Option<Instant> {
        self.missing.as_ref()?.poll_timeout()
    }

    /// What the sender is to be asked for now; poll until there is nothing.
    pub fn poll_missing(&mut self, now: Instant) -> Option<MissingPackets> {
        self.missing.as_mut()?.poll(now)
    }

    /// When the hole that packets wait behind is given up.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.hole_since.map(|since| since + self.wait())
    }

    /// Takes a packet of this stream's payload type, and gives on what is in order.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized),
    ) {
        self.last_arrival = Some(now);
        if self.ssrc != Some(packet.ssrc()) {
            self.ssrc = Some(packet.ssrc());
            self.begin_anew(packet.sequence());
            self.give_on(now, Item::of(packet), give);
            return;
        }
        let (number, missing) = (packet.sequence(), self.missing.as_ref());
        let was_asked = || missing.is_some_and(|missing| missing.was_asked(number));
        match self.sequence.update_or_answered(number, was_asked) {
            SequenceStep::Restarted => {
                self.begin_anew(packet.sequence());
                self.give_on(now, Item::of(packet), give);
            }
            SequenceStep::Ahead { .. } => self.place(now, self.sequence.highest(), packet, give),
            // An answer to what was given up long ago.
            SequenceStep::Behind { by: MAX_MISORDER.. } => self.counters.late += 1,
            SequenceStep::Behind { by } => {
                let number = self.sequence.highest().saturating_sub(u64::from(by));
                self.place(now, number, packet, give);
            }
            // A stray until the next packet confirms it.
            SequenceStep::Jumped | SequenceStep::Probation => {}
        }
    }

    /// Gives up the hole that was waited for too long.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized),
    ) {
        while self.poll_timeout().is_some_and(|at| now >= at) {
            self.give_up(give);
        }
    }

    fn wait(&self) -> Duration {
        self.missing.as_ref().and_then(Missing::wait).unwrap_or(REORDER_WAIT)
    }

    fn begin_anew(&mut self, first: u16) {
        if let Some(missing) = &mut self.missing {
            missing.forget();
        }
        self.epoch = self.epoch.wrapping_add(1);
        self.sequence = ExtendedSequence::accepted(first);
        self.next = self.sequence.highest() + 1;
        self.waiting.iter_mut().for_each(|place| place.number = 0);
        self.waits = 0;
        self.hole_since = None;
        self.refused_before = 0;
    }

    fn place(
        &mut self,
        now: Instant,
        number: u64,
        packet: &RtpPacket<'_>,
        give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized),
    ) {
        if number < self.next {
            // Given on before, or given up: what the sender sends again is not told apart from it.
            let twice = self.next - number <= self.waiting.len() as u64 && number + 1 != self.next;
            if twice {
                self.counters.late += 1
            } else {
                self.counters.duplicates += 1
            }
            return;
        }
        if number == self.next {
            if let Some(missing) = &mut self.missing {
                self.counters.came_again += u64::from(missing.note_came(number));
            }
            self.next += 1;
            self.give_on(now, Item::of(packet), give);
            self.give_waiting(give);
            return;
        }
        while number - self.next >= self.waiting.len() as u64 {
            if self.waits == 0 {
                // Nothing waits: all before this one is lost.
                self.lose(number);
                self.next = number + 1;
                self.give_on(now, Item::of(packet), give);
                return;
            }
            self.give_up(give);
        }
        if number == self.next {
            self.next += 1;
            self.give_on(now, Item::of(packet), give);
            self.give_waiting(give);
            return;
        }
        self.keep(now, number, packet);
    }

    fn keep(&mut self, now: Instant, number: u64, packet: &RtpPacket<'_>) {
        let payload = packet.payload();
        if payload.len() > MAX_PAYLOAD {
            self.counters.too_long += 1;
            return;
        }
        let places = self.waiting.len();
        let Some(place) = self.waiting.get_mut(number as usize % places) else { return };
        if place.number == number {
            self.counters.duplicates += 1;
            return;
        }
        if let Some(missing) = &mut self.missing {
            self.counters.came_again += u64::from(missing.note_ahead(now, self.next, number));
        }
        place.number = number;
        place.timestamp = packet.timestamp();
        place.marker = packet.marker();
        place.arrival = now;
        place.payload.clear();
        place.payload.extend_from_slice(payload);
        self.waits += 1;
        self.hole_since.get_or_insert(now);
    }

    /// The hole in front of the first packet that waits is a loss.
    fn give_up(&mut self, give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized)) {
        let first =
            self.waiting.iter().map(|place| place.number).filter(|number| *number > 0).min();
        let Some(first) = first else {
            self.hole_since = None;
            return;
        };
        self.lose(first);
        self.next = first;
        self.give_waiting(give);
    }

    fn lose(&mut self, until: u64) {
        let lost = until.saturating_sub(self.next);
        if let Some(missing) = &mut self.missing {
            missing.give_up(until);
        }
        self.counters.lost += lost;
        let told = u64::from(self.refused_before).saturating_add(lost).min(MOST_LOST);
        self.refused_before = told as u32;
    }

    /// What waits and is in order now.
    fn give_waiting(
        &mut self,
        give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized),
    ) {
        while self.waits > 0 {
            let places = self.waiting.len();
            let Some(place) = self.waiting.get_mut(self.next as usize % places) else { break };
            if place.number != self.next {
                break;
            }
            let taken = std::mem::take(place);
            self.next += 1;
            self.waits -= 1;
            let Waiting { timestamp, marker, arrival, .. } = taken;
            let item = Item { timestamp, marker, payload: &taken.payload };
            self.give_on(arrival, item, give);
            if let Some(place) = self.waiting.get_mut((self.next - 1) as usize % places) {
                place.payload = taken.payload;
            }
        }
        if self.waits == 0 {
            self.hole_since = None;
            return;
        }
        // The next hole has been there since what waits behind it came.
        let waiting = self.waiting.iter().filter(|place| place.number > 0);
        self.hole_since = waiting.map(|place| place.arrival).min();
    }

    fn give_on(
        &mut self,
        arrival: Instant,
        item: Item<'_>,
        give: &mut (impl FnMut(&SourcePacket<'_>, &ParameterSets) + ?Sized),
    ) {
        if item.payload.is_empty() {
            self.counters.empty += 1;
            return;
        }
        let Some((begins_key_frame, has_parameter_sets)) = self.look_at(item.payload) else {
            self.counters.refused += 1;
            self.refused_before = self.refused_before.saturating_add(1).min(MOST_LOST as u32);
            return;
        };
        self.counters.packets += 1;
        self.counters.key_frames += u64::from(begins_key_frame);
        let packet = SourcePacket {
            epoch: self.epoch,
            lost_before: std::mem::take(&mut self.refused_before),
            timestamp: item.timestamp,
            marker: item.marker,
            arrival,
            begins_key_frame,
            has_parameter_sets,
            payload: item.payload,
        };
        give(&packet, &self.sets);
    }

    /// Whether a receiver can begin with it, and whether it has parameter sets; `None` for what is no
    /// payload of this format.
    fn look_at(&mut self, payload: &[u8]) -> Option<(bool, bool)> {
        if let VideoFormat::Vp8 = self.format {
            return Vp8Payload::parse(payload).ok().map(|read| (read.begins_key_frame, true));
        }
        let read = Payload::parse(payload).ok()?;
        let summary = read.summary();
        if summary.sps || summary.pps {
            match read {
                Payload::Single(unit) => self.sets.put(unit),
                Payload::Aggregated(units) => units.for_each(|unit| self.sets.put(unit)),
                Payload::Fragment(_) => {}
            }
        }
        Some((summary.idr_begins, summary.sps && summary.pps))
    }
}

struct Item<'a> {
    timestamp: u32,
    marker: bool,
    payload: &'a [u8],
}

impl<'a> Item<'a> {
    fn of(packet: &RtpPacket<'a>) -> Self {
        let (timestamp, marker) = (packet.timestamp(), packet.marker());
        Item { timestamp, marker, payload: packet.payload() }
    }
}

#[cfg(test)]
mod tests;
