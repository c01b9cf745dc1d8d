//! Calls that are being set up, over a restart of the process. None outlives it: the next process
//! withdraws the INVITEs that wait for their answers, answers the caller's, and closes the record.

use super::open_transfer::OwedByTransfer;
use super::setup::SetupState;
use super::{Call, ClientPurpose, OpenTransaction};
use crate::context::{CallKey, Context};
use crate::edge::Output;
use crate::kept::{Kept, OpenRequest, OpenSetup, SavedIdentity, SavedRequest, SavedSetup};
use crate::leg::Leg;
use crate::machine::Machine;
use crate::media::CallMedia;
use crate::secure;
use bytes::Bytes;
use directory::VoiceConnector;
use model::{CallEnd, EndedBy, Flow, Instant, LegSide, TransportProtocol};
use sip_proto::{ClientKey, HeaderName, Message, ServerKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// INVITEs of one call that are remembered, the newest: every route that was given up may have left
/// one that its target has yet to answer.
const MAX_INVITES: usize = 8;
/// What a caller hears whose call was lost, and when it may call again: the edge is back, its relays
/// may take a moment.
const LOST: u16 = 503;
const RETRY_AFTER: &str = "5";
/// The end of such a call in records.
const CAUSE: &str = "the edge was started anew during the setup";

/// What the next process would have to tell the peers of a call that cannot go on.
pub(crate) enum Owed {
    /// Of one that is being set up.
    Setup(Box<ToldSetup>),
    /// Of one in a transfer.
    Transfer(OwedByTransfer),
}

/// What was told of a setup.
pub(crate) struct ToldSetup {
    mark: Mark,
    /// The caller's INVITE, which outlives the setup here until the called sides have answered.
    caller: Option<OpenRequest>,
}

/// What tells one state of a setup from another.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Mark {
    has_ended: bool,
    rings: bool,
    is_answered: bool,
    /// The caller has heard of the answer.
    is_told: bool,
    /// Our INVITEs without a final response, the newest first, and whether each has had a provisional
    /// one.
    invites: [Option<(ClientKey, bool)>; MAX_INVITES],
}

impl Call {
    /// Tells what the next process would have to tell the peers of a call that is being set up, or that
    /// has ended while an INVITE of it still waits, where that has changed. `false` when it is neither.
    pub(crate) fn keep_setup(&mut self, context: &mut Context) -> bool {
        let Some(mark) = self.setup_mark(context) else { return false };
        let caller = match self.owed.take() {
            Some(Owed::Setup(told)) if told.mark == mark => {
                self.owed = Some(Owed::Setup(told));
                return true;
            }
            Some(Owed::Setup(told)) => told.caller,
            Some(Owed::Transfer(_)) | None => self.open_caller(context),
        };
        let invites = mark.invites.iter().rev().flatten();
        let leg_b = self.legs[LegSide::B.index()].flow;
        let answer = self.pending.as_ref().and_then(|pending| pending.answer.clone());
        let setup = OpenSetup {
            transaction_id: self.id,
            parties: self.parties.clone(),
            tag: self.legs[LegSide::A.index()].local_tag.clone(),
            status: match mark {
                Mark { has_ended: true, .. } => self.told_status(context).unwrap_or(LOST),
                Mark { is_told: true, .. } => 200,
                Mark { .. } => LOST,
            },
            has_ended: mark.has_ended,
            caller: caller.clone(),
            invites: invites.filter_map(|(client, _)| invite_of(context, *client)).collect(),
            answer: answer.map(|answer| OpenRequest::new(context, leg_b, answer)),
        };
        self.kept = false;
        self.owed = Some(Owed::Setup(Box::new(ToldSetup { mark, caller })));
        context.outputs.push_back(Output::Kept(Kept::Setup(Box::new(setup))));
        true
    }

