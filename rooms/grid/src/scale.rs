//! Pictures made smaller and larger: each sample is the mean of what it covers, or lies between two neighbours.
//!
//! Both sides are scaled by weights that were worked out before: first rows are added up, of
//! which the compiler makes vector instructions, then what is in one row. Weights are of 256, and those
//! of a sample add up to that, so that a picture of one colour stays what it is.

/// Weights of one sample add up to it.
const WHOLE: u32 = 256;

/// What each sample of a line is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    /// Where each sample's weights stand among `weights`, and the first sample they are for.
    taps: Vec<Tap>,
    weights: Vec<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tap {
    from: u32,
    weight: u32,
    count: u32,
}

impl Line {
    /// `from` samples become `to`, both at least 1.
    fn new(from: usize, to: usize) -> Line {
        let (from, to) = (from.max(1) as u64, to.max(1) as u64);
        let mut line = Line { taps: Vec::with_capacity(to as usize), weights: Vec::new() };
        for at in 0..to {
            let weight = line.weights.len() as u32;
            let first = match to > from {
                true => line.between(at, from, to),
                false => line.covered(at, from, to),
            };
            let count = line.weights.len() as u32 - weight;
            line.taps.push(Tap { from: first as u32, weight, count });
        }
        line
    }

    /// Sample `at` covers those from `at * from / to` on as far as the next one does; each counts by how much of it is
    /// covered.
    fn covered(&mut self, at: u64, from: u64, to: u64) -> u64 {
        let (begin, end) = (at * from, (at + 1) * from);
        let (first, last) = (begin / to, (end - 1) / to);
        let mut given = 0;
        for sample in first..=last {
            let until = ((sample + 1) * to).min(end) - begin;
            // What all up to this one have: rounding is made good by the next.
            let sum = (until * u64::from(WHOLE) + from / 2) / from;
            self.weights.push((sum - given) as u16);
            given = sum;
        }
        first
    }

    /// Sample `at` lies between two: the middle of a sample is at its number and a half.
    fn between(&mut self, at: u64, from: u64, to: u64) -> u64 {
        let place = ((2 * at + 1) * from * u64::from(WHOLE) / (2 * to))
            .saturating_sub(u64::from(WHOLE) / 2)
            .min((from - 1) * u64::from(WHOLE));
        let (first, part) = (place / u64::from(WHOLE), (place % u64::from(WHOLE)) as u16);
        self.weights.push(WHOLE as u16 - part);
        if part > 0 {
            self.weights.push(part);
        }
        first
    }

    /// For each sample the first that it is made of, and their weights.
    fn parts(&self) -> impl Iterator<Item = (usize, &[u16])> {
        self.taps.iter().map(|tap| {
            let weights = tap.weight as usize..(tap.weight + tap.count) as usize;
            (tap.from as usize, self.weights.get(weights).unwrap_or_default())
        })
    }
}

/// Scales one plane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scaler {
    from: (usize, usize),
    to: (usize, usize),
    across: Line,
    down: Line,
    /// One row of the source's width, times 256.
    sums: Vec<u16>,
}

impl Scaler {
    /// Planes of `from` samples across and down become `to`.
    pub(crate) fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        Scaler {
            from,
            to,
            across: Line::new(from.0, to.0),
            down: Line::new(from.1, to.1),
            sums: vec![0; from.0],
        }
    }

    /// Whether it is for these sizes.
    pub(crate) fn is_for(&self, from: (usize, usize), to: (usize, usize)) -> bool {
        self.from == from && self.to == to
    }

    /// Scales a plane into a part of another one, whose first sample is `at`. `stride`s are the lengths of
    /// rows. What is not there is not written.
    pub(crate) fn run(
        &mut self,
        (source, source_stride): (&[u8], usize),
        (target, target_stride): (&mut [u8], usize),
        at: usize,
    ) {
        let rows = target.get_mut(at..).unwrap_or_default().chunks_mut(target_stride.max(1));
        for ((first, weights), row) in self.down.parts().zip(rows) {
            let Some(row) = row.get_mut(..self.to.0) else { continue };
            let width = self.from.0;
            let line = |number: usize| {
                let begin = (first + number) * source_stride;
                source.get(begin..begin + width)
            };
            if self.from.0 == self.to.0
                && let ([_], Some(line)) = (weights, line(0))
            {
                row.copy_from_slice(line);
                continue;
            }
            for (number, weight) in weights.iter().enumerate() {
                let Some(line) = line(number) else { continue };
                add(&mut self.sums, line, *weight, number == 0);
            }
            gather(&self.across, &self.sums, row);
        }
    }
}

