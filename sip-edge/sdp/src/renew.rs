//! A description used once more, for another far end.

use crate::description::{Limits, SessionDescription};
use crate::direction::Direction;
use crate::error::SdpError;
use std::net::IpAddr;

/// What a leg described, as the offer that joins it to another far end: a hold that the former far
/// end asked for is over, so that the stream sends and receives again.
///
/// `previous` is the last description that the offer's receiver got from us. An offer inside a
/// dialog has at least as many `m=` lines (RFC 3264 section 8): what lacks is declined.
///
/// # Errors
/// When the result has more `m=` lines than a description may have.
pub fn renewed(
    description: &SessionDescription,
    previous: Option<&SessionDescription>,
) -> Result<SessionDescription, SdpError> {
    let mut inner = description.inner.clone();
    let is_direction = |name: &str| Direction::from_attribute(name.trim()).is_some();
    inner.attributes.retain(|attribute| !is_direction(&attribute.attribute));
    for media in &mut inner.medias {
        media.attributes.retain(|attribute| !is_direction(&attribute.attribute));
    }
    // A hold by address (RFC 3264 section 8.4): the origin says where its maker is.
    let origin = inner.origin.unicast_address.clone();
    let media = inner.medias.iter_mut().flat_map(|media| &mut media.connections);
    for connection in inner.connection.iter_mut().chain(media) {
        let unspecified = |ip: IpAddr| ip.is_unspecified();
        if connection.connection_address.parse().is_ok_and(unspecified) {
            connection.connection_address.clone_from(&origin);
        }
    }
    let lacking = previous.map_or(&[][..], |previous| {
        previous.inner.medias.get(inner.medias.len()..).unwrap_or_default()
    });
    for media in lacking {
        let mut declined = media.clone();
        declined.port = 0;
        declined.attributes.clear();
        declined.bandwidths.clear();
        inner.medias.push(declined);
    }
    let mut text = Vec::with_capacity(512);
    // Writing into a Vec cannot fail.
    let _: std::io::Result<()> = inner.write(&mut text);
    SessionDescription::parse(&text, &Limits::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(text: &str) -> SessionDescription {
        SessionDescription::parse(text.as_bytes(), &Limits::default()).expect("valid SDP")
    }

    const HELD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
                        a=inactive\r\nm=audio 4000 RTP/AVP 0 8\r\na=rtpmap:8 PCMA/8000\r\n\
                        a=sendonly\r\n";

    #[test]
    fn a_hold_of_either_form_is_over() {
        let renewed = renewed(&description(HELD), None).expect("valid");
        let audio = renewed.audio_ref().expect("audio");
        assert_eq!(audio.direction, Direction::SendRecv);
        assert_eq!(audio.remote_rtp.map(|at| at.to_string()).as_deref(), Some("192.0.2.1:4000"));
        assert_eq!(audio.codecs.len(), 2, "the formats stay");
    }

    #[test]
    fn m_lines_of_the_dialog_are_kept_as_declined_ones() {
        let before = format!("{HELD}m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n");
        let renewed = renewed(&description(HELD), Some(&description(&before))).expect("valid");
        let text = String::from_utf8(renewed.write()).expect("text");
        assert!(text.ends_with("m=video 0 RTP/AVP 96\r\n"), "{text}");
    }
}
