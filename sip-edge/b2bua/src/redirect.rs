//! What a failure on leg B becomes on leg A.

use sip_proto::{HeaderName, Message};

/// The status for leg A, when leg B's last word was `status`.
///
/// - Authentication is between us and the carrier: its challenge must not reach the caller, who
///   could not answer it. It becomes 502.
/// - 503 would tell the caller that *we* are unavailable (RFC 3261 section 16.7 step 6): it becomes
///   500. The original stands in the Reason header (RFC 3326).
/// - A redirect that we do not pass on becomes 480; following it would let a callee choose whom the
///   caller pays for.
/// - Codes about our own request (421, 494, …) are not the caller's business: 500.
pub(crate) fn status_for_caller(status: u16) -> u16 {
    match status {
        401 | 407 => 502,
        503 => 500,
        300..400 => 480,
        405 | 406 | 414 | 416 | 420 | 421 | 422 | 423 | 481 | 482 | 489 | 494 => 500,
        400..700 => status,
        _ => 500,
    }
}

/// Whether leg B's redirect is shown to leg A with our host in its Contact: the moved forms, whose
/// number the caller may choose to dial through us again.
pub(crate) fn is_shown_redirect(status: u16) -> bool {
    matches!(status, 300..=302)
}

/// Leg B's redirection targets, with their numbers at our host.
pub(crate) fn contacts(response: &Message, our_host: &str) -> Vec<String> {
    response
        .addresses(HeaderName::Contact)
        .flatten()
        .filter_map(|contact| {
            let uri = contact.uri().ok()?;
            let user = uri.user?;
            Some(format!("<sip:{user}@{our_host}>"))
        })
        .take(MAX_CONTACTS)
        .collect()
}

/// More targets than this are no longer a choice that a caller makes.
const MAX_CONTACTS: usize = 8;
