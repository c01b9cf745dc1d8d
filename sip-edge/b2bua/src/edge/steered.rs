//! Calls that applications steer: orders from outside, and whom they have called as leg B.

use super::{Edge, Output};
use crate::admission::{self, Admission};
use crate::call::{Call, check_outbound};
use crate::context::CallKey;
use directory::{ApplicationTarget, parse_e164};
use model::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, Bridge, CallDirection,
    Instant, LegSide, OutboundCall, ROOM_ORDERS, ROOMS, Refusal, TransactionId, VoiceConnectorId,
};
use sip_proto::ServerKey;
use std::sync::Arc;

/// Why nobody is called for an application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCalled {
    /// There is no such application.
    NoApplication,
    /// A number or a header field cannot be used, and why.
    Unfit(&'static str),
    /// A rule or a limit forbids the call.
    Refused(Refusal),
}

impl Edge {
    /// Takes an application's order about a call that it steers; `number` is repeated in the news
    /// about it.
    pub fn order_application(
        &mut self,
        now: Instant,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) {
        let key = self.context.steered.get(&call).copied();
        let found = key.is_some_and(|key| {
            self.with_call(now, key, |call, context| {
                call.handle_application_order(context, now, number, order);
            })
        });
        if !found {
            let why = "there is no such call, or it is over".to_owned();
            let told = ApplicationTold::News(ApplicationNews::Refused { order: number, why });
            let event = ApplicationEvent { call, at: now, told };
            self.context.outputs.push_back(Output::Application(event));
        }
    }

    /// Takes the word that the application of a call cannot be asked: the next one of its rule is, if
    /// this one has not ordered anything. Else the call ends.
    pub fn application_unreachable(&mut self, now: Instant, call: TransactionId) {
        if let Some(key) = self.context.steered.get(&call).copied() {
            self.with_call(now, key, |call, context| call.application_unreachable(context, now));
        }
    }

    /// Calls somebody for an application, which steers the call. What becomes of it is told as of every
    /// steered call.
    ///
    /// # Errors
    /// [`NotCalled`]; then there is no call.
    pub fn call_for_application(
        &mut self,
        now: Instant,
        wanted: OutboundCall,
    ) -> Result<TransactionId, NotCalled> {
        let target = self.context.directory.application(&wanted.application);
        let target = target.ok_or(NotCalled::NoApplication)?;
        self.call_steered(now, None, target, wanted)
    }

    /// Calls `to`, E.164, into a meeting, as a call of this id: what becomes of it is told as of every call
    /// that the rooms steer. Where nobody is called that is told as [`ApplicationNews::BridgeFailed`] of order
    /// [`ROOM_ORDERS`].
    pub fn call_for_rooms(&mut self, now: Instant, call: TransactionId, to: Arc<str>) {
        let outcome = match self.context.directory.rooms_call_out() {
            Some((target, shown)) => {
                let (headers, arguments) = (Vec::new(), Vec::new());
                let (application, from) = (ROOMS.into(), shown.clone());
                let wanted = OutboundCall { application, to, from, headers, arguments };
                self.call_steered(now, Some(call), target, wanted)
            }
            None => Err(NotCalled::NoApplication),
        };
        let Err(why) = outcome else { return };
        let status = match why {
            NotCalled::NoApplication => 403,
            NotCalled::Unfit(_) => 484,
            NotCalled::Refused(refusal) => refusal.status(),
        };
        let news = ApplicationNews::BridgeFailed { order: ROOM_ORDERS, status };
        let event = ApplicationEvent { call, at: now, told: ApplicationTold::News(news) };
        self.context.outputs.push_back(Output::Application(event));
    }

    fn call_steered(
        &mut self,
        now: Instant,
        named: Option<TransactionId>,
        target: ApplicationTarget,
        wanted: OutboundCall,
    ) -> Result<TransactionId, NotCalled> {
        check_outbound(&wanted).map_err(NotCalled::Unfit)?;
        let own = target.connector.id.clone();
        let admission = self.admit_referred(now, &own, &wanted.to, false).map_err(|refusal| {
            self.context.statistics.refusals += 1;
            NotCalled::Refused(refusal)
        })?;
        let flow = self.context.flow_of_nobody();
        let Some(invite) = self.context.outbound_invite(&flow, &wanted) else {
            self.context.policing.release(&own);
            return Err(NotCalled::Unfit("a header field makes no INVITE that can be read"));
        };
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        call.id = named.unwrap_or(call.id);
        call.become_outbound(target, wanted.arguments);
        let id = call.id;
        self.begin(now, key, call, ServerKey::NONE, invite, &admission);
        Ok(id)
    }

