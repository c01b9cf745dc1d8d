//! SRTP and SRTCP.

use crate::bounded;
use model::{SrtpKey, SrtpSuite};
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpError, SrtpReceiver, SrtpSender};
use std::hint::black_box;

/// One packet under a known key. The first octet chooses suite and master key identifier; the rest
/// is unprotected as SRTP and as SRTCP, and is protected and read back.
///
/// # Panics
/// When an authentic packet is taken twice or grows, or a protected one does not come back.
pub fn srtp(data: &[u8]) {
    let Some((&choice, packet)) = bounded(data).split_first() else { return };
    let Some(key) = key(choice) else { return };
    let mut receiver = SrtpReceiver::new(&key);
    for opener in [SrtpReceiver::unprotect_rtp, SrtpReceiver::unprotect_rtcp] {
        let Ok(len) = opener(&mut receiver, &mut packet.to_vec()) else { continue };
        assert!(len < packet.len(), "a tag went");
        let again = opener(&mut receiver, &mut packet.to_vec());
        assert_eq!(again, Err(SrtpError::Replayed));
    }
    let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + LONGEST_GROWTH, 0);
    let mut copy = buffer.clone();
    if let Ok(len) = sender.protect_rtp(&mut buffer, packet.len()) {
        let read = receiver.unprotect_rtp(&mut buffer[..len]);
        assert_eq!(read, Ok(packet.len()));
        assert_eq!(&buffer[..packet.len()], packet);
    }
    if let Ok(len) = sender.protect_rtcp(&mut copy, packet.len()) {
        let read = receiver.unprotect_rtcp(&mut copy[..len]);
        assert_eq!(read, Ok(packet.len()));
        assert_eq!(&copy[..packet.len()], packet);
    }
    black_box((sender, receiver));
}

fn key(choice: u8) -> Option<SrtpKey> {
    let suite = SrtpSuite::ALL[usize::from(choice) % SrtpSuite::ALL.len()];
    let material: Vec<u8> = (0..(suite.key_len() + suite.salt_len()) as u8).collect();
    let mki: &[u8] = if choice & 0x80 == 0 { &[] } else { &[1, 2, 3, 4] };
    SrtpKey::new(suite, &material)?.with_mki(mki)
}

/// An authentic RTP and an authentic RTCP packet of every suite, with and without identifier, and
/// plain ones with every part of the header.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut plain = vec![0x92, 0, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2];
    plain.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 9, 0, 0]);
    plain.extend_from_slice(&[0xd5; 40]);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];
    let mut seeds = vec![("plain", [&[0], &plain[..]].concat())];
    for choice in (0..SrtpSuite::ALL.len() as u8).flat_map(|suite| [suite, suite + 0x84]) {
        let Some(key) = key(choice) else { continue };
        let mut sender = SrtpSender::new(&key);
        let mut protected = |name, packet: &[u8], rtp: bool| {
            let mut buffer = packet.to_vec();
            buffer.resize(packet.len() + LONGEST_GROWTH, 0);
            let len = match rtp {
                true => sender.protect_rtp(&mut buffer, packet.len()),
                false => sender.protect_rtcp(&mut buffer, packet.len()),
            };
            seeds.push((name, [&[choice], &buffer[..len.unwrap_or_default()]].concat()));
        };
        protected("srtp", &plain, true);
        protected("srtcp", &report, false);
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_authentic() {
        let mut authentic = 0;
        for (name, seed) in seeds() {
            let mut receiver = SrtpReceiver::new(&key(seed[0]).unwrap());
            authentic += match name {
                "srtp" => i32::from(receiver.unprotect_rtp(&mut seed[1..].to_vec()).is_ok()),
                "srtcp" => i32::from(receiver.unprotect_rtcp(&mut seed[1..].to_vec()).is_ok()),
                _ => 0,
            };
            srtp(&seed);
        }
        assert_eq!(authentic, 24);
    }
}
