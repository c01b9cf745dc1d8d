//! The end of a queue that records come in at.

use super::disk::write_all;
use super::{Disk, Fsync, Ledger, QueueConfig, segment_path};
use crate::OutboxRecord;
use crate::files::FILE_MODE;
use crate::queue::ledger::Segment;
use crate::segment::{HEADER_BYTES, MAX_ENTRY_BYTES, SegmentHeader, write_entry};
use model::UnixTime;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

/// Octets that are written in one go.
const CHUNK: usize = 1_048_576;

pub(crate) struct Appender {
    ledger: Arc<Ledger>,
    config: QueueConfig,
    disk: Box<dyn Disk>,
    active: Option<Active>,
    buffer: Vec<u8>,
    /// Octets to write in one go: fewer while the disk is nearly full, so that what fits goes in.
    chunk: usize,
    unsynced: bool,
}

/// The segment that is being written.
struct Active {
    file: File,
    header: SegmentHeader,
    bytes: u64,
}

impl Appender {
    pub(super) fn new(ledger: Arc<Ledger>, config: QueueConfig, disk: Box<dyn Disk>) -> Self {
        let buffer = Vec::with_capacity(CHUNK / 8);
        Appender { ledger, config, disk, active: None, buffer, chunk: CHUNK, unsynced: false }
    }

    /// Writes the records in order, as the fsync policy says; `draw` gives random numbers and `now`
    /// is the calendar's. Returns how many of them are accepted; those after them are not, and the
    /// queue is as if they had not been offered.
    ///
    /// # Errors
    /// Beside the number: why the others are not.
    pub(crate) fn append(
        &mut self,
        records: &[OutboxRecord],
        now: UnixTime,
        draw: &mut dyn FnMut() -> u64,
    ) -> (usize, io::Result<()>) {
        let mut accepted = 0;
        while let Some(rest) = records.get(accepted..).filter(|rest| !rest.is_empty()) {
            match self.append_some(rest, now, draw) {
                Ok(count) => {
                    accepted += count;
                    self.chunk = (self.chunk.max(1) * 2).min(CHUNK);
                }
                Err(_) if self.chunk > 1 => self.chunk /= 8,
                Err(error) => {
                    // The next call begins with all again.
                    self.chunk = CHUNK;
                    return (accepted, Err(error));
                }
            }
        }
        (accepted, Ok(()))
    }

    /// Makes what was written survive a power failure.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some(active) = &self.active
            && self.unsynced
        {
            self.disk.sync(&active.file)?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Nothing more goes into the segment that is being written; it can be dropped then.
    pub(crate) fn seal(&mut self) {
        if let Some(active) = self.active.take() {
            let mut state = self.ledger.lock();
            let first = active.header.first;
            if let Some(segment) = state.segments.iter_mut().find(|s| s.header.first == first) {
                segment.sealed = true;
            }
            drop(state);
            self.ledger.remove_settled();
        }
    }

    /// As many of the records as one write takes.
    fn append_some(
        &mut self,
        records: &[OutboxRecord],
        now: UnixTime,
        draw: &mut dyn FnMut() -> u64,
    ) -> io::Result<usize> {
        let full = |active: &Active| active.bytes >= self.config.segment_bytes;
        if self.active.as_ref().is_some_and(full) {
            self.sync_sealed()?;
            self.seal();
        }
        if self.active.is_none() {
            self.begin(now, draw())?;
        }
        let Some(active) = &mut self.active else { return Ok(0) };
        let room = usize::try_from(self.config.segment_bytes.saturating_sub(active.bytes));
        let room = room.unwrap_or(usize::MAX).min(self.chunk);
        let next = self.ledger.lock().next;
        self.buffer.clear();
        let mut count = 0;
        for (record, sequence) in records.iter().zip(next..) {
            if count > 0 && self.buffer.len() >= room {
                break;
            }
            write_entry(active.header.id, sequence, record, &mut self.buffer);
            count += 1;
        }
        self.make_room(self.buffer.len() as u64);
        let Some(active) = &mut self.active else {
            // It was itself what had to go: once more, into a new one.
            return Ok(0);
        };
        let mut outcome = write_all(self.disk.as_mut(), &active.file, &self.buffer);
        if outcome.is_ok() && self.config.fsync == Fsync::Always {
            outcome = self.disk.sync(&active.file);
        }
        match outcome {
            Ok(()) => {
                active.bytes += self.buffer.len() as u64;
                self.unsynced = self.config.fsync != Fsync::Always;
                self.publish(records.get(..count).unwrap_or_default());
            }
            Err(error) => {
                self.cut_off();
                return Err(error);
            }
        }
        if self.buffer.capacity() > MAX_ENTRY_BYTES + CHUNK {
            self.buffer = Vec::new();
        }
        Ok(count)
    }

    /// Tells the other end of entries that are written.
    fn publish(&mut self, records: &[OutboxRecord]) {
        let Some(active) = &self.active else { return };
        let mut state = self.ledger.lock();
        let count = records.len() as u64;
        if state.waiting == 0 {
            state.oldest = records.iter().map(|record| record.time).min();
        }
        state.next += count;
        state.waiting += count;
        state.counts.accepted += count;
        let next = state.next;
        let first = active.header.first;
        if let Some(segment) = state.segments.back_mut().filter(|s| s.header.first == first) {
            segment.end = next;
            segment.bytes = active.bytes;
        }
    }

    /// What a failed write left is cut off. Where that fails too, or the fsync did, nothing more is
    /// written behind it: the other end knows where the sound part ends, and a restart that entries
    /// behind it have numbers of the next segment.
    fn cut_off(&mut self) {
        let Some(active) = &self.active else { return };
        let mut file = &active.file;
        let cut =
            file.set_len(active.bytes).and_then(|()| file.seek(SeekFrom::Start(active.bytes)));
        if cut.is_err() || self.config.fsync == Fsync::Always {
            self.seal();
        }
    }

    fn begin(&mut self, now: UnixTime, id: u64) -> io::Result<()> {
        let first = self.ledger.lock().next;
        let header = SegmentHeader { id, first, created: now };
        let path = segment_path(self.ledger.directory(), first);
        // One of this name can only be what an earlier failure left: no entry of it was accepted.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(path)?;
        write_all(self.disk.as_mut(), &file, &header.to_bytes())?;
        if self.config.fsync == Fsync::Always {
            self.disk.sync(&file)?;
            File::open(self.ledger.directory())?.sync_data()?;
        }
        let bytes = HEADER_BYTES as u64;
        let segment = Segment { header, end: first, bytes, sealed: false };
        self.ledger.lock().segments.push_back(segment);
        self.active = Some(Active { file, header, bytes });
        Ok(())
    }

    /// A segment that is left behind does not wait for the next interval.
    fn sync_sealed(&mut self) -> io::Result<()> {
        match self.config.fsync {
            Fsync::Interval(_) => self.sync(),
            Fsync::Always | Fsync::Never => Ok(()),
        }
    }

    /// Drops oldest segments until `incoming` octets fit into the queue's bound.
    fn make_room(&mut self, incoming: u64) {
        while self.ledger.bytes() + incoming > self.config.most_bytes {
            if self.ledger.drop_oldest().is_some() {
                continue;
            }
            let written = self.active.as_ref().is_some_and(|a| a.bytes > HEADER_BYTES as u64);
            if !written {
                return;
            }
            self.seal();
        }
    }
}
