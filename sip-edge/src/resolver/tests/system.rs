use crate::resolver::system::{Hosts, Servers, Watched};
use sip_proto::locate::{Question, Record, RecordKind};
use std::time::Duration;

#[test]
fn resolv_conf_is_read_as_the_system_reads_it() {
    let servers = Servers::parse(
        "# comment\nnameserver 192.0.2.53 ; first\nnameserver 2001:db8::53\nnameserver nonsense\n\
         domain old.example\nsearch corp.example. example\noptions ndots:5 timeout:2 attempts:9\n",
    );
    assert_eq!(
        servers.addresses,
        ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()]
    );
    assert_eq!((servers.timeout, servers.attempts), (Duration::from_secs(2), 5));
    assert_eq!(servers.candidates("pbx"), ["pbx.corp.example", "pbx.example", "pbx"]);
    assert_eq!(servers.candidates("sip.carrier.example"), ["sip.carrier.example"]);
    let nothing = Servers::parse("");
    assert_eq!(nothing.addresses, ["127.0.0.1:53".parse().unwrap()]);
    let many = "nameserver 192.0.2.1\n".repeat(100);
    assert_eq!(Servers::parse(&many).addresses.len(), 8);
}

#[test]
fn hosts_answers_for_the_families_that_it_has() {
    let hosts = Hosts::parse(
        "127.0.0.1 localhost # loopback\n192.0.2.7\tPBX.example pbx\n192.0.2.8 pbx\nnonsense pbx\n",
    );
    let ask = |name: &str, kind| {
        let question = Question { name: name.into(), kind };
        let records = hosts.answer(&question)?;
        let ips = records.iter().map(|record| match record {
            Record::Address(ip) => ip.to_string(),
            other => panic!("{other:?}"),
        });
        Some(ips.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(ask("pbx", RecordKind::A).as_deref(), Some("192.0.2.7 192.0.2.8"));
    assert_eq!(ask("pbx.example", RecordKind::A).as_deref(), Some("192.0.2.7"));
    assert_eq!(ask("pbx", RecordKind::Aaaa).as_deref(), Some(""));
    assert_eq!(ask("pbx", RecordKind::Srv), None);
    assert_eq!(ask("other", RecordKind::A), None);
    assert_eq!(ask("a.localhost", RecordKind::Aaaa).as_deref(), Some("::1"));
}

#[test]
fn a_file_that_changes_is_read_again() {
    let path = std::env::temp_dir().join(format!("tandem-hosts-{}", std::process::id()));
    let watched = Watched::new(&path, |text| text.len());
    assert_eq!(*watched.get(), 0, "a file that is not there says nothing");
    std::fs::write(&path, "four").unwrap();
    assert_eq!(*watched.get(), 4);
    std::fs::write(&path, "longer").unwrap();
    // Whatever the resolution of the file system's clock.
    let later = std::fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(5);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(*watched.get(), 6);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(*watched.get(), 0);
}
