//! Two channels put side by side.

use model::LegSide;
use std::collections::VecDeque;

/// A place so far ahead of what came before is a mistake, not a pause: 24 hours at 16,000 samples a second.
const FARTHEST: u64 = 24 * 3_600 * 16_000;

/// Takes the samples of two channels, each with its place, and gives pairs: channel A left, channel B
/// right. What does not come is silence of its exact length.
///
/// Bound: a channel that is more than [`Interleaver::new`]'s `most` samples behind the other one is not
/// waited for: it gets silence.
#[derive(Debug)]
pub(crate) struct Interleaver {
    most: u64,
    /// The place of the next pair.
    next: u64,
    /// Of each channel the place behind its last sample, and its samples from `next` on.
    ends: [u64; 2],
    waiting: [VecDeque<i16>; 2],
    is_listened: [bool; 2],
    /// Samples of listened channels that never came.
    absent: [u64; 2],
    pairs: Vec<i16>,
}

impl Interleaver {
    /// Nothing yet; the first pair is at place 0. Channels that nobody listens to are silent.
    pub(crate) fn new(most: u64, is_listened: [bool; 2]) -> Self {
        Interleaver {
            most: most.max(1),
            next: 0,
            ends: [0; 2],
            waiting: [VecDeque::new(), VecDeque::new()],
            is_listened,
            absent: [0; 2],
            pairs: Vec::new(),
        }
    }

    /// Takes samples of a channel. What came before for the same places stays; samples for a place that
    /// was given up already are dropped.
    pub(crate) fn push(
        &mut self,
        side: LegSide,
        at: u64,
        samples: &[i16],
        out: &mut dyn FnMut(&[i16]),
    ) {
        let end = self.end(side);
        let early = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let samples = samples.get(early.min(samples.len())..).unwrap_or_default();
        if samples.is_empty() || at.saturating_sub(end) > FARTHEST {
            return;
        }
        self.silence(side, at, out);
        self.extend(side, samples.iter().copied());
        self.level(side, out);
    }

