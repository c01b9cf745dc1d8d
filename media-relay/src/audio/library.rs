//! What can be played, in memory.

use super::{AudioFileError, MAX_CLIPS, MAX_RECORDINGS, MAX_WISHES, read};
use crate::queue::CommandQueue;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use codecs::{AudioFormat, Clip, Recording};
use model::{AudioSource, LegSide, MediaId, PlayFailure, Ringback};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

/// Octets whose SHA-256 is kept: of those that calls are played in the same minutes.
const MAX_DIGESTS: usize = 64;

/// All audio of a relay. The files of its configuration are read when it is made; what they are in a
/// format is made by a thread of its own and then shared.
#[derive(Debug)]
pub(crate) struct AudioLibrary {
    shelf: Arc<Mutex<Shelf>>,
    wishes: SyncSender<Wish>,
}

/// What of a library is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AudioCounts {
    /// Files of the configuration.
    pub(crate) files: usize,
    pub(crate) clips: usize,
    /// That the clips take.
    pub(crate) octets: usize,
}

/// Where a clip is to go.
#[derive(Debug)]
pub(crate) struct ClipReply {
    pub(crate) queue: Arc<CommandQueue>,
    pub(crate) to: (MediaId, LegSide),
    /// The asker's number for it.
    pub(crate) ticket: u64,
}

/// Somebody wants a clip.
#[derive(Debug)]
struct Wish {
    source: AudioSource,
    format: AudioFormat,
    packet_ms: u32,
    /// `None` when it is only to be there.
    reply: Option<ClipReply>,
}

/// What a clip was made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Origin {
    /// A file of the configuration.
    Kept(Arc<str>),
    /// Another one, as it was then.
    File {
        path: PathBuf,
        modified: Option<SystemTime>,
        len: u64,
    },
    Ringback(Ringback),
    /// Octets that came with an order: their SHA-256, since whoever may have the one file played must not
    /// come by another.
    Octets([u8; SHA256_OUTPUT_LEN]),
}

type ClipKey = (Origin, AudioFormat, u32);

#[derive(Debug)]
struct Shelf {
    /// The files of the configuration.
    recordings: HashMap<Arc<str>, Arc<Recording>>,
    clips: HashMap<ClipKey, Placed>,
    memory: usize,
    /// Counts what was taken, to know what was not taken for the longest.
    takings: u64,
    /// Counts the times that the recordings were replaced.
    generation: u64,
    /// Where other files may be.
    directory: Option<PathBuf>,
    /// What octets were that came of late: calls of one process share theirs.
    digests: VecDeque<(Weak<[u8]>, [u8; SHA256_OUTPUT_LEN])>,
}

#[derive(Debug)]
struct Placed {
    clip: Arc<Clip>,
    taken: u64,
}

impl AudioLibrary {
    /// Reads `files`, and begins to make what most calls will need of them. Other files are played
    /// from `directory` alone.
    ///
    /// # Errors
    /// The first file that cannot be played, or the system's refusal of a thread.
    pub(crate) fn start(files: &[Arc<str>], directory: Option<&Path>) -> io::Result<Self> {
        let invalid = |error: AudioFileError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let directory = directory.map(|directory| {
            directory.canonicalize().map_err(|error| {
                invalid(AudioFileError::new(directory.display().to_string(), error))
            })
        });
        let shelf = Shelf {
            recordings: read_all(files).map_err(invalid)?,
            clips: HashMap::new(),
            memory: 0,
            takings: 0,
            generation: 0,
            directory: directory.transpose()?,
            digests: VecDeque::new(),
        };
        let shelf = Arc::new(Mutex::new(shelf));
        let (wishes, wanted) = mpsc::sync_channel(MAX_WISHES);
        let of_thread = Arc::clone(&shelf);
        std::thread::Builder::new()
            .name("relay-audio".to_owned())
            .spawn(move || serve(&of_thread, &wanted))?;
        let library = AudioLibrary { shelf, wishes };
        library.prepare();
        Ok(library)
    }

    /// Reads the files of a new configuration. Calls that hear one go on as they began.
    ///
    /// # Errors
    /// The first file that cannot be played; then everything stays as it was.
    pub(crate) fn reload(&self, files: &[Arc<str>]) -> Result<(), AudioFileError> {
        let recordings = read_all(files)?;
        {
            let mut shelf = lock(&self.shelf);
            shelf.recordings = recordings;
            shelf.generation += 1;
            shelf.clips.retain(|(origin, ..), _| !matches!(origin, Origin::Kept(_)));
            shelf.memory = shelf.clips.values().map(|placed| placed.clip.memory()).sum();
        }
        self.prepare();
        Ok(())
    }

