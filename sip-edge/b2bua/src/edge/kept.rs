//! Calls that outlive the process.

use super::{Edge, Output};
use crate::call::Call;
use crate::context::Context;
use crate::kept::{Kept, SavedCall};
use directory::VoiceConnector;
use model::{CallEnd, CallEventKind, EndedBy, LegSide, MediaCommand, TransactionId};
use std::collections::HashMap;
use std::sync::Arc;

impl Context {
    /// Tells what is to be kept of a call after something has happened to it.
    pub(super) fn keep(&mut self, call: &mut Call) {
        if !self.config.keep_calls {
            return;
        }
        let is_told = call.kept || call.owed.is_some();
        if !call.is_live() {
            if !call.keep_setup(self) {
                self.forget_kept(call, is_told);
            }
        } else if call.is_steady() {
            match call.saved(self) {
                Some(saved) => self.keep_as(call, saved),
                // It is not taken up: the client hears of it, and may send another.
                None if call.is_recording() || call.is_steered() => {
                    call.kept = false;
                    call.keep_farewell(self);
                }
                None => self.forget_kept(call, is_told),
            }
        } else if let Some(saved) = call.saved_before_leaving() {
            self.keep_as(call, saved);
        } else if !call.keep_setup(self) {
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
}

impl Edge {
    /// Takes up the calls of the configuration that can be: they are where they were in the table, so
    /// that their streams keep their ids. The others are told as ended.
    pub(super) fn restore_calls(&mut self) {
        let begun = self.context.config.begun;
        let calls = std::mem::take(&mut self.context.config.calls);
        let mut restored = Vec::new();
        for saved in calls.iter() {
            let id = &saved.parties.voice_connector;
            let connector = self.context.directory.connector_of_calls(id);
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
            call.tell_of_listeners(&mut self.context, begun);
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
                let context = &mut self.context;
                // The answers are of no use to anybody but their transactions, and one to an INVITE is
                // hung up. What is no INVITE is not there to be cancelled.
                if let Some(client) = context.send_saved(begun, request) {
                    let _ = context.endpoint.cancel(begun, client, context.random.as_mut());
                }
            }
            let ended = Kept::Ended(farewell.transaction_id);
            self.context.outputs.push_back(Output::Kept(ended));
        }
        self.observe_transmits(begun);
    }

    /// Ends calls that were being set up before this process began, so that nobody rings or waits in
    /// vain. Those that find no room in the table are closed without a word to their peers.
    pub(super) fn end_lost_setups(&mut self) {
        let begun = self.context.config.begun;
        let setups = std::mem::take(&mut self.context.config.setups);
        for saved in setups.iter() {
            if self.calls.is_full() {
                self.close_record(saved.transaction_id, !saved.has_ended);
                continue;
            }
            let id = &saved.parties.voice_connector;
            let connector = self.context.directory.connector_of_calls(id).cloned();
            // Its peers hear of the end even if the voice connector is gone.
            let connector = connector.unwrap_or_else(|| Arc::new(VoiceConnector::new(id.clone())));
            let key = self.calls.reserve();
            let call = Call::of_lost_setup(&mut self.context, key, saved, &connector);
            // The messages that end it belong to its record, unless that is closed.
            for side in LegSide::BOTH.into_iter().filter(|_| !saved.has_ended) {
                call.register_leg(&mut self.context, side);
            }
            self.calls.put(key, Box::new(call));
            self.with_call(begun, key, |call, context| call.end_lost_setup(context, begun, saved));
        }
    }

    /// A call that cannot be taken up: its peers are told nothing, and its stream ends.
    fn give_up(&mut self, saved: &SavedCall) {
        let release = |id| Output::Media(MediaCommand::Release { id });
        self.context.outputs.extend(saved.streams().map(release));
        self.close_record(saved.transaction_id, true);
    }

    /// Nothing is kept of a call any more, nor is its record open.
    fn close_record(&mut self, id: TransactionId, is_open: bool) {
        let begun = self.context.config.begun;
        self.context.outputs.push_back(Output::Kept(Kept::Ended(id)));
        let cause = "the edge was started anew and could not take it up";
        let end = CallEnd { status: 200, cause, ended_by: EndedBy::Edge, refusal: None };
        if is_open {
            self.context.event(id, begun, CallEventKind::Ended(end));
        }
    }
}