/// Adds a row, so many times, to the sums, or begins them: 255 times 256 has room.
fn add(sums: &mut [u16], line: &[u8], weight: u16, begins: bool) {
    if begins {
        for (sum, sample) in sums.iter_mut().zip(line) {
            *sum = u16::from(*sample) * weight;
        }
    } else {
        for (sum, sample) in sums.iter_mut().zip(line) {
            *sum += u16::from(*sample) * weight;
        }
    }
}

fn gather(across: &Line, sums: &[u16], row: &mut [u8]) {
    for ((first, weights), sample) in across.parts().zip(row) {
        let parts = sums.get(first..first + weights.len()).unwrap_or_default();
        let sum =
            parts.iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight));
        *sample = ((sum.sum::<u32>() + WHOLE * WHOLE / 2) / (WHOLE * WHOLE)) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scaled(from: (usize, usize), to: (usize, usize), source: &[u8]) -> Vec<u8> {
        let mut target = vec![0; to.0 * to.1];
        Scaler::new(from, to).run((source, from.0), (&mut target, to.0), 0);
        target
    }

    #[test]
    fn half_the_size_is_the_mean_of_four() {
        let source = [10, 20, 30, 40, 20, 30, 40, 50];
        assert_eq!(scaled((4, 2), (2, 1), &source), [20, 40]);
    }

    #[test]
    fn three_become_two_by_what_they_cover() {
        // The middle one is shared.
        assert_eq!(scaled((3, 1), (2, 1), &[0, 90, 240]), [30, 190]);
        assert_eq!(scaled((1, 3), (1, 2), &[0, 90, 240]), [30, 190]);
    }

    #[test]
    fn twice_the_size_lies_between() {
        assert_eq!(scaled((2, 1), (4, 1), &[0, 100]), [0, 25, 75, 100]);
        assert_eq!(scaled((1, 2), (1, 4), &[0, 100]), [0, 25, 75, 100]);
        assert_eq!(scaled((1, 1), (3, 2), &[7]), [7; 6]);
    }

    #[test]
    fn the_same_size_is_a_copy() {
        let source: Vec<u8> = (0..60).map(|n| n * 4).collect();
        assert_eq!(scaled((10, 6), (10, 6), &source), source);
    }

    #[test]
    fn a_part_of_a_plane_is_written_and_nothing_beside_it() {
        let mut target = [9; 24];
        // Two by two at column 3 of row 1, of rows of six; each row of the source has a sample too many.
        Scaler::new((2, 2), (2, 2)).run((&[1, 2, 99, 3, 4], 3), (&mut target, 6), 9);
        let mut expected = [9; 24];
        (expected[9], expected[10], expected[15], expected[16]) = (1, 2, 3, 4);
        assert_eq!(target, expected);
        // What has no room is left out.
        Scaler::new((1, 1), (4, 9)).run((&[1], 1), (&mut target, 6), 22);
        assert_eq!(target, expected);
    }

    proptest! {
        #[test]
        fn one_colour_stays_and_others_stay_within(
            from in (1_usize..70, 1_usize..50),
            to in (1_usize..70, 1_usize..50),
            (one, seed) in (any::<u8>(), any::<u32>()),
        ) {
            let flat = vec![one; from.0 * from.1];
            prop_assert!(scaled(from, to, &flat).iter().all(|sample| *sample == one));
            let mut state = seed;
            let noise: Vec<u8> = flat.iter().map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }).collect();
            let (least, most) = (noise.iter().min().unwrap(), noise.iter().max().unwrap());
            let made = scaled(from, to, &noise);
            prop_assert!(made.iter().all(|sample| sample >= least && sample <= most));
            // As bright as before, where it covers everything alike.
            if from.0 % to.0 == 0 && from.1 % to.1 == 0 {
                let mean = |samples: &[u8]| {
                    samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64
                };
                prop_assert!((mean(&made) - mean(&noise)).abs() < 2.0);
            }
        }
    }
}
