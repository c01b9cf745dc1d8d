//! The Identity header (RFC 8224 section 4): a token and its parameters.

/// The parts of an Identity header's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IdentityHeader<'a> {
    /// The token, `header.payload.signature`; in compact form the first two are empty.
    pub(crate) token: &'a str,
    /// `info`: where the certificate is, without its angle brackets.
    pub(crate) info: Option<&'a str>,
    /// `alg`, if given.
    pub(crate) alg: Option<&'a str>,
    /// `ppt`, if given.
    pub(crate) ppt: Option<&'a str>,
}

impl<'a> IdentityHeader<'a> {
    /// Reads a value; `None` when it has not the form of one. Quotes around a parameter are taken
    /// off: RFC 8588 writes `ppt="shaken"`, the grammar of RFC 8224 does not.
    pub(crate) fn parse(value: &'a str) -> Option<Self> {
        let value = value.trim();
        let (token, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let token = token.trim();
        if token.is_empty() {
            return None;
        }
        let mut header = IdentityHeader { token, info: None, alg: None, ppt: None };
        while !rest.trim().is_empty() {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            // A URI in angle brackets may hold semicolons.
            let (text, next) = if let Some(uri) = after.strip_prefix('<') {
                let (uri, next) = uri.split_once('>')?;
                (uri, next)
            } else if let Some(quoted) = after.strip_prefix('"') {
                let (text, next) = quoted.split_once('"')?;
                (text, next)
            } else {
                let end = after.find(';').unwrap_or(after.len());
                after.split_at(end)
            };
            let text = text.trim();
            let slot = match name.trim() {
                name if name.eq_ignore_ascii_case("info") => Some(&mut header.info),
                name if name.eq_ignore_ascii_case("alg") => Some(&mut header.alg),
                name if name.eq_ignore_ascii_case("ppt") => Some(&mut header.ppt),
                _ => None,
            };
            if let Some(slot) = slot {
                // A second one of a name would let two readers see different things.
                if slot.replace(text).is_some() {
                    return None;
                }
            }
            rest = next.trim_start();
            if !rest.is_empty() {
                rest = rest.strip_prefix(';')?;
            }
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_rfc_8224_section_4() {
        let header = IdentityHeader::parse(
            "sv5CTo05KqpSmtHt3dcEiO/1CWTSZtnG3iV+1nmurLXV/HmtyNS7Ltrg9dlxkWzo\
             ;info=<https://biloxi.example.org/biloxi.cer>;alg=ES256",
        );
        let header = header.expect("valid");
        assert_eq!(header.info, Some("https://biloxi.example.org/biloxi.cer"));
        assert_eq!((header.alg, header.ppt), (Some("ES256"), None));
    }

    #[test]
    fn quotes_spaces_and_unknown_parameters() {
        let header = IdentityHeader::parse("a.b.c ; Info = <https://x/?a;b> ; x=y;ppt=\"shaken\"");
        let header = header.expect("valid");
        assert_eq!(header.info, Some("https://x/?a;b"));
        assert_eq!(header.ppt, Some("shaken"));
    }

    #[test]
    fn what_is_no_identity_header() {
        for bad in
            ["", ";info=<x>", "a;info=<x", "a;ppt=\"x", "a;info", "a;ppt=x;ppt=y", "a;info=<x>y"]
        {
            assert_eq!(IdentityHeader::parse(bad), None, "{bad:?}");
        }
    }
}
