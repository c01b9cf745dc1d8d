//! What commands ask of the API, seen by an API that only writes down.

use super::*;
use crate::{Cli, Command};
use clap::Parser as _;
use serde_json::json;
use std::collections::HashMap;

/// Answers with what it was given and keeps what it was asked.
#[derive(Default)]
struct Written {
    asked: Vec<(String, Value)>,
    answers: HashMap<&'static str, Vec<Value>>,
}

impl Asked for Written {
    fn ask(&mut self, operation: &str, members: &Map<String, Value>) -> Result<Reply, Failure> {
        // As the request has them: what is null is not sent.
        control_api::compose(operation, members).map_err(|why| Failure::Way(why.to_string()))?;
        let sent: Map<String, Value> = members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        self.asked.push((operation.to_owned(), Value::Object(sent)));
        let answer = self.answers.get_mut(operation).filter(|left| !left.is_empty());
        let value = answer.map_or(Value::Null, |left| left.remove(0));
        if value.is_null() && operation.starts_with("Get") {
            let (exception, message) = ("NotFoundException".to_owned(), "none".to_owned());
            return Err(Failure::Refused { exception, message });
        }
        Ok(Reply { text: value.to_string(), value })
    }
}

impl Written {
    fn with(operation: &'static str, answers: Value) -> Written {
        let answers = answers.as_array().unwrap().clone();
        Written { answers: HashMap::from([(operation, answers)]), ..Written::default() }
    }

    /// Runs a command line and gives what it is about.
    fn run(&mut self, line: &str) -> Result<(Outcome, bool), Failure> {
        let words = std::iter::once("tandem").chain(line.split(' '));
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        let (how, resource): (&How, &dyn Resource) = match &cli.command {
            Command::Vc(args) => (&args.how, &args.command),
            Command::Number(args) => (&args.how, &args.command),
            Command::Group(args) => (&args.how, &args.command),
            Command::Rule(args) => (&args.how, &args.command),
            Command::Application(args) => (&args.how, &args.command),
            Command::Room(args) => (&args.how, &args.command),
            Command::Api(args) => (&args.how, &args.request),
            _ => panic!("{line}: no resource"),
        };
        Ok((resource.perform(self, how.json)?, resource.is_read()))
    }
}

/// The last request of a command line.
fn asked(line: &str) -> (String, Value) {
    let mut api = Written::default();
    let _ = api.run(line);
    api.asked.pop().unwrap_or_else(|| panic!("{line} asks nothing"))
}

/// Each command line asks for the operation with the members.
fn all_ask(lines: Vec<(&str, &str, Value)>) {
    for (line, operation, members) in lines {
        assert_eq!(asked(line), (operation.to_owned(), members), "{line}");
    }
}

