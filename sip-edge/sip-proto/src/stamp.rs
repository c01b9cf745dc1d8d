//! Where responses go: stamping the top Via of a request on arrival (RFC 3261 section 18.2.1,
//! RFC 3581 section 4) and choosing the target of its responses (section 18.2.2).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use memchr::{memchr2, memrchr};
use model::{Flow, TransportProtocol};

use crate::head;
use crate::message::Via;
use crate::text::{push_ip, push_number};

/// Writes `received`, and `rport` when the sender asked for it, into the request's top Via. Those
/// that a sender wrote itself are replaced: they are ours to say.
///
/// The message is copied only when something changes.
pub(crate) fn stamp_request(raw: Bytes, source: SocketAddr) -> Bytes {
    match stamped(&raw, source) {
        Some(stamped) => Bytes::from(stamped),
        None => raw,
    }
}

/// The flow that responses follow to a request which came in over `flow`. The Via is the stamped
/// one.
pub(crate) fn response_flow(flow: Flow, via: &Via<'_>) -> Flow {
    if flow.connection.is_some() {
        return flow;
    }
    Flow { remote: response_address(flow, via), ..flow }
}

/// Where a response goes without a connection: over UDP always, over a stream when the connection
/// has closed.
pub(crate) fn response_address(flow: Flow, via: &Via<'_>) -> SocketAddr {
    let source = flow.remote;
    let port = via.sent_by_port.filter(|&port| port != 0);
    let port = port.unwrap_or(flow.protocol.default_port());
    if flow.protocol != TransportProtocol::Udp {
        return SocketAddr::new(source.ip(), port);
    }
    if via.rport.is_some() {
        return source;
    }
    let maddr = via.params.get("maddr").flatten().and_then(|maddr| maddr.parse::<IpAddr>().ok());
    SocketAddr::new(maddr.unwrap_or(source.ip()), port)
}

fn stamped(raw: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let line = head::via(raw)?;
    let start = line.offset + memchr::memchr(b':', line.wire)? + 1;
    let value = &raw[start..start + unquoted(line.value, b',')];
    let sent_by = &value[..unquoted(value, b';')];

    let params = || Pieces { rest: &value[sent_by.len()..] };
    let asked = params().any(|param| param.is("rport"));
    let claimed = params().any(|param| param.is("received"));
    let source_ip = source.ip().to_canonical();
    let differs = sent_by_ip(sent_by) != Some(source_ip);
    if !(asked || claimed || differs) {
        return None;
    }

    let mut out = Vec::with_capacity(raw.len() + 64);
    out.extend_from_slice(&raw[..start]);
    out.extend_from_slice(sent_by.trim_ascii_end());
    for param in params().filter(|param| !param.is("rport") && !param.is("received")) {
        out.push(b';');
        out.extend_from_slice(param.0.trim_ascii());
    }
    let mut text = String::with_capacity(64);
    if asked || differs {
        text.push_str(";received=");
        push_ip(&mut text, source_ip);
    }
    if asked {
        text.push_str(";rport=");
        push_number(&mut text, u64::from(source.port()));
    }
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&raw[start + value.len()..]);
    Some(out)
}

/// The parameters, each without its semicolon.
struct Pieces<'a> {
    rest: &'a [u8],
}

struct Piece<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest.strip_prefix(b";")?;
        let (piece, after) = rest.split_at(unquoted(rest, b';'));
        self.rest = after;
        Some(Piece(piece))
    }
}

