use super::{accepts, refuses};

#[test]
fn copies_are_asked_for_with_a_target() {
    assert_eq!(accepts("").hep, None);
    let hep = accepts("[hep]\ntarget = \"192.0.2.9:9060\"\nsample = 0.25\nothers = false").hep;
    let hep = hep.unwrap();
    assert_eq!((hep.target, hep.share), ("192.0.2.9:9060".parse().unwrap(), 2_500));
    assert!(hep.messages && hep.quality && !hep.others);
    let one = accepts("[hep]\ntarget = \"[2001:db8::9]:9060\"\nsample = 1").hep.unwrap();
    assert_eq!((one.share, one.capture_id), (10_000, 1));
    assert_eq!(one.transport, call_metrics::HepTransport::Udp);
    let stream = accepts("[hep]\ntarget = \"192.0.2.9:9060\"\ntransport = \"tcp\"").hep.unwrap();
    assert_eq!(stream.transport, call_metrics::HepTransport::Tcp);
}

#[test]
fn what_is_wrong_with_it_is_said() {
    refuses(
        "[hep]\ntarget = \"192.0.2.9:9060\"\ntransport = \"sctp\"",
        "t.toml:6: transport: `sctp` is neither \"udp\" nor \"tcp\"",
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
