use super::*;
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use proptest::prelude::*;
use rtp_proto::RtpHeader;

const BEGAN: Instant = Instant::from_millis(1_000_000);
const PCMU: u8 = 0;
const PCMA: u8 = 8;
const G722: u8 = 9;
const CN: u8 = 13;
const OPUS: u8 = 96;
const L16: u8 = 97;
const EVENT: u8 = 101;
const FORMATS: [(u8, Codec, u32); 7] = [
    (PCMU, Codec::Pcmu, 8_000),
    (PCMA, Codec::Pcma, 8_000),
    (G722, Codec::G722, 8_000),
    (CN, Codec::ComfortNoise, 8_000),
    (OPUS, Codec::Opus, 48_000),
    (L16, Codec::L16, 8_000),
    (EVENT, Codec::TelephoneEvent, 8_000),
];

fn at(millis: u64) -> Instant {
    BEGAN + Duration::from_millis(millis)
}

/// A channel, and what came out of it.
struct Line {
    timeline: Timeline,
    scratch: Scratch,
    samples: Vec<i16>,
    missing: Vec<u32>,
}

impl Line {
    fn new(sample_rate: u32) -> Self {
        let mut timeline = Timeline::new(LegSide::A, sample_rate, BEGAN, BEGAN).unwrap();
        timeline.set_formats(FORMATS);
        let (samples, missing) = (Vec::new(), Vec::new());
        Line { timeline, scratch: Scratch::default(), samples, missing }
    }

    /// Time goes on by steps of 20 ms, as it does where it is used.
    fn until(&mut self, now: Instant) {
        while let Some(frame) = self.timeline.poll_frame(now, &mut self.scratch) {
            assert_eq!(frame.at, self.samples.len() as u64);
            self.samples.extend(frame.samples);
            self.missing.push(frame.missing);
        }
    }

    fn packet(&mut self, millis: u64, header: RtpHeader, payload: &[u8]) {
        self.until(at(millis));
        let octets = [header.to_bytes().as_slice(), payload].concat();
        self.timeline.take(&octets, at(millis), &mut self.scratch);
    }

    /// A packet of 20 ms of L16, all of whose samples are `value`.
    fn flat(&mut self, millis: u64, sequence: u16, timestamp: u32, value: i16) {
        let header = RtpHeader { payload_type: L16, sequence, timestamp, ssrc: 7, marker: false };
        self.packet(millis, header, &value.to_be_bytes().repeat(160));
    }

    fn end(&mut self, millis: u64) -> &mut Self {
        self.until(at(millis));
        while let Some(frame) = self.timeline.poll_last(at(millis), &mut self.scratch) {
            assert_eq!(frame.at, self.samples.len() as u64);
            self.samples.extend(frame.samples);
            self.missing.push(frame.missing);
        }
        self
    }

    /// Each frame's sample, where all are the same.
    fn frames(&self) -> Vec<Option<i16>> {
        let len = self.timeline.out.len();
        let same = |frame: &[i16]| frame.iter().all(|s| *s == frame[0]).then_some(frame[0]);
        self.samples.chunks(len).map(same).collect()
    }
}

#[test]
fn packets_stand_where_they_were_heard() {
    let mut line = Line::new(8_000);
    for n in 0..10_u16 {
        line.flat(40 + u64::from(n) * 20, n, u32::from(n) * 160, 100 + n as i16);
    }
    line.end(240);
    let mut expected: Vec<_> = [0, 0].into_iter().chain(100..110).map(Some).collect();
    expected.push(Some(0));
    assert_eq!(line.frames(), expected);
    assert_eq!(line.missing, [vec![160; 2], vec![0; 10], vec![160]].concat());
    let counts = line.timeline.counts();
    assert_eq!((counts.packets, counts.late, counts.unreadable), (10, 0, 0));
    assert_eq!((counts.samples, counts.missing), (13 * 160, 3 * 160));
}

#[test]
fn frames_come_when_they_are_due_and_not_before() {
    let mut line = Line::new(8_000);
    line.until(at(119));
    assert_eq!(line.samples.len(), 0);
    assert_eq!(line.timeline.deadline(), at(120));
    line.until(at(120));
    assert_eq!(line.samples.len(), 160);
    line.until(at(159));
    assert_eq!(line.samples.len(), 320);
}

