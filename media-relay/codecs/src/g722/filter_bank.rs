//! The quadrature mirror filters that split the band at 4 kHz and join its halves again.

use super::saturate;
use super::tables::FILTER;

/// Splits two samples into one of each sub-band (`TRANSMIT QMF`).
#[derive(Clone, Default, Debug)]
pub(super) struct Analysis {
    /// The last samples of each parity, the newest first.
    even: [i32; 12],
    odd: [i32; 12],
}

impl Analysis {
    pub(super) fn split(&mut self, first: i16, second: i16) -> (i32, i32) {
        push(&mut self.even, i32::from(first));
        push(&mut self.odd, i32::from(second));
        // The filter is symmetric: the even half read backwards is the odd half.
        let odd = sum(&self.odd, FILTER.iter());
        let even = sum(&self.even, FILTER.iter().rev());
        ((odd + even) >> 14, (odd - even) >> 14)
    }
}

/// Samples of a sub-band that are joined at a time, and those before them that the filter takes.
pub(super) const JOINED: usize = 80;
const BEFORE: usize = TAPS - 1;
/// The filter's twelve, filled up to two vectors.
const TAPS: usize = 16;

/// Joins samples of each sub-band, two of each pair (`RECEIVE QMF`).
#[derive(Clone, Debug)]
pub(super) struct Synthesis {
    /// Of the two sub-bands' samples, the oldest first: those before, and those to be joined. Both have
    /// 16 bits, because a sub-band's have 15.
    sums: [i16; BEFORE + JOINED],
    differences: [i16; BEFORE + JOINED],
}

impl Default for Synthesis {
    fn default() -> Self {
        Synthesis { sums: [0; BEFORE + JOINED], differences: [0; BEFORE + JOINED] }
    }
}

/// Forwards for the sums, backwards for the differences: a window has its oldest sample first.
const FORWARDS: [i16; TAPS] = taps(false);
const BACKWARDS: [i16; TAPS] = taps(true);

const fn taps(backwards: bool) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    let (count, mut at) = (FILTER.len(), 0);
    while at < count {
        let from = if backwards { count - 1 - at } else { at };
        taps[TAPS - count + at] = FILTER[from] as i16;
        at += 1;
    }
    taps
}

impl Synthesis {
    /// Puts the `at`th sample of each sub-band to its place, below [`JOINED`].
    pub(super) fn put(&mut self, at: usize, low: i32, high: i32) {
        if let Some(sum) = self.sums.get_mut(BEFORE + at) {
            *sum = (low + high) as i16;
        }
        if let Some(difference) = self.differences.get_mut(BEFORE + at) {
            *difference = (low - high) as i16;
        }
    }

    /// Joins what was put, a pair of `out` for each.
    pub(super) fn join(&mut self, out: &mut [i16]) {
        let windows = self.differences.windows(TAPS).zip(self.sums.windows(TAPS));
        for (pair, (differences, sums)) in out.chunks_exact_mut(2).zip(windows) {
            let values = [dot(differences, &BACKWARDS), dot(sums, &FORWARDS)];
            pair.copy_from_slice(&values.map(|value| saturate(value >> 11) as i16));
        }
        let count = (out.len() / 2).min(JOINED);
        self.sums.copy_within(count..count + BEFORE, 0);
        self.differences.copy_within(count..count + BEFORE, 0);
    }
}

fn dot(window: &[i16], taps: &[i16; TAPS]) -> i32 {
    window.iter().zip(taps).map(|(value, tap)| i32::from(*value) * i32::from(*tap)).sum()
}

fn push(history: &mut [i32; 12], value: i32) {
    history.rotate_right(1);
    history[0] = value;
}

fn sum<'a>(history: &[i32; 12], filter: impl Iterator<Item = &'a i32>) -> i32 {
    history.iter().zip(filter).map(|(value, coefficient)| value * coefficient).sum()
}
