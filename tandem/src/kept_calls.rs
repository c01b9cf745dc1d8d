//! Calls in a file of `data_dir`, so that an edge that is started anew takes up the established ones, whose
//! media goes on in a relay of its own process, and ends the others properly.
//!
//! A line is a call as it is now, what its peers are to be told when it cannot be taken up or is being
//! set up, or its end; the last line about a call counts. Lines are written on a thread of its own, so
//! that signalling never waits: what a process has said outlives its death at once, and that of the
//! host after a second. The file holds numbers, addresses, session descriptions and metadata; descriptions with keys are
//! sealed ([`seal`]).

mod left;
mod seal;

pub(crate) use left::{LastRun, Left, LeftSetup, open, read};

use crate::clock::Origin;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN};
use b2bua::{Kept, SavedFarewell};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use left::Past;
use model::{CallEvent, CallEventKind, CarrierId, Instant, TransactionId, TransportProtocol};
use relay_control::SealKey;
use seal::Sealer;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The file's name.
const NAME: &str = "kept-calls.jsonl";
/// A larger file is not one of ours: 20,000 calls take some 100 MiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Notes that wait for the thread. When there are more, the call that they are about is not taken up,
/// or as it was before; counted, and said once.
const WAITING_MAX: usize = 65_536;
/// How often what was written is made safe against the end of the host.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// The file is written anew when it has grown to twice what counts in it, and by this much.
const SLACK: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Call(Box<Left>),
    Farewell(Box<SavedFarewell>),
    Setup(Box<LeftSetup>),
    Ended(TransactionId),
}

impl Line {
    /// The call.
    fn about(&self) -> TransactionId {
        match self {
            Line::Call(left) => left.call.transaction_id,
            Line::Farewell(farewell) => farewell.transaction_id,
            Line::Setup(left) => left.setup.transaction_id,
            Line::Ended(id) => *id,
        }
    }
}

enum Note {
    Happened(TransactionId, Instant, Step),
    Kept(Kept),
    /// Write what waits, and end.
    Stop,
}

enum Step {
    Attempted,
    Routed(Option<CarrierId>, SocketAddr, TransportProtocol, u32),
    Ringing,
    Answered,
    Ended,
}

/// Keeps the file. Dropping it writes what waits.
pub(crate) struct KeptCalls {
    notes: Option<Sender<Note>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// The way to the file for one who tells it.
#[derive(Clone)]
pub(crate) struct Keeper {
    notes: Sender<Note>,
    lost: Arc<AtomicU64>,
}

impl KeptCalls {
    /// Goes on with the file in `data_dir`, which then holds `left` alone, its secrets under `seal`.
    ///
    /// # Errors
    /// In words, when the file or the thread cannot be had.
    pub(crate) fn start(
        data_dir: &Path,
        origin: Origin,
        left: Vec<Left>,
        seal: &SealKey,
    ) -> Result<Self, String> {
        let path = data_dir.join(NAME);
        let mut book = Book::open(path.clone(), origin, left, Sealer::new(seal))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let (notes, waiting) = bounded(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("kept-calls".into())
            .spawn(move || book.run(&waiting))
            .map_err(|error| format!("no thread: {error}"))?;
        let lost = Arc::new(AtomicU64::new(0));
        Ok(KeptCalls { notes: Some(notes), lost, thread: Some(thread) })
    }

    /// The way to it.
    pub(crate) fn keeper(&self) -> Option<Keeper> {
        Some(Keeper { notes: self.notes.clone()?, lost: Arc::clone(&self.lost) })
    }
}

impl Drop for KeptCalls {
    fn drop(&mut self) {
        if let Some(notes) = self.notes.take() {
            let _ = notes.send_timeout(Note::Stop, SYNC_INTERVAL);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps calls ended by a panic");
        }
    }
}

impl Keeper {
    /// Notes what the record of a call will need. Never waits.
    pub(crate) fn note(&self, event: &CallEvent) {
        let step = match &event.kind {
            CallEventKind::Attempted { .. } => Step::Attempted,
            CallEventKind::Routed { carrier, destination, protocol, attempt } => {
                Step::Routed(carrier.clone(), *destination, *protocol, *attempt)
            }
            CallEventKind::Ringing => Step::Ringing,
            CallEventKind::Answered => Step::Answered,
            CallEventKind::Ended(_) => Step::Ended,
            _ => return,
        };
        self.send(Note::Happened(event.transaction_id, event.at, step));
    }

    /// Notes a call as it is now, or its end. Never waits.
    pub(crate) fn keep(&self, kept: Kept) {
        self.send(Note::Kept(kept));
    }

    fn send(&self, note: Note) {
        if let Err(TrySendError::Full(_)) = self.notes.try_send(note)
            && self.lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!("{NAME}: the disk is too slow; some calls will not outlive a restart");
        }
    }
}

/// A line as it is in the file, and what tells it from another that says something else: sealed twice
/// the same looks different.
struct KeptLine {
    octets: Vec<u8>,
    said: [u8; SHA256_OUTPUT_LEN],
}

/// The file and what counts in it.
struct Book {
    path: PathBuf,
    file: File,
    origin: Origin,
    sealer: Sealer,
    /// The line of each call that is kept.
    lines: HashMap<TransactionId, KeptLine>,
    pasts: HashMap<TransactionId, Past>,
    /// Octets in the file, and in the lines that count.
    written: u64,
    counting: u64,
    buffer: Vec<u8>,
    failing: bool,
}

impl Book {
    fn open(path: PathBuf, origin: Origin, left: Vec<Left>, sealer: Sealer) -> io::Result<Book> {
        let file = create(&path.with_extension("jsonl.new"))?;
        let mut book = Book {
            path,
            file,
            origin,
            sealer,
            lines: HashMap::new(),
            pasts: HashMap::new(),
            written: 0,
            counting: 0,
            buffer: Vec::new(),
            failing: false,
        };
        for left in left {
            let id = left.call.transaction_id;
            book.pasts.insert(id, left.past());
            book.put_call(id, left);
        }
        book.compact()?;
        Ok(book)
    }

