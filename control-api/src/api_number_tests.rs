//! Phone numbers: search, orders, associations, names, the deletion queue.

use super::*;
use crate::state::{Draft, Group, GroupItem, Number, Order, OrderType};
use directory::{NumberPool, NumberRange};
use proptest::prelude::*;

const DAY_MS: u64 = 24 * 3_600 * 1_000;
const GET: &str = "GET";
const POST: &str = "POST";

fn later(days: u64) -> UnixTime {
    UnixTime::from_millis(NOW.as_millis() + days * DAY_MS)
}

fn pool(ranges: &[&str], country: &str, place: Option<(&str, &str)>) -> NumberPool {
    let ranges: Vec<_> = ranges.iter().map(|text| NumberRange::parse(text).unwrap()).collect();
    NumberPool {
        is_toll_free: directory::is_toll_free(&ranges[0].first()),
        ranges,
        country: country.into(),
        city: place.map(|(city, _)| city.into()),
        state: place.map(|(_, state)| state.into()),
    }
}

/// One voice connector of the file, +12065550000, and pools around it.
fn world() -> (Api, Node) {
    let mut node = node(Ok(None), 1);
    node.file.number_pools = vec![
        pool(&["+12065550000-+12065550019"], "US", Some(("Seattle", "WA"))),
        pool(&["+16045550100-+16045550102"], "CA", Some(("Vancouver", "BC"))),
        pool(&["+18005550110-+18005550111", "+442079460000"], "US", None),
    ];
    node.directory = Arc::new(Snapshot::build(node.file.clone()).unwrap());
    (api(10), node)
}

fn ask_ok(api: &mut Api, node: &mut Node, to: (&str, &str, &str), body: Value) -> Value {
    served(api, node, to, &body).unwrap()
}

fn connector(api: &mut Api, node: &mut Node) -> String {
    let make = json!({ "Name": "vc", "RequireEncryption": false });
    let made = ask_ok(api, node, (POST, "/voice-connectors", ""), make);
    made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap().to_owned()
}

fn order(api: &mut Api, node: &mut Node, numbers: &[&str]) -> Value {
    let body = json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": numbers });
    let placed = ask_ok(api, node, (POST, "/phone-number-orders", ""), body);
    let placed = &placed["PhoneNumberOrder"];
    assert_eq!((&placed["Status"], &placed["OrderType"]), (&json!("Processing"), &json!("New")));
    let path = format!("/phone-number-orders/{}", placed["PhoneNumberOrderId"].as_str().unwrap());
    ask_ok(api, node, (GET, &path, ""), Value::Null)["PhoneNumberOrder"].take()
}

fn search(api: &mut Api, node: &mut Node, query: &str) -> Value {
    let query = format!("type=phone-numbers&{query}");
    ask_ok(api, node, (GET, "/search", &query), Value::Null)
}

fn associate(api: &mut Api, node: &mut Node, id: &str, body: Value) -> Value {
    let path = format!("/voice-connectors/{id}");
    let query = "operation=associate-phone-numbers";
    ask_ok(api, node, (POST, &path, query), body)["PhoneNumberErrors"].take()
}

fn number(api: &mut Api, node: &mut Node, e164: &str) -> Value {
    let path = format!("/phone-numbers/{e164}");
    ask_ok(api, node, (GET, &path, ""), Value::Null)["PhoneNumber"].take()
}

fn owner(node: &Node, e164: &str) -> Option<String> {
    let found = node.directory.voice_connectors_by_number(e164);
    found.first().map(|connector| connector.id.to_string())
}

