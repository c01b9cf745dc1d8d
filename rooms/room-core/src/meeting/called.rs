//! People who are called into a meeting.

use super::member::{Newcomer, Role};
use super::{By, Meeting, Refused};
use crate::Language;
use crate::event::EventKind;
use crate::id::Draw;
use crate::output::{MeetingOrder, Now, Outputs};
use crate::prompt::Prompt;
use crate::registry::Capabilities;
use model::{DtmfKey, Instant, TransactionId};
use std::sync::Arc;
use std::time::Duration;

/// People who can be called at a time.
pub(crate) const MOST_CALLED: usize = 16;
/// How long the answer may take whether a number may be called.
const VERDICT: Duration = Duration::from_secs(10);
/// How long a call may ring.
const RINGING: Duration = Duration::from_secs(60);
/// How long whoever has answered may take to press 1.
const CONFIRMATION: Duration = Duration::from_secs(30);

/// Somebody who is called.
#[derive(Debug)]
pub(super) struct Called {
    number: Arc<str>,
    by: Option<TransactionId>,
    language: Language,
    stage: Stage,
    /// When to give it up.
    pub(super) until: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Whether the number may be called is asked.
    Asking,
    Ringing,
    /// The key 1 is waited for.
    Confirming,
}

/// What becomes of somebody who is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CalledNews {
    /// It has answered.
    Answered,
    /// It has not, or has hung up before it joined: the SIP status.
    Failed(u16),
}

impl Meeting {
    pub(super) fn dial_out(
        &mut self,
        now: Now,
        by: By,
        number: &str,
        draw: Draw<'_>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let digits = number.strip_prefix('+').unwrap_or(number);
        if !(3..=18).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refused::Malformed);
        }
        // Nobody else enters it.
        if self.retired {
            return Err(Refused::NotAllowed);
        }
        let people = self.people.len() + self.called.len();
        if self.called.len() >= MOST_CALLED || people >= usize::from(self.facts.settings.capacity) {
            return Err(Refused::Full);
        }
        let bits = u128::from(draw()) << 64 | u128::from(draw());
        let call = TransactionId::from_random(bits);
        if self.called.contains_key(&call) || self.people.contains_key(&call) {
            return Err(Refused::TooFast);
        }
        let by = match by {
            By::Call(call) => Some(call),
            By::Api => None,
        };
        let language = self.facts.language.clone();
        let until = now.at + VERDICT;
        let number: Arc<str> = number.into();
        let called = Called { number: number.clone(), by, language, stage: Stage::Asking, until };
        self.called.insert(call, called);
        self.empty_at = None;
        out.meeting(self.facts.id, MeetingOrder::AskNumber { call, number, by });
        Ok(())
    }

    /// Whether the number of this call may be called. Returns whether it is.
    pub(crate) fn handle_number_verdict(
        &mut self,
        now: Now,
        call: TransactionId,
        allowed: bool,
        out: &mut Outputs,
    ) -> bool {
        let Some(called) = self.called.get_mut(&call) else { return false };
        if called.stage != Stage::Asking {
            return false;
        }
        if !allowed {
            self.handle_called(now, call, CalledNews::Failed(403), out);
            return false;
        }
        called.stage = Stage::Ringing;
        called.until = now.at + RINGING;
        let number = called.number.clone();
        if let Some(by) = called.by
            && let Some(member) = self.people.get(&by)
        {
            out.play(by, &member.language, vec![Prompt::Calling]);
        }
        out.meeting(self.facts.id, MeetingOrder::DialOut { call, number });
        self.tell(now, EventKind::Dialling(call), out);
        true
    }

    /// Somebody who is called has answered, or has not.
    pub(crate) fn handle_called(
        &mut self,
        now: Now,
        call: TransactionId,
        news: CalledNews,
        out: &mut Outputs,
    ) {
        let Some(called) = self.called.get_mut(&call) else { return };
        match news {
            CalledNews::Answered if called.stage != Stage::Ringing => {}
            CalledNews::Answered if self.facts.settings.confirm_called => {
                called.stage = Stage::Confirming;
                called.until = now.at + CONFIRMATION;
                let language = called.language.clone();
                out.play(call, &language, vec![Prompt::Invited]);
            }
            CalledNews::Answered => self.welcome_called(now, call, out),
            CalledNews::Failed(status) => {
                let by = called.by.and_then(|by| self.people.get(&by));
                if let Some(member) = by {
                    out.play(member.call, &member.language, vec![Prompt::CannotCall]);
                }
                let was_dialled = called.stage != Stage::Asking;
                self.called.remove(&call);
                if was_dialled {
                    out.dismiss(call, Vec::new());
                }
                self.tell(now, EventKind::DialFailed(call, status), out);
                self.note_empty(now, out);
            }
        }
    }

    /// A key of somebody who is called.
    pub(super) fn confirm_called(
        &mut self,
        now: Now,
        call: TransactionId,
        key: DtmfKey,
        out: &mut Outputs,
    ) {
        let confirms = self.called.get(&call).is_some_and(|it| it.stage == Stage::Confirming);
        if confirms && key.symbol() == '1' {
            self.welcome_called(now, call, out);
        }
    }

    fn welcome_called(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        let Some(called) = self.called.remove(&call) else { return };
        let newcomer = Newcomer {
            call,
            role: Role::Attendee,
            name: called.number,
            attendee: None,
            language: called.language,
            capabilities: Capabilities::default(),
            has_said_name: false,
            invited: true,
            layout: None,
        };
        if self.join(now, newcomer, out).is_err() {
            out.dismiss(call, vec![Prompt::MeetingFull, Prompt::Goodbye]);
        }
    }
}
