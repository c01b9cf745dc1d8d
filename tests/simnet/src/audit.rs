//! What must hold for everything that leaves the edge.

use bytes::Bytes;
use model::{
    CallEnd, CallEvent, CallEventKind, CarrierCredentialEvent, HealthEvent, Refusal, RefusalEvent,
    RegistrationEvent, SipObservation, TransactionId,
};
use sip_proto::{Limits, Message, validate_response};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Sees every output of the edge.
#[derive(Debug, Default)]
pub struct Audit {
    /// What was recorded of calls, oldest first.
    pub events: Vec<CallEvent>,
    /// What policy refused.
    pub refusals: Vec<RefusalEvent>,
    /// What policy would have refused without a dry run.
    pub would_refuse: Vec<Refusal>,
    /// What was told of peers' health.
    pub health: Vec<HealthEvent>,
    /// What became of our registrations at carriers.
    pub registrations: Vec<RegistrationEvent>,
    /// Which carriers asked for credentials in vain.
    pub credentials: Vec<CarrierCredentialEvent>,
    /// The start lines of messages that were told of no call.
    pub strays: Vec<String>,
    secrets: Vec<(IpAddr, String)>,
}

impl Audit {
    /// From now on no message to anybody outside `owner`'s network (/24) may hold `text`.
    pub fn keep_secret(&mut self, owner: SocketAddr, text: &str) {
        assert!(text.len() >= 6, "{text:?} is too short to be told from chance");
        if !self.secrets.iter().any(|(ip, known)| *ip == owner.ip() && known == text) {
            self.secrets.push((owner.ip(), text.to_owned()));
        }
    }

    /// Checks a message on its way to `to`.
    ///
    /// # Panics
    /// When it does not parse or holds another endpoint's secret.
    pub fn check_message(&self, to: SocketAddr, raw: &Bytes) -> Message {
        let text = String::from_utf8_lossy(raw);
        let message = match Message::parse(raw.clone(), &Limits::default()) {
            Ok(message) => message,
            Err(fault) => panic!("the edge wrote what does not parse: {fault}\n{text}"),
        };
        if !message.is_request() {
            assert_eq!(validate_response(&message), Ok(()), "\n{text}");
        }
        for (owner, secret) in &self.secrets {
            assert!(
                same_side(*owner, to.ip()) || !text.contains(secret.as_str()),
                "{secret:?} of {owner} leaks to {to}:\n{text}"
            );
        }
        message
    }

    /// Notes what the edge recorded of a message or a refusal.
    pub fn note_observation(&mut self, observation: SipObservation) {
        match observation {
            SipObservation::Refused(refusal) => self.refusals.push(refusal),
            SipObservation::WouldRefuse(event) => self.would_refuse.push(event.refusal),
            SipObservation::Health(event) => self.health.push(event),
            SipObservation::Registration(event) => self.registrations.push(event),
            SipObservation::CarrierCredential(event) => self.credentials.push(event),
            SipObservation::Message(event) => {
                if event.transaction_id.is_none() {
                    self.strays.push(String::from_utf8_lossy(&event.start_line).into_owned());
                }
            }
        }
    }

    /// How the calls ended, in the order in which they did.
    pub fn ends(&self) -> Vec<&CallEnd> {
        self.events
            .iter()
            .filter_map(|event| match &event.kind {
                CallEventKind::Ended(end) => Some(end),
                _ => None,
            })
            .collect()
    }

    /// Checks the records of all calls once nothing is left of any.
    ///
    /// # Panics
    /// Unless every call begins with one `Attempted` and ends with one `Ended`.
    pub fn check_records(&self) {
        let mut calls: BTreeMap<TransactionId, Vec<&CallEventKind>> = BTreeMap::new();
        for event in &self.events {
            calls.entry(event.transaction_id).or_default().push(&event.kind);
        }
        for (id, kinds) in calls {
            let attempts = kinds.iter().filter(|k| matches!(k, CallEventKind::Attempted { .. }));
            let ends = kinds.iter().filter(|k| matches!(k, CallEventKind::Ended(_)));
            assert_eq!((attempts.count(), ends.count()), (1, 1), "{id}: {kinds:?}");
            assert!(matches!(kinds.first(), Some(CallEventKind::Attempted { .. })), "{kinds:?}");
            assert!(matches!(kinds.last(), Some(CallEventKind::Ended(_))), "{kinds:?}");
        }
    }
}

/// Proxies of an endpoint are in its own /24.
fn same_side(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        _ => a == b,
    }
}
