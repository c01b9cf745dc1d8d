//! What belongs to voice connectors, groups, tags, settings: made, read, routed, refused.

use super::*;
use directory::ForeignCaller;

/// A client that may do everything, and its node.
pub(super) struct Client {
    pub(super) api: Api,
    pub(super) node: Node,
}

impl Client {
    /// With so many voice connectors of the file.
    pub(super) fn new(of_file: usize) -> Client {
        Client { api: api(10), node: node(Ok(None), of_file) }
    }

    pub(super) fn ask(
        &mut self,
        method: &str,
        target: &str,
        body: Value,
    ) -> Result<Value, ApiError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        served(&mut self.api, &mut self.node, (method, path, query), &body)
    }

    fn does(&mut self, method: &str, target: &str, body: Value) -> Value {
        self.ask(method, target, body).unwrap()
    }

    #[track_caller]
    fn refused(&mut self, method: &str, target: &str, body: Value, kind: ErrorKind) -> String {
        let refusal = self.ask(method, target, body).unwrap_err();
        assert_eq!(refusal.kind, kind, "{refusal}");
        refusal.message
    }

    pub(super) fn get(&mut self, target: &str) -> Value {
        self.does("GET", target, Value::Null)
    }

    /// Another voice connector; its path.
    pub(super) fn connector(&mut self, is_encrypted: bool) -> String {
        let make = json!({ "Name": "hq", "RequireEncryption": is_encrypted });
        let made = self.does("POST", "/voice-connectors", make);
        format!(
            "/voice-connectors/{}",
            made["VoiceConnector"]["VoiceConnectorId"].as_str().unwrap()
        )
    }

    fn routed(&self, path: &str) -> Arc<VoiceConnector> {
        let id = VoiceConnectorId::new(path.rsplit('/').next().unwrap()).unwrap();
        Arc::clone(self.node.directory.voice_connector(&id).unwrap())
    }
}

fn termination() -> Value {
    json!({ "Termination": {
        "CpsLimit": 5, "DefaultPhoneNumber": "+12065550100", "CallingRegions": ["US", "JP"],
        "CidrAllowedList": ["192.0.2.8/29"], "Disabled": false,
    } })
}

fn origination() -> Value {
    json!({ "Origination": { "Disabled": false, "Routes": [{
        "Host": "192.0.2.7", "Port": 5070, "Protocol": "TCP", "Priority": 1, "Weight": 2,
    }] } })
}

#[test]
fn termination_is_told_as_it_was_put_and_routed() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let target = format!("{path}/termination");
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    client.refused("GET", &format!("{target}/health"), Value::Null, ErrorKind::NotFound);
    assert_eq!(client.does("PUT", &target, termination()), termination());
    assert_eq!(client.get(&target), termination());
    let routed = client.routed(&path);
    let outbound = routed.termination.as_ref().unwrap();
    assert!(outbound.allows_source("192.0.2.9".parse().unwrap()));
    assert!(!outbound.allows_source("192.0.2.16".parse().unwrap()));
    assert_eq!((outbound.cps_limit, &outbound.calling_regions[..]), (5, &["US", "JP"][..]));
    assert_eq!(routed.caller.foreign, ForeignCaller::Override);
    assert_eq!(routed.caller.default_number.as_deref(), Some("+12065550100"));

    let health = format!("{target}/health");
    assert_eq!(client.get(&health), json!({ "TerminationHealth": {} }));
    client.node.health = Some((NOW, "192.0.2.9".parse().unwrap()));
    let told = json!({ "Timestamp": "2026-01-02T03:04:05.000Z", "Source": "192.0.2.9" });
    assert_eq!(client.get(&health), json!({ "TerminationHealth": told }));

    // Nothing given is nothing allowed.
    client.does("PUT", &target, json!({ "Termination": {} }));
    let routed = client.routed(&path);
    assert_eq!(routed.caller.foreign, ForeignCaller::Pass);
    assert_eq!(routed.termination.as_ref().unwrap().cps_limit, 1);
    client.does("DELETE", &target, Value::Null);
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    assert!(client.routed(&path).termination.is_none());
}

