//! Records of resources: text that the control API has written, by kind and id.
//!
//! A number, the generation, counts the commits of all processes, so that whoever holds the records in
//! memory knows that they are still those of the database.

use crate::{DirectoryStore, StoreError};
use rusqlite::{TransactionBehavior, params};

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRecord {
    /// What kind of resource it is.
    pub kind: String,
    /// Which of its kind.
    pub id: String,
    /// The record as text.
    pub body: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last changed.
    pub updated_ms: u64,
}

/// A change of one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordChange {
    /// It is new, or another one.
    Put {
        /// The record.
        record: StoredRecord,
        /// It holds secrets, and its body is sealed with this nonce, 96 random bits.
        nonce: Option<[u8; 12]>,
    },
    /// It is gone.
    Remove {
        /// Its kind.
        kind: String,
        /// Which.
        id: String,
    },
}

/// What becomes of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// All is written; the generation from now on.
    At(u64),
    /// Nothing is written: another process has committed since the generation that was named.
    Stale,
}

impl DirectoryStore {
    /// All records, and the generation that they are of.
    ///
    /// # Errors
    /// [`StoreError::Database`], or [`StoreError::SealedOtherwise`] for a sealed record.
    pub fn records(&mut self) -> Result<(Vec<StoredRecord>, u64), StoreError> {
        let transaction = self.connection.transaction()?;
        let generation = generation(&transaction)?;
        let mut records = Vec::new();
        {
            let mut statement = transaction.prepare(
                "SELECT kind, id, body, created, updated FROM records ORDER BY kind, id",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
                let body = match row.get_ref(2)? {
                    rusqlite::types::ValueRef::Blob(sealed) => {
                        let place = place(&kind, &id);
                        let opened = self.master.open_sealed(&place, sealed);
                        opened.ok_or(StoreError::SealedOtherwise(place))?.to_string()
                    }
                    text => text.as_str().map_err(rusqlite::Error::from)?.to_owned(),
                };
                let (created, updated): (i64, i64) = (row.get(3)?, row.get(4)?);
                records.push(StoredRecord {
                    kind,
                    id,
                    body,
                    created_ms: created.unsigned_abs(),
                    updated_ms: updated.unsigned_abs(),
                });
            }
        }
        transaction.commit()?;
        Ok((records, generation))
    }

    /// Writes all changes, or none: they were made of records of `generation`.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then nothing is written.
    pub fn commit(
        &mut self,
        generation: u64,
        changes: &[RecordChange],
    ) -> Result<Committed, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if self::generation(&transaction)? != generation {
            return Ok(Committed::Stale);
        }
        for change in changes {
            match change {
                RecordChange::Put { record, nonce } => {
                    put(&transaction, &self.master, record, *nonce)?;
                }
                RecordChange::Remove { kind, id } => {
                    transaction
                        .prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2")?
                        .execute([kind, id])?;
                }
            }
        }
        let next = generation + 1;
        transaction.execute(
            "INSERT INTO facts VALUES ('generation', ?1)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [next.to_string()],
        )?;
        transaction.commit()?;
        Ok(Committed::At(next))
    }
}

fn put(
    connection: &rusqlite::Connection,
    master: &crate::MasterKey,
    record: &StoredRecord,
    nonce: Option<[u8; 12]>,
) -> Result<(), StoreError> {
    let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let (created, updated) = (millis(record.created_ms), millis(record.updated_ms));
    let mut statement = connection.prepare_cached(
        "INSERT INTO records (kind, id, body, created, updated) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, updated = excluded.updated",
    )?;
    match nonce {
        None => {
            statement.execute(params![record.kind, record.id, record.body, created, updated])?;
        }
        Some(nonce) => {
            let place = place(&record.kind, &record.id);
            let sealed = master.seal(&place, nonce, &record.body);
            let sealed = sealed.ok_or(StoreError::SealedOtherwise(place))?;
            statement.execute(params![record.kind, record.id, sealed, created, updated])?;
        }
    }
    Ok(())
}

/// How many there are.
pub(crate) fn count(connection: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row("SELECT count(*) FROM records", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Sealed records that `master` does not open.
pub(crate) fn unopened(
    connection: &rusqlite::Connection,
    master: &crate::MasterKey,
) -> Result<Vec<String>, StoreError> {
    let query = "SELECT kind, id, body FROM records WHERE typeof(body) = 'blob'";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    let mut unopened = Vec::new();
    while let Some(row) = rows.next()? {
        let place = place(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
        if master.open_sealed(&place, &row.get::<_, Vec<u8>>(2)?).is_none() {
            unopened.push(place);
        }
    }
    Ok(unopened)
}

pub(crate) fn generation(connection: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let query =
        "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM facts WHERE name = 'generation'";
    connection.query_row(query, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// What a sealed body is bound to, so that it opens nowhere else.
fn place(kind: &str, id: &str) -> String {
    format!("{kind} {id}")
}
