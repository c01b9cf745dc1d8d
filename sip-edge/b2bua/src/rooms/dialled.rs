//! Dial strings of meeting rooms: the user of a SIP URI, as people type it on devices.
//!
//! ```text
//! <id>[ <separator> <passcode> [ <separator> <layout> [ <separator> <host key> ]]]
//! ```
//!
//! Separators are `#`, `*`, `.` and `##`; those in front of the ID, and behind everything, mean nothing.
//! Spaces, hyphens, brackets and a `+` in front of the digits are passed over, as people write numbers.
//! Between `.`, `*` and single `#` nothing may stand, where a field is left out (`id..layout`); `##` is
//! one separator. What does not fit is left out: the welcome asks for it, and nobody gets a 404.

use model::{Dialled, MeetingDigits};
use sip_proto::Uri;

/// Octets of a user part that are looked at; no dial string is longer.
const LONGEST: usize = 128;
/// Digits of a passcode or a host key.
const LONGEST_CODE: usize = 16;
/// Digits of a layout: options of three and six digits may stand one behind the other.
const LONGEST_LAYOUT: usize = 48;

/// What the URI of a call to the rooms asks for. Anything that is no dial string is nothing: the caller is
/// welcomed, and asked.
pub fn dialled_in(uri: &str) -> Dialled {
    let Ok(uri) = Uri::parse(uri) else { return Dialled::default() };
    let user = uri.user_unescaped();
    // RFC 3261 section 19.1.1 has a password behind a colon: a device that writes one means a passcode.
    let mut dialled = read(&user);
    if dialled.meeting.is_some() && dialled.passcode.is_none() {
        dialled.passcode = uri.password.and_then(|text| code(text, LONGEST_CODE));
    }
    dialled
}

fn read(user: &str) -> Dialled {
    // A user may have parameters of its own: `1234567890;phone-context=…`.
    let text = user.split(';').next().unwrap_or_default();
    if text.len() > LONGEST {
        return Dialled::default();
    }
    let is_separator = |c: char| matches!(c, '#' | '*' | '.');
    let text: String = text.chars().filter(|c| !is_ornament(*c)).collect();
    let text = text.trim_matches(is_separator).replace("##", "#");
    let mut fields = text.split(is_separator);
    let Some(meeting) = fields.next().and_then(MeetingDigits::parse) else {
        return Dialled::default();
    };
    let mut field = |longest| fields.next().and_then(|text| code(text, longest));
    Dialled {
        meeting: Some(meeting),
        passcode: field(LONGEST_CODE),
        layout: field(LONGEST_LAYOUT),
        host_key: field(LONGEST_CODE),
    }
}

fn is_ornament(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '(' | ')' | '+' | '/')
}

fn code(text: &str, longest: usize) -> Option<std::sync::Arc<str>> {
    let fine = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| text.into())
}
