use super::*;
use crate::access_key::{KeySource, KeySourceFault};
use crate::backend::{CommitFault, HeldMeeting, Made, NotCalled, NotUpdated};
use crate::policy::Policy;
use crate::state::{Change, Connector, Tags};
use directory::{Resources, Snapshot, VoiceConnector, VoiceConnectorGroup};
use model::{OutboundCall, ProxySessionId, TransactionId, VoiceConnectorId};
use room_core::{Command, Refused};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);
const IDS: Ids<'static> = Ids { request: "request-1", event: "event-1" };
/// botocore's signer, over GET http://127.0.0.1:8080/voice-connectors at NOW.
const VECTORS: &str = include_str!("sigv4/vectors.json");

/// A node with one key or none, and a journal that is written or not.
struct Node {
    key: Result<Option<AccessKey>, KeySourceFault>,
    file: Resources,
    directory: Arc<Snapshot>,
    journal: Vec<Change>,
    fault: Option<CommitFault>,
    /// What was accepted and could not be routed.
    unroutable: Vec<directory::Problem>,
    health: Option<(UnixTime, IpAddr)>,
    drawn: u128,
    /// A call that the application "menu" steers, and what it was told.
    steered: Option<String>,
    updates: Vec<Value>,
    /// What was to be called, and why nobody is.
    called: Vec<OutboundCall>,
    not_called: Option<NotCalled>,
    /// Sessions of calls that are up.
    live: Vec<ProxySessionId>,
    /// Meetings that people are in, and what was to be done in them.
    held: HashMap<MeetingId, HeldMeeting>,
    commanded: Vec<(MeetingId, Command)>,
}

impl KeySource for Node {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        self.key.clone().map(|key| key.filter(|key| key.id == id))
    }
}

impl Backend for Node {
    fn directory(&self) -> Arc<Snapshot> {
        Arc::clone(&self.directory)
    }

    fn proxied_calls(&self) -> Vec<ProxySessionId> {
        self.live.clone()
    }

    fn meeting(&self, id: MeetingId) -> Option<HeldMeeting> {
        self.held.get(&id).cloned()
    }

    fn held_meetings(&self) -> Option<Vec<MeetingId>> {
        Some(self.held.keys().copied().collect())
    }

    fn command_meeting(&mut self, id: MeetingId, command: Command) -> Result<(), Refused> {
        self.held.get(&id).ok_or(Refused::NoMeeting)?;
        self.commanded.push((id, command));
        Ok(())
    }

    fn random(&mut self) -> Option<u128> {
        // Another one each time, whether it is kept or not.
        self.drawn += 1;
        Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef + (self.drawn << 64))
    }

    fn update_application_call(
        &mut self,
        application: &str,
        call: TransactionId,
        arguments: serde_json::Map<String, Value>,
    ) -> Result<(), NotUpdated> {
        if application != "menu" || self.steered != Some(call.to_string()) {
            return Err(NotUpdated::NoCall);
        }
        self.updates.push(arguments.into());
        Ok(())
    }

    fn call_for_application(&mut self, call: OutboundCall) -> Result<TransactionId, NotCalled> {
        self.called.push(call);
        self.not_called.map_or(Ok(TransactionId::from_random(9)), Err)
    }

    fn termination_health(&self, _: &str) -> Option<(UnixTime, IpAddr)> {
        self.health
    }

    fn commit(&mut self, changes: &[Change], made: Option<Made>) -> Result<(), CommitFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if let Some(Made::Numbers(numbers)) = made {
            self.directory = Arc::new(self.directory.with_numbers(numbers));
        } else if let Some(Made::Connector(connector)) = made {
            let next = self.directory.with_connector(*connector).inspect_err(|problems| {
                self.unroutable.extend_from_slice(problems);
            });
            self.directory = Arc::new(next?.expect("one of the API"));
        } else if let Some(Made::All(made)) = made {
            let (merged, left_out) = self.file.clone().with_made(*made);
            assert!(left_out.is_empty(), "{left_out:?}");
            let built = Snapshot::build(merged).inspect_err(|problems| {
                self.unroutable.extend_from_slice(problems);
            });
            self.directory = Arc::new(built?);
        }
        self.journal.extend_from_slice(changes);
        Ok(())
    }
}

