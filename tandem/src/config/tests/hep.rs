use super::super::hep::Hep;
use super::{accepts, refuses, warnings};
use call_metrics::HepTransport;
use directory::Host;

const TARGET: &str = "[hep]\ntarget = \"192.0.2.9:9060\"\n";

fn hep(lines: &str) -> Hep {
    accepts(&format!("{TARGET}{lines}")).hep.unwrap()
}

#[test]
fn copies_are_asked_for_with_a_target() {
    assert_eq!(accepts("").hep, None);
    let some = hep("sample = 0.25\nothers = false").copies;
    assert_eq!((some.target, some.sample.share), ("192.0.2.9:9060".parse().unwrap(), 2_500));
    assert!(some.messages && some.rtcp && some.quality && !some.others);
    let one = accepts("[hep]\ntarget = \"[2001:db8::9]:9060\"\nsample = 1").hep.unwrap().copies;
    assert_eq!((one.sample.share, one.capture_id), (10_000, 1));
    assert_eq!(one.transport, HepTransport::Udp);
    assert_eq!(hep("transport = \"tcp\"").copies.transport, HepTransport::Tcp);
    let quiet = hep("rtcp = false").copies;
    assert!(quiet.messages && !quiet.rtcp);
}

#[test]
fn tls_leads_to_the_target_or_to_a_name() {
    assert_eq!(hep("transport = \"tcp\"").tls, None);
    let to_address = hep("transport = \"tls\"").tls.unwrap();
    assert_eq!(to_address.name, Host::Ip("192.0.2.9".parse().unwrap()));
    assert!(to_address.policy.verify && to_address.policy.ca.is_none());
    let lines = "transport = \"tls\"\ntls_name = \"homer.example.com\"\ntls_ca = \"ca.pem\"\n\
                 tls_certificate = \"a.pem\"\ntls_key = \"a.key\"";
    let to_name = hep(lines).tls.unwrap();
    assert_eq!(to_name.name, Host::parse("homer.example.com").unwrap());
    assert_eq!(to_name.policy.ca.as_deref(), Some("ca.pem".as_ref()));
    let files = accepts(&format!("{TARGET}{lines}")).tls_files.len();
    assert_eq!(files, 2, "both are looked at by `tandem check`");
}

#[test]
fn what_is_not_used_is_told() {
    for (line, key) in
        [("tls_name = \"homer.example.com\"", "tls_name"), ("tls_ca = \"ca.pem\"", "tls_ca")]
    {
        let told = warnings(&format!("{TARGET}transport = \"tcp\"\n{line}"));
        let expected = format!("{key}: is not used: transport is not \"tls\"");
        assert!(told.iter().any(|warning| warning.contains(&expected)), "{told:?}");
    }
}

#[test]
fn what_is_wrong_with_it_is_said() {
    refuses(
        "[hep]\ntarget = \"192.0.2.9:9060\"\ntransport = \"sctp\"",
        "t.toml:6: transport: \"sctp\" is unknown; use \"udp\", \"tcp\" or \"tls\"",
    );
    refuses(
        "[hep]\ntarget = \"192.0.2.9:9060\"\ntransport = \"tls\"\ntls_certificate = \"a.pem\"",
        "t.toml:7: tls_certificate: tls_certificate and tls_key go together; give both or neither",
    );
    refuses(
        "[hep]\nsample = 0.5",
        "t.toml:4: [hep] needs `target`; add a line such as target = \"192.0.2.9:9060\"",
    );
    refuses(
        "[hep]\ntarget = \"192.0.2.9:9060\"\nsample = 1.5",
        "t.toml:6: sample: a share is a number from 0 to 1, such as 0.25",
    );
    refuses(
        "[hep]\ntarget = \"192.0.2.9:9060\"\nsample = \"all\"",
        "t.toml:6: sample: a share is a number from 0 to 1, such as 0.25",
    );
}
