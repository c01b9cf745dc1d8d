//! Packets that are made here for a leg, and their place among those that pass.
//!
//! [`RtpSession::send_event`] orders one, [`RtpSession::poll_made`] gives the next that is due, ready
//! to be sent, [`RtpSession::made_deadline`] says when to ask. A leg that has ever got one has one
//! continuous source for the rest of the stream, see `outbound.rs`.

use crate::bundle::LONGEST_EXTENSION;
use crate::decision::PacketKind;
use crate::events::EventQueue;
use crate::fast_path::FastNumbers;
use crate::outbound::{Numbers, Outbound, Sent};
use crate::pictures::LONGEST_PICTURE;
use crate::plan::CompiledLeg;
use crate::player::Player;
use crate::rtp_session::{Leg, RtpSession};
use crate::security::GROWTH;
use crate::stamps::Stamps;
use crate::tones::ToneQueue;
use crate::voice::Voice;
use crate::warning::Warning;
use model::{DtmfKey, DtmfPress, Instant, LegSide};
use rtp_proto::{RtpHeader, RtpPacket};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Octets that the buffer for [`RtpSession::poll_made`] should hold.
pub const LONGEST_MADE: usize = LONGEST_PICTURE + LONGEST_EXTENSION + GROWTH;
const _: () = assert!(RtpHeader::BYTES + codecs::LONGEST_PAYLOAD <= LONGEST_PICTURE);

/// A packet that is ready to be sent from a leg's RTP socket; its octets are in the buffer that was
/// given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MadePacket {
    /// The leg that gets it.
    pub to: LegSide,
    /// Where to.
    pub destination: SocketAddr,
    /// Octets to send.
    pub len: usize,
}

/// Why nothing is made for a leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MakeError {
    /// The stream has no plan yet, or the leg wants no media (on hold).
    NotWanted,
    /// The leg has not agreed to the format.
    NoFormat,
    /// As much as is kept waits already.
    Full,
    /// No such event: DTMF has 0 to 15.
    NoSuchEvent,
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MakeError::NotWanted => "the leg wants no media now",
            MakeError::NoFormat => {
                "the leg has neither telephone-event nor a format that tones can be made in"
            }
            MakeError::Full => "too many keys wait already",
            MakeError::NoSuchEvent => "no such key: events 0 to 15 are known",
        })
    }
}

impl std::error::Error for MakeError {}

/// What a leg has for which packets are, or were, made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) outbound: Outbound,
    events: EventQueue,
    pub(crate) player: Option<Player>,
    /// Who speaks to the leg from beside the call.
    pub(crate) voice: Option<Box<Voice>>,
    /// Tones that say that the call is recorded.
    pub(crate) warning: Option<Box<Warning>>,
    /// All of what was to be played was, and nobody has been told.
    pub(crate) played: bool,
    /// `None` before the first key that goes to the leg as tones.
    tones: Option<Box<ToneQueue>>,
    /// Of what passes to a leg that has SRTP, else `None`.
    pub(crate) stamps: Option<Box<Stamps>>,
}

impl Made {
    /// Nothing is to be sent yet but what passes.
    pub(crate) fn new(outbound: Outbound) -> Box<Self> {
        let events = EventQueue::default();
        let (player, voice, warning, tones, stamps) = (None, None, None, None, None);
        Box::new(Made { outbound, events, player, voice, warning, played: false, tones, stamps })
    }

    /// Whether the leg hears tones of ours now, instead of the other leg.
    #[inline]
    pub(crate) fn plays_tones(&self) -> bool {
        self.tones.as_deref().is_some_and(ToneQueue::is_playing)
    }

    /// Whether keys are being sent to the leg, as tones or as events, or wait for it.
    pub(crate) fn has_keys(&self) -> bool {
        self.deadline().is_some()
    }

