//! SIP media applications: programs that steer calls, and the rules that say which calls those are.

use crate::voice_connector::{CallerPolicy, DEFAULT_CONCURRENT_CALLS, Refer};
use crate::{Termination, VoiceConnector};
use model::VoiceConnectorId;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A program that is asked what to do with each call (AWS: SIP media application).
#[derive(Clone, PartialEq, Eq)]
pub struct MediaApplication {
    /// Its identity, a UUID in lower case.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// Where it is asked.
    pub endpoint: ApplicationEndpoint,
    /// What requests to it are signed with; `None` signs nothing. Never printed.
    pub secret: Option<Arc<str>>,
    /// How long it may take to answer, 1 s to 60 s.
    pub timeout: Duration,
    /// What a caller gets that was not answered when the application cannot be asked, 400 to 699.
    pub on_failure: u16,
    /// Countries whose numbers it may call through the carriers, as in
    /// [`Termination::calling_regions`]; default none.
    pub calling_regions: Vec<&'static str>,
    /// Numbers in high-risk ranges may be called, as in [`Termination::allow_high_risk`].
    pub allow_high_risk: bool,
    /// Calls a second that it may begin, as in [`Termination::cps_limit`].
    pub cps_limit: u32,
    /// Calls at once, those that it is asked about and those that it begins.
    pub concurrent_calls_limit: u32,
    /// What it is told and what it answers is logged, `EnableSipMediaApplicationMessageLogs`.
    pub message_logs: bool,
}

impl MediaApplication {
    /// How long an application may take unless configured.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// What callers get unless configured: Service Unavailable.
    pub const DEFAULT_ON_FAILURE: u16 = 503;

    /// An application with every default: it calls nobody.
    pub fn new(id: &str, endpoint: ApplicationEndpoint) -> Self {
        MediaApplication {
            id: id.into(),
            name: id.into(),
            endpoint,
            secret: None,
            timeout: Self::DEFAULT_TIMEOUT,
            on_failure: Self::DEFAULT_ON_FAILURE,
            calling_regions: Vec::new(),
            allow_high_risk: false,
            cps_limit: Termination::DEFAULT_CPS_LIMIT,
            concurrent_calls_limit: DEFAULT_CONCURRENT_CALLS,
            message_logs: false,
        }
    }

    /// The id that its calls have in the place of a voice connector's: the first 22 digits of its own,
    /// without hyphens. `None` of an id that is no UUID.
    pub fn connector_id(&self) -> Option<VoiceConnectorId> {
        let digits: String = self.id.chars().filter(|c| *c != '-').take(22).collect();
        VoiceConnectorId::new(&digits).ok().filter(|_| is_uuid(&self.id))
    }

    /// The rules that its calls are under where no voice connector has any: nobody may call out
    /// through it but the application itself, and nobody inside a call may have it transferred.
    pub(crate) fn connector(&self) -> Option<VoiceConnector> {
        let termination = Termination {
            cps_limit: self.cps_limit,
            concurrent_calls_limit: self.concurrent_calls_limit,
            calling_regions: self.calling_regions.clone(),
            allow_high_risk: self.allow_high_risk,
            ..Termination::default()
        };
        Some(VoiceConnector {
            name: self.name.clone(),
            termination: Some(termination),
            refer: Refer::Refuse,
            caller: CallerPolicy::default(),
            ..VoiceConnector::new(self.connector_id()?)
        })
    }
}

impl fmt::Debug for MediaApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaApplication")
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .field("is_signed", &self.secret.is_some())
            .finish_non_exhaustive()
    }
}

/// Where an application is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationEndpoint {
    /// A URL; `http:` is for loopback alone.
    Url(Arc<str>),
    /// A function of AWS Lambda, by its ARN.
    Lambda(Arc<str>),
    /// The node's meeting rooms, which nobody configures as an application.
    Rooms,
}

impl ApplicationEndpoint {
    /// As it is written; empty for the meeting rooms.
    pub fn text(&self) -> &str {
        match self {
            ApplicationEndpoint::Url(text) | ApplicationEndpoint::Lambda(text) => text,
            ApplicationEndpoint::Rooms => "",
        }
    }

    /// Reads an endpoint.
    ///
    /// # Errors
    /// What is wrong with it and what to write, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("arn:") {
            let parts: Vec<&str> = text.split(':').collect();
            let is_function = matches!(
                parts.as_slice(),
                [_, partition, "lambda", region, account, "function", name, ..]
                    if partition.starts_with("aws") && !region.is_empty() && !name.is_empty()
                        && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
            );
            return match is_function && parts.len() <= 8 {
                true => Ok(ApplicationEndpoint::Lambda(text.into())),
                false => Err(format!(
                    "{text:?} is no ARN of a Lambda function; write one such as \
                     \"arn:aws:lambda:us-east-1:111122223333:function:menu\""
                )),
            };
        }
        let has_host = |rest: &str| !host_of(rest).is_empty();
        let is_plain = text.chars().all(|c| c.is_ascii_graphic()) && text.len() <= 2048;
        let (secure, plain) = (text.strip_prefix("https://"), text.strip_prefix("http://"));
        match (secure, plain) {
            (Some(rest), _) if is_plain && has_host(rest) => {
                Ok(ApplicationEndpoint::Url(text.into()))
            }
            (_, Some(rest)) if is_plain && is_loopback(host_of(rest)) => {
                Ok(ApplicationEndpoint::Url(text.into()))
            }
            (_, Some(_)) => Err(format!(
                "{text:?} would be asked without encryption; write https://, or an address of \
                 this machine such as http://127.0.0.1:8000/"
            )),
            _ => Err(format!(
                "{text:?} is no endpoint; write a URL such as \"https://menu.example.com/calls\", \
                 or the ARN of a Lambda function"
            )),
        }
    }
}

/// The host of what follows `//` in a URL, without user and port.
fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return "";
    }
    match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Which calls applications steer (AWS: SIP rule).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SipRule {
    /// Its identity, 1 to 64 characters of `[A-Za-z0-9_.-]`.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// It holds for no call.
    pub disabled: bool,
    /// For which calls it holds.
    pub trigger: RuleTrigger,
    /// The applications, 1 to 25; the lowest priority is asked first, the next when it cannot be
    /// reached.
    pub targets: Vec<RuleTarget>,
}

/// For which calls a rule holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleTrigger {
    /// For those from a carrier to an E.164 number.
    ToPhoneNumber(Arc<str>),
    /// For those of customers whose request URI names a host.
    RequestUriHostname(Arc<str>),
}

/// An application of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleTarget {
    /// Its id.
    pub application: Arc<str>,
    /// 1 to 65,535; the lowest is asked first, equals in the order of declaration.
    pub priority: u16,
}

/// An application that a call goes to, see [`Snapshot::applications_of`](crate::Snapshot::applications_of).
#[derive(Clone, Debug)]
pub struct ApplicationTarget {
    /// The rule that says so; `None` of a call that the application began itself.
    pub rule: Option<Arc<SipRule>>,
    /// The application.
    pub application: Arc<MediaApplication>,
    /// The rules that its calls are under where no voice connector has any.
    pub connector: Arc<VoiceConnector>,
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}
