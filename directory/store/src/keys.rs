//! Access keys.

use crate::{DirectoryStore, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use zeroize::Zeroizing;

/// What is known of a key without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFacts {
    /// Its public half.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// Its policy's text; `None`: everything is allowed.
    pub policy: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// A key with its secret.
pub struct StoredKey {
    /// What is known of it.
    pub facts: KeyFacts,
    /// Its secret half.
    pub secret: Zeroizing<String>,
}

const COLUMNS: &str = "id, name, policy, created";

impl DirectoryStore {
    /// Keeps a new key; `nonce` is 96 random bits.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when the id is taken.
    pub fn add_key(&self, key: &StoredKey, nonce: [u8; 12]) -> Result<(), StoreError> {
        insert(&self.connection, &self.master, key, nonce)
    }

    /// Keeps a node's first key, unless this was done before or there are keys already; whether it was
    /// kept.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn add_first_key(&mut self, key: &StoredKey, nonce: [u8; 12]) -> Result<bool, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_first: bool = transaction.query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM facts WHERE name = 'first_key')
                AND NOT EXISTS (SELECT 1 FROM access_keys)",
            [],
            |row| row.get(0),
        )?;
        if is_first {
            insert(&transaction, &self.master, key, nonce)?;
        }
        transaction
            .execute("INSERT OR IGNORE INTO facts VALUES ('first_key', ?1)", [&key.facts.id])?;
        transaction.commit()?;
        Ok(is_first)
    }

    /// The key of an id.
    ///
    /// # Errors
    /// [`StoreError::Database`], or [`StoreError::SealedOtherwise`].
    pub fn key(&self, id: &str) -> Result<Option<StoredKey>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, policy, created, sealed FROM access_keys WHERE id = ?1",
        )?;
        let found = statement
            .query_row([id], |row| Ok((facts(row)?, row.get::<_, Vec<u8>>(4)?)))
            .optional()?;
        let Some((facts, sealed)) = found else { return Ok(None) };
        let secret = self
            .master
            .open_sealed(&facts.id, &sealed)
            .ok_or_else(|| StoreError::SealedOtherwise(facts.id.clone()))?;
        Ok(Some(StoredKey { facts, secret }))
    }

    /// All keys, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn keys(&self) -> Result<Vec<KeyFacts>, StoreError> {
        all(&self.connection)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn delete_key(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM access_keys WHERE id = ?1", [id])? > 0)
    }
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<KeyFacts>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM access_keys ORDER BY created, id");
    let mut statement = connection.prepare(&query)?;
    let keys = statement.query_map([], facts)?.collect::<Result<_, _>>()?;
    Ok(keys)
}

/// Whether a key's secret is sealed under `master`.
pub(crate) fn opens(
    connection: &Connection,
    master: &crate::MasterKey,
    id: &str,
) -> Result<bool, StoreError> {
    let query = "SELECT sealed FROM access_keys WHERE id = ?1";
    let sealed: Option<Vec<u8>> = connection.query_row(query, [id], |row| row.get(0)).optional()?;
    // One that was deleted meanwhile is no problem.
    Ok(sealed.is_none_or(|sealed| master.open_sealed(id, &sealed).is_some()))
}

fn insert(
    connection: &Connection,
    master: &crate::MasterKey,
    key: &StoredKey,
    nonce: [u8; 12],
) -> Result<(), StoreError> {
    let facts = &key.facts;
    let sealed = master
        .seal(&facts.id, nonce, &key.secret)
        .ok_or_else(|| StoreError::SealedOtherwise(facts.id.clone()))?;
    let created = i64::try_from(facts.created_ms).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO access_keys (id, name, sealed, policy, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![facts.id, facts.name, sealed, facts.policy, created],
    )?;
    Ok(())
}

fn facts(row: &Row<'_>) -> rusqlite::Result<KeyFacts> {
    Ok(KeyFacts {
        id: row.get(0)?,
        name: row.get(1)?,
        policy: row.get(2)?,
        created_ms: row.get::<_, i64>(3)?.unsigned_abs(),
    })
}
