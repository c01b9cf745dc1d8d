use proptest::prelude::*;

use super::*;

const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const INFO: &[u8] = b"INFO sip:a@b SIP/2.0\r\nl :\r\n 12\r\n\r\none\r\n\r\ntwo\r\n";

fn framer() -> StreamFramer {
    StreamFramer::new(Limits::default())
}

/// All frames that come out when the stream arrives in these pieces.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, FramingError> {
    let mut framer = framer();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn stream() -> Vec<u8> {
    [b"\r\n\r\n", BYE, INFO, b"\r\n", INFO, BYE, b"\r\n\r\n\r\n"].concat()
}

#[test]
fn messages_and_keep_alives_in_order() {
    let message = |raw: &'static [u8]| Frame::Message(Bytes::from_static(raw));
    let expected = [
        Frame::KeepAlivePong,
        Frame::KeepAlivePing,
        message(BYE),
        message(INFO),
        Frame::KeepAlivePong,
        message(INFO),
        message(BYE),
        Frame::KeepAlivePong,
        Frame::KeepAlivePing,
        Frame::KeepAlivePong,
    ];
    assert_eq!(frames([stream().as_slice()]).unwrap(), expected);
}

#[test]
fn a_split_at_any_byte_changes_nothing() {
    let stream = stream();
    let whole = frames([stream.as_slice()]).unwrap();
    for at in 0..=stream.len() {
        let (one, two) = stream.split_at(at);
        assert_eq!(frames([one, two]).unwrap(), whole, "split at {at}");
    }
    assert_eq!(frames(stream.chunks(1)).unwrap(), whole, "byte by byte");
}

#[test]
fn crlf_inside_a_body_is_no_keep_alive() {
    let mut framer = framer();
    framer.push(&INFO[..INFO.len() - 4]);
    assert_eq!(framer.next(), Ok(None));
    framer.push(&INFO[INFO.len() - 4..]);
    assert_eq!(framer.next(), Ok(Some(Frame::Message(Bytes::from_static(INFO)))));
    assert_eq!(framer.next(), Ok(None));
}

#[test]
fn faults_name_themselves_and_stay() {
    for (raw, status) in [
        ("BYE sip:a@b SIP/2.0\r\n\r\n", 400),
        ("BYE sip:a@b SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n", 400),
        ("BYE sip:a@b SIP/2.0\r\nContent-Length: +1\r\n\r\n", 400),
        ("BYE sip:a@b SIP/2.0\r\nContent-Length: 0\nX: y\r\n\r\n", 400),
        ("BYE sip:a@b SIP/2.0\r\n Content-Length: 0\r\n\r\n", 400),
        ("BYE sip:a@b SIP/2.0\r\nContent-Length: 65536\r\n\r\n", 513),
        ("BYE sip:a@b SIP/2.0\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 513),
    ] {
        let mut framer = framer();
        framer.push(raw.as_bytes());
        let error = framer.next().unwrap_err();
        assert_eq!(error.status(), status, "{raw:?}: {error}");
        assert_eq!(error.head, raw.as_bytes(), "the head is there to answer from");
        framer.push(BYE);
        assert_eq!(framer.next(), Err(error), "nothing is read after a fault");
        assert_eq!(framer.buffered(), 0, "and nothing is kept");
    }
}

#[test]
fn equal_lengths_agree() {
    let raw = b"BYE sip:a@b SIP/2.0\r\nContent-Length: 1\r\nl: 01\r\n\r\nx";
    assert_eq!(frames([raw.as_slice()]).unwrap(), [Frame::Message(Bytes::from_static(raw))]);
}

/// Both sides of the bound on a head that never ends.
#[test]
fn endless_head_is_cut_at_the_limit() {
    let limits = Limits { head_bytes: 100, ..Limits::default() };
    for (length, fits) in [(102, true), (103, false)] {
        let mut framer = StreamFramer::new(limits.clone());
        framer.push(&vec![b'a'; length]);
        assert_eq!(framer.next().is_ok(), fits, "{length} bytes");
    }
}

#[test]
fn pushing_without_draining_is_bounded() {
    let mut framer = framer();
    let chunk = [b'\r'; 1024];
    for _ in 0..1000 {
        framer.push(&chunk);
    }
    assert_eq!(framer.next().unwrap_err().fault, FramingFault::TooLarge);
    assert_eq!(framer.buffered(), 0);
}

/// Byte by byte, the search for the end of the head goes on where it stopped.
#[test]
fn slow_drip_is_not_rescanned() {
    let mut framer = framer();
    for count in 1..=20_000 {
        framer.push(b"a");
        assert_eq!(framer.next(), Ok(None));
        assert_eq!(framer.scanned, count, "everything seen is marked as seen");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_in_arbitrary_pieces_do_not_panic(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)
    ) {
        let joined = pieces.concat();
        let in_pieces = frames(pieces.iter().map(Vec::as_slice));
        let whole = frames([joined.as_slice()]);
        prop_assert_eq!(in_pieces.is_ok(), whole.is_ok());
        if let (Ok(in_pieces), Ok(whole)) = (in_pieces, whole) {
            prop_assert_eq!(in_pieces, whole);
        }
    }
}
