//! Takes credentials out of SIP messages before they are logged.

use std::borrow::Cow;

/// Written in place of what is hidden.
const MASK: &[u8] = b"***";

/// Digest parameters (RFC 7616 section 3.4) that help diagnosis and prove nothing. All others,
/// known or not, are hidden.
const SHOWN: [&[u8]; 6] = [b"username", b"realm", b"uri", b"algorithm", b"qop", b"nc"];

/// `message` with its credentials hidden: values of Authorization, Proxy-Authorization and
/// (Proxy-)Authentication-Info, passwords in SIP URIs (RFC 3261 section 19.1.1) and codes that are
/// dialled behind the ID of a meeting, SDES keys (`inline:`, RFC 4568), `k=`, `a=key-mgmt` and `a=ice-pwd` lines; and bodies that tell of telephone keys, which
/// may be a PIN or the number of a card.
///
/// One pass; borrows when there is nothing to hide. Lines are looked at wherever they stand, so
/// that messages inside bodies are covered.
pub fn masked(message: &[u8]) -> Cow<'_, [u8]> {
    let mut mask = Masking { message, copied: 0, out: Vec::new() };
    let mut at = 0;
    let mut has_keys = false;
    while at < message.len() {
        let end = line_end(message, at);
        let line = mask.slice(at, end);
        if matches!(line.first(), Some(b'C' | b'c')) {
            has_keys |= is_type_of_keys(mask.slice(at, mask.folded_end(end)));
        }
        if has_keys && line.trim_ascii().is_empty() {
            at = mask.keys(end);
            has_keys = false;
        } else {
            at = mask.line(at, end);
        }
    }
    mask.finish()
}

/// Of the shorter ID of a meeting, and of the longer one, that of moderators.
const MEETING_DIGITS: usize = 10;
const MODERATOR_DIGITS: usize = 13;

struct Masking<'a> {
    message: &'a [u8],
    /// Everything before is in `out`, or untouched while `out` is empty.
    copied: usize,
    out: Vec<u8>,
}

impl<'a> Masking<'a> {
    /// Looks at one line; gives back where the next one begins.
    fn line(&mut self, start: usize, end: usize) -> usize {
        let line = self.slice(start, end);
        if let Some(value) = credential_value(line) {
            let end = self.folded_end(end);
            self.credentials(start + value, end);
            return end;
        }
        match line {
            [b'k' | b'K', b'=', ..] => self.hide(start + 2, trimmed_end(self.message, start, end)),
            _ if starts_with(line, b"a=key-mgmt:") => {
                self.hide(start + 11, trimmed_end(self.message, start, end));
            }
            // Whoever has it may answer connectivity checks in the peer's place (RFC 8839).
            _ if starts_with(line, b"a=ice-pwd:") => {
                self.hide(start + 10, trimmed_end(self.message, start, end));
            }
            _ => {
                self.inline_keys(start, end);
                self.uri_passwords(start, end);
            }
        }
        end
    }

    /// Hides a body of keys, to its end or that of its part (RFC 2046 section 5.1.1); gives back
    /// where that is.
    fn keys(&mut self, start: usize) -> usize {
        let mut end = start;
        while end < self.message.len() && !self.slice(end, end + 2).starts_with(b"--") {
            end = line_end(self.message, end);
        }
        self.hide(start, trimmed_end(self.message, start, end));
        end
    }

    fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.message.get(start..end).unwrap_or_default()
    }

    fn hide(&mut self, start: usize, end: usize) {
        if start < end && start >= self.copied {
            self.out.extend_from_slice(self.slice(self.copied, start));
            self.out.extend_from_slice(MASK);
            self.copied = end;
        }
    }

    fn finish(mut self) -> Cow<'a, [u8]> {
        if self.copied == 0 {
            return Cow::Borrowed(self.message);
        }
        self.out.extend_from_slice(self.slice(self.copied, self.message.len()));
        Cow::Owned(self.out)
    }

    /// Where the header that ends its first line at `end` really ends (RFC 3261 section 7.3.1).
    fn folded_end(&self, mut end: usize) -> usize {
        while matches!(self.message.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.message, end);
        }
        end
    }

    /// Hides what must be hidden in a credential's value.
    fn credentials(&mut self, start: usize, end: usize) {
        let end = trimmed_end(self.message, start, end);
        let value = self.slice(start, end);
        let skipped = value.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let scheme = value.get(skipped..).unwrap_or_default();
        let scheme_length = scheme.iter().take_while(|b| !b.is_ascii_whitespace()).count();
        let named = scheme.get(..scheme_length).unwrap_or_default();
        if named.eq_ignore_ascii_case(b"digest") {
            self.parameters(start + skipped + scheme_length, end);
        } else if named.contains(&b'=') {
            // Authentication-Info has parameters without a scheme.
            self.parameters(start + skipped, end);
        } else if scheme_length < scheme.len() {
            self.hide(start + skipped + scheme_length + 1, end);
        } else {
            self.hide(start + skipped, end);
        }
    }

    fn parameters(&mut self, mut at: usize, end: usize) {
        while at < end {
            let rest = self.slice(at, end);
            let length = parameter_length(rest);
            let parameter = rest.get(..length).unwrap_or_default();
            match parameter.iter().position(|b| *b == b'=') {
                Some(equals) => {
                    let name = parameter.get(..equals).unwrap_or_default().trim_ascii();
                    if !SHOWN.iter().any(|shown| name.eq_ignore_ascii_case(shown)) {
                        let value = parameter.get(equals + 1..).unwrap_or_default();
                        let quoted = value.trim_ascii().len() >= 2
                            && value.trim_ascii().starts_with(b"\"")
                            && value.trim_ascii().ends_with(b"\"");
                        let lead = value.len() - value.trim_ascii_start().len();
                        let trail = value.len() - value.trim_ascii_end().len();
                        let (from, to) = (at + equals + 1 + lead, at + length - trail);
                        if quoted { self.hide(from + 1, to - 1) } else { self.hide(from, to) }
                    }
                }
                None if !parameter.trim_ascii().is_empty() => self.hide(at, at + length),
                None => {}
            }
            at += length + 1;
        }
    }

    fn inline_keys(&mut self, start: usize, end: usize) {
        const TAG: &[u8] = b"inline:";
        let mut at = start;
        while let Some(found) = find(self.slice(at, end), TAG) {
            let key = at + found + TAG.len();
            let length = self
                .slice(key, end)
                .iter()
                .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b';' | b'|'))
                .count();
            self.hide(key, key + length);
            at = key + length;
        }
    }

    /// `sip:user:password@host`, and codes behind the ID of a meeting: `sip:ID*CODE@meet.host`.
    fn uri_passwords(&mut self, start: usize, end: usize) {
        let line = self.slice(start, end);
        for (at, _) in line.iter().enumerate().filter(|(_, b)| **b == b'@') {
            let (before, host) = line.split_at(at);
            let hidden = password_before(before).or_else(|| room_code_before(before, host));
            if let Some(from) = hidden {
                self.hide(start + from, start + at);
            }
        }
    }
}

/// Where the password of the SIP URI begins whose user part ends with `before`.
fn password_before(before: &[u8]) -> Option<usize> {
    let password = before.iter().rev().take_while(|b| is_password_byte(**b)).count();
    let from = before.len() - password;
    let Some((b':', before)) = before.get(..from)?.split_last() else { return None };
    let user = before.iter().rev().take_while(|b| is_user_byte(**b)).count();
    let scheme = before.get(..before.len() - user)?;
    (user > 0 && is_sip(scheme)).then_some(from)
}

