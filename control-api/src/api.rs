//! One request in, one answer and its audit record out.

use crate::access_key::AccessKey;
use crate::audit::{self, Caller, Event};
use crate::backend::{Backend, CommitFault};
use crate::error::{ApiError, ErrorKind};
use crate::page_token::PageTokens;
use crate::policy::Question;
use crate::rate::RateLimit;
use crate::reads::{Catalogue, Reading};
use crate::request::{MAX_BODY_BYTES, Request};
use crate::router::{Routed, route};
use crate::state::{State, Tag, Tags};
use crate::write::{self, Written};
use crate::{rooms, schema, sigv4, steering, sts};
use directory::NumberTable;
use model::UnixTime;
use room_core::{MeetingId, MeetingRecord, Registry, StoredMeeting};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Requests a second that nobody's key vouches for and that are still audited; what is more is
/// answered, but leaves no record, so that strangers cannot fill the disk.
const STRANGERS_PER_SECOND: u32 = 10;
/// Of one address, where nothing is said.
const UNPROVEN_PER_SECOND: u32 = 10;
/// How long finished orders are told of, where nothing is said.
const ORDERS_KEPT_DAYS: u32 = 400;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// The operation of what is none, in [`Answer::operation`].
const UNKNOWN: &str = "unknown";

/// How a phone number is written into the audit.
pub type NumberView = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What the API is told of its node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region that ARNs name.
    pub region: String,
    /// The 12-digit account that ARNs name.
    pub account_id: String,
    /// Where call detail records go, if they go to S3.
    pub cdr_bucket: Option<String>,
    /// Requests a second of one key; two seconds' worth may come at once.
    pub requests_per_second: u32,
    /// What pagination tokens are vouched for with.
    pub token_key: [u8; 32],
}

impl Settings {
    /// The ARN of a resource: `vc`, `vcg` or `phone-number` and its id.
    pub(crate) fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:chime:{}:{}:{}", self.region, self.account_id, tag_key(kind, id))
    }

    /// What the tags of a resource are kept under: its ARN without what the configuration file says of
    /// the node, so that they stay when that changes. `None` for an ARN of elsewhere.
    pub(crate) fn tag_key<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let rest = arn.strip_prefix("arn:aws:chime:")?.strip_prefix(&*self.region)?;
        rest.strip_prefix(':')?.strip_prefix(&*self.account_id)?.strip_prefix(':')
    }

    fn user_arn(&self, key: &AccessKey) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account_id, key.name)
    }
}

/// What the tags of a resource are kept under.
pub(crate) fn tag_key(kind: &str, id: &str) -> String {
    format!("{kind}/{id}")
}

/// Two UUIDs that the shell draws for each request.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    /// Of the request, in `x-amzn-RequestId`.
    pub request: &'a str,
    /// Of its audit record.
    pub event: &'a str,
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; may be empty.
    pub body: Vec<u8>,
    /// A line for [`audit::FILE`], without its end.
    pub audit: Option<Vec<u8>>,
    /// For counting: the operation's name, or `unknown`.
    pub operation: &'static str,
    /// For counting: `ok`, or the exception's name.
    pub outcome: &'static str,
    /// What it was about.
    pub kind: RequestKind,
    /// Members of the request that the model does not know; bounded.
    pub ignored: Vec<String>,
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// An operation that reads.
    Read,
    /// An operation that changes something, whether it was done or refused.
    Write,
    /// No operation, or nobody's.
    Other,
}

impl RequestKind {
    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            RequestKind::Read => "read",
            RequestKind::Write => "write",
            RequestKind::Other => "other",
        }
    }
}

