//! The thread that writes.

use super::queue::{Next, Queue};
use super::{Counters, FileStreamsConfig, StreamProperties, properties};
use crate::kinesis::EXTENSION;
use mkv::{Audio, Fragment, StreamObserver, StreamOrder, StreamReport, head};
use outbox::clock::{draw, unix_time};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A file holds so much of a call; then the next begins, so that a call of a day need not be kept or
/// removed as a whole.
const FILE_SPAN_MS: u64 = 3_600_000;
/// Files of a stream that begin in the same millisecond, after the clock was set back.
const SAME_NAMES: u32 = 100;

pub(super) struct Writer {
    config: FileStreamsConfig,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    streams: HashMap<u64, Stream>,
    is_failing: bool,
}

/// A stream that a leg has.
struct Stream {
    folder: PathBuf,
    name: Arc<str>,
    audio: Audio,
    retention_hours: u32,
    observer: Box<dyn StreamObserver>,
    /// Once it is read or made.
    arn: Option<Arc<str>>,
    file: Option<Current>,
    /// That it began, or goes on.
    is_told: bool,
    is_troubled: bool,
    last_fragment: Option<Arc<str>>,
}

/// The file that is written into.
struct Current {
    path: PathBuf,
    began_ms: u64,
    /// Octets that are whole in it.
    length: u64,
}

impl Writer {
    pub(super) fn new(
        config: FileStreamsConfig,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
    ) -> Self {
        Writer { config, queue, counters, streams: HashMap::new(), is_failing: false }
    }

    /// Whether there is a stream of which something may come.
    pub(super) fn has_streams(&self) -> bool {
        self.queue.has_streams()
    }

    /// Writes what waits; whether nothing more will come.
    pub(super) fn turn(&mut self) -> bool {
        loop {
            match self.queue.next() {
                Next::Write { stream, order, fragment } => self.write(stream, order, &fragment),
                Next::Over { stream, order } => {
                    self.opened(stream, order);
                    self.streams.remove(&stream).into_iter().for_each(Stream::end);
                }
                Next::Wait => return false,
                Next::Closed => {
                    // Legs that the node's end cut off.
                    self.streams.drain().for_each(|(_, stream)| stream.end());
                    return true;
                }
            }
        }
    }

    fn opened(&mut self, number: u64, order: Option<StreamOrder>) {
        if let Some(StreamOrder { name, retention_hours, audio, observer }) = order {
            let folder = self.config.root.join(&*name);
            let stream = Stream {
                folder,
                name,
                audio,
                retention_hours,
                observer,
                arn: None,
                file: None,
                is_told: false,
                is_troubled: false,
                last_fragment: None,
            };
            self.streams.insert(number, stream);
        }
    }

    fn write(&mut self, number: u64, order: Option<StreamOrder>, fragment: &Fragment) {
        self.opened(number, order);
        let Some(stream) = self.streams.get_mut(&number) else { return };
        match stream.write(fragment, &self.config) {
            Ok(octets) => {
                self.counters.written.fetch_add(1, Ordering::Relaxed);
                self.counters.written_bytes.fetch_add(octets, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("streams are written again");
                }
            }
            Err(error) => {
                let failed = self.counters.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if !self.is_failing || failed.is_power_of_two() {
                    let path = stream.folder.display();
                    tracing::error!(
                        failed, %path, %error,
                        "audio of streams is lost: make room under data_dir or fix its permissions"
                    );
                }
                self.is_failing = true;
                stream.trouble(&error);
            }
        }
    }
}

impl Stream {
    /// Octets that were written.
    fn write(&mut self, fragment: &Fragment, config: &FileStreamsConfig) -> io::Result<u64> {
        let arn = self.describe(config)?;
        let octets = self.append(fragment)?;
        // A stream's timecodes only go forward, so that they number its fragments.
        let fragment_number: Arc<str> = fragment.timecode_ms.to_string().into();
        self.last_fragment = Some(Arc::clone(&fragment_number));
        self.is_troubled = false;
        if !std::mem::replace(&mut self.is_told, true) {
            self.observer.report(StreamReport::Started {
                stream_arn: arn,
                fragment_number,
                timecode_ms: fragment.timecode_ms,
            });
        }
        Ok(octets)
    }

