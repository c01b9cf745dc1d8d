//! The directories of recordings: `<voice connector>/YYYY/MM/DD`.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories above those of days.
const LEVELS: usize = 4;

/// The directories of all days of all voice connectors.
pub(crate) fn days(root: &Path) -> Vec<PathBuf> {
    let mut directories = vec![root.to_owned()];
    for _ in 0..LEVELS {
        directories = directories.iter().flat_map(|directory| entries(directory, true)).collect();
    }
    directories
}

/// The JSON files of a day, the oldest recording first.
pub(crate) fn descriptions(day: &Path) -> Vec<PathBuf> {
    let mut files = entries(day, false);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// `YYYY/MM/DD` of a day's directory.
pub(crate) fn date(day: &Path) -> PathBuf {
    let parts: Vec<_> = day.components().collect();
    parts.iter().skip(parts.len().saturating_sub(3)).collect()
}

/// Removes a day's directory, its month's and year's, as far as nothing is in them.
pub(crate) fn remove_if_empty(root: &Path, day: &Path) {
    for directory in day.ancestors().take(LEVELS).take_while(|directory| *directory != root) {
        if fs::remove_dir(directory).is_err() {
            return;
        }
    }
}

/// What is in a directory; nothing of one that is not there. Links are not followed.
fn entries(directory: &Path, directories: bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_wanted = |entry: &fs::DirEntry| {
        let kind = entry.file_type();
        kind.is_ok_and(|kind| if directories { kind.is_dir() } else { kind.is_file() })
    };
    entries.filter(is_wanted).map(|entry| entry.path()).collect()
}

/// Every JSON below `root`, those of older days first.
pub fn all_descriptions(root: &Path) -> Vec<PathBuf> {
    let mut days = days(root);
    days.sort_by_key(|day| date(day));
    days.iter().flat_map(|day| descriptions(day)).collect()
}
