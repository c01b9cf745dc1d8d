//! What changes while a call is recorded: lines that come and go, pause and go on, and metadata.

use super::{Call, recording_headers};
use crate::call::answer::number;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::RECORDER_ALLOW;
use crate::media::{BodyFault, description_in};
use crate::recorded::{FoundMetadata, is_metadata_only};
use model::{Instant, LegSide, RecordedMetadata};
use sdp::SessionDescription;
use sip_proto::{HeaderName, Message, Method, ServerKey};
use std::time::Duration;

/// A change that waits for the relay.
pub(super) struct Waiting {
    pub(super) server: ServerKey,
    pub(super) request: Message,
    offer: SessionDescription,
}

/// How long the relay may take.
const PORTS_PATIENCE: Duration = Duration::from_secs(2);

impl Call {
    /// A request of a recording client inside its dialog, other than ACK.
    pub(in crate::call) fn handle_client_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
    ) {
        let leg = LegSide::A;
        match request.method() {
            Some(Method::Bye) => self.handle_bye(context, now, leg, server, request),
            Some(Method::Invite | Method::Update) => {
                self.handle_recording_change(context, now, server, request);
            }
            Some(Method::Options) => {
                let leg = &self.legs[leg.index()];
                let mut composer = leg.response(context, request, 200);
                recording_headers(&mut composer, leg, request, None);
                context.respond(now, server, 200, composer.finish());
            }
            // Nobody is there to whom it could go.
            _ => {
                let mut composer = self.legs[leg.index()].response(context, request, 405);
                composer.header(HeaderName::Allow, RECORDER_ALLOW);
                context.respond(now, server, 405, composer.finish());
            }
        }
    }

    /// A re-INVITE or UPDATE of a recording client.
    fn handle_recording_change(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
    ) {
        let leg = LegSide::A;
        if !self.is_live() {
            self.legs[leg.index()].answer(context, now, server, request, 481);
            return;
        }
        let is_waiting = self.recording.as_ref().is_some_and(|r| r.is_busy());
        let glare = if is_waiting { Some(500) } else { self.glare(leg) };
        if let Some(status) = glare {
            self.refuse_glare(context, now, leg, server, request, status);
            return;
        }
        let offer = match offer_in(request) {
            Ok(offer) => offer,
            Err(fault) => {
                self.refuse_offer(context, now, leg, server, request, fault);
                return;
            }
        };
        match offer {
            Some(offer) if self.allocate_recorded(context, &offer) > 0 => {
                if request.method() == Some(Method::Invite) {
                    self.open_invite(context, server, leg);
                }
                let waiting = Waiting { server, request: request.clone(), offer };
                if let Some(recording) = self.recording.as_mut() {
                    recording.waiting = Some(waiting);
                }
                self.deadlines.set(Deadline::Lines, now + PORTS_PATIENCE);
            }
            offer => self.change_recording(context, now, server, request, offer.as_ref()),
        }
    }

    /// The relay has answered for new lines, or has not in time: without them then.
    pub(in crate::call) fn take_waiting_change(&mut self, context: &mut Context, now: Instant) {
        let Some(recording) = self.recording.as_mut() else { return };
        let Some(waiting) = recording.waiting.take() else { return };
        recording.lines.give_up();
        self.deadlines.clear(Deadline::Lines);
        let Waiting { server, request, offer } = waiting;
        self.change_recording(context, now, server, &request, Some(&offer));
    }

    /// The client withdraws a change that waits.
    pub(in crate::call) fn cancel_recording_change(&mut self, context: &mut Context, now: Instant) {
        self.deadlines.clear(Deadline::Lines);
        self.abort_recording(context, now);
        let Some(recording) = self.recording.as_mut() else { return };
        recording.lines.give_up();
        self.release_untold(context);
    }

    /// Gives back the ports of lines that the client was never told of.
    fn release_untold(&mut self, context: &mut Context) {
        let Some(recording) = self.recording.as_mut() else { return };
        let released = recording.lines.release_untold();
        context.release_recorded(released);
    }

    fn change_recording(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
        offer: Option<&SessionDescription>,
    ) {
        let leg = LegSide::A;
        let is_invite = request.method() == Some(Method::Invite);
        if offer.is_none() && is_invite {
            // The offer is the client's (RFC 7866 section 7.1).
            self.refuse_offer(context, now, leg, server, request, BodyFault::NotAcceptable);
            return;
        }
        let Some(session) = self.negotiate_session(context, now, leg, server, request) else {
            self.release_untold(context);
            return;
        };
        let body = match offer.map(|offer| self.redescribe(context, offer)).transpose() {
            Ok(body) => body,
            Err(fault) => {
                self.refuse_offer(context, now, leg, server, request, fault);
                self.release_untold(context);
                return;
            }
        };
        let side = &mut self.legs[leg.index()];
        side.note_abilities(request);
        if let Some(dialog) = side.dialog.as_mut() {
            dialog.update_remote_target(request);
        }
        let metadata = self.note_metadata(FoundMetadata::of(request));
        let is_refresh = offer.is_none() && metadata == RecordedMetadata::Missing;
        if !is_refresh {
            self.update_recording_listeners(context, request, metadata);
            self.tell_of_recording(context, now, offer, metadata);
        }
        let side = &self.legs[leg.index()];
        let mut composer = side.response(context, request, 200);
        recording_headers(&mut composer, side, request, session);
        side.session.arm(&mut self.deadlines, leg, now);
        let bytes = match body {
            Some(body) => composer.body(Some("application/sdp"), &body),
            None => composer.finish(),
        };
        if is_invite {
            self.open_invite(context, server, leg);
            self.respond_success(context, now, leg, server, number(request), bytes);
        } else {
            context.respond(now, server, 200, bytes);
        }
    }

    /// Puts a new description of the client into force.
    fn redescribe(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        let body = self.write_recording(context, offer)?;
        if let Some(recording) = self.recording.as_mut() {
            let gone = recording.lines.release_gone(offer);
            context.release_recorded(gone);
        }
        Ok(body)
    }
}

/// The description in a request, which may have metadata alone.
fn offer_in(request: &Message) -> Result<Option<SessionDescription>, BodyFault> {
    if is_metadata_only(request) { Ok(None) } else { description_in(request) }
}
