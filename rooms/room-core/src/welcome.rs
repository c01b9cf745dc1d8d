//! The dialogue with a caller until it is known which meeting it may enter.
//!
//! A wrong id, the id of a meeting that is locked or over and no id at all are told apart neither by
//! the words nor by the time that they take. Ids of 13 digits are followed by the question for the
//! passcode whether there is such a meeting or not.

use crate::Language;
use crate::guess::Turn;
use crate::id::{AttendeeNumber, ModeratorNumber, Passcode};
use crate::output::{Now, Order, Outputs};
use crate::prompt::Prompt;
use model::{DtmfKey, Instant, PictureLayout, TransactionId};
use std::time::Duration;

/// Times and numbers of the dialogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WelcomeSettings {
    /// How often somebody may try.
    pub tries: u32,
    /// How long the first key may take after the prompt.
    pub first_digit: Duration,
    /// How long each further key may take.
    pub next_digit: Duration,
    /// How long all of it may take.
    pub longest: Duration,
    /// How long a name may be, at most [`model::LONGEST_UTTERANCE`].
    pub name: Duration,
}

impl Default for WelcomeSettings {
    fn default() -> Self {
        WelcomeSettings {
            tries: 3,
            first_digit: Duration::from_secs(10),
            next_digit: Duration::from_secs(4),
            longest: Duration::from_secs(180),
            name: model::LONGEST_UTTERANCE,
        }
    }
}

/// How long it may take to be told what was recorded of a name.
const NAME_TOLD: Duration = Duration::from_secs(2);
/// A prompt that does not say that it has ended is given up after this.
const LONGEST_PROMPT: Duration = Duration::from_secs(60);

/// What was dialled, as far as it could be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dialled {
    /// An id of 10 or 13 digits; anything else is taken as a wrong one.
    pub id: Option<String>,
    /// A passcode.
    pub passcode: Option<String>,
    /// What is to be seen of the others; `None` for what the meeting says.
    pub layout: Option<PictureLayout>,
}

/// Who knows the meetings, and who guesses too much.
pub(crate) trait Door<T> {
    /// Before an id or passcode is tried.
    fn take_turn(&mut self, now: Now) -> Turn;
    /// Whether these open a meeting; that was a right one then.
    fn open(&mut self, now: Now, id: &str, passcode: Option<&str>) -> Option<T>;
    /// Whether the name of whoever enters is to be asked for.
    fn wants_name(&self, ticket: &T) -> bool;
}

/// What the dialogue has come to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// It goes on.
    Open,
    /// The caller may enter, and has said a name that is kept or has not.
    Enter(T, bool),
    /// The caller hears these words and is hung up.
    GiveUp(Vec<Prompt>),
}

/// One caller's dialogue.
#[derive(Debug)]
pub(crate) struct Welcome<T> {
    call: TransactionId,
    language: Language,
    settings: WelcomeSettings,
    /// When all of it is over.
    over_at: Instant,
    tries: u32,
    /// Digits of what is being entered.
    entry: String,
    /// The id that was entered, while its passcode is.
    id: Option<String>,
    /// A passcode that was dialled with the id.
    dialled_passcode: Option<String>,
    /// From when on what is being entered may be tried; its turn was taken. An id and its passcode
    /// take one together.
    turn: Option<Instant>,
    /// Until when `#` belongs to digits that were taken without it.
    pound_until: Instant,
    stage: Stage<T>,
}

#[derive(Debug)]
enum Stage<T> {
    /// The prompt of this order is played; keys end it. When to give it up.
    Prompt(u32, Instant),
    /// When to give waiting for a key up.
    Keys(Instant),
    /// When to try what was entered.
    Turn(Instant),
    /// The question for the name is played, order and when to give it up.
    AskName(u32, Instant, Option<T>),
    /// The name is recorded; when to give that up.
    Name(Instant, Option<T>),
    /// It is said; when to go on without what was recorded.
    Named(Instant, Option<T>),
    Over,
}

