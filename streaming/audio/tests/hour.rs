//! An hour of a call whose ends have clocks of their own, over a network that delays, loses and reorders.
//!
//! Both ends hear a click every second, at the same moment. On the timeline the clicks of both channels
//! must stand beside each other from the first to the last.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use call_audio::{FRAME, Scratch, Timeline};
use model::{Codec, Instant, LegSide};
use rtp_proto::RtpHeader;
use std::collections::VecDeque;
use std::time::Duration;

const RATE: u32 = 8_000;
const HOUR_SECONDS: u64 = 3_600;
const BEGAN: Instant = Instant::from_millis(77_777);
const L16: u8 = 97;
const LOUD: i16 = 20_000;

/// How one end and its way are.
#[derive(Clone, Copy)]
struct End {
    side: LegSide,
    seed: u64,
    /// Parts in a million by which its clock is faster than ours.
    fast_ppm: f64,
    packet_ms: u64,
    jitter_ms: u64,
    lost_percent: u64,
    reordered_percent: u64,
    /// The first timestamp and sequence number; both wrap.
    timestamp: u32,
    sequence: u16,
}

/// Packets of one end in the order in which they come.
struct Sender {
    end: End,
    random: u64,
    sent: u64,
    /// Sent and not yet there: when each comes, and its octets.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    lost_samples: u64,
}

impl Sender {
    fn new(end: End) -> Self {
        Sender { end, random: end.seed, sent: 0, under_way: VecDeque::new(), lost_samples: 0 }
    }

    /// Marsaglia's xorshift.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    fn samples(&self) -> u64 {
        self.end.packet_ms * u64::from(RATE) / 1_000
    }

    /// Nanoseconds after the beginning at which a sample is spoken.
    fn spoken(&self, sample: u64) -> u64 {
        (sample as f64 / f64::from(RATE) / (1.0 + self.end.fast_ppm / 1e6) * 1e9) as u64
    }

    fn payload(&self) -> Vec<u8> {
        let first = self.sent * self.samples();
        let (begin, end) = (self.spoken(first), self.spoken(first + self.samples()));
        let second = 1_000_000_000;
        let mut payload = vec![0; self.samples() as usize * 2];
        let next = begin.next_multiple_of(second);
        if next < end {
            // One that is 1 ms long, so that a lost packet and a sample between two hide none.
            let at = (next - begin) * self.samples() / (end - begin);
            for sample in payload.chunks_exact_mut(2).skip(at as usize).take(8) {
                sample.copy_from_slice(&LOUD.to_be_bytes());
            }
        }
        payload
    }

    fn send(&mut self) {
        let header = RtpHeader {
            payload_type: L16,
            marker: self.sent == 0,
            sequence: self.end.sequence.wrapping_add(self.sent as u16),
            timestamp: self.end.timestamp.wrapping_add((self.sent * self.samples()) as u32),
            ssrc: 7,
        };
        let octets = [header.to_bytes().as_slice(), &self.payload()].concat();
        let spoken = self.spoken((self.sent + 1) * self.samples());
        let jitter = self.draw(self.end.jitter_ms * 1_000_000);
        self.sent += 1;
        if self.draw(100) < self.end.lost_percent {
            self.lost_samples += self.samples();
            return;
        }
        let arrival = BEGAN + Duration::from_nanos(spoken + 30_000_000 + jitter);
        let last = self.under_way.back().map_or(arrival, |(at, _)| arrival.max(*at));
        let overtaken = if self.draw(100) < self.end.reordered_percent {
            self.under_way.pop_back()
        } else {
            None
        };
        self.under_way.push_back((last, octets));
        self.under_way.extend(overtaken.map(|(_, octets)| (last, octets)));
    }
}

/// One end's channel.
struct Channel {
    sender: Sender,
    timeline: Timeline,
    given: u64,
    missing: u64,
    /// Where each click begins.
    clicks: Vec<u64>,
}

impl Channel {
    fn new(end: End) -> Self {
        let mut timeline = Timeline::new(end.side, RATE, BEGAN, BEGAN).unwrap();
        timeline.set_formats([(L16, Codec::L16, RATE)]);
        let sender = Sender::new(end);
        Channel { sender, timeline, given: 0, missing: 0, clicks: Vec::new() }
    }

