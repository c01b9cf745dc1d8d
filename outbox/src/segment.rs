//! The octets of a segment file: written, and read back whatever became of them. Pure.
//!
//! ```text
//! header   "TDMOBX01" | segment id u64 | first sequence u64 | created u64 ms | CRC32C u32
//! entry    "tObE" | length u32 | sequence u64 | CRC32C of the payload u32 | CRC32C of the head u32
//!          payload, `length` octets
//! ```
//!
//! Numbers are little-endian. The head has a checksum of its own, so that an entry whose payload is
//! damaged is stepped over by its length; where a head is damaged, the next sound one is searched.
//! The head's checksum begins with the segment's id, which is random: octets inside a body (a peer
//! may have chosen them) are not taken for an entry.

use crate::OutboxRecord;
use crate::queue::payload;
use model::UnixTime;

/// What a segment file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SegmentHeader {
    /// Random; tells segments apart that were made for the same sequence number.
    pub id: u64,
    /// The sequence number of its first entry.
    pub first: u64,
    /// When it was begun.
    pub created: UnixTime,
}

/// Octets of a [`SegmentHeader`].
pub const HEADER_BYTES: usize = 36;
/// Octets of an entry before its payload.
pub const ENTRY_HEAD_BYTES: usize = 24;
/// The longest entry, head and payload.
pub const MAX_ENTRY_BYTES: usize = ENTRY_HEAD_BYTES + payload::MAX_BYTES;

const MAGIC: &[u8; 8] = b"TDMOBX01";
const MARK: &[u8; 4] = b"tObE";

impl SegmentHeader {
    /// As octets.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..32].copy_from_slice(&self.created.as_millis().to_le_bytes());
        let sum = crc32c::crc32c(&out[..32]);
        out[32..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header that a file begins with; `None` when it is damaged or of another version.
    pub fn read(bytes: &[u8]) -> Option<SegmentHeader> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let number = |at: usize| Some(u64::from_le_bytes(*header.get(at..)?.first_chunk()?));
        let sum = u32::from_le_bytes(*header.last_chunk()?);
        let sound = header.starts_with(MAGIC) && crc32c::crc32c(header.get(..32)?) == sum;
        let created = UnixTime::from_millis(number(24)?);
        sound.then_some(SegmentHeader { id: number(8)?, first: number(16)?, created })
    }
}

/// Appends an entry.
///
/// The record has been checked ([`OutboxRecord::check`]); of one that exceeds its bounds,
/// [`scan`] finds nothing.
pub fn write_entry(id: u64, sequence: u64, record: &OutboxRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; ENTRY_HEAD_BYTES]);
    payload::encode(record, out);
    let Some((head, body)) =
        out.get_mut(start..).and_then(|entry| entry.split_at_mut_checked(ENTRY_HEAD_BYTES))
    else {
        return;
    };
    head[..4].copy_from_slice(MARK);
    head[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[8..16].copy_from_slice(&sequence.to_le_bytes());
    head[16..20].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let sum = head_sum(id, &head[..20]);
    head[20..].copy_from_slice(&sum.to_le_bytes());
}

/// A sound entry, still encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// Its sequence number.
    pub sequence: u64,
    /// Where it begins in the octets that were scanned.
    pub offset: usize,
    /// When what it tells happened.
    pub time: UnixTime,
    /// The stream whose order it keeps.
    pub stream: &'a str,
    payload: &'a [u8],
}

impl Found<'_> {
    /// Octets from [`Found::offset`] on, head and payload.
    pub fn entry_bytes(&self) -> usize {
        ENTRY_HEAD_BYTES + self.payload.len()
    }

    /// The record; `None` when the payload is sound and yet none of ours.
    pub fn record(&self) -> Option<OutboxRecord> {
        payload::decode(self.payload)
    }
}

