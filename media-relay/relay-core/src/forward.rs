//! The hot path: what happens to one datagram. Nothing here allocates, locks, logs or formats.

use crate::copied::CopyTap;
use crate::decision::{Decision, DropReason, MediaSocket, PacketKind};
use crate::dtmf::{is_replaced, sounds_like_a_key};
use crate::ice::{CheckOutcome, answer_check};
use crate::latch::Verdict;
use crate::listening::AudioTap;
use crate::own_rtcp::note_report;
use crate::renumbering::Renumbering;
use crate::rtcp_copies::{CopiedRtcp, KeptRtcp};
use crate::rtp_session::{Leg, RtpSession};
use crate::stream::HeaderView;
use crate::tap::{Tap, Tapped};
use crate::transcoding::Made;
use model::{IcePlan, Instant, LegSide};
use rtp_proto::rtcp::{RtcpPacket, parse_compound};
use rtp_proto::stun::{LONGEST_RESPONSE, StunError};
use rtp_proto::{DatagramKind, RtpPacket, demultiplex};
use std::net::SocketAddr;

impl RtpSession {
    /// Judges the datagram in the first `len` octets of `buffer`, which came to `socket` of leg
    /// `from`; counts it, and says where it goes.
    ///
    /// Both legs see the same SSRCs, sequence numbers and reports. Octets change only where a leg has
    /// SRTP, to be unprotected and protected in place, for which `buffer` needs [`crate::GROWTH`]
    /// octets of room behind `len`; the payload type, where the legs number a format differently; and
    /// sources and numbers from the first packet on that is made here or that SRTP would take twice.
    #[inline]
    pub fn forward(
        &mut self,
        from: LegSide,
        socket: MediaSocket,
        source: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        arrival: Instant,
    ) -> Decision {
        let len = len.min(buffer.len());
        if self.rare.as_ref().is_some_and(|rare| rare.is_fax) {
            let datagram = buffer.get(..len).unwrap_or_default();
            return self.forward_datagram(from, socket, source, datagram, arrival);
        }
        let kind = match (demultiplex(buffer.get(..len).unwrap_or_default()), socket) {
            (DatagramKind::Rtp, MediaSocket::Rtp) => PacketKind::Rtp,
            (DatagramKind::Rtcp, _) => PacketKind::Rtcp,
            (DatagramKind::Stun, MediaSocket::Rtp) if self.ice_of(from).is_some() => {
                return Decision::Check;
            }
            (DatagramKind::Dtls, MediaSocket::Rtp) if self.security.has_handshake(from) => {
                let leg = &self.legs[from.index()];
                return if leg.rtp.is_plausible(source, arrival, None) {
                    Decision::Handshake
                } else {
                    self.refuse(from, DropReason::WrongSource)
                };
            }
            _ => return self.refuse(from, DropReason::NotMedia),
        };
        let to = from.other();
        let outcome = match kind {
            PacketKind::Rtp | PacketKind::Udptl => {
                self.forward_rtp(from, source, buffer, len, arrival)
            }
            PacketKind::Rtcp => {
                match self.forward_rtcp(from, socket, source, buffer, len, arrival).transpose() {
                    Some(outcome) => outcome,
                    None => return Decision::Taken,
                }
            }
        };
        let outcome = outcome.and_then(|(socket, destination, len)| {
            let len = self.hand_on(from, kind, buffer, len, arrival)?;
            Ok(len.map(|len| (socket, destination, len)))
        });
        match outcome {
            Ok(Some((socket, destination, len))) => {
                self.legs[to.index()].stream.sent(kind, len);
                Decision::Send { to, socket, destination, len, kind }
            }
            Ok(None) => Decision::Kept,
            // The conference has it.
            Err(DropReason::NoDestination) if from == LegSide::A && self.pictured.is_some() => {
                Decision::Kept
            }
            Err(reason) => self.refuse(from, reason),
        }
    }

    /// Makes of the packet in the first `len` octets of `buffer` what the other leg gets, protected as
    /// that one wants; its octets, `None` when it gets nothing for it, or not yet.
    #[inline]
    pub(crate) fn hand_on(
        &mut self,
        from: LegSide,
        kind: PacketKind,
        buffer: &mut [u8],
        len: usize,
        arrival: Instant,
    ) -> Result<Option<usize>, DropReason> {
        let len = match kind {
            PacketKind::Rtp => {
                let len = self.pass_on(from, buffer, len, arrival);
                len.map(|len| self.mix_warning(from.other(), buffer, len, arrival))
            }
            PacketKind::Rtcp | PacketKind::Udptl => Some(len),
        };
        let Some(len) = len else { return Ok(None) };
        match self.security.protect(from.other(), kind, buffer, len) {
            Ok(len) => Ok(Some(len)),
            Err(reason) if kind == PacketKind::Rtp => {
                self.send_restarted(from, buffer, len, arrival).ok_or(reason).map(Some)
            }
            Err(reason) => Err(reason),
        }
    }