/// The control API. Commands: [`Api::handle`], and [`Api::replace_state`] when somebody else has
/// changed the journal.
pub struct Api {
    settings: Settings,
    state: State,
    /// The meetings of the state and of the file, by their numbers.
    meetings: Registry,
    meetings_of_file: Vec<MeetingRecord>,
    /// Meetings that the file has no more, and that people are still in.
    retired: Vec<MeetingRecord>,
    tokens: PageTokens,
    rate: RateLimit,
    strangers: RateLimit,
    /// By the address of who asks what no key vouches for.
    unproven: RateLimit,
    number_view: NumberView,
    /// Of the request that is answered.
    ignored: Vec<String>,
    catalogue: Option<Catalogue>,
    /// Where the state's numbers lead; `None` until something is written.
    numbers: Option<NumberTable>,
    orders_kept_ms: u64,
}

/// What became known of a request on its way.
#[derive(Default)]
struct Known {
    key: Option<AccessKey>,
    routed: Option<Routed>,
    action: Option<String>,
    is_throttled: bool,
}

impl Known {
    fn kind(&self) -> RequestKind {
        match (&self.routed, self.counted_as()) {
            (Some(routed), _) if routed.operation.is_read() => RequestKind::Read,
            (Some(_), _) => RequestKind::Write,
            (None, UNKNOWN) => RequestKind::Other,
            (None, _) => RequestKind::Read,
        }
    }

    fn counted_as(&self) -> &'static str {
        match (&self.routed, self.action.as_deref()) {
            (Some(routed), _) => routed.operation.name,
            (None, Some("GetCallerIdentity")) => "GetCallerIdentity",
            (None, _) => UNKNOWN,
        }
    }
}

enum Success {
    Json(u16, Value),
    Xml(String),
}

impl Api {
    /// An API that has answered nobody yet, with what was made through it before.
    pub fn new(settings: Settings, state: State) -> Self {
        Api {
            meetings: state.registry().0,
            meetings_of_file: Vec::new(),
            retired: Vec::new(),
            state,
            tokens: PageTokens::new(&settings.token_key),
            rate: RateLimit::new(settings.requests_per_second),
            strangers: RateLimit::new(STRANGERS_PER_SECOND),
            unproven: RateLimit::new(UNPROVEN_PER_SECOND),
            number_view: Arc::new(str::to_owned),
            ignored: Vec::new(),
            catalogue: None,
            numbers: None,
            orders_kept_ms: u64::from(ORDERS_KEPT_DAYS) * DAY_MS,
            settings,
        }
    }

    /// Answers at most `per_second` requests of one address that no key vouches for; two seconds'
    /// worth may come at once. The rest is told to come later. Default: 10.
    #[must_use]
    pub fn with_unproven_rate(mut self, per_second: u32) -> Self {
        self.unproven = RateLimit::new(per_second);
        self
    }

    /// Tells of orders of phone numbers that are finished for so many days. Default: 400.
    #[must_use]
    pub fn with_orders_kept(mut self, days: u32) -> Self {
        self.orders_kept_ms = u64::from(days) * DAY_MS;
        self
    }

    /// Writes phone numbers into the audit so. Default: as they are.
    #[must_use]
    pub fn with_numbers(mut self, numbers: NumberView) -> Self {
        self.number_view = numbers;
        self
    }

    /// Tells of these meetings too, which the configuration file has and nobody changes here.
    #[must_use]
    pub fn with_meetings_of_file(mut self, meetings: Vec<MeetingRecord>) -> Self {
        self.meetings_of_file = meetings;
        self.gather_meetings();
        self
    }

    /// The configuration file has these meetings now. Of those that it has no more the `held` ones are
    /// told of until they end ([`Api::remove_ended`]); where that is not known, all of them.
    pub fn set_meetings_of_file(
        &mut self,
        meetings: Vec<MeetingRecord>,
        held: Option<&[MeetingId]>,
    ) {
        let before = std::mem::replace(&mut self.meetings_of_file, meetings);
        let (now, is_held) = (&self.meetings_of_file, |id| held.is_none_or(|of| of.contains(&id)));
        self.retired.extend(before);
        self.retired.retain(|old| {
            let id = old.meeting_id;
            is_held(id) && now.iter().all(|record| record.meeting_id != id)
        });
        self.gather_meetings();
    }

