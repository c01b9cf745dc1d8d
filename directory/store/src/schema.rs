//! The database's tables, and how they came to be.

use crate::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Each brings the tables from the version of its place to the next; never changed, only added to.
const MIGRATIONS: &[&str] = &[
    // Times are milliseconds since 1970. `sealed` is nonce, ciphertext and tag of the secret.
    "CREATE TABLE access_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        sealed BLOB NOT NULL,
        policy TEXT,
        created INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;",
    // `body` is JSON as text, or nonce, ciphertext and tag of it.
    "CREATE TABLE records (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;",
    // Tags were kept under ARNs, which have the node's region and account: arn:aws:chime:R:A:vc/ID. Now
    // it is vc/ID. Of one resource under two names of the node, those that were written last stay.
    "INSERT OR REPLACE INTO records (kind, id, body, created, updated)
        SELECT kind, substr(behind, instr(behind, ':') + 1), body, created, updated FROM (
            SELECT *, substr(id, 15 + instr(substr(id, 15), ':')) AS behind FROM records
                WHERE kind = 'tags' AND id LIKE 'arn:aws:chime:%:%:%/%'
        ) ORDER BY updated;
    DELETE FROM records WHERE kind = 'tags' AND id LIKE 'arn:aws:chime:%:%:%/%';
    UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation';",
];

/// Makes the file when it is missing, for its owner alone: SQLite would ask the umask.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Checks the file and brings its tables up to date.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    // Readers go on while somebody writes. What was acknowledged outlives a power failure.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(StoreError::Damaged(check));
    }
    let latest = MIGRATIONS.len() as i64;
    if version(connection)? == latest {
        return Ok(());
    }
    // Another process may do the same now: who comes second finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let done = usize::try_from(found).unwrap_or(0);
    if done > MIGRATIONS.len() {
        return Err(StoreError::Newer(found));
    }
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", latest)?;
    transaction.commit()?;
    Ok(())
}

/// The version that this Tandem makes.
pub(crate) const fn latest() -> i64 {
    MIGRATIONS.len() as i64
}

pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
