use super::*;
use crate::events::StreamBegin;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use mkv::{
    Codec, Event, Fragment, FragmentSink, NotOpened, Reader, StreamOrder, StreamReport, StreamSink,
    head,
};
use model::{
    CallDirection, Channel, KinesisVideoListener, LegSide, ListenedCall, ListenedUpdate,
    NotificationTargets, TransactionId, UnixTime, VoiceConnectorId,
};
use std::sync::{Arc, Mutex};

const BEGAN: u64 = 1_792_000_000_000;

/// A sink that keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    streams: Vec<Stream>,
    refuses: bool,
}

struct Stream {
    order: Option<StreamOrder>,
    name: String,
    octets: Vec<u8>,
    fragments: usize,
    is_finished: bool,
}

struct OneStream(Kept, usize);

impl StreamSink for Kept {
    fn open(&self, order: StreamOrder) -> Result<Box<dyn FragmentSink>, NotOpened> {
        let mut inner = self.0.lock().unwrap();
        if inner.refuses {
            return Err(NotOpened { reason: "no room".into() });
        }
        let octets = head(order.audio, [1; 16]);
        let name = order.name.to_string();
        let stream = Stream { order: Some(order), name, octets, fragments: 0, is_finished: false };
        inner.streams.push(stream);
        Ok(Box::new(OneStream(self.clone(), inner.streams.len() - 1)))
    }
}

impl FragmentSink for OneStream {
    fn fragment(&mut self, fragment: Fragment) {
        let stream = &mut self.0.0.lock().unwrap().streams[self.1];
        stream.octets.extend(fragment.octets);
        stream.fragments += 1;
    }

    fn finish(self: Box<Self>) {
        self.0.0.lock().unwrap().streams[self.1].is_finished = true;
    }
}

impl Kept {
    fn report(&self, stream: usize, report: StreamReport) {
        let mut order = self.0.lock().unwrap().streams[stream].order.take().unwrap();
        order.observer.report(report);
        self.0.lock().unwrap().streams[stream].order = Some(order);
    }

