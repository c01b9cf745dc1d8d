//! `scheme name=value, name="value", …` (RFC 3261 section 25.1, RFC 7235 section 2.1).

use std::borrow::Cow;

use crate::Malformed;
use crate::message::scan::{is_lws, is_token, part, quoted_end};
use crate::message::unquote;

/// One piece of a header value about authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item<'a> {
    /// `Digest`: what follows belongs to this scheme.
    Scheme(&'a str),
    /// `name=value`; the value with its quotes, if it has any.
    Parameter(&'a str, &'a str),
}

/// The items of a header value, which may hold several challenges: one begins with each scheme.
pub(crate) struct Items<'a> {
    part: &'static str,
    text: &'a str,
    at: usize,
}

impl<'a> Items<'a> {
    pub(crate) fn new(part: &'static str, text: &'a str) -> Self {
        Items { part, text, at: 0 }
    }

    fn skip(&mut self, more: fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| more(**byte)).count();
    }

    fn read(&mut self) -> Result<Item<'a>, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        self.skip(is_token);
        let name = part(self.text, start, self.at);
        if name.is_empty() {
            return Err(Malformed::new(self.part, "neither a scheme nor a parameter", start));
        }
        self.skip(is_lws);
        if bytes.get(self.at) != Some(&b'=') {
            return Ok(Item::Scheme(name));
        }
        self.at += 1;
        self.skip(is_lws);
        let start = self.at;
        if bytes.get(start) == Some(&b'"') {
            self.at = quoted_end(bytes, start).ok_or(Malformed::new(
                self.part,
                "the quoted string has no end",
                start,
            ))?;
        } else {
            self.skip(|byte| !is_lws(byte) && byte != b',' && byte != b'"');
        }
        let value = part(self.text, start, self.at);
        self.skip(is_lws);
        match bytes.get(self.at) {
            None | Some(b',') => Ok(Item::Parameter(name, value)),
            Some(_) => Err(Malformed::new(self.part, "a comma is missing", self.at)),
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(|byte| is_lws(byte) || byte == b',');
        if self.at >= self.text.len() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.at = self.text.len();
        }
        Some(item)
    }
}

/// The text of a value: a quoted string without quotes and escapes.
pub(crate) fn plain(value: &str) -> Cow<'_, str> {
    unquote(value)
}

/// Appends `, name="value"`, or without the comma behind a space, with quotes and backslashes in
/// the value escaped.
pub(crate) fn push_quoted(out: &mut String, name: &str, value: &str) {
    push_name(out, name);
    out.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Appends `, name=value`.
pub(crate) fn push_plain(out: &mut String, name: &str, value: &str) {
    push_name(out, name);
    out.push_str(value);
}

fn push_name(out: &mut String, name: &str) {
    if !out.ends_with(' ') {
        out.push_str(", ");
    }
    out.push_str(name);
    out.push('=');
}
