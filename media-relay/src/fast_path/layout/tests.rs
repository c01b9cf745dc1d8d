use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn way() -> Way {
    Way {
        source: at("192.0.2.1:4000"),
        ssrc: 0x0102_0304,
        local: at("198.51.100.1:10000"),
        new_source: at("198.51.100.1:10002"),
        new_destination: at("203.0.113.7:6000"),
        withheld: None,
        numbers: None,
        interface: 3,
        next_hop: "198.51.100.254".parse().unwrap(),
    }
}

fn wide_way() -> Way {
    Way {
        source: at("[2001:db8::1]:1"),
        local: at("[2001:db8:ffff::ffff]:65534"),
        new_source: at("[2001:db8::abcd]:40000"),
        new_destination: at("[2001:db8:1:2:3:4:5:6]:9"),
        next_hop: "fe80::1".parse().unwrap(),
        ..way()
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
    for way in [way(), wide_way()] {
        let entry = Entry::new(&way, 0).narrow;
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
    let Entry { narrow, wide } = Entry::new(&way(), 46);
    assert_eq!(
        (narrow.new_destination, narrow.new_destination_port),
        ([203, 0, 113, 7], [0x17, 0x70])
    );
    assert_eq!((narrow.ssrc, narrow.tos, narrow.interface), ([1, 2, 3, 4], 0xb8, 3));
    assert_eq!((narrow.next_hop, narrow.next_hop_family), ([198, 51, 100, 254], AF_INET));
    assert_eq!((narrow.withheld, wide), (0xff, Wide::default()), "no payload type");
    let events = Way { withheld: Some(101), ..way() };
    assert_eq!(Entry::new(&events, 46).narrow.withheld, 101);
    let Entry { narrow, wide } = Entry::new(&wide_way(), 46);
    assert_eq!((narrow.local, narrow.next_hop_family), ([0; 4], AF_INET6));
    assert_eq!((&wide.local[..6], wide.next_hop[0]), (&[0x20, 1, 0xd, 0xb8, 0xff, 0xff][..], 0xfe));
}

#[test]
fn numbers_stand_where_the_program_looks_for_them() {
    let numbers = FastNumbers {
        ssrc: 0x0506_0708,
        sequence_offset: 0xfffe,
        timestamp_offset: 0x8000_0001,
        span: 3_000,
    };
    for way in [way(), wide_way()] {
        let plain = Entry::new(&way, 0);
        assert_eq!((plain.narrow.renumbers, plain.wide.numbering), (0, Numbering::default()));
        let entry = Entry::new(&Way { numbers: Some(numbers), ..way }, 0);
        assert_eq!((entry.narrow.renumbers, entry.narrow.ssrc), (1, [1, 2, 3, 4]));
        let Numbering { ssrc, timestamp_offset, sequence_offset, first, span } =
            entry.wide.numbering;
        assert_eq!(ssrc, [5, 6, 7, 8], "as on the wire");
        assert_eq!((sequence_offset, timestamp_offset), (0xfffe, 0x8000_0001));
        assert_eq!((first, span), (0, 3_000));
        // All else is as before.
        let narrow = Narrow { renumbers: 0, ..entry.narrow };
        let wide = Wide { numbering: Numbering::default(), ..entry.wide };
        assert_eq!(Entry { narrow, wide }, plain);
    }
}

#[test]
fn every_port_of_each_family_has_its_place() {
    let last = GROUPS - 1;
    assert_eq!(place(at("192.0.2.1:0")), (0, 0));
    assert_eq!(place(at("192.0.2.1:10001")), (625, 1));
    assert_eq!(place(at("192.0.2.1:65535")).0 + 1, place(at("[::1]:0")).0);
    assert_eq!(place(at("[::1]:65535")), (last, 15));
}

#[test]
fn arrivals_are_told_over_a_wrap_of_their_clock() {
    let halves = |nanos: u64| Halves {
        position: 1 << 48,
        arrival: 1 << 56 | u64::from((nanos / ARRIVAL_UNIT) as u32),
    };
    let note = |nanos: u64| Note::read(0, halves(nanos)).unwrap();
    let wrap = ARRIVAL_UNIT << 32;
    for at in [0, 5, wrap - 1_500, wrap, wrap + 70_000, 9 * wrap + 3] {
        for now in [at, at + 1_000_000_000, at.saturating_sub(20_000_000)] {
            let arrival = note(at).arrival(now);
            assert!(arrival.abs_diff(at) < ARRIVAL_UNIT, "{at} read at {now}: {arrival}");
        }
    }
}

#[test]
fn a_note_is_read_when_both_halves_are_of_its_number() {
    let number = 0x0102_fffe;
    let halves = Halves { position: 0xffff_8001_0000_00a0, arrival: 0xff85_00ac_0000_0007 };
    let expected = Note {
        sequence: 0x8001,
        timestamp: 160,
        payload_type: 5,
        marker: true,
        octets: 172,
        arrival: 7,
    };
    assert_eq!(Note::read(number, halves), Some(expected));
    assert_eq!(Note::read(number.wrapping_sub(NOTES as u32), halves), None);
    assert_eq!(Note::read(number + NOTES as u32, halves), None);
    // One half is of the ring's last round still.
    let old = NOTES as u64;
    let position = halves.position - (old << 48);
    assert_eq!(Note::read(number, Halves { position, ..halves }), None);
    let arrival = halves.arrival - (old << 56);
    assert_eq!(Note::read(number, Halves { arrival, ..halves }), None);
    // What memory holds at first is no note.
    assert_eq!(Note::read(0, Halves::default()), None);
}
