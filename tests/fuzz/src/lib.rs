//! Fuzz targets as plain functions: cargo-fuzz and the smoke replay share them.
//!
//! A target takes any bytes, walks them through one surface that the network can reach, and panics
//! when the surface panics or breaks one of its promises. It reads no clock, no file and no random
//! number, so that an input that once failed fails again.
//!
//! Several targets read a *script*: parts between bytes 0x1e, one datagram or act each.
#![forbid(unsafe_code)]

mod application;
mod bfcp;
mod call_audio;
mod control_api;
mod dialled;
mod edge;
mod endpoint;
mod floor_control;
mod guests;
mod hep;
mod media;
mod mixer;
mod mkv;
pub mod mutate;
mod ng;
mod outbox;
mod privacy;
mod put_media;
mod recording;
mod relay_control;
mod report;
mod room_grid;
mod room_video;
mod rooms;
mod seated;
pub mod seeds;
mod session_description;
mod sip;
mod siprec_metadata;
mod srtp;
mod transcoder;
mod voice_socket;

pub use self::bfcp::bfcp;
pub use self::room_grid::room_grid;
pub use self::room_video::{h264, room_video};
pub use application::application;
pub use call_audio::call_audio;
pub use control_api::control_api;
pub use dialled::dialled;
pub use edge::edge;
pub use endpoint::sip_endpoint;
pub use floor_control::floor_control;
pub use guests::guests;
pub use media::{rtcp, rtp, rtp_session};
pub use mixer::mixer;
pub use mkv::mkv;
pub use ng::ng;
pub use outbox::outbox;
pub use privacy::privacy;
pub use put_media::put_media;
pub use recording::recording;
pub use relay_control::relay_control;
pub use report::report;
pub use rooms::rooms;
pub use session_description::sdp;
pub use sip::{sip_message, sip_stream};
pub use siprec_metadata::siprec;
pub use srtp::srtp;
pub use transcoder::transcoder;
pub use voice_socket::voice_socket;

/// Longer inputs are cut: twice the largest UDP datagram.
pub const MAX_INPUT: usize = 128 * 1024;

/// Separates the parts of a script.
pub const PART: u8 = 0x1e;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also its corpus folder under `tests/fuzz/corpus`.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
    /// Further folders with seeds, under `tests/corpus`.
    pub shared_seeds: &'static [&'static str],
    /// Byte strings that a mutation may insert.
    pub words: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "sip_message",
        run: sip_message,
        shared_seeds: &["rfc4475", "rfc5118"],
        words: SIP_WORDS,
    },
    Target {
        name: "sip_stream",
        run: sip_stream,
        shared_seeds: &["rfc4475", "rfc5118"],
        words: SIP_WORDS,
    },
    Target {
        name: "sip_endpoint",
        run: sip_endpoint,
        shared_seeds: &["rfc4475", "rfc5118"],
        words: SIP_WORDS,
    },
    Target { name: "sdp", run: sdp, shared_seeds: &["sdp", "offers", "rooms"], words: SDP_WORDS },
    Target { name: "dialled", run: dialled, shared_seeds: &[], words: DIALLED_WORDS },
    Target { name: "siprec", run: siprec, shared_seeds: &["siprec"], words: XML_WORDS },
    Target { name: "rtp", run: rtp, shared_seeds: &[], words: &[] },
    Target { name: "rtcp", run: rtcp, shared_seeds: &[], words: &[] },
    Target { name: "rtp_session", run: rtp_session, shared_seeds: &[], words: &[] },
    Target { name: "srtp", run: srtp, shared_seeds: &[], words: &[] },
    Target { name: "transcoder", run: transcoder, shared_seeds: &[], words: &[] },
    Target { name: "call_audio", run: call_audio, shared_seeds: &[], words: &[] },
    Target { name: "mixer", run: mixer, shared_seeds: &[], words: &[] },
    Target { name: "h264", run: h264, shared_seeds: &[], words: H264_WORDS },
    Target { name: "room_video", run: room_video, shared_seeds: &[], words: &["\u{1e}"] },
    Target { name: "room_grid", run: room_grid, shared_seeds: &[], words: &[] },
    Target { name: "bfcp", run: bfcp, shared_seeds: &[], words: BFCP_WORDS },
    Target { name: "floor_control", run: floor_control, shared_seeds: &[], words: BFCP_WORDS },
    Target { name: "recording", run: recording, shared_seeds: &[], words: WAV_WORDS },
    Target { name: "mkv", run: mkv, shared_seeds: &[], words: &["matroska", "A_MS/ACM"] },
    Target { name: "voice_socket", run: voice_socket, shared_seeds: &[], words: VOICE_WORDS },
    Target { name: "put_media", run: put_media, shared_seeds: &[], words: ACK_WORDS },
    Target { name: "ng", run: ng, shared_seeds: &[], words: NG_WORDS },
    Target { name: "relay_control", run: relay_control, shared_seeds: &[], words: &["TDMRELAY"] },
    Target { name: "outbox", run: outbox, shared_seeds: &[], words: &["TDMOBX01", "tObE"] },
    Target { name: "report", run: report, shared_seeds: &[], words: REPORT_WORDS },
    Target {
        name: "privacy",
        run: privacy,
        shared_seeds: &["rfc4475", "rfc5118"],
        words: PRIVACY_WORDS,
    },
    Target { name: "application", run: application, shared_seeds: &[], words: APPLICATION_WORDS },
    Target { name: "control_api", run: control_api, shared_seeds: &[], words: API_WORDS },
    Target { name: "rooms", run: rooms, shared_seeds: &[], words: &[] },
    Target { name: "guests", run: guests, shared_seeds: &[], words: GUEST_WORDS },
    Target { name: "edge", run: edge, shared_seeds: &["rfc4475", "rfc5118"], words: SIP_WORDS },
];

