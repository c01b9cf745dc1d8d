//! Who listens to the call while it runs (streaming): whether anybody does, whom the relay tells, and
//! what listeners learn of the call. Whatever becomes of it, the call goes on.

use super::Call;
use super::setup::SetupState;
use super::steering::Ordered;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::kept::SavedListening;
use crate::leg::Leg;
use model::{
    CallEventKind, CarrierId, Channel, Instant, LegSide, ListenFailure, ListenedCall,
    ListenedUpdate, Listener, Listening, MediaCommand, MediaEvent, MediaId, Side,
};
use sdp::RecordState;
use sip_proto::{HeaderLine, HeaderName, Message, Method, ServerKey};
use std::sync::Arc;
use std::time::Duration;

/// The header by which the customer's systems say whether a call is streamed: `on` or `off`. It is for
/// us: it passes to nobody.
pub(crate) const HEADER: &str = "X-Tandem-Streaming";

/// A relay that had no room is asked again after so long, and so often.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
const MAX_RETRIES: u8 = 6;
/// Header fields that listeners learn of at most, and octets of the longest; others are left out.
const MAX_HEADERS: usize = 32;
const LONGEST_VALUE: usize = 1_024;

/// What is known of a call's listeners.
#[derive(Default)]
pub(crate) struct Listened {
    /// The call is to be listened to, once it is answered.
    wanted: bool,
    /// Somebody has said so of this call; else the voice connector's rule holds.
    is_said: bool,
    /// What listeners know it as, since there are any.
    call: Option<Arc<ListenedCall>>,
    /// Leg A is the second channel: a transfer has joined legs that had other places before.
    is_crossed: bool,
    /// The stream that the relay was told to hand on.
    stream: Option<MediaId>,
    /// It has said that it does.
    is_told: bool,
    retries: u8,
    /// The parties have heard, or hear, the announcement.
    is_announced: bool,
    /// What the application that steers the call has ordered to be recorded.
    pub(super) ordered: Vec<Ordered>,
    /// Who listens to the stream, and to which legs, as the relay was told; `None` of a call from before
    /// this process.
    told: Option<(Vec<Listener>, [bool; 2])>,
}

/// What a leg that goes over to another call takes along: the listeners of the call that it leaves, and
/// its place there.
#[derive(Clone)]
pub(crate) struct TakenAlong {
    call: Arc<ListenedCall>,
    side: LegSide,
}

/// Why nobody can be made to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenRefusal {
    /// There is no such call, or it is over.
    NoCall,
    /// Its voice connector says of nobody that he listens.
    NoListeners,
    /// It is the copy of another call, and there for its listeners alone: its client begins and ends it.
    Recording,
}

impl Call {
    /// Decides by the voice connector's rule, and by what the customer's INVITE says.
    pub(super) fn decide_listening(&mut self, invite: &Message) {
        self.decide_listening_by(self.parties.carrier.clone().as_ref());
        if let Some(wanted) = self.asks_for_listening(LegSide::A, invite) {
            (self.listened.wanted, self.listened.is_said) = (wanted, true);
        }
    }

    /// The same by the carrier that the call goes to, for as long as it tries this route.
    pub(super) fn decide_listening_by(&mut self, carrier: Option<&CarrierId>) {
        if !self.listened.is_said {
            let numbers = [&*self.parties.from_user, &*self.parties.to_user];
            self.listened.wanted = self.voice_connector.streaming.is_for(numbers, carrier);
        }
    }

    /// What a message of the customer's side says, where it has a say.
    fn asks_for_listening(&self, from: LegSide, message: &Message) -> Option<bool> {
        let may = self.voice_connector.streaming.by_header;
        let value = message.header_named(HEADER)?.trim();
        let is_said = may && self.sides[from.index()] == Side::Customer;
        match value {
            _ if !is_said => None,
            on if on.eq_ignore_ascii_case("on") => Some(true),
            off if off.eq_ignore_ascii_case("off") => Some(false),
            _ => None,
        }
    }

    /// Takes what a message inside the call says: an answer, a re-INVITE, an UPDATE, an INFO.
    pub(super) fn note_listening(
        &mut self,
        context: &mut Context,
        from: LegSide,
        message: &Message,
    ) {
        if let Some(wanted) = self.asks_for_listening(from, message) {
            self.want_listening(context, wanted);
        }
        self.note_copying(from, message);
    }

