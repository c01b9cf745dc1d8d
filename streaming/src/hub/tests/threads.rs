use super::super::{Hub, HubConfig};
use super::world::{OGG, Stream, WAV, openers};
use crate::hub::clock::Clock;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use model::{LegSide, ListenedUpdate, RecordingListener};
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
    let statistics = hub.statistics();
    assert_eq!((statistics.streams, statistics.calls, statistics.listeners), (8, 8, 16));
    assert_eq!(statistics.packets, 8);
    assert!(statistics.worked > Duration::ZERO);
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
