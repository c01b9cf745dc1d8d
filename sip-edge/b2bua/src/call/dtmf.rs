//! Keys that go from one leg to the other in another form: INFO of a leg that becomes events or tones,
//! and INFO of ours for keys that the relay has heard.
//!
//! A leg gets one INFO at a time, so that the keys keep their order. What a key is never reaches a log.

use super::{Call, ClientPurpose};
use crate::context::Context;
use crate::dtmf::{ACCEPT, InfoBecomes, InfoBody, KeyFault, key_in};
use crate::edge::Output;
use directory::Dtmf;
use model::{DtmfConversion, DtmfPress, Instant, LegSide, MediaCommand, MediaId};
use sip_proto::{HeaderName, Message, Method, ServerKey};
use std::collections::VecDeque;
use std::time::Duration;

/// Keys that wait for the INFO before them. More are dropped and counted, the newest first: what was
/// typed keeps its order.
const WAITING: usize = 32;
/// A key that waited longer is dropped and counted: whoever asked for it has given up.
const OLDEST: Duration = Duration::from_secs(10);

/// The keys that a leg is told by INFO.
#[derive(Default)]
pub(crate) struct SentKeys {
    waiting: VecDeque<(DtmfPress, Instant)>,
    /// The one that the peer has not answered.
    in_flight: Option<(DtmfPress, Instant)>,
    form: InfoBody,
    /// The peer takes no such INFO.
    refused: bool,
}

impl SentKeys {
    /// The next key that may be sent at `now`; how many were dropped before it.
    fn next(&mut self, now: Instant) -> (Option<(DtmfPress, Instant)>, u64) {
        let mut dropped = 0;
        while let Some((press, since)) = self.waiting.pop_front() {
            if now.saturating_since(since) <= OLDEST {
                return (Some((press, since)), dropped);
            }
            dropped += 1;
        }
        (None, dropped)
    }
}

impl Call {
    /// Takes an INFO with a key if the other leg is to get it as an event or as tones: 200, since it
    /// is on its way; 400 for a body that is none, and 415 for one that is encoded. `false` leaves it
    /// to whoever passes INFO.
    pub(super) fn take_key(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) -> bool {
        let Some(becomes) = self.media.info_becomes(from) else { return false };
        let (Some(id), Some(found)) = (self.media.id(), key_in(request)) else { return false };
        let counters = &mut context.statistics.dtmf;
        let status = match found {
            Ok(_) => {
                match becomes {
                    InfoBecomes::Event => counters.info_to_events += 1,
                    InfoBecomes::Tones => counters.info_to_tones += 1,
                }
                200
            }
            Err(fault) => {
                counters.malformed += 1;
                if fault == KeyFault::Encoded { 415 } else { 400 }
            }
        };
        if let Ok(DtmfPress { key, duration }) = found {
            let leg = from.other();
            let command = MediaCommand::SendEvent { id, leg, key, duration };
            context.outputs.push_back(Output::Media(command));
        }
        let mut composer = self.legs[from.index()].response(context, request, status);
        if status == 415 {
            composer.header(HeaderName::Accept, ACCEPT);
            composer.header(HeaderName::AcceptEncoding, "identity");
        }
        context.respond(now, server, status, composer.finish());
        true
    }

    /// The relay has heard a key of `from` on stream `id`.
    pub(super) fn key_pressed(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        from: LegSide,
        press: DtmfPress,
    ) {
        if self.steered_key(context, now, id, from, press) {
            return;
        }
        let to = from.other();
        // Of a stream or a plan that is no more.
        let wanted = self.media.id() == Some(id) && self.media.dtmf(to) == Dtmf::Info;
        if !wanted || !self.is_live() {
            return;
        }
        if self.queue_key(context, now, to, press) {
            let counters = &mut context.statistics.dtmf;
            match self.media.conversion(from) {
                DtmfConversion::TonesToSignalling => counters.tones_to_info += 1,
                _ => counters.events_to_info += 1,
            }
            self.send_next_key(context, now, to);
        }
    }

    /// Sends a leg a key by INFO, after those that wait.
    pub(super) fn send_key_by_info(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        press: DtmfPress,
    ) {
        if self.queue_key(context, now, to, press) {
            self.send_next_key(context, now, to);
        }
    }

    fn queue_key(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        press: DtmfPress,
    ) -> bool {
        let leg = &mut self.legs[to.index()];
        let takes = leg.dialog.is_some() && !leg.refuses_info && !leg.keys.refused;
        if !takes || leg.keys.waiting.len() >= WAITING {
            context.statistics.dtmf.dropped += 1;
            return false;
        }
        leg.keys.waiting.push_back((press, now));
        true
    }

    /// The peer has answered an INFO with a key, or not at all.
    pub(super) fn key_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        status: u16,
    ) {
        let keys = &mut self.legs[to.index()].keys;
        let answered = keys.in_flight.take();
        if status >= 300 {
            let counters = &mut context.statistics.dtmf;
            counters.info_failed += 1;
            match (status, keys.form) {
                // It may know the shorter form.
                (415, InfoBody::Relay) => {
                    keys.form = InfoBody::Plain;
                    keys.waiting.extend(answered);
                    keys.waiting.rotate_right(usize::from(answered.is_some()));
                }
                // Not this time, or not at all (RFC 3261 sections 21.4.6, 21.4.13, 21.5.2).
                (405 | 415 | 489 | 501, _) => {
                    keys.refused = true;
                    counters.dropped += keys.waiting.len() as u64;
                    keys.waiting.clear();
                }
                _ => {}
            }
        }
        self.send_next_key(context, now, to);
    }

    fn send_next_key(&mut self, context: &mut Context, now: Instant, to: LegSide) {
        if !self.is_live() {
            return;
        }
        let leg = &mut self.legs[to.index()];
        if leg.keys.in_flight.is_some() {
            return;
        }
        let (next, dropped) = leg.keys.next(now);
        context.statistics.dtmf.dropped += dropped;
        let Some((press, since)) = next else { return };
        let cseq = leg.next_cseq();
        let form = leg.keys.form;
        let request = leg.request(context, Method::Info, cseq);
        let sent = request.and_then(|(mut composer, branch, flow)| {
            composer.header(HeaderName::UserAgent, &context.config.product);
            let body = form.write(press);
            let bytes = composer.body(Some(form.media_type()), body.as_bytes());
            context.send(now, flow, &branch, Method::Info, bytes)
        });
        match sent {
            Some(client) => {
                self.legs[to.index()].keys.in_flight = Some((press, since));
                self.open_client(context, client, ClientPurpose::Key(to));
            }
            // No room for a transaction: the next key tries again.
            None => context.statistics.dtmf.dropped += 1,
        }
    }
}