    fn turn(&mut self, now: Instant, scratch: &mut Scratch) {
        let elapsed = (now - BEGAN).as_nanos() as u64;
        let next = |sender: &Sender| sender.spoken(sender.sent * sender.samples());
        while next(&self.sender) < elapsed {
            self.sender.send();
        }
        while let Some((arrival, _)) = self.sender.under_way.front()
            && *arrival <= now
        {
            let (arrival, octets) = self.sender.under_way.pop_front().unwrap();
            self.timeline.take(&octets, arrival, scratch);
        }
        while let Some(frame) = self.timeline.poll_frame(now, scratch) {
            assert_eq!(frame.at, self.given);
            self.given += frame.samples.len() as u64;
            self.missing += u64::from(frame.missing);
            for (sample, place) in frame.samples.iter().zip(frame.at..) {
                let is_new = self.clicks.last().is_none_or(|last| place > last + 4_000);
                if *sample > LOUD / 2 && is_new {
                    self.clicks.push(place);
                }
            }
        }
    }
}

fn run(ends: [End; 2]) -> [Channel; 2] {
    let mut channels = ends.map(Channel::new);
    let mut scratch = Scratch::default();
    let mut now = BEGAN;
    let end = BEGAN + Duration::from_secs(HOUR_SECONDS);
    while now < end {
        // Turns of whoever reads are not of even length.
        now = (now + FRAME + Duration::from_micros(now.as_nanos() / 1_000 % 1_700)).min(end);
        for channel in &mut channels {
            channel.turn(now, &mut scratch);
        }
    }
    channels
}

/// The greatest distance of clicks of the same second, in milliseconds, over the whole hour but its first
/// seconds, in which clocks are not known yet.
fn apart_ms(channels: &[Channel; 2]) -> f64 {
    let near = |place: u64| channels[1].clicks.iter().map(move |other| other.abs_diff(place)).min();
    let settled = channels[0].clicks.iter().filter(|place| **place > 5 * u64::from(RATE));
    // Of a second one of whose clicks was lost the nearest is far away.
    let distances = settled.filter_map(|place| near(*place)).filter(|apart| *apart < 4_000);
    distances.max().unwrap_or(u64::MAX) as f64 / 8.0
}

const QUIET: End = End {
    side: LegSide::A,
    seed: 88_172_645_463_325_252,
    fast_ppm: 0.0,
    packet_ms: 20,
    jitter_ms: 0,
    lost_percent: 0,
    reordered_percent: 0,
    timestamp: 0,
    sequence: 0,
};

#[test]
fn legs_whose_clocks_drift_apart_stay_together_for_an_hour() {
    let fast = End { fast_ppm: 200.0, jitter_ms: 30, timestamp: u32::MAX - 99, ..QUIET };
    let slow = End { side: LegSide::B, seed: 3, fast_ppm: -200.0, jitter_ms: 30, ..QUIET };
    let channels = run([fast, slow]);
    let apart = apart_ms(&channels);
    assert!(apart < 8.0, "{apart} ms apart");
    for channel in &channels {
        let counts = channel.timeline.counts();
        assert_eq!(channel.given, (HOUR_SECONDS * 50 - 5) * 160);
        assert_eq!(channel.clicks.len() as u64, HOUR_SECONDS);
        // 1.6 samples a second.
        let expected = HOUR_SECONDS * 16 / 10;
        assert!(counts.slid.abs_diff(expected) < 300, "{} samples slid", counts.slid);
        assert!(counts.placed < 5, "placed {} times", counts.placed);
        assert_eq!(counts.late, 0);
        // Only what was before the first packet is missing.
        assert!(channel.missing < 800, "{} samples missing", channel.missing);
    }
}

#[test]
fn loss_jitter_and_reordering_move_nothing() {
    let worse = End {
        fast_ppm: 900.0,
        jitter_ms: 60,
        lost_percent: 5,
        reordered_percent: 5,
        packet_ms: 30,
        sequence: 65_000,
        ..QUIET
    };
    let other = End { side: LegSide::B, seed: 5, fast_ppm: -50.0, lost_percent: 1, ..QUIET };
    let channels = run([worse, other]);
    let apart = apart_ms(&channels);
    assert!(apart < 12.0, "{apart} ms apart");
    for channel in &channels {
        let counts = channel.timeline.counts();
        assert_eq!(channel.given, (HOUR_SECONDS * 50 - 5) * 160);
        // Packets that others overtake three times and more.
        assert!(counts.late < 20, "{} late", counts.late);
        // What was lost is missing, not more and not less: but for its length by our clock, and for the
        // beginnings of packets that were overtaken twice.
        let lost = channel.sender.lost_samples;
        let allowed = lost / 200 + 1_600;
        assert!(counts.missing.abs_diff(lost) < allowed, "{} of {lost} missing", counts.missing);
        assert!(counts.placed < 10, "placed {} times", counts.placed);
    }
}
