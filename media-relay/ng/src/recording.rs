//! `start recording`, `stop recording`, `pause recording`, and `record call` of offers and answers.

use crate::control::{Control, Notice, Served, Ticket, result};
use crate::dialogue::Dialogue;
use crate::json;
use crate::request::{RecordingOrder, Request};
use crate::value::{Dictionary, Value};
use model::{Instant, MediaCommand, MediaEvent, MediaId, Recording, RecordingFailure};
use std::time::Duration;

/// Octets of a Call-ID that a file is named after.
const NAMED: usize = 80;
/// How long a reply waits until the file is open; then it says that it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// Replies that wait; when there are more, the one that waited longest goes out.
const MAX_WAITING: usize = 1_024;
const NO_DIRECTORY: &str = "This relay records nothing; start it with --recording-dir";

/// What is recorded of a call.
#[derive(Clone, Debug)]
pub(crate) struct CallRecording {
    recording: Recording,
    is_paused: bool,
    /// A stream of the call is written to it, or was.
    has_begun: bool,
}

/// A reply that waits until the relay has opened a recording's file, or could not.
#[derive(Debug)]
pub(crate) struct Opening {
    ticket: Ticket,
    call_id: String,
    /// Streams that the relay has said nothing of.
    awaited: Vec<MediaId>,
    failure: Option<RecordingFailure>,
    pub(crate) deadline: Instant,
}

impl CallRecording {
    fn record(&self, id: MediaId) -> MediaCommand {
        let legs = [!self.is_paused; 2];
        MediaCommand::Record { id, recording: self.recording.clone(), legs }
    }

    /// The name of its file in the relay's directory.
    pub(crate) fn file(&self) -> String {
        format!("{}.pcap", self.recording.name)
    }
}

impl Control {
    pub(crate) fn serve_recording(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
        order: RecordingOrder,
        draw: &mut dyn FnMut() -> u64,
    ) -> Served {
        if !self.config.records {
            return Err(NO_DIRECTORY.to_owned());
        }
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        call.last_signal = now;
        match order {
            RecordingOrder::Start => {
                let awaited = self.record(request, draw);
                if !awaited.is_empty() {
                    self.let_open(now, ticket, request, awaited);
                    return Ok(None);
                }
            }
            RecordingOrder::Stop => self.stop_recording(&request.call_id),
            RecordingOrder::Pause => {
                if let Some(recording) = &mut call.recording {
                    recording.is_paused = true;
                }
                self.order_recording(&request.call_id);
            }
        }
        Ok(Some(self.recorded(&request.call_id)))
    }

    /// That all is well, and the file if there is one.
    fn recorded(&self, call_id: &str) -> Dictionary {
        let mut reply = result("ok");
        let call = self.calls.get(call_id);
        if let Some(recording) = call.and_then(|call| call.recording.as_ref()) {
            reply.set("recording", recording.file());
        }
        reply
    }

    /// Does what `record call` of an offer or answer asks for; the words of a warning when it cannot.
    pub(crate) fn heed_record_call(
        &mut self,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<&'static str> {
        match request.flags.record {
            Some(true) if !self.config.records => return Some(NO_DIRECTORY),
            // Whether it could begin is told the operator: an offer does not wait for a disk.
            Some(true) => drop(self.record(request, draw)),
            Some(false) => self.stop_recording(&request.call_id),
            None => {}
        }
        None
    }

    /// Records a stream that has just got its ports, if its call is recorded.
    pub(crate) fn record_stream(&mut self, call_id: &str, id: MediaId) {
        let recording = self.calls.get(call_id).and_then(|call| call.recording.as_ref());
        if let Some(order) = recording.map(|recording| recording.record(id)) {
            self.order(order);
        }
    }

    /// Begins a recording of the call, or goes on with the one that it has; the streams of which the
    /// relay is to say whether they are written.
    fn record(&mut self, request: &Request, draw: &mut dyn FnMut() -> u64) -> Vec<MediaId> {
        let Some(call) = self.calls.get_mut(&request.call_id) else { return Vec::new() };
        let begins = call.recording.is_none();
        match &mut call.recording {
            Some(recording) if !recording.is_paused => return Vec::new(),
            Some(recording) => recording.is_paused = false,
            None => {
                let (name, about) = (name_of(&request.call_id, draw()), about(request));
                let recording = Recording { name: name.into(), about: about.into() };
                let (is_paused, has_begun) = (false, false);
                call.recording = Some(CallRecording { recording, is_paused, has_begun });
            }
        }
        let streams = self.order_recording(&request.call_id);
        if begins { streams } else { Vec::new() }
    }

    /// Lets a reply wait until the file is open.
    fn let_open(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
        awaited: Vec<MediaId>,
    ) {
        if self.openings.len() >= MAX_WAITING {
            let oldest = self.openings.remove(0);
            self.answer_opening(oldest);
        }
        let (ticket, call_id) = (ticket.clone(), request.call_id.clone());
        let deadline = now + PATIENCE;
        self.openings.push(Opening { ticket, call_id, awaited, failure: None, deadline });
    }

