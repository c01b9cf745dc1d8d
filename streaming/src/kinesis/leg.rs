//! One leg of a call on its way into a stream.

use super::listener::{LegPlan, Shared, StreamEvents, draw_name};
use super::pool::Lease;
use super::tags::tags;
use crate::events::StreamBegin;
use call_audio::Frame;
use mkv::{
    Encoding, Fragment, FragmentSink, FragmentWriter, StreamObserver, StreamOrder, StreamReport,
};
use model::{Channel, LegSide, UnixTime};
use outbox::clock::unix_time;
use rtp_proto::codecs::g711::encode_mu_law;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Seconds of audio in a fragment (docs/decisions/0080).
const FRAGMENT: Duration = Duration::from_millis(1_200);
/// A leg that lost its stream tries another after so long, and after twice as long each time until
/// [`LONGEST_PAUSE_MS`]; what is heard meanwhile is lost to it.
const FIRST_PAUSE_MS: u64 = 5_000;
const LONGEST_PAUSE_MS: u64 = 80_000;

/// A leg and the stream that it has, if it has one.
pub(super) struct Leg {
    plan: LegPlan,
    channel: Channel,
    stream: Option<Stream>,
    /// When it takes another stream, in milliseconds since 1970 on the call's timeline.
    retry_at_ms: u64,
    pause_ms: u64,
    /// Where its last frame ended.
    end_ms: u64,
    /// A frame as it is written.
    octets: Vec<u8>,
}

struct Stream {
    writer: FragmentWriter,
    sink: Box<dyn FragmentSink>,
    fate: Arc<Fate>,
}

/// What the sink's thread and the leg tell each other. Whichever of both sees that the other was first
/// says that the leg is over.
#[derive(Default)]
struct Fate {
    state: AtomicU8,
    /// Where the last fragment that the sink got ends.
    end_ms: AtomicU64,
}

/// The sink gave the stream up.
const FAILED: u8 = 1;
/// The leg has no more fragments.
const FINISHED: u8 = 2;

impl Fate {
    fn has_failed(&self) -> bool {
        self.state.load(Ordering::Acquire) & FAILED != 0
    }

    /// Whether the other had happened before.
    fn was(&self, now: u8, other: u8) -> bool {
        self.state.fetch_or(now, Ordering::AcqRel) & other != 0
    }
}

impl Leg {
    pub(super) fn new(plan: LegPlan, channel: Channel) -> Self {
        let (retry_at_ms, end_ms) = (plan.began.as_millis(), plan.began.as_millis());
        let pause_ms = FIRST_PAUSE_MS;
        let octets = Vec::new();
        Leg { plan, channel, stream: None, retry_at_ms, pause_ms, end_ms, octets }
    }

    pub(super) fn side(&self) -> LegSide {
        self.channel.side
    }

