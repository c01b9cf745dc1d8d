//! Descriptions and addresses that several tests use.
#![allow(dead_code, reason = "each test file uses its part of this module")]

use model::LocalMedia;
use sdp::{AnchorOptions, Limits, OriginState, Role, SdpError, SessionDescription};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) fn corpus(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/sdp");
    std::fs::read(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn parse(body: &[u8]) -> Result<SessionDescription, SdpError> {
    SessionDescription::parse(body, &Limits::default())
}

pub(crate) fn description(body: &[u8]) -> SessionDescription {
    parse(body).unwrap_or_else(|error| panic!("{error}:\n{}", String::from_utf8_lossy(body)))
}

/// Parses text that has LF line ends.
pub(crate) fn text(body: &str) -> SessionDescription {
    description(body.replace('\n', "\r\n").as_bytes())
}

pub(crate) fn local(rtp: &str) -> LocalMedia {
    let rtp: SocketAddr = rtp.parse().expect("an address");
    LocalMedia { rtp, rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1) }
}

/// The relay's addresses towards leg A and towards leg B.
pub(crate) fn towards_a() -> LocalMedia {
    local("198.18.0.1:20000")
}

pub(crate) fn towards_b() -> LocalMedia {
    local("198.18.0.2:20002")
}

pub(crate) fn anchored(
    received: &SessionDescription,
    local: &LocalMedia,
    role: Role<'_>,
) -> Result<SessionDescription, SdpError> {
    let mut origin = OriginState::new(7);
    let body =
        sdp::anchor(received, local, &mut origin, role, &AnchorOptions::default(), &mut no_keys)?;
    Ok(description(&body))
}

/// For legs without encryption, which draw no keys.
pub(crate) fn no_keys() -> u64 {
    panic!("a plain leg was given a key")
}

/// One audio stream with further lines after its `m=` line.
pub(crate) fn audio(connection: &str, lines: &str) -> SessionDescription {
    text(&format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN {connection}\nt=0 0\n\
         m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n{lines}"
    ))
}
