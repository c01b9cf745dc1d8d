//! The files themselves: opening, batching lines, noticing rotation, surviving failures.

use crate::clock::unix_time;
use crate::directories::Directories;
use crate::rotation::{self, Limit, WhenFull, day_of, written_last};
use crate::{RecordPath, Rotation};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Directories and files hold numbers and messages of people: nobody but the owner reads them.
const DIRECTORY_MODE: u32 = 0o700;
pub(crate) const FILE_MODE: u32 = 0o600;

/// Makes `path` and what is missing above it, mode 0700.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

/// What became of the records since it was last asked.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    pub(crate) written_records: u64,
    pub(crate) written_bytes: u64,
    pub(crate) failed_records: u64,
    /// The last failure, with its path.
    pub(crate) error: Option<String>,
}

/// A bounded set of open files, least recently used one closed first.
pub(crate) struct Files {
    root: PathBuf,
    open: HashMap<RecordPath, Appender>,
    directories: Directories,
    open_limit: usize,
    buffer_bytes: usize,
    rotation: Option<Rotation>,
    clock: u64,
    outcome: Outcome,
}

impl Files {
    pub(crate) fn new(root: PathBuf, open_limit: usize, buffer_bytes: usize) -> Self {
        Files {
            root,
            open: HashMap::new(),
            directories: Directories::new(open_limit),
            open_limit: open_limit.max(1),
            buffer_bytes: buffer_bytes.max(1),
            rotation: None,
            clock: 0,
            outcome: Outcome::default(),
        }
    }

    /// Puts files aside as `rotation` says.
    pub(crate) fn rotated(self, rotation: Option<Rotation>) -> Self {
        Files { rotation, ..self }
    }

    /// Puts a file aside, whatever its size.
    pub(crate) fn put_aside(&mut self, path: &Path) {
        let mut appenders = self.open.values_mut();
        if let Some(appender) = appenders.find(|appender| appender.path == path) {
            appender.flush(&mut self.outcome);
            // The next line opens a new one.
            appender.file = None;
        }
        if let Err(error) = rotation::put_aside(path) {
            tracing::warn!(path = %path.display(), %error, "a file cannot be put aside");
        }
    }

    /// Adds a line to a file's buffer; writes the buffer out when it is large enough.
    pub(crate) fn append_line(&mut self, path: &RecordPath, line: &[u8]) {
        self.clock += 1;
        if !self.open.contains_key(path) {
            self.make_room();
            let limit = self.rotation.as_ref().and_then(|rotation| rotation.limit(path));
            self.open.insert(path.clone(), Appender::new(self.root.join(path.as_str()), limit));
        }
        if let Some(appender) = self.open.get_mut(path) {
            appender.last_used = self.clock;
            appender.buffer.extend_from_slice(line);
            appender.buffer.push(b'\n');
            appender.records += 1;
            if appender.buffer.len() >= self.buffer_bytes {
                appender.flush(&mut self.outcome);
            }
        }
    }

    /// Writes a whole file that appears at its place when it is complete.
    pub(crate) fn write_whole(&mut self, path: &RecordPath, body: &[u8]) {
        let linked = self.directories.link_file(&self.root, path, body);
        let target = self.root.join(path.as_str());
        // Whatever was in the way of the short way, the long one either works or tells why.
        match linked.or_else(|_| replace_file(&target, body)) {
            Ok(()) => {
                self.outcome.written_records += 1;
                self.outcome.written_bytes += body.len() as u64;
            }
            Err(error) => self.outcome.fail(1, &target, &error),
        }
    }

    /// Hands all buffered lines to the operating system.
    pub(crate) fn flush(&mut self) {
        for appender in self.open.values_mut() {
            appender.flush(&mut self.outcome);
        }
        // The next batch starts from the names again: directories may be moved away.
        self.directories.close();
    }

    pub(crate) fn take_outcome(&mut self) -> Outcome {
        std::mem::take(&mut self.outcome)
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.values().filter(|a| a.file.is_some()).count()
    }

    fn make_room(&mut self) {
        while self.open.len() >= self.open_limit {
            let oldest = self.open.iter().min_by_key(|(_, a)| a.last_used).map(|(p, _)| p.clone());
            let Some(oldest) = oldest else { return };
            if let Some(mut appender) = self.open.remove(&oldest) {
                appender.flush(&mut self.outcome);
            }
        }
    }
}

impl Outcome {
    fn fail(&mut self, records: u64, path: &Path, error: &io::Error) {
        self.failed_records += records;
        self.error = Some(format!("{}: {error}", path.display()));
    }
}

/// One file that lines are appended to, and the lines that still wait.
struct Appender {
    /// As the records name it.
    base: PathBuf,
    /// Where its lines go now: `base`, or one of the files that it goes on in.
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    /// Lines in `buffer`.
    records: u64,
    /// The file does not end with a line feed (a crash or a full disk cut a line): end that line
    /// first, so that only the cut line is damaged.
    unfinished_line: bool,
    last_used: u64,
    limit: Option<Limit>,
    /// The next file could not be begun the last time, and the log was told.
    stays: bool,
}

