//! Recordings of meetings, joined to the threads that mix them.

use call_recordings::{
    MeetingOpener, MeetingTape, TAPE_FRAME, TapeProgress, TapedMeeting, TapedPerson,
};
use model::{ConferenceRecording, ConferenceRecordingFailure, RecordedPerson, TransactionId};
use outbox::clock::unix_time;
use room_media::{Recorder, Tape, TapeState};
use std::sync::Arc;

/// What begins them.
pub(crate) struct MeetingRecorder(pub(crate) MeetingOpener);

impl Recorder for MeetingRecorder {
    fn begin(
        &self,
        recording: &ConferenceRecording,
    ) -> Result<Box<dyn Tape>, ConferenceRecordingFailure> {
        let began = unix_time();
        let (id, name) = (Arc::clone(&recording.meeting), Arc::clone(&recording.name));
        let tape = self.0.begin(TapedMeeting { id, name, began });
        let tape = tape.ok_or(ConferenceRecordingFailure::TooMany)?;
        Ok(Box::new(RoomTape(tape)))
    }
}

/// One of them.
struct RoomTape(MeetingTape);

impl Tape for RoomTape {
    fn takes_each(&self) -> bool {
        self.0.takes_each()
    }

    fn joined(&mut self, call: TransactionId, at: u64) {
        self.0.joined(call, at);
    }

    fn named(&mut self, person: &RecordedPerson) {
        let RecordedPerson { call, name, is_moderator } = person.clone();
        self.0.named(TapedPerson { call, name, is_moderator });
    }

    fn left(&mut self, call: TransactionId, at: u64) {
        self.0.left(call, at);
    }

    fn frame(&mut self, whose: Option<TransactionId>, at: u64, samples: &[i16; TAPE_FRAME]) {
        self.0.frame(whose, at, samples);
    }

    fn state(&self) -> TapeState {
        match self.0.progress() {
            TapeProgress::Begins => TapeState::Begins,
            TapeProgress::Runs => TapeState::Runs,
            TapeProgress::Failed(why) => TapeState::Failed(ConferenceRecordingFailure::File(why)),
        }
    }
}