const DIALLED_WORDS: &[&str] = &["##", "%23", "%2a", "*", ".", "@", ";user=phone", "4081234567"];

const APPLICATION_WORDS: &[&str] = &[
    "\"Type\":\"RecordAudio\"",
    "\"Type\":\"StartCallRecording\"",
    "\"Type\":\"CallAndBridge\"",
    "\"Type\":\"PlayAudioAndGetDigits\"",
    "\"Type\":\"ReceiveDigits\"",
    "\"Parameters\":{",
    "\"ParticipantTag\":\"LEG-B\"",
    "\"InputDigitsRegex\":\"^(a*)*$\"",
    "\"Prefix\":\"../\"",
    "18446744073709551616",
    "1e308",
    "null",
    "[[[[",
    "\u{1e}",
];

const H264_WORDS: &[&str] = &[
    "profile-level-id=42e01f",
    ";packetization-mode=0",
    ";level-asymmetry-allowed=1",
    ";max-fs=4294967295",
    "sprop-parameter-sets=",
    "\0\0\u{3}",
];

const BFCP_WORDS: &[&str] = &[
    "\u{1e}",
    "\u{1e}\u{2}",
    "5070 UDP/BFCP\n",
    "9 TCP/TLS/BFCP\n",
    "floorctrl:s-only\n",
    "floorid:1 m-stream:10\n",
    "setup:passive\n",
    "\0\u{4}",
];

const GUEST_WORDS: &[&str] = &[
    "\u{1e}",
    "\u{1e}\0{\"do\":\"",
    "\u{1e}\u{5}\u{1}",
    "\"do\":\"show\"",
    "\"who\":\"0000000000000002\"",
    "\"on\":false",
    "\\ud800",
    "1e999",
    "the key of guest 0",
    "origin:null\n",
    "upgrade:websocket\n",
    "sec-websocket-protocol:tandem.room.1, sip\n",
];

const REPORT_WORDS: &[&str] = &[
    "18446744073709551615",
    "-9223372036854775808",
    "1e308",
    "-0.0",
    "null",
    "[]",
    "<script>",
    "\\u001b[2J",
    "\\u202e",
    "SIP/2.0 ",
    "SIP/2.0 999 ",
    "SIP/2.0/TLS [::1]",
    "Content-Length: 18446744073709551615\\r\\n",
    "\\r\\n\\r\\n",
    "\n",
];

const PRIVACY_WORDS: &[&str] = &[
    "\r\n",
    "\r\n ",
    "\r\n\r\n",
    "<sip:",
    "<tel:+",
    "@",
    ">",
    ";",
    "?",
    "\"",
    "\\",
    "%31",
    "%2b",
    "c: application/sdp\r\n\r\n",
    "c: message/sipfrag\r\n\r\n",
    "c: multipart/mixed;boundary=x\r\n\r\n--x\r\n",
    "Via: ",
    "Identity: ",
    "Authorization: Digest username=\"",
    "Reason: Q.850;cause=",
    "From: ",
];

const API_WORDS: &[&str] = &[
    "\u{1e}",
    "%2B",
    "%2F",
    "%ff",
    "/../",
    "?operation=",
    "next-token=",
    "max-results=",
    "Action=GetCallerIdentity",
    "X-Amz-Expires=604801",
    "authorization: AWS4-HMAC-SHA256 Credential=",
    ", SignedHeaders=host",
    ", Signature=",
    "x-amz-security-token: t\n",
    "${aws:username}",
    "\"Effect\":\"Deny\"",
];

