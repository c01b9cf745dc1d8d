//! Recordings of applications, from frames to files.

use super::*;
use crate::scratch::Scratch;
use crate::testing::answer;
use aws_sinks::{Access, Endpoint};
use call_audio::{ConsumerEnd, Frame};
use model::{CallDirection, LegSide, ListenedCall, RecordingSilence, UnixTime, VoiceConnectorId};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

/// Call, order and outcome of a recording that has ended.
type Ended = (TransactionId, u32, Result<RecordedObject, String>);

struct World {
    recordings: OrderedRecordings,
    told: Receiver<Ended>,
    begun: Arc<AtomicU64>,
    scratch: Scratch,
}

impl World {
    fn new() -> Self {
        World::at(Scratch::new())
    }

    fn at(scratch: Scratch) -> Self {
        let store = OrderedStore::Directory(scratch.path().join("sounds"));
        std::fs::create_dir_all(scratch.path().join("sounds")).unwrap();
        World::with(scratch, store)
    }

    fn with(scratch: Scratch, store: OrderedStore) -> Self {
        // Room for what any test does not read.
        let (sender, told) = sync_channel(2 * MOST as usize);
        let begun: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&begun);
        let sink: OrderedSink = Arc::new(move |OrderedNews { call, order, event }| match event {
            OrderedEvent::Began => {
                assert_eq!((call, order), (TransactionId::from_u128(7), 3));
                counted.fetch_add(1, Ordering::Relaxed);
            }
            OrderedEvent::Ended(outcome) => sender.send((call, order, outcome)).unwrap(),
        });
        let spool = scratch.path().join("spool");
        let recordings = OrderedRecordings::start(spool, store, sink).unwrap();
        World { recordings, told, begun, scratch }
    }

    fn open(&self, ordered: &OrderedRecording) -> Box<dyn AudioConsumer> {
        self.recordings.opener().unwrap().open(ordered, &opening()).unwrap()
    }

    fn told(&self) -> Result<RecordedObject, String> {
        let (call, order, outcome) = self.told.recv_timeout(DEADLINE).unwrap();
        assert_eq!((call, order), (TransactionId::from_u128(7), 3));
        outcome
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// The samples of the file that was told of, and its channels.
    fn samples(&self) -> (u16, Vec<i16>) {
        let RecordedObject { bucket, key } = self.told().unwrap();
        let path = self.scratch.path().join("sounds").join(&*bucket).join(&*key);
        let octets = std::fs::read(path).unwrap();
        let head = wav_head(&octets);
        let samples = octets[44..].chunks(2).map(|two| i16::from_le_bytes([two[0], two[1]]));
        let samples: Vec<i16> = samples.collect();
        assert_eq!(head.1 as usize, samples.len() * 2);
        (head.0, samples)
    }
}

fn wav_head(octets: &[u8]) -> (u16, u32) {
    let data = u32::from_le_bytes(octets[40..44].try_into().unwrap());
    (u16::from_le_bytes([octets[22], octets[23]]), data)
}

fn opening() -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_u128(7),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "call@pbx".into(),
        direction: CallDirection::Inbound,
        from_number: "+12065550199".into(),
        to_number: "+12065550100".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    };
    let began = UnixTime::from_millis(1_795_355_520_123);
    Opening { call: Arc::new(call), channels: [None, None], sample_rate: 8_000, began }
}

fn ordered(legs: [bool; 2]) -> OrderedRecording {
    OrderedRecording {
        order: 3,
        legs,
        bucket: "demo".into(),
        prefix: "voice/mail/".into(),
        longest: Duration::from_secs(3_600),
        silence: None,
    }
}

/// So many frames of a side from `at` on, each sample of this level.
fn say(to: &mut dyn AudioConsumer, side: LegSide, at: u64, frames: u64, level: i16) {
    for number in 0..frames {
        let samples = [level; 160];
        to.audio(&Frame { side, at: at + number * 160, samples: &samples, missing: 0 });
    }
}

#[test]
fn what_one_party_says_becomes_a_file_that_can_be_played() {
    let world = World::new();
    let mut consumer = world.open(&ordered([true, false]));
    // The call was listened to before.
    say(consumer.as_mut(), LegSide::B, 1_600, 10, 99);
    say(consumer.as_mut(), LegSide::A, 1_600, 60, 7);
    consumer.end(ConsumerEnd::Ended);
    assert_eq!(world.samples(), (1, vec![7; 9_600]));
    assert_eq!(world.begun(), 1);
}

