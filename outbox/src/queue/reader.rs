//! The end of a queue that entries go out at.

use super::ledger::{Segment, Settled};
use super::marks_file::MarksFile;
use super::{Fsync, Ledger, segment_path};
use crate::OutboxRecord;
use crate::marks::Mark;
use crate::segment::{self, HEADER_BYTES, MAX_ENTRY_BYTES};
use model::UnixTime;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Octets that are read in one go; more when an entry needs it.
const CHUNK: usize = 256 * 1_024;

/// Where an entry is, and what is to be known to choose it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) sequence: u64,
    /// The segment's first number and id.
    pub(crate) segment: (u64, u64),
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    /// Stands for the stream; 0 for none. Two streams that share a number (one pair in 2^64) only
    /// wait for each other.
    pub(crate) stream: u64,
    pub(crate) time: UnixTime,
}

pub(crate) struct Reader {
    ledger: Arc<Ledger>,
    marks: MarksFile,
    fsync: Fsync,
    /// The next entry to look for.
    cursor: u64,
    /// Where it is, once its segment has been begun: the segment's first number, octets of it.
    at: Option<(u64, u64)>,
    /// The file that was read last.
    open: Option<(u64, File)>,
    buffer: Vec<u8>,
    /// Entries before this one may have reached the destination in an earlier process.
    handed_before: u64,
}

