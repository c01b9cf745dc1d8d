//! Which headers go from one leg to the other, and in what form. Whatever is not named here stays
//! on its leg; hosts inside the ones that carry addresses become ours, so that no inner address
//! leaks.

use crate::admission::user_of;
use crate::call::{COPYING_HEADER, LISTENING_HEADER};
use crate::masking;
use model::CallDirection;
use sip_proto::{Composer, HeaderLine, HeaderName, Message, NameAddr, Scheme, Uri};
use std::fmt::Write;

/// Headers of an INVITE and its responses that pass byte for byte, if they are written plainly.
const VERBATIM: [HeaderName; 7] = [
    HeaderName::UserToUser,
    HeaderName::Reason,
    HeaderName::Subject,
    HeaderName::Priority,
    HeaderName::Identity,
    HeaderName::InfoPackage,
    HeaderName::RecvInfo,
];

/// Headers whose values are addresses: their host is replaced.
const ADDRESSES: [HeaderName; 3] =
    [HeaderName::Diversion, HeaderName::HistoryInfo, HeaderName::ReferredBy];

/// What the caller asked to be kept from the callee (RFC 3323, RFC 3325).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Privacy {
    /// `id`: withhold P-Asserted-Identity from whoever is not trusted.
    pub(crate) identity: bool,
    /// `user` or `header`: withhold the caller's name and number from From as well.
    pub(crate) user: bool,
}

impl Privacy {
    pub(crate) fn of(message: &Message) -> Self {
        let mut privacy = Privacy::default();
        for line in message.header_lines(HeaderName::Privacy) {
            for token in line.split(';').map(str::trim) {
                if token.eq_ignore_ascii_case("none") {
                    return Privacy::default();
                }
                privacy.identity |= token.eq_ignore_ascii_case("id");
                privacy.user |=
                    token.eq_ignore_ascii_case("user") || token.eq_ignore_ascii_case("header");
            }
        }
        privacy
    }
}

/// Where a message goes, as far as it decides what the message may tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Towards {
    /// Towards the carrier or the customer.
    pub(crate) direction: CallDirection,
    /// The two sides must not learn of each other.
    pub(crate) is_masked: bool,
}

/// Copies what an INVITE, or a response to one, tells the other side.
///
/// A carrier belongs to the trust domain of RFC 3325 and gets the asserted identity together with
/// the wish for privacy; the customer's PBX does not, and gets it only when nobody objected.
pub(crate) fn carry(composer: &mut Composer, from: &Message, towards: Towards, our_host: &str) {
    if towards.is_masked {
        return masking::carry_reason(composer, from);
    }
    carry_but(composer, from, towards.direction, our_host, Without::default());
}

/// What does not pass, because we say it ourselves or do not believe it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Without {
    /// P-Asserted-Identity and P-Preferred-Identity.
    pub(crate) asserted: bool,
    /// Identity (RFC 8224).
    pub(crate) signature: bool,
    /// What others say about the signature.
    pub(crate) verdict: bool,
}

/// The header in which the customer learns what an Identity header proved.
pub(crate) const VERSTAT: &str = "X-Verstat";

/// [`carry`], without some of it.
pub(crate) fn carry_but(
    composer: &mut Composer,
    from: &Message,
    towards: CallDirection,
    our_host: &str,
    without: Without,
) {
    let privacy = Privacy::of(from);
    let trusted = towards == CallDirection::Outbound;
    for line in from.headers() {
        let name = line.name;
        if (without.signature && name == HeaderName::Identity)
            || (without.verdict && line.raw_name.eq_ignore_ascii_case(VERSTAT))
        {
            continue;
        }
        // RFC 3323 section 5.3: who wants to stay unknown does not want to be recognised by it.
        let withheld = privacy.user && name == HeaderName::Subject;
        let passes = VERBATIM.contains(&name) || name == HeaderName::Privacy || is_extension(&line);
        if passes && !withheld {
            copy(composer, &line);
        }
    }
    if !without.asserted && (trusted || !privacy.identity) {
        copy_rehosted(composer, from, HeaderName::PAssertedIdentity, our_host);
    }
    if !without.asserted && trusted {
        copy_rehosted(composer, from, HeaderName::PPreferredIdentity, our_host);
    }
    if trusted || !privacy.user {
        for name in ADDRESSES {
            copy_rehosted(composer, from, name, our_host);
        }
    }
}

