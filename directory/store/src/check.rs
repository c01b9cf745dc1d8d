//! What is wrong with the database and its key file, found without changing either.

use crate::{FILE, KEY_FILE, KeyFacts, MasterKey, StoreError, keys, records, schema};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Damages that SQLite may list.
const DAMAGES_MAX: u32 = 20;

/// What was found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// Whether there is a database at all.
    pub exists: bool,
    /// Version of its tables.
    pub version: i64,
    /// Whether they are those of this Tandem: older ones are brought up to date at the next start.
    pub is_current: bool,
    /// Records of resources.
    pub records: u64,
    /// Its access keys.
    pub keys: Vec<KeyFacts>,
    /// What is wrong, each with what to do.
    pub problems: Vec<String>,
}

/// Checks the database below `data_dir`, whole, and that everything sealed in it can be opened. A node
/// may use it meanwhile.
///
/// # Errors
/// [`StoreError`] when it cannot be read at all.
pub fn check(data_dir: &Path) -> Result<Checked, StoreError> {
    let path = data_dir.join(FILE);
    let mut checked = Checked { exists: path.exists(), ..Checked::default() };
    if !checked.exists {
        return Ok(checked);
    }
    for name in [FILE, KEY_FILE, "directory.sqlite-wal", "directory.sqlite-shm"] {
        let path = data_dir.join(name);
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.permissions().mode() & 0o077 != 0
        {
            let mode = metadata.permissions().mode() & 0o777;
            let path = path.display();
            checked.problems.push(format!(
                "{path} has mode {mode:04o}: other users of this host can read it: chmod 600 {path}"
            ));
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(crate::LOCK_WAIT)?;
    for damage in damage(&connection)? {
        checked.problems.push(StoreError::Damaged(damage).to_string());
    }
    checked.version = schema::version(&connection)?;
    checked.is_current = checked.version == schema::latest();
    if checked.version > schema::latest() {
        checked.problems.push(StoreError::Newer(checked.version).to_string());
    }
    if checked.version < 1 || checked.version > schema::latest() {
        return Ok(checked);
    }
    check_seals(data_dir, &connection, &mut checked)?;
    Ok(checked)
}

fn check_seals(
    data_dir: &Path,
    connection: &Connection,
    checked: &mut Checked,
) -> Result<(), StoreError> {
    checked.keys = keys::all(connection)?;
    checked.records = if checked.is_current { records::count(connection)? } else { 0 };
    let master = match MasterKey::read(data_dir) {
        Ok(master) => master,
        Err(error) if checked.keys.is_empty() && checked.records == 0 => {
            // Nothing is sealed yet, but whatever is there must be a key file.
            if !matches!(error, StoreError::File(..)) {
                checked.problems.push(error.to_string());
            }
            return Ok(());
        }
        Err(error) => {
            checked.problems.push(format!(
                "{error}: nothing that is sealed can be opened: put the key file back"
            ));
            return Ok(());
        }
    };
    for facts in &checked.keys {
        if !keys::opens(connection, &master, &facts.id)? {
            checked.problems.push(StoreError::SealedOtherwise(facts.id.clone()).to_string());
        }
    }
    if checked.is_current {
        for place in records::unopened(connection, &master)? {
            checked.problems.push(StoreError::SealedOtherwise(place).to_string());
        }
    }
    Ok(())
}

/// What SQLite finds damaged; nothing of a sound file.
pub(crate) fn damage(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let query = format!("PRAGMA integrity_check({DAMAGES_MAX})");
    let mut statement = connection.prepare(&query)?;
    let found = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}
