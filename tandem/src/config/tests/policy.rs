//! Health, groups, emergency calling, caps and unknown sources.

use super::{accepts, refuses};
use b2bua::UnknownSources;
use directory::Money;
use std::time::Duration;

const CARRIER: &str = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";

fn carrier(lines: &str) -> String {
    format!("{CARRIER}{lines}")
}

fn connector(lines: &str) -> String {
    format!("{CONNECTOR}{lines}")
}

#[test]
fn health_and_limits_of_carriers_and_routes() {
    let config = accepts(&carrier(
        "options_ping = \"30s\"\nmax_calls = 10\ncps_limit = 5\nemergency = true\n\
         [health]\ndown_after = 10\nup_after = 1\nping_timeout = \"100ms\"\navoid_for = \"5m\"",
    ));
    let a = config.directory.carriers().next().unwrap();
    assert_eq!(a.options_ping, Some(Duration::from_secs(30)));
    assert_eq!((a.max_calls, a.cps_limit, a.emergency), (Some(10), Some(5), true));
    assert_eq!((config.health.down_after, config.health.up_after), (10, 1));
    assert_eq!(config.health.ping_timeout, Duration::from_millis(100));
    assert_eq!(config.health.avoid_for, Duration::from_secs(300));
    let plain = accepts(CARRIER);
    assert_eq!(plain.directory.carriers().next().unwrap().options_ping, None);
    assert_eq!(plain.health, b2bua::HealthConfig::default());

    refuses(
        &carrier("options_ping = \"500ms\""),
        "t.toml:8: options_ping: 500ms is out of range; use 1s to 3600s, or leave it out to send \
         none",
    );
    refuses(&carrier("max_calls = 0"), "t.toml:8: max_calls: 0 is out of range; use 1 to 1000000");
    refuses(
        &carrier("cps_limit = 100001"),
        "t.toml:8: cps_limit: 100001 is out of range; use 1 to 100000",
    );
    for key in ["down_after", "up_after"] {
        for value in [0, 11] {
            refuses(
                &format!("[health]\n{key} = {value}"),
                &format!("t.toml:5: {key}: {value} is out of range; use 1 to 10"),
            );
        }
    }
    refuses(
        "[health]\navoid_for = \"6m\"",
        "t.toml:5: avoid_for: the string \"6m\" is out of range; use \"1s\" to \"5m\"",
    );
    let route = "[[voice_connector.origination]]\nhost = \"192.0.2.2\"\noptions_ping = \"2h\"";
    refuses(
        &connector(route),
        "t.toml:8: options_ping: 7200s is out of range; use 1s to 3600s, or leave it out to send \
         none",
    );
}

#[test]
fn groups_name_voice_connectors_that_exist() {
    let group = |lines: &str| connector(&format!("[[voice_connector_group]]\nid = \"g\"\n{lines}"));
    let member = "members = [{ voice_connector = \"abcdef1ghij2klmno3pqr4\", priority = 7 }]";
    let config = accepts(&group(&format!("numbers = [\"+12065550199\"]\n{member}")));
    assert_eq!(config.directory.voice_connectors_by_number("+12065550199").len(), 1);
    assert_eq!(accepts(&group("")).warnings.len(), 1, "no members");
    refuses(
        &group("members = [{ voice_connector = \"zzzzzz1ghij2klmno3pqr4\" }]"),
        "t.toml:8: voice_connector: there is no [[voice_connector]] with id = \
         \"zzzzzz1ghij2klmno3pqr4\"; add it or correct the id",
    );
    refuses(
        &group("members = [{ voice_connector = \"abcdef1ghij2klmno3pqr4\", priority = 100 }]"),
        "t.toml:8: priority: 100 is out of range; use 1 to 99",
    );
    refuses(
        &connector(
            "numbers = [\"+12065550199\"]\norigination_disabled = true\n\
             [[voice_connector_group]]\nid = \"g\"\nnumbers = [\"+12065550199\"]",
        ),
        "t.toml:10: numbers: +12065550199 is listed twice, and a number reaches one voice \
         connector or one group; remove one (first on line 6)",
    );
}

