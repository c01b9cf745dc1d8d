//! Where a service is.

use http::Uri;
use std::fmt;

/// An `endpoint_url`: scheme, host and port, and perhaps a path, of a backend that is not AWS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(String);

/// Why a text is no [`Endpoint`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidEndpoint(String);

impl Endpoint {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is no URL of scheme http or https with a host and without a query or user.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let wrong = || InvalidEndpoint(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host =
            uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if has_scheme && has_host && uri.query().is_none() && !text.contains('#') {
            Ok(Endpoint(text.trim_end_matches('/').to_owned()))
        } else {
            Err(wrong())
        }
    }

    /// AWS's own, of a service by its endpoint prefix.
    pub(crate) fn of_aws(prefix: &str, region: &str) -> Self {
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Endpoint(format!("https://{prefix}.{region}.{domain}"))
    }

    /// Without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a URL; write one such as \"http://127.0.0.1:5000\"", self.0)
    }
}

impl std::error::Error for InvalidEndpoint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_without_a_query() {
        for good in ["http://127.0.0.1:5000", "https://[::1]:443/base", "https://s3.example"] {
            assert_eq!(Endpoint::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Endpoint::parse("http://a:1/").unwrap().as_str(), "http://a:1");
        for bad in
            ["", "127.0.0.1:5000", "ftp://a", "http://", "http://u:p@a", "http://a?b", "http://a#b"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_domain_follows_the_region() {
        assert_eq!(
            Endpoint::of_aws("logs", "us-east-1").as_str(),
            "https://logs.us-east-1.amazonaws.com"
        );
        assert_eq!(
            Endpoint::of_aws("logs", "cn-north-1").as_str(),
            "https://logs.cn-north-1.amazonaws.com.cn"
        );
    }
}
