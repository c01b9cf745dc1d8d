//! A leg that takes part in a conference with pictures: what it sends, RTP and RTCP, goes into a ring, and
//! what whoever switches the conference's pictures gives it comes out of another.
//!
//! Whoever switches gives packets their sequence numbers and timestamps, and writes what the leg is asked
//! for. The relay gives them the leg's source, closes the gaps of what it could not send, encrypts, counts,
//! and puts feedback behind a report of its own. What a leg that is hidden sends goes nowhere: it is the
//! relay that sees to it.

mod again;

pub use again::SentAgain;

use crate::forward::pair;
use crate::made::MadePacket;
use crate::outbound::Numbers;
use crate::packet_ring::{self, RingReader, RingWriter};
use crate::rtp_session::RtpSession;
use again::Again;
use model::{Instant, LegSide, PictureLayout, PicturesWithheld};
use rtp_proto::rtcp::{FeedbackMessage, Nack, RtcpPacket, parse_compound};
use rtp_proto::{RtpHeader, RtpPacket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Octets of either ring. A key frame of 100 KB in one burst, and 2 Mbit/s for half a second in which
/// nobody looks. Full: what is new is lost and counted; who sees the hole asks for a key frame.
pub const PICTURE_RING: usize = 256 * 1024;
/// Octets of the longest RTP packet that is given to a leg.
pub const LONGEST_PICTURE: usize = RtpHeader::BYTES + 1_460;
/// Nominal clock of pictures, in Hz (RFC 6184 section 8.2.1, RFC 7741 section 6.1).
pub(crate) const CLOCK_RATE: u32 = 90_000;
/// Words before what a leg sent: length and kind; arrival.
const SENT_HEAD: usize = 2;
/// Words before what a leg is given: length and kind.
const GIVEN_HEAD: usize = 1;
/// The least time between two requests that are told signalling.
const WANTED_INTERVAL: Duration = Duration::from_secs(1);
/// The leg that takes part.
const LEG: LegSide = LegSide::A;

const PACKET: u64 = 0;
const REPORT: u64 = 1;
const WANTED: u64 = 2;

/// What a leg sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureSent {
    /// An RTP packet, of the seat's payload type.
    Packet,
    /// RTCP, a compound whose lengths are right.
    Report,
}

/// Where whoever switches takes what a leg sends.
#[derive(Debug)]
pub struct PictureReader(RingReader<SENT_HEAD>);

/// Where whoever switches puts what a leg is given.
#[derive(Debug)]
pub struct PictureWriter(RingWriter<GIVEN_HEAD>);

/// What holds of a leg now, for whoever switches: state, not news, so that nothing of it is lost.
#[derive(Debug, Default)]
pub struct PictureSigns {
    is_hidden: AtomicBool,
    wants_grid: AtomicBool,
    needs_key_frame: AtomicBool,
    no_cameras: AtomicBool,
    no_slides: AtomicBool,
    ssrc: AtomicU32,
    /// Microseconds; 0 where it is not known.
    round_trip: AtomicU32,
}

/// Both ends that whoever switches has of a leg.
#[derive(Debug)]
pub struct PictureRings {
    /// What the leg sends.
    pub sent: PictureReader,
    /// What it is given.
    pub given: PictureWriter,
    /// What holds of it.
    pub signs: Arc<PictureSigns>,
}

/// The relay's ends.
#[derive(Debug)]
pub struct PictureEnds {
    sent: RingWriter<SENT_HEAD>,
    given: RingReader<GIVEN_HEAD>,
    signs: Arc<PictureSigns>,
}

/// Where the numbers of what a leg is given begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureNumbers {
    /// The source of what the leg is given.
    pub ssrc: u32,
    /// The first sequence number.
    pub sequence: u16,
    /// The first timestamp.
    pub timestamp: u32,
}

/// Rings of [`PICTURE_RING`] octets for a leg.
pub fn picture_rings() -> (PictureEnds, PictureRings) {
    let (sent, reader) = packet_ring::pair(PICTURE_RING);
    let (writer, given) = packet_ring::pair(PICTURE_RING);
    let signs = Arc::<PictureSigns>::default();
    let ends = PictureEnds { sent, given, signs: Arc::clone(&signs) };
    (ends, PictureRings { sent: PictureReader(reader), given: PictureWriter(writer), signs })
}

