//! Calls that SIP media applications steer, and those that they begin.

use crate::backend::{Backend, NotCalled, NotUpdated};
use crate::error::{ApiError, ErrorKind};
use crate::state::{Number, State};
use crate::writes::with_plus;
use directory::{RuleTrigger, Snapshot};
use model::{OutboundCall, Refusal, TransactionId, UnixTime};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Octets of a header field's value, and of all names and values of arguments.
const LONGEST_VALUE: usize = 1_024;
const LONGEST_ARGUMENTS: usize = 20_480;

/// What a call is checked against before it is asked for.
pub(crate) struct Known<'a> {
    pub(crate) directory: &'a Snapshot,
    pub(crate) state: &'a State,
    pub(crate) now: UnixTime,
}

/// CreateSipMediaApplicationCall: somebody is called, and the application steers the call.
pub(crate) fn create(
    input: &Value,
    known: &Known<'_>,
    backend: &mut dyn Backend,
) -> Result<Value, ApiError> {
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let application = text("SipMediaApplicationId");
    if known.directory.application(application).is_none() {
        return Err(bad_request(format!("there is no SIP media application {application}")));
    }
    let [from, to] = ["FromPhoneNumber", "ToPhoneNumber"].map(|member| with_plus(text(member)));
    if !is_ours(known, application, &from) {
        return Err(bad_request(
            "FromPhoneNumber: is no phone number of the inventory, and no SIP rule leads it to the \
             application",
        ));
    }
    let headers = pairs(&input["SipHeaders"]);
    for (name, value) in &headers {
        check_header(name, value)?;
    }
    let arguments = pairs(&input["ArgumentsMap"]);
    let octets: usize = arguments.iter().map(|(name, value)| name.len() + value.len()).sum();
    if octets > LONGEST_ARGUMENTS {
        return Err(bad_request(format!(
            "ArgumentsMap: has more than {LONGEST_ARGUMENTS} octets of names and values"
        )));
    }
    let call = OutboundCall {
        application: application.into(),
        to: to.into(),
        from: from.into(),
        headers,
        arguments,
    };
    match backend.call_for_application(call) {
        Ok(id) => Ok(json!({ "SipMediaApplicationCall": { "TransactionId": id.to_string() } })),
        Err(why) => Err(not_called(why, application)),
    }
}

/// UpdateSipMediaApplicationCall: the application is asked again, with arguments.
pub(crate) fn update(input: &Value, backend: &mut dyn Backend) -> Result<Value, ApiError> {
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let (application, call) = (text("SipMediaApplicationId"), text("TransactionId"));
    let no_call = || {
        let message = format!("SIP media application {application} steers no call {call}");
        ApiError::new(ErrorKind::NotFound, message)
    };
    let id = TransactionId::parse(call).map_err(|_| no_call())?;
    let arguments: Map<String, Value> = input["Arguments"].as_object().cloned().unwrap_or_default();
    match backend.update_application_call(application, id, arguments) {
        Ok(()) => Ok(json!({ "SipMediaApplicationCall": { "TransactionId": call } })),
        Err(NotUpdated::NoCall) => Err(no_call()),
        Err(NotUpdated::Busy) => Err(ApiError::new(
            ErrorKind::ThrottledClient,
            format!("the application of call {call} has too much to answer; ask again"),
        )),
    }
}

/// Whether calls for the application may come from a number: it is one of the configuration file's or
/// of the inventory, or a rule leads its calls to the application.
fn is_ours(known: &Known<'_>, application: &str, e164: &str) -> bool {
    let stored = known.state.get::<Number>(e164);
    let leads_here = known.directory.sip_rules().any(|rule| {
        matches!(&rule.trigger, RuleTrigger::ToPhoneNumber(number) if **number == *e164)
            && rule.targets.iter().any(|target| *target.application == *application)
    });
    leads_here
        || known.directory.declares_number(e164)
        || stored.is_some_and(|stored| !stored.value.is_gone(known.now))
}

fn pairs(map: &Value) -> Vec<(Arc<str>, Arc<str>)> {
    let pairs = map.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.as_str().into(), value.as_str()?.into()))).collect()
}

/// Only what carries words of applications: nothing that means something to SIP itself, or to a node.
fn check_header(name: &str, value: &str) -> Result<(), ApiError> {
    let lower = name.to_ascii_lowercase();
    let is_token = name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    let is_extension = lower.starts_with("x-") && lower.len() > 2;
    let is_reserved = ["x-amzn", "x-tandem"].iter().any(|reserved| {
        lower.strip_prefix(reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    let is_known = lower == "user-to-user" || lower == "diversion";
    if !is_token || name.len() > 64 || is_reserved || !(is_extension || is_known) {
        return Err(bad_request(format!(
            "SipHeaders: {name:?} cannot be set: User-to-User, Diversion and names that begin with \
             \"x-\" can, but for x-amzn and x-tandem"
        )));
    }
    if value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
        return Err(bad_request(format!(
            "SipHeaders: the value of {name} must be plain text of {LONGEST_VALUE} octets at most"
        )));
    }
    Ok(())
}

fn not_called(why: NotCalled, application: &str) -> ApiError {
    let (kind, message) = match why {
        NotCalled::Unserved => (
            ErrorKind::ServiceUnavailable,
            "no node runs here that could call; start it".to_owned(),
        ),
        NotCalled::NoApplication => {
            (ErrorKind::BadRequest, format!("there is no SIP media application {application}"))
        }
        NotCalled::Unfit(why) => (ErrorKind::BadRequest, why.to_owned()),
        NotCalled::Refused(refusal) => refused(refusal, application),
        NotCalled::TooMany => (
            ErrorKind::ResourceLimitExceeded,
            "as many calls are steered as max_calls of [media_applications] allows".to_owned(),
        ),
        NotCalled::Busy => (
            ErrorKind::ServiceUnavailable,
            "the node has too much to do; nobody is called, ask again".to_owned(),
        ),
    };
    ApiError::new(kind, message)
}

/// What a client is told of a rule or limit of the application's calls.
fn refused(refusal: Refusal, application: &str) -> (ErrorKind, String) {
    match refusal {
        Refusal::NotE164 => (
            ErrorKind::BadRequest,
            "ToPhoneNumber: must be \"+\" and 7 to 15 digits of an E.164 number".to_owned(),
        ),
        Refusal::RegionNotAllowed => (
            ErrorKind::Forbidden,
            format!("calling_regions of application {application} has not the called country"),
        ),
        Refusal::HighRisk => (
            ErrorKind::Forbidden,
            format!(
                "ToPhoneNumber is in a high-risk range, and allow_high_risk of application \
                 {application} is not set"
            ),
        ),
        Refusal::CallRateLimit => (
            ErrorKind::ThrottledClient,
            format!("cps_limit of application {application} is used up; ask again in a second"),
        ),
        Refusal::ConcurrentCallLimit => (
            ErrorKind::ResourceLimitExceeded,
            format!("concurrent_calls_limit of application {application} is used up"),
        ),
        Refusal::DailyMinutesCap | Refusal::DailySpendCap => (
            ErrorKind::ResourceLimitExceeded,
            format!("application {application} has had its calls of today ({})", refusal.name()),
        ),
        Refusal::Draining => {
            (ErrorKind::ServiceUnavailable, "the node drains and takes no new calls".to_owned())
        }
        other => (
            ErrorKind::ServiceUnavailable,
            format!("the node takes no call now ({})", other.name()),
        ),
    }
}

fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, message)
}
