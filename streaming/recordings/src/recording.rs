//! One call that is recorded, or one channel of a meeting: samples in, parts out.

use crate::description::DescribedMeeting;
use crate::interleaver::Interleaver;
use crate::keeper::Outcome;
use crate::keys::DataKey;
use crate::part::{self, Closed, Number, Part};
use crate::subject::Subject;
use call_audio::Opening;
use crossbeam_channel::Receiver;
use model::{LegSide, RecordingFormat};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A channel that is so many seconds behind the other one is not waited for.
const MOST_SECONDS_APART: u64 = 3;
/// Seconds of audio that are kept for a file that cannot be written: 640 kB at 16,000 samples.
const MOST_SECONDS_HELD: usize = 10;
/// Seconds of silence that are made up for in one turn, after the disk was full.
const MOST_SECONDS_OWED: u64 = 60;
/// Names that are tried where one is taken.
const MOST_NAMES: u32 = 100;

/// When a part ends and the next one begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Seconds of a part at most; `None` for all of the call.
    pub seconds: Option<u64>,
    /// Octets of a part, which it may exceed by those of a second.
    pub bytes: u64,
}

/// Files that are written now: whoever finishes what crashes left behind leaves them alone.
#[derive(Clone, Default, Debug)]
pub(crate) struct OpenFiles(Arc<Mutex<BTreeSet<PathBuf>>>);

impl OpenFiles {
    /// Whether nobody has it yet.
    fn add(&self, json: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(json.to_owned())
    }

    pub(crate) fn remove(&self, json: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(json);
    }

    pub(crate) fn has(&self, json: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(json)
    }
}

/// What every recording of a thread uses.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) rotation: Rotation,
    /// Keys that were made before; `None` where nothing is encrypted.
    pub(crate) keys: Option<Receiver<DataKey>>,
    pub(crate) open: OpenFiles,
}

/// What is recorded.
pub(crate) struct Recording {
    subject: Subject,
    lanes: Lanes,
    file: Parts,
}

/// How samples come.
enum Lanes {
    /// Of two channels, one by one.
    Two(Interleaver),
    /// Of one; the place behind the last one.
    One(u64),
}

/// A place so far ahead of what came before is a mistake, not a pause: 24 hours.
const FARTHEST_SECONDS: u64 = 24 * 3_600;

impl Recording {
    pub(crate) fn new(opening: Opening, format: RecordingFormat) -> Self {
        let rate = u64::from(opening.sample_rate);
        let listened = LegSide::BOTH.map(|side| opening.channels[side.index()].is_some());
        let interleaver = Interleaver::new(MOST_SECONDS_APART * rate, listened);
        let subject = Subject::of_call(&opening, format);
        Recording { subject, lanes: Lanes::Two(interleaver), file: Parts::default() }
    }

    /// One channel, of which the first sample is at the place `first`.
    pub(crate) fn of_one(subject: Subject, first: u64) -> Self {
        let file = Parts { at: first, ..Parts::default() };
        Recording { subject, lanes: Lanes::One(first), file }
    }

    /// Whether its file is there, and nothing waits for its disk.
    pub(crate) fn is_written(&self) -> bool {
        self.file.part.is_some() && !self.file.is_stalled
    }

    /// Whether audio is lost for want of a file, or there can be none at all. A key that is not there yet is
    /// waited for.
    pub(crate) fn fails(&self) -> bool {
        let Parts { part, owed, is_stalled, lacks_key, .. } = &self.file;
        *owed > 0 || (part.is_none() && *is_stalled && !lacks_key)
    }

    /// What is known of its meeting by now; it is in the JSON of what is closed from now on, and, if `now`,
    /// in that of what is written.
    pub(crate) fn describe(&mut self, meeting: DescribedMeeting, now: bool) {
        if let (true, Some(part)) = (now, &mut self.file.part) {
            // It is written again at the end.
            let _ = part.describe(&meeting);
        }
        self.subject.description.meeting = Some(meeting);
    }

    /// Takes samples of the one channel; what is not there before them is silence.
    pub(crate) fn samples(&mut self, place: &Place, at: u64, samples: &[i16]) -> Done {
        let Recording { subject, lanes, file } = self;
        let Lanes::One(end) = lanes else { return Done::default() };
        let early = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let samples = samples.get(early.min(samples.len())..).unwrap_or_default();
        let gap = at.saturating_sub(*end);
        let rate = u64::from(subject.sample_rate);
        if samples.is_empty() || gap > FARTHEST_SECONDS * rate {
            return Done::default();
        }
        let mut turn = Turn { place, subject, file, done: Done::default() };
        let silence = vec![0; usize::try_from(gap.min(rate)).unwrap_or(0)];
        let mut left = gap;
        while left > 0 {
            let piece = left.min(rate);
            turn.take(silence.get(..usize::try_from(piece).unwrap_or(0)).unwrap_or_default());
            left -= piece;
        }
        turn.file.missing[0] += gap;
        turn.take(samples);
        *end += gap + samples.len() as u64;
        turn.done
    }

