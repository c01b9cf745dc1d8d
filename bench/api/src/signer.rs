//! Requests signed as a client would sign them (signature version 4).

use aws_lc_rs::{digest, hmac};
use std::fmt::Write as _;

/// When every request is made.
pub(crate) const TIME: &str = "20260102T030405Z";
const SCOPE: &str = "20260102/us-east-1/chime/aws4_request";

/// Signs with one key on one day.
pub(crate) struct Signer {
    id: String,
    key: hmac::Tag,
}

impl Signer {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        let mut key = sign(format!("AWS4{secret}").as_bytes(), b"20260102");
        for part in ["us-east-1", "chime", "aws4_request"] {
            key = sign(key.as_ref(), part.as_bytes());
        }
        Signer { id: id.to_owned(), key }
    }

    /// The headers of a request; its query is in the order of names already.
    pub(crate) fn headers(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> Vec<(String, String)> {
        let path = path.replace('%', "%25");
        let request = format!(
            "{method}\n{path}\n{query}\nhost:tandem\nx-amz-date:{TIME}\n\nhost;x-amz-date\n{}",
            hex(digest::digest(&digest::SHA256, body).as_ref())
        );
        let request = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{TIME}\n{SCOPE}\n{request}");
        let signature = hex(sign(self.key.as_ref(), text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{SCOPE}, SignedHeaders=host;x-amz-date, \
             Signature={signature}",
            self.id
        );
        [("host", "tandem"), ("x-amz-date", TIME), ("authorization", &authorization)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
