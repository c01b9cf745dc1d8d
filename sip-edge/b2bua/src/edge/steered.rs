//! Calls that applications steer: orders from outside, and whom they have called as leg B.

use super::{Edge, Output};
use crate::admission::{self, Admission};
use crate::call::Call;
use crate::context::CallKey;
use directory::parse_e164;
use model::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, Bridge, CallDirection,
    Instant, LegSide, Refusal, TransactionId, VoiceConnectorId,
};
use sip_proto::ServerKey;

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

    /// Calls somebody as leg B of a steered call.
    pub(super) fn bridge(&mut self, now: Instant, from: CallKey, bridge: &Bridge) {
        if let Err(status) = self.call_leg_b_for(now, from, bridge) {
            self.with_call(now, from, |call, context| call.bridge_failed(context, now, status));
        }
    }

    fn call_leg_b_for(&mut self, now: Instant, from: CallKey, bridge: &Bridge) -> Result<(), u16> {
        let steered = self.calls.get(from).filter(|call| call.is_live()).ok_or(481_u16)?;
        let (flow, own) = (steered.flow_of(LegSide::A), steered.accountable().clone());
        let admission = match &bridge.voice_connector {
            Some(id) => self.admit_bridged(now, id, &bridge.to),
            None => self.admit_referred(now, &own, &bridge.to, false),
        };
        let admission = admission.map_err(|refusal| {
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
            return Err(488);
        };
        self.note_dry_run(now, &admission, flow);
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        if let Some(steered) = self.calls.get(from) {
            call.become_leg_b_of(steered);
        }
        self.with_call(now, from, |call, _| call.bridge_begun(key));
        self.begin(now, key, call, ServerKey::NONE, invite, &admission);
        Ok(())
    }

    /// A call to the customer of a voice connector, through its origination.
    fn admit_bridged(
        &mut self,
        now: Instant,
        id: &VoiceConnectorId,
        number: &str,
    ) -> Result<Admission, Refusal> {
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
        self.police(now, &mut admission)?;
        Ok(admission)
    }

    /// Leg B of `target` has answered: it goes to the steered call, if that still wants it.
    pub(super) fn bridged(&mut self, now: Instant, steered: CallKey, target: CallKey) {
        let mut is_wanted = false;
        self.with_call(now, steered, |call, _| is_wanted = call.expect_leg_b(target));
        if is_wanted {
            self.join(now, target, LegSide::B, steered, LegSide::B);
        } else {
            self.with_call(now, target, |call, context| call.withdraw(context, now));
        }
    }
}