    /// Calls somebody as leg B of a steered call.
    pub(super) fn bridge(&mut self, now: Instant, from: CallKey, bridge: &Bridge) {
        if let Err(status) = self.call_leg_b_for(now, from, bridge) {
            self.with_call(now, from, |call, context| call.bridge_failed(context, now, status));
        }
    }

    fn call_leg_b_for(&mut self, now: Instant, from: CallKey, bridge: &Bridge) -> Result<(), u16> {
        let steered = self.calls.get(from).filter(|call| call.is_live()).ok_or(481_u16)?;
        let (flow, own) = (steered.flow_of(steered.far().other()), steered.accountable().clone());
        let admission = match &bridge.voice_connector {
            Some(id) => self.admit_bridged(now, id, &own, &bridge.to),
            None => self.admit_referred(now, &own, &bridge.to, false).map(|of| (of, None)),
        };
        let (admission, counted_for) = admission.map_err(|refusal| {
            self.context.statistics.refusals += 1;
            refusal.status()
        })?;
        let connector = admission.voice_connector.id.clone();
        let invite = match self.calls.get(from) {
            Some(steered) => steered.bridge_invite(&mut self.context, bridge, &admission),
            None => None,
        };
        let Some(invite) = invite else {
            self.context.policing.release(&connector);
            if let Some(id) = &counted_for {
                self.context.policing.release(id);
            }
            return Err(488);
        };
        self.note_dry_run(now, &admission, flow);
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        call.counted_for = counted_for;
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        if let Some(steered) = self.calls.get(from) {
            call.become_leg_b_of(steered);
        }
        self.with_call(now, from, |call, _| call.bridge_begun(key));
        self.begin(now, key, call, ServerKey::NONE, invite, &admission);
        Ok(())
    }

    /// A call to the customer of a voice connector, through its origination. It is counted as any call to
    /// that customer is, and for `own`, under whose rules the application calls, as well: whose it is
    /// beside, if that is another one, is returned too.
    fn admit_bridged(
        &mut self,
        now: Instant,
        id: &VoiceConnectorId,
        own: &VoiceConnectorId,
        number: &str,
    ) -> Result<(Admission, Option<VoiceConnectorId>), Refusal> {
        let connector = self.context.directory.voice_connector(id).ok_or(Refusal::Disabled)?;
        let called = parse_e164(number).ok_or(Refusal::NotE164)?;
        if connector.origination.disabled {
            return Err(Refusal::Disabled);
        }
        if connector.origination.routes.is_empty() {
            return Err(Refusal::NoOrigination);
        }
        let mut admission = admission::admit_steered(connector, called.into(), Vec::new());
        admission.direction = CallDirection::Inbound;
        self.has_place(false)?;
        let asking = self.context.directory.connector_of_calls(own).cloned();
        let asking = asking.ok_or(Refusal::Disabled)?;
        let rate = asking.termination.as_ref().map_or(0, |termination| termination.cps_limit);
        if id == own {
            admission.calls_per_second = rate;
            self.police(now, &mut admission)?;
            return Ok((admission, None));
        }
        let policing = &mut self.context.policing;
        let most = admission::concurrent_calls(&asking);
        match policing.admit(now, &asking, rate, most) {
            Err(_) if asking.dry_run => policing.count_in(now, &asking),
            outcome => outcome?,
        }
        if let Err(refusal) = self.police(now, &mut admission) {
            self.context.policing.release(own);
            return Err(refusal);
        }
        Ok((admission, Some(own.clone())))
    }

    /// Leg B of `target` may be heard before it answers.
    pub(super) fn hear_early_media(&mut self, now: Instant, steered: CallKey, target: CallKey) {
        let Some(mut giver) = self.calls.take(target) else { return };
        match self.calls.take(steered) {
            Some(mut taker) => {
                taker.hear_early_media(&mut self.context, target, &mut giver);
                self.settle_call(now, target, giver);
                self.put_back(now, steered, taker);
            }
            None => self.settle_call(now, target, giver),
        }
    }

    /// Leg B of `target` has answered: it goes to the steered call, if that still wants it.
    pub(super) fn bridged(&mut self, now: Instant, steered: CallKey, target: CallKey) {
        let mut place = None;
        self.with_call(now, steered, |call, _| {
            place = call.expect_leg_b(target).then(|| call.far());
        });
        if let Some(place) = place {
            self.join(now, target, LegSide::B, steered, place);
        } else {
            self.with_call(now, target, |call, context| call.withdraw(context, now));
        }
    }
}
