//! What is done about each fault that the service names.

use std::time::Duration;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Remedy {
    /// What is not persisted goes over a new connection.
    Again,
    /// The fragment is left out, the others go over a new connection.
    Skip,
    /// The service is asked anew where data go.
    NewEndpoint,
    /// The stream is looked for, and made where it is not.
    MakeStream,
    /// Credentials are looked up again.
    RenewCredentials,
    /// Nothing that can be done here mends it.
    GiveUp,
}

/// How a fault is dealt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// What is done.
    pub remedy: Remedy,
    /// After so many of them in a row, with nothing persisted between, the stream is given up; `None`
    /// for a fault that passes.
    pub attempts: Option<u32>,
    /// Whether the first attempt after it needs no pause.
    pub at_once: bool,
    /// What whoever runs the node can do; may be empty.
    pub advice: &'static str,
    /// Whether it is this stream's own: another one would do.
    pub is_own: bool,
}

/// A refusal: the answer has another status than 200.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Refusal {
    /// What was asked, for example `PutMedia`.
    pub operation: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Without a namespace, for example `ResourceNotFoundException`; may be empty.
    pub code: String,
    /// In the service's words; may be empty.
    pub message: String,
    /// What it asks to wait.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Of what was asked, from what the service said.
    pub fn new(operation: &'static str, error: aws_sinks::ServiceError) -> Self {
        let aws_sinks::ServiceError { status, code, message, retry_after } = error;
        Refusal { operation, status, code, message, retry_after }
    }
}

/// The faults of fragments that are known, with the names that the service gives them.
pub const ERROR_IDS: [(u16, &str); 22] = [
    (4000, "STREAM_READ_ERROR"),
    (4001, "MAX_FRAGMENT_SIZE_REACHED"),
    (4002, "MAX_FRAGMENT_DURATION_REACHED"),
    (4003, "MAX_CONNECTION_DURATION_REACHED"),
    (4004, "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS"),
    (4005, "MORE_THAN_ALLOWED_TRACKS_FOUND"),
    (4006, "INVALID_MKV_DATA"),
    (4007, "INVALID_PRODUCER_TIMESTAMP"),
    (4008, "STREAM_NOT_ACTIVE"),
    (4009, "FRAGMENT_METADATA_LIMIT_REACHED"),
    (4010, "TRACK_NUMBER_MISMATCH"),
    (4011, "FRAMES_MISSING_FOR_TRACK"),
    (4012, "MORE_THAN_ALLOWED_TRACKS_FOUND"),
    (4500, "KMS_KEY_ACCESS_DENIED"),
    (4501, "KMS_KEY_DISABLED"),
    (4502, "KMS_KEY_VALIDATION_ERROR"),
    (4503, "KMS_KEY_UNAVAILABLE"),
    (4504, "KMS_KEY_INVALID_USAGE"),
    (4505, "KMS_KEY_INVALID_STATE"),
    (4506, "KMS_KEY_NOT_FOUND"),
    (5000, "INTERNAL_ERROR"),
    (5001, "ARCHIVAL_ERROR"),
];

/// The place of a fault in [`ERROR_IDS`]; their number for one that is not there.
pub fn error_index(id: u16) -> usize {
    ERROR_IDS.iter().position(|(known, _)| *known == id).unwrap_or(ERROR_IDS.len())
}

/// It passes: what is not persisted is sent again after a pause.
pub(crate) const PASSES: Rule =
    Rule { remedy: Remedy::Again, attempts: None, at_once: false, advice: "", is_own: false };
/// Skipping helps when one fragment is at fault; when each is, it is the stream.
const SKIPPED: Rule = Rule { remedy: Remedy::Skip, attempts: Some(5), at_once: true, ..PASSES };

const fn given_up(advice: &'static str) -> Rule {
    Rule { remedy: Remedy::GiveUp, attempts: Some(1), advice, ..PASSES }
}

/// Of the stream's key.
const fn key(advice: &'static str) -> Rule {
    Rule { is_own: true, ..given_up(advice) }
}

