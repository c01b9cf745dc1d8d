//! No packet allocates: every allocation of this thread is counted.
#![expect(unsafe_code, reason = "a global allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use codecs::dtmf::{Listener, ToneDetector, ToneGenerator};
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
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

const FORMATS: [AudioFormat; 6] = [
    AudioFormat::Pcmu,
    AudioFormat::Pcma,
    AudioFormat::G722,
    AudioFormat::L16 { sample_rate: 8_000 },
    AudioFormat::L16 { sample_rate: 48_000 },
    AudioFormat::Opus,
];

/// A tone in packets of 20 ms.
fn payloads(format: AudioFormat) -> Vec<Vec<u8>> {
    let l16 = AudioFormat::L16 { sample_rate: 16_000 };
    let out = Outgoing { payload_type: 0, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
    let mut sender = Transcoder::new(l16, format, out).unwrap();
    let mut buffer = [0; 6_000];
    let mut payloads = Vec::new();
    for n in 0..50_u16 {
        let payload: Vec<u8> = (0..320)
            .flat_map(|at| {
                let time = f64::from(i32::from(n) * 320 + at) / 16_000.0;
                ((9_000.0 * (time * 2_000.0).sin()) as i16).to_be_bytes()
            })
            .collect();
        let timestamp = u32::from(n) * 320;
        sender.take(&Received { ssrc: 2, sequence: n, timestamp, payload: &payload });
        while let Some(octets) = sender.poll_packet(&mut buffer) {
            payloads.push(buffer[12..octets].to_vec());
        }
    }
    payloads
}

#[test]
fn no_packet_of_any_pair_allocates() {
    for from in FORMATS {
        let payloads = payloads(from);
        for to in FORMATS {
            let out =
                Outgoing { payload_type: 0, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
            for noise in [None, Some(13)] {
                let mut transcoder = Transcoder::new(from, to, out).unwrap();
                if let Some(number) = noise {
                    transcoder = transcoder.with_comfort_noise(number, true);
                }
                let mut buffer = [0; 6_000];
                let mut packets = 0;
                let before = ALLOCATIONS.with(Cell::get);
                for (n, payload) in payloads.iter().enumerate() {
                    // Some are lost, some are spoilt, and sometimes there is silence.
                    if n % 9 == 4 {
                        continue;
                    }
                    let payload = if n % 13 == 6 { &payload[..1] } else { payload };
                    let timestamp = n as u32 * from.packet_ms(20) * (from.clock_rate() / 1_000);
                    let packet = Received { ssrc: 2, sequence: n as u16, timestamp, payload };
                    transcoder.take(&packet);
                    if n % 17 == 8 {
                        transcoder.take_comfort_noise(&packet);
                    }
                    while transcoder.poll_packet(&mut buffer).is_some() {
                        packets += 1;
                    }
                }
                let allocations = ALLOCATIONS.with(Cell::get) - before;
                assert_eq!(allocations, 0, "{from:?} to {to:?}, noise {noise:?}");
                // Octets of G.722 are not made up.
                let least =
                    if (from, to) == (AudioFormat::G722, AudioFormat::G722) { 35 } else { 40 };
                assert!(packets > least, "{from:?} to {to:?}, noise {noise:?}: {packets} packets");
            }
        }
    }
}

#[test]
fn no_key_allocates() {
    let mut tones = ToneGenerator::new(5, 8_000).unwrap();
    let mut detector = ToneDetector::default();
    let (mut samples, mut steps) = ([0; 800], 0);
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..10 {
        tones.generate(&mut samples);
        detector.take(&samples, |_| steps += 1);
        detector.take(&[0; 800], |_| steps += 1);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    assert_eq!(steps, 20);
}

#[test]
fn no_payload_that_is_listened_to_or_silenced_allocates() {
    for format in FORMATS {
        let payloads = payloads(format);
        let mut listener = Listener::new(format).unwrap();
        let (mut heard, mut silenced, mut buffer) = (0, 0, [0; 1_400]);
        let before = ALLOCATIONS.with(Cell::get);
        for (n, payload) in payloads.iter().enumerate() {
            heard += listener.listen(payload).len();
            buffer[..payload.len()].copy_from_slice(payload);
            if n % 5 > 1 {
                silenced += u32::from(listener.silence(&mut buffer, payload.len()).is_some());
            }
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{format:?}");
        assert!(heard > 7_000 && silenced > 25, "{format:?}: {heard} {silenced}");
    }
}
