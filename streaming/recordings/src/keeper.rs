//! The thread that finishes recordings, also those that a crash left, and removes what is old.

use crate::counters::{RecordingCounters, add};
use crate::description::{Description, State};
use crate::keys::Keys;
use crate::notice::{NoticeKind, Notices};
use crate::part::Closed;
use crate::recording::OpenFiles;
use crate::repair::{RepairError, repair};
use crate::tree;
use aws_lc_rs::digest::{Context, SHA256};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{Instant, UnixTime, VoiceConnectorId};
use outbox::clock::{Clock, unix_time};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Tasks that wait. Full policy: what finds no room is found on the disk at the next look.
pub(crate) const TASKS: usize = 4_096;
/// Between two looks at every recording.
const TURN: Duration = Duration::from_secs(600);
/// When what could not be finished is tried again.
const AGAIN: Duration = Duration::from_secs(60);
const PIECE: usize = 256 * 1_024;

/// What the thread is given.
pub(crate) enum Task {
    /// A part that ended.
    Closed(Box<Closed>),
    /// The node stops: what waits is finished, and nothing else.
    Stop,
}

/// What is kept, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Recordings are removed so long after their end; those that are to be uploaded not before they are.
    /// `None` for never.
    pub age: Option<Duration>,
    /// The same of recordings of meetings.
    pub meetings: Option<Duration>,
    /// What is left here of one that is uploaded, its JSON, is removed so long after its end. `None` for
    /// never.
    pub uploaded: Option<Duration>,
    /// Octets of audio at most; then the oldest goes, uploaded or not.
    pub bytes: u64,
}

/// What became of a recording, or of a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whose call; `None` when nobody knows any more.
    pub voice_connector: Option<VoiceConnectorId>,
    /// Octets of its file; `None` when it is lost.
    pub bytes: Option<u64>,
}

/// Who counts recordings. It must not wait.
pub type OutcomeSink = Arc<dyn Fn(Outcome) + Send + Sync>;

/// A thread that finishes and removes.
pub(crate) struct Keeper {
    pub(crate) root: PathBuf,
    pub(crate) keep: Keep,
    pub(crate) open: OpenFiles,
    pub(crate) keys: Option<Keys>,
    pub(crate) tasks: Receiver<Task>,
    /// What is to be uploaded; `None` when nothing is.
    pub(crate) uploads: Option<Sender<PathBuf>>,
    pub(crate) counters: Arc<RecordingCounters>,
    pub(crate) notices: Notices,
    pub(crate) outcomes: Option<OutcomeSink>,
    /// Set by whoever uploads, when its list has run out.
    pub(crate) is_wanted: Arc<AtomicBool>,
}

