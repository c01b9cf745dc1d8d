//! The session description inside a message body.

/// More parts than this are not searched.
const MAX_PARTS: usize = 16;

/// The bytes of type `application/sdp` in a message body: the whole body when `content_type` says
/// so or is empty (RFC 3261 section 7.4.1 leaves no other default worth guessing), the first such
/// part when it is `multipart/*` (RFC 2046 section 5.1), else `None`. Nested multiparts are not
/// searched, nor more than 16 parts.
pub fn extract_sdp<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    if body.is_empty() {
        return None;
    }
    let media_type = media_type(content_type);
    if media_type.is_empty() || media_type.eq_ignore_ascii_case("application/sdp") {
        return Some(body);
    }
    let (kind, _) = media_type.split_once('/')?;
    if !kind.eq_ignore_ascii_case("multipart") {
        return None;
    }
    let boundary = boundary(content_type)?;
    Parts { rest: Some(body), boundary }.take(MAX_PARTS).find_map(sdp_of_part)
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The `boundary` parameter, 1 to 70 characters.
fn boundary(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len()))
            .then_some(value)
    })
}

/// The parts between delimiter lines. The bytes before the first one are a preamble.
struct Parts<'a, 'b> {
    rest: Option<&'a [u8]>,
    boundary: &'b str,
}

impl<'a> Iterator for Parts<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (_, after) = self.split_at_delimiter(self.rest?)?;
        match self.split_at_delimiter(after) {
            Some((part, _)) => {
                // The closing delimiter of this part opens the next one.
                self.rest = after.get(part.len()..);
                Some(part)
            }
            // A body that was cut off: its last part is all there is.
            None => {
                self.rest = None;
                (!after.is_empty()).then_some(after)
            }
        }
    }
}

impl Parts<'_, '_> {
    /// The bytes before the next delimiter line, and those after that line; `None` when there is no
    /// such line or it is the last one (`--boundary--`).
    fn split_at_delimiter<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let mut at = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let content = line.trim_ascii_end();
            let is_delimiter = content
                .strip_prefix(b"--")
                .and_then(|c| c.strip_prefix(self.boundary.as_bytes()))
                .map(|end| (end.is_empty(), end == b"--"));
            let next = at + line.len();
            match is_delimiter {
                Some((true, _)) => return Some((bytes.get(..at)?, bytes.get(next..)?)),
                Some((_, true)) => return Some((bytes.get(..at)?, &[])),
                _ => at = next,
            }
        }
        None
    }
}

/// The body of a part when its Content-Type is `application/sdp`.
fn sdp_of_part(part: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    let mut is_sdp = false;
    for line in part.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        let content = line.trim_ascii();
        if content.is_empty() {
            let body = part.get(at..).filter(|body| is_sdp && !body.is_empty());
            return body;
        }
        let Some(colon) = content.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = content.split_at(colon);
        if name.trim_ascii().eq_ignore_ascii_case(b"content-type")
            || name.trim_ascii().eq_ignore_ascii_case(b"c")
        {
            let value = std::str::from_utf8(value.get(1..)?).ok()?;
            is_sdp = media_type(value).eq_ignore_ascii_case("application/sdp");
        }
    }
    None
}
