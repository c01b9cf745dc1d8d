//! Samples from another thread to the packet path, without waiting: the voice of somebody who is no
//! leg of the call.
//!
//! A ring has one writer, on another thread, and one reader, the packet path. It is fixed in size:
//! what finds no room is not taken, and the writer keeps it. The reader takes what is there, packet
//! by packet, and so sets the pace. Neither end waits, locks or, once it is made, allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU64, Ordering};

/// What a ring holds, in ms.
const CAPACITY_MS: u32 = 500;
/// A ring's rates, in samples a second.
const RATES: [u32; 2] = [8_000, 16_000];

#[derive(Debug)]
struct Ring {
    samples: Box<[AtomicI16]>,
    sample_rate: u32,
    /// Samples that were ever written, and ever taken.
    written: AtomicU64,
    taken: AtomicU64,
    /// Up to which sample nothing is to be heard any more.
    cleared: AtomicU64,
    /// Times that the voice broke off because samples came too late.
    gaps: AtomicU64,
    /// Samples that were taken and that nobody could hear.
    unheard: AtomicU64,
    /// Either end is gone.
    closed: AtomicBool,
}

impl Ring {
    #[inline]
    fn sample(&self, position: u64) -> Option<&AtomicI16> {
        self.samples.get((position % self.samples.len().max(1) as u64) as usize)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Where a voice is written.
#[derive(Debug)]
pub struct VoiceWriter {
    ring: Arc<Ring>,
    written: u64,
}

/// Where the packet path takes it from.
#[derive(Debug)]
pub struct VoiceReader {
    ring: Arc<Ring>,
    taken: u64,
}

/// A ring for half a second of samples, 8,000 or 16,000 a second; another rate becomes the nearer of
/// the two.
pub fn voice_ring(sample_rate: u32) -> (VoiceWriter, VoiceReader) {
    let [low, high] = RATES;
    let sample_rate = if sample_rate < high { low } else { high };
    let capacity = sample_rate / 1_000 * CAPACITY_MS;
    let ring = Arc::new(Ring {
        samples: (0..capacity).map(|_| AtomicI16::new(0)).collect(),
        sample_rate,
        written: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        cleared: AtomicU64::new(0),
        gaps: AtomicU64::new(0),
        unheard: AtomicU64::new(0),
        closed: AtomicBool::new(false),
    });
    let reader = VoiceReader { ring: Arc::clone(&ring), taken: 0 };
    (VoiceWriter { ring, written: 0 }, reader)
}

impl VoiceWriter {
    /// Writes as many of `samples` as there is room for; how many these were, the first ones.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        let count = samples.len().min(self.room());
        for (position, sample) in (self.written..).zip(samples.iter().take(count)) {
            if let Some(place) = self.ring.sample(position) {
                place.store(*sample, Ordering::Relaxed);
            }
        }
        self.written += count as u64;
        // What was stored is seen by whoever sees this.
        self.ring.written.store(self.written, Ordering::Release);
        count
    }

    /// What was written and not taken yet is not to be heard any more.
    pub fn clear(&mut self) {
        self.ring.cleared.store(self.written, Ordering::Release);
    }

    /// For how many samples there is room.
    pub fn room(&self) -> usize {
        self.ring.samples.len().saturating_sub(self.waiting())
    }

    /// Samples that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.written.saturating_sub(self.taken()) as usize
    }

    /// Samples that were ever written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Samples that were ever taken, or cleared: of those written, the first ones.
    pub fn taken(&self) -> u64 {
        // The room is seen after what stood there was read.
        self.ring.taken.load(Ordering::Acquire)
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        self.ring.sample_rate
    }

    /// Times so far that the voice broke off because samples came too late.
    pub fn gaps(&self) -> u64 {
        self.ring.gaps.load(Ordering::Relaxed)
    }

    /// Samples so far that were taken in their time and that nobody could hear: the leg was on hold or
    /// heard something else.
    pub fn unheard(&self) -> u64 {
        self.ring.unheard.load(Ordering::Relaxed)
    }

    /// Whether nobody takes anything any more: the stream ended, or nobody may speak.
    pub fn is_closed(&self) -> bool {
        self.ring.closed.load(Ordering::Acquire)
    }
}

impl Drop for VoiceWriter {
    fn drop(&mut self) {
        self.ring.close();
    }
}

impl VoiceReader {
    /// Samples that are there to be taken.
    #[inline]
    pub fn waiting(&self) -> usize {
        let from = self.taken.max(self.ring.cleared.load(Ordering::Acquire));
        self.ring.written.load(Ordering::Acquire).saturating_sub(from) as usize
    }

    /// Leaves out what was cleared.
    #[inline]
    pub fn settle(&mut self) {
        let cleared = self.ring.cleared.load(Ordering::Acquire);
        if cleared > self.taken {
            self.taken = cleared;
            self.ring.taken.store(cleared, Ordering::Release);
        }
    }

    /// Takes samples to the beginning of `out`; how many.
    #[inline]
    pub fn take(&mut self, out: &mut [i16]) -> usize {
        self.settle();
        let count = self.waiting().min(out.len());
        for (position, place) in (self.taken..).zip(out.iter_mut().take(count)) {
            let sample = self.ring.sample(position);
            *place = sample.map_or(0, |sample| sample.load(Ordering::Relaxed));
        }
        self.taken += count as u64;
        self.ring.taken.store(self.taken, Ordering::Release);
        count
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        self.ring.sample_rate
    }

    /// Whether nothing more is written. What was written before may still be there.
    pub fn is_closed(&self) -> bool {
        self.ring.closed.load(Ordering::Acquire)
    }

    /// Tells the writer that the voice broke off because samples came too late.
    pub fn count_gap(&self) {
        self.ring.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the writer that nobody could hear so many samples that were taken.
    pub fn count_unheard(&self, samples: usize) {
        self.ring.unheard.fetch_add(samples as u64, Ordering::Relaxed);
    }
}

impl Drop for VoiceReader {
    fn drop(&mut self) {
        self.ring.close();
    }
}

#[cfg(test)]
mod tests;
