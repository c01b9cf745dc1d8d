//! What a recording client says (RFC 7866): a PBX or a border controller that sends us a copy of a call
//! which takes place elsewhere.

use sip_proto::{HeaderName, Message, Uri};
use siprec::{MEDIA_TYPE, Metadata, MetadataFault};
use std::sync::Arc;

/// The option tag of recordings (RFC 7866 section 6.1.1).
pub(crate) const SIPREC: &str = "siprec";
/// The name of metadata before it became XML by its name; some clients still say so.
const EARLY_MEDIA_TYPE: &str = "application/rs-metadata";
/// A header field and a parameter of URIs: the INVITE is for a recorder and for nobody else.
const RECORD_ONLY: &str = "X-Voice-Connector-Record-Only";

/// Whether an INVITE is that of a recording client: by the extension that it requires, by the feature
/// tag in its Contact (RFC 7866 section 6.1.1), or by the word of a network that records.
pub(crate) fn is_recording(invite: &Message) -> bool {
    let is_client = || {
        let contact = invite.contact().ok().flatten();
        contact.is_some_and(|contact| contact.params.get("+sip.src").is_some())
    };
    invite.has_option_tag(HeaderName::Require, SIPREC) || is_record_only(invite) || is_client()
}

fn is_record_only(invite: &Message) -> bool {
    let is_true = |value: &str| value.trim().eq_ignore_ascii_case("true");
    let in_uri = || {
        let uri = Uri::parse(invite.request_uri()?).ok()?;
        uri.params.get(RECORD_ONLY).flatten().map(is_true)
    };
    invite.header_named(RECORD_ONLY).is_some_and(is_true) || in_uri() == Some(true)
}

/// The metadata in a message.
pub(crate) enum FoundMetadata {
    /// None.
    Missing,
    /// It cannot be read.
    Unreadable(MetadataFault),
    /// As it came, and what it says.
    Read(Arc<str>, Metadata),
}

impl FoundMetadata {
    /// Reads what a message has.
    pub(crate) fn of(message: &Message) -> Self {
        let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
        let part = |kind| sdp::extract_part(kind, content_type, message.body_bytes());
        let Some(document) = part(MEDIA_TYPE).or_else(|| part(EARLY_MEDIA_TYPE)) else {
            return FoundMetadata::Missing;
        };
        match (Metadata::read(document), std::str::from_utf8(document)) {
            (Ok(metadata), Ok(text)) => FoundMetadata::Read(text.into(), metadata),
            (Err(fault), _) => FoundMetadata::Unreadable(fault),
            (_, Err(_)) => FoundMetadata::Unreadable(MetadataFault::Malformed),
        }
    }
}

/// Whether the body is metadata alone.
pub(crate) fn is_metadata_only(message: &Message) -> bool {
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    [MEDIA_TYPE, EARLY_MEDIA_TYPE].iter().any(|metadata| kind.eq_ignore_ascii_case(metadata))
}
