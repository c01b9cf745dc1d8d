use super::{Outcome, compare, questions, server, zone};
use crate::config::{Config, accepts};
use sip_proto::locate::{Naptr, Record, Srv};
use std::net::IpAddr;

const SIP: &str = "tls = [\"127.0.0.1:5061\", \"[::1]:5061\"]\n";

fn records(lines: &str) -> (Config, Vec<super::Wanted>) {
    let config = accepts(lines);
    let rooms = config.resources.rooms.clone().unwrap();
    let wanted = super::wanted(&config, &rooms);
    (config, wanted)
}

#[test]
fn tls_alone_is_named_where_nobody_may_come_without() {
    let (_, wanted) = records(&format!("{SIP}[rooms]\ndomain = \"Example.org.\"\n"));
    assert_eq!(
        zone(&wanted, 60),
        "; meeting rooms at meet.example.org\n\
         meet.example.org. 60 IN NAPTR 10 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.meet.example.org.\n\
         _sips._tcp.meet.example.org. 60 IN SRV 10 10 5061 meet.example.org.\n\
         ; 127.0.0.1 is not reached from everywhere: put the public address here, and into advertise \
         of [sip]\n\
         meet.example.org. 60 IN A 127.0.0.1\n\
         ; ::1 is not reached from everywhere: put the public address here, and into advertise of \
         [sip]\n\
         meet.example.org. 60 IN AAAA ::1\n"
    );
}

#[test]
fn listed_devices_find_udp_and_each_region_its_name() {
    let lines = "advertise = \"203.0.113.7\"\ntls = [\"0.0.0.0:5071\"]\n\
        [rooms]\nregions = [{ code = \"eu\" }]\nallow_plain = [\"192.0.2.1\"]\n";
    let (_, wanted) = records(lines);
    let lines: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let of = |host: &str| {
        [
            format!("{host} NAPTR 10 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.{host}."),
            format!("_sips._tcp.{host} SRV 10 10 5071 {host}."),
            format!("{host} NAPTR 10 30 \"s\" \"SIP+D2U\" \"\" _sip._udp.{host}."),
            format!("_sip._udp.{host} SRV 10 10 5060 {host}."),
            format!("{host} A 203.0.113.7"),
        ]
    };
    assert_eq!(lines, [of("meet.example.com"), of("meet.eu.example.com")].concat());
    assert!(!zone(&wanted, 60).contains("not reached"));
}

#[test]
fn what_a_name_server_says_is_compared() {
    let (_, wanted) = records(&format!("{SIP}[rooms]\n"));
    let questions = questions(&wanted);
    assert_eq!(questions.len(), 4);
    let naptr = Naptr {
        order: 1,
        preference: 2,
        flags: "S".into(),
        service: "sips+d2t".into(),
        replacement: "_SIPS._tcp.meet.example.com.".into(),
    };
    let other = Srv { priority: 0, weight: 0, port: 5061, target: "elsewhere.example".into() };
    let found = vec![
        Some(vec![Record::Naptr(naptr)]),
        Some(vec![Record::Srv(other)]),
        Some(vec![
            Record::Address(IpAddr::from([192, 0, 2, 1])),
            Record::Address([127, 0, 0, 1].into()),
        ]),
        None,
    ];
    let checked = compare(&wanted, &questions, found);
    let lines: Vec<String> = checked.iter().map(super::Checked::line).collect();
    assert!(lines[0].starts_with("ok       meet.example.com NAPTR"), "{lines:?}");
    assert!(lines[1].ends_with(": found 0 0 5061 elsewhere.example. instead"), "{lines:?}");
    assert!(lines[2].starts_with("ok       meet.example.com A 127.0.0.1"), "{lines:?}");
    assert!(lines[3].starts_with("unknown  meet.example.com AAAA ::1"), "{lines:?}");
    let checked = compare(&wanted, &questions, vec![Some(Vec::new()); 4]);
    assert!(
        checked.iter().all(|each| matches!(&each.outcome, Outcome::Missing(f) if f.is_empty()))
    );
    assert_eq!(checked[1].json()["outcome"], "missing");
}

#[test]
fn name_servers_have_a_port_or_the_usual_one() {
    assert_eq!(server("192.0.2.53").unwrap().port(), 53);
    assert_eq!(server("[2001:db8::1]:5353").unwrap().port(), 5353);
    assert!(server("dns.example").unwrap_err().contains("is no address"));
}