impl Reader {
    pub(super) fn new(ledger: Arc<Ledger>, marks: MarksFile, fsync: Fsync) -> Self {
        let (cursor, handed_before) = {
            let state = ledger.lock();
            (state.marks.floor(), state.marks.handed())
        };
        let (at, open, buffer) = (None, None, Vec::new());
        Reader { ledger, marks, fsync, cursor, at, open, buffer, handed_before }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether an earlier process may have delivered the entry.
    pub(crate) fn was_handed_before(&self, sequence: u64) -> bool {
        sequence < self.handed_before
    }

    /// The next entries that wait, at most `most`, in the order of their numbers.
    ///
    /// # Errors
    /// When the disk fails; the next call tries again.
    pub(crate) fn fetch(&mut self, most: usize) -> io::Result<Vec<Position>> {
        let mut out = Vec::new();
        while out.len() < most {
            let Some(segment) = self.current_segment() else { break };
            self.read_some(&segment, most, &mut out)?;
        }
        let state = self.ledger.lock();
        out.retain(|position| !state.marks.is_settled(position.sequence));
        Ok(out)
    }

    /// The record at a position; `None` when it cannot be read any more, which is counted unless
    /// its segment was dropped.
    ///
    /// # Errors
    /// When the disk fails otherwise.
    pub(crate) fn read(&mut self, position: &Position) -> io::Result<Option<OutboxRecord>> {
        let (first, id) = position.segment;
        let mut bytes = vec![0; position.bytes as usize];
        let file = match self.file(first) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        let read = match file.map(|file| file.read_exact_at(&mut bytes, position.offset)) {
            Some(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            Some(Ok(())) => segment::read_entry(id, &bytes),
            Some(Err(_)) | None => None,
        };
        let record = read.filter(|(sequence, _)| *sequence == position.sequence);
        if record.is_none() {
            self.lose(position.sequence, position.sequence + 1);
        }
        Ok(record.map(|(_, record)| record))
    }

    /// Notes that the destination is about to get these entries.
    pub(crate) fn hand_out(&mut self, sequences: &[u64]) {
        let mut state = self.ledger.lock();
        state.in_flight = sequences.to_vec();
        let next = sequences.iter().max().map_or(0, |last| last.saturating_add(1));
        if next > state.marks.handed() {
            state.marks.take(Mark::Handed(next));
            let all = state.marks.clone();
            drop(state);
            self.marks.add(&[Mark::Handed(next)], &all, self.fsync == Fsync::Always);
        }
    }

    /// What became of the entries that were handed out.
    pub(crate) fn settle(&mut self, verdicts: &[(u64, Settled)]) {
        let mut marks: Vec<Mark> = Vec::new();
        let mut state = self.ledger.lock();
        state.in_flight.clear();
        for &(sequence, verdict) in verdicts {
            let counts = &mut state.counts;
            match verdict {
                Settled::Delivered => counts.delivered += 1,
                Settled::Refused => counts.refused += 1,
                Settled::Returned => counts.again += 1,
            }
            if verdict == Settled::Returned {
                // Its segment was dropped meanwhile: this was its last chance.
                let gone = u64::from(state.marks.is_settled(sequence));
                state.counts.dropped += gone;
                continue;
            }
            state.settle(sequence, sequence);
            match marks.last_mut() {
                Some(Mark::Settled(_, last)) if *last + 1 == sequence => *last = sequence,
                _ => marks.push(Mark::Settled(sequence, sequence)),
            }
        }
        if marks.is_empty() {
            return;
        }
        let all = state.marks.clone();
        drop(state);
        self.marks.add(&marks, &all, false);
        self.ledger.remove_settled();
    }

    /// Tells of which time the oldest entry is that waits.
    pub(crate) fn note_oldest(&self, time: Option<UnixTime>) {
        let mut state = self.ledger.lock();
        if time.is_some() || state.waiting == 0 {
            state.oldest = time;
        }
    }

    /// The segment that the cursor is in, or the next one after it; `None` when all was read.
    fn current_segment(&mut self) -> Option<Segment> {
        let state = self.ledger.lock();
        let segment = state.segments.iter().find(|segment| segment.end > self.cursor).copied()?;
        drop(state);
        let first = segment.header.first;
        if self.at.is_none_or(|(of, _)| of != first) {
            self.at = Some((first, HEADER_BYTES as u64));
        }
        self.cursor = self.cursor.max(first);
        Some(segment)
    }

    fn read_some(
        &mut self,
        segment: &Segment,
        most: usize,
        out: &mut Vec<Position>,
    ) -> io::Result<()> {
        let (first, id) = (segment.header.first, segment.header.id);
        let offset = self.at.map_or(HEADER_BYTES as u64, |(_, offset)| offset);
        let left = usize::try_from(segment.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut length = left.min(CHUNK);
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(length, 0);
            let read = match self.file(first) {
                Ok(file) => read_up_to(file, &mut buffer, offset),
                // Dropped since: the ledger knows, and has settled it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(error),
            };
            buffer.truncate(*read.as_ref().unwrap_or(&0));
            let whole = buffer.len() == left || buffer.len() < length;
            let consumed = self.take(segment, id, offset, &buffer, whole, most, out);
            self.buffer = buffer;
            read?;
            if consumed > 0 || whole {
                let offset = offset + consumed as u64;
                self.at = Some((first, offset));
                let ended = whole && consumed == self.buffer.len();
                if ended && self.cursor < segment.end {
                    // Everything was read, and these were not there.
                    self.lose(self.cursor, segment.end);
                    self.cursor = segment.end;
                }
                return Ok(());
            }
            length = left.min(MAX_ENTRY_BYTES);
        }
    }

    /// Takes the entries of these octets; how many octets are dealt with.
    #[expect(clippy::too_many_arguments, reason = "one use, to keep the reading apart")]
    fn take(
        &mut self,
        segment: &Segment,
        id: u64,
        offset: u64,
        bytes: &[u8],
        whole: bool,
        most: usize,
        out: &mut Vec<Position>,
    ) -> usize {
        let (mut cursor, mut lost) = (self.cursor, Vec::new());
        let scanned = segment::scan(id, bytes, whole, |found| {
            let entry = found.sequence;
            if entry < cursor || entry >= segment.end {
                return true;
            }
            if entry > cursor {
                lost.push((cursor, entry));
            }
            cursor = entry + 1;
            out.push(Position {
                sequence: entry,
                segment: (segment.header.first, id),
                offset: offset + found.offset as u64,
                bytes: u32::try_from(found.entry_bytes()).unwrap_or(u32::MAX),
                stream: number_of(found.stream),
                time: found.time,
            });
            out.len() < most
        });
        self.cursor = cursor;
        for (from, to) in lost {
            self.lose(from, to);
        }
        scanned.consumed
    }

    /// Entries that cannot be read: counted, said, and dealt with.
    fn lose(&mut self, from: u64, to: u64) {
        let Some(last) = to.checked_sub(1) else { return };
        let mut state = self.ledger.lock();
        let lost = state.settle(from, last);
        if lost == 0 {
            return;
        }
        let before = state.counts.damaged;
        state.counts.damaged += lost;
        let damaged = state.counts.damaged;
        let all = state.marks.clone();
        drop(state);
        self.marks.add(&[Mark::Settled(from, last)], &all, false);
        self.ledger.remove_settled();
        if before.checked_ilog2() != damaged.checked_ilog2() {
            let queue = self.ledger.directory().display().to_string();
            tracing::error!(queue, damaged, "entries of the outbox are damaged on disk and lost");
        }
    }

    fn file(&mut self, first: u64) -> io::Result<&File> {
        let file = match self.open.take() {
            Some((of, file)) if of == first => file,
            _ => File::open(segment_path(self.ledger.directory(), first))?,
        };
        Ok(&self.open.insert((first, file)).1)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn number_of(stream: &str) -> u64 {
    if stream.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish().max(1)
}
