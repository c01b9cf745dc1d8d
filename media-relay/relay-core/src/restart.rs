//! Sources that start over, on their way to a leg that has SRTP.
//!
//! A translator passes sequence numbers as they are. SRTP counts them on into an index that no key may
//! see twice (RFC 3711 sections 3.3.1 and 9.1), so that the packets of a source whose numbers jumped
//! back would be lost until they have caught up. From the first of them on the leg gets numbers of
//! ours, see `outbound.rs`: the index only moves forward, and no packet is lost. RTCP ends here then.
//!
//! Only audio: a picture's retransmissions and repairs have sources of their own, which one continuous
//! source would mix with it.

use crate::decision::PacketKind;
use crate::forward::pair;
use crate::made::Made;
use crate::outbound::{MISORDER_IN_SRTP, Numbers, Outbound};
use crate::quality::Reception;
use crate::rtp_session::RtpSession;
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
        }
        if is_needed {
            self.prepare_own_reports();
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
        let (other, leg) = pair(&mut self.legs, from);
        // Another source than those that the key knows is refused because it knows too many.
        let behind = highest.wrapping_sub(packet.sequence);
        let is_late = ssrc == packet.ssrc && behind < MISORDER_IN_SRTP;
        // The newest of a run that began among the numbers which the window had not seen.
        let newest = other.stream.reception.current().and_then(Reception::highest_sequence);
        let is_newest = behind > 0 && newest.is_some_and(|newest| newest as u16 == packet.sequence);
        if is_late && !is_newest {
            return None;
        }
        let (timestamp, before) = other.stream.rtp_before.unwrap_or((packet.timestamp, at));
        let clock_rate = other.stream.format.unwrap_or_default().clock_rate;
        let mask = leg.ssrc_mask;
        let last = Numbers { ssrc: ssrc ^ mask, sequence: highest, timestamp };
        let mut made = leg.spare.take()?;
        made.outbound = Outbound::after(ssrc, last, before, clock_rate);
        made.outbound.is_for_srtp(true);
        if is_late {
            made.outbound.part();
        }
        leg.made = Some(made);
        self.begin_own_reports(at);
        self.rtcp_is_nearer = true;
        Numbers { ssrc: packet.ssrc ^ mask, ..packet }.write(buffer)?;
        self.join_outbound(to, buffer, clock_rate, at);
        self.security.protect(to, PacketKind::Rtp, buffer, len).ok()
    }
}

#[cfg(test)]
mod tests;
