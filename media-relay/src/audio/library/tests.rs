//! What is read once, made once, and shared.

use super::super::tests::{Folder, wav};
use super::*;
use crate::queue::Order;
use std::time::{Duration, Instant};

const PCMU: AudioFormat = AudioFormat::Pcmu;
const TO: (MediaId, LegSide) = (MediaId(7), LegSide::B);

struct Desk {
    library: AudioLibrary,
    queue: Arc<CommandQueue>,
    ticket: u64,
}

impl Desk {
    fn new(files: &[Arc<str>], directory: Option<&Path>) -> Desk {
        let library = AudioLibrary::start(files, directory).unwrap();
        Desk { library, queue: Arc::new(CommandQueue::new(16).unwrap()), ticket: 0 }
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, source: &AudioSource, format: AudioFormat) -> Result<Arc<Clip>, PlayFailure> {
        self.ticket += 1;
        let reply = ClipReply { queue: Arc::clone(&self.queue), to: TO, ticket: self.ticket };
        self.library.ask(source.clone(), format, 20, reply).unwrap();
        let (begin, mut orders) = (now(), Vec::new());
        while orders.is_empty() {
            assert!(now() - begin < Duration::from_secs(20), "an answer comes");
            std::thread::yield_now();
            self.queue.take(1, &mut orders);
        }
        match orders.remove(0) {
            Order::Clip { to: TO, ticket, clip } if ticket == self.ticket => clip,
            other => panic!("{other:?}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits for a thread")]
fn now() -> Instant {
    Instant::now()
}

fn file(path: &str) -> AudioSource {
    AudioSource::File(path.into())
}

#[test]
fn a_file_of_the_configuration_is_made_once_for_each_format() {
    let folder = Folder::new("shared");
    let path: Arc<str> = folder.write("music.wav", &wav(&[0x20; 8_000])).into();
    let mut desk = Desk::new(std::slice::from_ref(&path), None);
    // What happens to the file afterwards is of no importance.
    std::fs::remove_file(&*path).unwrap();
    let music = AudioSource::File(path);
    let first = desk.ask(&music, PCMU).unwrap();
    assert_eq!((first.packets(), first.payload(3)), (50, &[0x20; 160][..]));
    assert!(Arc::ptr_eq(&first, &desk.ask(&music, PCMU).unwrap()));
    assert!(Arc::ptr_eq(&first, &desk.library.find(&music, PCMU, 20).unwrap()));
    let other = desk.ask(&music, AudioFormat::Pcma).unwrap();
    assert_eq!((other.format(), other.packets()), (AudioFormat::Pcma, 50));
    let counts = desk.library.counts();
    assert_eq!(counts.files, 1);
    assert!(counts.clips >= 2 && counts.octets >= 2 * first.memory(), "{counts:?}");
}

#[test]
fn of_what_somebody_has_said_nothing_is_kept() {
    let mut desk = Desk::new(&[], None);
    let said = AudioSource::Said(model::Utterance::new(wav(&[0x7f; 1_600])));
    let first = desk.ask(&said, PCMU).unwrap();
    assert_eq!(first.packets(), 10);
    assert!(!Arc::ptr_eq(&first, &desk.ask(&said, PCMU).unwrap()), "it was made anew");
    assert_eq!(desk.library.find(&said, PCMU, 20), None);
    assert_eq!(desk.library.counts(), AudioCounts { files: 0, clips: 0, octets: 0 });
    let broken = AudioSource::Said(model::Utterance::new(*b"RIFF"));
    assert_eq!(desk.ask(&broken, PCMU), Err(PlayFailure::File));
}

#[test]
fn tones_need_no_file_and_octets_are_known_to_the_thread() {
    let mut desk = Desk::new(&[], None);
    let tone = AudioSource::Ringback(Ringback::NorthAmerica);
    assert_eq!(desk.library.find(&tone, PCMU, 20), None);
    assert_eq!(desk.ask(&tone, PCMU).unwrap().duration(), Duration::from_secs(6));
    assert!(desk.library.find(&tone, PCMU, 20).is_some());
    let octets = AudioSource::Octets(wav(&[0x7f; 1_600]).into());
    assert_eq!(desk.ask(&octets, PCMU).unwrap().packets(), 10);
    assert_eq!(desk.library.find(&octets, PCMU, 20), None);
    let broken = AudioSource::Octets(b"RIFF".as_slice().into());
    assert_eq!(desk.ask(&broken, PCMU), Err(PlayFailure::File));
    assert_eq!(desk.library.counts().clips, 2);
}

#[test]
fn other_files_come_from_their_directory_alone() {
    let folder = Folder::new("confined");
    let outside = Folder::new("outside");
    let secret = outside.write("secret.wav", &wav(&[0x10; 160]));
    let path = folder.write("hello.wav", &wav(&[0x20; 160]));
    std::os::unix::fs::symlink(&secret, folder.path().join("link.wav")).unwrap();
    let mut desk = Desk::new(&[], Some(folder.path()));
    for allowed in ["hello.wav", "./hello.wav", &path] {
        assert_eq!(desk.ask(&file(allowed), PCMU).unwrap().payload(0), [0x20; 160], "{allowed}");
    }
    assert_eq!(desk.library.counts().clips, 1, "one file under several names is one");
    let up = format!("../{}/secret.wav", outside.path().file_name().unwrap().to_str().unwrap());
    for refused in [&*secret, "link.wav", &*up, "missing.wav", "", "/etc/passwd", "a\0b"] {
        assert_eq!(desk.ask(&file(refused), PCMU), Err(PlayFailure::File), "{refused:?}");
    }
    // A file that has changed is read again.
    folder.write("hello.wav", &wav(&[0x30; 320]));
    assert_eq!(desk.ask(&file("hello.wav"), PCMU).unwrap().payload(1), [0x30; 160]);
    let mut without = Desk::new(&[], None);
    assert_eq!(without.ask(&file(&path), PCMU), Err(PlayFailure::File));
}

#[test]
fn a_reload_takes_all_files_or_none() {
    let folder = Folder::new("reloaded");
    let path: Arc<str> = folder.write("music.wav", &wav(&[0x20; 160])).into();
    let mut desk = Desk::new(std::slice::from_ref(&path), None);
    let music = AudioSource::File(Arc::clone(&path));
    let old = desk.ask(&music, PCMU).unwrap();
    folder.write("music.wav", b"no music");
    let error = desk.library.reload(std::slice::from_ref(&path)).unwrap_err();
    assert!(error.to_string().contains("music.wav"), "{error}");
    assert!(Arc::ptr_eq(&old, &desk.ask(&music, PCMU).unwrap()));
    folder.write("music.wav", &wav(&[0x30; 160]));
    desk.library.reload(std::slice::from_ref(&path)).unwrap();
    assert_eq!(desk.ask(&music, PCMU).unwrap().payload(0), [0x30; 160]);
    desk.library.reload(&[]).unwrap();
    assert_eq!(
        desk.ask(&music, PCMU),
        Err(PlayFailure::File),
        "it is in the configuration no more"
    );
    assert_eq!(old.payload(0), [0x20; 160], "who hears it hears it on");
}

#[test]
fn a_start_with_a_bad_file_says_which() {
    let error = AudioLibrary::start(&["/nowhere/music.wav".into()], None).unwrap_err();
    assert!(error.to_string().contains("/nowhere/music.wav"), "{error}");
    let error = AudioLibrary::start(&[], Some(Path::new("/nowhere"))).unwrap_err();
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

#[test]
fn what_nobody_took_for_the_longest_makes_room() {
    let recording = Arc::new(Recording::ringback(Ringback::Europe));
    let mut shelf = Shelf {
        recordings: HashMap::new(),
        clips: HashMap::new(),
        memory: 0,
        takings: 0,
        generation: 0,
        directory: None,
        digests: VecDeque::new(),
    };
    let clip = Arc::new(Clip::encode(&recording, PCMU, 20).unwrap());
    let most = MAX_CLIPS / clip.memory();
    let key = |number: usize| {
        let path = PathBuf::from(number.to_string());
        (Origin::File { path, modified: None, len: 0 }, PCMU, 20)
    };
    for number in 0..most {
        shelf.place(key(number), Arc::clone(&clip), 0);
    }
    assert_eq!(shelf.clips.len(), most);
    assert!(shelf.take(&key(0)).is_some(), "somebody hears the oldest");
    shelf.place(key(most), Arc::clone(&clip), 0);
    assert!(shelf.clips.contains_key(&key(0)) && !shelf.clips.contains_key(&key(1)));
    assert!(shelf.memory <= MAX_CLIPS);
    assert_eq!(shelf.memory, shelf.clips.len() * clip.memory());
    // What was made of a file that was replaced meanwhile is not kept.
    shelf.generation = 1;
    shelf.place((Origin::Kept("old".into()), PCMU, 20), clip, 0);
    assert_eq!(shelf.clips.len(), most);
}

/// 200 callers hear a prompt of three minutes, each with octets of its own, as from another process.
#[test]
fn octets_of_many_calls_are_made_once_for_each_format() {
    let prompt = wav(&[0x20; 8_000 * 180]);
    let mut desk = Desk::new(&[], None);
    let first = desk.ask(&AudioSource::Octets(prompt.as_slice().into()), PCMU).unwrap();
    for _ in 1..200 {
        let again = desk.ask(&AudioSource::Octets(prompt.as_slice().into()), PCMU).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
    }
    let counts = desk.library.counts();
    assert_eq!((counts.clips, counts.octets), (1, first.memory()));
    println!("200 calls: {} octets; one each: {}", counts.octets, 200 * first.memory());
    // Nothing is held of octets that are gone, and shared ones are known.
    let shared = AudioSource::Octets(prompt.as_slice().into());
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&first, &desk.ask(&shared, PCMU).unwrap()));
    }
    let known = lock(&desk.library.shelf).digests.len();
    assert!(known <= 2, "{known}");
    let other = desk.ask(&shared, AudioFormat::Pcma).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    let mut changed = prompt;
    *changed.last_mut().unwrap() = 0x21;
    let changed = desk.ask(&AudioSource::Octets(changed.into()), PCMU).unwrap();
    assert!(!Arc::ptr_eq(&first, &changed));
    assert_eq!(desk.library.counts().clips, 3);
}