#[test]
fn a_number_is_ordered_associated_routed_deleted_restored_and_purged() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let id = connector(api, node);
    let e164 = "+12065550007";
    let placed = order(api, node, &[e164]);
    assert_eq!(placed["Status"], "Successful");
    assert_eq!(placed["OrderedPhoneNumbers"][0]["Status"], "Acquired");
    let told = number(api, node, e164);
    assert_eq!((&told["Status"], &told["Country"]), (&json!("Unassigned"), &json!("US")));
    assert_eq!(told["OrderId"], placed["PhoneNumberOrderId"]);
    assert_eq!(owner(node, e164), None);

    let errors = associate(api, node, &id, json!({ "E164PhoneNumbers": [e164] }));
    assert_eq!(errors, json!([]));
    assert_eq!(owner(node, e164).as_ref(), Some(&id));
    let told = number(api, node, e164);
    assert_eq!(told["Status"], "Assigned");
    let association = &told["Associations"][0];
    assert_eq!(association["Value"], id.as_str());
    assert_eq!(association["AssociatedTimestamp"], "2026-01-02T03:04:05.000Z");
    let filter = format!("filter-name=VoiceConnectorId&filter-value={id}");
    let list = ask_ok(api, node, (GET, "/phone-numbers", &filter), Value::Null);
    assert_eq!(list, json!({ "PhoneNumbers": [told] }));

    let path = format!("/phone-numbers/{e164}");
    let refused = served(api, node, ("DELETE", &path, ""), &Value::Null).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
    let connector_path = format!("/voice-connectors/{id}");
    let refused = served(api, node, ("DELETE", &connector_path, ""), &Value::Null).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    let query = "operation=disassociate-phone-numbers";
    let gone = json!({ "E164PhoneNumbers": [e164] });
    ask_ok(api, node, (POST, &connector_path, query), gone);
    assert_eq!(owner(node, e164), None);

    ask_ok(api, node, ("DELETE", &path, ""), Value::Null);
    let told = number(api, node, e164);
    assert_eq!(told["Status"], "ReleaseInProgress");
    assert_eq!(told["DeletionTimestamp"], "2026-01-02T03:04:05.000Z");
    let errors = associate(api, node, &id, json!({ "E164PhoneNumbers": [e164] }));
    assert_eq!(errors[0]["ErrorCode"], "NotFound");
    let restore = (POST, path.as_str(), "operation=restore");
    let restored = ask_ok(api, node, restore, Value::Null);
    assert_eq!(restored["PhoneNumber"]["Status"], "Unassigned");
    assert_eq!(restored["PhoneNumber"].get("DeletionTimestamp"), None);

    // Seven days to the millisecond.
    ask_ok(api, node, ("DELETE", &path, ""), Value::Null);
    let before = UnixTime::from_millis(later(7).as_millis() - 1);
    let get = (GET, path.as_str(), "");
    assert!(served_at(before, api, node, get, &Value::Null).is_ok());
    let gone = served_at(later(7), api, node, get, &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    let gone = served_at(later(7), api, node, restore, &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    // It can be ordered again, and what is purged is purged on disk.
    let body = json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": [e164] });
    served_at(later(7), api, node, (POST, "/phone-number-orders", ""), &body).unwrap();
    assert!(served_at(later(7), api, node, get, &Value::Null).is_ok());
}

#[test]
fn searches_are_by_place_kind_and_digits_and_come_in_pages() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let count = |api: &mut Api, node: &mut Node, query: &str| {
        search(api, node, query)["E164PhoneNumbers"].as_array().unwrap().len()
    };
    // +12065550000 is the file's.
    for (query, expected) in [
        ("", 19 + 3 + 3),
        ("country=US", 19 + 3),
        ("country=CA", 3),
        ("country=CA&state=bc&city=vancouver", 3),
        ("state=WA&city=Vancouver", 0),
        ("area-code=604", 3),
        ("area-code=20M", 19),
        ("area-code=206&country=CA", 0),
        ("phone-number-type=TollFree", 3),
        ("phone-number-type=Local", 22),
        ("toll-free-prefix=800", 2),
        ("toll-free-prefix=888", 0),
        ("toll-free-prefix=800&area-code=206", 0),
    ] {
        assert_eq!(count(api, node, query), expected, "{query}");
    }
    for wrong in ["area-code=20", "toll-free-prefix=900", "phone-number-type=x", "max-results=501"]
    {
        let query = format!("type=phone-numbers&{wrong}");
        let refused = served(api, node, (GET, "/search", &query), &Value::Null).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{wrong}");
    }
    let (mut all, mut query) = (Vec::new(), "max-results=4".to_owned());
    loop {
        let page = search(api, node, &query);
        all.extend(page["E164PhoneNumbers"].as_array().unwrap().clone());
        let Some(token) = page["NextToken"].as_str() else { break };
        query = format!("max-results=4&next-token={token}");
    }
    assert_eq!(all.len(), 25);
    assert_eq!(search(api, node, "")["E164PhoneNumbers"], Value::Array(all));
    order(api, node, &["+16045550101"]);
    assert_eq!(
        search(api, node, "country=CA")["E164PhoneNumbers"],
        json!(["+16045550100", "+16045550102"])
    );
    let query = "product-type=VoiceConnector";
    let countries = ask_ok(api, node, (GET, "/phone-number-countries", query), Value::Null);
    assert_eq!(
        countries["PhoneNumberCountries"],
        json!([
            { "CountryCode": "CA", "SupportedPhoneNumberTypes": ["Local"] },
            { "CountryCode": "US", "SupportedPhoneNumberTypes": ["Local", "TollFree"] },
        ])
    );
}

