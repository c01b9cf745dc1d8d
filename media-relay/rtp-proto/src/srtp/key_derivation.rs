//! Session keys from a master key (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11).

use super::counter_mode::{Aes, apply_keystream};
use aes::cipher::generic_array::GenericArray;
use aes::{Aes128Enc, Aes256Enc};
use model::SrtpKey;
use zeroize::Zeroize;

const BLOCK: usize = 16;
/// Where the label stands in salt and counter: above the 48 bits of the index, which is 0 with a
/// key derivation rate of 0.
const LABEL_AT: usize = 7;

/// What a derived key is for (RFC 3711 section 4.3.1).
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the key for `label`.
pub(super) fn derive(master: &SrtpKey, label: Label, out: &mut [u8]) {
    // A salt of 96 bits is padded with zeroes on the right (RFC 7714 section 11).
    let mut iv = [0; BLOCK];
    iv.iter_mut().zip(master.master_salt()).for_each(|(iv, salt)| *iv = *salt);
    iv[LABEL_AT] ^= label as u8;
    out.fill(0);
    match master.suite().key_len() {
        16 => expand::<Aes128Enc>(master, iv, out),
        _ => expand::<Aes256Enc>(master, iv, out),
    }
    iv.zeroize();
}

fn expand<C: Aes>(master: &SrtpKey, iv: [u8; BLOCK], out: &mut [u8]) {
    apply_keystream(&C::new(GenericArray::from_slice(master.master_key())), iv, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::octets;
    use model::SrtpSuite;

    fn derived(suite: SrtpSuite, master: &str, label: Label, length: usize) -> Vec<u8> {
        let mut out = vec![0xff; length];
        derive(&SrtpKey::new(suite, &octets(master)).unwrap(), label, &mut out);
        out
    }

    #[test]
    fn keys_are_those_of_rfc_3711_b_3() {
        let master = "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6";
        let suite = SrtpSuite::AesCm128HmacSha1_80;
        for (label, expected) in [
            (Label::RtpEncryption, "c61e7a93744f39ee10734afe3ff7a087"),
            (Label::RtpSalt, "30cbbc08863d8c85d49db34a9ae1"),
            (
                Label::RtpAuthentication,
                "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce\
                 e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25\
                 6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2",
            ),
        ] {
            assert_eq!(derived(suite, master, label, expected.len() / 2), octets(expected));
        }
    }

    #[test]
    fn keys_are_those_of_rfc_6188_7_2() {
        let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6\
                      3b04803de51ee7c96423ab5b78d2";
        let suite = SrtpSuite::AesCm256HmacSha1_80;
        for (label, expected) in [
            (
                Label::RtpEncryption,
                "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            ),
            (Label::RtpSalt, "fa31791685ca444a9e07c6c64e93"),
            (Label::RtpAuthentication, "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"),
        ] {
            assert_eq!(derived(suite, master, label, expected.len() / 2), octets(expected));
        }
    }
}
