//! A source of ours that somebody else uses (RFC 3550 section 8.2), where RTCP ends here.
//!
//! A leg whose packets carry the source that we have towards it has either drawn the same number, a
//! collision, or sends our own packets back, a loop. The first time we take leave of the number and draw
//! another. Whoever then comes back with the new one from the same place loops: the number stays, and
//! the packets pass, because a test of the echo is meant to be heard.
//!
//! A translator has no sources of its own: there the legs see each other's and resolve it themselves.

use super::{OwnRtcp, RtcpStyle, Towards};
use crate::rtp_session::{Leg, RtpSession};
use model::{Instant, LegSide};
use std::net::IpAddr;

/// An address from which a source of ours came is forgotten after so many intervals without another
/// such packet (section 8.2.1).
const REMEMBERED_INTERVALS: u32 = 10;

/// From whom a source of ours came: RTP and RTCP have ports of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conflict {
    address: IpAddr,
    at: Instant,
}

/// Sources of ours that legs used since they were asked for last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SourceConflicts {
    /// For each we have taken another number. Saturates.
    pub collisions: u32,
    /// Packets of ours that came back, as far as they were looked at: with RTCP, and where a source
    /// begins. Saturates.
    pub loops: u32,
}

impl RtpSession {
    /// What there was of conflicts since this was asked last.
    pub fn take_source_conflicts(&mut self) -> SourceConflicts {
        self.own_rtcp
            .as_deref_mut()
            .map(|own| std::mem::take(&mut own.conflicts))
            .unwrap_or_default()
    }

    /// A leg has begun to use a source for its media: it may be ours towards the leg, or make what the
    /// other leg gets from here the other's own.
    #[cold]
    pub(crate) fn note_new_source(&mut self, from: LegSide, address: IpAddr, now: Instant) {
        let Some(own) = self.own_rtcp.as_deref_mut() else { return };
        if own.style != RtcpStyle::BackToBack {
            return;
        }
        let (leg, other) = crate::forward::pair(&mut self.legs, from);
        if let Some(theirs) = leg.stream.ssrc() {
            own.check_source(from, (leg, other), theirs, address, now);
        }
        if let (Some(theirs), Some(address)) = (other.stream.ssrc(), other.rtp.locked()) {
            own.check_source(from.other(), (other, leg), theirs, address.ip(), now);
        }
        self.rtcp_is_nearer |= own.towards.iter().any(|towards| towards.collided.is_some());
    }

    /// Draws other numbers for the sources of ours that `leg` uses; the one that was the media's, if the
    /// leg knows it. `random` is any number that peers cannot guess.
    pub(super) fn resolve_collision(&mut self, side: LegSide, random: u64) -> Option<u32> {
        let own = self.own_rtcp.as_deref_mut()?;
        let towards = &mut own.towards[side.index()];
        let theirs = towards.collided.take()?;
        own.conflicts.collisions = own.conflicts.collisions.saturating_add(1);
        let (leg, other) = crate::forward::pair(&mut self.legs, side);
        let old = towards.source(leg, other);
        let passing = other.stream.ssrc();
        let avoided = [Some(theirs), Some(old), Some(towards.ssrc), passing, Some(0)];
        let drawn = (0..avoided.len() as u32).map(|n| (random as u32).wrapping_add(n * STEP));
        let mut fresh = drawn.filter(|drawn| !avoided.contains(&Some(*drawn)));
        if towards.ssrc == theirs {
            towards.ssrc = (random >> 32) as u32 ^ STEP;
        }
        if old != theirs {
            // What we send to the leg has another one by now.
            return None;
        }
        let new = fresh.next()?;
        match (leg.made.as_deref_mut(), passing) {
            (Some(made), _) => made.outbound.rename(new),
            (None, Some(passing)) => leg.ssrc_mask = passing ^ new,
            (None, None) => towards.ssrc = new,
        }
        let is_known = towards.speaks || leg.stream.sent.rtp_packets > 0;
        towards.speaks = false;
        is_known.then_some(old)
    }
}

/// Between two numbers that are tried: half of them share no octet with the one before.
const STEP: u32 = 0x9e37_79b9;

impl OwnRtcp {
    /// Takes note that `leg`, which is `side`, uses the source `theirs` and sends from `address`.
    pub(crate) fn check_source(
        &mut self,
        side: LegSide,
        (leg, other): (&Leg, &Leg),
        theirs: u32,
        address: IpAddr,
        now: Instant,
    ) {
        let forgotten = self.interval * REMEMBERED_INTERVALS;
        let towards = &mut self.towards[side.index()];
        if !towards.uses(theirs, leg, other) || towards.collided.is_some() {
            return;
        }
        let conflict = Conflict { address, at: now };
        let before = towards.conflict.replace(conflict);
        let is_loop = before.is_some_and(|before| {
            before.address == address && now.saturating_since(before.at) < forgotten
        });
        if is_loop {
            self.conflicts.loops = self.conflicts.loops.saturating_add(1);
        } else {
            towards.collided = Some(theirs);
        }
    }
}

impl RtpSession {
    /// Our sources towards a leg: of media that is made for it, and of reports without media.
    pub fn own_sources(&self, side: LegSide) -> [Option<u32>; 2] {
        let made = self.legs[side.index()].made.as_deref().map(|made| made.outbound.ssrc());
        [made, self.own_rtcp.as_deref().map(|own| own.towards[side.index()].ssrc)]
    }

    /// Another stream towards the leg, under the same keys, uses this source: where we do too, we draw
    /// another one with the next report (RFC 3711 section 9.1: no two sources under one key are the same).
    pub fn avoid_source(&mut self, side: LegSide, theirs: u32) {
        let Some(own) = self.own_rtcp.as_deref_mut() else { return };
        let (leg, other) = crate::forward::pair(&mut self.legs, side);
        let towards = &mut own.towards[side.index()];
        if towards.uses(theirs, leg, other) && towards.collided.is_none() {
            towards.collided = Some(theirs);
            self.rtcp_is_nearer = true;
        }
    }
}

impl Towards {
    /// Whether a source is one of ours towards the leg.
    fn uses(&self, ssrc: u32, leg: &Leg, other: &Leg) -> bool {
        self.ssrc == ssrc || self.source(leg, other) == ssrc
    }
}
