//! `delete`, delayed deletions, and calls that are deleted because nothing comes.

use crate::call::Call;
use crate::control::{Control, Notice, Served, Ticket, result};
use crate::dialogue::Dialogue;
use crate::query::Question;
use crate::request::Request;
use crate::statistics::Timeout;
use model::{Instant, LegSide, MediaCommand, MediaId};
use std::time::Duration;

/// The longest delay of a deletion.
const MAX_DELAY: Duration = Duration::from_secs(3_600);
const UNKNOWN: &str = "Call-ID not found or tags didn't match";

impl Control {
    pub(crate) fn serve_delete(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
    ) -> Served {
        let named = self.calls.get(&request.call_id).map(|call| call.for_deletion(request));
        let named = named.unwrap_or_default();
        if named.is_empty() {
            if request.flags.fatal {
                return Err(UNKNOWN.to_owned());
            }
            let mut reply = result("ok");
            reply.set("warning", UNKNOWN);
            return Ok(Some(reply));
        }
        let asked = request.flags.delete_delay.map(Duration::from_secs);
        let delay = asked.unwrap_or(self.config.delete_delay).min(MAX_DELAY);
        self.totals.regular += 1;
        if !delay.is_zero() {
            self.doomed.extend(named.iter().map(|media| (*media, now + delay)));
            return self.ask(now, ticket, request, &named);
        }
        if let Some(gone) = self.remove(&request.call_id, &named) {
            // Their last reports are the reply.
            self.let_wait(Question::of_deleted(now, ticket.clone(), gone));
        }
        self.answer_complete_questions();
        Ok(None)
    }

    /// Takes streams out of a call and releases them.
    pub(crate) fn remove(&mut self, call_id: &str, named: &[MediaId]) -> Option<Call> {
        let call = self.calls.get_mut(call_id)?;
        let all = std::mem::take(&mut call.dialogues);
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|dialogue| named.contains(&dialogue.media));
        let (transaction_id, created) = (call.transaction_id, call.created);
        let (last_signal, recording) = (call.last_signal, call.recording.clone());
        call.dialogues = kept;
        if call.dialogues.is_empty() {
            self.calls.remove(call_id);
        }
        let mut gone = Call { transaction_id, created, last_signal, dialogues: gone, recording };
        for dialogue in &mut gone.dialogues {
            self.streams.remove(&dialogue.media);
            self.doomed.remove(&dialogue.media);
            LegSide::BOTH.into_iter().for_each(|leg| self.forget_play((dialogue.media, leg)));
            self.order(MediaCommand::Release { id: dialogue.media });
            for line in dialogue.lines.iter().filter(|line| line.local.is_some()) {
                self.streams.remove(&line.media);
                self.order(MediaCommand::Release { id: line.media });
            }
            for waiting in std::mem::take(&mut dialogue.waiting) {
                self.fail(&waiting.ticket, call_id, "The call was deleted".to_owned());
            }
        }
        Some(gone)
    }

    /// Deletes what is due or silent for too long.
    pub(crate) fn sweep(&mut self, now: Instant, draw: &mut dyn FnMut() -> u64) {
        self.abandon_overdue(now, draw);
        let due: Vec<MediaId> =
            self.doomed.iter().filter(|(_, at)| **at <= now).map(|(media, _)| *media).collect();
        for media in due {
            if let Some(call_id) = self.streams.get(&media).cloned()
                && let Some(gone) = self.remove(&call_id, &[media])
            {
                self.totals.note_over(now, &gone);
            }
            self.doomed.remove(&media);
        }
        let (timeout, silent) = (self.config.timeout, self.config.silent_timeout);
        let is_silent = |dialogue: &Dialogue| {
            let patience = if dialogue.answered && !dialogue.is_held() {
                timeout
            } else {
                silent.max(timeout)
            };
            now.saturating_since(dialogue.last_sign_of_life()) >= patience
        };
        let silent: Vec<(String, MediaId)> = self
            .calls
            .iter()
            .flat_map(|(call_id, call)| {
                let silent = call.dialogues.iter().filter(|d| is_silent(d));
                silent.map(|d| (call_id.clone(), d.media))
            })
            .collect();
        for (call_id, media) in silent {
            if let Some(gone) = self.remove(&call_id, &[media]) {
                gone.dialogues.iter().for_each(|d| self.totals.note_timeout(timeout_of(d)));
                self.totals.note_over(now, &gone);
            }
            self.notice(Notice::TimedOut { call_id });
        }
    }
}

fn timeout_of(dialogue: &Dialogue) -> Timeout {
    match dialogue.answered {
        false => Timeout::Offer,
        true if dialogue.is_held() => Timeout::Hold,
        true => Timeout::Media,
    }
}