#[test]
fn porting_orders_are_operations_of_tandems_own() {
    let order = |more: Value| {
        let mut asked = json!({ "PortingOrderId": "o" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    all_ask(vec![
        (
            "number port create +12065550100 +12065550101 --reason LOA",
            "CreatePortingOrder",
            json!({ "ProductType": "VoiceConnector", "Reason": "LOA",
                "E164PhoneNumbers": ["+12065550100", "+12065550101"] }),
        ),
        ("number port list", "ListPortingOrders", json!({})),
        ("number port list --status foc", "ListPortingOrders", json!({ "Status": "FOC" })),
        ("number port show o", "GetPortingOrder", order(json!({}))),
        (
            "number port advance o --to FOC --foc 2026-03-31",
            "AdvancePortingOrder",
            order(json!({ "Status": "FOC", "FocDate": "2026-03-31" })),
        ),
        (
            "number port advance o --to pending-documents",
            "AdvancePortingOrder",
            order(json!({ "Status": "PENDING_DOCUMENTS" })),
        ),
        (
            "number port cancel o --reason why",
            "AdvancePortingOrder",
            order(json!({ "Status": "CANCEL_REQUESTED", "Reason": "why" })),
        ),
    ]);
}

#[test]
fn voice_connectors_are_operations() {
    let vc = || json!({ "VoiceConnectorId": "abc" });
    let with = |member: &str, value: Value| {
        let mut asked = vc();
        asked[member] = value;
        asked
    };
    all_ask(vec![
        ("vc list", "ListVoiceConnectors", json!({})),
        ("vc show abc --json", "GetVoiceConnector", vc()),
        (
            "vc create --name n --tag a=b",
            "CreateVoiceConnector",
            json!({ "Name": "n",
            "RequireEncryption": false, "Tags": [{ "Key": "a", "Value": "b" }] }),
        ),
        ("vc delete abc", "DeleteVoiceConnector", vc()),
        ("vc health abc", "GetVoiceConnectorTerminationHealth", vc()),
        (
            "vc origination set abc --route h --disabled true",
            "PutVoiceConnectorOrigination",
            with(
                "Origination",
                json!({ "Disabled": true, "Routes": [{ "Host": "h", "Port": 5060,
                "Protocol": "UDP", "Priority": 1, "Weight": 1 }] }),
            ),
        ),
        ("vc origination delete abc", "DeleteVoiceConnectorOrigination", vc()),
        (
            "vc termination set abc --cidr 192.0.2.0/28 --calling-region US --cps-limit 5",
            "PutVoiceConnectorTermination",
            with(
                "Termination",
                json!({ "CpsLimit": 5,
                "CidrAllowedList": ["192.0.2.0/28"], "CallingRegions": ["US"] }),
            ),
        ),
        ("vc credentials list abc", "ListVoiceConnectorTerminationCredentials", vc()),
        (
            "vc credentials delete abc --username u",
            "DeleteVoiceConnectorTerminationCredentials",
            with("Usernames", json!(["u"])),
        ),
        (
            "vc logging set abc --sip-messages true",
            "PutVoiceConnectorLoggingConfiguration",
            with("LoggingConfiguration", json!({ "EnableSIPLogs": true })),
        ),
        (
            "vc streaming set abc --notify sqs",
            "PutVoiceConnectorStreamingConfiguration",
            with(
                "StreamingConfiguration",
                json!({ "DataRetentionInHours": 24, "Disabled": false,
                "StreamingNotificationTargets": [{ "NotificationTarget": "SQS" }] }),
            ),
        ),
        (
            "vc emergency set abc --number +1415,US",
            "PutVoiceConnectorEmergencyCallingConfiguration",
            with(
                "EmergencyCallingConfiguration",
                json!({ "DNIS": [{ "EmergencyPhoneNumber": "+1415", "CallingCountry": "US" }] }),
            ),
        ),
    ]);
}

#[test]
fn numbers_are_operations() {
    all_ask(vec![
        (
            "number list --group g --status Assigned",
            "ListPhoneNumbers",
            json!({
            "Status": "Assigned", "FilterName": "VoiceConnectorGroupId", "FilterValue": "g" }),
        ),
        ("number show +1206", "GetPhoneNumber", json!({ "PhoneNumberId": "+1206" })),
        (
            "number search --area-code 206 --kind local",
            "SearchAvailablePhoneNumbers",
            json!({
            "AreaCode": "206", "PhoneNumberType": "Local", "MaxResults": 20 }),
        ),
        (
            "number order +1206 +1207",
            "CreatePhoneNumberOrder",
            json!({
            "ProductType": "VoiceConnector", "E164PhoneNumbers": ["+1206", "+1207"] }),
        ),
        ("number orders 7", "GetPhoneNumberOrder", json!({ "PhoneNumberOrderId": "7" })),
        (
            "number associate +1206 --vc abc --force",
            "AssociatePhoneNumbersWithVoiceConnector",
            json!({ "VoiceConnectorId": "abc", "E164PhoneNumbers": ["+1206"],
                "ForceAssociate": true }),
        ),
        (
            "number disassociate +1206 --group g",
            "DisassociatePhoneNumbersFromVoiceConnectorGroup",
            json!({ "VoiceConnectorGroupId": "g", "E164PhoneNumbers": ["+1206"] }),
        ),
        (
            "number update +1206 --calling-name X",
            "UpdatePhoneNumber",
            json!({
            "PhoneNumberId": "+1206", "CallingName": "X" }),
        ),
        ("number delete +1206", "DeletePhoneNumber", json!({ "PhoneNumberId": "+1206" })),
        (
            "number delete +1206 +1207",
            "BatchDeletePhoneNumber",
            json!({ "PhoneNumberIds": ["+1206", "+1207"] }),
        ),
        ("number restore +1206", "RestorePhoneNumber", json!({ "PhoneNumberId": "+1206" })),
        (
            "number countries",
            "ListSupportedPhoneNumberCountries",
            json!({ "ProductType": "VoiceConnector" }),
        ),
    ]);
}

#[test]
fn groups_rules_and_applications_are_operations() {
    let vc = || json!({ "VoiceConnectorId": "abc" });
    all_ask(vec![
        (
            "group create --name g --member abc:2 --distribution balanced",
            "CreateVoiceConnectorGroup",
            json!({ "Name": "g",
                "CallDistributionType": "LoadBalancedDistribution",
                "VoiceConnectorItems": [{ "VoiceConnectorId": "abc", "Priority": 2 }] }),
        ),
        ("group delete g", "DeleteVoiceConnectorGroup", json!({ "VoiceConnectorGroupId": "g" })),
        ("rule list --application a", "ListSipRules", json!({ "SipMediaApplicationId": "a" })),
        (
            "rule create --name r --to-number +1206 --target a",
            "CreateSipRule",
            json!({
            "Name": "r", "TriggerType": "ToPhoneNumber", "TriggerValue": "+1206",
            "Disabled": false,
            "TargetApplications": [{ "SipMediaApplicationId": "a", "Priority": 1 }] }),
        ),
        ("rule delete r", "DeleteSipRule", json!({ "SipRuleId": "r" })),
        (
            "application create --name a --endpoint arn:x --region us-east-1",
            "CreateSipMediaApplication",
            json!({ "Name": "a", "AwsRegion": "us-east-1",
                "Endpoints": [{ "LambdaArn": "arn:x" }] }),
        ),
        (
            "application update a --name b",
            "UpdateSipMediaApplication",
            json!({ "SipMediaApplicationId": "a", "Name": "b" }),
        ),
        (
            "application logging a --messages true",
            "PutSipMediaApplicationLoggingConfiguration",
            json!({ "SipMediaApplicationId": "a", "SipMediaApplicationLoggingConfiguration":
                { "EnableSipMediaApplicationMessageLogs": true } }),
        ),
        (
            "application call a --from +1206 --to +1207 --argument k=v",
            "CreateSipMediaApplicationCall",
            json!({ "SipMediaApplicationId": "a",
                "FromPhoneNumber": "+1206", "ToPhoneNumber": "+1207",
                "ArgumentsMap": { "k": "v" } }),
        ),
        (
            "application steer a 7 --argument k=v",
            "UpdateSipMediaApplicationCall",
            json!({
            "SipMediaApplicationId": "a", "TransactionId": "7", "Arguments": { "k": "v" } }),
        ),
        ("api ListProxySessions {\"VoiceConnectorId\":\"abc\"}", "ListProxySessions", vc()),
    ]);
}

#[test]
fn what_is_not_given_stays() {
    let now = json!([{ "Termination": { "CpsLimit": 1, "CallingRegions": ["US"],
        "CidrAllowedList": ["192.0.2.1/32"], "Disabled": false } }]);
    let mut api = Written::with("GetVoiceConnectorTermination", now);
    api.run("vc termination set abc --cps-limit 9").unwrap();
    assert_eq!(
        api.asked[1].1["Termination"],
        json!({ "CpsLimit": 9, "CallingRegions": ["US"],
        "CidrAllowedList": ["192.0.2.1/32"], "Disabled": false })
    );
    let now = json!([{ "VoiceConnector": { "Name": "n", "RequireEncryption": true } }]);
    let mut api = Written::with("GetVoiceConnector", now);
    api.run("vc update abc --name m").unwrap();
    assert_eq!(
        api.asked[1],
        (
            "UpdateVoiceConnector".to_owned(),
            json!({ "VoiceConnectorId": "abc", "Name": "m", "RequireEncryption": true })
        )
    );
    let members = json!([{ "VoiceConnectorId": "abc", "Priority": 1 }]);
    let now = json!([{ "VoiceConnectorGroup": { "Name": "n", "VoiceConnectorItems": members } }]);
    let mut api = Written::with("GetVoiceConnectorGroup", now);
    api.run("group update g --name m").unwrap();
    assert_eq!(api.asked[1].1["VoiceConnectorItems"], members);
    let now = json!([{ "SipRule": { "Name": "n", "Disabled": false, "TargetApplications": [1] } }]);
    let mut api = Written::with("GetSipRule", now);
    api.run("rule update r --disabled true").unwrap();
    assert_eq!(
        api.asked[1].1,
        json!({ "SipRuleId": "r", "Name": "n", "Disabled": true,
        "TargetApplications": [1] })
    );
}

#[test]
fn a_list_has_all_of_its_pages() {
    let pages = json!([
        { "PhoneNumbers": [{ "E164PhoneNumber": "+1" }], "NextToken": "t" },
        { "PhoneNumbers": [{ "E164PhoneNumber": "+2", "Status": "Assigned" }] }]);
    let mut api = Written::with("ListPhoneNumbers", pages.clone());
    let (outcome, is_read) = api.run("number list").unwrap();
    assert!(is_read);
    assert_eq!(api.asked[1].1, json!({ "NextToken": "t" }));
    assert_eq!(outcome.reply.value["PhoneNumbers"].as_array().unwrap().len(), 2);
    let text = outcome.shown.text(&outcome.reply.value);
    assert!(text.starts_with("number  status") && text.ends_with("-"), "{text}");
    assert_eq!(text.lines().count(), 3);
    // One page is left as it came.
    let mut api = Written::with("ListPhoneNumbers", json!([pages[1]]));
    let (outcome, _) = api.run("number list --json").unwrap();
    assert_eq!(outcome.reply.text, pages[1].to_string());
}

#[test]
fn what_only_looks_makes_nothing() {
    for line in [
        "vc list",
        "vc show a",
        "vc origination show a",
        "number orders",
        "group show g",
        "rule show r",
        "application logging a",
        "api GetGlobalSettings",
        "vc health a",
    ] {
        let mut api = Written::default();
        match api.run(line) {
            Ok((_, is_read)) => assert!(is_read, "{line}"),
            Err(Failure::Refused { .. }) => {}
            Err(other) => panic!("{line}: {other}"),
        }
        assert!(
            api.asked.iter().all(|(operation, _)| {
                operation.starts_with("Get") || operation.starts_with("List")
            }),
            "{line}"
        );
    }
    let (_, is_read) = Written::default().run("vc delete a").unwrap();
    assert!(!is_read);
}

#[test]
fn a_command_line_that_says_too_little_is_refused() {
    for line in [
        "number associate +1",
        "number associate +1 --vc a --group g",
        "rule create --name r",
        "vc origination set",
        "vc update a --require-encryption maybe",
        "number search --max 501",
        "vc credentials put a --username u",
        "api X []",
        "rule create --name r --target a",
    ] {
        let words = std::iter::once("tandem").chain(line.split(' '));
        assert!(Cli::try_parse_from(words).is_err(), "{line}");
    }
}

#[test]
fn refused_numbers_and_hints_are_told() {
    let reply = json!({ "PhoneNumberErrors": [{ "PhoneNumberId": "+1", "ErrorCode": "NotFound",
        "ErrorMessage": "unknown" }] });
    assert_eq!(failed_numbers(&reply), ["+1: NotFound: unknown"]);
    assert!(failed_numbers(&json!({ "PhoneNumberErrors": [] })).is_empty());
    let refused = |exception: &str| Failure::Refused {
        exception: exception.to_owned(),
        message: "why".to_owned(),
    };
    assert_eq!(refused("NotFoundException").to_string(), "NotFoundException: why");
    let hint = hint::of(&refused("NotFoundException"), "tandem vc list");
    assert_eq!(hint.as_deref(), Some("`tandem vc list` shows what there is"));
    assert_eq!(hint::of(&refused("AccessDeniedException"), "x"), None);
    assert_eq!(hint::of(&Failure::Way("no".into()), "x"), None);
    let conflict = |message: &str| {
        let failure = Failure::Refused {
            exception: "ConflictException".to_owned(),
            message: message.to_owned(),
        };
        hint::of(&failure, "tandem room list")
    };
    assert!(conflict("voice connector x has numbers").is_some());
    // As the API says them (control-api/src/rooms.rs, room-core): each says itself what to do.
    for message in [
        "nobody is in meeting 1 now",
        "nobody may be called into a meeting: [rooms.call_out] of the node's configuration says who",
        "meetings are not recorded here: add [rooms.recording] to the configuration",
    ] {
        assert_eq!(conflict(message), None, "{message}");
    }
}

mod rooms;
