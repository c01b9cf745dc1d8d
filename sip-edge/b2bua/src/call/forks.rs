//! The early dialogs of leg B: a proxy over there may try several telephones, and each answers with
//! a To tag of its own (RFC 3261 section 12.1.2).
//!
//! Leg A sees one dialog. Of leg B's, the last one that sent a provisional response leads: its
//! dialog stands in the leg, and its early media is what leg A hears. The 2xx decides.

use super::Call;
use crate::context::Context;
use crate::leg::{ALLOW, Leg};
use crate::machine::{Machine, State};
use model::{Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{Dialog, HeaderName, Message, Method, ServerKey};

/// Early dialogs of one attempt. A further one is not followed while it is early; its 2xx counts
/// all the same.
pub(super) const MAX_FORKS: usize = 8;

/// Where the acknowledgement of an early dialog's reliable provisional responses is (RFC 3262
/// section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PrackState {
    /// Nothing is owed.
    Idle,
    /// The PRACK waits for leg A's, which may bring an answer or a further offer.
    Held,
    /// The PRACK is sent; its transaction repeats it.
    Sent,
}

impl State for PrackState {
    const INITIAL: Self = PrackState::Idle;
    const EDGES: &'static [(Self, Self)] = &[
        (PrackState::Idle, PrackState::Held),
        (PrackState::Idle, PrackState::Sent),
        (PrackState::Held, PrackState::Sent),
        (PrackState::Sent, PrackState::Held),
    ];
}

/// One early dialog.
pub(super) struct Fork {
    tag: Box<str>,
    /// `None` while the fork leads: its dialog then is the leg's.
    dialog: Option<Dialog>,
    takes_update: bool,
    /// RSeq of its last reliable provisional response.
    pub(super) rseq: Option<u32>,
    pub(super) prack: Machine<PrackState>,
    /// What it described in a provisional response.
    pub(super) answer: Option<SessionDescription>,
    /// Offer and answer are complete with it: the answer came reliably, or we gave ours.
    pub(super) agreed: bool,
}

/// The early dialogs of one attempt.
#[derive(Default)]
pub(super) struct Forks {
    forks: Vec<Fork>,
    leading: Option<usize>,
}

impl Forks {
    pub(super) fn leading(&self) -> Option<&Fork> {
        self.forks.get(self.leading?)
    }

    pub(super) fn leading_mut(&mut self) -> Option<&mut Fork> {
        self.forks.get_mut(self.leading?)
    }

    /// The tag of the fork that leads.
    pub(super) fn leading_tag(&self) -> Option<Box<str>> {
        self.leading().map(|fork| fork.tag.clone())
    }

    pub(super) fn get_mut(&mut self, tag: &str) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| &*fork.tag == tag)
    }

    fn position(&self, tag: &str) -> Option<usize> {
        self.forks.iter().position(|fork| &*fork.tag == tag)
    }

    /// The dialog of a fork that does not lead.
    fn aside(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.get_mut(tag)?.dialog.as_mut()
    }

    /// Makes the fork at `index` lead: its dialog becomes the leg's.
    fn switch(&mut self, leg: &mut Leg, index: usize) {
        if self.leading == Some(index) {
            return;
        }
        if let Some(old) = self.leading_mut() {
            old.dialog = leg.dialog.take();
            old.takes_update = leg.takes_update;
        }
        self.leading = Some(index);
        if let Some(new) = self.leading_mut() {
            leg.dialog = new.dialog.take();
            leg.takes_update = new.takes_update;
        }
    }

    fn add(&mut self, tag: &str, dialog: Dialog) -> usize {
        self.forks.push(Fork {
            tag: tag.into(),
            dialog: Some(dialog),
            takes_update: false,
            rseq: None,
            prack: Machine::default(),
            answer: None,
            agreed: false,
        });
        self.forks.len() - 1
    }
}