const VOICE_WORDS: &[&str] = &[
    "{\"type\":\"clear\"}",
    "{\"type\":\"mark\",\"name\":\"",
    "\"}",
    "\u{1e}",
    "\u{1e}\u{5}",
    "\u{1e}\u{3}",
    "\u{1e}\u{6}",
    "\\ud800",
    "null",
    "1e999",
];

const ACK_WORDS: &[&str] = &[
    "{\"EventType\":\"PERSISTED\",\"FragmentTimecode\":1}",
    "{\"EventType\":\"ERROR\",\"ErrorId\":4006}",
    "{\"EventType\":\"ERROR\",\"ErrorId\":4500}",
    "\"FragmentTimecode\":18446744073709551615",
    "\"FragmentNumber\":\"",
    "ResourceNotFoundException",
    "Signature expired",
    "<Code>",
    "</Code>",
    "\\\"",
    "\u{1e}",
    "\u{1e}\u{4}",
    "\u{1e}\u{f}",
    "\u{1e}\u{c}",
];

const WAV_WORDS: &[&str] = &["RIFF", "WAVE", "fmt ", "data", "LIST"];

const SIP_WORDS: &[&str] = &[
    "\r\n",
    "\r\n ",
    "\r\n\r\n",
    ",",
    ";",
    "\"",
    "<",
    ">",
    "[::1]",
    "%00",
    ";tag=",
    ";lr",
    ";rport",
    ";maddr=",
    ";branch=z9hG4bK",
    "SIP/2.0",
    "Content-Length: 99999999999999999999\r\n",
    "l: -1\r\n",
    "CSeq: 4294967295 INVITE\r\n",
    "Max-Forwards: 0\r\n",
    "Session-Expires: 1;refresher=uas\r\n",
    "Require: timer\r\n",
    "Route: <sip:192.0.2.1;lr>\r\n",
    "m: *\r\n",
    "\u{1e}",
    "\u{1}",
    "\u{2}",
    "\u{3}",
    "\u{4}",
    "\u{5}200",
    "\u{5}183",
    "\u{5}486",
    "\u{6}",
    "BYE",
    "CANCEL",
    "ACK",
    "UPDATE",
];

const NG_WORDS: &[&str] = &[
    "\u{1e}",
    "\u{1e}1 d7:command",
    "\u{1}\u{1}",
    "\u{2}",
    "6:delete",
    "5:query",
    "9:via-branch1:",
    "6:to-tag1:b",
    "8:from-tag1:a",
    "7:call-id1:d",
    "5:flagsl3:alle",
    "12:delete-delayi1e",
    "18:transport-protocol8:RTP/SAVP",
    "18:transport-protocol17:UDP/TLS/RTP/SAVPF",
    "99999999999999999999:",
    "i-0e",
    "llllllllllllllllllll",
    "m=audio 0 RTP/AVP 0\r\n",
];

const XML_WORDS: &[&str] = &[
    "<recording>",
    "</recording>",
    "<stream ",
    "stream_id=",
    "<label>",
    "<!DOCTYPE r [",
    "<!ENTITY x ",
    "&x;",
    "&#x0;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml",
    "xmlns:a='u'",
    "<a:",
    "/>",
];
const SDP_WORDS: &[&str] = &[
    "\r\n",
    "m=audio 0 RTP/AVP 0\r\n",
    "m=audio 65535 RTP/AVP 0 8 101\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "c=IN IP6 ::\r\n",
    "c=IN IP4 224.1.2.3/127/3\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
    "|2^31|1:4 UNENCRYPTED_SRTCP\r\n",
    "m=audio 9 RTP/SAVP 0\r\n",
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
    "a=rtcp:0\r\n",
    "a=rtcp:65536 IN IP6 ::1\r\n",
    "a=rtcp-mux\r\n",
    "a=ptime:1e9\r\n",
    "a=sendonly\r\n",
    "a=inactive\r\n",
    "b=AS:18446744073709551616\r\n",
    "--",
];

/// The parts of a script, at most `most` of them.
pub(crate) fn parts(data: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == PART).take(most)
}

/// `data` without what exceeds [`MAX_INPUT`].
pub(crate) fn bounded(data: &[u8]) -> &[u8] {
    data.get(..MAX_INPUT).unwrap_or(data)
}

#[cfg(test)]
mod tests;
