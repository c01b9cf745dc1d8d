//! EBML (RFC 8794): elements written, and their heads read.

/// Element IDs, RFC 8794 section 11.2 and RFC 9559 section 5, with their length marker.
pub(crate) mod id {
    pub(crate) const EBML: u32 = 0x1A45_DFA3;
    pub(crate) const EBML_VERSION: u32 = 0x4286;
    pub(crate) const EBML_READ_VERSION: u32 = 0x42F7;
    pub(crate) const EBML_MAX_ID_LENGTH: u32 = 0x42F2;
    pub(crate) const EBML_MAX_SIZE_LENGTH: u32 = 0x42F3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const DOC_TYPE_VERSION: u32 = 0x4287;
    pub(crate) const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114D_9B74;
    pub(crate) const INFO: u32 = 0x1549_A966;
    pub(crate) const SEGMENT_UID: u32 = 0x73A4;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(crate) const MUXING_APP: u32 = 0x4D80;
    pub(crate) const WRITING_APP: u32 = 0x5741;
    pub(crate) const DATE_UTC: u32 = 0x4461;
    pub(crate) const TITLE: u32 = 0x7BA9;
    pub(crate) const VOID: u32 = 0xEC;
    pub(crate) const CODEC_DELAY: u32 = 0x56AA;
    pub(crate) const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub(crate) const TRACKS: u32 = 0x1654_AE6B;
    pub(crate) const TRACK_ENTRY: u32 = 0xAE;
    pub(crate) const TRACK_NUMBER: u32 = 0xD7;
    pub(crate) const TRACK_UID: u32 = 0x73C5;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const FLAG_LACING: u32 = 0x9C;
    pub(crate) const NAME: u32 = 0x536E;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(crate) const AUDIO: u32 = 0xE1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(crate) const CHANNELS: u32 = 0x9F;
    pub(crate) const BIT_DEPTH: u32 = 0x6264;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(crate) const TAGS: u32 = 0x1254_C367;
    pub(crate) const TAG: u32 = 0x7373;
    pub(crate) const SIMPLE_TAG: u32 = 0x67C8;
    pub(crate) const TAG_NAME: u32 = 0x45A3;
    pub(crate) const TAG_STRING: u32 = 0x4487;
    pub(crate) const CLUSTER: u32 = 0x1F43_B675;
    pub(crate) const TIMESTAMP: u32 = 0xE7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(crate) const BLOCK_GROUP: u32 = 0xA0;
    pub(crate) const BLOCK: u32 = 0xA1;
    pub(crate) const CUES: u32 = 0x1C53_BB6B;
    pub(crate) const CHAPTERS: u32 = 0x1043_A770;
    pub(crate) const ATTACHMENTS: u32 = 0x1941_A469;
}

/// A data size of eight octets, all ones: unknown (RFC 8794, section 6.2).
pub(crate) const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// An ID is written as it is, without leading zeros: its length marker is in it.
pub(crate) fn put_id(out: &mut Vec<u8>, id: u32) {
    out.extend(id.to_be_bytes().iter().skip_while(|octet| **octet == 0));
}

/// A size in as few octets as it needs; one of all ones would mean "unknown".
pub(crate) fn put_size(out: &mut Vec<u8>, size: u64) {
    let bits = u64::BITS - size.saturating_add(1).leading_zeros();
    let length = bits.div_ceil(7).clamp(1, 8);
    let marked = size | 1 << (7 * length);
    out.extend(marked.to_be_bytes().iter().skip(8 - length as usize));
}

pub(crate) fn put(out: &mut Vec<u8>, id: u32, payload: &[u8]) {
    put_id(out, id);
    put_size(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// An unsigned number in as few octets as it needs, at least one.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, id: u32, value: u64) {
    let octets = value.to_be_bytes();
    let zeros = octets.iter().take(7).take_while(|octet| **octet == 0).count();
    put(out, id, octets.get(zeros..).unwrap_or_default());
}

pub(crate) fn put_master(out: &mut Vec<u8>, id: u32, children: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    children(&mut payload);
    put(out, id, &payload);
}

/// What stands before an element's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ElementHead {
    pub(crate) id: u32,
    /// Octets of the payload; `None` for unknown.
    pub(crate) size: Option<u64>,
    /// Octets of ID and size.
    pub(crate) octets: usize,
}

