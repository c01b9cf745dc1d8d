//! What user space and the kernel's program say to each other, octet by octet: the twins of the
//! structures in `ebpf/relay.bpf.c`.

use relay_core::FastNumbers;
use std::net::{IpAddr, SocketAddr};

/// Notes in a ring; a power of two.
pub(super) const NOTES: usize = 64;
/// How many of them stay free for packets that several processors handle at once; a ring with no
/// others left is full.
pub(super) const MARGIN: usize = 8;
/// Ports in a group of the index, and groups of both families.
const GROUP: usize = 16;
const PORTS: usize = 1 << 16;
pub(super) const GROUPS: usize = 2 * PORTS / GROUP;
/// No packet has it: payload types have seven bits.
const NO_TYPE: u8 = 0xff;
/// The program's values of the address families.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The slots of some ports, plus one; 0 for none.
pub(super) type Group = [u32; GROUP];

/// Addresses of IPv6, and numbers that change.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(super) struct Wide {
    source: [u8; 16],
    local: [u8; 16],
    new_source: [u8; 16],
    new_destination: [u8; 16],
    next_hop: [u8; 16],
    pub(super) numbering: Numbering,
    reserved: [u32; 7],
}

/// What becomes of numbers where [`Narrow::renumbers`] says that anything does.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(super) struct Numbering {
    ssrc: [u8; 4],
    timestamp_offset: u32,
    sequence_offset: u32,
    /// The first sequence number that is forwarded; written while it is in force, too.
    pub(super) first: u32,
    /// How far from that on they are.
    span: u32,
}

impl Numbering {
    fn new(numbers: &FastNumbers) -> Self {
        Numbering {
            ssrc: numbers.ssrc.to_be_bytes(),
            timestamp_offset: numbers.timestamp_offset,
            sequence_offset: numbers.sequence_offset.into(),
            first: 0,
            span: numbers.span.into(),
        }
    }
}

/// The rest of what a slot says of its packets; the addresses are those of IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Narrow {
    source: [u8; 4],
    local: [u8; 4],
    new_source: [u8; 4],
    new_destination: [u8; 4],
    next_hop: [u8; 4],
    source_port: [u8; 2],
    new_source_port: [u8; 2],
    new_destination_port: [u8; 2],
    tos: u8,
    /// The payload type that is left to the sockets; [`NO_TYPE`] for none.
    withheld: u8,
    ssrc: [u8; 4],
    addresses_difference: u32,
    ports_difference: u32,
    interface: u32,
    next_hop_family: u16,
    /// 1 where the numbers change, else 0.
    renumbers: u16,
}

/// What the program leaves of a packet that it has forwarded. Each half is written at once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(super) struct Halves {
    pub(super) position: u64,
    pub(super) arrival: u64,
}

/// The same, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Note {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    /// Of the UDP payload.
    pub(super) octets: u16,
    /// CLOCK_MONOTONIC in units of [`ARRIVAL_UNIT`] nanoseconds; wraps.
    arrival: u32,
}

/// Nanoseconds in a unit of [`Note::arrival`].
const ARRIVAL_UNIT: u64 = 1 << 10;

impl Note {
    /// Note `number`; `None` while the halves are not both of it.
    pub(super) fn read(number: u32, halves: Halves) -> Option<Self> {
        let Halves { position, arrival } = halves;
        let stamp = number.wrapping_add(1);
        let is_whole =
            (position >> 48) as u16 == stamp as u16 && (arrival >> 56) as u8 == stamp as u8;
        is_whole.then_some(Note {
            sequence: (position >> 32) as u16,
            timestamp: position as u32,
            payload_type: (arrival >> 48) as u8 & 0x7f,
            marker: arrival & 1 << 55 != 0,
            octets: (arrival >> 32) as u16,
            arrival: arrival as u32,
        })
    }

    /// CLOCK_MONOTONIC at the arrival, in nanoseconds, which is within half an hour of `now` by the
    /// same clock, before or after.
    pub(super) fn arrival(&self, now: u64) -> u64 {
        let now = now / ARRIVAL_UNIT;
        let later = self.arrival.wrapping_sub(now as u32).cast_signed();
        now.saturating_add_signed(i64::from(later)) * ARRIVAL_UNIT
    }
}

/// A direction: `head` is the program's, all else ours.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) narrow: Narrow,
    pub(super) head: u32,
    pub(super) tail: u32,
    reserved: [u32; 2],
}

