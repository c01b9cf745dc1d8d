//! Who is heard, and whom the room looks at.

use crate::config::ParticipantId;

/// By how many dB somebody must be louder than the quietest who is heard, to be heard instead.
const LOUDER: f32 = 4.0;
/// For how many frames who is heard keeps that after the last word: 600 ms.
const KEPT: u32 = 30;
/// How much of what was said counts for the active speaker after a frame: about 0.6 s.
const MEMORY: f32 = 0.967;
/// Frames that somebody has to speak before the room looks there: longer than a cough.
const PROVEN: u32 = 25;
/// Pauses within speech that do not end it, in frames.
const PAUSE: u32 = 10;
/// How much more must be said than by who is looked at; and how little that one may say to lose it
/// to anybody.
const MORE: f32 = 1.5;

/// What is remembered of one participant's speech.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Speech {
    /// Smoothed, in dB above -60 dBov; 0 when silent.
    loudness: f32,
    /// Frames since the last word; and how long this turn is already.
    since: u32,
    turn: u32,
    /// How much was said of late.
    share: f32,
    /// Is among those who are heard.
    pub(crate) is_chosen: bool,
}

impl Speech {
    /// Takes a frame: a voice's level in dBov, or `None`.
    pub(crate) fn take(&mut self, level: Option<f32>) {
        let loudness = level.map_or(0.0, |level| (level + 60.0).clamp(1.0, 60.0));
        self.loudness +=
            if loudness > self.loudness { 0.4 } else { 0.05 } * (loudness - self.loudness);
        self.share *= MEMORY;
        if level.is_some() {
            (self.since, self.turn) = (0, self.turn.saturating_add(1));
            self.share += loudness * (1.0 - MEMORY);
        } else {
            self.since = self.since.saturating_add(1);
            if self.since > PAUSE {
                self.turn = 0;
            }
        }
    }

    const fn is_speaking(&self) -> bool {
        self.since == 0 && self.turn > 0
    }

    const fn keeps(&self) -> bool {
        self.since < KEPT
    }
}

/// Chooses at most so many of those who speak. Who is chosen stays so until 0.6 s after the last
/// word, or until somebody is much louder.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Who may be heard, the loudest first once it is settled: the loudness, and a place.
    order: Vec<(f32, usize)>,
}

impl Choice {
    /// With room for `most` participants.
    pub(crate) fn new(most: usize) -> Self {
        Choice { order: Vec::with_capacity(most) }
    }

    pub(crate) fn begin(&mut self) {
        self.order.clear();
    }

    /// Takes the participant at a place.
    pub(crate) fn consider(&mut self, at: usize, speech: &mut Speech) {
        let may = speech.is_speaking() || (speech.is_chosen && speech.keeps());
        if may && self.order.len() < self.order.capacity() {
            let lead = if speech.is_chosen { LOUDER } else { 0.0 };
            self.order.push((speech.loudness + lead, at));
        }
        speech.is_chosen = false;
    }

    /// The places of the `voices` who are heard.
    pub(crate) fn settle(&mut self, voices: usize) -> impl Iterator<Item = usize> {
        if self.order.len() > voices {
            self.order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.order.truncate(voices);
        }
        self.order.iter().map(|(_, at)| *at)
    }
}

/// Whom the room looks at.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct ActiveSpeaker {
    current: Option<ParticipantId>,
}

impl ActiveSpeaker {
    pub(crate) const fn current(&self) -> Option<ParticipantId> {
        self.current
    }

