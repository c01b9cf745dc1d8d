//! Porting orders, how long orders are told of, tags over a change of the node's names, and writes of
//! one voice connector of many.

use super::*;
use crate::operations::OWN_OPERATIONS;
use crate::state::{Number, Order};

const DAY_MS: u64 = 24 * 3_600 * 1_000;
const ORDERS: &str = "/tandem/porting-orders";
const E164: &str = "+12065550907";

fn world() -> (Api, Node) {
    (api(10), node(Ok(None), 2))
}

fn ask(api: &mut Api, node: &mut Node, to: (&str, &str, &str), body: &Value) -> Value {
    served(api, node, to, body).unwrap()
}

fn opened(api: &mut Api, node: &mut Node) -> String {
    let body = json!({ "E164PhoneNumbers": [E164], "Reason": "from Example Telecom" });
    let made = ask(api, node, ("POST", ORDERS, ""), &body);
    made["PortingOrder"]["PortingOrderId"].as_str().unwrap().to_owned()
}

fn advance(api: &mut Api, node: &mut Node, id: &str, body: Value) -> Result<Value, ApiError> {
    let path = format!("{ORDERS}/{id}");
    served(api, node, ("POST", &path, "operation=advance"), &body)
}

fn at(days: u64) -> UnixTime {
    UnixTime::from_millis(NOW.as_millis() + days * DAY_MS)
}

#[test]
fn a_ported_number_is_routed_once_it_is_associated() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let id = opened(api, node);
    let told = ask(api, node, ("GET", &format!("{ORDERS}/{id}"), ""), &Value::Null);
    let told = &told["PortingOrder"];
    assert_eq!(
        (&told["Status"], &told["Next"][0]),
        (&json!("SUBMITTED"), &json!("PENDING_DOCUMENTS"))
    );
    assert_eq!(told["History"][0]["Reason"], "from Example Telecom");
    // As every client of AWS's API sees it.
    let of_aws = format!("/phone-number-orders/{id}");
    let seen = |api: &mut Api, node: &mut Node| {
        ask(api, node, ("GET", &of_aws, ""), &Value::Null)["PhoneNumberOrder"].take()
    };
    let order = seen(api, node);
    assert_eq!((&order["Status"], &order["OrderType"]), (&json!("Submitted"), &json!("Porting")));

    advance(api, node, &id, json!({ "Status": "PENDING_DOCUMENTS", "Reason": "LOA" })).unwrap();
    assert_eq!(seen(api, node)["Status"], "PendingDocuments");
    advance(api, node, &id, json!({ "Status": "SUBMITTED" })).unwrap();
    let refused = advance(api, node, &id, json!({ "Status": "FOC" })).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest, "{}", refused.message);
    advance(api, node, &id, json!({ "Status": "FOC", "FocDate": "2026-03-31" })).unwrap();
    let order = seen(api, node);
    assert_eq!((&order["Status"], &order["FocDate"]), (&json!("FOC"), &json!("2026-03-31")));
    let before = advance(api, node, &id, json!({ "Status": "CANCELLED" })).unwrap_err();
    assert_eq!(before.kind, ErrorKind::Conflict);
    assert!(
        before.message.contains("CANCEL_REQUESTED, EXCEPTION, COMPLETED"),
        "{}",
        before.message
    );
    assert!(api.state().all::<Number>().is_empty());
    advance(api, node, &id, json!({ "Status": "COMPLETED" })).unwrap();
    let order = seen(api, node);
    assert_eq!(order["Status"], "Successful");
    assert_eq!(order["OrderedPhoneNumbers"][0]["Status"], "Acquired");
    let number = ask(api, node, ("GET", &format!("/phone-numbers/{E164}"), ""), &Value::Null);
    assert_eq!(number["PhoneNumber"]["Status"], "Unassigned");
    assert_eq!(number["PhoneNumber"]["OrderId"], id.as_str());

    let make = json!({ "Name": "vc", "RequireEncryption": false });
    let made = ask(api, node, ("POST", "/voice-connectors", ""), &make);
    let connector = made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap();
    let path = format!("/voice-connectors/{connector}");
    let body = json!({ "E164PhoneNumbers": [E164] });
    assert!(node.directory.voice_connectors_by_number(E164).is_empty());
    ask(api, node, ("POST", &path, "operation=associate-phone-numbers"), &body);
    let reached = node.directory.voice_connectors_by_number(E164);
    assert_eq!(reached[0].id.as_str(), connector);
}