/// Where what was dialled behind the ID of a meeting begins: a passcode, a host key. Whoever leaves out what
/// separates them is not understood, and has typed a passcode all the same.
fn room_code_before(before: &[u8], host: &[u8]) -> Option<usize> {
    let user = before.iter().rev().take_while(|b| !matches!(b, b':' | b'<' | b' ')).count();
    let (scheme, user) = before.split_at(before.len() - user);
    if !is_sip(scheme) || !starts_with(host, b"@meet.") {
        return None;
    }
    let mut digits = 0;
    let mut at = 0;
    while let Some(byte) = user.get(at) {
        match byte {
            // Parameters of a user are no codes.
            b';' => return None,
            b'*' | b'#' | b'.' | b'%' if digits >= MEETING_DIGITS => {
                return Some(scheme.len() + at + 1);
            }
            b'%' => {
                digits += usize::from(is_escaped_digit(user.get(at + 1..at + 3)));
                at += 2;
            }
            b'0'..=b'9' => digits += 1,
            _ => {}
        }
        if digits > MODERATOR_DIGITS {
            // An escape is hidden from its first octet on.
            return Some(scheme.len() + if *byte == b'%' { at - 2 } else { at });
        }
        at += 1;
    }
    None
}

/// Whether an escape, without its `%`, stands for a digit (RFC 3986 section 2.1).
fn is_escaped_digit(escape: Option<&[u8]>) -> bool {
    matches!(escape, Some([b'3', b'0'..=b'9']))
}

fn is_sip(scheme: &[u8]) -> bool {
    ends_with(scheme, b"sip:") || ends_with(scheme, b"sips:")
}

/// Whether the line says that the body is one of telephone keys.
fn is_type_of_keys(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 2] = [b"content-type", b"c"];
    const TYPES: [&[u8]; 5] = [
        b"application/dtmf",
        b"application/vnd.nortelnetworks.digits",
        b"application/kpml-",
        b"audio/telephone-event",
        b"audio/tone",
    ];
    let Some(colon) = line.iter().position(|b| *b == b':') else { return false };
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    NAMES.iter().any(|n| name.trim_ascii_end().eq_ignore_ascii_case(n))
        && TYPES.iter().any(|t| starts_with(value, t))
}

/// Where the value begins, if the line is a header with credentials.
fn credential_value(line: &[u8]) -> Option<usize> {
    const NAMES: [&[u8]; 4] = [
        b"authorization",
        b"proxy-authorization",
        b"authentication-info",
        b"proxy-authentication-info",
    ];
    // Most lines fail here, on one octet.
    if !matches!(line.first(), Some(b'A' | b'a' | b'P' | b'p')) {
        return None;
    }
    let colon = line.iter().position(|b| *b == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n)).then_some(colon + 1)
}

/// Up to the comma that ends the parameter; commas in quotes do not.
fn parameter_length(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The end of the line that begins at `start`, past its line feed.
fn line_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter().position(|b| *b == b'\n').map_or(text.len(), |at| start + at + 1)
}

/// `end` less the white space before it, not below `start`.
fn trimmed_end(text: &[u8], start: usize, end: usize) -> usize {
    start + text.get(start..end).unwrap_or_default().trim_ascii_end().len()
}

/// Where `what`, which ends with a colon, begins; letters in either case.
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // Told by its last octet first, a colon: there are few of them.
    let last = what.last()?;
    let mut ends = text.iter().enumerate().filter(|(_, b)| *b == last).map(|(at, _)| at);
    ends.find(|at| text.get(..=*at).is_some_and(|t| ends_with(t, what)))
        .map(|at| at + 1 - what.len())
}

fn starts_with(text: &[u8], what: &[u8]) -> bool {
    text.get(..what.len()).is_some_and(|t| t.eq_ignore_ascii_case(what))
}

fn ends_with(text: &[u8], what: &[u8]) -> bool {
    text.len()
        .checked_sub(what.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|t| t.eq_ignore_ascii_case(what))
}

/// `password` of RFC 3261 section 25.1.
fn is_password_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()%&=+$,".contains(&byte)
}

/// `user` of RFC 3261 section 25.1.
fn is_user_byte(byte: u8) -> bool {
    is_password_byte(byte) || b";?/".contains(&byte)
}

#[cfg(test)]
mod tests;
