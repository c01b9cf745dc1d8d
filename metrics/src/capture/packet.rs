//! IP, UDP and TCP around a message.

use super::passage::Passage;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What a datagram over IPv4 can hold beside both headers; a longer message never was one, and is
/// cut.
const LONGEST_DATAGRAM: usize = 65_507;
/// Octets of one TCP segment. A message that fits is one packet, as a capture of a host that leaves
/// cutting to its network card has it.
const LONGEST_SEGMENT: usize = 60_000;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where in each TCP stream we are: the number of the next octet from one end to the other.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<(SocketAddr, SocketAddr), u32>);

impl Streams {
    /// The packets that carry a message.
    pub(super) fn packets(&mut self, passage: &Passage, message: &str) -> Vec<Vec<u8>> {
        let Passage { from, to, is_stream } = *passage;
        if !is_stream {
            let octets = message.as_bytes();
            return vec![datagram(from, to, octets.get(..LONGEST_DATAGRAM).unwrap_or(octets))];
        }
        let acknowledged = self.0.get(&(to, from)).copied().unwrap_or(1);
        let next = self.0.entry((from, to)).or_insert(1);
        let message = framed(message);
        let segments = message.as_bytes().chunks(LONGEST_SEGMENT).map(|part| {
            let packet = segment(from, to, [*next, acknowledged], part);
            *next = next.wrapping_add(part.len() as u32);
            packet
        });
        segments.collect()
    }
}

/// The message with the Content-Length that its body has in the log, where a key is masked and
/// octets that are no text are replaced: a reader of a stream finds the next message by it.
fn framed(message: &str) -> Cow<'_, str> {
    let Some(end) = message.find("\r\n\r\n") else {
        return Cow::Owned(format!("{message}\r\n\r\n"));
    };
    let body = message.len() - end - 4;
    let mut start = 0;
    for line in message.get(..end).unwrap_or_default().split("\r\n") {
        let named = line.split_once(':').filter(|(name, _)| {
            let name = name.trim();
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
        });
        if let Some((name, value)) = named {
            let (from, to) = (start + name.len() + 1, start + line.len());
            return match (value.trim().parse() == Ok(body), message.get(..from), message.get(to..))
            {
                (false, Some(before), Some(after)) => Cow::Owned(format!("{before} {body}{after}")),
                _ => Cow::Borrowed(message),
            };
        }
        start += line.len() + 2;
    }
    Cow::Borrowed(message)
}

fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(8);
    for field in [from.port(), to.port(), (8 + payload.len()) as u16, 0] {
        header.extend_from_slice(&field.to_be_bytes());
    }
    packet(from, to, UDP, (header, 6), payload)
}

/// A segment with the numbers of its first octet and of the next one that it expects.
fn segment(from: SocketAddr, to: SocketAddr, numbers: [u32; 2], payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(20);
    header.extend_from_slice(&from.port().to_be_bytes());
    header.extend_from_slice(&to.port().to_be_bytes());
    numbers.iter().for_each(|number| header.extend_from_slice(&number.to_be_bytes()));
    // Five words of header, PSH and ACK, the widest window, no checksum yet, nothing urgent.
    header.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    packet(from, to, TCP, (header, 16), payload)
}

/// `header` comes with the place of its checksum. IPv4 addresses become mapped ones where only one
/// side is IPv6.
fn packet(
    from: SocketAddr,
    to: SocketAddr,
    protocol: u8,
    (mut header, checksum_at): (Vec<u8>, usize),
    payload: &[u8],
) -> Vec<u8> {
    let length = (header.len() + payload.len()) as u16;
    let (mut out, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = (20 + length).to_be_bytes();
            // No fragment, 64 hops.
            let mut ip = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
            let addresses = [from.octets(), to.octets()].concat();
            ip.extend_from_slice(&addresses);
            let sum = checksum(&[&ip]);
            put(&mut ip, 10, sum);
            (ip, addresses)
        }
        (from, to) => {
            let [high, low] = length.to_be_bytes();
            let mut ip = vec![0x60, 0, 0, 0, high, low, protocol, 64];
            let mapped = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let addresses = [mapped(from), mapped(to)].concat();
            ip.extend_from_slice(&addresses);
            (ip, addresses)
        }
    };
    let [high, low] = length.to_be_bytes();
    let sum = checksum(&[&addresses, &[0, protocol, high, low], &header, payload]);
    // RFC 768: a checksum of zero is sent as all ones.
    put(&mut header, checksum_at, if sum == 0 { u16::MAX } else { sum });
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out
}

fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(place) = header.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// RFC 1071, over parts of which all but the last have an even length.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let word = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
            sum += u64::from(u16::from_be_bytes(word));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
