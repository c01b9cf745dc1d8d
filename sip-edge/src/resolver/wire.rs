//! DNS messages (RFC 1035, RFC 2782, RFC 3403) to and from what the search understands.

use super::Reply;
use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};
use sip_proto::locate::{Naptr, Question, Record, RecordKind, Srv};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What we take in one datagram: what crosses any path unfragmented (RFC 9715 section 3.1 and the
/// advice of DNS flag day 2020).
pub(super) const DATAGRAM_BYTES: u16 = 1_232;

/// Entries in one section that are read; a message that claims more is no answer to our question.
const MAX_ENTRIES: u16 = 512;

/// Aliases (CNAME) that are followed.
pub(super) const MAX_ALIASES: usize = 8;

/// What one message says about a question.
#[derive(Debug)]
pub(super) enum Said {
    /// The answer.
    Answer(Reply),
    /// The name is an alias, and the message says no more: ask about this one, and keep the answer
    /// no longer than this.
    Alias(String, Duration),
    /// The answer does not fit a datagram: ask over TCP.
    Truncated,
    /// This server will not or cannot answer; another may.
    Refused,
    /// It does not understand EDNS (RFC 6891 section 7).
    NoExtensions,
    /// Not an answer to our question: somebody else's, an old one, or a lie.
    Foreign,
}

/// A query; `None` for a name that cannot be written.
pub(super) fn query(id: u16, name: &str, kind: RecordKind, extensions: bool) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let class = QCLASS::CLASS(CLASS::IN);
    let name = Name::new(name).ok()?;
    packet.questions.push(simple_dns::Question::new(name, type_of(kind), class, false));
    if extensions {
        *packet.opt_mut() =
            Some(OPT { opt_codes: Vec::new(), udp_packet_size: DATAGRAM_BYTES, version: 0 });
    }
    packet.build_bytes_vec().ok()
}

/// Reads a message that came in answer to [`query`] with this id and name.
pub(super) fn read(message: &[u8], id: u16, name: &str, kind: RecordKind) -> Said {
    let counts = message.get(4..12).unwrap_or_default();
    let too_many = counts
        .chunks_exact(2)
        .any(|count| matches!(count, [a, b] if u16::from_be_bytes([*a, *b]) > MAX_ENTRIES));
    if too_many || message.get(..2) != Some(&id.to_be_bytes()) {
        return Said::Foreign;
    }
    let Ok(packet) = Packet::parse(message) else {
        // Ours by its number, and unreadable: another server may do better.
        return Said::Refused;
    };
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Said::Foreign;
    }
    let asked = |question: &simple_dns::Question<'_>| {
        question.qtype == type_of(kind) && text(&question.qname).eq_ignore_ascii_case(name)
    };
    match packet.questions.as_slice() {
        [question] if asked(question) => {}
        // Some servers leave the question out of an error.
        [] if packet.rcode() != RCODE::NoError => {}
        _ => return Said::Foreign,
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Said::Truncated;
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => records(&packet, name, kind),
        RCODE::FormatError | RCODE::NotImplemented => Said::NoExtensions,
        _ => Said::Refused,
    }
}

/// The records at the end of the chain of aliases that begins with `name`. Others in the message are
/// none of our business.
fn records(packet: &Packet<'_>, name: &str, kind: RecordKind) -> Said {
    let mut name = name.to_owned();
    let mut lives = u32::MAX;
    for _ in 0..=MAX_ALIASES {
        let here = || packet.answers.iter().filter(|r| text(&r.name).eq_ignore_ascii_case(&name));
        let of_kind = here().filter(|record| record_kind(record) == Some(kind));
        if of_kind.clone().next().is_some() {
            let lives = of_kind.clone().map(time_to_live).min().unwrap_or_default().min(lives);
            let found = of_kind.filter_map(record).collect();
            return Said::Answer(Reply::Records(found, Some(seconds(lives))));
        }
        let alias = here().find_map(|record| match &record.rdata {
            RData::CNAME(target) => Some((text(&target.0), time_to_live(record))),
            _ => None,
        });
        match alias {
            Some((target, alias_lives)) => {
                lives = lives.min(alias_lives);
                name = target;
            }
            None if lives == u32::MAX || packet.rcode() == RCODE::NameError => {
                return Said::Answer(Reply::Records(Vec::new(), absence(packet)));
            }
            None => return Said::Alias(name, seconds(lives)),
        }
    }
    Said::Refused
}

/// How long the absence of a record holds: the lesser of the SOA's own time to live and its minimum
/// (RFC 2308 section 5).
fn absence(packet: &Packet<'_>) -> Option<Duration> {
    packet.name_servers.iter().find_map(|record| match &record.rdata {
        RData::SOA(soa) => Some(seconds(time_to_live(record).min(soa.minimum))),
        _ => None,
    })
}

fn record_kind(record: &ResourceRecord<'_>) -> Option<RecordKind> {
    match &record.rdata {
        RData::NAPTR(_) => Some(RecordKind::Naptr),
        RData::SRV(_) => Some(RecordKind::Srv),
        RData::A(_) => Some(RecordKind::A),
        RData::AAAA(_) => Some(RecordKind::Aaaa),
        _ => None,
    }
}

/// `None` for a NAPTR with a regular expression, which RFC 3263 has no use for.
fn record(record: &ResourceRecord<'_>) -> Option<Record> {
    match &record.rdata {
        RData::NAPTR(naptr) => naptr.regexp.to_string().is_empty().then(|| {
            Record::Naptr(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: naptr.flags.to_string().into(),
                service: naptr.services.to_string().into(),
                replacement: text(&naptr.replacement).into(),
            })
        }),
        RData::SRV(srv) => Some(Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: text(&srv.target).into(),
        })),
        RData::A(a) => Some(Record::Address(Ipv4Addr::from(a.address).into())),
        RData::AAAA(aaaa) => Some(Record::Address(Ipv6Addr::from(aaaa.address).into())),
        _ => None,
    }
}

/// A name as text, the root as `.`. What a label holds beyond letters shows as escapes, with which
/// no name is asked about.
fn text(name: &Name<'_>) -> String {
    let text = name.to_string();
    if text.is_empty() { ".".to_owned() } else { text }
}

/// With the highest bit set it counts as zero (RFC 2181 section 8).
fn time_to_live(record: &ResourceRecord<'_>) -> u32 {
    if record.ttl > i32::MAX as u32 { 0 } else { record.ttl }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

const fn type_of(kind: RecordKind) -> QTYPE {
    QTYPE::TYPE(match kind {
        RecordKind::Naptr => TYPE::NAPTR,
        RecordKind::Srv => TYPE::SRV,
        RecordKind::A => TYPE::A,
        RecordKind::Aaaa => TYPE::AAAA,
    })
}

/// The same question under another name.
pub(super) fn renamed(question: &Question, name: &str) -> Question {
    Question { name: name.into(), kind: question.kind }
}
