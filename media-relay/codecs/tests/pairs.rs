//! Audio through every pair of formats, judged by what comes out of the second one's decoder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use codecs::{
    AudioDecoder, AudioFormat, Decoder, Outgoing, Received, Resampler, Taken, Transcoder,
};
use rtp_proto::RtpPacket;

const FORMATS: [AudioFormat; 6] = [
    AudioFormat::Pcmu,
    AudioFormat::Pcma,
    AudioFormat::G722,
    AudioFormat::L16 { sample_rate: 16_000 },
    AudioFormat::L16 { sample_rate: 48_000 },
    AudioFormat::Opus,
];
const SECONDS: usize = 3;

/// Voice-like: harmonics of a gliding pitch, in syllables, within what 8,000 samples carry.
fn voice(rate: u32) -> Vec<i16> {
    let mut angle = 0.0_f64;
    (0..rate as usize * SECONDS)
        .map(|at| {
            let time = at as f64 / f64::from(rate);
            let pitch = 140.0 + 30.0 * (2.0 * time).sin();
            angle += std::f64::consts::TAU * pitch / f64::from(rate);
            let syllable = 0.55 + 0.45 * (std::f64::consts::TAU * 3.0 * time).sin();
            let value: f64 = (1..=20)
                .map(|harmonic| {
                    let formant = 1.0 / (1.0 + (f64::from(harmonic) - 4.0).abs());
                    formant * (f64::from(harmonic) * angle + f64::from(harmonic * harmonic)).sin()
                })
                .sum();
            (5_000.0 * syllable * value) as i16
        })
        .collect()
}

fn outgoing() -> Outgoing {
    Outgoing { payload_type: 96, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 }
}

/// Payloads of `format` in packets of 20 ms, of 10 where that is too long.
fn payloads(format: AudioFormat, samples: &[i16]) -> Vec<Vec<u8>> {
    let l16 = AudioFormat::L16 { sample_rate: 48_000 };
    let mut sender = Transcoder::new(l16, format, outgoing()).unwrap();
    through(&mut sender, l16, &l16_payloads(samples))
}

fn l16_payloads(samples: &[i16]) -> Vec<Vec<u8>> {
    let octets = |frame: &[i16]| frame.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    samples.chunks(480).map(octets).collect()
}

fn through(transcoder: &mut Transcoder, from: AudioFormat, payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = [0; 6_000];
    let mut all = Vec::new();
    for (n, payload) in payloads.iter().enumerate() {
        let timestamp = n as u32 * from.packet_ms(20) * (from.clock_rate() / 1_000);
        let packet = Received { ssrc: 9, sequence: n as u16, timestamp, payload };
        assert_eq!(transcoder.take(&packet), Taken::Audio { concealed_ms: 0 });
        while let Some(octets) = transcoder.poll_packet(&mut out) {
            all.push(RtpPacket::parse(&out[..octets]).unwrap().payload().to_vec());
        }
    }
    all
}

/// At 48,000 samples a second.
fn decoded(format: AudioFormat, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = AudioDecoder::new(format, 48_000).unwrap();
    let mut resampler = Resampler::new(decoder.sample_rate(), 48_000).unwrap();
    let (mut samples, mut raised) = ([0; 5_760], [0; 5_760]);
    let mut all = Vec::new();
    for payload in payloads {
        let len = decoder.decode(payload, &mut samples).unwrap();
        let len = resampler.resample(&samples[..len], &mut raised);
        all.extend_from_slice(&raised[..len]);
    }
    all
}

/// In dB, over the delay that fits best; and that delay in samples.
fn signal_to_noise(sent: &[i16], got: &[i16]) -> (f64, usize) {
    let middle = sent.len() / 3..sent.len() / 3 + 24_000;
    let mut best = (f64::MIN, 0);
    for delay in 0..3_000 {
        let mut noise = 0.0;
        let mut signal = 0.0;
        for at in middle.clone().step_by(7) {
            let (sent, got) = (f64::from(sent[at]), f64::from(got[at + delay]));
            signal += sent * sent;
            noise += (sent - got) * (sent - got);
        }
        let ratio = 10.0 * (signal / noise).log10();
        if ratio > best.0 {
            best = (ratio, delay);
        }
    }
    best
}

