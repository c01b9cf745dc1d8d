//! `offer` and `answer`.

use crate::call::{Call, MAX_DIALOGUES};
use crate::control::{Control, Served, Ticket, result};
use crate::dialogue::{Dialogue, Party, Waiting};
use crate::negotiation::Offered;
use crate::request::Request;
use crate::value::Dictionary;
use model::{
    AllocationFailure, Instant, LegSide, LocalMedia, MediaCommand, MediaId, MediaLine,
    TransactionId,
};
use sdp::{Encryption, OriginState};
use std::time::Duration;

/// Offers of one stream that wait for its ports.
const MAX_WAITING: usize = 8;
/// How long they wait: a relay that does not answer is overloaded.
const PATIENCE: Duration = Duration::from_secs(4);

impl Control {
    pub(crate) fn serve_offer(
        &mut self,
        now: Instant,
        mut ticket: Ticket,
        request: Request,
        draw: &mut dyn FnMut() -> u64,
    ) {
        let (at, side) = match self.dialogue_of_offer(now, &request, draw) {
            Ok(found) => found,
            Err(Refusal::Overloaded(reason)) if request.flags.load_limit => {
                let mut reply = result("load limit");
                reply.set("message", reason);
                return self.reply(&ticket, reply);
            }
            Err(Refusal::Overloaded(reason)) => {
                return self.fail(&ticket, &request.call_id, reason.to_owned());
            }
            Err(Refusal::Fault(reason)) => return self.fail(&ticket, &request.call_id, reason),
        };
        ticket.warning = self.heed_record_call(&request, draw);
        self.request_lines(&request, at, side);
        let Some(call) = self.calls.get_mut(&request.call_id) else { return };
        call.last_signal = now;
        let dialogue = &mut call.dialogues[at];
        dialogue.last_signal = now;
        let media = dialogue.media;
        if dialogue.waits_for_ports() {
            if dialogue.waiting.len() >= MAX_WAITING {
                let reason = "Too many offers wait for ports".to_owned();
                return self.fail(&ticket, &request.call_id, reason);
            }
            dialogue.waiting.push(Waiting { ticket, request: Box::new(request), since: now });
            return;
        }
        self.doomed.remove(&media);
        self.finish_offer(&ticket, &request, media, draw);
    }

