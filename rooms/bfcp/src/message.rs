//! Messages (RFC 8855 section 5): a header, and attributes.

use crate::attribute::{Attribute, AttributeReader, ErrorCode};
use std::fmt;

/// Octets of the common header.
pub const HEADER_BYTES: usize = 12;
/// Octets of a message at most; a longer one is refused. The longest that a server here writes is a
/// FloorStatus with all requests of a floor.
pub const MAX_MESSAGE: usize = 16 * 1_024;
/// The version over TCP.
pub const VERSION_RELIABLE: u8 = 1;
/// The version over UDP.
pub const VERSION_UNRELIABLE: u8 = 2;
/// The types of attributes that are understood.
pub const ATTRIBUTES: std::ops::RangeInclusive<u8> = 1..=18;

const RESPONDER: u8 = 0x10;
const FRAGMENT: u8 = 0x08;
const FRAGMENT_HEAD: usize = 4;

/// What a message is for (section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Primitive {
    FloorRequest = 1,
    FloorRelease,
    FloorRequestQuery,
    FloorRequestStatus,
    UserQuery,
    UserStatus,
    FloorQuery,
    FloorStatus,
    ChairAction,
    ChairActionAck,
    Hello,
    HelloAck,
    Error,
    FloorRequestStatusAck,
    FloorStatusAck,
    Goodbye,
    GoodbyeAck,
}

impl Primitive {
    /// All of them, in the order of their numbers from 1.
    pub const ALL: [Primitive; 17] = [
        Primitive::FloorRequest,
        Primitive::FloorRelease,
        Primitive::FloorRequestQuery,
        Primitive::FloorRequestStatus,
        Primitive::UserQuery,
        Primitive::UserStatus,
        Primitive::FloorQuery,
        Primitive::FloorStatus,
        Primitive::ChairAction,
        Primitive::ChairActionAck,
        Primitive::Hello,
        Primitive::HelloAck,
        Primitive::Error,
        Primitive::FloorRequestStatusAck,
        Primitive::FloorStatusAck,
        Primitive::Goodbye,
        Primitive::GoodbyeAck,
    ];

    /// By its number.
    pub fn from_number(number: u8) -> Option<Self> {
        Primitive::ALL.get(usize::from(number).wrapping_sub(1)).copied()
    }
}

/// The common header, without what is about fragments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// [`VERSION_RELIABLE`] or [`VERSION_UNRELIABLE`].
    pub version: u8,
    /// R: this answers a request (version 2).
    pub responder: bool,
    /// Which primitive; see [`Primitive::from_number`].
    pub primitive: u8,
    /// Which conference.
    pub conference: u32,
    /// Joins requests and answers; 0 for what a server says of itself over TCP.
    pub transaction: u16,
    /// Who sends, or for whom it is.
    pub user: u16,
}

/// Why octets are not a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// Shorter than a header.
    Truncated,
    /// A version that is not spoken.
    Version(Header),
    /// The payload is not as long as the header says, or longer than [`MAX_MESSAGE`].
    Length(Header),
    /// An attribute does not fit, inside or as a whole.
    Attribute,
    /// As before, of a message whose header could be read.
    Attributes(Header),
    /// Attributes that must be understood are not; in the form of SUPPORTED-ATTRIBUTES.
    UnknownMandatory(Header, Vec<u8>),
    /// The primitive is not known.
    UnknownPrimitive(Header),
}

