//! Deterministic mutations: the same seed number gives the same inputs on every machine.

use crate::MAX_INPUT;

/// A small generator (SplitMix64); good enough to pick positions.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// A generator that begins at `seed`.
    pub const fn new(seed: u64) -> Self {
        Generator { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_u64() % end).unwrap_or_default()
    }
}

/// Changes `seed` in one to four places. `other` is a second seed to splice with, `words` are byte
/// strings worth inserting. The result is at most [`MAX_INPUT`] long.
pub fn mutate(generator: &mut Generator, seed: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=generator.below(4) {
        change(generator, &mut input, other, words);
        input.truncate(MAX_INPUT);
    }
    input
}

fn change(generator: &mut Generator, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    const BYTES: [u8; 12] = [0, 1, 9, 10, 13, 32, 34, 44, 58, 127, 128, 255];
    let at = generator.below(input.len());
    let end = (at + 1 + generator.below(32)).min(input.len());
    match generator.below(8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << generator.below(8);
            }
        }
        1 => {
            let value = BYTES[generator.below(BYTES.len())];
            if let Some(byte) = input.get_mut(at) {
                *byte = value;
            }
        }
        2 if at < end => {
            input.drain(at..end);
        }
        3 if at < end => input.extend_from_within(at..end),
        4 => input.truncate(at),
        5 => {
            let from = generator.below(other.len());
            input.truncate(at);
            input.extend_from_slice(other.get(from..).unwrap_or_default());
        }
        6 if !words.is_empty() => {
            let word = words[generator.below(words.len())].bytes();
            let at = at.min(input.len());
            input.splice(at..at, word);
        }
        _ => {
            // A run of one byte, as in a flood of blanks or nested brackets.
            let value = input.get(at).copied().unwrap_or(b'(');
            let count = generator.below(300);
            input.splice(at..at, std::iter::repeat_n(value, count));
        }
    }
}
