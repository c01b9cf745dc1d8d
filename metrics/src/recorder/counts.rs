//! What becomes of the calls of each carrier.

use super::Recorder;
use crate::KeptRecording;
use crate::page::Page;
use crate::tracked::{CountedUnheard, TrackedCall};
use model::{
    CallDirection, CallParties, CarrierId, LegSide, MessageDirection, SipMessageEvent,
    TransactionId,
};

impl Recorder {
    /// Counts what became of a recording, in the minute in which that was known.
    pub fn handle_recorded(&mut self, recorded: &KeptRecording) {
        let KeptRecording { at, voice_connector, bytes } = recorded;
        self.minutes.recorded(*at, voice_connector.as_ref(), *bytes);
    }

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
        if let Some(carrier) = carrier_of(call, parties) {
            self.page.carrier_answered(carrier, parties.direction);
        }
    }

    /// In the audio of a leg nothing was heard.
    pub(super) fn count_unheard(&mut self, id: TransactionId, leg: LegSide) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.ended.is_none()) else {
            return;
        };
        let Some(parties) = call.parties.clone() else { return };
        if call.counted_unheard[leg.index()].is_some() {
            return;
        }
        let carrier = carrier_of(call, &parties).cloned();
        let side = parties.direction.side_of(leg);
        self.page.leg_unheard(&parties.voice_connector, carrier.as_ref(), side);
        call.counted_unheard[leg.index()] = Some(CountedUnheard { carrier });
    }

    /// The call is over, and its legs with it.
    pub(super) fn count_unheard_over(page: &Page, call: &mut TrackedCall, parties: &CallParties) {
        for leg in LegSide::BOTH {
            if let Some(counted) = call.counted_unheard[leg.index()].take() {
                let (carrier, side) = (counted.carrier.as_ref(), parties.direction.side_of(leg));
                page.unheard_over(&parties.voice_connector, carrier, side);
            }
        }
    }

    /// The carrier that was tried last did not connect the call.
    pub(super) fn count_carrier_failure(&self, call: &TrackedCall) {
        if let Some(carrier) = call.carrier() {
            self.page.carrier_failed(carrier, call.final_response);
        }
    }
}

/// The carrier that the call is over now.
fn carrier_of<'a>(call: &'a TrackedCall, parties: &'a CallParties) -> Option<&'a CarrierId> {
    match parties.direction {
        CallDirection::Outbound => call.carrier(),
        CallDirection::Inbound => parties.carrier.as_ref(),
    }
}

/// The status of a final response that does not connect a call, from the side that was called.
pub(super) fn failure(event: &SipMessageEvent) -> Option<u16> {
    let received = event.direction == MessageDirection::Received;
    event.status.filter(|status| *status >= 300 && received && event.leg == Some(LegSide::B))
}