    pub(super) fn audio(&mut self, frame: &Frame<'_>) {
        let now_ms = self.plan.millis(frame.at);
        self.end_ms = self.plan.millis(frame.at.saturating_add(frame.samples.len() as u64));
        if self.stream.as_ref().is_some_and(|stream| stream.fate.has_failed()) {
            self.stream = None;
            self.pause(now_ms);
        }
        if self.stream.is_none() && now_ms >= self.retry_at_ms {
            self.open(now_ms);
        }
        let Some(stream) = &mut self.stream else { return };
        self.octets.clear();
        match self.plan.audio.encoding {
            Encoding::Linear => {
                self.octets.extend(frame.samples.iter().flat_map(|sample| sample.to_le_bytes()));
            }
            Encoding::MuLaw => {
                self.octets.extend(frame.samples.iter().map(|sample| encode_mu_law(*sample)));
            }
        }
        match stream.writer.push(now_ms, &self.octets, frame.missing) {
            Ok(Some(fragment)) => self.hand_over(fragment),
            Ok(None) => {}
            Err(_) => {
                self.plan.shared.counters.misplaced_frames.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn end(mut self) {
        let last = self.stream.as_mut().and_then(|stream| stream.writer.finish());
        if let Some(fragment) = last {
            self.hand_over(fragment);
        }
        match self.stream {
            Some(stream) if !stream.fate.was(FINISHED, FAILED) => stream.sink.finish(),
            Some(_) | None => {
                let at = UnixTime::from_millis(self.end_ms);
                self.plan.events.ended(self.channel.side, at, None);
            }
        }
    }

    fn hand_over(&mut self, fragment: Fragment) {
        let Some(stream) = &mut self.stream else { return };
        let counters = &self.plan.shared.counters;
        counters.fragments.fetch_add(1, Ordering::Relaxed);
        counters.missing_samples.fetch_add(fragment.missing_samples, Ordering::Relaxed);
        let lasts = u64::try_from(fragment.duration.as_millis()).unwrap_or(u64::MAX);
        // One more than is rounded off.
        let end_ms = fragment.timecode_ms.saturating_add(lasts).saturating_add(1);
        stream.fate.end_ms.store(end_ms, Ordering::Release);
        stream.sink.fragment(fragment);
    }

    fn open(&mut self, now_ms: u64) {
        let LegPlan { shared, call, audio, retention_hours, events, .. } = &self.plan;
        let lease = shared.pool.take(&call.voice_connector_id, now_ms, draw_name);
        let name = lease.name().shared();
        let fate = Arc::new(Fate::default());
        let side = self.channel.side;
        let observer = Observer {
            lease,
            fate: Arc::clone(&fate),
            shared: Arc::clone(shared),
            events: Arc::clone(events),
            side,
        };
        let order = StreamOrder {
            name,
            retention_hours: *retention_hours,
            audio: *audio,
            observer: Box::new(observer),
        };
        match shared.sink.open(order) {
            Ok(sink) => {
                shared.counters.opened.fetch_add(1, Ordering::Relaxed);
                let (first, every) = tags(call, &self.channel, &shared.numbers);
                let writer = FragmentWriter::new(*audio, FRAGMENT, first, every);
                self.stream = Some(Stream { writer, sink, fate });
            }
            Err(error) => {
                shared.counters.not_opened.fetch_add(1, Ordering::Relaxed);
                events.failed(side, unix_time(), &error.reason);
                self.pause(now_ms);
            }
        }
    }

    fn pause(&mut self, now_ms: u64) {
        self.retry_at_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
}

/// Hears from the sink; holds the stream until the sink is done with it.
struct Observer {
    lease: Lease,
    fate: Arc<Fate>,
    shared: Arc<Shared>,
    events: Arc<dyn StreamEvents>,
    side: LegSide,
}

impl StreamObserver for Observer {
    fn report(&mut self, report: StreamReport) {
        match report {
            StreamReport::Started { stream_arn, fragment_number, timecode_ms } => {
                let at = UnixTime::from_millis(timecode_ms);
                let begin = StreamBegin { arn: stream_arn, fragment: Some(fragment_number), at };
                self.events.started(self.side, begin);
            }
            StreamReport::Trouble { reason } => {
                self.events.failed(self.side, unix_time(), &reason);
            }
            StreamReport::Failed { reason, is_usable } => {
                if !is_usable {
                    self.lease.spoil();
                }
                self.shared.counters.failed.fetch_add(1, Ordering::Relaxed);
                self.events.failed(self.side, unix_time(), &reason);
                if self.fate.was(FAILED, FINISHED) {
                    self.events.ended(self.side, unix_time(), None);
                }
            }
            StreamReport::Ended { fragment_number } => {
                let at = UnixTime::from_millis(self.fate.end_ms.load(Ordering::Acquire));
                self.events.ended(self.side, at, fragment_number.as_deref());
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.lease.ends_at(self.fate.end_ms.load(Ordering::Acquire));
    }
}