    fn setup_mark(&self, context: &Context) -> Option<Mark> {
        let has_ended = !self.is_live();
        let state = self.setup.state();
        let is_over = matches!(state, SetupState::Established | SetupState::Failed);
        if !has_ended && (is_over || self.takeover.is_busy()) {
            return None;
        }
        let pending = self.pending.as_ref();
        let mut mark = Mark {
            has_ended,
            rings: pending.is_some_and(|pending| pending.ringing_noted),
            is_answered: pending.is_some_and(|pending| pending.answer.is_some()),
            is_told: state == SetupState::Answered,
            ..Mark::default()
        };
        let waiting = self.open.iter().rev().filter_map(|open| {
            let OpenTransaction::Client(client) = open else { return None };
            let has_provisional = context.endpoint.waits_for_final(*client)?;
            let (_, purpose) = context.clients.get(client)?;
            matches!(purpose, ClientPurpose::Setup { .. }).then_some((*client, has_provisional))
        });
        for (place, found) in mark.invites.iter_mut().zip(waiting) {
            *place = Some(found);
        }
        // Before the first INVITE is out nobody rings, and most calls are there for a millisecond: a line
        // for each would cost more than the caller of one is worth.
        let is_told = !has_ended && matches!(self.owed, Some(Owed::Setup(_)));
        // While an application decides the caller may wait for long.
        let is_steered = matches!(state, SetupState::Steered | SetupState::Answered)
            && self.is_steered()
            && !has_ended;
        (is_told || is_steered || mark.invites[0].is_some()).then_some(mark)
    }

    /// The caller's INVITE; `None` of a call that nobody waits for.
    fn open_caller(&self, context: &Context) -> Option<OpenRequest> {
        let pending = self.pending.as_ref().filter(|pending| pending.server != ServerKey::NONE)?;
        let flow = self.legs[LegSide::A.index()].flow;
        Some(OpenRequest::new(context, flow, pending.invite.raw().clone()))
    }

    /// What the caller was told at the call's end.
    fn told_status(&self, context: &Context) -> Option<u16> {
        self.open.iter().find_map(|open| {
            let OpenTransaction::Invite(server) = open else { return None };
            let (_, side) = context.invites.get(server)?;
            let response = context.endpoint.last_response(*server)?;
            let code = response.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
            let status = std::str::from_utf8(code).ok()?.parse().ok()?;
            (*side == LegSide::A && status >= 300).then_some(status)
        })
    }

    /// A call from before this process that was being set up, or had ended while an INVITE of it still
    /// waited. [`Call::end_lost_setup`] follows.
    pub(crate) fn of_lost_setup(
        context: &mut Context,
        key: CallKey,
        saved: &SavedSetup,
        connector: &Arc<VoiceConnector>,
    ) -> Self {
        let logging = &connector.logging;
        let parties = saved.parties.parties([logging.sip_messages, logging.media_metrics]);
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let nobody = Flow::new(TransportProtocol::Udp, nowhere, parties.source);
        let caller = saved.caller.as_ref().and_then(|request| context.restored(request));
        let flow = caller.as_ref().map_or(nobody, |(flow, _)| *flow);
        let ids = [parties.call_id.clone(), saved.tag.clone()];
        let mut leg_a = Leg::new(flow, context.listener_of(&flow), ids);
        if let Some((_, invite)) = &caller {
            leg_a.adopt_request(invite);
            leg_a.secure = secure::asks_for_sips(invite);
            leg_a.disconnected = flow.protocol.is_reliable();
            leg_a.cseq = super::kept::cseq_after_restart(0);
        }
        let called = saved.invites.last().or(saved.answer.as_ref());
        let called = called.and_then(|request| context.restored(request));
        let mut ids = [context.new_token(), context.new_token()];
        if let Some((_, message)) = &called
            && let (Ok(call_id), Ok(from)) = (message.call_id(), message.from())
        {
            ids = [call_id.into(), from.tag().unwrap_or_default().into()];
        }
        let flow = called.map_or(nobody, |(flow, _)| flow);
        let leg_b = Leg::new(flow, context.listener_of(&flow), ids);
        let legs = [leg_a, leg_b];
        let media = CallMedia::new([0; 2], None);
        Call {
            setup: Machine::at(SetupState::Failed),
            ..Call::from_before((key, saved.transaction_id), parties, connector, legs, media)
        }
    }

