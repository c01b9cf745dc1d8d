//! A leg that takes part in a conference: what it sends goes into a ring, and what whoever mixes has made
//! for it comes out of another, packet by packet, in the leg's one source.
//!
//! Payloads come encoded, one mix for many listeners, and are sent as they are found: whoever mixes
//! keeps the time. What comes while the leg cannot hear it (it is on hold, or hears a clip or keys) is
//! lost, as it would be of a person who speaks meanwhile.

use crate::forward::pair;
use crate::heard::{self, HeardReader, HeardWriter};
use crate::listening::{AudioTap, ListenReader, listen_ring};
use crate::made::MadePacket;
use crate::packet_ring::{self, RingReader, RingWriter};
use crate::plan::CompiledLeg;
use crate::rtp_session::RtpSession;
use codecs::LONGEST_PAYLOAD;
use model::{Heard, Instant, LegSide};
use rtp_proto::RtpHeader;
use std::time::Duration;

/// Words before a payload's octets: length and payload type; timestamp and duration.
const HEAD: usize = 2;
/// Octets of the ring of what a leg hears: 20 packets of Opus at 32 kbit/s a second, or four of the longest.
const RING: usize = 8 * 1024;

/// One packet for a leg, but for its source, its sequence number and where its timestamps begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MixedPacket {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// It follows silence.
    pub marker: bool,
    /// In ticks of the format's RTP clock, from any beginning; wraps.
    pub timestamp: u32,
    /// How long its audio lasts, in the same ticks.
    pub ticks: u32,
}

/// Where whoever mixes puts what a leg is to hear.
#[derive(Debug)]
pub struct MixedWriter(RingWriter<HEAD>);

/// Both ends that whoever mixes has of a leg.
#[derive(Debug)]
pub struct SeatRings {
    /// What the leg says, with what its payload types stand for.
    pub hears: ListenReader,
    /// What it is to hear.
    pub says: MixedWriter,
    /// How it is heard, for signalling.
    pub heard: HeardWriter,
}

/// The relay's ends of both rings.
#[derive(Debug)]
pub struct SeatEnds {
    tap: crate::listening::ListenWriter,
    mixed: RingReader<HEAD>,
    heard: HeardReader,
}

/// Rings for a leg: `octets` for what it says (see [`listen_ring`]); about 200 ms for what it hears.
pub fn seat_rings(octets: usize) -> (SeatEnds, SeatRings) {
    let (tap, hears) = listen_ring(octets);
    let (says, mixed) = packet_ring::pair(RING);
    let (told, heard) = heard::pair();
    (SeatEnds { tap, mixed, heard }, SeatRings { hears, says: MixedWriter(says), heard: told })
}

impl MixedWriter {
    /// Whether there was room for it; a payload of more than [`LONGEST_PAYLOAD`] octets has none. A ring
    /// is full when nobody has taken anything for 200 ms: what is lost then is what came last.
    pub fn write(&mut self, packet: MixedPacket, payload: &[u8]) -> bool {
        let kind = u64::from(packet.payload_type & 0x7f) | u64::from(packet.marker) << 7;
        let time = u64::from(packet.timestamp) << 32 | u64::from(packet.ticks);
        payload.len() <= LONGEST_PAYLOAD && self.0.write([kind << 32, time], payload)
    }

    /// Whether the leg has left.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

/// What a stream has while one of its legs takes part in a conference.
#[derive(Debug)]
pub(crate) struct Seated {
    /// The leg that takes part.
    leg: LegSide,
    pub(crate) tap: Option<Box<AudioTap>>,
    mixed: RingReader<HEAD>,
    heard: HeardReader,
    /// A payload, while it is sent.
    payload: Vec<u8>,
    /// The clock rate of the last packet, and from the conference's timestamps in that to the leg's;
    /// `None` before the first packet, and after any that was not heard.
    placed: Option<(u32, u32)>,
    unheard: u64,
    /// Nobody hears what the leg sends.
    pub(crate) is_muted: bool,
}

impl Seated {
    /// The next packet for the leg; its payload is kept.
    fn take(&mut self) -> Option<MixedPacket> {
        let [kind, time] = self.mixed.read(&mut self.payload)?;
        let kind = (kind >> 32) as u8;
        let (payload_type, marker) = (kind & 0x7f, kind >> 7 == 1);
        Some(MixedPacket {
            payload_type,
            marker,
            timestamp: (time >> 32) as u32,
            ticks: time as u32,
        })
    }
}

impl RtpSession {
    /// From now on `leg` takes part in a conference: what it sends while it may goes to `ends`, and what
    /// is written there goes to the leg. `draw` gives unguessable numbers. Who was in one before leaves it.
    pub fn sit(
        &mut self,
        leg: LegSide,
        ends: SeatEnds,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) {
        self.make_for(leg, now, draw);
        self.name_after_call(leg);
        let legs = LegSide::BOTH.map(|side| side == leg);
        let tap = Some(Box::new(self.tap_of(ends.tap, legs, now)));
        let payload = Vec::with_capacity(LONGEST_PAYLOAD.next_multiple_of(8));
        let SeatEnds { mixed, heard, .. } = ends;
        let (placed, unheard, is_muted) = (None, 0, false);
        let seated = Seated { leg, tap, mixed, heard, payload, placed, unheard, is_muted };
        self.seated = Some(Box::new(seated));
    }

