//! The copy of a call over a restart of the process: the relay goes on handing its lines to listeners,
//! and the next process knows what the client and they were told.

use super::line::RecordedLines;
use super::{Call, RecordingServer};
use crate::context::Context;
use crate::kept::{SavedCall, SavedRecording};
use crate::leg::Leg;
use crate::media::CallMedia;
use directory::VoiceConnector;
use model::{CallEventKind, Fingerprint, Instant, LegSide};
use std::net::SocketAddr;
use std::sync::Arc;

impl Call {
    /// What is to be kept of a copy; `None` when a description of it is no text.
    pub(in crate::call) fn saved_copy(&self, context: &Context) -> Option<SavedCall> {
        let recording = self.recording.as_deref()?;
        let descriptions = recording.lines.saved_descriptions()?;
        let leg = self.saved_leg(context, LegSide::A, descriptions)?;
        let last_asked_for = self.key.media_id(self.media_serial);
        let saved = self.saved_with(context, last_asked_for, vec![leg]);
        Some(SavedCall { recording: Some(Box::new(recording.saved())), ..saved })
    }

    /// A copy from before this process.
    pub(in crate::call) fn restored_copy(
        context: &mut Context,
        saved: &SavedCall,
        recording: &SavedRecording,
        connector: &Arc<VoiceConnector>,
    ) -> Option<Self> {
        let [client] = saved.legs.as_slice() else { return None };
        let fingerprint = context.config.dtls_fingerprint;
        let lines = RecordedLines::restored(&client.media, recording, fingerprint)?;
        let mut leg_a = Leg::restored(context, client)?;
        let ids = [context.new_token(), context.new_token()];
        let mut leg_b = Leg::new(leg_a.flow, leg_a.listener, ids);
        (leg_a.is_recorder, leg_b.gone) = (true, true);
        let origins = [context.random.next_u64(), context.random.next_u64()];
        let media = CallMedia::new(origins, fingerprint);
        let mut call = Call::of_saved(saved, connector, [leg_a, leg_b], media);
        call.recording = Some(Box::new(RecordingServer::restored(lines, recording)));
        call.assume_recorded_plans(context);
        Some(call)
    }

    /// The relay has the plans of the lines; the next ones are compared with them.
    fn assume_recorded_plans(&mut self, context: &Context) {
        let (timeouts, copies) = (self.recorded_timeouts(), self.copies_recorded_rtcp(context));
        let source = self.legs[LegSide::A.index()].flow.remote.ip();
        let Some(recording) = self.recording.as_mut() else { return };
        if let Some(received) = recording.lines.last_received() {
            let _ = recording.lines.apply(&received, source, timeouts, copies);
        }
    }

    /// The records of this process are to know what a call from before it is the copy of.
    pub(in crate::call) fn tell_of_recorded(&self, context: &mut Context, now: Instant) {
        let Some(recording) = &self.recording else { return };
        let recorded = recording.recorded_call(recording.news());
        context.event(self.id, now, CallEventKind::Recorded(recorded));
        if recording.is_heard {
            context.event(self.id, now, CallEventKind::ListenedTo);
        }
    }
}

impl RecordingServer {
    fn saved(&self) -> SavedRecording {
        SavedRecording {
            lines: self.lines.saved(),
            last_local: self.lines.last_local(),
            declined: self.declined,
            metadata: self.metadata.clone(),
            news: self.news,
            call: self.call.as_deref().cloned(),
            a_is_caller: self.a_is_caller,
            is_heard: self.is_heard,
        }
    }

    fn restored(mut lines: RecordedLines, saved: &SavedRecording) -> Self {
        let a_is_caller = saved.a_is_caller;
        for (line, was) in lines.iter_mut().zip(&saved.lines) {
            line.listened = a_is_caller
                .filter(|_| was.is_listened)
                .map(|a| super::channel(line.side, a, line.index, line.label.clone()));
        }
        RecordingServer {
            lines,
            metadata: saved.metadata.clone(),
            document: saved.call.as_ref().and_then(|call| call.siprec_metadata.clone()),
            news: saved.news,
            call: saved.call.clone().map(Arc::new),
            a_is_caller,
            is_heard: saved.is_heard,
            declined: saved.declined,
            waiting: None,
        }
    }

    /// Whether a change waits for the relay.
    pub(in crate::call) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Our addresses of its lines.
    pub(in crate::call) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.lines.iter().filter_map(|line| line.local).flatten().map(|media| media.rtp)
    }

    /// Lines of a certificate that the client has not heard of may have this one.
    pub(in crate::call) fn learn_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.lines.learn_fingerprint(fingerprint);
    }
}
