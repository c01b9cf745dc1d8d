//! The elements of a header extension (RFC 8285), and what of a header SRTP leaves in the clear.

use crate::rtp::{EXTENSION_BIT, Extension, RtpError, RtpHeader, payload_start};
use crate::wire::u16_at;

/// What stands before elements whose heads are one octet.
const ONE_BYTE: u16 = 0xbede;
/// The same of two octets; the low four bits are the application's.
const TWO_BYTE: u16 = 0x1000;
/// Octets before the elements: the profile word, and how many words follow.
const HEAD: usize = 4;
/// Ends the elements where heads are one octet.
const STOP: u8 = 15;

/// The head of an RTP packet that may be encrypted: the padding count is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpHead<'a> {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Synchronization source.
    pub ssrc: u32,
    /// The header extension, if there is one.
    pub extension: Option<Extension<'a>>,
}

impl<'a> RtpHead<'a> {
    /// Reads the head of `raw`.
    ///
    /// # Errors
    /// As [`crate::RtpPacket::parse`], but for padding.
    #[inline]
    pub fn read(raw: &'a [u8]) -> Result<Self, RtpError> {
        let head = raw.get(..payload_start(raw)?).unwrap_or_default();
        let [first, second, .., a, b, c, d] =
            *head.first_chunk::<{ RtpHeader::BYTES }>().ok_or(RtpError::TruncatedHeader)?;
        let sources = usize::from(first & 0x0f) * size_of::<u32>();
        let rest = head.get(RtpHeader::BYTES + sources..).filter(|_| first & EXTENSION_BIT != 0);
        let extension = rest.and_then(|rest| {
            Some(Extension { profile: u16_at(rest, 0)?, data: rest.get(HEAD..)? })
        });
        let (payload_type, ssrc) = (second & 0x7f, u32::from_be_bytes([a, b, c, d]));
        Ok(RtpHead { payload_type, ssrc, extension })
    }
}

impl<'a> Extension<'a> {
    /// The first element with this number, 1 to 255 (RFC 8285 sections 4.2 and 4.3). What is cut off is
    /// none, and neither is anything behind it.
    #[inline]
    pub fn element(&self, id: u8) -> Option<&'a [u8]> {
        let is_long = match self.profile {
            ONE_BYTE => false,
            profile if profile & 0xfff0 == TWO_BYTE => true,
            _ => return None,
        };
        let mut rest = self.data;
        while let Some((first, behind)) = rest.split_first() {
            // Padding.
            if *first == 0 {
                rest = behind;
                continue;
            }
            let (number, length, behind) = match (is_long, behind.split_first()) {
                (false, _) if first >> 4 == STOP => return None,
                (false, _) => (first >> 4, usize::from(first & 0x0f) + 1, behind),
                (true, Some((length, behind))) => (*first, usize::from(*length), behind),
                (true, None) => return None,
            };
            let (value, behind) = behind.split_at_checked(length)?;
            // Zero with a length is reserved, and passed over.
            if number == id && number != 0 {
                return Some(value);
            }
            rest = behind;
        }
        None
    }
}

