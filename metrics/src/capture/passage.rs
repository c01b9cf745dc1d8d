//! Where a logged message went, and over what.

use super::log::Logged;
use crate::{CallRecord, LadderRecord};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Of one event, the log and the ladder may round the time in different ways, ms.
const SAME_MS: u64 = 2;

/// Of a peer that neither the record nor the message names.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5_060);

/// The way of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Passage {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Whether a stream carried it: TCP or TLS.
    pub(super) is_stream: bool,
}

/// Finds the ways of a call's messages, one after the other.
pub(super) struct Passages<'a> {
    record: &'a CallRecord,
    /// Of each message in the ladder, whether it was found in the log.
    found: Vec<bool>,
    /// Where we say that we are, over UDP, TCP and TLS: in our Vias, else in our Contacts.
    ours: [Option<SocketAddr>; 3],
}

impl<'a> Passages<'a> {
    pub(super) fn new(record: &'a CallRecord, messages: &[Logged]) -> Self {
        let mut passages =
            Passages { record, found: vec![false; record.ladder.len()], ours: [None; 3] };
        for message in messages {
            let text = &message.sip_message;
            let Some((rung, via)) = passages.rung(message).zip(Via::top(text)) else { continue };
            let is_sent = rung.direction == "sent";
            if is_sent == is_request(text) {
                passages.we_are(via.wire, via.sent_by);
            } else if is_sent {
                passages.we_are(via.wire, contact(text, via.wire));
            }
        }
        passages.found.fill(false);
        passages
    }

    fn we_are(&mut self, wire: Wire, place: Option<SocketAddr>) {
        if let Some(known) = self.ours.get_mut(wire as usize) {
            *known = known.or(place);
        }
    }

    /// The way of the next message.
    pub(super) fn of(&mut self, message: &Logged) -> Passage {
        let via = Via::top(&message.sip_message);
        let rung = self.rung(message);
        let wire = match rung.map(|rung| rung.protocol.as_str()) {
            Some("tcp") => Wire::Tcp,
            Some("tls") => Wire::Tls,
            Some("udp") => Wire::Udp,
            _ => via.as_ref().map_or(Wire::Udp, |via| via.wire),
        };
        let own = self.ours.get(wire as usize).copied().flatten();
        let is_own_via = via.as_ref().is_some_and(|via| own.is_some() && via.sent_by == own);
        let is_sent = match rung {
            Some(rung) => rung.direction == "sent",
            None => is_own_via == is_request(&message.sip_message),
        };
        let peer = match rung {
            Some(rung) => rung.peer.parse().ok(),
            None if is_own_via => self.last_destination(),
            None => via.and_then(|via| via.reached),
        };
        let ours = own.or_else(|| self.ours.iter().copied().flatten().next()).unwrap_or(UNKNOWN);
        let peer = peer.unwrap_or(UNKNOWN);
        let (from, to) = if is_sent { (ours, peer) } else { (peer, ours) };
        Passage { from, to, is_stream: wire != Wire::Udp }
    }

    fn last_destination(&self) -> Option<SocketAddr> {
        self.record.routes.last()?.destination.parse().ok()
    }

    /// The message in the ladder: of its time and kind, each once, one with the same start line
    /// before others (the log's numbers may be masked).
    fn rung(&mut self, message: &Logged) -> Option<&'a LadderRecord> {
        let offset = message.event_timestamp.saturating_sub(self.record.times.attempted);
        let line = message.sip_message.lines().next().unwrap_or_default();
        let near = |(at, rung): &(usize, &'a LadderRecord)| {
            rung.offset_ms.abs_diff(offset) <= SAME_MS
                && kind(&rung.start_line) == kind(line)
                && self.found.get(*at) == Some(&false)
        };
        let all = || self.record.ladder.iter().enumerate().filter(near);
        let same = |(_, rung): &(usize, &LadderRecord)| line.starts_with(&rung.start_line);
        let (at, rung) = all().find(same).or_else(|| all().next())?;
        if let Some(found) = self.found.get_mut(at) {
            *found = true;
        }
        Some(rung)
    }
}

/// A request's method; a response's status.
fn kind(start_line: &str) -> &str {
    let line = start_line.strip_prefix("SIP/2.0 ").unwrap_or(start_line);
    line.split(' ').next().unwrap_or_default()
}

fn is_request(message: &str) -> bool {
    !message.starts_with("SIP/2.0 ")
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wire {
    Udp = 0,
    Tcp = 1,
    Tls = 2,
}

/// The Via of whoever sent the request (RFC 3261 section 20.42).
struct Via {
    wire: Wire,
    /// What it says of itself, where that is an address.
    sent_by: Option<SocketAddr>,
    /// Where it was seen (`received`, `rport`: RFC 3581), else what it says.
    reached: Option<SocketAddr>,
}

impl Via {
    fn top(message: &str) -> Option<Self> {
        let value = header(message, ["via", "v"])?;
        let mut parameters = value.split(',').next()?.split(';').map(str::trim);
        let mut words = parameters.next()?.split_ascii_whitespace();
        let wire = match words.next()?.rsplit('/').next()? {
            "TCP" | "tcp" => Wire::Tcp,
            "TLS" | "tls" => Wire::Tls,
            _ => Wire::Udp,
        };
        let sent_by = words.next().and_then(|place| address(place, wire));
        let mut reached = sent_by;
        for (name, value) in parameters.filter_map(|parameter| parameter.split_once('=')) {
            match name.trim() {
                "received" => {
                    let ip = value.trim().trim_matches(['[', ']']).parse().ok();
                    let port = reached.map_or(default_port(wire), |reached| reached.port());
                    reached = ip.map(|ip| SocketAddr::new(ip, port)).or(reached);
                }
                "rport" => {
                    if let (Some(reached), Ok(port)) = (&mut reached, value.trim().parse()) {
                        reached.set_port(port);
                    }
                }
                _ => {}
            }
        }
        Some(Via { wire, sent_by, reached })
    }
}

/// The value of the first header of one of two names.
fn header<'a>(message: &'a str, names: [&str; 2]) -> Option<&'a str> {
    message.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names.iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted)).then_some(value)
    })
}

/// The address in a Contact, where it has one.
fn contact(message: &str, wire: Wire) -> Option<SocketAddr> {
    let (_, uri) = header(message, ["contact", "m"])?.split_once("sip")?;
    let (_, place) = uri.split_once(':')?;
    let place = place.split([';', '>', '?', ',', ' ']).next()?;
    address(place.rsplit('@').next()?, wire)
}

fn default_port(wire: Wire) -> u16 {
    if wire == Wire::Tls { 5_061 } else { 5_060 }
}

fn address(place: &str, wire: Wire) -> Option<SocketAddr> {
    let alone = || {
        let ip = place.trim_matches(['[', ']']).parse().ok()?;
        Some(SocketAddr::new(ip, default_port(wire)))
    };
    place.parse().ok().or_else(alone)
}
