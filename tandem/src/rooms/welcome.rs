//! What a caller of the meeting rooms meets first: a prompt, keys, and three tries. Pure: the time is an
//! argument, orders come out.
//!
//! This node has no meetings yet, so every ID is wrong; a caller is told so, and never more.

use super::prompts::Prompts;
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, DtmfKey, Instant, LegSide, MeetingDigits,
    RoomCall,
};
use std::sync::Arc;
use std::time::Duration;

/// How often an ID may be wrong, or none come.
const TRIES: u8 = 3;
/// From the end of a prompt to the first key.
const FIRST_KEY: Duration = Duration::from_secs(10);
/// Between two keys; then the ID counts as complete.
const NEXT_KEY: Duration = Duration::from_secs(4);
/// No prompt is heard for longer.
const LONGEST_PROMPT: Duration = Duration::from_secs(60);
/// From our answer to the device's ACK; the edge ends such a call by itself (64 times T1).
const ACK: Duration = Duration::from_secs(60);

/// Orders of one input, with their numbers; at most three.
pub(super) type Orders = Vec<(u32, ApplicationOrder)>;

/// One caller.
#[derive(Debug)]
pub(super) struct Welcome {
    prompts: Arc<Prompts>,
    state: State,
    tries: u8,
    /// What was dialled or pressed so far.
    digits: String,
    /// The number of the order whose prompt is heard.
    heard: Option<u32>,
    orders: u32,
    deadline: Option<Instant>,
    out: Orders,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Answering,
    /// The caller is asked for an ID, and may press it.
    Asking,
    /// The caller hears that it is wrong, and may press another one.
    Wrong,
    Leaving,
    Over,
}

impl Welcome {
    /// A caller comes: it is answered.
    pub(super) fn begin(now: Instant, room: &RoomCall, prompts: Arc<Prompts>) -> (Self, Orders) {
        let dialled = room.dialled.meeting.as_ref().map_or("", MeetingDigits::digits);
        let mut welcome = Welcome {
            prompts,
            state: State::Answering,
            tries: 0,
            digits: dialled.to_owned(),
            heard: None,
            orders: 0,
            deadline: Some(now + ACK),
            out: Vec::new(),
        };
        welcome.order(ApplicationOrder::Answer);
        let orders = std::mem::take(&mut welcome.out);
        (welcome, orders)
    }

    /// Something has happened in the call.
    pub(super) fn handle_news(&mut self, now: Instant, news: &ApplicationNews) -> Orders {
        match news {
            ApplicationNews::Answered(LegSide::A) if self.state == State::Answering => {
                match self.digits.is_empty() {
                    true => self.ask(now),
                    false => self.wrong(now),
                }
            }
            ApplicationNews::Key { leg: LegSide::A, key } => self.press(now, *key),
            ApplicationNews::Played { order, .. } | ApplicationNews::Refused { order, .. }
                if self.heard == Some(*order) =>
            {
                self.heard = None;
                self.prompt_over(now);
            }
            ApplicationNews::Refused { .. } if self.state == State::Answering => self.leave(),
            ApplicationNews::HungUp { leg: LegSide::A, .. } => self.end(),
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Its time has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Orders {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            match self.state {
                State::Asking | State::Wrong if !self.digits.is_empty() => self.wrong(now),
                State::Asking => self.nothing_came(now),
                State::Wrong => self.ask(now),
                State::Answering | State::Leaving => self.leave(),
                State::Over => {}
            }
        }
        std::mem::take(&mut self.out)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the call is over.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn press(&mut self, now: Instant, key: DtmfKey) {
        if !matches!(self.state, State::Asking | State::Wrong) {
            return;
        }
        if self.heard.take().is_some() {
            self.order(ApplicationOrder::StopPlaying { leg: LegSide::A });
        }
        self.deadline = Some(now + NEXT_KEY);
        match key.symbol() {
            '#' => return self.wrong(now),
            '*' => self.digits.clear(),
            digit if digit.is_ascii_digit() => self.digits.push(digit),
            _ => {}
        }
        if self.digits.len() >= MeetingDigits::MODERATOR {
            self.wrong(now);
        }
    }

    fn prompt_over(&mut self, now: Instant) {
        match self.state {
            State::Asking => self.deadline = Some(now + FIRST_KEY),
            State::Wrong => self.ask(now),
            State::Leaving => self.leave(),
            State::Answering | State::Over => {}
        }
    }

    fn ask(&mut self, now: Instant) {
        self.state = State::Asking;
        self.digits.clear();
        let prompt = self.prompts.welcome.clone();
        self.play(now, prompt);
    }

    fn nothing_came(&mut self, now: Instant) {
        self.tries += 1;
        match self.tries >= TRIES {
            true => self.say_goodbye(now),
            false => self.ask(now),
        }
    }

    fn wrong(&mut self, now: Instant) {
        self.tries += 1;
        self.digits.clear();
        if self.tries >= TRIES {
            return self.say_goodbye(now);
        }
        self.state = State::Wrong;
        let prompt = self.prompts.wrong.clone();
        self.play(now, prompt);
    }

    fn say_goodbye(&mut self, now: Instant) {
        self.state = State::Leaving;
        let prompt = self.prompts.goodbye.clone();
        self.play(now, prompt);
    }

    fn leave(&mut self) {
        self.order(ApplicationOrder::HangUp { leg: None, status: 480 });
        self.end();
    }

    fn end(&mut self) {
        self.state = State::Over;
        (self.deadline, self.heard) = (None, None);
    }

    fn play(&mut self, now: Instant, source: AudioSource) {
        let number =
            self.order(ApplicationOrder::Play { leg: LegSide::A, source, rounds: Some(1) });
        self.heard = Some(number);
        self.deadline = Some(now + LONGEST_PROMPT);
    }

    fn order(&mut self, order: ApplicationOrder) -> u32 {
        self.orders += 1;
        self.out.push((self.orders, order));
        self.orders
    }
}

#[cfg(test)]
mod tests;
