//! SIP messages and the stream that carries them.

use crate::bounded;
use bytes::Bytes;
use sip_proto::{
    Composer, Dialog, Frame, HeaderName, Limits, Message, NameAddr, StreamFramer, Uri,
    owner_of_message, salvage, validate_request, validate_response,
};
use std::hint::black_box;

/// Header names whose values are addresses.
const ADDRESSES: &[HeaderName] = &[
    HeaderName::Contact,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
];

/// Parses one message, reads every typed value, validates, salvages, and composes it anew: the copy
/// must have the same headers and the same body.
///
/// # Panics
/// When the parser breaks a promise.
pub fn sip_message(data: &[u8]) {
    let data = bounded(data);
    black_box(owner_of_message(data));
    if let Some(salvaged) = salvage(data) {
        let answer = salvaged.response(400, "Bad Request", "tag").finish();
        assert!(answer.ends_with(b"\r\n\r\n"), "an answer has its end: {answer:?}");
    }
    let limits = Limits::default();
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data), &limits) else { return };
    read_everything(&message);
    if message.is_request() {
        black_box(validate_request(&message, &["timer"]).is_ok());
        let answer = Composer::response_to(&message, 486, "Busy Here", Some("tag")).finish();
        black_box(Message::parse(answer, &limits).is_ok());
        black_box(Dialog::from_request_uas(&message, "tag").is_ok());
    } else {
        black_box(validate_response(&message).is_ok());
        black_box(Dialog::from_response_uac(&message).is_ok());
    }
    recompose(&message, &limits);
}

fn read_everything(message: &Message) {
    for line in message.headers() {
        black_box((line.unfolded(), HeaderName::parse(line.raw_name)));
        black_box(message.header_named(line.raw_name));
        black_box(message.values(line.name).count());
    }
    for via in message.vias().flatten() {
        black_box((via.received_ip(), via.has_magic_cookie(), via.branch, via.rport));
        black_box(via.params.iter().count());
    }
    let ends = [message.from(), message.to()].into_iter().flatten();
    let contact = message.contact().ok().flatten();
    for address in ends.chain(contact) {
        read_address(&address);
    }
    for name in ADDRESSES {
        message.addresses(*name).flatten().for_each(|address| read_address(&address));
    }
    if let Some(uri) = message.request_uri().and_then(|text| Uri::parse(text).ok()) {
        read_uri(&uri);
    }
    black_box((message.call_id().is_ok(), message.cseq().is_ok(), message.rack().is_ok()));
    black_box((message.max_forwards().is_ok(), message.expires().is_ok()));
    black_box((message.min_se().is_ok(), message.session_expires().is_ok()));
    black_box((message.retry_after().is_ok(), message.rseq().is_ok(), message.content_type()));
    black_box((message.start_line(), message.reason_phrase(), message.is_truncated()));
    black_box(message.has_option_tag(HeaderName::Supported, "timer"));
}

fn read_address(address: &NameAddr<'_>) {
    black_box((address.tag(), address.display_name_unquoted(), address.params.iter().count()));
    if let Ok(uri) = address.uri() {
        read_uri(&uri);
    }
}

fn read_uri(uri: &Uri<'_>) {
    black_box((uri.user_unescaped(), uri.host_port(), uri.param("transport")));
    // Not always itself: a URI with one parameter twice is equivalent to nothing.
    black_box(uri.equivalent(uri));
}

/// Copies every header byte for byte, as a relay does with what it does not own.
fn recompose(message: &Message, limits: &Limits) {
    let mut composer = match (message.method(), message.request_uri(), message.status()) {
        (Some(method), Some(uri), _) => Composer::request(method.as_str(), uri),
        (_, _, Some(status)) => Composer::response(status, message.reason_phrase()),
        _ => return,
    };
    let copied = |name| !matches!(name, HeaderName::ContentLength | HeaderName::ContentType);
    let mut count = 0;
    for line in message.headers().filter(|line| copied(line.name)) {
        composer.copy_line(&line);
        count += 1;
    }
    let copy = composer.body(message.header(HeaderName::ContentType), message.body_bytes());
    // What we add ourselves may pass a limit that the original just kept.
    let Ok(copy) = Message::parse(copy, limits) else { return };
    let again = copy.headers().filter(|line| copied(line.name)).count();
    assert_eq!(again, count, "a copy has the headers of the original");
    assert_eq!(copy.body_bytes(), message.body_bytes(), "a copy has the body of the original");
}

/// Cuts a stream into messages, whole and in pieces. The first byte chooses the size of the
/// pieces; the messages must be the same.
///
/// # Panics
/// When the framer gives something else for the same bytes.
pub fn sip_stream(data: &[u8]) {
    let data = bounded(data);
    let Some((&first, stream)) = data.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    let pieces = frames(stream, usize::from(first) + 1);
    assert_eq!(whole, pieces, "pieces of {} bytes give other messages", usize::from(first) + 1);
}

/// The messages of a stream, and whether it broke. Bytes come `size` at a time.
fn frames(stream: &[u8], size: usize) -> (Vec<Bytes>, bool) {
    let limits = Limits::default();
    let mut framer = StreamFramer::new(limits.clone());
    let mut messages = Vec::new();
    // A read of a socket is at most this large.
    for piece in stream.chunks(size.min(16 * 1024)) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(message))) => {
                    assert!(message.len() <= limits.message_bytes, "a message keeps the limit");
                    messages.push(message);
                }
                Ok(Some(Frame::KeepAlivePing | Frame::KeepAlivePong)) => {}
                Ok(None) => break,
                Err(error) => {
                    black_box(salvage(&error.head));
                    return (messages, true);
                }
            }
        }
        assert!(framer.buffered() <= limits.message_bytes, "an unfinished message keeps the limit");
    }
    (messages, false)
}
