use super::galois::Galois;
use super::transform::{Packet, RTCP_HEADER};
use super::*;
use crate::{RtpHeader, RtpPacket};
use model::{SrtpKey, SrtpSuite};
use proptest::prelude::*;

pub(super) fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn key(suite: SrtpSuite, mki: &[u8]) -> SrtpKey {
    let material: Vec<u8> = (1..=(suite.key_len() + suite.salt_len()) as u8).collect();
    SrtpKey::new(suite, &material).unwrap().with_mki(mki).unwrap()
}

fn pair(suite: SrtpSuite, mki: &[u8]) -> (SrtpSender, SrtpReceiver) {
    let key = key(suite, mki);
    (SrtpSender::new(&key), SrtpReceiver::new(&key))
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 9, ssrc };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, 0xd5);
    packet
}

/// A receiver report of `ssrc` about nobody.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 203, 0, 1]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + LONGEST_GROWTH, 0xee);
    let len = sender.protect_rtp(&mut buffer, packet.len())?;
    buffer.truncate(len);
    Ok(buffer)
}

fn protect_rtcp(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + LONGEST_GROWTH, 0xee);
    let len = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn unprotect(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

fn unprotect_rtcp(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let len = receiver.unprotect_rtcp(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

#[test]
fn packets_are_those_of_rfc_7714_16_and_17() {
    let salt = *b"Quid pro quo";
    let plain = octets(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e2070\
         61727465732074726573",
    );
    let rtcp = octets(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeef\
         deadbeefdeadbeefdeadbeef",
    );
    for (key_len, srtp, srtcp) in [
        (
            16,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a\
             51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
             4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            32,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a02\
             76ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be\
             8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let key: Vec<u8> = (0..key_len).collect();
        let keys = Galois::from_session_keys(&key, salt);
        let facts = Packet { ssrc: 0x5501_a0b2, index: 0xf17b, header: 12, len: plain.len() };
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + LONGEST_GROWTH, 0);
        let len = keys.seal_rtp(&facts, &mut buffer, &[]).unwrap();
        assert_eq!(buffer[..len], octets(srtp));
        assert_eq!(keys.open_rtp(&facts, &mut buffer[..len]), Ok(plain.len()));
        assert_eq!(buffer[..plain.len()], plain);

        let len = rtcp.len();
        let facts = Packet { ssrc: 0x4d61_7273, index: 0x5d4, header: RTCP_HEADER, len };
        let mut buffer = rtcp.clone();
        buffer.resize(rtcp.len() + LONGEST_GROWTH, 0);
        let len = keys.seal_rtcp(&facts, &mut buffer, &[]).unwrap();
        assert_eq!(buffer[..len], octets(srtcp));
        assert_eq!(keys.open_rtcp(&facts, &mut buffer[..len]), Ok(rtcp.len()));
        assert_eq!(buffer[..rtcp.len()], rtcp);
    }
    // 17.3: authenticated, not encrypted.
    let keys = Galois::from_session_keys(&(0..16).collect::<Vec<u8>>(), salt);
    let facts = Packet { ssrc: 0x4d61_7273, index: 0x5d4, header: RTCP_HEADER, len: 0 };
    let mut buffer = [rtcp.clone(), octets("841dd9683dd78ec92ae58790125f62b3000005d4")].concat();
    assert_eq!(keys.open_rtcp(&facts, &mut buffer.clone()), Ok(rtcp.len()));
    buffer[10] ^= 1;
    assert_eq!(keys.open_rtcp(&facts, &mut buffer), Err(SrtpError::Authentication));
}

#[test]
fn every_suite_grows_a_packet_by_what_its_rfc_says_and_gives_it_back() {
    for (suite, tag, rtcp_growth) in [
        (SrtpSuite::AesCm128HmacSha1_80, 10, 14),
        (SrtpSuite::AesCm128HmacSha1_32, 4, 14),
        (SrtpSuite::AesCm256HmacSha1_80, 10, 14),
        (SrtpSuite::AesCm256HmacSha1_32, 4, 14),
        (SrtpSuite::AeadAes128Gcm, 16, 20),
        (SrtpSuite::AeadAes256Gcm, 16, 20),
    ] {
        for mki in [&[][..], &[1], &[0; 4], &[9; 16]] {
            let (mut sender, mut receiver) = pair(suite, mki);
            let (plain, report) = (rtp(7, 1), rtcp(7));
            let packet = protect(&mut sender, &plain).unwrap();
            assert_eq!(packet.len(), plain.len() + tag + mki.len());
            assert_eq!(packet[..12], plain[..12], "the header stays in the clear");
            assert_ne!(packet[12..172], plain[12..]);
            assert_eq!(unprotect(&mut receiver, &packet), Ok(plain));
            let packet = protect_rtcp(&mut sender, &report);
            assert_eq!(packet.len(), report.len() + rtcp_growth + mki.len());
            assert_eq!(unprotect_rtcp(&mut receiver, &packet), Ok(report));
        }
    }
}

#[test]
fn the_identifier_stands_before_the_tag_or_behind_it_and_must_be_ours() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, b"name");
        let packet = protect(&mut sender, &rtp(7, 1)).unwrap();
        let is_gcm = matches!(suite, SrtpSuite::AeadAes128Gcm | SrtpSuite::AeadAes256Gcm);
        let at = if is_gcm { packet.len() - 4 } else { 172 };
        assert_eq!(&packet[at..at + 4], b"name");
        let mut other = packet.clone();
        other[at] ^= 1;
        assert_eq!(unprotect(&mut receiver, &other), Err(SrtpError::UnknownMki));
        assert!(unprotect(&mut receiver, &packet).is_ok());
    }
}

