use super::*;
use model::{Codec, MediaId};
use rtp_proto::{RtpHeader, RtpPacket};
use std::time::Duration;

const SOUND: usize = 0;
const CAMERA: usize = 1;
const SLIDES: usize = 2;

fn line(mid: &str, mid_extension: Option<u8>) -> BundledLine {
    BundledLine { on: MediaId(1), mid: mid.into(), mid_extension }
}

fn formats(numbers: &[u8]) -> Vec<CodecMapping> {
    let format = |number: &u8| CodecMapping {
        payload_type: *number,
        codec: Codec::Other,
        clock_rate: 90_000,
        packet_duration: Duration::ZERO,
    };
    numbers.iter().map(format).collect()
}

/// As a browser has them: both lines of pictures in one format, and so under one number.
fn bundle() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.set(SOUND, &line("0", None), &formats(&[111, 126]));
    bundle.set(CAMERA, &line("1", Some(4)), &formats(&[96]));
    bundle.set(SLIDES, &line("2", Some(4)), &formats(&[96]));
    bundle
}

fn packet(payload_type: u8, ssrc: u32, mid: Option<(u8, &str)>) -> Vec<u8> {
    let header = RtpHeader { payload_type, ssrc, ..RtpHeader::default() };
    let mut packet = vec![0; 200];
    header.write_header(&mut packet).unwrap();
    if let Some((id, mid)) = mid {
        packet[0] |= 0x10;
        let mut octets = [0; 300];
        let len = write_element(&mut octets, id, mid.as_bytes()).unwrap();
        packet.splice(12..12, octets[..len].iter().copied());
    }
    packet
}

fn place(bundle: &Bundle, datagram: &[u8]) -> Option<usize> {
    match bundle.route(datagram) {
        BundleRoute::Line { place, .. } => Some(place),
        other => {
            assert_eq!(other, BundleRoute::Nobody);
            None
        }
    }
}

#[test]
fn a_line_is_known_by_its_mid_then_by_its_source_then_by_its_payload_type() {
    let mut bundle = bundle();
    assert_eq!(place(&bundle, &packet(111, 7, None)), Some(SOUND));
    assert_eq!(place(&bundle, &packet(126, 7, None)), Some(SOUND));
    assert_eq!(place(&bundle, &packet(96, 8, None)), None, "two lines have this number");
    assert_eq!(place(&bundle, &packet(97, 8, None)), None, "no line has this one");
    assert_eq!(place(&bundle, &packet(96, 8, Some((4, "2")))), Some(SLIDES));
    assert_eq!(place(&bundle, &packet(96, 8, None)), None, "nothing is learnt of what nobody took");
    bundle.learn(8, SLIDES);
    assert_eq!(place(&bundle, &packet(96, 8, None)), Some(SLIDES));
    // A mid says more than a source, and an extension without one nothing.
    assert_eq!(place(&bundle, &packet(96, 8, Some((4, "1")))), Some(CAMERA));
    assert_eq!(place(&bundle, &packet(96, 8, Some((5, "1")))), Some(SLIDES));
    bundle.learn(8, CAMERA);
    assert_eq!(place(&bundle, &packet(96, 8, None)), Some(CAMERA));
    // A source says more than a payload type.
    bundle.learn(7, CAMERA);
    assert_eq!(place(&bundle, &packet(111, 7, None)), Some(CAMERA));
}

#[test]
fn a_mid_of_nobody_is_nobodys_whatever_else_is_known() {
    let mut bundle = bundle();
    bundle.learn(8, CAMERA);
    for mid in ["3", "", "11", "1234567890123456"] {
        assert_eq!(place(&bundle, &packet(96, 8, Some((4, mid)))), None, "{mid}");
    }
    // The same of an element that is long: its head has two octets.
    assert_eq!(place(&bundle, &packet(96, 8, Some((4, &"1".repeat(200))))), None);
}

#[test]
fn what_is_no_media_is_the_transports_and_rtcp_is_everybodys() {
    let bundle = bundle();
    assert_eq!(bundle.route(&[20; 30]), BundleRoute::Transport, "a handshake");
    assert_eq!(bundle.route(&[0; 30]), BundleRoute::Transport, "a check");
    assert_eq!(bundle.route(&[]), BundleRoute::Transport);
    assert_eq!(bundle.route(&[0x80, 200, 0, 1, 0, 0, 0, 9]), BundleRoute::Every);
    // Cut off in its header, or in its extension.
    let cut = packet(96, 8, Some((4, "1")));
    for octets in 2..20 {
        assert_eq!(bundle.route(&cut[..octets]), BundleRoute::Nobody, "{octets}");
    }
}

