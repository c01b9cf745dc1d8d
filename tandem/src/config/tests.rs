use super::{Config, load};
use directory::DigestAlgorithm;
use model::{TransportProtocol, VoiceConnectorId};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const LEAST: &str = "[sip]\ndomain = \"example.com\"\nudp = \"127.0.0.1:5060\"\n";

fn errors(text: &str) -> String {
    match Config::parse(text, "t.toml") {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

/// `LEAST` with lines after it, which so begin at line 4.
fn with(lines: &str) -> String {
    format!("{LEAST}{lines}\n")
}

#[track_caller]
pub(super) fn accepts(lines: &str) -> Config {
    Config::parse(&with(lines), "t.toml").unwrap_or_else(|errors| panic!("{lines}\n{errors}"))
}

#[track_caller]
pub(super) fn refuses(lines: &str, expected: &str) {
    assert_eq!(errors(&with(lines)), expected);
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
fn a_voice_connector_says_what_becomes_of_refer() {
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\nrefer = ";
    for (text, refer) in [
        ("\"handle\"", directory::Refer::Handle),
        ("\"pass\"", directory::Refer::Pass),
        ("\"refuse\"", directory::Refer::Refuse),
    ] {
        let config = accepts(&format!("{connector}{text}"));
        assert_eq!(config.directory.voice_connectors().next().unwrap().refer, refer);
    }
    refuses(
        &format!("{connector}\"deflect\""),
        "t.toml:6: refer: \"deflect\" is unknown; use \"handle\", \"pass\" or \
         \"refuse\"",
    );
}

#[test]
fn a_voice_connector_says_which_requests_pass() {
    let passed = |line: &str| {
        let text = format!("[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n{line}");
        let passed = accepts(&text).directory.voice_connectors().next().unwrap().passed_requests;
        (passed.info, passed.message)
    };
    assert_eq!(passed(""), (true, true));
    assert_eq!(passed("pass_requests = []"), (false, false));
    assert_eq!(passed("pass_requests = [\"INFO\"]"), (true, false));
    assert_eq!(passed("pass_requests = [\"MESSAGE\", \"INFO\"]"), (true, true));
    refuses(
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\npass_requests = [\"BYE\"]",
        "t.toml:6: pass_requests: \"BYE\" is unknown; use \"INFO\" or \"MESSAGE\"",
    );
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
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("the control API is not served yet"), "{warned:?}");
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
fn credentials_are_read_and_their_faults_told_without_the_password() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let vc =
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n[voice_connector.termination]\n";
    let secret = "open-sesame";
    for (lines, line, word) in [
        (format!("{carrier}password = \"{secret}\""), 8, "both or neither"),
        (format!("{carrier}username = \"u\""), 8, "both or neither"),
        (format!("{carrier}username = \"u\"\npassword = [\"{secret}\"]"), 9, "in quotes"),
        (format!("{vc}credentials = [{{ username = \"u\" }}]"), 7, "needs `password`"),
        (
            format!(
                "{vc}credentials = [{{ username = \"u\", password = \"{secret}\" }}, \
                 {{ username = \"u\", password = \"{secret}2\" }}]"
            ),
            7,
            "listed twice",
        ),
        (format!("{vc}digest_algorithms = [\"SHA-1\"]"), 7, "unknown"),
        (format!("{vc}digest_algorithms = []"), 7, "empty"),
        ("[authentication]\nnonce_lifetime = \"9s\"".to_owned(), 5, "out of range"),
        ("[authentication]\nfailures = 0".to_owned(), 5, "out of range"),
    ] {
        let errors = errors(&with(&lines));
        let there = format!("t.toml:{line}: ");
        assert!(errors.lines().any(|told| told.starts_with(&there)), "{lines}: {errors}");
        assert!(errors.contains(word) && !errors.contains(secret), "{lines}: {errors}");
    }
    let text = with(&format!(
        "{carrier}username = \"u\"\npassword = \"{secret}\"\nrealm = \"r\"\n{vc}\
         credentials = [{{ username = \"pbx\", password = \"{secret}\" }}]\n\
         digest_algorithms = [\"md5\", \"SHA-256\"]\n\
         [authentication]\nnonce_lifetime = \"1m\"\nfailures = 3\nfailure_interval = \"10s\""
    ));
    let config = Config::parse(&text, "t.toml").unwrap();
    let carrier = config.directory.carriers().next().unwrap();
    assert_eq!(carrier.credential.as_ref().map(|c| &*c.password), Some(secret));
    assert_eq!(carrier.realm.as_deref(), Some("r"));
    let connector = config.directory.voice_connectors().next().unwrap();
    let termination = connector.termination.as_ref().unwrap();
    assert_eq!(&*termination.credentials[0].username, "pbx");
    assert_eq!(termination.digest_algorithms, [DigestAlgorithm::Md5, DigestAlgorithm::Sha256]);
    assert_eq!(config.authentication.failures, 3);
    assert!(!format!("{config:?}").contains(secret));
}

#[test]
fn registrations_need_what_makes_them_safe() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\n";
    let proved = "username = \"u\"\npassword = \"p\"\n";
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let asked = "[voice_connector.termination]\n\
                 credentials = [{ username = \"u\", password = \"p\" }]\n";
    let origination = "[[voice_connector.origination]]\nhost = \"registered\"\n";
    for (lines, word) in [
        (format!("{carrier}register = true"), "needs username and password"),
        (format!("{carrier}{proved}register = true\nregister_expires = \"59s\""), "out of range"),
        (format!("{vc}[voice_connector.registration]"), "needs credentials"),
        (format!("{vc}{asked}{origination}"), "needs [voice_connector.registration]"),
        (
            format!("{vc}{asked}{origination}port = 5060\n[voice_connector.registration]"),
            "remove port",
        ),
        (
            format!("{vc}{asked}[voice_connector.registration]\nmin_expires = \"1h\""),
            "must not be longer",
        ),
    ] {
        let errors = errors(&with(&lines));
        assert!(errors.contains(word), "{lines}\n{errors}");
    }
    let config = accepts(&format!(
        "{carrier}{proved}register = true\nregister_expires = \"10m\"\n{vc}{asked}{origination}\
         [voice_connector.registration]\nmax_bindings = 3"
    ));
    let carrier = config.directory.carriers().next().unwrap();
    assert_eq!(carrier.registration.map(|r| r.expires), Some(Duration::from_secs(600)));
    let connector = config.directory.voice_connectors().next().unwrap();
    assert_eq!(connector.registration.map(|r| r.max_bindings), Some(3));
    assert!(connector.origination.routes[0].registered);
    let off = accepts(&format!("{vc}{asked}[voice_connector.registration]\nenabled = false"));
    assert_eq!(off.directory.voice_connectors().next().unwrap().registration, None);
}

#[test]
fn what_is_not_served_yet_is_refused_rather_than_ignored() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    for (lines, line) in [
        (format!("{vc}[voice_connector.streaming]\nenabled = true"), 7),
        ("[media]\nfast_path = \"ebpf\"".to_owned(), 5),
        ("[sinks]\nkind = \"aws\"".to_owned(), 5),
        ("[sinks]\ncloudwatch = { kind = \"aws\" }".to_owned(), 5),
    ] {
        let errors = errors(&with(&lines));
        assert!(errors.contains("not served yet by this version"), "{lines}: {errors:?}");
        assert!(errors.starts_with(&format!("t.toml:{line}: ")), "{lines}: {errors:?}");
        assert_eq!(errors.lines().count(), 1, "{errors:?}");
    }
    for fine in [
        format!("{carrier}srtp = \"off\"\ntransport = \"tcp\""),
        format!("{carrier}srtp = \"optional\""),
        format!("{carrier}srtp = \"required\""),
        format!("{vc}require_encryption = false"),
        format!("{vc}require_encryption = true"),
        format!("{vc}[[voice_connector.origination]]\nhost = \"a.b\"\nsrtp = \"required\""),
        "[sinks]\nkind = \"file\"\nlogs = { kind = \"file\" }".to_owned(),
        "[media]\nfast_path = \"off\"".to_owned(),
    ] {
        accepts(&fine);
    }
}

#[test]
fn unknown_keys_suggest_the_nearest_or_list_what_is_known() {
    refuses("dp = \"127.0.0.1:1\"", "t.toml:4: unknown key `dp` in [sip]; did you mean `udp`?");
    refuses("max_call = 1", "t.toml:4: unknown key `max_call` in [sip]; did you mean `max_calls`?");
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
fn ringing_time_comes_from_sip_and_can_only_be_shortened() {
    let carrier = "no_answer_timeout = \"5m\"\n[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\n\
                   prefixes = [\"+\"]";
    let ringing = |config: Config| {
        config.directory.outbound_routes("+12065550100", &mut || 0)[0].no_answer_timeout
    };
    assert_eq!(ringing(accepts(carrier)), Duration::from_secs(300));
    let shorter = accepts(&format!("{carrier}\nno_answer_timeout = \"20s\""));
    assert_eq!(ringing(shorter), Duration::from_secs(20));
    refuses(
        &format!("{carrier}\nno_answer_timeout = \"6m\""),
        "t.toml:9: no_answer_timeout: must not be longer than no_answer_timeout of [sip], \"5m\"",
    );
    refuses(
        &format!("{carrier}\nno_answer_timeout = \"4s\""),
        "t.toml:9: no_answer_timeout: 4s is out of range; use 5s to 600s",
    );
}

#[test]
fn durations_are_exact() {
    for (written, expected) in [
        ("250ms", Duration::from_millis(250)),
        ("30s", Duration::from_secs(30)),
        ("5m", Duration::from_secs(300)),
        ("12h", Duration::from_secs(43_200)),
        ("1d", Duration::from_secs(86_400)),
    ] {
        assert_eq!(accepts(&format!("[drain]\ntimeout = \"{written}\"")).drain.timeout, expected);
    }
    for wrong in ["", "s", "30", "30 s", "1h30m", "-1s", "1.5s", "30S", "99999999999999999999s"] {
        let errors = errors(&with(&format!("[drain]\ntimeout = \"{wrong}\"")));
        assert!(errors.contains("expected a duration"), "{wrong:?}: {errors:?}");
    }
    // The product does not fit either.
    assert!(!errors(&with("[drain]\ntimeout = \"18446744073709551615d\"")).is_empty());
}

#[test]
fn one_address_stands_for_a_list_of_one() {
    let config = accepts("[media]\nbind = \"192.0.2.5\"\nadvertise = \"203.0.113.7\"");
    assert_eq!(config.media.bind, ["192.0.2.5".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(config.media.advertise, ["203.0.113.7".parse::<std::net::IpAddr>().unwrap()]);
    let config = accepts("[media]\nbind = [\"192.0.2.5\", \"::1\"]");
    assert_eq!(config.media.advertise, config.media.bind);
}

#[test]
fn an_address_that_peers_cannot_reach_needs_an_advertised_one() {
    let config = accepts("tcp = \"0.0.0.0:5060\"\nadvertise = \"203.0.113.7\"");
    let advertised: Vec<_> =
        config.sip.listeners.iter().map(|listener| listener.advertised.to_string()).collect();
    assert_eq!(advertised, ["203.0.113.7:5060", "203.0.113.7:5060"]);
    let wrong_family = errors(&with("tcp = \"[::]:5060\"\nadvertise = \"203.0.113.7\""));
    assert!(wrong_family.starts_with("t.toml:4: tcp: [::]:5060 names no address"));
    accepts("[media]\nbind = \"0.0.0.0\"\nadvertise = \"203.0.113.7\"");
    let nowhere = errors(&with("[media]\nbind = \"0.0.0.0\""));
    assert!(nowhere.starts_with("t.toml:5: bind: 0.0.0.0 names no address"), "{nowhere}");
    for pair in [
        "bind = \"::1\"\nadvertise = \"203.0.113.7\"",
        "bind = [\"127.0.0.1\", \"127.0.0.2\"]\nadvertise = \"203.0.113.7\"",
    ] {
        let errors = errors(&with(&format!("[media]\n{pair}")));
        assert!(errors.starts_with("t.toml:6: advertise: must have one address"), "{errors}");
    }
}

#[test]
fn listeners_and_tls_files_are_consistent() {
    refuses(
        "tcp = [\"127.0.0.1:5060\", \"127.0.0.1:5060\"]",
        "t.toml:4: tcp: 127.0.0.1:5060 is listed twice; remove one",
    );
    refuses(
        "tls_key = \"key.pem\"",
        "t.toml:4: tls_key: tls_certificate and tls_key go together; give both or neither",
    );
    accepts("tls_key = \"key.pem\"\ntls_certificate = \"certificate.pem\"");
    let host = "[[sip.tls_host]]\nname = \"A.example.com\"";
    accepts(&format!("{host}\ncertificate = \"a.pem\"\nkey = \"a.key\""));
    refuses(host, "t.toml:4: [[sip.tls_host]] needs `certificate` and `key`; add both, PEM files");
    refuses(
        "tls_poll = \"500ms\"",
        "t.toml:4: tls_poll: the string \"500ms\" is out of range; use \"1s\" to \"1h\"",
    );
    refuses(
        "keep_alive = \"2h\"",
        "t.toml:4: keep_alive: the string \"2h\" is out of range; use \"5s\" to \"1h\"",
    );
    accepts("udp_keep_alive = \"off\"");
    refuses(
        "udp_keep_alive = \"1s\"",
        "t.toml:4: udp_keep_alive: the string \"1s\" is out of range; use \"5s\" to \"1h\", or \"off\"",
    );
    assert_eq!(
        errors("[sip]\ndomain = \"example.com\"\n"),
        "t.toml:1: [sip] listens nowhere; add a line such as udp = [\"127.0.0.1:5060\"]"
    );
    assert_eq!(
        errors(""),
        "t.toml:1: [sip] needs `domain`; add a line such as domain = \"tandem.example.com\""
    );
    assert_eq!(
        errors("[sip]\ndomain = \"not a domain\"\nudp = \"127.0.0.1:5060\"\n"),
        "t.toml:2: domain: \"not a domain\" is not a domain name; write one such as \
         \"tandem.example.com\""
    );
}

#[test]
fn values_of_another_shape_are_named() {
    refuses("[[media]]", "t.toml:4: media: expected a table [media], found a list");
    refuses(
        "[carrier]\nid = \"a\"",
        "t.toml:4: carrier: expected tables [[carrier]], found a table",
    );
    refuses(
        "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = \"+\"",
        "t.toml:7: prefixes: expected a list [ … ], found the string \"+\"",
    );
    refuses(
        "max_calls = 1.5",
        "t.toml:4: max_calls: expected a whole number, found the number 1.5",
    );
}

#[test]
fn syntax_errors_have_their_line() {
    let errors =
        errors("[sip]\ndomain = \"example.com\"\nudp = 127.0.0.1:5060\nt1 = 1\nmax_calls = \n");
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "both, and nothing that only follows from them: {errors}");
    assert!(lines[0].starts_with("t.toml:3: not valid TOML: "), "{errors}");
    assert!(lines[1].starts_with("t.toml:5: not valid TOML: "), "{errors}");
    let twice = self::errors(&with("domain = \"example.org\""));
    assert!(twice.starts_with("t.toml:4: not valid TOML: "), "{twice}");
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

#[test]
fn a_file_that_is_not_there_says_so() {
    let errors = load(Path::new("no/such/file.toml")).unwrap_err().to_string();
    assert!(errors.starts_with("no/such/file.toml: cannot be read: "), "{errors}");
    assert!(errors.ends_with("give an existing, readable file with --config"), "{errors}");
}

/// Text made of the words of the language, so that most of it gets past the TOML parser.
fn mixed_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("[sip]\n".to_owned()),
        Just("[[carrier]]\n".to_owned()),
        Just("[[voice_connector]]\n".to_owned()),
        Just("[voice_connector.termination]\n".to_owned()),
        Just("[[voice_connector.origination]]\n".to_owned()),
        Just("[media]\n".to_owned()),
        ("[a-z_0-9]{1,12}", "(\"\\PC{0,12}\"|-?[0-9]{1,20}|\\[\"\\PC{0,9}\"\\]|true|\\{\\})")
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
        (
            prop_oneof![
                Just("id"),
                Just("host"),
                Just("port"),
                Just("udp"),
                Just("ports"),
                Just("t1"),
                Just("domain"),
                Just("numbers"),
                Just("prefixes"),
                Just("cidr_allowed_list"),
                Just("priority"),
                Just("credentials"),
                Just("bind"),
                Just("advertise"),
            ],
            "(\"[a-z0-9.:/+\\-]{0,24}\"|-?[0-9]{1,20}|\\[\"[0-9.:/+]{0,12}\"\\]|\\[\\{\\}\\])",
        )
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
        "\\PC{0,20}\n",
    ];
    proptest::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_every_error_has_a_line_of_the_file(text in mixed_text()) {
        if let Err(errors) = Config::parse(&text, "t.toml") {
            prop_assert!(!errors.errors.is_empty());
            for error in &errors.errors {
                let line = error.line.unwrap_or(1);
                prop_assert!(line <= text.matches('\n').count() + 1, "{}", error.message);
            }
        }
    }

    #[test]
    fn reading_arbitrary_text_never_panics(text in any::<String>()) {
        // `[sip]` with its domain is required, so arbitrary text is refused.
        prop_assert!(Config::parse(&text, "t.toml").is_err());
    }
}

#[test]
fn early_media_passes_unless_the_connector_prefers_ringback() {
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let read = |lines: &str| {
        let config = accepts(&format!("{vc}{lines}"));
        config
            .directory
            .voice_connector(&VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap())
            .map(|vc| vc.early_media)
    };
    assert_eq!(read(""), Some(directory::EarlyMedia::Pass));
    assert_eq!(read("early_media = \"pass\""), Some(directory::EarlyMedia::Pass));
    assert_eq!(read("early_media = \"ringback\""), Some(directory::EarlyMedia::Ringback));
    refuses(
        &format!("{vc}early_media = \"none\""),
        "t.toml:6: early_media: expected \"pass\" or \"ringback\", found \"none\"",
    );
}

#[test]
fn redirects_are_followed_only_as_often_and_where_the_operator_says() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let policy = |lines: &str| {
        let config = accepts(&format!("{carrier}{lines}"));
        let route = config.directory.outbound_routes("+12065550100", &mut || 0).remove(0);
        route.carrier.unwrap().redirects.clone()
    };
    assert_eq!(policy("").limit, 0);
    let most = policy("follow_redirects = 5\nredirect_hosts = [\"192.0.2.2\", \"b.example\"]");
    assert_eq!((most.limit, most.hosts.len()), (5, 2));
    refuses(
        &format!("{carrier}follow_redirects = 6"),
        "t.toml:8: follow_redirects: 6 is out of range; use 0 to 5",
    );
}

mod encryption;
mod policy;
