//! How many streams one core switches: rooms whose participants all send, each shown to others.
//!
//! `cargo run --release -p room-video --example switch_load -- [PARTICIPANTS] [SECONDS]`
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends where it cannot go on")]

#[path = "../tests/support/mod.rs"]
mod support;

use model::Instant;
use room_video::{Participant, StreamKey};
use rtp_proto::{RtpHeader, RtpPacket};
use std::time::{Duration, Instant as Clock};

/// A picture's packets at 1.4 Mbit/s and 30 pictures a second: 5,833 octets in fragments.
const FRAGMENTS: usize = 5;
const DATA: usize = 1_165;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let participants = arguments.next().unwrap_or(10).clamp(2, 200) as u16;
    let seconds = arguments.next().unwrap_or(5);
    let mut switch = support::room(participants);
    let mut octets = [0; 1_500];
    let (mut received, mut sent, mut sent_octets, mut picture) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut sequences = vec![0_u16; usize::from(participants)];
    let began = Clock::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        let now = Instant::from_millis(picture * 33);
        // Somebody else speaks each three seconds; each sends a key frame a second.
        let speaker = Participant((picture / 90 % u64::from(participants)) as u16);
        switch.set_speaker(now, Some(speaker));
        switch.handle_timeout(now, &mut |_, _| {});
        for number in 0..participants {
            let key_frame = (picture + u64::from(number)).is_multiple_of(30);
            for payload in picture_of(key_frame) {
                let sequence = &mut sequences[usize::from(number)];
                *sequence = sequence.wrapping_add(1);
                let header = RtpHeader {
                    payload_type: 97,
                    marker: payload.1,
                    sequence: *sequence,
                    timestamp: (picture * 3_000) as u32,
                    ssrc: u32::from(number) + 1,
                };
                header.write_header(&mut octets).unwrap();
                let end = 12 + payload.0.len();
                octets[12..end].copy_from_slice(payload.0);
                let packet = RtpPacket::parse(&octets[..end]).unwrap();
                received += 1;
                let key = StreamKey::main(Participant(number));
                switch.handle_rtp(now, key, &packet, &mut |_, out| {
                    let mut datagram = [0; 1_500];
                    sent_octets += out.write(&mut datagram).unwrap() as u64;
                    std::hint::black_box(&datagram);
                    sent += 1;
                });
            }
        }
        while switch.poll_feedback(now).is_some() {}
        picture += 1;
    }
    let elapsed = began.elapsed().as_secs_f64();
    // Each stream has 30 pictures a second.
    let streams = picture as f64 * f64::from(participants) / 30.0 / elapsed;
    println!("{participants} participants, each sends 1.4 Mbit/s in and sees one picture");
    println!(
        "{:.0} packets/s in, {:.0} packets/s out",
        received as f64 / elapsed,
        sent as f64 / elapsed
    );
    println!("{:.2} Gbit/s out", sent_octets as f64 * 8.0 / elapsed / 1e9);
    println!("{streams:.0} participants in real time on one core (without SRTP and sockets)");
}

type Piece = (&'static [u8], bool);

/// The packets of one picture: a key frame has its parameter sets.
fn picture_of(key_frame: bool) -> impl Iterator<Item = Piece> {
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
        0x00, 0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
    ];
    const PPS: &[u8] = &[0x68, 0xcb, 0x81, 0x12, 0xc8];
    const fn fragment(head: u8, kind: u8) -> [u8; DATA] {
        let mut octets = [0x88; DATA];
        octets[0] = 0x7c;
        octets[1] = head | kind;
        octets
    }
    static KEY: [[u8; DATA]; 3] = [fragment(0x80, 5), fragment(0, 5), fragment(0x40, 5)];
    static OTHER: [[u8; DATA]; 3] = [fragment(0x80, 1), fragment(0, 1), fragment(0x40, 1)];
    let pieces = if key_frame { &KEY } else { &OTHER };
    let fragments = (0..FRAGMENTS).map(|n| {
        let which = if n == 0 { 0 } else { 1 + usize::from(n + 1 == FRAGMENTS) };
        (&pieces[which][..], n + 1 == FRAGMENTS)
    });
    let sets = [(SPS, false), (PPS, false)].into_iter().filter(move |_| key_frame);
    sets.chain(fragments)
}
