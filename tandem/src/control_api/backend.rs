//! The node behind the API: its database, its routing, its random numbers.

use super::keys::Keys;
use crate::live_directory::{self, LiveDirectory};
use crate::media_applications::AskedApplications;
use crate::rooms::RoomsHandle;
use call_metrics::RecorderView;
use control_api::state::Change;
use control_api::{
    AccessKey, Backend, CommitFault, HeldMeeting, KeySource, KeySourceFault, Made, NotCalled,
    NotUpdated, State,
};
use directory::Snapshot;
use directory_store::{Committed, RecordChange, StoreError, StoredRecord};
use model::{OutboundCall, ProxySessionId, TransactionId, UnixTime, VoiceConnectorId};
use room_core::{Command, MeetingId, MeetingRecord, Refused};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What of a node that runs is asked; nothing where none does.
pub(super) type OfNode = (Option<RecorderView>, Option<AskedApplications>, Option<RoomsHandle>);

/// What [`control_api::Api`] is given.
pub(super) struct NodeBackend {
    keys: Keys,
    /// Of the database, as the API's state has it.
    generation: u64,
    /// Another process has written meanwhile.
    is_stale: bool,
    directory: Arc<LiveDirectory>,
    /// What is recorded of calls; `None` where no node runs.
    view: Option<RecorderView>,
    /// The applications that steer its calls; the same.
    applications: Option<AskedApplications>,
    /// What holds meetings; the same.
    rooms: Option<RoomsHandle>,
    /// The file whose meetings the API tells of.
    file_generation: u64,
    /// Meetings that have ended for good and are not removed yet.
    ended: BTreeSet<MeetingId>,
    /// Who sent the request that is answered.
    source: IpAddr,
}

impl NodeBackend {
    pub(super) fn new(
        keys: Keys,
        generation: u64,
        directory: Arc<LiveDirectory>,
        (view, applications, rooms): OfNode,
    ) -> Self {
        let source = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        directory.keep_news();
        // Somebody else may have written since the journal was read, of which no news were kept.
        let is_stale = directory.generation() > generation;
        NodeBackend {
            keys,
            generation,
            is_stale,
            directory,
            view,
            applications,
            rooms,
            file_generation: 0,
            ended: BTreeSet::new(),
            source,
        }
    }

    /// Meetings that have ended and are to be held never again, until [`NodeBackend::ended_removed`].
    pub(super) fn ended_meetings(&mut self) -> Vec<MeetingId> {
        if let Some(rooms) = &self.rooms {
            self.ended.extend(rooms.take_ended());
        }
        self.ended.iter().copied().collect()
    }

    /// They are removed.
    pub(super) fn ended_removed(&mut self) {
        self.ended.clear();
    }

    /// The meetings of the configuration file, when it is another one since this was asked last.
    pub(super) fn other_file(&mut self) -> Option<Vec<MeetingRecord>> {
        let (meetings, generation) = self.directory.meetings().file_since(self.file_generation)?;
        self.file_generation = generation;
        Some(meetings)
    }

    /// The next request is of `source`.
    pub(super) fn ask_from(&mut self, source: IpAddr) {
        self.source = source;
    }

    /// What another process has made of the database, when it has.
    pub(super) fn catch_up(&mut self) -> Option<State> {
        let is_stale = std::mem::take(&mut self.is_stale);
        if let Some((state, generation)) = self.directory.take_news()
            && generation > self.generation
        {
            self.generation = generation;
            return Some(state);
        }
        if !is_stale {
            return None;
        }
        match live_directory::read(self.keys.store()) {
            Ok((state, generation)) => {
                self.generation = generation;
                self.directory.follow(&state, generation);
                Some(state)
            }
            Err(error) => {
                tracing::error!("control API: {error}");
                None
            }
        }
    }
}

impl KeySource for NodeBackend {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        self.keys.asked_from(self.source).find(id)
    }
}

