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

/// Joins a sample of each sub-band into two (`RECEIVE QMF`).
#[derive(Clone, Default, Debug)]
pub(super) struct Synthesis {
    sums: [i32; 12],
    differences: [i32; 12],
}

impl Synthesis {
    pub(super) fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        push(&mut self.sums, low + high);
        push(&mut self.differences, low - high);
        let first = sum(&self.differences, FILTER.iter());
        let second = sum(&self.sums, FILTER.iter().rev());
        [first, second].map(|value| saturate(value >> 11) as i16)
    }
}

fn push(history: &mut [i32; 12], value: i32) {
    history.rotate_right(1);
    history[0] = value;
}

fn sum<'a>(history: &[i32; 12], filter: impl Iterator<Item = &'a i32>) -> i32 {
    history.iter().zip(filter).map(|(value, coefficient)| value * coefficient).sum()
}