    /// Gives what is left, the shorter channel filled up.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(&[i16])) {
        let end = self.ends.into_iter().max().unwrap_or_default();
        for side in LegSide::BOTH {
            self.silence(side, end, out);
        }
        self.drain(out);
    }

    /// How many samples of each channel were put in for what never came.
    pub(crate) fn absent(&self) -> [u64; 2] {
        self.absent
    }

    fn end(&self, side: LegSide) -> u64 {
        self.ends[side.index()]
    }

    /// Silence up to `to`, in pieces, so that an hour's takes no hour's memory.
    fn silence(&mut self, side: LegSide, to: u64, out: &mut dyn FnMut(&[i16])) {
        while self.end(side) < to {
            let piece = (to - self.end(side)).min(self.most);
            if self.is_listened[side.index()] {
                self.absent[side.index()] += piece;
            }
            let piece = usize::try_from(piece).unwrap_or(usize::MAX);
            self.extend(side, std::iter::repeat_n(0, piece));
            self.level(side, out);
        }
    }

    fn extend(&mut self, side: LegSide, samples: impl ExactSizeIterator<Item = i16>) {
        self.ends[side.index()] += samples.len() as u64;
        self.waiting[side.index()].extend(samples);
    }

    /// Fills up the other channel when it is too far behind, then gives the pairs that are whole.
    fn level(&mut self, side: LegSide, out: &mut dyn FnMut(&[i16])) {
        let (ahead, other) = (self.end(side), side.other());
        let most = if self.is_listened[other.index()] { self.most } else { 0 };
        let behind = ahead.saturating_sub(most).saturating_sub(self.end(other));
        if behind > 0 {
            if self.is_listened[other.index()] {
                self.absent[other.index()] += behind;
            }
            let behind = usize::try_from(behind).unwrap_or(usize::MAX);
            self.extend(other, std::iter::repeat_n(0, behind));
        }
        self.drain(out);
    }

    fn drain(&mut self, out: &mut dyn FnMut(&[i16])) {
        let [left, right] = &mut self.waiting;
        let count = left.len().min(right.len());
        if count == 0 {
            return;
        }
        self.pairs.clear();
        self.pairs.extend(left.drain(..count).zip(right.drain(..count)).flat_map(<[i16; 2]>::from));
        self.next += count as u64;
        out(&self.pairs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(interleaver: &mut Interleaver, pushes: &[(LegSide, u64, Vec<i16>)]) -> Vec<[i16; 2]> {
        let mut pairs = Vec::new();
        let mut out = |piece: &[i16]| {
            pairs.extend(piece.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        };
        for (side, at, samples) in pushes {
            interleaver.push(*side, *at, samples, &mut out);
        }
        interleaver.finish(&mut out);
        pairs
    }

    #[test]
    fn what_never_came_is_silence_of_its_length() {
        let mut interleaver = Interleaver::new(10, [true, true]);
        let pushes = [
            (LegSide::A, 0, vec![1, 2]),
            (LegSide::B, 0, vec![5, 6, 7]),
            (LegSide::A, 4, vec![3]),
            // Too late, then half of it.
            (LegSide::A, 1, vec![9, 9]),
            (LegSide::A, 3, vec![9, 9, 4]),
        ];
        let pairs = all(&mut interleaver, &pushes);
        assert_eq!(pairs, [[1, 5], [2, 6], [0, 7], [0, 0], [3, 0], [4, 0]]);
        assert_eq!(interleaver.absent(), [2, 3]);
    }

    #[test]
    fn a_channel_that_nobody_listens_to_is_not_waited_for() {
        let mut interleaver = Interleaver::new(1_000, [true, false]);
        let mut count = 0;
        interleaver.push(LegSide::A, 0, &[1; 160], &mut |pairs| count += pairs.len() / 2);
        assert_eq!((count, interleaver.absent()), (160, [0, 0]));
    }

    #[test]
    fn an_hour_of_nothing_takes_no_hour_s_memory() {
        let mut interleaver = Interleaver::new(24_000, [true, true]);
        let (mut count, mut most) = (0, 0);
        let mut out = |pairs: &[i16]| {
            count += pairs.len() / 2;
            most = most.max(pairs.len());
        };
        interleaver.push(LegSide::A, 0, &[1; 160], &mut out);
        interleaver.push(LegSide::A, 8_000 * 3_600, &[1; 160], &mut out);
        interleaver.push(LegSide::B, u64::MAX - 10, &[1; 5], &mut out);
        interleaver.finish(&mut out);
        assert_eq!(count, 8_000 * 3_600 + 160);
        assert!(most <= 4 * 24_000, "{most}");
    }

    proptest! {
        #[test]
        fn every_sample_is_at_its_place(
            pushes in prop::collection::vec((any::<bool>(), 0_u64..400, 1_usize..60), 0..40),
            most in 1_u64..80,
        ) {
            // Each sample tells its place; a channel's samples differ from the other's.
            let value = |side: LegSide, place: u64| {
                let value = i16::try_from(place).unwrap() + 1;
                if side == LegSide::A { value } else { -value }
            };
            let pushes: Vec<_> = pushes
                .into_iter()
                .map(|(first, at, count)| {
                    let side = if first { LegSide::A } else { LegSide::B };
                    let samples = (at..at + count as u64).map(|place| value(side, place)).collect();
                    (side, at, samples)
                })
                .collect();
            let mut interleaver = Interleaver::new(most, [true, true]);
            let pairs = all(&mut interleaver, &pushes);
            let ends = pushes.iter().map(|(_, at, samples)| at + samples.len() as u64);
            prop_assert_eq!(pairs.len() as u64, ends.max().unwrap_or_default());
            for (place, pair) in pairs.iter().enumerate() {
                for side in LegSide::BOTH {
                    let sample = pair[side.index()];
                    prop_assert!(sample == 0 || sample == value(side, place as u64));
                }
            }
            let silent = |side: LegSide| pairs.iter().filter(|p| p[side.index()] == 0).count() as u64;
            prop_assert_eq!(interleaver.absent(), LegSide::BOTH.map(silent));
        }
    }
}
