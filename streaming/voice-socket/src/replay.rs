//! What came over a connection, from octets in memory: for fuzzing, and for captures.

use crate::connect::{limits, lost};
use crate::conversation::Conversation;
use std::io::{self, Read, Write};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Reads frames that a service sent (RFC 6455 section 5), within the limits of a connection, and gives their
/// messages to `conversation`, what is said meanwhile going on after each; its answers go to `answer`.
/// Returns how many messages there were, and how it ended.
pub fn replay(
    octets: &[u8],
    conversation: &mut Conversation,
    mut answer: impl FnMut(String),
) -> (u64, String) {
    let mut socket = WebSocket::from_raw_socket(Octets(octets), Role::Client, Some(limits()));
    let mut messages = 0;
    loop {
        match socket.read() {
            Ok(Message::Binary(octets)) => conversation.audio(&octets, &mut answer),
            Ok(Message::Text(text)) => conversation.text(&text, &mut answer),
            Ok(Message::Close(_)) => return (messages, "it closed the connection".to_owned()),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(Error::Io(_)) => return (messages, "the octets end".to_owned()),
            Err(error) => return (messages, lost(&error)),
        }
        messages += 1;
        conversation.move_on(&mut answer);
    }
}

/// The other end's octets; what is written there is not kept.
struct Octets<'a>(&'a [u8]);

impl Read for Octets<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl Write for Octets<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that is whole, of at most 125 octets, as servers send it: not masked.
    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        [&[0x80 | opcode, payload.len() as u8], payload].concat()
    }

    #[test]
    fn frames_are_heard_until_the_octets_end() {
        let mark = br#"{"type":"mark","name":"now"}"#;
        let octets = [frame(9, b"ping"), frame(1, mark), frame(1, b"[]"), frame(2, &[0; 4])];
        let (mut conversation, mut answers) = (Conversation::new(8_000), Vec::new());
        let (messages, end) =
            replay(&octets.concat(), &mut conversation, |answer| answers.push(answer));
        assert_eq!((messages, end.as_str()), (4, "the octets end"));
        assert!(answers[0].contains(r#""name":"now","played":true"#), "{answers:?}");
        assert_eq!(answers.len(), 3);
    }

    #[test]
    fn what_is_no_frame_ends_it() {
        let (mut conversation, answer) = (Conversation::new(8_000), |_| {});
        // A reserved bit; a masked frame; one of 64 GiB.
        for octets in [
            [0xf2_u8, 0, 0, 0].as_slice(),
            &[0x82, 0x80, 1, 2, 3, 4],
            &[0x82, 0x7f, 0, 0, 0, 16, 0, 0, 0, 0, 9],
        ] {
            let (messages, end) = replay(octets, &mut conversation, answer);
            assert!(messages == 0 && end != "the octets end", "{octets:?}: {end}");
        }
    }
}
