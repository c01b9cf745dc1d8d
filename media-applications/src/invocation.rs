//! Invocations: what an application is told, in JSON.

use crate::facts::{Direction, Facts};
use model::{LegSide, UnixTime};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    NewInboundCall,
    NewOutboundCall,
    Ringing,
    CallAnswered,
    ActionSuccessful,
    ActionFailed,
    ActionInterrupted,
    DigitsReceived,
    HangUp,
    CallUpdateRequested,
    InvalidResponse,
}

impl Event {
    const fn word(self) -> &'static str {
        match self {
            Event::NewInboundCall => "NEW_INBOUND_CALL",
            Event::NewOutboundCall => "NEW_OUTBOUND_CALL",
            Event::Ringing => "RINGING",
            Event::CallAnswered => "CALL_ANSWERED",
            Event::ActionSuccessful => "ACTION_SUCCESSFUL",
            Event::ActionFailed => "ACTION_FAILED",
            Event::ActionInterrupted => "ACTION_INTERRUPTED",
            Event::DigitsReceived => "DIGITS_RECEIVED",
            Event::HangUp => "HANGUP",
            Event::CallUpdateRequested => "CALL_UPDATE_REQUESTED",
            Event::InvalidResponse => "INVALID_LAMBDA_RESPONSE",
        }
    }

    /// Whether the application only learns of it: what it answers does nothing.
    pub(crate) const fn is_told_only(self) -> bool {
        matches!(
            self,
            Event::NewOutboundCall
                | Event::Ringing
                | Event::ActionInterrupted
                | Event::InvalidResponse
        )
    }

    /// Whether the next action waits for the answer.
    pub(crate) const fn holds_actions(self) -> bool {
        matches!(
            self,
            Event::NewInboundCall
                | Event::CallAnswered
                | Event::ActionSuccessful
                | Event::ActionFailed
        )
    }
}

/// Somebody in the call.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) call_id: String,
    pub(crate) to: Arc<str>,
    pub(crate) from: Arc<str>,
    pub(crate) direction: Direction,
    pub(crate) since: UnixTime,
    pub(crate) headers: Vec<(Arc<str>, Arc<str>)>,
    pub(crate) is_gone: bool,
}

pub(crate) const fn tag(leg: LegSide) -> &'static str {
    match leg {
        LegSide::A => "LEG-A",
        LegSide::B => "LEG-B",
    }
}

/// The body of an invocation.
pub(crate) fn body(
    event: Event,
    sequence: u32,
    data: Option<Map<String, Value>>,
    facts: &Facts,
    (legs, attributes): (&[Option<Participant>; 2], Option<&Map<String, Value>>),
) -> String {
    let participants: Vec<Value> = LegSide::BOTH
        .into_iter()
        .zip(legs)
        .filter_map(|(leg, participant)| Some(described(leg, participant.as_ref()?)))
        .collect();
    let mut details = Map::new();
    details.insert("TransactionId".to_owned(), facts.transaction_id.to_string().into());
    details.insert("AwsAccountId".to_owned(), (*facts.account_id).into());
    details.insert("AwsRegion".to_owned(), (*facts.region).into());
    if let Some(rule) = &facts.rule_id {
        details.insert("SipRuleId".to_owned(), (**rule).into());
    }
    details.insert("SipMediaApplicationId".to_owned(), (*facts.application_id).into());
    details.insert("Participants".to_owned(), participants.into());
    if let Some(attributes) = attributes {
        details.insert("TransactionAttributes".to_owned(), attributes.clone().into());
    }
    let mut body = Map::new();
    body.insert("SchemaVersion".to_owned(), "1.0".into());
    body.insert("Sequence".to_owned(), sequence.into());
    body.insert("InvocationEventType".to_owned(), event.word().into());
    if let Some(data) = data {
        body.insert("ActionData".to_owned(), data.into());
    }
    body.insert("CallDetails".to_owned(), details.into());
    Value::Object(body).to_string()
}

fn described(leg: LegSide, participant: &Participant) -> Value {
    let mut value = json!({
        "CallId": participant.call_id,
        "ParticipantTag": tag(leg),
        "To": &*participant.to,
        "From": &*participant.from,
        "Direction": participant.direction.word(),
        "StartTimeInMilliseconds": participant.since.as_millis().to_string(),
        "Status": if participant.is_gone { "Disconnected" } else { "Connected" },
    });
    if let (Some(fields), false) = (value.as_object_mut(), participant.headers.is_empty()) {
        let headers = participant.headers.iter();
        let headers: Map<String, Value> =
            headers.map(|(name, value)| (name.to_string(), (**value).into())).collect();
        fields.insert("SipHeaders".to_owned(), headers.into());
    }
    value
}
