//! Bytes to lines and values: the one place that knows line ends, folding, quotes and brackets.

use std::borrow::Cow;

use memchr::memchr3;

use super::malformed::{Limits, Malformed};

/// One header line of a head, as offsets into the message.
pub(crate) struct Line {
    /// Start of the name.
    pub(crate) start: usize,
    /// End of the name, before any white space and the colon.
    pub(crate) name_end: usize,
    /// The value without white space at either end; folds inside are kept.
    pub(crate) value_start: usize,
    pub(crate) value_end: usize,
    /// Past the CRLF that ends the line.
    pub(crate) end: usize,
}

/// The end of the line that starts at `start`: the offset of its CR, and whether it folds on.
fn line_end(raw: &[u8], start: usize, part: &'static str) -> Result<usize, Malformed> {
    let mut from = start;
    loop {
        let Some(found) = raw.get(from..).and_then(|rest| memchr3(b'\r', b'\n', 0, rest)) else {
            return Err(Malformed::new(part, "the line has no end", start));
        };
        let at = from + found;
        match (raw[at], raw.get(at + 1)) {
            (b'\r', Some(b'\n')) => return Ok(at),
            // RFC 3261 quoted-pair: NUL is legal after a backslash inside a quoted string. Of the
            // three bytes this is the only one with a legal place in a line.
            (0, _) if is_quoted_pair(&raw[start..at]) => from = at + 1,
            (0, _) => return Err(Malformed::new(part, "NUL outside a quoted pair", at)),
            (b'\r', _) => return Err(Malformed::new(part, "CR without LF", at)),
            _ => return Err(Malformed::new(part, "LF without CR", at)),
        }
    }
}

/// Whether what follows `before` is the second half of a quoted pair in a quoted string.
fn is_quoted_pair(before: &[u8]) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    for byte in before {
        match (quoted, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, _, b'"') => quoted = !quoted,
            _ => {}
        }
    }
    quoted && escaped
}

/// The start line at `start`: the offset of its CR.
pub(crate) fn start_line(raw: &[u8], start: usize) -> Result<usize, Malformed> {
    line_end(raw, start, "start line")
}

/// Reads the header line at `start`, or `None` at the blank line that ends the head.
pub(crate) fn header_line(
    raw: &[u8],
    start: usize,
    limits: &Limits,
) -> Result<Option<Line>, Malformed> {
    if raw.get(start) == Some(&b'\r') && raw.get(start + 1) == Some(&b'\n') {
        return Ok(None);
    }
    let name_len = raw[start..].iter().take_while(|byte| is_token(**byte)).count();
    let name_end = start + name_len;
    // RFC 3261 HCOLON: white space may precede the colon.
    let colon = skip_blank(raw, name_end);
    if name_len == 0 || raw.get(colon) != Some(&b':') {
        let reason = if start == raw.len() {
            "the message ends before the blank line"
        } else {
            "a header line is a name and a colon"
        };
        return Err(Malformed::new("header", reason, colon));
    }
    let mut cr = line_end(raw, colon + 1, "header")?;
    while matches!(raw.get(cr + 2), Some(b' ' | b'\t')) {
        cr = line_end(raw, cr + 2, "header")?;
    }
    let end = cr + 2;
    if end - start > limits.header_bytes {
        let fault = Malformed::new("header", "the line is longer than the limit", start);
        return Err(fault.with_status(513));
    }
    let mut value_start = colon + 1;
    while value_start < cr && is_lws(raw[value_start]) {
        value_start += 1;
    }
    let mut value_end = cr;
    while value_end > value_start && is_lws(raw[value_end - 1]) {
        value_end -= 1;
    }
    Ok(Some(Line { start, name_end, value_start, value_end, end }))
}

fn skip_blank(raw: &[u8], mut at: usize) -> usize {
    while matches!(raw.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Linear white space inside a value; CR and LF occur there only as part of a fold.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// RFC 3261 section 25.1: `token`.
pub(crate) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-.!%*_+`'~";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
};

/// Whether a byte stands in `text` that cannot stand in a URI without changing how the line around
/// it is read. Free of branches, so that it runs many bytes at a time.
pub(crate) fn ends_uri(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| {
        found | (byte <= b' ') | (byte == b'"') | (byte == b'<') | (byte == b'>') | (byte == 0x7f)
    })
}

/// Without linear white space at either end.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut end = bytes.len();
    while start < end && is_lws(bytes[start]) {
        start += 1;
    }
    while end > start && is_lws(bytes[end - 1]) {
        end -= 1;
    }
    part(text, start, end)
}

/// A part of `text` between two ASCII delimiters.
pub(crate) fn part(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

/// The offset past the quoted string that opens at `open`, or `None` when it is not closed.
pub(crate) fn quoted_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Splits a value at its commas, but not inside quotes or angle brackets.
#[derive(Clone, Debug)]
pub(crate) struct CommaSplit<'a> {
    rest: Option<&'a str>,
}

impl<'a> CommaSplit<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        CommaSplit { rest: Some(text) }
    }
}

impl<'a> Iterator for CommaSplit<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        // Empty elements carry nothing and are passed over (as `Accept:` or `a,,b`).
        loop {
            let text = self.rest.take()?;
            let end = comma(text.as_bytes());
            if end < text.len() {
                self.rest = text.get(end + 1..);
            }
            let value = trim(part(text, 0, end));
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
}

/// The offset of the first comma outside quotes and angle brackets, or the length.
fn comma(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| memchr3(b',', b'"', b'<', rest)).map(|found| at + found)
    {
        let end = match bytes[found] {
            b',' => return found,
            b'"' => quoted_end(bytes, found),
            _ => memchr::memchr(b'>', &bytes[found..]).map(|close| found + close + 1),
        };
        match end {
            Some(end) => at = end,
            None => return bytes.len(),
        }
    }
    bytes.len()
}

/// Replaces each fold (CRLF and the white space around it) by one space (RFC 3261 section 7.3.1).
pub fn unfold(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut unfolded = String::with_capacity(text.len());
    for piece in text.split(['\r', '\n']) {
        let piece = trim(piece);
        if piece.is_empty() {
            continue;
        }
        if !unfolded.is_empty() {
            unfolded.push(' ');
        }
        unfolded.push_str(piece);
    }
    Cow::Owned(unfolded)
}

/// The text of a quoted string without its quotes and escapes; any other text as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}
