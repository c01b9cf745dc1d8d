//! Randomness from the operating system, read in blocks so that a tag costs no system call.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

const WORDS: usize = 64;

/// The operating system's generator, as the cores want it.
pub(crate) struct OsRandom {
    block: [u8; WORDS * 8],
    /// Words of `block` that are not yet used.
    left: usize,
}

impl OsRandom {
    /// Reads the first block, so that a system without a generator is noticed at the start.
    pub(crate) fn new() -> io::Result<OsRandom> {
        let mut random = OsRandom { block: [0; WORDS * 8], left: WORDS };
        getrandom::fill(&mut random.block).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(random)
    }

    fn refill(&mut self) {
        if getrandom::fill(&mut self.block).is_err() {
            // It worked at the start and does not fail later on Linux. If it ever did, std's own
            // keys, which come from the same generator, still make values that nobody can guess.
            let state = RandomState::new();
            for (position, word) in self.block.chunks_exact_mut(8).enumerate() {
                let mut hasher = state.build_hasher();
                hasher.write_usize(position);
                hasher.write(word);
                word.copy_from_slice(&hasher.finish().to_ne_bytes());
            }
        }
        self.left = WORDS;
    }
}

impl sip_proto::Random for OsRandom {
    fn next_u64(&mut self) -> u64 {
        if self.left == 0 {
            self.refill();
        }
        self.left -= 1;
        let mut word = [0; 8];
        word.copy_from_slice(&self.block[self.left * 8..][..8]);
        u64::from_ne_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_proto::Random;
    use std::collections::HashSet;

    #[test]
    fn words_do_not_repeat_across_blocks() {
        let mut random = OsRandom::new().unwrap();
        let drawn: HashSet<u64> = (0..WORDS * 3).map(|_| random.next_u64()).collect();
        assert_eq!(drawn.len(), WORDS * 3);
    }
}
