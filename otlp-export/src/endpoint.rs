//! Where a collector is, and the headers that it gets.

use http::{HeaderName, HeaderValue, Uri};
use std::fmt;

/// The path of traces (OTLP 1.10, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// The URL that traces are sent to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(String);

/// Why a text is no [`Endpoint`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidEndpoint(String);

/// Why a header cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidHeader {
    /// Not a token (RFC 9110 section 5.6.2).
    Name,
    /// Characters that no header has, such as a line feed.
    Value,
    /// The exporter writes it itself.
    Ours,
}

impl Endpoint {
    /// Checks `text`: scheme `http` or `https`, a host, perhaps a port and a path. `/v1/traces` is
    /// added unless the path ends with it.
    ///
    /// # Errors
    /// When it is another kind of URL, or has a user or a query.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let wrong = || InvalidEndpoint(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host =
            uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if !has_scheme || !has_host || uri.query().is_some() || text.contains('#') {
            return Err(wrong());
        }
        let base = text.trim_end_matches('/');
        let path = if base.ends_with(PATH) { "" } else { PATH };
        Ok(Endpoint(format!("{base}{path}")))
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent is encrypted on the way.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Whether it is on this host, by its address or as `localhost`.
    pub fn is_local(&self) -> bool {
        let uri: Option<Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a URL; write one such as \"http://127.0.0.1:4318\"", self.0)
    }
}

impl std::error::Error for InvalidEndpoint {}

/// Checks a header of the configuration.
///
/// # Errors
/// Why it cannot be sent.
pub fn check_header(name: &str, value: &str) -> Result<(), InvalidHeader> {
    let name: HeaderName = name.parse().map_err(|_| InvalidHeader::Name)?;
    let ours = ["content-type", "content-encoding", "content-length", "host", "connection"];
    let ours = ours.contains(&name.as_str()) || name == "transfer-encoding";
    if ours {
        return Err(InvalidHeader::Ours);
    }
    HeaderValue::from_str(value).map(|_| ()).map_err(|_| InvalidHeader::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_once() {
        for (text, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://a/tenant/7", "https://a/tenant/7/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().as_str(), url);
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "grpc://a",
            "http://",
            "http://u:p@a",
            "http://a?b",
            "http://a#b",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_could_read_a_key_on_the_way() {
        let of = |text| Endpoint::parse(text).unwrap();
        assert!(of("https://a").is_encrypted() && !of("http://a").is_encrypted());
        for local in ["http://127.0.0.9:1", "http://[::1]:1", "http://localhost"] {
            assert!(of(local).is_local(), "{local}");
        }
        assert!(!of("http://192.0.2.9:4318").is_local());
    }

    #[test]
    fn headers_that_break_a_request_are_refused() {
        assert_eq!(check_header("x-key", "a b"), Ok(()));
        assert_eq!(check_header("x key", "a"), Err(InvalidHeader::Name));
        assert_eq!(check_header("x-key", "a\r\nb: c"), Err(InvalidHeader::Value));
        assert_eq!(check_header("Content-Type", "text/plain"), Err(InvalidHeader::Ours));
    }
}
