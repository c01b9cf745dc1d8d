use crate::{AudioFormat, Outgoing, Received, Transcoder};
use rtp_proto::RtpPacket;

const NOISE: u8 = 13;
const QUIET: [u8; 160] = [0xff; 160];
/// Loud, and no tone; its end is heard in the next packet.
const LOUD: [u8; 160] = [0x10; 160];

fn transcoder(from: AudioFormat, to: AudioFormat, packet_ms: u32, detects: bool) -> Transcoder {
    let out = Outgoing { payload_type: 8, ssrc: 77, sequence: 65_530, timestamp: 0, packet_ms };
    Transcoder::new(from, to, out).unwrap().with_comfort_noise(NOISE, detects)
}

/// Payload type, sequence number, timestamp, marker and octets of what waits.
fn polled(transcoder: &mut Transcoder) -> Vec<(u8, u16, u32, bool, usize)> {
    let mut out = [0; 1_500];
    let mut packets = Vec::new();
    while let Some(octets) = transcoder.poll_packet(&mut out) {
        let rtp = RtpPacket::parse(&out[..octets]).unwrap();
        let octets = rtp.payload().len();
        packets.push((rtp.payload_type(), rtp.sequence(), rtp.timestamp(), rtp.marker(), octets));
    }
    assert!(!transcoder.is_ready());
    packets
}

fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Received<'_> {
    Received { ssrc: 1, sequence, timestamp, payload }
}

#[test]
fn silence_that_is_found_is_not_sent_and_time_goes_on() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20, true);
    let mut all = Vec::new();
    for n in 0..200_u16 {
        let payload = if (100..120).contains(&n) { &LOUD } else { &QUIET };
        transcoder.take(&packet(n, u32::from(n) * 160, payload));
        all.extend(polled(&mut transcoder));
    }
    for pair in all.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1));
    }
    let audio: Vec<u32> = all.iter().filter(|p| p.0 == 8).map(|p| p.2 / 160).collect();
    let expected: Vec<u32> = (0..15).chain(100..136).collect();
    assert_eq!(audio, expected);
    let marked: Vec<u32> = all.iter().filter(|p| p.3).map(|p| p.2 / 160).collect();
    assert_eq!(marked, [0, 100]);
    assert!(all.iter().all(|p| p.0 == 8 && p.4 == 160 || p.0 == NOISE && p.4 == 7));
    assert_eq!(
        all.iter().filter(|p| p.0 == NOISE).map(|p| p.2 / 160).collect::<Vec<_>>(),
        [15, 35, 55, 75, 95, 136, 156, 176, 196]
    );
}

#[test]
fn g722_gets_the_level_alone() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::G722, 20, true);
    let mut noise = Vec::new();
    for n in 0..50 {
        transcoder.take(&packet(n, u32::from(n) * 160, &QUIET));
        noise.extend(polled(&mut transcoder).into_iter().filter(|p| p.0 == NOISE));
    }
    assert_eq!(noise.len(), 2);
    assert!(noise.iter().all(|p| p.4 == 1));
}

#[test]
fn descriptions_pass_however_long_and_empty_ones_do_not() {
    let mut transcoder = transcoder(AudioFormat::Pcmu, AudioFormat::Pcma, 20, false);
    transcoder.take(&packet(0, 0, &QUIET));
    assert_eq!(polled(&mut transcoder).len(), 1);
    transcoder.take_comfort_noise(&packet(1, 160, &[50; 40]));
    assert_eq!(polled(&mut transcoder), [(NOISE, 65_531, 160, false, 11)]);
    transcoder.take_comfort_noise(&packet(2, 800, &[]));
    assert_eq!(polled(&mut transcoder), []);
    transcoder.take_comfort_noise(&packet(1, 160, &[50]));
    assert_eq!(polled(&mut transcoder), [], "too late");
    // Two descriptions were lost before speech: nothing is made up.
    transcoder.take(&packet(5, 8_000, &QUIET));
    assert_eq!(polled(&mut transcoder), [(8, 65_532, 8_000, true, 160)]);
    assert!(!transcoder.fill_silence());
}

#[test]
fn octets_of_g722_pass_and_noise_goes_nowhere_without_a_number() {
    let out = Outgoing { payload_type: 8, ssrc: 77, sequence: 0, timestamp: 0, packet_ms: 40 };
    let mut plain = Transcoder::new(AudioFormat::G722, AudioFormat::G722, out).unwrap();
    plain.take(&packet(0, 0, &[0xa5; 160]));
    plain.take_comfort_noise(&packet(1, 160, &[50]));
    assert!(!plain.fill_silence());
    assert_eq!(polled(&mut plain), []);
    plain.take(&packet(2, 320, &[0xa5; 160]));
    plain.take(&packet(3, 480, &[0xa5; 160]));
    assert_eq!(polled(&mut plain).iter().map(|p| p.4).collect::<Vec<_>>(), [320]);
    let mut told = transcoder(AudioFormat::G722, AudioFormat::G722, 40, true);
    told.take_comfort_noise(&packet(1, 160, &[50]));
    assert_eq!(polled(&mut told).iter().map(|p| p.0).collect::<Vec<_>>(), [NOISE]);
}