/// What a format alone keeps of the voice, in dB. Opus codes what is heard, not the wave.
fn fidelity(format: AudioFormat) -> f64 {
    match format {
        AudioFormat::Pcmu | AudioFormat::Pcma => 35.0,
        AudioFormat::G722 => 36.0,
        AudioFormat::L16 { .. } => 75.0,
        AudioFormat::Opus => 13.5,
    }
}

#[test]
fn each_pair_keeps_what_its_worse_format_keeps() {
    let sent = voice(48_000);
    for from in FORMATS {
        let encoded = payloads(from, &sent);
        for to in FORMATS {
            let mut transcoder = Transcoder::new(from, to, outgoing()).unwrap();
            let got = decoded(to, &through(&mut transcoder, from, &encoded));
            let (ratio, delay) = signal_to_noise(&sent, &got);
            println!("{from:?} to {to:?}: {ratio:.1} dB, {:.1} ms", delay as f64 / 48.0);
            // Two codings in a row add their noises.
            let least = fidelity(from).min(fidelity(to)) - 4.0;
            assert!(ratio > least, "{from:?} to {to:?}: {ratio:.1} dB");
            assert!(delay < 48 * 45, "{from:?} to {to:?}: {delay} samples of delay");
        }
    }
}

#[test]
fn g711_to_itself_changes_no_sample() {
    for format in [AudioFormat::Pcmu, AudioFormat::Pcma] {
        let encoded = payloads(format, &voice(48_000));
        let mut transcoder = Transcoder::new(format, format, outgoing()).unwrap();
        let got = through(&mut transcoder, format, &encoded);
        // Octets may differ: µ-law has two zeros.
        assert!(decoded(format, &got) == decoded(format, &encoded), "{format:?}");
    }
}

#[test]
fn lost_packets_cost_little_energy() {
    let energy = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let sent = voice(48_000);
    for from in FORMATS {
        let encoded = payloads(from, &sent);
        let l16 = AudioFormat::L16 { sample_rate: 48_000 };
        let mut whole = Transcoder::new(from, l16, outgoing()).unwrap();
        let whole = decoded(l16, &through(&mut whole, from, &encoded));
        let mut transcoder = Transcoder::new(from, l16, outgoing()).unwrap();
        let (mut out, mut got) = ([0; 6_000], Vec::new());
        let mut concealed = 0;
        // Every tenth is lost.
        for (n, payload) in encoded.iter().enumerate().filter(|(n, _)| n % 10 != 5) {
            let timestamp = n as u32 * from.packet_ms(20) * (from.clock_rate() / 1_000);
            let packet = Received { ssrc: 9, sequence: n as u16, timestamp, payload };
            let Taken::Audio { concealed_ms } = transcoder.take(&packet) else {
                panic!("{from:?}: packet {n} was not taken")
            };
            concealed += concealed_ms;
            while let Some(octets) = transcoder.poll_packet(&mut out) {
                let payload = RtpPacket::parse(&out[..octets]).unwrap().payload().to_vec();
                got.extend(decoded(l16, &[payload]));
            }
        }
        let each = from.packet_ms(20) as usize;
        assert_eq!(concealed as usize, encoded.len() / 10 * each, "{from:?}");
        let (got, whole) = (&got[48_000..96_000], &whole[48_000..96_000]);
        let error: Vec<i16> = got.iter().zip(whole).map(|(a, b)| a.saturating_sub(*b)).collect();
        let ratio = 10.0 * (energy(whole) / energy(&error)).log10();
        // Had nothing been put into the gaps, the error would be what was in them.
        let gaps: Vec<i16> = whole
            .chunks(48 * each)
            .enumerate()
            .filter(|(packet, _)| packet % 10 == 5)
            .flat_map(|(_, samples)| samples.to_vec())
            .collect();
        let silent = 10.0 * (energy(whole) / energy(&gaps)).log10();
        let share = energy(got) / energy(whole);
        println!("{from:?}: {ratio:.1} dB, {silent:.1} by silence; {share:.3} of the energy");
        // A packet of Opus leans on those before it: what is lost spoils the next as well, with
        // libopus too.
        let (gain, least) = if from == AudioFormat::Opus { (-2.5, 0.7) } else { (3.0, 0.9) };
        assert!(ratio > silent + gain, "{from:?}: {ratio:.1} dB, {silent:.1} by silence");
        assert!((least..1.05).contains(&share), "{from:?}: {share:.3}");
    }
}
