//! The listener of one call.

use super::StreamPool;
use super::leg::Leg;
use crate::events::StreamBegin;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use mkv::{Audio, Encoding, StreamSink};
use model::{Channel, KinesisVideoListener, LegSide, ListenedCall, ListenedUpdate, UnixTime};
use outbox::clock::{draw, unix_time};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a number is shown in tags.
pub type NumberView = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Who is told what becomes of one call's streams, on any thread; it returns at once.
///
/// For each leg: `started` once its first fragment is where it belongs; `failed` when that, or a later
/// one, does not work, and `started` again when it does after all; `ended` as the last, once.
pub trait StreamEvents: Send + Sync {
    /// A leg has come that was not there at the opening.
    fn joined(&self, side: LegSide, channel: &Channel);
    /// The leg's stream has begun.
    fn started(&self, side: LegSide, begin: StreamBegin);
    /// The call was changed.
    fn updated(&self, update: &ListenedUpdate, at: UnixTime);
    /// The leg has no stream, or not any more; `reason` is for people, one line.
    fn failed(&self, side: LegSide, at: UnixTime, reason: &str);
    /// Nothing more comes of the leg; `fragment` is the number of its last fragment.
    fn ended(&self, side: LegSide, at: UnixTime, fragment: Option<&str>);
}

/// Makes Kinesis video streams of calls. Cheap to clone.
#[derive(Clone)]
pub struct KinesisVideo {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) pool: StreamPool,
    pub(super) sink: Arc<dyn StreamSink>,
    pub(super) numbers: NumberView,
    pub(super) counters: Counters,
}

#[derive(Default, Debug)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) not_opened: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) fragments: AtomicU64,
    pub(super) missing_samples: AtomicU64,
    pub(super) misplaced_frames: AtomicU64,
}

/// What was done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KinesisStatistics {
    /// Streams that legs took.
    pub opened: u64,
    /// Times that a leg got none.
    pub not_opened: u64,
    /// Streams that failed while a leg had them.
    pub failed: u64,
    /// Fragments made.
    pub fragments: u64,
    /// Samples of those that nobody sent, or were lost.
    pub missing_samples: u64,
    /// Frames that were left out, not being later than the one before: 0, unless a timeline is wrong.
    pub misplaced_frames: u64,
}

impl KinesisVideo {
    /// Streams of `pool`, whose fragments go to `sink`; numbers in tags as they are.
    pub fn new(pool: StreamPool, sink: Arc<dyn StreamSink>) -> Self {
        let numbers: NumberView = Arc::new(str::to_owned);
        let counters = Counters::default();
        KinesisVideo { shared: Arc::new(Shared { pool, sink, numbers, counters }) }
    }

    /// The same, with numbers in tags as `numbers` shows them.
    #[must_use]
    pub fn showing(self, numbers: NumberView) -> Self {
        let Shared { pool, sink, .. } = &*self.shared;
        let (pool, sink) = (pool.clone(), Arc::clone(sink));
        let counters = Counters::default();
        KinesisVideo { shared: Arc::new(Shared { pool, sink, numbers, counters }) }
    }

    /// A listener for a call that opens now.
    pub fn listen(
        &self,
        opening: &Opening,
        listener: KinesisVideoListener,
        events: Arc<dyn StreamEvents>,
    ) -> Box<dyn AudioConsumer> {
        // µ-law is of 8,000 samples a second.
        let is_mu_law = listener.mu_law && opening.sample_rate == 8_000;
        let encoding = if is_mu_law { Encoding::MuLaw } else { Encoding::Linear };
        let plan = LegPlan {
            shared: Arc::clone(&self.shared),
            call: Arc::clone(&opening.call),
            audio: Audio { encoding, sample_rate: opening.sample_rate.max(1) },
            retention_hours: listener.retention_hours,
            began: opening.began,
            events,
        };
        let legs = opening.channels.each_ref().map(|channel| {
            let channel = channel.clone()?;
            Some(Leg::new(plan.clone(), channel))
        });
        Box::new(CallStreams { legs, plan })
    }

    /// What was done so far.
    pub fn statistics(&self) -> KinesisStatistics {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KinesisStatistics {
            opened: read(&counters.opened),
            not_opened: read(&counters.not_opened),
            failed: read(&counters.failed),
            fragments: read(&counters.fragments),
            missing_samples: read(&counters.missing_samples),
            misplaced_frames: read(&counters.misplaced_frames),
        }
    }
}

/// What the streams of a call have in common.
#[derive(Clone)]
pub(super) struct LegPlan {
    pub(super) shared: Arc<Shared>,
    pub(super) call: Arc<ListenedCall>,
    pub(super) audio: Audio,
    pub(super) retention_hours: u32,
    pub(super) began: UnixTime,
    pub(super) events: Arc<dyn StreamEvents>,
}

impl LegPlan {
    /// A moment of the call's timeline, in milliseconds since 1970.
    pub(super) fn millis(&self, at: u64) -> u64 {
        let since = at.saturating_mul(1_000) / u64::from(self.audio.sample_rate);
        self.began.as_millis().saturating_add(since)
    }
}

/// 128 random bits for a name.
pub(super) fn draw_name() -> u128 {
    u128::from(draw()) << 64 | u128::from(draw())
}

struct CallStreams {
    legs: [Option<Leg>; 2],
    plan: LegPlan,
}

impl AudioConsumer for CallStreams {
    fn audio(&mut self, frame: &Frame<'_>) {
        let legs = self.legs.iter_mut().flatten();
        if let Some(leg) = legs.into_iter().find(|leg| leg.side() == frame.side) {
            leg.audio(frame);
        }
    }

    fn joined(&mut self, side: LegSide, channel: &Channel) {
        let Some(leg @ None) = self.legs.get_mut(side.index()) else { return };
        self.plan.events.joined(side, channel);
        *leg = Some(Leg::new(self.plan.clone(), channel.clone()));
    }

    fn update(&mut self, update: &ListenedUpdate) {
        self.plan.events.updated(update, unix_time());
    }

    fn end(self: Box<Self>, _: ConsumerEnd) {
        self.legs.into_iter().flatten().for_each(Leg::end);
    }
}

impl fmt::Debug for KinesisVideo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("KinesisVideo");
        out.field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