#[test]
fn both_parties_stand_side_by_side_and_a_pause_is_silent() {
    let world = World::new();
    let mut consumer = world.open(&ordered([true, true]));
    say(consumer.as_mut(), LegSide::A, 0, 1, 7);
    world.recordings.opener().unwrap().pause(TransactionId::from_u128(7), 3, true);
    say(consumer.as_mut(), LegSide::B, 0, 1, 9);
    say(consumer.as_mut(), LegSide::A, 160, 1, 7);
    world.recordings.opener().unwrap().pause(TransactionId::from_u128(7), 3, false);
    // What comes within 120 ms after a pause was heard in it, of who was heard in it and of who was not.
    say(consumer.as_mut(), LegSide::B, 160, 10, 9);
    say(consumer.as_mut(), LegSide::A, 320, 10, 7);
    consumer.end(ConsumerEnd::Ended);
    let (channels, samples) = world.samples();
    assert_eq!((channels, samples.len()), (2, 2 * 12 * 160));
    let frames = |side: usize| {
        let frames = samples.chunks(320).map(|frame| (frame[side], frame[318 + side]));
        assert!(frames.clone().all(|(first, last)| first == last));
        frames.map(|(first, _)| first).collect::<Vec<i16>>()
    };
    assert_eq!(frames(0), [7, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7]);
    assert_eq!(frames(1), [0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0]);
}

#[test]
fn a_length_ends_it_to_the_sample() {
    let world = World::new();
    let mut short = ordered([true, false]);
    short.longest = Duration::from_millis(1_010);
    let mut consumer = world.open(&short);
    say(consumer.as_mut(), LegSide::A, 0, 100, 7);
    // It is there before the listener ends.
    assert_eq!(world.samples().1.len(), 8_080);
    drop(consumer);
}

#[test]
fn silence_ends_it_on_both_sides_of_its_bound() {
    let world = World::new();
    let mut quiet = ordered([true, false]);
    quiet.silence = Some(RecordingSilence { length: Duration::from_secs(1), threshold: 200 });
    let mut consumer = world.open(&quiet);
    say(consumer.as_mut(), LegSide::A, 0, 10, -1_000);
    // 980 ms are not enough, nor is a second that is as loud as the threshold.
    say(consumer.as_mut(), LegSide::A, 1_600, 49, 199);
    say(consumer.as_mut(), LegSide::A, 9_440, 50, 200);
    say(consumer.as_mut(), LegSide::A, 17_440, 49, -199);
    assert!(world.told.try_recv().is_err());
    say(consumer.as_mut(), LegSide::A, 25_280, 1, 0);
    assert_eq!(world.samples().1.len(), 25_440);
}

#[test]
fn what_cannot_be_written_is_told() {
    let world = World::new();
    let mut wrong = ordered([true, false]);
    wrong.prefix = "../../".into();
    drop(world.open(&wrong));
    assert!(world.told().unwrap_err().contains("is no path below"));
    assert_eq!(world.begun(), 0);
    // A link of the directory of sounds leads out.
    let sounds = world.scratch.path().join("sounds");
    std::os::unix::fs::symlink(std::env::temp_dir(), sounds.join("out")).unwrap();
    let out = OrderedRecording { bucket: "out".into(), ..ordered([true, false]) };
    drop(world.open(&out));
    assert!(world.told().unwrap_err().contains("leads out of"));
    assert_eq!(world.recordings.counters().failed.load(Ordering::Relaxed), 2);
}

#[test]
fn there_is_a_bound_and_it_is_told() {
    let world = World::new();
    let opener = world.recordings.opener().unwrap();
    let open: Vec<_> = (0..MOST).map(|_| world.open(&ordered([true, false]))).collect();
    assert!(opener.open(&ordered([true, false]), &opening()).is_none());
    // Names of one call's order are the same within a millisecond: what comes of them is not the point.
    let is_it = |why: String| why.contains("500 recordings");
    while !world.told().is_err_and(is_it) {}
    drop(open);
    assert_eq!(world.recordings.counters().open.load(Ordering::Relaxed), 0);
}

