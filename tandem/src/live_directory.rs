//! What calls are routed by: the resources of the configuration file, and those that were made through
//! the control API beside them. Either half may change while calls run.

mod meetings;
mod watch;

pub(crate) use watch::Watch;

use crate::cdr_bucket::CdrBucket;
use crate::config::{Config, Function, RoomsSection};
use crate::control_api::open_store;
use arc_swap::ArcSwap;
use control_api::State;
use control_api::state::{Kind, Row};
use directory::{NumberTable, Problem, Resources, Snapshot, VoiceConnector};
use directory_store::DirectoryStore;
use meetings::Meetings;
pub(crate) use meetings::Taken;
use sip_edge::SipEdge;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Both halves, and the snapshot that is made of them.
pub(crate) struct LiveDirectory {
    halves: Mutex<Halves>,
    current: ArcSwap<Snapshot>,
    edge: OnceLock<Weak<SipEdge>>,
    cdr_bucket: Arc<CdrBucket>,
    meetings: Meetings,
    /// Read at the start, until the control API takes it.
    journal: Mutex<Option<Journal>>,
    /// What another process has made, of this generation, until the control API takes it; a later one
    /// is put in its place.
    news: Mutex<Option<(State, u64)>>,
    /// There is a control API that takes them.
    is_asked: AtomicBool,
}

struct Halves {
    file: Arc<Resources>,
    made: Resources,
    /// Of the database, that `made` is of.
    generation: u64,
    /// What of the file rules the applications that were made.
    functions: Vec<Function>,
}

/// The database, and what it held when it was read.
pub(crate) struct Journal {
    pub(crate) store: DirectoryStore,
    pub(crate) state: State,
    pub(crate) generation: u64,
}

impl Journal {
    /// Opens the database of a configuration and reads all of it.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn open(config: &Config) -> Result<Journal, String> {
        let mut store = open_store(config)?;
        let (state, generation) = read(&mut store)?;
        Ok(Journal { store, state, generation })
    }
}

/// Reads all records of the database.
pub(crate) fn read(store: &mut DirectoryStore) -> Result<(State, u64), String> {
    let (rows, generation) = rows(store)?;
    let state = State::load(rows).map_err(|bad| {
        let (kind, id) = (bad.kind.name(), &bad.id);
        format!("{}: the {kind} {id} cannot be read: {}", directory_store::FILE, bad.why)
    })?;
    Ok((state, generation))
}

/// The same as rows.
pub(crate) fn rows(store: &mut DirectoryStore) -> Result<(Vec<Row>, u64), String> {
    let (records, generation) = store.records().map_err(|error| error.to_string())?;
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        let Some(kind) = Kind::ALL.iter().find(|kind| kind.name() == record.kind) else {
            return Err(format!(
                "{} holds a {:?}, which this Tandem does not know: run a later one",
                directory_store::FILE,
                record.kind
            ));
        };
        rows.push(Row {
            kind: *kind,
            id: record.id,
            body: record.body,
            created_ms: record.created_ms,
            updated_ms: record.updated_ms,
        });
    }
    Ok((rows, generation))
}

impl LiveDirectory {
    /// The directory of a configuration, with what its database holds. A database that cannot be used
    /// is logged, and calls are routed by the file alone.
    pub(crate) fn open(config: &Config) -> Arc<LiveDirectory> {
        let is_there = config.node.data_dir.join(directory_store::FILE).exists();
        let journal = (is_there || config.api.is_some()).then(|| Journal::open(config));
        let journal = match journal {
            None => None,
            Some(Ok(journal)) => Some(journal),
            Some(Err(error)) => {
                tracing::error!("nothing that the control API has made is routed: {error}");
                None
            }
        };
        LiveDirectory::of(config, journal)
    }

