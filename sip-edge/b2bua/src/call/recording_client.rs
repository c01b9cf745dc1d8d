//! The copy of a call that somebody else's recorder gets (RFC 7866): a dialog beside the legs', with a
//! line for each of them. Whatever becomes of it, the call goes on and learns nothing of it.
//!
//! [`Call::review_copy`] runs after every input to the call and compares what is wanted with what
//! is; everything else answers to it: the resolver, the relay, the recorder, the clock.

mod dialog;
mod invite;
mod lines;
mod metadata;
mod ports;
mod requests;

use super::Call;
use super::setup::SetupState;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::{Output, ResolveId};
use crate::leg::Leg;
use crate::machine::{Machine, State};
use directory::{Host, SiprecClient, VoiceConnector};
use lines::CopiedLines;
use model::{
    CallEventKind, CopyFailure, CopyNews, CopyState, Instant, IpFamily, LegSide, MediaId, Side,
    TransactionId,
};
use sdp::RecordState;
use sip_proto::locate::{Target, Wanted};
use sip_proto::{ClientKey, Message};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The header by which the customer's systems say whether a call is copied: `on` or `off`. It is for
/// us: it passes to nobody.
pub(crate) const HEADER: &str = "X-Tandem-Recording";

/// How long the resolver and the relay may take, and a recorder until it says anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a recorder may take to answer once it has said something. Nobody rings there.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Failures in a row after which a copy is given up.
const MAX_FAILURES: u8 = 6;
/// The longest pause that a recorder may ask for (Retry-After).
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A copy that has lasted so long begins to count its failures anew.
const LASTING: Duration = Duration::from_secs(60);

/// Where a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CopyPhase {
    /// It is not wanted, or not yet.
    Idle,
    /// Waiting for the address of a recorder that is named.
    Resolving,
    /// Waiting for the relay's ports.
    Allocating,
    /// The INVITE to the recorder is out.
    Calling,
    /// The recorder takes the copy.
    Copying,
    /// It failed, and is tried again later.
    Pausing,
    /// It is not tried again.
    Over,
}

impl State for CopyPhase {
    const INITIAL: Self = CopyPhase::Idle;
    const EDGES: &'static [(Self, Self)] = {
        use CopyPhase::{Allocating, Calling, Copying, Idle, Over, Pausing, Resolving};
        &[
            (Idle, Resolving),
            (Idle, Allocating),
            (Idle, Pausing),
            (Idle, Over),
            (Resolving, Allocating),
            (Resolving, Pausing),
            (Resolving, Over),
            (Resolving, Idle),
            (Allocating, Calling),
            (Allocating, Pausing),
            (Allocating, Over),
            (Allocating, Idle),
            (Calling, Copying),
            (Calling, Pausing),
            (Calling, Over),
            (Calling, Idle),
            (Copying, Pausing),
            (Copying, Over),
            (Copying, Idle),
            (Pausing, Idle),
            (Pausing, Over),
        ]
    };
}

/// The sub-machine.
pub(super) struct RecordingClient {
    client: Arc<SiprecClient>,
    machine: Machine<CopyPhase>,
    wanted: bool,
    /// The communication session group: calls that a transfer made of one another share it.
    group: TransactionId,
    lines: CopiedLines,
    resolving: Option<ResolveId>,
    /// Servers of the recorder's name that are still to be tried (RFC 3263 section 4.3).
    targets: VecDeque<Target>,
    leg: Option<Box<Leg>>,
    /// The INVITE that is out.
    invite: Option<ClientKey>,
    /// The recorder has said something to it.
    has_progress: bool,
    /// Failures in a row.
    failures: u8,
    begun: Option<Instant>,
    /// The parties that the recorder was told of.
    told: [Box<str>; 2],
    /// A recorder has ever taken the copy.
    was_copied: bool,
}

