//! Which route is tried next, by health and limits, and what an attempt tells of its target.

use super::{Call, Held};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::health::Busy;
use crate::{admission, cause};
use directory::{Route, Target, VoiceConnector};
use model::{
    CallDirection, CallEventKind, CallParties, HealthCause, Instant, LegSide, Refusal,
    RefusalEvent, SipObservation,
};
use sip_proto::Message;
use std::sync::Arc;
use std::time::Duration;

impl Call {
    /// The next route of the hunt that takes another call; `None` when none is left. It then holds
    /// one of the target's places until the next choice or the call's end.
    pub(super) fn choose_route(&mut self, context: &mut Context, now: Instant) -> Option<Route> {
        if let Some(target) = self.called().target.take() {
            context.health.vacate(&target);
        }
        loop {
            let pending = self.pending.as_mut()?;
            let redirected = pending.redirections.next();
            let route = redirected.or_else(|| pending.hunt.next())?;
            if !self.is_admitted_at(context, now, &route) {
                self.pending.as_mut()?.hunt.note_busy();
                continue;
            }
            let target = route.target.clone();
            if self.parties.emergency.is_some() {
                context.health.occupy_anyway(now, &target);
            } else if let Err(busy) = context.health.occupy(now, &target) {
                match busy {
                    Busy::Full => context.statistics.routes_full += 1,
                    Busy::Rate => context.statistics.routes_over_rate += 1,
                }
                self.pending.as_mut()?.hunt.note_busy();
                continue;
            }
            self.called().target = Some(target);
            return Some(route);
        }
    }

    /// Counts the call for the voice connector whose route it is, if that is another one of the
    /// group; `false` when that one has its calls already.
    fn is_admitted_at(&mut self, context: &mut Context, now: Instant, route: &Route) -> bool {
        let Some(connector) = &route.voice_connector else { return true };
        if connector.id == self.voice_connector.id {
            return true;
        }
        let limit = admission::concurrent_calls(connector);
        if context.policing.admit(now, connector, u32::MAX, limit).is_err() {
            context.statistics.routes_full += 1;
            return false;
        }
        context.policing.release(&self.voice_connector.id);
        self.voice_connector = connector.clone();
        self.parties = Arc::new(CallParties {
            voice_connector: connector.id.clone(),
            log_sip_messages: connector.logging.sip_messages,
            log_media_metrics: connector.logging.media_metrics,
            ..CallParties::clone(&self.parties)
        });
        context.event(self.id, now, CallEventKind::Moved { parties: self.parties.clone() });
        true
    }

    fn called(&mut self) -> &mut Held {
        &mut self.held[LegSide::B.index()]
    }

    fn target(&self) -> Option<&Target> {
        self.held[LegSide::B.index()].target.as_deref()
    }

    /// Gives back what the legs hold: the targets' places are free, and nothing costs any more.
    pub(super) fn let_go(&mut self, context: &mut Context, now: Instant) {
        LegSide::BOTH.into_iter().for_each(|side| self.let_go_of(context, now, side));
    }

    /// The same of one leg.
    pub(super) fn let_go_of(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        let held = std::mem::take(&mut self.held[side.index()]);
        if let Some(target) = held.target {
            context.health.vacate(&target);
        }
        if let Some(talk) = held.talk {
            let origin = context.config.origin;
            context.spending.ended(now, origin, &self.voice_connector.id, talk);
        }
    }

    /// The target let an attempt down. What says nothing about the target, only about the call, is
    /// no reason to avoid it.
    pub(super) fn note_route_failure(
        &self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: Option<&Message>,
    ) {
        let Some(target) = self.target() else { return };
        let (cause, asked) = match response {
            None if status == 408 => (HealthCause::Timeout, None),
            None => (HealthCause::Unreachable, None),
            Some(response) => {
                let retry = response.retry_after().ok().flatten();
                let Some(seconds) = retry.filter(|_| status == 503) else { return };
                (HealthCause::Status(503), Some(Duration::from_secs(seconds.into())))
            }
        };
        context.health.avoid(now, target, cause, asked);
        context.carry_out_health(now);
    }

    /// The route's name has no address, or none in time.
    pub(super) fn note_route_unresolved(&self, context: &mut Context, now: Instant) {
        let Some(target) = self.target() else { return };
        context.health.avoid(now, target, HealthCause::Unresolved, None);
        context.carry_out_health(now);
    }

    /// The target answers.
    pub(super) fn note_route_works(&self, context: &mut Context) {
        if let Some(target) = self.target() {
            context.health.works(target);
        }
    }

    /// Whether a failure of the present route ends the hunt: by its status, unless the network's own
    /// cause (Q.850 in Reason, RFC 3326) says otherwise.
    pub(super) fn ends_hunt(&self, status: u16, response: Option<&Message>) -> bool {
        let Some(pending) = self.pending.as_ref() else { return true };
        let final_codes = match &pending.route {
            Some(route) => &*route.hunt_final_codes,
            None => &[],
        };
        let said = response.and_then(cause::q850).and_then(cause::says);
        match said {
            Some(cause::Says::Callee) if self.parties.emergency.is_none() => true,
            Some(cause::Says::Network) if status < 600 => pending.hunt.ends_with(status, &[]),
            _ => pending.hunt.ends_with(status, final_codes),
        }
    }

    /// An outbound call was answered: it begins to cost.
    pub(super) fn begin_talk(&mut self, context: &mut Context, now: Instant) {
        if self.parties.direction != CallDirection::Outbound || self.parties.emergency.is_some() {
            return;
        }
        let origin = context.config.origin;
        let redirected = self.pending.as_ref().and_then(|pending| pending.redirections.called());
        let called = redirected.unwrap_or(&self.parties.to_user);
        let talk = context.spending.answered(now, origin, &self.voice_connector, called);
        self.called().talk = talk;
        if let Some(longest) = self.voice_connector.caps.max_call_duration {
            // A call that took over another one's leg may have an earlier end already.
            let known = self.deadlines.at(Deadline::DurationCap);
            let end = known.map_or(now + longest, |known| known.min(now + longest));
            self.deadlines.set(Deadline::DurationCap, end);
        }
    }

    /// It has lasted as long as its voice connector's calls may.
    pub(super) fn duration_cap_over(&mut self, context: &mut Context, now: Instant) {
        if self.voice_connector.dry_run {
            context.would_refuse(
                now,
                Refusal::CallDurationCap,
                &self.voice_connector,
                self.parties.source,
            );
            return;
        }
        self.bye_reason = Some("SIP;cause=403;text=\"Maximum call duration of the account\"");
        self.end_both(context, now, "the voice connector's max_call_duration is over", 200);
    }
}

impl Context {
    /// Notes what a dry run leaves undone.
    pub(crate) fn would_refuse(
        &mut self,
        now: Instant,
        refusal: Refusal,
        connector: &VoiceConnector,
        source: std::net::SocketAddr,
    ) {
        self.statistics.would_refuse += 1;
        let event = RefusalEvent {
            refusal,
            at: now,
            source,
            voice_connector: Some(connector.id.clone()),
            start_line: bytes::Bytes::new(),
        };
        self.outputs.push_back(crate::edge::Output::Sip(SipObservation::WouldRefuse(event)));
    }
}
