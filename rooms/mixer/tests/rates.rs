//! What a listener with Opus costs, and how near to the mix it hears, by bit rates and sizes of rooms.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod hall;

use codecs::AudioFormat;
use hall::{Hall, format, nothing, voice};
use mixer::{Format, RoomConfig, SMALL_ROOM};
use std::f32::consts::TAU;

/// Of a room with two who talk: bits a second of payloads, with the headers of IPv4, UDP and RTP, and how
/// far what is heard is from the mix, in dB.
#[derive(Clone, Copy, Debug)]
struct Measured {
    payload: u64,
    on_wire: u64,
    distance: f32,
}

const SECONDS: u64 = 8;

fn measure(people: u64, config: RoomConfig) -> Measured {
    let mut hall = Hall::new(config);
    for at in 0..people - 1 {
        let says = if at < 2 { voice(120.0 + 70.0 * at as f32, 6_000.0, at) } else { nothing() };
        hall.join(format(4), says);
    }
    // Who hears the mix as it is, at the rate at which Opus is encoded.
    let l16 = Format::symmetric(96, AudioFormat::L16 { sample_rate: 16_000 });
    let plain = hall.join(l16, nothing());
    hall.run(SECONDS * 1_000);
    // Somebody who says nothing.
    let phone = &hall.phones[3];
    let heard: Vec<i16> = phone.heard.iter().step_by(3).copied().collect();
    let distance = distance(&hall.phones[plain].heard, &heard);
    Measured {
        payload: phone.octets * 8 / SECONDS,
        on_wire: (phone.octets + phone.packets * 40) * 8 / SECONDS,
        distance,
    }
}

/// Power in bands of a third of an octave from 200 to 6,300 Hz, in dB, of 32 ms.
fn bands(samples: &[i16]) -> Vec<f32> {
    let count = samples.len();
    let window = |n: usize| 0.5 - 0.5 * (TAU * n as f32 / count as f32).cos();
    (0..16)
        .map(|band| {
            let middle = 200.0 * 2_f32.powf(band as f32 / 3.0);
            // Five lines across it.
            let power: f32 = (-2..=2)
                .map(|line| {
                    let step = TAU * middle * 2_f32.powf(line as f32 / 15.0) / 16_000.0;
                    let (mut re, mut im) = (0.0, 0.0);
                    for (n, sample) in samples.iter().enumerate() {
                        let value = f32::from(*sample) * window(n);
                        re += value * (step * n as f32).cos();
                        im += value * (step * n as f32).sin();
                    }
                    re * re + im * im
                })
                .sum();
            10.0 * (power / (count * count) as f32 + 1.0).log10()
        })
        .collect()
}

/// The mean over frames in which somebody speaks of how far bands are apart, in dB; where the two are
/// aligned best, for an encoder looks ahead.
fn distance(plain: &[i16], heard: &[i16]) -> f32 {
    let frames = || (3 * 16_000..(SECONDS as usize - 1) * 16_000).step_by(16_000 / 5);
    let at = |shift: usize| {
        let (mut sum, mut count) = (0.0, 0);
        for from in frames() {
            let (a, b) =
                (bands(&plain[from..from + 512]), bands(&heard[from + shift..from + shift + 512]));
            if a.iter().copied().fold(0.0, f32::max) < 30.0 {
                continue;
            }
            let square: f32 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
            (sum, count) = (sum + (square / a.len() as f32).sqrt(), count + 1);
        }
        sum / count.max(1) as f32
    };
    (0..320).step_by(20).map(at).fold(f32::MAX, f32::min)
}

/// The table of docs/rooms-audio.md.
#[test]
#[ignore = "minutes of measuring: cargo test --release -p mixer --test rates -- --ignored --nocapture"]
fn what_each_bit_rate_costs_and_gives_in_a_room_of_50() {
    println!("asked for, payloads, with headers, dB off");
    for bitrate in [12_000, 14_000, 16_000, 18_000, 20_000, 24_000] {
        let config = RoomConfig { opus_crowd_bitrate: bitrate, ..RoomConfig::default() };
        let Measured { payload, on_wire, distance } = measure(50, config);
        println!("{bitrate} {payload} {on_wire} {distance:.1}");
    }
}

#[test]
fn in_a_large_room_less_is_sent_and_little_is_lost_of_the_mix() {
    let (small, large) = (SMALL_ROOM as u64, SMALL_ROOM as u64 + 1);
    let [small, large] = [small, large].map(|people| measure(people, RoomConfig::default()));
    println!("small: {small:?}, large: {large:?}");
    assert!(large.on_wire < 32_000 && small.on_wire > 32_000);
    assert!(large.payload * 10 > 16_000 * 8, "it is no silence");
    assert!(large.distance < 2.5, "{} dB off", large.distance);
    assert!(small.distance < large.distance + 0.2, "more bits are not worse");
}
