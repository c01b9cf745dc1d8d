//! What a parser says when it cannot represent the bytes, and the bounds it keeps.

use std::error::Error;
use std::fmt;

/// Bounds on one message. All are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The whole message: start line, headers and body, in bytes.
    pub message_bytes: usize,
    /// Start line and headers together, in bytes.
    pub head_bytes: usize,
    /// Header lines in one message.
    pub headers: usize,
    /// One header line with its folded continuations, in bytes.
    pub header_bytes: usize,
    /// The Request-URI, in bytes.
    pub uri_bytes: usize,
    /// The body, in bytes.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: 65_535,
            head_bytes: 32 * 1024,
            headers: 256,
            header_bytes: 8 * 1024,
            uri_bytes: 2 * 1024,
            body_bytes: 65_535,
        }
    }
}

/// Bytes that are not a SIP message, or not the value that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was being read: "start line", "Via", "URI" and so on.
    pub part: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
    /// Where, in bytes from the start of the message (or of the value, for a typed value).
    pub offset: usize,
    /// The status that a request with this fault is owed: 400, 414 or 513.
    pub status: u16,
}

impl Malformed {
    pub(crate) const fn new(part: &'static str, reason: &'static str, offset: usize) -> Self {
        Malformed { part, reason, offset, status: 400 }
    }

    pub(crate) const fn with_status(self, status: u16) -> Self {
        Malformed { status, ..self }
    }

    /// The same fault, reported for the header that held the value.
    pub(crate) const fn in_part(self, part: &'static str) -> Self {
        Malformed { part, ..self }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}: {} (at byte {})", self.part, self.reason, self.offset)
    }
}

impl Error for Malformed {}
