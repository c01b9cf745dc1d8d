//! Sequence parameter sets (ITU-T H.264 section 7.3.2.1), as far as a room asks: profile, level, size.

use super::{Level, Nalu, ProfileLevelId, nal_type};
use std::fmt;

/// The most macroblocks of a side: 16,384 samples, four times what a device sends.
const MAX_SIDE: u32 = 1_024;
/// Octets that are looked at; what stands behind is not needed.
const LOOKED_AT: usize = 256;

/// Why a parameter set is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpsError {
    /// It ends before its size.
    Truncated,
    /// Not a sequence parameter set.
    NotOne,
    /// The level is none of table A-1.
    Level(u8),
    /// A value is outside of what the standard allows; which one.
    Value(&'static str),
}

impl fmt::Display for SpsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpsError::Truncated => f.write_str("H.264 parameter set ends too early"),
            SpsError::NotOne => f.write_str("H.264 unit is no sequence parameter set"),
            SpsError::Level(level) => write!(f, "H.264 level_idc {level} is not defined"),
            SpsError::Value(name) => write!(f, "H.264 parameter set has an impossible {name}"),
        }
    }
}

impl std::error::Error for SpsError {}

/// What a sequence parameter set says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SequenceParameterSet {
    /// Its number, 0 to 31.
    pub id: u8,
    /// Profile and level.
    pub profile_level_id: ProfileLevelId,
    /// Samples across after cropping.
    pub width: u32,
    /// Samples down after cropping.
    pub height: u32,
    /// Macroblocks of a frame.
    pub macroblocks: u32,
    /// Frames that whoever decodes it keeps (`max_num_ref_frames`), 0 to 16.
    pub reference_frames: u32,
}

impl SequenceParameterSet {
    /// Reads a unit of type 7.
    ///
    /// # Errors
    /// [`SpsError`].
    pub fn parse(unit: Nalu<'_>) -> Result<Self, SpsError> {
        if unit.kind() != nal_type::SPS {
            return Err(SpsError::NotOne);
        }
        let octets = unit.bytes().get(1..).unwrap_or_default();
        let octets = octets.get(..LOOKED_AT).unwrap_or(octets);
        let id = *octets.first_chunk::<3>().ok_or(SpsError::Truncated)?;
        let profile_level_id = ProfileLevelId::from_octets(id).ok_or(SpsError::Level(id[2]))?;
        let mut bits = Bits::new(octets.get(3..).unwrap_or_default());
        parse_after_level(&mut bits, id[0], profile_level_id)
    }

    /// The level that its size alone needs, without knowing how many pictures a second.
    pub fn least_level(&self) -> Option<Level> {
        let levels = [10, 11, 20, 21, 22, 30, 31, 32, 40, 42, 50, 51, 60];
        levels
            .into_iter()
            .filter_map(|idc| Level::from_idc(idc, false))
            .find(|level| level.limits().macroblocks >= self.macroblocks)
    }
}

fn parse_after_level(
    bits: &mut Bits<'_>,
    profile_idc: u8,
    profile_level_id: ProfileLevelId,
) -> Result<SequenceParameterSet, SpsError> {
    let id = bits.code_up_to(31, "seq_parameter_set_id")? as u8;
    let mut chroma = 1;
    let mut separate_planes = false;
    if has_chroma_format(profile_idc) {
        chroma = bits.code_up_to(3, "chroma_format_idc")?;
        separate_planes = chroma == 3 && bits.flag()?;
        bits.code_up_to(6, "bit_depth_luma_minus8")?;
        bits.code_up_to(6, "bit_depth_chroma_minus8")?;
        bits.flag()?;
        if bits.flag()? {
            skip_scaling_lists(bits, if chroma == 3 { 12 } else { 8 })?;
        }
    }
    bits.code_up_to(12, "log2_max_frame_num_minus4")?;
    skip_order_count(bits)?;
    let reference_frames = bits.code_up_to(16, "max_num_ref_frames")?;
    bits.flag()?;
    let across = bits.code_up_to(MAX_SIDE - 1, "pic_width_in_mbs_minus1")? + 1;
    let units_down = bits.code_up_to(MAX_SIDE - 1, "pic_height_in_map_units_minus1")? + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.flag()?;
    }
    let down = units_down * if frames_only { 1 } else { 2 };
    bits.flag()?;
    let mut size = (across * 16, down * 16);
    if bits.flag()? {
        // Section 7.4.2.1.1: cropping is counted in chroma samples, and fields.
        let (unit_x, unit_y) = match chroma {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let unit_y = unit_y * if frames_only { 1 } else { 2 };
        size = cropped(bits, size, (unit_x, unit_y))?;
    }
    let macroblocks = across * down;
    let (width, height) = size;
    Ok(SequenceParameterSet { id, profile_level_id, width, height, macroblocks, reference_frames })
}

