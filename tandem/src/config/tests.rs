use super::{Config, load};
use model::{TransportProtocol, VoiceConnectorId};
use std::path::Path;
use std::time::Duration;

const LEAST: &str = "[sip]\ndomain = \"example.com\"\nudp = \"127.0.0.1:5060\"\n";

pub(super) fn errors(text: &str) -> String {
    match Config::parse(text, "t.toml") {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

/// `LEAST` with lines after it, which so begin at line 4.
pub(super) fn with(lines: &str) -> String {
    format!("{LEAST}{lines}\n")
}

#[track_caller]
pub(crate) fn accepts(lines: &str) -> Config {
    Config::parse(&with(lines), "t.toml").unwrap_or_else(|errors| panic!("{lines}\n{errors}"))
}

#[track_caller]
pub(super) fn refuses(lines: &str, expected: &str) {
    assert_eq!(errors(&with(lines)), expected);
}

#[track_caller]
pub(super) fn warnings(lines: &str) -> Vec<String> {
    let warnings = accepts(lines).warnings;
    warnings.iter().map(|warning| warning.in_file("t.toml").to_string()).collect()
}

#[test]
fn every_file_in_configs_is_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            load(&path).unwrap_or_else(|errors| panic!("{errors}"));
            files += 1;
        }
    }
    assert!(files >= 4, "{files} files");
}