    /// Keys go on in what the leg has now.
    pub(crate) fn speak(&mut self, plan: &CompiledLeg) {
        if let (Some(tones), Some((_, format))) = (self.tones.as_deref_mut(), plan.tones()) {
            tones.speak(format);
        }
    }

    /// What becomes of the numbers of the other leg's source `ssrc`; `None` while anything is, or waits
    /// to be, put among its packets, and shortly after.
    pub(crate) fn steady(&self, ssrc: u32) -> Option<FastNumbers> {
        let speaks = self.player.is_some() || self.voice.is_some() || self.warning.is_some();
        let waits = speaks || self.plays_tones() || self.deadline().is_some();
        self.outbound.steady(ssrc).filter(|_| !waits)
    }

    fn deadline(&self) -> Option<Instant> {
        let tones = self.tones.as_deref().and_then(ToneQueue::deadline);
        self.events.deadline().into_iter().chain(tones).min()
    }
}

impl Leg {
    /// Notes a packet of the other leg that does not go to this one: its numbers leave no gap there.
    #[inline]
    pub(crate) fn skip_outbound(&mut self, packet: &RtpPacket<'_>, at: Instant) {
        let Some(made) = self.made.as_deref_mut() else { return };
        let numbers = Numbers {
            ssrc: packet.ssrc(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
        };
        made.outbound.skip(numbers, at);
    }
}

impl RtpSession {
    /// Sends leg `to` a key (RFC 4733, events 0 to 15) for `duration`, at least 40 ms and at most
    /// 6 s, after those that wait: as an event, or as tones in its first format if the leg has not agreed
    /// to events. `draw` gives unguessable numbers. The worker is to look at
    /// [`RtpSession::made_deadline`] then.
    ///
    /// # Errors
    /// [`MakeError`]; nothing is sent then.
    pub fn send_event(
        &mut self,
        to: LegSide,
        event: u8,
        duration: Duration,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<(), MakeError> {
        if event > LAST_DTMF {
            return Err(MakeError::NoSuchEvent);
        }
        let plan = self.legs[to.index()].plan.as_ref().filter(|plan| plan.sends_to);
        let plan = plan.ok_or(MakeError::NotWanted)?;
        if plan.telephone_event().is_none() {
            return self.push_tones(to, event, Some(duration), now, draw);
        }
        self.make_for(to, now, draw).events.push(event, duration, now).ok_or(MakeError::Full)
    }

    /// Begins the tones of a key that is held on leg `to`.
    pub(crate) fn begin_tones(
        &mut self,
        to: LegSide,
        key: DtmfKey,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<(), MakeError> {
        let plan = self.legs[to.index()].plan.as_ref().filter(|plan| plan.sends_to);
        plan.ok_or(MakeError::NotWanted)?;
        self.push_tones(to, key.event(), None, now, draw)
    }

    /// The key that is held was let go.
    pub(crate) fn end_tones(&mut self, to: LegSide, press: DtmfPress) {
        let made = self.legs[to.index()].made.as_deref_mut();
        if let Some(tones) = made.and_then(|made| made.tones.as_deref_mut()) {
            tones.release(press.duration);
        }
    }

    fn push_tones(
        &mut self,
        to: LegSide,
        event: u8,
        duration: Option<Duration>,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<(), MakeError> {
        let format = self.legs[to.index()].plan.as_ref().and_then(CompiledLeg::tones);
        let (_, format) = format.ok_or(MakeError::NoFormat)?;
        let made = self.make_for(to, now, draw);
        if made.tones.is_none() {
            made.tones = ToneQueue::new(format).map(Box::new);
        }
        let tones = made.tones.as_deref_mut().ok_or(MakeError::NoFormat)?;
        tones.speak(format);
        tones.push(event, duration, now).ok_or(MakeError::Full)
    }

    /// When [`RtpSession::poll_made`] has something to send; `None` for never.
    pub fn made_deadline(&self) -> Option<Instant> {
        let made = self.legs.iter().filter_map(|leg| leg.made.as_deref());
        let keys = made.filter_map(Made::deadline);
        let played = self.legs.iter().filter_map(Leg::player_deadline);
        let said = self.legs.iter().filter_map(Leg::voice_deadline);
        let warned = self.legs.iter().filter_map(Leg::warning_deadline);
        let beside = self.transcoded_deadline().into_iter().chain(self.mixed_deadline());
        let beside = beside.chain(self.pictured_deadline());
        keys.chain(played).chain(said).chain(warned).chain(beside).min()
    }

    /// Writes the next packet that is due to the front of `buffer` and counts it as sent; `None` when
    /// none is. To be called until it gives `None`.
    pub fn poll_made(&mut self, now: Instant, buffer: &mut [u8]) -> Option<MadePacket> {
        LegSide::BOTH.into_iter().find_map(|to| {
            let transcoded = self.poll_transcoded(to, now, buffer);
            let event = transcoded.or_else(|| self.poll_event(to, now, buffer));
            let key = event.or_else(|| self.poll_tones(to, now, buffer));
            let played = key.or_else(|| self.poll_player(to, now, buffer));
            let mixed = played.or_else(|| self.poll_mixed(to, now, buffer));
            let shown = mixed.or_else(|| self.poll_pictured(to, now, buffer));
            let said = shown.or_else(|| self.poll_voice(to, now, buffer));
            said.or_else(|| self.poll_warning(to, now, buffer))
        })
    }

    fn poll_event(&mut self, to: LegSide, now: Instant, buffer: &mut [u8]) -> Option<MadePacket> {
        loop {
            let leg = &mut self.legs[to.index()];
            let made = leg.made.as_deref_mut()?;
            let format = leg.plan.as_ref().filter(|plan| plan.sends_to);
            let Some((payload_type, format)) = format.and_then(CompiledLeg::telephone_event) else {
                // The plan changed: what was pressed before is of the past.
                made.events.clear();
                return None;
            };
            let begin = made.outbound.timestamp_at(now);
            let packet = made.events.poll(now, begin, format.clock_rate)?;
            let header = RtpHeader {
                payload_type,
                marker: packet.marker,
                sequence: made.outbound.insert(),
                timestamp: packet.timestamp,
                ssrc: made.outbound.ssrc(),
            };
            let payload = packet.event.to_bytes();
            if let Some(sent) = self.send_made(to, &header, &payload, now, buffer) {
                return Some(sent);
            }
        }
    }

    fn poll_tones(&mut self, to: LegSide, now: Instant, buffer: &mut [u8]) -> Option<MadePacket> {
        loop {
            let leg = &mut self.legs[to.index()];
            let made = leg.made.as_deref_mut()?;
            let tones = made.tones.as_deref_mut()?;
            let format = leg.plan.as_ref().filter(|plan| plan.sends_to);
            let tone_format = format.and_then(CompiledLeg::tones);
            let Some((payload_type, _)) = tone_format.filter(|(_, now)| *now == tones.format())
            else {
                tones.clear();
                return None;
            };
            let mut payload = [0; codecs::LONGEST_PAYLOAD];
            let packet = tones.poll(now, made.outbound.timestamp_at(now), &mut payload)?;
            let payload = payload.get(..packet.len)?;
            let header = RtpHeader {
                payload_type,
                marker: packet.marker,
                sequence: made.outbound.insert(),
                timestamp: packet.timestamp,
                ssrc: made.outbound.ssrc(),
            };
            if let Some(sent) = self.send_made(to, &header, payload, now, buffer) {
                return Some(sent);
            }
        }
    }

    /// Writes a packet to the front of `buffer` and protects it; `None` when it cannot be sent, and
    /// its number is lost.
    pub(crate) fn send_made(
        &mut self,
        to: LegSide,
        header: &RtpHeader,
        payload: &[u8],
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        let len = header.write_header(buffer)? + payload.len();
        buffer.get_mut(RtpHeader::BYTES..len)?.copy_from_slice(payload);
        let len = self.mix_warning(to, buffer, len, now);
        self.send_protected(to, len, buffer)
    }

    /// Protects the packet in the first `len` octets of `buffer` and counts it as sent; `None` when it
    /// cannot be sent.
    pub(crate) fn send_protected(
        &mut self,
        to: LegSide,
        len: usize,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        let destination = self.destination(to)?;
        // Where lines share a transport, nobody else says to which of them a source belongs.
        let mid = self.rare.as_deref().and_then(|rare| rare.mid.as_ref());
        let len = match mid.filter(|_| to == LegSide::A) {
            Some(mid) => mid.put(buffer, len)?,
            None => len,
        };
        let len = self.security.protect(to, PacketKind::Rtp, buffer, len).ok()?;
        self.legs[to.index()].stream.sent(PacketKind::Rtp, len);
        Some(MadePacket { to, destination, len })
    }

    /// From now on leg `to` has one continuous source, and RTCP ends here.
    pub(crate) fn make_for(
        &mut self,
        to: LegSide,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> &mut Made {
        let begin = self.legs[to.index()].made.is_none();
        if begin {
            self.begin_own_reports(now);
        }
        let (other, leg) = crate::forward::pair(&mut self.legs, to.other());
        let has_srtp = !self.security.is_plain(to);
        let stamps = leg.spare.take().and_then(|spare| spare.stamps);
        let clock_rate = leg.plan.as_ref().map_or(8_000, CompiledLeg::clock_rate);
        let mask = leg.ssrc_mask;
        leg.made.get_or_insert_with(|| {
            let (audio, sent) = (&other.stream, leg.stream.sent.rtp_packets);
            let passed = audio.passed().filter(|_| sent > 0);
            let mut outbound = match passed {
                Some((mut passed, at)) => {
                    let ssrc = passed.ssrc ^ mask;
                    // What jumped may have gone further than what is measured.
                    let sent = self.security.sent_before(to, ssrc);
                    if let Some((_, highest)) = sent.filter(|(known, _)| *known == ssrc) {
                        passed.sequence = highest;
                    }
                    Outbound::after(ssrc, passed, at, clock_rate)
                }
                None => {
                    let numbers = draw();
                    let (sequence, timestamp) = (numbers as u16, (numbers >> 32) as u32);
                    let last = Sent { sequence, timestamp, at: now, clock_rate };
                    Outbound::new(draw() as u32, last)
                }
            };
            outbound.is_for_srtp(has_srtp);
            let mut made = Made::new(outbound);
            made.stamps = stamps;
            made
        })
    }

    /// The clock rate, in Hz, of an RTP packet of leg `from`.
    #[inline]
    pub(crate) fn clock_rate_of(&self, from: LegSide, packet: &[u8]) -> u32 {
        let plan = self.legs[from.index()].plan.as_ref();
        let number = packet.get(1).copied().unwrap_or_default();
        plan.map_or(8_000, |plan| plan.format(number).clock_rate)
    }

    /// Gives a packet that passes to `to` its numbers there. `buffer` holds an RTP packet, of
    /// `clock_rate` in Hz; `is_other` says that it repeats none that came before.
    #[inline]
    pub(crate) fn join_outbound(
        &mut self,
        to: LegSide,
        buffer: &mut [u8],
        clock_rate: u32,
        at: Instant,
        is_other: bool,
    ) {
        let (from, leg) = crate::forward::pair(&mut self.legs, to.other());
        let Some(made) = leg.made.as_deref_mut() else { return };
        from.stream.show_losses();
        if let Some(passing) = Numbers::read(buffer) {
            made.outbound.pass(passing, clock_rate, at, is_other).write(buffer);
        }
    }
}

/// The key D.
const LAST_DTMF: u8 = 15;

#[cfg(test)]
mod tests;
