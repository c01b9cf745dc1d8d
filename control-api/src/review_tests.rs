//! Faults that a reading of the code found, each with what showed it.

use super::connectors::Client;
use super::*;
use crate::state::{Association, Draft, Number, Proxy};

fn put_number(client: &mut Client, e164: &str, association: Option<Association>) {
    let product_type = "VoiceConnector".to_owned();
    let mut draft = Draft::new(&mut client.api.state, NOW);
    draft.put(e164, Number { product_type, association, ..Number::default() });
    draft.keep();
}

fn asked_as(
    client: &mut Client,
    policy: &str,
    (method, path): (&str, &str),
    body: &Value,
) -> Result<(), ErrorKind> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request { method, path, query: "", headers: &[], body: &body, source };
    let routed = route(&request).unwrap();
    let served = client.api.serve(NOW, &body, &mut client.node, &key(Some(policy)), &routed);
    served.map(|_| ()).map_err(|error| error.kind)
}

#[test]
fn only_tags_that_an_operation_reads_speak_for_it() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"chime:*",
        "Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"a"}}}]}"#;
    let tags = json!([{ "Key": "team", "Value": "a" }]);
    let make = json!({ "Name": "x", "RequireEncryption": false, "Tags": tags });
    assert_eq!(asked_as(&mut client, policy, ("POST", "/voice-connectors"), &make), Ok(()));
    let gone = asked_as(&mut client, policy, ("DELETE", &path), &json!({ "Tags": tags }));
    assert_eq!(gone, Err(ErrorKind::AccessDenied));
    let update = asked_as(&mut client, policy, ("PUT", &path), &make);
    assert_eq!(update, Err(ErrorKind::AccessDenied));
}

#[test]
fn a_policy_is_asked_about_the_number_that_is_meant() {
    let mut client = Client::new(0);
    put_number(&mut client, "+12065550900", None);
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"*",
            "Resource":"arn:aws:chime:us-east-1:111122223333:phone-number/+12065550900"}]}"#;
    for path in ["/phone-numbers/12065550900", "/phone-numbers/%2B12065550900"] {
        let asked = asked_as(&mut client, policy, ("DELETE", path), &Value::Null);
        assert_eq!(asked, Err(ErrorKind::AccessDenied), "{path}");
    }
}

#[test]
fn what_the_file_took_over_or_away_does_not_hold_the_rest() {
    let mut client = Client::new(1);
    let path = client.connector(false);
    let id = path.rsplit('/').next().unwrap().to_owned();
    // The file's number, which was the API's before.
    let taken = "+12065550000";
    put_number(&mut client, taken, Some(Association::Connector(id)));
    let target = format!("{path}?operation=disassociate-phone-numbers");
    let told = client.ask("POST", &target, json!({ "E164PhoneNumbers": [taken] })).unwrap();
    assert_eq!(told["PhoneNumberErrors"], json!([]));
    client.ask("DELETE", &path, Value::Null).unwrap();

    // A proxy configuration of a voice connector that the file had.
    let gone = "abcdef1ghij2klmno39999";
    let mut draft = Draft::new(&mut client.api.state, NOW);
    let record = Proxy {
        default_session_expiry_minutes: 30,
        disabled: false,
        fall_back_phone_number: None,
        phone_number_countries: vec!["US".into()],
    };
    draft.put(gone, record);
    draft.keep();
    let proxy = format!("/voice-connectors/{gone}/programmable-numbers/proxy");
    client.ask("DELETE", &proxy, Value::Null).unwrap();
    assert!(client.api.state.all::<Proxy>().is_empty());
}
