//! What is played: objects of S3 or files in its place, and spoken texts; fetched once and kept.

use crate::speech::Speaker;
use aws_sinks::{Access, ObjectReader};
use media_applications::Sound;
use model::{AudioSource, Instant};
use outbox::clock::Clock;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Octets of one sound: 8 minutes at 8 kHz and 16 bits.
pub const MAX_SOUND_BYTES: usize = 8 * 1_048_576;
/// Octets of all that are kept; the oldest go first.
const MOST_KEPT: usize = 64 * 1_048_576;
/// How long one is kept, after which it is looked at again.
const KEEP: Duration = Duration::from_secs(60);
/// How long S3 may take for one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where sounds are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SoundStore {
    /// The object `KEY` of the bucket `BUCKET` is the file `BUCKET/KEY` in this directory.
    Directory(PathBuf),
    /// S3.
    S3(Access),
}

/// Fetches sounds.
pub(crate) struct Sounds {
    store: Store,
    speaker: Speaker,
    clock: Clock,
    kept: Mutex<HashMap<Sound, Kept>>,
    found: AtomicU64,
    fetched: AtomicU64,
    failed: AtomicU64,
}

/// What was done with sounds since the start, and what is kept of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SoundCounts {
    /// Sounds that are kept.
    pub kept: u64,
    /// Octets of those.
    pub kept_bytes: u64,
    /// Wishes for one that was kept.
    pub found: u64,
    /// Sounds that were fetched or spoken.
    pub fetched: u64,
    /// Those that were not to be had.
    pub failed: u64,
}

enum Store {
    Directory(Arc<Path>),
    S3(Box<ObjectReader>),
}

/// One that is fetched or being fetched; whoever else wants it waits for it.
#[derive(Clone)]
struct Kept {
    cell: Arc<OnceCell<Arc<[u8]>>>,
    since: Instant,
}

impl Sounds {
    pub(crate) fn new(store: SoundStore, speaker: Speaker, clock: Clock) -> Self {
        let store = match store {
            SoundStore::Directory(root) => Store::Directory(root.into()),
            SoundStore::S3(access) => Store::S3(Box::new(ObjectReader::new(&access))),
        };
        let (found, fetched, failed) = Default::default();
        Sounds { store, speaker, clock, kept: Mutex::default(), found, fetched, failed }
    }

    /// The sound, as it is to be played.
    pub(crate) async fn fetch(&self, sound: &Sound) -> Result<AudioSource, String> {
        let cell = self.cell(sound);
        let mut is_found = true;
        let octets = cell.get_or_try_init(|| {
            is_found = false;
            self.read(sound)
        });
        let octets = octets.await;
        let counter = match &octets {
            Err(_) => &self.failed,
            Ok(_) if is_found => &self.found,
            Ok(_) => &self.fetched,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(AudioSource::Octets(Arc::clone(octets?)))
    }

    pub(crate) fn counts(&self) -> SoundCounts {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = kept.values().filter_map(|kept| kept.cell.get()).map(|octets| octets.len());
        let (kept, kept_bytes) = sizes.fold((0, 0), |(n, sum), size| (n + 1, sum + size as u64));
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (found, fetched) = (read(&self.found), read(&self.fetched));
        SoundCounts { kept, kept_bytes, found, fetched, failed: read(&self.failed) }
    }

    fn cell(&self, sound: &Sound) -> Arc<OnceCell<Arc<[u8]>>> {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| now.saturating_since(kept.since) < KEEP);
        let size = |kept: &Kept| kept.cell.get().map_or(0, |octets| octets.len());
        while kept.values().map(size).sum::<usize>() > MOST_KEPT {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.since);
            let Some(oldest) = oldest.map(|(sound, _)| sound.clone()) else { break };
            kept.remove(&oldest);
        }
        let fresh = || Kept { cell: Arc::default(), since: now };
        Arc::clone(&kept.entry(sound.clone()).or_insert_with(fresh).cell)
    }

    async fn read(&self, sound: &Sound) -> Result<Arc<[u8]>, String> {
        let octets = match (sound, &self.store) {
            (Sound::Speech(speech), _) => self.speaker.speak(speech).await?,
            (Sound::Object { bucket, key }, Store::S3(objects)) => {
                let read = objects.read(bucket, key, (PATIENCE, MAX_SOUND_BYTES)).await;
                read.map_err(|unserved| format!("s3://{bucket}/{key}: {unserved}"))?
            }
            (Sound::Object { bucket, key }, Store::Directory(root)) => {
                let path = below(root, bucket, key)?;
                let root = Arc::clone(root);
                let read = tokio::task::spawn_blocking(move || read_file(&root, &path)).await;
                read.map_err(|error| error.to_string())??
            }
        };
        if octets.starts_with(b"RIFF") && octets.get(8..12) == Some(b"WAVE") {
            return Ok(octets.into());
        }
        let what = match sound {
            Sound::Object { bucket, key } => format!("{bucket}/{key}"),
            Sound::Speech(_) => "what speech_command of [media_applications] wrote".to_owned(),
        };
        Err(format!("{what} is no WAV file"))
    }
}

