//! What the transaction layer reports: each event goes to its call, or is answered outside of any.

use super::Edge;
use crate::call::NoResponse;
use crate::context::{CallKey, Context};
use crate::leg::{ALLOW, SUPPORTED, allow_without};
use bytes::Bytes;
use model::{Flow, Instant, LegSide, Refusal};
use sip_proto::{ClientKey, HeaderName, Message, Method, ServerKey, TransactionEvent};
use std::sync::Arc;

impl Edge {
    pub(super) fn process_events(&mut self, now: Instant, flow: Flow) {
        while let Some(event) = self.context.endpoint.poll_event() {
            self.handle_event(now, flow, event);
        }
        self.observe_transmits(now);
    }

    fn handle_event(&mut self, now: Instant, flow: Flow, event: TransactionEvent) {
        match event {
            TransactionEvent::Request { key, message, flow } => {
                self.handle_request(now, key, message, flow);
            }
            TransactionEvent::Ack { message, flow: _ } => {
                if let Some((call, side)) = self.context.dialog_of(&message) {
                    self.with_call(now, call, |call, context| {
                        call.handle_ack(context, now, side, &message);
                    });
                } else if let Some(call) = self.context.copy_of(&message) {
                    self.with_call(now, call, |call, _| call.handle_recorder_ack(&message));
                }
            }
            TransactionEvent::Cancelled { invite, message: _ } => {
                if let Some((call, side)) = self.context.invites.get(&invite).copied() {
                    self.with_call(now, call, |call, context| {
                        call.handle_cancelled(context, now, side);
                    });
                }
            }
            TransactionEvent::Response { key, message, request } => {
                self.handle_response(now, key, &message, request.as_ref(), flow);
            }
            TransactionEvent::ClientTimeout { key } => {
                self.handle_no_response(now, key, NoResponse::Timeout, None);
            }
            TransactionEvent::FellBack { key: _, refused } => {
                self.context.stream_refusals.refused(now, refused);
            }
            TransactionEvent::ClientUnreachable { key, request } => {
                self.handle_no_response(now, key, NoResponse::Unreachable, Some(&request));
            }
            TransactionEvent::ServerDone { key, acked: _ } => {
                if let Some((call, _)) = self.context.invites.get(&key).copied() {
                    self.with_call(now, call, |call, context| call.close_invite(context, key));
                }
            }
            TransactionEvent::ClientDone { key } => {
                if let Some((call, _)) = self.context.clients.get(&key).copied() {
                    self.with_call(now, call, |call, context| call.close_client(context, key));
                }
            }
            TransactionEvent::StrayResponse { message, flow } => {
                self.handle_stray_answer(now, &message, flow);
            }
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        key: ClientKey,
        response: &Message,
        request: Option<&Bytes>,
        flow: Flow,
    ) {
        let Some((call, purpose)) = self.context.clients.get(&key).copied() else {
            if self.context.take_ping_response(now, key, response)
                || self.context.take_registration_response(now, key, response, request, flow)
            {
                return;
            }
            // Of a call that is gone: an answer to its INVITE must still be hung up.
            if is_invite_success(response) {
                self.context.hang_up_late_answer(now, response, flow);
            }
            return;
        };
        self.with_call(now, call, |call, context| {
            call.handle_response(context, now, key, purpose, response, request, flow);
        });
    }

    fn handle_no_response(
        &mut self,
        now: Instant,
        key: ClientKey,
        failure: NoResponse,
        request: Option<&Bytes>,
    ) {
        let Some((call, purpose)) = self.context.clients.get(&key).copied() else {
            if !self.context.take_registration_failure(now, key, failure.status()) {
                self.context.take_ping_failure(now, key, failure.cause());
            }
            return;
        };
        self.with_call(now, call, |call, context| {
            call.close_client(context, key);
            let moved = request.is_some_and(|r| call.ask_next_server(context, now, purpose, r));
            if !moved {
                call.handle_no_response(context, now, purpose, failure);
            }
        });
    }

    /// A 2xx whose transaction is gone: the call that asked for it decides, and one that nobody
    /// asked for any more is hung up.
    fn handle_stray_answer(&mut self, now: Instant, response: &Message, flow: Flow) {
        self.context.statistics.stray_responses += 1;
        let dialog = response
            .from()
            .ok()
            .and_then(|from| from.tag())
            .and_then(|tag| self.context.dialogs.get(tag).copied());
        let of_a_call = match dialog {
            Some((call, side)) => self.with_call(now, call, |call, context| {
                call.handle_other_answer(context, now, side, response, flow);
            }),
            None => self.is_copied_answer(now, response),
        };
        if !of_a_call {
            self.context.hang_up_late_answer(now, response, flow);
        }
    }

    /// Whether a 2xx is another copy of what a recorder answered to a call's copy.
    fn is_copied_answer(&mut self, now: Instant, response: &Message) -> bool {
        let tag = response.from().ok().and_then(|from| from.tag().map(Arc::<str>::from));
        let Some(call) = tag.and_then(|tag| self.context.copies.get(&tag).copied()) else {
            return false;
        };
        let mut is_known = false;
        self.with_call(now, call, |call, context| {
            is_known = call.acknowledge_recorder_again(context, response);
        });
        is_known
    }

    /// A request of a recorder that gets a call's copy, inside its dialog; `false` where it is none.
    fn handle_recorder_request(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        flow: Flow,
    ) -> bool {
        let Some(call) = self.context.copy_of(request) else { return false };
        self.with_call(now, call, |call, context| {
            call.handle_recorder_request(context, now, server, request, flow);
        })
    }

    fn handle_request(&mut self, now: Instant, key: ServerKey, request: Message, flow: Flow) {
        let in_dialog = request.to().ok().and_then(|to| to.tag()).is_some();
        if in_dialog {
            match self.context.dialog_of(&request) {
                Some((call, side)) => {
                    self.with_call(now, call, |call, context| {
                        call.handle_request(context, now, side, key, &request, flow);
                    });
                }
                None if self.handle_recorder_request(now, key, &request, flow) => {}
                None => {
                    self.context.statistics.unknown_dialogs += 1;
                    self.context.answer_outside(now, key, &request, 481, |_| {});
                }
            }
            return;
        }
        match request.method() {
            Some(Method::Invite) => self.handle_new_call(now, key, request, flow),
            Some(Method::Options) => {
                self.context.note_customer_ping(now, &request, &flow);
                self.context.answer_outside(now, key, &request, 200, |c| {
                    c.header(HeaderName::Allow, ALLOW)
                        .header(HeaderName::Supported, SUPPORTED)
                        .header(HeaderName::Accept, "application/sdp");
                });
            }
            Some(Method::Register) => self.handle_register(now, key, &request, flow),
            // A BYE, INFO or UPDATE outside a dialog has lost its dialog.
            Some(Method::Bye | Method::Info | Method::Update | Method::Prack) => {
                self.context.answer_outside(now, key, &request, 481, |_| {});
            }
            // RFC 3515 section 2 lets a REFER come outside a dialog, and asks for approval by policy.
            // Ours is to bring nobody anywhere but the far end of a call there is, so that whoever
            // can reach us cannot have us call at a customer's cost. Not 405 nor 501, for inside a
            // call we take it; not 603, which would speak for everybody whom the URI means.
            Some(Method::Refer) => {
                self.note_refusal(now, &request, flow, Refusal::MethodNotAllowed, None);
                self.context.answer_outside(now, key, &request, 403, |_| {});
            }
            // MESSAGE among them: outside a call it belongs to nobody whom we serve.
            other => {
                let refused = other.map_or("", Method::as_str);
                self.note_refusal(now, &request, flow, Refusal::MethodNotAllowed, None);
                self.context.answer_outside(now, key, &request, 405, |c| {
                    c.header(HeaderName::Allow, allow_without(refused));
                });
            }
        }
    }
}

impl Context {
    /// The dialog that a request of a peer names by our tag; the leg checks the rest.
    fn dialog_of(&self, request: &Message) -> Option<(CallKey, LegSide)> {
        self.dialogs.get(request.to().ok()?.tag()?).copied()
    }

    /// The call whose copy a recorder's request is about.
    fn copy_of(&self, request: &Message) -> Option<CallKey> {
        self.copies.get(request.to().ok()?.tag()?).copied()
    }
}

fn is_invite_success(response: &Message) -> bool {
    response.status().is_some_and(|status| (200..300).contains(&status))
        && response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}
