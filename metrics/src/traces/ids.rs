//! Ids of traces and spans.
//!
//! A trace has its call's transaction id: 122 random bits, and the id that every log and record has.
//! A span's id is made of that, of the run of the process and of the span's number within the call.
//! The last step is one to one, so that two spans of a trace never have the same id within a run; a
//! call that outlives its process gets other ones from the next run.

use model::TransactionId;

/// The span ids of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanIds {
    base: u64,
}

impl SpanIds {
    pub(super) fn new(run: u64, call: TransactionId) -> Self {
        let bits = call.as_u128();
        let base = mixed(mixed(run ^ (bits >> 64) as u64) ^ bits as u64);
        SpanIds { base }
    }

    /// The id of the span with this number; never 0, which would mean none.
    pub(super) fn of(self, number: u64) -> u64 {
        match mixed(self.base.wrapping_add(number)) {
            0 => u64::MAX,
            id => id,
        }
    }
}

/// The id of a call's own span, the root of its trace.
pub fn call_span_id(run: u64, call: TransactionId) -> u64 {
    SpanIds::new(run, call).of(super::tree::CALL)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): one to one, and every bit depends on all.
fn mixed(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn spans_of_a_call_of_other_calls_and_of_other_runs_have_ids_of_their_own() {
        let mut seen = HashSet::new();
        for run in 0..8 {
            for call in 0..64 {
                let ids = SpanIds::new(run, TransactionId::from_random(call));
                for number in 0..131 {
                    let id = ids.of(number);
                    assert!(id != 0 && seen.insert(id), "run {run}, call {call}, span {number}");
                }
            }
        }
    }

    #[test]
    fn splitmix64_is_as_published() {
        // The first output of SplitMix64 with the seed 0.
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
    }
}
