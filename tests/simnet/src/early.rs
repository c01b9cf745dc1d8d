//! What a random endpoint does before the answer: reliable provisional responses and their PRACKs
//! (RFC 3262), forks, early UPDATEs.

use crate::endpoint::{Actor, Deed};
use bytes::Bytes;
use model::Instant;
use sip_proto::{Composer, Dialog, HeaderName, Message};
use std::time::Duration;

/// The reliable provisional responses of one call.
#[derive(Default)]
pub(crate) struct ReliableRing {
    last: u32,
    /// Number, bytes, next interval, end.
    outstanding: Option<(u32, Bytes, Duration, Instant)>,
}

impl Actor {
    /// Rings: as one of several telephones now and then, and reliably if the other side can.
    pub(crate) fn ring(&mut self, now: Instant, index: usize, status: u16) {
        let Some((key, invite)) = self.calls[index].invited.clone() else { return };
        let able = invite.has_option_tag(HeaderName::Supported, "100rel");
        let tag = self.calls[index].tag.clone();
        let forked = self.rng.percent(15);
        let tag = if forked { format!("{tag}-{}", self.rng.below(4)) } else { tag };
        let free = self.calls[index].reliable.outstanding.is_none();
        let plain = !able || !free || self.rng.percent(40);
        if !forked && plain {
            self.reply_invite(now, index, status);
            return;
        }
        let offers = invite.body_bytes().is_empty();
        let describes = status == 183 || (offers && !forked);
        let body = describes.then(|| self.description(index, "sendrecv"));
        let reliable = &mut self.calls[index].reliable;
        reliable.last = if reliable.last == 0 { 77 } else { reliable.last + 1 };
        let number = reliable.last;
        let raw = self.reliable_response(&tag, &invite, status, number, body.as_deref());
        if self.endpoint.respond(now, key, status, raw.clone()).is_err() || forked {
            return;
        }
        let t1 = Duration::from_millis(500);
        self.calls[index].reliable.outstanding = Some((number, raw, t1, now + 64 * t1));
        self.plan(now + t1, index, Deed::RepeatRing);
    }

    fn reliable_response(
        &self,
        tag: &str,
        invite: &Message,
        status: u16,
        number: u32,
        body: Option<&str>,
    ) -> Bytes {
        let reason = sip_proto::default_reason(status);
        let mut composer = Composer::response_to(invite, status, reason, Some(tag));
        composer
            .header_args(HeaderName::Contact, format_args!("<sip:inner@{}>", self.at))
            .header(HeaderName::Require, "100rel")
            .header_args(HeaderName::RSeq, format_args!("{number}"));
        match body.map(|body| self.secured_response(invite, body)) {
            Some(body) => composer.body(Some("application/sdp"), body.as_bytes()),
            None => composer.finish(),
        }
    }

    pub(crate) fn repeat_ring(&mut self, now: Instant, index: usize) {
        let Some((key, _)) = self.calls[index].invited.clone() else { return };
        let reliable = &mut self.calls[index].reliable;
        let Some((_, raw, interval, end)) = &mut reliable.outstanding else { return };
        if now >= *end {
            reliable.outstanding = None;
            self.reply_invite(now, index, 504);
            return;
        }
        *interval *= 2;
        let (raw, next) = (raw.clone(), now + *interval);
        let _ = self.endpoint.respond(now, key, 183, raw);
        self.plan(next, index, Deed::RepeatRing);
    }

    /// Most hold their answer back until the PRACK came (section 3), some do not.
    pub(crate) fn waits_for_prack(&mut self, index: usize) -> bool {
        self.calls[index].reliable.outstanding.is_some() && self.rng.percent(90)
    }

    pub(crate) fn pracked(&mut self, index: usize, prack: &Message) {
        let number = prack.rack().ok().flatten().map(|rack| rack.rseq);
        let reliable = &mut self.calls[index].reliable;
        if reliable.outstanding.as_ref().is_some_and(|out| Some(out.0) == number) {
            reliable.outstanding = None;
        }
    }

    /// A provisional response to our INVITE.
    pub(crate) fn progressed(&mut self, now: Instant, index: usize, response: &Message) {
        let Some(rseq) = response.rseq().ok().flatten() else { return };
        let Ok(dialog) = Dialog::from_response_uac(response) else { return };
        let known = (dialog.remote_tag().to_owned(), rseq);
        let call = &mut self.calls[index];
        if call.dialog.is_some() || call.pracked.contains(&known) {
            return;
        }
        call.early.get_or_insert(dialog);
        call.pracked.push(known);
        // One in twenty-five never acknowledges.
        if self.rng.percent(4) {
            return;
        }
        let owes = !self.calls[index].sent_offer && !response.body_bytes().is_empty();
        let body = (owes || self.rng.percent(15)).then(|| self.description(index, "sendrecv"));
        let number = response.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let rack = format!("{rseq} {number} INVITE");
        self.request_with(now, index, "PRACK", Some(("RAck", &rack)), body);
        if self.rng.percent(30) {
            let after = self.rng.millis(0, 2_000);
            self.plan(now + after, index, Deed::EarlyUpdate);
        }
    }

    pub(crate) fn early_update(&mut self, now: Instant, index: usize) {
        if self.calls[index].inviting.is_some() && self.calls[index].dialog.is_none() {
            let body = self.rng.percent(70).then(|| self.description(index, "sendonly"));
            self.request(now, index, "UPDATE", body);
        }
    }
}