/// The file of an object; never one outside `root`.
fn below(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, String> {
    let plain = |text: &str| {
        let is_normal = |part: Component<'_>| matches!(part, Component::Normal(_));
        !text.is_empty() && !text.contains('\\') && Path::new(text).components().all(is_normal)
    };
    if !plain(bucket) || !plain(key) || bucket.contains('/') {
        return Err(format!("{bucket}/{key} is no path below {}", root.display()));
    }
    Ok(root.join(bucket).join(key))
}

fn read_file(root: &Path, path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    // A link may lead out.
    let (real, top) = (path.canonicalize().map_err(told)?, root.canonicalize().map_err(told)?);
    if !real.starts_with(&top) {
        return Err(format!("{} leads out of {}", path.display(), root.display()));
    }
    if !real.metadata().map_err(told)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut octets = Vec::new();
    let file = std::fs::File::open(real).map_err(told)?;
    file.take(MAX_SOUND_BYTES as u64 + 1).read_to_end(&mut octets).map_err(told)?;
    if octets.len() > MAX_SOUND_BYTES {
        return Err(format!("{} has more than {MAX_SOUND_BYTES} octets", path.display()));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_applications::Speech;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("tandem-sounds-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(path.join("sounds/bucket/a")).unwrap();
            Scratch(path)
        }

        fn sounds(&self, command: &[&str]) -> Sounds {
            let command = command.iter().map(|word| (*word).to_owned()).collect();
            let store = SoundStore::Directory(self.0.join("sounds"));
            Sounds::new(store, Speaker::new(command), Clock::start())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const WAV: &[u8] = b"RIFF\x04\0\0\0WAVE";

    fn object(bucket: &str, key: &str) -> Sound {
        Sound::Object { bucket: bucket.into(), key: key.into() }
    }

    fn speech(text: &str) -> Sound {
        let (language, voice, engine) = ("en-US".into(), "Joanna".into(), "standard".into());
        Sound::Speech(Speech { text: text.into(), is_ssml: false, engine, language, voice })
    }

    #[tokio::test]
    async fn a_sound_is_a_file_below_the_directory_and_nothing_else() {
        let scratch = Scratch::new("paths");
        std::fs::write(scratch.0.join("sounds/bucket/a/b.wav"), WAV).unwrap();
        std::fs::write(scratch.0.join("sounds/bucket/text"), b"hello").unwrap();
        std::fs::write(scratch.0.join("secret.wav"), WAV).unwrap();
        let link = scratch.0.join("sounds/bucket/link.wav");
        std::os::unix::fs::symlink(scratch.0.join("secret.wav"), link).unwrap();
        let large = std::fs::File::create(scratch.0.join("sounds/bucket/large.wav")).unwrap();
        large.set_len(MAX_SOUND_BYTES as u64 + 1).unwrap();
        let sounds = scratch.sounds(&[]);
        let found = sounds.fetch(&object("bucket", "a/b.wav")).await.unwrap();
        assert_eq!(found, AudioSource::Octets(WAV.into()));
        for (bucket, key, why) in [
            ("bucket", "../../secret.wav", "no path below"),
            ("..", "secret.wav", "no path below"),
            ("bucket", "/etc/passwd", "no path below"),
            ("bucket", "a/../../../secret.wav", "no path below"),
            ("bucket", "link.wav", "leads out of"),
            ("bucket", "none.wav", "No such file"),
            ("bucket", "a", "is no file"),
            ("bucket", "text", "is no WAV file"),
            ("bucket", "large.wav", "more than 8388608"),
        ] {
            let error = sounds.fetch(&object(bucket, key)).await.unwrap_err();
            assert!(error.contains(why), "{error} for {why}");
        }
    }

    #[tokio::test]
    async fn a_sound_is_read_once_and_a_failure_is_not_kept() {
        let scratch = Scratch::new("once");
        let path = scratch.0.join("sounds/bucket/b.wav");
        let sounds = scratch.sounds(&[]);
        sounds.fetch(&object("bucket", "b.wav")).await.unwrap_err();
        std::fs::write(&path, WAV).unwrap();
        sounds.fetch(&object("bucket", "b.wav")).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        sounds.fetch(&object("bucket", "b.wav")).await.unwrap();
        let kept_bytes = WAV.len() as u64;
        let counts = SoundCounts { kept: 1, kept_bytes, found: 1, fetched: 1, failed: 1 };
        assert_eq!(sounds.counts(), counts);
    }

    #[tokio::test]
    async fn a_command_speaks() {
        let scratch = Scratch::new("speech");
        let script = r#"printf 'RIFF\004\0\0\0WAVE'; printf "$TANDEM_SPEECH_VOICE "; cat"#;
        let sounds = scratch.sounds(&["sh", "-c", script]);
        let spoken = sounds.fetch(&speech("hello; rm -rf /")).await.unwrap();
        let expected = [WAV, b"Joanna hello; rm -rf /"].concat();
        assert_eq!(spoken, AudioSource::Octets(expected.into()));
        for (command, why) in [
            (&[][..], "set speech_command"),
            (&["sh", "-c", "exit 3"], "failed with exit status: 3"),
            (&["/nowhere/speaker"], "/nowhere/speaker: does not start"),
            (&["sh", "-c", "cat"], "is no WAV file"),
            (&["sh", "-c", "yes | head -c 9000000"], "more than 8388608"),
        ] {
            let error = scratch.sounds(command).fetch(&speech("hello")).await.unwrap_err();
            assert!(error.contains(why), "{error} for {why}");
        }
    }
}
