//! Streams of this worker that are listened to.

use super::{Worker, speak};
use crate::random::draw;
use model::{
    LegSide, ListenFailure, ListenedUpdate, Listening, MediaEvent, MediaId, MediaType,
    TransactionId, UnixTime,
};
use relay_core::{ListenNews, ListenedStream, RefusedStream, listen_ring};
use std::sync::mpsc::TrySendError;

/// Octets of a stream's ring: three seconds of G.711 both ways, or half a second of L16 in stereo.
const RING: usize = 64 * 1024;
const NANOS_PER_MILLI: u64 = 1_000_000;

impl Worker {
    /// Hands audio of a stream to listeners from now on.
    pub(super) fn listen(&mut self, id: MediaId, listening: Listening) {
        let refused = (!listening.is_retry).then(|| listening.clone());
        let event = match self.begin_listening(id, listening) {
            Ok(()) => MediaEvent::Listens { id },
            Err(failure) => {
                self.parts.counters.listen_failures.add(1);
                tracing::warn!(media = id.0, %failure, "nobody listens to a call");
                self.tell_refused(refused, failure);
                MediaEvent::ListenFailed { id, failure }
            }
        };
        self.emit(event);
    }

    /// What listened to the stream before does so no more, whatever comes of it.
    fn begin_listening(&mut self, id: MediaId, listening: Listening) -> Result<(), ListenFailure> {
        self.stop_listening(id);
        let now = self.parts.clock.now();
        let news = self.parts.config.listening.as_ref().ok_or(ListenFailure::NoListeners)?;
        let is_full = self.listened >= self.parts.config.listened_by_worker();
        let key = self.streams.key_of(id).ok_or(ListenFailure::NoStream)?;
        let stream = self.streams.find(id).ok_or(ListenFailure::NoStream)?;
        if stream.session.line().media() != MediaType::Audio {
            return Err(ListenFailure::NoStream);
        }
        if is_full {
            return Err(ListenFailure::TooMany);
        }
        let transaction_id = listening.call.transaction_id;
        let legs = listening.channels.each_ref().map(Option::is_some);
        let (writer, reader) = listen_ring(RING);
        let began_at = UnixTime::from_millis(self.parts.clock.unix_nanos() / NANOS_PER_MILLI);
        let (voices, heard) = speak::rings(&listening);
        let tone = listening.tone;
        let began = ListenedStream { id, listening, reader, voices, began: now, began_at };
        send(news, ListenNews::Stream(Box::new(began)))?;
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards is heard by nobody; what needs not be heard goes back to it.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        stream.session.listen(writer, legs, now);
        stream.let_speak(heard, now);
        match tone {
            Some(tone) => stream.session.warn(tone, now, &mut draw),
            None => stream.session.stop_warning(),
        }
        for leg in LegSide::BOTH.into_iter().filter(|_| tone.is_some()) {
            if stream.session.warnings_of(leg).is_none() {
                tracing::warn!(
                    media = id.0,
                    ?leg,
                    "a party does not hear the tone of recorded calls: its format is none of PCMU, \
                     PCMA, G722, L16 and opus"
                );
            }
        }
        stream.listened_call = Some(transaction_id);
        self.listened += 1;
        self.parts.counters.listened_streams.add(1);
        self.schedule_made(key);
        Ok(())
    }

    /// Whoever tells what becomes of listeners is to tell of this too; where there is no room for that
    /// either, log and count are all there is.
    fn tell_refused(&self, refused: Option<Listening>, failure: ListenFailure) {
        let Some((listening, news)) = refused.zip(self.parts.config.listening.as_ref()) else {
            return;
        };
        let at = self.calendar();
        let refused = Box::new(RefusedStream { listening, failure, at });
        if send(news, ListenNews::Refused(refused)).is_err() {
            tracing::warn!(%failure, "no event tells that nobody listens to a call");
        }
    }

    fn calendar(&self) -> UnixTime {
        UnixTime::from_millis(self.parts.clock.unix_nanos() / NANOS_PER_MILLI)
    }

    /// Tells a stream's listeners what has changed.
    pub(super) fn update_listening(&mut self, id: MediaId, update: Box<ListenedUpdate>) {
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        let Some(transaction_id) = stream.listened_call else { return };
        let Some(news) = &self.parts.config.listening else { return };
        if let Err(failure) = send(news, ListenNews::Update { transaction_id, update }) {
            self.parts.counters.listen_failures.add(1);
            tracing::warn!(media = id.0, %failure, "listeners do not hear of a change of the call");
        }
    }

    /// Hands nothing more to a stream's listeners.
    pub(super) fn stop_listening(&mut self, id: MediaId) {
        match self.streams.find(id) {
            Some(stream) => {
                stream.count_warnings(&self.parts.counters);
                stream.session.unlisten();
                stream.stop_voices();
                stream.session.stop_warning();
                let call = stream.listened_call.take();
                self.forget_listening(call);
            }
            None => self.parts.counters.unknown_streams.add(1),
        }
    }

    /// Counts a stream that is listened to no more, if it ever was.
    pub(super) fn forget_listening(&mut self, call: Option<TransactionId>) {
        if call.is_some() {
            self.listened -= 1;
            self.parts.counters.listened_streams.subtract(1);
        }
    }
}

/// Hands `news` over without waiting.
fn send(
    listeners: &std::sync::mpsc::SyncSender<ListenNews>,
    news: ListenNews,
) -> Result<(), ListenFailure> {
    listeners.try_send(news).map_err(|error| match error {
        TrySendError::Full(_) => ListenFailure::TooMany,
        TrySendError::Disconnected(_) => ListenFailure::NoListeners,
    })
}