    /// Takes what the relay says of what it writes.
    pub(crate) fn note_recording(&mut self, event: &MediaEvent) {
        let (id, failure) = match event {
            MediaEvent::Records { id } => (*id, None),
            MediaEvent::RecordingFailed { id, failure } => (*id, Some(failure)),
            _ => return,
        };
        let Some(call_id) = self.streams.get(&id).cloned() else { return };
        let call = self.calls.get_mut(&call_id);
        let recording = call.and_then(|call| call.recording.as_mut());
        if let Some(recording) = recording {
            recording.has_begun |= failure.is_none();
        }
        let waiting = self.openings.iter_mut().find(|opening| opening.awaited.contains(&id));
        match waiting {
            Some(opening) => {
                opening.awaited.retain(|awaited| *awaited != id);
                opening.failure = opening.failure.take().or_else(|| failure.cloned());
                self.answer_openings(|opening| opening.awaited.is_empty());
            }
            None => {
                if let Some(failure) = failure {
                    let reason = format!("Nothing is recorded: {failure}");
                    self.notice(Notice::Failed { call_id: call_id.clone(), reason });
                    self.forget_unbegun(&call_id);
                }
            }
        }
    }

    pub(crate) fn answer_due_openings(&mut self, now: Instant) {
        self.answer_openings(|opening| opening.deadline <= now);
    }

    fn answer_openings(&mut self, is_ready: impl Fn(&Opening) -> bool) {
        while let Some(at) = self.openings.iter().position(&is_ready) {
            let opening = self.openings.remove(at);
            self.answer_opening(opening);
        }
    }

    /// It went well when any stream is written, or nobody says that none is.
    fn answer_opening(&mut self, opening: Opening) {
        let Opening { ticket, call_id, failure, .. } = opening;
        let call = self.calls.get(&call_id);
        let has_begun = call.and_then(|call| call.recording.as_ref()).map(|r| r.has_begun);
        match (failure, has_begun) {
            (Some(failure), None | Some(false)) => {
                self.forget_unbegun(&call_id);
                self.fail(&ticket, &call_id, format!("Nothing is recorded: {failure}"));
            }
            (None, _) if call.is_none() => {
                self.fail(&ticket, &call_id, "The call was deleted".to_owned());
            }
            _ => {
                let reply = self.recorded(&call_id);
                self.reply(&ticket, reply);
            }
        }
    }

    /// A recording that nothing is written to is none: the next `start recording` begins anew, and the
    /// streams are free for the fast path.
    fn forget_unbegun(&mut self, call_id: &str) {
        let recording = self.calls.get(call_id).and_then(|call| call.recording.as_ref());
        if recording.is_some_and(|recording| !recording.has_begun) {
            self.stop_recording(call_id);
        }
    }

    fn stop_recording(&mut self, call_id: &str) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        if call.recording.take().is_some() {
            let streams: Vec<_> = call.dialogues.iter().flat_map(Dialogue::open_streams).collect();
            for id in streams {
                self.order(MediaCommand::StopRecording { id });
            }
        }
    }

    /// Tells the relay what the call's streams are to be recorded to; which they are.
    fn order_recording(&mut self, call_id: &str) -> Vec<MediaId> {
        let Some(call) = self.calls.get(call_id) else { return Vec::new() };
        let Some(recording) = &call.recording else { return Vec::new() };
        let streams: Vec<_> = call.dialogues.iter().flat_map(Dialogue::open_streams).collect();
        let orders: Vec<_> = streams.iter().map(|id| recording.record(*id)).collect();
        orders.into_iter().for_each(|order| self.order(order));
        streams
    }
}

/// A name that no other recording has, after the Call-ID as far as a file may be named so.
fn name_of(call_id: &str, drawn: u64) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = call_id.chars().take(NAMED).map(plain).collect();
    format!("{}-{drawn:016x}", name.trim_start_matches('.'))
}

fn about(request: &Request) -> String {
    let mut out = Dictionary::new();
    out.set("call-id", request.call_id.as_str());
    let named = [
        ("from-tag", &request.from_tag),
        ("to-tag", &request.to_tag),
        ("via-branch", &request.via_branch),
        ("metadata", &request.metadata),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            out.set(name, value.as_str());
        }
    }
    let mut text = Vec::new();
    json::write(&Value::Dictionary(out), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_call_and_stays_in_its_directory() {
        let is_plain = |call_id: &str| {
            let name = name_of(call_id, 7);
            let recording = Recording { name: name.as_str().into(), about: "{}".into() };
            assert!(recording.has_plain_name(), "{name}");
            name
        };
        assert_eq!(is_plain("a-1@192.0.2.1"), "a-1_192.0.2.1-0000000000000007");
        assert_eq!(is_plain("../../etc/passwd"), "_.._etc_passwd-0000000000000007");
        assert_eq!(is_plain("\0é/"), "___-0000000000000007");
        assert_eq!(is_plain(&"x".repeat(1_000)).len(), NAMED + 17);
        assert_eq!(is_plain("..."), "-0000000000000007");
    }
}
