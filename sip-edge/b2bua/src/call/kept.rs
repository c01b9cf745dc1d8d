//! A call over a restart of the process: as it is written down, and taken up again.

use super::setup::SetupState;
use super::{Call, LegAuthentication};
use crate::context::{CallKey, Context};
use crate::deadline::{Deadline, Deadlines};
use crate::identity::ExpectedPeer;
use crate::kept::{SavedCall, SavedIdentity, SavedLeg, SavedMedia, SavedParties};
use crate::leg::Leg;
use crate::machine::Machine;
use crate::media::{CallMedia, Parts};
use crate::policing::TokenBucket;
use crate::session_timer::SessionTimer;
use crate::spending::Running;
use directory::{Host, KeyPairFiles, TlsPolicy, VoiceConnector};
use model::{CallParties, Fingerprint, Flow, Instant, LegSide, MediaId, TransactionId, UnixTime};
use std::sync::Arc;

impl Call {
    /// Whether nothing of the call is under way but a transfer that leaves it as it is: what it is now
    /// may be kept.
    pub(crate) fn is_steady(&self) -> bool {
        self.is_live()
            && self.setup.state() == SetupState::Established
            && self.waiting.is_none()
            && !self.renegotiation.is_busy()
            && !self.recording.as_ref().is_some_and(|recording| recording.is_waiting())
            && !self.referral.has_moved()
            && (!self.takeover.is_busy() || self.takeover.confirms().is_some())
            && self.deadlines.at(Deadline::Realign).is_none()
    }

    /// What is to be kept of a steady call; `None` of one that cannot be taken up again.
    pub(crate) fn saved(&self, context: &Context) -> Option<SavedCall> {
        if self.is_recording() {
            return self.saved_copy(context);
        }
        let Parts { id, local, legs: [mut media_a, mut media_b], lines } = self.media.saved()?;
        match self.indication.before() {
            Some((LegSide::A, before)) => media_a.withdraw(before),
            Some((LegSide::B, before)) => media_b.withdraw(before),
            None => {}
        }
        let legs = vec![
            self.saved_leg(context, LegSide::A, media_a)?,
            self.saved_leg(context, LegSide::B, media_b)?,
        ];
        Some(SavedCall {
            local: Some(local),
            lines,
            transfer: self.saved_transfer(),
            listening: self.saved_listening(),
            ..self.saved_with(context, id, legs)
        })
    }

    /// What is kept of every call.
    pub(super) fn saved_with(
        &self,
        context: &Context,
        media: MediaId,
        legs: Vec<SavedLeg>,
    ) -> SavedCall {
        let at = |deadline| self.deadlines.at(deadline).map(|at| context.unix_of(at));
        SavedCall {
            transaction_id: self.id,
            parties: SavedParties::of(&self.parties),
            sides: self.sides,
            media,
            local: None,
            legs,
            lines: Vec::new(),
            transfer: None,
            listening: None,
            recording: None,
            lifetime: at(Deadline::Lifetime),
            duration_cap: at(Deadline::DurationCap),
        }
    }

    /// A leg with its descriptions; `None` of one that is gone.
    pub(super) fn saved_leg(
        &self,
        context: &Context,
        side: LegSide,
        media: SavedMedia,
    ) -> Option<SavedLeg> {
        let (leg, held) = (&self.legs[side.index()], &self.held[side.index()]);
        // Without a transferor that has left the transfer alone is left of the call.
        if leg.gone && self.referral.transferor != Some(side) {
            return None;
        }
        let timers = [Deadline::Refresh(side), Deadline::SessionExpiry(side)]
            .map(|deadline| self.deadlines.at(deadline).map(|at| context.unix_of(at)));
        Some(SavedLeg {
            target: held.target.as_ref().map(|target| target.key.clone()),
            talk: held.talk.map(|talk| (context.unix_of(talk.since), talk.price)),
            ..leg.saved(context, media, timers)?
        })
    }

    /// A call from before this process; `None` when it cannot be taken up.
    pub(crate) fn restored(
        context: &mut Context,
        saved: &SavedCall,
        connector: &Arc<VoiceConnector>,
    ) -> Option<Self> {
        let mut call = match &saved.recording {
            Some(recording) => Call::restored_copy(context, saved, recording, connector)?,
            None => Call::restored_joined(context, saved, connector)?,
        };
        call.sides = saved.sides;
        call.media_serial = (saved.media.0 >> 56) as u8;
        call.setup = Machine::at(SetupState::Established);
        call.counted = true;
        call.restore_deadlines(context, saved);
        Some(call)
    }

