//! RTP payloads of H.264 (RFC 6184 section 5), read in place.

use super::nal_type;
use super::sps::Bits;
use std::fmt;

const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const MTAP16: u8 = 26;
const MTAP24: u8 = 27;
const FU_A: u8 = 28;
const FU_B: u8 = 29;
const TYPE_MASK: u8 = 0x1f;
/// Forbidden zero bit and the importance of a unit: what a fragment's indicator has of its unit.
const IMPORTANCE_MASK: u8 = 0xe0;
const FORBIDDEN_BIT: u8 = 0x80;
const START_BIT: u8 = 0x80;
const END_BIT: u8 = 0x40;
/// Octets in which the longest first code of a slice ends, those included that keep start codes out.
const FIRST_CODE: usize = 12;

/// Why a payload is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PayloadError {
    /// No octets, or fewer than its kind needs.
    Truncated,
    /// The forbidden zero bit is set: whoever sent it says that it is damaged.
    Damaged,
    /// STAP-B, MTAP or FU-B: only the interleaved mode has them, which is never agreed here.
    Interleaved,
    /// A type that RFC 6184 leaves undefined, or one inside another that may not stand there.
    Undefined(u8),
    /// A unit of an aggregation packet is empty, or longer than the packet.
    Aggregation,
    /// A fragment with both a start and an end (RFC 6184 section 5.8 forbids it).
    WholeFragment,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayloadError::Truncated => f.write_str("H.264 payload ends inside its header"),
            PayloadError::Damaged => f.write_str("H.264 unit is marked as damaged"),
            PayloadError::Interleaved => {
                f.write_str("H.264 payload of the interleaved mode, which is not offered")
            }
            PayloadError::Undefined(kind) => write!(f, "H.264 payload of undefined type {kind}"),
            PayloadError::Aggregation => {
                f.write_str("H.264 aggregation packet has a unit that does not fit in it")
            }
            PayloadError::WholeFragment => {
                f.write_str("H.264 fragment is both the first and the last of its unit")
            }
        }
    }
}

impl std::error::Error for PayloadError {}

/// One NAL unit with its header octet; never empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nalu<'a>(&'a [u8]);

impl<'a> Nalu<'a> {
    /// A unit; `None` for no octets, a damaged one, or a type above 23, which only packets have.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let header = *bytes.first()?;
        let kind = header & TYPE_MASK;
        (header & FORBIDDEN_BIT == 0 && (1..STAP_A).contains(&kind)).then_some(Nalu(bytes))
    }

    /// Its type: see [`nal_type`].
    pub fn kind(self) -> u8 {
        self.header() & TYPE_MASK
    }

    /// The header octet.
    pub fn header(self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Header and what follows it.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether a picture begins with this slice: its first macroblock is number 0
    /// (`first_mb_in_slice`, H.264 section 7.3.3, is the first Exp-Golomb code: one bit for 0).
    pub fn begins_picture(self) -> bool {
        matches!(self.kind(), nal_type::SLICE | nal_type::IDR_SLICE)
            && self.0.get(1).is_some_and(|first| first & 0x80 != 0)
    }

    /// The number of the first macroblock of a slice (`first_mb_in_slice`, H.264 section 7.3.3); `None` of a unit
    /// that is no slice, or ends before it.
    pub fn first_macroblock(self) -> Option<u32> {
        let is_slice = matches!(self.kind(), nal_type::SLICE | nal_type::IDR_SLICE);
        let octets = self.0.get(1..).filter(|_| is_slice)?;
        Bits::new(octets.get(..FIRST_CODE).unwrap_or(octets)).code().ok()
    }
}

/// A fragment of a unit (FU-A, RFC 6184 section 5.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    /// The header octet of the unit that it is a part of.
    pub header: u8,
    /// The first of its unit.
    pub start: bool,
    /// The last of its unit.
    pub end: bool,
    /// Octets of the unit, without its header.
    pub data: &'a [u8],
}

impl Fragment<'_> {
    /// The two octets in front of a fragment of the unit with this header.
    pub const fn head(header: u8, start: bool, end: bool) -> [u8; 2] {
        let start = if start { START_BIT } else { 0 };
        let end = if end { END_BIT } else { 0 };
        [header & IMPORTANCE_MASK | FU_A, start | end | header & TYPE_MASK]
    }

    /// The type of the unit that it is a part of.
    pub const fn kind(&self) -> u8 {
        self.header & TYPE_MASK
    }
}