#[test]
fn a_header_with_everything_stays_in_the_clear_and_padding_is_encrypted() {
    // Two contributing sources, an extension of one word, padding of two.
    let mut plain = rtp(7, 1);
    plain[0] = 0xb2;
    plain[12..28].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 9, 0, 0]);
    plain[171] = 2;
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[]);
        let packet = protect(&mut sender, &plain).unwrap();
        assert_eq!(packet[..28], plain[..28]);
        let opened = unprotect(&mut receiver, &packet).unwrap();
        assert_eq!(opened, plain);
        assert_eq!(RtpPacket::parse(&opened).unwrap().payload().len(), 172 - 28 - 2);
    }
}

#[test]
fn roll_over_counters_follow_each_source_through_wraps_losses_and_reordering() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[]);
        let mut late = None;
        for index in (65_000..200_000_u32).step_by(13) {
            let plain = rtp(7, index as u16);
            let packet = protect(&mut sender, &plain).unwrap();
            let other = protect(&mut sender, &rtp(8, (index + 30_000) as u16)).unwrap();
            // One in eight is lost, one in eight comes one late.
            match index % 8 {
                0 => continue,
                1 => late = Some((packet, plain)),
                _ => {
                    assert_eq!(unprotect(&mut receiver, &packet), Ok(plain), "{suite} {index}");
                    if let Some((packet, plain)) = late.take() {
                        assert_eq!(unprotect(&mut receiver, &packet), Ok(plain));
                    }
                }
            }
            assert!(unprotect(&mut receiver, &other).is_ok());
        }
    }
}

