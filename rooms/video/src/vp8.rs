//! The VP8 payload descriptor (RFC 7741 section 4.2), as far as a switch between browsers needs it.

use std::fmt;

const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION_MASK: u8 = 0x07;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_LAYER_INDEX: u8 = 0x40;
const HAS_LAYER: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const LONG_PICTURE_ID: u8 = 0x80;
/// Octets of the longest descriptor: two of flags, two of the picture, the layer's index, the layer.
pub const MAX_DESCRIPTOR: usize = 6;

/// Why a payload is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vp8Error {
    /// It ends inside its descriptor, or has no picture behind it.
    Truncated,
}

impl fmt::Display for Vp8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VP8 payload ends inside its descriptor")
    }
}

impl std::error::Error for Vp8Error {}

/// A picture's number: it has 7 bits or 15.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PictureId {
    /// The number.
    pub number: u16,
    /// 15 bits.
    pub long: bool,
}

/// A payload behind its descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vp8Payload<'a> {
    payload: &'a [u8],
    descriptor: usize,
    /// The picture's number, where the sender numbers them.
    pub picture_id: Option<PictureId>,
    /// `TL0PICIDX`: counts pictures of the lowest temporal layer.
    pub layer_index: Option<u8>,
    /// The first packet of a picture.
    pub begins_picture: bool,
    /// The first packet of a key frame.
    pub begins_key_frame: bool,
}

impl<'a> Vp8Payload<'a> {
    /// Reads the descriptor.
    ///
    /// # Errors
    /// [`Vp8Error`].
    pub fn parse(payload: &'a [u8]) -> Result<Self, Vp8Error> {
        let mut rest = payload.iter();
        let mut next = || rest.next().copied().ok_or(Vp8Error::Truncated);
        let first = next()?;
        let flags = if first & EXTENDED != 0 { next()? } else { 0 };
        let mut picture_id = None;
        if flags & HAS_PICTURE_ID != 0 {
            let octet = next()?;
            let long = octet & LONG_PICTURE_ID != 0;
            let high = u16::from(octet & 0x7f);
            let number = if long { high << 8 | u16::from(next()?) } else { high };
            picture_id = Some(PictureId { number, long });
        }
        let layer_index = if flags & HAS_LAYER_INDEX != 0 { Some(next()?) } else { None };
        if flags & (HAS_LAYER | HAS_KEY_INDEX) != 0 {
            next()?;
        }
        let descriptor = payload.len() - rest.len();
        // Section 4.3: the inverse key frame flag is the lowest bit of the first octet.
        let frame = *payload.get(descriptor).ok_or(Vp8Error::Truncated)?;
        let begins_picture = first & START != 0 && first & PARTITION_MASK == 0;
        let begins_key_frame = begins_picture && frame & 1 == 0;
        Ok(Vp8Payload {
            payload,
            descriptor,
            picture_id,
            layer_index,
            begins_picture,
            begins_key_frame,
        })
    }

    /// What stands behind the descriptor.
    pub fn data(&self) -> &'a [u8] {
        self.payload.get(self.descriptor..).unwrap_or_default()
    }

    /// The descriptor with other numbers, in as many octets, and how many those are. A number that
    /// the sender does not have is not put in.
    pub fn rewritten(&self, picture: u16, layer_index: u8) -> ([u8; MAX_DESCRIPTOR], usize) {
        let mut out = [0; MAX_DESCRIPTOR];
        let length = self.descriptor.min(MAX_DESCRIPTOR);
        if let (Some(room), Some(own)) = (out.get_mut(..length), self.payload.get(..length)) {
            room.copy_from_slice(own);
        }
        // Where there is either, two octets of flags stand before.
        let mut at = 2;
        if let Some(id) = self.picture_id {
            let [high, low] = picture.to_be_bytes();
            if id.long {
                out[2] = high | LONG_PICTURE_ID;
                out[3] = low;
            } else {
                out[2] = low & 0x7f;
            }
            at += if id.long { 2 } else { 1 };
        }
        if self.layer_index.is_some() {
            out.iter_mut().skip(at).take(1).for_each(|octet| *octet = layer_index);
        }
        (out, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shapes_of_section_4_2_are_read() {
        let plain = Vp8Payload::parse(&[0x10, 0x00, 1, 2]).unwrap();
        assert!(plain.begins_key_frame && plain.picture_id.is_none());
        assert_eq!(plain.data(), [0, 1, 2]);
        let inter = Vp8Payload::parse(&[0x10, 0x01]).unwrap();
        assert!(inter.begins_picture && !inter.begins_key_frame);
        assert!(!Vp8Payload::parse(&[0x11, 0x00]).unwrap().begins_picture, "a later partition");
        assert!(!Vp8Payload::parse(&[0x00, 0x00]).unwrap().begins_picture, "not its start");
        let short = Vp8Payload::parse(&[0x90, 0x80, 0x11, 0x00]).unwrap();
        assert_eq!(short.picture_id, Some(PictureId { number: 0x11, long: false }));
        let full = Vp8Payload::parse(&[0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0x00]).unwrap();
        assert_eq!(full.picture_id, Some(PictureId { number: 0x1234, long: true }));
        assert_eq!((full.layer_index, full.data()), (Some(7), &[0][..]));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = [0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0x00];
        for end in 0..whole.len() {
            assert_eq!(Vp8Payload::parse(&whole[..end]), Err(Vp8Error::Truncated), "{end}");
        }
    }

    #[test]
    fn numbers_are_written_in_their_place() {
        let read = |bytes: &[u8], picture, layer| {
            let (out, length) = Vp8Payload::parse(bytes).unwrap().rewritten(picture, layer);
            out[..length].to_vec()
        };
        assert_eq!(
            read(&[0x90, 0xf0, 0x92, 0x34, 7, 0x20, 0], 0x7fff, 9),
            [0x90, 0xf0, 0xff, 0xff, 9, 0x20]
        );
        assert_eq!(read(&[0x90, 0xc0, 0x12, 7, 0], 0x1ff, 9), [0x90, 0xc0, 0x7f, 9]);
        assert_eq!(read(&[0x90, 0x40, 7, 0], 5, 9), [0x90, 0x40, 9]);
        assert_eq!(read(&[0x10, 0], 5, 9), [0x10]);
    }

    proptest! {
        #[test]
        fn rewriting_changes_only_the_numbers(bytes in prop::collection::vec(any::<u8>(), 0..16), picture: u16, layer: u8) {
            let Ok(read) = Vp8Payload::parse(&bytes) else { return Ok(()) };
            let (out, length) = read.rewritten(picture, layer);
            let again = [&out[..length], read.data()].concat();
            let again = Vp8Payload::parse(&again).unwrap();
            prop_assert_eq!(again.data(), read.data());
            prop_assert_eq!(again.begins_key_frame, read.begins_key_frame);
            if let (Some(old), Some(new)) = (read.picture_id, again.picture_id) {
                prop_assert_eq!(new.long, old.long);
                prop_assert_eq!(new.number, picture & if old.long { 0x7fff } else { 0x7f });
            }
        }
    }
}
