//! The implicit subscription of a REFER (RFC 3515 section 2.4.4): NOTIFYs, one at a time, so that
//! none can overtake another.

use super::{Call, ClientPurpose};
use crate::context::Context;
use model::{Instant, LegSide};
use sip_proto::{HeaderName, Method};

/// What a transferor is to hear.
pub(crate) struct Subscription {
    leg: LegSide,
    /// The `id` of its events.
    id: Option<u32>,
    /// What it was told last.
    told: u16,
    /// What it is to be told when the last NOTIFY is answered; only the newest counts.
    next: Option<u16>,
    in_flight: bool,
}

impl Subscription {
    /// Of a transfer from before this process: the leg has heard of it, and not of its end.
    pub(super) const fn restored(leg: LegSide, id: Option<u32>) -> Self {
        Subscription { leg, id, told: 100, next: None, in_flight: false }
    }

    pub(super) const fn leg(&self) -> LegSide {
        self.leg
    }

    pub(super) const fn id(&self) -> Option<u32> {
        self.id
    }
}

impl Call {
    /// Begins a subscription with the first NOTIFY, as RFC 3515 section 2.4.4 demands.
    pub(super) fn subscribe(
        &mut self,
        context: &mut Context,
        now: Instant,
        leg: LegSide,
        id: Option<u32>,
    ) {
        self.referral.subscription =
            Some(Subscription { leg, id, told: 0, next: None, in_flight: false });
        self.notify(context, now, 100);
    }

    /// Tells the transferor what has become of the target, at once or after the NOTIFY under way.
    pub(super) fn notify(&mut self, context: &mut Context, now: Instant, status: u16) {
        let Some(subscription) = self.referral.subscription.as_mut() else { return };
        if subscription.told == status || subscription.told >= 200 {
            return;
        }
        subscription.next = Some(status);
        if !subscription.in_flight {
            self.send_notify(context, now);
        }
    }

    /// A NOTIFY got its final response, or none.
    pub(super) fn notify_answered(&mut self, context: &mut Context, now: Instant, status: u16) {
        let Some(subscription) = self.referral.subscription.as_mut() else { return };
        subscription.in_flight = false;
        // RFC 6665 section 4.2.2: a subscriber that refuses or is silent wants no more. That ends
        // the subscription, not the dialog (RFC 5057 section 5.2).
        let over = subscription.told >= 200 || !(200..300).contains(&status);
        if over {
            self.referral.subscription = None;
            self.referral_told(context, now);
        } else if subscription.next.is_some() {
            self.send_notify(context, now);
            self.referral_told(context, now);
        }
    }

    fn send_notify(&mut self, context: &mut Context, now: Instant) {
        let Some(subscription) = self.referral.subscription.as_mut() else { return };
        let Some(status) = subscription.next.take() else { return };
        subscription.told = status;
        subscription.in_flight = true;
        let (side, id) = (subscription.leg, subscription.id);
        let leg = &mut self.legs[side.index()];
        let cseq = leg.next_cseq();
        let request = leg.request(context, Method::Notify, cseq);
        let sent = request.and_then(|(mut composer, branch, flow)| {
            composer.header(HeaderName::Contact, leg.contact());
            match id {
                Some(id) => composer.header_args(HeaderName::Event, format_args!("refer;id={id}")),
                None => composer.header(HeaderName::Event, "refer"),
            };
            let state =
                if status < 200 { "active;expires=300" } else { "terminated;reason=noresource" };
            composer
                .header(HeaderName::SubscriptionState, state)
                .header(HeaderName::UserAgent, &context.config.product);
            let fragment = format!("SIP/2.0 {status} {}\r\n", sip_proto::default_reason(status));
            let bytes = composer.body(Some("message/sipfrag;version=2.0"), fragment.as_bytes());
            context.send(now, flow, &branch, Method::Notify, bytes)
        });
        match sent {
            Some(client) => self.open_client(context, client, ClientPurpose::Notify(side)),
            // No room for it: the subscription is lost, the transfer is not.
            None => self.referral.subscription = None,
        }
    }
}
