//! The byte-exact messages under `tests/corpus` at the root of the repository.

use std::fs;
use std::path::PathBuf;

fn directory(set: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(set)
}

/// The bytes of one message.
pub(crate) fn read(set: &str, name: &str) -> Vec<u8> {
    let path = directory(set).join(format!("{name}.dat"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all messages of a set.
pub(crate) fn names(set: &str) -> Vec<String> {
    let entries = fs::read_dir(directory(set)).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}