#[test]
fn lists_have_pages_and_can_be_of_one_status() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    for n in 0..5 {
        let body = json!({ "E164PhoneNumbers": [format!("+1206555091{n}")] });
        ask(api, node, ("POST", ORDERS, ""), &body);
    }
    let body = json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": ["+12065550990"] });
    ask(api, node, ("POST", "/phone-number-orders", ""), &body);
    let all = ask(api, node, ("GET", ORDERS, ""), &Value::Null);
    let all: Vec<Value> = all["PortingOrders"].as_array().unwrap().clone();
    assert_eq!(all.len(), 5, "orders of new numbers are none of them");
    let id = all[2]["PortingOrderId"].as_str().unwrap();
    advance(api, node, id, json!({ "Status": "EXCEPTION", "Reason": "wrong name" })).unwrap();
    let list = ask(api, node, ("GET", ORDERS, "status=EXCEPTION"), &Value::Null);
    assert_eq!(list["PortingOrders"].as_array().unwrap().len(), 1);
    let list = ask(api, node, ("GET", ORDERS, "status=SUBMITTED&max-results=3"), &Value::Null);
    assert_eq!(list["PortingOrders"].as_array().unwrap().len(), 3);
    let token = list["NextToken"].as_str().unwrap();
    let query = format!("status=SUBMITTED&next-token={token}");
    let rest = ask(api, node, ("GET", ORDERS, &query), &Value::Null);
    assert_eq!(rest["PortingOrders"].as_array().unwrap().len(), 1);
    // A token is good for its own list alone.
    let query = format!("next-token={token}");
    assert!(served(api, node, ("GET", ORDERS, &query), &Value::Null).is_err());
    let wrong = served(api, node, ("GET", ORDERS, "status=Submitted"), &Value::Null).unwrap_err();
    assert!(wrong.message.contains("PENDING_DOCUMENTS"), "{}", wrong.message);
    let all = ask(api, node, ("GET", "/phone-number-orders", ""), &Value::Null);
    assert_eq!(all["PhoneNumberOrders"].as_array().unwrap().len(), 6);
}

#[test]
fn what_is_no_porting_order_is_refused() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let refused = |api: &mut Api, node: &mut Node, body: Value| {
        served(api, node, ("POST", ORDERS, ""), &body).unwrap_err()
    };
    for numbers in [json!([]), json!(["12"]), json!(["+12065550001", "+12065550001"]), Value::Null]
    {
        let error = refused(api, node, json!({ "E164PhoneNumbers": numbers }));
        assert_eq!(error.kind, ErrorKind::BadRequest, "{}", error.message);
    }
    // Of the configuration file.
    let error = refused(api, node, json!({ "E164PhoneNumbers": ["+12065550001"] }));
    assert_eq!(error.kind, ErrorKind::Conflict);
    let id = opened(api, node);
    let error = refused(api, node, json!({ "E164PhoneNumbers": [E164] }));
    assert!(error.message.contains(&id), "{}", error.message);
    let other = "00000000-0000-4000-8000-000000000009";
    let error = advance(api, node, other, json!({ "Status": "EXCEPTION" })).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = advance(api, node, &id, json!({ "Status": "Exception" })).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    let error = advance(api, node, &id, json!({ "Status": "FOC", "FocDate": "2026-02-30" }));
    assert!(error.unwrap_err().message.contains("no day"));
    assert_eq!(api.state().get::<Order>(&id).unwrap().value.history.len(), 1);
}

