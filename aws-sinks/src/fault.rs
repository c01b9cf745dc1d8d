//! What a service's errors mean for the records of the request.

use crate::answer::ServiceError;
use crate::connection::NoAnswer;
use std::time::Duration;

/// Why a request, or part of it, was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The service takes nothing now: it is away, throttles, or refuses the account or a setting.
    Wait(Waiting),
    /// This request has to be tried again; others may be taken.
    Again(Waiting),
    /// The service will never take the request as it is: one of its items is at fault, or all.
    Invalid(String),
    /// The service has it already.
    Taken,
}

/// Why, and until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) after: Option<Duration>,
    /// The credentials are to be looked up again.
    pub(crate) renew: bool,
}

/// How a service's messages speak of its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// The table of the configuration, for example `cloudwatch`.
    pub(crate) table: &'static str,
    /// The permission that the request needs.
    pub(crate) action: &'static str,
    /// What becomes of it while the service has trouble.
    pub(crate) meanwhile: &'static str,
}

impl Words {
    /// Of requests that bring records, which wait in the outbox.
    pub(crate) const fn of_records(table: &'static str, action: &'static str) -> Words {
        Words { table, action, meanwhile: "records wait, nothing is lost" }
    }
}

impl From<NoAnswer> for Waiting {
    fn from(NoAnswer(reason): NoAnswer) -> Self {
        Waiting::because(reason)
    }
}

impl Waiting {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Waiting { reason: reason.into(), after: None, renew: false }
    }
}

/// What every service means by an error; `None` for one that is this service's own.
pub(crate) fn common(error: &ServiceError, words: Words) -> Option<Fault> {
    let advice = advice(error, words)?;
    let renew = matches!(error.status, 400 | 401 | 403) && !is_throttling(&error.code);
    let reason = format!("{}: {advice}", told(error));
    Some(Fault::Wait(Waiting { reason, after: error.retry_after, renew }))
}

/// What to do about an error that every service means the same by.
pub(crate) fn advice(error: &ServiceError, words: Words) -> Option<String> {
    let Words { table, action, meanwhile } = words;
    Some(match error.code.as_str() {
        _ if is_clock(error) => {
            "its clock and this node's are too far apart; correct the node's (NTP)".to_owned()
        }
        code if is_throttling(code) || error.status == 429 => {
            format!("it throttles; {meanwhile}")
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
            "the credentials have expired; they are looked up again".to_owned()
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidToken"
        | "InvalidSecurity"
        | "NotSignedUp"
        | "OptInRequired"
        | "AuthFailure" => {
            "correct the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or \
             the machine's role) and see that the account uses this region"
                .to_owned()
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "UnauthorizedException" => {
            format!("allow {action} to these credentials (docs/aws.md has the policy)")
        }
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException"
        | "InvalidRegion" => {
            format!("set region of [sinks] {table} to where it is")
        }
        "UnknownOperationException" | "UnknownOperation" | "InvalidAction" => {
            format!("endpoint_url of [sinks] {table} does not lead to this service")
        }
        _ if error.status >= 500 => format!("it has trouble; {meanwhile}"),
        _ if error.status < 400 => format!("set endpoint_url or region of [sinks] {table}"),
        _ if matches!(error.status, 401 | 403 | 407) => {
            format!("allow {action} to these credentials, and see that no proxy stands in the way")
        }
        // Nothing that AWS wrote: another server, or a path that is not there.
        "" if error.status != 413 => {
            format!("endpoint_url of [sinks] {table} does not lead to this service")
        }
        _ => return None,
    })
}

/// An error as it was told.
pub(crate) fn told(error: &ServiceError) -> String {
    let ServiceError { status, code, message, .. } = error;
    match (code.is_empty(), message.is_empty()) {
        (true, true) => format!("status {status}"),
        (true, false) => format!("status {status} ({message})"),
        (false, true) => format!("{status} {code}"),
        (false, false) => format!("{status} {code} ({message})"),
    }
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&told(self))
    }
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "Throttled"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "TransactionInProgressException"
            | "SlowDown"
            | "Busy"
    )
}

/// A signature's time is refused with several codes; only some of them say so by their name.
pub(crate) fn is_clock(error: &ServiceError) -> bool {
    let message = &error.message;
    matches!(error.code.as_str(), "RequestTimeTooSkewed" | "RequestInTheFuture")
        || message.contains("Signature expired")
        || message.contains("Signature not yet current")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str, message: &str) -> Option<Fault> {
        let (code, message) = (code.to_owned(), message.to_owned());
        let error = ServiceError { status, code, message, retry_after: None };
        common(&error, Words::of_records("logs", "logs:PutLogEvents"))
    }

    fn waits(status: u16, code: &str, message: &str) -> (String, bool) {
        match of(status, code, message) {
            Some(Fault::Wait(waiting)) => (waiting.reason, waiting.renew),
            other => panic!("{status} {code}: {other:?}"),
        }
    }

    #[test]
    fn errors_of_account_and_setting_wait_and_say_what_to_do() {
        for (status, code, message, advice, renew) in [
            (400, "ThrottlingException", "Rate exceeded", "throttles", false),
            (503, "SlowDown", "", "throttles", false),
            (429, "", "", "throttles", false),
            (500, "InternalFailure", "", "trouble", false),
            (502, "", "", "trouble", false),
            (400, "ExpiredTokenException", "", "expired", true),
            (403, "InvalidClientTokenId", "", "AWS_ACCESS_KEY_ID", true),
            (403, "SignatureDoesNotMatch", "Signature expired: 2026", "clock", true),
            (403, "RequestTimeTooSkewed", "", "clock", true),
            (400, "AccessDeniedException", "no", "allow logs:PutLogEvents", true),
            (403, "", "", "allow logs:PutLogEvents", true),
            (301, "PermanentRedirect", "", "region of [sinks] logs", false),
            (404, "", "", "endpoint_url of [sinks] logs", false),
            (400, "UnknownOperationException", "", "endpoint_url of [sinks] logs", true),
        ] {
            let (reason, renews) = waits(status, code, message);
            assert!(reason.contains(advice), "{status} {code}: {reason}");
            assert_eq!(renews, renew, "{status} {code}");
        }
    }

    #[test]
    fn errors_of_a_request_are_left_to_the_service() {
        assert_eq!(of(400, "InvalidParameterException", "no"), None);
        assert_eq!(of(404, "NoSuchBucket", ""), None);
        assert_eq!(of(413, "", ""), None);
    }

    #[test]
    fn the_service_says_when_to_come_back() {
        let error = ServiceError {
            status: 503,
            code: String::new(),
            message: String::new(),
            retry_after: Some(Duration::from_secs(7)),
        };
        let fault = common(&error, Words::of_records("s3", "s3:PutObject"));
        let Some(Fault::Wait(waiting)) = fault else { panic!("{fault:?}") };
        assert_eq!(waiting.after, Some(Duration::from_secs(7)));
    }
}