fn node(key: Result<Option<AccessKey>, KeySourceFault>, count: usize) -> Node {
    let file = resources(count);
    let directory = Arc::new(Snapshot::build(file.clone()).unwrap());
    Node {
        key,
        file,
        directory,
        journal: Vec::new(),
        fault: None,
        unroutable: Vec::new(),
        health: None,
        drawn: 0,
        live: Vec::new(),
        held: HashMap::new(),
        commanded: Vec::new(),
        steered: None,
        updates: Vec::new(),
        called: Vec::new(),
        not_called: None,
    }
}

fn key(policy: Option<&str>) -> AccessKey {
    AccessKey {
        id: "AKTDAAAQEAYEAUDAOCAJ".into(),
        secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
        name: "terraform".into(),
        policy: policy.map(|text| Policy::parse(text).unwrap()),
    }
}

fn resources(count: usize) -> Resources {
    let connector = |n: usize| {
        let id = VoiceConnectorId::new(&format!("abcdef1ghij2klmno3{n:04}")).unwrap();
        VoiceConnector {
            numbers: vec![format!("+1206555{n:04}").into()],
            ..VoiceConnector::new(id)
        }
    };
    let groups = vec![VoiceConnectorGroup {
        id: "hq".into(),
        name: "hq".into(),
        members: Vec::new(),
        numbers: vec!["+18005550100".into()],
    }];
    let voice_connectors = (0..count).rev().map(connector).collect();
    let domain = "tandem.test".to_owned();
    Resources { domain, voice_connectors, groups, ..Resources::default() }
}

fn api(requests_per_second: u32) -> Api {
    Api::new(
        Settings {
            region: "us-east-1".into(),
            account_id: "111122223333".into(),
            cdr_bucket: None,
            requests_per_second,
            token_key: [7; 32],
        },
        State::default(),
    )
}

