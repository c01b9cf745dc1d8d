use super::*;
use crate::state::{Draft, Number};

const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:menu";
const NUMBER: &str = "+12065550900";

fn ask(
    api: &mut Api,
    node: &mut Node,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, ApiError> {
    served(api, node, (method, path, ""), body)
}

fn application(api: &mut Api, node: &mut Node) -> String {
    let make = json!({ "AwsRegion": "us-east-1", "Name": "menu",
        "Endpoints": [{ "LambdaArn": ARN }] });
    let made = ask(api, node, "POST", "/sip-media-applications", &make).unwrap();
    made["SipMediaApplication"]["SipMediaApplicationId"].as_str().unwrap().to_owned()
}

fn rule(application: &str, trigger: &str, value: &str) -> Value {
    json!({ "Name": "menu", "TriggerType": trigger, "TriggerValue": value,
        "TargetApplications": [{ "SipMediaApplicationId": application, "Priority": 1,
            "AwsRegion": "us-east-1" }] })
}

#[test]
fn a_rule_leads_calls_to_its_application_at_once_and_no_more_when_it_is_off() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let id = application(&mut api, &mut node);
    let path = format!("/sip-media-applications/{id}");
    let got = ask(&mut api, &mut node, "GET", &path, &Value::Null).unwrap();
    assert_eq!(got["SipMediaApplication"]["Endpoints"], json!([{ "LambdaArn": ARN }]));
    let make = rule(&id, "ToPhoneNumber", NUMBER);
    let made = ask(&mut api, &mut node, "POST", "/sip-rules", &make).unwrap();
    let reached = |node: &Node| node.directory.applications_of(Some(NUMBER), None).len();
    assert_eq!(reached(&node), 1);
    let rule_path = format!("/sip-rules/{}", made["SipRule"]["SipRuleId"].as_str().unwrap());
    assert_eq!(ask(&mut api, &mut node, "GET", &rule_path, &Value::Null).unwrap(), made);

    for path in [&path, &rule_path] {
        let early = ask(&mut api, &mut node, "DELETE", path, &Value::Null).unwrap_err();
        assert_eq!(early.kind, ErrorKind::Conflict, "{path}");
    }
    let off = json!({ "Name": "menu", "Disabled": true });
    let told = ask(&mut api, &mut node, "PUT", &rule_path, &off).unwrap();
    assert_eq!(told["SipRule"]["TargetApplications"], make["TargetApplications"], "as they were");
    assert_eq!(reached(&node), 0);
    for path in [&rule_path, &path] {
        ask(&mut api, &mut node, "DELETE", path, &Value::Null).unwrap();
        let gone = ask(&mut api, &mut node, "GET", path, &Value::Null).unwrap_err();
        assert_eq!(gone.kind, ErrorKind::NotFound);
    }
}

