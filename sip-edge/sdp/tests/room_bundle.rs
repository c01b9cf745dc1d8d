//! What a meeting room answers to browsers whose lines share a transport (BUNDLE, RFC 9143).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use model::{Fingerprint, FingerprintHash, LocalMedia, PictureContent};
use sdp::{
    AnchorOptions, Encryption, FurtherLine, Limits, OriginState, PictureTerms, Role, RoomBundle,
    RoomPicture, SessionDescription, anchor_lines, leg_security,
};
use std::net::SocketAddr;

const TERMS: PictureTerms = PictureTerms { high_definition: false };
const TRANSPORT: &str = "c=IN IP4 192.0.2.1\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
    a=fingerprint:sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD\r\n\
    a=setup:actpass\r\na=rtcp-mux\r\n";
const CANDIDATE: &str = "a=candidate:1 1 udp 2122194687 192.0.2.1 40000 typ host\r\n";
const MID_EXTENSION: &str = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

fn head(group: &str) -> String {
    format!("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{group}")
}

fn sound(port: u16, transport: &str) -> String {
    format!(
        "m=audio {port} UDP/TLS/RTP/SAVPF 111 9 126\r\n{transport}a=rtpmap:111 opus/48000/2\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=mid:0\r\n{MID_EXTENSION}a=sendrecv\r\n"
    )
}

fn picture(mid: &str, port: u16, rest: &str) -> String {
    format!(
        "m=video {port} UDP/TLS/RTP/SAVPF 96 97\r\n{rest}a=rtpmap:96 VP8/90000\r\n\
         a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 nack pli\r\na=mid:{mid}\r\n\
         a=sendrecv\r\n"
    )
}

/// As Chromium has it before it has gathered candidates: each line says the same, with a port for none.
fn chromium() -> String {
    let shared = format!("{TRANSPORT}{MID_EXTENSION}");
    head("a=group:BUNDLE 0 1 2\r\n")
        + &sound(9, TRANSPORT)
        + &picture("1", 9, &shared)
        + &picture("2", 9, &format!("{shared}a=content:slides\r\n"))
}

/// As RFC 9143 section 7.2.1 has it, and Firefox: the others say that they are of the bundle alone.
fn bundle_only() -> String {
    let rest = format!("c=IN IP4 0.0.0.0\r\na=bundle-only\r\n{MID_EXTENSION}");
    head("a=group:BUNDLE 0 1 2\r\n")
        + &sound(40_000, &format!("{TRANSPORT}{CANDIDATE}"))
        + &picture("1", 0, &rest)
        + &picture("2", 0, &format!("{rest}a=content:slides\r\n"))
}

/// The same offered later: all at one port, and one line says how it is reached.
fn agreed() -> String {
    let rest = format!("c=IN IP4 192.0.2.1\r\na=rtcp-mux\r\n{MID_EXTENSION}");
    head("a=group:BUNDLE 0 1 2\r\n")
        + &sound(40_000, &format!("{TRANSPORT}{CANDIDATE}"))
        + &picture("1", 40_000, &rest)
        + &picture("2", 40_000, &format!("{rest}a=content:slides\r\n"))
}

fn seen(offer: &str) -> SessionDescription {
    let limits = Limits { bytes: 65_000, media: 16, lines: 1000 };
    SessionDescription::parse(offer.as_bytes(), &limits).unwrap().for_leg(Encryption::Optional)
}

fn local(index: usize) -> LocalMedia {
    let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
    let port = 20_000 + 2 * index as u16;
    LocalMedia { rtp: at(port), rtcp: at(port + 1) }
}

fn bundle(offer: &str) -> Option<RoomBundle> {
    seen(offer).room_bundle()
}

fn places(bundle: &RoomBundle) -> Vec<usize> {
    bundle.lines.iter().map(|line| line.index).collect()
}

