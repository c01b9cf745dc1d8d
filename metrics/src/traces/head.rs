//! What of a SIP message's head tells its transaction (RFC 3261 section 17.1.3, 17.2.3). The edge has
//! parsed the message before; here four values of it are found again, and what is not as expected is
//! absent.

/// The longest header that is looked at; what a peer writes beyond is left alone.
const LONGEST: usize = 1_024;

/// Parts of a head.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Head<'a> {
    /// The branch of the topmost Via.
    pub(super) branch: &'a [u8],
    /// CSeq's number.
    pub(super) cseq: u32,
    /// CSeq's method.
    pub(super) method: &'a [u8],
    /// The tag of To; empty without one.
    pub(super) to_tag: &'a [u8],
}

/// Reads a message's head; `None` without a Via and a CSeq.
pub(super) fn read(message: &[u8]) -> Option<Head<'_>> {
    let mut head = Head::default();
    let (mut has_via, mut has_cseq) = (false, false);
    for line in message.split(|b| *b == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let line = line.get(..LONGEST).unwrap_or(line);
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?);
        if !has_via && is(name, b"via", b"v") {
            has_via = true;
            let first = value.split(|b| *b == b',').next().unwrap_or_default();
            head.branch = parameter(first, b"branch");
        } else if !has_cseq && name.eq_ignore_ascii_case(b"cseq") {
            let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            head.cseq = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            head.method = words.next()?;
            has_cseq = true;
        } else if is(name, b"to", b"t") {
            // Behind the address, whose URI may have parameters of its own.
            let after = value.iter().rposition(|b| *b == b'>').unwrap_or_default();
            head.to_tag = parameter(value.get(after..).unwrap_or_default(), b"tag");
        }
    }
    (has_via && has_cseq).then_some(head)
}

fn is(name: &[u8], long: &[u8], short: &[u8]) -> bool {
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
}

/// The value of `;name=`; empty without it.
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> &'a [u8] {
    let parts = value.split(|b| *b == b';').skip(1);
    let found = parts.map(<[u8]>::trim_ascii).find_map(|part| {
        let equals = part.iter().position(|b| *b == b'=')?;
        let (key, value) = part.split_at_checked(equals)?;
        key.trim_ascii().eq_ignore_ascii_case(name).then(|| value.get(1..))?
    });
    found.unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_names_are_read_and_only_the_topmost_via() {
        let long = b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a:5060;rport;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
            via: SIP/2.0/UDP c;branch=z9hG4bK3\r\nTo: \"x;tag=no\" <sip:a@b;tag=uri>;tag=t1\r\nCSeq: 7 INVITE\r\n\r\n\
            CSeq: 8 BYE\r\n";
        let head = read(long).unwrap();
        assert_eq!((head.branch, head.cseq), (&b"z9hG4bK1"[..], 7));
        assert_eq!((head.method, head.to_tag), (&b"INVITE"[..], &b"t1"[..]));
        let short =
            b"BYE sip:a SIP/2.0\nv: SIP/2.0/TCP a;BRANCH = z9hG4bK4\nt: sip:a@b\ncseq: 2  BYE\n\n";
        let head = read(short).unwrap();
        assert_eq!((head.branch, head.method), (&b"z9hG4bK4"[..], &b"BYE"[..]));
        assert_eq!(head.to_tag, b"");
    }

    #[test]
    fn what_has_no_transaction_is_none() {
        for text in
            ["", "x", "INVITE a SIP/2.0\r\n\r\n", "A b\r\nVia: x\r\nCSeq: many INVITE\r\n\r\n"]
        {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read(bytes in vec(any::<u8>(), 0..300), at in 0..200_usize) {
            let _ = read(&bytes);
            let mut message = b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK4\r\nTo: sip:a;tag=b\r\nCSeq: 2 BYE\r\n\r\n".to_vec();
            let at = at.min(message.len());
            message.splice(at..at, bytes);
            let _ = read(&message);
        }
    }
}
