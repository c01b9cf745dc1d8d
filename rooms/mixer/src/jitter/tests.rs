use super::*;
use codecs::AudioFormat;
use proptest::prelude::*;
use rtp_proto::RtpHeader;
use std::f32::consts::TAU;

const MS_NANOS: u64 = 1_000_000;

fn buffer(audio: &[(u8, AudioFormat)]) -> JitterBuffer {
    let formats = ReceiveFormats {
        audio: audio.to_vec(),
        telephone_events: vec![101],
        comfort_noise: Some(13),
    };
    JitterBuffer::new(&formats).unwrap()
}

fn octets(header: RtpHeader, payload: &[u8]) -> Vec<u8> {
    [header.to_bytes().as_slice(), payload].concat()
}

fn header(payload_type: u8, n: u64, ticks: u64, ssrc: u32) -> RtpHeader {
    let timestamp = (n * ticks) as u32;
    RtpHeader { payload_type, marker: false, sequence: n as u16, timestamp, ssrc }
}

fn put(buffer: &mut JitterBuffer, octets: &[u8], ms: u64) -> Taken {
    let packet = RtpPacket::parse(octets).unwrap();
    buffer.put(&packet, Instant::from_millis(ms))
}

/// A tone of 400 Hz in L16.
fn tone(n: u64, rate: u32) -> Vec<u8> {
    let count = u64::from(rate / 50);
    (n * count..(n + 1) * count)
        .flat_map(|at| {
            let turn = (at as f32 / rate as f32 * 400.0).fract();
            (((turn * TAU).sin() * 5_000.0) as i16).to_be_bytes()
        })
        .collect()
}

fn pull(buffer: &mut JitterBuffer, ms: u64) -> (Played, Vec<i16>) {
    let mut out = vec![0; buffer.sample_rate() as usize / 50];
    let played = buffer.pull(Instant::from_millis(ms), &mut out);
    (played, out)
}

const WIDE: (u8, AudioFormat) = (96, AudioFormat::L16 { sample_rate: 16_000 });

#[test]
fn what_comes_evenly_is_played_whole() {
    let mut buffer = buffer(&[WIDE]);
    let mut heard = Vec::new();
    for n in 0..500 {
        put(&mut buffer, &octets(header(96, n, 320, 1), &tone(n, 16_000)), n * 20 + 7);
        let (played, out) = pull(&mut buffer, n * 20 + 15);
        if n > 5 {
            assert_eq!(played, Played::Audio, "frame {n}");
            heard.extend(out);
        }
    }
    let counts = buffer.counts();
    assert_eq!((counts.received, counts.lost, counts.late, counts.concealed_ms), (500, 0, 0, 0));
    let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
    assert!(step < 1_000, "{step}");
    let (target, wait) = buffer.waits_ms();
    assert!(target <= 24.0 && wait <= 32.0, "{target} and {wait}");
}

#[test]
fn keys_pass_aside() {
    let mut buffer = buffer(&[WIDE]);
    let event = TelephoneEvent { event: 5, end: true, volume: 10, duration: 800 };
    let taken = put(&mut buffer, &octets(header(101, 3, 160, 1), &event.to_bytes()), 0);
    assert_eq!(taken, Taken::Event { event, timestamp: 480 });
    let short = put(&mut buffer, &octets(header(101, 3, 160, 1), &[5, 0]), 0);
    assert_eq!(short, Taken::Dropped(Unplayed::Malformed));
    assert_eq!(buffer.counts().received, 0);
}

#[test]
fn the_format_may_change_from_packet_to_packet() {
    let mut buffer = buffer(&[WIDE, (0, AudioFormat::Pcmu)]);
    assert_eq!(buffer.sample_rate(), 16_000);
    for n in 0..200 {
        let is_narrow = n / 50 % 2 == 1;
        let packet = match is_narrow {
            true => octets(header(0, n, 160, 1), &[0x10; 160]),
            false => octets(header(96, n, 320, 1), &tone(n, 16_000)),
        };
        assert_eq!(put(&mut buffer, &packet, n * 20), Taken::Audio, "packet {n}");
        let (played, out) = pull(&mut buffer, n * 20 + 10);
        if n > 5 && n % 50 > 5 {
            assert_eq!(played, Played::Audio, "frame {n}");
            assert!(out.iter().any(|sample| sample.abs() > 1_000), "frame {n}");
        }
    }
    // The clock is another: time is counted anew three times.
    assert_eq!(buffer.counts().restarts, 3);
}

#[test]
fn another_source_is_believed_with_its_second_packet() {
    let mut buffer = buffer(&[WIDE]);
    for n in 0..50 {
        put(&mut buffer, &octets(header(96, n, 320, 1), &tone(n, 16_000)), n * 20);
        pull(&mut buffer, n * 20 + 10);
    }
    let other = |n: u64| octets(header(96, 40_000 + n, 320, 2), &tone(n, 16_000));
    assert_eq!(put(&mut buffer, &other(0), 1_000), Taken::Dropped(Unplayed::UnprovenSource));
    pull(&mut buffer, 1_010);
    for n in 1..50 {
        assert_eq!(put(&mut buffer, &other(n), 1_000 + n * 20), Taken::Audio);
        let (played, _) = pull(&mut buffer, 1_010 + n * 20);
        assert!(n < 4 || played == Played::Audio, "packet {n}");
    }
    assert_eq!(buffer.counts().restarts, 1);
}

