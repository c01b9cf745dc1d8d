//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;

use super::host::{self, Host, leading_host};
use super::malformed::Malformed;
use super::params::Params;
use super::scan::{ends_uri, part};

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel` (RFC 3966)
    Tel,
    /// Any other; only [`Uri::text`] describes such a URI.
    Other,
}

/// A URI, borrowed. Of a `tel` URI the number is the user and the host is an empty name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// Before the `@`, without the password and with its escapes; may be empty in the wild.
    pub user: Option<&'a str>,
    /// Behind the first colon of the user information.
    pub password: Option<&'a str>,
    /// The host.
    pub host: Host<'a>,
    /// The port, when one is written.
    pub port: Option<u16>,
    /// The URI parameters.
    pub params: Params<'a>,
    /// Behind the `?`, without it; empty when there are none.
    pub headers: &'a str,
    text: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI that stands alone: without angle brackets, without white space around it.
    ///
    /// # Errors
    /// When there is no scheme, no host (`sip`, `sips`), a port that is none, or a byte that would
    /// end the URI where it stands.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, Malformed> {
        if ends_uri(text) {
            return Err(Malformed::new("URI", "white space, quote or bracket inside", 0));
        }
        let (scheme, rest) = split_scheme(text)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => Uri::parse_sip(text, scheme, rest),
            Scheme::Tel => Uri::parse_tel(text, rest),
            Scheme::Other => Ok(Uri { scheme, ..Uri::bare(text) }),
        }
    }

    /// As it was read.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether the request must travel under TLS.
    pub const fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Sips)
    }

    /// Host and port as they are written in a URI.
    pub fn host_port(&self) -> HostPort<'a> {
        HostPort { host: self.host, port: self.port }
    }

    /// The user with its escapes resolved. A byte sequence that is not UTF-8 is replaced.
    pub fn user_unescaped(&self) -> Cow<'a, str> {
        match self.user {
            Some(user) if user.contains('%') => {
                let bytes: Vec<u8> = unescape(user).map(|(byte, _)| byte).collect();
                Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
            }
            Some(user) => Cow::Borrowed(user),
            None => Cow::Borrowed(""),
        }
    }

    /// A URI parameter, see [`Params::get`].
    pub fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params.get(name)
    }

    /// Whether both address the same resource, by the rules of RFC 3261 section 19.1.4.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other => self.text == other.text,
            Scheme::Tel => same_number(self, other) && same_params(self, other),
            Scheme::Sip | Scheme::Sips => {
                same_text(self.user, other.user)
                    && same_text(self.password, other.password)
                    && self.host.same_as(&other.host)
                    && self.port == other.port
                    && same_params(self, other)
                    && same_headers(self.headers, other.headers)
            }
        }
    }

    const fn bare(text: &'a str) -> Uri<'a> {
        Uri {
            scheme: Scheme::Other,
            user: None,
            password: None,
            host: Host::Name(""),
            port: None,
            params: Params::of_uri(""),
            headers: "",
            text,
        }
    }

    fn parse_sip(text: &'a str, scheme: Scheme, rest: &'a str) -> Result<Uri<'a>, Malformed> {
        // `@` is legal nowhere else in the URI, while `;` and `?` are legal in the user.
        let (user, password, tail) = match memchr::memchr(b'@', rest.as_bytes()) {
            Some(at) => {
                let info = part(rest, 0, at);
                let tail = part(rest, at + 1, rest.len());
                match memchr::memchr(b':', info.as_bytes()) {
                    Some(colon) => {
                        let password = part(info, colon + 1, info.len());
                        (Some(part(info, 0, colon)), Some(password), tail)
                    }
                    None => (Some(info), None, tail),
                }
            }
            None => (None, None, rest),
        };
        let offset = text.len() - tail.len();
        let at = |fault: Malformed| Malformed { offset: fault.offset + offset, ..fault };
        let (host, host_end) = leading_host(tail).map_err(at)?;
        let bytes = tail.as_bytes();
        let (port, end) = match bytes.get(host_end) {
            None | Some(b';' | b'?') => (None, host_end),
            Some(b':') => {
                let digits = bytes[host_end + 1..].iter().take_while(|b| b.is_ascii_digit());
                let end = host_end + 1 + digits.count();
                (Some(host::port(part(tail, host_end + 1, end)).map_err(at)?), end)
            }
            Some(_) => return Err(at(Malformed::new("URI", "not a host name", host_end))),
        };
        if !matches!(bytes.get(end), None | Some(b';' | b'?')) {
            return Err(at(Malformed::new("URI", "text follows the port", end)));
        }
        let (params, headers) = split_headers(part(tail, end, tail.len()));
        let params = Params::of_uri(params);
        Ok(Uri { scheme, user, password, host, port, params, headers, text })
    }

    fn parse_tel(text: &'a str, rest: &'a str) -> Result<Uri<'a>, Malformed> {
        let end = memchr::memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
        if end == 0 {
            return Err(Malformed::new("URI", "the number is empty", text.len() - rest.len()));
        }
        let params = Params::of_uri(part(rest, end, rest.len()));
        let user = Some(part(rest, 0, end));
        Ok(Uri { scheme: Scheme::Tel, user, params, ..Uri::bare(text) })
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Host and optional port; displays as `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port, when one is written.
    pub port: Option<u16>,
}

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), Malformed> {
    const MISSING: Malformed = Malformed::new("URI", "there is no scheme", 0);
    // Schemes are short: a plain loop beats a vector search.
    let colon = text.bytes().position(|byte| byte == b':').ok_or(MISSING)?;
    let (scheme, rest) = (part(text, 0, colon), part(text, colon + 1, text.len()));
    let bytes = scheme.as_bytes();
    let known = match bytes.len() {
        3 if bytes.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        3 if bytes.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        4 if bytes.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        _ => Scheme::Other,
    };
    let legal = known != Scheme::Other
        || bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !legal || rest.is_empty() {
        return Err(MISSING);
    }
    Ok((known, rest))
}