#[test]
fn what_termination_cannot_be() {
    let mut client = Client::new(0);
    let target = format!("{}/termination", client.connector(false));
    for (member, value, named) in [
        ("CpsLimit", json!(0), "CpsLimit"),
        ("CpsLimit", json!(100_001), "CpsLimit"),
        ("DefaultPhoneNumber", json!("12065550100"), "DefaultPhoneNumber"),
        ("CallingRegions", json!(["US", "XX"]), "CallingRegions[1]"),
        ("CidrAllowedList", json!(["192.0.2.1"]), "CidrAllowedList[0]"),
        ("CidrAllowedList", json!(["192.0.2.9/29"]), "CidrAllowedList[0]"),
        ("CidrAllowedList", json!(["192.0.2.8/29", "192.0.2.8/29"]), "CidrAllowedList[1]"),
        ("CidrAllowedList", json!(["::ffff:192.0.2.8/128"]), "CidrAllowedList[0]"),
    ] {
        let mut wrong = termination();
        wrong["Termination"][member] = value.clone();
        let told = client.refused("PUT", &target, wrong, ErrorKind::BadRequest);
        assert!(told.starts_with(&format!("Termination.{named}: ")), "{value}: {told}");
    }
    assert_eq!(client.node.unroutable, []);
}

#[test]
fn credentials_are_added_and_their_names_alone_told() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let (target, put, delete) = (
        format!("{path}/termination/credentials"),
        format!("{path}/termination/credentials?operation=put"),
        format!("{path}/termination/credentials?operation=delete"),
    );
    let given = |names: &[&str], password: &str| {
        let one = |name: &&str| json!({ "Username": name, "Password": password });
        json!({ "Credentials": names.iter().map(one).collect::<Vec<_>>() })
    };
    // As at AWS, they are of a termination.
    client.refused("POST", &put, given(&["pbx"], "geheim"), ErrorKind::NotFound);
    client.does("PUT", &format!("{path}/termination"), termination());
    client.does("POST", &put, given(&["pbx"], "geheim"));
    client.does("POST", &put, given(&["sbc", "pbx"], "other"));
    assert_eq!(client.get(&target), json!({ "Usernames": ["pbx", "sbc"] }));
    let asked = client.routed(&path).termination.clone().unwrap().credentials;
    let asked: Vec<_> = asked.iter().map(|each| (&*each.username, &*each.password)).collect();
    assert_eq!(asked, [("pbx", "other"), ("sbc", "other")]);
    let sealed = client.node.journal.iter().filter(|change| change.kind().is_secret());
    assert_eq!(sealed.count(), 2);

    let many: Vec<String> = (0..9).map(|n| format!("user-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let told = client.refused("POST", &put, given(&many, "x"), ErrorKind::BadRequest);
    assert!(told.starts_with("Credentials: "), "{told}");
    client.does("POST", &put, given(&many[..8], "x"));
    for (name, password) in [("a:b", "x"), ("", "x"), ("é", "x"), ("pbx", ""), ("pbx", "a\nb")] {
        let told = client.refused("POST", &put, given(&[name], password), ErrorKind::BadRequest);
        assert!(told.starts_with("Credentials[0]."), "{told}");
        assert!(password.is_empty() || !told.contains("a\nb"));
    }
    // They outlive the termination, so that nobody calls without when it is put again.
    client.does("DELETE", &format!("{path}/termination"), Value::Null);
    client.does("PUT", &format!("{path}/termination"), termination());
    assert_eq!(client.routed(&path).termination.clone().unwrap().credentials.len(), 10);
    client.does("POST", &delete, json!({ "Usernames": many }));
    client.does("POST", &delete, json!({ "Usernames": ["pbx", "sbc", "unknown"] }));
    assert_eq!(client.get(&target), json!({ "Usernames": [] }));
    assert!(client.routed(&path).termination.clone().unwrap().credentials.is_empty());
}

#[test]
fn streaming_and_logging() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let target = format!("{path}/streaming-configuration");
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    let streaming = json!({ "StreamingConfiguration": {
        "DataRetentionInHours": 24, "Disabled": false,
        "StreamingNotificationTargets": [{ "NotificationTarget": "SQS" }],
        "MediaInsightsConfiguration": { "Disabled": true },
    } });
    assert_eq!(client.does("PUT", &target, streaming.clone()), streaming);
    assert_eq!(client.get(&target), streaming);
    let routed = client.routed(&path);
    assert!(routed.streaming.enabled && routed.streaming.notifications.sqs);
    assert_eq!(routed.streaming.retention_hours, 24);
    for (member, value, kind) in [
        ("DataRetentionInHours", json!(87_601), ErrorKind::BadRequest),
        ("StreamingNotificationTargets", json!([]), ErrorKind::BadRequest),
        (
            "StreamingNotificationTargets",
            json!([{ "NotificationTarget": "SNS" }, { "NotificationTarget": "SNS" }]),
            ErrorKind::BadRequest,
        ),
        (
            "MediaInsightsConfiguration",
            json!({ "ConfigurationArn": "arn:aws:chime:x" }),
            ErrorKind::Forbidden,
        ),
    ] {
        let mut wrong = streaming.clone();
        wrong["StreamingConfiguration"][member] = value;
        let told = client.refused("PUT", &target, wrong, kind);
        assert!(told.starts_with(&format!("StreamingConfiguration.{member}: ")), "{told}");
    }
    client.does("DELETE", &target, Value::Null);
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    assert!(!client.routed(&path).streaming.enabled);

    let target = format!("{path}/logging-configuration");
    let of = |sip, media| json!({ "LoggingConfiguration": { "EnableSIPLogs": sip, "EnableMediaMetricLogs": media } });
    assert_eq!(client.get(&target), of(false, false));
    assert_eq!(client.does("PUT", &target, of(true, false)), of(true, false));
    assert_eq!(client.get(&target), of(true, false));
    assert!(client.routed(&path).logging.sip_messages);
    client.does("PUT", &target, of(false, false));
    assert!(!client.routed(&path).logging.sip_messages);
}

