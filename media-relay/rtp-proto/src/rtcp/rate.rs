//! Feedback that asks a sender for less: temporary maximum bit rates (TMMBR and TMMBN, RFC 5104 section
//! 4.2) and the receiver's estimate (REMB, draft-alvestrand-rmcat-remb-03).

use super::feedback::{Feedback, FeedbackKind, write_feedback};
use super::{packet_type, write_packet};
use crate::wire::u32_at;

const REQUEST: u8 = 3;
const NOTIFICATION: u8 = 4;
const APPLICATION_LAYER: u8 = 15;
const ENTRY_BYTES: usize = 8;
const REMB_HEAD: usize = 8;
const OVERHEAD_MASK: u32 = 0x1ff;

/// One entry of a TMMBR or a TMMBN (RFC 5104 section 4.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MaxBitRate {
    /// In a request the source that is limited, in a notification who owns the limit.
    pub ssrc: u32,
    /// The limit, headers of the network included.
    pub bits_per_second: u64,
    /// Octets of headers that the receiver counts for each packet, 0 to 511.
    pub overhead: u16,
}

/// The entries of a TMMBR or a TMMBN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxBitRates<'a> {
    entries: &'a [u8],
    /// A TMMBN: an answer.
    pub notification: bool,
}

/// A receiver's estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remb<'a> {
    /// What all its sources may send together.
    pub bits_per_second: u64,
    sources: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// The limits of a TMMBR or TMMBN; `None` for another message, and where entries are cut off.
    pub fn max_bit_rates(&self) -> Option<MaxBitRates<'a>> {
        let ours = self.kind == FeedbackKind::Transport
            && matches!(self.format, REQUEST | NOTIFICATION)
            && self.control.len().is_multiple_of(ENTRY_BYTES);
        let notification = self.format == NOTIFICATION;
        ours.then_some(MaxBitRates { entries: self.control, notification })
    }

    /// The estimate of a REMB; `None` for another message, and where its sources are cut off.
    pub fn remb(&self) -> Option<Remb<'a>> {
        if self.kind != FeedbackKind::PayloadSpecific || self.format != APPLICATION_LAYER {
            return None;
        }
        let rest = self.control.strip_prefix(b"REMB")?;
        let word = u32_at(rest, 0)?;
        let sources = rest.get(4..)?;
        let count = (word >> 24) as usize;
        let sources = sources.get(..count * 4)?;
        Some(Remb { bits_per_second: rate(word >> 18 & 0x3f, word & 0x3_ffff), sources })
    }
}

impl<'a> MaxBitRates<'a> {
    /// The entries in wire order.
    pub fn iter(&self) -> impl Iterator<Item = MaxBitRate> + use<'a> {
        self.entries.chunks_exact(ENTRY_BYTES).filter_map(|entry| {
            let word = u32_at(entry, 4)?;
            Some(MaxBitRate {
                ssrc: u32_at(entry, 0)?,
                bits_per_second: rate(word >> 26, word >> 9 & 0x1_ffff),
                overhead: (word & OVERHEAD_MASK) as u16,
            })
        })
    }
}

impl<'a> Remb<'a> {
    /// The sources that it is about, at most 255.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|source| u32_at(source, 0))
    }
}

fn rate(exponent: u32, mantissa: u32) -> u64 {
    let most = u64::from(mantissa).leading_zeros();
    if exponent >= most { u64::MAX } else { u64::from(mantissa) << exponent }
}

/// An exponent and a mantissa of so many bits: the largest rate that is not above `rate`.
fn split(rate: u64, bits: u32) -> (u32, u32) {
    let exponent = (64 - rate.leading_zeros()).saturating_sub(bits);
    (exponent, (rate >> exponent) as u32)
}

/// Appends a TMMBR, or with `notification` a TMMBN.
pub fn write_max_bit_rates(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    notification: bool,
    limits: &[MaxBitRate],
) {
    let format = if notification { NOTIFICATION } else { REQUEST };
    write_packet(out, packet_type::TRANSPORT_FEEDBACK, format, |out| {
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        // The sources stand in the entries alone (section 4.2.1.2).
        out.extend_from_slice(&[0; 4]);
        for limit in limits {
            let (exponent, mantissa) = split(limit.bits_per_second, 17);
            let overhead = u32::from(limit.overhead) & OVERHEAD_MASK;
            out.extend_from_slice(&limit.ssrc.to_be_bytes());
            out.extend_from_slice(&(exponent << 26 | mantissa << 9 | overhead).to_be_bytes());
        }
    });
}

/// Appends a REMB for one source.
pub fn write_remb(out: &mut Vec<u8>, sender_ssrc: u32, source: u32, bits_per_second: u64) {
    let (exponent, mantissa) = split(bits_per_second, 18);
    let word = 1 << 24 | exponent << 18 | mantissa;
    let mut control = [0; REMB_HEAD + 4];
    control[..4].copy_from_slice(b"REMB");
    control[4..8].copy_from_slice(&word.to_be_bytes());
    control[8..].copy_from_slice(&source.to_be_bytes());
    let kind = FeedbackKind::PayloadSpecific;
    let format = APPLICATION_LAYER;
    let message = Feedback { kind, format, sender_ssrc, media_ssrc: 0, control: &control };
    write_feedback(out, &message);
}

#[cfg(test)]
mod tests {
    use super::super::{RtcpPacket, parse_compound};
    use super::*;
    use proptest::prelude::*;

    fn feedback(bytes: &[u8]) -> Feedback<'_> {
        match parse_compound(bytes).next() {
            Some(Ok(RtcpPacket::Feedback(feedback))) => feedback,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_of_a_browser_is_read() {
        // 1,000,000 bit/s as Chromium writes it: 250,000 shifted by 2.
        let bytes = [
            0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x0b, 0xd0, 0x90,
            0, 0, 0, 9,
        ];
        let remb = feedback(&bytes).remb().unwrap();
        assert_eq!(remb.bits_per_second, 1_000_000);
        assert_eq!(remb.sources().collect::<Vec<_>>(), [9]);
        assert!(feedback(&bytes).max_bit_rates().is_none());
    }

    #[test]
    fn lies_about_lengths_are_no_message() {
        let mut bytes = Vec::new();
        write_remb(&mut bytes, 1, 2, 3);
        bytes[16] = 2;
        assert!(feedback(&bytes).remb().is_none());
        let cut = [0x83, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        assert!(feedback(&cut).max_bit_rates().is_none());
        let huge = [0x83, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 255, 255, 255, 255];
        let limits = feedback(&huge).max_bit_rates().unwrap();
        assert_eq!(limits.iter().next().unwrap().bits_per_second, u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_never_more(wanted in 0u64..1 << 40, overhead in 0u16..512) {
            let mut bytes = Vec::new();
            write_remb(&mut bytes, 1, 2, wanted);
            let read = feedback(&bytes).remb().unwrap().bits_per_second;
            prop_assert!(read <= wanted && read + (wanted >> 17) >= wanted);
            let mut bytes = Vec::new();
            let limit = MaxBitRate { ssrc: 2, bits_per_second: wanted, overhead };
            write_max_bit_rates(&mut bytes, 1, true, &[limit]);
            let limits = feedback(&bytes).max_bit_rates().unwrap();
            let read = limits.iter().next().unwrap();
            prop_assert!(limits.notification && read.overhead == overhead && read.ssrc == 2);
            let read = read.bits_per_second;
            prop_assert!(read <= wanted && read + (wanted >> 16) >= wanted);
        }
    }
}
