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
        let written = match watch.look() {
            Ok(written) => written,
            Err(error) => {
                self.watch = None;
                return Err(error.to_string());
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::live_directory::Journal;
    use directory_store::{Committed, DirectoryStore, RecordChange, StoredRecord};
    use std::time::Instant;

    const VC: &str = "abcdef1ghij2klmno3pqr4";

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let name = format!("tandem-watch-{:016x}", getrandom::u64().unwrap());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        fn config(&self, more: &str) -> Config {
            let data_dir = self.0.display();
            let text = format!(
                "[node]\ndata_dir = \"{data_dir}\"\n[sip]\ndomain = \"t.test\"\nudp = \"127.0.0.1:5060\"\n{more}"
            );
            Config::parse(&text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"))
        }

        fn store(&self) -> DirectoryStore {
            let fill = |octets: &mut [u8; 32]| {
                getrandom::fill(octets).map_err(|error| io::Error::other(error.to_string()))
            };
            DirectoryStore::open(&self.0, fill).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn connector(id: &str, name: &str) -> RecordChange {
        let body = serde_json::json!({ "Name": name, "RequireEncryption": false,
            "AwsRegion": "us-east-1", "NetworkType": "IPV4_ONLY" });
        let (kind, id, body) = ("voice-connector".into(), id.into(), body.to_string());
        let record = StoredRecord { kind, id, body, created_ms: 1, updated_ms: 1 };
        RecordChange::Put { record, nonce: None }
    }

    fn commit(store: &mut DirectoryStore, generation: u64, changes: &[RecordChange]) {
        assert_eq!(store.commit(generation, changes).unwrap(), Committed::At(generation + 1));
    }

    fn watcher(directory: &Arc<LiveDirectory>, scratch: &Scratch) -> Watcher {
        let (directory, data_dir) = (Arc::clone(directory), scratch.0.clone());
        Watcher { directory, data_dir, watch: None, told: None }
    }

    fn names(directory: &LiveDirectory) -> Vec<String> {
        let current = directory.current();
        current.voice_connectors().map(|each| each.name.to_string()).collect()
    }

    #[test]
    fn what_another_process_makes_is_routed_also_where_there_was_no_database() {
        let scratch = Scratch::new();
        let directory = LiveDirectory::open(&scratch.config(""));
        directory.keep_news();
        let mut watcher = watcher(&directory, &scratch);
        watcher.look();
        assert!(watcher.watch.is_none() && watcher.told.is_none());
        let mut store = scratch.store();
        watcher.look();
        commit(&mut store, 0, &[connector(VC, "one")]);
        watcher.look();
        assert_eq!((names(&directory), directory.generation()), (vec!["one".to_owned()], 1));
        let (state, generation) = directory.take_news().unwrap();
        assert_eq!((state.all::<Connector>().len(), generation), (1, 1));
        watcher.look();
        assert!(directory.take_news().is_none(), "nothing is new");
        // Nothing of it goes with the file any more: the file alone counts.
        let gone = RecordChange::Remove { kind: "voice-connector".into(), id: VC.into() };
        commit(&mut store, 1, &[gone]);
        watcher.look();
        assert_eq!((names(&directory).len(), directory.generation()), (0, 2));
    }

    #[test]
    fn what_this_process_has_written_is_no_news() {
        let scratch = Scratch::new();
        commit(&mut scratch.store(), 0, &[connector(VC, "one")]);
        let config = scratch.config("");
        let directory = LiveDirectory::of(&config, Some(Journal::open(&config).unwrap()));
        let mut watcher = watcher(&directory, &scratch);
        watcher.look();
        let before = directory.current();
        let mut store = scratch.store();
        let written = directory.set_nothing(|| match store.commit(1, &[connector(VC, "own")]) {
            Ok(Committed::At(next)) => Ok(next),
            other => Err(format!("{other:?}")),
        });
        assert_eq!((written, directory.generation()), (Ok(()), 2));
        watcher.look();
        assert!(Arc::ptr_eq(&before, &directory.current()) && directory.take_news().is_none());
    }

    #[test]
    fn a_record_that_cannot_be_read_leaves_calls_as_they_are() {
        let scratch = Scratch::new();
        let mut store = scratch.store();
        commit(&mut store, 0, &[connector(VC, "one")]);
        let directory = LiveDirectory::open(&scratch.config(""));
        let mut watcher = watcher(&directory, &scratch);
        let RecordChange::Put { mut record, .. } = connector(VC, "two") else { panic!() };
        record.body = "{}".to_owned();
        commit(&mut store, 1, &[RecordChange::Put { record, nonce: None }]);
        watcher.look();
        assert_eq!(names(&directory), ["one"]);
        assert!(
            watcher.told.as_deref().is_some_and(|told| told.contains(VC)),
            "{:?}",
            watcher.told
        );
        commit(&mut store, 2, &[connector(VC, "three")]);
        watcher.look();
        assert_eq!((names(&directory), watcher.told.is_none()), (vec!["three".to_owned()], true));
        assert!(directory.take_news().is_none(), "no control API asks for them");
    }

    #[test]
    fn one_voice_connector_is_changed_beside_those_of_the_file() {
        let scratch = Scratch::new();
        let other = "abcdef1ghij2klmno3pqr5";
        let changes = [connector(VC, "one"), connector(other, "hidden")];
        commit(&mut scratch.store(), 0, &changes);
        let file = format!("[[voice_connector]]\nid = \"{other}\"\nname = \"file\"");
        let directory = LiveDirectory::open(&scratch.config(&file));
        let set = |id: &str, name: &str| {
            let id = model::VoiceConnectorId::new(id).unwrap();
            let connector = directory::VoiceConnector {
                name: name.into(),
                ..directory::VoiceConnector::new(id)
            };
            let written = || Ok::<_, Vec<directory::Problem>>(7);
            directory.set_connector(connector, written).unwrap();
            names(&directory)
        };
        let before = directory.current();
        assert_eq!(set(VC, "two"), ["file", "two"]);
        assert!(before.shares_ids(&directory.current()));
        // The file's stays in force, and the API's is known where the file has it no more.
        assert_eq!(set(other, "other"), ["file", "two"]);
        directory.set_file(&scratch.config(""));
        assert_eq!(names(&directory), ["two", "other"]);
        assert_eq!(directory.generation(), 7);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the thread tells nobody that it has looked")]
    fn the_thread_looks_by_itself_and_ends() {
        let scratch = Scratch::new();
        let directory = LiveDirectory::open(&scratch.config(""));
        let watch = Watch::start(&directory, &scratch.0).unwrap();
        commit(&mut scratch.store(), 0, &[connector(VC, "one")]);
        let until = Instant::now() + Duration::from_secs(60);
        while names(&directory).is_empty() {
            assert!(Instant::now() < until, "nothing is seen");
            thread::sleep(Duration::from_millis(20));
        }
        drop(watch);
        assert_eq!(Arc::strong_count(&directory), 1);
    }
}
