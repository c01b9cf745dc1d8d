//! What a recorder asks inside the dialog of a copy: it may pause, move, and end it.

use super::{Call, CopyPhase};
use crate::call::answer::number;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::encryption;
use crate::leg::{RECORDER_ALLOW, Unacknowledged};
use crate::media::{BodyFault, description_in, refuse_own_address};
use model::{CopyFailure, Flow, Instant, LegSide};
use sip_proto::{HeaderName, Message, Method, Refresher, ServerKey};

impl Call {
    /// A request of the recorder, other than ACK.
    pub(crate) fn handle_recorder_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
        flow: Flow,
    ) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        let cseq = number(request);
        let is_known = leg.is_from_peer(request) && leg.dialog.is_some();
        // A leg must always be able to hang up.
        let is_flood = request.method() != Some(Method::Bye)
            && !self.requests.take(super::super::MAX_REQUESTS_PER_SECOND, now);
        let status = match leg.dialog.as_mut().filter(|_| is_known) {
            None => Some(481),
            Some(_) if is_flood => Some(500),
            Some(dialog) => dialog.check_remote_cseq(cseq).is_err().then_some(500),
        };
        if let Some(status) = status {
            return leg.answer(context, now, server, request, status);
        }
        if flow.protocol == leg.flow.protocol && flow.protocol.is_reliable() {
            leg.follow(Flow { identity: flow.identity.or(leg.flow.identity), ..flow });
        }
        match request.method() {
            Some(Method::Bye) => {
                leg.answer(context, now, server, request, 200);
                self.copy_failed(context, now, CopyFailure::HungUp, None);
            }
            Some(Method::Invite | Method::Update) => {
                self.change_copy(context, now, server, request);
            }
            Some(Method::Options) => leg.answer(context, now, server, request, 200),
            _ => {
                let mut composer = leg.response(context, request, 405);
                composer.header(HeaderName::Allow, RECORDER_ALLOW);
                context.respond(now, server, 405, composer.finish());
            }
        }
    }

    /// A re-INVITE or UPDATE: another place, a pause, or a session refresh alone.
    fn change_copy(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
    ) {
        let is_invite = request.method() == Some(Method::Invite);
        let formats = LegSide::BOTH.map(|side| self.media.formats(side));
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let encryption = encryption::of(copying.client.srtp);
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        if copying.machine.state() != CopyPhase::Copying {
            return leg.answer(context, now, server, request, 481);
        }
        if leg.refreshing || leg.unacknowledged.is_some() {
            return leg.answer(context, now, server, request, 491);
        }
        let offer = description_in(request);
        let body = match &offer {
            // The offer is ours to make, and it has ours (RFC 7866 section 7.1.1).
            Ok(None) if is_invite => Err(BodyFault::NotAcceptable),
            Ok(None) => Ok(None),
            Err(fault) => Err(*fault),
            Ok(Some(offer)) => refuse_own_address(offer, &context.own_media).and_then(|()| {
                let random = context.random.as_mut();
                copying.lines.describe(random, formats, encryption, Some(offer)).map(Some)
            }),
        };
        let body = match body {
            Ok(body) => body,
            Err(fault) => return leg.answer(context, now, server, request, fault.status()),
        };
        let (ours, min_se) = (context.config.session_expires, context.config.min_se);
        let Ok(session) = leg.session.answer(request, ours, min_se) else {
            return leg.answer(context, now, server, request, 422);
        };
        leg.note_abilities(request);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(request);
        }
        let mut composer = leg.response(context, request, 200);
        let (allow, supported) = leg.abilities();
        composer.header(HeaderName::Allow, allow).header(HeaderName::Supported, supported);
        if let Some(session) = session {
            let refresher = match session.refresher {
                Refresher::Uac => "uac",
                Refresher::Uas => "uas",
            };
            let seconds = session.seconds;
            composer.header_args(
                HeaderName::SessionExpires,
                format_args!("{seconds};refresher={refresher}"),
            );
            if session.require {
                composer.header(HeaderName::Require, "timer");
            }
        }
        let bytes = match &body {
            Some(body) => composer.body(Some("application/sdp"), body),
            None => composer.finish(),
        };
        context.respond(now, server, 200, bytes.clone());
        if is_invite {
            let flow = context.endpoint.server_flow(server).unwrap_or(leg.flow);
            let t1 = context.config.timers.t1;
            leg.unacknowledged = Some(Unacknowledged {
                cseq: number(request),
                response: bytes,
                flow,
                interval: t1,
                give_up: now + t1 * 64,
            });
            self.deadlines.set(Deadline::CopyRetransmit, now + t1);
        }
        let source = leg.flow.remote.ip();
        if let Ok(Some(offer)) = offer {
            copying.lines.agree(&offer, source);
        }
        self.arm_copy_session(now);
        self.apply_copy(context);
    }

    /// The recorder acknowledges our 2xx.
    pub(crate) fn handle_recorder_ack(&mut self, ack: &Message) {
        let Some(leg) = self.copying.as_deref_mut().and_then(|copying| copying.leg_mut()) else {
            return;
        };
        let is_waited_for =
            leg.unacknowledged.as_ref().is_some_and(|pending| pending.cseq == number(ack));
        if leg.is_from_peer(ack) && is_waited_for {
            leg.unacknowledged = None;
            self.deadlines.clear(Deadline::CopyRetransmit);
        }
    }

    pub(super) fn retransmit_to_recorder(&mut self, context: &mut Context, now: Instant) {
        let t2 = context.config.timers.t2;
        let Some(leg) = self.copying.as_deref_mut().and_then(|copying| copying.leg_mut()) else {
            return;
        };
        let Some(pending) = leg.unacknowledged.as_mut() else { return };
        if now >= pending.give_up {
            self.hang_up_recorder(context, now);
            return self.copy_failed(context, now, CopyFailure::Silent, None);
        }
        context.endpoint.send_directly(pending.flow, pending.response.clone());
        pending.interval = (pending.interval * 2).min(t2);
        let next = (now + pending.interval).min(pending.give_up);
        self.deadlines.set(Deadline::CopyRetransmit, next);
    }
}
