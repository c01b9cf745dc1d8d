//! Octets from the packet path to another thread, without waiting.
//!
//! A ring has one writer, the packet path, and one reader on another thread. It is fixed in
//! size. The writer never waits, allocates or locks: what finds no room is lost to the reader, and
//! counted. The memory of a ring is atomic words, so that neither end needs `unsafe`; a packet costs a
//! store for each eight octets. `HEAD` words stand before a packet's octets; of the first of them the low
//! half is the ring's own, for the length.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// Where the packet path writes. The reader is told that nothing more comes when it is dropped.
#[derive(Debug)]
pub struct RingWriter<const HEAD: usize> {
    ring: Arc<Ring>,
    written: u64,
    /// As it was when it was last looked at.
    read: u64,
    lost: u64,
}

/// Where the other thread reads.
#[derive(Debug)]
pub struct RingReader<const HEAD: usize> {
    ring: Arc<Ring>,
    read: u64,
}

/// A ring for so many octets, rounded up to a power of two between 4 KiB and 64 MiB. A packet takes
/// its length, rounded up to words, and `HEAD` words more: one at least, whose low half is 0 when it is
/// written.
pub fn pair<const HEAD: usize>(octets: usize) -> (RingWriter<HEAD>, RingReader<HEAD>) {
    let octets = octets.clamp(SMALLEST, LARGEST).next_power_of_two();
    let ring = Arc::new(Ring {
        words: (0..octets / 8).map(|_| AtomicU64::new(0)).collect(),
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        closed: AtomicBool::new(false),
    });
    let reader = RingReader { ring: Arc::clone(&ring), read: 0 };
    (RingWriter { ring, written: 0, read: 0, lost: 0 }, reader)
}

impl<const HEAD: usize> RingWriter<HEAD> {
    /// Writes a packet; whether there was room.
    #[inline]
    pub fn write(&mut self, head: [u64; HEAD], octets: &[u8]) -> bool {
        let needed = (HEAD + octets.len().div_ceil(8)) as u64;
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
        let mut length = octets.len() as u64;
        for word in head {
            put(word | std::mem::take(&mut length));
        }
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

impl<const HEAD: usize> RingWriter<HEAD> {
    /// Whether nobody will read any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.ring) < 2
    }
}

impl<const HEAD: usize> Drop for RingWriter<HEAD> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

impl<const HEAD: usize> RingReader<HEAD> {
    /// Takes the next packet: its head, with its length in the low half of the first word; its octets are put
    /// into `into`, in the place of what was there.
    pub fn read(&mut self, into: &mut Vec<u8>) -> Option<[u64; HEAD]> {
        let written = self.ring.written.load(Ordering::Acquire);
        if written == self.read {
            return None;
        }
        let word = |at: u64| self.ring.word(self.read + at).load(Ordering::Relaxed);
        let mut head = [0; HEAD];
        for (at, place) in head.iter_mut().enumerate() {
            *place = word(at as u64);
        }
        let len = head.first().copied().unwrap_or_default() & u64::from(u32::MAX);
        into.clear();
        for at in 0..len.div_ceil(8) {
            into.extend_from_slice(&word(HEAD as u64 + at).to_le_bytes());
        }
        into.truncate(len as usize);
        self.read += HEAD as u64 + len.div_ceil(8);
        // The room is given back after it was read.
        self.ring.read.store(self.read, Ordering::Release);
        Some(head)
    }

    /// Whether there is a packet to be taken.
    #[inline]
    pub fn has_more(&self) -> bool {
        self.ring.written.load(Ordering::Acquire) != self.read
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

/// An address as two words; whether it is IPv4 is to be kept beside them.
#[inline]
pub(crate) fn words_of(ip: IpAddr) -> [u64; 2] {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64]
}

/// The address that [`words_of`] wrote.
pub(crate) fn ip_of([high, low]: [u64; 2], is_v4: bool) -> IpAddr {
    let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    match ip.to_ipv4_mapped().filter(|_| is_v4) {
        Some(ip) => IpAddr::V4(ip),
        None => IpAddr::V6(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_neither_tiny_nor_huge() {
        let octets = |wanted| pair::<4>(wanted).0.ring.words.len() * 8;
        assert_eq!(octets(0), SMALLEST);
        assert_eq!(octets(5_000), 8_192);
        assert_eq!(octets(usize::MAX), LARGEST);
    }
}
