//! The thread that follows the records of finished calls into the history.

use call_history::{FILE, History, HistoryError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use model::UnixTime;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks at the files.
const TURN: Duration = Duration::from_secs(1);
/// Turns between two looks for what is too old.
const REMOVAL_TURNS: u32 = 60;
/// Steps of a turn, so that a node that finds a year of files still hears that it is to stop.
const STEPS: u32 = 64;

/// What the thread did since the start.
#[derive(Default, Debug)]
pub(crate) struct HistoryCounters {
    /// Calls taken in.
    pub(crate) calls: AtomicU64,
    /// Lines of the files that are no record of a call.
    pub(crate) damaged: AtomicU64,
    /// Calls removed because of their age.
    pub(crate) removed: AtomicU64,
    /// Turns that failed: disk full, damaged files.
    pub(crate) failures: AtomicU64,
}

/// Follows the files until it is dropped. Calls never wait for it, and whatever fails here is tried
/// again: the files hold everything.
pub(crate) struct HistoryFollower {
    counters: Arc<HistoryCounters>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HistoryFollower {
    /// Starts the thread. `now` is the calendar.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        data_dir: &Path,
        keep: Duration,
        now: fn() -> UnixTime,
    ) -> io::Result<HistoryFollower> {
        let counters = Arc::new(HistoryCounters::default());
        let (stop, stopped) = bounded(1);
        let follower = Follower {
            data_dir: data_dir.to_owned(),
            keep,
            now,
            counters: Arc::clone(&counters),
            history: None,
            complaint: None,
        };
        let thread =
            thread::Builder::new().name("history".into()).spawn(move || follower.run(&stopped))?;
        Ok(HistoryFollower { counters, stop: Some(stop), thread: Some(thread) })
    }

    /// What it did.
    pub(crate) fn counters(&self) -> Arc<HistoryCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for HistoryFollower {
    /// Waits until it has taken in what is in the files.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Follower {
    data_dir: PathBuf,
    keep: Duration,
    now: fn() -> UnixTime,
    counters: Arc<HistoryCounters>,
    history: Option<History>,
    /// What the log was told last.
    complaint: Option<String>,
}

impl Follower {
    fn run(mut self, stopped: &Receiver<()>) {
        for turn in 0.. {
            let has_to_stop = match stopped.recv_timeout(TURN) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            let result = self.turn(u32::is_multiple_of(turn, REMOVAL_TURNS));
            self.judge(result);
            if has_to_stop {
                break;
            }
        }
    }

    fn turn(&mut self, removes: bool) -> Result<(), HistoryError> {
        let history = match &mut self.history {
            Some(history) => history,
            none => none.insert(open(&self.data_dir)?),
        };
        for _ in 0..STEPS {
            let taken = history.take_in()?;
            self.counters.calls.fetch_add(taken.calls, Ordering::Relaxed);
            self.counters.damaged.fetch_add(taken.damaged, Ordering::Relaxed);
            if !taken.more {
                break;
            }
        }
        if removes {
            let keep = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
            let before = UnixTime::from_millis((self.now)().as_millis().saturating_sub(keep));
            for _ in 0..STEPS {
                let removed = history.remove(before)?;
                self.counters.removed.fetch_add(removed.calls, Ordering::Relaxed);
                if !removed.more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Says what fails when it begins to, and when it works again.
    fn judge(&mut self, result: Result<(), HistoryError>) {
        match result {
            Ok(()) => {
                if self.complaint.take().is_some() {
                    tracing::info!("the history of calls is up to date again");
                }
            }
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                // A database that was damaged meanwhile is opened, and made, anew.
                if error.is_damage() {
                    self.history = None;
                }
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(
                        %error,
                        "the history of calls is not up to date; calls are recorded in files all \
                         the same, and it goes on when this is over"
                    );
                    self.complaint = Some(complaint);
                }
            }
        }
    }
}

/// Opens the history; a damaged one is put aside first and made anew from the files.
fn open(data_dir: &Path) -> Result<History, HistoryError> {
    match History::open(data_dir) {
        Err(error) if error.is_damage() => {
            let path = data_dir.join(FILE);
            let aside = data_dir.join(format!("{FILE}.damaged"));
            tracing::warn!(
                %error,
                "the history of calls is damaged: it is made anew from the files, the old one is \
                 {}",
                aside.display()
            );
            let at = |error| HistoryError::File(path.clone(), error);
            std::fs::rename(&path, &aside).map_err(at)?;
            for suffix in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(data_dir.join(format!("{FILE}{suffix}")));
            }
            History::open(data_dir)
        }
        opened => opened,
    }
}