    /// The same, with a database that has been read.
    pub(crate) fn of(config: &Config, journal: Option<Journal>) -> Arc<LiveDirectory> {
        let made = journal.as_ref().map(|journal| journal.state.resources()).unwrap_or_default();
        let functions = config.media_applications.functions.clone();
        let generation = journal.as_ref().map_or(0, |journal| journal.generation);
        let halves = Halves { file: Arc::clone(&config.resources), made, generation, functions };
        let of_file = config.rooms.as_ref().map(RoomsSection::records).unwrap_or_default();
        let (cdr_bucket, meetings) = (CdrBucket::default(), Meetings::of_file(&of_file));
        if let Some(journal) = &journal {
            cdr_bucket.follow(&journal.state);
            meetings.follow(&journal.state);
            for taken in meetings.taken(&of_file) {
                let Taken { meeting, name, .. } = taken;
                tracing::error!(
                    "meeting {meeting} ({name:?}) of the control API is left out: a [[rooms.meeting]] of the \
                     configuration file has its ID, or one that is too like it; give that one another ID in \
                     the file, and reload"
                );
            }
        }
        // The file alone was checked when it was read.
        let current = halves.merged_or(&config.directory);
        Arc::new(LiveDirectory {
            halves: Mutex::new(halves),
            current: ArcSwap::new(current),
            edge: OnceLock::new(),
            cdr_bucket: Arc::new(cdr_bucket),
            meetings,
            journal: Mutex::new(journal),
            news: Mutex::new(None),
            is_asked: AtomicBool::new(false),
        })
    }

    /// Where snapshots go from now on.
    pub(crate) fn serve(&self, edge: &Arc<SipEdge>) {
        let _ = self.edge.set(Arc::downgrade(edge));
    }

    /// Where call detail records go by what was said through the control API.
    pub(crate) fn cdr_bucket(&self) -> Arc<CdrBucket> {
        Arc::clone(&self.cdr_bucket)
    }

    /// The meetings that were made through the control API, and those of the file.
    pub(crate) fn meetings(&self) -> &Meetings {
        &self.meetings
    }

    /// What calls are routed by now.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The database as it was read at the start; once.
    pub(crate) fn take_journal(&self) -> Option<Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Another configuration file is in force. When what was made does not go with it, the file wins:
    /// what was made is left out, and logged.
    pub(crate) fn set_file(&self, config: &Config) {
        let mut halves = self.halves();
        halves.file = Arc::clone(&config.resources);
        halves.functions.clone_from(&config.media_applications.functions);
        let next = halves.merged_or(&config.directory);
        self.publish(next);
    }

    /// Has calls routed by `made` beside the file, once `written` has succeeded, which gives the
    /// database's generation from now on.
    ///
    /// # Errors
    /// What is wrong with it, or what `written` says; then nothing has changed.
    pub(crate) fn set_made<E: From<Vec<Problem>>>(
        &self,
        made: Resources,
        written: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut halves = self.halves();
        let (next, _) = halves.merged(&made)?;
        halves.generation = written()?;
        halves.made = made;
        self.publish(next);
        Ok(())
    }

    /// The same of one voice connector, which was made before.
    ///
    /// # Errors
    /// As [`LiveDirectory::set_made`].
    pub(crate) fn set_connector<E: From<Vec<Problem>>>(
        &self,
        connector: VoiceConnector,
        written: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut halves = self.halves();
        let place = halves.made.voice_connectors.iter().position(|each| each.id == connector.id);
        let is_of_file = halves.file.voice_connectors.iter().any(|each| each.id == connector.id);
        // One that the file hides is not what calls are routed by.
        let next = match is_of_file || place.is_none() {
            true => None,
            false => self.current().with_connector(connector.clone())?,
        };
        let next = match next {
            Some(next) => Arc::new(next),
            None => {
                let made = halves.made.clone().with(place, connector.clone());
                halves.merged(&made)?.0
            }
        };
        halves.generation = written()?;
        halves.made = std::mem::take(&mut halves.made).with(place, connector);
        self.publish(next);
        Ok(())
    }

