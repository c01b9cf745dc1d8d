//! A queue of one destination on disk: segment files, and marks of what is dealt with.
//!
//! [`open`] gives the two ends. The [`Appender`] belongs to the thread that writes, the [`Reader`]
//! to the one that delivers; both know the [`Ledger`] (which segments there are, what is settled,
//! the counters), and wait for each other only as long as that is looked at, never for the disk.
//!
//! ```text
//! <root>/<destination>/00000000000000000042.segment    named by its first sequence number
//! <root>/<destination>/marks                            see crate::marks
//! <root>/<destination>/refused.jsonl                    see crate::refused
//! ```

mod appender;
mod disk;
mod ledger;
mod marks_file;
pub(crate) mod payload;
mod reader;

pub(crate) use appender::Appender;
pub(crate) use disk::{Disk, SystemDisk};
pub(crate) use ledger::{Ledger, Settled};
pub(crate) use reader::{Position, Reader};

use crate::files::make_directories;
use crate::marks::Marks;
use crate::segment::{self, HEADER_BYTES, SegmentHeader};
use ledger::{Segment, State};
use marks_file::MarksFile;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// When what was written is made to survive a power failure; the end of the process it survives
/// anyway.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fsync {
    /// Before a record counts as accepted; records that wait together share one fsync.
    Always,
    /// At least so often.
    Interval(Duration),
    /// When the operating system thinks fit.
    Never,
}

/// Sizes of one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueConfig {
    /// Octets of a segment file, about.
    pub(crate) segment_bytes: u64,
    /// Octets of all segment files. Full policy: the oldest segment is dropped and counted.
    pub(crate) most_bytes: u64,
    pub(crate) fsync: Fsync,
}

/// Both ends of a queue.
pub(crate) struct Ends {
    pub(crate) appender: Appender,
    pub(crate) reader: Reader,
    pub(crate) ledger: Arc<Ledger>,
}

/// Opens the queue in `directory`, which is made when it is missing, and takes up what an earlier
/// process left: a tail that was cut off is removed and counted, marks are read.
///
/// # Errors
/// When the directory cannot be made, read or written.
pub(crate) fn open(directory: &Path, config: QueueConfig, disk: Box<dyn Disk>) -> io::Result<Ends> {
    make_directories(directory)?;
    let marks_path = directory.join("marks");
    let mut marks = match fs::read(&marks_path) {
        Ok(bytes) => Marks::read(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Marks::default(),
        Err(error) => return Err(error),
    };
    let found = find_segments(directory)?;
    let (segments, torn) = measure(directory, found)?;
    let mut state = State::new(segments, &mut marks);
    state.counts.torn = torn;
    let marks_file = MarksFile::create(marks_path, &marks)?;
    state.marks = marks;
    let ledger = Arc::new(Ledger::new(directory, state));
    ledger.remove_settled();
    Ok(Ends {
        appender: Appender::new(Arc::clone(&ledger), config, disk),
        reader: Reader::new(Arc::clone(&ledger), marks_file, config.fsync),
        ledger,
    })
}

/// The file of the segment that begins with entry `first`.
pub(crate) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.segment"))
}

/// Headers and lengths of the segment files, oldest first. A file without a header, which a crash
/// left at the moment that it was begun, holds nothing and is removed.
fn find_segments(directory: &Path) -> io::Result<Vec<(SegmentHeader, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
        if path.extension().is_none_or(|extension| extension != "segment") {
            continue;
        }
        let Some(first) = number(&path) else { continue };
        let mut file = File::open(&path)?;
        let mut head = Vec::with_capacity(HEADER_BYTES);
        Read::by_ref(&mut file).take(HEADER_BYTES as u64).read_to_end(&mut head)?;
        match SegmentHeader::read(&head) {
            Some(header) if header.first == first => found.push((header, file.metadata()?.len())),
            _ if head.len() < HEADER_BYTES || head.iter().all(|octet| *octet == 0) => {
                fs::remove_file(&path)?;
            }
            _ => {
                // Another version's, or damaged: kept for whoever looks, out of the way.
                fs::rename(&path, path.with_extension("unreadable"))?;
                let file = path.display().to_string();
                tracing::error!(file, "a segment of the outbox has no sound header; set aside");
            }
        }
    }
    found.sort_by_key(|(header, _)| header.first);
    Ok(found)
}

/// Where each segment ends. Only the last one can have a tail that was cut off.
fn measure(
    directory: &Path,
    found: Vec<(SegmentHeader, u64)>,
) -> io::Result<(VecDeque<Segment>, u64)> {
    let mut torn = 0;
    let next: Vec<_> = found.iter().skip(1).map(|(header, _)| Some(header.first)).collect();
    let mut segments = VecDeque::with_capacity(found.len());
    for ((header, bytes), next) in found.into_iter().zip(next.into_iter().chain([None])) {
        let (end, bytes) = match next {
            Some(end) => (end, bytes),
            None => {
                let path = segment_path(directory, header.first);
                let (end, sound) = measure_last(&path, header)?;
                if sound < bytes {
                    torn += 1;
                    OpenOptions::new().write(true).open(&path)?.set_len(sound)?;
                    let (file, octets) = (path.display().to_string(), bytes - sound);
                    tracing::warn!(file, octets, "the outbox's last write was cut off; removed");
                }
                (end, sound)
            }
        };
        segments.push_back(Segment { header, end, bytes, sealed: true });
    }
    Ok((segments, torn))
}

/// The number after its last sound entry, and the octets up to there.
fn measure_last(path: &Path, header: SegmentHeader) -> io::Result<(u64, u64)> {
    let bytes = fs::read(path)?;
    let mut end = header.first;
    let entries = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let scanned = segment::scan(header.id, entries, true, |found| {
        end = end.max(found.sequence.saturating_add(1));
        true
    });
    Ok((end, (HEADER_BYTES + scanned.sound) as u64))
}

#[cfg(test)]
mod tests;
