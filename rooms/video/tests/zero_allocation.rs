//! No packet allocates once a room's participants are there: not where it is forwarded, nor split,
//! put together, put in order, nor on a switch.
#![expect(unsafe_code, reason = "a global allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod support;

use model::Instant;
use room_video::h264::PacketizationMode;
use room_video::{Participant, StreamKey};
use rtp_proto::{RtpHeader, RtpPacket};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{BLUE, RED, packets, receiver_settings, room};

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

#[test]
fn no_packet_allocates() {
    let plain = "profile-level-id=42e01f;packetization-mode=1";
    let mut switch = room(4);
    let single = PacketizationMode::Single;
    for (participant, mode, limit) in
        [(8, single, 1_200), (9, PacketizationMode::NonInterleaved, 300)]
    {
        let key = StreamKey::main(Participant(participant));
        let settings = receiver_settings(u32::from(participant) + 100, plain, mode, limit);
        switch.add_receiver(Instant::ZERO, key, settings).unwrap();
    }
    let clips = [packets(RED, 200, false), packets(BLUE, 1_100, true)];
    let mut octets = [0; 1_500];
    let mut sequences = [0_u16; 2];
    let mut sent = 0;
    let mut before = 0;
    for round in 0..20_u64 {
        if round == 2 {
            before = ALLOCATIONS.with(Cell::get);
        }
        let now = Instant::from_millis(round * 2_000);
        switch.set_speaker(now, Some(Participant((round % 2) as u16)));
        switch.handle_timeout(now + room_video::TAKE_OVER, &mut |_, _| {});
        for (camera, clip) in clips.iter().enumerate() {
            for (n, packet) in clip.iter().enumerate() {
                // Each ninth is lost, and each fifth overtaken by the next.
                let ahead = match n % 5 {
                    3 => 1,
                    4 => u16::MAX,
                    _ => 0,
                };
                let sequence = sequences[camera].wrapping_add(n as u16);
                let packet =
                    clip.get(n.wrapping_add_signed(isize::from(ahead as i16))).unwrap_or(packet);
                if n % 9 == 8 {
                    continue;
                }
                let header = RtpHeader {
                    payload_type: 97,
                    marker: packet.marker,
                    sequence: sequence.wrapping_add(ahead),
                    timestamp: packet.picture * 6_000,
                    ssrc: camera as u32 + 1,
                };
                header.write_header(&mut octets).unwrap();
                let end = 12 + packet.payload.len();
                octets[12..end].copy_from_slice(&packet.payload);
                let at = now + std::time::Duration::from_millis(packet.picture.into());
                let read = RtpPacket::parse(&octets[..end]).unwrap();
                let key = StreamKey::main(Participant(camera as u16));
                switch.handle_rtp(at, key, &read, &mut |_, packet| {
                    sent += packet.payload_bytes();
                });
                switch.handle_timeout(at, &mut |_, _| {});
                while switch.poll_feedback(at).is_some() {}
            }
            sequences[camera] = sequences[camera].wrapping_add(clip.len() as u16);
        }
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    let switches: u64 = (0..10)
        .filter_map(|n| switch.view(StreamKey::main(Participant(n))))
        .map(|v| v.switches)
        .sum();
    assert!(sent > 500_000 && switches > 30, "{sent} octets, {switches} switches");
    assert_eq!(allocations, 0);
}
