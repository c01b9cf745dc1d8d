//! Ogg pages (RFC 3533).

use std::io::{self, ErrorKind, Read};

/// Octets of a page's header before its segment table (RFC 3533 section 6).
const HEAD_BYTES: usize = 27;
/// Segments of a page at most; each has up to 255 octets.
const MOST_SEGMENTS: usize = 255;
const BEGINS: u8 = 0x02;
const ENDS: u8 = 0x04;
const TYPE_AT: usize = 5;
const CRC_AT: usize = 22;

/// The checksum's table: polynomial 0x04c11db7, highest bit first (RFC 3533 section 6, field 7).
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut value = (n as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { (value << 1) ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

fn crc<'a>(octets: impl IntoIterator<Item = &'a u8>) -> u32 {
    octets
        .into_iter()
        .fold(0, |crc, octet| (crc << 8) ^ TABLE[usize::from((crc >> 24) as u8 ^ octet)])
}

/// Writes the pages of one logical stream. A page holds whole packets.
#[derive(Debug)]
pub(crate) struct Pages {
    serial: u32,
    sequence: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
}

impl Pages {
    pub(crate) fn new(serial: u32) -> Self {
        Pages { serial, sequence: 0, segments: Vec::new(), body: Vec::new() }
    }

    /// Adds a packet to the page; `false`, and nothing happens, when it has no room there.
    pub(crate) fn push(&mut self, packet: &[u8]) -> bool {
        if self.segments.len() + packet.len() / 255 + 1 > MOST_SEGMENTS {
            return false;
        }
        let whole = packet.len() / 255;
        self.segments.extend(std::iter::repeat_n(255, whole));
        // What is under 255 ends the packet, also when it is 0.
        self.segments.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
        true
    }

    /// Whether the page has no packet yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Writes the page out; `granule` is the position behind its last packet.
    pub(crate) fn write(&mut self, granule: u64, is_last: bool, out: &mut Vec<u8>) {
        let begins = if self.sequence == 0 { BEGINS } else { 0 };
        let ends = if is_last { ENDS } else { 0 };
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(begins | ends);
        out.extend_from_slice(&granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.segments.len() as u8);
        out.append(&mut self.segments);
        out.append(&mut self.body);
        if let Some(page) = out.get_mut(start..) {
            seal(page);
        }
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// Puts the checksum of a whole page into it.
fn seal(page: &mut [u8]) {
    if let Some(place) = page.get_mut(CRC_AT..CRC_AT + 4) {
        place.fill(0);
    }
    let crc = crc(page.iter()).to_le_bytes();
    if let Some(place) = page.get_mut(CRC_AT..CRC_AT + 4) {
        place.copy_from_slice(&crc);
    }
}

/// A whole page of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    octets: Vec<u8>,
    body_at: usize,
}

impl Page {
    /// The position behind its last packet.
    pub(crate) fn granule(&self) -> u64 {
        let octets = self.octets.get(6..14).and_then(|octets| octets.try_into().ok());
        octets.map_or(0, u64::from_le_bytes)
    }

    /// Its packets' octets.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        self.octets.get(self.body_at..).unwrap_or_default()
    }

    /// All of it.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether it says that it is the stream's last one.
    pub(crate) fn ends(&self) -> bool {
        self.octets.get(TYPE_AT).is_some_and(|kind| kind & ENDS != 0)
    }

    /// The same as the stream's last one.
    pub(crate) fn ended(mut self) -> Self {
        if let Some(kind) = self.octets.get_mut(TYPE_AT) {
            *kind |= ENDS;
        }
        seal(&mut self.octets);
        self
    }
}

/// Reads the next page; `None` at the end, and where what follows is no whole page with the right
/// checksum.
///
/// # Errors
/// That the reader fails.
pub(crate) fn read_page(from: &mut dyn Read) -> io::Result<Option<Page>> {
    let mut octets = vec![0; HEAD_BYTES];
    if !read_whole(from, &mut octets)? || !octets.starts_with(b"OggS\0") {
        return Ok(None);
    }
    let segments = octets.last().copied().map_or(0, usize::from);
    octets.resize(HEAD_BYTES + segments, 0);
    if !read_whole(from, octets.get_mut(HEAD_BYTES..).unwrap_or_default())? {
        return Ok(None);
    }
    let body_at = octets.len();
    let body: usize = octets.iter().skip(HEAD_BYTES).map(|length| usize::from(*length)).sum();
    octets.resize(body_at + body, 0);
    if !read_whole(from, octets.get_mut(body_at..).unwrap_or_default())? {
        return Ok(None);
    }
    let mut sealed = octets.clone();
    seal(&mut sealed);
    Ok((sealed == octets).then_some(Page { octets, body_at }))
}

fn read_whole(from: &mut dyn Read, place: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_ogg_s() {
        // The check value of CRC-32/MPEG-2's polynomial with neither first value nor last inversion.
        assert_eq!(crc(b"123456789"), 0x89a1_897f);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            pages in prop::collection::vec(
                (prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 1..20), any::<u64>()),
                1..5,
            ),
        ) {
            let mut writer = Pages::new(7);
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            for (packets, granule) in &pages {
                let mut body = Vec::new();
                for packet in packets {
                    prop_assert!(writer.push(packet));
                    body.extend_from_slice(packet);
                }
                writer.write(*granule, false, &mut out);
                expected.push((body, *granule));
            }
            let mut from = out.as_slice();
            for (body, granule) in expected {
                let page = read_page(&mut from).unwrap().unwrap();
                prop_assert_eq!((page.body(), page.granule()), (body.as_slice(), granule));
                prop_assert!(!page.ends() && page.clone().ended().ends());
                let ended = page.ended();
                prop_assert_eq!(read_page(&mut ended.octets()).unwrap(), Some(ended));
            }
            prop_assert_eq!(read_page(&mut from).unwrap(), None);
        }

        #[test]
        fn a_torn_or_changed_page_is_none(at in 0_usize..400, flip in 1_u8.., cut in any::<bool>()) {
            let mut writer = Pages::new(1);
            prop_assert!(writer.push(&[5; 370]));
            let mut out = Vec::new();
            writer.write(48_000, true, &mut out);
            prop_assert_eq!(out.len(), 399);
            let at = at.min(out.len() - 1);
            if cut { out.truncate(at) } else { out[at] ^= flip }
            prop_assert_eq!(read_page(&mut out.as_slice()).unwrap(), None);
        }

        #[test]
        fn no_octets_are_beyond_understanding(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut page = b"OggS\0".to_vec();
            page.extend(octets);
            let _ = read_page(&mut page.as_slice()).unwrap();
        }
    }

    #[test]
    fn a_page_takes_no_more_than_it_can_hold() {
        let mut pages = Pages::new(1);
        assert!(!pages.push(&vec![0; 255 * 255]));
        assert!(pages.push(&vec![0; 255 * 255 - 1]));
        assert!(!pages.push(&[]));
    }
}