impl Keeper {
    /// Works until it is told to stop, or nobody could tell it.
    pub(crate) fn run(mut self) {
        let clock = Clock::start();
        let mut next: Instant = clock.now();
        loop {
            if clock.now() >= next {
                let is_clean = self.look(unix_time());
                next = clock.now() + if is_clean { TURN } else { AGAIN };
            }
            let wait = next.saturating_since(clock.now()).min(Duration::from_secs(1));
            match self.tasks.recv_timeout(wait) {
                Ok(Task::Closed(closed)) => self.close(*closed),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.is_wanted.swap(false, Ordering::Relaxed) {
                next = clock.now();
            }
        }
    }

    /// Finishes a part that its writer has ended.
    fn close(&mut self, closed: Closed) {
        let Closed { json, description, result, lost: _ } = closed;
        let audio = description.audio_path(&json);
        let finished = match result {
            Ok(()) => self.finish(&json, description),
            // What is not on the disk is cut off.
            Err(error) => {
                tracing::warn!(path = %audio.display(), %error, "the end of a recording is lost");
                self.mend(&json, description)
            }
        };
        if let Err(error) = finished {
            self.complain(&audio, &error);
        }
        self.open.remove(&json);
    }

    /// Whether everything that is to be finished is.
    fn look(&mut self, now: UnixTime) -> bool {
        let mut is_clean = true;
        let mut days = Vec::new();
        for day in tree::days(&self.root) {
            let mut bytes = 0;
            for json in tree::descriptions(&day) {
                if self.open.has(&json) {
                    continue;
                }
                match self.look_at(&json, now) {
                    Ok(size) => bytes += size,
                    Err(error) => {
                        is_clean = false;
                        self.complain(&json, &error);
                    }
                }
            }
            tree::remove_if_empty(&self.root, &day);
            days.push((day, bytes));
        }
        self.make_room(days);
        is_clean
    }

    /// Does what is due of one; the octets of audio that it keeps here.
    fn look_at(&mut self, json: &Path, now: UnixTime) -> Result<u64, RepairError> {
        let description = match Description::read(json) {
            Ok(description) => description,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        match description.state {
            State::Recording => return self.mend(json, description).map(|()| 0),
            State::Finished if self.uploads.is_some() => self.offer(json),
            State::Finished | State::Uploaded => {
                if description.state == State::Uploaded {
                    // Of a node that stopped between the JSON and this.
                    remove_left(&description.audio_path(json));
                }
                if self.is_old(&description, now) {
                    self.remove(json, &description);
                    return Ok(0);
                }
            }
        }
        let audio = description.audio_path(json);
        Ok(fs::metadata(audio).map_or(0, |metadata| metadata.len()))
    }

    /// Finishes one that its writer did not end.
    fn mend(&mut self, json: &Path, mut description: Description) -> Result<(), RepairError> {
        let audio = description.audio_path(json);
        match repair(&audio, &description, self.keys.as_mut()) {
            Ok(samples) => {
                let path = audio.display();
                tracing::info!(%path, samples, "a recording that was cut off is finished");
                description.repaired = true;
                description.missing_samples = None;
                description.finish(samples);
                self.finish(json, description)?;
                add(&self.counters.repaired, 1);
                Ok(())
            }
            Err(RepairError::Empty) => {
                self.give_up(json, &description, "nothing of it was written")
            }
            Err(RepairError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.give_up(json, &description, "its audio is gone")
            }
            Err(error) => Err(error),
        }
    }

    fn give_up(
        &self,
        json: &Path,
        description: &Description,
        why: &str,
    ) -> Result<(), RepairError> {
        add(&self.counters.failed, 1);
        self.tell(description, None);
        let audio = description.audio_path(json);
        let path = audio.display();
        tracing::warn!(%path, why, "a recording is lost");
        let _ = fs::remove_file(&audio);
        Ok(fs::remove_file(json)?)
    }

    fn tell(&self, description: &Description, bytes: Option<u64>) {
        if let Some(outcomes) = &self.outcomes {
            let voice_connector = VoiceConnectorId::new(&description.voice_connector_id).ok();
            outcomes(Outcome { voice_connector, bytes });
        }
    }

    /// Writes down what is known of audio that is whole.
    fn finish(&self, json: &Path, mut description: Description) -> Result<(), RepairError> {
        let (bytes, sha256) = digest(&description.audio_path(json))?;
        description.bytes = Some(bytes);
        description.sha256 = Some(sha256);
        description.state = State::Finished;
        description.write(json)?;
        add(&self.counters.saved, 1);
        add(&self.counters.saved_bytes, bytes);
        self.tell(&description, Some(bytes));
        if self.uploads.is_some() {
            self.offer(json);
        }
        Ok(())
    }

    fn offer(&self, json: &Path) {
        // Full: it is found at a later look.
        if let Some(uploads) = &self.uploads {
            let _ = uploads.try_send(json.to_owned());
        }
    }

    fn is_old(&self, description: &Description, now: UnixTime) -> bool {
        let keep = match description.state {
            State::Uploaded => self.keep.uploaded,
            State::Recording | State::Finished if description.meeting.is_some() => {
                self.keep.meetings
            }
            State::Recording | State::Finished => self.keep.age,
        };
        let Some(keep) = keep.and_then(|keep| u64::try_from(keep.as_millis()).ok()) else {
            return false;
        };
        let ended = description.ended.as_deref().and_then(crate::calendar::parse);
        let ended = ended.or(description.began_at());
        ended.is_some_and(|ended| now.as_millis().saturating_sub(ended.as_millis()) > keep)
    }

    /// Removes the oldest audio when there is too much of it.
    fn make_room(&self, mut days: Vec<(PathBuf, u64)>) {
        let mut total: u64 = days.iter().map(|(_, bytes)| bytes).sum();
        if total <= self.keep.bytes {
            return;
        }
        days.sort_by_key(|(day, _)| tree::date(day));
        for (day, _) in days {
            for json in tree::descriptions(&day) {
                if total <= self.keep.bytes {
                    return;
                }
                let Ok(description) = Description::read(&json) else { continue };
                if description.state != State::Finished || self.open.has(&json) {
                    continue;
                }
                let audio = description.audio_path(&json);
                total -= fs::metadata(audio).map_or(0, |metadata| metadata.len()).min(total);
                self.remove(&json, &description);
                if self.uploads.is_some() {
                    add(&self.counters.removed_unsent, 1);
                    let message = "[recordings] max_bytes is reached: the oldest recordings are removed \
                                   before they were uploaded";
                    tracing::warn!(path = %json.display(), "{message}");
                    self.notices.tell(NoticeKind::RemovedUnsent, message);
                }
            }
            tree::remove_if_empty(&self.root, &day);
        }
    }

    /// The audio first: what is left of a crash is a JSON without it, which goes at the next look.
    fn remove(&self, json: &Path, description: &Description) {
        let audio = fs::remove_file(description.audio_path(json));
        let is_gone = audio.as_ref().err().is_none_or(|e| e.kind() == io::ErrorKind::NotFound);
        if !is_gone {
            return;
        }
        if fs::remove_file(json).is_ok() {
            add(&self.counters.removed, 1);
        }
    }

    fn complain(&self, path: &Path, error: &RepairError) {
        let path = path.display();
        tracing::warn!(%path, %error, "a recording cannot be finished; it is tried again");
        let message = format!("{path} cannot be finished: {error}; it is tried again");
        self.notices.tell(NoticeKind::RecordingFailed, message);
    }
}

/// Removes audio that the bucket is proven to have.
fn remove_left(audio: &Path) {
    match fs::remove_file(audio) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let path = audio.display();
            tracing::warn!(%path, %error, "an uploaded recording cannot be removed here; it is tried again");
        }
        _ => {}
    }
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut context, mut bytes) = (Context::new(&SHA256), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        context.update(piece.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
    let mut text = String::new();
    for octet in context.finish().as_ref() {
        let _ = write!(text, "{octet:02x}");
    }
    Ok((bytes, text))
}
