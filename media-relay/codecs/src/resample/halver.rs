//! Half the rate, which is what listeners of wideband calls need of most packets.

use super::{TAPS, low_pass};
use crate::pcm::to_sample;

/// Values that are made at a time.
const BLOCK: usize = 16;
/// How far back the second samples of pairs are read, and the first ones, beside the newest pair.
const SECONDS_BEFORE: usize = TAPS - 1;
const FIRSTS_BEFORE: usize = TAPS / 2 - 1;

/// Halves the rate. At half the rate every other coefficient of the filter is 0 but for the one in the
/// middle: what comes of a pair is one of the first samples, and the filter over the second ones. Values
/// are made a block at a time, each in a sum of its own, so that the compiler uses vectors; a value is the
/// same wherever in a block it stands.
#[derive(Debug)]
pub(super) struct Halver {
    /// The coefficients of second samples, the oldest first.
    filter: [f32; TAPS],
    /// That of a first sample.
    middle: f32,
    /// The oldest first: those before, and those of the block.
    seconds: [f32; SECONDS_BEFORE + BLOCK],
    firsts: [f32; FIRSTS_BEFORE + BLOCK],
    /// The first one of a pair whose second one has not come.
    waiting: Option<i16>,
}

impl Halver {
    pub(super) fn new() -> Self {
        let whole = low_pass(2);
        let mut filter = [0.0; TAPS];
        for (coefficient, pair) in filter.iter_mut().zip(whole.chunks_exact(2)) {
            *coefficient = pair.last().copied().unwrap_or_default();
        }
        Halver {
            filter,
            middle: whole.get(TAPS).copied().unwrap_or_default(),
            seconds: [0.0; SECONDS_BEFORE + BLOCK],
            firsts: [0.0; FIRSTS_BEFORE + BLOCK],
            waiting: None,
        }
    }

    /// As [`super::Resampler::resample`].
    pub(super) fn halve(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        let (mut rest, mut written) = (samples, 0);
        if let (Some(first), Some((second, behind))) = (self.waiting, samples.split_first()) {
            self.waiting = None;
            written = self.block(&[first, *second], out);
            rest = behind;
        }
        let (pairs, odd) = rest.split_at(rest.len() & !1);
        for pairs in pairs.chunks(2 * BLOCK) {
            written += self.block(pairs, out.get_mut(written..).unwrap_or_default());
        }
        self.waiting = self.waiting.or(odd.first().copied());
        written
    }

    /// What comes of at most [`BLOCK`] pairs.
    fn block(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        let count = samples.len() / 2;
        let (firsts, seconds) = (&mut self.firsts, &mut self.seconds);
        let places = firsts[FIRSTS_BEFORE..].iter_mut().zip(&mut seconds[SECONDS_BEFORE..]);
        for (pair, (first, second)) in samples.chunks_exact(2).zip(places) {
            (*first, *second) = (f32::from(pair[0]), f32::from(pair[1]));
        }
        let mut values = [0.0; BLOCK];
        for (value, first) in values.iter_mut().zip(firsts.iter()) {
            *value = first * self.middle;
        }
        for (window, coefficient) in seconds.windows(BLOCK).zip(&self.filter) {
            for (value, second) in values.iter_mut().zip(window) {
                *value += second * coefficient;
            }
        }
        firsts.copy_within(count..count + FIRSTS_BEFORE, 0);
        seconds.copy_within(count..count + SECONDS_BEFORE, 0);
        for (sample, value) in out.iter_mut().zip(values.iter().take(count)) {
            *sample = to_sample(*value);
        }
        count.min(out.len())
    }
}