/// Writes a header extension with one element into `out`, with a head of one octet where that is enough;
/// its octets. `None` of number 0, without room, or of more than 255 octets.
pub fn write_element(out: &mut [u8], id: u8, value: &[u8]) -> Option<usize> {
    let length = u8::try_from(value.len()).ok().filter(|_| id != 0)?;
    let is_short = id < STOP && (1..=16).contains(&length);
    let head = if is_short { 1 } else { 2 };
    let words = (head + value.len()).div_ceil(size_of::<u32>());
    let octets = HEAD + words * size_of::<u32>();
    let out = out.get_mut(..octets)?;
    out.fill(0);
    let profile = if is_short { ONE_BYTE } else { TWO_BYTE };
    out.get_mut(..2)?.copy_from_slice(&profile.to_be_bytes());
    out.get_mut(2..HEAD)?.copy_from_slice(&u16::try_from(words).ok()?.to_be_bytes());
    let element = out.get_mut(HEAD..)?;
    match (is_short, element) {
        (true, [first, ..]) => *first = id << 4 | (length - 1),
        (false, [first, second, ..]) => (*first, *second) = (id, length),
        _ => return None,
    }
    out.get_mut(HEAD + head..HEAD + head + value.len())?.copy_from_slice(value);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpPacket;

    /// Of RFC 8285 section 4.2, with three elements and padding.
    const ONE: [u8; 12] = [0x10, 0xaa, 0x21, 0xbb, 0xcc, 0, 0, 0x33, 1, 2, 3, 4];

    fn of(profile: u16, data: &[u8]) -> Extension<'_> {
        Extension { profile, data }
    }

    #[test]
    fn elements_are_found_behind_others_and_padding() {
        let one = of(ONE_BYTE, &ONE);
        assert_eq!(one.element(1), Some(&[0xaa][..]));
        assert_eq!(one.element(2), Some(&[0xbb, 0xcc][..]));
        assert_eq!(one.element(3), Some(&[1, 2, 3, 4][..]));
        assert_eq!(one.element(4), None);
        // Of section 4.3: an empty element, one octet, padding, four.
        let data = [1, 0, 2, 1, 0xbb, 0, 3, 4, 1, 2, 3, 4];
        for profile in [0x1000, 0x100f] {
            let two = of(profile, &data);
            assert_eq!(two.element(1), Some(&[][..]));
            assert_eq!(two.element(2), Some(&[0xbb][..]));
            assert_eq!(two.element(3), Some(&[1, 2, 3, 4][..]));
        }
        assert_eq!(of(0x2000, &data).element(2), None, "another profile");
    }

    #[test]
    fn what_is_cut_off_is_nothing_and_neither_is_what_follows() {
        assert_eq!(of(ONE_BYTE, &[0x13, 1, 2]).element(1), None);
        assert_eq!(of(ONE_BYTE, &[0x13, 1, 2]).element(2), None);
        assert_eq!(of(TWO_BYTE, &[1]).element(1), None);
        assert_eq!(of(TWO_BYTE, &[1, 200, 2]).element(1), None);
        // 15 stops.
        assert_eq!(of(ONE_BYTE, &[0xf0, 7, 0x10, 8]).element(1), None);
        assert_eq!(of(ONE_BYTE, &[0xf0, 7, 0x10, 8]).element(15), None);
        // 0 is no number.
        assert_eq!(of(ONE_BYTE, &[0x01, 7, 8, 0]).element(0), None);
        assert_eq!(of(ONE_BYTE, &[0x01, 7, 8, 0]).element(1), None);
        assert_eq!(of(ONE_BYTE, &[]).element(1), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = [0xff; 300];
        for id in [1, 14, 15, 255] {
            for length in [0, 1, 3, 4, 16, 17, 255] {
                let value = vec![0x61; length];
                let octets = write_element(&mut out, id, &value).unwrap();
                assert_eq!(octets % 4, 0);
                let words = usize::from(u16::from_be_bytes([out[2], out[3]]));
                assert_eq!(octets, 4 + 4 * words);
                let written = of(u16::from_be_bytes([out[0], out[1]]), &out[4..octets]);
                assert_eq!(written.element(id), Some(&value[..]), "{id} {length}");
            }
        }
        assert_eq!(write_element(&mut out, 0, b"a"), None);
        assert_eq!(write_element(&mut out, 1, &[0; 256]), None);
        assert_eq!(write_element(&mut out[..7], 1, b"a"), None);
        assert_eq!(write_element(&mut out[..8], 1, b"a"), Some(8));
        assert_eq!(out[..8], [0xbe, 0xde, 0, 1, 0x10, b'a', 0, 0]);
    }

    #[test]
    fn a_head_is_read_whatever_the_padding_says() {
        // Version 2, padding, an extension, one contributing source.
        let mut packet = vec![0xb1, 0x80 | 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9];
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x40, b'1', 0, 0]);
        packet.extend_from_slice(&[0xee, 0xff]);
        assert!(RtpPacket::parse(&packet).is_err());
        let head = RtpHead::read(&packet).unwrap();
        assert_eq!((head.payload_type, head.ssrc), (96, 3));
        assert_eq!(head.extension.unwrap().element(4), Some(&b"1"[..]));
        packet[0] = 0xa1;
        assert_eq!(RtpHead::read(&packet).unwrap().extension, None);
        for short in 0..16 {
            assert!(RtpHead::read(&packet[..short]).is_err(), "{short}");
        }
        packet[0] = 0xb1;
        packet[19] = 2;
        assert_eq!(RtpHead::read(&packet), Err(RtpError::TruncatedExtension));
    }
}