    /// Takes samples of a channel, of which `missing` are silence that nobody sent.
    pub(crate) fn audio(
        &mut self,
        place: &Place,
        side: LegSide,
        at: u64,
        samples: &[i16],
        missing: u64,
    ) -> Done {
        let Recording { subject, lanes, file } = self;
        let Lanes::Two(interleaver) = lanes else { return Done::default() };
        let mut turn = Turn { place, subject, file, done: Done::default() };
        turn.file.missing[side.index()] += missing;
        let before = interleaver.absent();
        interleaver.push(side, at, samples, &mut |pairs| turn.take(pairs));
        turn.count_absent(before, interleaver.absent());
        turn.done
    }

    /// Once a second: writes out, and tries again what failed.
    pub(crate) fn tick(&mut self, place: &Place) -> Done {
        let Recording { subject, file, .. } = self;
        let mut turn = Turn { place, subject, file, done: Done::default() };
        turn.tick();
        turn.done
    }

    /// Nothing more comes.
    pub(crate) fn finish(mut self, place: &Place) -> Done {
        let Recording { subject, lanes, file } = &mut self;
        let mut turn = Turn { place, subject, file, done: Done::default() };
        if let Lanes::Two(interleaver) = lanes {
            let before = interleaver.absent();
            interleaver.finish(&mut |pairs| turn.take(pairs));
            turn.count_absent(before, interleaver.absent());
        }
        turn.tick();
        // What the disk did not take is made up for as far as it takes it now.
        while turn.file.owed > 0 && !turn.file.is_stalled {
            turn.pay();
        }
        // What waits for a disk that still takes nothing is given up.
        let held = turn.frames(turn.file.held.len());
        turn.done.lost += held;
        if turn.file.part.is_none() && turn.file.owed + held > 0 {
            let voice_connector = turn.subject.voice_connector.clone();
            turn.done.nothing = Some(Outcome { voice_connector, bytes: None });
        }
        turn.close();
        turn.done
    }
}

/// What came of a turn.
#[derive(Default, Debug)]
pub(crate) struct Done {
    /// Parts that ended.
    pub(crate) closed: Vec<Closed>,
    /// Pairs of samples, or samples of the one channel, that were there, and could not be written.
    pub(crate) lost: u64,
    /// What failed.
    pub(crate) error: Option<io::Error>,
    /// What there is to count, when it ended without a file.
    pub(crate) nothing: Option<Outcome>,
}

/// The file that is written, and what is owed to it.
#[derive(Default)]
struct Parts {
    part: Option<Part>,
    /// Parts so far.
    count: u32,
    /// The place of the next pair that is written.
    at: u64,
    /// Pairs that wait for a file or its disk; [`MOST_SECONDS_HELD`] at most.
    held: Vec<i16>,
    /// Pairs of silence that the file lacks behind those: there was no more room for them.
    owed: u64,
    is_stalled: bool,
    /// It is for want of a key.
    lacks_key: bool,
    missing: [u64; 2],
}

struct Turn<'a> {
    place: &'a Place,
    subject: &'a Subject,
    file: &'a mut Parts,
    done: Done,
}

