//! Randomness from the operating system, for tags, branches, SSRCs and ports.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The operating system's generator. A call needs a dozen numbers, so nothing is read ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsRandom;

impl sip_proto::Random for OsRandom {
    fn next_u64(&mut self) -> u64 {
        let mut word = [0; 8];
        if getrandom::fill(&mut word).is_err() {
            // std's own hash keys come from the same source and were read at another time.
            return RandomState::new().build_hasher().finish();
        }
        u64::from_ne_bytes(word)
    }
}
