//! `srtp` and `require_encryption`.

use super::{accepts, errors, refuses, with};

#[test]
fn encryption_that_is_required_needs_tls_on_every_origination_route() {
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\nrequire_encryption = true\n";
    let route = "[[voice_connector.origination]]\nhost = \"192.0.2.1\"\n";
    for (lines, line, protocol) in
        [(format!("{vc}{route}protocol = \"tcp\""), 9, "tcp"), (format!("{vc}{route}"), 7, "udp")]
    {
        let errors = errors(&with(&lines));
        assert!(errors.starts_with(&format!("t.toml:{line}: ")), "{errors}");
        assert!(errors.contains(&format!("{protocol} is not encrypted")), "{errors}");
        assert!(errors.contains("use protocol = \"tls\""), "{errors}");
    }
    refuses(
        "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\nsrtp = \"maybe\"",
        "t.toml:8: srtp: \"maybe\" is unknown; use \"off\", \"optional\", \"required\" or \"dtls\"",
    );
}

#[test]
fn what_required_encryption_never_uses_is_a_warning() {
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\nrequire_encryption = true\n";
    let route = "[[voice_connector.origination]]\nhost = \"192.0.2.1\"\nprotocol = \"tls\"\n";
    let warnings = |lines: &str| {
        let config = accepts(lines);
        config.warnings.iter().map(|w| w.in_file("t.toml").to_string()).collect::<Vec<_>>()
    };
    let tls = "tls = \"127.0.0.1:5061\"\n";
    let off = warnings(&format!("{tls}{vc}{route}srtp = \"off\""));
    assert_eq!(off.len(), 1, "{off:?}");
    assert!(off[0].starts_with("t.toml:11: srtp: \"off\" is never used"), "{off:?}");
    for srtp in ["", "srtp = \"required\"", "srtp = \"dtls\""] {
        assert_eq!(warnings(&format!("{tls}{vc}{route}{srtp}")), [""; 0]);
    }
    let plain = warnings(vc);
    assert_eq!(plain.len(), 1, "{plain:?}");
    assert!(plain[0].starts_with("t.toml:6: require_encryption: [sip] has no tls"), "{plain:?}");
}