impl Appender {
    fn new(path: PathBuf, limit: Option<Limit>) -> Self {
        Appender {
            base: path.clone(),
            path,
            file: None,
            buffer: Vec::new(),
            records: 0,
            unfinished_line: false,
            last_used: 0,
            limit,
            stays: false,
        }
    }

    /// Writes the buffer; what cannot be written is lost and counted, the buffer is empty after.
    fn flush(&mut self, outcome: &mut Outcome) {
        if self.buffer.is_empty() {
            return;
        }
        if let Err(error) = self.reopen_if_moved().and_then(|()| self.begin_next_if_due()) {
            outcome.fail(self.records, &self.path, &error);
        } else {
            self.write_out(outcome);
        }
        self.buffer.clear();
        self.records = 0;
    }

    /// Opens the file when it is not open, or when its name now means another file: it was rotated
    /// or deleted.
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            let opened = file.metadata()?;
            let named = fs::metadata(&self.path);
            if named.is_ok_and(|n| (n.dev(), n.ino()) == (opened.dev(), opened.ino())) {
                return Ok(());
            }
            self.file = None;
        }
        if self.limit.is_some_and(|limit| limit.then == WhenFull::Continue) {
            // After a start, or long after the last line, others are there.
            let last = rotation::last_part(&self.base)?;
            self.path = rotation::part(&self.base, last).unwrap_or_else(|| self.base.clone());
        }
        self.open()
    }

    fn open(&mut self) -> io::Result<()> {
        let mut file = open_for_append(&self.path)?;
        self.unfinished_line = !ends_with_line_feed(&mut file)?;
        self.file = Some(file);
        Ok(())
    }

    /// Begins the next file when this one is full, or is to be put aside and its day is over. Where
    /// that cannot be, it goes on growing: lines count more than sizes.
    fn begin_next_if_due(&mut self) -> io::Result<()> {
        let (Some(limit), Some(file)) = (self.limit, &self.file) else { return Ok(()) };
        let metadata = file.metadata()?;
        let is_full = metadata.len().saturating_add(self.buffer.len() as u64) > limit.max_bytes;
        let is_over = || day_of(written_last(&metadata)) != day_of(unix_time());
        let is_due = is_full || (limit.then == WhenFull::PutAside && is_over());
        if metadata.len() == 0 || !is_due {
            return Ok(());
        }
        let next = match limit.then {
            WhenFull::PutAside => rotation::put_aside(&self.path).map(|_| self.path.clone()),
            WhenFull::Continue => rotation::last_part(&self.base).and_then(|last| {
                let none = || io::Error::other(format!("it goes on in {last} files"));
                rotation::part(&self.base, last + 1).ok_or_else(none)
            }),
        };
        match next {
            Ok(next) => {
                self.path = next;
                self.file = None;
                self.stays = false;
                self.open()
            }
            Err(error) => {
                if !self.stays {
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "no next file can be begun; this one goes on growing");
                }
                self.stays = true;
                Ok(())
            }
        }
    }

    fn write_out(&mut self, outcome: &mut Outcome) {
        let Some(file) = &mut self.file else { return };
        if self.unfinished_line {
            self.buffer.insert(0, b'\n');
        }
        let length_before = file.metadata().map(|m| m.len());
        let (written, result) = write_counted(file, &self.buffer);
        let Err(error) = result else {
            self.unfinished_line = false;
            outcome.written_records += self.records;
            outcome.written_bytes += written as u64;
            return;
        };
        // Whole lines that made it stay; the cut one goes.
        let done = self.buffer.get(..written).unwrap_or_default();
        let whole = done.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let ended_old_line = u64::from(self.unfinished_line && whole > 0);
        let lines = done.iter().filter(|b| **b == b'\n').count() as u64 - ended_old_line;
        if written > 0 {
            let cut = length_before.and_then(|length| file.set_len(length + whole as u64));
            self.unfinished_line = cut.is_err() && whole < written;
        }
        outcome.written_records += lines;
        outcome.written_bytes += whole as u64;
        outcome.fail(self.records.saturating_sub(lines), &self.path, &error);
        // The next try starts from the name: perhaps the directory was moved or mounted over.
        self.file = None;
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let open =
        || OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                make_directories(parent)?;
            }
            open()
        }
        outcome => outcome,
    }
}

fn ends_with_line_feed(file: &mut File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// As `write_all`, but tells how much was written when it fails.
fn write_counted(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

fn replace_file(target: &Path, body: &[u8]) -> io::Result<()> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let create = || {
        OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&partial)
    };
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = target.parent() {
                make_directories(parent)?;
            }
            create()?
        }
        outcome => outcome?,
    };
    let result = file.write_all(body).and_then(|()| fs::rename(&partial, target));
    if result.is_err() {
        // The first error is the one to report; a leftover is overwritten by the next try.
        let _ = fs::remove_file(&partial);
    }
    result
}
