//! Who listens to a recorded call, and what they learn.

use super::{Call, channel};
use crate::call::listening::shown_headers;
use crate::context::Context;
use crate::edge::Output;
use model::{
    CallEventKind, Instant, LegSide, ListenFailure, ListenedCall, ListenedUpdate, Listening,
    MediaCommand, MediaId, RecordedMetadata,
};
use sip_proto::Message;
use siprec::Participant;
use std::sync::Arc;

impl Call {
    /// Has every line listened to that is not, or that has become another.
    pub(super) fn listen_to_recording(&mut self, context: &mut Context, request: &Message) {
        let (numbers, a_is_caller) = self.who_called();
        let Some(recording) = self.recording.as_mut() else { return };
        let a_is_caller = *recording.a_is_caller.get_or_insert(a_is_caller);
        let call = match &recording.call {
            Some(call) => call.clone(),
            None => {
                let [from_number, to_number] = numbers;
                Arc::new(ListenedCall {
                    transaction_id: self.id,
                    voice_connector_id: self.parties.voice_connector.clone(),
                    call_id: self.parties.call_id.clone(),
                    direction: self.parties.direction,
                    from_number,
                    to_number,
                    invite_headers: shown_headers(request),
                    siprec_metadata: recording.document.clone(),
                })
            }
        };
        recording.call = Some(call.clone());
        let streaming = &self.voice_connector.streaming;
        for line in recording.lines.iter_mut().filter(|line| line.local.is_some()) {
            let now = channel(line.side, a_is_caller, line.index, line.label.clone());
            if line.listened.as_ref() == Some(&now) {
                continue;
            }
            line.listened = Some(now.clone());
            let listening = Listening {
                call: call.clone(),
                // From leg A of the stream, its only one.
                channels: [Some(now), None],
                sample_rate: streaming.sample_rate,
                listeners: streaming.listeners(),
                // Its parties talk elsewhere, and who sends the copy tells them.
                tone: None,
                is_retry: false,
            };
            let order = MediaCommand::Listen { id: line.id, listening: Box::new(listening) };
            context.outputs.push_back(Output::Media(order));
        }
    }

    /// Tells listeners of a request that has changed something, and has new lines listened to.
    pub(super) fn update_recording_listeners(
        &mut self,
        context: &mut Context,
        request: &Message,
        metadata: RecordedMetadata,
    ) {
        let told = self.told_stream();
        let Some(recording) = self.recording.as_mut() else { return };
        let is_new = metadata == RecordedMetadata::Read;
        let siprec_metadata = recording.document.clone().filter(|_| is_new);
        if let Some(call) = recording.call.as_mut().filter(|_| is_new) {
            Arc::make_mut(call).siprec_metadata.clone_from(&siprec_metadata);
        }
        self.listen_to_recording(context, request);
        // One of the call's streams stands for all of them.
        if let Some(id) = told {
            let update = ListenedUpdate { headers: shown_headers(request), siprec_metadata };
            let order = MediaCommand::UpdateListening { id, update: Box::new(update) };
            context.outputs.push_back(Output::Media(order));
        }
    }

    /// The audio of a line goes to listeners.
    pub(super) fn recorded_heard(&mut self, context: &mut Context, now: Instant) {
        let Some(recording) = self.recording.as_mut() else { return };
        if !std::mem::replace(&mut recording.is_heard, true) {
            context.event(self.id, now, CallEventKind::ListenedTo);
        }
    }

    /// Nobody takes the audio of a line.
    pub(super) fn recorded_unheard(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        failure: ListenFailure,
    ) {
        let Some(recording) = self.recording.as_mut() else { return };
        if let Some(line) = recording.lines.by_id(id) {
            line.listened = None;
        }
        let is_heard = recording.lines.iter().any(|line| line.listened.is_some());
        if !is_heard && self.is_live() {
            context.event(self.id, now, CallEventKind::NotListenedTo(failure));
            self.end_unheard_recording(context, now, "nobody takes the audio of recorded calls");
        }
    }

    fn told_stream(&self) -> Option<MediaId> {
        let lines = &self.recording.as_ref()?.lines;
        lines.iter().find(|line| line.listened.is_some()).map(|line| line.id)
    }

    /// The numbers of the recorded call, and whether channel A is its caller's.
    ///
    /// The INVITE names caller and called party of the recorded call, or the client and us; metadata
    /// names them for certain, if it does. Where neither says who called, the first line is the caller's.
    fn who_called(&self) -> ([Arc<str>; 2], bool) {
        let named = [&self.parties.from_user, &self.parties.to_user];
        let users = LegSide::BOTH.map(|side| self.participant(side).and_then(Participant::user));
        let says = LegSide::BOTH.map(|side| self.participant(side).and_then(|p| p.is_caller));
        let is = |user: Option<&str>, name: &Arc<str>| user.is_some_and(|user| *user == **name);
        let a_is_caller = match says {
            [Some(true), Some(false) | None] | [None, Some(false)] => true,
            [Some(false) | None, Some(true)] | [Some(false), None] => false,
            _ => {
                let straight = is(users[0], named[0]) || is(users[1], named[1]);
                let crossed = is(users[1], named[0]) || is(users[0], named[1]);
                straight || !crossed
            }
        };
        let [first, second] = users;
        let in_order = if a_is_caller { [first, second] } else { [second, first] };
        let number = |name: &Arc<str>, told: Option<&str>| match told {
            Some(told) if !is_number(name) => told.into(),
            _ => name.clone(),
        };
        ([number(named[0], in_order[0]), number(named[1], in_order[1])], a_is_caller)
    }

    /// Who speaks in the line that is this channel.
    fn participant(&self, side: LegSide) -> Option<&Participant> {
        let recording = self.recording.as_ref()?;
        let line = recording.lines.iter().find(|line| line.side == side)?;
        recording.metadata.sender_of(line.label.as_deref()?)
    }
}

fn is_number(user: &str) -> bool {
    let digits = user.strip_prefix('+').unwrap_or(user);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
