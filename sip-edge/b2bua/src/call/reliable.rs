//! Our reliable provisional responses to leg A (RFC 3262 section 3): one at a time, repeated until
//! its PRACK comes.

use super::Call;
use super::answer::{host_of, number};
use super::setup::SetupState;
use crate::body::with_body;
use crate::carry;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::ALLOW;
use crate::machine::{Machine, State};
use crate::media::description_in;
use bytes::Bytes;
use model::{EndedBy, Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{HeaderName, Message, Method, ServerKey};
use std::collections::VecDeque;
use std::time::Duration;

/// Where the reliable provisional responses of a leg are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReliableState {
    /// None is outstanding.
    Idle,
    /// One is repeated until its PRACK comes.
    Unacknowledged,
    /// One was outstanding when the final response went out: it is no longer repeated, but its
    /// PRACK may still come.
    Overtaken,
}

impl State for ReliableState {
    const INITIAL: Self = ReliableState::Idle;
    const EDGES: &'static [(Self, Self)] = &[
        (ReliableState::Idle, ReliableState::Unacknowledged),
        (ReliableState::Unacknowledged, ReliableState::Idle),
        (ReliableState::Unacknowledged, ReliableState::Overtaken),
        (ReliableState::Overtaken, ReliableState::Idle),
    ];
}

/// What leg A's INVITE says about reliable provisional responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reliability {
    Unknown,
    Supported,
    Required,
}

impl Reliability {
    pub(super) fn of(invite: &Message) -> Self {
        if invite.has_option_tag(HeaderName::Require, "100rel") {
            Reliability::Required
        } else if invite.has_option_tag(HeaderName::Supported, "100rel") {
            Reliability::Supported
        } else {
            Reliability::Unknown
        }
    }
}

/// What the body of a provisional response is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyRole {
    /// There is none, or one that counts for nothing.
    Nothing,
    /// The answer to leg A's offer.
    Answer,
    /// Leg B's offer, to an INVITE without one.
    Offer,
}

/// A provisional response for leg A.
pub(super) struct Progress {
    pub(super) status: u16,
    /// Leg B's response that it stands for.
    pub(super) response: Message,
    pub(super) body: Option<Vec<u8>>,
    pub(super) role: BodyRole,
    /// The early dialog of leg B whose PRACK waits for leg A's.
    pub(super) owed: Option<Box<str>>,
}

struct Outstanding {
    status: u16,
    rseq: u32,
    invite_cseq: u32,
    server: ServerKey,
    bytes: Bytes,
    role: BodyRole,
    owed: Option<Box<str>>,
    interval: Duration,
    give_up: Instant,
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct ReliableProvisionals {
    machine: Machine<ReliableState>,
    /// The last RSeq; 0 before the first.
    rseq: u32,
    outstanding: Option<Box<Outstanding>>,
    /// At most [`MAX_WAITING`]; a further one is not sent, for the final response says it all.
    waiting: VecDeque<Progress>,
    /// Leg A has acknowledged a description: offer and answer of its INVITE are complete.
    pub(super) agreed: bool,
}

/// Provisional responses that wait for the PRACK of the one before.
const MAX_WAITING: usize = 4;

impl ReliableProvisionals {
    /// Whether a 2xx must wait: a description is unacknowledged (RFC 3262 section 3).
    pub(super) fn withholds_success(&self) -> bool {
        self.machine.state() == ReliableState::Unacknowledged
            && self.outstanding.as_ref().is_some_and(|out| out.role != BodyRole::Nothing)
    }

    /// Whether a description is on its way to leg A, or waits to be.
    pub(super) fn is_describing(&self) -> bool {
        self.outstanding.as_ref().is_some_and(|out| out.role != BodyRole::Nothing)
            || self.waiting.iter().any(|progress| progress.role != BodyRole::Nothing)
    }

    /// A final response goes out, or another route is tried: what waits is out of date.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.owed = None;
        }
    }

    /// Whether there is room for `progress`, and anything new in it.
    fn takes(&self, progress: &Progress) -> bool {
        let last = self
            .waiting
            .back()
            .map(|waiting| (waiting.status, waiting.role))
            .or(self.outstanding.as_ref().map(|out| (out.status, out.role)));
        let repeats = progress.role == BodyRole::Nothing
            && self.machine.state() == ReliableState::Unacknowledged
            && last.is_some_and(|(status, _)| status == progress.status);
        !repeats && self.waiting.len() < MAX_WAITING
    }
}

impl Call {
    /// Sends a provisional response reliably, now or after the PRACK of the one before. `false`
    /// when it is not sent at all.
    pub(super) fn send_reliably(
        &mut self,
        context: &mut Context,
        now: Instant,
        progress: Progress,
    ) -> bool {
        if !self.reliable.takes(&progress) {
            return false;
        }
        if self.reliable.machine.state() == ReliableState::Idle {
            self.send_outstanding(context, now, progress);
        } else {
            self.reliable.waiting.push_back(progress);
        }
        true
    }

    fn send_outstanding(&mut self, context: &mut Context, now: Instant, progress: Progress) {
        let Progress { status, response, body, role, owed } = progress;
        self.reliable.rseq = match self.reliable.rseq {
            // Section 3: the first is drawn from 1 to 2^31 - 1, each next one is one more.
            0 => (context.random.next_u64() % 0x7fff_ffff) as u32 + 1,
            last => last.wrapping_add(1),
        };
        let rseq = self.reliable.rseq;
        let Some((server, bytes)) =
            self.compose_progress(context, status, &response, body.as_deref(), Some(rseq))
        else {
            return;
        };
        let invite_cseq = self.pending.as_ref().map(|p| number(&p.invite)).unwrap_or_default();
        let t1 = context.config.timers.t1;
        context.respond(now, server, status, bytes.clone());
        self.reliable.outstanding = Some(Box::new(Outstanding {
            status,
            rseq,
            invite_cseq,
            server,
            bytes,
            role,
            owed,
            interval: t1,
            give_up: now + t1 * 64,
        }));
        self.reliable.machine.go(ReliableState::Unacknowledged);
        self.deadlines.set(Deadline::Provisional, now + t1);
    }

