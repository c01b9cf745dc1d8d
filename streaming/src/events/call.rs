//! The events of one call.

use super::EventSender;
use super::detail::{self, Leg, News};
use super::event::{DETAIL_TYPE, Event};
use super::record::Streamed;
use model::{
    Channel, KinesisVideoListener, LegSide, ListenedCall, ListenedUpdate, NotificationTargets,
    UnixTime,
};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a leg's stream began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamBegin {
    /// The Kinesis video stream.
    pub arn: Arc<str>,
    /// The number that the service gave the first fragment, where it gives numbers.
    pub fragment: Option<Arc<str>>,
    /// When the first sample was heard.
    pub at: UnixTime,
}

/// Tells what becomes of one call's streams; its methods may be called from any thread.
///
/// For each leg: [`StreamingEvents::started`] once its first fragment is where it belongs;
/// [`StreamingEvents::failed`] when that, or a later one, does not work, and `started` again when it
/// does after all; [`StreamingEvents::ended`] as the last, once, whatever was before: it sends ENDED for
/// a stream that runs. When all legs have ended, the call's detail record is written.
/// [`StreamingEvents::updated`] is for the call as a whole and told of each leg whose stream runs.
#[derive(Debug)]
pub struct StreamingEvents {
    sender: EventSender,
    call: Arc<ListenedCall>,
    media_type: &'static str,
    notify: NotificationTargets,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    channels: [Option<Channel>; 2],
    legs: [LegState; 2],
    /// What a recording client told last.
    metadata: Option<Arc<str>>,
    /// Events so far.
    events: u64,
    /// When a first stream began.
    began: Option<UnixTime>,
    /// When the last leg so far ended.
    ended: Option<UnixTime>,
    /// Why a stream failed that did not begin again.
    failure: Option<String>,
}

#[derive(Clone, Default, Debug)]
struct LegState {
    /// The stream that runs.
    stream: Option<StreamBegin>,
    has_failed: bool,
    is_over: bool,
}

impl StreamingEvents {
    pub(super) fn new(
        sender: EventSender,
        call: Arc<ListenedCall>,
        channels: [Option<Channel>; 2],
        media_type: &'static str,
        notify: NotificationTargets,
    ) -> Self {
        let legs = channels
            .each_ref()
            .map(|channel| LegState { is_over: channel.is_none(), ..LegState::default() });
        let metadata = call.siprec_metadata.clone();
        let state = Mutex::new(State {
            channels,
            legs,
            metadata,
            events: 0,
            began: None,
            ended: None,
            failure: None,
        });
        StreamingEvents { sender, call, media_type, notify, state }
    }

    /// A leg has come that was not there when the call was opened.
    pub fn joined(&self, side: LegSide, channel: &Channel) {
        let mut state = self.lock();
        if let Some(place @ None) = state.channels.get_mut(side.index()) {
            *place = Some(channel.clone());
            if let Some(leg) = state.legs.get_mut(side.index()) {
                leg.is_over = false;
            }
        }
    }

    /// The leg's stream has begun.
    pub fn started(&self, side: LegSide, begin: StreamBegin) {
        let mut state = self.lock();
        let Some(leg) = state.legs.get_mut(side.index()).filter(|leg| !leg.is_over) else { return };
        leg.has_failed = false;
        leg.stream = Some(begin.clone());
        state.began = Some(state.began.map_or(begin.at, |before| before.min(begin.at)));
        self.tell(&mut state, side, News::Started(&begin), begin.at);
    }

    /// The call was changed.
    pub fn updated(&self, update: &ListenedUpdate, at: UnixTime) {
        let mut state = self.lock();
        if let Some(metadata) = &update.siprec_metadata {
            state.metadata = Some(Arc::clone(metadata));
        }
        for side in LegSide::BOTH {
            if state.legs.get(side.index()).is_some_and(|leg| leg.stream.is_some()) {
                self.tell(&mut state, side, News::Updated(update), at);
            }
        }
    }

    /// The leg has no stream, or not any more; `reason` is for people, one line.
    pub fn failed(&self, side: LegSide, at: UnixTime, reason: &str) {
        let mut state = self.lock();
        let Some(leg) = state.legs.get_mut(side.index()).filter(|leg| !leg.is_over) else { return };
        leg.has_failed = true;
        leg.stream = None;
        state.failure = Some(reason.to_owned());
        self.tell(&mut state, side, News::Failed { at, reason }, at);
    }

    /// Nothing more comes of the leg; `fragment` is the number of its last fragment.
    pub fn ended(&self, side: LegSide, at: UnixTime, fragment: Option<&str>) {
        let mut state = self.lock();
        let Some(leg) = state.legs.get_mut(side.index()).filter(|leg| !leg.is_over) else { return };
        leg.is_over = true;
        if let Some(begin) = leg.stream.take() {
            self.tell(&mut state, side, News::Ended { begin: &begin, at, fragment }, at);
        }
        state.ended = state.ended.max(Some(at));
        if state.legs.iter().all(|leg| leg.is_over) {
            // Who is told last need not be who ended last.
            let at = state.ended.unwrap_or(at);
            self.write_record(&state, at);
        }
    }

    fn write_record(&self, state: &State, at: UnixTime) {
        let has_failed = state.legs.iter().any(|leg| leg.has_failed);
        // A call that ended before its first fragment was streamed to nobody.
        if state.began.is_none() && !has_failed {
            return;
        }
        let streamed = Streamed {
            call: &self.call,
            began: state.began,
            ended: at,
            failure: state.failure.as_deref().filter(|_| has_failed),
        };
        if let Some(record) = streamed.record(&self.sender.issuer) {
            self.sender.sink.record(record);
        }
    }

    fn tell(&self, state: &mut State, side: LegSide, news: News<'_>, at: UnixTime) {
        let Some(Some(channel)) = state.channels.get(side.index()).cloned() else { return };
        let leg = Leg {
            call: &self.call,
            channel: &channel,
            media_type: self.media_type,
            metadata: state.metadata.as_deref(),
        };
        let EventSender { issuer, people, people_in_files, sink } = &self.sender;
        let transaction = self.call.transaction_id.to_string();
        let id = id(&transaction, side, news.status(), at, state.events);
        state.events += 1;
        // Under the lock, so that a leg's events leave in their order.
        sink.event(Event {
            id,
            detail_type: DETAIL_TYPE,
            issuer: Arc::clone(issuer),
            time: at,
            group: transaction,
            targets: self.notify,
            detail: detail::json(leg, news, &**people),
            detail_in_files: people_in_files
                .as_ref()
                .map(|people| detail::json(leg, news, &**people)),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves at worst one event untold.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream holds: AWS's says `audio/L16` of 8,000 samples a second.
pub(super) const fn media_type(sample_rate: u32, listener: KinesisVideoListener) -> &'static str {
    match (listener.mu_law, sample_rate) {
        (true, _) => "audio/PCMU",
        (false, 16_000) => "audio/L16;rate=16000",
        (false, _) => "audio/L16",
    }
}

/// A version 8 UUID (RFC 9562 section 5.8) of what makes the event this one.
fn id(transaction: &str, side: LegSide, status: &str, at: UnixTime, number: u64) -> String {
    let mut digest = Sha256::new();
    for part in [transaction, status] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.update([u8::try_from(side.index()).unwrap_or(u8::MAX)]);
    digest.update(at.as_millis().to_be_bytes());
    digest.update(number.to_be_bytes());
    let digest = digest.finalize();
    let bits = digest.iter().take(16).fold(0_u128, |bits, octet| bits << 8 | u128::from(*octet));
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
