//! Streams whose datagrams mean nothing to the relay: UDPTL, which carries T.38 fax (ITU-T T.38
//! Annex D). They pass from where a leg was latched to where the other one is, under the same rules
//! as RTP, and are counted apart from it.

use crate::decision::{Decision, DropReason, MediaSocket, PacketKind};
use crate::rtp_session::RtpSession;
use crate::tap::{Tap, Tapped};
use model::{FaxView, Instant, LegSide};
use std::net::SocketAddr;

/// All datagrams of a leg count as one source for the latch: there is no SSRC in them.
const NO_SSRC: u32 = 0;

impl RtpSession {
    /// Judges a datagram of a stream that is not RTP, counts it, and says where it goes. Nothing is
    /// read in it: what looks like RTP may well be a sequence number.
    pub(crate) fn forward_datagram(
        &mut self,
        from: LegSide,
        socket: MediaSocket,
        source: SocketAddr,
        datagram: &[u8],
        arrival: Instant,
    ) -> Decision {
        let len = datagram.len();
        // UDPTL has no companion on the next port; what still comes there is of the audio before.
        if socket != MediaSocket::Rtp || len == 0 {
            return self.refuse(from, DropReason::NotMedia);
        }
        match self.way_of_datagram(from, source, len, arrival) {
            Ok(destination) => {
                let (to, kind) = (from.other(), PacketKind::Udptl);
                let tapped = Tapped { from, socket, kind, source, arrival };
                Tap::copy(&mut self.tap, tapped, datagram);
                if let Some(counts) = self.fax_counts_of(to) {
                    counts.sent_packets = counts.sent_packets.saturating_add(1);
                    counts.sent_bytes = counts.sent_bytes.saturating_add(len as u64);
                }
                Decision::Send { to, socket, destination, len, kind }
            }
            Err(reason) => self.refuse(from, reason),
        }
    }

    fn way_of_datagram(
        &mut self,
        from: LegSide,
        source: SocketAddr,
        len: usize,
        arrival: Instant,
    ) -> Result<SocketAddr, DropReason> {
        let (leg, other) = crate::forward::pair(&mut self.legs, from);
        let plan = leg.plan.as_ref().ok_or(DropReason::NoPlan)?;
        let (accepts, wants) =
            (plan.accepts_from, other.plan.as_ref().is_none_or(|plan| plan.sends_to));
        let verdict = leg.rtp.observe(source, NO_SSRC, arrival, &self.policy, None);
        crate::forward::admit(verdict)?;
        leg.note_heard(arrival);
        let has_room = !(accepts && wants) || leg.bucket.take(self.rate, arrival);
        let destination = other.rtp.destination();
        if let Some(counts) = self.fax_counts_of(from) {
            counts.received_packets = counts.received_packets.saturating_add(1);
            counts.received_bytes = counts.received_bytes.saturating_add(len as u64);
        }
        if !accepts {
            return Err(DropReason::NotAccepted);
        }
        if !wants {
            return Err(DropReason::NotWanted);
        }
        if !has_room {
            return Err(DropReason::RateExceeded);
        }
        destination.ok_or(DropReason::NoDestination)
    }

    /// What has been counted of fax; `None` for a stream that never carried any.
    pub(crate) fn fax_counts(&self) -> Option<[FaxView; 2]> {
        self.rare.as_ref()?.fax
    }

    fn fax_counts_of(&mut self, leg: LegSide) -> Option<&mut FaxView> {
        self.rare.as_mut()?.fax.as_mut()?.get_mut(leg.index())
    }

    /// Takes back a datagram that the operating system did not take.
    pub(crate) fn fax_send_failed(&mut self, to: LegSide, len: usize) {
        if let Some(counts) = self.fax_counts_of(to) {
            counts.sent_packets = counts.sent_packets.saturating_sub(1);
            counts.sent_bytes = counts.sent_bytes.saturating_sub(len as u64);
        }
        let sent = &mut self.legs[to.index()].stream.sent;
        sent.dropped = sent.dropped.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
