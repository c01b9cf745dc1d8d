//! Recordings in memory.
#![allow(dead_code, reason = "each test uses a part of it")]

use model::{ConferenceRecording, ConferenceRecordingFailure, RecordedPerson, TransactionId};
use room_media::{Recorder, Tape, TapeState};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What was recorded, one entry for each recording.
#[derive(Default)]
pub(crate) struct Tapes(pub(crate) Mutex<Vec<Arc<Mutex<Taped>>>>);

/// One recording.
#[derive(Default)]
pub(crate) struct Taped {
    pub(crate) meeting: String,
    /// Samples, at their places.
    pub(crate) mix: Vec<i16>,
    pub(crate) alone: BTreeMap<TransactionId, Vec<i16>>,
    pub(crate) joined: Vec<(TransactionId, u64)>,
    pub(crate) left: Vec<(TransactionId, u64)>,
    pub(crate) named: Vec<String>,
    pub(crate) is_over: bool,
    /// What it is to say.
    pub(crate) failure: Option<ConferenceRecordingFailure>,
}

impl Tapes {
    /// The recording of this number.
    pub(crate) fn get(&self, number: usize) -> Arc<Mutex<Taped>> {
        Arc::clone(&self.0.lock().unwrap()[number])
    }
}

impl Recorder for Tapes {
    fn begin(
        &self,
        recording: &ConferenceRecording,
    ) -> Result<Box<dyn Tape>, ConferenceRecordingFailure> {
        let taped = Taped { meeting: recording.meeting.to_string(), ..Taped::default() };
        let taped = Arc::new(Mutex::new(taped));
        self.0.lock().unwrap().push(Arc::clone(&taped));
        Ok(Box::new(Memory(taped)))
    }
}

struct Memory(Arc<Mutex<Taped>>);

impl Tape for Memory {
    fn takes_each(&self) -> bool {
        true
    }

    fn joined(&mut self, call: TransactionId, at: u64) {
        self.0.lock().unwrap().joined.push((call, at));
    }

    fn named(&mut self, person: &RecordedPerson) {
        self.0.lock().unwrap().named.push(person.name.to_string());
    }

    fn left(&mut self, call: TransactionId, at: u64) {
        self.0.lock().unwrap().left.push((call, at));
    }

    fn frame(&mut self, whose: Option<TransactionId>, at: u64, samples: &[i16; 960]) {
        let mut taped = self.0.lock().unwrap();
        let track = match whose {
            None => &mut taped.mix,
            Some(call) => taped.alone.entry(call).or_default(),
        };
        let at = usize::try_from(at).unwrap();
        assert!(track.len() <= at, "a place twice");
        track.resize(at, 0);
        track.extend_from_slice(samples);
    }

    fn state(&self) -> TapeState {
        match self.0.lock().unwrap().failure.clone() {
            Some(failure) => TapeState::Failed(failure),
            None => TapeState::Runs,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.lock().unwrap().is_over = true;
    }
}