impl<T> Welcome<T> {
    /// Answers the call. What was dialled is tried at once.
    pub(crate) fn begin(
        now: Now,
        call: TransactionId,
        language: Language,
        settings: WelcomeSettings,
        dialled: Dialled,
        door: &mut dyn Door<T>,
        out: &mut Outputs,
    ) -> (Self, Outcome<T>) {
        out.order(call, Order::Answer);
        let mut welcome = Welcome {
            call,
            language,
            settings,
            over_at: now.at + settings.longest,
            tries: 0,
            entry: String::new(),
            id: None,
            dialled_passcode: dialled.passcode,
            turn: None,
            pound_until: now.at,
            stage: Stage::Over,
        };
        let outcome = match dialled.id {
            Some(id) => {
                welcome.entry = id.chars().take(ModeratorNumber::DIGITS + 1).collect();
                welcome.entered(now, door, out)
            }
            None => welcome.ask(now, vec![Prompt::Welcome, Prompt::EnterId], out),
        };
        (welcome, outcome)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Prompt(_, until) | Stage::Keys(until) | Stage::Turn(until) => {
                Some(until.min(self.over_at))
            }
            // Who may enter is not turned away for being slow.
            Stage::AskName(_, until, _) | Stage::Name(until, _) | Stage::Named(until, _) => {
                Some(until)
            }
            Stage::Over => None,
        }
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Now,
        door: &mut dyn Door<T>,
        out: &mut Outputs,
    ) -> Outcome<T> {
        if self.poll_timeout().is_none_or(|until| until > now.at) {
            return Outcome::Open;
        }
        match &mut self.stage {
            Stage::AskName(..) => self.record_name(now, out),
            Stage::Name(_, ticket) | Stage::Named(_, ticket) => Self::enter(ticket.take(), false),
            _ if self.over_at <= now.at => self.give_up(vec![Prompt::Goodbye]),
            Stage::Turn(_) => self.attempt(now, door, out),
            Stage::Prompt(..) => self.wait(now),
            Stage::Keys(_) if self.entry.is_empty() => self.fail(now, Prompt::NoInput, out),
            Stage::Keys(_) => self.entered(now, door, out),
            Stage::Over => Outcome::Open,
        }
    }

    pub(crate) fn handle_played(&mut self, now: Now, number: u32, out: &mut Outputs) -> Outcome<T> {
        match &self.stage {
            Stage::Prompt(current, _) if *current == number => self.wait(now),
            Stage::AskName(current, ..) if *current == number => self.record_name(now, out),
            _ => Outcome::Open,
        }
    }

    /// What was recorded is known: a name, or nothing that could be one.
    pub(crate) fn handle_name_recorded(&mut self, has_said_name: bool) -> Outcome<T> {
        match &mut self.stage {
            Stage::Name(_, ticket) | Stage::Named(_, ticket) => {
                Self::enter(ticket.take(), has_said_name)
            }
            _ => Outcome::Open,
        }
    }

    pub(crate) fn handle_key(
        &mut self,
        now: Now,
        key: DtmfKey,
        door: &mut dyn Door<T>,
        out: &mut Outputs,
    ) -> Outcome<T> {
        let belongs = key.symbol() == '#' && now.at < self.pound_until;
        match &mut self.stage {
            Stage::Turn(_) => {
                self.pound_until = now.at;
                return Outcome::Open;
            }
            Stage::Named(..) | Stage::Over => return Outcome::Open,
            Stage::Name(_, ticket) => {
                out.order(self.call, Order::StopRecordingName);
                self.stage = Stage::Named(now.at + NAME_TOLD, ticket.take());
                return Outcome::Open;
            }
            Stage::Prompt(..) | Stage::AskName(..) if belongs => {
                self.pound_until = now.at;
                return Outcome::Open;
            }
            Stage::AskName(number, ..) => {
                *number = out.play(self.call, &self.language, vec![Prompt::RecordTone]);
                return Outcome::Open;
            }
            Stage::Prompt(..) => {
                out.order(self.call, Order::StopPlaying);
            }
            Stage::Keys(_) => {}
        }
        let next = now.at + self.settings.next_digit;
        self.stage = Stage::Keys(next);
        self.pound_until = if key.symbol().is_ascii_digit() { next } else { now.at };
        match key.symbol() {
            '#' if self.entry.is_empty() => self.wait(now),
            '#' => self.entered(now, door, out),
            '*' => {
                self.entry.clear();
                self.wait(now)
            }
            digit if digit.is_ascii_digit() => {
                self.entry.push(digit);
                self.grown(now, door, out)
            }
            _ => Outcome::Open,
        }
    }

    /// One more digit is there.
    fn grown(&mut self, now: Now, door: &mut dyn Door<T>, out: &mut Outputs) -> Outcome<T> {
        let most = if self.id.is_some() { Passcode::MOST_DIGITS } else { ModeratorNumber::DIGITS };
        if self.entry.len() >= most {
            return self.entered(now, door, out);
        }
        if self.id.is_none() && self.entry.len() == AttendeeNumber::DIGITS {
            // No moderator's id begins like this one: whoever has typed a right one is let in without
            // `#`. The turn is taken, and no second one for what follows.
            match self.taken_turn(now, door) {
                Turn::At(at) if at <= now.at => {
                    if let Some(ticket) = door.open(now, &self.entry, None) {
                        return self.opened(now, ticket, door, out);
                    }
                }
                Turn::At(_) => {}
                Turn::TooMany => return self.give_up(vec![Prompt::TryLater, Prompt::Goodbye]),
            }
        }
        Outcome::Open
    }

    fn taken_turn(&mut self, now: Now, door: &mut dyn Door<T>) -> Turn {
        if let Some(at) = self.turn {
            return Turn::At(at);
        }
        let turn = door.take_turn(now);
        if let Turn::At(at) = turn {
            self.turn = Some(at);
        }
        turn
    }

    /// An entry is complete.
    fn entered(&mut self, now: Now, door: &mut dyn Door<T>, out: &mut Outputs) -> Outcome<T> {
        match self.taken_turn(now, door) {
            Turn::TooMany => self.give_up(vec![Prompt::TryLater, Prompt::Goodbye]),
            Turn::At(at) if at <= now.at => self.attempt(now, door, out),
            Turn::At(at) => {
                self.stage = Stage::Turn(at);
                Outcome::Open
            }
        }
    }

    /// Its turn has come.
    fn attempt(&mut self, now: Now, door: &mut dyn Door<T>, out: &mut Outputs) -> Outcome<T> {
        let entry = std::mem::take(&mut self.entry);
        let (id, passcode) = match self.id.take() {
            Some(id) => (id, Some(entry)),
            None => (entry, self.dialled_passcode.take()),
        };
        if let Some(ticket) = door.open(now, &id, passcode.as_deref()) {
            return self.opened(now, ticket, door, out);
        }
        if passcode.is_none() && id.len() == ModeratorNumber::DIGITS {
            self.id = Some(id);
            return self.ask(now, vec![Prompt::EnterPasscode], out);
        }
        self.fail(now, Prompt::WrongId, out)
    }

    fn opened(
        &mut self,
        now: Now,
        ticket: T,
        door: &mut dyn Door<T>,
        out: &mut Outputs,
    ) -> Outcome<T> {
        if !door.wants_name(&ticket) {
            return Self::enter(Some(ticket), false);
        }
        let prompts = vec![Prompt::SayName, Prompt::RecordTone];
        let number = out.play(self.call, &self.language, prompts);
        self.stage = Stage::AskName(number, now.at + LONGEST_PROMPT, Some(ticket));
        Outcome::Open
    }

    fn record_name(&mut self, now: Now, out: &mut Outputs) -> Outcome<T> {
        let ticket = match &mut self.stage {
            Stage::AskName(_, _, ticket) => ticket.take(),
            _ => None,
        };
        let longest = self.settings.name;
        out.order(self.call, Order::RecordName { longest });
        self.stage = Stage::Name(now.at + longest + NAME_TOLD, ticket);
        Outcome::Open
    }

    fn fail(&mut self, now: Now, prompt: Prompt, out: &mut Outputs) -> Outcome<T> {
        self.tries += 1;
        out.wrong_ids += u64::from(prompt == Prompt::WrongId);
        (self.id, self.turn) = (None, None);
        if self.tries >= self.settings.tries {
            return self.give_up(vec![prompt, Prompt::Goodbye]);
        }
        self.ask(now, vec![prompt, Prompt::EnterId], out)
    }

    fn ask(&mut self, now: Now, prompts: Vec<Prompt>, out: &mut Outputs) -> Outcome<T> {
        self.entry.clear();
        let number = out.play(self.call, &self.language, prompts);
        self.stage = Stage::Prompt(number, now.at + LONGEST_PROMPT);
        Outcome::Open
    }

    fn wait(&mut self, now: Now) -> Outcome<T> {
        self.stage = Stage::Keys(now.at + self.settings.first_digit);
        Outcome::Open
    }

    fn give_up(&mut self, prompts: Vec<Prompt>) -> Outcome<T> {
        self.stage = Stage::Over;
        Outcome::GiveUp(prompts)
    }

    fn enter(ticket: Option<T>, has_said_name: bool) -> Outcome<T> {
        match ticket {
            Some(ticket) => Outcome::Enter(ticket, has_said_name),
            None => Outcome::GiveUp(vec![Prompt::Goodbye]),
        }
    }
}