    /// Looks at all; whether the active speaker is another one now. Who fell silent stays it until
    /// somebody else speaks.
    pub(crate) fn look<'a>(
        &mut self,
        all: impl Iterator<Item = (ParticipantId, &'a Speech)>,
    ) -> bool {
        let mut present = None;
        let mut best: Option<(ParticipantId, f32)> = None;
        for (id, speech) in all {
            if Some(id) == self.current {
                present = Some(*speech);
            } else if speech.turn >= PROVEN && best.is_none_or(|(_, share)| speech.share > share) {
                best = Some((id, speech.share));
            }
        }
        let before = self.current;
        if present.is_none() {
            self.current = None;
        }
        if let Some((id, share)) = best {
            let holds = present.is_some_and(|speech| {
                speech.since <= PAUSE && speech.turn > 0 && share < speech.share * MORE
            });
            if !holds {
                self.current = Some(id);
            }
        }
        self.current != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(speech: &mut Speech, frames: u32, level: Option<f32>) {
        (0..frames).for_each(|_| speech.take(level));
    }

    #[test]
    fn a_cough_does_not_turn_heads_and_speech_does() {
        let ids = [ParticipantId(1), ParticipantId(2)];
        let mut speeches = [Speech::default(), Speech::default()];
        let mut active = ActiveSpeaker::default();
        let mut step = |speeches: &mut [Speech; 2], levels: [Option<f32>; 2]| {
            for (speech, level) in speeches.iter_mut().zip(levels) {
                speech.take(level);
            }
            active.look(ids.iter().copied().zip(speeches.iter()));
            active.current()
        };
        for n in 0..100 {
            let now = step(&mut speeches, [Some(-26.0), None]);
            assert_eq!(now.is_some(), n >= 24, "after {n} frames");
        }
        // 300 ms, louder than the speaker, then silence.
        for n in 0..60 {
            let cough = (n < 15).then_some(-12.0);
            assert_eq!(step(&mut speeches, [Some(-26.0), cough]), Some(ids[0]));
        }
        // Everybody is silent: nobody turns.
        for _ in 0..200 {
            assert_eq!(step(&mut speeches, [None, None]), Some(ids[0]));
        }
        let turned = (0..100).find(|_| step(&mut speeches, [None, Some(-26.0)]) == Some(ids[1]));
        assert_eq!(turned, Some(24), "half a second of speech");
    }

    #[test]
    fn two_who_speak_at_once_do_not_alternate() {
        let ids = [ParticipantId(1), ParticipantId(2)];
        let mut speeches = [Speech::default(), Speech::default()];
        let mut active = ActiveSpeaker::default();
        let mut changes = 0;
        for n in 0..1_000 {
            // Each louder by turns.
            let swing = if n / 20 % 2 == 0 { 3.0 } else { -3.0 };
            speeches[0].take(Some(-26.0 + swing));
            speeches[1].take(Some(-26.0 - swing));
            changes += u32::from(active.look(ids.iter().copied().zip(speeches.iter())));
        }
        assert_eq!(changes, 1);
    }

    #[test]
    fn the_loudest_are_chosen_and_keep_it() {
        let mut speeches = [Speech::default(); 4];
        let mut choice = Choice::new(4);
        let mut chosen = |speeches: &mut [Speech; 4], levels: [f32; 4]| {
            choice.begin();
            for (at, (speech, level)) in speeches.iter_mut().zip(levels).enumerate() {
                speech.take((level > -60.0).then_some(level));
                choice.consider(at, speech);
            }
            let mut places: Vec<_> = choice.settle(2).collect();
            places.iter().for_each(|at| speeches[*at].is_chosen = true);
            places.sort_unstable();
            places
        };
        assert_eq!(chosen(&mut speeches, [-30.0, -127.0, -127.0, -127.0]), [0], "at once");
        for _ in 0..50 {
            chosen(&mut speeches, [-30.0, -40.0, -26.0, -127.0]);
        }
        assert_eq!(chosen(&mut speeches, [-30.0, -40.0, -26.0, -127.0]), [0, 2]);
        for _ in 0..50 {
            assert_eq!(chosen(&mut speeches, [-30.0, -28.0, -26.0, -127.0]), [0, 2], "2 dB");
        }
        for _ in 0..50 {
            chosen(&mut speeches, [-30.0, -22.0, -26.0, -127.0]);
        }
        assert_eq!(chosen(&mut speeches, [-30.0, -22.0, -26.0, -127.0]), [1, 2], "8 dB");
        say(&mut speeches[1], 100, None);
        assert_eq!(chosen(&mut speeches, [-30.0, -127.0, -26.0, -127.0]), [0, 2], "silent");
    }
}