    fn restored_joined(
        context: &mut Context,
        saved: &SavedCall,
        connector: &Arc<VoiceConnector>,
    ) -> Option<Self> {
        let media = CallMedia::restored(saved, context.config.dtls_fingerprint)?;
        let [a, b] = saved.legs.as_slice() else { return None };
        let legs = [Leg::restored(context, a)?, Leg::restored(context, b)?];
        let mut call = Call::of_saved(saved, connector, legs, media);
        if let Some(transfer) = &saved.transfer {
            call.restore_transfer(transfer);
        }
        if let Some(listening) = &saved.listening {
            call.restore_listening(context.config.begun, listening);
        }
        // The relay has this plan; the next one is compared with it.
        let sources = LegSide::BOTH.map(|side| call.legs[side.index()].flow.remote.ip());
        let timeouts = call.media_timeouts();
        call.media.listen(call.unheard_after());
        call.media.transcode(
            connector.transcoding.clone(),
            connector.repacketise,
            connector.sends_comfort_noise,
        );
        let _ = call.media.apply(sources, timeouts);
        let _ = call.media.apply_lines(sources);
        call.assume_playing(context);
        call.resume_copying(connector);
        Some(call)
    }

    /// A call from before this process with its legs and media.
    pub(super) fn of_saved(
        saved: &SavedCall,
        connector: &Arc<VoiceConnector>,
        legs: [Leg; 2],
        media: CallMedia,
    ) -> Self {
        let logging = &connector.logging;
        let parties = saved.parties.parties([logging.sip_messages, logging.media_metrics]);
        let key = CallKey::of_media(saved.media);
        Call::from_before((key, saved.transaction_id), parties, connector, legs, media)
    }

    fn restore_deadlines(&mut self, context: &Context, saved: &SavedCall) {
        let of_legs = LegSide::BOTH.into_iter().zip(&saved.legs).flat_map(|(side, leg)| {
            [(Deadline::Refresh(side), leg.refresh), (Deadline::SessionExpiry(side), leg.expiry)]
        });
        let of_call =
            [(Deadline::Lifetime, saved.lifetime), (Deadline::DurationCap, saved.duration_cap)];
        for (deadline, at) in of_legs.chain(of_call) {
            if let Some(at) = at {
                self.deadlines.set(deadline, instant_of(context.config.origin, at));
            }
        }
    }

    /// A call from before this process, of which nothing is known but what is given.
    pub(super) fn from_before(
        (key, id): (CallKey, TransactionId),
        parties: CallParties,
        connector: &Arc<VoiceConnector>,
        legs: [Leg; 2],
        mut media: CallMedia,
    ) -> Self {
        if parties.proxy.is_some() {
            media.mask();
        }
        Call {
            key,
            id,
            voice_connector: connector.clone(),
            legs,
            sides: LegSide::BOTH.map(|leg| parties.direction.side_of(leg)),
            parties: Arc::new(parties),
            media,
            media_serial: 0,
            waiting: None,
            lines_tried: false,
            setup: Machine::default(),
            pending: None,
            reliable: Default::default(),
            renegotiation: Default::default(),
            realign: Default::default(),
            indication: Default::default(),
            recording: None,
            referral: Default::default(),
            takeover: Default::default(),
            steering: None,
            teardown: Machine::default(),
            deadlines: Deadlines::default(),
            armed: None,
            open: Vec::new(),
            bye_reason: None,
            requests: TokenBucket::full(super::MAX_REQUESTS_PER_SECOND, Instant::ZERO),
            hung_up: Vec::new(),
            held: Default::default(),
            played: Default::default(),
            listened: Default::default(),
            copying: None,
            counted: false,
            counted_for: None,
            counted_source: None,
            kept: true,
            owed: None,
        }
    }

    /// Its legs may have keys from a handshake from now on, if they could not before.
    pub(crate) fn learn_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.media.learn_fingerprint(fingerprint);
        if let Some(recording) = &mut self.recording {
            recording.learn_fingerprint(fingerprint);
        }
    }

    /// Counts a call from before this process wherever one of this process is counted.
    pub(crate) fn count_in(&mut self, context: &mut Context, saved: &SavedCall) {
        let (begun, origin) = (context.config.begun, context.config.origin);
        context.policing.count_in(begun, &self.voice_connector);
        context.statistics.active_calls += 1;
        for (held, leg) in self.held.iter_mut().zip(&saved.legs) {
            let key = leg.target.as_deref();
            let target = context.directory.targets().find(|target| Some(&*target.key) == key);
            held.target = target.cloned();
            if let Some(target) = &held.target {
                context.health.occupy_anyway(begun, target);
            }
            held.talk = leg.talk.and_then(|(since, price)| {
                let running = Running { since: instant_of(origin, since), price };
                context.spending.resume(begun, origin, &self.voice_connector, running)
            });
        }
    }
}

