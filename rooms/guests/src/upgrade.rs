//! Requests for a WebSocket (RFC 6455 section 4.2), and which of the two they want. Pure.

use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// RFC 7118 section 4.
const SIP: &str = "sip";
const ROOM: &str = "tandem.room.1";

/// What a WebSocket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// SIP (RFC 7118).
    Sip,
    /// The channel beside a call.
    Room,
}

impl Wanted {
    /// What is at a path.
    pub fn at(path: &str) -> Option<Wanted> {
        match path {
            "/sip" => Some(Wanted::Sip),
            "/room" => Some(Wanted::Room),
            _ => None,
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Wanted::Sip => SIP,
            Wanted::Room => ROOM,
        }
    }
}

/// The value of `Sec-WebSocket-Accept`, or why there is no WebSocket.
///
/// # Errors
/// The status and words for whoever tries.
pub fn accept(
    wanted: Wanted,
    method: &Method,
    headers: &HeaderMap,
) -> Result<String, (StatusCode, &'static str)> {
    let bad = |words| Err((StatusCode::BAD_REQUEST, words));
    if *method != Method::GET || !has_token(headers, &UPGRADE, "websocket") {
        return Err((StatusCode::UPGRADE_REQUIRED, "a WebSocket is here and nothing else"));
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return bad("Connection: Upgrade is missing");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "WebSockets of version 13 alone are spoken"));
    }
    if !names_protocol(headers, wanted.protocol()) {
        return bad(match wanted {
            Wanted::Sip => "Sec-WebSocket-Protocol: sip is missing (RFC 7118)",
            Wanted::Room => "Sec-WebSocket-Protocol: tandem.room.1 is missing",
        });
    }
    if !is_same_origin(headers) {
        return Err((StatusCode::FORBIDDEN, "the page of another site opens no WebSocket here"));
    }
    match headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24) {
        Some(key) => Ok(derive_accept_key(key.as_bytes())),
        None => bad("Sec-WebSocket-Key is missing"),
    }
}

/// The answer that makes a WebSocket of the connection.
pub(crate) fn switch<B: Default>(wanted: Wanted, accept: &str) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(wanted.protocol()));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Names of protocols are compared as they are (RFC 6455 section 11.3.4).
fn names_protocol(headers: &HeaderMap, wanted: &str) -> bool {
    tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|token| token == wanted)
}

/// Whether a browser says that the page is ours (RFC 6455 section 10.2); who is no browser says nothing.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    matches!((authority, host), (Some((_, authority)), Some(host))
        if authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(protocol: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "meet.example.com:8443"),
            ("origin", "https://meet.example.com:8443"),
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", protocol),
        ] {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_browser_gets_its_web_socket() {
        // The key and its answer are those of RFC 6455 section 1.3.
        let answer = accept(Wanted::Sip, &Method::GET, &good("other, sip"));
        assert_eq!(answer.as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let response: Response<Vec<u8>> = switch(Wanted::Sip, &answer.unwrap());
        assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
        assert!(accept(Wanted::Room, &Method::GET, &good("tandem.room.1")).is_ok());
        let mut program = good("sip");
        program.remove("origin");
        assert!(accept(Wanted::Sip, &Method::GET, &program).is_ok(), "who is no browser");
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_right_status() {
        let status = |wanted, headers: &HeaderMap| {
            accept(wanted, &Method::GET, headers).unwrap_err().0.as_u16()
        };
        assert_eq!(status(Wanted::Room, &good("sip")), 400, "another protocol");
        assert_eq!(status(Wanted::Sip, &good("SIP")), 400, "names are compared as they are");
        assert_eq!(accept(Wanted::Sip, &Method::POST, &good("sip")).unwrap_err().0.as_u16(), 426);
        for (name, value, expected) in [
            ("upgrade", None, 426),
            ("connection", None, 400),
            ("sec-websocket-version", Some("8"), 426),
            ("sec-websocket-key", Some("short"), 400),
            ("sec-websocket-key", None, 400),
            ("origin", Some("https://evil.example"), 403),
            ("origin", Some("null"), 403),
            ("host", None, 403),
        ] {
            let mut headers = good("sip");
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(status(Wanted::Sip, &headers), expected, "{name} {value:?}");
        }
    }
}
