//! Fragments that the service has not yet said to keep.

use crate::fragment::Fragment;
use model::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Fragments in the order of their timecodes. It holds at most so many octets and for so long as its
/// owner says; what is more leaves whole and oldest first.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    fragments: VecDeque<KeptFragment>,
    octets: usize,
    /// How many at the front went over the connection that is open now.
    sent: usize,
}

#[derive(Debug)]
struct KeptFragment {
    fragment: Fragment,
    since: Instant,
    /// It went over a connection, this one or one before.
    was_sent: bool,
}

/// A fragment that left without being persisted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Left {
    pub(crate) octets: usize,
    /// The service may have it all the same.
    pub(crate) was_sent: bool,
}

impl Kept {
    pub(crate) fn push(&mut self, now: Instant, fragment: Fragment) {
        self.octets += fragment.octets.len();
        self.fragments.push_back(KeptFragment { fragment, since: now, was_sent: false });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.fragments.len()
    }

    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// The next one to be sent over this connection.
    pub(crate) fn unsent(&self) -> Option<&Fragment> {
        self.fragments.get(self.sent).map(|kept| &kept.fragment)
    }

    /// How many went over this connection and are not yet persisted.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent
    }

    /// The first of them.
    pub(crate) fn oldest_in_flight(&self) -> Option<u64> {
        (self.sent > 0).then(|| self.fragments.front().map(|kept| kept.fragment.timecode))?
    }

    /// The next one goes over this connection. Returns whether one did before.
    pub(crate) fn mark_sent(&mut self) -> bool {
        let Some(kept) = self.fragments.get_mut(self.sent) else { return false };
        self.sent += 1;
        std::mem::replace(&mut kept.was_sent, true)
    }

    /// The connection is over: all that is kept goes over the next one.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Takes out the fragment of this timecode, if it was ever sent.
    pub(crate) fn remove(&mut self, timecode: u64) -> Option<Left> {
        let at = self.fragments.binary_search_by_key(&timecode, |kept| kept.fragment.timecode);
        let at = at.ok().filter(|at| self.fragments.get(*at).is_some_and(|kept| kept.was_sent))?;
        self.take(at)
    }

    pub(crate) fn remove_oldest(&mut self) -> Option<Left> {
        self.take(0)
    }

    /// Takes out the oldest one, if it has been here for longer than `age`.
    pub(crate) fn remove_aged(&mut self, now: Instant, age: Duration) -> Option<Left> {
        self.ages_at(age).filter(|at| *at <= now).and_then(|_| self.take(0))
    }

    /// When the oldest one will have been here for `age`.
    pub(crate) fn ages_at(&self, age: Duration) -> Option<Instant> {
        self.fragments.front().map(|kept| kept.since + age)
    }

    fn take(&mut self, at: usize) -> Option<Left> {
        let kept = self.fragments.remove(at)?;
        if at < self.sent {
            self.sent -= 1;
        }
        let octets = kept.fragment.octets.len();
        self.octets -= octets;
        Some(Left { octets, was_sent: kept.was_sent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn kept(timecodes: &[u64]) -> Kept {
        let mut kept = Kept::default();
        for timecode in timecodes {
            let octets = Bytes::from(vec![0; 10]);
            let fragment = Fragment { octets, timecode: *timecode };
            kept.push(Instant::from_millis(*timecode), fragment);
        }
        kept
    }

    #[test]
    fn a_fragment_leaves_once_and_only_after_it_was_sent() {
        let mut kept = kept(&[1, 2, 3]);
        assert_eq!(kept.remove(2), None);
        assert!(!kept.mark_sent() && !kept.mark_sent());
        assert_eq!((kept.in_flight(), kept.oldest_in_flight()), (2, Some(1)));
        assert_eq!(kept.remove(2), Some(Left { octets: 10, was_sent: true }));
        assert_eq!(kept.remove(2), None);
        assert_eq!((kept.octets(), kept.len(), kept.in_flight()), (20, 2, 1));
        assert_eq!(kept.unsent().unwrap().timecode, 3);
        kept.rewind();
        assert_eq!((kept.oldest_in_flight(), kept.unsent().unwrap().timecode), (None, 1));
        assert!(kept.mark_sent());
        assert!(!kept.mark_sent());
    }

    #[test]
    fn the_oldest_one_leaves_at_its_age() {
        let mut kept = kept(&[5, 9]);
        let age = Duration::from_millis(10);
        assert_eq!(kept.remove_aged(Instant::from_millis(14), age), None);
        let left = kept.remove_aged(Instant::from_millis(15), age).unwrap();
        assert!(!left.was_sent);
        assert_eq!(kept.remove_aged(Instant::from_millis(15), age), None);
        assert_eq!(kept.ages_at(age), Some(Instant::from_millis(19)));
        assert!(kept.remove_oldest().is_some() && kept.remove_oldest().is_none());
        assert!(kept.is_empty() && kept.octets() == 0);
    }
}
