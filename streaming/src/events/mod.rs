//! Streaming status events and streaming detail records.
//!
//! A node has one [`EventSender`]; each call that becomes Kinesis video streams gets a
//! [`StreamingEvents`] from it, which whoever writes the streams tells what becomes of them. What is
//! told turns into events of AWS's form `Chime VoiceConnector Streaming Status`, one for each leg, and
//! when all legs are over into one streaming detail record. Nothing here reads a clock or waits.

mod bounds;
mod call;
mod detail;
mod event;
mod record;

pub use bounds::MAX_DETAIL_BYTES;
pub use call::{StreamBegin, StreamingEvents};
pub use event::{DETAIL_TYPE, Event, Issuer};

use model::{Channel, KinesisVideoListener, LegSide, ListenedCall, NotificationTargets, UnixTime};
use outbox::Record;
use std::borrow::Cow;
use std::sync::Arc;

/// Takes events and detail records, from any thread: it must not wait, and counts what it cannot
/// take.
pub trait EventSink: Send + Sync + 'static {
    /// Takes an event for its targets, and for the file of events.
    fn event(&self, event: Event);

    /// Takes a streaming detail record. It names nobody.
    fn record(&self, record: Record);
}

/// How people are shown in one place.
pub trait People: Send + Sync + 'static {
    /// A number, or the name of a user.
    fn number<'a>(&self, number: &'a str) -> Cow<'a, str>;

    /// The value of a header field; its name is in lower case.
    fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str>;

    /// Metadata of a recording client (RFC 7865).
    fn metadata<'a>(&self, xml: &'a str) -> Cow<'a, str>;
}

/// People as they are.
#[derive(Clone, Copy, Default, Debug)]
pub struct Plain;

impl People for Plain {
    fn number<'a>(&self, number: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(number)
    }

    fn header<'a>(&self, _: &str, value: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(value)
    }

    fn metadata<'a>(&self, xml: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(xml)
    }
}

/// What sends the events of a node's calls; cheap to clone.
#[derive(Clone)]
pub struct EventSender {
    issuer: Arc<Issuer>,
    people: Arc<dyn People>,
    /// How files show people, where they differ from services.
    people_in_files: Option<Arc<dyn People>>,
    sink: Arc<dyn EventSink>,
}

impl EventSender {
    /// Events of `issuer`, with people as they are.
    pub fn new(issuer: Issuer, sink: Arc<dyn EventSink>) -> Self {
        let people = Arc::new(Plain);
        EventSender { issuer: Arc::new(issuer), people, people_in_files: None, sink }
    }

    /// Shows people so; `in_files` where files differ from services.
    #[must_use]
    pub fn showing(
        self,
        people: Arc<dyn People>,
        in_files: Option<Arc<dyn People>>,
    ) -> EventSender {
        EventSender { people, people_in_files: in_files, ..self }
    }

    /// Tells of each of `channels` that somebody who was to hear it does not, at `at`; `reason` is for
    /// people, one line. It leaves no detail record: nothing was streamed.
    pub fn failed(
        &self,
        call: &Arc<ListenedCall>,
        channels: &[Option<Channel>; 2],
        sample_rate: u32,
        notify: NotificationTargets,
        (at, reason): (UnixTime, &str),
    ) {
        let listener = KinesisVideoListener { retention_hours: 0, mu_law: false, notify };
        let told = self.of_call(Arc::clone(call), channels.clone(), sample_rate, listener);
        LegSide::BOTH.iter().for_each(|side| told.failed(*side, at, reason));
    }

    /// For the streams of a call: those of `channels`, at `sample_rate` samples a second.
    pub fn of_call(
        &self,
        call: Arc<ListenedCall>,
        channels: [Option<Channel>; 2],
        sample_rate: u32,
        listener: KinesisVideoListener,
    ) -> StreamingEvents {
        StreamingEvents::new(
            self.clone(),
            call,
            channels,
            call::media_type(sample_rate, listener),
            listener.notify,
        )
    }
}

impl std::fmt::Debug for EventSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSender").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