fn split_headers(text: &str) -> (&str, &str) {
    match memchr::memchr(b'?', text.as_bytes()) {
        Some(mark) => (part(text, 0, mark), part(text, mark + 1, text.len())),
        None => (text, ""),
    }
}

/// The bytes of an escaped text, each with whether it was escaped and may not be written plainly.
fn unescape(text: &str) -> impl Iterator<Item = (u8, bool)> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(bytes.get(at + 1)), hex(bytes.get(at + 2)))
        {
            at += 3;
            let plain = high << 4 | low;
            // RFC 3261 section 25.1: `unreserved`.
            let unreserved = plain.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&plain);
            return Some((plain, !unreserved));
        }
        at += 1;
        Some((byte, false))
    })
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether two escaped texts are the same in any case.
pub(crate) fn escaped_eq_ignore_case(one: &str, two: &str) -> bool {
    let lower = |(byte, kept): (u8, bool)| (byte.to_ascii_lowercase(), kept);
    unescape(one).map(lower).eq(unescape(two).map(lower))
}

fn same_text(one: Option<&str>, two: Option<&str>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => one == two || unescape(one).eq(unescape(two)),
        (None, None) => true,
        _ => false,
    }
}

/// RFC 3966 section 4: visual separators do not count.
fn same_number(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    fn digits<'u>(uri: &Uri<'u>) -> impl Iterator<Item = u8> + use<'u> {
        let number = uri.user.unwrap_or_default();
        number.bytes().filter(|b| !b"-.()".contains(b)).map(|b| b.to_ascii_lowercase())
    }
    digits(one).eq(digits(two))
}

fn same_params(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    matched_params(one, two) && matched_params(two, one)
}

/// Whether each parameter of `one` has its match in `two`, where one is required.
fn matched_params(one: &Uri<'_>, two: &Uri<'_>) -> bool {
    const NEVER_IGNORED: [&str; 7] =
        ["user", "ttl", "method", "maddr", "transport", "phone-context", "ext"];
    one.params.iter().all(|(name, value)| match two.params.get(name) {
        Some(other) => escaped_eq_ignore_case(value.unwrap_or_default(), other.unwrap_or_default()),
        None => !NEVER_IGNORED.iter().any(|required| escaped_eq_ignore_case(name, required)),
    })
}

fn same_headers(one: &str, two: &str) -> bool {
    fn contained(one: &str, two: &str) -> bool {
        one.split('&').all(|header| two.split('&').any(|other| same_header(header, other)))
    }
    one.split('&').count() == two.split('&').count() && contained(one, two) && contained(two, one)
}

fn same_header(one: &str, two: &str) -> bool {
    let (name, value) = one.split_once('=').unwrap_or((one, ""));
    let (other_name, other_value) = two.split_once('=').unwrap_or((two, ""));
    escaped_eq_ignore_case(name, other_name) && same_text(Some(value), Some(other_value))
}
