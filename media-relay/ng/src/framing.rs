//! Requests out of a stream of octets. No length stands before them: each ends where its dictionary
//! does.

use crate::wire::{MAX_COOKIE, MAX_MESSAGE};
use std::fmt;

/// Cuts what comes over one TCP connection into requests. Each octet is looked at once, however
/// slowly they come.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Octets of the buffer that were looked at.
    seen: usize,
    state: State,
}

/// Why a connection cannot be read on: where the next request begins is not known any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramingError(&'static str);

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for FramingError {}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before a request: line ends and spaces mean nothing.
    #[default]
    Between,
    Cookie,
    /// After the cookie's space.
    Body,
    Bencode {
        depth: usize,
        part: Part,
    },
    Json {
        depth: usize,
        in_text: bool,
        escaped: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// A value or an end.
    Any,
    Number,
    /// Digits before text.
    Length(usize),
    /// Octets of text to come.
    Text(usize),
}

impl StreamFramer {
    /// Takes what was read.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole request, if it is there.
    ///
    /// # Errors
    /// [`FramingError`]: the connection is to be closed.
    pub fn next_request(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        if let State::Between = self.state {
            let blank = self.buffer.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
            self.buffer.drain(..blank);
        }
        while let Some(&octet) = self.buffer.get(self.seen) {
            self.seen += 1;
            if self.seen > MAX_MESSAGE {
                return Err(FramingError("a request is longer than 65507 octets"));
            }
            if self.step(octet)? {
                let rest = self.buffer.split_off(self.seen);
                let request = std::mem::replace(&mut self.buffer, rest);
                (self.seen, self.state) = (0, State::Between);
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// Whether the request ends here.
    fn step(&mut self, octet: u8) -> Result<bool, FramingError> {
        self.state = match self.state {
            State::Between | State::Cookie if octet == b' ' => State::Body,
            State::Between | State::Cookie if self.seen > MAX_COOKIE => {
                return Err(FramingError("a request does not begin with a cookie and a space"));
            }
            State::Between | State::Cookie => State::Cookie,
            State::Body => match octet {
                b' ' => State::Body,
                b'd' => State::Bencode { depth: 1, part: Part::Any },
                b'{' => State::Json { depth: 1, in_text: false, escaped: false },
                _ => return Err(FramingError("no dictionary follows the cookie")),
            },
            State::Bencode { depth, part } => {
                let (depth, part) = step_bencode(depth, part, octet)?;
                State::Bencode { depth, part }
            }
            State::Json { depth, in_text, escaped } => step_json(depth, in_text, escaped, octet),
        };
        Ok(matches!(self.state, State::Bencode { depth: 0, .. } | State::Json { depth: 0, .. }))
    }
}

fn step_bencode(depth: usize, part: Part, octet: u8) -> Result<(usize, Part), FramingError> {
    Ok(match (part, octet) {
        (Part::Any, b'd' | b'l') => (depth + 1, Part::Any),
        (Part::Any, b'e') => (depth - 1, Part::Any),
        (Part::Any, b'i') => (depth, Part::Number),
        (Part::Any, b'0'..=b'9') => (depth, Part::Length(usize::from(octet - b'0'))),
        (Part::Number, b'e') => (depth, Part::Any),
        (Part::Number, b'0'..=b'9' | b'-') => (depth, Part::Number),
        (Part::Length(so_far), b'0'..=b'9') if so_far <= MAX_MESSAGE => {
            (depth, Part::Length(so_far * 10 + usize::from(octet - b'0')))
        }
        (Part::Length(0), b':') => (depth, Part::Any),
        (Part::Length(length), b':') => (depth, Part::Text(length)),
        (Part::Text(left), _) if left > 1 => (depth, Part::Text(left - 1)),
        (Part::Text(_), _) => (depth, Part::Any),
        _ => return Err(FramingError("this is no bencode")),
    })
}

fn step_json(depth: usize, in_text: bool, escaped: bool, octet: u8) -> State {
    match (in_text, octet) {
        (true, _) if escaped => State::Json { depth, in_text, escaped: false },
        (true, b'\\') => State::Json { depth, in_text, escaped: true },
        (_, b'"') => State::Json { depth, in_text: !in_text, escaped: false },
        (false, b'{' | b'[') => State::Json { depth: depth + 1, in_text, escaped },
        (false, b'}' | b']') => State::Json { depth: depth - 1, in_text, escaped },
        _ => State::Json { depth, in_text, escaped },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [&str; 4] = [
        "1_1 d7:command4:pinge",
        "1_2 d1:ali-12e0:2:e}d1:xleee1:b0:e",
        "1_3 {\"a\": \"}\\\"{\", \"b\": [{}, \"]\"]}",
        "1_4 de",
    ];

    #[test]
    fn requests_come_out_whole_however_they_are_cut() {
        let stream = REQUESTS.join("\r\n");
        for size in [1, 2, 3, 7, 1_000] {
            let (mut framer, mut found) = (StreamFramer::default(), Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                framer.push(piece);
                while let Some(request) = framer.next_request().unwrap() {
                    found.push(String::from_utf8(request).unwrap());
                }
            }
            assert_eq!(found, REQUESTS, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        let long = format!("c d1:a60000:{}", "x".repeat(MAX_MESSAGE));
        let cookie = "c".repeat(MAX_COOKIE + 2);
        for bad in ["GET / HTTP/1.1\r\n", "c dx", "c d99999999999:", "c di1x", &long, &cookie] {
            let mut framer = StreamFramer::default();
            framer.push(bad.as_bytes());
            let mut result = framer.next_request();
            if bad == long {
                framer.push(long.as_bytes());
                result = framer.next_request();
            }
            assert!(result.is_err(), "{}", &bad[..10]);
        }
    }
}