#[test]
fn what_fails_changes_nothing_and_what_was_taken_is_not_taken_again() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[]);
        let good: Vec<_> = (0..128_u16)
            .map(|n| protect(&mut sender, &rtp(7, 65_500_u16.wrapping_add(n))).unwrap())
            .collect();
        assert!(unprotect(&mut receiver, &good[0]).is_ok());
        // A forgery from far ahead, which would move the window if it were believed.
        let mut forged = good[1].clone();
        forged[2..4].copy_from_slice(&[0x20, 0]);
        assert_eq!(unprotect(&mut receiver, &forged), Err(SrtpError::Authentication));
        for packet in &good[1..] {
            assert!(unprotect(&mut receiver, packet).is_ok());
        }
        for packet in &good {
            assert_eq!(unprotect(&mut receiver, packet), Err(SrtpError::Replayed));
        }
        let report = protect_rtcp(&mut sender, &rtcp(7));
        let mut forged = report.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert!(unprotect_rtcp(&mut receiver, &forged).is_err());
        assert!(unprotect_rtcp(&mut receiver, &report).is_ok());
        assert_eq!(unprotect_rtcp(&mut receiver, &report), Err(SrtpError::Replayed));
    }
}

#[test]
fn a_sender_never_uses_a_keystream_twice() {
    let (mut sender, _) = pair(SrtpSuite::AeadAes128Gcm, &[]);
    for sequence in [10, 12, 11] {
        assert!(protect(&mut sender, &rtp(7, sequence)).is_ok());
    }
    for sequence in [10, 11, 12] {
        assert_eq!(protect(&mut sender, &rtp(7, sequence)), Err(SrtpError::Replayed));
    }
    assert!(protect(&mut sender, &rtp(7, 1_000)).is_ok());
    // Not known to be unused any more.
    assert_eq!(protect(&mut sender, &rtp(7, 500)), Err(SrtpError::Replayed));
    let reports = [protect_rtcp(&mut sender, &rtcp(7)), protect_rtcp(&mut sender, &rtcp(7))];
    assert_ne!(reports[0], reports[1]);
}

#[test]
fn sources_beyond_the_room_are_refused_until_there_is_more() {
    let (mut sender, mut receiver) = pair(SrtpSuite::AesCm128HmacSha1_80, &[]);
    let key = key(SrtpSuite::AesCm128HmacSha1_80, &[]);
    for ssrc in 0..16 {
        let packet = protect(&mut sender, &rtp(ssrc, 1)).unwrap();
        assert!(unprotect(&mut receiver, &packet).is_ok());
    }
    assert_eq!(protect(&mut sender, &rtp(16, 1)), Err(SrtpError::TooManySources));
    let packet = protect(&mut SrtpSender::new(&key), &rtp(16, 1)).unwrap();
    assert_eq!(unprotect(&mut receiver, &packet), Err(SrtpError::TooManySources));
    sender.make_room();
    receiver.make_room();
    assert!(protect(&mut sender, &rtp(16, 1)).is_ok());
    assert!(unprotect(&mut receiver, &packet).is_ok());
}

#[test]
fn a_new_key_continues_the_roll_over_counter_and_a_peer_that_begins_again_is_understood() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[]);
        for sequence in (60_000..=65_500).step_by(50).chain((100..=300).step_by(50)) {
            let packet = protect(&mut sender, &rtp(7, sequence)).unwrap();
            assert!(unprotect(&mut receiver, &packet).is_ok());
        }
        let material: Vec<u8> = (0..(suite.key_len() + suite.salt_len()) as u8).rev().collect();
        let new = SrtpKey::new(suite, &material).unwrap();
        let (continues, restarts) = (sender.successor(&new), SrtpSender::new(&new));
        for mut peer in [continues, restarts] {
            let mut ours = receiver.successor(&new);
            for sequence in [310, 305, 311] {
                let packet = protect(&mut peer, &rtp(7, sequence)).unwrap();
                assert_eq!(unprotect(&mut ours, &packet), Ok(rtp(7, sequence)), "{suite}");
                assert_eq!(unprotect(&mut ours, &packet), Err(SrtpError::Replayed));
            }
            let old = protect(&mut sender, &rtp(7, 312)).unwrap_or_default();
            assert!(unprotect(&mut ours, &old).is_err());
        }
    }
}

