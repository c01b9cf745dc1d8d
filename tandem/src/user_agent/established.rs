//! An answered call, on either side: requests inside its dialog, and the 2xx that wait for an ACK.

use super::agent::{ALLOW, Agent, PRODUCT};
use super::description::{LocalDescription, has_description};
use super::media::MediaStream;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::{
    ClientKey, Composer, Dialog, DialogInput, HeaderName, Message, Method, ServerKey,
    default_reason,
};
use std::time::Duration;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// How long a 2xx is repeated (RFC 3261 section 13.3.1.4).
const PATIENCE: Duration = Duration::from_secs(32);

/// Whether a call goes on after an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// It does.
    GoesOn,
    /// It is over: the peer hung up, or never acknowledged.
    Ended,
}

/// An answered call.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) dialog: Dialog,
    pub(super) protocol: TransportProtocol,
    /// User part of our Contact.
    pub(super) user: String,
    pub(super) local: LocalDescription,
    pub(super) media: MediaStream,
    pub(super) unacknowledged: Option<Unacknowledged>,
}

/// A 2xx to INVITE without its ACK.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    key: ServerKey,
    flow: Flow,
    response: Bytes,
    cseq: u32,
    /// The ACK carries the answer.
    expects_answer: bool,
    next: Instant,
    interval: Duration,
    give_up: Instant,
}

impl Established {
    /// Answers a request inside the dialog.
    pub(super) fn on_request(
        &mut self,
        agent: &mut Agent,
        key: ServerKey,
        message: &Message,
    ) -> After {
        let in_order =
            message.cseq().is_ok_and(|cseq| self.dialog.check_remote_cseq(cseq.number).is_ok());
        if !in_order {
            agent.respond(key, message, 500, None);
            return After::GoesOn;
        }
        match message.method() {
            Some(Method::Bye) => {
                self.dialog.step(DialogInput::Bye);
                agent.respond(key, message, 200, None);
                return After::Ended;
            }
            Some(Method::Invite) if self.unacknowledged.is_some() => {
                // Section 14.2: an INVITE before the ACK of the last.
                agent.respond(key, message, 500, None);
            }
            Some(Method::Invite | Method::Update) => self.renegotiate(agent, key, message),
            Some(Method::Options | Method::Info) => agent.respond(key, message, 200, None),
            _ => agent.respond(key, message, 405, None),
        }
        After::GoesOn
    }

    /// Answers an INVITE with 200 and repeats that until the ACK comes. `local_tag` for the first
    /// INVITE, whose To has none.
    ///
    /// Returns false when the offer cannot be accepted; a 488 has been sent.
    pub(super) fn accept(
        &mut self,
        agent: &mut Agent,
        key: ServerKey,
        invite: &Message,
        local_tag: Option<&str>,
    ) -> bool {
        let expects_answer = !has_description(invite);
        let body = if expects_answer {
            self.local.offer()
        } else {
            match self.local.answer(invite) {
                Ok((answer, remote, security)) => {
                    self.media.direct(remote, security);
                    answer
                }
                Err(_) => {
                    agent.respond(key, invite, 488, local_tag);
                    return false;
                }
            }
        };
        self.dialog.update_remote_target(invite);
        self.dialog.step(DialogInput::Success);
        let response = self.ok(agent, invite, local_tag, Some(&body));
        let Some(flow) = agent.server_flow(key) else { return true };
        agent.send_response(key, 200, response.clone());
        let now = agent.clock.now();
        self.unacknowledged = Some(Unacknowledged {
            key,
            flow,
            response,
            cseq: invite.cseq().map_or(0, |cseq| cseq.number),
            expects_answer,
            next: now + T1,
            interval: T1,
            give_up: now + PATIENCE,
        });
        true
    }

    /// Takes the ACK of our 2xx.
    pub(super) fn on_ack(&mut self, ack: &Message) {
        let number = ack.cseq().map(|cseq| cseq.number).ok();
        let Some(waiting) = self.unacknowledged.take_if(|w| Some(w.cseq) == number) else { return };
        if waiting.expects_answer
            && let Ok((remote, security)) = self.local.read_answer(ack)
        {
            self.media.direct(remote, security);
        }
    }

    /// When [`on_timer`](Self::on_timer) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.unacknowledged.as_ref().map(|waiting| waiting.next)
    }

    /// Repeats a 2xx; hangs up when its ACK never came.
    pub(super) fn on_timer(&mut self, agent: &mut Agent) -> After {
        let now = agent.clock.now();
        let Some(waiting) = &mut self.unacknowledged else { return After::GoesOn };
        if now >= waiting.give_up {
            self.hang_up(agent);
            return After::Ended;
        }
        if now >= waiting.next {
            waiting.interval = (waiting.interval * 2).min(T2);
            waiting.next = now + waiting.interval;
            agent.repeat_response(waiting.key, waiting.flow, &waiting.response);
        }
        After::GoesOn
    }

    /// Sends BYE.
    pub(super) fn hang_up(&mut self, agent: &mut Agent) -> Option<ClientKey> {
        self.unacknowledged = None;
        let key = agent.bye(&mut self.dialog, self.protocol);
        self.dialog.step(DialogInput::Bye);
        key
    }

    fn renegotiate(&mut self, agent: &mut Agent, key: ServerKey, message: &Message) {
        if message.method() == Some(Method::Invite) {
            self.accept(agent, key, message, None);
            return;
        }
        // RFC 3311: an UPDATE without an offer refreshes the target and the timers only.
        let body = match has_description(message).then(|| self.local.answer(message)) {
            Some(Err(_)) => return agent.respond(key, message, 488, None),
            Some(Ok((answer, remote, security))) => {
                self.media.direct(remote, security);
                Some(answer)
            }
            None => None,
        };
        self.dialog.update_remote_target(message);
        let response = self.ok(agent, message, None, body.as_deref());
        agent.send_response(key, 200, response);
    }

    fn ok(
        &self,
        agent: &Agent,
        request: &Message,
        local_tag: Option<&str>,
        body: Option<&str>,
    ) -> Bytes {
        let mut response = Composer::response_to(request, 200, default_reason(200), local_tag);
        response
            .header(HeaderName::Contact, agent.contact(&self.user, self.protocol))
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Server, PRODUCT);
        match body {
            Some(body) => response.body(Some("application/sdp"), body.as_bytes()),
            None => response.finish(),
        }
    }
}