/// The units of an aggregation packet whose lengths have been checked.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Nalu<'a>;
    fn next(&mut self) -> Option<Nalu<'a>> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Nalu::new(unit)
    }
}

/// A payload of the modes 0 and 1.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// A single NAL unit (section 5.6).
    Single(Nalu<'a>),
    /// STAP-A: several units of one time (section 5.7.1).
    Aggregated(NalUnits<'a>),
    /// FU-A (section 5.8).
    Fragment(Fragment<'a>),
}

impl<'a> Payload<'a> {
    /// Reads a payload. Every unit of an aggregation packet has been looked at when it succeeds.
    ///
    /// # Errors
    /// [`PayloadError`]: the payload is to be dropped and counted.
    pub fn parse(payload: &'a [u8]) -> Result<Self, PayloadError> {
        let header = *payload.first().ok_or(PayloadError::Truncated)?;
        if header & FORBIDDEN_BIT != 0 {
            return Err(PayloadError::Damaged);
        }
        match header & TYPE_MASK {
            STAP_A => aggregated(payload.get(1..).unwrap_or_default()),
            FU_A => fragment(payload),
            STAP_B | MTAP16 | MTAP24 | FU_B => Err(PayloadError::Interleaved),
            kind => Nalu::new(payload).map(Payload::Single).ok_or(PayloadError::Undefined(kind)),
        }
    }

    /// What it has, for whoever decides about it.
    pub fn summary(&self) -> PayloadSummary {
        let mut summary = PayloadSummary::default();
        match self {
            Payload::Single(unit) => summary.add(*unit),
            Payload::Aggregated(units) => {
                units.clone().for_each(|unit| summary.add(unit));
            }
            Payload::Fragment(fragment) => {
                let kind = fragment.kind();
                let first = fragment.data.first().is_some_and(|first| first & 0x80 != 0);
                summary.idr = kind == nal_type::IDR_SLICE;
                summary.idr_begins = summary.idr && fragment.start && first;
                summary.sps = kind == nal_type::SPS;
                summary.pps = kind == nal_type::PPS;
            }
        }
        summary
    }
}

fn aggregated(units: &[u8]) -> Result<Payload<'_>, PayloadError> {
    let mut rest = units;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(PayloadError::Aggregation)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (unit, after) = after.split_at_checked(length).ok_or(PayloadError::Aggregation)?;
        let header = *unit.first().ok_or(PayloadError::Aggregation)?;
        if header & FORBIDDEN_BIT != 0 {
            return Err(PayloadError::Damaged);
        }
        Nalu::new(unit).ok_or(PayloadError::Undefined(header & TYPE_MASK))?;
        rest = after;
    }
    if units.is_empty() {
        return Err(PayloadError::Truncated);
    }
    Ok(Payload::Aggregated(NalUnits { rest: units }))
}

fn fragment(payload: &[u8]) -> Result<Payload<'_>, PayloadError> {
    let ([indicator, head], data) = payload.split_first_chunk().ok_or(PayloadError::Truncated)?;
    let (start, end) = (head & START_BIT != 0, head & END_BIT != 0);
    let kind = head & TYPE_MASK;
    if !(1..STAP_A).contains(&kind) {
        return Err(PayloadError::Undefined(kind));
    }
    if data.is_empty() {
        return Err(PayloadError::Truncated);
    }
    if start && end {
        return Err(PayloadError::WholeFragment);
    }
    let header = indicator & IMPORTANCE_MASK | kind;
    Ok(Payload::Fragment(Fragment { header, start, end, data }))
}

/// What a payload has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PayloadSummary {
    /// A slice of an IDR picture, or a part of one.
    pub idr: bool,
    /// The beginning of an IDR picture's first slice.
    pub idr_begins: bool,
    /// A sequence parameter set, or a part of one.
    pub sps: bool,
    /// A picture parameter set, or a part of one.
    pub pps: bool,
}

