//! Hostile seeds that are too large, or too regular, to be files.

use crate::PART;
use std::fmt::Write as _;

const HEAD: &str = "INVITE sip:+12065550111@abcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost \
    SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKgenerated\r\n\
    From: <sip:+12065550100@192.0.2.1>;tag=g\r\nTo: <sip:+12065550111@192.0.2.100>\r\n\
    Call-ID: generated@192.0.2.1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
    Contact: <sip:pbx@192.0.2.1:5060>\r\n";

/// The generated seeds of a target, each with a name.
pub fn generated(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    match target {
        "sip_message" | "sip_endpoint" | "edge" => sip(),
        "sip_stream" => stream(),
        "sdp" => description(),
        "dialled" => crate::dialled::seeds(),
        "siprec" => crate::siprec_metadata::seeds(),
        "rtp" => vec![("zeros", vec![0x80; 65_535])],
        "rtcp" => rtcp(),
        "srtp" => crate::srtp::seeds(),
        "relay_control" => crate::relay_control::seeds(),
        "call_audio" => crate::call_audio::seeds(),
        "mixer" => crate::mixer::seeds(),
        "control_api" => crate::control_api::seeds(),
        "application" => crate::application::seeds(),
        "transcoder" => crate::transcoder::seeds(),
        "outbox" => crate::outbox::seeds(),
        "h264" => crate::room_video::h264_seeds(),
        "room_video" => crate::room_video::room_seeds(),
        "room_grid" => crate::room_grid::seeds(),
        "bfcp" => crate::bfcp::seeds(),
        "floor_control" => crate::floor_control::seeds(),
        "mkv" => crate::mkv::seeds(),
        "voice_socket" => crate::voice_socket::seeds(),
        "put_media" => crate::put_media::seeds(),
        "rooms" => crate::rooms::seeds(),
        "guests" => crate::guests::seeds(),
        "report" => crate::report::seeds(),
        "privacy" => crate::privacy::seeds(),
        "recording" => vec![(
            "chunks",
            [b"RIFF\0\0\0\0WAVE".as_slice(), &b"LIST\0\0\0\0".repeat(10_000)].concat(),
        )],
        "ng" => vec![
            ("nested", [b"1 ".as_slice(), &b"l".repeat(100_000)].concat()),
            ("many", format!("1 d1:al{}ee", "0:".repeat(40_000)).into_bytes()),
        ],
        "rtp_session" => vec![("flood", flood())],
        _ => Vec::new(),
    }
}

fn sip() -> Vec<(&'static str, Vec<u8>)> {
    let with = |lines: String| format!("{HEAD}{lines}Content-Length: 0\r\n\r\n").into_bytes();
    vec![
        ("10000-headers", with(numbered(10_000, |out, n| write!(out, "X-{n}: {n}\r\n")))),
        ("200-headers", with(numbered(200, |out, n| write!(out, "X-{n}: {n}\r\n")))),
        (
            "1000-vias",
            with(numbered(1_000, |out, n| {
                write!(out, "Via: SIP/2.0/UDP 192.0.2.{};branch=z9hG4bK{n}\r\n", n % 256)
            })),
        ),
        (
            "commas",
            with(format!("Contact: {}<sip:a@192.0.2.1>\r\n", "<sip:a@192.0.2.1>,".repeat(400))),
        ),
        ("folds", with(format!("Subject: a{}\r\n", "\r\n b".repeat(2_000)))),
        ("quotes", with(format!("Contact: \"{}\" <sip:a@192.0.2.1>\r\n", "\\\"".repeat(3_000)))),
        ("parameters", with(format!("Contact: <sip:a@192.0.2.1{}>\r\n", ";p=%41".repeat(1_000)))),
        (
            "record-routes",
            with(numbered(200, |out, n| {
                write!(out, "Record-Route: <sip:192.0.2.{};lr>\r\n", n % 256)
            })),
        ),
        ("long-uri", HEAD.replace("+12065550111@", &"1".repeat(20_000)).into_bytes()),
        ("oversized", with(format!("Subject: {}\r\n", "x".repeat(70_000)))),
        ("recursive-multipart", with_body("multipart/mixed;boundary=b", &recursive_multipart())),
        ("1000-media", with_body("application/sdp", &media_lines(1_000))),
    ]
}

fn with_body(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut message =
        format!("{HEAD}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    message.extend_from_slice(body);
    message
}

fn stream() -> Vec<(&'static str, Vec<u8>)> {
    let message = format!("{HEAD}Content-Length: 0\r\n\r\n");
    let with = |pieces: u8, text: String| {
        let mut out = vec![pieces];
        out.extend_from_slice(text.as_bytes());
        out
    };
    vec![
        ("drip", with(0, message.repeat(20))),
        ("many", with(200, message.repeat(200))),
        ("pings", with(2, "\r\n".repeat(10_000))),
        ("no-end", with(99, format!("{HEAD}Subject: {}", "x".repeat(90_000)))),
        ("no-line", with(7, "x".repeat(100_000))),
        ("long-body", with(255, format!("{HEAD}Content-Length: 65000\r\n\r\n{}", message))),
        ("lying-length", with(3, format!("{HEAD}Content-Length: 4\r\n\r\n{message}{message}"))),
    ]
}

fn description() -> Vec<(&'static str, Vec<u8>)> {
    let formats = numbered(3_000, |out, n| write!(out, " {}", n % 130));
    vec![
        ("16-media", media_lines(16)),
        ("10000-lines", media_lines(3_000)),
        ("3000-formats", format!("{SESSION}m=audio 4000 RTP/AVP{formats}\r\n").into_bytes()),
        ("recursive-multipart", recursive_multipart()),
        ("long-line", format!("{SESSION}a={}\r\n", "x".repeat(64_000)).into_bytes()),
    ]
}

const SESSION: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn media_lines(count: usize) -> Vec<u8> {
    let media = numbered(count, |out, n| {
        write!(out, "m=audio {} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", 4_000 + n)
    });
    format!("{SESSION}{media}").into_bytes()
}

/// Multiparts within multiparts, the innermost a description.
fn recursive_multipart() -> Vec<u8> {
    let open = "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(500);
    let media = media_lines(1);
    let inner = String::from_utf8_lossy(&media);
    let close = "\r\n--b--".repeat(500);
    format!("{open}--b\r\nContent-Type: application/sdp\r\n\r\n{inner}{close}").into_bytes()
}

fn rtcp() -> Vec<(&'static str, Vec<u8>)> {
    let empty_report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    vec![
        ("8000-reports", empty_report.repeat(8_000)),
        ("goodbyes", [0x80, 203, 0, 0].repeat(9_000)),
    ]
}

/// Leg A sends a talk spurt with losses, wraps and a change of SSRC; then a report.
fn flood() -> Vec<u8> {
    let mut script = Vec::new();
    for n in 0..400u16 {
        let sequence = n.wrapping_mul(if n % 50 == 0 { 700 } else { 1 }).wrapping_add(65_300);
        let act = if n == 399 { 0xa0 } else { 0x20 };
        script.extend_from_slice(&[act, 0x80, 0]);
        script.extend_from_slice(&sequence.to_be_bytes());
        script.extend_from_slice(&(u32::from(n) * 160).to_be_bytes());
        script.extend_from_slice(&[0, 0, 0, if n < 200 { 1 } else { 2 }]);
        script.extend_from_slice(&[0xd5; 20]);
        script.push(PART);
    }
    script
}

fn numbered(count: usize, write: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut out = String::new();
    for n in 0..count {
        // Writing into a String cannot fail.
        let _ = write(&mut out, n);
    }
    out
}
