//! `;name=value` lists, of headers and of URIs.

use super::malformed::Malformed;
use super::scan::{is_lws, is_token, part, quoted_end, trim};
use super::uri::escaped_eq_ignore_case;

/// The parameters behind a value, read when asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    /// Everything from the first semicolon on; empty when there are none.
    text: &'a str,
    /// In a URI, `%61` and `a` are the same character (RFC 3261 section 19.1.4).
    in_uri: bool,
}

impl<'a> Params<'a> {
    /// Header parameters, checked: names are tokens, quotes are closed, nothing is empty. A single
    /// semicolon at the end is let pass. `seen` is shown each one.
    pub(crate) fn checked(
        text: &'a str,
        mut seen: impl FnMut(&'a str, Option<&'a str>) -> Result<(), Malformed>,
    ) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            // `at` is on a semicolon.
            if let Some((name, value, end)) = plain(text, at + 1) {
                seen(name, value)?;
                at = end;
                continue;
            }
            let end = param_end(bytes, at + 1).ok_or(Malformed::new(
                "parameter",
                "the quoted string has no end",
                at,
            ))?;
            let (name, value) = halves(part(text, at + 1, end));
            match (name.is_empty(), end == bytes.len()) {
                (true, true) if value.is_none() => {}
                (true, _) => {
                    return Err(Malformed::new("parameter", "the parameter has no name", at));
                }
                (false, _) => {
                    check(name, value, at)?;
                    seen(name, value)?;
                }
            }
            at = end;
        }
        Ok(Params { text, in_uri: false })
    }

    pub(crate) const fn of_uri(text: &'a str) -> Self {
        Params { text, in_uri: true }
    }

    /// The value of the parameter `name`, in any case: `None` when it is absent, `Some(None)` when
    /// it stands without a value. A quoted value keeps its quotes ([`crate::unquote`]).
    pub fn get(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(found, _)| self.same_name(found, name)).map(|(_, value)| value)
    }

    /// Every parameter in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let text = self.text;
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < text.len() {
                let end = param_end(text.as_bytes(), at + 1).unwrap_or(text.len());
                let (name, value) = halves(part(text, at + 1, end));
                at = end;
                if !name.is_empty() {
                    return Some((name, value));
                }
            }
            None
        })
    }

    /// As sent, from the first semicolon on; empty when there are none.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn same_name(&self, found: &str, wanted: &str) -> bool {
        found.eq_ignore_ascii_case(wanted)
            || (self.in_uri && found.contains('%') && escaped_eq_ignore_case(found, wanted))
    }
}

/// A parameter of the plainest form, as nearly all are: name, value and the offset past it. It needs
/// no trimming and no check. `None` for any other, which is then read with care.
fn plain(text: &str, start: usize) -> Option<(&str, Option<&str>, usize)> {
    let bytes = text.as_bytes();
    let run = |from: usize, class: u8| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| CLASS[usize::from(**byte)] & class != 0).count()
    };
    let name_end = run(start, NAME);
    if name_end == start {
        return None;
    }
    let (value, end) = match bytes.get(name_end) {
        Some(b'=') => {
            let end = run(name_end + 1, VALUE);
            (Some(part(text, name_end + 1, end)), end)
        }
        _ => (None, name_end),
    };
    let ends = matches!(bytes.get(end), None | Some(b';'));
    ends.then(|| (part(text, start, name_end), value, end))
}

/// May stand in a name.
const NAME: u8 = 1;
/// May stand in a value without quotes.
const VALUE: u8 = 2;

static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let of = byte as u8;
        let ends_value = is_lws(of) || matches!(of, b';' | b',' | b'"' | b'<' | b'>');
        table[byte] = (if is_token(of) { NAME } else { 0 }) | (if ends_value { 0 } else { VALUE });
        byte += 1;
    }
    table
};

/// The offset of the next semicolon outside quotes, or the length; `None` when a quote stays open.
fn param_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b';' => return Some(at),
            b'"' => at = quoted_end(bytes, at)?,
            _ => at += 1,
        }
    }
    Some(bytes.len())
}

fn halves(param: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'=', param.as_bytes()) {
        Some(equals) => {
            (trim(part(param, 0, equals)), Some(trim(part(param, equals + 1, param.len()))))
        }
        None => (trim(param), None),
    }
}

fn check(name: &str, value: Option<&str>, at: usize) -> Result<(), Malformed> {
    if !name.bytes().all(is_token) {
        return Err(Malformed::new("parameter", "the name is not a token", at));
    }
    let Some(value) = value else { return Ok(()) };
    let bytes = value.as_bytes();
    if bytes.first() == Some(&b'"') {
        return match quoted_end(bytes, 0) {
            Some(end) if end == bytes.len() => Ok(()),
            _ => Err(Malformed::new("parameter", "text follows the quoted string", at)),
        };
    }
    // Beyond tokens and hosts, real values hold URIs and more; only what would change how the
    // line is read is refused.
    if bytes.iter().any(|byte| is_lws(*byte) || matches!(byte, b',' | b'"' | b'<' | b'>')) {
        return Err(Malformed::new("parameter", "the value must be quoted", at));
    }
    Ok(())
}