#[test]
fn what_is_lost_is_silence_of_its_length() {
    let mut line = Line::new(8_000);
    for n in (0..50_u16).filter(|n| !(10..17).contains(n)) {
        line.flat(u64::from(n) * 20, n, u32::from(n) * 160, 9);
    }
    line.end(980);
    let missing: Vec<_> = (0..50).map(|n| if (10..17).contains(&n) { 160 } else { 0 }).collect();
    assert_eq!(line.missing, missing);
    assert_eq!(line.samples.iter().filter(|s| **s == 9).count(), 43 * 160);
    assert!(line.samples[10 * 160..17 * 160].iter().all(|s| *s == 0));
}

#[test]
fn order_is_restored_twice_is_once_and_too_late_is_lost() {
    let mut line = Line::new(8_000);
    line.flat(0, 0, 0, 1);
    // The third before the second, and the second twice.
    line.flat(40, 2, 320, 3);
    line.flat(41, 1, 160, 2);
    line.flat(42, 1, 160, 2);
    // The fourth comes when its place has been given away, 120 ms later.
    for n in 4..12_u16 {
        line.flat(u64::from(n) * 20, n, u32::from(n) * 160, n as i16 + 1);
    }
    line.flat(230, 3, 480, 4);
    line.end(240);
    let heard = [1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11, 12, 0].map(Some);
    assert_eq!(line.frames(), heard);
    assert_eq!(line.timeline.counts().late, 2);
}

#[test]
fn what_waits_in_vain_is_heard_when_its_place_is_due() {
    let mut line = Line::new(8_000);
    line.flat(0, 0, 0, 1);
    line.flat(40, 2, 320, 3);
    line.until(at(159));
    assert_eq!(line.samples.len(), 2 * 160);
    line.until(at(160));
    assert_eq!(line.frames(), [Some(1), Some(0), Some(3)]);
}

#[test]
fn keys_and_comfort_noise_are_silence() {
    let mut line = Line::new(8_000);
    line.flat(0, 0, 0, 5);
    for n in 1..5_u16 {
        let header = RtpHeader {
            payload_type: if n < 3 { EVENT } else { CN },
            sequence: n,
            timestamp: 160,
            ssrc: 7,
            marker: n == 1,
        };
        line.packet(u64::from(n) * 20, header, &[5, 10, 0, 160]);
    }
    line.flat(100, 5, 800, 6);
    line.end(100);
    assert_eq!(line.frames(), [5, 0, 0, 0, 0, 6].map(Some));
    assert_eq!(line.missing, [0, 160, 160, 160, 160, 0]);
    assert_eq!(line.timeline.counts().unreadable, 0);
}

#[test]
fn packets_of_any_duration_stand_at_their_sounds_place() {
    // A packet of so many milliseconds comes when all of it was heard.
    for ms in [10_u64, 20, 30, 40, 60] {
        let mut line = Line::new(8_000);
        let samples = ms as u32 * 8;
        for n in 0..1_200 / ms {
            let header = RtpHeader {
                payload_type: L16,
                sequence: n as u16,
                timestamp: n as u32 * samples,
                ssrc: 1,
                marker: n == 0,
            };
            // From 300 ms on somebody speaks.
            let value: i16 = if n * ms >= 300 { 700 } else { 1 };
            let payload = value.to_be_bytes().repeat(samples as usize);
            line.packet((n + 1) * ms, header, &payload);
        }
        line.end(1_200);
        let speaks = line.samples.iter().position(|s| *s == 700).unwrap();
        assert_eq!(speaks as u64, (300_u64.next_multiple_of(ms) + 20) * 8, "{ms}");
    }
}

#[test]
fn hold_is_silence_and_what_comes_after_it_stands_where_it_was_heard() {
    for timestamps_go_on in [true, false] {
        let mut line = Line::new(8_000);
        for n in 0..50_u16 {
            line.flat(u64::from(n) * 20, n, u32::from(n) * 160, 1);
        }
        // Three minutes.
        let gap = if timestamps_go_on { 180_000 * 8 } else { 0 };
        for n in 50..150_u16 {
            line.flat(180_000 + u64::from(n) * 20, n, u32::from(n) * 160 + gap, 2);
        }
        line.end(182_980);
        assert_eq!(line.samples.len(), 183_000 * 8);
        assert_eq!(line.samples.iter().filter(|s| **s == 1).count(), 50 * 160);
        let back = line.samples.iter().position(|s| *s == 2).unwrap() / 8;
        assert_eq!(back, 181_000);
        assert_eq!(line.samples.last(), Some(&2));
    }
}

