//! Descriptions that are broken, extreme or meant to do harm: each has a defined result.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use sdp::{Limits, Role, SdpError, SessionDescription};
use std::net::IpAddr;
use std::time::Duration;
use support::{anchored, audio, corpus, description, parse, text, towards_b};

fn offer_of(name: &str) -> Result<SessionDescription, SdpError> {
    anchored(&description(&corpus(name)), &towards_b(), Role::Offer)
}

fn fault(name: &str) -> (Option<u32>, &'static str) {
    match parse(&corpus(name)) {
        Err(SdpError::Malformed(malformed)) => (malformed.line, malformed.reason),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn without_media_or_with_port_zero_only_there_is_nothing_to_relay() {
    for name in ["no-media.sdp", "port-zero.sdp", "teams-savp.sdp"] {
        assert_eq!(offer_of(name), Err(SdpError::NoAudio), "{name}");
    }
    assert_eq!(SdpError::NoAudio.status(), 488);
}

#[test]
fn ten_media_lines_keep_their_order_with_one_relayed() {
    let sent = offer_of("ten-media.sdp").expect("anchored");
    assert_eq!(sent.media_count(), 10);
    let relayed: Vec<usize> = (0..10).filter(|&i| sent.audio_at(i).is_some()).collect();
    assert_eq!(relayed, [7]);
    let written = String::from_utf8(sent.write()).expect("text");
    assert_eq!(written.matches("m=video 0 RTP/AVP 97\r\n").count(), 9);
}

#[test]
fn limits_hold_on_both_sides_of_each_boundary() {
    let error = parse(&corpus("thousand-media.sdp")).expect_err("too many");
    assert_eq!(error, SdpError::OverLimit { what: "media descriptions", allowed: 16 });
    assert_eq!(error.status(), 413);

    let body = corpus("asterisk-offer.sdp");
    let lines = body.iter().filter(|&&byte| byte == b'\n').count();
    let exact = Limits { bytes: body.len(), lines, media: 1 };
    assert!(SessionDescription::parse(&body, &exact).is_ok());
    for (limits, what) in [
        (Limits { bytes: exact.bytes - 1, ..exact }, "bytes"),
        (Limits { lines: exact.lines - 1, ..exact }, "lines"),
        (Limits { media: 0, ..exact }, "media descriptions"),
    ] {
        let error = SessionDescription::parse(&body, &limits).expect_err(what);
        assert!(matches!(error, SdpError::OverLimit { what: w, .. } if w == what), "{error:?}");
    }
}

#[test]
fn multicast_broadcast_and_missing_addresses_are_refused() {
    assert!(description(&corpus("multicast.sdp")).audio().expect("audio").remote_rtp.is_none());
    let error = offer_of("multicast.sdp").expect_err("multicast");
    assert!(matches!(error, SdpError::UnsuitableAddress(_)) && error.status() == 488);
    for connection in ["IP4 255.255.255.255", "IP6 ff02::1", "IP6 ::ffff:224.0.0.1"] {
        let sent = anchored(&audio(connection, ""), &towards_b(), Role::Offer);
        assert!(matches!(sent, Err(SdpError::UnsuitableAddress(_))), "{connection}");
    }
    let bare = text("v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nt=0 0\nm=audio 4000 RTP/AVP 0\n");
    assert!(matches!(
        anchored(&bare, &towards_b(), Role::Offer),
        Err(SdpError::UnsuitableAddress(_))
    ));
}

#[test]
fn a_multicast_rtcp_address_gets_no_rtcp() {
    let stream = audio("IP4 192.0.2.10", "a=rtcp:4001 IN IP4 224.0.0.1\n").audio().expect("audio");
    assert_eq!(stream.remote_rtcp, None);
    assert!(stream.remote_rtp.is_some());
}

#[test]
fn a_host_name_is_no_hold_gives_no_address_and_is_not_told() {
    let stream = description(&corpus("hostname.sdp")).audio().expect("audio");
    assert!(!stream.held && stream.remote_rtp.is_none());
    let written = String::from_utf8(offer_of("hostname.sdp").expect("anchored").write()).unwrap();
    assert!(!written.contains("inner"), "{written}");
}

#[test]
fn an_extreme_packet_duration_is_neither_believed_nor_passed_on() {
    // The class of CVE-2026-41416: a buffer size computed from ptime overflows.
    let stream = description(&corpus("huge-ptime.sdp")).audio().expect("audio");
    assert_eq!(stream.codecs[0].packet_duration, Duration::from_millis(20));
    let written = String::from_utf8(offer_of("huge-ptime.sdp").expect("anchored").write()).unwrap();
    assert!(!written.contains("ptime"), "{written}");
    for (value, expected) in [
        ("1000", Duration::from_millis(1000)),
        ("1000.1", Duration::from_millis(20)),
        ("0", Duration::from_millis(20)),
        ("-30", Duration::from_millis(20)),
        ("1e2", Duration::from_millis(20)),
        ("2.5", Duration::from_micros(2500)),
    ] {
        let lines = format!("a=ptime:{value}\n");
        let offer = audio("IP4 192.0.2.10", &lines);
        assert_eq!(offer.audio().expect("audio").codecs[0].packet_duration, expected, "{value}");
        let sent = anchored(&offer, &towards_b(), Role::Offer).expect("anchored").write();
        let passed = String::from_utf8(sent).unwrap().contains("a=ptime");
        assert_eq!(passed, matches!(value, "1000" | "2.5"), "{value}");
    }
}

#[test]
fn broken_numbers_and_lines_are_named() {
    assert_eq!(fault("broken-port.sdp").0, Some(6));
    assert_eq!(fault("second-connection.sdp"), (Some(5), "a second c= line"));
    assert_eq!(fault("lone-cr.sdp"), (Some(1), "Line contains NUL or CR"));
    assert_eq!(fault("binary.sdp").0, Some(2));
    for body in [&b""[..], b"hello", b"o=- 1 1 IN IP4 192.0.2.1\r\n", b"v=1\r\n"] {
        let error = parse(body).expect_err("no description");
        assert_eq!(error.status(), 400, "{error}");
    }
}

#[test]
fn broken_format_attributes_fall_back_to_safe_values() {
    let stream = description(&corpus("broken-rtpmap.sdp")).audio().expect("audio");
    let seen: Vec<(u8, u32)> =
        stream.codecs.iter().map(|c| (c.payload_type, c.clock_rate)).collect();
    assert_eq!(seen, [(0, 8000), (96, 8000), (97, 8000), (98, 8000)]);
    assert_eq!(stream.telephone_event, None);
    // The port of a=rtcp is no port: the default counts.
    assert_eq!(stream.remote_rtcp, Some("192.0.2.10:4001".parse().unwrap()));
    let written = String::from_utf8(offer_of("broken-rtpmap.sdp").unwrap().write()).unwrap();
    assert!(written.contains("m=audio 20002 RTP/AVP 0 0 96 97 98\r\n"), "{written}");
}

#[test]
fn the_last_port_has_no_port_after_it() {
    let body = "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n\
                m=audio 65535 RTP/AVP 0\n";
    assert_eq!(text(body).audio().expect("audio").remote_rtcp, None);
}

#[test]
fn line_ends_of_both_kinds_are_read_and_latin1_names_do_not_end_a_call() {
    assert!(offer_of("mixed-line-ends.sdp").is_ok());
    assert!(offer_of("latin1-name.sdp").is_ok());
}

#[test]
fn our_own_address_is_recognised_as_a_loop() {
    let loops = |connection: &str, lines: &str, ours: &str| {
        audio(connection, lines).points_at(ours.parse::<IpAddr>().unwrap(), 4000..=4001)
    };
    assert!(loops("IP4 198.18.0.1", "", "198.18.0.1"));
    assert!(loops("IP6 ::ffff:198.18.0.1", "", "198.18.0.1"));
    assert!(loops("IP4 192.0.2.10", "a=rtcp:4001 IN IP4 198.18.0.1\n", "198.18.0.1"));
    assert!(!loops("IP4 192.0.2.10", "", "198.18.0.1"));
    let near = audio("IP4 198.18.0.1", "");
    let ours: IpAddr = "198.18.0.1".parse().unwrap();
    assert!(!near.points_at(ours, 4002..=5000), "a neighbour on the same host is no loop");
    assert!(near.points_at(ours, 3000..=4000));
    assert!(!description(&corpus("no-media.sdp")).points_at(ours, 0..=65_535));
}

#[test]
fn attributes_cannot_add_lines() {
    // LF ends a line, so the rest must be a line by itself; a CR within one is refused.
    assert!(parse(b"v=0\r\ns=-\r\na=x:1\rm=audio 1 RTP/AVP 0\r\n").is_err());
    let mut origin = sdp::OriginState::new(1);
    let options = sdp::AnchorOptions {
        session_name: "a\r\nm=audio 9 RTP/AVP 0".to_owned(),
        recorded: Some(sdp::RecordState::On),
        ..sdp::AnchorOptions::default()
    };
    let offer = audio("IP4 192.0.2.10", "");
    let body = sdp::anchor(
        &offer,
        &towards_b(),
        &mut origin,
        Role::Offer,
        &options,
        &mut support::no_keys,
    )
    .unwrap();
    assert_eq!(description(&body).media_count(), 1);
}