impl Backend for NodeBackend {
    fn directory(&self) -> Arc<Snapshot> {
        self.directory.current()
    }

    fn proxied_calls(&self) -> Vec<ProxySessionId> {
        self.view.as_ref().map(RecorderView::proxied_calls).unwrap_or_default()
    }

    fn update_application_call(
        &mut self,
        application: &str,
        call: TransactionId,
        arguments: Map<String, Value>,
    ) -> Result<(), NotUpdated> {
        let applications = self.applications.as_ref().ok_or(NotUpdated::NoCall)?;
        applications.update(application, call, arguments)
    }

    fn call_for_application(&mut self, call: OutboundCall) -> Result<TransactionId, NotCalled> {
        self.applications.as_ref().ok_or(NotCalled::Unserved)?.call(call)
    }

    fn meeting(&self, id: MeetingId) -> Option<HeldMeeting> {
        self.rooms.as_ref()?.meeting(id)
    }

    fn held_meetings(&self) -> Option<Vec<MeetingId>> {
        self.rooms.as_ref().map_or_else(|| Some(Vec::new()), RoomsHandle::held)
    }

    fn command_meeting(&mut self, id: MeetingId, command: Command) -> Result<(), Refused> {
        self.rooms.as_ref().ok_or(Refused::NoMeeting)?.command(id, command)
    }

    fn random(&mut self) -> Option<u128> {
        let mut octets = [0; 16];
        match getrandom::fill(&mut octets) {
            Ok(()) => Some(u128::from_be_bytes(octets)),
            Err(error) => {
                tracing::error!(%error, "control API: no random numbers from the system");
                None
            }
        }
    }

    fn termination_health(&self, voice_connector: &str) -> Option<(UnixTime, IpAddr)> {
        let id = VoiceConnectorId::new(voice_connector).ok()?;
        let health = self.view.as_ref()?.termination(&id)?;
        let source: SocketAddr = health.source.parse().ok()?;
        Some((UnixTime::from_millis(health.timestamp_ms), source.ip().to_canonical()))
    }

    fn commit(&mut self, changes: &[Change], made: Option<Made>) -> Result<(), CommitFault> {
        let said = changes;
        let changes: Vec<RecordChange> =
            changes.iter().map(journalled).collect::<Option<_>>().ok_or(CommitFault::Journal)?;
        let NodeBackend { keys, generation, is_stale, directory, .. } = self;
        let write = || match keys.store().commit(*generation, &changes) {
            Ok(Committed::At(next)) => {
                *generation = next;
                Ok(next)
            }
            Ok(Committed::Stale) => {
                *is_stale = true;
                Err(CommitFault::Stale)
            }
            Err(error) => Err(not_written(&error)),
        };
        match made {
            Some(Made::All(made)) => directory.set_made(*made, write),
            Some(Made::Numbers(numbers)) => directory.set_numbers(numbers, write),
            Some(Made::Connector(connector)) => directory.set_connector(*connector, write),
            None => directory.set_nothing(write),
        }?;
        directory.cdr_bucket().take(said);
        directory.meetings().take(said);
        Ok(())
    }
}

fn not_written(error: &StoreError) -> CommitFault {
    tracing::error!("control API: a change is not written: {error}");
    CommitFault::Journal
}

fn journalled(change: &Change) -> Option<RecordChange> {
    Some(match change {
        Change::Put(row) => RecordChange::Put {
            nonce: if row.kind.is_secret() { Some(nonce()?) } else { None },
            record: StoredRecord {
                kind: row.kind.name().to_owned(),
                id: row.id.clone(),
                body: row.body.clone(),
                created_ms: row.created_ms,
                updated_ms: row.updated_ms,
            },
        },
        Change::Remove { kind, id } => {
            RecordChange::Remove { kind: kind.name().to_owned(), id: id.clone() }
        }
    })
}

fn nonce() -> Option<[u8; 12]> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).ok()?;
    Some(nonce)
}