#[test]
fn a_buffer_without_room_is_refused_before_anything_happens() {
    for suite in SrtpSuite::ALL {
        let (mut sender, _) = pair(suite, b"ab");
        let packet = protect(&mut sender, &rtp(1, 1)).unwrap();
        let mut buffer = rtp(1, 2);
        buffer.resize(packet.len() - 1, 0);
        assert_eq!(sender.protect_rtp(&mut buffer, 172), Err(SrtpError::NoRoom));
        assert_eq!(buffer[..172], rtp(1, 2));
        buffer.push(0);
        assert_eq!(sender.protect_rtp(&mut buffer, 172), Ok(packet.len()));
        assert_eq!(sender.protect_rtp(&mut buffer, usize::MAX - 64), Err(SrtpError::NoRoom));
    }
}

#[test]
fn printing_a_context_shows_no_key() {
    let (sender, receiver) = pair(SrtpSuite::AeadAes128Gcm, &[]);
    let expected = "{ key: SrtpKey { suite: AeadAes128Gcm, .. }, .. }";
    assert_eq!(format!("{sender:?}"), format!("SrtpSender {expected}"));
    assert_eq!(format!("{receiver:?}"), format!("SrtpReceiver {expected}"));
}

fn any_suite() -> impl Strategy<Value = SrtpSuite> {
    prop::sample::select(&SrtpSuite::ALL[..])
}

proptest! {
    #[test]
    fn any_payload_comes_back(
        suite in any_suite(),
        mki in prop::collection::vec(any::<u8>(), 0..=16),
        payload in prop::collection::vec(any::<u8>(), 0..1_500),
        sequence: u16,
    ) {
        let (mut sender, mut receiver) = pair(suite, &mki);
        let plain = [&rtp(1, sequence)[..12], &payload].concat();
        let packet = protect(&mut sender, &plain).unwrap();
        prop_assert_eq!(unprotect(&mut receiver, &packet), Ok(plain));
        let report = [&rtcp(1)[..8], &payload].concat();
        let packet = protect_rtcp(&mut sender, &report);
        prop_assert_eq!(unprotect_rtcp(&mut receiver, &packet), Ok(report));
    }

    #[test]
    fn a_flipped_bit_anywhere_and_every_cut_are_refused(
        suite in any_suite(),
        mki in prop::collection::vec(any::<u8>(), 0..=4),
        position: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let (mut sender, mut receiver) = pair(suite, &mki);
        let packet = protect(&mut sender, &rtp(1, 5)).unwrap();
        let report = protect_rtcp(&mut sender, &rtcp(1));
        let flipped = |packet: &[u8]| {
            let mut copy = packet.to_vec();
            copy[position.index(packet.len())] ^= 1 << bit;
            copy
        };
        prop_assert!(unprotect(&mut receiver, &flipped(&packet)).is_err());
        prop_assert!(unprotect_rtcp(&mut receiver, &flipped(&report)).is_err());
        let cut = |packet: &[u8]| packet[..position.index(packet.len())].to_vec();
        prop_assert!(unprotect(&mut receiver, &cut(&packet)).is_err());
        prop_assert!(unprotect_rtcp(&mut receiver, &cut(&report)).is_err());
        prop_assert!(unprotect(&mut receiver, &packet).is_ok());
        prop_assert!(unprotect_rtcp(&mut receiver, &report).is_ok());
    }

    #[test]
    fn noise_is_refused(suite in any_suite(), noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut sender, mut receiver) = pair(suite, &[]);
        prop_assert!(unprotect(&mut receiver, &noise).is_err());
        prop_assert!(unprotect_rtcp(&mut receiver, &noise).is_err());
        let mut buffer = noise.clone();
        buffer.resize(noise.len() + LONGEST_GROWTH, 0);
        let _ = sender.protect_rtp(&mut buffer, noise.len());
        let _ = sender.protect_rtcp(&mut buffer, noise.len());
    }
}

