//! Removes files whose stream keeps them no longer.

use super::{Counters, StreamProperties};
use crate::kinesis::{EXTENSION, StreamName};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use model::UnixTime;
use outbox::clock::unix_time;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks.
const TURN: Duration = Duration::from_secs(60);
/// A file that is written into is younger than this, also of a stream that keeps nothing.
const STILL_WRITTEN_MS: u64 = 60_000;
/// Hours, where a stream's folder does not say: a voice connector's default.
const DEFAULT_HOURS: u32 = 24;

/// The thread that looks once a minute, until it is dropped.
pub(super) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(root: PathBuf, counters: Arc<Counters>) -> io::Result<Self> {
        let (stop, stopped): (Sender<()>, Receiver<()>) = bounded(0);
        let thread = thread::Builder::new().name("stream-keeper".into()).spawn(move || {
            loop {
                turn(&root, unix_time(), &counters);
                if !matches!(stopped.recv_timeout(TURN), Err(RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        })?;
        Ok(Keeper { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Removes what is over at `now`. Folders stay: their streams serve other calls.
pub(super) fn turn(root: &Path, now: UnixTime, counters: &Counters) {
    let mut removed = 0_u64;
    for folder in fs::read_dir(root).into_iter().flatten().flatten() {
        let is_ours =
            folder.file_name().to_str().is_some_and(|name| StreamName::parse(name).is_some());
        if is_ours && folder.file_type().is_ok_and(|kind| kind.is_dir()) {
            removed += stream(&folder.path(), now);
        }
    }
    if removed > 0 {
        counters.removed.fetch_add(removed, Ordering::Relaxed);
        tracing::info!(
            files = removed,
            "files of streams were removed at the end of their retention"
        );
    }
}

fn stream(folder: &Path, now: UnixTime) -> u64 {
    let properties = StreamProperties::read(folder);
    let hours = properties.map_or(DEFAULT_HOURS, |known| known.data_retention_in_hours);
    let keep_ms = u64::from(hours) * 3_600_000;
    let mut removed = 0;
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        // Links are not followed.
        let Ok(metadata) = file.metadata() else { continue };
        let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
        let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
        let age_ms = now.as_millis().saturating_sub(seconds * 1_000);
        if !is_ours || !metadata.is_file() || age_ms <= keep_ms.max(STILL_WRITTEN_MS) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "an old file of a stream cannot be removed; it is tried again");
            }
        }
    }
    removed
}
