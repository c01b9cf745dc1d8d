//! ITU-T G.711: µ-law and A-law octets to and from 16-bit linear samples.
//!
//! The linear values are G.711's decoder output values (tables 1 and 2), scaled from 14 bits
//! (µ-law) and 13 bits (A-law) to 16. Each encoder picks the octet whose decision interval holds
//! the sample.

const MU_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = mu_law_value(octet as u8);
        octet += 1;
    }
    table
};

const A_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = a_law_value(octet as u8);
        octet += 1;
    }
    table
};

/// The octet of silence in µ-law: positive zero.
pub const MU_LAW_SILENCE: u8 = 0xff;
/// The octet nearest to silence in A-law: the smallest positive value.
pub const A_LAW_SILENCE: u8 = 0xd5;

/// A µ-law octet as a linear sample, -32,124 to 32,124.
#[inline]
pub const fn decode_mu_law(octet: u8) -> i16 {
    MU_LAW[octet as usize]
}

/// An A-law octet as a linear sample, -32,256 to 32,256.
#[inline]
pub const fn decode_a_law(octet: u8) -> i16 {
    A_LAW[octet as usize]
}

/// A linear sample as a µ-law octet. Samples beyond the range clip.
pub const fn encode_mu_law(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let biased = if magnitude > MU_LAW_CLIP { MU_LAW_CLIP } else { magnitude } + MU_LAW_BIAS;
    // The bias puts the leading one of segment 0 at bit 7, of segment 7 at bit 14.
    let segment = 24 - biased.leading_zeros();
    let step = (biased >> (segment + 3)) & 0x0f;
    !(sign | ((segment as u8) << 4) | step as u8)
}

/// A linear sample as an A-law octet.
pub const fn encode_a_law(sample: i16) -> u8 {
    // One's complement folds the negative half onto the positive without an overflow.
    let (sign, magnitude) = if sample < 0 { (0, !sample as u16) } else { (0x80, sample as u16) };
    let steps = magnitude >> 4;
    let coded = if steps < 32 {
        // Segments 0 and 1 have the same step.
        steps
    } else {
        let segment = 12 - steps.leading_zeros() as u16;
        (segment << 4) | ((steps >> (segment - 1)) & 0x0f)
    };
    (sign | coded as u8) ^ EVEN_BITS
}

const MU_LAW_BIAS: i32 = 132;
const MU_LAW_CLIP: i32 = 32_635;
/// G.711 section 3.2: every second bit of an A-law octet is inverted on the line.
const EVEN_BITS: u8 = 0x55;

const fn mu_law_value(octet: u8) -> i16 {
    let plain = !octet;
    let step = (plain & 0x0f) as i16;
    let segment = (plain >> 4) & 7;
    let magnitude = (((step << 3) + MU_LAW_BIAS as i16) << segment) - MU_LAW_BIAS as i16;
    if plain & 0x80 != 0 { -magnitude } else { magnitude }
}

const fn a_law_value(octet: u8) -> i16 {
    let plain = octet ^ EVEN_BITS;
    let step = ((plain & 0x0f) as i16) << 4;
    let segment = (plain >> 4) & 7;
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if plain & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoder_values_of_g711_table_2a_mu_law() {
        // The first value of each segment in 14 bits, four times that in 16 bits.
        assert_eq!(decode_mu_law(0x80), 8_031 * 4);
        assert_eq!(decode_mu_law(0x00), -8_031 * 4);
        assert_eq!(decode_mu_law(0x8f), 4_191 * 4);
        assert_eq!(decode_mu_law(0x9f), 2_079 * 4);
        assert_eq!(decode_mu_law(0xaf), 1_023 * 4);
        assert_eq!(decode_mu_law(0xbf), 495 * 4);
        assert_eq!(decode_mu_law(0xcf), 231 * 4);
        assert_eq!(decode_mu_law(0xdf), 99 * 4);
        assert_eq!(decode_mu_law(0xef), 33 * 4);
        assert_eq!(decode_mu_law(0xfe), 2 * 4);
        assert_eq!(decode_mu_law(0xff), 0);
        assert_eq!(decode_mu_law(0x7f), 0);
    }

    #[test]
    fn decoder_values_of_g711_table_1a_a_law() {
        // Table 1a in 13 bits (4032, 2112, 1056, 528, 264, 132, 66, 1), eight times that here;
        // octets with the even bits inverted.
        for (plain, value) in [
            (0xff, 4_032),
            (0xf0, 2_112),
            (0xe0, 1_056),
            (0xd0, 528),
            (0xc0, 264),
            (0xb0, 132),
            (0xa0, 66),
            (0x80, 1),
        ] {
            assert_eq!(decode_a_law(plain ^ 0x55), value * 8, "{plain:#x}");
            assert_eq!(decode_a_law(plain ^ 0x55 ^ 0x80), -value * 8, "-{plain:#x}");
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for octet in 0..=255u8 {
            assert_eq!(encode_a_law(decode_a_law(octet)), octet);
            // µ-law has two zeros; the negative one comes back positive.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(encode_mu_law(decode_mu_law(octet)), expected);
        }
    }

    #[test]
    fn every_sample_falls_into_its_decision_interval() {
        // An interval reaches half a step to both sides of its decoder value. The first value of
        // a segment lies half of the larger step above the border, as G.711's tables have it.
        for sample in -MU_LAW_CLIP..=MU_LAW_CLIP {
            let octet = encode_mu_law(sample as i16);
            let half_step = 4 << ((!octet >> 4) & 7);
            let distance = (i32::from(decode_mu_law(octet)) - sample).abs();
            assert!(distance <= half_step, "mu-law {sample}: {distance} of {half_step}");
        }
        for sample in i32::from(i16::MIN)..=i32::from(i16::MAX) {
            let octet = encode_a_law(sample as i16);
            let segment = ((octet ^ EVEN_BITS) >> 4) & 7;
            let half_step = 8 << segment.saturating_sub(1);
            let distance = (i32::from(decode_a_law(octet)) - sample).abs();
            assert!(distance <= half_step, "A-law {sample}: {distance} of {half_step}");
        }
    }

    #[test]
    fn samples_beyond_the_range_of_mu_law_clip() {
        assert_eq!(encode_mu_law(i16::MAX), 0x80);
        assert_eq!(encode_mu_law(i16::MIN), 0x00);
    }

    #[test]
    fn silence_is_the_smallest_positive_value() {
        assert_eq!(encode_mu_law(0), MU_LAW_SILENCE);
        assert_eq!(encode_a_law(0), A_LAW_SILENCE);
    }
}
