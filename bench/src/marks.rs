//! Marks in the audio of calls: when they were sent, and when whoever reads the streams has them.

use crate::listened::unix_micros;
use mkv::{Codec, Event, Reader};
use model::TransactionId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A sample of a mark, and of nothing else.
const LOUD: u16 = 14_000;
/// A mark's tone may swell and break off within so many samples.
const QUIET: u32 = 1_000;
/// By so much a mark's place in the stream may be off from its packet's arrival, in microseconds.
const OFF: u64 = 250_000;

/// What was sent and what was found, of all calls. Both legs of a call are marked at the same time.
#[derive(Default)]
pub struct Marks {
    sent: Mutex<HashMap<String, VecDeque<u64>>>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// From a packet's arrival until its fragment was complete, in microseconds.
    delays: Vec<u64>,
    strange: u64,
}

impl Marks {
    /// A mark of a call is sent at this time.
    pub fn send(&self, call: TransactionId, at: u64) {
        lock(&self.sent).entry(call.to_string()).or_default().push_back(at);
    }

    /// A mark was found at the place `placed` of a call's timeline.
    fn find(&self, call: &str, placed: u64, complete: u64) {
        let sent = lock(&self.sent);
        let Some(marks) = sent.get(call).filter(|marks| !marks.is_empty()) else { return };
        // One from before the first that counts is nobody's.
        if marks.front().is_some_and(|first| placed + OFF < *first) {
            return;
        }
        let mark = marks.iter().find(|at| at.abs_diff(placed) < OFF);
        let mut found = lock(&self.found);
        match mark {
            Some(at) => found.delays.push(complete.saturating_sub(*at)),
            None => found.strange += 1,
        }
    }

    /// The delays in order, in microseconds, and how many marks were found that nobody had sent.
    pub fn delays(&self) -> (Vec<u64>, u64) {
        let found = lock(&self.found);
        let mut delays = found.delays.clone();
        delays.sort_unstable();
        (delays, found.strange)
    }
}

/// Finds the marks of one stream.
pub struct MarkReader {
    marks: Arc<Marks>,
    reader: Reader,
    call: String,
    is_mu_law: bool,
    quiet: u32,
}

impl MarkReader {
    /// At the beginning of a stream.
    pub fn new(marks: Arc<Marks>) -> Self {
        let (reader, call) = (Reader::new(), String::new());
        MarkReader { marks, reader, call, is_mu_law: false, quiet: QUIET }
    }

    /// Takes a whole fragment, or head and fragment, that is complete now; the last fragment's timecode
    /// in milliseconds.
    ///
    /// # Errors
    /// When it is no such stream.
    pub fn take(&mut self, octets: &[u8]) -> Result<Option<u64>, mkv::Malformed> {
        let complete = unix_micros();
        let mut last = None;
        self.reader.push(octets);
        while let Some(event) = self.reader.poll()? {
            match event {
                Event::Tracks(tracks) => {
                    self.is_mu_law = tracks.iter().any(|track| track.codec == Codec::MuLaw);
                }
                Event::Tags(tags) => {
                    let call = tags.iter().find(|tag| &*tag.name == "TransactionId");
                    if let Some(call) = call {
                        (*call.value).clone_into(&mut self.call);
                    }
                }
                Event::Fragment { timecode_ns } => last = Some(timecode_ns / 1_000_000),
                Event::Block { timecode_ns, payload, .. } if !self.is_mu_law => {
                    let samples = payload.as_chunks::<2>().0;
                    let is_loud = |at: &[u8; 2]| i16::from_le_bytes(*at).unsigned_abs() > LOUD;
                    let loud = samples.iter().any(is_loud);
                    if loud && self.quiet >= QUIET {
                        self.marks.find(&self.call, timecode_ns / 1_000, complete);
                    }
                    let since = samples.iter().rev().take_while(|at| !is_loud(at)).count() as u32;
                    self.quiet = if loud { since } else { self.quiet.saturating_add(since) };
                }
                Event::Block { .. } => {}
            }
        }
        Ok(last)
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