impl PayloadSummary {
    fn add(&mut self, unit: Nalu<'_>) {
        self.idr |= unit.kind() == nal_type::IDR_SLICE;
        self.idr_begins |= unit.kind() == nal_type::IDR_SLICE && unit.begins_picture();
        self.sps |= unit.kind() == nal_type::SPS;
        self.pps |= unit.kind() == nal_type::PPS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_unit_is_itself() {
        let payload = Payload::parse(&[0x65, 0x88, 1]).unwrap();
        let summary = payload.summary();
        let Payload::Single(unit) = payload else { panic!("{payload:?}") };
        assert_eq!((unit.kind(), unit.bytes()), (5, &[0x65, 0x88, 1][..]));
        assert!(summary.idr && summary.idr_begins && !summary.sps);
        assert!(!Payload::parse(&[0x65, 0x48]).unwrap().summary().idr_begins, "a later slice");
    }

    #[test]
    fn a_slice_says_where_it_begins() {
        let first = |bytes: &[u8]| Nalu::new(bytes).unwrap().first_macroblock();
        assert_eq!(first(&[0x65, 0x88, 1]), Some(0));
        assert_eq!(first(&[0x41, 0b0100_0000]), Some(1));
        assert_eq!(first(&[0x41, 0b0111_1111]), Some(2));
        // 8,159: twelve zeros, and 8,160 in thirteen bits.
        assert_eq!(first(&[0x65, 0, 0b0000_1111, 0b1111_0000, 0]), Some(8_159));
        // With an octet that keeps a start code out: 17 zeros, and 2^17.
        assert_eq!(first(&[0x65, 0, 0, 3, 0b0100_0000, 0, 0]), Some((1 << 17) - 1));
        for none in
            [&[0x65][..], &[0x65, 0], &[0x65, 0, 0, 0, 0, 0, 0], &[0x67, 0x80], &[0x68, 0x80]]
        {
            assert_eq!(first(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_aggregation_packet_gives_its_units() {
        let bytes = [0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 0x80];
        let payload = Payload::parse(&bytes).unwrap();
        let summary = payload.summary();
        assert!(summary.sps && summary.pps && summary.idr_begins);
        let Payload::Aggregated(units) = payload else { panic!("{payload:?}") };
        assert_eq!(units.map(Nalu::kind).collect::<Vec<_>>(), [7, 8, 5]);
    }

    #[test]
    fn a_fragment_knows_the_header_of_its_unit() {
        for (start, end) in [(true, false), (false, false), (false, true)] {
            let [indicator, head] = Fragment::head(0x65, start, end);
            let bytes = [indicator, head, 0x88];
            let Ok(Payload::Fragment(read)) = Payload::parse(&bytes) else { panic!("{bytes:?}") };
            assert_eq!(read, Fragment { header: 0x65, start, end, data: &[0x88] });
        }
        assert_eq!(Fragment::head(0x65, true, false), [0x7c, 0x85]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fault = |bytes: &[u8]| Payload::parse(bytes).unwrap_err();
        assert_eq!(fault(&[]), PayloadError::Truncated);
        assert_eq!(fault(&[0xe5, 1]), PayloadError::Damaged);
        assert_eq!(fault(&[0x60]), PayloadError::Undefined(0));
        assert_eq!(fault(&[0x7e, 1, 2]), PayloadError::Undefined(30));
        for kind in [25, 26, 27, 29] {
            assert_eq!(fault(&[0x60 | kind, 0, 0, 0]), PayloadError::Interleaved);
        }
        assert_eq!(fault(&[0x78]), PayloadError::Truncated);
        assert_eq!(fault(&[0x78, 0]), PayloadError::Aggregation);
        assert_eq!(fault(&[0x78, 0, 0]), PayloadError::Aggregation);
        assert_eq!(fault(&[0x78, 0, 2, 0x67]), PayloadError::Aggregation);
        assert_eq!(fault(&[0x78, 0, 1, 0x67, 9]), PayloadError::Aggregation);
        assert_eq!(fault(&[0x78, 0, 1, 0x7c]), PayloadError::Undefined(28));
        assert_eq!(fault(&[0x78, 0, 1, 0xe7]), PayloadError::Damaged);
        assert_eq!(fault(&[0x7c]), PayloadError::Truncated);
        assert_eq!(fault(&[0x7c, 0x85]), PayloadError::Truncated);
        assert_eq!(fault(&[0x7c, 0xc5, 1]), PayloadError::WholeFragment);
        assert_eq!(fault(&[0x7c, 0x9c, 1]), PayloadError::Undefined(28));
    }

    proptest! {
        #[test]
        fn any_octets_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Payload::Aggregated(units)) = Payload::parse(&bytes) {
                let octets: usize = units.map(|unit| unit.bytes().len() + 2).sum();
                prop_assert_eq!(octets + 1, bytes.len());
            }
        }
    }
}