#[test]
fn what_a_crash_left_is_finished_by_the_next_start() {
    let scratch = Scratch::new();
    let place = scratch.path().join("spool/demo/a");
    std::fs::create_dir_all(&place).unwrap();
    let mut file = crate::wav::head_of(1, 8_000, None).to_vec();
    // Half a sample was torn off.
    file.extend([1, 0, 1, 0, 1]);
    std::fs::write(place.join("b.wav"), file).unwrap();
    let world = World::at(scratch);
    let there = world.scratch.path().join("sounds/demo/a/b.wav");
    let mut turns = 0;
    while !there.exists() {
        turns += 1;
        assert!(turns < 12_000, "it is there within a minute");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let octets = std::fs::read(there).unwrap();
    assert_eq!((octets.len(), wav_head(&octets)), (48, (1, 4)));
}

#[test]
fn a_beginning_is_refused_whose_end_might_find_no_room() {
    let (queue, messages) = bounded(QUEUE);
    let (sender, told) = sync_channel(64);
    let opener = OrderedOpener {
        queue,
        next: Arc::default(),
        pauses: Pauses::default(),
        counters: Arc::default(),
        sink: Arc::new(move |news| sender.send(news.event).unwrap()),
    };
    let open = || opener.open(&ordered([true, false]), &opening());
    // Nobody takes what they hand over.
    let mut kept: Vec<_> = (0..MOST / 2).map(|_| open().unwrap()).collect();
    let mut begun = kept.len();
    while let Some(mut short) = open() {
        begun += 1;
        say(short.as_mut(), LegSide::A, 0, 30, 7);
        assert!(begun <= QUEUE, "it has no bound");
    }
    let told = told.recv_timeout(DEADLINE).unwrap();
    let is_why = |why: &str| why.contains("not written as fast");
    assert!(matches!(&told, OrderedEvent::Ended(Err(why)) if is_why(why)), "{told:?}");
    for open in &mut kept {
        say(open.as_mut(), LegSide::A, 0, 30, 7);
    }
    drop(kept);
    let messages: Vec<Message> = messages.try_iter().collect();
    let ends = messages.iter().filter(|message| matches!(message, Message::End { .. })).count();
    let begins = messages.iter().filter(|message| matches!(message, Message::Begin { .. })).count();
    assert_eq!((begins, ends), (begun, begun));
    assert!(opener.counters.lost_samples.load(Ordering::Relaxed) > 0);
}

/// Set in the child, which has credentials in its environment.
const CHILD: &str = "ORDERED_UPLOAD_CHILD";

#[test]
fn a_large_file_holds_up_no_small_one_and_nobody_who_stops() {
    if std::env::var_os(CHILD).is_none() {
        let name = "ordered::tests::a_large_file_holds_up_no_small_one_and_nobody_who_stops";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .envs([(CHILD, "1"), ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")])
            .envs([("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        return assert!(child.status.success(), "{said}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process.
    std::thread::spawn(move || {
        let lengths = Arc::default();
        for stream in listener.incoming() {
            let (stream, lengths) = (stream.unwrap(), Arc::clone(&lengths));
            std::thread::spawn(move || answer(stream, &lengths, 4 * 1_048_576));
        }
    });
    let endpoint = Some(Endpoint::parse(&url).unwrap());
    let access = Access { region: "us-east-1".to_owned(), endpoint, authorities: None };
    let world = World::with(Scratch::new(), OrderedStore::S3(access));
    let record = |prefix: &str, frames: u64| {
        let ordered = OrderedRecording { prefix: prefix.into(), ..ordered([true, false]) };
        let mut consumer = world.open(&ordered);
        say(consumer.as_mut(), LegSide::A, 0, frames, 7);
    };
    record("large/", 5 * 1_048_576 / 320);
    record("another/", 5 * 1_048_576 / 320);
    record("small/", 50);
    assert!(world.told().unwrap().key.starts_with("small/"));
    // The bucket never answers of the large ones, which are left for the next start.
    let World { recordings, told, scratch, .. } = world;
    let (sender, stopped) = sync_channel(1);
    std::thread::spawn(move || {
        recordings.stop();
        sender.send(()).unwrap();
    });
    stopped.recv_timeout(DEADLINE).unwrap();
    assert!(told.try_recv().is_err());
    let left = keeper::left_in(&scratch.path().join("spool"));
    assert_eq!(left.len(), 2, "{left:?}");
}
