use crate::config::tests::{accepts, refuses};

#[test]
fn callers_are_configured_for_carriers_and_voice_connectors() {
    let stir = "[stir]\nkey = \"k.pem\"\nx5u = \"https://a.example/c\"\nroots = \"r.pem\"\n";
    let carrier = "[[carrier]]\nid = \"c\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let config = accepts(&format!(
        "{stir}{carrier}caller_id = \"pai\"\nsign_calls = true\nverify = \"require\"\n\
         trust_identity = false"
    ));
    let read = config.directory.carriers().next().unwrap();
    assert_eq!(
        (read.caller_id, read.verify),
        (directory::CallerId::Pai, directory::Verify::Require)
    );
    assert!(read.sign_calls && !read.trust_identity);
    assert_eq!(config.stir.signer.unwrap().x5u, "https://a.example/c");

    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let config = accepts(&format!(
        "{connector}caller_policy = \"override\"\ndefault_caller = \"+12065550100\"\n\
         caller_override = true\ncaller_name = \"Acme\""
    ));
    let caller = &config.directory.voice_connectors().next().unwrap().caller;
    assert_eq!(caller.foreign, directory::ForeignCaller::Override);
    assert_eq!(caller.default_number.as_deref(), Some("+12065550100"));
    assert!(caller.always_default && caller.name.as_deref() == Some("Acme"));
}

#[test]
fn callers_that_nobody_can_sign_verify_or_replace_are_errors() {
    let carrier = "[[carrier]]\nid = \"c\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    for (text, error) in [
        (
            format!("{carrier}sign_calls = true"),
            "t.toml:8: sign_calls: there is nothing to sign with; add key and x5u to [stir]",
        ),
        (
            format!("{carrier}verify = \"annotate\""),
            "t.toml:8: verify: there is no authority to verify by; add roots to [stir]",
        ),
        (
            format!("{carrier}caller_id = \"rpid\""),
            "t.toml:8: caller_id: \"rpid\" is unknown; use \"from\", \"pai\" or \"both\"",
        ),
        (
            format!("{connector}caller_override = true"),
            "t.toml:6: caller_override: there is no number to call from; add default_caller or \
             numbers",
        ),
        (
            format!("{connector}default_caller = \"100\""),
            "t.toml:6: default_caller: \"100\" is not E.164, as +12065550100",
        ),
        (
            "[stir]\nkey = \"k.pem\"".to_owned(),
            "t.toml:5: key: whoever gets a signed call must find the certificate; add x5u = \
             \"https://…\"",
        ),
        (
            "[stir]\nx5u = \"http://a.example/\"".to_owned(),
            "t.toml:5: x5u: \"http://a.example/\" is not an https: address",
        ),
    ] {
        refuses(&text, error);
    }
}
