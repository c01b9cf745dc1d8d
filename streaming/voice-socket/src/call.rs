//! One call and its socket: connected, and connected again.

use crate::clock;
use crate::connect::connect;
use crate::connection::{End, serve};
use crate::conversation::Conversation;
use crate::counters::SocketCounters;
use crate::endpoint::Endpoint;
use crate::interleave::Interleaver;
use crate::message::{self, StopReason};
use crate::outgoing::Outgoing;
use crate::retry::Attempts;
use crate::sockets::GivenUp;
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use codecs::VoiceWriter;
use model::{Channel, LegSide, ListenedUpdate, WebSocketListener};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What a call's socket is, on either thread.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) listener: WebSocketListener,
    pub(crate) endpoint: Endpoint,
    pub(crate) opening: Opening,
    pub(crate) outgoing: Outgoing,
    pub(crate) counters: Arc<SocketCounters>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) given_up: GivenUp,
}

/// What a connection or an attempt came to.
enum Outcome {
    Over,
    Again(String, Duration),
    GivenUp(String),
}

impl Call {
    /// Connects, and serves the call until it ends or is given up. The permit is one call's place.
    pub(crate) async fn run(self: Arc<Self>, permit: OwnedSemaphorePermit) {
        let _place = Place(&self.counters, permit);
        let mut conversation = Conversation::new(self.opening.sample_rate);
        if let Err(why) = self.connect_until_over(&mut conversation).await {
            self.counters.given_up.add(1);
            let call = &self.opening.call;
            tracing::warn!(
                call = %call.transaction_id,
                voice_connector = %call.voice_connector_id,
                socket = %self.endpoint,
                %why,
                "a call's WebSocket is given up; the call goes on without it"
            );
            let why = format!("the WebSocket {} is given up: {why}", self.endpoint);
            self.given_up.tell(&self.listener, &self.opening, &why);
        }
        let counts = conversation.voice_counts();
        self.counters.voice_unheard.add(counts.unheard);
        self.counters.voice_gaps.add(counts.gaps);
    }

    /// # Errors
    /// Why the call was given up before it ended.
    async fn connect_until_over(&self, conversation: &mut Conversation) -> Result<(), String> {
        let mut attempts = Attempts::default();
        loop {
            let (why, lasted) = match self.connect_once(conversation, &mut attempts).await {
                Outcome::Over => return Ok(()),
                Outcome::GivenUp(why) => return Err(why),
                Outcome::Again(why, lasted) => (why, lasted),
            };
            self.counters.failures.add(1);
            let pause = attempts.failed(lasted, getrandom::u64().unwrap_or_default());
            let Some(pause) = pause else {
                return Err(format!("{why}; no more attempts"));
            };
            tracing::debug!(call = %self.opening.call.transaction_id, socket = %self.endpoint, %why,
                ?pause, "a call's WebSocket is connected again");
            if self.ends_within(pause).await {
                return Err(format!("{why}; the call ended meanwhile"));
            }
        }
    }

    async fn connect_once(
        &self,
        conversation: &mut Conversation,
        attempts: &mut Attempts,
    ) -> Outcome {
        let token = self.listener.token.as_ref();
        let socket = match connect(&self.endpoint, token, &self.tls).await {
            Ok(socket) => socket,
            Err(error) if error.may_pass() => {
                return Outcome::Again(error.to_string(), Duration::ZERO);
            }
            Err(error) => return Outcome::GivenUp(error.to_string()),
        };
        let began = clock::now();
        let before = attempts.connections();
        attempts.connected();
        self.counters.connections.add(1);
        let end = serve(self, socket, conversation, before).await;
        conversation.begin_anew();
        match end {
            End::Done => Outcome::Over,
            End::Lost(why) => Outcome::Again(why, began.elapsed()),
            End::Refused(why) | End::Violation(why) => {
                self.counters.failures.add(1);
                Outcome::GivenUp(why)
            }
        }
    }

    /// Waits; whether the call ended meanwhile.
    async fn ends_within(&self, pause: Duration) -> bool {
        let ended = async {
            while self.outgoing.ended().is_none() {
                self.outgoing.news().await;
            }
        };
        tokio::time::timeout(pause, ended).await.is_ok()
    }

    pub(crate) fn renew_voices(&self, conversation: &mut Conversation) {
        for (leg, voice) in LegSide::BOTH.into_iter().zip(self.outgoing.take_voices()) {
            if let Some(voice) = voice {
                conversation.speak_to(leg, voice);
            }
        }
    }

    /// Adds up what was said.
    pub(crate) fn count(&self, conversation: &mut Conversation) {
        let heard = conversation.take_counts();
        self.counters.voice_samples.add(heard.samples);
        self.counters.voice_dropped.add(heard.dropped);
        self.counters.bad_messages.add(heard.bad_messages);
    }
}

/// A call's place among the sockets, given back when it is over.
struct Place<'a>(&'a SocketCounters, #[expect(dead_code, reason = "dropped")] OwnedSemaphorePermit);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.open.subtract(1);
    }
}

/// The end of a call's socket that listens.
#[derive(Debug)]
pub(crate) struct SocketConsumer {
    call: Arc<Call>,
    interleaver: Interleaver,
    late: u64,
}

impl SocketConsumer {
    pub(crate) fn new(call: Arc<Call>, interleaver: Interleaver) -> Self {
        SocketConsumer { call, interleaver, late: 0 }
    }
}

impl AudioConsumer for SocketConsumer {
    fn audio(&mut self, frame: &Frame<'_>) {
        let (outgoing, counters) = (&self.call.outgoing, &self.call.counters);
        self.interleaver.push(frame, &mut |octets| {
            counters.dropped.add(outgoing.push_audio(octets));
        });
        let late = self.interleaver.late();
        counters.late_samples.add(late - std::mem::replace(&mut self.late, late));
    }

    fn joined(&mut self, side: LegSide, _channel: &Channel) {
        self.interleaver.join(side);
    }

    fn update(&mut self, update: &ListenedUpdate) {
        self.call.outgoing.push_text(message::update(update));
    }

    fn voice(&mut self, to: LegSide, voice: VoiceWriter) {
        if self.call.listener.speaks_to[to.index()] {
            self.call.outgoing.give_voice(to, voice);
        }
    }

    fn end(mut self: Box<Self>, end: ConsumerEnd) {
        let outgoing = &self.call.outgoing;
        self.interleaver.flush(&mut |octets| {
            outgoing.push_audio(octets);
        });
        outgoing.end(match end {
            ConsumerEnd::Ended => StopReason::CallEnded,
            ConsumerEnd::Stopping => StopReason::Stopping,
        });
    }
}

/// Dropped without an end, nothing more comes either.
impl Drop for SocketConsumer {
    fn drop(&mut self) {
        self.call.outgoing.end(StopReason::Stopping);
    }
}
