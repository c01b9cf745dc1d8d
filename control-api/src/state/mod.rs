//! What is made through the API, in memory: one table per kind of record.
//!
//! Every operation works on a draft, which remembers how to undo what it does and what is to be
//! written down. The shell loads the state once from its journal and keeps each draft's changes
//! there; nothing here knows of files.

mod connector;
mod credentials;
mod draft;
mod global_settings;
mod group;
mod media_application;
mod number;
mod order;
pub mod proxy;
mod resources;
mod tags;
#[cfg(test)]
mod tests;

pub use connector::{Connector, Dnis, ExternalSystems, Logging, Origination, Protocol, Route};
pub use connector::{MediaInsights, NotificationTarget, Streaming, StreamingTarget, Termination};
pub use credentials::{Credential, Credentials};
pub(crate) use draft::Draft;
pub use global_settings::GlobalSettings;
pub use group::{Group, GroupItem};
pub use media_application::{MediaApplication, SipRule, TargetApplication, TriggerType};
pub use number::{Association, DELETION_QUEUE_MS, Number, NumberSettings};
pub(crate) use number::{CALLING_NAME_MS, FOR_VOICE_CONNECTORS};
pub use order::{Order, OrderStatus, OrderStep, OrderType, OrderedNumber, OrderedStatus};
pub use proxy::{Proxy, ProxySession};
pub(crate) use resources::follow;
pub use tags::{Tag, Tags};

use crate::state::draft::Undo;
use directory::{NumberTable, Resources, VoiceConnector};
use model::UnixTime;
use room_core::{MeetingId, MeetingRecord, Registry, StoredMeeting};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The tables of kinds. A further kind of record is one line here, and its struct.
macro_rules! kinds {
    ($($(#[$of_kind:meta])* $kind:ident: $record:ty = $table:ident, $name:literal, routed $routed:literal,
        secret $secret:literal;)*) => {
        /// A kind of record.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $($(#[$of_kind])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its name in the journal; never changed.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// Whether calls are routed by it, so that a change makes another snapshot.
            pub const fn is_routed(self) -> bool {
                match self {
                    $(Kind::$kind => $routed,)*
                }
            }

            /// Whether its records hold secrets, and are sealed on disk.
            pub const fn is_secret(self) -> bool {
                match self {
                    $(Kind::$kind => $secret,)*
                }
            }
        }

        /// All records.
        #[derive(Clone, Default, Debug)]
        pub struct State {
            $($table: Table<$record>,)*
        }

        $(impl Record for $record {
            const KIND: Kind = Kind::$kind;

            fn table(state: &State) -> &Table<Self> {
                &state.$table
            }

            fn table_mut(state: &mut State) -> &mut Table<Self> {
                &mut state.$table
            }
        })*

        impl State {
            fn load_one(&mut self, row: &Row) -> Result<(), serde_json::Error> {
                match row.kind {
                    $(Kind::$kind => self.insert::<$record>(row),)*
                }
            }
        }
    };
}

kinds! {
    /// A voice connector and what belongs to it.
    Connector: Connector = connectors, "voice-connector", routed true, secret false;
    /// The credentials of a voice connector's termination.
    Credentials: Credentials = credentials, "credentials", routed true, secret true;
    /// A group of voice connectors.
    Group: Group = groups, "voice-connector-group", routed true, secret false;
    /// A phone number.
    Number: Number = numbers, "phone-number", routed true, secret false;
    /// A SIP media application.
    MediaApplication: MediaApplication = applications, "sip-media-application", routed true, secret false;
    /// A SIP rule.
    SipRule: SipRule = rules, "sip-rule", routed true, secret false;
    /// What holds for all phone numbers.
    NumberSettings: NumberSettings = number_settings, "phone-number-settings", routed true, secret false;
    /// An order of phone numbers.
    Order: Order = orders, "phone-number-order", routed false, secret false;
    /// A voice connector's proxy configuration.
    Proxy: Proxy = proxies, "voice-connector-proxy", routed true, secret false;
    /// A proxy phone session. The numbers that it masks are sealed.
    ProxySession: ProxySession = proxy_sessions, "proxy-session", routed true, secret true;
    /// The tags of a resource, by its kind and id: the end of its ARN, such as `vc/ID`.
    Tags: Tags = tags, "tags", routed false, secret false;
    /// A meeting, with its numbers, passcode and join tokens.
    Meeting: StoredMeeting = meetings, "meeting", routed false, secret true;
    /// What holds for all voice connectors.
    GlobalSettings: GlobalSettings = global_settings, "global-settings", routed false, secret false;
}