#[test]
fn another_source_takes_over() {
    let mut line = Line::new(8_000);
    for n in 0..10_u16 {
        line.flat(u64::from(n) * 20, n, u32::from(n) * 160, 1);
    }
    for n in 10..20_u16 {
        let timestamp = (u32::MAX - 2_000).wrapping_add(u32::from(n) * 160);
        let (sequence, ssrc) = (40_000 + n, 99);
        let header = RtpHeader { payload_type: L16, sequence, timestamp, ssrc, marker: false };
        line.packet(u64::from(n) * 20, header, &2_i16.to_be_bytes().repeat(160));
    }
    line.end(380);
    assert_eq!(line.frames(), [[Some(1); 10], [Some(2); 10]].concat());
    assert_eq!(line.timeline.counts().placed, 2);
}

/// Packets of 20 ms of a tone.
fn tone(format: AudioFormat, hertz: f64, count: usize) -> Vec<Vec<u8>> {
    let out = Outgoing { payload_type: 0, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
    let from = AudioFormat::L16 { sample_rate: 16_000 };
    let mut sender = Transcoder::new(from, format, out).unwrap();
    let (mut payloads, mut buffer) = (Vec::new(), [0; 3_000]);
    for n in 0..count + 2 {
        let sample = |at: usize| {
            let time = (n * 320 + at) as f64 / 16_000.0;
            ((8_000.0 * (time * hertz * std::f64::consts::TAU).sin()) as i16).to_be_bytes()
        };
        let payload: Vec<u8> = (0..320).flat_map(sample).collect();
        let (sequence, timestamp) = (n as u16, n as u32 * 320);
        sender.take(&Received { ssrc: 2, sequence, timestamp, payload: &payload });
        while let Some(octets) = sender.poll_packet(&mut buffer) {
            payloads.push(buffer[12..octets].to_vec());
        }
    }
    payloads.truncate(count);
    payloads
}

/// A tone's share of what is heard, 0 to 1.
fn share_of(samples: &[i16], rate: f64, hertz: f64) -> f64 {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (value, angle) = (f64::from(*sample), at as f64 / rate * hertz * std::f64::consts::TAU);
        real += value * angle.cos();
        imaginary += value * angle.sin();
        power += value * value;
    }
    2.0 * (real * real + imaginary * imaginary) / (power * samples.len() as f64)
}

#[test]
fn every_format_is_heard_at_either_rate_also_where_it_changes_in_mid_call() {
    let formats = [
        (PCMU, AudioFormat::Pcmu, 160),
        (PCMA, AudioFormat::Pcma, 160),
        (G722, AudioFormat::G722, 160),
        (OPUS, AudioFormat::Opus, 960),
        (PCMU, AudioFormat::Pcmu, 160),
        (L16, AudioFormat::L16 { sample_rate: 8_000 }, 160),
    ];
    for rate in [8_000, 16_000] {
        let mut line = Line::new(rate);
        let (mut number, mut timestamp) = (0_u16, 77_u32);
        for (payload_type, format, ticks) in formats {
            for payload in tone(format, 440.0, 50) {
                let header =
                    RtpHeader { payload_type, sequence: number, timestamp, ssrc: 7, marker: false };
                line.packet(u64::from(number) * 20, header, &payload);
                (number, timestamp) = (number + 1, timestamp.wrapping_add(ticks));
            }
        }
        line.end(u64::from(number - 1) * 20);
        let second = rate as usize;
        assert_eq!(line.samples.len(), formats.len() * second);
        for (n, (_, format, _)) in formats.iter().enumerate() {
            let part = &line.samples[n * second + second / 4..(n + 1) * second - second / 20];
            let share = share_of(part, f64::from(rate), 440.0);
            assert!(share > 0.97, "{format:?} at {rate}: {share}");
        }
        // A resampler's delay is taken away: where one ends and another begins, 3 ms are cut or missing.
        assert!(line.timeline.counts().missing <= 5 * 3 * second as u64 / 1_000);
    }
}