/// A sender under `key` whose packets of SSRC 7 have this roll-over counter already.
fn sender_at(key: &SrtpKey, roll_over_counter: u64) -> SrtpSender {
    let mut sender = SrtpSender::new(key);
    for index in (0..=roll_over_counter << 16).step_by(0x4000) {
        protect(&mut sender, &rtp(7, index as u16)).unwrap();
    }
    sender
}

#[test]
fn the_roll_over_counter_of_a_stream_that_is_met_late_is_found_in_32_packets() {
    for suite in SrtpSuite::ALL {
        let key = key(suite, &[]);
        for (counter, first) in [(1, 3), (2, 100), (64, 31), (127, 0), (128, 29)] {
            let mut sender = sender_at(&key, counter);
            let mut receiver = SrtpReceiver::new(&key);
            let (mut missed, mut found) = (0, 0);
            for sequence in (first + 1)..=(first + 64) {
                let packet = protect(&mut sender, &rtp(7, sequence)).unwrap();
                match unprotect(&mut receiver, &packet) {
                    Ok(plain) => {
                        assert_eq!(plain, rtp(7, sequence));
                        assert_eq!(unprotect(&mut receiver, &packet), Err(SrtpError::Replayed));
                        found += 1;
                    }
                    Err(error) => {
                        assert_eq!((error, found), (SrtpError::Authentication, 0), "{suite}");
                        missed += 1;
                    }
                }
            }
            assert!(missed < 32, "{suite}: {missed} packets with counter {counter}");
        }
    }
}

#[test]
fn beyond_the_search_a_late_stream_stays_unheard_and_no_trial_leaves_a_trace() {
    let key = key(SrtpSuite::AesCm128HmacSha1_80, &[]);
    let mut sender = sender_at(&key, 129);
    let mut receiver = SrtpReceiver::new(&key);
    for sequence in 1..100 {
        let packet = protect(&mut sender, &rtp(7, sequence)).unwrap();
        assert_eq!(unprotect(&mut receiver, &packet), Err(SrtpError::Authentication));
    }
    let mut fresh = SrtpSender::new(&key);
    let packet = protect(&mut fresh, &rtp(7, 5)).unwrap();
    assert_eq!(unprotect(&mut receiver, &packet), Ok(rtp(7, 5)));
    // Once the SSRC is known, nothing else is tried.
    let other = protect(&mut sender_at(&key, 1), &rtp(7, 6)).unwrap();
    assert_eq!(unprotect(&mut receiver, &other), Err(SrtpError::Authentication));
}

#[test]
fn a_copy_knows_what_was_seen_and_what_was_sent() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite, &[]);
        let mut last = Vec::new();
        for index in (0..0x8_0010_u32).step_by(0x2000) {
            last = protect(&mut sender, &rtp(7, index as u16)).unwrap();
            assert!(unprotect(&mut receiver, &last).is_ok());
        }
        let report = protect_rtcp(&mut sender, &rtcp(7));
        assert!(unprotect_rtcp(&mut receiver, &report).is_ok());
        let mut learned = SrtpReceiver::new(receiver.key());
        learned.learn(&receiver);
        for mut copy in [receiver.copy(), learned] {
            assert_eq!(unprotect(&mut copy, &last), Err(SrtpError::Replayed));
            assert_eq!(unprotect_rtcp(&mut copy, &report), Err(SrtpError::Replayed));
            let next = protect(&mut sender.copy(), &rtp(7, 1)).unwrap();
            assert_eq!(unprotect(&mut copy, &next), Ok(rtp(7, 1)));
        }
        let mut learned = SrtpSender::new(sender.key());
        learned.learn(&sender);
        for mut copy in [sender.copy(), learned] {
            assert_eq!(protect(&mut copy, &rtp(7, 0)), Err(SrtpError::Replayed));
            assert_ne!(protect_rtcp(&mut copy, &rtcp(7)), report);
        }
    }
}
