//! The thread that writes the files.

use super::consumer::{Begun, Message};
use super::keeper::Finished;
use super::{OrderedCounters, OrderedEvent, OrderedNews, OrderedSink, below};
use crate::interleaver::Interleaver;
use crate::wav;
use crossbeam_channel::{Receiver, Sender};
use model::LegSide;
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Of both parties the one that is so many seconds behind is not waited for.
const MOST_SECONDS_APART: u64 = 3;

/// The thread.
pub(super) struct Writer {
    pub(super) spool: PathBuf,
    pub(super) queue: Receiver<Message>,
    pub(super) finished: Sender<Finished>,
    pub(super) counters: Arc<OrderedCounters>,
    pub(super) sink: OrderedSink,
}

/// A file that is written.
struct Written {
    begun: Begun,
    path: PathBuf,
    file: File,
    /// Octets of samples.
    data: u64,
    interleaver: Option<Interleaver>,
    octets: Vec<u8>,
}

impl Writer {
    pub(super) fn run(self) {
        let mut files: HashMap<u64, Written> = HashMap::new();
        while let Ok(message) = self.queue.recv() {
            match message {
                Message::Begin { id, file } => {
                    match Written::create(&self.spool, (*file).clone()) {
                        Ok(written) => {
                            let Begun { call, order, .. } = written.begun;
                            (self.sink)(OrderedNews { call, order, event: OrderedEvent::Began });
                            files.insert(id, written);
                        }
                        Err(why) => self.fail(&file, why),
                    }
                }
                Message::Audio { id, side, at, samples } => {
                    let Some(written) = files.get_mut(&id) else { continue };
                    if let Err(error) = written.audio(side, at, &samples) {
                        let failed = files.remove(&id);
                        self.give_up(failed, &error);
                    }
                }
                Message::Stop => break,
                Message::End { id } => {
                    if let Some(written) = files.remove(&id) {
                        self.end(written);
                    }
                }
            }
        }
        // Their listeners have ended, or the node stops before them.
        files.into_values().for_each(|written| self.end(written));
    }

    fn end(&self, mut written: Written) {
        if let Err(error) = written.finish() {
            return self.give_up(Some(written), &error);
        }
        let Written { begun, path, .. } = written;
        let finished = Finished { path, begun: Some(begun) };
        if let Err(error) = self.finished.try_send(finished)
            && let Some(begun) = error.into_inner().begun
        {
            let why =
                "too many recordings wait to be put where they belong; it is when the node starts";
            self.fail(&begun, why.to_owned());
        }
    }

    fn give_up(&self, written: Option<Written>, error: &io::Error) {
        let Some(written) = written else { return };
        let why = format!("{}: {error}", written.path.display());
        self.fail(&written.begun, why);
    }

    fn fail(&self, begun: &Begun, why: String) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(call = %begun.call, %why, "what an application has ordered is not recorded");
        let Begun { call, order, .. } = *begun;
        (self.sink)(OrderedNews { call, order, event: OrderedEvent::Ended(Err(why)) });
    }
}

impl Written {
    fn create(spool: &Path, begun: Begun) -> Result<Self, String> {
        let path = below(spool, &begun.bucket, &begun.key)?;
        let made = || -> io::Result<File> {
            make_directory(&path)?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&wav::head_of(begun.channels(), begun.sample_rate, None))?;
            Ok(file)
        };
        let file = made().map_err(|error| format!("{}: {error}", path.display()))?;
        let apart = MOST_SECONDS_APART * u64::from(begun.sample_rate);
        let interleaver = begun.is_stereo.then(|| Interleaver::new(apart, [true; 2]));
        Ok(Written { begun, path, file, data: 0, interleaver, octets: Vec::new() })
    }

    fn audio(&mut self, side: LegSide, at: u64, samples: &[i16]) -> io::Result<()> {
        let octets = &mut self.octets;
        octets.clear();
        match &mut self.interleaver {
            Some(both) => both.push(side, at, samples, &mut |pairs| wav::encode(pairs, octets)),
            None => wav::encode(samples, octets),
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        // A day of both parties is less.
        if self.data + self.octets.len() as u64 > wav::MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all(&self.octets)?;
        self.data += self.octets.len() as u64;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let octets = &mut self.octets;
        octets.clear();
        if let Some(both) = &mut self.interleaver {
            both.finish(&mut |pairs| wav::encode(pairs, octets));
        }
        self.write()?;
        self.file.seek(SeekFrom::Start(0))?;
        let head = wav::head_of(self.begun.channels(), self.begun.sample_rate, Some(self.data));
        self.file.write_all(&head)
    }
}

impl Begun {
    fn channels(&self) -> u16 {
        if self.is_stereo { 2 } else { 1 }
    }
}

/// The directory of a file, for us alone.
pub(super) fn make_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) => DirBuilder::new().recursive(true).mode(0o700).create(directory),
        None => Ok(()),
    }
}