/// What is done about the fault `id` of an acknowledgement.
pub const fn of_error(id: u16) -> Rule {
    match id {
        // The connection was as old as the service lets it become: nothing is wrong.
        4003 => Rule { at_once: true, ..PASSES },
        4001 | 4002 | 4004 | 4006 | 4009 | 4010 | 4011 => SKIPPED,
        4005 | 4012 => given_up("the stream has more tracks than the service takes"),
        4007 => Rule { attempts: Some(3), advice: "correct this node's clock (NTP)", ..PASSES },
        4008 => Rule { remedy: Remedy::MakeStream, at_once: true, ..PASSES },
        4500 => key("allow kms:GenerateDataKey on the stream's key to these credentials"),
        4501 => key("enable the stream's KMS key"),
        4502 | 4504 => key("give the stream a symmetric KMS key that encrypts"),
        4505 => key("the stream's KMS key is pending deletion or import: restore it"),
        4506 => key("the stream's KMS key is not there: make the stream with another one"),
        // 4000, 4503, 5000, 5001, and what the service may come to say.
        _ => PASSES,
    }
}

/// What is done about a refused PutMedia.
pub fn of_refusal(refusal: &Refusal) -> Rule {
    let Refusal { operation, status, code, message, .. } = refusal;
    let renew = |advice| Rule {
        remedy: Remedy::RenewCredentials,
        attempts: Some(4),
        at_once: true,
        advice,
        ..PASSES
    };
    match code.as_str() {
        _ if is_clock(code, message) => Rule {
            attempts: Some(4),
            at_once: true,
            advice: "correct this node's clock (NTP)",
            ..PASSES
        },
        // Our own connection of before may not be over yet for the service: nine pauses are at least
        // the half minute after which it ends one without data.
        "ConnectionLimitExceededException" => Rule {
            attempts: Some(10),
            advice: "another producer sends to this stream",
            is_own: true,
            ..PASSES
        },
        code if is_throttling(code) || *status == 429 => PASSES,
        "InvalidEndpointException" => Rule { remedy: Remedy::NewEndpoint, at_once: true, ..PASSES },
        "ResourceNotFoundException" => Rule { remedy: Remedy::MakeStream, at_once: true, ..PASSES },
        "AccountStreamLimitExceededException" | "DeviceStreamLimitExceededException" => {
            given_up("the account has all the streams it may have: delete some, or raise its quota")
        }
        // Of CreateStream and UpdateDataRetention: somebody changes the stream at this moment.
        "ResourceInUseException" | "VersionMismatchException" => {
            Rule { remedy: Remedy::MakeStream, ..PASSES }
        }
        "InvalidArgumentException" | "ValidationException" => Rule {
            attempts: Some(2),
            advice: "the service does not take this stream's data; it may be no Kinesis Video",
            ..PASSES
        },
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
            renew("the credentials have expired")
        }
        _ if *status >= 500 => Rule { remedy: Remedy::NewEndpoint, ..PASSES },
        "NotAuthorizedException" | "AccessDeniedException" | "AccessDenied" => {
            renew(match *operation {
                "CreateStream" => "allow kinesisvideo:CreateStream to these credentials",
                "DescribeStream" => "allow kinesisvideo:DescribeStream to these credentials",
                "GetDataEndpoint" => "allow kinesisvideo:GetDataEndpoint to these credentials",
                _ => "allow kinesisvideo:PutMedia on the stream to these credentials",
            })
        }
        _ if matches!(status, 401 | 403) => {
            renew("correct the credentials, and region of [sinks] kinesis_video")
        }
        _ => Rule {
            remedy: Remedy::NewEndpoint,
            attempts: Some(5),
            advice: "see that endpoint_url, data_endpoint_url and region of [sinks] kinesis_video \
                     lead to Kinesis Video Streams",
            ..PASSES
        },
    }
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ClientLimitExceededException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
    )
}

fn is_clock(code: &str, message: &str) -> bool {
    matches!(code, "RequestTimeTooSkewed" | "RequestInTheFuture")
        || message.contains("Signature expired")
        || message.contains("Signature not yet current")
}

/// A refusal in words.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.operation, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, " ({})", self.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
