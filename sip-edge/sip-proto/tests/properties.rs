//! What holds for every message: what was composed is what is parsed, streams may be cut anywhere,
//! and no bytes at all make the parser panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod family;

use bytes::Bytes;
use proptest::prelude::*;
use sip_proto::{
    Composer, Frame, HeaderName, Limits, Message, NameAddr, StreamFramer, Uri, Via, salvage,
    unquote, validate_request, validate_response,
};

use family::{Said, plain, said};

fn parse(raw: &[u8]) -> Option<Message> {
    Message::parse(Bytes::copy_from_slice(raw), &Limits::default()).ok()
}

fn check(said: &Said, message: &Message) -> Result<(), TestCaseError> {
    match &said.start {
        Ok((method, uri)) => {
            prop_assert_eq!(message.method().map(|m| m.as_str()), Some(method.as_str()));
            prop_assert_eq!(message.request_uri(), Some(uri.as_str()));
            prop_assert_eq!(validate_request(message, &[]), Ok(()));
        }
        Err(status) => {
            prop_assert_eq!(message.status(), Some(*status));
            prop_assert_eq!(validate_response(message), Ok(()));
        }
    }
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    prop_assert_eq!(vias.len(), said.vias.len());
    for (via, (sent_by, branch)) in vias.iter().zip(&said.vias) {
        let host = via.sent_by_host;
        let written = match via.sent_by_port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        prop_assert_eq!(&written, sent_by);
        prop_assert_eq!(via.branch, Some(branch.as_str()));
    }
    let (name, uri, tag) = &said.from;
    let from = message.from().unwrap();
    prop_assert_eq!(from.display_name.unwrap_or_default(), name.trim());
    prop_assert_eq!((from.uri_text, from.tag()), (uri.as_str(), Some(tag.as_str())));
    let to = message.to().unwrap();
    prop_assert_eq!((to.uri_text, to.tag()), (said.to.0.as_str(), said.to.1.as_deref()));
    prop_assert_eq!(message.call_id(), Ok(said.call_id.as_str()));
    let cseq = message.cseq().unwrap();
    prop_assert_eq!((cseq.number, cseq.method.as_str()), (said.cseq.0, said.cseq.1.as_str()));
    prop_assert_eq!(message.max_forwards(), Ok(Some(said.max_forwards)));
    let contact = message.contact().unwrap().map(|contact| contact.uri_text);
    prop_assert_eq!(contact, said.contact.as_deref());
    let routes: Vec<_> = message.routes().map(|route| route.unwrap().uri_text).collect();
    let expected: Vec<_> = said.routes.iter().map(|route| format!("{route};lr")).collect();
    prop_assert_eq!(routes, expected);
    let extensions: Vec<_> = message
        .headers()
        .filter(|line| line.name == HeaderName::Other)
        .map(|line| (line.raw_name.to_owned(), line.value.to_owned()))
        .collect();
    let blank = |c: char| c == ' ' || c == '\t';
    let expected: Vec<_> = said
        .extensions
        .iter()
        .map(|(name, value)| (name.clone(), value.trim_matches(blank).to_owned()))
        .collect();
    prop_assert_eq!(extensions, expected);
    prop_assert_eq!(message.body_bytes(), said.body.as_slice());
    Ok(())
}

/// Asks a message for everything; the answers matter less than that they come.
fn read_everything(message: &Message) {
    let _ = (message.method(), message.request_uri(), message.status(), message.reason_phrase());
    let _ = (message.from().map(|f| f.uri()), message.to().map(|t| t.display_name_unquoted()));
    let _ = (message.call_id(), message.cseq(), message.contact(), message.max_forwards());
    let _ = (message.expires(), message.min_se(), message.session_expires(), message.rack());
    let _ = (message.retry_after(), message.rseq(), message.content_type(), message.body());
    for via in message.vias().flatten() {
        let _ = (via.has_magic_cookie(), via.received_ip(), via.params.iter().count());
    }
    for line in message.headers() {
        let _ = (line.unfolded(), unquote(line.value), NameAddr::parse(line.value));
        let _ = (Via::parse(line.value), Uri::parse(line.value));
        let _: usize =
            message.addresses(line.name).flatten().map(|a| a.params.iter().count()).sum();
    }
    let _ = (validate_request(message, &[]), validate_response(message));
    let response = Composer::response_to(message, 400, "Bad Request", Some("t")).finish();
    assert!(Message::parse(response, &Limits::default()).is_ok(), "an answer is a message");
}

