//! What user space and the kernel's program say to each other, octet by octet: the twins of the
//! structures in `ebpf/relay.bpf.c`.

use std::net::{IpAddr, SocketAddr};

/// Notes in a stream's ring; a power of two.
pub(super) const NOTES: usize = 64;
/// How many of them stay free for packets that several processors handle at once; a ring with no
/// others left is full.
pub(super) const MARGIN: usize = 8;
/// No packet has it: payload types have seven bits.
const NO_TYPE: u8 = 0xff;
/// The program's values of the address families.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Where a packet comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Key {
    address: [u8; 16],
    port: [u8; 2],
    family: u16,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Entry {
    source: [u8; 16],
    new_source: [u8; 16],
    new_destination: [u8; 16],
    source_port: [u8; 2],
    new_source_port: [u8; 2],
    new_destination_port: [u8; 2],
    tos: u8,
    /// The payload type that is left to the sockets; [`NO_TYPE`] for none.
    withheld: u8,
    addresses_difference: u32,
    ports_difference: u32,
    slot: u32,
    interface: u32,
    hop_family: u32,
    hop: [u8; 16],
}

/// What the program leaves of a packet that it has forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(super) struct Note {
    pub(super) number_sequence: u32,
    pub(super) length: u16,
    pub(super) payload_type_marker: u8,
    pub(super) reserved: u8,
    pub(super) ssrc: u32,
    pub(super) timestamp: u32,
    pub(super) arrival: u64,
}

/// A stream's ring: `head` is the program's, `tail` ours.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) notes: [Note; NOTES],
}

const _: () = assert!(size_of::<Key>() == 20);
const _: () = assert!(size_of::<Entry>() == 92);
const _: () = assert!(size_of::<Note>() == 24);
const _: () = assert!(size_of::<Slot>() == 8 + NOTES * 24);

/// One direction's way through the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// The leg's address and the relay's towards it.
    pub(super) source: SocketAddr,
    pub(super) local: SocketAddr,
    /// The relay's address towards the other leg, and that leg's.
    pub(super) new_source: SocketAddr,
    pub(super) new_destination: SocketAddr,
    /// The payload type that is left to the sockets.
    pub(super) withheld: Option<u8>,
    /// The interface to send from, and the neighbour to send to.
    pub(super) interface: u32,
    pub(super) next_hop: IpAddr,
}

impl Key {
    /// The key of packets that come to `local`.
    pub(super) fn new(local: SocketAddr) -> Self {
        Key { address: octets(local.ip()), port: port(local), family: family(local.ip()) }
    }
}

impl Entry {
    /// What to do with the packets of `way`, noted in `slot` and marked with `dscp` (0 to 63).
    pub(super) fn new(way: &Way, slot: u32, dscp: u8) -> Self {
        let ips = [way.source, way.local, way.new_source, way.new_destination]
            .map(|address| octets(address.ip()));
        let ports = [way.source, way.local, way.new_source, way.new_destination].map(port);
        Entry {
            source: ips[0],
            new_source: ips[2],
            new_destination: ips[3],
            source_port: ports[0],
            new_source_port: ports[2],
            new_destination_port: ports[3],
            tos: dscp << 2,
            withheld: way.withheld.unwrap_or(NO_TYPE),
            addresses_difference: difference(&ips[..2], &ips[2..]),
            ports_difference: difference(&ports[..2], &ports[2..]),
            slot,
            interface: way.interface,
            hop_family: u32::from(family(way.next_hop)),
            hop: octets(way.next_hop),
        }
    }
}

/// By how much a one's complement sum (RFC 1071) changes when `old` octets become `new` ones, which
/// RFC 1624's equation 3 takes: the sum of `!old` and `new`, in the host's order of octets as the
/// kernel's helpers want it.
fn difference<const N: usize>(old: &[[u8; N]], new: &[[u8; N]]) -> u32 {
    let words = |parts: &[[u8; N]]| -> Vec<u16> {
        let octets = parts.concat();
        octets.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
    };
    let mut sum: u32 = words(old).into_iter().map(|word| u32::from(!word)).sum();
    sum += words(new).into_iter().map(u32::from).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// Addresses of IPv4 stand in the first four octets, zeroes behind.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&v4.octets());
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn port(address: SocketAddr) -> [u8; 2] {
    address.port().to_be_bytes()
}

fn family(ip: IpAddr) -> u16 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn way() -> Way {
        Way {
            source: at("192.0.2.1:4000"),
            local: at("198.51.100.1:10000"),
            new_source: at("198.51.100.1:10002"),
            new_destination: at("203.0.113.7:6000"),
            withheld: None,
            interface: 3,
            next_hop: "198.51.100.254".parse().unwrap(),
        }
    }

    /// RFC 1071's sum over a datagram's pseudo header and UDP header.
    fn checksum(addresses: [SocketAddr; 2], payload: &[u8]) -> u16 {
        let mut covered = addresses.map(|address| octets(address.ip())).concat();
        covered.extend(addresses.map(port).concat());
        covered.extend_from_slice(payload);
        let sum = covered
            .chunks(2)
            .map(|pair| u64::from(u16::from_ne_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
            .sum::<u64>();
        !fold(sum)
    }

    fn fold(mut sum: u64) -> u16 {
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_differences_turn_the_old_checksum_into_the_new_one() {
        let v6 = Way {
            source: at("[2001:db8::1]:1"),
            local: at("[2001:db8:ffff::ffff]:65534"),
            new_source: at("[2001:db8::abcd]:40000"),
            new_destination: at("[2001:db8:1:2:3:4:5:6]:9"),
            ..way()
        };
        for way in [way(), v6] {
            let entry = Entry::new(&way, 0, 0);
            let payload = [1, 2, 3, 250, 77, 6];
            let old = checksum([way.source, way.local], &payload);
            let new = checksum([way.new_source, way.new_destination], &payload);
            // RFC 1624 equation 3: HC' = ~(~HC + ~m + m').
            let differences = entry.addresses_difference + entry.ports_difference;
            assert_eq!(!fold(u64::from(!old) + u64::from(differences)), new);
        }
    }

    #[test]
    fn addresses_and_ports_stand_as_on_the_wire() {
        let entry = Entry::new(&way(), 9, 46);
        assert_eq!(entry.new_destination[..5], [203, 0, 113, 7, 0]);
        assert_eq!(entry.new_destination_port, [0x17, 0x70]);
        assert_eq!((entry.tos, entry.slot, entry.interface), (0xb8, 9, 3));
        assert_eq!(entry.withheld, 0xff, "no payload type");
        let events = Way { withheld: Some(101), ..way() };
        assert_eq!(Entry::new(&events, 9, 46).withheld, 101);
        let key = Key::new(at("[2001:db8::1]:10000"));
        assert_eq!((key.address[..4].to_vec(), key.port), (vec![0x20, 1, 0xd, 0xb8], [0x27, 0x10]));
        assert_eq!(key.family, AF_INET6);
    }
}
