//! Streaming status events of what becomes of streams.

use super::{KinesisVideo, StreamEvents};
use crate::Open;
use crate::events::{EventSender, StreamBegin, StreamingEvents};
use model::{Channel, KinesisVideoListener, LegSide, ListenedUpdate, UnixTime};
use std::sync::Arc;

impl StreamEvents for StreamingEvents {
    fn joined(&self, side: LegSide, channel: &Channel) {
        StreamingEvents::joined(self, side, channel);
    }

    fn started(&self, side: LegSide, begin: StreamBegin) {
        StreamingEvents::started(self, side, begin);
    }

    fn updated(&self, update: &ListenedUpdate, at: UnixTime) {
        StreamingEvents::updated(self, update, at);
    }

    fn failed(&self, side: LegSide, at: UnixTime, reason: &str) {
        StreamingEvents::failed(self, side, at, reason);
    }

    fn ended(&self, side: LegSide, at: UnixTime, fragment: Option<&str>) {
        StreamingEvents::ended(self, side, at, fragment);
    }
}

impl KinesisVideo {
    /// Brings the streams of a call to the [`Hub`](crate::Hub), with `events` of what becomes of them.
    pub fn opener(self, events: EventSender) -> Open<KinesisVideoListener> {
        Box::new(move |listener, opening| {
            let (call, channels) = (Arc::clone(&opening.call), opening.channels.clone());
            let told = events.of_call(call, channels, opening.sample_rate, *listener);
            Some(self.listen(opening, *listener, Arc::new(told)))
        })
    }
}
