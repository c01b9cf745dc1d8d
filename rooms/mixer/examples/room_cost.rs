//! What rooms cost: CPU time of the whole mixer (jitter buffers, decoding, mixing, encoding) for rooms
//! of each format, and the same with an encoder for each listener, in one run.
//!
//! `cargo run --release -p mixer --example room_cost [seconds]`, or `bench/run.sh rooms`.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use codecs::{AudioEncoder, AudioFormat, Encoder, Resampler};
use mixer::{Format, OutgoingPacket, ParticipantId, Room, RoomConfig, Sink};
use model::Instant;
use rtp_proto::RtpHeader;
use std::time::Duration;

const FORMATS: [(&str, u8, AudioFormat, f64); 3] = [
    // What a participant was computed to cost, in percent of a core.
    ("G.711", 0, AudioFormat::Pcmu, 0.15),
    ("G.722", 9, AudioFormat::G722, 0.2),
    ("Opus", 111, AudioFormat::Opus, 0.65),
];

/// How often the work of a lone encoder is repeated.
const MORE: u64 = 20;

struct Counted(u64);

impl Sink for Counted {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        self.0 += packet.payload.len() as u64;
    }
}

/// Two seconds of something like a voice, again and again.
fn payloads(format: AudioFormat, pitch: f32) -> Vec<Vec<u8>> {
    let mut encoder = AudioEncoder::new(format, format.sample_rate()).unwrap();
    if let AudioEncoder::Opus(opus) = &mut encoder {
        opus.set_bitrate(24_000);
    }
    let rate = encoder.sample_rate();
    let count = (rate / 50) as usize;
    let mut out = [0; 4_000];
    let mut random = 1_u32;
    let mut sample = |at: usize| {
        let time = at as f32 / rate as f32;
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (random >> 16) as f32 / 65_536.0 - 0.5;
        let turn = (time * pitch).fract() * std::f32::consts::TAU;
        let sound: f32 = (1..12).map(|k| (turn * k as f32).sin() / k as f32).sum();
        let syllable = (time * 3.0 * std::f32::consts::TAU).sin().abs();
        ((sound * syllable + noise * 0.05) * 5_000.0) as i16
    };
    let mut encode = |n: usize| {
        let samples: Vec<i16> = (0..count).map(|k| sample(n * count + k)).collect();
        let len = encoder.encode(&samples, &mut out).unwrap();
        out[..len].to_vec()
    };
    (0..100).map(&mut encode).collect()
}

/// CPU time of a room's second, in which those who do not talk send silence or nothing.
fn room(at: usize, people: u64, talkers: u64, (sends, seconds): (bool, u64)) -> Duration {
    let (_, number, format, _) = FORMATS[at];
    let spoken: Vec<_> = (0..4).map(|n| payloads(format, 110.0 + 35.0 * n as f32)).collect();
    let silent = {
        let mut encoder = AudioEncoder::new(format, format.sample_rate()).unwrap();
        let mut out = [0; 4_000];
        let silence = vec![0; (format.sample_rate() / 50) as usize];
        let len = encoder.encode(&silence, &mut out).unwrap();
        out[..len].to_vec()
    };
    let mut room = Room::new(RoomConfig::default(), Instant::ZERO);
    for id in 0..people {
        room.join(ParticipantId(id), &Format::symmetric(number, format)).unwrap();
    }
    let mut sink = Counted(0);
    let ticks = (seconds + 2) * 50;
    let packet = |n: u64, id: u64| {
        let header = RtpHeader {
            payload_type: number,
            marker: false,
            sequence: n as u16,
            timestamp: (n * u64::from(format.clock_rate() / 50)) as u32,
            ssrc: 1,
        };
        let payload = match id < talkers {
            true => &spoken[id as usize % 4][n as usize % 100],
            false => &silent,
        };
        [header.to_bytes().as_slice(), payload].concat()
    };
    let all: Vec<Vec<Vec<u8>>> =
        (0..ticks).map(|n| (0..people).map(|id| packet(n, id)).collect()).collect();
    let mut began = Duration::ZERO;
    for (n, packets) in all.iter().enumerate() {
        if n == 100 {
            began = cpu_time();
        }
        let now = Instant::from_millis((n as u64 + 1) * 20);
        for (id, octets) in (0..).zip(packets) {
            if sends || id < talkers {
                room.packet(ParticipantId(id), octets, now);
            }
        }
        room.tick(now, &mut sink);
    }
    (cpu_time() - began) / seconds as u32
}