#[test]
fn an_order_takes_what_there_is() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    // The file's, one of no pool, and one that is there.
    let placed = order(api, node, &["+12065550000", "+13125550100", "+12065550001"]);
    assert_eq!(placed["Status"], "Partial");
    let of = |placed: &Value| -> Vec<String> {
        let numbers = placed["OrderedPhoneNumbers"].as_array().unwrap().iter();
        numbers.map(|each| each["Status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&placed), ["Failed", "Failed", "Acquired"]);
    let placed = order(api, node, &["+12065550001"]);
    assert_eq!(placed["Status"], "Failed");
    let list = ask_ok(api, node, (GET, "/phone-number-orders", "max-results=1"), Value::Null);
    assert_eq!(list["PhoneNumberOrders"].as_array().unwrap().len(), 1);
    let next = format!("max-results=1&next-token={}", list["NextToken"].as_str().unwrap());
    let list = ask_ok(api, node, (GET, "/phone-number-orders", &next), Value::Null);
    assert_eq!(list["PhoneNumberOrders"].as_array().unwrap().len(), 1);
    assert_eq!(list.get("NextToken"), None);
    let many: Vec<String> = (0..51).map(|n| format!("+1206555{n:04}")).collect();
    for (body, member) in [
        (
            json!({ "ProductType": "BusinessCalling", "E164PhoneNumbers": ["+12065550002"] }),
            "Product",
        ),
        (json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": [] }), "E164"),
        (json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": many }), "E164"),
        (json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": ["x"] }), "E164"),
        (
            json!({ "ProductType": "VoiceConnector",
                "E164PhoneNumbers": ["+12065550002", "12065550002"] }),
            "E164",
        ),
        (
            json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": ["+12065550002"],
                "Name": " x" }),
            "Name",
        ),
    ] {
        let refused = served(api, node, (POST, "/phone-number-orders", ""), &body).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest);
        assert!(refused.message.starts_with(member), "{refused:?}");
    }
    // Nothing is taken when it cannot be written down.
    node.fault = Some(CommitFault::Journal);
    let body = json!({ "ProductType": "VoiceConnector", "E164PhoneNumbers": ["+12065550002"] });
    assert!(served(api, node, (POST, "/phone-number-orders", ""), &body).is_err());
    assert_eq!((api.state().all::<Number>().len(), api.state().all::<Order>().len()), (1, 2));
    let stored = api.state().all::<Order>().values().next().unwrap();
    assert_eq!(stored.value.order_type, OrderType::New);
}

#[test]
fn each_number_of_an_association_is_refused_or_done_on_its_own() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let (one, two) = (connector(api, node), connector(api, node));
    assert_ne!(one, two);
    order(api, node, &["+12065550001", "+12065550002", "+12065550003"]);
    let path = "/phone-numbers/+12065550003";
    ask_ok(api, node, (POST, path, ""), json!({ "ProductType": "SipMediaApplicationDialIn" }));
    assert_eq!(
        associate(api, node, &one, json!({ "E164PhoneNumbers": ["+12065550001"] })),
        json!([])
    );
    let all = ["+12065550000", "12065550001", "+12065550002", "+12065550003", "+12065550004"];
    let errors = associate(api, node, &two, json!({ "E164PhoneNumbers": all }));
    let codes: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["PhoneNumberId"].as_str().unwrap(), each["ErrorCode"].as_str().unwrap()))
        .collect();
    assert_eq!(
        codes,
        [
            ("+12065550000", "Forbidden"),
            ("+12065550001", "PhoneNumberAssociationsExist"),
            ("+12065550003", "BadRequest"),
            ("+12065550004", "NotFound"),
        ]
    );
    assert_eq!(owner(node, "+12065550001").as_ref(), Some(&one));
    assert_eq!(owner(node, "+12065550002").as_ref(), Some(&two));
    let force = json!({ "E164PhoneNumbers": ["+12065550001"], "ForceAssociate": true });
    assert_eq!(associate(api, node, &two, force), json!([]));
    assert_eq!(owner(node, "+12065550001").as_ref(), Some(&two));
    let of_file = format!("/voice-connectors/abcdef1ghij2klmno3{:04}", 0);
    let query = "operation=associate-phone-numbers";
    let body = json!({ "E164PhoneNumbers": ["+12065550002"] });
    let refused = served(api, node, (POST, &of_file, query), &body).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
}