    /// The leg takes part in nothing any more.
    pub fn stand_up(&mut self) {
        self.seated = None;
    }

    /// Whether what the leg sends is kept from its conference, from the next packet on. It is the relay that
    /// sees to it: what waits for whoever mixes, or is lost on the way there, lets nobody be heard.
    pub fn mute_seat(&mut self, is_muted: bool) {
        if let Some(seated) = self.seated.as_deref_mut() {
            seated.is_muted = is_muted;
        }
    }

    /// Whether nobody mixes for the leg any more, though it takes part in a conference.
    pub fn is_seat_abandoned(&self) -> bool {
        let tap = self.seated.as_deref().and_then(|seated| seated.tap.as_deref());
        tap.is_some_and(|tap| !tap.is_read())
    }

    /// Whether a leg takes part in a conference.
    pub fn is_seated(&self) -> bool {
        self.seated.is_some()
    }

    /// Packets of the conference that the leg could not hear, since this was last asked.
    pub fn take_unheard_mixed(&mut self) -> u64 {
        self.seated.as_deref_mut().map_or(0, |seated| std::mem::take(&mut seated.unheard))
    }

    /// How leg A is heard in its conference, if that was said since this was last asked.
    pub fn take_heard(&self) -> Option<Heard> {
        self.seated.as_deref()?.heard.take()
    }

    /// When something of the conference is to be sent: at once, where it has said anything.
    pub(crate) fn mixed_deadline(&self) -> Option<Instant> {
        self.seated.as_deref()?.mixed.has_more().then_some(Instant::ZERO)
    }

    /// Writes the next packet of the conference to the leg, where that is `to`.
    pub(crate) fn poll_mixed(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        // Gone meanwhile, for its payload is lent below.
        let mut seated = self.seated.take_if(|seated| seated.leg == to)?;
        let mut sent = None;
        while sent.is_none()
            && let Some(packet) = seated.take()
        {
            let header = self.place_mixed(&mut seated, packet, now);
            sent =
                header.and_then(|header| self.send_made(to, &header, &seated.payload, now, buffer));
        }
        self.seated = Some(seated);
        sent
    }

    /// The numbers of a packet of the conference; `None` when the leg cannot hear it.
    fn place_mixed(
        &mut self,
        seated: &mut Seated,
        packet: MixedPacket,
        now: Instant,
    ) -> Option<RtpHeader> {
        let (other, leg) = pair(&mut self.legs, seated.leg.other());
        let has_other = leg.is_played_to();
        let rate = leg
            .plan
            .as_ref()
            .filter(|plan| plan.sends_to)
            .and_then(|plan| clock_rate(plan, packet));
        let made = leg.made.as_deref_mut();
        let (Some(rate), Some(made)) =
            (rate, made.filter(|made| !has_other && !made.plays_tones()))
        else {
            (seated.placed, seated.unheard) = (None, seated.unheard + 1);
            return None;
        };
        let outbound = &mut made.outbound;
        // Another clock counts from another beginning.
        let placed = seated.placed.filter(|(clock, _)| *clock == rate);
        let marker = packet.marker || placed.is_none();
        let begin = || outbound.timestamp_at(now).wrapping_sub(packet.timestamp);
        let offset = placed.map_or_else(begin, |(_, offset)| offset);
        seated.placed = Some((rate, offset));
        let timestamp = packet.timestamp.wrapping_add(offset);
        let header = RtpHeader {
            payload_type: packet.payload_type,
            marker,
            sequence: outbound.insert(),
            timestamp,
            ssrc: outbound.ssrc(),
        };
        let lasts = u64::from(packet.ticks) * 1_000_000_000 / u64::from(rate);
        let behind = timestamp.wrapping_add(packet.ticks);
        outbound.advance(behind, rate, now + Duration::from_nanos(lasts));
        outbound.part();
        other.stream.hide_losses();
        Some(header)
    }
}

/// Of the packet's format, in Hz; `None` for one that the leg has not agreed to.
fn clock_rate(plan: &CompiledLeg, packet: MixedPacket) -> Option<u32> {
    let mut agreed = plan.numbered().filter(|(number, _)| *number == packet.payload_type);
    agreed.next().map(|(_, format)| format.clock_rate.max(1))
}

#[cfg(test)]
mod tests;