    /// Whether there are meetings that [`Api::remove_ended`] could be about.
    pub fn has_meetings_that_end(&self) -> bool {
        !self.retired.is_empty() || !self.state.all::<StoredMeeting>().is_empty()
    }

    fn gather_meetings(&mut self) {
        self.meetings = self.state.registry_beside(&self.meetings_of_file).0;
        for record in &self.retired {
            self.meetings.show_retired(record.clone());
        }
    }

    /// What is made through the API.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Goes on with what somebody else has made of the journal.
    pub fn replace_state(&mut self, state: State) {
        self.state = state;
        self.gather_meetings();
        self.numbers = None;
    }

    /// Removes meetings on demand that have ended, and those that the file has no more.
    ///
    /// # Errors
    /// They cannot be written down now; then nothing has changed.
    pub fn remove_ended(
        &mut self,
        now: UnixTime,
        ended: &[MeetingId],
        backend: &mut dyn Backend,
    ) -> Result<(), CommitFault> {
        // One that the file has again has not ended for good.
        let of_file = &self.meetings_of_file;
        let is_of_file = |id: &MeetingId| of_file.iter().any(|record| record.meeting_id == *id);
        let ended: Vec<_> = ended.iter().copied().filter(|id| !is_of_file(id)).collect();
        write::remove_ended(&mut self.state, &mut self.meetings, (now, &ended), backend)?;
        self.retired.retain(|record| !ended.contains(&record.meeting_id));
        Ok(())
    }

    /// Answers a request at `now`. Of a write, everything is done before this returns, or nothing.
    pub fn handle(
        &mut self,
        now: UnixTime,
        ids: Ids<'_>,
        request: &Request<'_>,
        backend: &mut dyn Backend,
    ) -> Answer {
        let mut known = Known::default();
        let outcome = self.decide(now, ids, request, backend, &mut known);
        let outcome = self.limit(now, request, &known, outcome);
        let (operation, kind_of) = (known.counted_as(), known.kind());
        let told = outcome.as_ref().map_or_else(|error| error.kind.exception(), |_| "ok");
        let audit = self.audit(now, ids, request, &known, outcome.as_ref().err());
        let is_sts = sts::is_for_sts(request);
        let mut headers = vec![("x-amzn-RequestId", ids.request.to_owned())];
        let (status, kind, body) = match outcome {
            Ok(Success::Json(status, Value::Null)) => (status, "application/json", String::new()),
            Ok(Success::Json(status, body)) => (status, "application/json", body.to_string()),
            Ok(Success::Xml(body)) => (200, "text/xml", body),
            Err(error) if is_sts => {
                (error.kind.status(), "text/xml", sts::refusal(&error, ids.request))
            }
            Err(error) => {
                let of_meetings =
                    known.routed.as_ref().is_some_and(|r| r.operation.is_of_meetings());
                let exception = match of_meetings {
                    true => error.kind.exception_of_meetings(),
                    false => error.kind.exception(),
                };
                headers.push(("x-amzn-ErrorType", exception.to_owned()));
                let body = json!({ "Code": error.kind.code(), "Message": error.message });
                (error.kind.status(), "application/json", body.to_string())
            }
        };
        headers.push(("content-type", kind.to_owned()));
        headers.push(("cache-control", "no-store".to_owned()));
        Answer {
            status,
            headers,
            body: body.into_bytes(),
            audit,
            operation,
            outcome: told,
            kind: kind_of,
            ignored: std::mem::take(&mut self.ignored),
        }
    }