    /// Makes of the RTP packet in the first `len` octets of `buffer` what the other leg gets; its
    /// octets, `None` when it gets nothing for it, or not yet.
    #[inline]
    fn pass_on(
        &mut self,
        from: LegSide,
        buffer: &mut [u8],
        len: usize,
        arrival: Instant,
    ) -> Option<usize> {
        let to = from.other();
        let is_other = self.has_restarted(to, buffer, arrival);
        let (len, is_event) = self.find_tones(from, buffer, len, arrival);
        if self.rare.is_some() && !is_event {
            match self.transcode(from, buffer, len, arrival) {
                Made::Passes => {}
                Made::Packet(len) => return Some(len),
                Made::Nothing => return None,
            }
        }
        if self.legs[to.index()].made.is_some() {
            let clock_rate = self.clock_rate_of(from, buffer);
            self.join_outbound(to, buffer, clock_rate, arrival, is_other);
        } else {
            self.mask_source(to, buffer);
        }
        // An event of ours has the number of the leg that gets it.
        if let Some(renumbering) = self.renumbering_of(from).filter(|_| !is_event) {
            renumbering.rewrite(buffer);
        }
        Some(len)
    }

    /// Gives media the source that it has on leg `to`, in the header's third word.
    #[inline]
    fn mask_source(&self, to: LegSide, buffer: &mut [u8]) {
        let mask = self.legs[to.index()].ssrc_mask;
        if mask == 0 {
            return;
        }
        if let Some(source) = buffer.get_mut(8..12).and_then(|word| word.first_chunk_mut()) {
            *source = (u32::from_be_bytes(*source) ^ mask).to_be_bytes();
        }
    }

    /// Where the packet goes, and its length without SRTP.
    fn forward_rtp(
        &mut self,
        from: LegSide,
        source: SocketAddr,
        buffer: &mut [u8],
        octets: usize,
        arrival: Instant,
    ) -> Result<(MediaSocket, SocketAddr, usize), DropReason> {
        let (leg, other) = pair(&mut self.legs, from);
        let Some(plan) = &leg.plan else { return Err(DropReason::NoPlan) };
        let packet = buffer.get_mut(..octets).unwrap_or_default();
        let authenticated;
        let (packet, policy) = if self.security.is_plain(from) {
            (&*packet, &self.policy)
        } else {
            if !leg.rtp.is_plausible(source, arrival, None) {
                return Err(DropReason::WrongSource);
            }
            authenticated = self.policy.authenticated();
            (self.security.unprotect(from, PacketKind::Rtp, packet, arrival)?, &authenticated)
        };
        let rtp = RtpPacket::parse(packet).map_err(|_| DropReason::MalformedRtp)?;
        admit(leg.rtp.observe(source, rtp.ssrc(), arrival, policy, None))?;
        let is_blocked = plan.blocks_events && plan.is_telephone_event(rtp.payload_type());
        let way = if !plan.accepts_from || is_blocked {
            Err(DropReason::NotAccepted)
        } else if other.plan.as_ref().is_some_and(|p| !p.sends_to && !p.is_nobody) {
            Err(DropReason::NotWanted)
        } else if other.replaces(plan, &rtp, arrival) {
            Err(DropReason::Replaced)
        } else if !leg.bucket.take(self.rate, arrival) {
            Err(DropReason::RateExceeded)
        } else if is_replaced(&mut self.dtmf, from, plan, &rtp, other.made.as_deref(), arrival) {
            // What is transcoded has numbers of its own.
            if self.rare.as_ref().is_none_or(|rare| rare.transcoding[from.index()].is_none()) {
                other.skip_outbound(&rtp, arrival);
            }
            Err(DropReason::Replaced)
        } else {
            // Whoever has found the ports of nobody gets nothing there.
            let is_somebody = other.plan.as_ref().is_none_or(|plan| !plan.is_nobody);
            let destination = other.rtp.destination().filter(|_| is_somebody);
            let destination = destination.ok_or(DropReason::NoDestination);
            destination.map(|destination| (MediaSocket::Rtp, destination, packet.len()))
        };
        let is_alone = matches!(way, Err(DropReason::NoDestination));
        let is_key = is_alone && sounds_like_a_key(&mut self.dtmf, from, plan, &rtp, arrival);
        if let Some(unheard) = self.unheard.as_deref_mut() {
            unheard.listen(from, plan, &rtp, arrival);
        }
        let is_new_source = leg.stream.ssrc() != Some(rtp.ssrc());
        leg.stream.received_rtp(plan, &HeaderView::from(&rtp), octets, arrival, way.is_ok());
        leg.note_heard(arrival);
        if way.is_ok() {
            Tap::copy(&mut self.tap, Tapped::rtp(from, source, arrival), packet);
        }
        if is_said(&way) {
            AudioTap::hear(&mut self.audio_tap, from, rtp.payload_type(), packet, arrival);
            CopyTap::keep(&mut self.copy_tap, from, packet);
        }
        // Nobody but the conference is to hear it, which hears no keys: a gap is made up for there.
        if !is_key
            && (is_said(&way) || way.is_err_and(|reason| reason == DropReason::NotWanted))
            && let Some(seated) = self.seated.as_deref_mut()
            && !seated.is_muted
        {
            AudioTap::hear(&mut seated.tap, from, rtp.payload_type(), packet, arrival);
        }
        if from == LegSide::A
            && let Some(pictured) = self.pictured.as_deref_mut()
            && (is_said(&way) || way.is_err_and(|reason| reason == DropReason::NotWanted))
        {
            pictured.hand_packet(&rtp, packet, arrival);
        }
        if is_new_source {
            self.note_new_source(from, source.ip(), arrival);
        }
        way
    }