#[test]
fn timestamps_that_jump_back_or_ahead_are_followed() {
    for jump in [-160_000_i64, -4_000, 90_000, 4_000_000, 1 << 31] {
        let mut buffer = buffer(&[WIDE]);
        for n in 0..200 {
            let mut header = header(96, n, 320, 1);
            if n >= 100 {
                header.timestamp = header.timestamp.wrapping_add(jump as u32);
            }
            assert_eq!(put(&mut buffer, &octets(header, &tone(n, 16_000)), n * 20), Taken::Audio);
            let (played, _) = pull(&mut buffer, n * 20 + 10);
            let is_settled = (5..100).contains(&n) || n > 115;
            assert!(!is_settled || played == Played::Audio, "{jump}: packet {n} {played:?}");
        }
        let counts = buffer.counts();
        assert!(counts.concealed_ms <= 120 && counts.late == 0, "{jump}: {counts:?}");
    }
}

#[test]
fn a_pause_with_described_noise_is_heard_as_that() {
    let mut buffer = buffer(&[(0, AudioFormat::Pcmu)]);
    for n in 0..300 {
        let packet = match n {
            0..50 | 200.. => Some(octets(header(0, n, 160, 1), &[0x10; 160])),
            // -40 dBov, in sequence.
            50 => Some(octets(header(13, n, 160, 1), &[40])),
            _ => None,
        };
        if let Some(mut packet) = packet {
            if n >= 200 {
                packet[2..4].copy_from_slice(&(n as u16 - 149).to_be_bytes());
            }
            assert_eq!(put(&mut buffer, &packet, n * 20), Taken::Audio);
        }
        let (played, out) = pull(&mut buffer, n * 20 + 10);
        if (60..200).contains(&n) {
            assert_eq!(played, Played::Noise, "frame {n}");
            let power: f32 = out.iter().map(|one| f32::from(*one) * f32::from(*one)).sum();
            let level = 10.0 * (power / 160.0 / 32_768.0 / 32_768.0).log10();
            assert!((level + 40.0).abs() < 3.0, "{level} dBov");
        }
    }
    let counts = buffer.counts();
    assert_eq!((counts.lost, counts.restarts), (0, 0), "{counts:?}");
    assert!(counts.concealed_ms <= 30, "{counts:?}");
}

#[test]
fn hostile_packets_are_counted() {
    let mut buffer = buffer(&[WIDE, (111, AudioFormat::Opus)]);
    let cases: [(u8, &[u8], Unplayed); 5] = [
        (50, &[0; 10], Unplayed::UnknownPayloadType),
        (96, &[], Unplayed::Malformed),
        (96, &[1, 2, 3], Unplayed::Malformed),
        (111, &[0xff, 0x3f, 1], Unplayed::Malformed),
        (13, &[], Unplayed::Malformed),
    ];
    for (number, payload, why) in cases {
        let taken = put(&mut buffer, &octets(header(number, 1, 1, 1), payload), 0);
        assert_eq!(taken, Taken::Dropped(why), "{number}");
    }
    let long = vec![0; 1_462];
    put(&mut buffer, &octets(header(96, 1, 1, 1), &long), 0);
    assert_eq!((buffer.counts().malformed, buffer.counts().unknown), (5, 1));
    // A thousand packets at once: no more than fit are kept, and time goes on.
    for n in 0..1_000 {
        put(&mut buffer, &octets(header(96, n, 320, 1), &tone(n, 16_000)), 20);
    }
    assert!(buffer.counts().displaced > 900, "{:?}", buffer.counts());
    for n in 0..50 {
        pull(&mut buffer, 40 + n * 20);
    }
    let (_, wait) = buffer.waits_ms();
    assert!(wait < 1_500.0, "{wait}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any packets at any time: every frame is there, and the wait keeps its bounds.
    #[test]
    fn any_packets_leave_it_sound(
        packets in prop::collection::vec(
            (0..6_u8, any::<u16>(), any::<u32>(), 0..3_u32, 0..200_usize, 0..90_u64, any::<bool>()),
            1..200,
        )
    ) {
        let mut buffer = buffer(&[(0, AudioFormat::Pcmu), (9, AudioFormat::G722), (111, AudioFormat::Opus)]);
        let (mut now, mut next) = (0_u64, 20_u64);
        let (mut sequence, mut timestamp) = (0_u16, 0_u32);
        for (kind, jump, stamp, ssrc, len, ms, is_wild) in packets {
            now += ms;
            sequence = if is_wild { jump } else { sequence.wrapping_add(1) };
            timestamp = if is_wild { stamp } else { timestamp.wrapping_add(160) };
            let payload_type = [0, 9, 111, 13, 101, 77][usize::from(kind)];
            let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc };
            let payload: Vec<u8> = (0..len).map(|n| (n as u8).wrapping_mul(jump as u8)).collect();
            let packet = octets(header, &payload);
            buffer.put(&RtpPacket::parse(&packet).unwrap(), Instant::from_nanos(now * MS_NANOS));
            while next <= now {
                let (_, out) = pull(&mut buffer, next);
                prop_assert_eq!(out.len(), 960);
                next += 20;
            }
            let (target, _) = buffer.waits_ms();
            prop_assert!((LEAST_MS..=MOST_MS).contains(&target));
        }
    }
}
