//! RTP packets on their way to a listener.

use crate::{bounded, parts};
use call_audio::{Scratch, Timeline};
use model::{Codec, Instant, LegSide};
use rtp_proto::RtpHeader;
use std::time::Duration;

/// Packets of one script.
const MOST_PARTS: usize = 96;
const FORMATS: [(u8, Codec, u32); 8] = [
    (0, Codec::Pcmu, 8_000),
    (8, Codec::Pcma, 8_000),
    (9, Codec::G722, 8_000),
    (13, Codec::ComfortNoise, 8_000),
    (18, Codec::G729, 8_000),
    (96, Codec::Opus, 48_000),
    (97, Codec::L16, 16_000),
    (101, Codec::TelephoneEvent, 8_000),
];
const BEGAN: Instant = Instant::from_millis(5_000);

/// A script of packets. The first octet chooses the sample rate; the first of each part the format and
/// whether the packet comes at once, the second by how much it is lost, early, or of another clock.
/// A part with neither is a datagram as it is.
///
/// # Panics
/// When frames have a hole, or are not as many as time went by.
pub fn call_audio(data: &[u8]) {
    let Some((&choice, data)) = bounded(data).split_first() else { return };
    let sample_rate = if choice & 1 == 0 { 8_000 } else { 16_000 };
    let Some(mut timeline) = Timeline::new(LegSide::A, sample_rate, BEGAN, BEGAN) else { return };
    timeline.set_formats(FORMATS);
    let mut scratch = Scratch::default();
    let (mut sequence, mut timestamp) = (0_u16, 0_u32);
    let (mut now, mut given) = (BEGAN, 0);
    for part in parts(data, MOST_PARTS) {
        let Some((&[kind, jump], payload)) = part.split_first_chunk::<2>() else {
            timeline.take(part, now, &mut scratch);
            continue;
        };
        let at = usize::from(kind) % FORMATS.len();
        let Some(&(payload_type, codec, clock_rate)) = FORMATS.get(at) else { continue };
        let ticks = clock_rate / 50;
        now += Duration::from_millis(if kind & 0x80 == 0 { 20 } else { 0 });
        match jump {
            0..=199 => sequence = sequence.wrapping_add(1),
            200..=219 => sequence = sequence.wrapping_sub(u16::from(jump - 200)),
            220..=239 => timestamp = timestamp.wrapping_add(u32::from(jump - 220) << 24),
            240..=249 => now += Duration::from_millis(u64::from(jump) * 40),
            _ => timeline.set_formats([(payload_type ^ 1, codec, clock_rate)]),
        }
        timestamp = timestamp.wrapping_add(ticks);
        let ssrc = u32::from(kind >> 6 & 1);
        let header =
            RtpHeader { payload_type, marker: kind & 0x10 != 0, sequence, timestamp, ssrc };
        while let Some(frame) = timeline.poll_frame(now, &mut scratch) {
            assert_eq!(frame.at, given, "frames follow each other");
            given += frame.samples.len() as u64;
        }
        let octets = [header.to_bytes().as_slice(), payload].concat();
        timeline.take(&octets, now, &mut scratch);
    }
    while let Some(frame) = timeline.poll_last(now, &mut scratch) {
        assert_eq!(frame.at, given, "frames follow each other");
        given += frame.samples.len() as u64;
    }
    let frames = ((now - BEGAN).as_millis() as u64 + 20).div_ceil(20);
    assert_eq!(given, frames * u64::from(sample_rate) / 50, "as many as time went by");
}

/// Packets of each format, in order and out of it.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let script = |kind: u8, jumps: &[u8], octets: usize| {
        let mut script = vec![kind];
        for (n, jump) in jumps.iter().enumerate() {
            script.extend([crate::PART, kind, *jump]);
            // The mark between parts is kept out of it.
            script.extend((0..octets).map(|at| ((n * octets + at) as u8) | 0x80));
        }
        script
    };
    vec![
        ("pcmu", script(0, &[0; 12], 160)),
        ("pcma-reordered", script(1, &[0, 0, 202, 0, 203, 0, 0, 201, 0, 0], 160)),
        ("g722-lost", script(2, &[0, 0, 241, 0, 0, 249, 0, 0], 160)),
        ("opus-jumps", script(5, &[0, 0, 221, 0, 0, 239, 0, 0], 40)),
        ("l16-renumbered", script(6, &[0, 0, 255, 0, 0], 640)),
        ("keys", script(7, &[0, 0, 0], 4)),
    ]
}
