//! Descriptions that come again.

use super::CallMedia;
use model::LegSide;
use sdp::{Limits, SessionDescription};

fn description(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes(), &Limits::default()).expect("valid SDP")
}

#[test]
fn a_description_repeated_with_other_line_ends_is_unchanged() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";
    let mut media = CallMedia::new([1, 2], None);
    assert!(!media.is_unchanged(LegSide::A, &description(text)), "nothing came before");
    media.note_received(LegSide::A, &description(text));
    assert!(media.is_unchanged(LegSide::A, &description(text)));
    assert!(media.is_unchanged(LegSide::A, &description(&text.replace("\r\n", "\n"))));
    assert!(!media.is_unchanged(LegSide::A, &description(&text.replace("sendrecv", "sendonly"))));
    assert!(!media.is_unchanged(LegSide::A, &description(&text.replace("- 1 1", "- 1 2"))));
    assert!(!media.is_unchanged(LegSide::B, &description(text)), "the other leg's");
}
