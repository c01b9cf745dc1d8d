//! Via (RFC 3261 sections 18.2 and 20.42, RFC 3581, RFC 5118).

use std::net::{IpAddr, Ipv6Addr};

use super::host::{self, Host, leading_host};
use super::malformed::Malformed;
use super::params::Params;
use super::scan::{is_lws, is_token, part, trim};

/// One Via value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via<'a> {
    /// The transport as sent, as in `UDP`.
    pub protocol: &'a str,
    /// Where the sender wants answers.
    pub sent_by_host: Host<'a>,
    /// The port, when one is written.
    pub sent_by_port: Option<u16>,
    /// The transaction's `branch`.
    pub branch: Option<&'a str>,
    /// The source address that the next hop saw, as sent (RFC 5118 section 4.5: with or without
    /// brackets).
    pub received: Option<&'a str>,
    /// `rport` (RFC 3581): `Some(None)` when asked for, `Some(Some(port))` when filled in.
    pub rport: Option<Option<u16>>,
    /// All parameters.
    pub params: Params<'a>,
    version_is_2_0: bool,
    text: &'a str,
}

impl<'a> Via<'a> {
    /// Reads one value (not a comma-separated list).
    ///
    /// # Errors
    /// When it is not `SIP/version/transport host[:port]` with well-formed parameters, or when the
    /// branch is named twice.
    pub fn parse(text: &'a str) -> Result<Via<'a>, Malformed> {
        let text = trim(text);
        let bytes = text.as_bytes();
        let (version_is_2_0, protocol, after) = sent_protocol(text)?;
        let sent_by = after + bytes[after..].iter().take_while(|byte| is_lws(**byte)).count();
        if sent_by == after {
            return Err(Malformed::new("Via", "white space must follow the transport", after));
        }
        let params_at =
            memchr::memchr(b';', &bytes[sent_by..]).map_or(bytes.len(), |s| sent_by + s);
        let (sent_by_host, sent_by_port) = sent_by_of(trim(part(text, sent_by, params_at)))
            .map_err(|fault| Malformed { offset: sent_by + fault.offset, ..fault })?;
        let (mut branch, mut received, mut rport) = (None, None, None);
        let params = Params::checked(part(text, params_at, text.len()), |name, value| {
            let twice = match name.len() {
                6 if name.eq_ignore_ascii_case("branch") => branch.replace(value).is_some(),
                8 if name.eq_ignore_ascii_case("received") => received.replace(value).is_some(),
                5 if name.eq_ignore_ascii_case("rport") => {
                    rport.replace(value.filter(|port| !port.is_empty())).is_some()
                }
                _ => false,
            };
            if twice {
                return Err(Malformed::new("Via", "a parameter appears twice", params_at));
            }
            Ok(())
        })?;
        let rport = match rport {
            Some(Some(written)) => Some(Some(host::port(written)?)),
            Some(None) => Some(None),
            None => None,
        };
        let branch = branch.flatten().filter(|branch| !branch.is_empty());
        let received = received.flatten();
        Ok(Via {
            protocol,
            sent_by_host,
            sent_by_port,
            branch,
            received,
            rport,
            params,
            version_is_2_0,
            text,
        })
    }

    /// Whether the branch is unique by RFC 3261's promise: the magic cookie and something more.
    pub fn has_magic_cookie(&self) -> bool {
        self.branch.is_some_and(|branch| branch.len() > 7 && branch.starts_with("z9hG4bK"))
    }

    /// The address in `received`, with or without brackets.
    pub fn received_ip(&self) -> Option<IpAddr> {
        self.received.and_then(host::address)
    }

    /// Whether the sent-protocol says SIP/2.0.
    pub const fn is_version_2_0(&self) -> bool {
        self.version_is_2_0
    }

    /// The value as sent, without white space around it; folds inside are kept.
    pub const fn text(&self) -> &'a str {
        self.text
    }
}

/// `SIP / 2.0 / UDP`: whether the version is ours, the transport, and the offset past it.
fn sent_protocol(text: &str) -> Result<(bool, &str, usize), Malformed> {
    const BAD: Malformed = Malformed::new("Via", "it must start with SIP/2.0/transport", 0);
    let bytes = text.as_bytes();
    // As nearly everybody writes it.
    if text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("SIP/2.0/")) {
        let length = bytes[8..].iter().take_while(|byte| is_token(**byte)).count();
        if length > 0 {
            return Ok((true, part(text, 8, 8 + length), 8 + length));
        }
    }
    let (name, at) = token(text, 0);
    let at = slash(bytes, at).ok_or(BAD)?;
    let (version, at) = token(text, at);
    let at = slash(bytes, at).ok_or(BAD)?;
    let (transport, at) = token(text, at);
    if !name.eq_ignore_ascii_case("SIP") || version.is_empty() || transport.is_empty() {
        return Err(BAD);
    }
    Ok((version == "2.0", transport, at))
}

fn token(text: &str, at: usize) -> (&str, usize) {
    let length = text.as_bytes()[at..].iter().take_while(|byte| is_token(**byte)).count();
    (part(text, at, at + length), at + length)
}

/// Past a slash with white space on both sides.
fn slash(bytes: &[u8], at: usize) -> Option<usize> {
    let blank = |at: usize| at + bytes[at..].iter().take_while(|byte| is_lws(**byte)).count();
    let at = blank(at);
    (bytes.get(at) == Some(&b'/')).then(|| blank(at + 1))
}

fn sent_by_of(text: &str) -> Result<(Host<'_>, Option<u16>), Malformed> {
    // RFC 5118 section 4.5 and the field: an IPv6 address without brackets has no port.
    if text.bytes().filter(|byte| *byte == b':').count() > 1
        && let Ok(address) = text.parse::<Ipv6Addr>()
    {
        return Ok((Host::Ip(IpAddr::V6(address)), None));
    }
    let (host, end) = leading_host(text)?;
    let rest = trim(part(text, end, text.len()));
    match rest.strip_prefix(':') {
        Some(digits) => Ok((host, Some(host::port(trim(digits))?))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(Malformed::new("Via", "not a host and port", end)),
    }
}
