//! Who asked for what, from where, and what became of it: records in the form of CloudTrail.

use crate::access_key::AccessKey;
use crate::api::Settings;
use crate::calendar::extended;
use crate::error::ApiError;
use crate::request::Request;
use crate::router::Routed;
use model::UnixTime;
use serde_json::{Map, Value, json};

/// The file of records, below `data_dir`.
pub const FILE: &str = "audit/cloudtrail.jsonl";

/// What stands in place of a secret, as CloudTrail has it.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Members that hold secrets or where people live, in small letters.
const SECRETS: &[&str] = &[
    "password",
    "username",
    "usernames",
    "participantphonenumbers",
    "sipheaders",
    "arguments",
    "argumentsmap",
    "streetnumber",
    "streetinfo",
    "city",
    "state",
    "postalcode",
];
/// A longer body is not written down, in octets.
const BODY_MAX: usize = 8 * 1024;
/// Longer texts are cut, in characters.
const TEXT_MAX: usize = 1_024;

/// Whose key vouched for the request.
pub(crate) struct Caller<'a> {
    pub(crate) key: &'a AccessKey,
    pub(crate) arn: String,
}

/// What is written down.
pub(crate) struct Event<'a> {
    pub(crate) now: UnixTime,
    pub(crate) request_id: &'a str,
    pub(crate) event_id: &'a str,
    pub(crate) request: &'a Request<'a>,
    pub(crate) settings: &'a Settings,
    pub(crate) caller: Option<Caller<'a>>,
    pub(crate) routed: Option<&'a Routed>,
    /// Of STS.
    pub(crate) action: Option<&'a str>,
    pub(crate) is_sts: bool,
    pub(crate) error: Option<&'a ApiError>,
}

/// One line, without its end.
pub(crate) fn written(event: &Event<'_>) -> Vec<u8> {
    let account = &event.settings.account_id;
    let identity = match &event.caller {
        Some(Caller { key, arn }) => json!({
            "type": "IAMUser",
            "principalId": key.id,
            "arn": arn,
            "accountId": account,
            "accessKeyId": key.id,
            "userName": key.name,
        }),
        None => json!({ "type": "Unknown" }),
    };
    let name = event.routed.map(|routed| routed.operation.name).or(event.action);
    let is_read = event.routed.map_or(event.is_sts, |routed| routed.operation.is_read());
    let service = if event.is_sts { "sts" } else { "chime" };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": extended(event.now),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name.map_or(Value::Null, |name| short(name).into()),
        "awsRegion": event.settings.region,
        "sourceIPAddress": event.request.source.to_string(),
        "userAgent": short(event.request.header("user-agent").unwrap_or_default()),
        "requestParameters": event.routed.map_or(Value::Null, |r| parameters(event.request, r)),
        "responseElements": null,
        "requestID": event.request_id,
        "eventID": event.event_id,
        "readOnly": is_read,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": account,
        "eventCategory": "Management",
    });
    if let Some(error) = event.error {
        record["errorCode"] = error.kind.exception().into();
        record["errorMessage"] = short(&error.message).into();
    }
    record.to_string().into_bytes()
}

/// Path, query and body, names with a small first letter.
fn parameters(request: &Request<'_>, routed: &Routed) -> Value {
    let mut all = Map::new();
    if request.body.len() > BODY_MAX {
        all.insert("omitted".to_owned(), "the body is too long".into());
    } else if let Ok(Value::Object(body)) = serde_json::from_slice(request.body)
        && let Value::Object(body) = masked(Value::Object(body))
    {
        all = body;
    }
    for (name, value) in &routed.members {
        all.insert(small_first(name), short(value).into());
    }
    for (name, value) in &routed.query {
        if !name.to_ascii_lowercase().starts_with("x-amz-") {
            all.insert(short(name), short(value).into());
        }
    }
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}

fn masked(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let masked = members.into_iter().map(|(name, value)| {
                let is_secret = SECRETS.contains(&name.to_ascii_lowercase().as_str());
                let value = if is_secret { HIDDEN.into() } else { masked(value) };
                (small_first(&name), value)
            });
            Value::Object(masked.collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(masked).collect()),
        other => other,
    }
}

fn small_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
