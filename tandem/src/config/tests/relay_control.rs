//! `[relay_control]`.

use super::{accepts, errors, with};
use relay_control::Trust;
use std::time::Duration;

const PIN: &str = "28:AD:CA:F4:5E:FE:EA:0D:1B:5B:7D:0F:18:70:56:5D:C3:A6:A3:BA:17:8F:9A:ED:44:C6:45:1C:F4:5C:0D:56";

fn section(more: &str) -> String {
    format!("[relay_control]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n{more}")
}

#[test]
fn an_edge_and_a_relay_are_described() {
    assert_eq!(accepts("").relay_control, None);
    let edge = accepts(&section(&format!(
        "relays = [\"192.0.2.2:5090\", \"192.0.2.3:5090\"]\nfingerprints = \"{PIN}\""
    )));
    let edge = edge.relay_control.unwrap();
    assert_eq!((edge.listen, edge.relays.len()), (None, 2));
    assert_eq!(edge.heartbeat.timeout, Duration::from_secs(5));
    let Trust::Pinned(pins) = &edge.credentials.trust else { panic!("{edge:?}") };
    assert_eq!((pins.len(), pins[0][0], pins[0][31]), (1, 0x28, 0x56));
    let relay =
        accepts(&section("listen = \"192.0.2.2:5090\"\nca = \"ca.pem\"\norphan_timeout = \"10m\""));
    assert_eq!(relay.tls_files.len(), 2, "both are looked at by `tandem check`");
    let relay = relay.relay_control.unwrap();
    assert_eq!(relay.credentials.trust, Trust::Authority("ca.pem".into()));
    assert_eq!(relay.orphan_timeout, Duration::from_secs(600));
}

#[test]
fn what_is_missing_or_contradicts_itself_is_refused() {
    let listen = "listen = \"192.0.2.2:5090\"";
    let pins = format!("fingerprints = [\"{PIN}\"]");
    for (more, expected) in [
        (pins.clone(), "needs `listen` on a relay"),
        (listen.to_owned(), "must know the other side: give `fingerprints`"),
        (format!("{listen}\nfingerprints = []"), "must know the other side"),
        (format!("{listen}\n{pins}\nca = \"ca.pem\""), "not both; leave one out"),
        (format!("{listen}\nfingerprints = \"28:AD\""), "is no SHA-256 fingerprint"),
        (format!("{listen}\n{pins}\nheartbeat = \"2s\""), "three times `heartbeat`"),
        (format!("{listen}\n{pins}\norphan_timeout = \"9s\""), "out of range"),
        (format!("{listen}\n{pins}\nallocation_timeout = \"31s\""), "out of range"),
        (format!("{listen}\n{pins}\nrelay = \"192.0.2.2:5090\""), "did you mean `relays`?"),
    ] {
        let found = errors(&with(&section(&more)));
        assert!(found.contains(expected), "{more}: {found}");
    }
    let bare = errors(&with(&format!("[relay_control]\n{listen}\n{pins}")));
    assert!(bare.contains("needs `certificate` and `key`"), "{bare}");
}

#[test]
fn an_edge_with_rooms_and_several_relays_is_warned() {
    for (relays, warnings) in
        [("\"192.0.2.2:5090\"", 0), ("\"192.0.2.2:5090\", \"192.0.2.3:5090\"", 1)]
    {
        let control = section(&format!("relays = [{relays}]\nfingerprints = \"{PIN}\""));
        let config = accepts(&format!("{control}\n[rooms]\nallow_plain = [\"192.0.2.9\"]\n"));
        let found =
            config.warnings.iter().filter(|found| found.message.contains("only at one relay"));
        assert_eq!(found.count(), warnings, "{relays}");
    }
}
