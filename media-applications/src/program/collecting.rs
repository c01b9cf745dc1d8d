//! `PlayAudioAndGetDigits` and `SpeakAndGetDigits`: asking for keys.

use super::running::{Desk, Outcome};
use crate::action::{GetDigits, Sound};
use crate::reader::{AUDIO, SYSTEM};
use model::{AudioSource, DtmfKey, Instant, LegSide, PlayOutcome};

/// What `ErrorType` says when no attempt gave what was asked for.
const NO_DIGITS: &str = "InvalidDigitsReceived";

/// Asks, in attempts. In each the prompt is played, which the first key ends, and keys are waited for;
/// after one that failed the failure prompt is played.
#[derive(Debug)]
pub(super) struct Collecting {
    what: Box<GetDigits>,
    /// Attempts that were begun.
    attempt: u32,
    digits: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The prompt of this fetch or order is fetched or played; the first key ends it. With it stands when
    /// the end of what is played is overdue.
    Prompt(u32, Option<Instant>),
    /// When to give the attempt up: no key came.
    Waiting(Instant),
    /// What is to be played after a failed attempt is fetched or played; keys are not kept.
    Failure(u32, Option<Instant>),
}

impl Collecting {
    pub(super) fn begin(what: Box<GetDigits>, desk: &mut Desk<'_>) -> Self {
        let number = desk.fetch(what.prompt.clone());
        Collecting { what, attempt: 1, digits: String::new(), stage: Stage::Prompt(number, None) }
    }

    pub(super) fn leg(&self) -> LegSide {
        self.what.leg
    }

    pub(super) fn handle_sound(
        &mut self,
        now: Instant,
        (number, sound): (u32, Result<AudioSource, String>),
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        let (Stage::Prompt(current, until) | Stage::Failure(current, until)) = &mut self.stage
        else {
            return None;
        };
        if *current != number {
            return None;
        }
        match sound {
            Ok(source) => {
                let (order, overdue) = desk.play(now, self.what.leg, (source, 1));
                (*current, *until) = (order, Some(overdue));
                None
            }
            Err(why) => Some(Outcome::failed(AUDIO, why)),
        }
    }

    pub(super) fn handle_played(
        &mut self,
        now: Instant,
        order: u32,
        outcome: PlayOutcome,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match (&self.stage, outcome) {
            (Stage::Prompt(current, _) | Stage::Failure(current, _), _) if *current != order => {
                None
            }
            (Stage::Waiting(_), _) => None,
            (_, PlayOutcome::Failed(why)) => Some(Outcome::failed(AUDIO, why.to_string())),
            (Stage::Prompt(..), PlayOutcome::Finished) => {
                self.stage = Stage::Waiting(now + self.what.patience);
                None
            }
            (Stage::Failure(..), PlayOutcome::Finished) => self.next_attempt(desk),
        }
    }

    pub(super) fn handle_refused(&self, order: u32, why: String) -> Option<Outcome> {
        let (Stage::Prompt(current, _) | Stage::Failure(current, _)) = &self.stage else {
            return None;
        };
        (*current == order).then(|| Outcome::failed(SYSTEM, why))
    }

    pub(super) fn handle_key(
        &mut self,
        now: Instant,
        key: DtmfKey,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match self.stage {
            Stage::Failure(..) => return None,
            Stage::Prompt(..) => desk.stop_playing(self.what.leg),
            Stage::Waiting(_) => {}
        }
        self.stage = Stage::Waiting(now + self.what.between);
        if self.what.terminators.has(key) {
            return self.judge(Some(key), desk);
        }
        self.digits.push(key.symbol());
        if self.digits.len() >= self.what.most { self.judge(None, desk) } else { None }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting(until) => Some(until),
            Stage::Prompt(_, overdue) | Stage::Failure(_, overdue) => overdue,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk<'_>) -> Option<Outcome> {
        match self.stage {
            Stage::Waiting(until) if until <= now => {
                // Who has pressed nothing has not answered, even where no key is enough.
                if self.digits.is_empty() { self.fail(desk) } else { self.judge(None, desk) }
            }
            Stage::Prompt(_, Some(overdue)) | Stage::Failure(_, Some(overdue))
                if overdue <= now =>
            {
                desk.stop_playing(self.what.leg);
                Some(Outcome::lost("played"))
            }
            _ => None,
        }
    }

    /// Compares what was pressed, without the key that ended it, or else with it.
    fn judge(&mut self, terminator: Option<DtmfKey>, desk: &mut Desk<'_>) -> Option<Outcome> {
        let mut digits = self.digits.clone();
        let fits = |digits: &str| {
            let what = &self.what;
            (what.least..=what.most.saturating_add(1)).contains(&digits.len())
                && what.pattern.as_ref().is_none_or(|pattern| pattern.matches(digits))
        };
        if !fits(&digits) {
            digits.extend(terminator.map(DtmfKey::symbol));
            // Without a pattern the terminator is none of the digits that are counted.
            if self.what.pattern.is_none() || !fits(&digits) {
                return self.fail(desk);
            }
        }
        Some(Outcome::Done { digits: Some(digits) })
    }

    fn fail(&mut self, desk: &mut Desk<'_>) -> Option<Outcome> {
        match self.what.failure.clone() {
            Some(sound) => {
                self.stage = Stage::Failure(desk.fetch(sound), None);
                None
            }
            None => self.next_attempt(desk),
        }
    }

    fn next_attempt(&mut self, desk: &mut Desk<'_>) -> Option<Outcome> {
        if self.attempt >= self.what.attempts {
            let message = format!("no valid digits in {} attempts", self.attempt);
            let digits = Some(std::mem::take(&mut self.digits));
            return Some(Outcome::Failed { kind: NO_DIGITS, message, digits });
        }
        self.attempt += 1;
        self.digits.clear();
        let prompt: Sound = self.what.prompt.clone();
        self.stage = Stage::Prompt(desk.fetch(prompt), None);
        None
    }
}
