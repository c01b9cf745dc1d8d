//! Whether another process has written, looked at again and again.

use crate::{DirectoryStore, FILE, MasterKey, StoreError, records, schema};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// A connection of its own that sees what others write.
pub struct DirectoryWatch {
    store: DirectoryStore,
    /// SQLite's number for what this connection has seen last.
    seen: Option<i64>,
}

impl DirectoryWatch {
    /// Opens the database below `data_dir`; `None` while there is none, or one of another version,
    /// which somebody brings up to date first. Nothing is made, and nothing is checked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(data_dir: &Path) -> Result<Option<DirectoryWatch>, StoreError> {
        let path = data_dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(crate::LOCK_WAIT)?;
        if schema::version(&connection)? != schema::latest() {
            return Ok(None);
        }
        let master = MasterKey::read(data_dir)?;
        Ok(Some(DirectoryWatch { store: DirectoryStore { connection, master }, seen: None }))
    }

    /// The generation that is written now, when somebody has written since the last look; the first
    /// look always tells it. Without a write it costs a look at SQLite's shared memory.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn look(&mut self) -> Result<Option<u64>, StoreError> {
        let connection = &self.store.connection;
        let seen = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.seen == Some(seen) {
            return Ok(None);
        }
        let generation = records::generation(connection)?;
        self.seen = Some(seen);
        Ok(Some(generation))
    }

    /// The database, to be read.
    pub fn store(&mut self) -> &mut DirectoryStore {
        &mut self.store
    }
}