#[test]
fn a_group_has_numbers_too() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let id = connector(api, node);
    let item = GroupItem { voice_connector_id: id.clone(), priority: 1 };
    let mut draft = Draft::new(&mut api.state, NOW);
    draft.put(
        "g",
        Group { name: "g".into(), voice_connector_items: vec![item], call_distribution_type: None },
    );
    draft.keep();
    let (merged, _) = node.file.clone().with_made(api.state.resources());
    node.directory = Arc::new(Snapshot::build(merged).unwrap());
    order(api, node, &["+12065550001"]);
    let body = json!({ "E164PhoneNumbers": ["+12065550001"] });
    let group = "/voice-connector-groups/g";
    ask_ok(api, node, (POST, group, "operation=associate-phone-numbers"), body.clone());
    assert_eq!(owner(node, "+12065550001"), Some(id));
    assert!(node.directory.voice_connector_by_number("+12065550001").is_none());
    let query = "filter-name=VoiceConnectorGroupId&filter-value=g";
    let list = ask_ok(api, node, (GET, "/phone-numbers", query), Value::Null);
    assert_eq!(list["PhoneNumbers"][0]["Associations"][0]["Name"], "VoiceConnectorGroupId");
    ask_ok(api, node, (POST, group, "operation=disassociate-phone-numbers"), body);
    assert_eq!(owner(node, "+12065550001"), None);
    let refused = served(
        api,
        node,
        (POST, "/voice-connector-groups/hq", "operation=associate-phone-numbers"),
        &json!({ "E164PhoneNumbers": ["+12065550001"] }),
    );
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Forbidden);
}

