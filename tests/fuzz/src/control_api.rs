//! Requests to the control API.

use crate::{bounded, parts};
use control_api::{
    AccessKey, Api, Backend, CommitFault, Ids, KeySource, KeySourceFault, Made, OPERATIONS, Policy,
    Request, Settings, State, route, schema, sigv4,
    state::{Change, Kind, Row},
};
use directory::{Resources, Snapshot, VoiceConnector};
use model::{ProxySessionId, UnixTime, VoiceConnectorId};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

/// 2026-01-02T03:04:05Z, when the seeds were signed.
const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);

const CONNECTOR: &str = "abcdef1ghij2klmno3pqr4";
const KEY: &str = "AKTDAAAQEAYEAUDAOCAJ";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Default)]
struct OneKey {
    /// A commit was about one voice connector.
    has_changed_connector: bool,
}

impl KeySource for OneKey {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        Ok((id == KEY).then(|| AccessKey {
            id: id.to_owned(),
            secret: SECRET.to_owned().into(),
            name: "fuzz".to_owned(),
            policy: None,
        }))
    }
}

impl Backend for OneKey {
    fn directory(&self) -> Arc<Snapshot> {
        Arc::clone(&SNAPSHOT)
    }

    fn proxied_calls(&self) -> Vec<ProxySessionId> {
        Vec::new()
    }

    fn random(&mut self) -> Option<u128> {
        Some(1)
    }

    fn commit(&mut self, changes: &[Change], made: Option<Made>) -> Result<(), CommitFault> {
        assert!(!changes.is_empty());
        // What the API takes, calls can be routed by.
        let domain = "tandem.test".to_owned();
        let made = made.map(|made| match made {
            Made::All(made) => Snapshot::build(Resources { domain, ..*made }).map(drop),
            Made::Numbers(numbers) => {
                drop(SNAPSHOT.with_numbers(numbers));
                Ok(())
            }
            Made::Connector(connector) => SNAPSHOT.with_connector(*connector).map(|next| {
                self.has_changed_connector = true;
                assert!(next.is_some(), "the snapshot has it, and it has no numbers");
            }),
        });
        assert!(made.is_none_or(|made| made.is_ok()));
        Ok(())
    }
}

/// A script of method, path, query, headers (a line each, `name: value`) and body: routed, its claim
/// read, answered by an API with one key, as it is and signed anew, which no change of it could be; the
/// body is read as a policy as well.
///
/// # Panics
/// When an answer has no request id, a refusal is no JSON, or an audit record is not one line.
pub fn control_api(data: &[u8]) {
    asked(data);
}

