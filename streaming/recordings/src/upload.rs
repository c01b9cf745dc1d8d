//! The thread that puts recordings into S3. What is to be uploaded is what is on the disk: a file's JSON
//! tells, so that a restart, or a day without S3, forgets nothing.

use crate::calendar;
use crate::counters::{RecordingCounters, add};
use crate::description::{Description, State, Upload};
use crate::notice::{NoticeKind, Notices};
use crate::unfinished::abort_begun;
use aws_sinks::{Access, Objects, S3Config, Stored, Unserved};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use outbox::Backoff;
use outbox::clock::{draw, unix_time};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Files that wait. Full policy: what finds no room is found on the disk when the list has run out.
pub(crate) const WAITING: usize = 16_384;
/// How soon the thread hears that it is to stop.
const LOOK: Duration = Duration::from_millis(200);

/// Where recordings go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadConfig {
    /// Whose S3.
    pub access: Access,
    /// The bucket, and how it encrypts.
    pub s3: S3Config,
}

/// A thread that uploads.
pub(crate) struct Uploader {
    pub(crate) root: PathBuf,
    pub(crate) config: UploadConfig,
    pub(crate) files: Receiver<PathBuf>,
    pub(crate) counters: Arc<RecordingCounters>,
    pub(crate) notices: Notices,
    pub(crate) is_stopping: Arc<AtomicBool>,
    pub(crate) is_wanted: Arc<AtomicBool>,
}

/// What became of an attempt.
enum Attempt {
    Done(u64),
    /// There is nothing to upload.
    Gone,
    Failed(Unserved),
    Stopped,
}

impl Uploader {
    pub(crate) fn run(self, runtime: &tokio::runtime::Runtime) {
        let objects = Objects::new(&self.config.access, self.config.s3.clone());
        let mut objects = objects.noting(self.root.with_extension("upload"));
        abort_begun(&mut objects, runtime);
        let mut was_full = false;
        while !self.is_stopping.load(Ordering::Relaxed) {
            self.counters.waiting.store(self.files.len() as u64, Ordering::Relaxed);
            was_full |= self.files.is_full();
            match self.files.recv_timeout(LOOK) {
                Ok(json) => self.deliver(&json, &mut objects, runtime),
                Err(RecvTimeoutError::Timeout) if was_full => {
                    was_full = false;
                    self.is_wanted.store(true, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Uploads one, however often it takes; one that the bucket will never take is left alone until the
    /// next look.
    fn deliver(&self, json: &Path, objects: &mut Objects, runtime: &tokio::runtime::Runtime) {
        let mut failures = 0;
        loop {
            let waiting = self.files.len() as u64 + 1;
            self.counters.waiting.store(waiting, Ordering::Relaxed);
            match self.attempt(json, objects, runtime) {
                Attempt::Done(bytes) => {
                    add(&self.counters.uploaded, 1);
                    add(&self.counters.uploaded_bytes, bytes);
                    if failures > 0 {
                        tracing::info!("recordings are uploaded again");
                    }
                    return;
                }
                Attempt::Gone | Attempt::Stopped => return,
                Attempt::Failed(trouble) => {
                    failures += 1;
                    add(&self.counters.upload_failures, 1);
                    self.complain(json, &trouble, failures);
                    let Unserved::Wait { after, .. } = trouble else { return };
                    self.pause(Backoff::default().pause(failures, after, draw()));
                    if self.is_stopping.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }

    fn attempt(
        &self,
        json: &Path,
        objects: &mut Objects,
        runtime: &tokio::runtime::Runtime,
    ) -> Attempt {
        let unread = |error: io::Error| {
            let reason = format!("it cannot be read: {error}");
            if error.kind() == io::ErrorKind::NotFound {
                Attempt::Gone
            } else {
                // Others can be; this one is tried at the next look.
                Attempt::Failed(Unserved::Refused(reason))
            }
        };
        let mut description = match Description::read(json) {
            Ok(description) if description.state == State::Finished => description,
            Ok(_) => return Attempt::Gone,
            Err(error) => return unread(error),
        };
        let audio = description.audio_path(json);
        let stored = match self.store(&audio, description.content_type(), objects, runtime) {
            Ok(Ok(stored)) => stored,
            Ok(Err(attempt)) => return attempt,
            Err(error) => return unread(error),
        };
        description.state = State::Uploaded;
        description.upload = Some(Upload {
            bucket: objects.bucket().to_owned(),
            key: stored.key,
            at: calendar::readable(unix_time(), 0, 1),
            etag: stored.etag,
            checksum_sha256: stored.checksum,
        });
        self.settle(json, &audio, &description, objects, runtime)
    }

    /// The audio is in the bucket: so is its JSON, then the audio here goes, and never before.
    fn settle(
        &self,
        json: &Path,
        audio: &Path,
        description: &Description,
        objects: &mut Objects,
        runtime: &tokio::runtime::Runtime,
    ) -> Attempt {
        let wait = |what: &str, error: io::Error| {
            let reason = format!("it is uploaded, but {what}: {error}");
            Attempt::Failed(Unserved::Wait { reason, after: None })
        };
        let Ok(mut text) = serde_json::to_vec_pretty(description) else { return Attempt::Gone };
        text.push(b'\n');
        let (mut from, length) = (text.as_slice(), text.len() as u64);
        let key = self.key(json);
        let put = objects.store(&key, "application/json", &mut from, length);
        match self.unless_stopped(put, runtime) {
            Some(Ok(_)) => {}
            Some(Err(trouble)) => return Attempt::Failed(trouble),
            None => return Attempt::Stopped,
        }
        if let Err(error) = description.write(json) {
            return wait("its JSON cannot be written", error);
        }
        match fs::remove_file(audio) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = audio.display();
                tracing::warn!(%path, %error, "an uploaded recording cannot be removed here");
            }
            _ => {}
        }
        Attempt::Done(description.bytes.unwrap_or_default())
    }

    fn store(
        &self,
        audio: &Path,
        content_type: &str,
        objects: &mut Objects,
        runtime: &tokio::runtime::Runtime,
    ) -> io::Result<Result<Stored, Attempt>> {
        let mut file = File::open(audio)?;
        let length = file.metadata()?.len();
        let key = self.key(audio);
        let stored = objects.store(&key, content_type, &mut file, length);
        Ok(match self.unless_stopped(stored, runtime) {
            Some(stored) => stored.map_err(Attempt::Failed),
            None => {
                abort_begun(objects, runtime);
                Err(Attempt::Stopped)
            }
        })
    }

    /// The object's key: where the file is below the directory of recordings.
    fn key(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
        runtime: &tokio::runtime::Runtime,
    ) -> Option<T> {
        runtime.block_on(async {
            let mut work = pin!(work);
            while !self.is_stopping.load(Ordering::Relaxed) {
                if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                    return Some(done);
                }
            }
            None
        })
    }

    fn pause(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() && !self.is_stopping.load(Ordering::Relaxed) {
            let piece = left.min(LOOK);
            std::thread::park_timeout(piece);
            left = left.saturating_sub(piece);
        }
    }

    fn complain(&self, json: &Path, trouble: &Unserved, failures: u32) {
        let path = json.display();
        // Said at 1, 2, 4, 8, … attempts.
        if failures.is_power_of_two() {
            tracing::warn!(%path, failures, reason = trouble.reason(), "a recording is not uploaded; it waits");
        }
        let bucket = &self.config.s3.bucket;
        let message = format!("recordings cannot be uploaded to {bucket}: {trouble}; they wait");
        self.notices.tell(NoticeKind::UploadFailed, message);
    }
}

#[cfg(test)]
mod tests;