#[test]
fn a_number_leads_to_one_thing() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let rooms = directory::Rooms::new("tandem.example");
    node.file.rooms = Some(directory::Rooms { numbers: vec!["+12065550777".into()], ..rooms });
    node.directory = Arc::new(Snapshot::build(node.file.clone()).unwrap());
    let id = application(&mut api, &mut node);
    for (trigger, value, kind) in [
        // The meeting rooms'.
        ("ToPhoneNumber", "+12065550777", ErrorKind::Conflict),
        ("RequestUriHostname", "Meet.tandem.example", ErrorKind::Conflict),
        // The file's, of a voice connector and of a group.
        ("ToPhoneNumber", "+12065550000", ErrorKind::Conflict),
        ("ToPhoneNumber", "+18005550100", ErrorKind::Conflict),
        ("ToPhoneNumber", "5550100", ErrorKind::BadRequest),
        ("RequestUriHostname", "192.0.2.1", ErrorKind::BadRequest),
    ] {
        let make = rule(&id, trigger, value);
        let refused = ask(&mut api, &mut node, "POST", "/sip-rules", &make).unwrap_err();
        assert_eq!(refused.kind, kind, "{value}: {refused:?}");
    }
    let make = rule(&id, "ToPhoneNumber", NUMBER);
    ask(&mut api, &mut node, "POST", "/sip-rules", &make).unwrap();
    let twice = ask(&mut api, &mut node, "POST", "/sip-rules", &make).unwrap_err();
    assert_eq!(twice.kind, ErrorKind::Conflict);
    let unknown = rule("123e4567-e89b-42d3-a456-426614174000", "ToPhoneNumber", "+12065550901");
    let refused = ask(&mut api, &mut node, "POST", "/sip-rules", &unknown).unwrap_err();
    assert!(refused.message.starts_with("TargetApplications[0]"), "{refused:?}");

    let mut draft = Draft::new(&mut api.state, NOW);
    draft.put(NUMBER, Number { product_type: "VoiceConnector".into(), ..Number::default() });
    draft.keep();
    let make = json!({ "Name": "hq", "RequireEncryption": false });
    let made = ask(&mut api, &mut node, "POST", "/voice-connectors", &make).unwrap();
    let path = format!(
        "/voice-connectors/{}",
        made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap()
    );
    let to = ("POST", &*path, "operation=associate-phone-numbers");
    let body = json!({ "E164PhoneNumbers": [NUMBER] });
    let told = served(&mut api, &mut node, to, &body).unwrap();
    assert_eq!(told["PhoneNumberErrors"][0]["PhoneNumberId"], NUMBER, "{told}");
}

#[test]
fn an_application_is_made_to_think_again_about_its_call() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let call = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let ask_about = |api: &mut Api, node: &mut Node, call: &str| {
        let path = format!("/sip-media-applications/menu/calls/{call}");
        ask(api, node, "POST", &path, &json!({ "Arguments": { "what": "end" } }))
    };
    let gone = ask_about(&mut api, &mut node, call).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    node.steered = Some(call.to_owned());
    let told = ask_about(&mut api, &mut node, call).unwrap();
    assert_eq!(told["SipMediaApplicationCall"]["TransactionId"], call);
    assert_eq!(node.updates, [json!({ "what": "end" })]);
    let odd = ask_about(&mut api, &mut node, "call-1").unwrap_err();
    assert_eq!(odd.kind, ErrorKind::NotFound);
}

fn call_from(from: &str) -> Value {
    json!({ "FromPhoneNumber": from, "ToPhoneNumber": "+12065550177",
        "SipHeaders": { "X-Reminder": "7", "User-to-User": "aa;encoding=hex" },
        "ArgumentsMap": { "appointment": "tomorrow" } })
}

#[test]
fn somebody_is_called_for_an_application_from_a_number_of_ours() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let id = application(&mut api, &mut node);
    let path = format!("/sip-media-applications/{id}/calls");
    // Nobody's number, and one of the inventory that is gone.
    let foreign = ask(&mut api, &mut node, "POST", &path, &call_from(NUMBER)).unwrap_err();
    assert_eq!(foreign.kind, ErrorKind::BadRequest);
    assert!(foreign.message.starts_with("FromPhoneNumber"), "{foreign:?}");
    assert!(node.called.is_empty());
    let mut draft = Draft::new(&mut api.state, NOW);
    let product_type = "SipMediaApplicationDialIn".to_owned();
    draft.put("+12065550901", Number { product_type, ..Number::default() });
    draft.keep();
    ask(&mut api, &mut node, "POST", "/sip-rules", &rule(&id, "ToPhoneNumber", NUMBER)).unwrap();
    // That of a rule, of the inventory, of the file.
    for from in [NUMBER, "+12065550901", "+12065550000"] {
        let told = ask(&mut api, &mut node, "POST", &path, &call_from(from)).unwrap();
        let call = TransactionId::from_random(9).to_string();
        assert_eq!(told, json!({ "SipMediaApplicationCall": { "TransactionId": call } }));
        let call = node.called.pop().unwrap();
        assert_eq!((&*call.application, &*call.from, &*call.to), (&*id, from, "+12065550177"));
        assert_eq!(call.headers.len(), 2);
        assert_eq!(call.arguments, [("appointment".into(), "tomorrow".into())]);
    }
    let without = path.replace(&id, "123e4567-e89b-42d3-a456-426614174000");
    let unknown = ask(&mut api, &mut node, "POST", &without, &call_from(NUMBER)).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::BadRequest);
}