fn cropped(
    bits: &mut Bits<'_>,
    (width, height): (u32, u32),
    (unit_x, unit_y): (u32, u32),
) -> Result<(u32, u32), SpsError> {
    let most = MAX_SIDE * 32;
    let mut next = || bits.code_up_to(most, "frame_crop_offset");
    let (left, right, top, bottom) = (next()?, next()?, next()?, next()?);
    let less = |side: u32, cut: u32, unit: u32| {
        side.checked_sub(cut * unit).filter(|side| *side > 0).ok_or(SpsError::Value("frame_crop"))
    };
    Ok((less(width, left + right, unit_x)?, less(height, top + bottom, unit_y)?))
}

fn has_chroma_format(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Section 7.3.2.1.1.1.
fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Result<(), SpsError> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let size = if list < 6 { 16 } else { 64 };
        let (mut last, mut next) = (8, 8);
        for _ in 0..size {
            if next != 0 {
                let delta = bits.signed_code()?;
                if !(-128..=127).contains(&delta) {
                    return Err(SpsError::Value("delta_scale"));
                }
                next = (last + delta + 256) % 256;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

fn skip_order_count(bits: &mut Bits<'_>) -> Result<(), SpsError> {
    match bits.code_up_to(2, "pic_order_cnt_type")? {
        0 => {
            bits.code_up_to(12, "log2_max_pic_order_cnt_lsb_minus4")?;
        }
        1 => {
            bits.flag()?;
            bits.signed_code()?;
            bits.signed_code()?;
            for _ in 0..bits.code_up_to(255, "num_ref_frames_in_pic_order_cnt_cycle")? {
                bits.signed_code()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The bits of a unit, without the octets that keep start codes out of it (section 7.4.1.1).
pub(super) struct Bits<'a> {
    octets: std::slice::Iter<'a, u8>,
    zeros: u8,
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Bits { octets: octets.iter(), zeros: 0, current: 0, left: 0 }
    }

    pub(super) fn flag(&mut self) -> Result<bool, SpsError> {
        if self.left == 0 {
            self.current = self.next_octet().ok_or(SpsError::Truncated)?;
            self.left = 8;
        }
        self.left -= 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    fn next_octet(&mut self) -> Option<u8> {
        let mut octet = *self.octets.next()?;
        if self.zeros == 2 && octet == 3 {
            self.zeros = 0;
            octet = *self.octets.next()?;
        }
        self.zeros = if octet == 0 { (self.zeros + 1).min(2) } else { 0 };
        Some(octet)
    }

    /// An Exp-Golomb code (section 9.1), `ue(v)`.
    pub(super) fn code(&mut self) -> Result<u32, SpsError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(SpsError::Value("code"));
            }
        }
        let mut value: u32 = 1;
        for _ in 0..zeros {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value - 1)
    }

    fn code_up_to(&mut self, most: u32, name: &'static str) -> Result<u32, SpsError> {
        let value = self.code()?;
        if value > most { Err(SpsError::Value(name)) } else { Ok(value) }
    }

    /// `se(v)`.
    fn signed_code(&mut self) -> Result<i32, SpsError> {
        let code = self.code()?;
        let half = (code / 2) as i32;
        Ok(if code % 2 == 1 { half + 1 } else { -half })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<SequenceParameterSet, SpsError> {
        SequenceParameterSet::parse(Nalu::new(bytes).ok_or(SpsError::NotOne)?)
    }

    /// Of 1920x1080, which is 1088 lines with 8 cut, as x264 writes it in high profile.
    const FULL_HD: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];

    #[test]
    fn cropping_makes_1080_of_1088() {
        let set = parse(FULL_HD).unwrap();
        assert_eq!((set.width, set.height, set.macroblocks), (1_920, 1_080, 8_160));
        assert_eq!(set.reference_frames, 4);
        assert_eq!(set.profile_level_id.profile, Profile::High);
        assert_eq!(set.profile_level_id.level.to_string(), "4.0");
        assert_eq!(set.least_level(), Level::from_idc(40, false));
    }

    #[test]
    fn each_beginning_of_one_is_too_short_or_whole() {
        for end in 1..FULL_HD.len() {
            // What stands behind the size is of no concern.
            match parse(&FULL_HD[..end]) {
                Ok(set) => assert_eq!(set.height, 1_080, "{end}"),
                Err(fault) => assert_eq!(fault, SpsError::Truncated, "{end}"),
            }
        }
    }

    #[test]
    fn impossible_values_are_named() {
        assert_eq!(parse(&[0x68, 1, 2, 3]), Err(SpsError::NotOne));
        assert_eq!(parse(&[0x67, 66, 0, 99, 0xff]), Err(SpsError::Level(99)));
        // Number 32: 00000100001.
        let fault = parse(&[0x67, 66, 0, 30, 0b0000_0100, 0b0010_0000]);
        assert_eq!(fault, Err(SpsError::Value("seq_parameter_set_id")));
        // A code of 32 zeros.
        let fault = parse(&[0x67, 66, 0, 30, 0, 0, 0, 0, 0, 0]);
        assert_eq!(fault, Err(SpsError::Value("code")));
    }

    proptest! {
        #[test]
        fn any_octets_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [&[0x67][..], &bytes].concat();
            if let Ok(set) = parse(&bytes) {
                prop_assert!(set.width > 0 && set.width <= MAX_SIDE * 16);
                prop_assert!(set.height > 0 && set.height <= MAX_SIDE * 32);
            }
        }
    }
}
