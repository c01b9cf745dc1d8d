//! Ends of calls, and their records.

use super::{CLOSED_AT_ONCE, Recorder};
use crate::Numbers;
use crate::calendar;
use crate::cdr::Billed;
use crate::tracked::Node;
use model::{CallEnd, EndedBy, Instant, TransactionId, UnixTime};
use outbox::RecordKind;

impl Recorder {
    pub(super) fn end(&mut self, id: TransactionId, at: Instant, end: CallEnd) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(parties) = call.parties.clone().filter(|_| call.ended.is_none()) else { return };
        // 487: the caller gave up, and nobody failed (RFC 3261 section 15.1.2).
        let failed = call.answered.is_none() && end.status != 487;
        let (cause, meeting) = (call.cause_of(&end), call.first_meeting().map(str::to_owned));
        let billed = Billed {
            account_id: &self.config.account_id,
            region: &self.config.region,
            transaction_id: id,
            parties: &parties,
            began: UnixTime::default(),
            ended: UnixTime::default(),
            talk: call.answered.map(|answered| at.saturating_since(answered)),
            status: end.status,
            cause: &cause,
            streaming: call.streaming == Some(Ok(())),
            is_recorded: call.is_recorded(),
            meeting: meeting.as_deref(),
            numbers: &self.config.privacy.cdrs.file,
        };
        let node = Node {
            name: &self.config.node,
            region: &self.config.region,
            origin: self.config.origin,
        };
        let billed = Billed { began: node.unix(call.began()), ended: node.unix(at), ..billed };
        self.page.call_ended(&parties.voice_connector, parties.direction, billed.talk, failed);
        if call.steered {
            self.minutes.steered_ended(at, &parties.voice_connector, parties.direction);
        }
        self.minutes.call_ended(at, &parties.voice_connector, parties.direction, failed);
        let documents = self
            .config
            .privacy
            .cdrs
            .made(|numbers| Billed { numbers, ..billed.clone() }.documents(self.config.cdr));
        let refusal = end.refusal;
        call.ended = Some((at, end));
        Self::count_unheard_over(&self.page, call, &parties);
        if let Some(refusal) = refusal {
            self.count_refusal(at, refusal, Some(&parties.voice_connector));
        }
        if failed && let Some(call) = self.calls.get(&id) {
            self.count_carrier_failure(call);
        }
        self.ended.push_back(id);
        self.trace_end(id);
        for (documents, reach) in documents {
            for (path, body) in documents {
                self.write_each(&path, vec![(body, reach)], RecordKind::WholeFile);
            }
        }
    }

    /// Writes the records of calls that ended and have all they wait for.
    pub(super) fn close_ended(&mut self, now: Instant) {
        let (linger, final_wait) = (self.config.linger, self.config.final_wait);
        let calls = &self.calls;
        let mut due = Vec::new();
        self.ended.retain(|id| {
            let Some(call) = calls.get(id) else { return false };
            let Some((at, _)) = &call.ended else { return false };
            let waited = now.saturating_since(*at);
            let complete = call.media.is_none() || call.legs.iter().all(|leg| leg.is_final);
            let is_due = due.len() < CLOSED_AT_ONCE
                && (waited >= final_wait || (complete && waited >= linger));
            if is_due {
                due.push(*id);
            }
            !is_due
        });
        for id in due {
            self.close(id, now);
        }
    }

    /// Finds calls whose beginning or end was lost.
    pub(super) fn sweep(&mut self, now: Instant) {
        let (orphan_after, idle_after) = (self.config.orphan_after, self.config.idle_after);
        let lost: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| {
                let limit = if call.parties.is_none() { orphan_after } else { idle_after };
                now.saturating_since(call.last_seen) >= limit
            })
            .map(|(id, _)| *id)
            .take(CLOSED_AT_ONCE)
            .collect();
        for id in lost {
            self.close_lost(id, now, "nothing was heard of the call any more");
        }
    }

    pub(super) fn close_lost(&mut self, id: TransactionId, now: Instant, cause: &'static str) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.parties.is_none() {
            self.calls.remove(&id);
            self.orphans = self.orphans.saturating_sub(1);
            return;
        }
        if call.ended.is_none() {
            let status = if call.answered.is_some() { 200 } else { 0 };
            let end = CallEnd { status, cause, ended_by: EndedBy::Edge, refusal: None };
            self.end(id, now, end);
        }
        self.close(id, now);
    }

    fn close(&mut self, id: TransactionId, now: Instant) {
        if self.calls.get(&id).is_some_and(|c| c.legs.iter().any(|leg| leg.unlogged)) {
            self.log_quality(id);
        }
        let Some(call) = self.calls.remove(&id) else { return };
        let Some((at, end)) = &call.ended else { return };
        let node = self.node();
        let path = format!("calls/{}.jsonl", calendar::day(node.unix(*at)));
        let numbers = &self.config.privacy.history;
        if let Some(body) = call.record(id, &node, numbers, *at, end) {
            if call.transactions.is_some() {
                // Traces have a setting of their own.
                let whole = match *numbers {
                    Numbers::Plain => body.clone(),
                    Numbers::Masked { .. } | Numbers::Hashed(_) => {
                        call.record(id, &node, &Numbers::Plain, *at, end).unwrap_or_default()
                    }
                };
                self.trace_close(id, call, now, whole);
            }
            self.write(path, body, RecordKind::AppendLine);
        }
    }
}
