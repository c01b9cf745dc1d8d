//! Why a request was refused by policy, counted and logged under these names.

use std::fmt;

/// A policy refusal. Each has one SIP status and one name that logs and metrics share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// No voice connector and no carrier owns the source.
    UnknownSource,
    /// The source address is not in the voice connector's `cidr_allowed_list`.
    SourceNotAllowed,
    /// The credentials are wrong. Asking for them is no refusal; only a wrong answer is.
    WrongCredentials,
    /// The source gave wrong credentials too often of late.
    TooManyFailures,
    /// The called number is not E.164 (`+` and 7 to 15 digits).
    NotE164,
    /// The called country is not in `calling_regions`.
    RegionNotAllowed,
    /// The voice connector's `cps_limit` is used up.
    CallRateLimit,
    /// The voice connector's `concurrent_calls_limit` is used up.
    ConcurrentCallLimit,
    /// No carrier serves the called number.
    NoRoute,
    /// The called number belongs to no voice connector.
    UnknownNumber,
    /// The voice connector has no origination route.
    NoOrigination,
    /// Termination or origination is switched off.
    Disabled,
    /// The request went round through us too often, or Max-Forwards reached 0.
    Loop,
    /// The node drains and takes no new calls.
    Draining,
    /// A table of the node is full.
    Overloaded,
    /// The media port range is used up.
    PortsExhausted,
    /// The media relay, a process of its own, is not connected or does not answer.
    RelayUnavailable,
    /// The session description offers nothing that can be relayed.
    NotAcceptable,
    /// The called number is in a high-risk range and `allow_high_risk` is not set.
    HighRisk,
    /// The voice connector's `minutes_per_day` are used up.
    DailyMinutesCap,
    /// The voice connector's `spend_per_day` is used up.
    DailySpendCap,
    /// The voice connector's `caps.max_call_duration` is over.
    CallDurationCap,
    /// Every route that could take the call has its `max_calls` or `cps_limit`.
    RoutesFull,
    /// The method is not served here.
    MethodNotAllowed,
    /// The calling number is not one of the voice connector's.
    CallerNotAllowed,
    /// The carrier's call has no Identity header (RFC 8224).
    IdentityMissing,
    /// Its Identity header is older or newer than a minute.
    IdentityStale,
    /// Its Identity header names a certificate that is not configured.
    IdentityUnknown,
    /// The certificate may not speak for the calling number, or is expired.
    IdentityCredential,
    /// Its Identity header is not right.
    IdentityInvalid,
    /// The peer must show a client certificate, and there is no verified one.
    CertificateRequired,
    /// A `sips` request that came without TLS, or that no route could carry under TLS.
    SipsNotAllowed,
    /// The voice connector requires encryption and the request came without TLS.
    PlainSignalling,
    /// SRTP is required and the session description offers plain RTP only.
    PlainMedia,
    /// A call to `urn:service:sos` of a voice connector without an emergency calling configuration.
    NoEmergencyNumber,
    /// A recording client (SIPREC) sends a copy of a call, and the voice connector's `streaming` is off.
    StreamingDisabled,
    /// The caller of a proxy number has no open session there, and there is no fallback number.
    NoProxySession,
    /// The source has as many calls to the meeting rooms as one may have.
    SourceCallLimit,
}

