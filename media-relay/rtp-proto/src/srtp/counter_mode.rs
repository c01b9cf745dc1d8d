//! AES in counter mode with HMAC-SHA1 (RFC 3711 section 4, RFC 6188).

use super::SrtpError;
use super::hmac::HmacSha1;
use super::key_derivation::{self, Label};
use super::transform::{Packet, RTCP_HEADER, put, rtcp_word, split_word};
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::{SrtpKey, SrtpSuite};
use zeroize::Zeroize;

/// Octets of the tag of every SRTCP packet, also with the suites of 32 bits (RFC 4568 section
/// 6.2.2).
pub(super) const RTCP_TAG: usize = 10;
const SALT: usize = 14;
const BLOCK: usize = 16;
/// Blocks of keystream made at once: the cipher works on eight in parallel, and ten are a packet of
/// G.711.
const BLOCKS: usize = 16;

/// The session keys of one master key.
pub(super) struct CounterMode<C> {
    rtp: C,
    rtp_salt: [u8; SALT],
    rtp_hmac: HmacSha1,
    /// Octets of the tag of an RTP packet.
    pub(super) rtp_tag: usize,
    /// Expanded for each packet: RTCP is rare, and an expanded key is large.
    rtcp_key: Vec<u8>,
    rtcp_salt: [u8; SALT],
    rtcp_hmac: HmacSha1,
}

impl<C> Drop for CounterMode<C> {
    fn drop(&mut self) {
        self.rtp_salt.zeroize();
        self.rtcp_key.zeroize();
        self.rtcp_salt.zeroize();
    }
}

impl<C: Aes> CounterMode<C> {
    pub(super) fn new(master: &SrtpKey) -> Self {
        let mut key = vec![0; master.suite().key_len()];
        let mut hmac_key = [0; HmacSha1::KEY];
        let mut salts = [[0; SALT]; 2];
        key_derivation::derive(master, Label::RtpSalt, &mut salts[0]);
        key_derivation::derive(master, Label::RtcpSalt, &mut salts[1]);
        key_derivation::derive(master, Label::RtpAuthentication, &mut hmac_key);
        let rtp_hmac = HmacSha1::new(&hmac_key);
        key_derivation::derive(master, Label::RtcpAuthentication, &mut hmac_key);
        let rtcp_hmac = HmacSha1::new(&hmac_key);
        hmac_key.zeroize();
        key_derivation::derive(master, Label::RtpEncryption, &mut key);
        let rtp = C::new(GenericArray::from_slice(&key));
        key_derivation::derive(master, Label::RtcpEncryption, &mut key);
        let rtp_tag = match master.suite() {
            SrtpSuite::AesCm128HmacSha1_32 | SrtpSuite::AesCm256HmacSha1_32 => 4,
            _ => 10,
        };
        let [rtp_salt, rtcp_salt] = salts;
        CounterMode { rtp, rtp_salt, rtp_hmac, rtp_tag, rtcp_key: key, rtcp_salt, rtcp_hmac }
    }

    pub(super) fn open_rtp(
        &self,
        packet: &Packet,
        front: &mut [u8],
        tag: &[u8],
    ) -> Result<usize, SrtpError> {
        verify(&self.rtp_hmac.tag(front, &packet.roll_over_counter()), tag)?;
        let payload = front.get_mut(packet.header..).ok_or(SrtpError::Malformed)?;
        apply_keystream(&self.rtp, iv(&self.rtp_salt, packet), payload);
        Ok(front.len())
    }

    pub(super) fn seal_rtp(&self, packet: &Packet, buffer: &mut [u8], mki: &[u8]) -> Option<usize> {
        let payload = buffer.get_mut(packet.header..packet.len)?;
        apply_keystream(&self.rtp, iv(&self.rtp_salt, packet), payload);
        let tag = self.rtp_hmac.tag(buffer.get(..packet.len)?, &packet.roll_over_counter());
        let end = put(buffer, packet.len, mki)?;
        put(buffer, end, tag.get(..self.rtp_tag)?)
    }

