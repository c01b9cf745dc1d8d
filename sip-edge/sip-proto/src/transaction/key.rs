//! What makes two messages belong to one transaction.

use std::fmt::Write as _;

use crate::message::{Host, Message, Method, Via};
use crate::text::{push_ip, push_number};

/// Writes the text that two requests share exactly when they match one server transaction
/// (RFC 3261 section 17.2.3). For an ACK, and for what a CANCEL stops, `method` is INVITE.
///
/// With the magic cookie: branch, sent-by and method. Without, as RFC 2543 had it: Request-URI,
/// From tag, Call-ID, CSeq, and the whole top Via. The To tag is left out: an ACK has one that its
/// INVITE lacked (the caller compares it with the response), and within a dialog the CSeq number
/// tells requests apart.
pub(crate) fn server_key(message: &Message, via: &Via<'_>, method: Method<'_>, out: &mut String) {
    out.clear();
    match via.branch.filter(|_| via.has_magic_cookie()) {
        Some(branch) => {
            // Branches and host names are compared without regard to case (section 7.3.1).
            push_lower(out, branch);
            out.push('\n');
            out.push_str(method.as_str());
            out.push('\n');
            match via.sent_by_host {
                Host::Name(name) => push_lower(out, name),
                Host::Ip(ip) => push_ip(out, ip),
            }
            out.push(':');
            push_number(out, u64::from(via.sent_by_port.unwrap_or(0)));
        }
        None => {
            let call_id = message.call_id().unwrap_or_default();
            let (number, from_tag) = (sequence_number(message), from_tag(message));
            let uri = message.request_uri().unwrap_or_default();
            let _ =
                write!(out, "\n{method}\n{number}\n{call_id}\n{from_tag}\n{uri}\n{}", via.text());
        }
    }
}

/// Writes the text of a client transaction: the branch and the method (section 17.1.3).
pub(crate) fn client_key(branch: &str, method: Method<'_>, out: &mut String) {
    out.clear();
    push_lower(out, branch);
    out.push('\n');
    out.push_str(method.as_str());
}

/// Writes what a request keeps on every path that it takes: Call-ID, From tag and CSeq. Two
/// transactions that share it are one merged request (section 8.2.2.2).
pub(crate) fn origin_key(message: &Message, method: Method<'_>, out: &mut String) {
    let call_id = message.call_id().unwrap_or_default();
    let (number, from_tag) = (sequence_number(message), from_tag(message));
    out.clear();
    out.push_str(method.as_str());
    out.push('\n');
    push_number(out, u64::from(number));
    for part in ["\n", call_id, "\n", from_tag] {
        out.push_str(part);
    }
}

/// Whether a server transaction's key text begins with this branch.
pub(crate) fn has_branch(key: &str, branch: &str) -> bool {
    key.split('\n').next().is_some_and(|own| own.eq_ignore_ascii_case(branch))
}

/// Whether a server transaction is matched by the rules of RFC 2543.
pub(crate) fn is_rfc_2543(key: &str) -> bool {
    key.starts_with('\n')
}

fn sequence_number(message: &Message) -> u32 {
    message.cseq().map_or(0, |cseq| cseq.number)
}

fn from_tag(message: &Message) -> &str {
    message.from().ok().and_then(|from| from.tag()).unwrap_or_default()
}

fn push_lower(out: &mut String, text: &str) {
    let start = out.len();
    out.push_str(text);
    out[start..].make_ascii_lowercase();
}