    /// What no key vouches for is answered at a bounded rate for each address. A key's requests from
    /// the same address are not counted: whoever tries cannot keep its neighbours out.
    fn limit(
        &mut self,
        now: UnixTime,
        request: &Request<'_>,
        known: &Known,
        outcome: Result<Success, ApiError>,
    ) -> Result<Success, ApiError> {
        if known.key.is_some() || self.unproven.admits(now, &place(request.source)) {
            return outcome;
        }
        let message =
            "too many requests from this address that no key vouches for; try again later";
        Err(ApiError::new(ErrorKind::ThrottledClient, message))
    }

    fn decide(
        &mut self,
        now: UnixTime,
        ids: Ids<'_>,
        request: &Request<'_>,
        backend: &mut dyn Backend,
        known: &mut Known,
    ) -> Result<Success, ApiError> {
        if request.body.len() > MAX_BODY_BYTES {
            let message = format!("the body is longer than {MAX_BODY_BYTES} octets");
            return Err(ApiError::new(ErrorKind::RequestTooLarge, message));
        }
        let is_sts = sts::is_for_sts(request);
        let claim = sigv4::read(request)?;
        let key = find(backend, &claim.access_key_id)?;
        claim.verify(request, &key.secret, if is_sts { "sts" } else { "chime" }, now)?;
        let key = known.key.insert(key);
        if !self.rate.admits(now, &key.id) {
            known.is_throttled = true;
            let message = format!(
                "more than {} requests a second with one key; try again later",
                self.settings.requests_per_second
            );
            return Err(ApiError::new(ErrorKind::ThrottledClient, message));
        }
        if is_sts {
            let action = known.action.insert(sts::action(request)?);
            if action != "GetCallerIdentity" {
                return Err(sts::unknown(action));
            }
            // As at AWS, everybody may know who they are.
            let (arn, account) = (self.settings.user_arn(key), &self.settings.account_id);
            return Ok(Success::Xml(sts::caller_identity(&arn, &key.id, account, ids.request)));
        }
        let routed = known.routed.insert(route(request)?);
        self.serve(now, request.body, backend, key, routed)
    }

    fn serve(
        &mut self,
        now: UnixTime,
        body: &[u8],
        backend: &mut dyn Backend,
        key: &AccessKey,
        routed: &Routed,
    ) -> Result<Success, ApiError> {
        let snapshot = backend.directory();
        let catalogue = match self.catalogue.take() {
            Some(catalogue) if catalogue.is_of(&snapshot) => catalogue,
            Some(catalogue) => catalogue.following(&snapshot),
            None => Catalogue::of(&snapshot),
        };
        let catalogue = &*self.catalogue.insert(catalogue);
        let (settings, tokens) = (&self.settings, &self.tokens);
        let orders_kept_ms = self.orders_kept_ms;
        // Whether a call is up says the status of a session.
        let of_session = routed.operation.name.contains("ProxySession");
        let live = if of_session { backend.proxied_calls() } else { Vec::new() };
        let live = live.as_slice();
        let (state, of_node) = (&self.state, &*backend);
        let reading = Reading {
            settings,
            catalogue,
            directory: &snapshot,
            tokens,
            routed,
            state,
            backend: of_node,
            meetings: &self.meetings,
            now,
            orders_kept_ms,
            live,
        };
        permit(&reading, key, body)?;
        if let Some((kind, message)) = routed.operation.refusal() {
            return Err(ApiError::new(kind, message));
        }
        let schema::Checked { input, ignored } = schema::check(routed, body)?;
        self.ignored = ignored;
        if routed.operation.is_read() {
            return Ok(Success::Json(routed.operation.status, reading.answer()?));
        }
        // Those of calls change nothing that is kept.
        let of_call = match routed.operation.name {
            "UpdateSipMediaApplicationCall" => Some(steering::update(&input, backend)?),
            "CreateSipMediaApplicationCall" => {
                let known = steering::Known { directory: &snapshot, state: &self.state, now };
                Some(steering::create(&input, &known, backend)?)
            }
            _ => None,
        };
        if let Some(answer) = of_call {
            return Ok(Success::Json(routed.operation.status, answer));
        }
        if let Some(command) = rooms::command(routed, &input)? {
            // The same of a meeting.
            let answer = rooms::perform(&self.meetings, routed, command, backend)?;
            return Ok(Success::Json(routed.operation.status, answer));
        }
        let written = write::write(
            Written {
                settings,
                catalogue,
                directory: &snapshot,
                routed,
                live,
                orders_kept_ms,
                state: &mut self.state,
                meetings: &mut self.meetings,
                numbers: &mut self.numbers,
            },
            (now, input),
            backend,
        );
        for (id, _) in self.meetings.take_changed() {
            if written.is_err() {
                // It was so before: it can be again.
                let _ = self.meetings.follow(id, self.state.meeting(id));
            }
        }
        Ok(Success::Json(routed.operation.status, written?))
    }