/// Why octets are no element's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoHead {
    /// More octets are needed to tell.
    Short,
    /// An ID longer than four octets, or a size longer than eight.
    Invalid,
}

/// Reads the head of an element (RFC 8794, sections 5 and 6).
pub(crate) fn element_head(octets: &[u8]) -> Result<ElementHead, NoHead> {
    let (id, id_octets) = variable(octets, 4)?;
    let rest = octets.get(id_octets..).unwrap_or_default();
    let (size, size_octets) = variable(rest, 8)?;
    let marker = 1_u64 << (7 * size_octets);
    let value = size & (marker - 1);
    Ok(ElementHead {
        id: u32::try_from(id).map_err(|_| NoHead::Invalid)?,
        size: (value != marker - 1).then_some(value),
        octets: id_octets + size_octets,
    })
}

/// A variable-size integer with its marker, and its length in octets (RFC 8794, section 4).
pub(crate) fn variable(octets: &[u8], most: usize) -> Result<(u64, usize), NoHead> {
    let first = *octets.first().ok_or(NoHead::Short)?;
    let length = first.leading_zeros() as usize + 1;
    if length > most {
        return Err(NoHead::Invalid);
    }
    let all = octets.get(..length).ok_or(NoHead::Short)?;
    Ok((all.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)), length))
}

/// An unsigned number of up to eight octets; none is 0 (RFC 8794, section 7.2).
pub(crate) fn unsigned(payload: &[u8]) -> Option<u64> {
    let value = || payload.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
    (payload.len() <= 8).then(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_short_as_can_be_and_never_unknown() {
        // RFC 8794, section 6.2: 127 in one octet would be "unknown".
        let cases: [(u64, &[u8]); 7] = [
            (0, &[0x80]),
            (1, &[0x81]),
            (126, &[0xFE]),
            (127, &[0x40, 0x7F]),
            (128, &[0x40, 0x80]),
            (16_382, &[0x7F, 0xFE]),
            (16_383, &[0x20, 0x3F, 0xFF]),
        ];
        for (size, octets) in cases {
            let mut out = vec![0xEC];
            put_size(&mut out, size);
            assert_eq!(out.get(1..), Some(octets), "{size}");
            let head = element_head(&out).unwrap();
            assert_eq!((head.id, head.size, head.octets), (0xEC, Some(size), out.len()));
        }
    }

    #[test]
    fn heads_that_are_cut_or_too_long_are_told_apart() {
        assert_eq!(element_head(&[]), Err(NoHead::Short));
        assert_eq!(element_head(&[0x1A, 0x45, 0xDF]), Err(NoHead::Short));
        assert_eq!(element_head(&[0xEC]), Err(NoHead::Short));
        assert_eq!(element_head(&[0xEC, 0x40]), Err(NoHead::Short));
        assert_eq!(element_head(&[0x08, 0, 0, 0, 0, 0x80]), Err(NoHead::Invalid));
        assert_eq!(element_head(&[0xEC, 0x00]), Err(NoHead::Invalid));
        assert_eq!(element_head(&[0xEC, 0xFF]).unwrap().size, None);
        assert_eq!(element_head(&[0xEC, 0x7F, 0xFF]).unwrap().size, None);
    }

    #[test]
    fn numbers_have_an_octet_at_least() {
        for (value, octets) in [(0, vec![0xD7, 0x81, 0]), (256, vec![0xD7, 0x82, 1, 0])] {
            let mut out = Vec::new();
            put_unsigned(&mut out, id::TRACK_NUMBER, value);
            assert_eq!(out, octets);
            assert_eq!(unsigned(out.get(2..).unwrap()), Some(value));
        }
        assert_eq!(unsigned(&[]), Some(0));
        assert_eq!(unsigned(&[0; 9]), None);
    }
}