#[test]
fn a_policy_of_aws_actions_allows_nothing_of_tandems_own() {
    let ask = |policy: &str, method, path: &str| {
        let (mut api, mut node) = world();
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let body = json!({ "E164PhoneNumbers": [E164] }).to_string();
        let request =
            Request { method, path, query: "", headers: &[], body: body.as_bytes(), source };
        let routed = route(&request).unwrap();
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{policy}","Resource":"*"}}}}"#
        );
        let key = key(Some(&policy));
        api.serve(NOW, body.as_bytes(), &mut node, &key, &routed).map(|_| ()).map_err(|e| e.kind)
    };
    assert_eq!(ask("chime:*", "POST", ORDERS), Err(ErrorKind::AccessDenied));
    assert_eq!(ask("tandem:List*", "POST", ORDERS), Err(ErrorKind::AccessDenied));
    assert_eq!(ask("tandem:List*", "GET", ORDERS), Ok(()));
    for action in ["*", "tandem:*", "tandem:createportingorder"] {
        assert_eq!(ask(action, "POST", ORDERS), Ok(()), "{action}");
    }
    for operation in OWN_OPERATIONS {
        let none = format!("chime:{}", operation.name);
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{none}","Resource":"*"}}}}"#
        );
        assert!(Policy::parse(&policy).is_err(), "{none}");
    }
}

#[test]
fn finished_orders_are_told_of_for_their_time_and_open_ones_always() {
    let (api, mut node) = world();
    let mut api = api.with_orders_kept(30);
    let (api, node) = (&mut api, &mut node);
    let open = opened(api, node);
    let place = json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": ["+12065550990"] });
    let made = ask(api, node, ("POST", "/phone-number-orders", ""), &place);
    let done = made["PhoneNumberOrder"]["PhoneNumberOrderId"].as_str().unwrap().to_owned();
    let told = |api: &mut Api, node: &mut Node, at: UnixTime| {
        let list = ("GET", "/phone-number-orders", "");
        let list = served_at(at, api, node, list, &Value::Null).unwrap();
        list["PhoneNumberOrders"].as_array().unwrap().len()
    };
    let get = format!("/phone-number-orders/{done}");
    let until = UnixTime::from_millis(at(30).as_millis() - 1);
    assert_eq!(told(api, node, until), 2);
    assert!(served_at(until, api, node, ("GET", &get, ""), &Value::Null).is_ok());
    assert_eq!(told(api, node, at(30)), 1);
    let gone = served_at(at(30), api, node, ("GET", &get, ""), &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    // The next order takes it out.
    assert!(api.state().get::<Order>(&done).is_some());
    served_at(at(30), api, node, ("POST", "/phone-number-orders", ""), &place).unwrap();
    assert!(api.state().get::<Order>(&done).is_none());
    assert!(api.state().get::<Order>(&open).is_some());
    assert_eq!(told(api, node, at(30_000)), 1);
}

#[test]
fn tags_stay_when_the_nodes_region_and_account_change() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let make = json!({ "Name": "hq", "RequireEncryption": false,
        "Tags": [{ "Key": "team", "Value": "a" }] });
    let made = ask(api, node, ("POST", "/voice-connectors", ""), &make);
    let id = made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap().to_owned();
    let file = "abcdef1ghij2klmno30001";
    let arn = |api: &Api, id: &str| api.settings.arn("vc", id);
    let of_file =
        json!({ "ResourceARN": arn(api, file), "Tags": [{ "Key": "of", "Value": "file" }] });
    ask(api, node, ("POST", "/tags", "operation=tag-resource"), &of_file);
    let old = arn(api, &id);
    api.settings.region = "eu-central-1".to_owned();
    api.settings.account_id = "444455556666".to_owned();
    let tags = |api: &mut Api, node: &mut Node, arn: &str| {
        let query = format!("arn={arn}");
        served(api, node, ("GET", "/tags", &query), &Value::Null).map(|told| told["Tags"].clone())
    };
    let (made, listed) = (arn(api, &id), arn(api, file));
    assert_eq!(tags(api, node, &made).unwrap(), json!([{ "Key": "team", "Value": "a" }]));
    assert_eq!(tags(api, node, &listed).unwrap(), json!([{ "Key": "of", "Value": "file" }]));
    assert_eq!(tags(api, node, &old).unwrap_err().kind, ErrorKind::NotFound);
    let path = format!("/voice-connectors/{id}");
    ask(api, node, ("DELETE", &path, ""), &Value::Null);
    assert_eq!(api.state().all::<Tags>().len(), 1, "those of the file");
}