fn ask(api: &mut Api, node: &mut Node) -> (Answer, Value) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let headers = vectors[0]["headers"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers: Vec<_> = headers.map(|each| (text(&each[0]), text(&each[1]))).collect();
    let request = Request {
        method: "GET",
        path: "/voice-connectors",
        query: "",
        headers: &headers,
        body: b"",
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let answer = api.handle(NOW, IDS, &request, node);
    let body = serde_json::from_slice(&answer.body).unwrap();
    (answer, body)
}

fn exception(answer: &Answer) -> Option<&str> {
    let mut headers = answer.headers.iter();
    headers.find(|(name, _)| *name == "x-amzn-ErrorType").map(|(_, value)| value.as_str())
}

#[test]
fn a_signed_request_is_answered_and_audited() {
    let (answer, body) = ask(&mut api(10), &mut node(Ok(Some(key(None))), 3));
    assert_eq!((answer.status, exception(&answer)), (200, None));
    assert!(answer.headers.contains(&("x-amzn-RequestId", "request-1".to_owned())));
    let ids: Vec<_> = body["VoiceConnectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["VoiceConnectorId"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
    assert_eq!(body.get("NextToken"), None);
    let audit: Value = serde_json::from_slice(&answer.audit.unwrap()).unwrap();
    assert_eq!(audit["eventName"], "ListVoiceConnectors");
    assert_eq!(audit["userIdentity"]["userName"], "terraform");
    assert_eq!(audit["eventTime"], "2026-01-02T03:04:05Z");
    assert_eq!((&audit["readOnly"], audit.get("errorCode")), (&Value::Bool(true), None));
}

#[test]
fn a_page_ends_with_a_token_when_there_is_more() {
    let (_, body) = ask(&mut api(10), &mut node(Ok(Some(key(None))), 101));
    assert_eq!(body["VoiceConnectors"].as_array().unwrap().len(), 100);
    assert!(body["NextToken"].is_string());
}

#[test]
fn another_snapshot_is_seen_at_once() {
    let mut api = api(10);
    for count in [1, 2] {
        let (_, body) = ask(&mut api, &mut node(Ok(Some(key(None))), count));
        assert_eq!(body["VoiceConnectors"].as_array().unwrap().len(), count);
    }
}

#[test]
fn a_key_has_its_rate() {
    let (mut api, mut node) = (api(1), node(Ok(Some(key(None))), 1));
    let statuses: Vec<_> = (0..3).map(|_| ask(&mut api, &mut node).0.status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn keys_that_are_unknown_or_cannot_be_read() {
    for (key, status, named) in [
        (Ok(None), 403, "UnrecognizedClientException"),
        (Err(KeySourceFault), 503, "ServiceUnavailableException"),
    ] {
        let (answer, _) = ask(&mut api(10), &mut node(key, 1));
        assert_eq!((answer.status, exception(&answer)), (status, Some(named)));
        let audit: Value = serde_json::from_slice(&answer.audit.unwrap()).unwrap();
        assert_eq!(audit["userIdentity"]["type"], "Unknown");
        assert_eq!(audit["errorCode"], named);
    }
}

#[test]
fn strangers_do_not_fill_the_audit() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let answers: Vec<_> = (0..100).map(|_| ask(&mut api, &mut node).0).collect();
    assert_eq!(answers.iter().filter(|answer| answer.audit.is_some()).count(), 20);
}

#[test]
fn an_address_has_its_rate_until_a_key_vouches() {
    let mut api = api(10).with_unproven_rate(3);
    let (mut unknown, mut known) = (node(Ok(None), 1), node(Ok(Some(key(None))), 1));
    let statuses: Vec<_> = (0..8).map(|_| ask(&mut api, &mut unknown).0.status).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 403, 429, 429]);
    let (answer, body) = ask(&mut api, &mut unknown);
    assert_eq!(exception(&answer), Some("ThrottledClientException"));
    assert!(body["Message"].as_str().unwrap().contains("no key vouches"), "{body}");
    assert_eq!((answer.operation, answer.outcome), ("unknown", "ThrottledClientException"));
    let (answer, _) = ask(&mut api, &mut known);
    assert_eq!(answer.status, 200, "a key's request from the same address");
    assert_eq!((answer.operation, answer.outcome), ("ListVoiceConnectors", "ok"));
}

#[test]
fn addresses_of_one_network_are_one_place() {
    let place = |text: &str| place(text.parse().unwrap());
    assert_eq!(place("2001:db8:1:2::7"), place("2001:db8:1:2:ffff::8"));
    assert_ne!(place("2001:db8:1:2::7"), place("2001:db8:1:3::7"));
    assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
}

#[test]
fn a_policy_decides_before_the_operation() {
    let deny = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"chime:List*","Resource":"*"}]}"#;
    let (answer, body) = ask(&mut api(10), &mut node(Ok(Some(key(Some(deny)))), 1));
    assert_eq!((answer.status, exception(&answer)), (403, Some("AccessDeniedException")));
    let told = "User: arn:aws:iam::111122223333:user/terraform is not authorized to perform: \
                chime:ListVoiceConnectors on resource: *";
    assert_eq!(body["Message"], told);
}

/// The record of a request that was not answered.
fn audited(method: &str, target: &str, body: &Value, error: Option<&ApiError>) -> (Value, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = body.to_string();
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request { method, path, query, headers: &[], body: body.as_bytes(), source };
    let routed = route(&request).unwrap();
    let settings = api(1).settings;
    let event = Event {
        now: NOW,
        request_id: "r",
        event_id: "e",
        request: &request,
        settings: &settings,
        caller: None,
        routed: Some(&routed),
        action: None,
        is_sts: false,
        error,
        numbers: &|number| format!("{}…", number.get(..4).unwrap_or_default()),
    };
    let line = String::from_utf8(audit::written(&event)).unwrap();
    assert!(!line.contains('\n'), "{line}");
    (serde_json::from_str(&line).unwrap(), line)
}

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