/// What this thread has run, as the scheduler counts it: right on a busy machine too.
fn cpu_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(line.split_ascii_whitespace().next().unwrap().parse().unwrap())
}

/// What one more encoder costs in a second: resampling and encoding 20 ms, fifty times.
fn encoder(at: usize, seconds: u64) -> Duration {
    let (_, _, format, _) = FORMATS[at];
    let rate = if format == AudioFormat::Opus { 16_000 } else { format.sample_rate() };
    let mut encoder = AudioEncoder::new(format, rate).unwrap();
    if let AudioEncoder::Opus(opus) = &mut encoder {
        opus.set_bitrate(24_000);
        opus.set_complexity(RoomConfig::default().opus_complexity);
    }
    let mut resampler = Resampler::new(48_000, encoder.sample_rate()).unwrap();
    let voice: Vec<i16> = {
        let l16 = payloads(AudioFormat::L16 { sample_rate: 48_000 }, 120.0);
        l16.iter().flatten().copied().collect::<Vec<u8>>()
    }
    .chunks_exact(2)
    .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
    .collect();
    let (mut samples, mut out) = (vec![0; 960], [0; 4_000]);
    let began = cpu_time();
    // The scheduler counts in milliseconds: some more of what is short.
    for n in 0..seconds * 50 * MORE {
        let from = n as usize % 100 * 960;
        let count = resampler.resample(&voice[from..from + 960], &mut samples);
        encoder.encode(&samples[..count], &mut out).unwrap();
    }
    (cpu_time() - began) / (seconds * MORE) as u32
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(20);
    println!(
        "{:<6} {:>6} {:>7} {:>12} {:>10} {:>9} {:>13} {:>7}",
        "format", "people", "talkers", "us/tick", "% of core", "per core", "own encoders", "ratio"
    );
    for (at, (name, _, _, goal)) in FORMATS.into_iter().enumerate() {
        let each = encoder(at, seconds);
        for people in [3, 10, 50] {
            for talkers in [1, 3] {
                let best = (0..3).map(|_| room(at, people, talkers, (true, seconds))).min();
                let spent = best.unwrap_or_default();
                let share = spent.as_secs_f64() / people as f64 * 100.0;
                // Those who only listen would each have an encoder, but one, which is there.
                let more = each * u32::try_from(people.saturating_sub(talkers + 1)).unwrap();
                let without = (spent + more).as_secs_f64() / people as f64 * 100.0;
                println!(
                    "{name:<6} {people:>6} {talkers:>7} {:>12.1} {share:>9.3}% {:>9.0} {without:>12.3}% {:>7.2}",
                    spent.as_secs_f64() / 50.0 * 1e6,
                    100.0 / share,
                    share / goal,
                );
            }
        }
    }
    for (at, (name, _, _, _)) in FORMATS.into_iter().enumerate() {
        let best = (0..3).map(|_| room(at, 50, 1, (false, seconds))).min().unwrap_or_default();
        let share = best.as_secs_f64() / 50.0 * 100.0;
        println!("{name}: 50 of whom one talks and the others send nothing: {share:.3}% each");
    }
    println!(
        "ratio: of the cost that was computed for a participant before (G.711 0.15 %, G.722 0.2 %, Opus 0.65 %)"
    );
}
