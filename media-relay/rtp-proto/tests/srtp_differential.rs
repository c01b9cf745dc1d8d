//! SRTP beside another implementation (webrtc-rs): each must read what the other writes, octet for
//! octet. It has no AES-256 in counter mode; RFC 6188's vectors stand for that.

use model::{SrtpKey, SrtpSuite};
use rtp_proto::RtpHeader;
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const SUITES: [(SrtpSuite, ProtectionProfile); 4] = [
    (SrtpSuite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (SrtpSuite::AesCm128HmacSha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (SrtpSuite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (SrtpSuite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

#[expect(clippy::unwrap_used, reason = "the lengths are those of the suite")]
fn ends(suite: SrtpSuite, profile: ProtectionProfile) -> (SrtpKey, Context) {
    let material: Vec<u8> =
        (0..(suite.key_len() + suite.salt_len()) as u8).map(|n| n.wrapping_mul(73)).collect();
    let (key, salt) = material.split_at(suite.key_len());
    let peer = Context::new(key, salt, profile, None, None).unwrap();
    (SrtpKey::new(suite, &material).unwrap(), peer)
}

fn rtp(ssrc: u32, sequence: u16, payload: usize) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type: 8, marker: sequence == 7, sequence, timestamp, ssrc };
    let mut packet = header.to_bytes().to_vec();
    packet.extend((0..payload).map(|n| (n * 7) as u8));
    packet
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + LONGEST_GROWTH, 0);
    buffer
}

#[test]
fn rtp_agrees_through_a_wrap_for_every_length() {
    for (suite, profile) in SUITES {
        let (key, mut theirs) = ends(suite, profile);
        let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
        for number in 0..600_u32 {
            let plain = rtp(number % 2 + 40, (65_400 + number / 2) as u16, number as usize);
            let mut ours = with_room(&plain);
            let len = sender.protect_rtp(&mut ours, plain.len()).unwrap();
            let reference = theirs.encrypt_rtp(&plain).unwrap();
            assert_eq!(ours[..len], reference, "{suite} packet {number}");
            let len = receiver.unprotect_rtp(&mut ours[..len]).unwrap();
            assert_eq!(ours[..len], plain, "{suite} packet {number}");
        }
    }
}

#[test]
fn rtcp_is_read_by_the_other_in_both_directions() {
    for (suite, profile) in SUITES {
        let (key, mut theirs) = ends(suite, profile);
        let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
        for number in 0..100_u8 {
            let plain = [&[0x80, 201, 0, 1, 0, 0, 0, 9][..], &[0x81, 203, 0, 1, 0, 0, 1, number]];
            let plain = plain.concat();
            let mut ours = with_room(&plain);
            let len = sender.protect_rtcp(&mut ours, plain.len()).unwrap();
            assert_eq!(theirs.decrypt_rtcp(&ours[..len]).unwrap(), plain, "{suite} {number}");
            let mut reference = theirs.encrypt_rtcp(&plain).unwrap().to_vec();
            let len = receiver.unprotect_rtcp(&mut reference).unwrap();
            assert_eq!(reference[..len], plain, "{suite} {number}");
        }
    }
}
