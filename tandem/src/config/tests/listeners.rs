//! Addresses, listeners and the times of `[sip]`.

use super::{Config, accepts, errors, refuses, with};
use std::time::Duration;

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