impl Turn<'_> {
    /// How many pairs so many samples are; of one channel, as many. What is called a pair here is all that
    /// belongs to one instant.
    fn frames(&self, samples: usize) -> u64 {
        (samples / self.subject.channels.max(1)) as u64
    }

    /// Takes pairs that follow on each other.
    fn take(&mut self, pairs: &[i16]) {
        if self.file.held.is_empty() && self.file.owed == 0 {
            self.write_through(pairs);
        } else {
            self.hold(pairs);
        }
    }

    /// Writes pairs into parts; what they cannot take is held.
    fn write_through(&mut self, mut pairs: &[i16]) {
        while !pairs.is_empty() {
            if self.file.part.is_none() && !self.file.is_stalled {
                self.open();
            }
            if self.file.is_stalled {
                return self.hold(pairs);
            }
            let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
            let room = room.saturating_mul(self.subject.channels);
            let (now, later) = pairs.split_at(room.min(pairs.len()));
            self.write(now);
            pairs = later;
            self.close_if_full();
        }
    }

    /// Keeps pairs in memory as long as there is room; then they become silence.
    fn hold(&mut self, pairs: &[i16]) {
        let most = MOST_SECONDS_HELD * self.subject.sample_rate as usize * self.subject.channels;
        if self.file.owed == 0 && self.file.held.len() + pairs.len() <= most {
            self.file.held.extend_from_slice(pairs);
        } else {
            let count = self.frames(pairs.len());
            self.file.owed += count;
            self.done.lost += count;
        }
    }

    fn tick(&mut self) {
        if self.file.part.is_none() {
            self.file.is_stalled = false;
        }
        self.flush();
        if !self.file.held.is_empty() && self.file.part.is_none() && !self.file.is_stalled {
            self.open();
        }
        if !self.file.held.is_empty() && !self.file.is_stalled {
            let held = std::mem::take(&mut self.file.held);
            self.write_through(&held);
            self.flush();
        }
        self.pay();
    }

    /// Writes the silence that is owed.
    fn pay(&mut self) {
        if self.file.owed == 0 {
            return;
        }
        let (rate, channels) = (u64::from(self.subject.sample_rate), self.subject.channels);
        let silence = vec![0; channels * self.subject.sample_rate as usize];
        for _ in 0..MOST_SECONDS_OWED {
            let is_due = self.file.owed > 0 && self.file.held.is_empty();
            if is_due && self.file.part.is_none() && !self.file.is_stalled {
                self.open();
            }
            if self.file.owed == 0 || self.file.is_stalled || !self.file.held.is_empty() {
                return;
            }
            let count = self.file.owed.min(rate).min(self.room());
            let end = usize::try_from(count).unwrap_or(silence.len()).saturating_mul(channels);
            self.write(silence.get(..end).unwrap_or(&silence));
            self.file.owed -= count;
            for missing in &mut self.file.missing {
                *missing += count;
            }
            self.flush();
        }
    }

    fn write(&mut self, pairs: &[i16]) {
        if let Some(part) = &mut self.file.part {
            part.audio(pairs);
            self.file.at += (pairs.len() / self.subject.channels.max(1)) as u64;
        }
    }

    fn flush(&mut self) {
        let Some(part) = &mut self.file.part else { return };
        let flushed = part.flush();
        self.file.is_stalled = flushed.is_err();
        self.note(flushed);
        self.close_if_full();
    }

    /// Pairs until the part has its length.
    fn room(&self) -> u64 {
        let pairs = self.file.part.as_ref().map_or(0, Part::pairs);
        let seconds = self.place.rotation.seconds.unwrap_or(u64::MAX);
        seconds.saturating_mul(u64::from(self.subject.sample_rate)).saturating_sub(pairs)
    }

    /// Ends a part that has its length or size; the next audio begins the next one.
    fn close_if_full(&mut self) {
        let bytes = self.place.rotation.bytes;
        let is_large = self.file.part.as_ref().is_some_and(|part| part.bytes() >= bytes);
        if !self.file.is_stalled && (is_large || self.room() == 0) {
            self.close();
        }
    }

    fn open(&mut self) {
        let key = match &self.place.keys {
            None => None,
            // There is none while KMS does not answer.
            Some(keys) => match keys.try_recv() {
                Ok(key) => Some(key),
                Err(_) => {
                    (self.file.is_stalled, self.file.lacks_key) = (true, true);
                    return self.note(Err(io::Error::other("there is no key to encrypt with")));
                }
            },
        };
        self.file.lacks_key = false;
        let first_sample = self.file.at;
        for _ in 0..MOST_NAMES {
            self.file.count += 1;
            let number = Number { part: self.file.count, first_sample };
            let Place { root, open, .. } = self.place;
            let json = part::json_of(root, self.subject, number.part);
            // Before the file is there: it would be taken for one that a crash left.
            if !open.add(&json) {
                continue;
            }
            let made = Part::create(root, self.subject, number, key.clone());
            if made.is_err() {
                open.remove(&json);
            }
            match made {
                Ok(part) => {
                    self.file.part = Some(part);
                    self.file.is_stalled = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    self.file.count -= 1;
                    self.file.is_stalled = true;
                    return self.note(Err(error));
                }
            }
        }
        self.file.is_stalled = true;
        self.note(Err(io::ErrorKind::AlreadyExists.into()));
    }

    fn close(&mut self) {
        let missing = std::mem::take(&mut self.file.missing);
        if let Some(part) = self.file.part.take() {
            let closed = part.close(missing, self.subject.description.meeting.clone());
            self.done.lost += closed.lost;
            self.done.closed.push(closed);
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.done.error = Some(error);
        }
    }

    fn count_absent(&mut self, before: [u64; 2], after: [u64; 2]) {
        for (missing, (before, after)) in
            self.file.missing.iter_mut().zip(before.into_iter().zip(after))
        {
            *missing += after - before;
        }
    }
}

#[cfg(test)]
mod tests;
