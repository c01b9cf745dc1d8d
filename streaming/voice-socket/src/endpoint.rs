//! Where a socket leads to.

use http::Uri;
use http::uri::Scheme;
use std::fmt;
use std::net::IpAddr;

/// The longest URL, in octets.
pub const LONGEST_URL: usize = 2_048;

/// A `ws://` or `wss://` URL (RFC 6455 section 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    uri: Uri,
    host: Box<str>,
    port: u16,
    is_secure: bool,
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointError {
    /// It does not begin with `ws://` or `wss://`.
    Scheme,
    /// It has no host, or what stands there is none.
    Host,
    /// It has a user's name or a password.
    UserInfo,
    /// It has a `#` and what follows.
    Fragment,
    /// It has more than [`LONGEST_URL`] octets.
    TooLong,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointError::Scheme => {
                f.write_str("must begin with ws:// or wss://, as \"wss://bot.example.com/calls\"")
            }
            EndpointError::Host => {
                f.write_str("has no host that could be asked, as \"wss://bot.example.com/calls\"")
            }
            EndpointError::UserInfo => {
                f.write_str("must not have a user's name or password; use `token`")
            }
            EndpointError::Fragment => f.write_str("must not have a #"),
            EndpointError::TooLong => write!(f, "has more than {LONGEST_URL} octets"),
        }
    }
}

impl std::error::Error for EndpointError {}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        if url.len() > LONGEST_URL {
            return Err(EndpointError::TooLong);
        }
        if url.contains('#') {
            return Err(EndpointError::Fragment);
        }
        let (scheme, _) = url.split_once("://").ok_or(EndpointError::Scheme)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(EndpointError::Scheme),
        };
        let uri: Uri = url.parse().map_err(|_| EndpointError::Host)?;
        let authority = uri.authority().ok_or(EndpointError::Host)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let rest = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| EndpointError::Host)?,
            None if rest.is_empty() => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            None => return Err(EndpointError::Host),
        };
        if host.is_empty() || port == 0 {
            return Err(EndpointError::Host);
        }
        Ok(Endpoint { host: host.into(), port, is_secure, uri })
    }

    /// Whether it is `wss://`.
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_local(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        &*self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 or 443 where none is given.
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// Without its query, in which people put secrets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme().map_or("wss", Scheme::as_str);
        let authority = self.uri.authority().map_or("", http::uri::Authority::as_str);
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        for (url, host, port, is_secure, is_local) in [
            ("ws://bot.example.com", "bot.example.com", 80, false, false),
            ("wss://bot.example.com/a?key=1", "bot.example.com", 443, true, false),
            ("WSS://192.0.2.1:8443/", "192.0.2.1", 8_443, true, false),
            ("ws://[::1]:9000/x", "::1", 9_000, false, true),
            ("ws://localhost:1", "localhost", 1, false, true),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            let found = (endpoint.host(), endpoint.port(), endpoint.is_secure());
            assert_eq!(found, (host, port, is_secure), "{url}");
            assert_eq!(endpoint.is_local(), is_local, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_socket_is_refused_with_its_reason() {
        let long = format!("ws://a/{}", "x".repeat(LONGEST_URL));
        for (url, error) in [
            ("", EndpointError::Scheme),
            ("bot.example.com", EndpointError::Scheme),
            ("https://bot.example.com", EndpointError::Scheme),
            ("ws://", EndpointError::Host),
            ("ws:///calls", EndpointError::Host),
            ("ws://:80/", EndpointError::Host),
            ("ws://bot:0/", EndpointError::Host),
            ("ws://bot:99999/", EndpointError::Host),
            ("ws://bot:/", EndpointError::Host),
            ("ws://a b/", EndpointError::Host),
            ("wss://me:secret@bot/", EndpointError::UserInfo),
            ("wss://bot/#top", EndpointError::Fragment),
            (&*long, EndpointError::TooLong),
        ] {
            assert_eq!(Endpoint::parse(url), Err(error), "{url}");
            assert!(error.to_string().len() > 10);
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let endpoint = Endpoint::parse("wss://bot.example.com:8443/calls?key=sesame").unwrap();
        assert_eq!(endpoint.to_string(), "wss://bot.example.com:8443/calls");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,80}", tail in "[ -~]{0,60}") {
            let _ = Endpoint::parse(&text);
            if let Ok(endpoint) = Endpoint::parse(&format!("ws://{tail}")) {
                prop_assert!(!endpoint.host().is_empty() && endpoint.port() > 0);
            }
        }
    }
}
