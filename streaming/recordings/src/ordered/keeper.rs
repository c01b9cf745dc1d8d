//! The threads that put whole files where they belong: into the directory of sounds, or into S3. The first
//! one asks S3 once for each small file, within seconds; what is large, or was not taken, is the second
//! one's, so that it holds up nobody whose application waits.

use super::consumer::Begun;
use super::writer::make_directory;
use super::{OrderedCounters, OrderedEvent, OrderedNews, OrderedSink, OrderedStore, below};
use crate::unfinished::abort_begun;
use crate::wav;
use aws_sinks::{BegunUpload, Objects, S3Config, Unserved};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use model::RecordedObject;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Pauses before S3 is asked once more; then the file stays until the next start.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// How long S3 may take for one small file before that is the second thread's, which sets no limit but those
/// of [`Objects`] for each request.
const PATIENCE: Duration = Duration::from_secs(20);
/// Octets of a small file at most: four minutes of one party.
const SMALL: u64 = 4 * 1_048_576;
/// Buckets whose connections are kept.
const MOST_BUCKETS: usize = 16;
/// Directories of what a crash left, one in another, and files of it that one start looks after.
const DEPTH: usize = 64;
const MOST_LEFT: usize = 10_000;
const LOOK: Duration = Duration::from_millis(200);

/// A file that is whole.
pub(super) struct Finished {
    pub(super) path: PathBuf,
    /// `None` of one that a crash left: nobody is told.
    pub(super) begun: Option<Begun>,
}

/// One of the threads.
pub(super) struct Keeper {
    pub(super) spool: PathBuf,
    pub(super) store: OrderedStore,
    /// Files that were there before anything was written.
    pub(super) left: Vec<PathBuf>,
    pub(super) files: Receiver<Finished>,
    /// The second thread, of the first. Full policy: the file stays until the next start.
    pub(super) slow: Option<Sender<Finished>>,
    pub(super) counters: Arc<OrderedCounters>,
    pub(super) sink: OrderedSink,
    pub(super) is_stopping: Arc<AtomicBool>,
}

/// What became of a file for now.
enum Kept {
    Done(Result<(), String>),
    /// It is for the second thread.
    Slow,
    /// The node stops: the next start looks after it.
    Left,
}

