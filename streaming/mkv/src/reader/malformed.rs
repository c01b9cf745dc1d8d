//! Why octets are no stream.

use std::fmt;

/// What is wrong with a stream. Places are octets from its start, where the element begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// An ID of more than four octets, or a size of more than eight.
    NotEbml {
        /// Where.
        at: u64,
    },
    /// The document's type is not Matroska's, or of a version that needs a newer reader.
    NotMatroska {
        /// Where.
        at: u64,
    },
    /// An element where it cannot be.
    Misplaced {
        /// Which.
        id: u32,
        /// Where.
        at: u64,
    },
    /// An element of unknown size that must say its size.
    UnknownSize {
        /// Which.
        id: u32,
        /// Where.
        at: u64,
    },
    /// An element that ends behind the one that it is in.
    TooLong {
        /// Which.
        id: u32,
        /// Where.
        at: u64,
    },
    /// An element of more than 1 MiB that is needed whole, or with more in it than is taken.
    TooLarge {
        /// Which.
        id: u32,
        /// Where.
        at: u64,
    },
    /// An element whose payload means nothing.
    Value {
        /// Which.
        id: u32,
        /// Where.
        at: u64,
    },
    /// A fragment that is not later than the one before it.
    Backward {
        /// Where.
        at: u64,
    },
    /// A block of a track that the stream's head does not have.
    NoSuchTrack {
        /// Its number.
        track: u64,
        /// Where.
        at: u64,
    },
    /// A block that ends within a sample.
    HalfSample {
        /// Where.
        at: u64,
    },
    /// The stream ends within an element.
    Cut {
        /// Where.
        at: u64,
    },
}

impl Malformed {
    /// Octets from the start of the stream.
    pub fn at(self) -> u64 {
        match self {
            Malformed::NotEbml { at }
            | Malformed::NotMatroska { at }
            | Malformed::Misplaced { at, .. }
            | Malformed::UnknownSize { at, .. }
            | Malformed::TooLong { at, .. }
            | Malformed::TooLarge { at, .. }
            | Malformed::Value { at, .. }
            | Malformed::Backward { at }
            | Malformed::NoSuchTrack { at, .. }
            | Malformed::HalfSample { at }
            | Malformed::Cut { at } => at,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "octet {}: ", self.at())?;
        match self {
            Malformed::NotEbml { .. } => f.write_str("this is no EBML element"),
            Malformed::NotMatroska { .. } => f.write_str("this is no Matroska of version 1 to 4"),
            Malformed::Misplaced { id, .. } => write!(f, "element {id:X} cannot be here"),
            Malformed::UnknownSize { id, .. } => write!(f, "element {id:X} does not say its size"),
            Malformed::TooLong { id, .. } => {
                write!(f, "element {id:X} ends behind the one that it is in")
            }
            Malformed::TooLarge { id, .. } => write!(f, "element {id:X} is larger than is taken"),
            Malformed::Value { id, .. } => write!(f, "what element {id:X} holds means nothing"),
            Malformed::Backward { .. } => f.write_str("a fragment is not later than the last one"),
            Malformed::NoSuchTrack { track, .. } => write!(f, "there is no track {track}"),
            Malformed::HalfSample { .. } => f.write_str("a block ends within a sample"),
            Malformed::Cut { .. } => f.write_str("the stream ends within an element"),
        }
    }
}

impl std::error::Error for Malformed {}