    /// Has the formats of most calls made before the first call.
    fn prepare(&self) {
        let files: Vec<_> = lock(&self.shelf).recordings.keys().cloned().collect();
        for file in files {
            for format in [AudioFormat::Pcmu, AudioFormat::Pcma, AudioFormat::G722] {
                let source = AudioSource::File(Arc::clone(&file));
                // When too much waits, the first call that needs it asks again.
                let _ = self.wishes.try_send(Wish { source, format, packet_ms: 20, reply: None });
            }
        }
    }

    /// What is there already; looks at no file.
    pub(crate) fn find(
        &self,
        source: &AudioSource,
        format: AudioFormat,
        packet_ms: u32,
    ) -> Option<Arc<Clip>> {
        let mut shelf = lock(&self.shelf);
        let origin = match source {
            AudioSource::File(path) => {
                Origin::Kept(shelf.recordings.get_key_value(path)?.0.clone())
            }
            AudioSource::Ringback(ringback) => Origin::Ringback(*ringback),
            // What they are the thread finds out, or they are not kept.
            AudioSource::Octets(_) | AudioSource::Said(_) => return None,
        };
        shelf.take(&(origin, format, packet_ms))
    }

    /// Has a clip made; it comes to the queue of `reply`.
    ///
    /// # Errors
    /// [`PlayFailure::Overloaded`] when too much waits.
    pub(crate) fn ask(
        &self,
        source: AudioSource,
        format: AudioFormat,
        packet_ms: u32,
        reply: ClipReply,
    ) -> Result<(), PlayFailure> {
        let wish = Wish { source, format, packet_ms, reply: Some(reply) };
        self.wishes.try_send(wish).map_err(|_| PlayFailure::Overloaded)
    }

    /// What is in memory.
    pub(crate) fn counts(&self) -> AudioCounts {
        let shelf = lock(&self.shelf);
        AudioCounts {
            files: shelf.recordings.len(),
            clips: shelf.clips.len(),
            octets: shelf.memory,
        }
    }
}

fn read_all(files: &[Arc<str>]) -> Result<HashMap<Arc<str>, Arc<Recording>>, AudioFileError> {
    let (mut all, mut memory) = (HashMap::new(), 0);
    for path in files {
        let recording = read(Path::new(&**path))?;
        memory += size_of_val(recording.samples());
        if memory > MAX_RECORDINGS {
            let most = MAX_RECORDINGS / (1024 * 1024);
            let reason = format!("with it, the files take more than {most} MiB together");
            return Err(AudioFileError::new(&**path, reason));
        }
        all.insert(Arc::clone(path), Arc::new(recording));
    }
    Ok(all)
}

/// Makes what is wanted, one after the other, until nobody can want anything any more.
fn serve(shelf: &Mutex<Shelf>, wanted: &Receiver<Wish>) {
    while let Ok(Wish { source, format, packet_ms, reply }) = wanted.recv() {
        let clip = make(shelf, &source, format, packet_ms);
        if let Some(ClipReply { queue, to, ticket }) = reply {
            queue.push_clip(to, ticket, clip);
        }
    }
}

fn make(
    shelf: &Mutex<Shelf>,
    source: &AudioSource,
    format: AudioFormat,
    packet_ms: u32,
) -> Result<Arc<Clip>, PlayFailure> {
    let (origin, generation) = origin_of(shelf, source).map_err(|error| {
        tracing::warn!("{error}");
        PlayFailure::File
    })?;
    let key = origin.clone().map(|origin| (origin, format, packet_ms));
    if let Some(clip) = key.as_ref().and_then(|key| lock(shelf).take(key)) {
        return Ok(clip);
    }
    let recording = recording(shelf, source, origin.as_ref()).map_err(|error| {
        tracing::warn!("{error}");
        PlayFailure::File
    })?;
    let clip = Clip::encode(&recording, format, packet_ms).ok_or(PlayFailure::NoFormat)?;
    let clip = Arc::new(clip);
    if let Some(key) = key {
        lock(shelf).place(key, Arc::clone(&clip), generation);
    }
    Ok(clip)
}

