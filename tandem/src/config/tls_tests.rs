use crate::config::tests::{accepts, refuses};

#[test]
fn tls_of_carriers_and_customers_is_read_and_checked() {
    let carrier = "tls = \"127.0.0.1:5061\"\n[[carrier]]\nid = \"a\"\nhost = \"sbc.example.com\"\n\
                   prefixes = [\"+\"]\ntransport = \"tls\"\n";
    let demand = "client_certificate = \"required\"\n";
    let config = accepts(&format!("{carrier}{demand}tls_ca = \"ca.pem\""));
    let carrier_read = config.directory.carriers().next().unwrap();
    assert!(carrier_read.tls.verify);
    assert_eq!(carrier_read.tls.ca.as_deref(), Some(std::path::Path::new("ca.pem")));
    // What is not said follows from the rest.
    assert_eq!(*carrier_read.client_certificate.names, ["sbc.example.com".into()]);
    assert_eq!(carrier_read.client_certificate.ca, carrier_read.tls.ca);
    let lines: Vec<usize> = config.tls_files.iter().map(|files| files.line).collect();
    assert_eq!(lines, [11]);

    let by_address = carrier.replace("sbc.example.com", "192.0.2.1");
    refuses(
        &format!("{by_address}{demand}"),
        "t.toml:10: client_certificate: any certificate of any authority would do; add the names \
         that the peer's certificate is for, such as client_certificate_names = \
         [\"sbc.example.com\"]",
    );
    refuses(
        &format!("{carrier}tls_verify = false\ntls_ca = \"ca.pem\""),
        "t.toml:11: tls_ca: is never used while tls_verify = false; remove one",
    );
    refuses(
        &carrier.replace("tls = \"127.0.0.1:5061\"\n", ""),
        "t.toml:8: transport: needs a TLS listener; add a line such as \
         tls = [\"192.0.2.1:5061\"] to [sip]",
    );
    let warned = accepts(&format!("{}tls_verify = false", carrier.replace("\"tls\"", "\"udp\"")));
    assert!(warned.warnings.iter().any(|w| w.message.contains("is not used: transport")));
}
