use super::*;
use crate::operations::OPERATIONS;
use crate::request::Request;
use crate::router::route;
use proptest::prelude::*;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

const CONNECTOR: &str = "/voice-connectors/abcdef1ghij2klmno3pqr4";

fn ask(method: &str, target: &str, body: &[u8]) -> Result<Checked, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let routed = route(&Request { method, path, query, headers: &[], body, source }).unwrap();
    check(&routed, body).map_err(|error| {
        assert_eq!(error.kind, ErrorKind::BadRequest);
        error.message
    })
}

fn refused(method: &str, target: &str, body: Value) -> String {
    ask(method, target, body.to_string().as_bytes()).unwrap_err()
}

fn origination(route: Value) -> String {
    let body = json!({ "Origination": { "Routes": [route] } });
    refused("PUT", &format!("{CONNECTOR}/origination"), body)
}

#[test]
fn every_operation_has_its_shapes() {
    let schema = SCHEMA.as_ref().unwrap();
    let of_table: Vec<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let of_schema: Vec<_> = schema.operations.keys().copied().collect();
    assert_eq!(of_schema, of_table);
    for operation in OPERATIONS {
        let of_path = |text: &str| operation.path().contains(&format!("{{{text}}}"));
        for member in schema.input(operation.name) {
            if let shapes::Place::Path(name) = member.place {
                assert!(of_path(name), "{}: {name}", operation.name);
            }
        }
    }
}

#[test]
fn members_of_path_query_and_body_become_one_object() {
    let body = json!({
        "Origination": {
            "Routes": [{ "Host": "192.0.2.1", "Port": 5060, "Colour": "red", "Weight": null }],
            "Disabled": false,
        },
        "Other": 1,
        "VoiceConnectorId": "of the path alone",
    });
    let target = format!("{CONNECTOR}/origination");
    let checked = ask("PUT", &target, body.to_string().as_bytes()).unwrap();
    assert_eq!(
        checked.input,
        json!({
            "VoiceConnectorId": "abcdef1ghij2klmno3pqr4",
            "Origination": {
                "Routes": [{ "Host": "192.0.2.1", "Port": 5060 }],
                "Disabled": false,
            },
        })
    );
    let ignored = ["Other", "VoiceConnectorId", "Origination.Routes[0].Colour"];
    assert_eq!(checked.ignored, ignored);
    let listed = ask("GET", "/voice-connectors?max-results=7&next-token=a%2Bb", b"").unwrap();
    assert_eq!(listed.input, json!({ "MaxResults": 7, "NextToken": "a+b" }));
    // There is no place in its body: nothing of it is read.
    assert_eq!(ask("GET", "/voice-connectors", b"[[").unwrap().input, json!({}));
}

#[test]
fn a_refusal_names_the_member_and_what_it_must_be() {
    let at = "Origination.Routes[0]";
    for (route, told) in [
        (json!({ "Port": 65_536 }), format!("{at}.Port: must be between 0 and 65535")),
        (json!({ "Port": "5060" }), format!("{at}.Port: must be an integer of 32 bits")),
        (json!({ "Port": 5060.0 }), format!("{at}.Port: must be an integer of 32 bits")),
        (json!({ "Port": 4_294_967_296_u64 }), format!("{at}.Port: must be an integer of 32 bits")),
        (json!({ "Protocol": "SCTP" }), format!("{at}.Protocol: must be one of TCP, UDP")),
        (json!({ "Host": 7 }), format!("{at}.Host: must be a string")),
        (json!([]), format!("{at}: must be an object")),
        (json!(null), format!("{at}: must be an object")),
        (
            json!({ "Weight": 0, "Priority": 101 }),
            format!(
                "{at}.Priority: must be between 1 and 100; {at}.Weight: must be between 1 and 100"
            ),
        ),
    ] {
        assert_eq!(origination(route), told);
    }
    assert_eq!(
        refused("POST", "/voice-connectors", json!({ "RequireEncryption": 1 })),
        "Name: is required; RequireEncryption: must be true or false"
    );
    assert_eq!(
        refused(
            "PUT",
            "/voice-connectors/short",
            json!({ "Name": "a", "RequireEncryption": true })
        ),
        "VoiceConnectorId: must match ([a-z0-9]{21,22}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-\
         [0-9a-f]{4}-[0-9a-f]{12})"
    );
    let long = json!({ "Name": "é".repeat(257), "RequireEncryption": true });
    assert_eq!(
        refused("POST", "/voice-connectors", long),
        "Name: must have 1 to 256 characters; Name: must match [a-zA-Z0-9 _.-]+"
    );
    let tags = json!({ "ResourceARN": "arn:aws:chime:us-east-1:1:vc/a", "Tags": [] });
    assert_eq!(
        refused("POST", "/tags?operation=tag-resource", tags),
        "Tags: must have 1 to 50 entries"
    );
    let many = json!({ "Origination": { "Routes": vec![json!({ "Port": -1 }); 100] } });
    let told = refused("PUT", &format!("{CONNECTOR}/origination"), many);
    assert_eq!(told.matches("must be").count(), 5);
    assert!(refused("PUT", &format!("{CONNECTOR}/origination"), json!(7)).contains("JSON object"));
}

