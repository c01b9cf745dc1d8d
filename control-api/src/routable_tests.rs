//! What the API accepts can always be routed.

use super::connectors::Client;
use super::*;
use proptest::prelude::*;

fn texts(some: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(some).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn any_termination() -> impl Strategy<Value = Value> {
    let networks = texts(&[
        "192.0.2.0/24",
        "192.0.2.8/29",
        "10.0.0.0/8",
        "::/0",
        "2001:db8::/32",
        "192.0.2.1/24",
        "0.0.0.0/0",
        "::ffff:1.2.3.4/128",
        "1.2.3.4",
    ]);
    let regions = texts(&["US", "us", "CA", "DE", "XK", "AQ", "BV", ""]);
    let numbers = texts(&["+12065550100", "12065550100", "+1", "+999999999999999", "+0123456789"]);
    (
        prop::collection::vec(networks, 0..5),
        prop::collection::vec(regions, 0..5),
        prop::option::of(numbers),
        prop::option::of(0_u32..200_000),
        any::<bool>(),
    )
        .prop_map(|(networks, regions, number, cps, disabled)| {
            json!({ "Termination": {
            "CidrAllowedList": networks, "CallingRegions": regions, "DefaultPhoneNumber": number,
            "CpsLimit": cps, "Disabled": disabled } })
        })
}

fn any_origination() -> impl Strategy<Value = Value> {
    let hosts = texts(&[
        "192.0.2.7",
        "[2001:db8::1]",
        "2001:db8::1",
        "sip.example.com",
        "-x.example",
        "a..b",
        "example.com.",
        "192.0.2.300",
    ]);
    let route = (hosts, prop::option::of(0_u16..), any::<bool>(), 0_u8..=101, 0_u8..=101);
    let route = route.prop_map(|(host, port, is_udp, priority, weight)| {
        json!({
        "Host": host, "Port": port, "Protocol": if is_udp { "UDP" } else { "TCP" },
        "Priority": priority, "Weight": weight })
    });
    prop::collection::vec(route, 0..22)
        .prop_map(|routes| json!({ "Origination": { "Routes": routes } }))
}

fn any_emergency() -> impl Strategy<Value = Value> {
    let number = || texts(&["+12065550911", "911", "+", "+1206555091100000"]);
    let dnis = (number(), prop::option::of(number()), texts(&["US", "CA", "us", "XX"]));
    let dnis = dnis.prop_map(|(number, test, country)| {
        json!({
        "EmergencyPhoneNumber": number, "TestPhoneNumber": test, "CallingCountry": country })
    });
    prop::collection::vec(dnis, 0..4)
        .prop_map(|dnis| json!({ "EmergencyCallingConfiguration": { "DNIS": dnis } }))
}

fn any_write() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    let targets =
        prop::collection::vec(prop_oneof![Just("SNS"), Just("SQS"), Just("EventBridge")], 0..4);
    let streaming = (0_u32..100_000, any::<bool>(), prop::option::of(targets));
    let streaming = streaming.prop_map(|(hours, disabled, targets)| {
        let targets = targets.map(|targets| {
            targets.iter().map(|each| json!({ "NotificationTarget": each })).collect::<Vec<_>>()
        });
        json!({ "StreamingConfiguration": { "DataRetentionInHours": hours, "Disabled": disabled,
            "StreamingNotificationTargets": targets } })
    });
    let group = prop::collection::vec(
        (prop::sample::select(&["own", "file", "none"][..]), 0_u8..=100),
        0..4,
    );
    let group = group.prop_map(|items| json!(items));
    prop_oneof![
        any_termination().prop_map(|body| ("PUT", "/termination", body)),
        any_origination().prop_map(|body| ("PUT", "/origination", body)),
        any_emergency().prop_map(|body| ("PUT", "/emergency-calling-configuration", body)),
        streaming.prop_map(|body| ("PUT", "/streaming-configuration", body)),
        any::<bool>().prop_map(|on| ("PUT", "", json!({ "Name": "n", "RequireEncryption": on }))),
        group.prop_map(|body| ("POST", "group", body)),
        prop::sample::select(
            &["/termination", "/origination", "/emergency-calling-configuration", ""][..]
        )
        .prop_map(|part| ("DELETE", part, Value::Null)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_accepted_can_be_routed(writes in prop::collection::vec(any_write(), 1..12)) {
        let mut client = Client::new(1);
        let path = client.connector(false);
        let own = path.rsplit('/').next().unwrap().to_owned();
        for (method, part, body) in writes {
            let (target, body) = if part == "group" {
                let id = |name: &str| match name {
                    "own" => own.clone(),
                    "file" => "abcdef1ghij2klmno30000".to_owned(),
                    other => other.to_owned(),
                };
                let items: Vec<Value> = body.as_array().unwrap().iter().map(|item| json!({
                    "VoiceConnectorId": id(item[0].as_str().unwrap()), "Priority": item[1] })).collect();
                let body = json!({ "Name": "n", "VoiceConnectorItems": items });
                ("/voice-connector-groups".to_owned(), body)
            } else {
                (format!("{path}{part}"), body)
            };
            if let Ok(told) = client.ask(method, &target, body)
                && method == "PUT" && !part.is_empty() {
                prop_assert_eq!(client.get(&target), told);
            }
            prop_assert_eq!(&client.node.unroutable, &[]);
        }
        // What the journal has is what the state is.
        let resources = client.api.state().resources();
        prop_assert!(client.node.file.clone().with_made(resources).1.is_empty());
    }
}