#[test]
fn secrets_are_not_written_down() {
    let target = "/voice-connectors/abcdef1ghij2klmno3pqr4/termination/credentials?operation=put\
                  &X-Amz-Signature=ff";
    let body = json!({ "Credentials": [{ "Username": "pbx", "Password": "geheim", "Pin": 5 }],
        "Other": { "Name": "n" } });
    let (record, line) = audited("POST", target, &body, None);
    assert!(!line.contains("geheim") && !line.contains("pbx"), "{line}");
    let expected = json!({
        "credentials": [{ "username": HIDDEN, "password": HIDDEN }],
        "voiceConnectorId": "abcdef1ghij2klmno3pqr4",
    });
    assert_eq!(record["requestParameters"], expected);
    assert_eq!(record["readOnly"], false);
}

#[test]
fn what_is_of_another_type_than_the_model_says_is_hidden() {
    let body = json!({ "Name": ["geheim"], "RequireEncryption": { "geheim": 1 }, "Tags": "t" });
    let (record, line) = audited("POST", "/voice-connectors", &body, None);
    assert!(!line.contains("geheim"), "{line}");
    let expected = json!({ "name": HIDDEN, "requireEncryption": HIDDEN, "tags": HIDDEN });
    assert_eq!(record["requestParameters"], expected);
    let call = "/sip-media-applications/a/calls";
    let headers = json!({ "SipHeaders": { "geheim": "geheim" }, "ArgumentsMap": { "geheim": "x" },
        "FromPhoneNumber": "+12065550100" });
    let (record, line) = audited("POST", call, &headers, None);
    assert!(!line.contains("geheim"), "{line}");
    assert_eq!(record["requestParameters"]["fromPhoneNumber"], "+120…");
}

#[test]
fn numbers_are_written_as_privacy_says() {
    let error = ApiError::new(ErrorKind::NotFound, "there is no phone number \"+12065550100\"");
    let (record, line) =
        audited("GET", "/phone-numbers/%2B12065550100", &json!(null), Some(&error));
    assert!(!line.contains("5550100"), "{line}");
    assert_eq!(record["requestParameters"], json!({ "phoneNumberId": "+120…" }));
    assert_eq!(record["errorMessage"], "there is no phone number \"+120…\"");
    let arn = "arn:aws:chime:us-east-1:1:phone-number/+12065550100";
    let body = json!({ "ResourceARN": arn, "TagKeys": ["site"] });
    let (record, line) = audited("POST", "/tags?operation=untag-resource", &body, None);
    assert!(!line.contains("5550100"), "{line}");
    assert_eq!(record["requestParameters"]["tagKeys"], json!(["site"]));
    let body = json!({ "PhoneNumberIds": ["+12065550100", "12065550101", 7] });
    let (record, _) = audited("POST", "/phone-numbers?operation=batch-delete", &body, None);
    assert_eq!(record["requestParameters"]["phoneNumberIds"], json!(["+120…", "1206…", HIDDEN]));
}

/// What an operation answers to somebody who may do everything, past signature and policy.
fn served(
    api: &mut Api,
    node: &mut Node,
    (method, path, query): (&str, &str, &str),
    body: &Value,
) -> Result<Value, ApiError> {
    served_at(NOW, api, node, (method, path, query), body)
}

fn served_at(
    now: UnixTime,
    api: &mut Api,
    node: &mut Node,
    (method, path, query): (&str, &str, &str),
    body: &Value,
) -> Result<Value, ApiError> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let routed = route(&Request { method, path, query, headers: &[], body: &body, source })?;
    match api.serve(now, &body, node, &key(None), &routed)? {
        Success::Json(status, body) => {
            assert_eq!(status, routed.operation.status);
            Ok(body)
        }
        Success::Xml(body) => unreachable!("{body}"),
    }
}

