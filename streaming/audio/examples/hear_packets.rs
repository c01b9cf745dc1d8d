//! Puts N packets of one channel on its timeline and takes the frames, for instruction counts:
//! `valgrind --tool=callgrind target/release/examples/hear_packets 10000`, the same with 20000, and the
//! difference divided by 10000 is the cost of one packet and its frame. A second argument chooses the
//! format: `pcmu` (as without), `g722`, or `drift`, PCMU by a clock that is 200 ppm off.

use call_audio::{Scratch, Timeline};
use model::{Codec, Instant, LegSide};
use rtp_proto::RtpHeader;
use std::env;
use std::hint::black_box;

fn main() {
    let times: u64 = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let kind = env::args().nth(2).unwrap_or_default();
    let codec = if kind == "g722" { Codec::G722 } else { Codec::Pcmu };
    let step = if kind == "drift" { 20_004_000 } else { 20_000_000 };
    let Some(mut timeline) = Timeline::new(LegSide::A, 8_000, Instant::ZERO, Instant::ZERO) else {
        return;
    };
    timeline.set_formats([(96, codec, 8_000)]);
    let mut scratch = Scratch::default();
    let mut packet = [0x5a; 172];
    let mut heard = 0;
    for number in 0..times {
        let header = RtpHeader {
            payload_type: 96,
            marker: number == 0,
            sequence: number as u16,
            timestamp: (number as u32).wrapping_mul(160),
            ssrc: 7,
        };
        header.write_header(&mut packet);
        let now = Instant::from_nanos(number * step);
        timeline.take(black_box(&packet), now, &mut scratch);
        while let Some(frame) = timeline.poll_frame(now, &mut scratch) {
            heard += black_box(frame.samples).len() - frame.missing as usize;
        }
    }
    assert!(black_box(heard) > 0, "nothing was heard");
}