    fn audit(
        &mut self,
        now: UnixTime,
        ids: Ids<'_>,
        request: &Request<'_>,
        known: &Known,
        error: Option<&ApiError>,
    ) -> Option<Vec<u8>> {
        let is_proven = known.key.is_some() && !known.is_throttled;
        if !is_proven && !self.strangers.admits(now, "") {
            return None;
        }
        let caller = known.key.as_ref().map(|key| Caller { key, arn: self.settings.user_arn(key) });
        let event = Event {
            now,
            request_id: ids.request,
            event_id: ids.event,
            request,
            settings: &self.settings,
            caller,
            routed: known.routed.as_ref(),
            action: known.action.as_deref(),
            is_sts: sts::is_for_sts(request),
            error,
            numbers: &*self.number_view,
        };
        Some(audit::written(&event))
    }
}

/// What one who asks can easily change is not told apart: the lower half of an IPv6 address.
fn place(source: IpAddr) -> String {
    match source {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Asks the key's policy.
fn permit(reading: &Reading<'_>, key: &AccessKey, body: &[u8]) -> Result<(), ApiError> {
    let Some(policy) = &key.policy else { return Ok(()) };
    // A body that is no JSON is refused later, where the message can say so.
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let operation = reading.routed.operation;
    let action = format!("{}:{}", operation.service(), operation.name);
    let resource = reading.resource(&body);
    // Only what the operation itself reads may speak for it.
    let brings = matches!(
        operation.name,
        "CreateVoiceConnector"
            | "CreateVoiceConnectorGroup"
            | "CreateSipMediaApplication"
            | "CreateMeeting"
            | "CreateMeetingWithAttendees"
            | "TagResource"
    );
    let tags = if brings { body.get_mut("Tags").map(Value::take) } else { None };
    let tags = tags.and_then(|tags| serde_json::from_value::<Vec<Tag>>(tags).ok());
    let stored = reading.settings.tag_key(&resource).and_then(|key| reading.state.get::<Tags>(key));
    let stored = stored.map(|stored| stored.value.0.as_slice());
    let pairs = |tags: &[Tag]| -> Vec<(String, String)> {
        tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
    };
    let asked = Question {
        action: &action,
        resource: &resource,
        resource_tags: &pairs(stored.unwrap_or_default()),
        request_tags: &pairs(&tags.unwrap_or_default()),
    };
    if policy.allows(&asked) {
        return Ok(());
    }
    let user = reading.settings.user_arn(key);
    let message =
        format!("User: {user} is not authorized to perform: {action} on resource: {resource}");
    Err(ApiError::new(ErrorKind::AccessDenied, message))
}

fn find(keys: &dyn Backend, id: &str) -> Result<AccessKey, ApiError> {
    match keys.find(id) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => {
            let message = "The security token included in the request is invalid: its access key \
                           is unknown here";
            Err(ApiError::new(ErrorKind::UnrecognizedClient, message))
        }
        Err(_) => {
            let message = "access keys cannot be read now; see Tandem's log";
            Err(ApiError::new(ErrorKind::ServiceUnavailable, message))
        }
    }
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
