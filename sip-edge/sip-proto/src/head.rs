//! The header lines of a raw message, without parsing it: for what must be cheap (finding the
//! worker that owns a message, stamping a Via) and for what we wrote ourselves (building an ACK or
//! a CANCEL from a sent request).

use memchr::{memchr, memchr3, memrchr};

/// One header field of the raw text, with its folded continuation lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawHeader<'a> {
    /// As sent, without trailing blanks.
    pub(crate) name: &'a [u8],
    /// Everything between the colon and the final line end.
    pub(crate) value: &'a [u8],
    /// The whole field with its line ends.
    pub(crate) wire: &'a [u8],
    /// Where `wire` begins in the message.
    pub(crate) offset: usize,
}

impl RawHeader<'_> {
    /// Whether it is the header `long`, or its compact form.
    pub(crate) fn is(&self, long: &str, compact: Option<u8>) -> bool {
        match *self.name {
            [letter] => compact.is_some_and(|c| letter.eq_ignore_ascii_case(&c)),
            ref name => name.eq_ignore_ascii_case(long.as_bytes()),
        }
    }

    pub(crate) fn is_via(&self) -> bool {
        self.is("Via", Some(b'v'))
    }

    pub(crate) fn is_to(&self) -> bool {
        self.is("To", Some(b't'))
    }

    pub(crate) fn is_from(&self) -> bool {
        self.is("From", Some(b'f'))
    }

    pub(crate) fn is_call_id(&self) -> bool {
        self.is("Call-ID", Some(b'i'))
    }
}

/// The first line, without its line end.
pub(crate) fn start_line(raw: &[u8]) -> &[u8] {
    let end = memchr(b'\n', raw).unwrap_or(raw.len());
    trim_end(&raw[..end])
}

/// The header fields in wire order, up to the empty line.
pub(crate) fn headers(raw: &[u8]) -> impl Iterator<Item = RawHeader<'_>> {
    let mut offset = memchr(b'\n', raw).map_or(raw.len(), |end| end + 1);
    std::iter::from_fn(move || {
        let header = header_at(raw, offset)?;
        offset += header.wire.len();
        Some(header)
    })
}

/// What the transaction and the dialog of a message need of its head: enough to answer a request, to
/// withdraw an INVITE, or to acknowledge a response and hang up. Neither its body nor credentials are
/// among it. `None` for a message without an empty line.
pub fn essential_head(raw: &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memmem::find(raw, b"\r\n\r\n")?;
    let head = raw.get(..end + 2)?;
    let mut out = Vec::with_capacity(768);
    out.extend_from_slice(start_line(head));
    out.extend_from_slice(b"\r\n");
    for header in headers(head) {
        let is_kept = header.is_via()
            || header.is_from()
            || header.is_to()
            || header.is_call_id()
            || header.is("CSeq", None)
            || header.is("Contact", Some(b'm'))
            || header.is("Route", None)
            || header.is("Record-Route", None)
            || header.is("Max-Forwards", None);
        if is_kept {
            out.extend_from_slice(header.wire);
        }
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    Some(out)
}

/// The first Via.
pub(crate) fn via(raw: &[u8]) -> Option<RawHeader<'_>> {
    header(raw, *b"vV", |h| h.is_via())
}

/// The first To.
pub(crate) fn to(raw: &[u8]) -> Option<RawHeader<'_>> {
    header(raw, *b"tT", |h| h.is_to())
}

/// The first Call-ID.
pub(crate) fn call_id(raw: &[u8]) -> Option<RawHeader<'_>> {
    header(raw, *b"cCiI", |h| h.is_call_id())
}

/// The first header for which `wanted` holds. `letters` are those that its name may begin
/// with: lines that begin otherwise are not looked at.
fn header<const N: usize>(
    raw: &[u8],
    letters: [u8; N],
    wanted: fn(&RawHeader<'_>) -> bool,
) -> Option<RawHeader<'_>> {
    // A folded line begins with a blank, which is no letter, and the empty line with its line end.
    for end in memchr::memchr_iter(b'\n', raw) {
        let offset = end + 1;
        match raw.get(offset)? {
            b'\r' | b'\n' => return None,
            letter if letters.contains(letter) => {
                if let Some(header) = header_at(raw, offset).filter(wanted) {
                    return Some(header);
                }
            }
            _ => {}
        }
    }
    None
}

