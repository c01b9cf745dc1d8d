//! Calls that outlive the process.

use super::{Edge, Output};
use crate::call::Call;
use crate::context::Context;
use crate::kept::Kept;
use model::{CallEnd, CallEventKind, EndedBy, LegSide, MediaCommand, MediaId, TransactionId};

impl Context {
    /// Tells what is to be kept of a call after something has happened to it.
    pub(super) fn keep(&mut self, call: &mut Call) {
        if !self.config.keep_calls {
            return;
        }
        let saved = call.is_steady().then(|| call.saved(self.config.origin));
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
            let call =
                connector.and_then(|connector| Call::restored(&self.context, saved, &connector));
            match call {
                Some(call) => restored.push((call.key, Box::new(call))),
                None => self.give_up(saved.transaction_id, saved.media),
            }
        }
        let (keys, refused) = self.calls.restore(restored);
        for call in refused {
            self.give_up(call.id, call.key.media_id(call.media_serial));
        }
        for key in keys {
            let Some(call) = self.calls.take(key) else { continue };
            for side in LegSide::BOTH {
                call.register_leg(&mut self.context, side);
            }
            self.context.own_media.extend(call.media_addresses());
            self.context.policing.count_in(begun, call.voice_connector());
            self.context.statistics.active_calls += 1;
            self.put_back(begun, key, call);
        }
    }

    /// A call that cannot be taken up: its peers are told nothing, and its stream ends.
    fn give_up(&mut self, id: TransactionId, media: MediaId) {
        let begun = self.context.config.begun;
        self.context.outputs.push_back(Output::Kept(Kept::Ended(id)));
        self.context.outputs.push_back(Output::Media(MediaCommand::Release { id: media }));
        let cause = "the edge was started anew and could not take it up";
        let end = CallEnd { status: 200, cause, ended_by: EndedBy::Edge, refusal: None };
        self.context.event(id, begun, CallEventKind::Ended(end));
    }
}