    /// Ends it: its INVITEs are withdrawn, who has answered is hung up, and the caller is told.
    pub(crate) fn end_lost_setup(
        &mut self,
        context: &mut Context,
        now: Instant,
        saved: &SavedSetup,
    ) {
        for invite in &saved.invites {
            if let Some(client) = context.send_saved(now, invite) {
                self.open_client(context, client, ClientPurpose::Setup { attempt: 0 });
            }
        }
        if let Some((flow, answer)) = saved.answer.as_ref().and_then(|of| context.restored(of)) {
            self.hang_up_other_answer(context, now, &answer, flow);
        }
        let caller = saved.caller.as_ref().and_then(|request| context.restored(request));
        if let Some((flow, invite)) = caller {
            self.tell_lost_caller(context, now, saved.status, flow, invite);
        }
        if saved.has_ended {
            self.begin_end(context, now);
            return;
        }
        let end =
            CallEnd { status: saved.status, cause: CAUSE, ended_by: EndedBy::Edge, refusal: None };
        self.close(context, now, end);
    }

    fn tell_lost_caller(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        flow: Flow,
        invite: Message,
    ) {
        if status < 300 {
            self.bye_reason = Some("SIP;cause=503;text=\"Edge restarted\"");
            self.send_bye(context, now, LegSide::A, None);
            return;
        }
        if flow.protocol == TransportProtocol::Tls && flow.identity.is_none() {
            // Only the caller could open the connection, and it has no reason to.
            return;
        }
        let Ok(server) = context.endpoint.resume_request(now, flow, invite.clone()) else { return };
        self.open_invite(context, server, LegSide::A);
        let mut composer = self.legs[LegSide::A.index()].response(context, &invite, status);
        if status == LOST {
            composer.header(HeaderName::RetryAfter, RETRY_AFTER);
        }
        context.respond(now, server, status, composer.finish());
    }
}

/// An INVITE of ours that waits for its final response.
pub(super) fn invite_of(context: &Context, client: ClientKey) -> Option<OpenRequest> {
    let open = context.endpoint.open_invite(client)?;
    let has_provisional = open.has_provisional;
    Some(OpenRequest { has_provisional, ..OpenRequest::new(context, open.flow, open.request) })
}

impl OpenRequest {
    pub(super) fn new(context: &Context, flow: Flow, raw: Bytes) -> Self {
        let identity = flow.identity.and_then(|of| context.identities.expected(of));
        OpenRequest { flow, identity: identity.map(SavedIdentity::of), has_provisional: false, raw }
    }
}

impl Context {
    /// A message from before this process, and its way; `None` when our address of then is ours no
    /// more, or the message cannot be read.
    pub(crate) fn restored(&mut self, saved: &SavedRequest) -> Option<(Flow, Message)> {
        let message = Message::parse(Bytes::from(saved.text.clone()), &self.config.limits).ok()?;
        let mut flow = Flow::new(saved.protocol, saved.local, saved.remote);
        let is_ours = |l: &crate::Listener| l.protocol == flow.protocol && l.local == flow.local;
        self.config.listeners.iter().any(is_ours).then_some(())?;
        if let Some(expected) = saved.identity.as_ref().and_then(SavedIdentity::peer) {
            flow.identity = self.identity_of(&expected.name, &expected.policy);
        }
        Some((flow, message))
    }

    /// Sends a request from before this process; an INVITE that has had a provisional response goes on
    /// instead, for the peer has it.
    pub(crate) fn send_saved(&mut self, now: Instant, saved: &SavedRequest) -> Option<ClientKey> {
        let (flow, message) = self.restored(saved)?;
        let branch = message.top_via().ok()?.branch?;
        let (method, octets) = (message.method()?, message.raw().clone());
        if saved.has_provisional {
            return self.endpoint.resume_invite(flow, branch, octets).ok();
        }
        self.send(now, flow, branch, method, octets)
    }
}