    /// An INFO that says nothing but whether the call is streamed, or copied, is for us. Whether it was one.
    pub(super) fn take_listening_order(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) -> bool {
        self.note_listening(context, from, request);
        let says = self.asks_for_listening(from, request).is_some()
            || self.asks_for_copying(from, request).is_some();
        let is_ours =
            says && request.body_bytes().is_empty() && request.method() == Some(Method::Info);
        if is_ours {
            self.legs[from.index()].answer(context, now, server, request, 200);
        }
        is_ours
    }

    /// Legs that want to know are told of it in every description from now on (RFC 7866 section 7.2).
    pub(super) fn tell_of_listening(&mut self) {
        let state = self.record_state();
        for side in LegSide::BOTH {
            let wants = self.legs[side.index()].record_aware;
            // Who was told once is told the truth from then on: what a transfer or a restart of ours has
            // made of the call may know nothing of it. A leg on trial has its listeners with it.
            let is_on_trial = self.takeover.is_busy();
            let before = self.media.recorded(side);
            let before = before.map(|told| if is_on_trial { told } else { RecordState::Off });
            self.media.tell_recorded(side, state.or(before).filter(|_| wants));
        }
    }

    /// Whether the call is recorded, as far as we know of it; `None` while it never was.
    fn record_state(&self) -> Option<RecordState> {
        let Listened { wanted, call, .. } = &self.listened;
        let by_rule = *wanted && !self.voice_connector.streaming.listeners().is_empty();
        let is_listened = by_rule || !self.listened.ordered.is_empty();
        match self.copy_state() {
            _ if is_listened => Some(RecordState::On),
            None | Some(RecordState::Off) if call.is_some() => Some(RecordState::Off),
            of_copy => of_copy,
        }
    }

    /// Leg B's first offer says it already where the call will be listened to from its answer on: it
    /// may be the only description that the leg gets, and who does not know `a=record` passes over it
    /// (RFC 8866 section 5.13).
    pub(super) fn tell_of_listening_to_come(&mut self) {
        if self.record_state() == Some(RecordState::On) {
            self.media.tell_recorded(LegSide::B, Some(RecordState::On));
        }
    }

    /// The operator's word.
    pub(crate) fn set_listening(
        &mut self,
        context: &mut Context,
        wanted: bool,
    ) -> Result<(), ListenRefusal> {
        if !self.is_live() {
            return Err(ListenRefusal::NoCall);
        }
        if self.is_recording() {
            return Err(ListenRefusal::Recording);
        }
        if wanted && self.voice_connector.streaming.listeners().is_empty() {
            return Err(ListenRefusal::NoListeners);
        }
        self.want_listening(context, wanted);
        Ok(())
    }

    fn want_listening(&mut self, context: &mut Context, wanted: bool) {
        (self.listened.wanted, self.listened.is_said) = (wanted, true);
        self.listened.retries = 0;
        self.review_listening(context);
    }

    /// Has the call listened to, or not. Called after everything that may change it: the answer, a new
    /// stream, a word of the customer's or the operator's.
    pub(super) fn review_listening(&mut self, context: &mut Context) {
        let Some(id) = self.media.id().filter(|_| self.media.is_allocated()) else { return };
        let is_joined = self.legs.iter().all(|leg| leg.dialog.is_some());
        let is_answered =
            matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        // What a leg that is on trial elsewhere leaves stays as it is until it has agreed or is back.
        let is_ready = is_joined || self.is_recorded_alone();
        if !self.is_live() || !is_answered || !is_ready || self.referral.is_leaving() {
            return;
        }
        let is_on = self.listened.stream == Some(id);
        let wanted = self.wanted_listeners(is_joined);
        let is_told = self.listened.told.as_ref().is_none_or(|told| *told == wanted);
        match wanted.0.is_empty() {
            false if !is_on || !is_told => self.order_listening(context, id, wanted),
            true if is_on => {
                (self.listened.stream, self.listened.is_announced) = (None, false);
                self.listened.told = None;
                self.deadlines.clear(Deadline::Listening);
                self.stop_announcing(context);
                context.outputs.push_back(Output::Media(MediaCommand::StopListening { id }));
            }
            _ => {}
        }
    }

    /// Whether the relay was told of recordings that the application has ordered.
    pub(super) fn has_told_of_recordings(&self) -> bool {
        let is_ordered = |listener: &Listener| matches!(listener, Listener::Ordered(_));
        self.listened.told.as_ref().is_some_and(|(told, _)| told.iter().any(is_ordered))
    }

