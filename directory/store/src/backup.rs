//! A copy of the database while others use it.

use crate::{FILE, StoreError, check};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What a copy holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    /// Its size, in octets.
    pub bytes: u64,
    /// Access keys in it.
    pub access_keys: u64,
}

/// Copies the database below `data_dir` to `to`, as it is at one moment, for its owner alone. The copy is
/// checked and on the disk before it gets its name; `replaces` says whether a file of that name gives
/// way. Neither the node nor anybody else who uses the database waits for it.
///
/// # Errors
/// [`StoreError`]; then `to` is as it was.
pub fn back_up(data_dir: &Path, to: &Path, replaces: bool) -> Result<Copied, StoreError> {
    let at = |path: &Path, error| StoreError::File(path.to_owned(), error);
    let source = data_dir.join(FILE);
    fs::metadata(&source).map_err(|error| at(&source, error))?;
    let name = to.file_name().ok_or_else(|| {
        at(to, io::Error::new(io::ErrorKind::InvalidInput, "it must be the name of a file"))
    })?;
    if !replaces && to.symlink_metadata().is_ok() {
        return Err(at(to, io::ErrorKind::AlreadyExists.into()));
    }
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut fresh = std::ffi::OsString::from(".");
    fresh.push(name);
    fresh.push(format!(".{}", std::process::id()));
    let fresh = folder.join(fresh);
    // SQLite fills an empty file and would make one as the umask says.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
    let made = made.map_err(|error| at(&fresh, error))?;
    let copied = fill(&source, &fresh).and_then(|access_keys| {
        let named = || -> io::Result<u64> {
            made.sync_all()?;
            if replaces {
                fs::rename(&fresh, to)?;
            } else {
                // Not over one that has come meanwhile.
                fs::hard_link(&fresh, to)?;
                fs::remove_file(&fresh)?;
            }
            File::open(&folder)?.sync_all()?;
            Ok(fs::metadata(to)?.len())
        };
        Ok(Copied { bytes: named().map_err(|error| at(to, error))?, access_keys })
    });
    if copied.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    copied
}

/// The number of access keys in the copy.
fn fill(source: &Path, fresh: &Path) -> Result<u64, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(source, flags)?;
    connection.busy_timeout(crate::LOCK_WAIT)?;
    let text = fresh.to_str().ok_or_else(|| {
        let why = io::Error::new(io::ErrorKind::InvalidInput, "its name must be UTF-8");
        StoreError::File(fresh.to_owned(), why)
    })?;
    connection.execute("VACUUM INTO ?1", [text])?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(fresh, flags)?;
    if let Some(damage) = check::damage(&copy)?.into_iter().next() {
        return Err(StoreError::Damaged(damage));
    }
    let keys: i64 = copy.query_row("SELECT count(*) FROM access_keys", [], |row| row.get(0))?;
    Ok(keys.unsigned_abs())
}
