//! The database's tables.

use rusqlite::Connection;
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Of the tables; another one is made anew from the files.
const VERSION: i64 = 1;

/// Times are milliseconds since 1970. A call stands in `calls` with where its record is; its
/// parties in `parties`, by their characters from the last to the first, because people know the
/// end of a number and not how it begins. `day` names a file: the day, or a part of it.
const TABLES: &str = "
    CREATE TABLE files (
        day TEXT PRIMARY KEY,
        taken INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE connectors (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE
    );
    CREATE TABLE calls (
        number INTEGER PRIMARY KEY,
        ended INTEGER NOT NULL,
        attempted INTEGER NOT NULL,
        answered INTEGER,
        connector INTEGER NOT NULL,
        status INTEGER NOT NULL,
        mos REAL,
        mos_customer REAL,
        mos_remote REAL,
        outbound INTEGER NOT NULL,
        transaction_id TEXT NOT NULL UNIQUE,
        from_user TEXT NOT NULL,
        to_user TEXT NOT NULL,
        carrier TEXT,
        cause TEXT NOT NULL,
        day TEXT NOT NULL,
        position INTEGER NOT NULL,
        octets INTEGER NOT NULL
    );
    CREATE INDEX calls_by_end ON calls (ended, connector, status, mos, outbound);
    CREATE INDEX calls_by_connector ON calls (connector, ended, status, mos, outbound);
    CREATE INDEX calls_by_status ON calls (status, ended, connector, mos, outbound);
    CREATE INDEX calls_by_mos ON calls (mos, ended, connector, status, outbound)
        WHERE mos IS NOT NULL;
    CREATE INDEX calls_by_carrier ON calls (carrier, ended, status) WHERE carrier IS NOT NULL;
    CREATE TABLE parties (
        key TEXT NOT NULL,
        ended INTEGER NOT NULL,
        call INTEGER NOT NULL,
        PRIMARY KEY (key, ended, call)
    ) WITHOUT ROWID;
    CREATE INDEX parties_by_end ON parties (ended);
";

/// Makes the file when it is missing, for its owner alone: SQLite would ask the umask.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Makes the tables when they are missing, or of another version.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // Readers go on while the node writes; a power failure loses the last transactions, which are
    // then read from the files again.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    // Pages of removed calls go back to the disk bit by bit.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    if is_ours(connection)? {
        return Ok(());
    }
    let drop: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<_, _>>()?;
    let drops: String = drop.iter().map(|name| format!("DROP TABLE \"{name}\";")).collect();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {drops} {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

pub(crate) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? == VERSION)
}
