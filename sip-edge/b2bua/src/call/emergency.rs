//! What an emergency call is spared, and how a call becomes one.

use super::Call;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::encryption;
use model::{
    CallEventKind, CallParties, EmergencyKind, Instant, IpFamily, LegSide, MediaCommand, MediaId,
    MediaLine, Refusal, Side, TransportProtocol,
};
use sdp::SessionDescription;
use sip_proto::Precedence;
use std::sync::Arc;

impl Call {
    /// Whether no limit holds for it.
    pub(crate) fn is_emergency(&self) -> bool {
        self.parties.emergency.is_some()
    }

    /// How its messages stand when the tables are full.
    pub(crate) fn precedence(&self) -> Precedence {
        if self.is_emergency() { Precedence::Emergency } else { Precedence::Ordinary }
    }

    /// Whether its customer's leg must be encrypted.
    pub(super) fn requires_encryption(&self) -> bool {
        encryption::is_required(&self.voice_connector, self.parties.emergency)
    }

    /// Has recorded which rules of its voice connector were set aside for it.
    pub(super) fn note_excuses(
        &self,
        context: &mut Context,
        now: Instant,
        offer: Option<&SessionDescription>,
    ) {
        let leg = LegSide::A.index();
        let is_customer = self.sides[leg] == Side::Customer && !self.takeover.is_target();
        if !self.is_emergency() || !is_customer {
            return;
        }
        let connector = &self.voice_connector;
        let waived = connector.require_encryption && !self.requires_encryption();
        let flow = &self.legs[leg].flow;
        let audio = offer.and_then(SessionDescription::audio_ref);
        let is_plain = audio.is_some_and(|audio| !audio.has_keys());
        for (refusal, excused) in [
            (Refusal::CertificateRequired, !context.is_proved_customer(flow, connector)),
            (Refusal::PlainSignalling, waived && flow.protocol != TransportProtocol::Tls),
            (Refusal::PlainMedia, waived && is_plain),
        ] {
            if excused {
                context.event(self.id, now, CallEventKind::Excused(refusal));
            }
        }
    }

    /// Asks the relay for ports, those that are kept for emergency calls if it is one.
    pub(super) fn allocate(&self, context: &mut Context, id: MediaId, families: [IpFamily; 2]) {
        let (transaction_id, emergency) = (self.id, self.is_emergency());
        let allocate = MediaCommand::Allocate {
            id,
            transaction_id,
            families,
            emergency,
            line: MediaLine::Main,
        };
        context.outputs.push_back(Output::Media(allocate));
    }

    /// Whoever was in an emergency call still is when another call has taken over its leg.
    pub(super) fn inherit(
        &mut self,
        context: &mut Context,
        now: Instant,
        emergency: Option<EmergencyKind>,
    ) {
        if self.is_emergency() || emergency.is_none() {
            return;
        }
        self.parties = Arc::new(CallParties { emergency, ..CallParties::clone(&self.parties) });
        self.deadlines.clear(Deadline::DurationCap);
        context.event(self.id, now, CallEventKind::Moved { parties: self.parties.clone() });
    }
}
