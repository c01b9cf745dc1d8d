//! The head of a block (RFC 9559, section 10).

use super::Malformed;
use crate::ebml::{NoHead, id, variable};

/// What stands before a block's samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub(super) track: u64,
    /// Units of time since the cluster's.
    pub(super) relative: i16,
    /// Octets before the samples.
    pub(super) head: usize,
}

/// Reads a block's head. Of laced frames (section 10.3) only what stands before them is read: samples of
/// the formats that are decoded here follow on each other whatever frames they came in.
pub(super) fn parse(octets: &[u8], at: u64) -> Result<Block, Malformed> {
    let malformed = Malformed::Value { id: id::SIMPLE_BLOCK, at };
    let read = |octets: &[u8]| variable(octets, 8).map_err(|_: NoHead| malformed);
    let (track, length) = read(octets)?;
    let track = track & !(1 << (7 * length));
    let rest = octets.get(length..).unwrap_or_default();
    let &[high, low, flags, ref frames @ ..] = rest else { return Err(malformed) };
    let lacing = match flags & 0x06 {
        0x00 => 0,
        // One octet says how many; frames of one size.
        0x04 => frames.first().map(|_| 1).ok_or(malformed)?,
        0x02 => xiph(frames).ok_or(malformed)?,
        _ => ebml(frames).ok_or(malformed)?,
    };
    Ok(Block { track, relative: i16::from_be_bytes([high, low]), head: length + 3 + lacing })
}

/// Octets before frames with Xiph lacing: the number of frames less one, then sizes of all but the last
/// as sums of octets, each 255 but its last; section 10.3.2.
fn xiph(frames: &[u8]) -> Option<usize> {
    let (count, sizes) = frames.split_first()?;
    let mut octets = sizes.iter();
    let mut total = 0_usize;
    for _ in 0..*count {
        loop {
            let octet = *octets.next()?;
            total += usize::from(octet);
            if octet < 255 {
                break;
            }
        }
    }
    let left = octets.as_slice().len();
    (total <= left).then_some(frames.len() - left)
}

/// Octets before frames with EBML lacing: as above, with the first size as a variable-size integer and
/// the next ones as signed differences; section 10.3.3.
fn ebml(frames: &[u8]) -> Option<usize> {
    let (count, mut rest) = frames.split_first()?;
    let (mut size, mut total) = (0_i64, 0_i64);
    for number in 0..*count {
        let (marked, length) = variable(rest, 8).ok()?;
        let value = i64::try_from(marked & !(1 << (7 * length))).ok()?;
        let middle = (1_i64 << (7 * length - 1)) - 1;
        size = if number == 0 { value } else { size.checked_add(value - middle)? };
        total = total.checked_add(size).filter(|_| size >= 0)?;
        rest = rest.get(length..)?;
    }
    (usize::try_from(total).ok()? <= rest.len()).then_some(frames.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(octets: &[u8]) -> Option<usize> {
        parse(octets, 0).ok().map(|block| block.head)
    }

    #[test]
    fn the_head_of_a_plain_block() {
        let block = parse(&[0x81, 0xFF, 0xEC, 0x80, 1, 2], 0).unwrap();
        assert_eq!(block, Block { track: 1, relative: -20, head: 4 });
        let block = parse(&[0x40, 0x81, 0, 20, 0], 0).unwrap();
        assert_eq!(block, Block { track: 0x81, relative: 20, head: 5 });
        assert_eq!(head(&[0x81, 0, 20]), None);
        assert_eq!(head(&[0x00, 0, 20, 0]), None);
        assert_eq!(head(&[]), None);
    }

    #[test]
    fn laced_frames_follow_behind_their_sizes() {
        // RFC 9559, section 10.3: frames of 800, 500 and 1,000 octets.
        let sizes = 800 + 500 + 1_000;
        let with =
            |laced: &[u8], payload: usize| [&[0x81, 0, 0], laced, &vec![0; payload]].concat();
        let xiph = [0x02, 2, 255, 255, 255, 35, 255, 245];
        assert_eq!(head(&with(&xiph, sizes)), Some(3 + xiph.len()));
        assert_eq!(head(&with(&xiph, 1_299)), None);
        assert_eq!(head(&with(&[0x02, 2, 255, 255], 0)), None);
        // 800 is 0x320 in two octets: 0x4320; 500 is 300 less: 0x5ED3.
        let ebml = [0x06, 2, 0x43, 0x20, 0x5E, 0xD3];
        assert_eq!(head(&with(&ebml, sizes)), Some(3 + ebml.len()));
        assert_eq!(head(&with(&ebml, 1_299)), None);
        assert_eq!(head(&with(&[0x06, 2, 0x81, 0x80], 10)), None);
        assert_eq!(head(&with(&[0x04, 2], 30)), Some(5));
        assert_eq!(head(&with(&[0x04], 0)), None);
    }
}
