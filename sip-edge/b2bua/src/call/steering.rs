//! A call that an application steers: leg A is alone with us until the application has somebody called
//! as leg B, and again when that one has left. What the application wants done comes in as orders,
//! what happens goes out as news; this file has the beginning, the answer and the end.
//!
//! The application's leg A is whoever called, the call's leg A, or who was called first for the
//! application, the call's leg B: it is `near` here, and the place on the other side is `far`.

mod bridge;
mod early;
mod floor;
mod keys;
mod orders;
mod outbound;
mod pictures;
mod plays;
mod recordings;
mod requests;
mod room;
mod seat;

use super::Call;
use super::answer::{number, success_headers};
use super::reliable::Reliability;
use super::setup::SetupState;
use super::teardown::NODE_STOPS;
use crate::carry::{self, Privacy};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::leg::ALLOW;
use crate::media::{BodyFault, Habits, Undo, description_in};
use bridge::Bridging;
pub(crate) use bridge::check_outbound;
use directory::ApplicationTarget;
use floor::Flooring;
use keys::{KeysUnderWay, TonesOrInfo};
use model::{
    ApplicationEvent, ApplicationNews, ApplicationTold, CallEnd, CallEventKind, Codec, EndedBy,
    Instant, IpFamily, LegSide, MediaEvent, PlayOutcome, RoomCall, SteeredCall,
};
use pictures::Pictures;
use plays::Play;
pub(super) use recordings::Ordered;
use sdp::{Encryption, SessionDescription};
use seat::{Seating, Unanswered};
use sip_proto::{HeaderName, Message};
use std::sync::Arc;

/// Header fields that an application learns of at most, and octets of the longest value.
const MAX_HEADERS: usize = 32;
const LONGEST_VALUE: usize = 1_024;

/// What is told of a browser whose connection is lost: temporarily unavailable.
const CUT_OFF: u16 = 480;
/// Of a caller of the meeting rooms whom the node drops as it stops.
const STOPPED: u16 = 503;

/// The sub-machine.
pub(super) struct Steering {
    /// The applications of the rule, and which of them steers.
    targets: Vec<ApplicationTarget>,
    at: usize,
    /// Which leg the application knows as leg A.
    near: LegSide,
    /// What the application is told with the beginning of a call that it began.
    arguments: Vec<(Arc<str>, Arc<str>)>,
    /// The application has been told of the call.
    is_told: bool,
    /// It has given an order: no other one takes over.
    has_ordered: bool,
    /// What leg A was offered by us in its 200, until its ACK.
    own_offer: bool,
    /// The lines of leg A, in a room, are those of our offer.
    has_own_lines: bool,
    /// What stands again where our offer that refreshes the session is refused.
    own_refresh: Option<Undo>,
    /// What the application has each leg hear.
    plays: [Option<Play>; 2],
    /// What the meeting that an application has sent the near leg into has it hear, while it hears nothing
    /// of the application's.
    said_by_room: Option<Play>,
    muted: [bool; 2],
    keys: [Option<KeysUnderWay>; 2],
    bridging: Option<Bridging>,
    /// The near leg's place in a conference.
    seating: Option<Seating>,
    unanswered: Unanswered,
    /// Floor control of a device in a room.
    flooring: Option<Flooring>,
    /// Its pictures there.
    pictures: Pictures,
    /// Leg B is there.
    is_bridged: bool,
    /// What ends next was ordered.
    by_order: bool,
    /// Leg A was answered for a bridge, which the application may not know yet.
    answered_for_bridge: bool,
    /// Of keys that come as tones.
    tones: TonesOrInfo,
    /// What the meeting rooms learn of it, where those steer.
    room: Option<Box<RoomCall>>,
    /// While leg B is there, the cap on the call's duration that holds without it, if there is one.
    own_cap: Option<Option<Instant>>,
}

impl Steering {
    /// Of a call that applications or the meeting rooms steer; `None` of any other.
    pub(super) fn of(targets: &[ApplicationTarget], room: Option<&RoomCall>) -> Option<Box<Self>> {
        let room = room.cloned().map(Box::new);
        (!targets.is_empty())
            .then(|| Box::new(Steering { room, ..Steering::new(targets.to_vec(), LegSide::A) }))
    }