#[test]
fn emergency_calling_needs_both_directions_and_keeps_them() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let target = format!("{path}/emergency-calling-configuration");
    let dnis = json!({ "EmergencyPhoneNumber": "+12065550911",
        "TestPhoneNumber": "+12065550933", "CallingCountry": "US" });
    let put = |dnis: &[&Value]| json!({ "EmergencyCallingConfiguration": { "DNIS": dnis } });
    let parts = [("termination", termination()), ("origination", origination())];
    for (part, body) in parts.clone() {
        let told = client.refused("PUT", &target, put(&[&dnis]), ErrorKind::BadRequest);
        assert!(told.contains("put it first"), "{told}");
        client.does("PUT", &format!("{path}/{part}"), body);
    }
    assert_eq!(client.does("PUT", &target, put(&[&dnis])), put(&[&dnis]));
    assert_eq!(client.get(&target), put(&[&dnis]));
    let emergency = client.routed(&path).emergency.clone().unwrap();
    assert_eq!(&*emergency.find("911", None).unwrap().number, "+12065550911");
    for (part, _) in &parts {
        let part = format!("{path}/{part}");
        client.refused("DELETE", &part, Value::Null, ErrorKind::Conflict);
    }
    for (member, value) in
        [("EmergencyPhoneNumber", "911"), ("TestPhoneNumber", "933"), ("CallingCountry", "XX")]
    {
        let mut wrong = dnis.clone();
        wrong[member] = value.into();
        let told = client.refused("PUT", &target, put(&[&wrong]), ErrorKind::BadRequest);
        assert!(told.contains(&format!("DNIS[0].{member}: ")), "{told}");
    }
    for wrong in [put(&[]), put(&[&dnis, &dnis])] {
        client.refused("PUT", &target, wrong, ErrorKind::BadRequest);
    }
    client.does("DELETE", &target, Value::Null);
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    for (part, _) in &parts {
        client.does("DELETE", &format!("{path}/{part}"), Value::Null);
    }
}

#[test]
fn external_systems_are_kept() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let target = format!("{path}/external-systems-configuration");
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    let systems = json!({ "SessionBorderControllerTypes": ["RIBBON_SBC"] });
    let told = json!({ "ExternalSystemsConfiguration": systems });
    assert_eq!(client.does("PUT", &target, systems), told);
    assert_eq!(client.get(&target), told);
    client.does("DELETE", &target, Value::Null);
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
}

