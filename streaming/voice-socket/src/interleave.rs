//! The frames of two channels as messages of one stream of samples.

use call_audio::Frame;
use model::{ChannelLayout, LegSide};
use std::collections::VecDeque;

/// How far one channel may be ahead before the other is taken for silent, in ms. Frames of both come
/// in step; what is late was not listened to before.
const LONGEST_WAIT_MS: u32 = 200;
/// The longest hole in a channel that is filled, in ms. A longer one is none of a call that goes on, and
/// ends what was gathered.
const LONGEST_HOLE_MS: u32 = 2_000;

/// Puts the samples of two channels side by side. It holds two seconds at most.
#[derive(Debug)]
pub(crate) struct Interleaver {
    layout: ChannelLayout,
    is_there: [bool; 2],
    per_ms: usize,
    /// Samples of a channel in a message.
    samples: usize,
    /// The place of the first sample of the next message; `None` before the first frame.
    next: Option<u64>,
    /// From there on.
    gathered: [VecDeque<i16>; 2],
    late: u64,
}

impl Interleaver {
    /// `is_there` says which channels are listened to.
    pub(crate) fn new(
        layout: ChannelLayout,
        is_there: [bool; 2],
        sample_rate: u32,
        message_ms: u16,
    ) -> Self {
        let per_ms = (sample_rate / 1_000).max(1) as usize;
        let samples = usize::from(message_ms.max(1)) * per_ms;
        let gathered = Default::default();
        Interleaver { layout, is_there, per_ms, samples, next: None, gathered, late: 0 }
    }

    /// Takes a frame and gives what is ready, message by message: 16 bits, little endian.
    pub(crate) fn push(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Vec<u8>)) {
        let next = *self.next.get_or_insert(frame.at);
        let Some(gathered) = self.gathered.get(frame.side.index()) else { return };
        let place = next + gathered.len() as u64;
        if let Some(hole) = frame.at.checked_sub(place)
            && hole > self.ms(LONGEST_HOLE_MS) as u64
        {
            self.flush(each);
            self.next = Some(frame.at);
        }
        self.gather(frame);
        while self.is_ready() {
            each(self.message(self.samples));
        }
    }

    /// A channel that was not there has come.
    pub(crate) fn join(&mut self, side: LegSide) {
        if let Some(is_there) = self.is_there.get_mut(side.index()) {
            *is_there = true;
        }
    }

    /// What is left, the last message shorter than the others.
    pub(crate) fn flush(&mut self, each: &mut dyn FnMut(Vec<u8>)) {
        loop {
            let longest = self.gathered.iter().map(VecDeque::len).max().unwrap_or_default();
            if longest == 0 {
                return;
            }
            each(self.message(longest.min(self.samples)));
        }
    }

    /// Samples that came after their place had been given away.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    fn gather(&mut self, frame: &Frame<'_>) {
        let Some(gathered) = self.gathered.get_mut(frame.side.index()) else { return };
        let place = self.next.unwrap_or(frame.at) + gathered.len() as u64;
        let hole = frame.at.saturating_sub(place) as usize;
        let late = (place.saturating_sub(frame.at) as usize).min(frame.samples.len());
        self.late += late as u64;
        gathered.extend(std::iter::repeat_n(0, hole));
        gathered.extend(frame.samples.iter().skip(late));
    }

    fn is_ready(&self) -> bool {
        let present = self.gathered.iter().zip(self.is_there).filter(|(_, is_there)| *is_there);
        let lens = present.map(|(gathered, _)| gathered.len());
        let has_all = lens.clone().min().is_some_and(|len| len >= self.samples);
        let longest = self.gathered.iter().map(VecDeque::len).max().unwrap_or_default();
        has_all || longest >= self.samples + self.ms(LONGEST_WAIT_MS)
    }

    fn message(&mut self, samples: usize) -> Vec<u8> {
        let [a, b] = &mut self.gathered;
        let mut octets = Vec::with_capacity(samples * 4);
        for _ in 0..samples {
            let [a, b] = [&mut *a, &mut *b].map(|queue| queue.pop_front().unwrap_or_default());
            match self.layout {
                ChannelLayout::Stereo => {
                    octets.extend_from_slice(&a.to_le_bytes());
                    octets.extend_from_slice(&b.to_le_bytes());
                }
                ChannelLayout::Mixed => {
                    octets.extend_from_slice(&a.saturating_add(b).to_le_bytes());
                }
            }
        }
        self.next = self.next.map(|next| next + samples as u64);
        octets
    }

    fn ms(&self, ms: u32) -> usize {
        ms as usize * self.per_ms
    }
}

/// Whose frames there are.
pub(crate) fn channels_there(channels: &[Option<model::Channel>; 2]) -> [bool; 2] {
    LegSide::BOTH.map(|side| channels.iter().flatten().any(|channel| channel.side == side))
}

#[cfg(test)]
mod tests;
