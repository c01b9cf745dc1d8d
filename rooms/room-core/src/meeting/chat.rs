//! Texts, and who shows a screen.

use super::{By, Meeting, Refused, Role};
use crate::output::{ChatMessage, Now, Output, Outputs};
use crate::settings::FloorPolicy;
use model::TransactionId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Characters of a text.
pub const MOST_CHAT: usize = 1_000;
/// Texts that a meeting keeps for who comes late; the oldest go.
pub const KEPT_CHAT: usize = 200;
/// Texts of one person in [`CHAT_SPAN`].
const CHAT_RATE: u32 = 10;
const CHAT_SPAN: Duration = Duration::from_secs(10);

impl Meeting {
    /// What was written, oldest first.
    pub(crate) fn chat(&self) -> &VecDeque<Arc<ChatMessage>> {
        &self.chat
    }

    pub(super) fn say(
        &mut self,
        now: Now,
        by: By,
        text: &str,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let By::Call(call) = by else { return Err(Refused::NotAllowed) };
        let member = self.people.get_mut(&call).ok_or(Refused::NobodyThere)?;
        let is_text = |c: char| !c.is_control() || c == '\n';
        let text: String = text.chars().filter(|c| is_text(*c)).take(MOST_CHAT + 1).collect();
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MOST_CHAT {
            return Err(Refused::Malformed);
        }
        if now.at - member.chat_since >= CHAT_SPAN {
            (member.chat_since, member.chat_count) = (now.at, 0);
        }
        if member.chat_count >= CHAT_RATE {
            return Err(Refused::TooFast);
        }
        member.chat_count += 1;
        self.last_message += 1;
        let message = Arc::new(ChatMessage {
            number: self.last_message,
            at: now.unix,
            from: call,
            name: member.name.clone(),
            text: text.to_owned(),
        });
        if self.chat.len() >= KEPT_CHAT {
            self.chat.pop_front();
        }
        self.chat.push_back(message.clone());
        out.queue.push_back(Output::Chat { meeting: self.facts.id, message });
        Ok(())
    }

    /// Who shows a screen.
    pub(crate) fn floor(&self) -> Option<TransactionId> {
        self.floor
    }

    /// A floor control server asks it for each request (RFC 8855 section 5.1), and a browser's page
    /// does: nobody else than who is granted it may show a screen.
    pub(super) fn take_floor(
        &mut self,
        by: By,
        call: TransactionId,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if by != By::Call(call) {
            return Err(Refused::NotAllowed);
        }
        let member = self.people.get(&call).ok_or(Refused::NobodyThere)?;
        let moderates = member.role == Role::Moderator;
        match self.facts.settings.floor {
            FloorPolicy::Everyone => {}
            FloorPolicy::Moderators if moderates => {}
            FloorPolicy::Moderators => return Err(Refused::ModeratorsOnly),
            FloorPolicy::Nobody => return Err(Refused::NotAllowed),
        }
        if !member.capabilities.content.sends() {
            return Err(Refused::NotAllowed);
        }
        match self.floor {
            Some(holder) if holder == call => return Ok(()),
            Some(_) if !moderates => return Err(Refused::Full),
            Some(holder) => self.forget_floor(holder, out),
            None => {}
        }
        self.floor = Some(call);
        out.queue.push_back(Output::Floor { meeting: self.facts.id, call, granted: true });
        Ok(())
    }

    pub(super) fn leave_floor(
        &mut self,
        by: By,
        call: TransactionId,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if by != By::Call(call) {
            self.moderator(by)?;
        }
        self.forget_floor(call, out);
        Ok(())
    }

    pub(super) fn forget_floor(&mut self, call: TransactionId, out: &mut Outputs) {
        if self.floor == Some(call) {
            self.floor = None;
            let meeting = self.facts.id;
            out.queue.push_back(Output::Floor { meeting, call, granted: false });
        }
    }
}