    /// Where the compound goes, and its length without SRTCP; `None` when it ends here. RTCP flows whatever the direction of
    /// the media (RFC 3264 section 5.1).
    fn forward_rtcp(
        &mut self,
        from: LegSide,
        socket: MediaSocket,
        source: SocketAddr,
        buffer: &mut [u8],
        octets: usize,
        arrival: Instant,
    ) -> Result<Option<(MediaSocket, SocketAddr, usize)>, DropReason> {
        let ends_here = self.terminates_rtcp();
        let (leg, other) = pair(&mut self.legs, from);
        if leg.plan.is_none() || other.plan.is_none() {
            return Err(DropReason::NoPlan);
        }
        let (latch, companion) = match socket {
            MediaSocket::Rtp => (&mut leg.rtp, None),
            MediaSocket::Rtcp => {
                let companion = leg.rtp.locked();
                (&mut leg.rtcp, companion)
            }
        };
        let packet = buffer.get_mut(..octets).unwrap_or_default();
        let authenticated;
        let (packet, policy) = if self.security.is_plain(from) {
            (&*packet, &self.policy)
        } else {
            if !latch.is_plausible(source, arrival, companion) {
                return Err(DropReason::WrongSource);
            }
            authenticated = self.policy.authenticated();
            (self.security.unprotect(from, PacketKind::Rtcp, packet, arrival)?, &authenticated)
        };
        let sender = check_compound(packet)?;
        admit(latch.observe(source, sender, arrival, policy, companion))?;
        if !leg.bucket.take(self.rate, arrival) {
            return Err(DropReason::RateExceeded);
        }
        let way = if ends_here { None } else { rtcp_way(other) };
        leg.stream.received_rtcp(octets);
        let mut goodbye = false;
        // What it asks for is for whoever switches what it sees.
        let is_pictured = from == LegSide::A && self.pictured.is_some();
        if let Some(pictured) = self.pictured.as_deref_mut().filter(|_| is_pictured) {
            pictured.hand_report(packet, arrival);
        }
        for reported in parse_compound(packet).flatten() {
            goodbye |= note_report(leg, other, &reported, way.is_some(), arrival);
            if let Some(pictured) = self.pictured.as_deref_mut().filter(|_| is_pictured) {
                pictured.hear(&reported, arrival);
            }
            let passes = ends_here && !is_pictured;
            if let (true, Some(own)) = (passes, self.own_rtcp.as_deref_mut()) {
                let rare = self.rare.as_deref();
                own.pass_feedback((from, leg, other), rare, &reported, arrival);
            }
        }
        if let Some(pictured) = self.pictured.as_deref().filter(|_| is_pictured) {
            pictured.note_round_trip(leg.stream.round_trips.last());
        }
        if let (true, Some(own)) = (ends_here, self.own_rtcp.as_deref_mut()) {
            own.check_source(from, (leg, other), sender, source.ip(), arrival);
        }
        leg.note_heard(arrival);
        let len = packet.len();
        Tap::copy(&mut self.tap, Tapped::rtcp(from, socket, source, arrival), packet);
        let copied = CopiedRtcp::received(from, socket, source, arrival, packet);
        KeptRtcp::keep(&mut self.kept_rtcp, &copied);
        if ends_here {
            if goodbye {
                self.pass_goodbye(from, arrival);
            }
            return Ok(None);
        }
        let (socket, destination) = way.ok_or(DropReason::NoDestination)?;
        Ok(Some((socket, destination, len)))
    }

