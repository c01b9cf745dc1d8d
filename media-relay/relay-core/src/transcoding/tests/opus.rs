//! Opus that is coded by us, sent, and read by us.

use super::*;

#[test]
fn opus_arrives_as_it_was_sent() {
    let mut call = Call::new(&plan(vec![opus()], vec![pcmu()]));
    let out = Outgoing { payload_type: OPUS, ssrc: SSRC, sequence: 0, timestamp: 0, packet_ms: 20 };
    let l16 = AudioFormat::L16 { sample_rate: 8_000 };
    let mut sender = Transcoder::new(l16, AudioFormat::Opus, out).unwrap();
    let mut samples = Vec::new();
    for sequence in 0..100_u16 {
        let tone = |n: u32| (n as f64 * 1_000.0 * std::f64::consts::TAU / 8_000.0).sin();
        let frame = u32::from(sequence) * 160;
        let payload: Vec<u8> =
            (frame..frame + 160).flat_map(|n| ((8_000.0 * tone(n)) as i16).to_be_bytes()).collect();
        sender.take(&Received { ssrc: 5, sequence, timestamp: frame, payload: &payload });
        let mut octets = [0; 1_500];
        let len = sender.poll_packet(&mut octets).unwrap();
        for got in call.send(A, &octets[..len]) {
            samples.extend(got.payload.iter().map(|o| rtp_proto::codecs::g711::decode_mu_law(*o)));
        }
        call.now += 20;
    }
    let samples = &samples[8_000..];
    let power = |frequency: f64| {
        let mut sum = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let angle = n as f64 * frequency * std::f64::consts::TAU / 8_000.0;
            sum.0 += f64::from(*sample) * angle.cos();
            sum.1 += f64::from(*sample) * angle.sin();
        }
        (sum.0 * sum.0 + sum.1 * sum.1).sqrt() / samples.len() as f64
    };
    assert!((3_000.0..5_000.0).contains(&power(1_000.0)), "{}", power(1_000.0));
    assert!(power(700.0) < 100.0 && power(1_500.0) < 100.0);
}