    /// Who is to listen, and to which legs.
    fn wanted_listeners(&self, is_joined: bool) -> (Vec<Listener>, [bool; 2]) {
        let Listened { wanted, ordered, told, .. } = &self.listened;
        // Whoever hears both by rule hears leg A alone, too, when leg B has left an application.
        let is_heard = || {
            let is_rule = |listener: &Listener| !matches!(listener, Listener::Ordered(_));
            told.as_ref().is_some_and(|(told, _)| told.iter().any(is_rule))
        };
        let mut listeners = match *wanted && (is_joined || is_heard()) {
            true => self.voice_connector.streaming.listeners(),
            false => Vec::new(),
        };
        listeners.extend(ordered.iter().map(|of| Listener::Ordered(of.recording.clone())));
        let mut legs = [true; 2];
        legs[self.far().index()] = ordered.is_empty() || !self.is_alone();
        (listeners, legs)
    }

    fn order_listening(
        &mut self,
        context: &mut Context,
        id: MediaId,
        (listeners, legs): (Vec<Listener>, [bool; 2]),
    ) {
        let call = match &self.listened.call {
            Some(call) => call.clone(),
            None => Arc::new(self.listened_call()),
        };
        self.listened.call = Some(call.clone());
        self.listened.stream = Some(id);
        let channels = LegSide::BOTH.map(|leg| legs[leg.index()].then(|| self.channel(leg)));
        self.listened.told = Some((listeners.clone(), legs));
        let streaming = &self.voice_connector.streaming;
        let listening = Box::new(Listening {
            call,
            channels,
            sample_rate: streaming.sample_rate,
            listeners,
            tone: streaming.consent().and_then(|consent| consent.tone),
            is_retry: self.listened.retries > 0,
        });
        context.outputs.push_back(Output::Media(MediaCommand::Listen { id, listening }));
    }

    fn channel(&self, leg: LegSide) -> Channel {
        let side = self.place_of(leg);
        let (media_index, label) = self.media.main_line(leg);
        Channel { side, is_caller: side == LegSide::A, media_index, label }
    }

    /// From now on leg B is channel A.
    pub(super) const fn cross_channels(&mut self) {
        self.listened.is_crossed = true;
    }

    /// Which channel a leg is.
    fn place_of(&self, leg: LegSide) -> LegSide {
        if self.listened.is_crossed { leg.other() } else { leg }
    }

    /// What listeners learn. Of a call that has lost its INVITE they learn what the dialog kept of it.
    fn listened_call(&self) -> ListenedCall {
        let invite = self.pending.as_ref().map(|pending| &pending.invite);
        let of_dialog = || headers_of_leg(&self.legs[LegSide::A.index()]);
        let parties = &self.parties;
        ListenedCall {
            transaction_id: self.id,
            voice_connector_id: parties.voice_connector.clone(),
            call_id: parties.call_id.clone(),
            direction: parties.direction,
            from_number: (&*parties.from_user).into(),
            to_number: (&*parties.to_user).into(),
            invite_headers: invite.map_or_else(of_dialog, shown_headers),
            siprec_metadata: None,
        }
    }

    /// A request of a leg has changed the call.
    pub(super) fn tell_listeners(&mut self, context: &mut Context, request: &Message) {
        if self.listened.stream.is_some() {
            self.update_listeners(context, shown_headers(request));
        }
    }

    fn update_listeners(&mut self, context: &mut Context, headers: Vec<(Arc<str>, Arc<str>)>) {
        let Some(id) = self.listened.stream else { return };
        let update = Box::new(ListenedUpdate { headers, siprec_metadata: None });
        context.outputs.push_back(Output::Media(MediaCommand::UpdateListening { id, update }));
    }

    /// What `leg` takes along to another call, if anybody listens to it here.
    pub(super) fn taken_along(&self, leg: LegSide) -> Option<TakenAlong> {
        let is_heard = self.listened.stream.is_some() && self.listened.wanted;
        let call = self.listened.call.clone().filter(|_| is_heard)?;
        Some(TakenAlong { call, side: self.place_of(leg) })
    }

    /// The leg that came as `near` has agreed to its new far end. Who listened to it before hears it
    /// where it was, and the new far end in the place of the one before; a call that is listened to
    /// itself goes on as that one. Returns whom its listeners have not heard before.
    pub(super) fn adopt_listeners(&mut self, near: LegSide, taken: Option<TakenAlong>) -> LegSide {
        let Some(TakenAlong { call, side }) = taken.filter(|_| self.listened.stream.is_none())
        else {
            return near;
        };
        self.listened.call = Some(call);
        (self.listened.wanted, self.listened.is_crossed) = (true, side != near);
        // Who stays has heard it in the call before.
        self.listened.is_announced = true;
        near.other()
    }

