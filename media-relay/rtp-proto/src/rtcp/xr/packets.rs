//! The blocks that speak of packets one by one, and their summary (RFC 3611 sections 4.1 to 4.3 and
//! 4.6).

use crate::wire::{u16_at, u32_at};

const RANGE_BYTES: usize = 8;
const SUMMARY_BYTES: usize = 36;
/// The bits of a run length chunk (section 4.1.1).
const RUN_LENGTH: u16 = 0x3fff;
const RUN_OF_ONES: u16 = 0x4000;
/// Set in a bit vector chunk (section 4.1.2).
const BIT_VECTOR: u16 = 0x8000;
const VECTOR_BITS: u32 = 15;

/// Of which packets of which source a block speaks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PacketRange {
    /// The source.
    pub ssrc: u32,
    /// The first sequence number.
    pub begin: u16,
    /// The one after the last.
    pub end: u16,
}

/// Run lengths and bit vectors over packets, of which one in 2^`thinning` is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunLengths<'a> {
    /// Of which packets it speaks.
    pub range: PacketRange,
    /// T, 0 to 15.
    pub thinning: u8,
    chunks: &'a [u8],
}

/// When packets came, of which one in 2^`thinning` is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptTimes<'a> {
    /// Of which packets it speaks.
    pub range: PacketRange,
    /// T, 0 to 15.
    pub thinning: u8,
    times: &'a [u8],
}

/// A summary over packets. What its flags do not announce is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatisticsSummary {
    /// Of which packets it speaks.
    pub range: PacketRange,
    /// Packets lost.
    pub lost: Option<u32>,
    /// Packets that came twice.
    pub duplicated: Option<u32>,
    /// Smallest, largest and mean jitter and its standard deviation, in timestamp units.
    pub jitter: Option<[u32; 4]>,
    /// The same of the time to live of IPv4, or the hop limit of IPv6.
    pub time_to_live: Option<[u8; 4]>,
}

impl PacketRange {
    fn parse(content: &[u8]) -> Option<(Self, &[u8])> {
        let (range, rest) = content.split_at_checked(RANGE_BYTES)?;
        let (ssrc, begin, end) = (u32_at(range, 0)?, u16_at(range, 4)?, u16_at(range, 6)?);
        Some((PacketRange { ssrc, begin, end }, rest))
    }

    /// How many packets it spans.
    pub const fn packets(&self) -> u16 {
        self.end.wrapping_sub(self.begin)
    }
}

impl<'a> RunLengths<'a> {
    pub(super) fn parse(specific: u8, content: &'a [u8]) -> Option<Self> {
        let (range, chunks) = PacketRange::parse(content)?;
        Some(RunLengths { range, thinning: specific & 0x0f, chunks })
    }

    /// How many ones and zeros the chunks tell, as far as the range goes.
    pub fn ones_and_zeros(&self) -> (u32, u32) {
        let mut left = u32::from(self.range.packets()) >> self.thinning;
        let mut sum = (0, 0);
        for bytes in self.chunks.chunks_exact(2) {
            // Zero is the end (section 4.1.3).
            let Some(chunk) = u16_at(bytes, 0).filter(|chunk| *chunk != 0 && left > 0) else {
                break;
            };
            let (ones, zeros) = if chunk & BIT_VECTOR != 0 {
                let told = left.min(VECTOR_BITS);
                let ones = (u32::from(chunk & !BIT_VECTOR) >> (VECTOR_BITS - told)).count_ones();
                (ones, told - ones)
            } else {
                let told = left.min(u32::from(chunk & RUN_LENGTH));
                if chunk & RUN_OF_ONES != 0 { (told, 0) } else { (0, told) }
            };
            sum = (sum.0 + ones, sum.1 + zeros);
            left -= ones + zeros;
        }
        sum
    }
}

impl<'a> ReceiptTimes<'a> {
    pub(super) fn parse(specific: u8, content: &'a [u8]) -> Option<Self> {
        let (range, times) = PacketRange::parse(content)?;
        Some(ReceiptTimes { range, thinning: specific & 0x0f, times })
    }

    /// The times in the units of the source's timestamps.
    pub fn times(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.times.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}

impl StatisticsSummary {
    pub(super) fn parse(flags: u8, content: &[u8]) -> Option<Self> {
        if content.len() != SUMMARY_BYTES {
            return None;
        }
        let (range, rest) = PacketRange::parse(content)?;
        let word = |at: usize| u32_at(rest, at);
        let has = |flag: u8| flags & flag != 0;
        let jitter = [word(8)?, word(12)?, word(16)?, word(20)?];
        let time_to_live = word(24)?.to_be_bytes();
        // L, D, J, and two bits for IPv4 or IPv6.
        Some(StatisticsSummary {
            range,
            lost: word(0).filter(|_| has(0x80)),
            duplicated: word(4).filter(|_| has(0x40)),
            jitter: has(0x20).then_some(jitter),
            time_to_live: has(0x18).then_some(time_to_live),
        })
    }
}

#[cfg(test)]
mod tests;