impl RecordingClient {
    /// For a call of `connector`, if it has a recorder.
    pub(super) fn of(connector: &VoiceConnector, id: TransactionId) -> Option<Box<Self>> {
        let client = connector.siprec_client.clone()?;
        Some(Box::new(RecordingClient {
            client,
            machine: Machine::default(),
            wanted: false,
            group: id,
            lines: CopiedLines::default(),
            resolving: None,
            targets: VecDeque::new(),
            leg: None,
            invite: None,
            has_progress: false,
            failures: 0,
            begun: None,
            told: Default::default(),
            was_copied: false,
        }))
    }

    pub(super) fn has_line(&self, id: MediaId) -> bool {
        self.lines.has(id)
    }

    pub(super) fn leg_mut(&mut self) -> Option<&mut Leg> {
        self.leg.as_deref_mut()
    }

    fn phase(&self) -> CopyPhase {
        self.machine.state()
    }

    fn is_under_way(&self) -> bool {
        !matches!(self.phase(), CopyPhase::Idle | CopyPhase::Pausing | CopyPhase::Over)
    }
}

/// How long to wait after so many failures in a row; `None` for ever.
fn pause_after(failures: u8, asked: Option<Duration>) -> Option<Duration> {
    if failures >= MAX_FAILURES {
        return None;
    }
    let own = FIRST_PAUSE * (1 << failures.saturating_sub(1).min(MAX_FAILURES));
    Some(own.max(asked.unwrap_or_default().min(LONGEST_PAUSE)))
}

