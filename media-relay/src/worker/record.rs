//! Streams of this worker that are recorded.

use super::Worker;
use crate::recording::RecordedStream;
use model::{MediaEvent, MediaId, MediaType, Recording, RecordingFailure};
use relay_core::ring;
use std::sync::Arc;

/// Octets of a stream's ring: three seconds of G.711 both ways, or half a second of L16 in stereo.
const AUDIO_RING: usize = 128 * 1024;
/// Half a second of 8 Mbit/s both ways.
const VIDEO_RING: usize = 1024 * 1024;

impl Worker {
    /// Copies packets of `legs` to a recording from now on.
    pub(super) fn record(&mut self, id: MediaId, recording: Recording, legs: [bool; 2]) {
        let now = self.parts.clock.now();
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            return self.emit(recording_failed(id, RecordingFailure::NoStream));
        };
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards is seen by nobody; what needs not be seen goes back to it.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        let is_same = stream.recording.as_ref() == Some(&recording.name);
        if is_same && stream.session.retap(legs) {
            return self.emit(MediaEvent::Records { id });
        }
        stream.session.untap();
        stream.recording = None;
        let Some(recorder) = &self.parts.recorder else {
            self.parts.counters.recording_failures.add(1);
            tracing::warn!(media = id.0, "nothing is recorded: there is no directory for it");
            return self.emit(recording_failed(id, RecordingFailure::NoDirectory));
        };
        let line = stream.session.line();
        let (writer, reader) = ring(match line.media() {
            MediaType::Video => VIDEO_RING,
            MediaType::Audio | MediaType::Text | MediaType::Application => AUDIO_RING,
        });
        let name = Arc::clone(&recording.name);
        let recorded = RecordedStream { id, line, local: stream.local, reader };
        match recorder.record(recording, recorded) {
            // Its reader says whether the file could be opened.
            Ok(()) => {
                stream.session.tap(writer, legs);
                stream.recording = Some(name);
            }
            Err(failure) => {
                tracing::warn!(media = id.0, %name, %failure, "nothing is recorded");
                self.emit(recording_failed(id, failure));
            }
        }
    }

    /// Copies nothing more of a stream.
    pub(super) fn stop_recording(&mut self, id: MediaId) {
        match self.streams.find(id) {
            Some(stream) => {
                stream.session.untap();
                stream.recording = None;
            }
            None => self.parts.counters.unknown_streams.add(1),
        }
    }
}

const fn recording_failed(id: MediaId, failure: RecordingFailure) -> MediaEvent {
    MediaEvent::RecordingFailed { id, failure }
}