    /// Something is written that no call is routed by.
    ///
    /// # Errors
    /// What `written` says.
    pub(crate) fn set_nothing<E>(&self, written: impl FnOnce() -> Result<u64, E>) -> Result<(), E> {
        let mut halves = self.halves();
        halves.generation = written()?;
        Ok(())
    }

    /// Has calls routed by what another process has made; false when what is in force is as late. What
    /// does not go with the file is left out, and logged.
    pub(crate) fn follow(&self, state: &State, generation: u64) -> bool {
        let mut halves = self.halves();
        if generation <= halves.generation {
            return false;
        }
        let before = std::mem::replace(&mut halves.made, state.resources());
        halves.generation = generation;
        self.cdr_bucket.follow(state);
        self.meetings.follow(state);
        match halves.merged(&halves.made) {
            Ok((snapshot, left_out)) => {
                halves.log_left_out(left_out);
                self.publish(snapshot);
            }
            // Calls go on being routed by what there was.
            Err(problems) => {
                halves.made = before;
                for problem in problems {
                    tracing::error!("what another process has made is not routed: {problem}");
                }
            }
        }
        drop(halves);
        self.meetings.tell();
        true
    }

    /// The database's generation that calls are routed by.
    pub(crate) fn generation(&self) -> u64 {
        self.halves().generation
    }

    /// From now on what another process makes is kept until it is taken. What was made before, since the
    /// journal was read, is to be read again: [`LiveDirectory::generation`] tells.
    pub(crate) fn keep_news(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
    }

    /// Keeps what another process has made for the control API, where there is one.
    fn tell(&self, state: State, generation: u64) {
        if !self.is_asked.load(Ordering::SeqCst) {
            return;
        }
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = Some((state, generation));
    }

    /// What another process has made, and its generation; once.
    pub(crate) fn take_news(&self) -> Option<(State, u64)> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has calls routed by other numbers beside those of the file, once `written` has succeeded.
    ///
    /// # Errors
    /// What `written` says; then nothing has changed.
    pub(crate) fn set_numbers<E>(
        &self,
        numbers: NumberTable,
        written: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut halves = self.halves();
        halves.generation = written()?;
        halves.made.numbers = numbers.clone();
        let next = self.current.load().with_numbers(numbers);
        self.publish(Arc::new(next));
        Ok(())
    }

    fn publish(&self, next: Arc<Snapshot>) {
        self.current.store(Arc::clone(&next));
        if let Some(edge) = self.edge.get().and_then(Weak::upgrade)
            && !edge.reload(next)
        {
            tracing::warn!("the edge has not answered in a second; it routes by the change later");
        }
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn log_left_out(&self, left_out: Vec<String>) {
        for what in left_out {
            tracing::error!(
                "{what} of the control API is left out: the configuration file has it too"
            );
        }
    }

    /// Both as one; what was made is left out, and logged, where it does not go with the file.
    fn merged_or(&self, file: &Arc<Snapshot>) -> Arc<Snapshot> {
        match self.merged(&self.made) {
            Ok((snapshot, left_out)) => {
                self.log_left_out(left_out);
                snapshot
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!("nothing that the control API has made is routed: {problem}");
                }
                Arc::new(file.with_numbers(self.made.numbers.clone()))
            }
        }
    }

    /// The file and `made` as one, and what of the second one was left out.
    fn merged(&self, made: &Resources) -> Result<(Arc<Snapshot>, Vec<String>), Vec<Problem>> {
        let mut made = made.clone();
        for application in &mut made.media_applications {
            if let Some(function) = self.functions.iter().find(|each| each.is_of(application)) {
                function.rule(application);
            }
        }
        let (resources, left_out) = Resources::clone(&self.file).with_made(made);
        Ok((Arc::new(Snapshot::build(resources)?), left_out))
    }
}