#[test]
fn calling_names_are_routed_and_change_once_in_seven_days() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let id = connector(api, node);
    order(api, node, &["+12065550001", "+12065550002"]);
    let both = json!({ "E164PhoneNumbers": ["+12065550001", "+12065550002"] });
    associate(api, node, &id, both);
    let path = "/phone-numbers/+12065550001";
    let settings = "/settings/phone-number";
    assert_eq!(ask_ok(api, node, (GET, settings, ""), Value::Null), json!({}));
    let named = ask_ok(api, node, (POST, path, ""), json!({ "CallingName": "Front desk" }));
    assert_eq!(named["PhoneNumber"]["CallingName"], "Front desk");
    assert_eq!(named["PhoneNumber"]["CallingNameStatus"], "UpdateSucceeded");
    ask_ok(api, node, ("PUT", settings, ""), json!({ "CallingName": "Example Corp" }));
    let told = ask_ok(api, node, (GET, settings, ""), Value::Null);
    assert_eq!(told["CallingNameUpdatedTimestamp"], "2026-01-02T03:04:05.000Z");
    let names = |node: &Node| {
        let name = |e164| node.directory.calling_name(e164).map(|name| name.to_string());
        (name("+12065550001"), name("+12065550002"), name("+12065550003"))
    };
    let (own, common) = (Some("Front desk".to_owned()), Some("Example Corp".to_owned()));
    assert_eq!(names(node), (own, common.clone(), None));

    let just_before = UnixTime::from_millis(later(7).as_millis() - 1);
    let other = json!({ "CallingName": "Back office" });
    let refused = served_at(just_before, api, node, (POST, path, ""), &other).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    let refused = served_at(just_before, api, node, ("PUT", settings, ""), &other).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest);
    let none = json!({ "CallingName": "" });
    served_at(later(7), api, node, (POST, path, ""), &none).unwrap();
    assert_eq!(names(node), (common.clone(), common, None));
    served_at(later(7), api, node, ("PUT", settings, ""), &none).unwrap();
    assert_eq!(names(node), (None, None, None));

    for wrong in [
        json!({}),
        json!({ "Name": "a", "CallingName": "bb" }),
        json!({ "CallingName": "x" }),
        json!({ "CallingName": "sixteen letters." }),
        json!({ "CallingName": 7 }),
        json!({ "ProductType": "BusinessCalling" }),
        json!({ "Name": "a/b" }),
    ] {
        let refused = served(api, node, (POST, path, ""), &wrong).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{wrong}");
    }
    let batch = json!({ "UpdatePhoneNumberRequestItems": [
        { "PhoneNumberId": "+12065550001", "Name": "Front, desk" },
        { "PhoneNumberId": "+12065550009", "Name": "x" },
        { "PhoneNumberId": "+12065550002", "ProductType": "SipMediaApplicationDialIn" },
    ] });
    let told = ask_ok(api, node, (POST, "/phone-numbers", "operation=batch-update"), batch);
    let errors = told["PhoneNumberErrors"].as_array().unwrap();
    let codes: Vec<_> = errors.iter().map(|each| each["ErrorCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["NotFound", "Conflict"]);
    assert_eq!(number(api, node, "+12065550001")["Name"], "Front, desk");
    let batch = json!({ "PhoneNumberIds": ["+12065550001", "+12065550009"] });
    let told = ask_ok(api, node, (POST, "/phone-numbers", "operation=batch-delete"), batch);
    let errors = told["PhoneNumberErrors"].as_array().unwrap();
    let codes: Vec<_> = errors.iter().map(|each| each["ErrorCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["PhoneNumberAssociationsExist", "NotFound"]);
    // The answer could not name these: nothing is done, and the entry is told by its place.
    for unnamed in ["", " ", "+1206\n5550001"] {
        let ids = json!(["+12065550009", unnamed]);
        let item = json!([{ "PhoneNumberId": unnamed, "Name": "x" }]);
        for (query, body, told) in [
            ("operation=batch-delete", json!({ "PhoneNumberIds": ids }), "PhoneNumberIds[1]: "),
            (
                "operation=batch-update",
                json!({ "UpdatePhoneNumberRequestItems": item }),
                "UpdatePhoneNumberRequestItems[0].PhoneNumberId: ",
            ),
        ] {
            let refused = served(api, node, (POST, "/phone-numbers", query), &body).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::BadRequest);
            assert!(refused.message.starts_with(told), "{}", refused.message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What calls are routed by after each write is what a restart would make of the journal, and
    /// pages together are the whole list.
    #[test]
    fn a_change_of_one_number_leaves_what_a_restart_makes(
        steps in prop::collection::vec((0usize..6, 1u32..20), 1..40)
    ) {
        let (mut api, mut node) = world();
        let (api, node) = (&mut api, &mut node);
        let connectors = [connector(api, node), connector(api, node)];
        for (step, n) in steps {
            let e164 = format!("+1206555{n:04}");
            let numbers = json!({ "E164PhoneNumbers": [e164], "ForceAssociate": true });
            let vc = format!("/voice-connectors/{}", connectors[n as usize % 2]);
            let one = format!("/phone-numbers/{e164}");
            let order = json!({ "E164PhoneNumbers": [e164], "ProductType": "VoiceConnector" });
            let _ = match step {
                0 => served(api, node, (POST, &vc, "operation=associate-phone-numbers"), &numbers),
                1 => served(api, node, (POST, &vc, "operation=disassociate-phone-numbers"), &numbers),
                2 => served(api, node, ("DELETE", &one, ""), &Value::Null),
                3 => served(api, node, (POST, &one, "operation=restore"), &Value::Null),
                4 => served(api, node, ("PUT", &vc, ""), &json!({ "Name": e164, "RequireEncryption": false })),
                _ => served(api, node, (POST, "/phone-number-orders", ""), &order),
            };
            prop_assert_eq!(node.directory.numbers(), &api.state.number_table());
        }
        let (mut all, mut query) = (Vec::new(), "max-results=3".to_owned());
        loop {
            let page = ask_ok(api, node, (GET, "/phone-numbers", &query), Value::Null);
            all.extend(page["PhoneNumbers"].as_array().unwrap().clone());
            let Some(token) = page["NextToken"].as_str() else { break };
            query = format!("max-results=3&next-token={token}");
        }
        let listed: Vec<_> = all.iter().map(|each| each["PhoneNumberId"].as_str().unwrap()).collect();
        let mut expected: Vec<_> = api.state.all::<Number>().keys().map(String::as_str).collect();
        expected.extend(["+12065550000", "+18005550100"]);
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
    }
}
