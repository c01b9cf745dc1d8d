//! `CallAndBridge`.

use super::{Action, read::audio};
use crate::reader::{ActionError, INVALID, MISSING, Object, Place};
use model::{Bridge, VoiceConnectorId};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Header fields of one call.
const MOST_HEADERS: usize = 32;
/// Characters of a header field, name and value.
const MOST_HEADER: usize = 2_048;

type Headers = Vec<(Arc<str>, Arc<str>)>;

pub(super) fn read(object: Object<'_>) -> Result<Action, ActionError> {
    let seconds = object.number("CallTimeoutSeconds", 1..=120)?.unwrap_or(30);
    let from = object.required("CallerIdNumber")?;
    if !is_e164(from) {
        let why = "is to be a number in E.164, for example \"+12065550100\"";
        return Err(object.invalid("CallerIdNumber", why));
    }
    let endpoints = object.list("Endpoints")?.ok_or_else(|| object.missing("Endpoints"))?;
    let [endpoint] = endpoints else {
        return Err(object.invalid("Endpoints", "is to have one endpoint"));
    };
    let place = Place::Item(&object.place, "Endpoints", 0);
    let Some(fields) = endpoint.as_object() else {
        return Err(ActionError::new(INVALID, format!("{place} is no object")));
    };
    let (to, voice_connector) = callee(Object { fields, place })?;
    let ringback = object.within("RingbackTone", audio)?;
    let bridge = Bridge {
        to: to.into(),
        from: from.into(),
        voice_connector,
        ring_timeout: Duration::from_secs(seconds),
        headers: object.within("SipHeaders", headers)?.unwrap_or_default(),
        ringback: None,
    };
    Ok(Action::Bridge { bridge: Box::new(bridge), ringback })
}

fn callee(endpoint: Object<'_>) -> Result<(&str, Option<VoiceConnectorId>), ActionError> {
    let uri = endpoint.required("Uri")?;
    match endpoint.required("BridgeEndpointType")? {
        "PSTN" if is_e164(uri) => Ok((uri, None)),
        "PSTN" => {
            Err(endpoint.invalid("Uri", "is to be a number in E.164, for example \"+12065550100\""))
        }
        "AWS" => {
            let is_user = |c: u8| c.is_ascii_alphanumeric() || b"&=+$/%-_!~*(,).".contains(&c);
            if !(1..=30).contains(&uri.len()) || !uri.bytes().all(is_user) {
                let why = "is to be 1 to 30 letters, digits and signs of a user part";
                return Err(endpoint.invalid("Uri", why));
            }
            let arn = endpoint.required("Arn")?;
            let id = arn.rsplit_once(":vc/").map(|(_, id)| id);
            let Some(id) = id.filter(|_| arn.starts_with("arn:")) else {
                let why = "is to be a voice connector's, arn:aws:chime:REGION:ACCOUNT:vc/ID; groups are \
                           not called";
                return Err(endpoint.invalid("Arn", why));
            };
            let id = VoiceConnectorId::new(id).map_err(|error| endpoint.invalid("Arn", error))?;
            Ok((uri, Some(id)))
        }
        _ => Err(endpoint.invalid("BridgeEndpointType", "is to be \"PSTN\" or \"AWS\"")),
    }
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len())
        && digits.bytes().all(|c| c.is_ascii_digit())
        && !digits.starts_with('0')
}

/// Only what carries words of applications: nothing that means something to SIP itself.
fn headers(object: Object<'_>) -> Result<Headers, ActionError> {
    if object.fields.len() > MOST_HEADERS {
        let message = format!("{} has more than {MOST_HEADERS} header fields", object.place);
        return Err(ActionError::new(INVALID, message));
    }
    let mut headers = Vec::new();
    for (name, value) in object.fields {
        let Value::String(value) = value else {
            let message = format!("{}.{name} is to be a text", object.place);
            return Err(ActionError::new(if value.is_null() { MISSING } else { INVALID }, message));
        };
        let is_fine = is_header(name)
            && name.len() + value.len() <= MOST_HEADER
            && !value.chars().any(char::is_control);
        if !is_fine {
            let message = format!("Invalid SIP header(s) provided: {name} ({})", object.place);
            return Err(ActionError::new(INVALID, message));
        }
        headers.push((name.as_str().into(), value.as_str().into()));
    }
    Ok(headers)
}

fn is_header(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    // A token without the signs that nobody uses (RFC 3261 section 25.1).
    let is_token = name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    let is_own = lower.starts_with("x-") && lower.len() > 2;
    let is_reserved = lower == "x-amzn" || lower.starts_with("x-amzn-");
    is_token && !is_reserved && (is_own || lower == "user-to-user" || lower == "diversion")
}
