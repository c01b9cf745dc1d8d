//! The INVITE to a recorder, and what comes of it.

use super::{ANSWER_PATIENCE, Call, CopyPhase, PATIENCE};
use crate::call::answer::{host_of, number};
use crate::call::target::retry_after;
use crate::call::{ClientPurpose, CopyRequest, LegAuthentication, NoResponse};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::encryption;
use crate::leg::{Leg, via};
use crate::media::description_in;
use crate::recorded::SIPREC;
use crate::session_timer::{SessionTimer, seconds};
use bytes::Bytes;
use model::{CopyFailure, CopyState, Flow, Instant, LegSide, TransportProtocol};
use sip_proto::{ClientKey, Composer, HeaderName, Message, Method};
use siprec::Metadata;
use std::time::Duration;

/// What may be sent to us in such a dialog.
const ACCEPT: &str = "application/sdp";

impl Call {
    /// Calls the recorder's next server.
    pub(super) fn call_recorder(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(target) = copying.targets.pop_front() else { return };
        let client = copying.client.clone();
        let (destination, protocol) = (target.address, target.transport);
        let identity = match protocol {
            TransportProtocol::Tls => context.identity_of(&client.host, &client.tls),
            _ => None,
        };
        let listener = context.listener_for(protocol, &destination);
        let is_nameless = protocol == TransportProtocol::Tls && identity.is_none();
        let Some(listener) =
            listener.filter(|_| !is_nameless && !context.is_own_address(&destination))
        else {
            self.next_recorder(context, now, CopyFailure::Unreachable, None);
            return;
        };
        let flow = Flow { identity, ..Flow::new(protocol, listener.local, destination) };
        let mut leg = Leg::new(flow, listener, [context.new_token(), context.new_token()]);
        leg.is_recorded = true;
        let credential = client.credential.as_ref();
        let ip = destination.ip();
        leg.authentication = credential.map(|own| LegAuthentication::of_recorder(own, ip));
        leg.secure = client.secure;
        leg.session = SessionTimer::asking_for(0);
        leg.local_party = format!("<{}>", self.address_at(&leg)).into();
        leg.remote_party = format!("<{}>", client.uri).into();
        leg.cseq = 1;
        let formats = LegSide::BOTH.map(|side| self.media.formats(side));
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let encryption = encryption::of(client.srtp);
        let random = context.random.as_mut();
        let Ok(body) = copying.lines.describe(random, formats, encryption, None) else {
            return self.copy_failed(context, now, CopyFailure::Unusable, None);
        };
        let metadata = self.copy_metadata(context, now);
        let branch = context.new_branch();
        let mut composer = Composer::request("INVITE", &client.uri);
        via(&mut composer, &leg.listener, &branch, context.identities.alias(&leg.flow));
        let (allow, supported) = leg.abilities();
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &[&leg.local_party, ";tag=", &leg.local_tag])
            .header(HeaderName::To, &leg.remote_party)
            .header(HeaderName::CallId, &leg.call_id)
            .cseq(leg.cseq, Method::Invite)
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Require, SIPREC)
            .header(HeaderName::Allow, allow)
            .header(HeaderName::Supported, supported)
            .header(HeaderName::Accept, ACCEPT)
            .header_number(HeaderName::SessionExpires, seconds(context.config.session_expires))
            .header_number(HeaderName::MinSe, seconds(context.config.min_se))
            .header(HeaderName::UserAgent, &context.config.product);
        let bytes = with_metadata(context, composer, &body, &metadata);
        for name in [&leg.local_tag, &leg.call_id] {
            context.copies.insert(name.clone(), self.key);
        }
        let Some(copying) = self.copying.as_deref_mut() else { return };
        copying.leg = Some(Box::new(leg));
        copying.has_progress = false;
        copying.machine.go(CopyPhase::Calling);
        self.deadlines.set(Deadline::Copy, now + PATIENCE);
        match context.send(now, flow, &branch, Method::Invite, bytes) {
            Some(invite) => {
                if let Some(copying) = self.copying.as_deref_mut() {
                    copying.invite = Some(invite);
                }
                self.open_client(context, invite, ClientPurpose::Copy(CopyRequest::Take));
            }
            None => self.copy_failed(context, now, CopyFailure::Unreachable, None),
        }
    }

    /// Who calls a recorder: the voice connector.
    fn address_at(&self, leg: &Leg) -> String {
        let scheme = crate::secure::scheme(leg.secure);
        format!("{scheme}{}@{}", self.voice_connector.id, host_of(leg))
    }

    /// A server has not taken the copy: the next one is tried, or it has failed.
    pub(super) fn next_recorder(
        &mut self,
        context: &mut Context,
        now: Instant,
        failure: CopyFailure,
        asked: Option<Duration>,
    ) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        if let Some(invite) = copying.invite.take() {
            // One that has answered is not there to be cancelled.
            let _ = context.endpoint.cancel(now, invite, context.random.as_mut());
        }
        let is_final = matches!(failure, CopyFailure::Refused(status) if status != 503);
        if copying.targets.is_empty() || is_final {
            return self.copy_failed(context, now, failure, asked);
        }
        self.forget_recorder(context);
        self.call_recorder(context, now);
    }

    /// A response of the recorder.
    pub(in crate::call) fn handle_recorder_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        (client, asked): (ClientKey, CopyRequest),
        response: &Message,
        flow: Flow,
    ) {
        let status = response.status().unwrap_or_default();
        let is_success = (200..300).contains(&status);
        let is_invite = response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        match (status, is_success && is_invite) {
            // It may come again (RFC 6026).
            (_, true) => self.answered_client(client),
            (200.., _) => self.close_client(context, client),
            _ => {}
        }
        match asked {
            CopyRequest::Take => self.recorder_answers(context, now, client, response, flow),
            CopyRequest::Refresh if status >= 200 => {
                self.copy_refreshed(context, now, response);
            }
            CopyRequest::Refresh | CopyRequest::End => {}
        }
    }

    /// The recorder has not answered a request.
    pub(in crate::call) fn handle_recorder_failure(
        &mut self,
        context: &mut Context,
        now: Instant,
        asked: CopyRequest,
        failure: NoResponse,
    ) {
        let failure = match failure {
            NoResponse::Timeout => CopyFailure::Silent,
            NoResponse::Unreachable => CopyFailure::Unreachable,
        };
        let phase = self.copying.as_deref().map(|copying| copying.phase());
        match (asked, phase) {
            (CopyRequest::Take, Some(CopyPhase::Calling)) => {
                if let Some(copying) = self.copying.as_deref_mut() {
                    copying.invite = None;
                }
                self.next_recorder(context, now, failure, None);
            }
            (CopyRequest::Refresh, Some(CopyPhase::Copying)) => {
                self.hang_up_recorder(context, now);
                self.copy_failed(context, now, failure, None);
            }
            _ => {}
        }
    }

    fn recorder_answers(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientKey,
        response: &Message,
        flow: Flow,
    ) {
        let status = response.status().unwrap_or_default();
        let copying = self.copying.as_deref();
        let is_current = copying.is_some_and(|copying| copying.invite == Some(client));
        if !is_current || copying.is_none_or(|copying| copying.phase() != CopyPhase::Calling) {
            if (200..300).contains(&status) && !self.acknowledge_recorder_again(context, response) {
                self.hang_up_other_answer(context, now, response, flow);
            }
            return;
        }
        let Some(copying) = self.copying.as_deref_mut() else { return };
        match status {
            0..200 => {
                if !std::mem::replace(&mut copying.has_progress, true) {
                    self.deadlines.set(Deadline::Copy, now + ANSWER_PATIENCE);
                }
            }
            200..300 => self.recorder_takes(context, now, response, flow),
            _ => {
                copying.invite = None;
                let asked = retry_after(response);
                self.next_recorder(context, now, CopyFailure::Refused(status), asked);
            }
        }
    }

    fn recorder_takes(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
        flow: Flow,
    ) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        if flow.protocol == leg.flow.protocol {
            leg.follow(Flow { connection: flow.connection, ..leg.flow });
        } else if flow.protocol.is_reliable() && flow.remote == leg.flow.remote {
            leg.listener = context.listener_of(&flow);
            leg.follow(Flow { identity: leg.flow.identity, ..flow });
        }
        leg.adopt_response(response, &copying.client.uri);
        leg.note_abilities(response);
        leg.session.answered(response);
        leg.acknowledge(context, number(response), None);
        let source = leg.flow.remote.ip();
        copying.invite = None;
        if leg.dialog.is_none() {
            return self.copy_failed(context, now, CopyFailure::Unusable, None);
        }
        let answer = description_in(response).ok().flatten();
        let own = &context.own_media;
        let answer = answer.filter(|answer| crate::media::refuse_own_address(answer, own).is_ok());
        let is_taken = answer.is_some_and(|answer| copying.lines.agree(&answer, source));
        if !is_taken {
            self.hang_up_recorder(context, now);
            return self.copy_failed(context, now, CopyFailure::Unusable, None);
        }
        self.deadlines.clear(Deadline::Copy);
        let parties = self.copied_parties();
        let Some(copying) = self.copying.as_deref_mut() else { return };
        copying.machine.go(CopyPhase::Copying);
        (copying.begun, copying.was_copied, copying.told) = (Some(now), true, parties);
        context.statistics.copies_begun += 1;
        context.statistics.active_copies += 1;
        self.arm_copy_session(now);
        self.apply_copy(context);
        self.tell_of_copy(context, now, CopyState::Begun);
    }

    /// Tells the relay what it does not know yet of the copy.
    pub(super) fn apply_copy(&mut self, context: &mut Context) {
        let Some(main) = self.media.id() else { return };
        let formats = LegSide::BOTH.map(|side| self.media.formats(side));
        if let Some(copying) = self.copying.as_deref_mut() {
            copying.lines.apply(context, main, formats);
        }
    }
}

/// Ends a message with a description and who speaks on its lines (RFC 7866 section 9.1).
pub(super) fn with_metadata(
    context: &mut Context,
    mut composer: Composer,
    description: &[u8],
    metadata: &Metadata,
) -> Bytes {
    // Nobody can guess it, so that it does not occur in what it bounds.
    let boundary = format!("tandem-{:016x}", context.random.next_u64());
    let document = metadata.write();
    let mut body = format!("--{boundary}\r\nContent-Type: application/sdp\r\n\r\n").into_bytes();
    body.extend_from_slice(description);
    let head = format!(
        "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Disposition: recording-session\r\n\r\n",
        siprec::MEDIA_TYPE
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(document.as_bytes());
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    composer.header(HeaderName::MimeVersion, "1.0");
    composer.body(Some(&format!("multipart/mixed;boundary={boundary}")), &body)
}