/// Copies the headers of a request inside a dialog (INFO, BYE) that mean something to the far end.
pub(crate) fn carry_in_dialog(composer: &mut Composer, from: &Message, is_masked: bool) {
    if is_masked {
        return masking::carry_reason(composer, from);
    }
    for line in from.headers() {
        if VERBATIM.contains(&line.name) || is_extension(&line) {
            copy(composer, &line);
        }
    }
}

/// Copies a line as it came, unless it is written in one of the forms that not everybody reads
/// alike: folded over several lines, or with white space before the colon. A peer that knows no
/// folding would take the second half for a header of its own, which its sender was never asked for
/// (CVE-2020-28361 is of this kind). Such a line is written anew, in one line.
fn copy(composer: &mut Composer, line: &HeaderLine<'_>) {
    let is_plain =
        line.wire.get(line.raw_name.len()) == Some(&b':') && !line.value.contains(['\r', '\n']);
    if is_plain {
        composer.copy_line(line);
    } else {
        composer.header_named(line.raw_name, &line.unfolded());
    }
}

/// Whether it is a header of somebody's own invention that passes; ours is for us.
pub(crate) fn is_extension(line: &HeaderLine<'_>) -> bool {
    let start = line.raw_name.as_bytes().get(..2);
    line.name == HeaderName::Other
        && start.is_some_and(|start| start.eq_ignore_ascii_case(b"x-"))
        && !line.raw_name.eq_ignore_ascii_case(LISTENING_HEADER)
        && !line.raw_name.eq_ignore_ascii_case(COPYING_HEADER)
}

fn copy_rehosted(composer: &mut Composer, from: &Message, name: HeaderName, our_host: &str) {
    for value in from.values(name) {
        if let Some(text) = rehost(value, our_host) {
            composer.header(name, &text);
        }
    }
}

/// The same address with our host: display name, user and the header's own parameters stay; URI
/// parameters and headers, which may name inner hosts, go. `tel:` URIs have no host and stay.
/// `None` when it is no address.
pub(crate) fn rehost(value: &str, our_host: &str) -> Option<String> {
    let address = NameAddr::parse(value).ok()?;
    let uri = Uri::parse(address.uri_text).ok()?;
    let mut text = String::with_capacity(value.len() + our_host.len());
    if let Some(name) = address.display_name {
        text.push_str(name);
        text.push(' ');
    }
    match uri.scheme {
        Scheme::Tel => {
            let _ = write!(text, "<{}>", address.uri_text);
        }
        Scheme::Sip | Scheme::Sips => match uri.user {
            Some(user) => {
                let _ = write!(text, "<sip:{user}@{our_host}>");
            }
            None => {
                let _ = write!(text, "<sip:{our_host}>");
            }
        },
        Scheme::Other => return None,
    }
    for (name, parameter) in address.params.iter() {
        text.push(';');
        text.push_str(name);
        if let Some(parameter) = parameter {
            text.push('=');
            text.push_str(parameter);
        }
    }
    Some(text)
}

/// Leg B's From: leg A's display name and user at our host, or the anonymous form of RFC 3323
/// section 4.1.1.3.
pub(crate) fn caller_address(invite: &Message, our_host: &str) -> String {
    const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    if Privacy::of(invite).user {
        return ANONYMOUS.to_owned();
    }
    let Ok(from) = invite.from() else { return ANONYMOUS.to_owned() };
    let user = Uri::parse(from.uri_text).ok().and_then(|uri| uri.user);
    if uri_host_is(from.uri_text, "anonymous.invalid") {
        return ANONYMOUS.to_owned();
    }
    let mut text = String::new();
    if let Some(name) = from.display_name {
        text.push_str(name);
        text.push(' ');
    }
    let _ = match user {
        Some(user) => write!(text, "<sip:{user}@{our_host}>"),
        None => write!(text, "<sip:{our_host}>"),
    };
    text
}

/// Whether From is the anonymous form of RFC 3323 section 4.1.1.3.
pub(crate) fn is_anonymous_address(invite: &Message) -> bool {
    invite.from().is_ok_and(|from| uri_host_is(from.uri_text, "anonymous.invalid"))
}

fn uri_host_is(uri: &str, name: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| match uri.host {
        sip_proto::Host::Name(host) => host.eq_ignore_ascii_case(name),
        sip_proto::Host::Ip(_) => false,
    })
}

/// The caller's number or name as records show it.
pub(crate) fn caller_user(invite: &Message) -> String {
    invite.from().ok().and_then(|from| user_of(from.uri_text)).unwrap_or_default()
}
