//! The session description inside a message body, and the body with another one in its place.

use std::ops::Range;

/// More parts than this, on all levels together, are not searched.
const MAX_PARTS: usize = 16;
/// Multiparts inside multiparts: deeper ones are not searched.
const MAX_DEPTH: usize = 4;

/// The bytes of type `application/sdp` in a message body: the whole body when `content_type` says
/// so or is empty (RFC 3261 section 7.4.1 leaves no other default worth guessing), the first such
/// part when it is `multipart/*` (RFC 2046 section 5.1, RFC 5621), also inside another multipart,
/// else `None`. Parts beyond the 16th and deeper than four levels are not searched.
pub fn extract_sdp<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    if body.is_empty() {
        return None;
    }
    if media_type(content_type).is_empty() {
        return Some(body);
    }
    extract_part(SDP, content_type, body)
}

/// The bytes of type `wanted` in a message body: the whole body when `content_type` says so, else the
/// first such part as in [`extract_sdp`]. `None` for an empty one.
pub fn extract_part<'a>(wanted: &str, content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let found = match media_type(content_type).eq_ignore_ascii_case(wanted) {
        true => Some(body),
        false => body.get(find(wanted, content_type, body)?.part?),
    };
    found.filter(|part| !part.is_empty())
}

/// A multipart body with `sdp` in the place of its description; every other part stays byte for
/// byte. `None` when `content_type` is no multipart that can be read, when one is to be replaced and
/// there is none, or when there is one and nothing takes its place.
pub fn with_sdp(content_type: &str, body: &[u8], sdp: Option<&[u8]>) -> Option<Vec<u8>> {
    let found = find(SDP, content_type, body)?;
    match (found.part, sdp) {
        (Some(description), Some(sdp)) => {
            let mut out = Vec::with_capacity(body.len().saturating_add(sdp.len()));
            match found.length_line {
                // A length of the part, which nobody needs, would be wrong.
                Some(line) if line.end <= description.start => {
                    out.extend_from_slice(body.get(..line.start)?);
                    out.extend_from_slice(body.get(line.end..description.start)?);
                }
                _ => out.extend_from_slice(body.get(..description.start)?),
            }
            out.extend_from_slice(sdp);
            out.extend_from_slice(body.get(description.end..)?);
            Some(out)
        }
        (None, None) => Some(body.to_vec()),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// What was found in a multipart body, as positions in it.
#[derive(Default)]
struct Found {
    part: Option<Range<usize>>,
    /// The Content-Length line among the headers of that part.
    length_line: Option<Range<usize>>,
}

const SDP: &str = "application/sdp";

fn find(wanted: &str, content_type: &str, body: &[u8]) -> Option<Found> {
    let mut budget = MAX_PARTS;
    search(wanted, content_type, body, 0..body.len(), MAX_DEPTH, &mut budget)
}

/// `None` when it is no multipart, or one without a part.
fn search(
    wanted: &str,
    content_type: &str,
    body: &[u8],
    within: Range<usize>,
    depth: usize,
    budget: &mut usize,
) -> Option<Found> {
    let (kind, _) = media_type(content_type).split_once('/')?;
    if !kind.eq_ignore_ascii_case("multipart") || depth == 0 {
        return None;
    }
    let boundary = boundary(content_type)?;
    let mut any = false;
    for part in Parts::new(body, within, &boundary) {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        any = true;
        let Some(headers) = PartHeaders::read(body, part.clone()) else { continue };
        let content = headers.end..part.end.max(headers.end);
        if media_type(headers.content_type).eq_ignore_ascii_case(wanted) {
            return Some(Found { part: Some(content), length_line: headers.length_line });
        }
        let inner = search(wanted, headers.content_type, body, content, depth - 1, budget);
        if let Some(found) = inner.filter(|found| found.part.is_some()) {
            return Some(found);
        }
    }
    any.then(Found::default)
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The `boundary` parameter, 1 to 70 characters of those that RFC 2046 section 5.1.1 allows; quoted
/// or not. Of two, the first counts.
fn boundary(content_type: &str) -> Option<String> {
    let (_, mut rest) = content_type.split_once(';')?;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (value, next) = after.split_at(end);
                (value.trim_end().to_owned(), next)
            }
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
            let right = (1..=70).contains(&value.len())
                && value.chars().all(allowed)
                && !value.ends_with(' ');
            return right.then_some(value);
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

/// The value of a quoted string after its opening quote, and what follows its closing one.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The parts between delimiter lines. The bytes before the first one are a preamble, those after
/// the closing one an epilogue. The line end before a delimiter belongs to it.
struct Parts<'a> {
    body: &'a [u8],
    boundary: &'a str,
    /// From the delimiter line on that opens the next part.
    at: usize,
    end: usize,
    begun: bool,
}

/// A line of a body that is a delimiter.
struct Delimiter {
    /// Where its line begins.
    start: usize,
    /// Where the next line begins.
    after: usize,
    closes: bool,
}

impl<'a> Parts<'a> {
    fn new(body: &'a [u8], within: Range<usize>, boundary: &'a str) -> Self {
        Parts { body, boundary, at: within.start, end: within.end, begun: false }
    }

    fn delimiter(&self, from: usize) -> Option<Delimiter> {
        let mut at = from;
        let bytes = self.body.get(from..self.end)?;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let next = at + line.len();
            let rest = line
                .strip_prefix(b"--")
                .and_then(|line| line.strip_prefix(self.boundary.as_bytes()));
            if let Some(rest) = rest {
                // Only white space may follow (RFC 2046: transport padding).
                let (closes, padding) = match rest.strip_prefix(b"--") {
                    Some(padding) => (true, padding),
                    None => (false, rest),
                };
                if padding.iter().all(u8::is_ascii_whitespace) {
                    return Some(Delimiter { start: at, after: next, closes });
                }
            }
            at = next;
        }
        None
    }
}

impl Iterator for Parts<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if !self.begun {
            let first = self.delimiter(self.at).filter(|first| !first.closes)?;
            self.begun = true;
            self.at = first.after;
        }
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        let Some(next) = self.delimiter(start) else {
            // A body that was cut off: its last part is all there is.
            self.at = self.end;
            return Some(start..self.end);
        };
        self.at = if next.closes { self.end } else { next.after };
        let part = self.body.get(start..next.start)?;
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        Some(start..start + part.len())
    }
}

/// What the headers of a part say.
struct PartHeaders<'a> {
    content_type: &'a str,
    length_line: Option<Range<usize>>,
    /// Where the content begins.
    end: usize,
}

impl<'a> PartHeaders<'a> {
    /// `None` when no empty line ends them.
    fn read(body: &'a [u8], part: Range<usize>) -> Option<Self> {
        let mut headers = PartHeaders { content_type: "", length_line: None, end: part.end };
        let mut at = part.start;
        for line in body.get(part)?.split_inclusive(|&byte| byte == b'\n') {
            let next = at + line.len();
            let content = line.trim_ascii();
            if content.is_empty() {
                headers.end = next;
                return Some(headers);
            }
            if let Some(colon) = content.iter().position(|&byte| byte == b':') {
                let (name, value) = content.split_at(colon);
                let name = name.trim_ascii();
                if name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c") {
                    headers.content_type =
                        value.get(1..).and_then(|v| std::str::from_utf8(v).ok()).unwrap_or("");
                } else if name.eq_ignore_ascii_case(b"content-length")
                    || name.eq_ignore_ascii_case(b"l")
                {
                    headers.length_line = Some(at..next);
                }
            }
            at = next;
        }
        None
    }
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
