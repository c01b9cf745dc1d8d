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
    let asked = (0..100).map(|_| ask(&mut api, &keys, &snapshot).0);
    let audited = asked.filter(|answer| answer.audit.is_some()).count();
    assert_eq!(audited, 20);
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

#[test]
fn secrets_are_not_written_down() {
    let request = Request {
        method: "POST",
        path: "/voice-connectors/abcdef1ghij2klmno3pqr4/termination/credentials",
        query: "operation=put&X-Amz-Signature=ff",
        headers: &[],
        body: br#"{"Credentials":[{"Username":"pbx","Password":"geheim"}],"Other":{"Name":"n"}}"#,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
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
        error: None,
    };
    let line = String::from_utf8(audit::written(&event)).unwrap();
    assert!(!line.contains("geheim") && !line.contains("pbx") && !line.contains('\n'), "{line}");
    let record: Value = serde_json::from_str(&line).unwrap();
    let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
    let expected = json!({
        "credentials": [{ "username": hidden, "password": hidden }],
        "other": { "name": "n" },
        "operation": "put",
        "voiceConnectorId": "abcdef1ghij2klmno3pqr4",
    });
    assert_eq!(record["requestParameters"], expected);
    assert_eq!(record["readOnly"], false);
}