#[test]
fn encryption_is_held_against_routes() {
    let mut client = Client::new(0);
    let path = client.connector(false);
    let target = format!("{path}/origination");
    let update = |is_encrypted| json!({ "Name": "hq", "RequireEncryption": is_encrypted });
    let mut over_udp = origination();
    over_udp["Origination"]["Routes"][0]["Protocol"] = "UDP".into();
    client.does("PUT", &target, over_udp.clone());
    let told = client.refused("PUT", &path, update(true), ErrorKind::BadRequest);
    assert!(told.starts_with("Origination.Routes[0].Protocol: "), "{told}");
    client.does("PUT", &target, origination());
    client.does("PUT", &path, update(true));
    let route = &client.routed(&path).origination.routes[0];
    assert_eq!(route.protocol, model::TransportProtocol::Tls);
    client.refused("PUT", &target, over_udp, ErrorKind::BadRequest);
    assert_eq!(client.get(&target), origination());
}

#[test]
fn groups_are_made_emptied_and_deleted() {
    let mut client = Client::new(3);
    let path = client.connector(false);
    let own = path.rsplit('/').next().unwrap().to_owned();
    let item = |id: &str, priority| json!({ "VoiceConnectorId": id, "Priority": priority });
    let of_file = |n| format!("abcdef1ghij2klmno3{n:04}");
    let put = |items: &[Value]| json!({ "Name": "both", "VoiceConnectorItems": items });
    let items = [item(&own, 2), item(&of_file(0), 1)];
    let made = client.does("POST", "/voice-connector-groups", put(&items));
    let group = &made["VoiceConnectorGroup"];
    let id = group["VoiceConnectorGroupId"].as_str().unwrap().to_owned();
    let target = format!("/voice-connector-groups/{id}");
    assert_eq!(group["VoiceConnectorItems"], json!(items));
    assert_eq!(group["CallDistributionType"], "PriorityWeightedDistribution");
    assert_eq!(group["CreatedTimestamp"], "2026-01-02T03:04:05.000Z");
    assert_eq!(client.get(&target), made);
    let routed = client.node.directory.groups().find(|group| *group.id == *id).unwrap();
    assert_eq!(routed.members.len(), 2);
    let listed = client.get("/voice-connector-groups");
    assert_eq!(listed["VoiceConnectorGroups"].as_array().unwrap().len(), 2);

    // Its voice connector stays while it is in the group, and the group while it is not empty.
    client.refused("DELETE", &path, Value::Null, ErrorKind::Conflict);
    client.refused("DELETE", &target, Value::Null, ErrorKind::Conflict);
    let four: Vec<Value> = (0..3).map(|n| item(&of_file(n), 1)).chain([item(&own, 1)]).collect();
    let create = "/voice-connector-groups";
    client.refused("POST", create, put(&four), ErrorKind::ResourceLimitExceeded);
    client.refused("PUT", &target, put(&four), ErrorKind::BadRequest);
    let unknown = item("zzzzzz1ghij2klmno3pqr4", 1);
    client.refused("PUT", &target, put(&[unknown]), ErrorKind::NotFound);
    for wrong in [item(&own, 0), item(&own, 100)] {
        client.refused("PUT", &target, put(&[wrong]), ErrorKind::BadRequest);
    }
    client.refused("PUT", &target, put(&[item(&own, 1), item(&own, 2)]), ErrorKind::BadRequest);
    let mut balanced = put(&items);
    balanced["CallDistributionType"] = "LoadBalancedDistribution".into();
    client.refused("PUT", &target, balanced, ErrorKind::Forbidden);
    let of_file = "/voice-connector-groups/hq";
    client.refused("PUT", of_file, put(&items), ErrorKind::Forbidden);
    client.refused("DELETE", of_file, Value::Null, ErrorKind::Forbidden);

    let emptied = client.does("PUT", &target, put(&[]));
    assert_eq!(emptied["VoiceConnectorGroup"]["VoiceConnectorItems"], json!([]));
    client.does("DELETE", &target, Value::Null);
    client.refused("GET", &target, Value::Null, ErrorKind::NotFound);
    client.refused("DELETE", &target, Value::Null, ErrorKind::NotFound);
    client.does("DELETE", &path, Value::Null);
}

