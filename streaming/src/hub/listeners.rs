//! The listeners of one call.

use super::statistics::Tally;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use model::{
    Channel, KinesisVideoListener, LegSide, ListenedUpdate, Listener, Listening, MAX_LISTENERS,
    OrderedRecording, RecordingListener, UnixTime, WebSocketListener,
};
use relay_core::VoiceWriter;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Listeners of one call at most: its streams may each name some.
const MOST: usize = 2 * MAX_LISTENERS;

/// Brings a listener of one kind; `None` where there is no way to it. It runs on a thread that serves
/// hundreds of calls, and returns at once: what takes time is done elsewhere.
pub type Open<L> = Box<dyn Fn(&L, &Opening) -> Option<Box<dyn AudioConsumer>> + Send + Sync>;

/// Tells that none of these listeners hears a call, and why: the opening's channels are those that they
/// do not hear, and when it began is when that was. It must not wait.
pub type Refuse = Box<dyn Fn(&[Listener], &Opening, &str) + Send + Sync>;

/// How listeners of each kind are brought; a kind without a way is counted and left out.
#[derive(Default)]
pub struct Openers {
    /// For a stream of Kinesis Video.
    pub kinesis_video: Option<Open<KinesisVideoListener>>,
    /// For a program behind a WebSocket.
    pub web_socket: Option<Open<WebSocketListener>>,
    /// For a recording.
    pub recording: Option<Open<RecordingListener>>,
    /// For a recording that an application has ordered.
    pub ordered: Option<Open<OrderedRecording>>,
    /// For whoever is told of calls that none of them hears.
    pub refused: Option<Refuse>,
}

impl fmt::Debug for Openers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Openers")
            .field("kinesis_video", &self.kinesis_video.is_some())
            .field("web_socket", &self.web_socket.is_some())
            .field("recording", &self.recording.is_some())
            .field("ordered", &self.ordered.is_some())
            .field("refused", &self.refused.is_some())
            .finish()
    }
}

impl Openers {
    /// Tells that nobody hears what was ordered.
    pub(super) fn refuse(&self, listening: &Listening, at: UnixTime, reason: &str) {
        let Some(refused) = &self.refused else { return };
        let opening = Opening {
            call: listening.call.clone(),
            channels: listening.channels.clone(),
            sample_rate: listening.sample_rate,
            began: at,
        };
        // Whoever is told may fail; the thread goes on for all other calls.
        let tell = AssertUnwindSafe(|| refused(&listening.listeners, &opening, reason));
        if catch_unwind(tell).is_err() {
            tracing::error!("telling that nobody listens to a call has failed by a fault of ours");
        }
    }

    fn open(&self, listener: &Listener, opening: &Opening) -> Option<Box<dyn AudioConsumer>> {
        match listener {
            Listener::KinesisVideo(of) => self.kinesis_video.as_ref()?(of, opening),
            Listener::WebSocket(of) => self.web_socket.as_ref()?(of, opening),
            Listener::Recording(of) => self.recording.as_ref()?(of, opening),
            Listener::Ordered(of) => self.ordered.as_ref()?(of, opening),
        }
    }
}

/// Who listens to a call. A listener that panics is gone, and nobody else is concerned.
#[derive(Default)]
pub(super) struct Listeners {
    /// `None` for one that could not be opened, so that it is tried once.
    open: Vec<(Listener, Option<Box<dyn AudioConsumer>>)>,
}

impl Listeners {
    pub(super) fn count(&self) -> usize {
        self.open.iter().filter(|(_, consumer)| consumer.is_some()).count()
    }

