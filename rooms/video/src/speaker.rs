//! Who is shown: the active speaker that the sound names, without following each cough.

use crate::switch::Participant;
use model::Instant;
use std::time::Duration;

/// Somebody else must speak for so long before they are shown.
pub const TAKE_OVER: Duration = Duration::from_millis(800);
/// Whoever is shown is shown for so long at least.
pub const LEAST_SHOWN: Duration = Duration::from_secs(2);
/// Speakers that are remembered: the one who speaks sees the one before.
const REMEMBERED: usize = 8;

/// The order in which participants are shown to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speakers {
    /// The one who is shown, then those before, each once.
    order: [Option<Participant>; REMEMBERED],
    shown_since: Option<Instant>,
    candidate: Option<(Participant, Instant)>,
}

impl Speakers {
    /// The sound says who speaks now; `None` for nobody: whoever is shown stays.
    /// Whether another one is shown now.
    pub(crate) fn heard(&mut self, now: Instant, speaker: Option<Participant>) -> bool {
        let Some(speaker) = speaker.filter(|speaker| self.current() != Some(*speaker)) else {
            self.candidate = None;
            return false;
        };
        match self.candidate {
            Some((candidate, _)) if candidate == speaker => {}
            _ => self.candidate = Some((speaker, now)),
        }
        self.handle_timeout(now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let (_, since) = self.candidate?;
        let Some(shown_since) = self.shown_since else { return Some(since) };
        Some((since + TAKE_OVER).max(shown_since + LEAST_SHOWN))
    }

    /// Whether another one is shown now.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.poll_timeout().is_some_and(|due| now >= due);
        let Some((speaker, _)) = self.candidate.filter(|_| due) else { return false };
        self.candidate = None;
        self.shown_since = Some(now);
        let known = self.order.iter().position(|other| *other == Some(speaker));
        let until = known.unwrap_or(REMEMBERED - 1);
        if let Some(front) = self.order.get_mut(..=until) {
            front.rotate_right(1);
        }
        self.order[0] = Some(speaker);
        true
    }

    /// Somebody has left.
    pub(crate) fn forget(&mut self, participant: Participant) {
        self.candidate = self.candidate.filter(|(candidate, _)| *candidate != participant);
        if self.current() == Some(participant) {
            self.shown_since = None;
        }
        let mut kept = [None; REMEMBERED];
        let others = self.order.iter().flatten().filter(|other| **other != participant);
        kept.iter_mut().zip(others).for_each(|(place, other)| *place = Some(*other));
        self.order = kept;
    }

    pub(crate) const fn current(&self) -> Option<Participant> {
        self.order[0]
    }

    /// The one who is shown, then those before.
    pub(crate) fn order(&self) -> impl Iterator<Item = Participant> {
        self.order.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }
    const A: Option<Participant> = Some(Participant(1));
    const B: Option<Participant> = Some(Participant(2));

    #[test]
    fn a_cough_does_not_switch() {
        let mut speakers = Speakers::default();
        assert!(speakers.heard(at(0), A), "the first one at once");
        assert!(!speakers.heard(at(10_000), B));
        assert!(!speakers.heard(at(10_500), A));
        assert_eq!(speakers.poll_timeout(), None);
        assert!(!speakers.heard(at(11_000), B));
        assert!(!speakers.heard(at(11_799), B));
        assert_eq!(speakers.poll_timeout(), Some(at(11_800)));
        assert!(speakers.handle_timeout(at(11_800)));
        assert_eq!(speakers.order().collect::<Vec<_>>(), [Participant(2), Participant(1)]);
    }

    #[test]
    fn whoever_is_shown_stays_for_a_while() {
        let mut speakers = Speakers::default();
        speakers.heard(at(0), A);
        speakers.heard(at(100), B);
        assert_eq!(speakers.poll_timeout(), Some(at(2_000)));
        assert!(!speakers.handle_timeout(at(1_999)));
        assert!(speakers.handle_timeout(at(2_000)));
        assert!(!speakers.heard(at(9_000), None), "silence shows who spoke last");
        assert_eq!(speakers.current(), B);
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let mut speakers = Speakers::default();
        for n in 0..12 {
            speakers.heard(at(n * 10_000), Some(Participant(n as u16)));
            speakers.handle_timeout(at(n * 10_000 + 5_000));
        }
        assert_eq!(speakers.order().count(), REMEMBERED);
        speakers.forget(Participant(11));
        assert_eq!(speakers.current(), Some(Participant(10)));
        speakers.heard(at(200_000), Some(Participant(7)));
        assert_eq!(speakers.current(), Some(Participant(7)), "nobody is held on to");
        let order: Vec<_> = speakers.order().collect();
        assert_eq!(order.iter().filter(|one| **one == Participant(7)).count(), 1);
        speakers.heard(at(300_000), Some(Participant(3)));
        speakers.forget(Participant(3));
        assert_eq!(speakers.poll_timeout(), None);
    }
}
