//! A call's signalling as a capture file, rebuilt from the SIP log.
//!
//! The log has the messages and their times, the call's record who they went to. Each becomes one
//! UDP datagram over raw IP, whatever it went over: a reader needs no TCP stream and no TLS key.

use crate::CallRecord;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// LINKTYPE_RAW: an IP header stands first.
const RAW_IP: u32 = 101;
/// What a datagram over IPv4 can hold beside both headers; a longer message is cut.
const LARGEST: usize = 65_507;
/// Messages of one call, and octets of one line of the log, that are looked at.
const MESSAGES: usize = 2_000;
const LINE: u64 = 1 << 20;

#[derive(Deserialize)]
struct Logged {
    event_timestamp: u64,
    call_id: Option<String>,
    sip_message: String,
}

/// The SIP log of the call's voice connector.
pub fn sip_log_of(data_dir: &Path, record: &CallRecord) -> PathBuf {
    // An id is letters and digits; of a record that somebody else wrote nothing leads elsewhere.
    let id: String =
        record.voice_connector_id.chars().filter(char::is_ascii_alphanumeric).collect();
    data_dir.join(format!("logs/aws/ChimeVoiceConnectorSipMessages/{id}.jsonl"))
}

/// The call's messages as a capture file (pcap, microseconds); `None` when none were logged.
///
/// # Errors
/// When the log cannot be read.
pub fn signalling_capture(data_dir: &Path, record: &CallRecord) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(sip_log_of(data_dir, record)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let messages = messages_of(BufReader::new(file), &record.transaction_id)?;
    Ok((!messages.is_empty()).then(|| capture(record, &messages)))
}

fn messages_of(mut log: impl BufRead, id: &str) -> io::Result<Vec<Logged>> {
    let mut messages = Vec::new();
    let mut line = Vec::new();
    while messages.len() < MESSAGES {
        line.clear();
        if (&mut log).take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let of_call = line.windows(id.len().max(1)).any(|part| part == id.as_bytes());
        // A line that is no message, or cut, is none of this call's.
        if of_call
            && let Ok(logged) = serde_json::from_slice::<Logged>(&line)
            && logged.call_id.as_deref() == Some(id)
        {
            messages.push(logged);
        }
    }
    Ok(messages)
}

fn capture(record: &CallRecord, messages: &[Logged]) -> Vec<u8> {
    let mut out = Vec::new();
    let words = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, u32::from(u16::MAX), RAW_IP];
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    let ours = own_address(record, messages);
    let mut rest = record.ladder.as_slice();
    for message in messages {
        let line = message.sip_message.lines().next().unwrap_or_default();
        let same = |rung: &crate::LadderRecord| {
            !rung.start_line.is_empty() && line.starts_with(&rung.start_line)
        };
        let rung = rest.iter().position(same).and_then(|at| {
            let rung = rest.get(at);
            rest = rest.get(at + 1..).unwrap_or_default();
            rung
        });
        let peer = rung.and_then(|rung| rung.peer.parse().ok()).unwrap_or(UNKNOWN);
        let sent = rung.is_some_and(|rung| rung.direction == "sent");
        let (from, to) = if sent { (ours, peer) } else { (peer, ours) };
        let octets = message.sip_message.as_bytes();
        let packet = datagram(from, to, octets.get(..LARGEST).unwrap_or(octets));
        let seconds = u32::try_from(message.event_timestamp / 1_000).unwrap_or(u32::MAX);
        let micros = (message.event_timestamp % 1_000) as u32 * 1_000;
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        for word in [seconds, micros, length, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packet);
    }
    out
}

/// Of a peer that the record does not know: its ladder left the message out.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5_060);

/// Where we say in the Via of a request of ours that we are.
fn own_address(record: &CallRecord, messages: &[Logged]) -> SocketAddr {
    let request = record
        .ladder
        .iter()
        .find(|rung| rung.direction == "sent" && !rung.start_line.starts_with("SIP/2.0 "));
    let via = request.and_then(|rung| {
        let message = messages.iter().find(|m| m.sip_message.starts_with(&rung.start_line))?;
        let via = message.sip_message.lines().find_map(|line| line.strip_prefix("Via: "))?;
        let place = via.split([' ', ';']).nth(1)?;
        place.parse().ok().or_else(|| Some(SocketAddr::new(place.parse().ok()?, 5_060)))
    });
    via.unwrap_or(UNKNOWN)
}

/// IP and UDP around a message. IPv4 addresses become mapped ones where only one side is IPv6.
fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8 + payload.len());
    let length = (8 + payload.len()) as u16;
    for field in [from.port(), to.port(), length, 0] {
        udp.extend_from_slice(&field.to_be_bytes());
    }
    udp.extend_from_slice(payload);
    let mut out = Vec::with_capacity(40 + udp.len());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = (20 + udp.len()) as u16;
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&total.to_be_bytes());
            // No fragment, 64 hops, UDP.
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = checksum(&out).to_be_bytes();
            out[10..12].copy_from_slice(&sum);
        }
        (from, to) => {
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&[17, 64]);
            let mapped = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            out.extend_from_slice(&mapped(from).octets());
            out.extend_from_slice(&mapped(to).octets());
        }
    }
    out.extend_from_slice(&udp);
    out
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_calls_and_damaged_lines_are_left_out() {
        let log = b"{\"call_id\":\"x\",\"event_timestamp\":1,\"sip_message\":\"y\"}\nid damaged\n\
            {\"call_id\":\"id\",\"event_timestamp\":7,\"sip_message\":\"BYE\"}\n{\"call_id\":\"id\",\"ev";
        let messages = messages_of(log.as_slice(), "id").unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].event_timestamp, messages[0].sip_message.as_str()), (7, "BYE"));
    }

    #[test]
    fn an_ip_header_sums_up() {
        let [a, b] = ["127.0.0.3:5070", "127.0.0.1:5060"].map(|a| a.parse().unwrap());
        let packet = datagram(a, b, b"BYE");
        assert_eq!(packet.len(), 31);
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(&packet[28..], b"BYE");
        assert_eq!(datagram(a, "[::1]:5060".parse().unwrap(), b"BYE").len(), 51);
        assert_eq!(datagram(a, b, &[b'x'; LARGEST]).len(), 65_535);
    }
}