impl Call {
    /// Lets the early dialog of a response lead; a new one is made when the tag is new. `false`
    /// when there is no tag, or no room.
    pub(super) fn enter_fork(&mut self, response: &Message) -> bool {
        let target = self.leg_b_target();
        let Some(pending) = self.pending.as_mut() else { return false };
        let leg = &mut self.legs[LegSide::B.index()];
        let success = response.status().is_some_and(|status| status >= 200);
        let Ok(to) = response.to() else { return false };
        let Some(tag) = to.tag().or(success.then_some("")) else { return false };
        let forks = &mut pending.forks;
        let index = match forks.position(tag) {
            Some(index) => index,
            None if forks.forks.len() >= MAX_FORKS && !success => return false,
            None => match Dialog::from_response_uac_at(response, &target) {
                Ok(dialog) => forks.add(tag, dialog),
                Err(_) => return false,
            },
        };
        forks.switch(leg, index);
        if let Some(dialog) = leg.dialog.as_mut() {
            let _ = dialog.take_response(response);
        }
        leg.note_abilities(response);
        true
    }

    /// Forgets an early dialog that ended by itself (RFC 6228). Another one leads then, if any.
    pub(super) fn leave_fork(&mut self, response: &Message) {
        let Some(pending) = self.pending.as_mut() else { return };
        let leg = &mut self.legs[LegSide::B.index()];
        let forks = &mut pending.forks;
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        let Some(index) = forks.position(tag) else { return };
        // Its PRACK, if one is owed, has been sent; what leads must not be the one that goes.
        if let Some(other) = (0..forks.forks.len()).rev().find(|other| *other != index) {
            forks.switch(leg, other);
            forks.forks.remove(index);
            forks.leading = forks.leading.map(|at| if at > index { at - 1 } else { at });
        }
    }

    /// Whether a request comes from an early dialog of leg B that does not lead.
    pub(super) fn is_from_other_fork(&self, from: LegSide, request: &Message) -> bool {
        let Some(pending) = self.pending.as_ref().filter(|_| from == LegSide::B) else {
            return false;
        };
        let tag = request.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        let same_call =
            request.call_id().is_ok_and(|id| id == &*self.legs[LegSide::B.index()].call_id);
        same_call
            && pending.forks.position(tag).is_some_and(|index| pending.forks.leading != Some(index))
    }

    /// A request in an early dialog that does not lead: it may move its target and ask for our
    /// abilities. To change media it has to wait until it leads.
    pub(super) fn answer_other_fork(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
    ) {
        let tag = request.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        let number = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let Some(dialog) = self.pending.as_mut().and_then(|p| p.forks.aside(tag)) else { return };
        let in_order = dialog.check_remote_cseq(number).is_ok();
        let harmless = match request.method() {
            Some(Method::Update) => request.body_bytes().is_empty(),
            Some(Method::Options) => true,
            _ => false,
        };
        let status = if in_order && harmless { 200 } else { 500 };
        if status == 200 && request.method() == Some(Method::Update) {
            dialog.update_remote_target(request);
        }
        let leg = &self.legs[LegSide::B.index()];
        let mut composer = leg.response(context, request, status);
        match status {
            200 => composer.header(HeaderName::Allow, ALLOW),
            _ => composer.header(HeaderName::RetryAfter, "5"),
        };
        context.respond(now, server, status, composer.finish());
    }

    /// Runs `work` with the leg's dialog being that of the early dialog `tag`.
    pub(super) fn with_fork<T>(
        &mut self,
        tag: &str,
        work: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let pending = self.pending.as_mut()?;
        let before = pending.forks.leading;
        let index = pending.forks.position(tag)?;
        pending.forks.switch(&mut self.legs[LegSide::B.index()], index);
        let result = work(self);
        if let (Some(pending), Some(before)) = (self.pending.as_mut(), before) {
            pending.forks.switch(&mut self.legs[LegSide::B.index()], before);
        }
        result
    }
}
