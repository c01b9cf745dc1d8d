use super::*;
use crate::access_key::KeySourceFault;
use crate::policy::Policy;
use directory::{Resources, VoiceConnector, VoiceConnectorGroup};
use model::VoiceConnectorId;
use std::net::{IpAddr, Ipv4Addr};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);
const IDS: Ids<'static> = Ids { request: "request-1", event: "event-1" };
/// botocore's signer, over GET http://127.0.0.1:8080/voice-connectors at NOW.
const VECTORS: &str = include_str!("sigv4/vectors.json");

struct Keys(Result<Option<AccessKey>, KeySourceFault>);

impl KeySource for Keys {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        self.0.clone().map(|key| key.filter(|key| key.id == id))
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

fn snapshot(count: usize) -> Arc<Snapshot> {
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
    let resources = Resources { domain, voice_connectors, groups, ..Resources::default() };
    Arc::new(Snapshot::build(resources).unwrap())
}

fn api(requests_per_second: u32) -> Api {
    Api::new(Settings {
        region: "us-east-1".into(),
        account_id: "111122223333".into(),
        cdr_bucket: None,
        requests_per_second,
        token_key: [7; 32],
    })
}

fn ask(api: &mut Api, keys: &Keys, snapshot: &Arc<Snapshot>) -> (Answer, Value) {
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
    let answer = api.handle(NOW, IDS, &request, snapshot, keys);
    let body = serde_json::from_slice(&answer.body).unwrap();
    (answer, body)
}

fn exception(answer: &Answer) -> Option<&str> {
    let mut headers = answer.headers.iter();
    headers.find(|(name, _)| *name == "x-amzn-ErrorType").map(|(_, value)| value.as_str())
}

#[test]
fn a_signed_request_is_answered_and_audited() {
    let (answer, body) = ask(&mut api(10), &Keys(Ok(Some(key(None)))), &snapshot(3));
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
    let (_, body) = ask(&mut api(10), &Keys(Ok(Some(key(None)))), &snapshot(101));
    assert_eq!(body["VoiceConnectors"].as_array().unwrap().len(), 100);
    assert!(body["NextToken"].is_string());
}

#[test]
fn another_snapshot_is_seen_at_once() {
    let (mut api, keys) = (api(10), Keys(Ok(Some(key(None)))));
    for count in [1, 2] {
        let (_, body) = ask(&mut api, &keys, &snapshot(count));
        assert_eq!(body["VoiceConnectors"].as_array().unwrap().len(), count);
    }
}

#[test]
fn a_key_has_its_rate() {
    let (mut api, keys, snapshot) = (api(1), Keys(Ok(Some(key(None)))), snapshot(1));
    let statuses: Vec<_> = (0..3).map(|_| ask(&mut api, &keys, &snapshot).0.status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn keys_that_are_unknown_or_cannot_be_read() {
    for (keys, status, named) in [
        (Keys(Ok(None)), 403, "UnrecognizedClientException"),
        (Keys(Err(KeySourceFault)), 503, "ServiceUnavailableException"),
    ] {
        let (answer, _) = ask(&mut api(10), &keys, &snapshot(1));
        assert_eq!((answer.status, exception(&answer)), (status, Some(named)));
        let audit: Value = serde_json::from_slice(&answer.audit.unwrap()).unwrap();
        assert_eq!(audit["userIdentity"]["type"], "Unknown");
        assert_eq!(audit["errorCode"], named);
    }
}

#[test]
fn strangers_do_not_fill_the_audit() {
    let (mut api, keys, snapshot) = (api(10), Keys(Ok(None)), snapshot(1));
    let answers: Vec<_> = (0..100).map(|_| ask(&mut api, &keys, &snapshot).0).collect();
    assert_eq!(answers.iter().filter(|answer| answer.audit.is_some()).count(), 20);
}

#[test]
fn an_address_has_its_rate_until_a_key_vouches() {
    let mut api = api(10).with_unproven_rate(3);
    let (unknown, known) = (Keys(Ok(None)), Keys(Ok(Some(key(None)))));
    let statuses: Vec<_> = (0..8).map(|_| ask(&mut api, &unknown, &snapshot(1)).0.status).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 403, 429, 429]);
    let (answer, body) = ask(&mut api, &unknown, &snapshot(1));
    assert_eq!(exception(&answer), Some("ThrottledClientException"));
    assert!(body["Message"].as_str().unwrap().contains("no key vouches"), "{body}");
    assert_eq!((answer.operation, answer.outcome), ("unknown", "ThrottledClientException"));
    let (answer, _) = ask(&mut api, &known, &snapshot(1));
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
    let (answer, body) = ask(&mut api(10), &Keys(Ok(Some(key(Some(deny))))), &snapshot(1));
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