impl PictureReader {
    /// Takes what is next and when it came; its octets, decrypted, are put into `into` in the place of what
    /// was there.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<(PictureSent, Instant)> {
        let [first, at] = self.0.read(into)?;
        let kind = if first >> 32 == PACKET { PictureSent::Packet } else { PictureSent::Report };
        Some((kind, Instant::from_nanos(at)))
    }

    /// What found no room so far.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Whether nothing more will be written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl PictureWriter {
    /// Gives the leg an RTP packet of [`LONGEST_PICTURE`] octets at most. Its source and where its sequence
    /// numbers begin are the relay's. Whether there was room.
    pub fn packet(&mut self, packet: &[u8]) -> bool {
        let fits = (RtpHeader::BYTES..=LONGEST_PICTURE).contains(&packet.len());
        fits && self.0.write([PACKET << 32], packet)
    }

    /// Gives it feedback: whole RTCP packets, whose sender the relay fills in. Whether there was room.
    pub fn feedback(&mut self, packets: &[u8]) -> bool {
        self.0.write([REPORT << 32], packets)
    }

    /// Asks it for a key frame by signalling. Whether there was room.
    pub fn want_by_signalling(&mut self) -> bool {
        self.0.write([WANTED << 32], &[])
    }

    /// Whether the leg has left.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

impl PictureSigns {
    /// What the leg sends is shown to nobody.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden.load(Ordering::Acquire)
    }

    /// The leg sees all at once, where there is a picture composed of all.
    pub fn wants_grid(&self) -> bool {
        self.wants_grid.load(Ordering::Acquire)
    }

    /// What the leg is not shown.
    pub fn withheld(&self) -> PicturesWithheld {
        PicturesWithheld {
            cameras: self.no_cameras.load(Ordering::Acquire),
            slides: self.no_slides.load(Ordering::Acquire),
        }
    }

    /// Whether the leg needs a key frame of what it sees, since this was asked last: signalling says so, or
    /// it could not be sent anything for a while.
    pub fn take_needs_key_frame(&self) -> bool {
        // Mostly nothing is to be taken.
        self.needs_key_frame.load(Ordering::Relaxed)
            && self.needs_key_frame.swap(false, Ordering::AcqRel)
    }

    /// The source of what the leg is given now: another one after a collision (RFC 3550 section 8.2).
    pub fn ssrc(&self) -> u32 {
        self.ssrc.load(Ordering::Relaxed)
    }

    /// How long a packet is on its way to the leg and back, as its last report says (RFC 3550 section
    /// 6.4.1); `None` before one that says so.
    pub fn round_trip(&self) -> Option<Duration> {
        let micros = self.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }
}

/// What a stream has while its leg A takes part with pictures.
#[derive(Debug)]
pub(crate) struct Pictured {
    sent: RingWriter<SENT_HEAD>,
    given: RingReader<GIVEN_HEAD>,
    signs: Arc<PictureSigns>,
    payload_type: u8,
    /// What is read of `given`, while it is sent.
    octets: Vec<u8>,
    is_hidden: bool,
    /// Its RTCP is for whoever switches.
    hands_reports: bool,
    /// Something was written that whoever switches has not been told of.
    has_news: bool,
    /// What is added to sequence numbers, so that what was not sent leaves a hole of one.
    offset: u16,
    /// The last number that was sent; `None` before the first.
    last: Option<u16>,
    /// Packets were not sent since the last that was.
    is_broken: bool,
    unshown: u64,
    /// Signalling is to ask for a key frame; when it was told so last.
    wanted: bool,
    told: Option<Instant>,
    /// What it was sent and may ask for again; `None` where it asks for nothing.
    again: Option<Box<Again>>,
}

impl Pictured {
    /// Hands on an RTP packet that the leg sent and may send.
    #[inline]
    pub(crate) fn hand_packet(&mut self, packet: &RtpPacket<'_>, octets: &[u8], arrival: Instant) {
        if !self.is_hidden && packet.payload_type() == self.payload_type {
            self.sent.write([PACKET << 32, arrival.as_nanos()], octets);
            self.has_news = true;
        }
    }

    /// Hands on its RTCP.
    pub(crate) fn hand_report(&mut self, octets: &[u8], arrival: Instant) {
        if !self.hands_reports {
            return;
        }
        self.sent.write([REPORT << 32, arrival.as_nanos()], octets);
        self.has_news = true;
    }

    /// Looks at a part of its RTCP, for packets that it wants again.
    #[inline]
    pub(crate) fn hear(&mut self, part: &RtcpPacket<'_>, arrival: Instant) {
        if let (Some(again), RtcpPacket::Feedback(feedback)) = (self.again.as_deref_mut(), part) {
            again.hear(feedback, self.signs.ssrc(), arrival);
        }
    }