    /// The place of the offer's dialogue in its call, and who offers; both are made where there is
    /// none.
    fn dialogue_of_offer(
        &mut self,
        now: Instant,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<(usize, LegSide), Refusal> {
        let known = self.calls.get(&request.call_id);
        if let Some(found) = known.and_then(|call| call.for_offer(request)) {
            return Ok(found);
        }
        if known.is_none() && self.calls.len() >= self.config.max_calls {
            self.totals.rejected += 1;
            return Err(Refusal::Overloaded("Too many calls"));
        }
        if known.is_some_and(|call| call.dialogues.len() >= MAX_DIALOGUES) {
            return Err(Refusal::Fault("Too many branches of one call".to_owned()));
        }
        // Before anything is made: a bad offer leaves nothing behind.
        let offered = Offered::read(request, Encryption::Mirror)
            .map_err(|fault| Refusal::Fault(fault.to_string()))?;
        let families =
            offered.families(request).map_err(|fault| Refusal::Fault(fault.to_string()))?;
        let media = self.new_media(&request.call_id);
        let call = self.calls.entry(request.call_id.clone()).or_insert_with(|| {
            self.totals.managed += 1;
            let bits = u128::from(draw()) << 64 | u128::from(draw());
            let transaction_id = TransactionId::from_random(bits);
            let (dialogues, recording) = (Vec::new(), None);
            Call { transaction_id, created: now, last_signal: now, dialogues, recording }
        });
        let mut origin = || {
            // Some devices keep sess-id in 63 bits.
            OriginState::new(draw() >> 1).with_fingerprint(self.config.fingerprint)
        };
        let mut parties = [
            Party::new(request.from_tag.clone(), now, origin()),
            Party::new(request.to_tag.clone(), now, origin()),
        ];
        parties[0].origin.start_leg(Encryption::Mirror);
        call.dialogues.push(Dialogue {
            media,
            families,
            branch: request.via_branch.clone(),
            parties,
            local: None,
            lines: Vec::new(),
            waiting: Vec::new(),
            offer: None,
            answered: false,
            transcodes: false,
            repacketizes: false,
            opus_bitrate: None,
            last_signal: now,
        });
        let (at, transaction_id) = (call.dialogues.len() - 1, call.transaction_id);
        let emergency = false;
        let line = MediaLine::Main;
        self.order(MediaCommand::Allocate { id: media, transaction_id, families, emergency, line });
        Ok((at, LegSide::A))
    }

    /// Rewrites an offer whose streams have ports, and answers the proxy.
    fn finish_offer(
        &mut self,
        ticket: &Ticket,
        request: &Request,
        media: MediaId,
        draw: &mut dyn FnMut() -> u64,
    ) {
        let Some(call) = self.calls.get_mut(&request.call_id) else { return };
        let found = call.for_offer(request).filter(|(at, _)| call.dialogues[*at].media == media);
        let Some((at, side)) = found else {
            let reason = "The call was deleted".to_owned();
            return self.fail(ticket, &request.call_id, reason);
        };
        let dialogue = &mut call.dialogues[at];
        if dialogue.party(side).tag.is_none() {
            dialogue.party_mut(side).tag.clone_from(&request.from_tag);
        }
        match dialogue.take_offer(side, request, draw) {
            Ok(text) => {
                let plan = (!dialogue.answered).then(|| dialogue.plan());
                if let Some(plan) = plan {
                    self.order(plan);
                }
                self.reply(ticket, with_sdp(text));
            }
            Err(reason) => {
                if dialogue.offer.is_none() {
                    self.remove(&request.call_id, &[media]);
                } else {
                    let gone = dialogue.take_unoffered_lines(side.other());
                    self.release_lines(gone);
                }
                self.fail(ticket, &request.call_id, reason);
            }
        }
    }

    pub(crate) fn serve_answer(
        &mut self,
        now: Instant,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Served {
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        let (at, side) = call.for_answer(request).ok_or("No offer has these tags")?;
        call.last_signal = now;
        let dialogue = &mut call.dialogues[at];
        dialogue.last_signal = now;
        let text = dialogue.take_answer(side, request, draw)?;
        let plan = dialogue.plan();
        let lines = dialogue.plan_lines();
        let unused = dialogue.take_unused_lines();
        self.order(plan);
        lines.into_iter().for_each(|plan| self.order(plan));
        self.release_lines(unused);
        let warning = self.heed_record_call(request, draw);
        let mut reply = with_sdp(text);
        if let Some(warning) = warning {
            reply.set("warning", warning);
        }
        Ok(Some(reply))
    }

    /// The relay has ports for a stream.
    pub(crate) fn allocated(
        &mut self,
        now: Instant,
        id: MediaId,
        local: [LocalMedia; 2],
        draw: &mut dyn FnMut() -> u64,
    ) {
        let Some((call_id, at)) = self.place_of(id) else {
            // A line that was given up; what was deleted meanwhile is released by that.
            if self.streams.remove(&id).is_some() {
                self.order(MediaCommand::Release { id });
            }
            return;
        };
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        let dialogue = &mut call.dialogues[at];
        dialogue.last_signal = now;
        match dialogue.lines.iter_mut().find(|line| line.media == id) {
            Some(line) => line.local = Some(local),
            None => dialogue.local = Some(local),
        }
        let media = dialogue.media;
        self.record_stream(&call_id, id);
        self.finish_waiting(&call_id, media, draw);
    }

    /// Goes on with the offers of a dialogue once the relay has answered for all of its streams.
    pub(crate) fn finish_waiting(
        &mut self,
        call_id: &str,
        media: MediaId,
        draw: &mut dyn FnMut() -> u64,
    ) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let dialogue = call.dialogues.iter_mut().find(|d| d.media == media);
        let Some(dialogue) = dialogue.filter(|d| !d.waits_for_ports()) else { return };
        dialogue.lines.iter_mut().for_each(|line| line.fresh = false);
        for waiting in std::mem::take(&mut dialogue.waiting) {
            self.finish_offer(&waiting.ticket, &waiting.request, media, draw);
        }
    }

    /// The relay has no ports for a stream.
    pub(crate) fn allocation_failed(
        &mut self,
        id: MediaId,
        reason: AllocationFailure,
        draw: &mut dyn FnMut() -> u64,
    ) {
        let place = self.place_of(id);
        let dialogue = place.and_then(|(call_id, at)| self.calls.get(&call_id)?.dialogues.get(at));
        if dialogue.is_none_or(|dialogue| dialogue.media != id) {
            self.line_refused(id, draw);
            self.streams.remove(&id);
            return;
        }
        let reason = match reason {
            AllocationFailure::PortsExhausted => "Ran out of ports: widen [media] ports".to_owned(),
            AllocationFailure::NoAddress(family) => {
                format!("[media] bind has no address of the family {family:?}")
            }
            AllocationFailure::Socket => "No socket: raise the limit of open files".to_owned(),
            AllocationFailure::Overloaded => "The relay is overloaded".to_owned(),
            AllocationFailure::Unavailable => "The relay is not there".to_owned(),
        };
        self.totals.rejected += 1;
        self.abandon(id, &reason);
    }

    /// Forgets a stream that never had ports, and tells those who wait for it.
    fn abandon(&mut self, id: MediaId, reason: &str) {
        let Some(call_id) = self.streams.remove(&id) else { return };
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        let at = call.dialogues.iter().position(|d| d.media == id);
        let mut dialogue = at.map(|at| call.dialogues.remove(at));
        let lines = dialogue.as_mut().map(|d| std::mem::take(&mut d.lines)).unwrap_or_default();
        if call.dialogues.is_empty() {
            self.calls.remove(&call_id);
        }
        for waiting in dialogue.into_iter().flat_map(|dialogue| dialogue.waiting) {
            self.fail(&waiting.ticket, &call_id, reason.to_owned());
        }
        self.release_lines(lines);
    }

    /// Gives up streams that the relay does not answer for.
    pub(crate) fn abandon_overdue(&mut self, now: Instant, draw: &mut dyn FnMut() -> u64) {
        let is_overdue = |d: &Dialogue| {
            d.waiting.first().is_some_and(|first| now.saturating_since(first.since) >= PATIENCE)
        };
        let overdue: Vec<(String, MediaId, bool)> = self
            .calls
            .iter()
            .flat_map(|(call_id, call)| {
                let overdue = call.dialogues.iter().filter(|d| is_overdue(d));
                overdue.map(|d| (call_id.clone(), d.media, d.local.is_some()))
            })
            .collect();
        for (call_id, id, has_main) in overdue {
            if has_main {
                self.give_up_lines(&call_id, id, draw);
                continue;
            }
            self.totals.rejected += 1;
            self.abandon(id, "The relay is overloaded");
            // It may still come.
            self.order(MediaCommand::Release { id });
        }
    }
}

/// Why no dialogue was made.
enum Refusal {
    Overloaded(&'static str),
    Fault(String),
}

fn with_sdp(text: Vec<u8>) -> Dictionary {
    let mut reply = result("ok");
    reply.set("sdp", text);
    reply
}
