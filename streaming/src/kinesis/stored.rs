//! Calls in the files of streams, found and heard again.

mod audio;
mod summary;

pub use audio::{Heard, LegAudio};
pub use summary::StoredFile;

use super::{EXTENSION, StreamName};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A call, as its streams' tags tell of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCall {
    /// The call's name in every log, event and record.
    pub transaction_id: Box<str>,
    /// Whose call.
    pub voice_connector_id: Box<str>,
    /// The Call-ID of leg A; empty, as what follows, when the first fragment was lost.
    pub call_id: Box<str>,
    /// Outbound or Inbound.
    pub direction: Box<str>,
    /// Who called.
    pub from_number: Box<str>,
    /// Who was called.
    pub to_number: Box<str>,
    /// Its legs, the caller first.
    pub legs: Vec<StoredLeg>,
}

/// One leg of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredLeg {
    /// The party called; the other one was called.
    pub is_caller: bool,
    /// `A` or `B`.
    pub channel: Box<str>,
    /// Its files in the order of time: of more than one stream when one failed.
    pub files: Vec<StoredFile>,
}

impl StoredCall {
    /// When its first sample was, in nanoseconds since 1970.
    pub fn began_ns(&self) -> u64 {
        self.files().map(|file| file.began_ns).min().unwrap_or(0)
    }

    /// When its last sample ended, in nanoseconds since 1970.
    pub fn ended_ns(&self) -> u64 {
        self.files().map(|file| file.ended_ns).max().unwrap_or(0)
    }

    /// All its files.
    pub fn files(&self) -> impl Iterator<Item = &StoredFile> {
        self.legs.iter().flat_map(|leg| &leg.files)
    }

    /// Samples a second, if all its files have the same.
    pub fn sample_rate(&self) -> Option<u32> {
        let first = self.files().next()?.sample_rate;
        self.files().all(|file| file.sample_rate == first).then_some(first)
    }
}

/// What is in the files of streams.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stored {
    /// Calls, the latest first.
    pub calls: Vec<StoredCall>,
    /// Files that could not be read, with why.
    pub unread: Vec<(PathBuf, String)>,
}

/// The calls in the files below `root`, the folder of all streams.
///
/// # Errors
/// When the folder cannot be read; one that is not there has no calls.
pub fn stored_calls(root: &Path) -> io::Result<Stored> {
    let folders = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
        folders => folders?,
    };
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for folder in folders.flatten() {
        let Some(name) = folder.file_name().to_str().and_then(StreamName::parse) else { continue };
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            match StoredFile::read(&path, &name) {
                Ok(file) => files.push(file),
                // The keeper was faster.
                Err(summary::Unread::Gone) => {}
                Err(summary::Unread::Bad(reason)) => unread.push((path, reason)),
            }
        }
    }
    files.sort_by_key(|file| file.began_ns);
    // A file that names no call is one by itself.
    let key = |file: &StoredFile| match file.tag("TransactionId") {
        "" => (Box::default(), Some(file.path.clone())),
        id => (Box::from(id), None),
    };
    let mut calls: BTreeMap<(Box<str>, Option<PathBuf>), Vec<StoredFile>> = BTreeMap::new();
    for file in files {
        calls.entry(key(&file)).or_default().push(file);
    }
    let mut calls: Vec<_> = calls.into_iter().map(|((id, _), files)| call(id, files)).collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.began_ns()));
    Ok(Stored { calls, unread })
}

fn call(transaction_id: Box<str>, files: Vec<StoredFile>) -> StoredCall {
    let told = |name: &str| {
        let mut values = files.iter().map(|file| file.tag(name));
        values.find(|value| !value.is_empty()).unwrap_or_default().into()
    };
    let mut call = StoredCall {
        voice_connector_id: told("VoiceConnectorId"),
        call_id: told("CallId"),
        direction: told("Direction"),
        from_number: told("FromNumber"),
        to_number: told("ToNumber"),
        transaction_id,
        legs: Vec::new(),
    };
    for file in files {
        let (channel, is_caller) = (file.tag("Channel").into(), file.tag("IsCaller") == "true");
        let has = |leg: &&mut StoredLeg| leg.channel == channel && leg.is_caller == is_caller;
        match call.legs.iter_mut().find(has) {
            Some(leg) => leg.files.push(file),
            None => call.legs.push(StoredLeg { is_caller, channel, files: vec![file] }),
        }
    }
    call.legs.sort_by(|a, b| b.is_caller.cmp(&a.is_caller).then_with(|| a.channel.cmp(&b.channel)));
    call
}

#[cfg(test)]
mod tests;
