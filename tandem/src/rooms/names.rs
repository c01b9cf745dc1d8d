//! What callers have said as their names, while they are there: in memory alone, and in no log.

use model::{AudioSource, TransactionId, Utterance};
use std::collections::HashMap;

/// Names that are kept at a time, each at most 128 kB. Full policy: the next caller has none, and the tone
/// announces it.
const MOST: usize = 512;

/// The names.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<TransactionId, Utterance>);

impl Names {
    /// Keeps what a caller has said; whether there is room for it.
    pub(super) fn keep(&mut self, call: TransactionId, said: Utterance) -> bool {
        let has_room = self.0.len() < MOST || self.0.contains_key(&call);
        if has_room {
            self.0.insert(call, said);
        } else {
            tracing::warn!(%call, "a caller's name is not kept: {MOST} are already");
        }
        has_room
    }

    /// A caller's name, to be heard.
    pub(super) fn source(&self, call: TransactionId) -> Option<AudioSource> {
        self.0.get(&call).cloned().map(AudioSource::Said)
    }

    /// Forgets those of callers who are not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(&TransactionId) -> bool) {
        self.0.retain(|call, _| is_there(call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_go_with_their_callers() {
        let mut names = Names::default();
        let call = |n: usize| TransactionId::from_random(n as u128);
        let said = || Utterance::new(*b"RIFF");
        assert!((0..MOST).all(|n| names.keep(call(n), said())));
        assert!(!names.keep(call(MOST), said()), "one more is not kept");
        assert!(names.keep(call(0), said()), "one who says it again is");
        assert_eq!(names.source(call(MOST)), None);
        assert_eq!(names.source(call(7)), Some(AudioSource::Said(said())));
        names.retain(|of| *of != call(7));
        assert_eq!(names.source(call(7)), None);
        assert!(names.keep(call(MOST), said()));
    }
}
