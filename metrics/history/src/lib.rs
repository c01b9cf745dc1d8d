//! The history of finished calls.
//!
//! The recorder writes one JSON line for each call into `data_dir/calls/YYYY-MM-DD.jsonl`; those
//! files are the truth. [`History`] follows them into an SQLite database beside them,
//! `data_dir/calls.sqlite`, which has what calls are searched by and where each record stands. It is
//! an index: without it nothing is lost, and it is made anew from the files when it is damaged.
//!
//! One process writes (the node), any number read meanwhile (`tandem calls`, `tandem report`).
#![forbid(unsafe_code)]

mod follow;
mod retention;
mod schema;
mod search;

pub use follow::TakenIn;
pub use retention::Removed;
pub use search::{CallQuery, CallSummary, StatusRange, TooManyNumbers};

use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name in `data_dir`.
pub const FILE: &str = "calls.sqlite";

/// How long to wait for another process's lock: it writes a few milliseconds at a time.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The index of finished calls.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    /// `data_dir/calls`.
    calls: PathBuf,
}

/// Why the history cannot be used now.
#[derive(Debug)]
pub enum HistoryError {
    /// The database: full or broken disk, damaged file, a lock that stays.
    Database(rusqlite::Error),
    /// A file of records.
    File(PathBuf, io::Error),
    /// The query is about more numbers than can be looked at.
    TooManyNumbers(TooManyNumbers),
}

impl HistoryError {
    /// The database is no database, or one of another making: [`History::open`] after it was put
    /// aside makes it anew from the files.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, HistoryError::Database(error)
            if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}

impl History {
    /// Opens the database below `data_dir` to write, and makes it when it is missing. Its file can
    /// be read by its owner alone.
    ///
    /// # Errors
    /// [`HistoryError::Database`].
    pub fn open(data_dir: &Path) -> Result<History, HistoryError> {
        let path = data_dir.join(FILE);
        let file = |error| HistoryError::File(path.clone(), error);
        schema::make_private(&path).map_err(file)?;
        let connection = Connection::open(&path)?;
        connection.busy_timeout(LOCK_WAIT)?;
        schema::prepare(&connection)?;
        Ok(History { connection, calls: data_dir.join("calls") })
    }

    /// Opens it to read; `None` when there is none.
    ///
    /// # Errors
    /// [`HistoryError::Database`].
    pub fn open_to_read(data_dir: &Path) -> Result<Option<History>, HistoryError> {
        let path = data_dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(LOCK_WAIT)?;
        // Between the file's making and its first tables, and of other versions.
        if !schema::is_ours(&connection)? {
            return Ok(None);
        }
        Ok(Some(History { connection, calls: data_dir.join("calls") }))
    }

    /// Calls in it.
    ///
    /// # Errors
    /// [`HistoryError::Database`].
    pub fn count(&self) -> Result<u64, HistoryError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM calls", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        HistoryError::Database(error)
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HistoryError::Database(error) => write!(f, "{FILE}: {error}"),
            HistoryError::File(path, error) => write!(f, "{}: {error}", path.display()),
            HistoryError::TooManyNumbers(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HistoryError {}

#[cfg(test)]
mod tests;