    /// Listeners learn who has come in place of another.
    pub(super) fn introduce_to_listeners(&mut self, context: &mut Context, side: LegSide) {
        if self.listened.stream.is_some() {
            let headers = headers_of_leg(&self.legs[side.index()]);
            self.update_listeners(context, headers);
            self.announce(context, &[side]);
        }
    }

    /// The relay's word on it.
    pub(super) fn listening_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) {
        if self.listened.stream != Some(event.id()) {
            return;
        }
        match event {
            MediaEvent::Listens { .. } => {
                self.listened.retries = 0;
                self.ordered_recordings_begin(context, now);
                if !std::mem::replace(&mut self.listened.is_told, true) {
                    context.event(self.id, now, CallEventKind::ListenedTo);
                }
                if !std::mem::replace(&mut self.listened.is_announced, true) {
                    self.announce(context, &LegSide::BOTH);
                }
            }
            MediaEvent::ListenFailed { failure, .. } => {
                (self.listened.stream, self.listened.told) = (None, None);
                self.ordered_recordings_fail(context, now, *failure);
                context.event(self.id, now, CallEventKind::NotListenedTo(*failure));
                // A relay may have room again; one that gives audio to nobody will not.
                if *failure == ListenFailure::TooMany && self.listened.retries < MAX_RETRIES {
                    self.listened.retries += 1;
                    self.deadlines.set(Deadline::Listening, now + RETRY_INTERVAL);
                } else {
                    self.listened.wanted = false;
                }
            }
            _ => {}
        }
    }

    /// The records of this process are to know that somebody listens to a call from before it.
    pub(crate) fn tell_of_listeners(&self, context: &mut Context, now: Instant) {
        self.tell_of_recorded(context, now);
        if self.listened.is_told {
            context.event(self.id, now, CallEventKind::ListenedTo);
        }
    }

    /// What outlives a restart; `None` of a call that nobody has listened to or is to.
    pub(super) fn saved_listening(&self) -> Option<SavedListening> {
        let Listened { wanted, call, is_crossed, stream, is_told, .. } = &self.listened;
        Some(SavedListening {
            call: (**call.as_ref()?).clone(),
            is_crossed: *is_crossed,
            wanted: *wanted,
            ordered: stream.is_some(),
            heard: *is_told,
        })
    }

    /// The relay has gone on handing the call's audio to listeners while this process was not there.
    pub(super) fn restore_listening(&mut self, begun: Instant, saved: &SavedListening) {
        self.listened = Listened {
            wanted: saved.wanted,
            call: Some(Arc::new(saved.call.clone())),
            is_crossed: saved.is_crossed,
            stream: self.media.id().filter(|_| saved.ordered),
            is_told: saved.heard,
            is_said: true,
            retries: 0,
            // Whoever heard half of it was told.
            is_announced: saved.ordered,
            // Nobody steers a call that outlived its application.
            ordered: Vec::new(),
            told: None,
        };
        if saved.wanted && !saved.ordered {
            self.deadlines.set(Deadline::Listening, begun + RETRY_INTERVAL);
        }
    }
}

/// The header fields of a request that listeners learn of, names in lower case: what AWS shows, the
/// user's own (RFC 7433) and those of the customer's invention.
pub(super) fn shown_headers(message: &Message) -> Vec<(Arc<str>, Arc<str>)> {
    const SHOWN: [HeaderName; 8] = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::Contact,
        HeaderName::ContentType,
        HeaderName::ContentLength,
        HeaderName::UserToUser,
    ];
    let is_shown = |line: &HeaderLine<'_>| {
        let is_known = SHOWN.contains(&line.name) || crate::carry::is_extension(line);
        is_known && line.value.len() <= LONGEST_VALUE
    };
    let pair = |line: HeaderLine<'_>| {
        let name = match line.name {
            HeaderName::Other => line.raw_name.to_ascii_lowercase(),
            known => known.as_str().to_ascii_lowercase(),
        };
        (Arc::from(name), Arc::from(&*line.unfolded()))
    };
    message.headers().filter(is_shown).take(MAX_HEADERS).map(pair).collect()
}

/// The same of what is left of a leg's INVITE.
fn headers_of_leg(leg: &Leg) -> Vec<(Arc<str>, Arc<str>)> {
    let mut headers: Vec<(Arc<str>, Arc<str>)> = vec![
        ("from".into(), (&*leg.remote_party).into()),
        ("to".into(), (&*leg.local_party).into()),
        ("call-id".into(), leg.call_id.clone()),
    ];
    if let Some(dialog) = &leg.dialog {
        headers.push(("contact".into(), format!("<{}>", dialog.remote_target()).into()));
    }
    headers
}