/// What [`scan`] met besides sound entries.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Scanned {
    /// Octets that are dealt with; the scan goes on there when more octets are known.
    pub consumed: usize,
    /// End of the last sound entry; 0 without one.
    pub sound: usize,
    /// Runs of octets that are no sound entry.
    pub damaged: u64,
}

/// Gives every sound entry of `bytes`, which begin anywhere after a segment's header, to `found`;
/// stops early when that says false, and then counts its entry as dealt with.
///
/// With `whole`, nothing follows `bytes`: what is cut off at the end is damage. Without, it is left
/// unconsumed. Bytes of at least [`MAX_ENTRY_BYTES`] are never left unconsumed altogether.
pub fn scan<'a>(
    id: u64,
    bytes: &'a [u8],
    whole: bool,
    mut found: impl FnMut(Found<'a>) -> bool,
) -> Scanned {
    let mut scanned = Scanned::default();
    let mut at = 0;
    // The start of a run of damage.
    let mut lost = false;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match entry_at(id, rest) {
            Next::Sound(mut entry) => {
                entry.offset = at;
                at += entry.entry_bytes();
                scanned.sound = at;
                lost = false;
                if !found(entry) {
                    break;
                }
            }
            Next::CutOff if !whole => break,
            Next::Damaged(length) => {
                scanned.damaged += u64::from(!lost);
                // A run of damaged entries with sound heads is one each.
                lost = false;
                at += length;
            }
            Next::CutOff | Next::Nothing => {
                scanned.damaged += u64::from(!lost);
                lost = true;
                at += 1 + next_mark(rest.get(1..).unwrap_or_default());
            }
        }
    }
    scanned.consumed = at;
    scanned
}

/// The entry of these octets, which [`Found::offset`] and [`Found::entry_bytes`] told.
pub fn read_entry(id: u64, bytes: &[u8]) -> Option<(u64, OutboxRecord)> {
    match entry_at(id, bytes) {
        Next::Sound(entry) => Some((entry.sequence, entry.record()?)),
        Next::Damaged(_) | Next::CutOff | Next::Nothing => None,
    }
}

enum Next<'a> {
    Sound(Found<'a>),
    /// A sound head whose payload is not; with the octets of both.
    Damaged(usize),
    /// May become an entry with more octets.
    CutOff,
    Nothing,
}

fn entry_at(id: u64, bytes: &[u8]) -> Next<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<ENTRY_HEAD_BYTES>() else {
        let begun = bytes.get(..MARK.len()).unwrap_or(bytes);
        return if MARK.starts_with(begun) { Next::CutOff } else { Next::Nothing };
    };
    let word = |at: usize| head.get(at..).and_then(|rest| rest.first_chunk()).copied();
    let (Some(length), Some(sum), Some(own)) = (word(4), word(16), word(20)) else {
        return Next::Nothing;
    };
    let [length, sum, own] = [length, sum, own].map(u32::from_le_bytes);
    let sequence = head.get(8..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    let signed = head.get(..20).unwrap_or_default();
    let length = length as usize;
    if !head.starts_with(MARK) || length > payload::MAX_BYTES || head_sum(id, signed) != own {
        return Next::Nothing;
    }
    let Some(payload) = rest.get(..length) else { return Next::CutOff };
    match payload::peek(payload).filter(|_| crc32c::crc32c(payload) == sum) {
        Some((time, stream)) => Next::Sound(Found {
            sequence: u64::from_le_bytes(sequence),
            offset: 0,
            time,
            stream,
            payload,
        }),
        None => Next::Damaged(ENTRY_HEAD_BYTES + length),
    }
}

/// Octets before the next place where an entry may begin.
fn next_mark(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        match rest.iter().position(|octet| *octet == MARK[0]) {
            Some(found) => at += found,
            None => return bytes.len(),
        }
        // A mark that is cut off counts.
        let begun = bytes.get(at..).unwrap_or_default();
        if MARK.starts_with(begun.get(..MARK.len()).unwrap_or(begun)) {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

fn head_sum(id: u64, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), head)
}

#[cfg(test)]
mod tests;