#[test]
fn what_is_made_is_read_and_routed_at_once_and_gone_at_once() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let make = json!({ "Name": "hq", "RequireEncryption": false,
        "Tags": [{ "Key": "team", "Value": "a" }] });
    let made = served(&mut api, &mut node, ("POST", "/voice-connectors", ""), &make).unwrap();
    let connector = &made["VoiceConnector"];
    let id = connector["VoiceConnectorId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 22);
    assert_eq!(connector["CreatedTimestamp"], "2026-01-02T03:04:05.000Z");
    let path = format!("/voice-connectors/{id}");
    let get = served(&mut api, &mut node, ("GET", &path, ""), &Value::Null).unwrap();
    assert_eq!(get, made);
    let arn = connector["VoiceConnectorArn"].as_str().unwrap();
    let tags = served(&mut api, &mut node, ("GET", "/tags", &format!("arn={arn}")), &Value::Null);
    assert_eq!(tags.unwrap()["Tags"], make["Tags"]);

    let origination = format!("{path}/origination");
    let none = served(&mut api, &mut node, ("GET", &origination, ""), &Value::Null).unwrap_err();
    assert_eq!(none.kind, ErrorKind::NotFound);
    let route = json!({ "Host": "192.0.2.7", "Port": 5070, "Protocol": "UDP", "Priority": 1,
        "Weight": 2 });
    let put = json!({ "Origination": { "Routes": [route], "Disabled": false } });
    let told = served(&mut api, &mut node, ("PUT", &origination, ""), &put).unwrap();
    assert_eq!(told, put);
    let routed = VoiceConnectorId::new(&id).unwrap();
    let routes = |node: &Node| {
        let connector = node.directory.voice_connector(&routed).unwrap();
        connector.origination.routes.len()
    };
    assert_eq!(routes(&node), 1);
    served(&mut api, &mut node, ("DELETE", &origination, ""), &Value::Null).unwrap();
    assert_eq!(routes(&node), 0);
    served(&mut api, &mut node, ("DELETE", &path, ""), &Value::Null).unwrap();
    assert!(node.directory.voice_connector(&routed).is_none());
    let gone = served(&mut api, &mut node, ("GET", &path, ""), &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
}

#[test]
fn resources_of_the_file_cannot_be_changed() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let path = format!("/voice-connectors/abcdef1ghij2klmno3{:04}", 0);
    let update = json!({ "Name": "x", "RequireEncryption": false });
    for (method, body) in [("PUT", &update), ("DELETE", &Value::Null)] {
        let refused = served(&mut api, &mut node, (method, &path, ""), body).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Forbidden, "{refused:?}");
        assert!(refused.message.contains("configuration file"));
    }
    assert!(node.journal.is_empty());
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let (mut api, mut node) = (api(10), node(Ok(None), 0));
    node.fault = Some(CommitFault::Journal);
    let make = json!({ "Name": "hq", "RequireEncryption": false,
        "Tags": [{ "Key": "team", "Value": "a" }] });
    let refused = served(&mut api, &mut node, ("POST", "/voice-connectors", ""), &make);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::ServiceUnavailable);
    assert!(api.state().all::<Connector>().is_empty());
    assert!(api.state().all::<Tags>().is_empty());
    node.fault = None;
    for (member, value) in [
        ("Name", json!("")),
        ("Name", json!("a/b")),
        ("RequireEncryption", json!("yes")),
        ("AwsRegion", json!("eu-west-1")),
    ] {
        let mut wrong = make.clone();
        wrong[member] = value;
        let refused = served(&mut api, &mut node, ("POST", "/voice-connectors", ""), &wrong);
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest);
        assert!(refused.message.starts_with(member), "{refused:?}");
    }
    assert!(node.journal.is_empty());
}

#[path = "connector_tests.rs"]
mod connectors;

#[path = "routable_tests.rs"]
mod routable;

#[path = "api_number_tests.rs"]
mod numbers;

#[path = "api_meeting_tests.rs"]
mod meetings;

#[path = "api_porting_tests.rs"]
mod porting;

#[path = "api_proxy_tests.rs"]
mod proxies;

#[path = "api_application_tests.rs"]
mod applications;

#[path = "review_tests.rs"]
mod reviewed;
