//! Calls that outlive the process.

use super::{Edge, Output};
use crate::call::Call;
use crate::context::Context;
use crate::kept::{Kept, SavedCall};
use model::{CallEnd, CallEventKind, EndedBy, LegSide, MediaCommand};
use std::collections::HashMap;

impl Context {
    /// Tells what is to be kept of a call after something has happened to it.
    pub(super) fn keep(&mut self, call: &mut Call) {
        if !self.config.keep_calls {
            return;
        }
        let saved = call.is_steady().then(|| call.saved(self));
        if let Some(Some(saved)) = saved {
            call.kept = true;
            self.outputs.push_back(Output::Kept(Kept::Is(Box::new(saved))));
        } else if (saved.is_some() || !call.is_live()) && std::mem::take(&mut call.kept) {
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
            }
            self.put_back(begun, key, call);
        }
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
