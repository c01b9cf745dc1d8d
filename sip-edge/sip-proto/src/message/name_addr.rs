//! `name-addr` and `addr-spec`: From, To, Contact, Route and their kin (RFC 3261 section 20.10).

use std::borrow::Cow;

use super::malformed::Malformed;
use super::params::Params;
use super::scan::{ends_uri, is_lws, part, quoted_end, trim, unquote};
use super::uri::Uri;

/// An address with an optional display name and header parameters, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameAddr<'a> {
    /// As sent: in quotes when it was quoted. `None` when there is none.
    pub display_name: Option<&'a str>,
    /// The URI, without angle brackets. `*` in a Contact that removes all bindings.
    pub uri_text: &'a str,
    /// The header parameters (behind the angle bracket, or behind a bare URI).
    pub params: Params<'a>,
    tag: Option<&'a str>,
    text: &'a str,
}

impl<'a> NameAddr<'a> {
    /// Reads one value (not a comma-separated list).
    ///
    /// # Errors
    /// When quotes or brackets are not closed, white space stands in the URI, a display name needs
    /// quotes and has none, a bare URI holds what only brackets may hold, or parameters are empty
    /// or name the tag twice.
    pub fn parse(text: &'a str) -> Result<NameAddr<'a>, Malformed> {
        let text = trim(text);
        let (display_name, uri_text, rest) = split(text)?;
        if uri_text.is_empty() {
            return Err(Malformed::new("address", "the URI is empty", 0));
        }
        if ends_uri(uri_text) {
            return Err(Malformed::new("address", "white space or bracket in the URI", 0));
        }
        let mut tag = None;
        let params = Params::checked(rest, |name, value| {
            if name.eq_ignore_ascii_case("tag") && tag.replace(value.unwrap_or_default()).is_some()
            {
                return Err(Malformed::new("address", "two tags", 0));
            }
            Ok(())
        })?;
        let tag = tag.filter(|tag| !tag.is_empty());
        Ok(NameAddr { display_name, uri_text, params, tag, text })
    }

    /// The URI.
    ///
    /// # Errors
    /// As [`Uri::parse`].
    pub fn uri(&self) -> Result<Uri<'a>, Malformed> {
        Uri::parse(self.uri_text)
    }

    /// The `tag` parameter, when it has a value.
    pub const fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// The whole value as sent, without white space around it; folds inside are kept.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The display name without quotes and escapes.
    pub fn display_name_unquoted(&self) -> Option<Cow<'a, str>> {
        self.display_name.map(unquote)
    }
}

/// Display name, URI and the parameters from their first semicolon on.
fn split(text: &str) -> Result<(Option<&str>, &str, &str), Malformed> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'"') {
        let end = quoted_end(bytes, 0).ok_or(Malformed::new(
            "address",
            "the quoted name has no end",
            0,
        ))?;
        let open = end + bytes[end..].iter().take_while(|byte| is_lws(**byte)).count();
        let (uri, rest) = bracketed(text, open)?;
        return Ok((Some(part(text, 0, end)), uri, rest));
    }
    let stop = bytes.iter().position(|byte| matches!(byte, b'<' | b';' | b',' | b'"'));
    match stop.map(|at| (at, bytes[at])) {
        Some((open, b'<')) => {
            let name = trim(part(text, 0, open));
            let (uri, rest) = bracketed(text, open)?;
            Ok(((!name.is_empty()).then_some(name), uri, rest))
        }
        Some((at, b',' | b'"')) => {
            Err(Malformed::new("address", "the display name must be quoted", at))
        }
        _ => {
            let end = stop.unwrap_or(bytes.len());
            let uri = trim(part(text, 0, end));
            // RFC 3261 section 20.10: with `,`, `;` or `?` in it, a URI needs the brackets.
            if let Some(at) = memchr::memchr(b'?', uri.as_bytes()) {
                return Err(Malformed::new("address", "this URI needs angle brackets", at));
            }
            Ok((None, uri, part(text, end, text.len())))
        }
    }
}

/// The URI in the brackets that open at `open`, and the parameters behind them.
fn bracketed(text: &str, open: usize) -> Result<(&str, &str), Malformed> {
    let bytes = text.as_bytes();
    if bytes.get(open) != Some(&b'<') {
        return Err(Malformed::new("address", "a display name needs a URI in brackets", open));
    }
    let close = memchr::memchr(b'>', &bytes[open..])
        .map(|found| open + found)
        .ok_or(Malformed::new("address", "the angle bracket is not closed", open))?;
    let rest = close + 1 + bytes[close + 1..].iter().take_while(|byte| is_lws(**byte)).count();
    if !matches!(bytes.get(rest), None | Some(b';')) {
        return Err(Malformed::new("address", "text follows the angle bracket", rest));
    }
    Ok((part(text, open + 1, close), part(text, rest, text.len())))
}
