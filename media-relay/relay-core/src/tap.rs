//! Copies of a stream's packets for whoever listens beside it: a recorder, an audio sink.
//!
//! They go through a [`ring`]: what finds no room there is lost to the reader, counted, and goes its way
//! to the other leg as if nobody listened.

use crate::decision::{MediaSocket, PacketKind};
use crate::packet_ring::{self, RingReader, RingWriter, ip_of, words_of};
use crate::rtp_session::RtpSession;
use model::{Instant, LegSide};
use std::net::SocketAddr;

/// Words before a packet's octets: length and kind, arrival, two of the address.
const HEAD: usize = 4;

/// Where the packet path puts copies.
#[derive(Debug)]
pub struct TapWriter(RingWriter<HEAD>);

/// Where copies are taken from.
#[derive(Debug)]
pub struct TapReader(RingReader<HEAD>);

/// What is known of a copied packet besides its octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tapped {
    /// The leg that sent it.
    pub from: LegSide,
    /// Which of the leg's sockets it came to.
    pub socket: MediaSocket,
    /// What it is.
    pub kind: PacketKind,
    /// Where it came from.
    pub source: SocketAddr,
    /// When it came.
    pub arrival: Instant,
}

impl Tapped {
    #[inline]
    pub(crate) fn rtp(from: LegSide, source: SocketAddr, arrival: Instant) -> Self {
        Tapped { from, socket: MediaSocket::Rtp, kind: PacketKind::Rtp, source, arrival }
    }

    #[inline]
    pub(crate) fn rtcp(
        from: LegSide,
        socket: MediaSocket,
        source: SocketAddr,
        arrival: Instant,
    ) -> Self {
        Tapped { from, socket, kind: PacketKind::Rtcp, source, arrival }
    }
}

/// A ring for so many octets, rounded up to a power of two between 4 KiB and 64 MiB. A packet takes
/// its length and 32 to 39 octets more.
pub fn ring(octets: usize) -> (TapWriter, TapReader) {
    let (writer, reader) = packet_ring::pair(octets);
    (TapWriter(writer), TapReader(reader))
}

impl TapWriter {
    /// Copies a packet; whether there was room.
    #[inline]
    pub fn write(&mut self, tapped: &Tapped, octets: &[u8]) -> bool {
        let [high, low] = words_of(tapped.source.ip());
        let arrival = tapped.arrival.as_nanos();
        self.0.write([tags_of(tapped) << 32, arrival, high, low], octets)
    }
}

impl TapReader {
    /// Takes the next packet; its octets are put into `into`, in the place of what was there.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<Tapped> {
        let [first, arrival, high, low] = self.0.read(into)?;
        let is_v4 = first >> 35 & 1 == 1;
        Some(Tapped {
            from: if first >> 32 & 1 == 0 { LegSide::A } else { LegSide::B },
            kind: match first >> 33 & 3 {
                0 => PacketKind::Rtp,
                1 => PacketKind::Rtcp,
                _ => PacketKind::Udptl,
            },
            socket: if first >> 36 & 1 == 0 { MediaSocket::Rtp } else { MediaSocket::Rtcp },
            source: SocketAddr::new(ip_of([high, low], is_v4), (first >> 48) as u16),
            arrival: Instant::from_nanos(arrival),
        })
    }

    /// Packets that found no room so far.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Whether nothing more will be written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Leg, kind, family, socket and, from bit 16 on, port.
fn tags_of(tapped: &Tapped) -> u64 {
    let kind = match tapped.kind {
        PacketKind::Rtp => 0,
        PacketKind::Rtcp => 1,
        PacketKind::Udptl => 2,
    };
    let family = u64::from(tapped.source.is_ipv4());
    let socket = u64::from(tapped.socket == MediaSocket::Rtcp);
    let low = tapped.from.index() as u64 | kind << 1 | family << 3 | socket << 4;
    low | u64::from(tapped.source.port()) << 16
}

/// What a stream has while it is listened to.
#[derive(Debug)]
pub(crate) struct Tap {
    writer: TapWriter,
    legs: [bool; 2],
}

impl RtpSession {
    /// From now on copies what comes from `legs` and passes to the other leg, without its encryption
    /// and before anything is made of it, and their RTCP. The writer of before is dropped.
    pub fn tap(&mut self, writer: TapWriter, legs: [bool; 2]) {
        self.tap = Some(Box::new(Tap { writer, legs }));
    }

    /// Copies from other legs, or, with none of them, nothing for a while; `false` without a tap.
    pub fn retap(&mut self, legs: [bool; 2]) -> bool {
        self.tap.as_mut().map(|tap| tap.legs = legs).is_some()
    }

    /// Copies nothing more.
    pub fn untap(&mut self) {
        self.tap = None;
    }

    /// Whether packets of a leg are copied.
    pub fn is_tapped(&self, from: LegSide) -> bool {
        self.tap.as_ref().is_some_and(|tap| tap.legs[from.index()])
    }
}

impl Tap {
    /// Copies a packet, if there is somebody to copy it for.
    #[inline]
    pub(crate) fn copy(tap: &mut Option<Box<Tap>>, tapped: Tapped, octets: &[u8]) {
        if let Some(tap) = tap
            && tap.legs[tapped.from.index()]
        {
            tap.writer.write(&tapped, octets);
        }
    }
}

#[cfg(test)]
mod tests;