/// The records of one kind, by id.
pub type Table<T> = BTreeMap<String, Stored<T>>;

/// A record with its times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored<T> {
    /// What is stored.
    pub value: T,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last changed.
    pub updated: UnixTime,
}

/// Something that has a table.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// Its kind.
    const KIND: Kind;

    /// Its table.
    fn table(state: &State) -> &Table<Self>;

    /// Its table, to be changed.
    fn table_mut(state: &mut State) -> &mut Table<Self>;
}

/// A record as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which table.
    pub kind: Kind,
    /// Which record.
    pub id: String,
    /// The record as JSON.
    pub body: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last changed.
    pub updated_ms: u64,
}

/// What is to be written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A record is new, or different.
    Put(Row),
    /// A record is gone.
    Remove {
        /// Of which table.
        kind: Kind,
        /// Which.
        id: String,
    },
}

impl Change {
    /// Of which table.
    pub fn kind(&self) -> Kind {
        match self {
            Change::Put(row) => row.kind,
            Change::Remove { kind, .. } => *kind,
        }
    }

    /// Which record.
    pub fn id(&self) -> &str {
        match self {
            Change::Put(row) => &row.id,
            Change::Remove { id, .. } => id,
        }
    }
}

/// A row that this version cannot read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRow {
    /// Of which table.
    pub kind: Kind,
    /// Which.
    pub id: String,
    /// What is wrong.
    pub why: String,
}

impl State {
    /// The state of a journal.
    ///
    /// # Errors
    /// The first row that cannot be read.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<State, BadRow> {
        let mut state = State::default();
        for row in rows {
            state.load_one(&row).map_err(|error| BadRow {
                kind: row.kind,
                id: row.id.clone(),
                why: error.to_string(),
            })?;
        }
        Ok(state)
    }

    fn insert<T: Record>(&mut self, row: &Row) -> Result<(), serde_json::Error> {
        let value = serde_json::from_str(&row.body)?;
        let created = UnixTime::from_millis(row.created_ms);
        let updated = UnixTime::from_millis(row.updated_ms);
        T::table_mut(self).insert(row.id.clone(), Stored { value, created, updated });
        Ok(())
    }

    /// A record.
    pub fn get<T: Record>(&self, id: &str) -> Option<&Stored<T>> {
        T::table(self).get(id)
    }

    /// All records of a kind, by id.
    pub fn all<T: Record>(&self) -> &Table<T> {
        T::table(self)
    }

    /// Its meetings, and in words which of them cannot be.
    pub fn registry(&self) -> (Registry, Vec<String>) {
        self.registry_beside(&[])
    }

    /// The same beside those of the configuration file, which count where both have an id.
    pub(crate) fn registry_beside(&self, of_file: &[MeetingRecord]) -> (Registry, Vec<String>) {
        let (mut registry, mut faults) = (Registry::default(), Vec::new());
        for record in of_file {
            // Checked as the file was read.
            let _ = registry.restore(StoredMeeting::V1(record.clone()));
        }
        for (id, stored) in self.all::<StoredMeeting>() {
            if let Err(fault) = registry.restore(stored.value.clone()) {
                faults.push(format!("meeting {id}: {fault}"));
            }
        }
        (registry, faults)
    }

    /// A meeting as it is kept.
    pub fn meeting(&self, id: MeetingId) -> Option<StoredMeeting> {
        self.get::<StoredMeeting>(&id.to_string()).map(|stored| stored.value.clone())
    }

    /// What calls are routed by of it.
    pub fn resources(&self) -> Resources {
        self.resources_with(self.number_table())
    }

    /// What calls are routed by of it, with its numbers as they are known already.
    pub(crate) fn resources_with(&self, numbers: NumberTable) -> Resources {
        resources::resources(self, numbers)
    }

    /// A voice connector as calls are routed by it.
    pub fn connector(&self, id: &str) -> Option<VoiceConnector> {
        resources::one_connector(self, id)
    }

    /// Where its numbers lead.
    pub fn number_table(&self) -> NumberTable {
        resources::number_table(self)
    }

    fn undo(&mut self, undo: Undo) {
        undo(self);
    }
}
