//! Copies of RTCP, for whoever watches a call: of many streams through one ring.
//!
//! A stream keeps the last compound until it is taken ([`RtpSession::take_rtcp_copy`]), in memory of its
//! own: it is gone from the packet's buffer once that is encrypted for the other leg. What is taken goes
//! into the ring of the stream's worker.

use crate::decision::MediaSocket;
use crate::packet_ring::{self, RingReader, RingWriter, ip_of, words_of};
use crate::rtp_session::RtpSession;
use model::{Instant, LegSide, MediaId, MessageDirection, RtcpCopy, TransactionId};
use std::net::SocketAddr;

/// The most octets of a compound that is copied; no relay's buffer takes more.
pub const LONGEST_COPY: usize = 2_048;

/// Words before a compound: length and kind, time, stream, ports, two each of the call's id and of both
/// addresses.
const HEAD: usize = 10;

/// What a stream keeps for the next taker.
#[derive(Debug)]
pub(crate) struct KeptRtcp {
    leg: LegSide,
    direction: MessageDirection,
    socket: MediaSocket,
    peer: SocketAddr,
    at: Instant,
    /// 0 while there is nothing.
    len: usize,
    octets: [u8; LONGEST_COPY],
}

/// A compound that came from a leg, or was made for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopiedRtcp<'a> {
    /// The leg.
    pub leg: LegSide,
    /// Whether the leg sent it, or we.
    pub direction: MessageDirection,
    /// The leg's socket here.
    pub socket: MediaSocket,
    /// Where it came from, or goes.
    pub peer: SocketAddr,
    /// When.
    pub at: Instant,
    /// Without encryption.
    pub octets: &'a [u8],
}

impl<'a> CopiedRtcp<'a> {
    pub(crate) fn received(
        leg: LegSide,
        socket: MediaSocket,
        peer: SocketAddr,
        at: Instant,
        octets: &'a [u8],
    ) -> Self {
        CopiedRtcp { leg, direction: MessageDirection::Received, socket, peer, at, octets }
    }
}

impl KeptRtcp {
    /// Keeps a compound in the place of what was not taken.
    pub(crate) fn keep(kept: &mut Option<Box<KeptRtcp>>, copied: &CopiedRtcp<'_>) {
        let Some(kept) = kept else { return };
        let Some(place) = kept.octets.get_mut(..copied.octets.len()) else { return };
        place.copy_from_slice(copied.octets);
        kept.len = copied.octets.len();
        (kept.leg, kept.direction, kept.socket) = (copied.leg, copied.direction, copied.socket);
        (kept.peer, kept.at) = (copied.peer, copied.at);
    }
}

impl RtpSession {
    /// Whether RTCP is copied from now on. This takes the memory for it, or gives it back.
    pub(crate) fn copy_rtcp(&mut self, copies: bool) {
        if self.kept_rtcp.is_some() == copies {
            return;
        }
        self.kept_rtcp = copies.then(|| {
            Box::new(KeptRtcp {
                leg: LegSide::A,
                direction: MessageDirection::Received,
                socket: MediaSocket::Rtcp,
                peer: ([0; 4], 0).into(),
                at: Instant::ZERO,
                len: 0,
                octets: [0; LONGEST_COPY],
            })
        });
    }

    /// Whether RTCP of the stream is copied ([`model::MediaPlan::copies_rtcp`]).
    pub fn copies_rtcp(&self) -> bool {
        self.kept_rtcp.is_some()
    }

    /// Takes the compound that [`RtpSession::forward`] accepted last, or that
    /// [`RtpSession::poll_rtcp`] or [`RtpSession::poll_goodbye`] made; to be asked after each of them.
    #[inline]
    pub fn take_rtcp_copy(&mut self) -> Option<CopiedRtcp<'_>> {
        let kept = self.kept_rtcp.as_deref_mut()?;
        let len = std::mem::take(&mut kept.len);
        Some(CopiedRtcp {
            leg: kept.leg,
            direction: kept.direction,
            socket: kept.socket,
            peer: kept.peer,
            at: kept.at,
            octets: kept.octets.get(..len).filter(|octets| !octets.is_empty())?,
        })
    }
}

/// Where a worker puts copies of RTCP of all its streams.
#[derive(Debug)]
pub struct CopyWriter(RingWriter<HEAD>);

/// Where they are taken from.
#[derive(Debug)]
pub struct CopyReader {
    ring: RingReader<HEAD>,
    octets: Vec<u8>,
}

/// A ring for so many octets, rounded up to a power of two between 4 KiB and 64 MiB. A compound takes
/// its length and 80 to 87 octets more.
pub fn copy_ring(octets: usize) -> (CopyWriter, CopyReader) {
    let (writer, ring) = packet_ring::pair(octets);
    (CopyWriter(writer), CopyReader { ring, octets: Vec::with_capacity(LONGEST_COPY) })
}

impl CopyWriter {
    /// Writes a copy of the stream `id` of the call `call`, whose socket has the address `local`; whether
    /// there was room.
    pub fn write(
        &mut self,
        (id, call): (MediaId, TransactionId),
        local: SocketAddr,
        copied: &CopiedRtcp<'_>,
    ) -> bool {
        let CopiedRtcp { leg, direction, peer, at, octets, .. } = *copied;
        let is_sent = u64::from(direction == MessageDirection::Sent);
        let families = u64::from(local.is_ipv4()) | u64::from(peer.is_ipv4()) << 1;
        let tags = leg.index() as u64 | is_sent << 1 | families << 2;
        let ports = u64::from(local.port()) | u64::from(peer.port()) << 16;
        let call = call.as_u128();
        let [call_high, call_low] = [(call >> 64) as u64, call as u64];
        let [local_high, local_low] = words_of(local.ip());
        let [peer_high, peer_low] = words_of(peer.ip());
        let head = [
            tags << 32,
            at.as_nanos(),
            id.0,
            ports,
            call_high,
            call_low,
            local_high,
            local_low,
            peer_high,
            peer_low,
        ];
        self.0.write(head, octets)
    }
}

impl CopyReader {
    /// The next copy.
    pub fn read(&mut self) -> Option<RtcpCopy> {
        let [first, at, id, ports, call_high, call_low, local_high, local_low, peer_high, peer_low] =
            self.ring.read(&mut self.octets)?;
        let has = |bit: u64| first >> (32 + bit) & 1 == 1;
        let call = u128::from(call_high) << 64 | u128::from(call_low);
        Some(RtcpCopy {
            id: MediaId(id),
            transaction_id: TransactionId::from_u128(call),
            leg: if has(0) { LegSide::B } else { LegSide::A },
            direction: match has(1) {
                true => MessageDirection::Sent,
                false => MessageDirection::Received,
            },
            local: SocketAddr::new(ip_of([local_high, local_low], has(2)), ports as u16),
            remote: SocketAddr::new(ip_of([peer_high, peer_low], has(3)), (ports >> 16) as u16),
            at: Instant::from_nanos(at),
            octets: self.octets.clone(),
        })
    }

    /// Copies that found no room so far.
    pub fn lost(&self) -> u64 {
        self.ring.lost()
    }

    /// Whether nothing more will be written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }
}

#[cfg(test)]
mod tests;
