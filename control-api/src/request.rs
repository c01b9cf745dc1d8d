//! One HTTP request, as values.

use std::net::IpAddr;

/// Longest body, in octets: the largest of the model's requests, 100 numbers and more, is far below.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// One request. Nothing of it is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it was sent, still percent-encoded.
    pub path: &'a str,
    /// The query as it was sent, without `?`.
    pub query: &'a str,
    /// Names in small letters and values, in their order; a name may stand more than once.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// Who sent it.
    pub source: IpAddr,
}

impl Request<'_> {
    /// The first header of a name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }
}