fn asked(data: &[u8]) -> bool {
    let data = bounded(data);
    let mut parts = parts(data, 5);
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (method, path, query, head) = (text(), text(), text(), text());
    let body = text();
    let headers: Vec<(String, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let request = Request {
        method: &method,
        path: &path,
        query: &query,
        headers: &headers,
        body: body.as_bytes(),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    black_box((route(&request).is_ok(), sigv4::read(&request).is_ok()));
    black_box(Policy::parse(&body).is_ok());
    checked(&body);
    answered(&request);
    let host = [("host".to_owned(), "api.test".to_owned())];
    let plain = Request { headers: &host, ..request };
    let secret = SECRET.to_owned().into();
    let (region, service) = ("us-east-1", "chime");
    let signer = sigv4::Signer { access_key_id: KEY, secret: &secret, region, service };
    let headers = signer.headers(&plain, NOW);
    answered(&Request { headers: &headers, ..plain })
}

/// Whether one voice connector was changed.
///
/// # Panics
/// When an answer has no request id, a refusal is no JSON, or an audit record is not one line.
fn answered(request: &Request<'_>) -> bool {
    let mut api = Api::new(
        Settings {
            region: "us-east-1".to_owned(),
            account_id: "111122223333".to_owned(),
            cdr_bucket: None,
            requests_per_second: 1,
            token_key: [7; 32],
        },
        STATE.clone(),
    );
    let ids = Ids { request: "r", event: "e" };
    let mut node = OneKey::default();
    let answer = api.handle(NOW, ids, request, &mut node);
    assert!(answer.headers.contains(&("x-amzn-RequestId", "r".to_owned())));
    if request.path != "/" && !answer.body.is_empty() {
        let body = serde_json::from_slice::<serde_json::Value>(&answer.body);
        assert!(body.is_ok_and(|body| body.is_object()));
    }
    let audit = answer.audit.unwrap_or_default();
    assert!(!audit.contains(&b'\n'), "an audit record is one line");
    node.has_changed_connector
}

/// A body is held against the shapes of every operation that has one; what passes passes again.
///
/// # Panics
/// When something that passed is refused, or has changed.
fn checked(body: &str) {
    for operation in OPERATIONS {
        let segments = operation.path().split('/').map(|segment| match segment.starts_with('{') {
            true => CONNECTOR,
            false => segment,
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let query = operation.target.split_once('?').map_or("", |(_, query)| query);
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let method = operation.method.as_str();
        let request = Request { method, path: &path, query, headers: &[], body: &[], source };
        let Ok(routed) = route(&request) else { continue };
        if let Ok(first) = schema::checked(&routed, body.as_bytes()) {
            let again = schema::checked(&routed, first.to_string().as_bytes());
            assert!(again.is_ok_and(|again| again == first), "{}", operation.name);
        }
    }
}

/// What was made before: the voice connector of the snapshot, so that it can be changed by itself.
static STATE: LazyLock<State> = LazyLock::new(|| {
    let row = Row {
        kind: Kind::Connector,
        id: CONNECTOR.to_owned(),
        body: r#"{"Name":"made","RequireEncryption":false,"AwsRegion":"us-east-1","NetworkType":"IPV4_ONLY"}"#
            .to_owned(),
        created_ms: 1,
        updated_ms: 1,
    };
    State::load([row]).unwrap_or_else(|bad| panic!("{}", bad.why))
});

/// Made once: its tables of numbers take longer than a request.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(snapshot);

fn snapshot() -> Arc<Snapshot> {
    let id = VoiceConnectorId::new(CONNECTOR);
    let voice_connectors = id.into_iter().map(VoiceConnector::new).collect();
    let domain = "tandem.test".to_owned();
    let resources = Resources { domain, voice_connectors, ..Resources::default() };
    Arc::new(Snapshot::build(resources).unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// Requests that are large, or nested.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let script = |path: &str, query: &str, headers: &str, body: &str| {
        ["POST", path, query, headers, body].join("\u{1e}").into_bytes()
    };
    vec![
        ("segments", script(&"/a".repeat(20_000), "", "", "")),
        ("dots", script(&"/../".repeat(10_000), "", "", "")),
        ("pairs", script("/", &"a=%2b&".repeat(10_000), "", "")),
        ("signed-headers", script("/", "", &format!("authorization: {}", "h;".repeat(20_000)), "")),
        (
            "origination",
            script("/", "", "", r#"{"Origination":{"Routes":[{"Host":"a","Port":1,"x":{}}]}}"#),
        ),
        (
            "connector",
            script(
                "/",
                "",
                "",
                r#"{"Name":"a","RequireEncryption":true,"Tags":[{"Key":"k","Value":"v"}]}"#,
            ),
        ),
        ("nested", script("/", "", "", &"[".repeat(60_000))),
        (
            "put-origination",
            [
                "PUT",
                &format!("/voice-connectors/{CONNECTOR}/origination"),
                "",
                "",
                r#"{"Origination":{"Routes":[{"Host":"192.0.2.7","Port":5060,"Protocol":"UDP"}]}}"#,
            ]
            .join("\u{1e}")
            .into_bytes(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_changes_one_voice_connector() {
        let (_, seed) = seeds().into_iter().find(|(name, _)| *name == "put-origination").unwrap();
        assert!(asked(&seed));
    }
}
