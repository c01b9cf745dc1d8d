//! What becomes of the calls of each carrier.

use super::Recorder;
use crate::tracked::TrackedCall;
use model::{CallDirection, CarrierId, LegSide, MessageDirection, SipMessageEvent};

impl Recorder {
    /// The hunt goes on to `carrier`: the one before it did not connect the call.
    pub(super) fn count_route(&self, call: &TrackedCall, carrier: Option<&CarrierId>) {
        if call.answered.is_none() {
            self.count_carrier_failure(call);
        }
        if let Some(carrier) = carrier {
            self.page.carrier_call(carrier, CallDirection::Outbound);
        }
    }

    pub(super) fn count_carrier_answer(&self, call: &TrackedCall) {
        let Some(parties) = &call.parties else { return };
        let carrier = match parties.direction {
            CallDirection::Outbound => call.carrier(),
            CallDirection::Inbound => parties.carrier.as_ref(),
        };
        if let Some(carrier) = carrier {
            self.page.carrier_answered(carrier, parties.direction);
        }
    }

    /// The carrier that was tried last did not connect the call.
    pub(super) fn count_carrier_failure(&self, call: &TrackedCall) {
        if let Some(carrier) = call.carrier() {
            self.page.carrier_failed(carrier, call.final_response);
        }
    }
}

/// The status of a final response that does not connect a call, from the side that was called.
pub(super) fn failure(event: &SipMessageEvent) -> Option<u16> {
    let received = event.direction == MessageDirection::Received;
    event.status.filter(|status| *status >= 300 && received && event.leg == Some(LegSide::B))
}