#[test]
fn whatever_has_an_arn_has_tags() {
    let mut client = Client::new(1);
    let path = client.connector(false);
    let own = format!("vc/{}", path.rsplit('/').next().unwrap());
    let application = json!({ "AwsRegion": "us-east-1", "Name": "menu", "Endpoints": [{
        "LambdaArn": "arn:aws:lambda:us-east-1:111122223333:function:menu" }] });
    let made = client.does("POST", "/sip-media-applications", application);
    let application = made["SipMediaApplication"]["SipMediaApplicationId"].as_str().unwrap();
    let application = format!("sma/{application}");
    let of_file = ["vc/abcdef1ghij2klmno30000", "vcg/hq", "phone-number/+12065550000"];
    for name in of_file.into_iter().chain([&*own, &*application]) {
        let arn = format!("arn:aws:chime:us-east-1:111122223333:{name}");
        let tag = |tags: Value| json!({ "ResourceARN": arn, "Tags": tags });
        client.does(
            "POST",
            "/tags?operation=tag-resource",
            tag(json!([
            { "Key": "team", "Value": "a" }, { "Key": "cost", "Value": "" }])),
        );
        client.does(
            "POST",
            "/tags?operation=tag-resource",
            tag(json!([
            { "Key": "team", "Value": "b" }])),
        );
        let all = format!("/tags?arn={}", arn.replace('+', "%2B"));
        assert_eq!(
            client.get(&all),
            json!({ "Tags": [
            { "Key": "cost", "Value": "" }, { "Key": "team", "Value": "b" }] })
        );
        let many: Vec<Value> =
            (0..49).map(|n| json!({ "Key": format!("k{n}"), "Value": "v" })).collect();
        let target = "/tags?operation=tag-resource";
        client.refused("POST", target, tag(json!(many)), ErrorKind::ResourceLimitExceeded);
        for wrong in [
            json!([{ "Key": "AWS:x", "Value": "" }]),
            json!([{ "Key": "", "Value": "" }]),
            json!([{ "Key": "k".repeat(129), "Value": "" }]),
            json!([{ "Key": "k", "Value": "v".repeat(257) }]),
            json!([{ "Key": "k", "Value": "" }, { "Key": "k", "Value": "" }]),
        ] {
            let told = client.refused("POST", target, tag(wrong), ErrorKind::BadRequest);
            assert!(told.starts_with("Tags["), "{told}");
        }
        let untag = json!({ "ResourceARN": arn, "TagKeys": ["cost", "team", "other"] });
        client.does("POST", "/tags?operation=untag-resource", untag);
        assert_eq!(client.get(&all), json!({ "Tags": [] }));
    }
    for account in ["us-east-1:111122223333:vc/zzzzzz1ghij2klmno3pqr4", "us-east-1:1:vcg/hq"] {
        let arn = format!("arn:aws:chime:{account}");
        let tags = json!({ "ResourceARN": arn, "Tags": [{ "Key": "k", "Value": "" }] });
        client.refused("POST", "/tags?operation=tag-resource", tags, ErrorKind::NotFound);
        let keys = json!({ "ResourceARN": arn, "TagKeys": ["k"] });
        client.refused("POST", "/tags?operation=untag-resource", keys, ErrorKind::NotFound);
    }
    assert!(client.api.state().all::<Tags>().is_empty());
}

