//! A call that an application begins: whom it wants called is called as leg B of any outbound call is,
//! over the same routes and under the same rules, and is the application's leg A. Nobody has called.

use super::Steering;
use super::room::OFFER;
use crate::call::Call;
use crate::call::setup::SetupState;
use crate::context::Context;
use crate::leg::via;
use crate::media::{BodyFault, Habits, refuse_own_address};
use directory::ApplicationTarget;
use model::{
    ApplicationNews, CallEventKind, Codec, Flow, Instant, LegSide, OutboundCall, TransportProtocol,
};
use sdp::Encryption;
use sip_proto::{Composer, HeaderName, Message, Method, push_ip};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

impl Call {
    /// Makes this a call that an application has begun; [`Call::start`] follows.
    pub(crate) fn become_outbound(
        &mut self,
        target: ApplicationTarget,
        arguments: Vec<(Arc<str>, Arc<str>)>,
    ) {
        let steering = Steering { arguments, ..Steering::new(vec![target], LegSide::B) };
        self.steering = Some(Box::new(steering));
        self.legs[LegSide::A.index()].gone = true;
        let habits = Habits::of(&self.voice_connector, None);
        self.media.start_leg(LegSide::A, Encryption::Optional, habits);
        self.media.tell_keys(true);
        if self.is_of_rooms() {
            self.media.hear_tones();
        }
        // Whoever hears the call knows its sides as the application does.
        self.cross_channels();
    }

    /// Whether an application has begun it: nobody has called us.
    pub(in crate::call) fn is_outbound_steered(&self) -> bool {
        self.near() == LegSide::B
    }

    /// Tells the application of the call, and calls.
    pub(in crate::call) fn call_out(&mut self, context: &mut Context, now: Instant) {
        context.steered.insert(self.id, self.key);
        self.tell_application(context, now);
        self.next_route(context, now);
    }

    /// The first word beyond 100 of whom the application has called.
    pub(in crate::call) fn called_rings(&mut self, context: &mut Context, now: Instant) {
        if self.is_outbound_steered() {
            self.tell(context, now, ApplicationNews::Ringing(LegSide::A));
        }
    }

    /// What the called side answers to the offer that is ours: in formats that can be played and
    /// heard here.
    pub(in crate::call) fn take_called_answer(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> Result<(), BodyFault> {
        let answer = self.answer_in(response)?;
        let near = LegSide::B;
        let is_speech = |codec| !matches!(codec, Codec::TelephoneEvent | Codec::ComfortNoise);
        let has_format = answer
            .audio_ref()
            .is_some_and(|audio| audio.codecs.iter().any(|mapping| is_speech(mapping.codec)));
        if !has_format {
            return Err(BodyFault::NotAcceptable);
        }
        refuse_own_address(&answer, &context.own_media)?;
        self.media.check(near, &answer)?;
        self.media.note_received(near, &answer);
        self.apply_media(context);
        Ok(())
    }

    /// Whom the application has called is in the call.
    pub(in crate::call) fn called_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
    ) {
        let near = LegSide::B;
        self.setup.go(SetupState::Answered);
        self.legs[near.index()].session.arm(&mut self.deadlines, near, now);
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
        self.note_listening(context, near, response);
        self.review_listening(context);
        self.begin_talk(context, now);
        self.setup.go(SetupState::Established);
        self.pending = None;
        self.tell(context, now, ApplicationNews::Answered(LegSide::A));
        self.review_playing(context);
    }
}

impl Context {
    /// Where an INVITE of nobody would come from: it bears an address of ours, and no remote one.
    pub(crate) fn flow_of_nobody(&self) -> Flow {
        let listeners = &self.config.listeners;
        // Over a browser's connection nobody is called.
        let can_call = |l: &&crate::Listener| !l.protocol.is_web_socket();
        let is_plain = |l: &&crate::Listener| can_call(l) && l.protocol != TransportProtocol::Tls;
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        match listeners.iter().find(is_plain).or_else(|| listeners.iter().find(can_call)) {
            Some(listener) => Flow::new(listener.protocol, listener.local, nowhere),
            None => Flow::new(TransportProtocol::Udp, nowhere, nowhere),
        }
    }

    /// The INVITE with which the application would call itself, if it were a telephone.
    pub(crate) fn outbound_invite(&mut self, flow: &Flow, call: &OutboundCall) -> Option<Message> {
        let listener = self.listener_of(flow);
        let ip = listener.advertised.ip();
        let mut host = String::with_capacity(48);
        if ip.is_ipv6() {
            host.push('[');
        }
        push_ip(&mut host, ip);
        if ip.is_ipv6() {
            host.push(']');
        }
        let target = format!("sip:{}@{host}", call.to);
        let mut composer = Composer::request("INVITE", &target);
        let (branch, tag) = (self.new_branch(), self.new_token());
        via(&mut composer, &listener, &branch, "");
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &["<sip:", &call.from, "@", &host, ">;tag=", &tag])
            .header_pieces(HeaderName::To, &["<", &target, ">"])
            .header(HeaderName::CallId, self.new_token())
            .cseq(1, Method::Invite);
        for (name, value) in &call.headers {
            composer.header_named(name, value);
        }
        let bytes = composer.body(Some("application/sdp"), OFFER.as_bytes());
        Message::parse(bytes, &self.config.limits).ok()
    }
}
