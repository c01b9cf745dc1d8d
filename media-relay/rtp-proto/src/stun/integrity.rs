//! MESSAGE-INTEGRITY (RFC 8489 section 14.5) and FINGERPRINT (section 14.7).

use super::{FINGERPRINT_MASK, INTEGRITY};
use aws_lc_rs::{constant_time, hmac};

/// The code over `parts`, one after the other.
pub(super) fn code(password: &[u8], parts: [&[u8]; 3]) -> [u8; INTEGRITY] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut code = [0; INTEGRITY];
    // HMAC-SHA1 is 20 bytes long.
    code.copy_from_slice(context.sign().as_ref());
    code
}

/// Compares without telling by its time where the difference is.
pub(super) fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(ours, theirs).is_ok()
}

/// The value of FINGERPRINT for a message up to that attribute.
pub(super) fn fingerprint(parts: [&[u8]; 3]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.into_iter().flatten() {
        crc = table(crc as u8 ^ byte) ^ (crc >> 8);
    }
    !crc ^ FINGERPRINT_MASK
}

/// One step of CRC-32 (ITU-T V.42), bit by bit: a STUN message is short and rare.
const fn table(byte: u8) -> u32 {
    let mut crc = byte as u32;
    let mut bit = 0;
    while bit < 8 {
        crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        bit += 1;
    }
    crc
}