    fn new(targets: Vec<ApplicationTarget>, near: LegSide) -> Self {
        Steering {
            targets,
            at: 0,
            near,
            arguments: Vec::new(),
            is_told: false,
            has_ordered: false,
            own_offer: false,
            has_own_lines: false,
            own_refresh: None,
            plays: [None, None],
            said_by_room: None,
            muted: [false; 2],
            keys: [None, None],
            bridging: None,
            seating: None,
            unanswered: Unanswered::default(),
            flooring: None,
            pictures: Pictures::default(),
            is_bridged: false,
            by_order: false,
            answered_for_bridge: false,
            own_cap: None,
            tones: TonesOrInfo::default(),
            room: None,
        }
    }
}

impl Call {
    /// Whether an application steers it.
    pub(crate) fn is_steered(&self) -> bool {
        self.steering.is_some()
    }

    /// Under whose rules the application calls somebody: its own, where the call is under those of the
    /// rule's first application, which may have been another one.
    pub(crate) fn accountable(&self) -> &model::VoiceConnectorId {
        let own = &self.voice_connector.id;
        let Some(steering) = self.steering.as_ref() else { return own };
        let first = steering.targets.first().map(|target| &target.connector.id);
        let current = steering.targets.get(steering.at).map(|target| &target.connector.id);
        if first == Some(own) { current.unwrap_or(own) } else { own }
    }

    /// Whether the meeting rooms steer it.
    pub(super) fn is_in_room(&self) -> bool {
        self.steering.as_ref().is_some_and(|steering| steering.room.is_some())
    }

    /// The same, of calls too that the rooms have begun, which have called no room.
    pub(super) fn is_of_rooms(&self) -> bool {
        let steering = self.steering.as_ref();
        let target = steering.and_then(|steering| steering.targets.get(steering.at));
        target.is_some_and(|target| &*target.application.id == model::ROOMS)
    }

    /// The leg that an application knows as leg A; of other calls leg A.
    pub(super) fn near(&self) -> LegSide {
        self.steering.as_ref().map_or(LegSide::A, |steering| steering.near)
    }

    /// The leg that an application knows as leg B.
    pub(crate) fn far(&self) -> LegSide {
        self.near().other()
    }

    fn is_answered_for_bridge(&self) -> bool {
        self.steering.as_ref().is_some_and(|steering| steering.answered_for_bridge)
    }

    /// Whether leg A is alone with the application.
    pub(super) fn is_alone(&self) -> bool {
        self.steering.as_ref().is_some_and(|steering| !steering.is_bridged)
    }

    /// Asks the relay for ports towards leg A.
    pub(super) fn take_steered(&mut self, context: &mut Context, now: Instant) {
        context.steered.insert(self.id, self.key);
        let (a, b) = (LegSide::A.index(), LegSide::B.index());
        self.legs[b].gone = true;
        let habits = Habits::of(&self.voice_connector, None);
        self.media.start_leg(LegSide::B, Encryption::Optional, habits);
        self.media.tell_keys(true);
        if self.is_in_room() {
            self.media.hear_tones();
        }
        let offered = self.pending.as_ref().and_then(|pending| pending.offer.as_ref());
        let family = match offered.and_then(SessionDescription::audio_ref) {
            Some(audio) => audio.ip_family,
            None => IpFamily::of(&self.legs[a].flow.remote),
        };
        let families = [family; 2];
        let id = self.next_media_id();
        self.media.requested(id, families);
        self.go_allocating(now);
        self.allocate(context, id, families);
        self.begin_pictures(context);
        self.allocate_pictures(context, families);
    }

    /// The relay has ports: leg A rings, and the application is told.
    pub(super) fn steered_ready(&mut self, context: &mut Context, now: Instant) {
        self.setup.go(SetupState::Steered);
        // An application that says nothing must not hold the call.
        self.deadlines.set(Deadline::NoAnswer, now + context.config.no_answer_timeout);
        if let Some(pending) = self.pending.as_mut() {
            pending.ringing_noted = true;
            // RFC 3262 section 3: to whom only reliable ones may be sent gets none, and needs none.
            if Reliability::of(&pending.invite) != Reliability::Required {
                let leg = &self.legs[LegSide::A.index()];
                let mut composer = leg.response(context, &pending.invite, 180);
                composer.header(HeaderName::Allow, ALLOW);
                let server = pending.server;
                context.respond(now, server, 180, composer.finish());
            }
        }
        context.event(self.id, now, CallEventKind::Ringing);
        self.tell_application(context, now);
    }

