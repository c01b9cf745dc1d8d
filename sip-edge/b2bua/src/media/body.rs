//! Bodies of messages as session descriptions, and what is wrong with those that are none.

use model::Refusal;
use sdp::{AudioStream, Encryption, Limits, SdpError, SessionDescription, extract_sdp};
use sip_proto::{HeaderName, Message};
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::SocketAddr;

/// Why a body is no description that we can work with, and the status that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyFault {
    /// Not SDP at all: 415.
    UnsupportedType,
    /// SDP that cannot be read: 400.
    Malformed,
    /// SDP without anything that we relay, or to an address that we refuse: 488.
    NotAcceptable,
    /// SDP without encryption where it is required: 488.
    Plain,
}

impl BodyFault {
    pub(crate) fn status(self) -> u16 {
        match self {
            BodyFault::UnsupportedType => 415,
            BodyFault::Malformed => 400,
            BodyFault::NotAcceptable | BodyFault::Plain => 488,
        }
    }

    /// Under which name it is counted, when it is a refusal by policy.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            BodyFault::NotAcceptable => Some(Refusal::NotAcceptable),
            BodyFault::Plain => Some(Refusal::PlainMedia),
            BodyFault::UnsupportedType | BodyFault::Malformed => None,
        }
    }
}

impl From<SdpError> for BodyFault {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::NoAudio | SdpError::NoCertificate | SdpError::UnsuitableAddress(_) => {
                BodyFault::NotAcceptable
            }
            SdpError::Malformed(_) | SdpError::OverLimit { .. } => BodyFault::Malformed,
        }
    }
}

/// Reads the description that a message carries, if it carries a body.
pub(crate) fn description_in(message: &Message) -> Result<Option<SessionDescription>, BodyFault> {
    let body = message.body_bytes();
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
    let Some(sdp) = extract_sdp(content_type, body) else {
        let ignorable = crate::body::is_optional(message);
        return if ignorable { Ok(None) } else { Err(BodyFault::UnsupportedType) };
    };
    // Which of several streams a leg has is for its policy to say; here any will do.
    let description = SessionDescription::parse(sdp, &Limits::default())?;
    Ok(Some(description.for_leg(Encryption::Optional)))
}

/// A description with the stream that a leg under `encryption` has. One without keys is the same
/// under every policy that does not require them.
pub(super) fn seen_under(
    encryption: Encryption,
    description: &SessionDescription,
) -> Cow<'_, SessionDescription> {
    let has_keys = description.audio_ref().is_some_and(AudioStream::has_keys);
    if !has_keys && !matches!(encryption, Encryption::Required | Encryption::Dtls) {
        return Cow::Borrowed(description);
    }
    Cow::Owned(description.clone().for_leg(encryption))
}

/// Refuses a description whose media would come straight back to a port that our relay has open.
pub(crate) fn refuse_own_address(
    description: &SessionDescription,
    own: &HashSet<SocketAddr>,
) -> Result<(), BodyFault> {
    let remote = description.audio_ref().and_then(|audio| audio.remote_rtp);
    match remote {
        Some(remote) if own.contains(&remote) => Err(BodyFault::NotAcceptable),
        _ => Ok(()),
    }
}
