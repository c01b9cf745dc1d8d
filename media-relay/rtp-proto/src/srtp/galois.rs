//! AES-GCM (RFC 7714).

use super::SrtpError;
use super::key_derivation::{self, Label};
use super::transform::{Packet, RTCP_HEADER, WORD, put, rtcp_word, split_word};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use model::SrtpKey;
use zeroize::Zeroize;

/// Octets of every tag.
pub(super) const TAG: usize = 16;
const SALT: usize = 12;

/// The session keys of one master key.
pub(super) struct Galois {
    rtp: LessSafeKey,
    rtcp: LessSafeKey,
    salts: Salts,
}

struct Salts {
    rtp: [u8; SALT],
    rtcp: [u8; SALT],
}

impl Drop for Salts {
    fn drop(&mut self) {
        self.rtp.zeroize();
        self.rtcp.zeroize();
    }
}

impl Galois {
    pub(super) fn new(master: &SrtpKey) -> Self {
        let mut salts = Salts { rtp: [0; SALT], rtcp: [0; SALT] };
        key_derivation::derive(master, Label::RtpSalt, &mut salts.rtp);
        key_derivation::derive(master, Label::RtcpSalt, &mut salts.rtcp);
        let mut key = vec![0; master.suite().key_len()];
        key_derivation::derive(master, Label::RtpEncryption, &mut key);
        let rtp = cipher(&key);
        key_derivation::derive(master, Label::RtcpEncryption, &mut key);
        let rtcp = cipher(&key);
        key.zeroize();
        Galois { rtp, rtcp, salts }
    }

    /// From session keys, as the vectors of RFC 7714 give them.
    #[cfg(test)]
    pub(super) fn from_session_keys(key: &[u8], salt: [u8; SALT]) -> Self {
        let salts = Salts { rtp: salt, rtcp: salt };
        Galois { rtp: cipher(key), rtcp: cipher(key), salts }
    }

    pub(super) fn open_rtp(&self, packet: &Packet, front: &mut [u8]) -> Result<usize, SrtpError> {
        let nonce = nonce(&self.salts.rtp, packet);
        let (header, sealed) =
            front.split_at_mut_checked(packet.header).ok_or(SrtpError::Malformed)?;
        let opened = self
            .rtp
            .open_in_place(nonce, Aad::from(&*header), sealed)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(packet.header + opened.len())
    }

    pub(super) fn seal_rtp(&self, packet: &Packet, buffer: &mut [u8], mki: &[u8]) -> Option<usize> {
        let (header, payload) = buffer.get_mut(..packet.len)?.split_at_mut(packet.header);
        let nonce = nonce(&self.salts.rtp, packet);
        let tag = self.rtp.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).ok()?;
        let end = put(buffer, packet.len, tag.as_ref())?;
        put(buffer, end, mki)
    }

    /// `front` ends with the index (RFC 7714 section 9: behind the tag).
    pub(super) fn open_rtcp(&self, packet: &Packet, front: &mut [u8]) -> Result<usize, SrtpError> {
        let nonce = nonce(&self.salts.rtcp, packet);
        let failed = |_| SrtpError::Authentication;
        let (sealed, encrypted, word) = split_word(front).ok_or(SrtpError::Malformed)?;
        if encrypted {
            let (header, sealed) =
                sealed.split_at_mut_checked(RTCP_HEADER).ok_or(SrtpError::Malformed)?;
            let aad = associated_data(header, word).ok_or(SrtpError::Malformed)?;
            let opened = self.rtcp.open_in_place(nonce, Aad::from(aad), sealed).map_err(failed)?;
            return Ok(RTCP_HEADER + opened.len());
        }
        // Section 9.3: nothing is encrypted, all is authenticated. The word moves to where the
        // associated data ends.
        let len = sealed.len().checked_sub(TAG).ok_or(SrtpError::Malformed)?;
        let (_, tag) = sealed.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let mut tag: [u8; TAG] = (&*tag).try_into().map_err(|_| SrtpError::Malformed)?;
        let end = put(front, len, &word).ok_or(SrtpError::Malformed)?;
        let aad = front.get(..end).ok_or(SrtpError::Malformed)?;
        self.rtcp.open_in_place(nonce, Aad::from(aad), &mut tag).map_err(failed)?;
        Ok(len)
    }

    pub(super) fn seal_rtcp(
        &self,
        packet: &Packet,
        buffer: &mut [u8],
        mki: &[u8],
    ) -> Option<usize> {
        let nonce = nonce(&self.salts.rtcp, packet);
        let word = rtcp_word(packet.index);
        let (header, payload) = buffer.get_mut(..packet.len)?.split_at_mut_checked(RTCP_HEADER)?;
        let aad = associated_data(header, word)?;
        let tag = self.rtcp.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
        let end = put(buffer, packet.len, tag.as_ref())?;
        let end = put(buffer, end, &word)?;
        put(buffer, end, mki)
    }
}

fn cipher(key: &[u8]) -> LessSafeKey {
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    #[expect(clippy::expect_used, reason = "a derived key has the length of its suite")]
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("16 or 32 octets"))
}

/// Sections 8.1 and 9.1: salt, exclusive or with SSRC and index.
fn nonce(salt: &[u8; SALT], packet: &Packet) -> Nonce {
    let mut nonce = [0; SALT];
    nonce[2..6].copy_from_slice(&packet.ssrc.to_be_bytes());
    nonce[4..].iter_mut().zip(packet.index.to_be_bytes()).for_each(|(iv, octet)| *iv ^= octet);
    nonce.iter_mut().zip(salt).for_each(|(iv, salt)| *iv ^= salt);
    Nonce::assume_unique_for_key(nonce)
}

/// Section 9.2: the header and the index with its E bit.
fn associated_data(header: &[u8], word: [u8; WORD]) -> Option<[u8; RTCP_HEADER + WORD]> {
    let mut aad = [0; RTCP_HEADER + WORD];
    let end = put(&mut aad, 0, header)?;
    put(&mut aad, end, &word)?;
    Some(aad)
}