    /// Tells the present application of the call.
    fn tell_application(&mut self, context: &mut Context, now: Instant) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.clone());
        let offer = offer.map(|offer| self.room_offer(&offer));
        let lines = offer.map(|read| sdp::room_lines(&read.offer, &read.pictures));
        let Some(steering) = self.steering.as_mut() else { return };
        let Some(target) = steering.targets.get(steering.at) else { return };
        steering.is_told = true;
        let headers = self.pending.as_ref().map(|pending| headers_of(&pending.invite));
        let mut room = steering.room.clone();
        if let Some(room) = room.as_mut() {
            room.lines = lines.unwrap_or_default();
        }
        let parties = &self.parties;
        let begun = SteeredCall {
            application: target.application.id.clone(),
            rule: target.rule.as_ref().map(|rule| rule.id.clone()),
            direction: match steering.near {
                LegSide::A => model::CallDirection::Inbound,
                LegSide::B => model::CallDirection::Outbound,
            },
            from: (&*parties.from_user).into(),
            to: parties.to_user.clone(),
            voice_connector: parties.voice_connector.clone(),
            call_id: parties.call_id.clone(),
            headers: headers.unwrap_or_default(),
            room,
            arguments: steering.arguments.clone(),
        };
        // The meeting rooms are no application.
        if *begun.application != *model::ROOMS {
            let application = begun.application.clone();
            context.event(self.id, now, CallEventKind::Steered { application });
        }
        let told = ApplicationTold::Begun(Box::new(begun));
        let event = ApplicationEvent { call: self.id, at: now, told };
        context.outputs.push_back(Output::Application(event));
    }

    /// The present application cannot be reached: the next one is asked, unless this one has ordered
    /// something before.
    pub(crate) fn application_unreachable(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() {
            return;
        }
        let Some(steering) = self.steering.as_mut() else { return };
        let status = steering.targets.get(steering.at).map_or(503, |t| t.application.on_failure);
        if !steering.has_ordered && steering.at + 1 < steering.targets.len() {
            steering.at += 1;
            return self.tell_application(context, now);
        }
        steering.by_order = true;
        self.hang_up_everybody(context, now, status, "the application cannot be reached");
    }

    /// News for the application, once it knows of the call. Legs in them are the application's.
    pub(super) fn tell(&mut self, context: &mut Context, now: Instant, news: ApplicationNews) {
        if self.steering.as_ref().is_some_and(|steering| steering.is_told) {
            let told = ApplicationTold::News(news);
            let event = ApplicationEvent { call: self.id, at: now, told };
            context.outputs.push_back(Output::Application(event));
        }
    }

    /// Answers leg A by the application's order.
    fn answer_steered(&mut self, context: &mut Context, now: Instant) {
        let body = match self.describe_steered(context) {
            Ok(body) => body,
            Err(fault) => return self.refuse_body(context, now, fault),
        };
        self.deadlines.clear(Deadline::NoAnswer);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, 200);
        success_headers(&mut composer, pending.session_answer);
        let bytes = composer.body(Some("application/sdp"), &body);
        let (server, cseq) = (pending.server, number(&pending.invite));
        self.setup.go(SetupState::Answered);
        self.respond_success(context, now, LegSide::A, server, cseq, bytes);
        self.tell_floor(context, now, &body);
        self.legs[LegSide::A.index()].session.arm(&mut self.deadlines, LegSide::A, now);
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
        self.apply_media(context);
        self.tell_pictures(context, now);
    }

    /// The answer to leg A's offer, or an offer where it made none.
    fn describe_steered(&mut self, context: &mut Context) -> Result<Vec<u8>, BodyFault> {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.clone());
        let Some(offer) = offer else {
            let own = self.own_offer()?;
            if let Some(steering) = self.steering.as_mut() {
                steering.own_offer = true;
                steering.has_own_lines = steering.room.is_some();
            }
            return self.describe_own(context, &own);
        };
        self.answer_alone(context, &offer)
    }

    /// Takes an offer of leg A where nobody else is there to answer it: in the formats that can be
    /// played and heard here.
    pub(super) fn answer_alone(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        let near = self.near();
        self.media.check(near, offer)?;
        if self.is_in_room() {
            return self.answer_in_room(context, offer);
        }
        let described = offer.spoken();
        let is_speech = |codec| !matches!(codec, Codec::TelephoneEvent | Codec::ComfortNoise);
        let has_format = described
            .audio_ref()
            .is_some_and(|audio| audio.codecs.iter().any(|mapping| is_speech(mapping.codec)));
        if !has_format {
            return Err(BodyFault::NotAcceptable);
        }
        let random = context.random.as_mut();
        let body = self.media.write_answer(random, near, offer, &described)?;
        self.media.note_received(near, offer);
        Ok(body)
    }

    /// Leg A has acknowledged the answer: the application may go on.
    pub(super) fn steered_established(
        &mut self,
        context: &mut Context,
        now: Instant,
        ack: &Message,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        if std::mem::take(&mut steering.own_offer) {
            let answer = description_in(ack).ok().flatten();
            let answer = answer.filter(|answer| {
                let fine = crate::media::refuse_own_address(answer, &context.own_media);
                let wanted = fine.and_then(|()| self.media.check(LegSide::A, answer));
                answer.audio_ref().is_some() && wanted.is_ok()
            });
            let Some(answer) = answer else { return self.end_unusable_answer(context, now) };
            self.media.note_received(LegSide::A, &answer);
            self.take_answer_in_room(context, now, &answer);
            self.apply_media(context);
            self.tell_pictures(context, now);
        }
        self.tell(context, now, ApplicationNews::Answered(LegSide::A));
        self.call_waiting_leg_b(context);
        self.review_playing(context);
    }

    /// The relay begins to play, or has ended.
    pub(super) fn steered_played(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        match event {
            MediaEvent::Plays { id, leg, .. } if self.media.id() == Some(*id) => {
                if let Some(play) = steering.heard_place(*leg).as_mut() {
                    play.has_begun = true;
                }
            }
            MediaEvent::Played { id, leg, outcome } if self.media.id() == Some(*id) => {
                let is_over =
                    |play: &mut Play| play.has_begun || matches!(outcome, PlayOutcome::Failed(_));
                let Some(play) = steering.heard_place(*leg).take_if(is_over) else { return };
                let news = ApplicationNews::Played { order: play.order, outcome: *outcome };
                self.played_out(*leg);
                self.tell(context, now, news);
                self.review_playing(context);
            }
            _ => {}
        }
    }

    /// The call ends: the application hears of it, and whoever is being called for it is let go.
    pub(super) fn end_steering(&mut self, context: &mut Context, now: Instant, end: &CallEnd) {
        let Some(steering) = self.steering.as_mut() else { return };
        let ordered = steering.by_order;
        self.withdraw_bridge(context);
        let status = match end.ended_by {
            _ if self.is_cut_off() => CUT_OFF,
            // Nobody has hung up whom the rooms lose.
            EndedBy::Edge if end.cause == NODE_STOPS && self.is_of_rooms() => STOPPED,
            _ => end.status,
        };
        let news = ApplicationNews::HungUp { leg: LegSide::A, ordered, status };
        self.tell(context, now, news);
        context.steered.remove(&self.id);
    }

    /// Ends the call with everybody in it: with `status` where leg A was not answered.
    fn hang_up_everybody(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        cause: &'static str,
    ) {
        match self.setup.state() {
            SetupState::Answered | SetupState::Established => {
                self.end_both(context, now, cause, 200);
            }
            _ => {
                self.abandon_attempt(context, now);
                self.fail(context, now, status.clamp(400, 699), cause, EndedBy::Edge, None);
            }
        }
    }
}

/// What an application is shown of leg A's INVITE.
fn headers_of(invite: &Message) -> Vec<(Arc<str>, Arc<str>)> {
    let privacy = Privacy::of(invite);
    let is_shown = |line: &sip_proto::HeaderLine<'_>| match line.name {
        HeaderName::UserToUser => true,
        HeaderName::Diversion => !privacy.user,
        HeaderName::PAssertedIdentity => !privacy.identity && !privacy.user,
        _ => carry::is_extension(line),
    };
    let lines = invite.headers().filter(is_shown);
    let short = lines.filter(|line| line.value.len() <= LONGEST_VALUE);
    short.take(MAX_HEADERS).map(|line| (line.raw_name.into(), line.value.into())).collect()
}
