//! Messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1).

use std::error::Error;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::message::parser::content_length;
use crate::message::scan;
use crate::message::{HeaderName, Limits, Malformed};

/// Cuts a stream into messages and keep-alives.
///
/// `push` what was read, then call `next` until it gives `Ok(None)`. Each byte is looked at once to
/// find the end of the head, so a peer that drips bytes costs no more than one that does not. The
/// buffer never holds more than one largest message and one more read; a caller that pushes more
/// without draining gets [`FramingFault::TooLarge`].
///
/// After an error the position in the stream is lost: answer with [`FramingError::status`] if the
/// head allows it ([`crate::salvage`]) and close the connection. Every later `next` repeats the
/// error.
#[derive(Debug)]
pub struct StreamFramer {
    buffer: BytesMut,
    limits: Limits,
    /// Up to here there is no end of a head.
    scanned: usize,
    /// The length of the message at the front, once its head is complete.
    message_length: Option<usize>,
    /// A CRLF was the last thing seen between messages, and waits for its second half.
    half_ping: bool,
    failed: Option<FramingError>,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One complete message, copied out of the buffer so that keeping it keeps nothing else.
    Message(Bytes),
    /// The second CRLF of a pair between messages: answer with one CRLF (RFC 5626 section 4.4.1).
    KeepAlivePing,
    /// A CRLF between messages: the answer to our ping, or the first half of the peer's.
    KeepAlivePong,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingFault {
    /// A message on a stream must say its length (RFC 3261 section 18.3).
    MissingContentLength,
    /// The head is not made of header lines, or Content-Length is not one number.
    BadHead(Malformed),
    /// The head or the body exceeds the limits.
    TooLarge,
}

/// A [`FramingFault`] and the bytes it was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramingError {
    /// What is wrong.
    pub fault: FramingFault,
    /// The head, or what there is of it, to answer from.
    pub head: Bytes,
}

impl FramingError {
    /// The status that a request with this fault is owed.
    pub const fn status(&self) -> u16 {
        match self.fault {
            FramingFault::MissingContentLength => 400,
            FramingFault::BadHead(fault) => fault.status,
            FramingFault::TooLarge => 513,
        }
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            FramingFault::MissingContentLength => {
                f.write_str("a message on a stream has no Content-Length")
            }
            FramingFault::BadHead(fault) => fault.fmt(f),
            FramingFault::TooLarge => f.write_str("the message is larger than the limit"),
        }
    }
}

impl Error for FramingError {}

/// An idle connection keeps no larger buffer than this, in bytes.
const KEPT_CAPACITY: usize = 4 * 1024;
/// Room for one read beyond the largest message.
const READ_AHEAD: usize = 64 * 1024;

impl StreamFramer {
    /// An empty framer for a new connection.
    pub fn new(limits: Limits) -> StreamFramer {
        StreamFramer {
            buffer: BytesMut::new(),
            limits,
            scanned: 0,
            message_length: None,
            half_ping: false,
            failed: None,
        }
    }

    /// Takes what was read. After an error, and beyond the bound, bytes are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let bound = self.limits.message_bytes.saturating_add(READ_AHEAD);
        if self.buffer.len().saturating_add(bytes.len()) > bound {
            self.fail(FramingFault::TooLarge);
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message or keep-alive; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the stream cannot be cut any further.
    #[expect(clippy::should_implement_trait, reason = "None means not yet, not the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.message_length.is_none() {
            if let Some(frame) = self.keep_alive() {
                return Ok(Some(frame));
            }
            if let Err(fault) = self.find_message() {
                return Err(self.fail(fault));
            }
        }
        match self.message_length {
            Some(length) if length <= self.buffer.len() => {
                let message = Bytes::copy_from_slice(&self.buffer[..length]);
                self.buffer.advance(length);
                if self.buffer.is_empty() && self.buffer.capacity() > KEPT_CAPACITY {
                    self.buffer = BytesMut::new();
                }
                self.message_length = None;
                self.scanned = 0;
                Ok(Some(Frame::Message(message)))
            }
            _ => Ok(None),
        }
    }

    /// Bytes that wait for the rest of their message.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// A CRLF at the front, between messages. CRLF inside a message is never looked at here.
    fn keep_alive(&mut self) -> Option<Frame> {
        if self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
            self.scanned = 0;
            self.half_ping = !self.half_ping;
            return Some(if self.half_ping { Frame::KeepAlivePong } else { Frame::KeepAlivePing });
        }
        // A CR alone may be the start of the second half.
        if self.buffer.first().is_some_and(|byte| *byte != b'\r') {
            self.half_ping = false;
        }
        None
    }

    /// Sets `message_length` when the head at the front is complete.
    fn find_message(&mut self) -> Result<(), FramingFault> {
        const END: &[u8] = b"\r\n\r\n";
        let from = self.scanned.saturating_sub(END.len() - 1);
        let found = memchr::memmem::find(&self.buffer[from..], END);
        let head_length = found.map_or(self.buffer.len(), |at| from + at + END.len());
        if head_length > self.limits.head_bytes.saturating_add(END.len() / 2) {
            return Err(FramingFault::TooLarge);
        }
        self.scanned = head_length;
        if found.is_none() {
            return Ok(());
        }
        let body_length = self.declared_length(head_length)?;
        let length = head_length.saturating_add(body_length);
        if body_length > self.limits.body_bytes || length > self.limits.message_bytes {
            return Err(FramingFault::TooLarge);
        }
        self.message_length = Some(length);
        Ok(())
    }

    fn declared_length(&self, head_length: usize) -> Result<usize, FramingFault> {
        let head = &self.buffer[..head_length];
        let mut declared = None;
        let mut at = scan::start_line(head, 0).map_err(FramingFault::BadHead)? + 2;
        while let Some(line) =
            scan::header_line(head, at, &self.limits).map_err(FramingFault::BadHead)?
        {
            let name = &head[line.start..line.name_end];
            if HeaderName::parse_bytes(name) == HeaderName::ContentLength {
                let length = content_length(head, &line, declared);
                declared = Some(length.map_err(FramingFault::BadHead)?);
            }
            at = line.end;
        }
        declared.ok_or(FramingFault::MissingContentLength)
    }

    fn fail(&mut self, fault: FramingFault) -> FramingError {
        let head = Bytes::copy_from_slice(&self.buffer[..self.scanned.min(self.buffer.len())]);
        let error = FramingError { fault, head };
        self.buffer = BytesMut::new();
        self.failed = Some(error.clone());
        error
    }
}

#[cfg(test)]
mod tests;
