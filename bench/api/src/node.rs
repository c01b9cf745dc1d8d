//! A node behind the API: its journal in SQLite, its routing, one access key.

use crate::fail;
use control_api::state::{Change, Kind, Row};
use control_api::{AccessKey, Backend, CommitFault, KeySource, KeySourceFault, Made, State};
use directory::{Resources, Snapshot};
use directory_store::{Committed, DirectoryStore, RecordChange, StoredRecord};
use std::path::Path;
use std::sync::Arc;

pub(crate) const KEY: &str = "AKTDAAAQEAYEAUDAOCAJ";
pub(crate) const SECRET: &str = "not-a-secret";

/// The id of a voice connector.
pub(crate) fn connector_id(n: usize) -> String {
    format!("abcdef1ghij2klmno{n:05}")
}

/// The E.164 form of a number.
pub(crate) fn e164(n: usize) -> String {
    format!("+1206{:07}", 2_000_000 + n)
}

pub(crate) struct Node {
    store: DirectoryStore,
    generation: u64,
    directory: Arc<Snapshot>,
    drawn: u128,
}

/// Writes a store with so many voice connectors and numbers, these evenly spread.
pub(crate) fn fill(folder: &Path, connectors: usize, numbers: usize) {
    let mut store = open(folder);
    let connector = |n: usize| {
        let body = serde_json::json!({
            "Name": format!("connector {n}"), "RequireEncryption": false,
            "AwsRegion": "us-east-1", "NetworkType": "IPV4_ONLY",
            "Origination": { "Disabled": false, "Routes": [{ "Host": "192.0.2.7", "Port": 5060,
                "Protocol": "UDP", "Priority": 1, "Weight": 1 }] },
            "Termination": { "CidrAllowedList": [], "CallingRegions": ["US"], "Disabled": false },
        });
        put(Kind::Connector, connector_id(n), body)
    };
    let number = |n: usize| {
        let body = serde_json::json!({ "ProductType": "VoiceConnector",
            "Association": { "Connector": connector_id(n % connectors) }, "AssociatedMs": 0 });
        put(Kind::Number, e164(n), body)
    };
    let changes: Vec<RecordChange> =
        (0..connectors).map(connector).chain((0..numbers).map(number)).collect();
    if let Err(error) = store.commit(0, &changes) {
        fail(&error.to_string());
    }
}

fn put(kind: Kind, id: String, body: serde_json::Value) -> RecordChange {
    let (kind, body) = (kind.name().to_owned(), body.to_string());
    let record = StoredRecord { kind, id, body, created_ms: 0, updated_ms: 0 };
    RecordChange::Put { record, nonce: None }
}

fn open(folder: &Path) -> DirectoryStore {
    let opened = DirectoryStore::open(folder, |octets| {
        octets.fill(7);
        Ok(())
    });
    opened.unwrap_or_else(|error| fail(&error.to_string()))
}

fn with_domain(made: Resources) -> Resources {
    Resources { domain: "tandem.test".to_owned(), ..made }
}

impl Node {
    /// What a start does before the first call: reads all, and indexes all.
    pub(crate) fn start(folder: &Path) -> (Node, State) {
        let mut store = open(folder);
        let (records, generation) =
            store.records().unwrap_or_else(|error| fail(&error.to_string()));
        let rows = records.into_iter().filter_map(|record| {
            let kind = Kind::ALL.iter().find(|kind| kind.name() == record.kind)?;
            let StoredRecord { id, body, created_ms, updated_ms, .. } = record;
            Some(Row { kind: *kind, id, body, created_ms, updated_ms })
        });
        let state = State::load(rows).unwrap_or_else(|bad| fail(&bad.why));
        let directory = Snapshot::build(with_domain(state.resources()));
        let directory = directory.unwrap_or_else(|problems| fail(&format!("{problems:?}")));
        (Node { store, generation, directory: Arc::new(directory), drawn: 0 }, state)
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.directory
    }
}

impl KeySource for Node {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        Ok((id == KEY).then(|| AccessKey {
            id: KEY.to_owned(),
            secret: SECRET.to_owned().into(),
            name: "bench".to_owned(),
            policy: None,
        }))
    }
}

impl Backend for Node {
    fn directory(&self) -> Arc<Snapshot> {
        Arc::clone(&self.directory)
    }

    fn random(&mut self) -> Option<u128> {
        self.drawn += 1;
        Some(self.drawn)
    }

    fn commit(&mut self, changes: &[Change], made: Option<Made>) -> Result<(), CommitFault> {
        let next = match made {
            None => None,
            Some(Made::Numbers(numbers)) => Some(self.directory.with_numbers(numbers)),
            Some(Made::Connector(connector)) => self.directory.with_connector(*connector)?,
            Some(Made::All(made)) => Some(Snapshot::build(with_domain(*made))?),
        };
        let changes: Vec<RecordChange> = changes
            .iter()
            .map(|change| match change {
                Change::Put(row) => RecordChange::Put {
                    record: StoredRecord {
                        kind: row.kind.name().to_owned(),
                        id: row.id.clone(),
                        body: row.body.clone(),
                        created_ms: row.created_ms,
                        updated_ms: row.updated_ms,
                    },
                    nonce: None,
                },
                Change::Remove { kind, id } => {
                    RecordChange::Remove { kind: kind.name().to_owned(), id: id.clone() }
                }
            })
            .collect();
        match self.store.commit(self.generation, &changes) {
            Ok(Committed::At(next)) => self.generation = next,
            Ok(Committed::Stale) => return Err(CommitFault::Stale),
            Err(_) => return Err(CommitFault::Journal),
        }
        if let Some(next) = next {
            self.directory = Arc::new(next);
        }
        Ok(())
    }
}
