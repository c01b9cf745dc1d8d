//! What a leg says, copied to another stream: a call's audio on its way to somebody else's recorder
//! (RFC 7866).
//!
//! The stream that is copied keeps one packet at a time, decrypted and before anything is made of it
//! here; whoever asked it to forward takes the copy at once. The other stream takes it as if its own
//! leg A had sent it, behind source, keys and rate, which the packet has passed already. From there on
//! it is forwarded like any packet: payload types, formats, numbers, keys, reports.

use crate::decision::{Decision, DropReason, MediaSocket, PacketKind};
use crate::forward::pair;
use crate::rtp_session::RtpSession;
use crate::stream::HeaderView;
use model::{Instant, LegSide};
use rtp_proto::RtpPacket;
use std::net::SocketAddr;

/// Octets of the longest packet that is copied; a longer one, which no audio needs, is not.
pub const LONGEST_COPIED: usize = 2_048;

/// What a stream has while a leg of it is copied.
#[derive(Debug)]
pub(crate) struct CopyTap {
    legs: [bool; 2],
    /// Octets of the packet that waits to be taken; 0 for none.
    len: usize,
    octets: [u8; LONGEST_COPIED],
}

impl CopyTap {
    /// Keeps a packet, if its leg is copied, until it is taken or the next one comes.
    #[inline]
    pub(crate) fn keep(tap: &mut Option<Box<CopyTap>>, from: LegSide, packet: &[u8]) {
        if let Some(tap) = tap
            && tap.legs[from.index()]
            && let Some(room) = tap.octets.get_mut(..packet.len())
        {
            room.copy_from_slice(packet);
            tap.len = packet.len();
        }
    }
}

impl RtpSession {
    /// From now on copies what `leg` says, or no more.
    pub fn copy_leg(&mut self, leg: LegSide, copies: bool) {
        let mut legs = self.copy_tap.as_ref().map_or([false; 2], |tap| tap.legs);
        legs[leg.index()] = copies;
        match self.copy_tap.as_deref_mut() {
            Some(tap) if legs.contains(&true) => (tap.legs, tap.len) = (legs, 0),
            None if copies => {
                self.copy_tap =
                    Some(Box::new(CopyTap { legs, len: 0, octets: [0; LONGEST_COPIED] }));
            }
            _ => self.copy_tap = None,
        }
    }

    /// Whether what a leg says is copied.
    pub fn is_copied(&self, leg: LegSide) -> bool {
        self.copy_tap.as_ref().is_some_and(|tap| tap.legs[leg.index()])
    }

    /// The copy of what [`RtpSession::forward`] was given last; `None` where that is not copied: RTCP,
    /// and what was dropped.
    #[inline]
    pub fn take_copied(&mut self) -> Option<&[u8]> {
        let tap = self.copy_tap.as_deref_mut()?;
        let len = std::mem::take(&mut tap.len);
        tap.octets.get(..len).filter(|octets| !octets.is_empty())
    }

    /// Takes a copy of what a leg of another stream has said, in the first `len` octets of `buffer`, as
    /// if leg A of this one had sent it, and says where it goes. `buffer` needs [`crate::GROWTH`]
    /// octets of room behind `len`. Formats that leg A's plan does not list, keys (RFC 4733) among
    /// them, are dropped as [`DropReason::NotAccepted`], whatever else the plan says of leg A: nothing
    /// is taken from its sockets where it may not send.
    pub fn forward_copied(&mut self, buffer: &mut [u8], len: usize, arrival: Instant) -> Decision {
        let from = LegSide::A;
        let len = len.min(buffer.len());
        let way = self.judge_copied(buffer.get(..len).unwrap_or_default(), arrival);
        let handed = way.and_then(|destination| {
            let len = self.hand_on(from, PacketKind::Rtp, buffer, len, arrival)?;
            Ok(len.map(|len| (destination, len)))
        });
        match handed {
            Ok(Some((destination, len))) => {
                let (to, kind) = (from.other(), PacketKind::Rtp);
                self.legs[to.index()].stream.sent(kind, len);
                Decision::Send { to, socket: MediaSocket::Rtp, destination, len, kind }
            }
            Ok(None) => Decision::Kept,
            Err(reason) => self.refuse(from, reason),
        }
    }

    /// Where a copy goes.
    fn judge_copied(&mut self, packet: &[u8], arrival: Instant) -> Result<SocketAddr, DropReason> {
        let (leg, other) = pair(&mut self.legs, LegSide::A);
        let (Some(plan), Some(wishes)) = (&leg.plan, &other.plan) else {
            return Err(DropReason::NoPlan);
        };
        let rtp = RtpPacket::parse(packet).map_err(|_| DropReason::MalformedRtp)?;
        let payload_type = rtp.payload_type();
        let is_agreed = plan.numbered().any(|(number, _)| number == payload_type)
            && !plan.is_telephone_event(payload_type);
        let way = if !is_agreed {
            return Err(DropReason::NotAccepted);
        } else if !wishes.sends_to {
            Err(DropReason::NotWanted)
        } else {
            other.rtp.destination().ok_or(DropReason::NoDestination)
        };
        let header = HeaderView::from(&rtp);
        leg.stream.received_rtp(plan, &header, packet.len(), arrival, way.is_ok());
        leg.note_heard(arrival);
        way
    }
}

#[cfg(test)]
mod tests;
