//! The records that lead devices to the meeting rooms (RFC 3263), as a zone file has them (RFC 1035
//! section 5) and as a name server answers.

use crate::config::Config;
use directory::Rooms;
use model::TransportProtocol;
use serde_json::{Value, json};
use sip_proto::locate::{Naptr, Question, Record, RecordKind, Srv};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// A record that there should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// Whose, in lower case, without a trailing dot.
    pub(super) name: String,
    pub(super) record: Record,
}

/// The transports that devices may find, the best one first, with the service of NAPTR and the labels of
/// SRV.
const SERVICES: [(TransportProtocol, &str, &str); 3] = [
    (TransportProtocol::Tls, "SIPS+D2T", "_sips._tcp"),
    (TransportProtocol::Tcp, "SIP+D2T", "_sip._tcp"),
    (TransportProtocol::Udp, "SIP+D2U", "_sip._udp"),
];

/// Every record for the names of the rooms. Where nobody may come without TLS, that is all that they name.
pub(super) fn wanted(config: &Config, rooms: &Rooms) -> Vec<Wanted> {
    let is_named = |protocol| protocol == TransportProtocol::Tls || !rooms.allow_plain.is_empty();
    let listeners = || config.sip.listeners.iter().filter(|each| is_named(each.protocol));
    let addresses: BTreeSet<IpAddr> = listeners().map(|each| each.advertised.ip()).collect();
    let mut wanted = Vec::new();
    for host in rooms.hosts() {
        for (order, (protocol, service, labels)) in (1_u16..).zip(SERVICES) {
            let ports: BTreeSet<u16> = listeners()
                .filter(|each| each.protocol == protocol)
                .map(|each| each.advertised.port())
                .collect();
            if ports.is_empty() {
                continue;
            }
            let under = format!("{labels}.{host}");
            let naptr = Naptr {
                order: 10,
                preference: order * 10,
                flags: "s".into(),
                service: service.into(),
                replacement: under.as_str().into(),
            };
            wanted.push(Wanted { name: host.clone(), record: Record::Naptr(naptr) });
            wanted.extend(ports.into_iter().map(|port| {
                let srv = Srv { priority: 10, weight: 10, port, target: host.as_str().into() };
                Wanted { name: under.clone(), record: Record::Srv(srv) }
            }));
        }
        let address = |ip| Wanted { name: host.clone(), record: Record::Address(ip) };
        wanted.extend(addresses.iter().copied().map(address));
    }
    wanted
}

/// Whether nobody outside this host or network can send to the address.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl Wanted {
    /// What a name server is asked about it.
    pub(super) fn question(&self) -> Question {
        let kind = match &self.record {
            Record::Naptr(_) => RecordKind::Naptr,
            Record::Srv(_) => RecordKind::Srv,
            Record::Address(IpAddr::V4(_)) => RecordKind::A,
            Record::Address(IpAddr::V6(_)) => RecordKind::Aaaa,
        };
        Question { name: self.name.as_str().into(), kind }
    }

    /// The address, if it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.record {
            Record::Address(ip) => Some(ip),
            Record::Naptr(_) | Record::Srv(_) => None,
        }
    }

    /// Whether `found` does what it does: where devices are led, over what. Orders, preferences and
    /// weights are the zone's own affair.
    pub(super) fn is_met_by(&self, found: &Record) -> bool {
        let same = |a: &str, b: &str| a.trim_end_matches('.').eq_ignore_ascii_case(b);
        match (&self.record, found) {
            (Record::Address(wanted), Record::Address(found)) => wanted == found,
            (Record::Srv(wanted), Record::Srv(found)) => {
                wanted.port == found.port && same(&found.target, &wanted.target)
            }
            (Record::Naptr(wanted), Record::Naptr(found)) => {
                found.service.eq_ignore_ascii_case(&wanted.service)
                    && found.flags.eq_ignore_ascii_case(&wanted.flags)
                    && same(&found.replacement, &wanted.replacement)
            }
            _ => false,
        }
    }

    pub(super) fn json(&self, seconds: u32) -> Value {
        let (kind, data) = words(&self.record);
        json!({ "name": self.name, "ttl": seconds, "type": kind, "data": data })
    }

    /// A line of a zone file.
    pub(super) fn line(&self, seconds: u32) -> String {
        let (kind, data) = words(&self.record);
        format!("{}. {seconds} IN {kind} {data}", self.name)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, data) = words(&self.record);
        write!(f, "{} {kind} {data}", self.name)
    }
}

/// The type of a record and its data, as in a zone file.
pub(super) fn words(record: &Record) -> (&'static str, String) {
    match record {
        Record::Naptr(naptr) => {
            let Naptr { order, preference, flags, service, replacement } = naptr;
            ("NAPTR", format!("{order} {preference} \"{flags}\" \"{service}\" \"\" {replacement}."))
        }
        Record::Srv(Srv { priority, weight, port, target }) => {
            ("SRV", format!("{priority} {weight} {port} {target}."))
        }
        Record::Address(ip @ IpAddr::V4(_)) => ("A", ip.to_string()),
        Record::Address(ip @ IpAddr::V6(_)) => ("AAAA", ip.to_string()),
    }
}
