//! `srtp` and `require_encryption`.

use super::{errors, refuses, with};

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