/// What a source is, and when that was so; `None` for one that is not kept.
fn origin_of(
    of_shelf: &Mutex<Shelf>,
    source: &AudioSource,
) -> Result<(Option<Origin>, u64), AudioFileError> {
    let (origin, generation) = {
        let shelf = lock(of_shelf);
        let known = match source {
            AudioSource::File(path) if shelf.recordings.contains_key(path) => {
                Some(Origin::Kept(Arc::clone(path)))
            }
            AudioSource::Ringback(ringback) => Some(Origin::Ringback(*ringback)),
            AudioSource::Octets(octets) => {
                let generation = shelf.generation;
                drop(shelf);
                return Ok((Some(Origin::Octets(digest_of(of_shelf, octets))), generation));
            }
            AudioSource::Said(_) => return Ok((None, shelf.generation)),
            AudioSource::File(_) => None,
        };
        (known.ok_or_else(|| shelf.directory.clone()), shelf.generation)
    };
    let origin = match (origin, source) {
        (Ok(origin), _) => origin,
        (Err(directory), AudioSource::File(path)) => allowed(directory.as_deref(), path)?,
        (Err(_), _) => return Ok((None, generation)),
    };
    Ok((Some(origin), generation))
}

/// The SHA-256 of octets, which is not made again of those that are known.
fn digest_of(shelf: &Mutex<Shelf>, octets: &Arc<[u8]>) -> [u8; SHA256_OUTPUT_LEN] {
    // While the weak one is there, no others have its address.
    let is_it = |known: &Weak<[u8]>| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(octets));
    let known = lock(shelf).digests.iter().find(|(known, _)| is_it(known)).map(|(_, of)| *of);
    if let Some(known) = known {
        return known;
    }
    let mut made = [0; SHA256_OUTPUT_LEN];
    made.copy_from_slice(digest(&SHA256, octets).as_ref());
    let digests = &mut lock(shelf).digests;
    // Its memory goes with the last weak one.
    digests.retain(|(known, _)| known.strong_count() > 0);
    digests.truncate(MAX_DIGESTS - 1);
    digests.push_front((Arc::downgrade(octets), made));
    made
}

/// A file that is none of the configuration: it must be in the directory, whatever links lead out.
fn allowed(directory: Option<&Path>, path: &str) -> Result<Origin, AudioFileError> {
    let failed = |reason: &dyn ToString| AudioFileError::new(path, reason.to_string());
    let directory = directory.ok_or_else(|| {
        failed(&"it is not in the configuration, and there is no directory for media")
    })?;
    let path = directory.join(path).canonicalize().map_err(|error| failed(&error))?;
    if !path.starts_with(directory) {
        return Err(failed(&format!("it is not in {}", directory.display())));
    }
    let described = path.metadata().map_err(|error| failed(&error))?;
    let (modified, len) = (described.modified().ok(), described.len());
    Ok(Origin::File { path, modified, len })
}

fn recording(
    shelf: &Mutex<Shelf>,
    source: &AudioSource,
    origin: Option<&Origin>,
) -> Result<Arc<Recording>, AudioFileError> {
    match (source, origin) {
        (AudioSource::Octets(octets), _) => of_octets(octets),
        (AudioSource::Said(utterance), _) => of_octets(utterance.octets()),
        (AudioSource::Ringback(ringback), _) => Ok(Arc::new(Recording::ringback(*ringback))),
        (AudioSource::File(_), Some(Origin::File { path, .. })) => read(path).map(Arc::new),
        (AudioSource::File(path), _) => {
            let kept = lock(shelf).recordings.get(path).cloned();
            kept.ok_or_else(|| AudioFileError::new(&**path, "the configuration has it no more"))
        }
    }
}

fn of_octets(octets: &[u8]) -> Result<Arc<Recording>, AudioFileError> {
    let recording = Recording::from_wav(octets).map(Arc::new);
    recording.map_err(|error| AudioFileError::new("(octets)", error))
}

impl Shelf {
    fn take(&mut self, key: &ClipKey) -> Option<Arc<Clip>> {
        self.takings += 1;
        let placed = self.clips.get_mut(key)?;
        placed.taken = self.takings;
        Some(Arc::clone(&placed.clip))
    }

    /// Keeps a clip, in the place of those that nobody took for the longest when there is no room.
    fn place(&mut self, key: ClipKey, clip: Arc<Clip>, generation: u64) {
        let memory = clip.memory();
        let is_of_the_past = generation != self.generation && matches!(key.0, Origin::Kept(_));
        if is_of_the_past || memory > MAX_CLIPS {
            return;
        }
        while self.memory + memory > MAX_CLIPS {
            let oldest = self.clips.iter().min_by_key(|(_, placed)| placed.taken);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            let gone = self.clips.remove(&oldest);
            self.memory -= gone.map_or(0, |placed| placed.clip.memory());
        }
        self.takings += 1;
        self.memory += memory;
        let replaced = self.clips.insert(key, Placed { clip, taken: self.takings });
        self.memory -= replaced.map_or(0, |placed| placed.clip.memory());
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
