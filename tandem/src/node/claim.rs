//! A node's directory, for one process alone.

use super::StartError;
use crate::exposure::Exposure;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Held by whoever has the directory.
pub(crate) const LOCK_FILE: &str = "tandem.lock";

/// Makes the directory and takes it for this process alone.
pub(crate) fn claim(data_dir: &Path) -> Result<File, StartError> {
    try_claim(data_dir)?.ok_or_else(|| {
        StartError(format!(
            "[node] data_dir \"{}\" is in use by another Tandem: stop it, or give this one a \
             directory of its own",
            data_dir.display()
        ))
    })
}

/// The same; `None` when another process has it.
pub(crate) fn try_claim(data_dir: &Path) -> Result<Option<File>, StartError> {
    let at = |error: io::Error| {
        StartError(format!(
            "[node] data_dir \"{}\": {error}; give a directory that this user may write",
            data_dir.display()
        ))
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(at)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(data_dir.join(LOCK_FILE))
        .map_err(at)?;
    match lock.try_lock() {
        Ok(()) => {
            // The mode of a directory that was there is its operator's choice.
            if let Some(exposure) = Exposure::of(data_dir) {
                tracing::warn!(advice = exposure.advice(), "[node] data_dir: {exposure}");
            }
            Ok(Some(lock))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(at(error)),
    }
}