impl Leg {
    fn saved(
        &self,
        context: &Context,
        media: SavedMedia,
        timers: [Option<UnixTime>; 2],
    ) -> Option<SavedLeg> {
        let [refresh, expiry] = timers;
        let identity = self.flow.identity.and_then(|of| context.identities.expected(of));
        Some(SavedLeg {
            dialog: self.dialog.clone()?,
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            local_party: self.local_party.clone(),
            remote_party: self.remote_party.clone(),
            cseq: self.cseq,
            protocol: self.flow.protocol,
            local: self.flow.local,
            remote: self.flow.remote,
            identity: identity.map(SavedIdentity::of),
            secure: self.secure,
            target: None,
            talk: None,
            session: self.session.agreed(),
            min_se_seconds: self.session.min_se_seconds,
            refresh,
            expiry,
            takes_update: self.takes_update,
            record_aware: self.record_aware,
            refuses_info: self.refuses_info,
            refuses_message: self.refuses_message,
            anonymous: self.anonymous,
            credentials: self.authentication.as_ref().and_then(|of| of.carrier_id().cloned()),
            media,
        })
    }

    pub(super) fn restored(context: &mut Context, saved: &SavedLeg) -> Option<Self> {
        let mut flow = Flow::new(saved.protocol, saved.local, saved.remote);
        let is_ours = |l: &crate::Listener| l.protocol == flow.protocol && l.local == flow.local;
        // The address that the peer knows is ours no more.
        if !context.config.listeners.iter().any(is_ours) {
            return None;
        }
        if let Some(ExpectedPeer { name, policy }) =
            saved.identity.as_ref().and_then(|of| of.peer())
        {
            flow.identity = context.identity_of(&name, &policy);
        }
        let ids = [saved.call_id.clone(), saved.local_tag.clone()];
        let carrier = saved.credentials.as_ref();
        let carrier = carrier
            .and_then(|id| context.directory.carriers().find(|carrier| carrier.id == *id).cloned());
        Some(Leg {
            local_party: saved.local_party.clone(),
            remote_party: saved.remote_party.clone(),
            dialog: Some(saved.dialog.clone()),
            // Requests of the last moments may not have been written down.
            cseq: cseq_after_restart(saved.cseq),
            secure: saved.secure,
            disconnected: saved.protocol.is_reliable(),
            session: SessionTimer::restored(saved.session, saved.min_se_seconds),
            takes_update: saved.takes_update,
            record_aware: saved.record_aware,
            refuses_info: saved.refuses_info,
            refuses_message: saved.refuses_message,
            anonymous: saved.anonymous,
            authentication: carrier
                .and_then(|carrier| LegAuthentication::of(&carrier, saved.remote.ip())),
            ..Leg::new(flow, context.listener_of(&flow), ids)
        })
    }
}

impl SavedIdentity {
    pub(crate) fn of(expected: &ExpectedPeer) -> Self {
        let ExpectedPeer { name, policy } = expected;
        let shown = policy.certificate.as_ref();
        SavedIdentity {
            name: name.to_string(),
            verify: policy.verify,
            ca: policy.ca.as_ref().map(|path| path.to_path_buf()),
            certificate: shown.map(|of| [&of.certificate, &of.key].map(|path| path.to_path_buf())),
        }
    }

    /// `None` when the name is none.
    pub(crate) fn peer(&self) -> Option<ExpectedPeer> {
        let shown = self.certificate.as_ref().map(|[certificate, key]| KeyPairFiles {
            certificate: certificate.as_path().into(),
            key: key.as_path().into(),
        });
        let ca = self.ca.as_ref().map(|path| path.as_path().into());
        let policy = TlsPolicy { verify: self.verify, ca, certificate: shown };
        Some(ExpectedPeer { name: Host::parse(&self.name).ok()?, policy: Arc::new(policy) })
    }
}

/// Our CSeq numbers go on so far beyond the last one that is known (RFC 3261 section 12.2.1.1 asks
/// only that they grow).
const CSEQ_GAP: u32 = 100;

/// The number of the first request of the next process, where ours was `cseq`.
pub(super) const fn cseq_after_restart(cseq: u32) -> u32 {
    cseq.wrapping_add(CSEQ_GAP) & 0x7fff_ffff
}

impl Context {
    fn unix_of(&self, at: Instant) -> UnixTime {
        UnixTime::from_millis(self.config.origin.as_millis().saturating_add(at.as_millis()))
    }
}

fn instant_of(origin: UnixTime, at: UnixTime) -> Instant {
    Instant::from_millis(at.as_millis().saturating_sub(origin.as_millis()))
}