#[test]
fn a_payload_type_that_means_something_else_is_read_so() {
    let mut line = Line::new(8_000);
    let header = |sequence: u16| RtpHeader {
        payload_type: 100,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 1,
        marker: false,
    };
    line.packet(0, header(0), &[0xff; 160]);
    assert_eq!(line.timeline.counts().unreadable, 1);
    line.timeline.set_formats([(100, Codec::Pcmu, 8_000)]);
    line.packet(20, header(1), &[0x80; 160]);
    line.timeline.set_formats([(100, Codec::Pcma, 8_000)]);
    line.packet(40, header(2), &[0x80; 160]);
    line.timeline.set_formats([(100, Codec::G729, 8_000)]);
    line.packet(60, header(3), &[0x80; 20]);
    line.end(60);
    assert_eq!(line.frames(), [0, 32_124, 5_504, 0].map(Some));
    assert_eq!(line.timeline.counts().unreadable, 2);
}

#[test]
fn a_channel_that_comes_later_begins_at_its_place() {
    let mut timeline = Timeline::new(LegSide::B, 16_000, BEGAN, at(1_010)).unwrap();
    let mut scratch = Scratch::default();
    assert!(timeline.poll_frame(at(1_119), &mut scratch).is_none());
    let frame = timeline.poll_frame(at(1_120), &mut scratch).unwrap();
    assert_eq!((frame.side, frame.at, frame.samples.len()), (LegSide::B, 16_000, 320));
    assert!(Timeline::new(LegSide::B, 44_100, BEGAN, BEGAN).is_none());
}

#[test]
fn a_tone_of_a_clock_that_drifts_has_no_clicks() {
    for parts_per_million in [-500_i64, 500] {
        let mut line = Line::new(8_000);
        let step = std::f64::consts::TAU * 1_000.0 / 8_000.0;
        for n in 0..1_500_u64 {
            let sample = |at: u64| (10_000.0 * ((n * 160 + at) as f64 * step).sin()) as i16;
            let payload: Vec<u8> = (0..160).flat_map(|at| sample(at).to_be_bytes()).collect();
            let (sequence, timestamp) = (n as u16, n as u32 * 160);
            let header =
                RtpHeader { payload_type: L16, sequence, timestamp, ssrc: 7, marker: false };
            let micros =
                (n * 20_000).checked_add_signed(n as i64 * parts_per_million / 50).unwrap();
            let arrival = BEGAN + Duration::from_micros(micros);
            line.until(arrival);
            let octets = [header.to_bytes().as_slice(), &payload].concat();
            line.timeline.take(&octets, arrival, &mut line.scratch);
        }
        assert!(line.timeline.counts().slid > 80, "{:?}", line.timeline.counts());
        assert_eq!(line.timeline.counts().missing, 0);
        // Of a tone each sample follows from the two before it; a sample left out is 7,000 off.
        let follows = 2.0 * step.cos();
        let off = line.samples.windows(3).map(|next| {
            let [before, here, after] = [next[0], next[1], next[2]].map(f64::from);
            (before + after - follows * here).abs()
        });
        let worst = off.fold(0.0, f64::max);
        assert!(worst < 200.0, "{worst} off");
    }
}

proptest! {
    /// Whatever comes, frames follow each other, and as many come out as time went by.
    #[test]
    fn nothing_that_comes_stops_the_frames(
        steps in prop::collection::vec(
            (0_u64..400, prop::collection::vec(any::<u8>(), 0..200), any::<u16>(), any::<u32>(), 0..8_usize),
            0..120,
        ),
        rate in prop::sample::select(vec![8_000_u32, 16_000]),
    ) {
        let mut line = Line::new(rate);
        let mut now = 0;
        for (later, octets, sequence, timestamp, kind) in steps {
            now += later;
            let payload_type = FORMATS.get(kind).map_or(55, |format| format.0);
            let header = RtpHeader {
                payload_type,
                // Now and then near the last one, now and then anywhere.
                sequence: if sequence & 3 == 0 { sequence } else { sequence & 0x3f },
                timestamp: if sequence & 5 == 0 { timestamp } else { now as u32 * 8 },
                ssrc: u32::from(sequence >> 15),
                marker: timestamp & 7 == 0,
            };
            if kind == 7 {
                line.until(at(now));
                line.timeline.take(&octets, at(now), &mut line.scratch);
            } else {
                line.packet(now, header, &octets);
            }
        }
        line.end(now);
        prop_assert_eq!(line.samples.len() as u64, (now + 20).div_ceil(20) * u64::from(rate) / 50);
        let counts = line.timeline.counts();
        prop_assert_eq!(counts.samples, line.samples.len() as u64);
        let missing: u32 = line.missing.iter().sum();
        prop_assert_eq!(counts.missing, u64::from(missing));
    }
}