    /// Notes how long a packet is on its way to the leg and back.
    pub(crate) fn note_round_trip(&self, round_trip: Option<Duration>) {
        let micros = round_trip.map_or(0, |time| time.as_micros().clamp(1, u32::MAX.into()) as u32);
        self.signs.round_trip.store(micros, Ordering::Relaxed);
    }

    /// What was sent is not to be sent again: keys may be others.
    pub(crate) fn forget_sent(&mut self) {
        if let Some(again) = self.again.as_deref_mut() {
            again.forget();
        }
    }

    fn need_key_frame(&mut self) {
        self.signs.needs_key_frame.store(true, Ordering::Release);
        self.has_news = true;
    }

    /// The number of a packet that is sent now. What is sent again after a while begins with a key frame.
    fn number(&mut self, sequence: u16) -> u16 {
        if std::mem::take(&mut self.is_broken) {
            self.need_key_frame();
            if let Some(last) = self.last {
                self.offset = last.wrapping_add(2).wrapping_sub(sequence);
            }
        }
        let number = sequence.wrapping_add(self.offset);
        self.last = Some(number);
        number
    }
}

impl RtpSession {
    /// From now on leg A takes part in a conference with pictures of a payload type; where the numbers of
    /// what it is given begin. `draw` gives unguessable numbers. Who was in one before leaves it.
    pub fn sit_picture(
        &mut self,
        ends: PictureEnds,
        payload_type: u8,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> PictureNumbers {
        let made = self.make_for(LEG, now, draw);
        let sequence = made.outbound.insert();
        let timestamp = made.outbound.timestamp_at(now);
        made.outbound.advance(timestamp, CLOCK_RATE, now);
        let ssrc = made.outbound.ssrc();
        self.name_after_call(LEG);
        self.legs[LEG.index()].stream.asked.get_or_insert_default();
        let PictureEnds { sent, given, signs } = ends;
        signs.ssrc.store(ssrc, Ordering::Relaxed);
        self.pictured = Some(Box::new(Pictured {
            sent,
            given,
            signs,
            payload_type,
            octets: Vec::with_capacity(LONGEST_PICTURE.next_multiple_of(8)),
            is_hidden: false,
            hands_reports: true,
            has_news: false,
            offset: 0,
            last: None,
            is_broken: false,
            unshown: 0,
            wanted: false,
            told: None,
            again: None,
        }));
        PictureNumbers { ssrc, sequence, timestamp }
    }

    /// Leg A takes part with no pictures any more.
    pub fn stand_up_picture(&mut self) {
        self.pictured = None;
    }

    /// Whether leg A takes part in a conference with pictures.
    pub fn is_pictured(&self) -> bool {
        self.pictured.is_some()
    }

    /// Whether what leg A sends is kept from its conference, from the next packet on.
    pub fn hide_picture(&mut self, is_hidden: bool) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            pictured.is_hidden = is_hidden;
            pictured.signs.is_hidden.store(is_hidden, Ordering::Release);
            pictured.has_news = true;
        }
    }

    /// What leg A sees of the others from now on.
    pub fn lay_out_picture(&mut self, layout: PictureLayout) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            let wants_grid = layout == PictureLayout::Grid;
            pictured.signs.wants_grid.store(wants_grid, Ordering::Release);
            pictured.has_news = true;
        }
    }

    /// What leg A is not shown of the others.
    pub fn withhold_pictures(&mut self, withheld: PicturesWithheld) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            pictured.signs.no_cameras.store(withheld.cameras, Ordering::Release);
            pictured.signs.no_slides.store(withheld.slides, Ordering::Release);
            pictured.has_news = true;
        }
    }

    /// Whether leg A's RTCP goes to whoever switches from now on, as it does unless this is said: several lines
    /// that share a transport are given the same, and the switch is to have it once. Whether it takes part.
    pub fn hand_on_reports(&mut self, hands: bool) -> bool {
        let Some(pictured) = self.pictured.as_deref_mut() else { return false };
        pictured.hands_reports = hands;
        true
    }

    /// Leg A asks for a key frame of what it sees.
    pub fn refresh_picture(&mut self) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            pictured.need_key_frame();
        }
    }

    /// Whether nobody switches for leg A any more, though it takes part with pictures.
    pub fn is_picture_abandoned(&self) -> bool {
        self.pictured.as_deref().is_some_and(|pictured| pictured.sent.is_abandoned())
    }

    /// Whether whoever switches has something to look at, since this was last asked.
    #[inline]
    pub fn take_picture_news(&mut self) -> bool {
        self.pictured.as_deref_mut().is_some_and(|pictured| std::mem::take(&mut pictured.has_news))
    }

    /// Packets that the leg could not be sent, since this was last asked.
    pub fn take_unshown(&mut self) -> u64 {
        self.pictured.as_deref_mut().map_or(0, |pictured| std::mem::take(&mut pictured.unshown))
    }

    /// Whether signalling is to ask leg A for a key frame now; once a second at most.
    pub fn poll_picture_wanted(&mut self, now: Instant) -> bool {
        let Some(pictured) = self.pictured.as_deref_mut() else { return false };
        let is_due =
            pictured.wanted && pictured.told.is_none_or(|told| now >= told + WANTED_INTERVAL);
        if is_due {
            (pictured.wanted, pictured.told) = (false, Some(now));
        }
        is_due
    }

    /// When [`RtpSession::poll_picture_wanted`] has something to say; `None` for never.
    pub fn picture_wanted_deadline(&self) -> Option<Instant> {
        let pictured = self.pictured.as_deref().filter(|pictured| pictured.wanted)?;
        Some(pictured.told.map_or(Instant::ZERO, |told| told + WANTED_INTERVAL))
    }

    /// When something of the conference is to be sent: at once, where it has given anything.
    pub(crate) fn pictured_deadline(&self) -> Option<Instant> {
        let pictured = self.pictured.as_deref()?;
        let waits = pictured.again.as_deref().is_some_and(Again::has_more);
        (waits || pictured.given.has_more()).then_some(Instant::ZERO)
    }

    /// Writes the next packet of the conference to leg A, and has feedback sent with the next report.
    pub(crate) fn poll_pictured(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        if to != LEG {
            return None;
        }
        // Gone meanwhile, for what was read is lent below.
        let mut pictured = self.pictured.take()?;
        // What is missing is late already.
        let mut sent = self.send_again(&mut pictured, now, buffer);
        while sent.is_none()
            && let Some([head]) = pictured.given.read(&mut pictured.octets)
        {
            match head >> 32 {
                PACKET => sent = self.send_pictured(&mut pictured, now, buffer),
                REPORT => {
                    self.note_asked(&pictured.octets);
                    self.say_feedback(LEG, &pictured.octets, now);
                }
                _ => pictured.wanted = true,
            }
        }
        self.pictured = Some(pictured);
        sent
    }

    /// Remembers what the leg is asked for again: what answers late is no other stream.
    fn note_asked(&mut self, feedback: &[u8]) {
        let asked = self.legs[LEG.index()].stream.asked.as_deref_mut();
        let Some(asked) = asked else { return };
        for packet in parse_compound(feedback).flatten() {
            let RtcpPacket::Feedback(feedback) = packet else { continue };
            if let FeedbackMessage::Nack(nacks) = feedback.message() {
                nacks.iter().flat_map(Nack::packets).for_each(|sequence| asked.note(sequence));
            }
        }
    }

    /// `None` where the leg takes nothing now, or it cannot be sent.
    fn send_pictured(
        &mut self,
        pictured: &mut Pictured,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        let sent = self.place_pictured(pictured, now, buffer);
        let sent = sent.and_then(|len| self.send_protected(LEG, len, buffer));
        match (&sent, pictured.last) {
            (Some(MadePacket { len, .. }), Some(sequence)) => {
                if let Some(again) = pictured.again.as_deref_mut() {
                    again.keep(sequence, buffer.get(..*len).unwrap_or_default(), now);
                }
            }
            _ => {
                pictured.unshown += 1;
                pictured.is_broken = true;
            }
        }
        sent
    }

    /// Gives a packet the leg's numbers; its octets.
    fn place_pictured(
        &mut self,
        pictured: &mut Pictured,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let (_, leg) = pair(&mut self.legs, LEG.other());
        leg.plan.as_ref().filter(|plan| plan.sends_to)?;
        let outbound = &mut leg.made.as_deref_mut()?.outbound;
        let len = pictured.octets.len();
        buffer.get_mut(..len)?.copy_from_slice(&pictured.octets);
        let Numbers { sequence, timestamp, .. } = Numbers::read(buffer)?;
        let ssrc = outbound.ssrc();
        let sequence = pictured.number(sequence);
        outbound.give(sequence, timestamp, CLOCK_RATE, now);
        if pictured.signs.ssrc.swap(ssrc, Ordering::Relaxed) != ssrc {
            pictured.forget_sent();
        }
        Numbers { ssrc, sequence, timestamp }.write(buffer)?;
        Some(len)
    }
}

#[cfg(test)]
mod tests;
