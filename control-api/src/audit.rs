//! Who asked for what, from where, and what became of it: records in the form of CloudTrail.

use crate::access_key::AccessKey;
use crate::api::Settings;
use crate::calendar::extended;
use crate::error::ApiError;
use crate::request::Request;
use crate::router::Routed;
use crate::schema::shown::{Numbers, short, shown, text_shown};
use model::UnixTime;
use serde_json::{Value, json};

/// The file of records, below `data_dir`.
pub const FILE: &str = "audit/cloudtrail.jsonl";

/// A longer body is not written down, in octets.
const BODY_MAX: usize = 8 * 1024;

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
    /// How phone numbers are written down.
    pub(crate) numbers: Numbers<'a>,
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
    // What is Tandem's own is nothing that AWS has a name for.
    let source = match (event.is_sts, event.routed) {
        (true, _) => "sts.amazonaws.com",
        (false, Some(routed)) if routed.operation.is_own() => "tandem",
        (false, _) => "chime.amazonaws.com",
    };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": extended(event.now),
        "eventSource": source,
        "eventName": name.map_or(Value::Null, |name| short(name).into()),
        "awsRegion": event.settings.region,
        "sourceIPAddress": event.request.source.to_string(),
        "userAgent": short(event.request.header("user-agent").unwrap_or_default()),
        "requestParameters": event.routed.map_or(Value::Null, |routed| parameters(event, routed)),
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
        let mut message = text_shown(&short(&error.message), event.numbers);
        // Clients may leave the plus out.
        let id = event.routed.and_then(|routed| routed.member("PhoneNumberId"));
        if let Some(id) = id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) {
            message = message.replace(id, &(event.numbers)(id));
        }
        record["errorMessage"] = message.into();
    }
    record.to_string().into_bytes()
}

/// Path, query and body, names with a small first letter.
fn parameters(event: &Event<'_>, routed: &Routed) -> Value {
    let body = event.request.body;
    let is_long = body.len() > BODY_MAX;
    let mut all = shown(routed, if is_long { b"" } else { body }, event.numbers);
    if is_long {
        all.insert("omitted".to_owned(), "the body is too long".into());
    }
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}
