//! What one call wants done with another: transfers, in which legs change calls.

use super::Edge;
use crate::admission;
use crate::call::Call;
use crate::context::CallKey;
use crate::encryption;
use crate::secure;
use crate::transfer::{Order, ReferTo, Replaces};
use directory::Refer;
use model::{Flow, Instant, LegSide, Refusal, Side};
use sip_proto::{HeaderName, Message, ServerKey};

impl Edge {
    /// Carries out what calls have asked for, until nothing is left.
    pub(super) fn run_orders(&mut self, now: Instant) {
        while let Some(order) = self.context.orders.pop_front() {
            match order {
                Order::Refer { from, transferor, server, request } => {
                    self.refer(now, from, transferor, server, &request);
                }
                Order::Report { to, outcome } => {
                    self.with_call(now, to, |call, context| {
                        call.handle_report(context, now, outcome);
                    });
                }
                Order::Join { giver, leg, taker, near } => self.join(now, giver, leg, taker, near),
                Order::Joined { giver, taker, status } => {
                    self.with_call(now, giver, |call, context| {
                        call.leg_joined(context, now, taker, status);
                    });
                }
                Order::Bridge { from, bridge } => self.bridge(now, from, &bridge),
                Order::Bridged { steered, target } => self.bridged(now, steered, target),
                Order::EarlyMedia { steered, target } => {
                    self.hear_early_media(now, steered, target)
                }
                Order::GiveBack { taker, status } => self.give_back(now, taker, status),
                Order::Withdraw { target } => {
                    self.with_call(now, target, |call, context| call.withdraw(context, now));
                }
            }
        }
    }

    fn refer(
        &mut self,
        now: Instant,
        from: CallKey,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let passed = self.calls.get(from).is_some_and(|c| c.voice_connector().refer == Refer::Pass);
        let placed = match ReferTo::of(request) {
            Ok(refer_to) if passed => self.pass(now, from, transferor, server, request, &refer_to),
            Ok(ReferTo { replaces: Some(replaces), .. }) => {
                self.attend(now, from, transferor, server, request, &replaces)
            }
            Ok(refer_to) => self.call_target(now, from, transferor, server, request, &refer_to),
            Err(status) => Err(status),
        };
        if let Err(status) = placed {
            self.with_call(now, from, |call, context| {
                call.refuse_refer(context, now, transferor, server, request, status);
            });
        }
    }

    /// The other leg is to carry it out: its peer gets the target in terms that it knows.
    fn pass(
        &mut self,
        now: Instant,
        from: CallKey,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
        refer_to: &ReferTo,
    ) -> Result<(), u16> {
        let call = self.calls.get(from).ok_or(481_u16)?;
        let to = transferor.other();
        let target = match &refer_to.replaces {
            None => Some(call.target_at(to, &refer_to.number)),
            Some(replaces) => self.replaced(replaces).and_then(|(key, near)| {
                let named = self.calls.get(key)?;
                // A dialog of the other network says nothing to this one, and is not its business.
                let same = named.side_of(near.other()) == call.side_of(to)
                    && named.voice_connector().id == call.voice_connector().id;
                named.far_dialog(near).filter(|_| same)
            }),
        };
        let target = target.ok_or(404_u16)?;
        self.with_call(now, from, |call, context| {
            call.pass_refer(context, now, transferor, server, request, &target);
        });
        Ok(())
    }

    /// A blind transfer (RFC 5589 section 6): a call of the voice connector to the target, under
    /// every rule that an INVITE of the transferor would be under.
    fn call_target(
        &mut self,
        now: Instant,
        from: CallKey,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
        refer_to: &ReferTo,
    ) -> Result<(), u16> {
        let referrer = self.calls.get(from).ok_or(481_u16)?;
        let leg = transferor.other();
        let flow = referrer.flow_of(leg);
        let source = referrer.flow_of(transferor);
        let (connector, from_emergency) =
            (referrer.voice_connector().id.clone(), referrer.is_emergency());
        let admission = self.admit_referred(now, &connector, &refer_to.number, from_emergency);
        let admission = admission.map_err(|refusal| {
            self.note_refusal(now, request, source, refusal, None);
            refusal.status()
        })?;
        let Some(referrer) = self.calls.get(from) else { return Err(481) };
        let invite = referrer.referred_invite(&mut self.context, transferor, request, &admission);
        let Some(invite) = invite else {
            self.context.policing.release(&connector);
            return Err(488);
        };
        self.note_dry_run(now, &admission, flow);
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        if let Some(referrer) = self.calls.get(from) {
            call.become_target(referrer, leg);
        }
        self.with_call(now, from, |call, context| {
            call.accept_refer(context, now, transferor, server, request, key);
        });
        self.begin(now, key, call, ServerKey::NONE, invite, &admission);
        Ok(())
    }

