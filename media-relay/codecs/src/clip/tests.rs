//! What is encoded once sounds as what is encoded each time.

use super::*;
use crate::format::{AudioDecoder, Decoder};
use std::f64::consts::TAU;

fn sine(rate: u32, hertz: f64, millis: usize) -> Recording {
    let count = rate as usize / 1_000 * millis;
    let data: Vec<u8> = (0..count)
        .map(|at| 8_000.0 * (TAU * hertz * at as f64 / f64::from(rate)).sin())
        .flat_map(|value| (value as i16).to_le_bytes())
        .collect();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend(rate.to_le_bytes());
    file.extend([0; 6]);
    file.extend(*b"\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    Recording::from_wav(&file).unwrap()
}

fn amplitude(samples: &[i16], rate: u32, hertz: f64) -> f64 {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let angle = TAU * hertz * at as f64 / f64::from(rate);
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
    }
    2.0 * cosine.hypot(sine) / samples.len() as f64
}

#[test]
fn every_format_plays_every_rate_of_file() {
    let formats = [
        AudioFormat::Pcmu,
        AudioFormat::Pcma,
        AudioFormat::G722,
        AudioFormat::L16 { sample_rate: 8_000 },
        AudioFormat::L16 { sample_rate: 16_000 },
        AudioFormat::L16 { sample_rate: 48_000 },
        AudioFormat::Opus,
    ];
    for format in formats {
        for rate in [8_000, 16_000, 48_000] {
            for wanted in [10, 20, 40, 60] {
                let packet_ms = format.packet_ms(wanted);
                let clip = Clip::encode(&sine(rate, 440.0, 1_200), format, packet_ms).unwrap();
                assert_eq!(clip.packets(), 1_200 / packet_ms as usize, "{format:?} {wanted}");
                assert_eq!(clip.packet_ticks(), format.clock_rate() / 1_000 * packet_ms);
                assert_eq!(clip.duration(), Duration::from_millis(1_200));
                let read_at = format.sample_rate();
                let mut decoder = AudioDecoder::new(format, read_at).unwrap();
                let (mut heard, mut out) = (Vec::new(), [0; 5_760]);
                for packet in 0..clip.packets() {
                    let count = decoder.decode(clip.payload(packet), &mut out).unwrap();
                    assert_eq!(count, (read_at / 1_000 * packet_ms) as usize);
                    heard.extend_from_slice(&out[..count]);
                }
                // A second of whole periods, after what filters and coders need to begin.
                let from = read_at as usize / 10;
                let settled = &heard[from..from + read_at as usize];
                let level = amplitude(settled, read_at, 440.0);
                assert!(
                    (6_000.0..9_600.0).contains(&level),
                    "{format:?} from {rate} Hz, {packet_ms} ms: {level}"
                );
                let (other, what) = (amplitude(settled, read_at, 1_000.0), (format, rate));
                assert!(other < level / 20.0, "{what:?}: {other} at 1000 Hz");
            }
        }
    }
}

#[test]
fn the_last_packet_is_filled_with_silence() {
    let clip = Clip::encode(&sine(8_000, 400.0, 25), AudioFormat::Pcmu, 20).unwrap();
    assert_eq!(clip.packets(), 2);
    assert_eq!(clip.payload(0).len(), 160);
    assert!(clip.payload(1)[40..].iter().all(|octet| *octet == 0xff));
    assert_eq!(clip.payload(2), [0; 0]);
    assert_eq!(clip.payload(usize::MAX), [0; 0]);
    assert_eq!(clip.memory(), 328);
}

#[test]
fn only_durations_that_the_format_has_are_taken() {
    assert_eq!(AudioFormat::Pcma.packet_ms(30), 30);
    assert_eq!(AudioFormat::Opus.packet_ms(30), 20);
    assert_eq!(AudioFormat::L16 { sample_rate: 48_000 }.packet_ms(20), 10);
    assert_eq!(AudioFormat::L16 { sample_rate: 16_000 }.packet_ms(60), 40);
    for (odd, given) in [(0, 10), (5, 10), (25, 20), (100, 60), (u32::MAX, 60)] {
        assert_eq!(AudioFormat::Pcmu.packet_ms(odd), given);
        assert_eq!(Clip::encode(&sine(8_000, 400.0, 25), AudioFormat::Pcmu, odd), None);
    }
}
