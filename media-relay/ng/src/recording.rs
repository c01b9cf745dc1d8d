//! `start recording`, `stop recording`, `pause recording`, and `record call` of offers and answers.

use crate::control::{Control, Served, result};
use crate::dialogue::Dialogue;
use crate::json;
use crate::request::{RecordingOrder, Request};
use crate::value::{Dictionary, Value};
use model::{Instant, MediaCommand, MediaId, Recording};

/// Octets of a Call-ID that a file is named after.
const NAMED: usize = 80;
const NO_DIRECTORY: &str = "This relay records nothing; start it with --recording-dir";

/// What is recorded of a call.
#[derive(Clone, Debug)]
pub(crate) struct CallRecording {
    recording: Recording,
    is_paused: bool,
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
        request: &Request,
        order: RecordingOrder,
        draw: &mut dyn FnMut() -> u64,
    ) -> Served {
        if !self.config.records {
            return Err(NO_DIRECTORY.to_owned());
        }
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        call.last_signal = now;
        let mut reply = result("ok");
        match order {
            RecordingOrder::Start => self.record(request, draw),
            RecordingOrder::Stop => self.stop_recording(&request.call_id),
            RecordingOrder::Pause => {
                if let Some(recording) = &mut call.recording {
                    recording.is_paused = true;
                }
                self.order_recording(&request.call_id);
            }
        }
        let call = self.calls.get(&request.call_id);
        if let Some(recording) = call.and_then(|call| call.recording.as_ref()) {
            reply.set("recording", recording.file());
        }
        Ok(Some(reply))
    }

    /// Does what `record call` of an offer or answer asks for; the words of a warning when it cannot.
    pub(crate) fn heed_record_call(
        &mut self,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<&'static str> {
        match request.flags.record {
            Some(true) if !self.config.records => return Some(NO_DIRECTORY),
            Some(true) => self.record(request, draw),
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

    /// Begins a recording of the call, or goes on with the one that it has.
    fn record(&mut self, request: &Request, draw: &mut dyn FnMut() -> u64) {
        let Some(call) = self.calls.get_mut(&request.call_id) else { return };
        match &mut call.recording {
            Some(recording) if !recording.is_paused => return,
            Some(recording) => recording.is_paused = false,
            None => {
                let (name, about) = (name_of(&request.call_id, draw()), about(request));
                let recording = Recording { name: name.into(), about: about.into() };
                call.recording = Some(CallRecording { recording, is_paused: false });
            }
        }
        self.order_recording(&request.call_id);
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

    /// Tells the relay what the call's streams are to be recorded to.
    fn order_recording(&mut self, call_id: &str) {
        let Some(call) = self.calls.get(call_id) else { return };
        let Some(recording) = &call.recording else { return };
        let streams = call.dialogues.iter().flat_map(Dialogue::open_streams);
        let orders: Vec<_> = streams.map(|id| recording.record(id)).collect();
        orders.into_iter().for_each(|order| self.order(order));
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
