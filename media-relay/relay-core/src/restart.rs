//! Sources that start over, on their way to a leg that has SRTP.
//!
//! A translator passes sequence numbers as they are. SRTP counts them on into an index that no key may
//! see twice (RFC 3711 sections 3.3.1 and 9.1), so that the packets of a source whose numbers jumped
//! back would be lost until they have caught up. From the first of them on the leg gets numbers of
//! ours, see `outbound.rs`: the index only moves forward, and no packet is lost. RTCP ends here then.
//! Which packet is one of them, and none that is repeated, the distance says (RFC 3550 appendix A.1) or,
//! where it is short, the timestamp, see `stamps.rs`.
//!
//! Only audio: a picture's retransmissions and repairs have sources of their own, which one continuous
//! source would mix with it.

use crate::decision::PacketKind;
use crate::forward::pair;
use crate::made::Made;
use crate::outbound::{MISORDER_IN_SRTP, Numbers, Outbound};
use crate::quality::Reception;
use crate::rtp_session::RtpSession;
use crate::stamps::Stamps;
use model::{Instant, LegSide, MediaType};

impl RtpSession {
    /// Takes the memory that [`RtpSession::send_restarted`] needs: a packet must not.
    pub(crate) fn prepare_for_restarts(&mut self) {
        if self.line.media() != MediaType::Audio {
            return;
        }
        let mut is_needed = false;
        for side in LegSide::BOTH {
            let has_srtp = !self.security.is_plain(side);
            let leg = &mut self.legs[side.index()];
            match leg.made.as_deref_mut() {
                Some(made) => made.outbound.is_for_srtp(has_srtp),
                None if has_srtp => {
                    is_needed = true;
                    leg.spare.get_or_insert_with(|| Made::new(Outbound::idle()));
                }
                None => leg.spare = None,
            }
            if let Some(made) = leg.made.as_deref_mut().or(leg.spare.as_deref_mut()) {
                let stamps = made.stamps.take().filter(|_| has_srtp);
                made.stamps = stamps.or_else(|| has_srtp.then(|| Box::new(Stamps::new())));
            }
        }
        if is_needed {
            self.prepare_own_reports();
        }
    }

    /// Whether a packet that goes to leg `to`, which has SRTP, has a number that another one had: its
    /// source has started over. Where its numbers have been the leg's until now they are so no longer.
    #[inline]
    pub(crate) fn has_restarted(&mut self, to: LegSide, buffer: &[u8], at: Instant) -> bool {
        let leg = &mut self.legs[to.index()];
        let is_ours = leg.made.is_some();
        let made = leg.made.as_deref_mut().or(leg.spare.as_deref_mut());
        let Some(stamps) = made.and_then(|made| made.stamps.as_deref_mut()) else { return false };
        let Some(packet) = Numbers::read(buffer) else { return false };
        let is_other = stamps.is_other(packet);
        if is_other && !is_ours {
            self.leave_numbers(to, packet, at);
        }
        is_other
    }

    /// From now on the leg gets numbers of ours, for it cannot get those of `packet`.
    #[cold]
    fn leave_numbers(&mut self, to: LegSide, packet: Numbers, at: Instant) {
        let ssrc = packet.ssrc ^ self.legs[to.index()].ssrc_mask;
        // Nothing was sent under a key that is new.
        if let Some((ssrc, highest)) = self.security.sent_before(to, ssrc) {
            self.follow_on(to, Numbers { ssrc, sequence: highest, ..packet }, at);
        }
    }

    /// Gives a packet of leg `from`, which SRTP has just refused, a number of ours and protects it
    /// again, if it is one of a source that started over; its length then. `None` for one that was
    /// repeated, or that came too late.
    #[cold]
    pub(crate) fn send_restarted(
        &mut self,
        from: LegSide,
        buffer: &mut [u8],
        len: usize,
        at: Instant,
    ) -> Option<usize> {
        let to = from.other();
        let packet = Numbers::read(buffer)?;
        self.legs[to.index()].spare.as_ref()?;
        let (ssrc, highest) = self.security.sent_before(to, packet.ssrc)?;
        // Another source than those that the key knows is refused because it knows too many.
        let behind = highest.wrapping_sub(packet.sequence);
        let is_late = ssrc == packet.ssrc && behind < MISORDER_IN_SRTP;
        // The newest of a run that began among the numbers which the window had not seen.
        let newest = self.legs[from.index()].stream.reception.current();
        let newest = newest.and_then(Reception::highest_sequence);
        let is_newest = behind > 0 && newest.is_some_and(|newest| newest as u16 == packet.sequence);
        if is_late && !is_newest {
            return None;
        }
        let clock_rate = self.follow_on(to, Numbers { ssrc, sequence: highest, ..packet }, at)?;
        let leg = &mut self.legs[to.index()];
        Numbers { ssrc: packet.ssrc ^ leg.ssrc_mask, ..packet }.write(buffer)?;
        if let Some(made) = leg.made.as_deref_mut().filter(|_| is_late) {
            made.outbound.part();
        }
        self.join_outbound(to, buffer, clock_rate, at, false);
        self.security.protect(to, PacketKind::Rtp, buffer, len).ok()
    }

    /// Puts leg `to` on one continuous source behind `last`, which has the source and the number that
    /// the leg got last, and the timestamp of what comes now where none came before; the clock rate in Hz.
    fn follow_on(&mut self, to: LegSide, last: Numbers, at: Instant) -> Option<u32> {
        let (other, leg) = pair(&mut self.legs, to.other());
        let (timestamp, before) = other.stream.rtp_before.unwrap_or((last.timestamp, at));
        let clock_rate = other.stream.format.unwrap_or_default().clock_rate;
        let mut made = leg.spare.take()?;
        let passed = Numbers { ssrc: last.ssrc ^ leg.ssrc_mask, timestamp, ..last };
        made.outbound = Outbound::after(last.ssrc, passed, before, clock_rate);
        made.outbound.is_for_srtp(true);
        leg.made = Some(made);
        self.begin_own_reports(at);
        self.rtcp_is_nearer = true;
        Some(clock_rate)
    }
}

#[cfg(test)]
mod tests;