/// What a room answers where it takes the bundle.
fn answer(offer: &str) -> (Vec<RoomPicture>, String) {
    let offer = seen(offer);
    let bundle = offer.room_bundle().unwrap();
    let offer = offer.with_shared_transport(&bundle);
    let pictures = bundle.told_apart(&offer, offer.room_pictures(TERMS));
    let offer = offer.in_room(&pictures);
    let fingerprint = Fingerprint::new(FingerprintHash::Sha256, &[7; 32]);
    let mut origin = OriginState::new(5).with_fingerprint(fingerprint);
    origin.start_leg(Encryption::Optional);
    let spoken = offer.spoken_in_room(&pictures, TERMS).saying_mids(&bundle);
    let place = |one: &RoomPicture| FurtherLine {
        received: one.index,
        written: one.index,
        local: local(one.index),
    };
    let further: Vec<FurtherLine> = pictures.iter().map(place).collect();
    let role = Role::Answer { to: &offer, at: None };
    let options = AnchorOptions { bundle: Some(bundle), ..AnchorOptions::default() };
    let body = anchor_lines(&spoken, &local(0), &further, &mut origin, role, &options, &mut || 7);
    for picture in &pictures {
        let theirs = offer.line_at(picture.index).unwrap().stream;
        let ours = origin.last_line(picture.index).unwrap();
        assert_eq!(ours.remote_rtp, Some(local(0).rtp));
        assert!(leg_security(Some(&theirs), Some(ours)).is_some(), "line {}", picture.index);
    }
    (pictures, String::from_utf8(body.unwrap()).unwrap())
}

fn sections(body: &str) -> Vec<String> {
    body.split("m=").map(str::to_owned).collect()
}

#[test]
fn all_lines_are_answered_at_one_port_and_one_says_how_it_is_reached() {
    for offer in [chromium(), bundle_only(), agreed()] {
        let (pictures, body) = answer(&offer);
        let contents: Vec<PictureContent> = pictures.iter().map(|one| one.content).collect();
        assert_eq!(contents, [PictureContent::Main, PictureContent::Slides], "{offer}");
        let sections = sections(&body);
        assert!(sections[0].contains("a=group:BUNDLE 0 1 2\r\n"), "{body}");
        assert_eq!(body.matches("a=group").count(), 1);
        for (at, media) in [(1, "audio"), (2, "video"), (3, "video")] {
            let section = &sections[at];
            assert!(section.starts_with(&format!("{media} 20000 UDP/TLS/RTP/SAVPF")), "{body}");
            assert!(section.contains(&format!("a=mid:{}\r\n", at - 1)), "{body}");
            assert!(section.contains("a=rtcp-mux\r\n"), "{body}");
            // RFC 9143 section 7.3.2: the transport is the tagged line's to say.
            for own in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup", "a=candidate"] {
                assert_eq!(section.contains(own), at == 1, "{own} in {section}");
            }
            assert!(section.contains(MID_EXTENSION), "{section}");
            assert!(!section.contains("bundle-only"), "{section}");
        }
    }
}

#[test]
fn a_line_with_a_transport_of_its_own_shares_none() {
    let bundle_of = |picture: String| {
        let offer = head("a=group:BUNDLE 0 1\r\n") + &sound(40_000, TRANSPORT) + &picture;
        bundle(&offer).unwrap()
    };
    let own = TRANSPORT.to_owned();
    let gathered = picture("1", 40_002, &format!("{own}{CANDIDATE}"));
    let offered = head("a=group:BUNDLE 0 1\r\n") + &sound(40_000, TRANSPORT) + &gathered;
    assert_eq!(places(&bundle_of(gathered)), [0]);
    let pictures = seen(&offered).room_pictures(TERMS);
    assert!(!bundle(&offered).unwrap().has_all(&pictures));
    // At the port for none, with candidates.
    assert_eq!(places(&bundle_of(picture("1", 9, &format!("{own}{CANDIDATE}")))), [0]);
    // Declined, and not of the bundle alone.
    assert_eq!(places(&bundle_of(picture("1", 0, &own))), [0]);
    assert_eq!(places(&bundle_of(picture("1", 9, &own))), [0, 1]);
    assert_eq!(places(&bundle_of(picture("1", 40_000, &own))), [0, 1]);
    // Its RTCP would go elsewhere, though it is reached as the others are.
    let unmultiplexed = TRANSPORT.replace("a=rtcp-mux\r\n", "");
    for port in [9, 40_000] {
        assert_eq!(places(&bundle_of(picture("1", port, &unmultiplexed))), [0], "{port}");
    }
}