    /// Ends those that are not wanted.
    pub(super) fn keep<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a Listener> + Clone,
        tally: &mut Tally,
    ) {
        let mut kept = Vec::with_capacity(MOST);
        for (listener, consumer) in self.open.drain(..) {
            match consumer {
                consumer if wanted.clone().any(|other| *other == listener) => {
                    kept.push((listener, consumer));
                }
                Some(consumer) => close(consumer, ConsumerEnd::Ended, tally),
                None => {}
            }
        }
        self.open = kept;
    }

    /// Opens those of `wanted` that are not there, and ends those that are not wanted.
    pub(super) fn want<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a Listener> + Clone,
        opening: &Opening,
        openers: &Openers,
        tally: &mut Tally,
    ) {
        self.keep(wanted.clone(), tally);
        for listener in wanted {
            let kept = &mut self.open;
            if kept.len() >= MOST || kept.iter().any(|(other, _)| other == listener) {
                continue;
            }
            let opened = catch_unwind(AssertUnwindSafe(|| openers.open(listener, opening)));
            tally.failed += u64::from(opened.is_err());
            let consumer = opened.unwrap_or_default();
            tally.unopened += u64::from(consumer.is_none());
            kept.push((listener.clone(), consumer));
        }
    }

    /// Whether somebody records for an application.
    pub(super) fn has_ordered(&self) -> bool {
        let is_ordered = |of: &Listener| matches!(of, Listener::Ordered(_));
        self.open.iter().any(|(listener, consumer)| consumer.is_some() && is_ordered(listener))
    }

    /// Ends recordings for applications.
    pub(super) fn end_ordered(&mut self, tally: &mut Tally) {
        for (listener, place) in &mut self.open {
            if matches!(listener, Listener::Ordered(_))
                && let Some(consumer) = place.take()
            {
                close(consumer, ConsumerEnd::Ended, tally);
            }
        }
        self.open.retain(|(listener, _)| !matches!(listener, Listener::Ordered(_)));
    }

    pub(super) fn audio(&mut self, frame: &Frame<'_>, tally: &mut Tally) {
        self.each(tally, |consumer| consumer.audio(frame));
    }

    pub(super) fn joined(&mut self, side: LegSide, channel: &Channel, tally: &mut Tally) {
        self.each(tally, |consumer| consumer.joined(side, channel));
    }

    /// Hands each voice to the first listener that may speak to that leg; where there is none the
    /// voice ends.
    pub(super) fn voices(&mut self, voices: [Option<VoiceWriter>; 2], tally: &mut Tally) {
        for (leg, voice) in LegSide::BOTH.into_iter().zip(voices) {
            let Some(mut voice) = voice.map(Some) else { continue };
            let speaks = |listener: &Listener| match listener {
                Listener::WebSocket(socket) => socket.speaks_to[leg.index()],
                Listener::KinesisVideo(_) | Listener::Recording(_) | Listener::Ordered(_) => false,
            };
            let speaker = self.open.iter_mut().find(|(listener, _)| speaks(listener));
            let Some((_, Some(consumer))) = speaker else { continue };
            let given = || voice.take().into_iter().for_each(|voice| consumer.voice(leg, voice));
            tally.failed += u64::from(catch_unwind(AssertUnwindSafe(given)).is_err());
        }
    }

    pub(super) fn update(&mut self, update: &ListenedUpdate, tally: &mut Tally) {
        self.each(tally, |consumer| consumer.update(update));
    }

    pub(super) fn end(&mut self, end: ConsumerEnd, tally: &mut Tally) {
        for consumer in self.open.drain(..).filter_map(|(_, consumer)| consumer) {
            close(consumer, end, tally);
        }
    }

    fn each(&mut self, tally: &mut Tally, act: impl Fn(&mut dyn AudioConsumer)) {
        for (_, place) in &mut self.open {
            let Some(consumer) = place else { continue };
            // What it leaves half done is dropped with it.
            if catch_unwind(AssertUnwindSafe(|| act(consumer.as_mut()))).is_err() {
                tally.failed += 1;
                drop_quietly(place.take());
            }
        }
    }
}

fn close(consumer: Box<dyn AudioConsumer>, end: ConsumerEnd, tally: &mut Tally) {
    let ended = catch_unwind(AssertUnwindSafe(|| consumer.end(end)));
    tally.failed += u64::from(ended.is_err());
}

/// One that has panicked may do so again.
fn drop_quietly(consumer: Option<Box<dyn AudioConsumer>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(consumer)));
}