impl Piece<'_> {
    fn is(&self, name: &str) -> bool {
        let equals = self.0.iter().position(|&byte| byte == b'=').unwrap_or(self.0.len());
        self.0[..equals].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The offset of the first `wanted` outside quotes, or the length.
fn unquoted(text: &[u8], wanted: u8) -> usize {
    match memchr2(wanted, b'"', text) {
        Some(at) if text[at] == wanted => return at,
        Some(_) => {}
        None => return text.len(),
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == wanted && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The address in `SIP/2.0/UDP address:port`; `None` for a name or for what cannot be read.
fn sent_by_ip(text: &[u8]) -> Option<IpAddr> {
    let after_slash = &text[memrchr(b'/', text)? + 1..];
    let text = str::from_utf8(after_slash).ok()?.trim();
    let sent_by = text.split_once(|c: char| c.is_ascii_whitespace())?.1.trim();
    if let Some(reference) = sent_by.strip_prefix('[') {
        return reference.split(']').next()?.parse().ok();
    }
    let host = sent_by.split(':').next()?.trim_end();
    host.parse().or_else(|_| sent_by.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(via: &str, source: &str) -> String {
        let raw = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\nTo: <sip:a>\r\n\r\nbody");
        let out = stamp_request(Bytes::from(raw), source.parse().unwrap());
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert!(text.ends_with("\r\nTo: <sip:a>\r\n\r\nbody"));
        text.lines().nth(1).unwrap().to_owned()
    }

    #[test]
    fn fills_in_what_was_asked_for_and_nothing_more() {
        let source = "192.0.2.9:6000";
        for (via, expected) in [
            ("SIP/2.0/UDP 192.0.2.9;branch=x", "SIP/2.0/UDP 192.0.2.9;branch=x"),
            ("SIP/2.0/UDP 192.0.2.9:5060;branch=x", "SIP/2.0/UDP 192.0.2.9:5060;branch=x"),
            (
                "SIP/2.0/UDP 192.0.2.9;rport;branch=x",
                "SIP/2.0/UDP 192.0.2.9;branch=x;received=192.0.2.9;rport=6000",
            ),
            ("SIP/2.0/UDP 10.0.0.1;branch=x", "SIP/2.0/UDP 10.0.0.1;branch=x;received=192.0.2.9"),
            (
                "SIP/2.0/UDP host.invalid ; RPort=1 ; branch=x, SIP/2.0/UDP 1.1.1.1;rport",
                "SIP/2.0/UDP host.invalid;branch=x;received=192.0.2.9;rport=6000, SIP/2.0/UDP 1.1.1.1;rport",
            ),
            (
                "SIP/2.0/UDP 192.0.2.9;received=6.6.6.6;x=\"a;,b\"",
                "SIP/2.0/UDP 192.0.2.9;x=\"a;,b\"",
            ),
            ("SIP / 2.0 / UDP  192.0.2.9 : 5060", "SIP / 2.0 / UDP  192.0.2.9 : 5060"),
        ] {
            assert_eq!(stamp(via, source), format!("Via: {expected}"));
        }
    }

    #[test]
    fn compares_ipv6_addresses_by_value() {
        let source = "[2001:db8::9]:6000";
        assert_eq!(
            stamp("SIP/2.0/TCP [2001:DB8:0::9]:1;branch=x", source),
            "Via: SIP/2.0/TCP [2001:DB8:0::9]:1;branch=x"
        );
        assert_eq!(
            stamp("SIP/2.0/UDP [2001:db8::8];rport", source),
            "Via: SIP/2.0/UDP [2001:db8::8];received=2001:db8::9;rport=6000"
        );
        assert_eq!(
            stamp("SIP/2.0/UDP 192.0.2.9", "[::ffff:192.0.2.9]:5060"),
            "Via: SIP/2.0/UDP 192.0.2.9"
        );
    }

    #[test]
    fn an_untouched_message_is_not_copied() {
        let raw = Bytes::from_static(b"BYE sip:a SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.9\r\n\r\n");
        let out = stamp_request(raw.clone(), "192.0.2.9:5060".parse().unwrap());
        assert_eq!(out.as_ptr(), raw.as_ptr());
    }

    #[test]
    fn responses_follow_rfc_3261_18_2_2_and_rfc_3581() {
        let flow = |protocol| Flow {
            protocol,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:6000".parse().unwrap(),
            connection: None,
            identity: None,
        };
        for (via, protocol, expected) in [
            ("SIP/2.0/UDP a", TransportProtocol::Udp, "192.0.2.9:5060"),
            ("SIP/2.0/UDP a:5070", TransportProtocol::Udp, "192.0.2.9:5070"),
            ("SIP/2.0/UDP a:0", TransportProtocol::Udp, "192.0.2.9:5060"),
            ("SIP/2.0/UDP a:5070;rport=6000", TransportProtocol::Udp, "192.0.2.9:6000"),
            ("SIP/2.0/UDP a:5070;maddr=192.0.2.7", TransportProtocol::Udp, "192.0.2.7:5070"),
            ("SIP/2.0/TCP a;rport=6000", TransportProtocol::Tcp, "192.0.2.9:5060"),
            ("SIP/2.0/TLS a", TransportProtocol::Tls, "192.0.2.9:5061"),
        ] {
            let via = Via::parse(via).unwrap();
            let target = response_flow(flow(protocol), &via);
            assert_eq!(target.remote, expected.parse().unwrap(), "{}", via.text());
        }
        let open =
            Flow { connection: Some(model::ConnectionId(1)), ..flow(TransportProtocol::Tcp) };
        assert_eq!(response_flow(open, &Via::parse("SIP/2.0/TCP a:5070").unwrap()), open);
    }
}
