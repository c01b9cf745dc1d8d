//! What a codec can refuse.

use std::fmt;

/// Why a payload was not decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeError {
    /// Not a payload of the format; the sender's fault.
    Malformed,
    /// It holds more audio than the output takes.
    NoRoom,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Malformed => "the payload is not of its format",
            DecodeError::NoRoom => "the payload holds more audio than a packet may",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Why samples were not encoded; the caller's fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EncodeError {
    /// The format has no frame of this many samples.
    FrameLength,
    /// The output is too short.
    NoRoom,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeError::FrameLength => "the format has no frame of this length",
            EncodeError::NoRoom => "the output is too short for the frame",
        })
    }
}

impl std::error::Error for EncodeError {}
