//! Requests that are built from the bytes of the request they follow: the two that the layer writes
//! itself, and one that goes elsewhere.

use bytes::Bytes;

use crate::head::{self, RawHeader};
use crate::message::{Composer, HeaderName, Message};

/// The ACK of a non-2xx final response (RFC 3261 section 17.1.1.3): Request-URI, top Via, Route,
/// From, Call-ID and CSeq number of the INVITE, To of the response. Credentials come along, for a
/// next hop that checks every request (section 22.3).
pub(crate) fn ack(invite: &[u8], response: &[u8]) -> Bytes {
    let to = head::to(response);
    follow_up(invite, "ACK", to)
}

/// The CANCEL of an INVITE (section 9.1): as the INVITE in Request-URI, top Via, Route, From, To,
/// Call-ID and CSeq number.
pub(crate) fn cancel(invite: &[u8]) -> Bytes {
    follow_up(invite, "CANCEL", None)
}

fn follow_up(invite: &[u8], method: &str, to: Option<RawHeader<'_>>) -> Bytes {
    let mut out = Vec::with_capacity(640);
    out.extend_from_slice(method.as_bytes());
    let start = head::start_line(invite);
    let after_method = memchr::memchr(b' ', start).unwrap_or(start.len());
    out.extend_from_slice(&start[after_method..]);
    out.extend_from_slice(b"\r\n");

    let mut has_via = false;
    for header in head::headers(invite) {
        if header.is_via() {
            // The composer writes one Via per line, and the top one is ours.
            if !has_via {
                out.extend_from_slice(header.wire);
            }
            has_via = true;
        } else if header.is_to() {
            out.extend_from_slice(to.unwrap_or(header).wire);
        } else if header.is("CSeq", None) {
            let value = header.value.trim_ascii();
            let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
            out.extend_from_slice(b"CSeq: ");
            out.extend_from_slice(&value[..digits]);
            out.push(b' ');
            out.extend_from_slice(method.as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if is_kept(&header, method) {
            out.extend_from_slice(header.wire);
        }
    }
    out.extend_from_slice(b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
    Bytes::from(out)
}

fn is_kept(header: &RawHeader<'_>, method: &str) -> bool {
    header.is_from()
        || header.is_call_id()
        || header.is("Route", None)
        || (method == "ACK"
            && (header.is("Authorization", None) || header.is("Proxy-Authorization", None)))
}

/// `request`, which we sent, for another server of the same name (RFC 3263 section 4.3): in a new
/// transaction, so with another branch, and everything else as it was. `None` when it is no request
/// with a Via of ours.
pub fn with_branch(request: &Message, branch: &str) -> Option<Bytes> {
    let mut composer = Composer::request(request.method()?.as_str(), request.request_uri()?);
    let old_branch = request.top_via().ok()?.branch?;
    for line in request.headers() {
        if line.name == HeaderName::Via {
            composer.header(HeaderName::Via, line.value.replacen(old_branch, branch, 1));
        } else {
            composer.copy_line(&line);
        }
    }
    Some(composer.body(None, request.body_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn only_the_branch_changes() {
        let text = |branch: &str| {
            format!(
                "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch={branch};rport\r\n\
                 Route: <sip:p.example;lr>\r\nCSeq: 4 INFO\r\nAuthorization: Digest a=\"b\"\r\n\
                 Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
            )
        };
        let parse = |raw| Message::parse(raw, &Limits::default()).unwrap();
        let moved = with_branch(&parse(text("z9hG4bK1").into()), "z9hG4bK2").unwrap();
        assert_eq!(moved, text("z9hG4bK2"));
        let response = parse("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=x\r\n\r\n".into());
        assert_eq!(with_branch(&response, "y"), None);
    }
}