impl Call {
    /// Decides by the voice connector's rule, and by what the customer's INVITE says.
    pub(super) fn decide_copying(&mut self, invite: &Message) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        // The call that a transfer makes of a copied one is copied too.
        copying.wanted |= copying.client.is_for([&*self.parties.from_user, &*self.parties.to_user]);
        self.note_copying(LegSide::A, invite);
    }

    /// The same of a call from before this process: its recorder has lost the copy.
    pub(super) fn resume_copying(&mut self, connector: &VoiceConnector) {
        self.copying = RecordingClient::of(connector, self.id);
        let Some(copying) = self.copying.as_deref_mut() else { return };
        copying.wanted = copying.client.is_for([&*self.parties.from_user, &*self.parties.to_user]);
    }

    /// What a message of the customer's side says, where it has a say.
    pub(super) fn asks_for_copying(&self, from: LegSide, message: &Message) -> Option<bool> {
        let by_customer = self.sides[from.index()] == Side::Customer;
        let client = &self.copying.as_deref()?.client;
        let value = message.header_named(HEADER)?.trim();
        match value {
            _ if !by_customer || !client.by_header => None,
            on if on.eq_ignore_ascii_case("on") => Some(true),
            off if off.eq_ignore_ascii_case("off") => Some(false),
            _ => None,
        }
    }

    /// Takes it. What is to be done about it, [`Call::review_copy`] sees.
    pub(super) fn note_copying(&mut self, from: LegSide, message: &Message) {
        let asked = self.asks_for_copying(from, message);
        if let (Some(copying), Some(wanted)) = (self.copying.as_deref_mut(), asked) {
            copying.wanted = wanted;
        }
    }

    /// A call that takes over a leg of `giver` is copied as that one is, in the same group.
    pub(super) fn share_copying(&mut self, giver: &Call) {
        if let (Some(mine), Some(theirs)) = (self.copying.as_deref_mut(), &giver.copying) {
            mine.group = theirs.group;
            mine.wanted |= theirs.wanted;
        }
    }

    /// Whether a recorder gets a copy of the call, or is about to; `None` when none ever did.
    pub(super) fn copy_state(&self) -> Option<RecordState> {
        let copying = self.copying.as_deref()?;
        let phase = copying.phase();
        match copying.wanted && phase != CopyPhase::Over {
            true if phase == CopyPhase::Copying && copying.lines.are_paused() => {
                Some(RecordState::Paused)
            }
            true => Some(RecordState::On),
            false => copying.was_copied.then_some(RecordState::Off),
        }
    }

    /// Has the call copied, or not. Called after every input to it.
    pub(crate) fn review_copy(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref() else { return };
        let (phase, wanted) = (copying.phase(), copying.wanted);
        if !wanted {
            if copying.is_under_way() || phase == CopyPhase::Pausing {
                self.end_copy(context, now);
            }
            return;
        }
        let is_joined = self.legs.iter().all(|leg| leg.dialog.is_some() && !leg.gone);
        let is_answered =
            matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        let has_media = self.media.is_allocated() && self.media.id().is_some();
        // What a leg that is on trial elsewhere leaves stays as it is until it has agreed or is back;
        // a call on trial is nobody's yet.
        let is_settled = !self.referral.is_leaving() && !self.takeover.is_busy();
        if !self.is_live() || !is_answered || !is_joined || !has_media || !is_settled {
            return;
        }
        match phase {
            CopyPhase::Idle => self.begin_copy(context, now),
            CopyPhase::Copying => {
                self.apply_copy(context);
                self.review_copied_parties(context, now);
            }
            _ => {}
        }
    }

    fn begin_copy(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let client = copying.client.clone();
        copying.targets.clear();
        match &client.host {
            Host::Ip(ip) => {
                let port = client.port.unwrap_or(client.protocol.default_port());
                let target = Target::literal(SocketAddr::new(*ip, port), client.protocol);
                copying.targets.push_back(target);
                self.allocate_copy(context, now);
            }
            Host::Name(name) => {
                let chosen = client.choose_transport && client.port.is_none();
                let wanted = Wanted {
                    host: name.clone(),
                    port: client.port,
                    transport: (!chosen).then_some(client.protocol),
                    secure: client.secure,
                };
                copying.machine.go(CopyPhase::Resolving);
                self.media_serial = self.media_serial.wrapping_add(1);
                let id = self.key.resolve_id(self.media_serial);
                copying.resolving = Some(id);
                self.deadlines.set(Deadline::Copy, now + PATIENCE);
                context.outputs.push_back(Output::Resolve { id, wanted });
            }
        }
    }

    /// Takes the resolver's answer; `false` when the question was another's.
    pub(super) fn copy_resolved(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: ResolveId,
        targets: &[Target],
    ) -> bool {
        let Some(copying) = self.copying.as_deref_mut() else { return false };
        if copying.resolving != Some(id) {
            return false;
        }
        copying.resolving = None;
        if copying.phase() != CopyPhase::Resolving {
            return true;
        }
        // One description has one family of addresses.
        let first = targets.first().map(|target| IpFamily::of(&target.address));
        let fits = |target: &&Target| Some(IpFamily::of(&target.address)) == first;
        copying.targets = targets.iter().filter(fits).cloned().collect();
        if copying.targets.is_empty() {
            self.copy_failed(context, now, CopyFailure::Unresolved, None);
        } else {
            self.allocate_copy(context, now);
        }
        true
    }

    /// Whether a deadline was the copy's, and has been dealt with.
    pub(super) fn copy_due(
        &mut self,
        context: &mut Context,
        now: Instant,
        deadline: Deadline,
    ) -> bool {
        match deadline {
            Deadline::Copy => self.copy_timed_out(context, now),
            Deadline::CopyRefresh => self.refresh_copy(context, now),
            Deadline::CopyExpiry => {
                self.hang_up_recorder(context, now);
                self.copy_failed(context, now, CopyFailure::Silent, None);
            }
            Deadline::CopyRetransmit => self.retransmit_to_recorder(context, now),
            _ => return false,
        }
        true
    }

    fn copy_timed_out(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        match copying.phase() {
            CopyPhase::Pausing => {
                copying.machine.go(CopyPhase::Idle);
                // The review that follows begins anew.
            }
            CopyPhase::Resolving => {
                self.copy_failed(context, now, CopyFailure::Unresolved, None);
            }
            CopyPhase::Allocating => self.copy_failed(context, now, CopyFailure::NoPorts, None),
            CopyPhase::Calling => self.next_recorder(context, now, CopyFailure::Silent, None),
            CopyPhase::Idle | CopyPhase::Copying | CopyPhase::Over => {}
        }
    }

    /// The copy is not taken, or not any more: it is tried again after a while, or never.
    fn copy_failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        failure: CopyFailure,
        asked: Option<Duration>,
    ) {
        self.drop_copy(context);
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let lasted = copying.begun.take().is_some_and(|begun| now - begun >= LASTING);
        copying.failures = if lasted { 1 } else { copying.failures.saturating_add(1) };
        let retry_in = match failure.may_pass() && self.is_live() {
            true => {
                self.copying.as_deref().and_then(|copying| pause_after(copying.failures, asked))
            }
            false => None,
        };
        let Some(copying) = self.copying.as_deref_mut() else { return };
        match retry_in {
            Some(pause) => {
                copying.machine.go(CopyPhase::Pausing);
                self.deadlines.set(Deadline::Copy, now + pause);
            }
            None => copying.machine.go(CopyPhase::Over),
        }
        context.statistics.copies_failed += 1;
        self.tell_of_copy(context, now, CopyState::Failed { failure, retry_in });
    }

    fn tell_of_copy(&self, context: &mut Context, now: Instant, state: CopyState) {
        let Some(copying) = self.copying.as_deref() else { return };
        let news = CopyNews { recorder: copying.client.uri.clone(), state };
        context.event(self.id, now, CallEventKind::Copied(news));
    }

    /// Ends the copy, as the call ends or because nobody wants it any more.
    pub(super) fn end_copy(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let phase = copying.phase();
        if matches!(phase, CopyPhase::Idle | CopyPhase::Over) {
            return;
        }
        if phase == CopyPhase::Calling
            && let Some(invite) = copying.invite.take()
        {
            let _ = context.endpoint.cancel(now, invite, context.random.as_mut());
        }
        if phase == CopyPhase::Copying {
            self.hang_up_recorder(context, now);
        }
        self.drop_copy(context);
        let Some(copying) = self.copying.as_deref_mut() else { return };
        (copying.failures, copying.begun) = (0, None);
        let next = if self.is_live() { CopyPhase::Idle } else { CopyPhase::Over };
        if let Some(copying) = self.copying.as_deref_mut() {
            copying.machine.go(next);
        }
        if phase == CopyPhase::Copying {
            self.tell_of_copy(context, now, CopyState::Ended);
        }
    }

    /// Gives back everything that the copy holds; what the recorder is told is not its business.
    fn drop_copy(&mut self, context: &mut Context) {
        for deadline in
            [Deadline::Copy, Deadline::CopyRefresh, Deadline::CopyExpiry, Deadline::CopyRetransmit]
        {
            self.deadlines.clear(deadline);
        }
        let main = self.media.id();
        let Some(copying) = self.copying.as_deref_mut() else { return };
        if copying.phase() == CopyPhase::Copying {
            context.statistics.active_copies = context.statistics.active_copies.saturating_sub(1);
        }
        copying.lines.release(context, main);
        copying.resolving = None;
        copying.targets.clear();
        copying.invite = None;
        self.forget_recorder(context);
        if let Some(copying) = self.copying.as_deref_mut() {
            copying.leg = None;
        }
    }

    /// Removes the index entries of the dialog with the recorder.
    pub(super) fn forget_recorder(&self, context: &mut Context) {
        let leg = self.copying.as_deref().and_then(|copying| copying.leg.as_deref());
        if let Some(leg) = leg {
            context.copies.remove(&leg.local_tag);
            context.copies.remove(&leg.call_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> =
            (1..=MAX_FAILURES).map(|failures| pause_after(failures, None)).collect();
        let seconds: Vec<_> =
            pauses.iter().map(|pause| pause.map(|pause| pause.as_secs())).collect();
        assert_eq!(seconds, [Some(2), Some(4), Some(8), Some(16), Some(32), None]);
        assert_eq!(pause_after(u8::MAX, None), None);
        let asked = |seconds| pause_after(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(1), Some(FIRST_PAUSE));
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(86_400), Some(LONGEST_PAUSE));
        assert_eq!(pause_after(MAX_FAILURES, Some(FIRST_PAUSE)), None);
    }
}