    fn trouble(&mut self, error: &io::Error) {
        self.is_told = false;
        if !std::mem::replace(&mut self.is_troubled, true) {
            let reason = format!("{} cannot be written: {error}", self.folder.display());
            self.observer.report(StreamReport::Trouble { reason: reason.into() });
        }
    }

    fn end(mut self) {
        let fragment_number = self.last_fragment.take();
        self.observer.report(StreamReport::Ended { fragment_number });
    }

    /// Makes the stream's folder, and writes down for how long it keeps files.
    fn describe(&mut self, config: &FileStreamsConfig) -> io::Result<Arc<str>> {
        if let Some(arn) = &self.arn {
            return Ok(Arc::clone(arn));
        }
        properties::make_folder(&self.folder)?;
        let FileStreamsConfig { region, account_id, .. } = config;
        let hours = self.retention_hours;
        let known = StreamProperties::read(&self.folder).ok();
        let properties = match known.filter(|known| *known.stream_name == *self.name) {
            Some(known) if known.data_retention_in_hours == hours => known,
            known => {
                let now = unix_time();
                let new = || StreamProperties::new(&self.name, region, account_id, hours, now);
                let mut properties = known.unwrap_or_else(new);
                properties.data_retention_in_hours = hours;
                properties.write(&self.folder)?;
                properties
            }
        };
        let arn: Arc<str> = properties.stream_arn.into();
        self.arn = Some(Arc::clone(&arn));
        Ok(arn)
    }

    fn append(&mut self, fragment: &Fragment) -> io::Result<u64> {
        let ends_ms = |began: u64| began.saturating_add(FILE_SPAN_MS);
        let current = self.file.take_if(|file| {
            // A new hour begins a new file.
            fragment.timecode_ms < ends_ms(file.began_ms)
        });
        let current = match current {
            Some(current) => reopen(&current).map(|file| (current, file)),
            None => None,
        };
        let (mut current, mut file, head) = match current {
            Some((current, file)) => (current, file, Vec::new()),
            None => {
                let (path, file) = create(&self.folder, fragment.timecode_ms)?;
                let began_ms = fragment.timecode_ms;
                let segment = u128::from(draw()) << 64 | u128::from(draw());
                let head = head(self.audio, segment.to_be_bytes());
                (Current { path, began_ms, length: 0 }, file, head)
            }
        };
        let octets = [head.as_slice(), &fragment.octets].concat();
        if let Err(error) = file.write_all(&octets) {
            // What is whole stays; a file of which nothing is whole goes.
            let _ = file.set_len(current.length);
            if current.length == 0 {
                let _ = fs::remove_file(&current.path);
            }
            return Err(error);
        }
        current.length += octets.len() as u64;
        self.file = Some(current);
        Ok(octets.len() as u64)
    }
}

/// The file, if it still is as it was left: it was not moved away, cut or written into.
fn reopen(current: &Current) -> Option<File> {
    let file = OpenOptions::new().append(true).open(&current.path).ok()?;
    let length = file.metadata().ok()?.len();
    (length == current.length).then_some(file)
}

/// A new file for fragments from `timecode_ms` on, mode 0600.
fn create(folder: &Path, timecode_ms: u64) -> io::Result<(PathBuf, File)> {
    let stem = properties::file_stem(timecode_ms);
    let mut again = 1;
    loop {
        let name = match again {
            1 => format!("{stem}.{EXTENSION}"),
            _ => format!("{stem}_{again}.{EXTENSION}"),
        };
        let path = folder.join(name);
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && again < SAME_NAMES => {
                again += 1;
            }
            // Somebody removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                properties::make_folder(folder)?;
            }
            opened => return opened.map(|file| (path, file)),
        }
    }
}