    fn run(&mut self, waiting: &Receiver<Note>) {
        let mut dirty = false;
        loop {
            match waiting.recv_timeout(SYNC_INTERVAL) {
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(note) => self.take(note),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let mut stop = false;
            while self.buffer.len() < 64 * 1024
                && let Ok(note) = waiting.try_recv()
            {
                stop |= matches!(note, Note::Stop);
                self.take(note);
            }
            if stop {
                break;
            }
            if self.buffer.is_empty() {
                if std::mem::take(&mut dirty) {
                    self.report(self.file.sync_data());
                }
                continue;
            }
            dirty = true;
            let done = self.write();
            self.report(done);
        }
        let done = self.write().and_then(|()| self.file.sync_data());
        self.report(done);
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Happened(id, at, step) => self.happened(id, at, step),
            Note::Kept(Kept::Is(call)) => {
                let id = call.transaction_id;
                let past = self.pasts.get(&id).cloned().unwrap_or_default();
                self.put_call(id, Left::new(*call, past));
            }
            Note::Kept(Kept::Farewell(farewell)) => {
                let id = farewell.transaction_id;
                let line = serde_json::to_vec(&Line::Farewell(farewell)).ok();
                let said = line.as_deref().map(digest);
                self.put(id, said, |_| line);
            }
            Note::Kept(Kept::Setup(setup)) => {
                let setup = setup.saved();
                let id = setup.transaction_id;
                let past = self.pasts.get(&id).cloned().unwrap_or_default();
                let line = LeftSetup { setup, past };
                let line = serde_json::to_vec(&Line::Setup(Box::new(line))).ok();
                let said = line.as_deref().map(digest);
                self.put(id, said, |_| line);
            }
            Note::Kept(Kept::Ended(id)) => self.put(id, None, |_| None),
            Note::Stop => {}
        }
    }

    fn happened(&mut self, id: TransactionId, at: Instant, step: Step) {
        let at = self.origin.calendar.as_millis().saturating_add(at.as_millis());
        if let Step::Ended = step {
            self.pasts.remove(&id);
            return;
        }
        let past = self.pasts.entry(id).or_default();
        match step {
            Step::Attempted => past.attempted = at,
            Step::Routed(carrier, destination, protocol, attempt) => {
                past.routed = Some((at, carrier, destination, protocol, attempt));
            }
            Step::Ringing => past.ringing = Some(at),
            Step::Answered => past.answered = Some(at),
            Step::Ended => {}
        }
    }

    fn put_call(&mut self, id: TransactionId, mut left: Left) {
        let said = serde_json::to_vec(&left).ok().map(|said| digest(&said));
        self.put(id, said, |sealer| {
            // Rather no line than one with a key in it.
            left.seal(sealer).then_some(())?;
            serde_json::to_vec(&Line::Call(Box::new(left))).ok()
        });
    }

    /// Adds a line for a call, unless it is the one that counts already; without what it says it is its
    /// end.
    fn put(
        &mut self,
        id: TransactionId,
        said: Option<[u8; SHA256_OUTPUT_LEN]>,
        line: impl FnOnce(&mut Sealer) -> Option<Vec<u8>>,
    ) {
        if said == self.lines.get(&id).map(|line| line.said) {
            return;
        }
        let before = self.lines.remove(&id).map_or(0, |line| line.octets.len() as u64);
        self.counting -= before;
        let octets = line(&mut self.sealer);
        match octets.zip(said) {
            Some((octets, said)) => {
                self.counting += octets.len() as u64;
                self.buffer.extend_from_slice(&octets);
                self.lines.insert(id, KeptLine { octets, said });
            }
            None => {
                let ended = serde_json::to_vec(&Line::Ended(id)).unwrap_or_default();
                self.buffer.extend_from_slice(&ended);
            }
        }
        self.buffer.push(b'\n');
    }

    fn write(&mut self) -> io::Result<()> {
        if self.written > self.counting * 2 + SLACK || self.failing {
            return self.compact();
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.file.write_all(&buffer)?;
        self.written += buffer.len() as u64;
        Ok(())
    }

    /// In place of the old file at once, or not at all.
    fn compact(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("jsonl.new");
        let mut file = create(&fresh)?;
        let mut written = 0;
        for line in self.lines.values() {
            file.write_all(&line.octets)?;
            file.write_all(b"\n")?;
            written += line.octets.len() as u64 + 1;
        }
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.buffer.clear();
        self.written = written;
        self.file = file;
        Ok(())
    }

    /// What fails is warned of once, and the whole file is written anew the next time.
    fn report(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let path = self.path.display();
                tracing::warn!("{path}: {error}; calls will not outlive a restart of the edge");
            }
            Err(_) => {}
        }
    }
}

fn digest(octets: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, octets).as_ref());
    digest
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