#[test]
fn sources_are_bounded_and_go_with_their_line() {
    let mut bundle = bundle();
    for ssrc in 1..=1_000 {
        bundle.learn(ssrc, CAMERA);
    }
    let known = |bundle: &Bundle, ssrc| place(bundle, &packet(96, ssrc, None)).is_some();
    assert_eq!((1..=1_000).filter(|ssrc| known(&bundle, *ssrc)).count(), SOURCES);
    assert!(known(&bundle, 1_000) && !known(&bundle, 1_000 - SOURCES as u32));
    bundle.learn(5_000, SLIDES);
    bundle.set(CAMERA, &line("1", Some(4)), &formats(&[96]));
    assert!(known(&bundle, 1_000), "the same line said again");
    bundle.set(CAMERA, &line("7", Some(4)), &formats(&[96]));
    assert!(!known(&bundle, 1_000) && known(&bundle, 5_000));
    bundle.remove(SLIDES);
    assert_eq!(
        place(&bundle, &packet(96, 5_001, None)),
        Some(CAMERA),
        "the only one of this number"
    );
    assert!(!known(&bundle, 5_000), "though there is but one of this number");
    bundle.remove(CAMERA);
    assert!(!known(&bundle, 5_000));
    bundle.set(BUNDLED_LINES, &line("8", None), &formats(&[96]));
    bundle.remove(BUNDLED_LINES);
    assert!(!known(&bundle, 5_000), "there is no such place");
}

#[test]
fn what_comes_late_of_a_line_that_has_ended_is_nobodys() {
    let mut bundle = bundle();
    bundle.learn(8, CAMERA);
    bundle.learn(9, SLIDES);
    bundle.remove(CAMERA);
    assert_eq!(place(&bundle, &packet(96, 8, None)), None, "not the slides', of the same number");
    assert_eq!(place(&bundle, &packet(96, 9, None)), Some(SLIDES));
    // A mid says more; and what is another line's by now is that one's.
    assert_eq!(place(&bundle, &packet(96, 8, Some((4, "2")))), Some(SLIDES));
    bundle.learn(8, SLIDES);
    assert_eq!(place(&bundle, &packet(96, 8, None)), Some(SLIDES));
    // Another line in its place is not it; the same, in whatever place, has its sources again.
    bundle.remove(SLIDES);
    bundle.set(CAMERA, &line("3", Some(4)), &formats(&[96]));
    for ssrc in [8, 9] {
        assert_eq!(place(&bundle, &packet(96, ssrc, None)), None, "{ssrc}");
    }
    bundle.set(3, &line("2", Some(4)), &formats(&[96]));
    for ssrc in [8, 9] {
        assert_eq!(place(&bundle, &packet(96, ssrc, None)), Some(3), "{ssrc}");
    }
    // A line that cannot say its mid is known by its payload type, whoever the source was.
    bundle.remove(3);
    bundle.set(SLIDES, &line("4", None), &formats(&[97]));
    assert_eq!(place(&bundle, &packet(97, 8, None)), Some(SLIDES));
}

#[test]
fn a_packet_says_its_lines_mid() {
    for (mid, id) in [("1", 4), ("video", 14), ("1234567890123456", 3), ("1", 200)] {
        let line = line(mid, Some(id));
        let extension = MidExtension::of(&line).unwrap();
        let mut buffer = packet(96, 8, None);
        let plain = buffer.clone();
        buffer.resize(plain.len() + LONGEST_EXTENSION, 0);
        let len = extension.put(&mut buffer, plain.len()).unwrap();
        let read = RtpPacket::parse(&buffer[..len]).unwrap();
        assert_eq!(read.extension().unwrap().element(id), Some(mid.as_bytes()));
        assert_eq!(read.payload(), &plain[12..]);
        assert_eq!((read.payload_type(), read.ssrc()), (96, 8));
        let mut bundle = Bundle::default();
        bundle.set(3, &line, &[]);
        assert_eq!(place(&bundle, &buffer[..len]), Some(3));
        assert_eq!(extension.put(&mut buffer, len), Some(len), "it has one");
        assert_eq!(extension.put(&mut plain.clone(), plain.len()), None, "no room");
    }
    assert_eq!(MidExtension::of(&line("1", None)), None);
    assert_eq!(MidExtension::of(&line("1", Some(0))), None);
}