#[test]
fn the_development_file_says_what_the_design_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/dev.toml");
    let config = load(&path).unwrap();
    assert_eq!(config.node.account_id, "111122223333");
    let listeners: Vec<_> = config
        .sip
        .listeners
        .iter()
        .map(|listener| (listener.protocol, listener.advertised.to_string()))
        .collect();
    let listen = "127.0.0.1:5060".to_owned();
    assert_eq!(
        listeners,
        [
            (TransportProtocol::Udp, listen.clone()),
            (TransportProtocol::Tcp, listen),
            (TransportProtocol::Tls, "127.0.0.1:5061".to_owned()),
        ]
    );
    assert_eq!(config.media.ports, 10_000..=60_000);
    assert_eq!(config.prometheus.unwrap().to_string(), "127.0.0.1:9464");
    let carrier = config.directory.carrier_by_source([127, 0, 0, 2].into()).unwrap();
    assert_eq!((carrier.id.as_str(), carrier.port), ("pstn-1", Some(5080)));
    let vc = config.directory.voice_connector_by_number("+12065550100").unwrap();
    assert_eq!(vc.id, VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap());
    let termination = vc.termination.as_ref().unwrap();
    assert_eq!(termination.cps_limit, 2000);
    assert_eq!(termination.calling_regions, ["US", "JP"]);
    assert!(vc.logging.sip_messages && vc.logging.media_metrics);
    let route = &config.directory.inbound_routes(vc, &mut || 0)[0];
    assert_eq!((route.host.to_string(), route.port), ("127.0.0.3".to_owned(), Some(5070)));
    let warned: Vec<_> = config.warnings.iter().map(|w| w.in_file("dev.toml")).collect();
    assert!(warned.is_empty(), "{warned:?}");
    assert_eq!(config.api.unwrap().listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn the_least_file_has_every_default() {
    let config = accepts("");
    assert_eq!(config.node.name, "edge-1");
    assert_eq!(config.node.region, "us-east-1");
    assert_eq!(config.node.account_id, "000000000000");
    assert_eq!(config.node.data_dir, Path::new("data"));
    assert_eq!(config.sip.t1, Duration::from_millis(500));
    assert_eq!(config.sip.no_answer_timeout, Duration::from_secs(180));
    assert_eq!(config.sip.max_call_duration, Duration::from_secs(12 * 3600));
    assert_eq!(config.sip.session_expires, Duration::from_secs(1800));
    assert_eq!(config.sip.min_se, Duration::from_secs(90));
    assert_eq!(config.sip.max_calls, 20_000);
    assert_eq!(config.media.bind, config.media.advertise);
    assert_eq!(config.media.workers, None);
    assert_eq!(config.media.quarantine, Duration::from_secs(5));
    assert_eq!(config.media.report_interval, Duration::from_secs(60));
    assert_eq!(config.media.silence_after, Duration::from_secs(60));
    assert_eq!(config.drain.timeout, Duration::from_secs(30));
    assert_eq!(config.limits.max_transactions, 200_000);
    assert_eq!(config.limits.transactions_per_source, 50_000);
    assert_eq!(accepts("[limits]\nmax_transactions = 100").limits.transactions_per_source, 25);
    assert_eq!(config.limits.stranger_answers_per_second, 100);
    assert_eq!(config.limits.tcp_connections, 4_096);
    assert_eq!(config.limits.message.headers, sip_proto::Limits::default().headers);
    assert_eq!(config.prometheus, None);
    assert!(config.warnings.is_empty());
    assert_eq!(config.directory.domain(), "example.com");
}

#[test]
fn all_that_is_wrong_is_reported_at_once_with_its_line() {
    let text = r#"[node]
nane = "edge"
account_id = 111122223333

[sip]
udp = ["0.0.0.0:5060", "127.0.0.1"]
t1 = "5 seconds"
session_expires = "10m"
min_se = "20m"

[media]
ports = "10000-10002"

[[carrier]]
host = "192.0.2.1"

[[carrier]]
id = "a"
host = "192.0.2.1"
prefixes = ["+1", "1206"]
weight = 0
inbound_cidrs = ["10.0.0.1/24", "nope",
  "10.1.0.0/16"]

[[carrier]]
id = "a"
host = "192.0.2"
[[carrier]]
id = "a"
host = "192.0.2.2"
inbound_cidrs = ["10.1.0.0/16"]

[[voice_connector]]
id = "abcdef1ghij2klmno3pqr4"
numbers = [
  "+12065550100",
  "+12065550100",
]
[voice_connector.termination]
calling_regions = ["US", "UK"]
cps_limit = 0
[[voice_connector.origination]]
priority = 3
[[voice_connector.origination]]
host = "192.0.2.1"
priority = 101
"#;
    let expected = r#"t.toml:2: unknown key `nane` in [node]; did you mean `name`?
t.toml:3: account_id: expected a string in quotes, found the number 111122223333
t.toml:5: [sip] needs `domain`; add a line such as domain = "tandem.example.com"
t.toml:6: udp: 0.0.0.0:5060 names no address that peers could answer to; bind one address, or add advertise = "…" with the public one
t.toml:6: udp: expected an address and port such as "127.0.0.1:5060" or "[::1]:5060", found the string "127.0.0.1"
t.toml:7: t1: expected a duration such as "30s", "5m", "250ms" or "12h", found the string "5 seconds"
t.toml:9: min_se: must not be longer than session_expires, "10m"
t.toml:12: ports: 10000-10002 is too small for one call; give at least 4 ports from an even one
t.toml:14: [carrier] needs `id`; add a line such as id = "pstn-1"
t.toml:20: prefixes: "1206" is not a number prefix; write "+" for every number, or "+" and leading digits such as "+1206"
t.toml:21: weight: 0 is out of range; use 1 to 100
t.toml:22: inbound_cidrs: 10.0.0.1/24 has bits set after its prefix length; write 10.0.0.0/24 or one address
t.toml:22: inbound_cidrs: expected a network such as "192.0.2.0/24" or "192.0.2.7/32", found the string "nope"
t.toml:27: host: the string "192.0.2" is not a host: write an IP address such as 192.0.2.1 or a name such as sip.example.com
t.toml:29: id: carrier id "a" is used twice; rename one (first on line 18)
t.toml:31: inbound_cidrs: 10.1.0.0/16 is listed twice, so calls from it cannot be told apart; keep one (first on line 23)
t.toml:37: numbers: +12065550100 is listed twice, and a number reaches one voice connector; remove one (first on line 36)
t.toml:40: calling_regions: the string "UK" is no country with telephone numbers; use ISO 3166-1 codes of two letters such as "US", "GB" or "JP"
t.toml:41: cps_limit: 0 is out of range; use 1 to 100000
t.toml:42: [voice_connector.origination] needs `host`; add a line such as host = "192.0.2.20"
t.toml:46: priority: 101 is out of range; use 1 to 100"#;
    assert_eq!(errors(text), expected);
}

#[test]
fn what_is_not_served_yet_is_refused_rather_than_ignored() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let errors = errors(&with("[sinks]\naudit = { kind = \"aws\" }"));
    assert!(errors.contains("not served yet by this version"), "{errors:?}");
    assert!(errors.starts_with("t.toml:5: ") && errors.lines().count() == 1, "{errors:?}");
    for fine in [
        format!("{carrier}srtp = \"off\"\ntransport = \"tcp\""),
        format!("{carrier}srtp = \"optional\""),
        format!("{carrier}srtp = \"required\""),
        format!("{vc}require_encryption = false"),
        format!("{vc}require_encryption = true"),
        format!("{vc}[voice_connector.streaming]\nenabled = true"),
        format!("{vc}[[voice_connector.origination]]\nhost = \"a.b\"\nsrtp = \"required\""),
        "[sinks]\nkind = \"file\"\nlogs = { kind = \"file\" }".to_owned(),
        "[media]\nfast_path = \"off\"".to_owned(),
        "[media]\nrtcp = \"auto\"".to_owned(),
        "[media]\nrtcp = \"translator\"".to_owned(),
        "[media]\nrtcp = \"back-to-back\"".to_owned(),
        "[media]\nfast_path = \"ebpf\"\nfast_path_capacity = 2\ndscp = 0".to_owned(),
        "[media]\nmax_packets_per_second = 600\nmax_video_packets_per_second = 1000000".to_owned(),
    ] {
        accepts(&fine);
    }
}

