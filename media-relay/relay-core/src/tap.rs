//! Copies of a stream's packets for whoever listens beside it: a recorder, an audio sink.
//!
//! A [`ring`] has one writer, the packet path, and one reader on another thread. It is fixed in
//! size. The writer never waits, allocates or locks: what finds no room is lost to the reader,
//! counted, and goes its way to the other leg as if nobody listened. The memory of a ring is atomic
//! words, so that neither end needs `unsafe`; a packet costs a store for each eight octets.

use crate::decision::{MediaSocket, PacketKind};
use crate::rtp_session::RtpSession;
use model::{Instant, LegSide};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Words before a packet's octets: length and kind, arrival, two of the address.
const HEAD: u64 = 4;
const SMALLEST: usize = 4 * 1024;
const LARGEST: usize = 64 * 1024 * 1024;

#[derive(Debug)]
struct Ring {
    /// A power of two.
    words: Box<[AtomicU64]>,
    /// Words that were ever written, and ever read.
    written: AtomicU64,
    read: AtomicU64,
    /// Packets that found no room.
    lost: AtomicU64,
    /// The writer is gone.
    closed: AtomicBool,
}

impl Ring {
    #[inline]
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[position as usize & (self.words.len() - 1)]
    }
}

/// Where the packet path puts copies.
#[derive(Debug)]
pub struct TapWriter {
    ring: Arc<Ring>,
    written: u64,
    /// As it was when it was last looked at.
    read: u64,
    lost: u64,
}

/// Where copies are taken from.
#[derive(Debug)]
pub struct TapReader {
    ring: Arc<Ring>,
    read: u64,
}

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
    let octets = octets.clamp(SMALLEST, LARGEST).next_power_of_two();
    let ring = Arc::new(Ring {
        words: (0..octets / 8).map(|_| AtomicU64::new(0)).collect(),
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        closed: AtomicBool::new(false),
    });
    let reader = TapReader { ring: Arc::clone(&ring), read: 0 };
    (TapWriter { ring, written: 0, read: 0, lost: 0 }, reader)
}

impl TapWriter {
    /// Copies a packet; whether there was room.
    #[inline]
    pub fn write(&mut self, tapped: &Tapped, octets: &[u8]) -> bool {
        let needed = HEAD + octets.len().div_ceil(8) as u64;
        let capacity = self.ring.words.len() as u64;
        if self.written - self.read + needed > capacity {
            self.read = self.ring.read.load(Ordering::Acquire);
        }
        if self.written - self.read + needed > capacity {
            self.lost += 1;
            self.ring.lost.store(self.lost, Ordering::Relaxed);
            return false;
        }
        let mut at = self.written;
        let mut put = |word: u64| {
            self.ring.word(at).store(word, Ordering::Relaxed);
            at += 1;
        };
        let [high, low] = head_of(tapped.source);
        put(octets.len() as u64 | tags_of(tapped) << 32);
        put(tapped.arrival.as_nanos());
        put(high);
        put(low);
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            put(u64::from_le_bytes(word.first_chunk().copied().unwrap_or_default()));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            put(u64::from_le_bytes(word));
        }
        self.written += needed;
        // What was put is seen by whoever sees this.
        self.ring.written.store(self.written, Ordering::Release);
        true
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

impl TapReader {
    /// Takes the next packet; its octets are put into `into`, in the place of what was there.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<Tapped> {
        let written = self.ring.written.load(Ordering::Acquire);
        if written == self.read {
            return None;
        }
        let word = |at: u64| self.ring.word(self.read + at).load(Ordering::Relaxed);
        let first = word(0);
        let len = first & u64::from(u32::MAX);
        let tapped = Tapped {
            from: if first >> 32 & 1 == 0 { LegSide::A } else { LegSide::B },
            kind: match first >> 33 & 3 {
                0 => PacketKind::Rtp,
                1 => PacketKind::Rtcp,
                _ => PacketKind::Udptl,
            },
            socket: if first >> 36 & 1 == 0 { MediaSocket::Rtp } else { MediaSocket::Rtcp },
            source: address_of([word(2), word(3)], first),
            arrival: Instant::from_nanos(word(1)),
        };
        into.clear();
        for at in 0..len.div_ceil(8) {
            into.extend_from_slice(&word(HEAD + at).to_le_bytes());
        }
        into.truncate(len as usize);
        self.read += HEAD + len.div_ceil(8);
        // The room is given back after it was read.
        self.ring.read.store(self.read, Ordering::Release);
        Some(tapped)
    }

    /// Packets that found no room so far.
    pub fn lost(&self) -> u64 {
        self.ring.lost.load(Ordering::Relaxed)
    }

    /// Whether nothing more will be written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.ring.closed.load(Ordering::Acquire)
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

fn head_of(source: SocketAddr) -> [u64; 2] {
    let ip = match source.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64]
}

fn address_of([high, low]: [u64; 2], first: u64) -> SocketAddr {
    let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    let ip = match ip.to_ipv4_mapped().filter(|_| first >> 35 & 1 == 1) {
        Some(ip) => IpAddr::V4(ip),
        None => IpAddr::V6(ip),
    };
    SocketAddr::new(ip, (first >> 48) as u16)
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