    /// A provisional response to leg A's INVITE, as bytes; reliable when it has a number.
    pub(super) fn compose_progress(
        &mut self,
        context: &mut Context,
        status: u16,
        response: &Message,
        body: Option<&[u8]>,
        rseq: Option<u32>,
    ) -> Option<(ServerKey, Bytes)> {
        let direction = self.towards(LegSide::A);
        let pending = self.pending.as_ref()?;
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, status);
        composer.header(HeaderName::Allow, ALLOW);
        if let Some(rseq) = rseq {
            composer
                .header(HeaderName::Require, "100rel")
                .header_args(HeaderName::RSeq, format_args!("{rseq}"));
        }
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = with_body(composer, response, body, direction.is_masked);
        Some((pending.server, bytes))
    }

    /// No PRACK has come: once more, or the end (RFC 3262 section 3: a 5xx after 64 × T1).
    pub(super) fn retransmit_provisional(&mut self, context: &mut Context, now: Instant) {
        if self.reliable.machine.state() != ReliableState::Unacknowledged {
            return;
        }
        let Some(out) = self.reliable.outstanding.as_mut() else { return };
        if now >= out.give_up {
            self.abandon_attempt(context, now);
            self.fail(context, now, 504, "leg A sent no PRACK", EndedBy::Edge, None);
            return;
        }
        context.respond(now, out.server, out.status, out.bytes.clone());
        out.interval *= 2;
        let next = (now + out.interval).min(out.give_up);
        self.deadlines.set(Deadline::Provisional, next);
    }

    /// Leg A's INVITE gets its final response: nothing provisional is repeated any more.
    pub(super) fn overtake_provisional(&mut self) {
        self.deadlines.clear(Deadline::Provisional);
        self.reliable.forget_waiting();
        if self.reliable.machine.state() == ReliableState::Unacknowledged {
            self.reliable.machine.go(ReliableState::Overtaken);
        }
    }

    /// A PRACK: it must name what is outstanding (section 3: 481 otherwise).
    pub(super) fn handle_prack(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        prack: &Message,
    ) {
        let rack = prack.rack().ok().flatten();
        let named = from == LegSide::A
            && self.reliable.outstanding.as_ref().zip(rack).is_some_and(|(out, rack)| {
                rack.rseq == out.rseq
                    && rack.cseq.number == out.invite_cseq
                    && rack.cseq.method == Method::Invite
            });
        if !named {
            self.legs[from.index()].answer(context, now, server, prack, 481);
            return;
        }
        match description_in(prack) {
            Ok(description) => self.acknowledged(context, now, server, prack, description),
            Err(fault) => {
                self.legs[from.index()].answer(context, now, server, prack, fault.status());
            }
        }
    }

    fn acknowledged(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        prack: &Message,
        description: Option<SessionDescription>,
    ) {
        let Some(out) = self.reliable.outstanding.take() else { return };
        self.reliable.machine.go(ReliableState::Idle);
        self.deadlines.clear(Deadline::Provisional);
        self.reliable.agreed |= out.role != BodyRole::Nothing;
        if let (true, Some(pending)) = (out.role != BodyRole::Nothing, self.pending.as_mut()) {
            pending.agreed_with.clone_from(&out.owed);
        }
        match (out.role, description) {
            (BodyRole::Offer, _) => {
                if !self.pass_early_answer(context, now, server, prack, out.owed.as_deref()) {
                    return;
                }
            }
            (_, Some(offer)) => {
                self.prack_offer(context, now, server, prack, offer, out.owed.as_deref());
            }
            (_, None) => {
                self.legs[LegSide::A.index()].answer(context, now, server, prack, 200);
                if let Some(tag) = out.owed {
                    self.send_prack(context, now, &tag, None);
                }
            }
        }
        self.after_acknowledgement(context, now);
    }

    /// The next provisional response, or the 2xx that waited.
    fn after_acknowledgement(&mut self, context: &mut Context, now: Instant) {
        if self.setup.state() == SetupState::Withheld {
            self.reliable.waiting.clear();
            self.release_success(context, now);
        } else if let Some(next) = self.reliable.waiting.pop_front()
            && self.pending.is_some()
        {
            self.send_outstanding(context, now, next);
        }
    }

    /// Leg A's PRACK answers leg B's offer. `false` when it does not, which ends the setup.
    fn pass_early_answer(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        prack: &Message,
        owed: Option<&str>,
    ) -> bool {
        let offer = self.pending.as_mut().and_then(|pending| pending.early_offer.take());
        let answer = match &offer {
            Some(offer) => self.delayed_answer(context, LegSide::A, offer, prack).ok(),
            None => None,
        };
        let Some(body) = answer else {
            self.legs[LegSide::A.index()].answer(context, now, server, prack, 488);
            self.abandon_attempt(context, now);
            self.fail(context, now, 488, "the PRACK has no usable answer", EndedBy::LegA, None);
            return false;
        };
        self.legs[LegSide::A.index()].answer(context, now, server, prack, 200);
        if let Some(tag) = owed {
            if let Some(fork) = self.pending.as_mut().and_then(|p| p.forks.get_mut(tag)) {
                fork.agreed = true;
            }
            self.send_prack(context, now, tag, Some(&body));
        }
        true
    }
}