#[test]
fn emergency_calling_has_real_numbers_and_carriers() {
    let emergency = |lines: &str| {
        carrier(&connector(&format!(
            "[voice_connector.termination]\ncidr_allowed_list = [\"192.0.2.9\"]\n\
             calling_regions = [\"US\"]\n[voice_connector.emergency]\n{lines}"
        )))
    };
    let dnis = "dnis = [{ emergency_phone_number = \"+13125550911\", calling_country = \"US\" }]";
    let config = accepts(&emergency(&format!("carrier = \"a\"\n{dnis}")));
    let vc = config.directory.voice_connectors().next().unwrap();
    let rules = vc.emergency.as_ref().unwrap();
    assert_eq!(*rules.find("911", None).unwrap().number, *"+13125550911");
    assert_eq!(rules.find("933", None), None, "no test number is configured");
    assert!(!rules.require_encryption);
    let config = accepts(&emergency(&format!("require_encryption = true\n{dnis}")));
    let vc = config.directory.voice_connectors().next().unwrap();
    assert!(vc.emergency.as_ref().unwrap().require_encryption);
    refuses(
        &emergency(&format!("carrier = \"b\"\n{dnis}")),
        "t.toml:14: carrier: there is no [[carrier]] with id = \"b\"; add it or correct the id",
    );
    refuses(
        &emergency("dnis = [{ emergency_phone_number = \"911\", calling_country = \"US\" }]"),
        "t.toml:14: emergency_phone_number: \"911\" is not an E.164 number; write \"+\" and 7 to \
         15 digits of the emergency router's number",
    );
    refuses(
        &emergency("dnis = []"),
        "t.toml:13: emergency: emergency calling needs at least one \
         [[voice_connector.emergency.dnis]]",
    );
}

#[test]
fn caps_and_prices() {
    let caps = |lines: &str| connector(&format!("[voice_connector.caps]\n{lines}"));
    let prices = "prices = [{ prefix = \"+\", per_minute = \"1.5\" }, \
                  { prefix = \"+1\", per_minute = 0.000001 }]";
    let config = accepts(&caps(&format!(
        "minutes_per_day = 600\nspend_per_day = 50\nmax_call_duration = \"2h\"\n{prices}"
    )));
    let vc = config.directory.voice_connectors().next().unwrap();
    assert_eq!(vc.caps.spend_per_day, Some(Money(50_000_000)));
    assert_eq!(vc.caps.price_of("+442071234567"), Money(1_500_000));
    assert_eq!(vc.caps.price_of("+12065550123"), Money(1));
    assert_eq!(vc.caps.max_call_duration, Some(Duration::from_secs(7_200)));
    refuses(
        &caps("spend_per_day = 50"),
        "t.toml:7: spend_per_day: numbers without a price would cost nothing; add a price for \
         prefix \"+\", which counts for every number that no other prefix fits",
    );
    refuses(
        &caps("spend_per_day = \"1.1234567\""),
        "t.toml:7: spend_per_day: expected a sum of at most six decimals such as \"0.012\" or 50, \
         found the string \"1.1234567\"",
    );
    refuses(
        &caps("minutes_per_day = 0"),
        "t.toml:7: minutes_per_day: 0 is out of range; use 1 to 100000000",
    );
    refuses(
        &caps("max_call_duration = \"500ms\""),
        "t.toml:7: max_call_duration: 500ms is out of range; use 1s to 604800s",
    );
    let dry = accepts(&connector("dry_run = true"));
    assert!(dry.warnings[0].in_file("t.toml").contains("not enforced"));
}

#[test]
fn unknown_sources_and_risks() {
    let config = accepts("unknown_sources = \"drop\"\nemergency_headroom = 0");
    assert_eq!(config.sip.unknown_sources, UnknownSources::Drop);
    assert_eq!(config.sip.emergency_headroom, 0);
    assert_eq!(accepts("").sip.unknown_sources, UnknownSources::Refuse);
    refuses(
        "unknown_sources = \"ignore\"",
        "t.toml:4: unknown_sources: \"ignore\" is unknown; use \"refuse\" or \"drop\"",
    );
    let config = accepts("[fraud]\nhigh_risk_prefixes = [\"+44207\"]");
    assert!(config.directory.risk_of("+442071234567").is_some());
    refuses(
        "[fraud]\nhigh_risk_prefixes = [\"44207\"]",
        "t.toml:5: high_risk_prefixes: \"44207\" is not a number prefix; write \"+\" for every \
         number, or \"+\" and leading digits such as \"+1206\"",
    );
}
