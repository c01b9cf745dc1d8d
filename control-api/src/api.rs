//! One request in, one answer and its audit record out.

use crate::access_key::AccessKey;
use crate::audit::{self, Caller, Event};
use crate::backend::Backend;
use crate::error::{ApiError, ErrorKind};
use crate::page_token::PageTokens;
use crate::policy::Question;
use crate::rate::RateLimit;
use crate::reads::{Catalogue, Reading};
use crate::request::{MAX_BODY_BYTES, Request};
use crate::router::{Routed, route};
use crate::state::{Draft, State, Tag, Tags};
use crate::writes::Writing;
use crate::{schema, sigv4, sts};
use model::UnixTime;
use serde_json::{Value, json};

/// Requests a second that nobody's key vouches for and that are still audited; what is more is
/// answered, but leaves no record, so that strangers cannot fill the disk.
const STRANGERS_PER_SECOND: u32 = 10;

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
        format!("arn:aws:chime:{}:{}:{kind}/{id}", self.region, self.account_id)
    }

    fn user_arn(&self, key: &AccessKey) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account_id, key.name)
    }
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
}

/// The control API. Commands: [`Api::handle`], and [`Api::replace_state`] when somebody else has
/// changed the journal.
pub struct Api {
    settings: Settings,
    state: State,
    tokens: PageTokens,
    rate: RateLimit,
    strangers: RateLimit,
    catalogue: Option<Catalogue>,
}

/// What became known of a request on its way.
#[derive(Default)]
struct Known {
    key: Option<AccessKey>,
    routed: Option<Routed>,
    action: Option<String>,
    is_throttled: bool,
}

enum Success {
    Json(u16, Value),
    Xml(String),
}

impl Api {
    /// An API that has answered nobody yet, with what was made through it before.
    pub fn new(settings: Settings, state: State) -> Self {
        Api {
            state,
            tokens: PageTokens::new(&settings.token_key),
            rate: RateLimit::new(settings.requests_per_second),
            strangers: RateLimit::new(STRANGERS_PER_SECOND),
            catalogue: None,
            settings,
        }
    }

    /// What is made through the API.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Goes on with what somebody else has made of the journal.
    pub fn replace_state(&mut self, state: State) {
        self.state = state;
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
                headers.push(("x-amzn-ErrorType", error.kind.exception().to_owned()));
                let body = json!({ "Code": error.kind.code(), "Message": error.message });
                (error.kind.status(), "application/json", body.to_string())
            }
        };
        headers.push(("content-type", kind.to_owned()));
        headers.push(("cache-control", "no-store".to_owned()));
        Answer { status, headers, body: body.into_bytes(), audit }
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
            _ => Catalogue::of(&snapshot),
        };
        let catalogue = &*self.catalogue.insert(catalogue);
        let (settings, tokens) = (&self.settings, &self.tokens);
        let reading = Reading { settings, catalogue, tokens, routed, state: &self.state };
        permit(&reading, key, body)?;
        if let Some((kind, message)) = routed.operation.refusal() {
            return Err(ApiError::new(kind, message));
        }
        let input = schema::checked(routed, body)?;
        if routed.operation.is_read() {
            return Ok(Success::Json(routed.operation.status, reading.answer()?));
        }
        let (answer, draft) = {
            let mut random = || backend.random();
            let mut writing = Writing {
                input,
                settings,
                catalogue,
                routed,
                draft: Draft::new(&mut self.state, now),
                random: &mut random,
            };
            (writing.answer()?, writing.draft)
        };
        if !draft.changes().is_empty() {
            let is_routed = draft.changes().iter().any(|change| change.kind().is_routed());
            let made = is_routed.then(|| draft.state().resources());
            backend.commit(draft.changes(), made)?;
        }
        draft.keep();
        Ok(Success::Json(routed.operation.status, answer))
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
        };
        Some(audit::written(&event))
    }
}

/// Asks the key's policy.
fn permit(reading: &Reading<'_>, key: &AccessKey, body: &[u8]) -> Result<(), ApiError> {
    let Some(policy) = &key.policy else { return Ok(()) };
    let (action, resource) =
        (format!("chime:{}", reading.routed.operation.name), reading.resource());
    // A body that is no JSON is refused later, where the message can say so.
    let tags = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|mut body| serde_json::from_value::<Vec<Tag>>(body.get_mut("Tags")?.take()).ok());
    let stored = reading.state.get::<Tags>(&resource).map(|stored| stored.value.0.as_slice());
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