impl ParseError {
    /// The error that its sender is owed, where the header says whom to answer.
    pub fn answer(&self) -> Option<(Header, Attribute)> {
        let (header, code, details) = match self {
            ParseError::Truncated | ParseError::Attribute => return None,
            ParseError::Version(header) => (header, ErrorCode::UnsupportedVersion, Vec::new()),
            ParseError::Length(header) => (header, ErrorCode::IncorrectLength, Vec::new()),
            ParseError::Attributes(header) => (header, ErrorCode::UnableToParse, Vec::new()),
            ParseError::UnknownMandatory(header, types) => {
                (header, ErrorCode::UnknownMandatoryAttribute, types.clone())
            }
            ParseError::UnknownPrimitive(header) => {
                (header, ErrorCode::UnknownPrimitive, Vec::new())
            }
        };
        Some((*header, Attribute::ErrorCode(code, details)))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Truncated => f.write_str("BFCP message ends inside its header"),
            ParseError::Version(header) => {
                write!(f, "BFCP version {} is not spoken here", header.version)
            }
            ParseError::Length(_) => f.write_str("BFCP message is not as long as its header says"),
            ParseError::Attribute | ParseError::Attributes(_) => {
                f.write_str("BFCP message has an attribute that does not fit")
            }
            ParseError::UnknownMandatory(..) => {
                f.write_str("BFCP message has a mandatory attribute that is not known")
            }
            ParseError::UnknownPrimitive(header) => {
                write!(f, "BFCP primitive {} is not known", header.primitive)
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// Reads a whole message that is in one piece.
    ///
    /// # Errors
    /// [`ParseError`]; its [`ParseError::answer`] is what the sender is owed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let (header, fragment, length) = read_header(bytes).ok_or(ParseError::Truncated)?;
        if !matches!(header.version, VERSION_RELIABLE | VERSION_UNRELIABLE) {
            return Err(ParseError::Version(header));
        }
        let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
        if fragment.is_some() || payload.len() != length || bytes.len() > MAX_MESSAGE {
            return Err(ParseError::Length(header));
        }
        if Primitive::from_number(header.primitive).is_none() {
            return Err(ParseError::UnknownPrimitive(header));
        }
        let mut reader = AttributeReader { unknown_mandatory: Vec::new() };
        let attributes = reader.read(payload, 0).map_err(|_| ParseError::Attributes(header))?;
        if !reader.unknown_mandatory.is_empty() {
            return Err(ParseError::UnknownMandatory(header, reader.unknown_mandatory));
        }
        Ok(Message { header, attributes })
    }

    /// The octets. Attributes that would make it longer than [`MAX_MESSAGE`] are left out.
    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        for attribute in &self.attributes {
            let before = out.len();
            attribute.write(&mut out);
            if out.len() > MAX_MESSAGE {
                out.truncate(before);
                break;
            }
        }
        let payload = out.len() - HEADER_BYTES;
        if let Some(room) = out.first_chunk_mut() {
            *room = write_header(&self.header, None, payload);
        }
        out
    }

    /// Which primitive; one that is not known is not parsed.
    pub fn primitive(&self) -> Option<Primitive> {
        Primitive::from_number(self.header.primitive)
    }

    /// All floors that it names.
    pub fn floors(&self) -> impl Iterator<Item = u16> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::FloorId(id) => Some(*id),
            _ => None,
        })
    }

    /// The request that it names.
    pub fn floor_request(&self) -> Option<u16> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::FloorRequestId(id) | Attribute::FloorRequestInformation(id, _) => Some(*id),
            _ => None,
        })
    }
}

/// Where a fragment belongs, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FragmentHead {
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

/// The header, where a fragment belongs, and the octets of the whole payload.
pub(crate) fn read_header(bytes: &[u8]) -> Option<(Header, Option<FragmentHead>, usize)> {
    let [flags, primitive, l0, l1, c0, c1, c2, c3, t0, t1, u0, u1] = *bytes.first_chunk()?;
    let header = Header {
        version: flags >> 5,
        responder: flags & RESPONDER != 0,
        primitive,
        conference: u32::from_be_bytes([c0, c1, c2, c3]),
        transaction: u16::from_be_bytes([t0, t1]),
        user: u16::from_be_bytes([u0, u1]),
    };
    let words = |high, low| usize::from(u16::from_be_bytes([high, low])) * 4;
    let mut fragment = None;
    if flags & FRAGMENT != 0 {
        let [o0, o1, n0, n1] = *bytes.get(HEADER_BYTES..)?.first_chunk()?;
        fragment = Some(FragmentHead { offset: words(o0, o1), length: words(n0, n1) });
    }
    Some((header, fragment, words(l0, l1)))
}

/// The header for a payload of so many octets in all.
pub(crate) fn write_header(
    header: &Header,
    fragment: Option<FragmentHead>,
    payload: usize,
) -> [u8; HEADER_BYTES] {
    let responder = if header.responder { RESPONDER } else { 0 };
    let fragmented = if fragment.is_some() { FRAGMENT } else { 0 };
    let [l0, l1] = ((payload / 4) as u16).to_be_bytes();
    let [c0, c1, c2, c3] = header.conference.to_be_bytes();
    let [t0, t1] = header.transaction.to_be_bytes();
    let [u0, u1] = header.user.to_be_bytes();
    let flags = header.version << 5 | responder | fragmented;
    [flags, header.primitive, l0, l1, c0, c1, c2, c3, t0, t1, u0, u1]
}

impl FragmentHead {
    pub(crate) const BYTES: usize = FRAGMENT_HEAD;

    pub(crate) fn octets(self) -> [u8; FRAGMENT_HEAD] {
        let [o0, o1] = ((self.offset / 4) as u16).to_be_bytes();
        let [n0, n1] = ((self.length / 4) as u16).to_be_bytes();
        [o0, o1, n0, n1]
    }
}

#[cfg(test)]
mod tests;