#[test]
fn a_write_of_one_voice_connector_is_what_a_whole_build_makes() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        let make = json!({ "Name": name, "RequireEncryption": false });
        let made = ask(api, node, ("POST", "/voice-connectors", ""), &make);
        ids.push(made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap().to_owned());
    }
    let path = format!("/voice-connectors/{}", ids[0]);
    let shared = Arc::clone(&node.directory);
    let route = json!({ "Host": "192.0.2.9", "Port": 5060, "Protocol": "UDP" });
    let writes = [
        ("PUT", "/origination", "", json!({ "Origination": { "Routes": [route] } })),
        (
            "PUT",
            "/termination",
            "",
            json!({ "Termination": {
            "CidrAllowedList": ["198.51.100.0/28"], "CallingRegions": ["US"] } }),
        ),
        (
            "POST",
            "/termination/credentials",
            "operation=put",
            json!({ "Credentials": [{ "Username": "u", "Password": "secret-secret" }] }),
        ),
        (
            "PUT",
            "/logging-configuration",
            "",
            json!({ "LoggingConfiguration": { "EnableSIPLogs": true } }),
        ),
        ("DELETE", "/origination", "", Value::Null),
    ];
    for (method, part, query, body) in writes {
        let at = format!("{path}{part}");
        served(api, node, (method, &at, query), &body).unwrap();
        assert!(shared.shares_ids(&node.directory), "{part}: the rest is shared");
        let (merged, _) = node.file.clone().with_made(api.state().resources());
        let whole = Snapshot::build(merged).unwrap();
        let (one, other) = (node.directory.voice_connectors(), whole.voice_connectors());
        assert!(one.eq(other), "{part}");
        let targets = |snapshot: &Snapshot| format!("{:?}", snapshot.targets().collect::<Vec<_>>());
        assert_eq!(targets(&node.directory), targets(&whole), "{part}");
        for source in ["198.51.100.3", "203.0.113.1"] {
            let source: IpAddr = source.parse().unwrap();
            let one = node.directory.voice_connectors_by_source(source);
            assert!(one.eq(whole.voice_connectors_by_source(source)), "{part} {source}");
        }
    }
    // Lists tell it as well.
    let told = ask(api, node, ("GET", &format!("{path}/termination"), ""), &Value::Null);
    assert_eq!(told["Termination"]["CidrAllowedList"], json!(["198.51.100.0/28"]));
    let rename = json!({ "Name": "renamed", "RequireEncryption": false });
    ask(api, node, ("PUT", &path, ""), &rename);
    let list = ask(api, node, ("GET", "/voice-connectors", ""), &Value::Null);
    let names = list["VoiceConnectors"].as_array().unwrap();
    assert!(names.iter().any(|each| each["Name"] == "renamed"), "{names:?}");
    // What cannot be routed changes nothing.
    let before = Arc::clone(&node.directory);
    let emergency = json!({ "EmergencyCallingConfiguration": { "DNIS": [
        { "EmergencyPhoneNumber": "+12065550911", "CallingCountry": "US" }] } });
    let at = format!("{path}/emergency-calling-configuration");
    assert!(served(api, node, ("PUT", &at, ""), &emergency).is_err(), "it has no origination");
    assert!(Arc::ptr_eq(&before, &node.directory));
}
