//! Texts.

use super::{By, Meeting, Refused};
use crate::output::{ChatMessage, Now, Output, Outputs};
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
}
