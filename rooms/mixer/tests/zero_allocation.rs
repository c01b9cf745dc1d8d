//! Neither a packet nor a tick allocates once a room has its participants.
#![expect(unsafe_code, reason = "a global allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use codecs::{AudioEncoder, AudioFormat, Encoder};
use mixer::{Format, OutgoingPacket, ParticipantId, Record, Room, RoomConfig, Sink, TICK_SAMPLES};
use model::Instant;
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

const FORMATS: [(u8, AudioFormat); 5] = [
    (0, AudioFormat::Pcmu),
    (8, AudioFormat::Pcma),
    (9, AudioFormat::G722),
    (96, AudioFormat::L16 { sample_rate: 48_000 }),
    (111, AudioFormat::Opus),
];
const PEOPLE: u64 = 15;

#[derive(Default)]
struct Counted {
    packets: u64,
    recorded: u64,
}

impl Sink for Counted {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        self.packets += u64::from(!packet.payload.is_empty());
    }

    fn recorded(&mut self, _: mixer::Recorded, samples: &[i16; TICK_SAMPLES]) {
        self.recorded += samples.len() as u64 / 960;
    }
}

/// A second of a tone in packets of 20 ms.
fn payloads(format: AudioFormat) -> Vec<Vec<u8>> {
    let mut encoder = AudioEncoder::new(format, format.sample_rate()).unwrap();
    let count = (encoder.sample_rate() / 50) as usize;
    let mut out = [0; 4_000];
    let mut encode = |n: usize| {
        let at = |k: usize| ((n * count + k) as f32 * 2_000.0 / count as f32 / 50.0).sin();
        let samples: Vec<i16> = (0..count).map(|k| (at(k) * 5_000.0) as i16).collect();
        let len = encoder.encode(&samples, &mut out).unwrap();
        out[..len].to_vec()
    };
    (0..50).map(&mut encode).collect()
}

#[test]
fn neither_packets_nor_ticks_allocate() {
    let config = RoomConfig { record: Record { mix: true, each: true }, ..RoomConfig::default() };
    let mut room = Room::new(config, Instant::ZERO);
    let payloads: Vec<_> = FORMATS.iter().map(|(_, format)| payloads(*format)).collect();
    for id in 0..PEOPLE {
        let (number, format) = FORMATS[id as usize % FORMATS.len()];
        room.join(ParticipantId(id), &Format::symmetric(number, format)).unwrap();
        room.set_packet_loss(ParticipantId(id), 0.05);
    }
    let mut counted = Counted::default();
    let mut octets = Vec::with_capacity(4_000);
    let mut run = |from: u64, to: u64| {
        for n in from..to {
            let now = Instant::from_millis((n + 1) * 20);
            for id in 0..PEOPLE {
                let (payload_type, format) = FORMATS[id as usize % FORMATS.len()];
                // Everybody speaks by turns, some packets are lost, some come twice.
                if (n / 40 + id) % 3 == 0 || (n + id).is_multiple_of(17) {
                    continue;
                }
                let header = RtpHeader {
                    payload_type,
                    marker: false,
                    sequence: n as u16,
                    timestamp: (n * u64::from(format.clock_rate() / 50)) as u32,
                    ssrc: 1,
                };
                octets.clear();
                octets.extend(header.to_bytes());
                octets.extend(&payloads[id as usize % FORMATS.len()][n as usize % 50]);
                room.packet(ParticipantId(id), &octets, now);
                if n % 11 == 0 {
                    room.packet(ParticipantId(id), &octets, now);
                }
                room.packet(ParticipantId(id), &octets[..7], now);
            }
            room.tick(now, &mut counted);
        }
    };
    run(0, 150);
    let before = ALLOCATIONS.with(Cell::get);
    run(150, 600);
    let after = ALLOCATIONS.with(Cell::get);
    assert_eq!(after - before, 0);
    assert!(
        counted.packets > 5_000 && counted.recorded == 600 * (PEOPLE + 1),
        "{}",
        counted.packets
    );
}