    /// Answers a check that came to the RTP socket of leg `from`; the response is written to `out`.
    /// Where an authentic one came from, the leg's media comes from and goes to.
    ///
    /// # Errors
    /// [`StunError`] for what gets no answer.
    pub fn answer_check(
        &mut self,
        from: LegSide,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8; LONGEST_RESPONSE],
    ) -> Result<CheckOutcome, StunError> {
        let plan = self.ice_of(from).ok_or(StunError::NotABindingRequest)?;
        let outcome = answer_check(plan, source, datagram, out)?;
        let leg = &mut self.legs[from.index()];
        // Before a nomination any path that was checked may carry media (RFC 8445 section 12.1.1).
        if outcome.nominated || (outcome.authentic && leg.rtp.locked().is_none()) {
            leg.rtp.settle(source);
            leg.rtcp.settle(source);
        }
        Ok(outcome)
    }

    fn ice_of(&self, leg: LegSide) -> Option<&IcePlan> {
        self.rare.as_ref()?.ice[leg.index()].as_ref()
    }

    #[inline]
    fn renumbering_of(&self, from: LegSide) -> Option<&Renumbering> {
        self.rare.as_ref()?.renumbering[from.index()].as_ref()
    }

    pub(crate) fn refuse(&mut self, from: LegSide, reason: DropReason) -> Decision {
        let stream = &mut self.legs[from.index()].stream;
        match reason {
            DropReason::WrongSource => {
                stream.wrong_source = stream.wrong_source.saturating_add(1);
            }
            DropReason::NotMedia
            | DropReason::MalformedRtp
            | DropReason::MalformedRtcp
            | DropReason::SrtpMalformed => {
                stream.malformed = stream.malformed.saturating_add(1);
            }
            DropReason::SrtpAuthentication => {
                self.security.count_unauthentic(from);
            }
            DropReason::NoPlan
            | DropReason::Learning
            | DropReason::NotAccepted
            | DropReason::NotWanted
            | DropReason::NoDestination
            | DropReason::SrtpReplayed
            | DropReason::SrtpRepeated
            | DropReason::SrtpExhausted
            | DropReason::NoKeys
            | DropReason::RateExceeded
            | DropReason::Replaced
            | DropReason::NoLine => {}
        }
        Decision::Drop(reason)
    }
}

pub(crate) fn pair(legs: &mut [Leg; 2], from: LegSide) -> (&mut Leg, &mut Leg) {
    let [a, b] = legs;
    match from {
        LegSide::A => (a, b),
        LegSide::B => (b, a),
    }
}

#[inline]
pub(crate) fn admit(verdict: Verdict) -> Result<(), DropReason> {
    match verdict {
        Verdict::Accepted => Ok(()),
        Verdict::Learning => Err(DropReason::Learning),
        Verdict::WrongSource => Err(DropReason::WrongSource),
    }
}

/// Checks every length of a compound (RFC 3550 appendix A.2; also CVE-2021-43804) before any state
/// changes; the SSRC that speaks first, 0 when none does.
fn check_compound(packet: &[u8]) -> Result<u32, DropReason> {
    let mut sender = None;
    for part in parse_compound(packet) {
        match part.map_err(|_| DropReason::MalformedRtcp)? {
            RtcpPacket::SenderReport(report) => sender = sender.or(Some(report.ssrc)),
            RtcpPacket::ReceiverReport(report) => sender = sender.or(Some(report.ssrc)),
            _ => {}
        }
    }
    Ok(sender.unwrap_or_default())
}

/// Whether what the leg said counts among what was said in the call: it may speak, and would be heard if
/// nothing were played in its place.
#[inline]
fn is_said<T>(way: &Result<T, DropReason>) -> bool {
    matches!(way, Ok(_) | Err(DropReason::Replaced | DropReason::NoDestination))
}

/// Where a leg gets RTCP, and from which socket.
pub(crate) fn rtcp_way(leg: &Leg) -> Option<(MediaSocket, SocketAddr)> {
    if leg.plan.as_ref()?.rtcp_mux {
        leg.rtp.destination().map(|destination| (MediaSocket::Rtp, destination))
    } else {
        rtcp_destination(leg).map(|destination| (MediaSocket::Rtcp, destination))
    }
}

/// Where a leg without rtcp-mux gets RTCP: where its own came from, else where its description
/// says, unless its RTP proved that the description's address is not where it is.
fn rtcp_destination(leg: &Leg) -> Option<SocketAddr> {
    if let Some(locked) = leg.rtcp.locked() {
        return Some(locked);
    }
    let described = leg.rtcp.destination()?;
    let moved = leg.rtp.locked().is_some_and(|rtp| {
        leg.rtp
            .described()
            .is_some_and(|expected| rtp.ip() != expected.ip() && described.ip() == expected.ip())
    });
    (!moved).then_some(described)
}

#[cfg(test)]
mod tests;
