//! Messages out of a TCP connection (RFC 8855 section 6.1).

use crate::message::{HEADER_BYTES, MAX_MESSAGE, Message, ParseError, read_header};

/// Cuts a stream of octets into messages. At most [`MAX_MESSAGE`] octets wait; a message that says that
/// it is longer ends the connection, for nobody knows where the next one begins.
#[derive(Debug, Default)]
pub struct Framer {
    octets: Vec<u8>,
    /// The stream can no longer be cut.
    broken: bool,
}

impl Framer {
    /// Nothing has come.
    pub const fn new() -> Self {
        Framer { octets: Vec::new(), broken: false }
    }

    /// Takes what was read; how much of it. The rest is to be given again after [`Framer::poll`] has
    /// nothing more.
    pub fn push(&mut self, octets: &[u8]) -> usize {
        let taken = octets.len().min(MAX_MESSAGE.saturating_sub(self.octets.len()));
        self.octets.extend_from_slice(octets.get(..taken).unwrap_or_default());
        taken
    }

    /// The next message, or why it is none; `None` while more is needed. After
    /// [`ParseError::Length`] the connection is to be closed.
    pub fn poll(&mut self) -> Option<Result<Message, ParseError>> {
        if self.broken {
            return None;
        }
        let (header, fragment, payload) = read_header(&self.octets)?;
        let whole = HEADER_BYTES + payload;
        if whole > MAX_MESSAGE || fragment.is_some() {
            self.broken = true;
            self.octets.clear();
            return Some(Err(ParseError::Length(header)));
        }
        let message = Message::parse(self.octets.get(..whole)?);
        self.octets.drain(..whole);
        Some(message)
    }

    /// Nothing more can be read from this connection.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Header, Primitive};

    fn message(transaction: u16) -> Message {
        let header = Header {
            version: 1,
            responder: false,
            primitive: Primitive::FloorQuery as u8,
            conference: 1,
            transaction,
            user: 1,
        };
        Message { header, attributes: vec![Attribute::FloorId(transaction)] }
    }

    #[test]
    fn messages_come_out_however_they_were_cut() {
        let stream: Vec<u8> = (0..50).flat_map(|number| message(number).write()).collect();
        for piece in [1, 5, 16, 17, 1_000] {
            let mut framer = Framer::new();
            let mut read = Vec::new();
            for octets in stream.chunks(piece) {
                assert_eq!(framer.push(octets), octets.len());
                while let Some(message) = framer.poll() {
                    read.push(message.unwrap().header.transaction);
                }
            }
            assert_eq!(read, (0..50).collect::<Vec<_>>(), "{piece}");
        }
    }

    #[test]
    fn a_message_that_is_none_does_not_end_the_stream_and_one_too_long_does() {
        let mut framer = Framer::new();
        let mut bad = message(1).write();
        bad[1] = 99;
        framer.push(&bad);
        framer.push(&message(2).write());
        assert!(matches!(framer.poll(), Some(Err(ParseError::UnknownPrimitive(_)))));
        assert_eq!(framer.poll(), Some(Ok(message(2))));
        let mut long = message(3).write();
        long[2..4].copy_from_slice(&[0xff, 0xff]);
        framer.push(&long);
        assert!(matches!(framer.poll(), Some(Err(ParseError::Length(_)))));
        assert!(framer.is_broken() && framer.poll().is_none());
        let mut full = Framer::new();
        assert_eq!(full.push(&vec![0; MAX_MESSAGE + 1]), MAX_MESSAGE);
    }
}
