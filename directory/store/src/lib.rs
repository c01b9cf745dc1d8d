//! The directory's database, `data_dir/directory.sqlite`: what is made through the control API and the
//! command line: access keys, and records of resources.
//!
//! Secrets are sealed with AES-256-GCM under the key in `data_dir/directory.key`, so that a copy of the
//! database alone tells none. Both files are their owner's alone. Several processes may use the
//! database: a running node reads each key when it is asked for, and so sees what `tandem key` has
//! written at once.
#![forbid(unsafe_code)]

mod backup;
mod check;
mod keys;
mod records;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod watch;

pub use backup::{Copied, back_up};
pub use check::{Checked, check};
pub use keys::{KeyFacts, StoredKey};
pub use records::{Committed, RecordChange, StoredRecord};
pub use seal::{KEY_FILE, MasterKey};
pub use watch::DirectoryWatch;

use rusqlite::Connection;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name in `data_dir`.
pub const FILE: &str = "directory.sqlite";

/// How long to wait for another process's lock: it writes a few milliseconds at a time.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The database.
pub struct DirectoryStore {
    connection: Connection,
    master: MasterKey,
}

/// Why the database cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// SQLite: a full or broken disk, a damaged file, a lock that stays.
    Database(rusqlite::Error),
    /// One of the two files.
    File(PathBuf, io::Error),
    /// The database is damaged, as SQLite's check says.
    Damaged(String),
    /// A later version of Tandem has made it; its tables' version.
    Newer(i64),
    /// The key file is not 32 octets.
    BadKeyFile(PathBuf),
    /// Secrets are sealed under another key.
    SealedOtherwise(String),
}

impl DirectoryStore {
    /// Opens the database below `data_dir`, makes it when it is missing, brings its tables up to date
    /// and checks it. `random` fills 32 octets, for a key file that is missing.
    ///
    /// # Errors
    /// [`StoreError`], in words that say what to do.
    pub fn open(
        data_dir: &Path,
        random: impl FnOnce(&mut [u8; 32]) -> io::Result<()>,
    ) -> Result<DirectoryStore, StoreError> {
        let path = data_dir.join(FILE);
        schema::make_private(&path).map_err(|error| StoreError::File(path.clone(), error))?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(LOCK_WAIT)?;
        schema::prepare(&mut connection)?;
        let master = MasterKey::open(data_dir, random)?;
        Ok(DirectoryStore { connection, master })
    }

    /// The key that everything is sealed with; others are derived from it.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Database(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Database(error) => write!(f, "{FILE}: {error}"),
            StoreError::File(path, error) => write!(f, "{}: {error}", path.display()),
            StoreError::Damaged(what) => {
                write!(f, "{FILE} is damaged ({what}): put a backup in its place, or move it away")
            }
            StoreError::Newer(version) => write!(
                f,
                "{FILE} has tables of version {version}, made by a later Tandem: run that one"
            ),
            StoreError::BadKeyFile(path) => {
                write!(f, "{}: not 32 octets: put the right key file there", path.display())
            }
            StoreError::SealedOtherwise(id) => write!(
                f,
                "{id} is sealed under another {KEY_FILE}: put the right key file there, or remove what \
                 it seals and make it anew"
            ),
        }
    }
}

impl std::error::Error for StoreError {}
