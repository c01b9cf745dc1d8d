//! What the kernel may forward by itself, and how what it forwarded is counted.
//!
//! The kernel does nothing but rewrite addresses and, by constants, numbers. It may do so for a
//! direction of a stream in which every packet's fate is known beforehand: plain RTP on both legs, from a
//! source that is locked and whose learning window is over. It notes what it forwarded, and
//! [`RtpSession::forwarded`] takes each note through the arithmetic of [`RtpSession::forward`], so that
//! a stream that changes between the two paths shows no seam.

use crate::decision::PacketKind;
use crate::forward::pair;
use crate::outbound::Numbers;
use crate::rtp_session::RtpSession;
use crate::stream::HeaderView;
use model::{DtmfConversion, Instant, LegSide};
use std::net::SocketAddr;

/// Octets of an RTP header without contributing sources and extension; the only one that the kernel
/// forwards.
const RTP_HEADER: usize = 12;

/// One direction of a stream that needs no decisions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastForward {
    /// Whose RTP.
    pub source: SocketAddr,
    /// And its synchronisation source. Another one is a decision (RFC 3550 section 8.2).
    pub ssrc: u32,
    /// Where to.
    pub destination: SocketAddr,
    /// The payload type that is not forwarded so: events (RFC 4733) that are converted or kept back.
    pub withheld: Option<u8>,
    /// What becomes of its numbers; `None` when nothing does.
    pub numbers: Option<FastNumbers>,
}

/// How packets are numbered on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastNumbers {
    /// The synchronisation source that the other leg knows.
    pub ssrc: u32,
    /// What is added to each sequence number. Wraps.
    pub sequence_offset: u16,
    /// What is added to each RTP timestamp. Wraps.
    pub timestamp_offset: u32,
    /// A packet is forwarded so if its sequence number, less [`RtpSession::fast_numbers_from`], is no
    /// more than this (serial arithmetic, RFC 1982); any other is a decision.
    pub span: u16,
}

impl FastNumbers {
    /// Only the source changes.
    const fn of_source(ssrc: u32) -> Self {
        FastNumbers { ssrc, sequence_offset: 0, timestamp_offset: 0, span: u16::MAX }
    }

    const fn give(&self, numbers: Numbers) -> Numbers {
        Numbers {
            ssrc: self.ssrc,
            sequence: numbers.sequence.wrapping_add(self.sequence_offset),
            timestamp: numbers.timestamp.wrapping_add(self.timestamp_offset),
        }
    }
}

/// What the kernel notes of an RTP packet that it has forwarded. The packet had neither
/// contributing sources nor an extension nor padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForwardedPacket {
    /// Synchronisation source, as it came.
    pub ssrc: u32,
    /// Sequence number, as it came.
    pub sequence: u16,
    /// RTP timestamp, as it came.
    pub timestamp: u32,
    /// What became of these.
    pub numbers: Option<FastNumbers>,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Octets of the UDP payload.
    pub octets: usize,
    /// When it came.
    pub arrival: Instant,
}

impl RtpSession {
    /// How RTP from leg `from` can be forwarded without asking [`RtpSession::forward`]; `None` when
    /// it must be asked. To be asked again after every input.
    pub fn fast_forward(&self, from: LegSide, now: Instant) -> Option<FastForward> {
        let (leg, other) = (&self.legs[from.index()], &self.legs[from.other().index()]);
        let (plan, other_plan) = (leg.plan.as_ref()?, other.plan.as_ref()?);
        // Who has not been heard yet has to be.
        let is_plain = !self.is_rare(from)
            && !self.is_listening(from)
            && self.security.is_plain(from)
            && self.security.is_plain(from.other());
        let is_plain = is_plain
            && !self.is_tapped(from)
            && !self.is_listened_to(from)
            && !self.is_copied(from)
            && !self.is_seated()
            && !self.is_pictured();
        let conversion = self.dtmf.as_deref().map(|dtmf| dtmf.conversion(from)).unwrap_or_default();
        let withholds = plan.blocks_events || conversion.reads_events();
        let (events, withheld) = if withholds { plan.events() } else { (0, None) };
        // The kernel tells one payload type from the others, and nothing else; what is made for the
        // other leg needs its numbers.
        let is_plain = is_plain
            && events <= 1
            && !conversion.searches_audio()
            && conversion != DtmfConversion::EventsToTones;
        if !is_plain || !plan.accepts_from || !other_plan.sends_to {
            return None;
        }
        let source = leg.rtp.settled(now)?;
        let ssrc = leg.stream.ssrc()?;
        let numbers = match other.made.as_deref() {
            Some(made) => Some(made.steady(ssrc)?),
            None if other.ssrc_mask == 0 => None,
            None => Some(FastNumbers::of_source(ssrc ^ other.ssrc_mask)),
        };
        let destination = other.rtp.destination()?;
        let is_same_family = source.is_ipv4() == destination.is_ipv4();
        is_same_family.then_some(FastForward { source, ssrc, destination, withheld, numbers })
    }

    /// The first sequence number of leg `from` that is forwarded by [`FastForward::numbers`]; it moves on
    /// with the stream. 0 where any is.
    pub fn fast_numbers_from(&self, from: LegSide) -> u16 {
        let made = self.legs[from.other().index()].made.as_deref();
        made.and_then(|made| made.outbound.steady_from()).unwrap_or_default()
    }

    /// Whether packets of `from` need what few streams have: ICE, fax, and payload types or formats that
    /// change.
    fn is_rare(&self, from: LegSide) -> bool {
        self.rare.as_deref().is_some_and(|rare| {
            rare.is_fax
                || rare.ice.iter().any(Option::is_some)
                || rare.renumbering[from.index()].is_some()
                || rare.transcoding[from.index()].is_some()
        })
    }

    /// Counts a packet of leg `from` that was forwarded by [`RtpSession::fast_forward`]'s answer, in
    /// order of arrival.
    #[inline]
    pub fn forwarded(&mut self, from: LegSide, packet: &ForwardedPacket) {
        let (leg, other) = pair(&mut self.legs, from);
        let Some(plan) = &leg.plan else { return };
        let header = HeaderView {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            payload_type: packet.payload_type,
            marker: packet.marker,
            payload_bytes: packet.octets.saturating_sub(RTP_HEADER),
        };
        leg.stream.received_rtp(plan, &header, packet.octets, packet.arrival, true);
        other.stream.sent(PacketKind::Rtp, packet.octets);
        if let Some(made) = other.made.as_deref_mut() {
            leg.stream.show_losses();
            let ForwardedPacket { ssrc, sequence, timestamp, .. } = *packet;
            let numbers = Numbers { ssrc, sequence, timestamp };
            let given = packet.numbers.map_or(numbers, |given| given.give(numbers));
            let clock_rate = plan.format(packet.payload_type).clock_rate;
            made.outbound.passed(numbers, given, clock_rate, packet.arrival);
        }
        // It has gone; what comes through the sockets beside it has that much less room.
        leg.bucket.take(self.rate, packet.arrival);
        leg.note_heard(packet.arrival);
    }
}

#[cfg(test)]
mod tests;
