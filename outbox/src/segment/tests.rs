use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn record(body: Vec<u8>, stream: &str) -> OutboxRecord {
    OutboxRecord {
        stream: stream.to_owned(),
        time: UnixTime::from_millis(1_000 + body.len() as u64),
        kind: 7,
        attributes: vec![("key".to_owned(), "s3/one".to_owned())],
        body,
    }
}

fn segment(id: u64, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (sequence, body) in bodies.iter().enumerate() {
        write_entry(id, sequence as u64, &record(body.clone(), "a"), &mut out);
    }
    out
}

fn sequences(id: u64, bytes: &[u8]) -> (Vec<u64>, Scanned) {
    let mut out = Vec::new();
    let scanned = scan(id, bytes, true, |found| {
        out.push(found.sequence);
        true
    });
    (out, scanned)
}

#[test]
fn a_header_is_read_as_it_was_written_and_no_other() {
    let header =
        SegmentHeader { id: 0x0123_4567_89ab_cdef, first: 42, created: UnixTime::from_millis(9) };
    let bytes = header.to_bytes();
    assert_eq!(SegmentHeader::read(&bytes), Some(header));
    assert_eq!(SegmentHeader::read(&bytes[..HEADER_BYTES - 1]), None);
    for at in 0..HEADER_BYTES {
        let mut damaged = bytes;
        damaged[at] ^= 0x10;
        assert_eq!(SegmentHeader::read(&damaged), None, "octet {at}");
    }
}

#[test]
fn the_largest_record_is_read_back() {
    let pair =
        ("n".repeat(OutboxRecord::MAX_NAME_BYTES), "v".repeat(OutboxRecord::MAX_VALUE_BYTES));
    let record = OutboxRecord {
        stream: "s".repeat(OutboxRecord::MAX_STREAM_BYTES),
        time: UnixTime::from_millis(u64::MAX),
        kind: u16::MAX,
        attributes: vec![pair; OutboxRecord::MAX_ATTRIBUTES],
        body: vec![0xff; OutboxRecord::MAX_BODY_BYTES],
    };
    let mut bytes = Vec::new();
    write_entry(1, u64::MAX, &record, &mut bytes);
    assert_eq!(bytes.len(), MAX_ENTRY_BYTES);
    assert_eq!(read_entry(1, &bytes), Some((u64::MAX, record)));
    assert_eq!(read_entry(2, &bytes), None, "of another segment");
}

#[test]
fn an_entry_inside_a_body_is_not_taken_for_one() {
    let mut inner = Vec::new();
    write_entry(1, 100, &record(b"forged".to_vec(), "a"), &mut inner);
    let mut bytes = segment(2, &[inner.clone(), b"after".to_vec()]);
    assert_eq!(sequences(2, &bytes).0, [0, 1]);
    // Even when the head of the entry around it is damaged, and it is looked for.
    bytes[6] ^= 1;
    assert_eq!(sequences(2, &bytes).0, [1]);
}

#[test]
fn zeros_after_a_power_failure_are_one_damage() {
    let mut bytes = segment(1, &[b"one".to_vec()]);
    let sound = bytes.len();
    bytes.extend_from_slice(&[0; 5_000]);
    let (found, scanned) = sequences(1, &bytes);
    assert_eq!(found, [0]);
    assert_eq!(scanned, Scanned { consumed: bytes.len(), sound, damaged: 1 });
}

proptest! {
    #[test]
    fn what_is_written_is_read(bodies in vec(vec(any::<u8>(), 0..300), 0..20), stream in ".{0,20}") {
        let mut bytes = Vec::new();
        let records: Vec<_> = bodies.into_iter().map(|body| record(body, &stream)).collect();
        for (sequence, record) in records.iter().enumerate() {
            write_entry(9, sequence as u64, record, &mut bytes);
        }
        let mut read = Vec::new();
        let scanned = scan(9, &bytes, true, |found| {
            assert_eq!(found.stream, stream);
            let whole = &bytes[found.offset..found.offset + found.entry_bytes()];
            assert_eq!(read_entry(9, whole), Some((found.sequence, found.record().unwrap())));
            read.push(found.record().unwrap());
            true
        });
        prop_assert_eq!(read, records);
        prop_assert_eq!(scanned, Scanned { consumed: bytes.len(), sound: bytes.len(), damaged: 0 });
    }

    #[test]
    fn a_torn_tail_costs_what_was_torn(bodies in vec(vec(any::<u8>(), 0..100), 1..10), cut in any::<proptest::sample::Index>()) {
        let bytes = segment(3, &bodies);
        let cut = cut.index(bytes.len());
        let whole = (0..bodies.len()).take_while(|n| segment(3, &bodies[..=*n]).len() <= cut).count();
        let (found, scanned) = sequences(3, &bytes[..cut]);
        prop_assert_eq!(found.len(), whole);
        prop_assert_eq!(scanned.sound, segment(3, &bodies[..whole]).len());
        prop_assert_eq!(scanned.damaged, u64::from(scanned.sound < cut));
        // More to come: nothing is damage yet, and the rest is asked for again.
        let more = scan(3, &bytes[..cut], false, |_| true);
        prop_assert_eq!(more, Scanned { consumed: scanned.sound, sound: scanned.sound, damaged: 0 });
    }

    #[test]
    fn damage_costs_only_the_entries_that_it_touches(
        bodies in vec(vec(any::<u8>(), 0..100), 1..10),
        at in any::<proptest::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut bytes = segment(4, &bodies);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let hit = (0..bodies.len()).take_while(|n| segment(4, &bodies[..=*n]).len() <= at).count();
        let expected: Vec<_> = (0..bodies.len() as u64).filter(|n| *n != hit as u64).collect();
        let (found, scanned) = sequences(4, &bytes);
        prop_assert_eq!(found, expected);
        prop_assert_eq!((scanned.consumed, scanned.damaged), (bytes.len(), 1));
    }

    #[test]
    fn any_octets_are_scanned_to_their_end(bytes in vec(prop_oneof![any::<u8>(), Just(b't'), Just(b'O')], 0..400)) {
        let (found, scanned) = sequences(5, &bytes);
        prop_assert_eq!((found.len(), scanned.consumed), (0, bytes.len()));
        prop_assert_eq!(scanned.damaged, u64::from(!bytes.is_empty()));
    }
}
