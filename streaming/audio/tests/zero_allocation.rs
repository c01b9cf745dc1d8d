//! No packet and no frame allocates once decoders and buffers are there.
#![expect(unsafe_code, reason = "a global allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use call_audio::{Scratch, Timeline};
use model::{Codec, Instant, LegSide};
use rtp_proto::RtpHeader;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ten seconds of packets, some lost and each fourth behind its next, from packet `from` on.
fn hear(timeline: &mut Timeline, scratch: &mut Scratch, payload_type: u8, from: u64) -> u64 {
    let mut octets = [0x55; 172];
    let mut frames = 0;
    for n in (from..from + 500).filter(|n| n % 50 != 7) {
        let number = match n % 4 {
            2 => n + 1,
            3 => n - 1,
            _ => n,
        };
        let header = RtpHeader {
            payload_type,
            marker: false,
            sequence: number as u16,
            // A clock that is a little fast, so that packets are made longer and shorter.
            timestamp: (number * 160) as u32,
            ssrc: 1,
        };
        header.write_header(&mut octets).unwrap();
        let arrival = Instant::from_nanos(n * 19_980_000);
        while let Some(frame) = timeline.poll_frame(arrival, scratch) {
            frames += 1;
            std::hint::black_box(frame.samples);
        }
        timeline.take(&octets, arrival, scratch);
    }
    frames
}

#[test]
fn neither_packets_nor_frames_allocate() {
    for (codec, payload_type) in [(Codec::Pcmu, 0), (Codec::Pcma, 8), (Codec::G722, 9)] {
        for rate in [8_000, 16_000] {
            let mut timeline =
                Timeline::new(LegSide::A, rate, Instant::ZERO, Instant::ZERO).unwrap();
            timeline.set_formats([(payload_type, codec, 8_000)]);
            let mut scratch = Scratch::default();
            hear(&mut timeline, &mut scratch, payload_type, 0);
            let before = ALLOCATIONS.with(Cell::get);
            let frames = hear(&mut timeline, &mut scratch, payload_type, 500);
            let after = ALLOCATIONS.with(Cell::get);
            assert!(frames > 490, "{frames} frames");
            assert!(timeline.counts().slid > 0);
            assert_eq!(after - before, 0, "{codec:?} at {rate}");
        }
    }
}