#[test]
fn a_bundle_has_the_sound_in_its_group_and_means_to_be_one() {
    for group in [
        "",
        "a=group:BUNDLE\r\n",
        "a=group:BUNDLE 1 2\r\n",
        "a=group:LS 0 1 2\r\n",
        "a=group\r\n",
        "a=group:BUNDLE 00 1\r\n",
    ] {
        let offer = chromium().replace("a=group:BUNDLE 0 1 2\r\n", group);
        assert_eq!(bundle(&offer), None, "{group}");
    }
    for (missing, instead) in [
        ("a=rtcp-mux\r\n", ""),
        ("a=ice-pwd:0123456789012345678901\r\n", ""),
        ("a=mid:0\r\n", ""),
        ("a=mid:0\r\n", "a=mid:12345678901234567\r\n"),
    ] {
        assert_eq!(bundle(&chromium().replace(missing, instead)), None, "{missing}");
    }
    // Of several groups the sound's counts; a line that is in none, or without a mid, is outside.
    let offer = chromium().replace("BUNDLE 0 1 2", "BUNDLE 2\r\na=group:BUNDLE 1 0");
    assert_eq!(places(&bundle(&offer).unwrap()), [0, 1]);
    let offer = chromium().replace("a=mid:2\r\n", "");
    assert_eq!(places(&bundle(&offer).unwrap()), [0, 1]);
    let alone = head("a=group:BUNDLE 0\r\n") + &sound(9, TRANSPORT);
    let (_, body) = answer(&alone);
    assert!(body.contains("a=group:BUNDLE 0\r\n"), "{body}");
}

#[test]
fn a_mid_is_said_in_packets_where_that_is_offered_both_ways() {
    let number = |extmap: &str| {
        let offer = bundle_only().replace(MID_EXTENSION, extmap);
        bundle(&offer).unwrap().lines[1].mid_extension
    };
    let mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
    assert_eq!(number(&format!("a=extmap:4 {mid}\r\n")), Some(4));
    assert_eq!(number(&format!("a=extmap:255/sendrecv {mid} x\r\n")), Some(255));
    assert_eq!(number(&format!("a=extmap:1 urn:x\r\na=extmap:3 {mid}\r\n")), Some(3));
    for other in ["0", "15", "256", "-1", "4/sendonly", "4/inactive", "x", ""] {
        assert_eq!(number(&format!("a=extmap:{other} {mid}\r\n")), None, "{other}");
    }
    assert_eq!(number(""), None);
    let offer = bundle_only().replace(MID_EXTENSION, "");
    let session = offer.replace("t=0 0\r\n", &format!("t=0 0\r\na=extmap:6 {mid}\r\n"));
    assert_eq!(bundle(&session).unwrap().lines[1].mid_extension, Some(6));
}

#[test]
fn lines_that_cannot_be_told_apart_are_one() {
    let (pictures, body) = answer(&chromium().replace(MID_EXTENSION, ""));
    assert_eq!(pictures.len(), 1);
    let sections = sections(&body);
    assert!(sections[0].contains("a=group:BUNDLE 0 1\r\n"), "{body}");
    assert!(sections[3].starts_with("video 0 "), "{body}");
    // Under another number it can be told.
    let offer = chromium().replace(MID_EXTENSION, "");
    let (before, slides) = offer.split_at(offer.rfind("m=").unwrap());
    let offer = format!("{before}{}", slides.replace("96", "98"));
    assert_eq!(answer(&offer).0.len(), 2);
}
