//! The same request again, with credentials (RFC 3261 section 22.2).

use bytes::Bytes;

use crate::message::{Composer, HeaderName, Message};

/// `request`, which we sent, in a new transaction: another branch and CSeq number, `credentials`
/// instead of those that it had, and everything else as it was, the body included. `None` when it
/// is no request with one Via of ours.
pub fn with_credentials(
    request: &Message,
    branch: &str,
    cseq: u32,
    credentials: &[(HeaderName, String)],
) -> Option<Bytes> {
    let method = request.method()?;
    let mut composer = Composer::request(method.as_str(), request.request_uri()?);
    let old_branch = request.top_via().ok()?.branch?;
    for line in request.headers() {
        match line.name {
            HeaderName::Via => {
                composer.header(HeaderName::Via, line.value.replacen(old_branch, branch, 1));
            }
            HeaderName::CSeq => {
                composer.cseq(cseq, method);
                for (name, value) in credentials {
                    composer.header(*name, value);
                }
            }
            HeaderName::Authorization | HeaderName::ProxyAuthorization => {}
            _ => {
                composer.copy_line(&line);
            }
        }
    }
    Some(composer.body(None, request.body_bytes()))
}