/// The notes of a slot's packets.
pub(super) type Ring = [Halves; NOTES];

const _: () = assert!(size_of::<Group>() == 64);
const _: () = assert!(size_of::<Narrow>() == 48);
const _: () = assert!(size_of::<Wide>() == 128);
const _: () = assert!(std::mem::offset_of!(Wide, numbering) == 80);
const _: () = assert!(size_of::<Halves>() == 16);
const _: () = assert!(std::mem::offset_of!(Slot, head) == 48);
const _: () = assert!(size_of::<Slot>() == 64);

/// Where packets come from and to, and what becomes of them: a slot without its notes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) narrow: Narrow,
    pub(super) wide: Wide,
}

/// One direction's way through the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// The leg's address, its synchronisation source, and the relay's address towards it.
    pub(super) source: SocketAddr,
    pub(super) ssrc: u32,
    pub(super) local: SocketAddr,
    /// The relay's address towards the other leg, and that leg's.
    pub(super) new_source: SocketAddr,
    pub(super) new_destination: SocketAddr,
    /// The payload type that is left to the sockets.
    pub(super) withheld: Option<u8>,
    /// What becomes of sequence numbers, timestamps and the source.
    pub(super) numbers: Option<FastNumbers>,
    /// The interface to send from, and the neighbour to send to.
    pub(super) interface: u32,
    pub(super) next_hop: IpAddr,
}

/// Where the index has `local`: the group, and the place in it.
pub(super) fn place(local: SocketAddr) -> (usize, usize) {
    let half = if local.is_ipv4() { 0 } else { PORTS };
    let position = half + usize::from(local.port());
    (position / GROUP, position % GROUP)
}

impl Entry {
    /// What to do with the packets of `way`, marked with `dscp` (0 to 63).
    pub(super) fn new(way: &Way, dscp: u8) -> Self {
        let ends = [way.source, way.local, way.new_source, way.new_destination];
        let [source, local, new_source, new_destination] = ends.map(|end| narrow(end.ip()));
        let narrow = Narrow {
            source,
            local,
            new_source,
            new_destination,
            next_hop: narrow(way.next_hop),
            source_port: port(way.source),
            new_source_port: port(way.new_source),
            new_destination_port: port(way.new_destination),
            tos: dscp << 2,
            withheld: way.withheld.unwrap_or(NO_TYPE),
            ssrc: way.ssrc.to_be_bytes(),
            addresses_difference: difference(&ends.map(|end| octets(end.ip()))),
            ports_difference: difference(&ends.map(port)),
            interface: way.interface,
            next_hop_family: if way.next_hop.is_ipv4() { AF_INET } else { AF_INET6 },
            renumbers: way.numbers.is_some().into(),
        };
        let [source, local, new_source, new_destination] = ends.map(|end| wide(end.ip()));
        let next_hop = wide(way.next_hop);
        let numbering = way.numbers.as_ref().map(Numbering::new).unwrap_or_default();
        let reserved = [0; 7];
        let wide =
            Wide { source, local, new_source, new_destination, next_hop, numbering, reserved };
        Entry { narrow, wide }
    }
}

/// By how much a one's complement sum (RFC 1071) changes when the first two values become the last
/// two, which RFC 1624's equation 3 takes: the sum of `!old` and `new`, in the host's order of octets
/// as the kernel's helpers want it.
fn difference<const N: usize>([a, b, c, d]: &[[u8; N]; 4]) -> u32 {
    let words = |part: &[u8; N]| -> Vec<u16> {
        part.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
    };
    let old = [a, b].into_iter().flat_map(words).map(|word| u32::from(!word)).sum::<u32>();
    let new = [c, d].into_iter().flat_map(words).map(u32::from).sum::<u32>();
    let mut sum = old + new;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// Zeroes for an address of IPv6.
fn narrow(ip: IpAddr) -> [u8; 4] {
    match ip {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => [0; 4],
    }
}

/// Zeroes for an address of IPv4.
fn wide(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(_) => [0; 16],
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// For sums: what an address lacks is zeroes.
fn octets(ip: IpAddr) -> [u8; 16] {
    let mut octets = wide(ip);
    if let IpAddr::V4(v4) = ip {
        octets[..4].copy_from_slice(&v4.octets());
    }
    octets
}

fn port(address: SocketAddr) -> [u8; 2] {
    address.port().to_be_bytes()
}

#[cfg(test)]
mod tests;