#[test]
fn policies_go_by_tags() {
    let mut client = Client::new(0);
    let paths = [client.connector(false), client.connector(false)];
    let arn = |path: &str| {
        format!("arn:aws:chime:us-east-1:111122223333:vc/{}", path.rsplit('/').next().unwrap())
    };
    let team = |arn: &str, team: &str| json!({ "ResourceARN": arn, "Tags": [{ "Key": "team", "Value": team }] });
    let tag = "/tags?operation=tag-resource";
    client.does("POST", tag, team(&arn(&paths[0]), "a"));
    let limited = key(Some(
        r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"chime:*","Resource":"*",
         "Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}},
        {"Effect":"Allow","Action":"chime:TagResource","Resource":"*",
         "Condition":{"StringLike":{"aws:RequestTag/team":"free-*"}}}]}"#,
    ));
    let mut allows = |method: &str, target: &str, body: Value| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let routed =
            route(&Request { method, path, query, headers: &[], body: &body, source }).unwrap();
        match client.api.serve(NOW, &body, &mut client.node, &limited, &routed) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::AccessDenied, "{error}");
                false
            }
        }
    };
    assert!(allows("GET", &paths[0], Value::Null));
    assert!(!allows("GET", &paths[1], Value::Null));
    assert!(!allows("GET", "/voice-connectors", Value::Null));
    // The resource of these is in the body.
    assert!(allows("POST", tag, team(&arn(&paths[0]), "a")));
    assert!(!allows("POST", tag, team(&arn(&paths[1]), "a")));
    assert!(allows("POST", tag, team(&arn(&paths[1]), "free-1")));
    let untag = json!({ "ResourceARN": arn(&paths[1]), "TagKeys": ["team"] });
    assert!(!allows("POST", "/tags?operation=untag-resource", untag));
}

#[test]
fn the_bucket_of_call_detail_records() {
    let mut client = Client::new(0);
    let bucket = |name: Option<&str>| json!({ "VoiceConnector": { "CdrBucket": name } });
    // A text or nothing: no null, which the model does not know.
    let none = json!({ "VoiceConnector": {} });
    assert_eq!(client.get("/settings"), none);
    // Without a service to put them there nothing is promised.
    let told = client.refused("PUT", "/settings", bucket(Some("cdrs")), ErrorKind::Forbidden);
    assert!(told.starts_with("VoiceConnector.CdrBucket: "), "{told}");
    client.does("PUT", "/settings", bucket(None));
    client.api.settings.cdr_bucket = Some("of-file".into());
    assert_eq!(client.get("/settings"), bucket(Some("of-file")));
    client.does("PUT", "/settings", bucket(Some("cdrs")));
    assert_eq!(client.get("/settings"), bucket(Some("cdrs")));
    for wrong in ["Cdrs", "ab", "-ab", "ab-", "a_b", &"a".repeat(64)] {
        client.refused("PUT", "/settings", bucket(Some(wrong)), ErrorKind::BadRequest);
    }
    client.does("PUT", "/settings", none.clone());
    assert_eq!(client.get("/settings"), none);
}

#[test]
fn addresses_are_held_against_their_form() {
    let mut client = Client::new(0);
    let address = |changed: &[(&str, &str)]| {
        let mut body = json!({ "AwsAccountId": "111122223333", "StreetNumber": "410",
            "StreetInfo": "Terry  Ave N", "City": "Seattle", "State": "wa", "Country": "US",
            "PostalCode": "98109-5210" });
        for (member, value) in changed {
            body[*member] = (*value).into();
        }
        body
    };
    let target = "/emergency-calling/address";
    assert_eq!(
        client.does("POST", target, address(&[])),
        json!({
            "ValidationResult": 0, "CandidateAddressList": [],
            "Address": { "streetNumber": "410", "streetName": "Terry Ave N", "city": "Seattle",
                "state": "WA", "postalCode": "98109", "postalCodePlus4": "5210", "country": "US" },
        })
    );
    let canadian = [("Country", "CA"), ("State", "ON"), ("PostalCode", "k1a0b1")];
    let told = client.does("POST", target, address(&canadian));
    assert_eq!(told["Address"]["postalCode"], "K1A 0B1");
    for (member, value) in [
        ("StreetNumber", "x"),
        ("StreetInfo", "-"),
        ("City", "-"),
        ("State", "ON"),
        ("Country", "DE"),
        ("PostalCode", "9810"),
        ("PostalCode", "98109-52"),
        ("City", &"a".repeat(257)),
    ] {
        let wrong = address(&[(member, value)]);
        let told = client.refused("POST", target, wrong, ErrorKind::UnprocessableEntity);
        assert!(told.starts_with(member), "{told}");
    }
    let other = address(&[("AwsAccountId", "1")]);
    client.refused("POST", target, other, ErrorKind::BadRequest);
}