    pub(super) fn admit_referred(
        &mut self,
        now: Instant,
        connector: &model::VoiceConnectorId,
        number: &str,
        from_emergency: bool,
    ) -> Result<admission::Admission, Refusal> {
        let connector =
            self.context.directory.connector_of_calls(connector).ok_or(Refusal::Disabled)?;
        let directory = self.context.directory.clone();
        let mut admission = admission::admit_outbound(&directory, connector, Some(number), None)
            .map_err(|denied| denied.refusal)?;
        // Whom an emergency call is transferred to is under the rules on numbers, and no others.
        let is_free = from_emergency || admission.emergency.is_some();
        self.has_place(is_free)?;
        if is_free {
            self.context.policing.count_in(now, &admission.voice_connector);
        } else {
            self.police(now, &mut admission)?;
        }
        Ok(admission)
    }

    /// An attended transfer (RFC 5589 section 7): the transferor's other call is here.
    fn attend(
        &mut self,
        now: Instant,
        from: CallKey,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
        replaces: &Replaces,
    ) -> Result<(), u16> {
        let referrer = self.calls.get(from).ok_or(481_u16)?;
        let named = self.replaced(replaces).filter(|(key, near)| {
            self.calls.get(*key).is_some_and(|call| {
                *key != from
                    && call.voice_connector().id == referrer.voice_connector().id
                    && call.can_be_replaced(*near)
            })
        });
        // 481 would say that the REFER's own dialog is gone.
        let Some((taker, near)) = named else { return Err(404) };
        self.with_call(now, from, |call, context| {
            call.accept_refer(context, now, transferor, server, request, taker);
        });
        let leg = transferor.other();
        if let Some(mut call) = self.calls.take(taker) {
            if let Some(giver) = self.calls.get(from) {
                call.become_taker(giver, leg, near);
            }
            self.put_back(now, taker, call);
        }
        self.join(now, from, leg, taker, near);
        Ok(())
    }

    /// The live dialog of ours that a Replaces header names.
    fn replaced(&self, replaces: &Replaces) -> Option<(CallKey, LegSide)> {
        let (key, side) = self.context.replaced_leg(replaces)?;
        self.calls.get(key)?.is_named(side, replaces).then_some((key, side))
    }

    /// An INVITE with Replaces (RFC 3891 section 3): whether it may take the named leg's place.
    ///
    /// # Errors
    /// The status that it is owed.
    pub(super) fn find_replaced(
        &self,
        flow: &Flow,
        invite: &Message,
    ) -> Option<Result<(CallKey, LegSide), u16>> {
        let value = invite.header(HeaderName::Replaces)?;
        let found = || {
            let replaces = Replaces::parse(value).ok_or(400_u16)?;
            let (key, side) = self.replaced(&replaces).ok_or(481_u16)?;
            let call = self.calls.get(key).ok_or(481_u16)?;
            // A drain lets running calls go on, and this is one of them.
            if !self.has_room(call.is_emergency()) {
                return Err(503);
            }
            if !secure::may_pass(flow, invite) || !self.owns_leg(flow, call, side) {
                return Err(403);
            }
            match call.can_be_replaced(side) {
                // RFC 3891 section 3: an answered call that only an early one may replace.
                true if replaces.early_only => Err(486),
                true => Ok((key, side)),
                false => Err(481),
            }
        };
        Some(found())
    }