#[test]
fn the_query_is_typed_too() {
    let list = |query: &str| ask("GET", &format!("/voice-connectors?{query}"), b"");
    for (query, told) in [
        ("max-results=0", "MaxResults: must be between 1 and 100"),
        ("max-results=1e1", "MaxResults: must be an integer of 32 bits"),
        ("max-results=", "MaxResults: must be an integer of 32 bits"),
        ("max-results=1&max-results=2", "MaxResults: must be given once"),
    ] {
        assert_eq!(list(query).unwrap_err(), told);
    }
    assert_eq!(list("colour=red&X-Amz-Date=x").unwrap().input, json!({}));
    let tone = format!("{CONNECTOR}/voice-tone-analysis-tasks/x");
    assert_eq!(ask("GET", &tone, b"").unwrap_err(), "IsCaller: is required");
    assert_eq!(
        ask("GET", &format!("{tone}?isCaller=yes"), b"").unwrap_err(),
        "IsCaller: must be true or false"
    );
    assert_eq!(
        ask("GET", &format!("{tone}?isCaller=true"), b"").unwrap().input["IsCaller"],
        json!(true)
    );
}

#[test]
fn patterns_are_held_against_the_whole_text() {
    let fits = |shape: &str, text: &str| {
        let shapes = &SCHEMA.as_ref().unwrap().shapes;
        shapes.get(shape).unwrap().pattern.as_ref().unwrap().fits(text)
    };
    for (shape, good, bad) in [
        ("Alpha2CountryCode", &["US"][..], &["USA", "us", "xUS"][..]),
        ("VoiceConnectorName", &["a b_c.d-1"], &["a/b", "", "naïve"]),
        ("NonEmptyString", &[" a ", "é"], &["", "  ", "a\nb"]),
        ("E164PhoneNumber", &["+12065550100", "12"], &["+0123", "+1", "+1206555０100", "+12\n"]),
        ("S3BucketName", &["bucket-1"], &["xn--bucket", "bucket-s3alias", "Bucket", "ab", "a.b.c"]),
        ("ClientRequestId", &["", "a-_Z9"], &["a b", "é"]),
        ("CallingName", &["", "ab"], &["a", "a-b", "abcdefghijklmnop"]),
        ("PhoneNumberName", &["", "a b", "a  b."], &[" a", "a ", "a/b"]),
        (
            "FunctionArn",
            &["arn:aws:lambda:us-east-1:111122223333:function:f:$LATEST"],
            &["arn:aws:lambda:us-east-1:1:function:f", "https://example.com/sma"],
        ),
    ] {
        for text in good {
            assert!(fits(shape, text), "{shape} {text:?}");
        }
        for text in bad {
            assert!(!fits(shape, text), "{shape} {text:?}");
        }
    }
}