impl Refusal {
    /// Every refusal, in the order of their declaration.
    pub const ALL: [Refusal; 38] = [
        Refusal::UnknownSource,
        Refusal::SourceNotAllowed,
        Refusal::WrongCredentials,
        Refusal::TooManyFailures,
        Refusal::NotE164,
        Refusal::RegionNotAllowed,
        Refusal::CallRateLimit,
        Refusal::ConcurrentCallLimit,
        Refusal::NoRoute,
        Refusal::UnknownNumber,
        Refusal::NoOrigination,
        Refusal::Disabled,
        Refusal::Loop,
        Refusal::Draining,
        Refusal::Overloaded,
        Refusal::PortsExhausted,
        Refusal::RelayUnavailable,
        Refusal::NotAcceptable,
        Refusal::HighRisk,
        Refusal::DailyMinutesCap,
        Refusal::DailySpendCap,
        Refusal::CallDurationCap,
        Refusal::RoutesFull,
        Refusal::MethodNotAllowed,
        Refusal::CallerNotAllowed,
        Refusal::IdentityMissing,
        Refusal::IdentityStale,
        Refusal::IdentityUnknown,
        Refusal::IdentityCredential,
        Refusal::IdentityInvalid,
        Refusal::CertificateRequired,
        Refusal::SipsNotAllowed,
        Refusal::PlainSignalling,
        Refusal::PlainMedia,
        Refusal::NoEmergencyNumber,
        Refusal::StreamingDisabled,
        Refusal::NoProxySession,
        Refusal::SourceCallLimit,
    ];

    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::UnknownSource => "unknown_source",
            Refusal::SourceNotAllowed => "source_not_allowed",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::TooManyFailures => "too_many_failures",
            Refusal::NotE164 => "not_e164",
            Refusal::RegionNotAllowed => "region_not_allowed",
            Refusal::CallRateLimit => "call_rate_limit",
            Refusal::ConcurrentCallLimit => "concurrent_call_limit",
            Refusal::NoRoute => "no_route",
            Refusal::UnknownNumber => "unknown_number",
            Refusal::NoOrigination => "no_origination",
            Refusal::Disabled => "disabled",
            Refusal::Loop => "loop",
            Refusal::Draining => "draining",
            Refusal::Overloaded => "overloaded",
            Refusal::PortsExhausted => "ports_exhausted",
            Refusal::RelayUnavailable => "relay_unavailable",
            Refusal::NotAcceptable => "not_acceptable",
            Refusal::HighRisk => "high_risk",
            Refusal::DailyMinutesCap => "daily_minutes_cap",
            Refusal::DailySpendCap => "daily_spend_cap",
            Refusal::CallDurationCap => "call_duration_cap",
            Refusal::RoutesFull => "routes_full",
            Refusal::MethodNotAllowed => "method_not_allowed",
            Refusal::CallerNotAllowed => "caller_not_allowed",
            Refusal::IdentityMissing => "identity_missing",
            Refusal::IdentityStale => "identity_stale",
            Refusal::IdentityUnknown => "identity_unknown",
            Refusal::IdentityCredential => "identity_credential",
            Refusal::IdentityInvalid => "identity_invalid",
            Refusal::CertificateRequired => "certificate_required",
            Refusal::SipsNotAllowed => "sips_not_allowed",
            Refusal::PlainSignalling => "plain_signalling",
            Refusal::PlainMedia => "plain_media",
            Refusal::NoEmergencyNumber => "no_emergency_number",
            Refusal::StreamingDisabled => "streaming_disabled",
            Refusal::NoProxySession => "no_proxy_session",
            Refusal::SourceCallLimit => "source_call_limit",
        }
    }

    /// The SIP status that the refused request gets.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::WrongCredentials => 401,
            Refusal::UnknownSource
            | Refusal::SourceNotAllowed
            | Refusal::TooManyFailures
            | Refusal::RegionNotAllowed
            | Refusal::CertificateRequired
            | Refusal::Disabled
            | Refusal::HighRisk
            | Refusal::DailyMinutesCap
            | Refusal::DailySpendCap
            | Refusal::CallDurationCap
            | Refusal::PlainSignalling
            | Refusal::CallerNotAllowed
            | Refusal::StreamingDisabled
            | Refusal::IdentityStale => 403,
            Refusal::NotE164
            | Refusal::NoRoute
            | Refusal::UnknownNumber
            | Refusal::NoOrigination
            | Refusal::NoEmergencyNumber
            | Refusal::NoProxySession => 404,
            Refusal::MethodNotAllowed => 405,
            Refusal::IdentityMissing => 428,
            Refusal::IdentityUnknown => 436,
            Refusal::IdentityCredential => 437,
            Refusal::IdentityInvalid => 438,
            // RFC 5630 section 5.3.
            Refusal::SipsNotAllowed => 480,
            Refusal::Loop => 482,
            Refusal::NotAcceptable | Refusal::PlainMedia => 488,
            Refusal::CallRateLimit
            | Refusal::ConcurrentCallLimit
            | Refusal::SourceCallLimit
            | Refusal::Draining
            | Refusal::Overloaded
            | Refusal::PortsExhausted
            | Refusal::RelayUnavailable
            | Refusal::RoutesFull => 503,
        }
    }

    /// Whether the answer says which policy it was, in Reason (RFC 3326): those that the customer
    /// can ask the operator about.
    pub const fn tells_why(self) -> bool {
        matches!(
            self,
            Refusal::RegionNotAllowed
                | Refusal::HighRisk
                | Refusal::DailyMinutesCap
                | Refusal::DailySpendCap
                | Refusal::NoEmergencyNumber
                | Refusal::StreamingDisabled
        )
    }

    /// Whether AWS counts it as a throttle (metric `Throttles`).
    pub const fn is_throttle(self) -> bool {
        matches!(self, Refusal::CallRateLimit | Refusal::ConcurrentCallLimit)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
