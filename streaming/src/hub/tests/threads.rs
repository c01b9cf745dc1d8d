use super::super::{Hub, HubConfig};
use super::world::{OGG, Stream, WAV, openers};
use crate::hub::clock::Clock;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use model::{LegSide, ListenedUpdate, RecordingListener, TransactionId};
use relay_core::ListenNews;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

/// The clock of a test starts now.
#[expect(clippy::disallowed_methods, reason = "a test of threads in real time")]
fn origin() -> std::time::Instant {
    std::time::Instant::now()
}

/// Tells of a frame with somebody's voice, and of the end.
struct Ear(SyncSender<Option<ConsumerEnd>>);

impl AudioConsumer for Ear {
    fn audio(&mut self, frame: &Frame<'_>) {
        if frame.samples[0] != 0 {
            let _ = self.0.try_send(None);
        }
    }

    fn update(&mut self, _update: &ListenedUpdate) {}

    fn end(self: Box<Self>, end: ConsumerEnd) {
        let _ = self.0.try_send(Some(end));
    }
}

#[test]
fn threads_hear_their_calls_and_stop() {
    let origin = origin();
    let clock = Clock::new(origin);
    let (tell, told) = mpsc::sync_channel(1_024);
    let mut openers = openers(Default::default());
    openers.recording =
        Some(Box::new(move |_: &RecordingListener, _: &Opening| Some(Box::new(Ear(tell.clone())))));
    let (news, taken) = mpsc::sync_channel(16);
    let config = HubConfig { threads: 3, max_calls: 100 };
    let hub = Hub::start(config, origin, taken, openers).unwrap();
    let mut streams: Vec<Stream> = (0..8).map(Stream::new).collect();
    for (stream, call) in streams.iter_mut().zip(0..) {
        news.send(stream.listen(call, clock.now(), &[WAV, OGG])).unwrap();
        stream.send(LegSide::A, clock.now(), 9);
    }
    // Two listeners of each.
    for _ in 0..16 {
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(None));
    }
    // A turn is counted when it is over: a moment after its listeners were told.
    let counted = || {
        let now = hub.statistics();
        (now.streams, now.calls, now.listeners, now.packets, now.worked > Duration::ZERO)
    };
    for _ in 0..2_000 {
        if counted() == (8, 8, 16, 8, true) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(counted(), (8, 8, 16, 8, true));
    // The relay ends before the hub.
    drop((news, streams));
    hub.stop();
    let ends: Vec<_> = told.try_iter().collect();
    assert_eq!(ends, [Some(ConsumerEnd::Stopping); 16]);
}

#[test]
fn calls_end_when_the_relay_has() {
    let origin = origin();
    let clock = Clock::new(origin);
    let (tell, told) = mpsc::sync_channel(16);
    let mut openers = openers(Default::default());
    openers.recording =
        Some(Box::new(move |_: &RecordingListener, _: &Opening| Some(Box::new(Ear(tell.clone())))));
    let (news, taken) = mpsc::sync_channel(16);
    let hub = Hub::start(HubConfig::default(), origin, taken, openers).unwrap();
    let mut stream = Stream::new(1);
    news.send(stream.listen(1, clock.now(), &[WAV])).unwrap();
    drop((stream, news));
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(Some(ConsumerEnd::Ended)));
    drop(hub);
}

#[test]
fn a_relay_that_goes_on_telling_holds_up_no_end() {
    let origin = origin();
    let (news, taken) = mpsc::sync_channel(16);
    let hub = Hub::start(HubConfig::default(), origin, taken, openers(Default::default())).unwrap();
    let teller = std::thread::spawn(move || {
        let update = || ListenNews::Update {
            transaction_id: TransactionId::from_random(1),
            update: Box::default(),
        };
        // Until nobody listens.
        while news.send(update()).is_ok() {}
    });
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        hub.stop();
        let _ = tell.send(());
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(()));
    teller.join().unwrap();
}
