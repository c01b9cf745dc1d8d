//! HMAC-SHA1 (RFC 2104) from two precomputed states: three or four compressions for a voice packet
//! and no copy of a buffered hash, which the general construction makes.

use sha1::block_api::compress;
use zeroize::Zeroize;

const BLOCK: usize = 64;
const LENGTH_FIELD: usize = 8;
/// Octets of a suffix of [`HmacSha1::tag`] at most.
const LONGEST_SUFFIX: usize = 4;
/// FIPS 180-4 section 5.3.1.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A key, as the states after its inner and its outer block.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl HmacSha1 {
    pub(super) const KEY: usize = 20;
    pub(super) const OUTPUT: usize = 20;

    pub(super) fn new(key: &[u8; Self::KEY]) -> Self {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
            let mut state = INITIAL;
            compress(&mut state, &[block]);
            state
        };
        HmacSha1 { inner: state(0x36), outer: state(0x5c) }
    }

    /// The tag of `message` followed by `suffix`, which has at most [`LONGEST_SUFFIX`] octets.
    pub(super) fn tag(&self, message: &[u8], suffix: &[u8]) -> [u8; Self::OUTPUT] {
        let suffix = suffix.get(..LONGEST_SUFFIX).unwrap_or(suffix);
        let mut state = self.inner;
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        compress(&mut state, blocks);
        let mut tail = [[0; BLOCK]; 2];
        let octets = tail.as_flattened_mut();
        let used = rest.len() + suffix.len();
        octets[..rest.len()].copy_from_slice(rest);
        octets[rest.len()..used].copy_from_slice(suffix);
        octets[used] = 0x80;
        let count = (used + 1 + LENGTH_FIELD).div_ceil(BLOCK);
        let bits = 8 * (BLOCK + message.len() + suffix.len()) as u64;
        octets[count * BLOCK - LENGTH_FIELD..count * BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress(&mut state, &tail[..count]);
        finish(self.outer, &octets_of(state))
    }
}

fn finish(mut state: [u32; 5], inner: &[u8; HmacSha1::OUTPUT]) -> [u8; HmacSha1::OUTPUT] {
    let mut block = [0; BLOCK];
    block[..inner.len()].copy_from_slice(inner);
    block[inner.len()] = 0x80;
    let bits = 8 * (BLOCK + inner.len()) as u64;
    block[BLOCK - LENGTH_FIELD..].copy_from_slice(&bits.to_be_bytes());
    compress(&mut state, &[block]);
    octets_of(state)
}

fn octets_of(state: [u32; 5]) -> [u8; HmacSha1::OUTPUT] {
    let mut out = [0; HmacSha1::OUTPUT];
    for (octets, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *octets = word.to_be_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn tags_are_those_of_rfc_2202() {
        // Test cases 1, 3 and 4 have keys of 20, 20 and 25 octets; 1 and 3 fit.
        let tag = HmacSha1::new(&[0x0b; 20]).tag(b"Hi There", b"");
        assert_eq!(hex(&tag), "b617318655057264e28bc0b6fb378c8ef146be00");
        let tag = HmacSha1::new(&[0xaa; 20]).tag(&[0xdd; 50], b"");
        assert_eq!(hex(&tag), "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
    }

    #[test]
    fn every_length_agrees_with_another_implementation_however_it_is_split() {
        use aws_lc_rs::hmac;
        let key = [7; HmacSha1::KEY];
        let reference = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        let octets: Vec<u8> = (0..400_u32).map(|n| n as u8).collect();
        for length in 0..octets.len() {
            let expected = hmac::sign(&reference, &octets[..length]);
            for suffix in 0..=LONGEST_SUFFIX.min(length) {
                let (message, suffix) = octets[..length].split_at(length - suffix);
                assert_eq!(HmacSha1::new(&key).tag(message, suffix), expected.as_ref());
            }
        }
    }
}
