//! Capture files (pcap, with times in nanoseconds): each packet as an IP packet from where it came
//! to the port of ours that it came to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Octets before the first packet.
pub(super) const HEADER: [u8; 24] = header();
/// Octets of a packet's own header.
const RECORD: usize = 16;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

const fn header() -> [u8; 24] {
    let mut out = [0; 24];
    // Times in nanoseconds; version 2.4; up to 65,535 octets a packet; packets begin with the IP
    // header (LINKTYPE_RAW).
    let words: [[u8; 4]; 6] = [
        0xa1b2_3c4d_u32.to_le_bytes(),
        [2, 0, 4, 0],
        [0; 4],
        [0; 4],
        65_535_u32.to_le_bytes(),
        101_u32.to_le_bytes(),
    ];
    let mut at = 0;
    while at < 24 {
        out[at] = words[at / 4][at % 4];
        at += 1;
    }
    out
}

/// Puts a packet into `out`, in the place of what was there; `false` when it is too long for one.
pub(super) fn write_packet(
    out: &mut Vec<u8>,
    unix_nanos: u64,
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) -> bool {
    out.clear();
    let udp = UDP_HEADER + payload.len();
    let both_v4 = source.is_ipv4() && destination.is_ipv4();
    let ip = if both_v4 { 20 } else { 40 };
    let (Ok(whole), Ok(udp)) = (u16::try_from(ip + udp), u16::try_from(udp)) else { return false };
    let seconds = (unix_nanos / 1_000_000_000) as u32;
    let nanos = (unix_nanos % 1_000_000_000) as u32;
    for word in [seconds, nanos, u32::from(whole), u32::from(whole)] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&whole.to_be_bytes());
            // No fragment; 64 hops; the checksum is put in below.
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let checksum = !sum(0, &out[RECORD..]);
            out[RECORD + 10..RECORD + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        (from, to) => {
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&udp.to_be_bytes());
            out.extend_from_slice(&[UDP, 64]);
            out.extend_from_slice(&v6(from).octets());
            out.extend_from_slice(&v6(to).octets());
        }
    }
    let addresses = if both_v4 { RECORD + 12..RECORD + 20 } else { RECORD + 8..RECORD + 40 };
    let pseudo = sum(u16::from(UDP), &out[addresses]);
    let start = out.len();
    for half in [source.port(), destination.port(), udp, 0] {
        out.extend_from_slice(&half.to_be_bytes());
    }
    out.extend_from_slice(payload);
    let pseudo = sum(pseudo, &udp.to_be_bytes());
    // 0 would be none (RFC 768).
    let checksum = match !sum(pseudo, &out[start..]) {
        0 => u16::MAX,
        checksum => checksum,
    };
    out[start + 6..start + 8].copy_from_slice(&checksum.to_be_bytes());
    true
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The sum of RFC 1071, without the complement.
fn sum(begin: u16, octets: &[u8]) -> u16 {
    let mut sum = u64::from(begin);
    for pair in octets.chunks(2) {
        let low = pair.get(1).copied().unwrap_or_default();
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of RFC 1071's readers: 45 00 00 73 …, checksum b861.
    #[test]
    fn a_known_header_has_its_checksum() {
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(!sum(0, &header), 0xb861);
    }

    #[test]
    fn what_is_written_is_a_valid_packet_of_either_family() {
        let mut out = vec![1; 9];
        for (source, destination, ip) in [
            ("192.0.2.1:4000", "198.51.100.7:30000", 20),
            ("[2001:db8::1]:4000", "[2001:db8::2]:30000", 40),
            ("192.0.2.1:4000", "[2001:db8::2]:30000", 40),
        ] {
            for payload in [&b"abc"[..], b"", b"abcd"] {
                let at = 1_700_000_000_123_456_789;
                let (from, to) = (source.parse().unwrap(), destination.parse().unwrap());
                assert!(write_packet(&mut out, at, from, to, payload));
                assert_eq!(out[..4], 1_700_000_000_u32.to_le_bytes());
                assert_eq!(out[4..8], 123_456_789_u32.to_le_bytes());
                let len = ip + 8 + payload.len();
                assert_eq!((out[8], out.len()), (len as u8, 16 + len));
                if ip == 20 {
                    assert_eq!(sum(0, &out[16..36]), 0xffff);
                }
                let addresses = if ip == 20 { 28..36 } else { 24..56 };
                let pseudo = sum(17 + 8 + payload.len() as u16, &out[addresses]);
                assert_eq!(sum(pseudo, &out[16 + ip..]), 0xffff);
                assert_eq!(&out[16 + ip + 8..], payload);
            }
        }
        let (from, to) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.1:2".parse().unwrap());
        assert!(!write_packet(&mut out, 0, from, to, &[0; 65_508]));
        assert!(write_packet(&mut out, 0, from, to, &[0; 65_507]));
    }
}
