//! Access keys: from the database to the API, and made, listed and deleted by `tandem key`.

use super::{FirstKey, local, now, open_store};
use crate::config::Config;
use control_api::{AccessKey, KeySource, KeySourceFault, NewAccessKey, Policy};
use directory_store::{DirectoryStore, KeyFacts, StoredKey};
use std::cell::Cell;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// What the first key is called.
const FIRST_NAME: &str = "first";
/// Longest name, in characters: that of an IAM user.
const NAME_MAX: usize = 64;

/// The database as the API asks it.
pub(super) struct Keys {
    store: DirectoryStore,
    /// So that a broken disk is told once, and not at each request.
    has_failed: Cell<bool>,
    /// The commands' own, and the address that requests of this host may come from beside loopback.
    local: AccessKey,
    here: IpAddr,
}

/// The database as one request sees it.
pub(super) struct KeysFor<'a> {
    keys: &'a Keys,
    is_of_this_host: bool,
}

/// A key without its secret.
pub(crate) type KeySummary = KeyFacts;

impl Keys {
    /// `listen` is where the API is served.
    pub(super) fn new(store: DirectoryStore, listen: IpAddr) -> Self {
        let local = local::access_key(store.master());
        Keys { store, has_failed: Cell::new(false), local, here: listen }
    }

    /// The keys that a request from `source` may be signed with.
    pub(super) fn asked_from(&self, source: IpAddr) -> KeysFor<'_> {
        KeysFor { keys: self, is_of_this_host: source.is_loopback() || source == self.here }
    }

    pub(super) fn store(&mut self) -> &mut DirectoryStore {
        &mut self.store
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> KeySourceFault {
        if !self.has_failed.replace(true) {
            tracing::error!("control API: an access key cannot be read: {why}");
        }
        KeySourceFault
    }
}

impl KeySource for KeysFor<'_> {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        if id == local::KEY_ID {
            return Ok(self.is_of_this_host.then(|| self.keys.local.clone()));
        }
        self.keys.find(id)
    }
}

impl Keys {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        if !NewAccessKey::is_id(id) {
            return Ok(None);
        }
        let found = self.store.key(id).map_err(|error| self.failed(&error))?;
        self.has_failed.set(false);
        let Some(StoredKey { facts, secret }) = found else { return Ok(None) };
        // A policy that this version does not understand must not let anybody in.
        let policy = facts.policy.as_deref().map(Policy::parse).transpose();
        let policy = policy.map_err(|fault| self.failed(&fault))?;
        Ok(Some(AccessKey { id: facts.id, secret, name: facts.name, policy }))
    }
}

/// Makes the key of a node that never had one.
pub(super) fn make_first(store: &mut DirectoryStore) -> Result<Option<FirstKey>, String> {
    let key = drawn(FIRST_NAME, None)?;
    let made = store.add_first_key(&key, nonce()?).map_err(|error| error.to_string())?;
    Ok(made.then_some(FirstKey { id: key.facts.id, secret: key.secret }))
}

/// Makes a key and keeps it.
///
/// # Errors
/// In words: a bad name or policy, or what is wrong with the database.
pub(crate) fn make_key(
    config: &Config,
    name: &str,
    policy: Option<String>,
) -> Result<StoredKey, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.chars().count() > NAME_MAX || !name.chars().all(fits) {
        return Err(format!(
            "--name {name:?} must be 1 to {NAME_MAX} letters, digits or characters of +=,.@_-"
        ));
    }
    if let Some(policy) = &policy {
        Policy::parse(policy).map_err(|fault| format!("the policy is refused: {fault}"))?;
    }
    let store = open_store(config)?;
    let key = drawn(name, policy)?;
    store.add_key(&key, nonce()?).map_err(|error| error.to_string())?;
    Ok(key)
}

/// All keys, the oldest first.
///
/// # Errors
/// In words.
pub(crate) fn list_keys(config: &Config) -> Result<Vec<KeySummary>, String> {
    open_store(config)?.keys().map_err(|error| error.to_string())
}

/// Removes a key; whether it was there.
///
/// # Errors
/// In words.
pub(crate) fn delete_key(config: &Config, id: &str) -> Result<bool, String> {
    open_store(config)?.delete_key(id).map_err(|error| error.to_string())
}

fn drawn(name: &str, policy: Option<String>) -> Result<StoredKey, String> {
    let mut id = [0; 10];
    let mut secret = Zeroizing::new([0; 30]);
    getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut *secret)).map_err(no_luck)?;
    let NewAccessKey { id, secret } = NewAccessKey::from_random(id, secret);
    let created_ms = now().as_millis();
    Ok(StoredKey { facts: KeyFacts { id, name: name.to_owned(), policy, created_ms }, secret })
}

fn nonce() -> Result<[u8; 12], String> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map(|()| nonce).map_err(no_luck)
}

fn no_luck(error: getrandom::Error) -> String {
    format!("no random numbers from the system: {error}")
}
