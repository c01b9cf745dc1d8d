//! Bodies on their way from leg to leg: the session description is ours, what travels beside it in a
//! multipart body (RFC 5621) is not, and stays as it is.

use bytes::Bytes;
use sip_proto::{Composer, HeaderName, Message};

/// Ends a message that stands for `original` on the other leg. `sdp` takes the place of the
/// description in it; its other parts pass byte for byte, since they mean something only to those who
/// agreed on them: a location (RFC 6442), ISUP (RFC 3204), recording metadata (RFC 7866). In a masked
/// call they do not pass: both sides would learn of each other.
pub(crate) fn with_body(
    mut composer: Composer,
    original: &Message,
    sdp: Option<&[u8]>,
    is_masked: bool,
) -> Bytes {
    let content_type = original.header(HeaderName::ContentType).unwrap_or_default();
    let beside =
        (!is_masked).then(|| sdp::with_sdp(content_type, original.body_bytes(), sdp)).flatten();
    let Some(body) = beside else {
        return match sdp {
            Some(sdp) => composer.body(Some("application/sdp"), sdp),
            None => composer.finish(),
        };
    };
    composer.copy_all(original, HeaderName::MimeVersion);
    composer.copy_all(original, HeaderName::ContentDisposition);
    // A location by reference names a host of the inner network; one by value is a part of this body.
    let in_body = |value: &str| value.trim_start().to_ascii_lowercase().starts_with("<cid:");
    if original.values(HeaderName::Geolocation).all(in_body) {
        composer.copy_all(original, HeaderName::Geolocation);
        composer.copy_all(original, HeaderName::GeolocationRouting);
    }
    composer.body(Some(content_type), &body)
}

/// Whether a body that is no description may be left unread: it is a multipart without one, whose
/// parts pass, or its sender says that nothing depends on it (RFC 3261 section 20.11).
pub(crate) fn is_optional(message: &Message) -> bool {
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
    let disposition = message.header(HeaderName::ContentDisposition).unwrap_or_default();
    let says_optional = disposition.split(';').skip(1).any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("handling")
                && value.trim().eq_ignore_ascii_case("optional")
        })
    });
    says_optional || sdp::with_sdp(content_type, message.body_bytes(), None).is_some()
}
