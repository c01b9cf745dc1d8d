//! What a request is refused with.

use std::fmt;

/// A refusal as clients see it: an exception and a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// Which exception.
    pub kind: ErrorKind,
    /// What is wrong and what to do; never a secret.
    pub message: String,
}

/// The exceptions: those of the service's model, then those that AWS's front door gives for every
/// service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// A member is missing or malformed.
    BadRequest,
    /// The request cannot be served as things are.
    Forbidden,
    /// In the model only; unsigned requests get [`ErrorKind::MissingAuthenticationToken`].
    UnauthorizedClient,
    /// Too many requests of one key.
    ThrottledClient,
    /// A fault of ours.
    ServiceFailure,
    /// For the moment.
    ServiceUnavailable,
    /// A policy says no.
    AccessDenied,
    /// The resource cannot be changed so.
    Conflict,
    /// AWS has withdrawn the operation.
    Gone,
    /// There is no such resource.
    NotFound,
    /// A quota.
    ResourceLimitExceeded,
    /// Well formed, but it makes no sense.
    UnprocessableEntity,
    /// The request has no signature.
    MissingAuthenticationToken,
    /// Its signature lacks a part.
    IncompleteSignature,
    /// Its signature, or its time, is wrong.
    InvalidSignature,
    /// The key is unknown, or the request has a session token.
    UnrecognizedClient,
    /// No operation has this method and path.
    UnknownOperation,
    /// The body is over [`crate::MAX_BODY_BYTES`].
    RequestTooLarge,
}

impl ApiError {
    /// A refusal.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ApiError { kind, message: message.into() }
    }
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 18] = [
        ErrorKind::BadRequest,
        ErrorKind::Forbidden,
        ErrorKind::UnauthorizedClient,
        ErrorKind::ThrottledClient,
        ErrorKind::ServiceFailure,
        ErrorKind::ServiceUnavailable,
        ErrorKind::AccessDenied,
        ErrorKind::Conflict,
        ErrorKind::Gone,
        ErrorKind::NotFound,
        ErrorKind::ResourceLimitExceeded,
        ErrorKind::UnprocessableEntity,
        ErrorKind::MissingAuthenticationToken,
        ErrorKind::IncompleteSignature,
        ErrorKind::InvalidSignature,
        ErrorKind::UnrecognizedClient,
        ErrorKind::UnknownOperation,
        ErrorKind::RequestTooLarge,
    ];

    /// The exception's name, as `x-amzn-ErrorType` has it.
    pub const fn exception(self) -> &'static str {
        match self {
            ErrorKind::BadRequest => "BadRequestException",
            ErrorKind::Forbidden => "ForbiddenException",
            ErrorKind::UnauthorizedClient => "UnauthorizedClientException",
            ErrorKind::ThrottledClient => "ThrottledClientException",
            ErrorKind::ServiceFailure => "ServiceFailureException",
            ErrorKind::ServiceUnavailable => "ServiceUnavailableException",
            ErrorKind::AccessDenied => "AccessDeniedException",
            ErrorKind::Conflict => "ConflictException",
            ErrorKind::Gone => "GoneException",
            ErrorKind::NotFound => "NotFoundException",
            ErrorKind::ResourceLimitExceeded => "ResourceLimitExceededException",
            ErrorKind::UnprocessableEntity => "UnprocessableEntityException",
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            ErrorKind::IncompleteSignature => "IncompleteSignatureException",
            ErrorKind::InvalidSignature => "InvalidSignatureException",
            ErrorKind::UnrecognizedClient => "UnrecognizedClientException",
            ErrorKind::UnknownOperation => "UnknownOperationException",
            ErrorKind::RequestTooLarge => "RequestEntityTooLargeException",
        }
    }

    /// The same in chime-sdk-meetings, which has names of its own for some.
    pub const fn exception_of_meetings(self) -> &'static str {
        match self {
            ErrorKind::UnauthorizedClient => "UnauthorizedException",
            ErrorKind::ThrottledClient => "ThrottlingException",
            ErrorKind::AccessDenied => "ForbiddenException",
            ErrorKind::ResourceLimitExceeded => "LimitExceededException",
            other => other.exception(),
        }
    }

    /// The body's `Code`: a value of the model's ErrorCode where it has one.
    pub const fn code(self) -> &'static str {
        match self {
            ErrorKind::BadRequest => "BadRequest",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::UnauthorizedClient => "Unauthorized",
            ErrorKind::ThrottledClient => "Throttled",
            ErrorKind::ServiceFailure => "ServiceFailure",
            ErrorKind::ServiceUnavailable => "ServiceUnavailable",
            ErrorKind::AccessDenied => "AccessDenied",
            ErrorKind::Conflict => "Conflict",
            ErrorKind::Gone => "Gone",
            ErrorKind::NotFound => "NotFound",
            ErrorKind::ResourceLimitExceeded => "ResourceLimitExceeded",
            ErrorKind::UnprocessableEntity => "Unprocessable",
            other => other.exception(),
        }
    }

    /// The name in STS's replies, whose protocol has names of its own.
    pub const fn query_code(self) -> &'static str {
        match self {
            ErrorKind::MissingAuthenticationToken => "MissingAuthenticationToken",
            ErrorKind::IncompleteSignature => "IncompleteSignature",
            ErrorKind::InvalidSignature => "SignatureDoesNotMatch",
            ErrorKind::UnrecognizedClient => "InvalidClientTokenId",
            ErrorKind::UnknownOperation => "InvalidAction",
            ErrorKind::ThrottledClient => "Throttling",
            ErrorKind::AccessDenied => "AccessDenied",
            ErrorKind::BadRequest => "ValidationError",
            ErrorKind::ServiceUnavailable => "ServiceUnavailable",
            _ => "InternalFailure",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            ErrorKind::BadRequest
            | ErrorKind::ResourceLimitExceeded
            | ErrorKind::IncompleteSignature => 400,
            ErrorKind::UnauthorizedClient => 401,
            ErrorKind::Forbidden
            | ErrorKind::AccessDenied
            | ErrorKind::MissingAuthenticationToken
            | ErrorKind::InvalidSignature
            | ErrorKind::UnrecognizedClient => 403,
            ErrorKind::NotFound | ErrorKind::UnknownOperation => 404,
            ErrorKind::Conflict => 409,
            ErrorKind::Gone => 410,
            ErrorKind::RequestTooLarge => 413,
            ErrorKind::UnprocessableEntity => 422,
            ErrorKind::ThrottledClient => 429,
            ErrorKind::ServiceFailure => 500,
            ErrorKind::ServiceUnavailable => 503,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.exception(), self.message)
    }
}

impl std::error::Error for ApiError {}