    /// The sink is done with the stream.
    fn let_go(&self, stream: usize) {
        let order = self.0.lock().unwrap().streams[stream].order.take();
        drop(order);
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().streams.iter().map(|stream| stream.name.clone()).collect()
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl StreamEvents for Told {
    fn joined(&self, side: LegSide, channel: &Channel) {
        self.0.lock().unwrap().push(format!("{side:?} joined {}", channel.media_index));
    }
    fn started(&self, side: LegSide, begin: StreamBegin) {
        let at = begin.at.as_millis() - BEGAN;
        self.0.lock().unwrap().push(format!("{side:?} started {} {at}", begin.fragment.unwrap()));
    }
    fn updated(&self, update: &ListenedUpdate, _: UnixTime) {
        self.0.lock().unwrap().push(format!("updated {}", update.headers.len()));
    }
    fn failed(&self, side: LegSide, _: UnixTime, reason: &str) {
        self.0.lock().unwrap().push(format!("{side:?} failed {reason}"));
    }
    fn ended(&self, side: LegSide, _: UnixTime, fragment: Option<&str>) {
        self.0.lock().unwrap().push(format!("{side:?} ended {}", fragment.unwrap_or("-")));
    }
}

impl Told {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn connector() -> VoiceConnectorId {
    VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap()
}

fn opening(channels: [Option<Channel>; 2], sample_rate: u32, began: u64) -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_random(7),
        voice_connector_id: connector(),
        call_id: "a\0b@192.0.2.1".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550111".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    };
    Opening { call: Arc::new(call), channels, sample_rate, began: UnixTime::from_millis(began) }
}

fn channel(side: LegSide) -> Option<Channel> {
    let is_caller = side == LegSide::A;
    Some(Channel { side, is_caller, media_index: 0, label: None })
}

struct Node {
    kinesis: KinesisVideo,
    sink: Kept,
    told: Arc<Told>,
    pool: StreamPool,
}

fn node() -> Node {
    let (pool, sink) = (StreamPool::default(), Kept::default());
    let kinesis = KinesisVideo::new(pool.clone(), Arc::new(sink.clone()));
    Node { kinesis, sink, told: Arc::new(Told::default()), pool }
}

impl Node {
    fn listen(&self, opening: &Opening, mu_law: bool) -> Box<dyn AudioConsumer> {
        let listener =
            KinesisVideoListener { retention_hours: 24, mu_law, notify: NotificationTargets::NONE };
        let told: Arc<Told> = Arc::clone(&self.told);
        self.kinesis.listen(opening, listener, told)
    }
}

/// So many frames of 20 ms of a leg, from one on.
fn speak(call: &mut dyn AudioConsumer, side: LegSide, frames: std::ops::Range<u64>) {
    for frame in frames {
        let samples = [frame as i16; 160];
        call.audio(&Frame { side, at: frame * 160, samples: &samples, missing: 0 });
    }
}

#[test]
fn each_leg_is_a_stream_whose_first_fragment_tells_of_the_call() {
    let node = node();
    let mut call =
        node.listen(&opening([LegSide::A, LegSide::B].map(channel), 8_000, BEGAN), false);
    for second in 0..3 {
        speak(&mut *call, LegSide::A, second * 50..second * 50 + 50);
        speak(&mut *call, LegSide::B, second * 50..second * 50 + 50);
    }
    call.end(ConsumerEnd::Ended);
    let names = node.sink.names();
    assert!(names.iter().all(|name| StreamName::parse(name).unwrap().connector() == &connector()));
    assert_ne!(names[0], names[1]);
    let inner = node.sink.0.lock().unwrap();
    for (stream, is_caller) in inner.streams.iter().zip(["true", "false"]) {
        // 3 s are two fragments of 1.2 s and the rest.
        assert_eq!((stream.fragments, stream.is_finished), (3, true));
        let mut reader = Reader::new();
        reader.push(&stream.octets);
        let (mut tags, mut samples) = (Vec::new(), Vec::new());
        while let Some(event) = reader.poll().unwrap() {
            match event {
                Event::Tags(these) => tags.push(these),
                Event::Block { payload, timecode_ns, .. } => {
                    assert_eq!(timecode_ns / 1_000_000 - BEGAN, samples.len() as u64 / 8);
                    let pairs =
                        payload.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                    samples.extend(pairs);
                }
                Event::Tracks(_) | Event::Fragment { .. } => {}
            }
        }
        let expected: Vec<i16> = (0..150).flat_map(|frame| [frame; 160]).collect();
        assert_eq!(samples, expected);
        let pairs = |tags: &[mkv::Tag]| {
            tags.iter().map(|tag| format!("{}={}", tag.name, tag.value)).collect::<Vec<_>>()
        };
        assert_eq!(
            pairs(&tags[0])[2..],
            [
                format!("IsCaller={is_caller}").as_str(),
                if is_caller == "true" { "Channel=A" } else { "Channel=B" },
                "CallId=ab@192.0.2.1",
                "FromNumber=+12065550100",
                "ToNumber=+12065550111",
                "Direction=Outbound",
            ]
        );
        assert_eq!(pairs(&tags[1])[..], pairs(&tags[0])[..4]);
        assert!(pairs(&tags[1])[0].starts_with("TransactionId=00000000-0000-4000-"));
        assert_eq!(pairs(&tags[1])[1], "VoiceConnectorId=abcdef1ghij2klmno3pqr4");
    }
}

#[test]
fn mu_law_is_for_eight_thousand_samples_alone() {
    let node = node();
    for sample_rate in [8_000, 16_000] {
        let call = opening([channel(LegSide::A), None], sample_rate, BEGAN);
        let mut call = node.listen(&call, true);
        speak(&mut *call, LegSide::A, 0..2);
        speak(&mut *call, LegSide::B, 0..2);
        call.end(ConsumerEnd::Stopping);
    }
    let inner = node.sink.0.lock().unwrap();
    let codecs: Vec<_> = inner
        .streams
        .iter()
        .map(|stream| {
            let mut reader = Reader::new();
            reader.push(&stream.octets);
            let Some(Event::Tracks(tracks)) = reader.poll().unwrap() else { panic!("no tracks") };
            (tracks[0].codec.clone(), tracks[0].sample_rate)
        })
        .collect();
    assert_eq!(codecs, [(Codec::MuLaw, 8_000), (Codec::LinearLittle, 16_000)]);
}

#[test]
fn streams_are_used_again_when_the_sink_is_done_with_them() {
    let node = node();
    let leg = || [channel(LegSide::A), None];
    let call_at = |began: u64| {
        let mut call = node.listen(&opening(leg(), 8_000, began), false);
        speak(&mut *call, LegSide::A, 0..50);
        call.end(ConsumerEnd::Ended);
    };
    call_at(BEGAN);
    // It still writes.
    call_at(BEGAN + 2_000);
    assert_eq!(node.pool.free(), 0);
    node.sink.let_go(0);
    node.sink.let_go(1);
    assert_eq!(node.pool.free(), 2);
    call_at(BEGAN + 10_000);
    // The clock was set back: time would not go forward in any of them.
    call_at(BEGAN);
    let names = node.sink.names();
    assert_eq!(names[2], names[1]);
    assert!(!names[..3].contains(&names[3]));
    let known = names.iter().filter_map(|name| StreamName::parse(name));
    assert_eq!(StreamPool::new(known).free(), 3);
}

#[test]
fn what_becomes_of_a_stream_is_told() {
    let node = node();
    let mut call = node.listen(&opening([channel(LegSide::A), None], 8_000, BEGAN), false);
    speak(&mut *call, LegSide::A, 0..100);
    let started = |timecode_ms| StreamReport::Started {
        stream_arn: "arn".into(),
        fragment_number: "9".into(),
        timecode_ms,
    };
    node.sink.report(0, started(BEGAN));
    node.sink.report(0, StreamReport::Trouble { reason: "disk full".into() });
    node.sink.report(0, started(BEGAN + 1_200));
    call.update(&ListenedUpdate::default());
    call.end(ConsumerEnd::Ended);
    node.sink.report(0, StreamReport::Ended { fragment_number: Some("10".into()) });
    let expected =
        ["A started 9 0", "A failed disk full", "A started 9 1200", "updated 0", "A ended 10"];
    assert_eq!(node.told.all(), expected);
}

#[test]
fn a_leg_that_loses_its_stream_takes_another_after_a_pause() {
    let node = node();
    let mut call = node.listen(&opening([channel(LegSide::A), None], 8_000, BEGAN), false);
    speak(&mut *call, LegSide::A, 0..100);
    let gone = StreamReport::Failed { reason: "deleted".into(), is_usable: false };
    node.sink.report(0, gone);
    node.sink.let_go(0);
    // 5 s are 250 frames.
    speak(&mut *call, LegSide::A, 100..350);
    assert_eq!(node.sink.names().len(), 1);
    node.sink.0.lock().unwrap().refuses = true;
    speak(&mut *call, LegSide::A, 350..351);
    node.sink.0.lock().unwrap().refuses = false;
    // Twice as long.
    speak(&mut *call, LegSide::A, 351..850);
    assert_eq!(node.sink.names().len(), 1);
    speak(&mut *call, LegSide::A, 850..900);
    let names = node.sink.names();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    let again = StreamReport::Failed { reason: "throttled".into(), is_usable: true };
    call.end(ConsumerEnd::Ended);
    node.sink.report(1, again);
    node.sink.let_go(1);
    let expected = ["A failed deleted", "A failed no room", "A failed throttled", "A ended -"];
    assert_eq!(node.told.all(), expected);
    // The one that was deleted is nobody's any more; one was not opened, one is usable.
    assert_eq!(node.pool.free(), 1);
    let statistics = node.kinesis.statistics();
    assert_eq!((statistics.opened, statistics.not_opened, statistics.failed), (2, 1, 2));
}

#[test]
fn a_leg_that_comes_later_gets_a_stream_too() {
    let node = node();
    let mut call = node.listen(&opening([channel(LegSide::A), None], 8_000, BEGAN), false);
    speak(&mut *call, LegSide::A, 0..100);
    let second = channel(LegSide::B).unwrap();
    call.joined(LegSide::B, &second);
    call.joined(LegSide::B, &second);
    speak(&mut *call, LegSide::B, 100..200);
    call.end(ConsumerEnd::Ended);
    assert_eq!(node.told.all(), ["B joined 0"]);
    let inner = node.sink.0.lock().unwrap();
    let fragments: Vec<_> = inner.streams.iter().map(|stream| stream.fragments).collect();
    assert_eq!(fragments, [2, 2]);
}

#[test]
fn a_leg_without_a_stream_ends_too() {
    let node = node();
    node.sink.0.lock().unwrap().refuses = true;
    let mut call = node.listen(&opening([channel(LegSide::A), None], 8_000, BEGAN), false);
    speak(&mut *call, LegSide::A, 0..10);
    call.end(ConsumerEnd::Ended);
    assert_eq!(node.told.all(), ["A failed no room", "A ended -"]);
}

#[test]
fn names_of_others_are_none_of_ours() {
    for text in [
        "ChimeVoiceConnector-abcdef1ghij2klmno3pqr4",
        "ChimeVoiceConnector-abcdef1ghij2klmno3pqr4-x",
        "ChimeVoiceConnector-../../etc-00000000-0000-4000-8000-000000000000",
        "chimevoiceconnector-abcdef1ghij2klmno3pqr4-00000000-0000-4000-8000-000000000000",
    ] {
        assert_eq!(StreamName::parse(text), None, "{text}");
    }
    let name = StreamName::from_random(&connector(), u128::MAX);
    assert_eq!(StreamName::parse(name.as_str()), Some(name));
}