impl Keeper {
    pub(super) fn run(mut self, runtime: &Runtime) {
        let mut buckets = HashMap::new();
        let mut left = std::mem::take(&mut self.left).into_iter();
        if let (OrderedStore::S3(access), None) = (&self.store, &self.slow)
            && let Some(begun) = BegunUpload::noted(&self.uploads())
        {
            abort_begun(self.objects(access, &begun.bucket, &mut buckets), runtime);
        }
        loop {
            match self.files.try_recv() {
                Ok(finished) => self.keep(finished, &mut buckets, runtime),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    let next = if self.is_stopping() { None } else { left.next() };
                    if let Some(path) = next {
                        if let Err(error) = repair(&path) {
                            tracing::warn!(file = %path.display(), %error, "a recording cannot be finished");
                        } else {
                            self.keep(Finished { path, begun: None }, &mut buckets, runtime);
                        }
                        continue;
                    }
                    match self.files.recv_timeout(LOOK) {
                        Ok(finished) => self.keep(finished, &mut buckets, runtime),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn keep(&self, finished: Finished, buckets: &mut HashMap<String, Objects>, runtime: &Runtime) {
        let Some((bucket, key)) = self.object(&finished.path) else { return };
        let kept = self.kept(&finished.path, (&bucket, &key), buckets, runtime);
        match (kept, &self.slow) {
            (Kept::Left, _) => {}
            (Kept::Slow, Some(slow)) => {
                if let Err(error) = slow.try_send(finished) {
                    let why = "too many recordings wait to be put where they belong".to_owned();
                    self.tell(&error.into_inner(), (&bucket, &key), Err(why));
                }
            }
            (Kept::Slow, None) => {}
            (Kept::Done(outcome), _) => self.tell(&finished, (&bucket, &key), outcome),
        }
    }

    fn tell(&self, finished: &Finished, (bucket, key): (&str, &str), outcome: Result<(), String>) {
        match &outcome {
            Ok(()) => self.counters.saved.fetch_add(1, Ordering::Relaxed),
            Err(why) => {
                let file = finished.path.display();
                tracing::warn!(%file, %why, "an application's recording stays here until the node starts");
                self.counters.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
        if let Some(Begun { call, order, .. }) = finished.begun {
            let object = RecordedObject { bucket: bucket.into(), key: key.into() };
            let event = OrderedEvent::Ended(outcome.map(|()| object));
            (self.sink)(OrderedNews { call, order, event });
        }
    }

    fn kept(
        &self,
        path: &Path,
        (bucket, key): (&str, &str),
        buckets: &mut HashMap<String, Objects>,
        runtime: &Runtime,
    ) -> Kept {
        let told = |error: io::Error| Kept::Done(Err(format!("{}: {error}", path.display())));
        let file = match File::open(path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((length, _)) if length > SMALL && self.slow.is_some() => return Kept::Slow,
            Ok((_, file)) => file,
            Err(error) => return told(error),
        };
        if let Err(error) = file.sync_all() {
            return told(error);
        }
        match &self.store {
            OrderedStore::Directory(root) => Kept::Done(place(path, root, bucket, key)),
            OrderedStore::S3(access) => {
                let objects = self.objects(access, bucket, buckets);
                self.upload(path, key, objects, runtime)
            }
        }
    }

    /// Where an upload in pieces is written down: those are the second thread's, one at a time.
    fn uploads(&self) -> PathBuf {
        self.spool.with_extension("upload")
    }

    fn objects<'a>(
        &self,
        access: &aws_sinks::Access,
        bucket: &str,
        buckets: &'a mut HashMap<String, Objects>,
    ) -> &'a mut Objects {
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(bucket) {
            buckets.clear();
        }
        buckets.entry(bucket.to_owned()).or_insert_with(|| {
            let (bucket, prefix) = (bucket.to_owned(), String::new());
            let objects = Objects::new(access, S3Config { bucket, prefix, encryption: None });
            if self.slow.is_some() { objects } else { objects.noting(self.uploads()) }
        })
    }

    /// Its bucket and key, as its path says.
    fn object(&self, path: &Path) -> Option<(String, String)> {
        let path = path.strip_prefix(&self.spool).ok()?.to_str()?;
        let (bucket, key) = path.split_once('/')?;
        Some((bucket.to_owned(), key.to_owned()))
    }

    fn upload(&self, path: &Path, key: &str, objects: &mut Objects, runtime: &Runtime) -> Kept {
        let told = |error: io::Error| Kept::Done(Err(format!("{}: {error}", path.display())));
        let mut pauses = PAUSES.into_iter();
        loop {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (length, mut file) = match opened {
                Ok(opened) => opened,
                Err(error) => return told(error),
            };
            let store = objects.store(key, "audio/wav", &mut file, length);
            let outcome = self.unless_stopped(store, runtime);
            if outcome.is_none() {
                abort_begun(objects, runtime);
            }
            let why = match outcome {
                Some(Ok(_)) => {
                    let _ = fs::remove_file(path);
                    return Kept::Done(Ok(()));
                }
                Some(Err(Unserved::Refused(why))) => return Kept::Done(Err(why)),
                Some(Err(unserved)) => unserved.reason().to_owned(),
                None if self.is_stopping() => return Kept::Left,
                None => return Kept::Slow,
            };
            if self.slow.is_some() {
                return Kept::Slow;
            }
            let Some(pause) = pauses.next() else { return Kept::Done(Err(why)) };
            self.pause(pause);
        }
    }

    /// `None` when the node stops, or when the first thread has no more time for it.
    fn unless_stopped<T>(&self, work: impl Future<Output = T>, runtime: &Runtime) -> Option<T> {
        runtime.block_on(async {
            let mut work = pin!(work);
            let until_stopped = async {
                while !self.is_stopping() {
                    if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                        return Some(done);
                    }
                }
                None
            };
            match self.slow {
                Some(_) => tokio::time::timeout(PATIENCE, until_stopped).await.ok().flatten(),
                None => until_stopped.await,
            }
        })
    }

    fn pause(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() && !self.is_stopping() {
            let piece = left.min(LOOK);
            std::thread::park_timeout(piece);
            left = left.saturating_sub(piece);
        }
    }
}

/// Moves a file to where it can be played.
fn place(path: &Path, root: &Path, bucket: &str, key: &str) -> Result<(), String> {
    let target = below(root, bucket, key)?;
    let told = |error: io::Error| format!("{}: {error}", target.display());
    make_directory(&target).map_err(told)?;
    // A link may lead out.
    let directory = target.parent().unwrap_or(root);
    let (real, top) = (directory.canonicalize().map_err(told)?, root.canonicalize().map_err(told)?);
    if !real.starts_with(top) {
        return Err(format!("{} leads out of {}", target.display(), root.display()));
    }
    fs::rename(path, &target).map_err(told)
}

/// What a crash left below `spool`.
pub(super) fn left_in(spool: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    collect(spool, DEPTH, &mut left);
    left
}

fn collect(directory: &Path, depth: usize, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if into.len() >= MOST_LEFT {
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => collect(&entry.path(), depth - 1, into),
            Ok(kind) if kind.is_file() => into.push(entry.path()),
            _ => {}
        }
    }
}

/// Writes the lengths into the head of a file that a crash left.
fn repair(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut head = [0; wav::HEAD_BYTES as usize];
    file.read_exact(&mut head)?;
    if !wav::is_head(&head) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no WAV file of ours"));
    }
    let data = file.metadata()?.len().saturating_sub(wav::HEAD_BYTES);
    let number = |at: usize| head.get(at).copied().unwrap_or_default();
    let channels = u16::from(number(22)).clamp(1, 2);
    let rate = u32::from_le_bytes([number(24), number(25), number(26), number(27)]);
    let whole = data - data % u64::from(2 * channels);
    file.set_len(wav::HEAD_BYTES + whole)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&wav::head_of(channels, rate.min(48_000), Some(whole)))
}
