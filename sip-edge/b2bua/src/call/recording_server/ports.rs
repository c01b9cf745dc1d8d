//! The relay's part: ports of a recording client's lines, and what the relay tells of them.

use super::{Call, RecordingServer};
use crate::call::setup::SetupState;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::media::BodyFault;
use model::{
    AllocationFailure, CallEventKind, Instant, LocalMedia, MediaCommand, MediaEvent, MediaId,
    MediaLine, MediaTimeouts, MediaType,
};
use sdp::SessionDescription;
use std::time::Duration;

/// The relay tells of silence again every few seconds: what is older than this is over.
const SILENCE_IS_NEWS_FOR: Duration = Duration::from_secs(15);

impl RecordingServer {
    pub(crate) fn has_line(&self, id: MediaId) -> bool {
        self.lines.has(id)
    }
}

impl Call {
    /// Asks for ports of the lines of `offer` that have none; returns for how many.
    pub(super) fn allocate_recorded(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> usize {
        let Some(recording) = self.recording.as_ref() else { return 0 };
        let (wanted, taken) = recording.lines.taken(offer);
        let mut is_first = recording.lines.count() == 0;
        let count = wanted.len();
        for (index, stream) in wanted {
            let id = self.next_media_id();
            let line = match std::mem::replace(&mut is_first, false) {
                true => MediaLine::Main,
                // A description has 16 lines at most.
                false => MediaLine::Further { index: index as u8, media: MediaType::Audio },
            };
            if let Some(recording) = self.recording.as_mut() {
                recording.lines.requested(index, id, &taken);
            }
            context.outputs.push_back(Output::Media(MediaCommand::Allocate {
                id,
                transaction_id: self.id,
                families: [stream.ip_family; 2],
                emergency: false,
                line,
            }));
        }
        count
    }

    /// Whether the relay's word was one on a line of a recording client.
    pub(in crate::call) fn handle_recorded_event(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) -> bool {
        let id = event.id();
        if !self.recording.as_ref().is_some_and(|recording| recording.has_line(id)) {
            return false;
        }
        match event {
            MediaEvent::Allocated { local, .. } => {
                self.recorded_allocated(context, now, id, *local);
            }
            MediaEvent::AllocationFailed { reason, .. } => {
                self.recorded_refused(context, now, id, *reason);
            }
            MediaEvent::Lost { .. } => self.recorded_lost(context, now, id),
            MediaEvent::TimedOut { .. } => self.recorded_silent(context, now, id),
            MediaEvent::Listens { .. } => self.recorded_heard(context, now),
            MediaEvent::ListenFailed { failure, .. } => {
                self.recorded_unheard(context, now, id, *failure);
            }
            _ => {}
        }
        true
    }

    fn recorded_allocated(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        local: [LocalMedia; 2],
    ) {
        let Some(recording) = self.recording.as_mut() else { return };
        let is_first = recording.lines.iter().all(|line| line.local.is_none());
        if let Some(line) = recording.lines.by_id(id) {
            line.local = Some(local);
        }
        context.own_media.extend(local.iter().map(|media| media.rtp));
        if is_first && self.setup.state() == SetupState::Allocating {
            context.event(self.id, now, CallEventKind::MediaAllocated { media: id });
        }
        self.recorded_answered(context, now);
    }

    fn recorded_refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        reason: AllocationFailure,
    ) {
        let Some(recording) = self.recording.as_mut() else { return };
        // What had ports and is said to have none stands for news that found a queue full.
        let had_ports = recording.lines.by_id(id).is_some_and(|line| line.local.is_some());
        if had_ports {
            return self.recorded_lost(context, now, id);
        }
        let _ = recording.lines.forget(id);
        if recording.lines.count() == 0 && self.setup.state() == SetupState::Allocating {
            return self.refuse_without_ports(context, now, reason);
        }
        self.recorded_answered(context, now);
    }

    /// Goes on once the relay has answered for every line.
    fn recorded_answered(&mut self, context: &mut Context, now: Instant) {
        let waits = self.recording.as_ref().is_none_or(|recording| recording.lines.waits());
        if waits || !self.is_live() {
            return;
        }
        if self.setup.state() == SetupState::Allocating {
            self.deadlines.clear(Deadline::NoResponse);
            self.answer_recording(context, now);
        } else {
            self.take_waiting_change(context, now);
        }
    }

    /// The relay has not answered for every line in time: without those then.
    pub(in crate::call) fn recorded_unanswered(&mut self, context: &mut Context, now: Instant) {
        let Some(recording) = self.recording.as_mut() else { return };
        recording.lines.give_up();
        if recording.lines.count() == 0 {
            return self.refuse_without_ports(context, now, AllocationFailure::Unavailable);
        }
        self.recorded_answered(context, now);
    }

    fn recorded_lost(&mut self, context: &mut Context, now: Instant, id: MediaId) {
        let Some(recording) = self.recording.as_mut() else { return };
        for media in recording.lines.forget(id).into_iter().flatten() {
            context.own_media.remove(&media.rtp);
        }
        if recording.lines.count() == 0 && self.is_live() {
            self.end_unheard_recording(context, now, "the media relay lost the call");
        }
    }

    /// A client that refreshes its dialog is there, and may have nothing to send: people on hold.
    /// Of one that does not, silence on every line is all that tells of its end.
    pub(super) fn recorded_timeouts(&self) -> MediaTimeouts {
        let refreshes = self.legs.iter().any(|leg| leg.session.interval_seconds().is_some());
        match refreshes {
            true => MediaTimeouts::default(),
            false => MediaTimeouts { one: None, both: self.voice_connector.media_timeouts.both },
        }
    }

    /// Whether the RTCP of its lines is copied.
    pub(super) fn copies_recorded_rtcp(&self, context: &Context) -> bool {
        let sample = context.config.rtcp_copies.as_ref();
        sample.is_some_and(|sample| sample.has(self.id, Some(&self.voice_connector.id)))
    }

    fn recorded_silent(&mut self, context: &mut Context, now: Instant, id: MediaId) {
        let may_end = self.recorded_timeouts() != MediaTimeouts::default();
        let Some(recording) = self.recording.as_mut() else { return };
        if let Some(line) = recording.lines.by_id(id) {
            line.silent_at = Some(now);
        }
        let since = Instant::from_nanos(
            now.as_nanos().saturating_sub(SILENCE_IS_NEWS_FOR.as_nanos() as u64),
        );
        if may_end && recording.lines.are_silent(since) {
            // Q.850 cause 102: recovery on timer expiry.
            self.bye_reason = Some("Q.850;cause=102;text=\"Media timeout\"");
            let cause = "no media from the recording client for media.both_silent of the \
                voice connector";
            self.end_both(context, now, cause, 200);
        }
    }

    /// Writes the answer to `offer` and puts it into force.
    pub(super) fn write_recording(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        let timeouts = self.recorded_timeouts();
        let copies = self.copies_recorded_rtcp(context);
        let source = self.legs[0].flow.remote.ip();
        let recording = self.recording.as_mut().ok_or(BodyFault::NotAcceptable)?;
        let body = recording.lines.answer(context.random.as_mut(), offer, &context.own_media)?;
        let commands = recording.lines.apply(offer, source, timeouts, copies);
        context.outputs.extend(commands.into_iter().map(Output::Media));
        Ok(body)
    }
}
