//! Transfer (RFC 3515) as it comes in: who decides about it.

use super::Call;
use super::answer::host_of;
use super::setup::SetupState;
use crate::admission::Admission;
use crate::context::Context;
use crate::leg::{allow_without, via};
use crate::transfer::{Order, Replaces};
use directory::Refer;
use model::{CallDirection, Flow, Instant, LegSide, Side};
use sip_proto::{Composer, HeaderName, Message, Method, ServerKey};

impl Call {
    /// REFER inside the call.
    pub(super) fn handle_refer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let answer = |call: &Self, context: &mut Context, status| {
            call.legs[from.index()].answer(context, now, server, request, status);
        };
        match self.voice_connector.refer {
            // Who is in the call is for the application to say.
            _ if self.is_steered() => answer(self, context, 603),
            // Neither side may learn whom the other would talk to.
            _ if self.is_masked() => answer(self, context, 603),
            Refer::Refuse => answer(self, context, 603),
            // Whoever is called through us at the customer's cost is for the customer to say.
            Refer::Handle if self.sides[from.index()] != Side::Customer => {
                answer(self, context, 603);
            }
            Refer::Handle | Refer::Pass => match self.may_refer(from) {
                Err(status) => answer(self, context, status),
                Ok(()) => context.orders.push_back(Order::Refer {
                    from: self.key,
                    transferor: from,
                    server,
                    request: Box::new(request.clone()),
                }),
            },
        }
    }

    /// NOTIFY inside the call: of a transfer that we passed on. We ourselves subscribe to nothing.
    pub(super) fn handle_notify(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        if self.voice_connector.refer == Refer::Pass && !self.is_masked() {
            self.pass_notify(context, now, from, server, request);
        } else {
            // RFC 6665 section 4.1.3: no such subscription.
            self.legs[from.index()].answer(context, now, server, request, 481);
        }
    }

    /// A method that is not served inside a call (RFC 3261 section 8.2.1).
    pub(super) fn refuse_method(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let leg = &self.legs[from.index()];
        let mut composer = leg.response(context, request, 405);
        let refused = request.method().map_or("", Method::as_str);
        composer.header(HeaderName::Allow, allow_without(refused));
        context.respond(now, server, 405, composer.finish());
    }
}

/// What the transfers of other calls ask of this one.
impl Call {
    pub(crate) fn flow_of(&self, side: LegSide) -> Flow {
        self.legs[side.index()].flow
    }

    pub(crate) fn side_of(&self, side: LegSide) -> Side {
        self.sides[side.index()]
    }

    /// Whether a leg's dialog is the one that a Replaces header names, from either end.
    pub(crate) fn is_named(&self, side: LegSide, replaces: &Replaces) -> bool {
        let leg = &self.legs[side.index()];
        let Some(dialog) = &leg.dialog else { return false };
        let tags = [&*leg.local_tag, dialog.remote_tag()];
        let named = [&*replaces.to_tag, &*replaces.from_tag];
        *leg.call_id == *replaces.call_id && (tags == named || tags == [named[1], named[0]])
    }

    /// Whether a leg can give its place to another call's: nothing else happens to it now.
    pub(crate) fn can_be_replaced(&self, side: LegSide) -> bool {
        self.is_live()
            && self.setup.state() == SetupState::Established
            && !self.takeover.is_busy()
            && !self.referral.is_busy()
            && !self.legs[side.index()].gone
            // Nobody is on its other side.
            && !self.is_recording()
            && !self.is_steered()
            // Whoever came in its place would learn of the other side.
            && !self.is_masked()
    }

    /// A call in the place of this one's `side`.
    pub(crate) fn admission_of_replacement(&self, side: LegSide) -> Admission {
        let direction = match self.side_of(side) {
            Side::Customer => CallDirection::Outbound,
            Side::Remote => CallDirection::Inbound,
        };
        let far = match side {
            LegSide::A => &self.parties.to_user,
            LegSide::B => &self.parties.from_user,
        };
        Admission {
            direction,
            voice_connector: self.voice_connector.clone(),
            carrier: None,
            called: far.clone(),
            calls_per_second: u32::MAX,
            concurrent_calls: u32::MAX,
            alternates: Vec::new(),
            emergency: self.parties.emergency,
            is_recording: false,
            applications: Vec::new(),
            would_refuse: None,
            sip_auth_user: self.parties.sip_auth_user.clone(),
            verification: None,
            proxy: None,
            room: None,
            source: None,
        }
    }

    /// The INVITE that the transferee would send to the target of a REFER, had it been asked to.
    pub(crate) fn referred_invite(
        &self,
        context: &mut Context,
        transferor: LegSide,
        refer: &Message,
        admission: &Admission,
    ) -> Option<Message> {
        let (leg, by) = (&self.legs[transferor.other().index()], &self.legs[transferor.index()]);
        let offer = self.media.renewed(transferor.other(), None).ok()?;
        let host = host_of(leg);
        let target = format!("sip:{}@{host}", admission.called);
        let mut composer = Composer::request("INVITE", &target);
        let branch = context.new_branch();
        via(&mut composer, &leg.listener, &branch, "");
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &[&leg.remote_party, ";tag=", &context.new_token()])
            .header_pieces(HeaderName::To, &["<", &target, ">"])
            .header(HeaderName::CallId, context.new_token())
            .cseq(1, Method::Invite);
        if leg.anonymous {
            composer.header(HeaderName::Privacy, "id;user");
        }
        // RFC 3892: who sent the transferee here, as it says itself or as we know it.
        match refer.header(HeaderName::ReferredBy) {
            Some(stated) => composer.header(HeaderName::ReferredBy, stated),
            None => composer.header(HeaderName::ReferredBy, &by.remote_party),
        };
        let bytes = composer.body(Some("application/sdp"), &offer.write());
        Message::parse(bytes, &context.config.limits).ok()
    }
}