#[test]
fn unknown_keys_suggest_the_nearest_or_list_what_is_known() {
    refuses("dp = \"127.0.0.1:1\"", "t.toml:4: unknown key `dp` in [sip]; did you mean `udp`?");
    refuses("max_call = 1", "t.toml:4: unknown key `max_call` in [sip]; did you mean `max_calls`?");
    refuses(
        "[media]\nrtcp = \"both\"",
        "t.toml:5: rtcp: \"both\" is unknown; use \"auto\", \"translator\" or \"back-to-back\"",
    );
    refuses("[mdia]", "t.toml:4: unknown key `mdia`; did you mean `media`?");
    refuses(
        "[drain]\nxylophone_quartet = 1",
        "t.toml:5: unknown key `xylophone_quartet` in [drain]; known here: timeout",
    );
    refuses(
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n\
         [voice_connector.termination]\ncidr_allow_list = []\ncalling_regions = [\"US\"]",
        "t.toml:7: unknown key `cidr_allow_list` in [voice_connector.termination]; did you mean \
         `cidr_allowed_list`?",
    );
}

#[test]
fn ranges_hold_at_both_ends() {
    for (table, key, fine, wrong) in [
        ("", "max_calls", ["1", "1000000"], ["0", "1000001"]),
        ("", "t1", ["\"100ms\"", "\"5s\""], ["\"99ms\"", "\"5001ms\""]),
        ("", "no_answer_timeout", ["\"5s\"", "\"10m\""], ["\"4999ms\"", "\"601s\""]),
        ("", "max_call_duration", ["\"1s\"", "\"7d\""], ["\"0s\"", "\"169h\""]),
        ("", "session_expires", ["\"90s\"", "\"24h\""], ["\"89s\"", "\"25h\""]),
        ("", "min_se", ["\"90s\"", "\"30m\""], ["\"89s\"", "\"2h\""]),
        ("", "max_targets", ["1", "16"], ["0", "17"]),
        ("", "targets_timeout", ["\"1s\"", "\"5m\""], ["\"999ms\"", "\"301s\""]),
        ("", "path_mtu", ["576", "65535"], ["575", "65536"]),
        (
            "",
            "dns_servers",
            ["\"::1\"", "[\"192.0.2.53\", \"[::1]:5353\"]"],
            ["\"ns\"", "\"192.0.2.53:0\""],
        ),
        ("[media]", "workers", ["1", "64"], ["0", "-1"]),
        ("[media]", "quarantine", ["\"0s\"", "\"5m\""], ["\"301s\"", "5"]),
        ("[media]", "report_interval", ["\"1s\"", "\"1h\""], ["\"999ms\"", "\"2h\""]),
        ("[media]", "live_interval", ["\"1s\"", "\"1h\""], ["\"999ms\"", "\"2h\""]),
        ("[media]", "silence_after", ["\"1s\"", "\"1h\""], ["\"0s\"", "\"61m\""]),
        (
            "[media]",
            "ports",
            ["\"1024-65535\"", "\"10000-10003\""],
            ["\"1023-65535\"", "\"10001-10004\""],
        ),
        ("[drain]", "timeout", ["\"0s\"", "\"24h\""], ["\"25h\"", "\"-1s\""]),
        ("[limits]", "message_bytes", ["1500", "1048576"], ["1499", "1048577"]),
        ("[limits]", "head_bytes", ["1500", "1048576"], ["1499", "1048577"]),
        ("[limits]", "headers", ["32", "4096"], ["31", "4097"]),
        ("[limits]", "header_bytes", ["256", "65535"], ["255", "65536"]),
        ("[limits]", "uri_bytes", ["128", "65535"], ["127", "65536"]),
        ("[limits]", "body_bytes", ["1024", "1048576"], ["1023", "1048577"]),
        ("[limits]", "max_transactions", ["100", "10000000"], ["99", "10000001"]),
        ("[limits]", "transactions_per_source", ["10", "10000000"], ["9", "10000001"]),
        ("[limits]", "stranger_answers_per_second", ["0", "100000"], ["-1", "100001"]),
        ("[limits]", "tcp_connections", ["1", "100000"], ["0", "100001"]),
        ("[node]", "account_id", ["\"012345678901\"", "\"999999999999\""], ["\"1\"", "\"a\""]),
        ("[node]", "name", ["\"a\"", "\"edge_1.b-2\""], ["\"\"", "\"a b\""]),
        ("[prometheus]", "listen", ["\"[::1]:1\"", "\"0.0.0.0:65535\""], ["\"::1\"", "\"a:1\""]),
    ] {
        for value in fine {
            accepts(&format!("{table}\n{key} = {value}"));
        }
        for value in wrong {
            let errors = errors(&with(&format!("{table}\n{key} = {value}")));
            let expected = format!("t.toml:5: {key}: ");
            assert!(errors.starts_with(&expected), "{table} {key} = {value}: {errors:?}");
        }
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let config = accepts(
        "[[carrier]]\nid = \"idle\"\nhost = \"192.0.2.1\"\n\
         [[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\nnumbers = [\"+12065550100\"]\n\
         [voice_connector.termination]\ncidr_allowed_list = [\"0.0.0.0/0\"]",
    );
    let warnings: Vec<_> = config.warnings.iter().map(|w| w.in_file("t.toml")).collect();
    assert_eq!(
        warnings,
        [
            "t.toml:5: id: the carrier has neither prefixes nor inbound_cidrs: no call uses it",
            "t.toml:9: numbers: there is no [[voice_connector.origination]] to send inbound calls to",
            "t.toml:10: calling_regions: empty: every outbound call is refused",
            "t.toml:11: cidr_allowed_list: every address of the internet may call out at your cost",
        ]
    );
}

mod api;
mod connectors;
mod encryption;
mod hep;
mod listeners;
mod media_applications;
mod parsing;
mod playing;
mod policy;
mod privacy;
mod relay_control;
mod sinks;
mod streaming;
mod traces;
