//! A record as octets and back. Numbers are little-endian.
//!
//! ```text
//! time u64 ms | kind u16 | stream length u16 | attributes u8 | stream
//! name length u8 | value length u16 | name | value      for each attribute
//! body                                                  what is left
//! ```

use crate::OutboxRecord;
use model::UnixTime;

const FIXED: usize = 13;

/// The most that [`encode`] makes of a record within its bounds.
pub(crate) const MAX_BYTES: usize = FIXED
    + OutboxRecord::MAX_STREAM_BYTES
    + OutboxRecord::MAX_ATTRIBUTES
        * (3 + OutboxRecord::MAX_NAME_BYTES + OutboxRecord::MAX_VALUE_BYTES)
    + OutboxRecord::MAX_BODY_BYTES;

/// Appends the record, which has been checked ([`OutboxRecord::check`]).
pub(crate) fn encode(record: &OutboxRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.time.as_millis().to_le_bytes());
    out.extend_from_slice(&record.kind.to_le_bytes());
    out.extend_from_slice(&(record.stream.len() as u16).to_le_bytes());
    out.push(record.attributes.len() as u8);
    out.extend_from_slice(record.stream.as_bytes());
    for (name, value) in &record.attributes {
        out.push(name.len() as u8);
        out.extend_from_slice(&(value.len() as u16).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(&record.body);
}

/// Time and stream of an encoded record, without copies; `None` when it is none.
pub(crate) fn peek(bytes: &[u8]) -> Option<(UnixTime, &str)> {
    let mut reader = Reader(bytes);
    let (time, _, stream, _) = reader.fixed()?;
    Some((time, stream))
}

/// `None` when the octets are no record.
pub(crate) fn decode(bytes: &[u8]) -> Option<OutboxRecord> {
    let mut reader = Reader(bytes);
    let (time, kind, stream, count) = reader.fixed()?;
    let mut attributes = Vec::with_capacity(count.min(OutboxRecord::MAX_ATTRIBUTES));
    for _ in 0..count {
        let name = usize::from(reader.array::<1>()?[0]);
        let value = usize::from(u16::from_le_bytes(reader.array()?));
        attributes.push((reader.text(name)?.to_owned(), reader.text(value)?.to_owned()));
    }
    let record =
        OutboxRecord { stream: stream.to_owned(), time, kind, attributes, body: reader.0.to_vec() };
    record.check().is_ok().then_some(record)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn fixed(&mut self) -> Option<(UnixTime, u16, &'a str, usize)> {
        let time = UnixTime::from_millis(u64::from_le_bytes(self.array()?));
        let kind = u16::from_le_bytes(self.array()?);
        let stream = usize::from(u16::from_le_bytes(self.array()?));
        let attributes = usize::from(self.array::<1>()?[0]);
        Some((time, kind, self.text(stream)?, attributes))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(taken).ok()
    }
}