proptest! {
    #[test]
    fn what_is_composed_is_what_is_parsed(said in said()) {
        let raw = said.compose();
        let message = Message::parse(raw, &Limits::default()).unwrap();
        check(&said, &message)?;
    }

    /// Writing every line back gives the same bytes.
    #[test]
    fn copied_lines_are_the_same_bytes(said in said()) {
        let raw = said.compose();
        let message = Message::parse(raw.clone(), &Limits::default()).unwrap();
        let mut copy = match &said.start {
            Ok((method, uri)) => Composer::request(method, uri),
            Err(status) => Composer::response(*status, message.reason_phrase()),
        };
        for line in message.headers() {
            copy.copy_line(&line);
        }
        prop_assert_eq!(copy.body(None, message.body_bytes()), raw);
    }

    /// Blanks before colons, folds after them, and names in the other case mean the same.
    #[test]
    fn another_spelling_says_the_same(said in said(), seed in any::<u64>()) {
        let raw = said.compose();
        let message = Message::parse(raw, &Limits::default()).unwrap();
        let mut spelt = message.start_line().to_vec();
        spelt.extend_from_slice(b"\r\n");
        for (index, line) in message.headers().enumerate() {
            let other = (line.name != HeaderName::Other) && (seed >> (index % 64)) & 1 == 1;
            let name = if other { line.raw_name.to_uppercase() } else { line.raw_name.to_owned() };
            let separator = ["", " ", "\t", " \t "][(seed >> (index % 61)) as usize & 3];
            let fold = ["", "  ", "\r\n ", "\r\n\t\r\n "][(seed >> (index % 59)) as usize & 3];
            let value = line.value;
            spelt.extend_from_slice(format!("{name}{separator}:{fold}{value}\r\n").as_bytes());
        }
        spelt.extend_from_slice(b"\r\n");
        spelt.extend_from_slice(message.body_bytes());
        check(&said, &Message::parse(spelt.into(), &Limits::default()).unwrap())?;
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(messages in prop::collection::vec(plain(), 1..3)) {
        let messages: Vec<_> = messages.iter().map(Said::compose).collect();
        let stream = messages.concat();
        for at in 0..=stream.len() {
            let mut framer = StreamFramer::new(Limits::default());
            let mut framed = Vec::new();
            for piece in [&stream[..at], &stream[at..]] {
                framer.push(piece);
                while let Some(Frame::Message(message)) = framer.next().unwrap() {
                    framed.push(message);
                }
            }
            prop_assert_eq!(&framed, &messages, "cut at {}", at);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(message) = parse(&raw) {
            read_everything(&message);
        }
        let _ = salvage(&raw);
    }

    /// Good messages with a few bytes changed reach deeper than noise does.
    #[test]
    fn no_mutation_makes_the_parser_panic(
        said in said(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 1..8),
    ) {
        let mut raw = said.compose().to_vec();
        for (index, change) in changes {
            let at = index.index(raw.len());
            match change {
                Change::Set(byte) => raw[at] = byte,
                Change::Insert(text) => { raw.splice(at..at, text.bytes()); }
                Change::Cut(length) => {
                    let end = raw.len().min(at + length);
                    raw.drain(at..end);
                }
            }
            if raw.is_empty() {
                raw.push(b'x');
            }
        }
        if let Some(message) = parse(&raw) {
            read_everything(&message);
        }
        if let Some(salvaged) = salvage(&raw) {
            let answer = salvaged.response(400, "Bad Request", "t").finish();
            prop_assert!(Message::parse(answer, &Limits::default()).is_ok());
        }
    }

    #[test]
    fn no_text_is_injected(name in any::<String>(), value in any::<String>()) {
        let mut composer = Composer::request(&name, &value);
        composer.header_named("X-One", &value).header_named(&name, &value);
        composer.header(HeaderName::Subject, &value);
        let raw = composer.finish();
        let lines = raw.windows(2).filter(|pair| *pair == b"\r\n").count();
        let bare = raw.iter().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        prop_assert!(lines <= 6, "start line, three headers, Content-Length, blank line");
        prop_assert_eq!(bare, lines * 2, "CR and LF only as line ends, and no NUL");
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(u8),
    Insert(&'static str),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let texts = [
        "\r\n",
        "\r\n ",
        "\"",
        "<",
        ">",
        ";",
        ",",
        ":",
        "@",
        "[",
        "]",
        "%",
        "\\",
        "\0",
        "\r",
        "\n",
        "é",
        "=",
        "?",
        ";tag=",
        "sip:",
        "SIP/2.0/",
        "Content-Length: 3\r\n",
        "l:\r\n",
    ];
    prop_oneof![
        any::<u8>().prop_map(Change::Set),
        prop::sample::select(texts.to_vec()).prop_map(Change::Insert),
        (1..20_usize).prop_map(Change::Cut),
    ]
}
