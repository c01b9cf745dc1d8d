//! A segment and the marks of the outbox, as a crash or a bad disk may leave them.

use crate::bounded;
use outbox::OutboxRecord;
use outbox::marks::{MARK_BYTES, Mark, Marks};
use outbox::segment::{HEADER_BYTES, SegmentHeader, read_entry, scan, write_entry};

/// Of the segment that a mutation of the seeds most likely still is.
const ID: u64 = 0x0123_4567_89ab_cdef;

/// The octets as a segment, as the end of one and as marks.
///
/// # Panics
/// When an entry that is found is written otherwise than it was read, when octets are dealt with
/// twice or left over, or when marks do not read back.
pub fn outbox(data: &[u8]) {
    let data = bounded(data);
    let id = SegmentHeader::read(data).map_or(ID, |header| header.id);
    let entries = data.get(HEADER_BYTES..).unwrap_or_default();
    let mut found = Vec::new();
    let scanned = scan(id, entries, true, |entry| {
        let whole = entries.get(entry.offset..entry.offset + entry.entry_bytes());
        let whole = whole.unwrap_or_else(|| panic!("an entry lies outside of what was scanned"));
        if let Some(record) = entry.record() {
            let mut again = Vec::new();
            write_entry(id, entry.sequence, &record, &mut again);
            assert_eq!(again, whole, "an entry is written as it was read");
            assert_eq!(read_entry(id, whole), Some((entry.sequence, record)));
        }
        found.push((entry.offset, entry.entry_bytes()));
        true
    });
    assert_eq!(scanned.consumed, entries.len(), "a whole segment is dealt with");
    assert!(scanned.sound <= entries.len());
    for pair in found.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "entries do not overlap");
    }
    in_parts(id, entries, found.len());
    let marks = Marks::read(data);
    let written: Vec<u8> = marks.to_marks().into_iter().flat_map(Mark::to_bytes).collect();
    assert_eq!(Marks::read(&written), marks, "marks read back");
    assert!(written.len() <= data.len() + 3 * MARK_BYTES);
}

/// Read by one entry at a time, a segment has the same entries.
fn in_parts(id: u64, mut rest: &[u8], expected: usize) {
    let mut count = 0;
    while !rest.is_empty() {
        let scanned = scan(id, rest, true, |_| {
            count += 1;
            false
        });
        assert!(scanned.consumed > 0, "each call gets further");
        let left = rest.get(scanned.consumed..);
        rest = left.unwrap_or_else(|| panic!("more is dealt with than there is"));
    }
    assert_eq!(count, expected);
}

/// A segment of a few entries, one inside another's body, and marks.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let record = |body: &[u8]| OutboxRecord {
        stream: "logs/a".to_owned(),
        kind: 3,
        attributes: vec![("key".to_owned(), "value".to_owned())],
        body: body.to_vec(),
        ..OutboxRecord::default()
    };
    let header = SegmentHeader { id: ID, first: 0, created: model::UnixTime::from_millis(1) };
    let mut segment = header.to_bytes().to_vec();
    write_entry(ID, 0, &record(b"{}"), &mut segment);
    let mut inner = Vec::new();
    write_entry(ID + 1, 1, &record(b"inner"), &mut inner);
    write_entry(ID, 1, &record(&inner), &mut segment);
    write_entry(ID, 2, &record(&[b'x'; 2_000]), &mut segment);
    let many = (0..5_000).flat_map(|n| Mark::Settled(n * 2, n * 2).to_bytes()).collect();
    vec![("segment", segment), ("marks", many), ("zeros", vec![0; 100_000])]
}
