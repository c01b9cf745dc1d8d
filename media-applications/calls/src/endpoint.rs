//! Where an application is.

use http::Uri;
use model::Secret;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The longest URL or ARN, in octets.
const LONGEST: usize = 2_048;

/// An application, as it is to be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Application {
    /// Its id.
    pub id: Arc<str>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What requests are signed with; `None` signs none. Lambda's are signed by AWS's rules.
    pub secret: Option<Secret>,
    /// How long it may take for one answer, 1 s to 60 s.
    pub timeout: Duration,
    /// [`Calls::exchanged`](crate::Calls::exchanged) hears what it is told and what it answers.
    pub message_logs: bool,
}

/// A URL of HTTP or a function of Lambda.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `https:`, or `http:` to this machine itself.
    Url(Url),
    /// A function by its ARN, and the region in it.
    Lambda {
        /// The ARN.
        arn: Arc<str>,
        /// Its region.
        region: Arc<str>,
    },
}

/// A URL that was looked at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Url {
    pub(crate) uri: Uri,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointError {
    /// It is neither a URL of HTTP nor an ARN of Lambda.
    Neither,
    /// It has no host, or what stands there is none.
    Host,
    /// It has a user's name or a password.
    UserInfo,
    /// What people say would go over the network in the clear.
    InTheClear,
    /// It has more than 2,048 octets.
    TooLong,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EndpointError::Neither => {
                "is to be an https:// URL, as \"https://menu.example.com/calls\", or the ARN of a \
                 function of Lambda"
            }
            EndpointError::Host => "has no host that could be asked",
            EndpointError::UserInfo => "must not have a user's name or password; use the secret",
            EndpointError::InTheClear => {
                "is http:// to another machine, which anybody on the way could read and answer; use https://"
            }
            EndpointError::TooLong => "has more than 2048 octets",
        })
    }
}

impl std::error::Error for EndpointError {}

impl Endpoint {
    /// Reads a URL or an ARN.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.len() > LONGEST {
            return Err(EndpointError::TooLong);
        }
        if text.starts_with("arn:") {
            let parts: Vec<&str> = text.splitn(7, ':').collect();
            let [_, _, "lambda", region, _, "function", name] = parts[..] else {
                return Err(EndpointError::Neither);
            };
            let is_region = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            if region.is_empty() || name.is_empty() || !region.bytes().all(is_region) {
                return Err(EndpointError::Neither);
            }
            return Ok(Endpoint::Lambda { arn: text.into(), region: region.into() });
        }
        Url::parse(text).map(Endpoint::Url)
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, _) = text.split_once("://").ok_or(EndpointError::Neither)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(EndpointError::Neither),
        };
        let uri: Uri = text.parse().map_err(|_| EndpointError::Host)?;
        let authority = uri.authority().ok_or(EndpointError::Host)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || authority.port_u16() == Some(0) {
            return Err(EndpointError::Host);
        }
        let (host, port) =
            (host.into(), authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }));
        let url = Url { host, port, is_secure, uri };
        if !is_secure && !url.is_local() {
            return Err(EndpointError::InTheClear);
        }
        Ok(url)
    }

    /// Whether what is sent there stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_secure_or_here() {
        for fine in [
            "https://menu.example.com/calls?x=1",
            "http://127.0.0.1:8000/",
            "http://[::1]:8000",
            "http://localhost/x",
            "arn:aws:lambda:eu-west-1:111122223333:function:menu:live",
        ] {
            assert!(Endpoint::parse(fine).is_ok(), "{fine}");
        }
        for (wrong, error) in [
            ("http://menu.example.com/", EndpointError::InTheClear),
            ("http://127.0.0.1.example.com/", EndpointError::InTheClear),
            ("https://user:word@example.com/", EndpointError::UserInfo),
            ("https:///calls", EndpointError::Host),
            ("ftp://example.com", EndpointError::Neither),
            ("menu", EndpointError::Neither),
            ("arn:aws:lambda::1:function:", EndpointError::Neither),
            ("arn:aws:s3:::bucket", EndpointError::Neither),
        ] {
            assert_eq!(Endpoint::parse(wrong), Err(error), "{wrong}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2_048));
        assert_eq!(Endpoint::parse(&long), Err(EndpointError::TooLong));
    }
}