/// The header field that begins at `offset`; `None` at the empty line and at the end.
fn header_at(raw: &[u8], offset: usize) -> Option<RawHeader<'_>> {
    let rest = &raw[offset..];
    let wire = &rest[..field_length(rest)];
    let text = trim_end(wire);
    if text.is_empty() {
        return None;
    }
    let colon = memchr(b':', text).unwrap_or(text.len());
    let value = text.get(colon + 1..).unwrap_or_default();
    Some(RawHeader { name: text[..colon].trim_ascii(), value, wire, offset })
}

/// The value of the first parameter called `name` in `text`, which begins at or before the first
/// semicolon. An empty slice when the parameter has no value.
pub(crate) fn parameter<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some(semicolon) = memchr(b';', rest) {
        rest = &rest[semicolon + 1..];
        let end = memchr3(b';', b',', b'\n', rest).unwrap_or(rest.len());
        let (key, value) = match memchr(b'=', &rest[..end]) {
            Some(equals) => (&rest[..equals], &rest[equals + 1..end]),
            None => (&rest[..end], &rest[..0]),
        };
        if key.trim_ascii().eq_ignore_ascii_case(name.as_bytes()) {
            return Some(value.trim_ascii());
        }
    }
    None
}

/// The `tag` parameter of a From or To value.
pub(crate) fn tag(value: &[u8]) -> Option<&[u8]> {
    // Inside the angle brackets a parameter belongs to the URI.
    let params = memrchr(b'>', value).map_or(value, |end| &value[end..]);
    parameter(params, "tag").filter(|tag| !tag.is_empty())
}

/// The `tag` of the To header.
pub(crate) fn to_tag(raw: &[u8]) -> Option<&[u8]> {
    tag(to(raw)?.value)
}

/// The length of the field at the start of `rest`, continuation lines and line end included.
fn field_length(rest: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let Some(end) = memchr(b'\n', &rest[length..]) else { return rest.len() };
        let empty = trim_end(&rest[length..=length + end]).is_empty();
        length += end + 1;
        let folded = matches!(rest.get(length), Some(b' ' | b'\t'));
        if empty || !folded {
            return length;
        }
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|&b| b != b'\r' && b != b'\n').map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"INVITE sip:a@b SIP/2.0\r\n\
        v : SIP/2.0/UDP h;branch=z9hG4bKx\r\n ;rport\r\n\
        To: \"a;tag=no>\" <sip:a@b;tag=no> ; Tag = yes\r\n\
        i: id@h\r\n\r\nVia: body\r\n";

    #[test]
    fn reads_compact_and_folded_headers_and_stops_before_the_body() {
        let names: Vec<_> = headers(RAW).map(|h| h.name).collect();
        assert_eq!(names, [&b"v"[..], b"To", b"i"]);
        let via = via(RAW).unwrap();
        assert_eq!(via.wire, b"v : SIP/2.0/UDP h;branch=z9hG4bKx\r\n ;rport\r\n");
        assert_eq!(parameter(via.value, "branch"), Some(&b"z9hG4bKx"[..]));
        assert_eq!(parameter(via.value, "RPORT"), Some(&b""[..]));
        assert_eq!(to_tag(RAW), Some(&b"yes"[..]));
        assert_eq!(start_line(RAW), b"INVITE sip:a@b SIP/2.0");
    }

    #[test]
    fn what_is_essential_is_enough_for_a_transaction_and_tells_no_secret() {
        let raw = b"INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
            Authorization: Digest response=\"x\"\r\nVIA: SIP/2.0/UDP p\r\nf: <sip:c@d>;tag=1\r\n\
            To: <sip:a@b>\r\ni: id\r\nCSeq: 7\r\n INVITE\r\nm: <sip:c@h>\r\nRecord-Route: <sip:p;lr>\r\n\
            Route: <sip:q;lr>\r\nSubject: gone\r\nl: 3\r\nc: application/sdp\r\n\r\nv=0";
        let head = String::from_utf8(essential_head(raw).unwrap()).unwrap();
        let expected = "INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
            VIA: SIP/2.0/UDP p\r\nf: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\ni: id\r\n\
            CSeq: 7\r\n INVITE\r\nm: <sip:c@h>\r\nRecord-Route: <sip:p;lr>\r\nRoute: <sip:q;lr>\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(head, expected);
        assert_eq!(essential_head(b"INVITE sip:a@b SIP/2.0\r\nTo: x\r\n"), None);
    }

    #[test]
    fn every_prefix_is_harmless() {
        for end in 0..RAW.len() {
            let _ = headers(&RAW[..end]).count();
            let _ = to_tag(&RAW[..end]);
            let _ = essential_head(&RAW[..end]);
        }
    }
}
