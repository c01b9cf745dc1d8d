//! Sees what other processes make in the database, and has calls routed by it.
//!
//! A thread of its own looks: what is read may be large, and nothing else is to wait for it.

use super::{LiveDirectory, read};
use control_api::State;
use control_api::state::{Connector, Number};
use directory_store::{DirectoryWatch, FILE};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks: what others write is in force within a second.
const INTERVAL: Duration = Duration::from_millis(400);

/// The thread; dropping it ends it.
pub(crate) struct Watch {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at the database below `data_dir` from now on, also at one that comes later.
    pub(crate) fn start(directory: &Arc<LiveDirectory>, data_dir: &Path) -> io::Result<Watch> {
        // Nothing is ever sent: it ends when the sender does.
        let (stop, stopped) = sync_channel::<()>(1);
        let mut watcher = Watcher {
            directory: Arc::clone(directory),
            data_dir: data_dir.to_owned(),
            watch: None,
            told: None,
        };
        let thread = thread::Builder::new().name("directory".into()).spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                watcher.look();
            }
        })?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the directory ended by a panic");
        }
    }
}

struct Watcher {
    directory: Arc<LiveDirectory>,
    data_dir: PathBuf,
    watch: Option<DirectoryWatch>,
    /// What was wrong the last time: it is logged once.
    told: Option<String>,
}

impl Watcher {
    fn look(&mut self) {
        match self.looked() {
            Ok(()) => self.told = None,
            Err(error) => {
                // Opened anew, and read again, the next time.
                self.watch = None;
                if self.told.as_ref() != Some(&error) {
                    tracing::error!("what other processes have made is not seen: {error}");
                }
                self.told = Some(error);
            }
        }
    }

    fn looked(&mut self) -> Result<(), String> {
        if self.watch.is_none() {
            self.watch = DirectoryWatch::open(&self.data_dir).map_err(|error| error.to_string())?;
        }
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let written = watch.look().map_err(|error| error.to_string())?;
        // The control API of this process writes as well.
        if written.is_none_or(|generation| generation <= self.directory.generation()) {
            return Ok(());
        }
        let (state, generation) = read(watch.store())?;
        if self.directory.follow(&state, generation) {
            let (connectors, numbers) = counts(&state);
            tracing::info!(
                "another process has written {FILE}: calls are routed by its {connectors} voice \
                 connectors and {numbers} numbers"
            );
            self.directory.tell(state, generation);
        }
        Ok(())
    }
}

fn counts(state: &State) -> (usize, usize) {
    (state.all::<Connector>().len(), state.all::<Number>().len())
}
