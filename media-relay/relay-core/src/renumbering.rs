//! Payload types that two legs number differently.
//!
//! A leg is sent each format under the number that it gave it (RFC 3264 section 5.1). As long as
//! offers and answers pass from leg to leg, both use the same numbers; legs that came together from
//! different calls, or that were described separately, may not.

use model::{Codec, CodecMapping, LegPlan};

/// What one leg's payload types are to the other, for a direction in which any differs.
#[derive(Clone, Debug)]
pub(crate) struct Renumbering {
    to: [u8; 128],
}

impl Renumbering {
    /// For packets of `from` to `to`; `None` when every number passes as it is.
    ///
    /// A number is kept when the other leg knows it as the same format, and when that leg has no
    /// number for the format at all. Of several numbers that leg's first one counts.
    pub(crate) fn between(from: &LegPlan, to: &LegPlan) -> Option<Self> {
        let mut numbers = std::array::from_fn(|number| number as u8);
        let mut differs = false;
        // Of two mappings for one payload type the first counts.
        for mapping in from.codecs.iter().rev() {
            let Some(entry) = numbers.get_mut(usize::from(mapping.payload_type)) else { continue };
            *entry = number_at(mapping, to);
        }
        for (number, translated) in numbers.iter().enumerate() {
            differs |= number != usize::from(*translated);
        }
        differs.then_some(Renumbering { to: numbers })
    }

    /// Rewrites the payload type of the RTP packet at the beginning of `buffer`; the marker stays.
    #[inline]
    pub(crate) fn rewrite(&self, buffer: &mut [u8]) {
        if let Some(octet) = buffer.get_mut(1) {
            *octet = (*octet & MARKER) | self.to[usize::from(*octet & !MARKER)];
        }
    }
}

const MARKER: u8 = 0x80;

fn number_at(mapping: &CodecMapping, to: &LegPlan) -> u8 {
    let own = mapping.payload_type;
    if !is_told_by_name(mapping.codec) {
        return own;
    }
    let is_same = |other: &&CodecMapping| {
        other.codec == mapping.codec && other.clock_rate == mapping.clock_rate
    };
    // What the leg knows the number as: of two mappings the first.
    let known = to.codecs.iter().find(|other| other.payload_type == own);
    if known.is_some_and(|known| is_same(&known)) {
        return own;
    }
    let number = to.codecs.iter().find(is_same).map(|other| other.payload_type);
    number.filter(|number| *number < MARKER).unwrap_or(own)
}

/// Whether name and clock rate say all that a receiver must know. Payloads of the others depend on
/// parameters or channels that the plan does not carry: packets of one form must not go out under
/// the number of the other.
const fn is_told_by_name(codec: Codec) -> bool {
    match codec {
        Codec::Pcmu
        | Codec::Pcma
        | Codec::G722
        | Codec::G729
        | Codec::Opus
        | Codec::Gsm
        | Codec::ComfortNoise
        | Codec::TelephoneEvent => true,
        Codec::Ilbc | Codec::Amr | Codec::AmrWb | Codec::L16 | Codec::Other => false,
        // Profiles, packetisation modes, the format that is repaired.
        Codec::H261
        | Codec::H263
        | Codec::H264
        | Codec::H265
        | Codec::Vp8
        | Codec::Vp9
        | Codec::Av1
        | Codec::H224
        | Codec::T140
        | Codec::Repair => false,
    }
}

#[cfg(test)]
mod tests;