    /// `front` ends with the index.
    pub(super) fn open_rtcp(
        &self,
        packet: &Packet,
        front: &mut [u8],
        tag: &[u8],
    ) -> Result<usize, SrtpError> {
        verify(&self.rtcp_hmac.tag(front, &[]), tag)?;
        let (compound, encrypted, _) = split_word(front).ok_or(SrtpError::Malformed)?;
        if encrypted {
            let payload = compound.get_mut(RTCP_HEADER..).ok_or(SrtpError::Malformed)?;
            let cipher = C::new(GenericArray::from_slice(&self.rtcp_key));
            apply_keystream(&cipher, iv(&self.rtcp_salt, packet), payload);
        }
        Ok(compound.len())
    }

    pub(super) fn seal_rtcp(
        &self,
        packet: &Packet,
        buffer: &mut [u8],
        mki: &[u8],
    ) -> Option<usize> {
        let payload = buffer.get_mut(RTCP_HEADER..packet.len)?;
        let cipher = C::new(GenericArray::from_slice(&self.rtcp_key));
        apply_keystream(&cipher, iv(&self.rtcp_salt, packet), payload);
        let end = put(buffer, packet.len, &rtcp_word(packet.index))?;
        let tag = self.rtcp_hmac.tag(buffer.get(..end)?, &[]);
        let end = put(buffer, end, mki)?;
        put(buffer, end, tag.get(..RTCP_TAG)?)
    }
}

/// AES with a key of one length.
pub(super) trait Aes: BlockEncrypt<BlockSize = aes::cipher::consts::U16> + KeyInit {}

impl Aes for aes::Aes128Enc {}
impl Aes for aes::Aes256Enc {}

/// The initial counter (RFC 3711 section 4.1.1): salt, SSRC and index, exclusive or; 16 bits remain
/// for the blocks of one packet.
fn iv(salt: &[u8; SALT], packet: &Packet) -> [u8; BLOCK] {
    let mut iv = [0; BLOCK];
    iv[4..8].copy_from_slice(&packet.ssrc.to_be_bytes());
    iv[6..14].iter_mut().zip(packet.index.to_be_bytes()).for_each(|(iv, octet)| *iv ^= octet);
    iv.iter_mut().zip(salt).for_each(|(iv, salt)| *iv ^= salt);
    iv
}

/// Exclusive or of `data` with the keystream that begins at `iv`.
pub(super) fn apply_keystream<C: Aes>(cipher: &C, iv: [u8; BLOCK], data: &mut [u8]) {
    let mut counter = u128::from_be_bytes(iv);
    for part in data.chunks_mut(BLOCK * BLOCKS) {
        let mut keystream = [GenericArray::default(); BLOCKS];
        let blocks = &mut keystream[..part.len().div_ceil(BLOCK)];
        for block in blocks.iter_mut() {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(blocks);
        for (data, key) in part.chunks_mut(BLOCK).zip(blocks.iter()) {
            data.iter_mut().zip(key).for_each(|(data, key)| *data ^= key);
        }
    }
}

fn verify(expected: &[u8; HmacSha1::OUTPUT], tag: &[u8]) -> Result<(), SrtpError> {
    let expected = expected.get(..tag.len()).ok_or(SrtpError::Malformed)?;
    verify_slices_are_equal(expected, tag).map_err(|_| SrtpError::Authentication)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::octets;

    #[test]
    fn keystream_is_that_of_rfc_3711_b_2() {
        let key = octets("2b7e151628aed2a6abf7158809cf4f3c");
        let iv = octets("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
        let mut data = vec![0; 0xff02 * BLOCK];
        let cipher = aes::Aes128Enc::new_from_slice(&key).unwrap();
        apply_keystream(&cipher, iv.try_into().unwrap(), &mut data);
        let expected = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab\
                        41e95b3bb0a2e8dd477901e4fca894c0";
        assert_eq!(data[..48], octets(expected));
        let expected = "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae\
                        6a2cc3787889374fbeb4c81b17ba6c44";
        assert_eq!(data[0xfeff * BLOCK..0xff02 * BLOCK], octets(expected));
    }

    #[test]
    fn keystream_is_that_of_rfc_6188_7_1() {
        let key = octets("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98");
        let iv = octets("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
        let mut data = vec![0; 3 * BLOCK];
        let cipher = aes::Aes256Enc::new_from_slice(&key).unwrap();
        apply_keystream(&cipher, iv.try_into().unwrap(), &mut data);
        let expected = "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac\
                        63c4868b7096d88421b563b8c94c9a31";
        assert_eq!(data, octets(expected));
    }
}