#[test]
fn what_a_call_may_not_carry_is_named() {
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let id = application(&mut api, &mut node);
    let path = format!("/sip-media-applications/{id}/calls");
    let long = "x".repeat(1_025);
    for (member, map, says) in [
        ("SipHeaders", json!({ "Via": "x" }), "Via"),
        ("SipHeaders", json!({ "X-AMZN-Trace": "x" }), "X-AMZN-Trace"),
        ("SipHeaders", json!({ "x-tandem-streaming": "on" }), "x-tandem-streaming"),
        ("SipHeaders", json!({ "x-": "x" }), "x-"),
        ("SipHeaders", json!({ "X-A b": "x" }), "X-A b"),
        ("SipHeaders", json!({ "X-A": "a\r\nVia: b" }), "X-A"),
        ("SipHeaders", json!({ "X-A": long }), "1024"),
        ("ArgumentsMap", json!({ "a": "x".repeat(20_480) }), "20480"),
    ] {
        let mut asked = call_from("+12065550000");
        asked[member] = map;
        let refused = ask(&mut api, &mut node, "POST", &path, &asked).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{refused:?}");
        assert!(refused.message.starts_with(member), "{refused:?}");
        assert!(refused.message.contains(says), "{refused:?}");
    }
    let many: serde_json::Map<String, Value> =
        (0..21).map(|n| (format!("X-{n}"), "x".into())).collect();
    let mut asked = call_from("+12065550000");
    asked["SipHeaders"] = many.into();
    let refused = ask(&mut api, &mut node, "POST", &path, &asked).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest);
    assert!(node.called.is_empty());
}

#[test]
fn why_nobody_is_called_is_one_of_the_models_errors() {
    use model::Refusal;
    let (mut api, mut node) = (api(10), node(Ok(None), 1));
    let id = application(&mut api, &mut node);
    let path = format!("/sip-media-applications/{id}/calls");
    let operation = crate::OPERATIONS.iter().find(|o| o.name == "CreateSipMediaApplicationCall");
    let operation = operation.unwrap();
    let mut told = |why| {
        node.not_called = Some(why);
        let asked = call_from("+12065550000");
        let refused = ask(&mut api, &mut node, "POST", &path, &asked).unwrap_err();
        assert!(operation.declares(refused.kind), "{why:?}: {refused:?}");
        refused.kind
    };
    for refusal in Refusal::ALL {
        told(NotCalled::Refused(refusal));
    }
    for (why, kind) in [
        (NotCalled::Refused(Refusal::RegionNotAllowed), ErrorKind::Forbidden),
        (NotCalled::Refused(Refusal::HighRisk), ErrorKind::Forbidden),
        (NotCalled::Refused(Refusal::CallRateLimit), ErrorKind::ThrottledClient),
        (NotCalled::Refused(Refusal::ConcurrentCallLimit), ErrorKind::ResourceLimitExceeded),
        (NotCalled::Refused(Refusal::Draining), ErrorKind::ServiceUnavailable),
        (NotCalled::TooMany, ErrorKind::ResourceLimitExceeded),
        (NotCalled::Unserved, ErrorKind::ServiceUnavailable),
        (NotCalled::Busy, ErrorKind::ServiceUnavailable),
        (NotCalled::Unfit("a number"), ErrorKind::BadRequest),
        (NotCalled::NoApplication, ErrorKind::BadRequest),
    ] {
        assert_eq!(told(why), kind, "{why:?}");
    }
}