    /// Whether a source may speak for the peer of a leg.
    fn owns_leg(&self, flow: &Flow, call: &Call, side: LegSide) -> bool {
        let source = flow.remote.ip().to_canonical();
        let directory = &self.context.directory;
        match (call.side_of(side), directory.carrier_by_source(source)) {
            (Side::Remote, Some(carrier)) => {
                let peer = call.flow_of(side).remote.ip().to_canonical();
                // The door lets anybody call the meeting rooms.
                directory.carrier_by_source(peer).is_some_and(|of_leg| of_leg.id == carrier.id)
                    && self.context.is_proved_carrier(flow, carrier)
            }
            (Side::Customer, None) => self.is_customer(flow, call),
            _ => false,
        }
    }

    /// Whether a source is the call's customer, by its list or by a registration.
    fn is_customer(&self, flow: &Flow, call: &Call) -> bool {
        let (source, id) = (flow.remote.ip().to_canonical(), &call.voice_connector().id);
        let directory = &self.context.directory;
        let is_known = directory.voice_connectors_by_source(source).any(|c| c.id == *id)
            || self.context.registrar.connectors_at(source).contains(id);
        let Some(connector) = directory.voice_connector(id).filter(|_| is_known) else {
            return false;
        };
        call.is_emergency()
            || (self.context.is_proved_customer(flow, connector)
                && encryption::allows_signalling(connector, flow.protocol))
    }

    /// Begins the call that replaces a leg.
    pub(super) fn replace(
        &mut self,
        now: Instant,
        server: ServerKey,
        invite: Message,
        flow: Flow,
        (replaced, side): (CallKey, LegSide),
    ) {
        let Some(old) = self.calls.get(replaced) else { return };
        let mut admission = old.admission_of_replacement(side);
        let proved = match admission.emergency {
            Some(_) => Ok(true),
            None => self.authenticate(now, server, &invite, flow, &mut admission),
        };
        match proved {
            Ok(true) => {}
            Ok(false) => return,
            Err(denied) => {
                let (refusal, id) = (denied.refusal, denied.voice_connector.as_deref());
                self.note_refusal(now, &invite, flow, refusal, id);
                self.context.answer_outside(now, server, &invite, refusal.status(), |_| {});
                return;
            }
        }
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        self.context.policing.count_in(now, &admission.voice_connector);
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        if let Some(old) = self.calls.get(replaced) {
            call.become_replacement(old, side.other());
        }
        self.begin(now, key, call, server, invite, &admission);
    }

    pub(super) fn join(
        &mut self,
        now: Instant,
        giver_key: CallKey,
        leg: LegSide,
        taker_key: CallKey,
        near: LegSide,
    ) {
        let Some(mut taker) = self.calls.take(taker_key) else { return };
        let giver_lives = self.calls.get(giver_key).is_some_and(Call::is_live);
        let giver = if giver_lives { self.calls.take(giver_key) } else { None };
        let Some(mut giver) = giver else {
            taker.withdraw(&mut self.context, now);
            self.put_back(now, taker_key, taker);
            return;
        };
        if giver.can_move(leg) && taker.can_move(near) {
            giver.keep_before_leaving(&mut self.context, leg);
            taker.take_leg(&mut self.context, now, near, &mut giver, leg);
        } else {
            taker.join_later(&mut self.context, now);
        }
        self.settle_call(now, giver_key, giver);
        self.put_back(now, taker_key, taker);
    }

    /// A join that the leg refused is undone, where both calls are still there.
    fn give_back(&mut self, now: Instant, taker_key: CallKey, status: u16) {
        let Some(mut taker) = self.calls.take(taker_key) else { return };
        let giver_key = taker.trial_of().filter(|_| taker.is_live());
        let giver_key = giver_key.filter(|key| self.calls.get(*key).is_some_and(Call::is_live));
        match giver_key.and_then(|key| Some((key, self.calls.take(key)?))) {
            Some((key, mut giver)) => {
                taker.return_leg(&mut self.context, now, &mut giver, status);
                self.settle_call(now, key, giver);
            }
            None => taker.join_is_impossible(&mut self.context, now),
        }
        self.put_back(now, taker_key, taker);
    }
}
