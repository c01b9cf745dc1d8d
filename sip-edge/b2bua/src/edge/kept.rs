//! Calls that outlive the process.

use super::{Edge, Output};
use crate::call::Call;
use crate::config::Listener;
use crate::context::Context;
use crate::identity::ExpectedPeer;
use crate::kept::{Kept, SavedCall, SavedRequest};
use bytes::Bytes;
use model::{CallEnd, CallEventKind, EndedBy, Flow, Instant, LegSide, MediaCommand};
use sip_proto::{Message, Method};
use std::collections::HashMap;

impl Context {
    /// Tells what is to be kept of a call after something has happened to it.
    pub(super) fn keep(&mut self, call: &mut Call) {
        if !self.config.keep_calls {
            return;
        }
        let is_told = call.kept || call.owed.is_some();
        if !call.is_live() {
            self.forget_kept(call, is_told);
        } else if call.is_steady() {
            match call.saved(self) {
                Some(saved) => self.keep_as(call, saved),
                None => self.forget_kept(call, is_told),
            }
        } else if let Some(saved) = call.saved_before_leaving() {
            self.keep_as(call, saved);
        } else {
            call.keep_farewell(self);
        }
    }

    fn keep_as(&mut self, call: &mut Call, saved: SavedCall) {
        (call.kept, call.owed) = (true, None);
        self.outputs.push_back(Output::Kept(Kept::Is(Box::new(saved))));
    }

    fn forget_kept(&mut self, call: &mut Call, is_told: bool) {
        (call.kept, call.owed) = (false, None);
        if is_told {
            self.outputs.push_back(Output::Kept(Kept::Ended(call.id)));
        }
    }

    /// Says what peers of a call from before this process are owed. The answers are of no use to
    /// anybody but their transactions, and one to an INVITE is hung up.
    fn say_farewell(&mut self, now: Instant, request: &SavedRequest) -> Option<()> {
        let octets = Bytes::from(request.text.clone());
        let message = Message::parse(octets.clone(), &self.config.limits).ok()?;
        let branch = message.top_via().ok()?.branch?.to_owned();
        let method = message.method()?;
        let mut flow = Flow::new(request.protocol, request.local, request.remote);
        // The address that the peer knows is ours no more.
        let is_ours = |l: &Listener| l.protocol == flow.protocol && l.local == flow.local;
        self.config.listeners.iter().any(is_ours).then_some(())?;
        if let Some(ExpectedPeer { name, policy }) =
            request.identity.as_ref().and_then(|of| of.peer())
        {
            flow.identity = self.identity_of(&name, &policy);
        }
        let client = self.send(now, flow, &branch, method, octets)?;
        if method == Method::Invite {
            let _ = self.endpoint.cancel(now, client, self.random.as_mut());
        }
        Some(())
    }
}

impl Edge {
    /// Takes up the calls of the configuration that can be: they are where they were in the table, so
    /// that their streams keep their ids. The others are told as ended.
    pub(super) fn restore_calls(&mut self) {
        let begun = self.context.config.begun;
        let calls = std::mem::take(&mut self.context.config.calls);
        let mut restored = Vec::new();
        for saved in calls.iter() {
            let connector = self.context.directory.voice_connector(&saved.voice_connector);
            let connector = connector.cloned();
            let call = connector
                .and_then(|connector| Call::restored(&mut self.context, saved, &connector));
            match call {
                Some(call) => restored.push((call.key, Box::new(call))),
                None => self.give_up(saved),
            }
        }
        let (keys, refused) = self.calls.restore(restored);
        for call in refused {
            if let Some(saved) = calls.iter().find(|saved| saved.transaction_id == call.id) {
                self.give_up(saved);
            }
        }
        let saved: HashMap<_, _> =
            calls.iter().map(|saved| (saved.transaction_id, saved)).collect();
        for key in keys {
            let Some(mut call) = self.calls.take(key) else { continue };
            for side in LegSide::BOTH {
                call.register_leg(&mut self.context, side);
            }
            self.context.own_media.extend(call.media_addresses());
            if let Some(saved) = saved.get(&call.id) {
                call.count_in(&mut self.context, saved);
                if let Some(transfer) = &saved.transfer {
                    call.fail_transfer(&mut self.context, begun, transfer);
                }
            }
            self.put_back(begun, key, call);
        }
    }

    /// Tells the peers of calls that were being transferred, and cannot be taken up, that these are
    /// over.
    pub(super) fn say_farewells(&mut self) {
        let begun = self.context.config.begun;
        let farewells = std::mem::take(&mut self.context.config.farewells);
        for farewell in farewells.iter() {
            for request in &farewell.requests {
                let _ = self.context.say_farewell(begun, request);
            }
            let ended = Kept::Ended(farewell.transaction_id);
            self.context.outputs.push_back(Output::Kept(ended));
        }
        self.observe_transmits(begun);
    }

    /// A call that cannot be taken up: its peers are told nothing, and its stream ends.
    fn give_up(&mut self, saved: &SavedCall) {
        let (begun, id) = (self.context.config.begun, saved.transaction_id);
        self.context.outputs.push_back(Output::Kept(Kept::Ended(id)));
        let release = |id| Output::Media(MediaCommand::Release { id });
        self.context.outputs.extend(saved.streams().map(release));
        let cause = "the edge was started anew and could not take it up";
        let end = CallEnd { status: 200, cause, ended_by: EndedBy::Edge, refusal: None };
        self.context.event(id, begun, CallEventKind::Ended(end));
    }
}
