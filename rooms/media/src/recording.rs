//! Conferences that are recorded: what a turn's frames go to, and what becomes of it.
//!
//! Who mixes never waits for who writes: a [`Tape`] takes frames as they come, and says with one word how
//! it fares, which is looked at after each turn.

use crate::conference::Leg;
use media_relay::{RecordingOrder, UtteranceOrder};
use mixer::{ParticipantId, Record, Recorded, TICK_SAMPLES};
use model::{
    ConferenceRecording, ConferenceRecordingFailure, ConferenceRecordingId, MediaEvent, MediaId,
    RecordedPerson, TransactionId,
};
use std::sync::Arc;

/// What makes recordings.
pub trait Recorder: Send + Sync {
    /// Begins one. It does not wait for a disk; that is the tape's.
    ///
    /// # Errors
    /// [`ConferenceRecordingFailure`].
    fn begin(
        &self,
        recording: &ConferenceRecording,
    ) -> Result<Box<dyn Tape>, ConferenceRecordingFailure>;
}

/// One recording. Its end is when it is dropped. Places count samples of 48,000 a second from its beginning.
/// None of its methods waits, nor does [`Tape::frame`] take memory; what finds no room is counted, and
/// silence in the file.
pub trait Tape: Send {
    /// Whether it takes each participant alone, beside the mix.
    fn takes_each(&self) -> bool;

    /// Somebody is in the conference from this place on.
    fn joined(&mut self, call: TransactionId, at: u64);

    /// Who that is.
    fn named(&mut self, person: &RecordedPerson);

    /// Somebody was there up to this place.
    fn left(&mut self, call: TransactionId, at: u64);

    /// 20 ms of the mix, or of one alone.
    fn frame(&mut self, whose: Option<TransactionId>, at: u64, samples: &[i16; TICK_SAMPLES]);

    /// How it fares.
    fn state(&self) -> TapeState;
}

/// How a recording fares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TapeState {
    /// Its file is not there yet.
    Begins,
    /// It is written.
    Runs,
    /// Nothing more is written.
    Failed(ConferenceRecordingFailure),
}

/// Who is told what becomes of recordings. It must not wait.
pub type RecordingEvents = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// What records conferences.
#[derive(Clone)]
pub struct Recording {
    /// What makes recordings; `None` where nothing may be recorded.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Who is told what becomes of them.
    pub events: RecordingEvents,
}

impl Recording {
    /// A conference is not recorded, or not any more.
    pub(crate) fn refuse(&self, order: &RecordingOrder, failure: ConferenceRecordingFailure) {
        tracing::warn!(conference = order.conference.0, %failure, "a meeting is not recorded");
        (self.events)(MediaEvent::ConferenceRecordingFailed { id: order.id, failure });
    }

    /// What somebody says cannot be kept. What is only to be ended ends by itself.
    pub(crate) fn leave_unheard(&self, order: &UtteranceOrder) {
        if order.longest.is_some() {
            (self.events)(MediaEvent::Uttered { id: order.id, utterance: None });
        }
    }
}

/// A conference's recording, as whoever mixes that has it.
pub(crate) struct Taping {
    tape: Box<dyn Tape>,
    id: ConferenceRecordingId,
    meeting: Arc<str>,
    /// Who asked: they hear when it is there.
    askers: Vec<MediaId>,
    /// The room's tick with which it began, and the one that is made.
    began: u64,
    tick: u64,
}

/// Askers that are told; of more the oldest goes unanswered, since it has been told by its fellows.
const MOST_ASKERS: usize = 64;

impl Taping {
    /// Begins at the room's tick `began`.
    pub(crate) fn begin(
        recorder: &dyn Recorder,
        recording: &ConferenceRecording,
        began: u64,
    ) -> Result<Self, ConferenceRecordingFailure> {
        let tape = recorder.begin(recording)?;
        let (id, meeting, askers) = (recording.id, Arc::clone(&recording.meeting), Vec::new());
        Ok(Taping { tape, id, meeting, askers, began, tick: began })
    }

    pub(crate) const fn id(&self) -> ConferenceRecordingId {
        self.id
    }

    /// Takes an order of the recording that it is.
    pub(crate) fn order(&mut self, id: MediaId, recording: &ConferenceRecording) {
        recording.people.iter().for_each(|person| self.tape.named(person));
        if self.askers.len() >= MOST_ASKERS {
            self.askers.remove(0);
        }
        self.askers.push(id);
    }

    /// What the room is to hand out.
    pub(crate) fn wants(&self) -> Record {
        Record { mix: true, each: self.tape.takes_each() }
    }

    pub(crate) fn joined(&mut self, call: TransactionId, tick: u64) {
        self.tape.joined(call, self.place(tick));
    }

    pub(crate) fn left(&mut self, call: TransactionId, tick: u64) {
        self.tape.left(call, self.place(tick));
    }

    /// The room's next tick is this one.
    pub(crate) const fn at_tick(&mut self, tick: u64) {
        self.tick = tick;
    }

    /// A frame of the tick that is made. The mix is its last.
    pub(crate) fn take(&mut self, what: Recorded, samples: &[i16; TICK_SAMPLES], legs: &[Leg]) {
        let at = self.place(self.tick);
        match what {
            // Somebody else wants these.
            Recorded::Participant(_) if !self.tape.takes_each() => {}
            Recorded::Participant(ParticipantId(id)) => {
                let leg = legs.binary_search_by_key(&MediaId(id), |leg| leg.stream.id).ok();
                if let Some(leg) = leg.and_then(|at| legs.get(at)) {
                    self.tape.frame(Some(leg.stream.transaction_id), at, samples);
                }
            }
            Recorded::Mix => {
                self.tape.frame(None, at, samples);
                self.tick += 1;
            }
        }
    }

    /// Tells what has become of it, of whom asked, or of `anybody` there; whether it goes on.
    pub(crate) fn look(&mut self, anybody: Option<MediaId>, events: &RecordingEvents) -> bool {
        match self.tape.state() {
            TapeState::Begins => true,
            TapeState::Runs => {
                self.askers.drain(..).for_each(|id| events(MediaEvent::ConferenceRecords { id }));
                true
            }
            TapeState::Failed(failure) => {
                if let Some(id) = anybody {
                    tracing::warn!(meeting = %self.meeting, %failure, "a meeting is not recorded any more");
                    events(MediaEvent::ConferenceRecordingFailed { id, failure });
                }
                false
            }
        }
    }

    fn place(&self, tick: u64) -> u64 {
        tick.saturating_sub(self.began) * TICK_SAMPLES as u64
    }
}