#[test]
fn what_is_wider_than_the_model() {
    let tagged = |arn: &str| {
        let body = json!({ "ResourceARN": arn, "TagKeys": ["a"] });
        ask("POST", "/tags?operation=untag-resource", body.to_string().as_bytes())
    };
    assert!(tagged("arn:aws:chime:us-east-1:1:phone-number/+12065550100").is_ok());
    assert!(tagged("arn:aws:chime:us-east-1:1:phone number").is_err());
    let application = |endpoint: &str| {
        let endpoints = json!([{ "LambdaArn": endpoint }]);
        let body = json!({ "AwsRegion": "edge-1", "Name": "ivr", "Endpoints": endpoints });
        ask("POST", "/sip-media-applications", body.to_string().as_bytes())
    };
    assert!(application("https://example.com/sma?x=1").is_ok());
    assert!(application("ftp://example.com").is_err());
    let body = json!({ "Name": "a", "RequireEncryption": true, "AwsRegion": "edge-1" });
    assert!(ask("POST", "/voice-connectors", body.to_string().as_bytes()).is_ok());
}

#[test]
fn secrets_are_not_in_refusals() {
    let body = json!({ "Credentials": [{ "Username": ["geheim"], "Password": 5 }] });
    let target = format!("{CONNECTOR}/termination/credentials?operation=put");
    let told = refused("POST", &target, body);
    assert_eq!(
        told,
        "Credentials[0].Username: must be a string; Credentials[0].Password: must be a string"
    );
    let body = json!({ "FromPhoneNumber": "+12065550100", "ToPhoneNumber": "+12065550101",
        "SipHeaders": { "X-Geheim": 5 } });
    let told = refused("POST", "/sip-media-applications/a/calls", body);
    assert_eq!(told, "SipHeaders[0]: must be a string");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..70_000).prop_map(Value::from),
        "[a-zA-Z0-9+:/ é]{0,12}".prop_map(Value::from),
        Just(json!("+12065550100")),
        Just(json!("UDP")),
    ];
    let names = prop_oneof![
        "Origination|Routes|Disabled|Host|Port|Protocol|Priority|Weight|Name|Tags|Key|Value",
        "Credentials|Username|Password|E164PhoneNumbers|Termination|CidrAllowedList|CpsLimit|x",
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    /// Whatever is asked of whichever operation: an answer, and what was let through once is let
    /// through again, unchanged.
    #[test]
    fn what_passes_is_of_the_shape(which in 0..OPERATIONS.len(), body in any_json()) {
        let operation = &OPERATIONS[which];
        let target = operation.target
            .replace("{voiceConnectorId}", "abcdef1ghij2klmno3pqr4")
            .replace(['{', '}'], "");
        if let Ok(first) = ask(operation.method.as_str(), &target, body.to_string().as_bytes()) {
            let again = first.input.to_string();
            let second = ask(operation.method.as_str(), &target, again.as_bytes());
            prop_assert_eq!(second.map(|checked| checked.input), Ok(first.input));
        }
    }
}

#[test]
fn operations_of_meetings_and_own_ones_have_their_shapes() {
    use crate::operations::{MEETING_OPERATIONS, OWN_OPERATIONS};
    for (operations, schema) in [(MEETING_OPERATIONS, &MEETINGS), (OWN_OPERATIONS, &OWN)] {
        let schema = schema.as_ref().unwrap();
        for operation in operations {
            assert!(schema.operations.contains_key(operation.name), "{}", operation.name);
            for member in schema.input(operation.name) {
                if let shapes::Place::Path(name) = member.place {
                    let member = format!("{{{name}}}");
                    assert!(operation.path().contains(&member), "{}: {member}", operation.name);
                }
            }
        }
    }
    // Those of tags are on the paths of the other service.
    assert_eq!(MEETINGS.as_ref().unwrap().operations.len(), MEETING_OPERATIONS.len() + 3);
    assert_eq!(OWN.as_ref().unwrap().operations.len(), OWN_OPERATIONS.len());
}

#[test]
fn a_pattern_that_refers_back_is_kept() {
    let pattern = pattern::Pattern::compile(r"^(?!.*?(.)\1{3})[-_!@#$a-zA-Z0-9]*$").unwrap();
    for (text, fits) in
        [("tenant", true), ("aaab", true), ("aaaa", false), ("xaaaay", false), ("a b", false)]
    {
        assert_eq!(pattern.fits(text), fits, "{text}");
    }
}
