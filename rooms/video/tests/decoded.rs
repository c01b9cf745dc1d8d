//! What receivers are given is decoded by ffmpeg without a word of complaint: after switches, in
//! both packetization modes, with other packet sizes. Skipped where ffmpeg is not installed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod support;

use model::Instant;
use room_video::h264::PacketizationMode;
use room_video::{Outgoing, Participant, StreamKey, VideoSwitch};
use rtp_proto::{RtpHeader, RtpPacket};
use std::io::Write as _;
use std::process::{Command, Stdio};
use support::{BLUE, Depacketizer, RED, packets, receiver_settings, room, source_settings, units};

const PLAIN: &str = "profile-level-id=42e01f;packetization-mode=1";

/// The mean colour of each picture that ffmpeg decodes, red, green and blue; and what it complains of.
fn decode(stream: &[u8]) -> Option<(Vec<[u8; 3]>, String)> {
    let spawned = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-", "-vf", "scale=1:1:flags=area"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    // ffmpeg may have stopped reading; what it says is looked at.
    let _ = writer.join().unwrap();
    let colours = output.stdout.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).collect();
    Some((colours, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn is_red([red, _, blue]: &[u8; 3]) -> bool {
    u32::from(*red) > u32::from(*blue) + 40
}

/// A clip that is sent again and again, a picture each 66 ms.
struct Camera {
    key: StreamKey,
    packets: Vec<support::Packet>,
    next: usize,
    sequence: u16,
    pictures: u32,
}

impl Camera {
    fn new(participant: u16, clip: &[u8], limit: usize) -> Self {
        let key = StreamKey::main(Participant(participant));
        let packets = packets(clip, limit, participant % 2 == 1);
        Camera { key, packets, next: 0, sequence: 65_000, pictures: 0 }
    }

    /// Sends one picture.
    fn send(
        &mut self,
        now: Instant,
        switch: &mut VideoSwitch,
        emit: &mut impl FnMut(StreamKey, Outgoing<'_>),
    ) {
        loop {
            let packet = &self.packets[self.next % self.packets.len()];
            let header = RtpHeader {
                payload_type: 97,
                marker: packet.marker,
                sequence: self.sequence,
                timestamp: self.pictures * 6_000,
                ssrc: 7 + self.key.participant.0 as u32,
            };
            let bytes = [&header.to_bytes()[..], &packet.payload].concat();
            switch.handle_rtp(now, self.key, &RtpPacket::parse(&bytes).unwrap(), emit);
            self.sequence = self.sequence.wrapping_add(1);
            self.next += 1;
            if packet.marker {
                break;
            }
        }
        self.pictures += 1;
    }
}

/// Two cameras, red and blue, and two who look on with other modes and sizes; they are told to see
/// the one and the other in turn.
fn watched(red_limit: usize, mode: PacketizationMode, payload_limit: usize) -> Depacketizer {
    let mut switch = room(2);
    let watcher = StreamKey::main(Participant(9));
    let settings = receiver_settings(900, PLAIN, mode, payload_limit);
    switch.add_receiver(Instant::ZERO, watcher, settings).unwrap();
    let mut cameras = [Camera::new(0, RED, red_limit), Camera::new(1, BLUE, 1_100)];
    let mut seen =
        Depacketizer { single_only: mode == PacketizationMode::Single, ..Depacketizer::default() };
    for picture in 0..120_u64 {
        let now = Instant::from_millis(picture * 66);
        if picture % 30 == 5 {
            let shown = Participant(u16::from(picture % 60 == 5));
            switch.pin(now, watcher.participant, Some(shown));
        }
        for camera in &mut cameras {
            camera.send(now, &mut switch, &mut |to, packet| {
                if to == watcher {
                    seen.take(&packet);
                }
            });
        }
        switch.handle_timeout(now, &mut |_, _| {});
    }
    assert_eq!(switch.view(watcher).unwrap().switches, 5);
    seen
}

fn check_colours(seen: &Depacketizer) {
    let Some((colours, complaints)) = decode(&seen.stream) else { return };
    assert_eq!(complaints, "");
    // Waiting for key frames, a picture may be missing; each switch shows the other colour.
    assert!(colours.len() >= 110, "{} pictures", colours.len());
    let changes = colours.windows(2).filter(|pair| is_red(&pair[0]) != is_red(&pair[1])).count();
    assert_eq!(changes, 4);
    assert_eq!(seen.missing, 0);
    for pair in seen.timestamps.windows(2) {
        assert!(pair[1].wrapping_sub(pair[0]) < 90_000, "{pair:?}: time goes on, without jumps");
    }
}

#[test]
fn switches_decode_in_mode_1() {
    let seen = watched(1_100, PacketizationMode::NonInterleaved, 1_200);
    assert!(seen.payloads.iter().any(|payload| payload[0] & 0x1f == 28), "blue is in fragments");
    assert!(seen.payloads.iter().any(|payload| payload[0] & 0x1f == 24), "and aggregated");
    check_colours(&seen);
}

#[test]
fn switches_decode_with_smaller_packets() {
    let seen = watched(1_100, PacketizationMode::NonInterleaved, 300);
    assert!(seen.payloads.iter().all(|payload| payload.len() <= 300));
    check_colours(&seen);
}

#[test]
fn fragments_of_mode_1_decode_in_mode_0() {
    // Red's units are under 600 octets; in packets of 200 they come in fragments.
    let mut switch = room(1);
    let watcher = StreamKey::main(Participant(9));
    let settings = receiver_settings(900, PLAIN, PacketizationMode::Single, 1_200);
    switch.add_receiver(Instant::ZERO, watcher, settings).unwrap();
    let mut camera = Camera::new(0, RED, 200);
    assert!(camera.packets.iter().any(|packet| packet.payload[0] & 0x1f == 28));
    let mut seen = Depacketizer { single_only: true, ..Depacketizer::default() };
    for picture in 0..48 {
        let now = Instant::from_millis(picture * 66);
        camera.send(now, &mut switch, &mut |_, packet| seen.take(&packet));
    }
    // The same units as the encoder wrote, twice.
    let sent = units(&seen.stream);
    assert_eq!(sent, [units(RED), units(RED)].concat());
    let Some((colours, complaints)) = decode(&seen.stream) else { return };
    assert_eq!((colours.len(), complaints.as_str()), (48, ""));
    assert!(colours.iter().all(is_red));
}

#[test]
fn slices_that_fit_no_packet_are_holes_and_counted() {
    let seen = watched(1_100, PacketizationMode::Single, 1_200);
    // Blue's pictures are one slice each, of more octets: nothing of them can be given on.
    assert!(seen.missing > 0);
    assert!(seen.payloads.iter().all(|payload| payload.len() <= 1_200));
}

#[test]
fn parameter_sets_of_the_description_are_enough() {
    let mut switch = VideoSwitch::new();
    let sender = StreamKey::main(Participant(0));
    let watcher = StreamKey::main(Participant(1));
    let described = "profile-level-id=42c00a;packetization-mode=1;\
                     sprop-parameter-sets=Z0LACtkCxOwEQAAAAwBAAAAHo8SJkg==,aMuBEsg=";
    switch.add_source(Instant::ZERO, sender, source_settings(described)).unwrap();
    let settings = receiver_settings(900, PLAIN, PacketizationMode::Single, 1_200);
    switch.add_receiver(Instant::ZERO, watcher, settings).unwrap();
    let mut camera = Camera::new(0, RED, 1_100);
    camera.packets.retain(|packet| !matches!(packet.payload[0] & 0x1f, 7 | 8));
    let mut seen = Depacketizer { single_only: true, ..Depacketizer::default() };
    for picture in 0..24 {
        let now = Instant::from_millis(picture * 66);
        camera.send(now, &mut switch, &mut |_, packet| seen.take(&packet));
    }
    let Some((colours, complaints)) = decode(&seen.stream) else { return };
    assert_eq!((colours.len(), complaints.as_str()), (24, ""));
}
