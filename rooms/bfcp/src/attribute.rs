//! Attributes (RFC 8855 section 5.2): read and written.

use crate::message::ParseError;

/// How deep groups may stand in each other: the standard has two.
const MAX_DEPTH: usize = 3;
/// Octets of type and length.
const HEAD: usize = 2;
/// Octets that one attribute's contents may have.
const MOST_CONTENTS: usize = 255 - HEAD;

/// How much a request presses (section 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Priority {
    /// 0.
    Lowest,
    /// 1.
    Low,
    /// 2; what a request without a priority has.
    #[default]
    Normal,
    /// 3.
    High,
    /// 4.
    Highest,
}

/// Where a request stands (section 5.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestStatus {
    /// 1: nobody has decided yet.
    Pending,
    /// 2: it waits until the floor is free.
    Accepted,
    /// 3: it has the floor.
    Granted,
    /// 4.
    Denied,
    /// 5: taken back before it was granted.
    Cancelled,
    /// 6: given back.
    Released,
    /// 7: taken away.
    Revoked,
}

impl RequestStatus {
    /// The request is over.
    pub const fn is_final(self) -> bool {
        !matches!(self, RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Granted)
    }

    fn from_octet(octet: u8) -> Option<Self> {
        let all = [
            RequestStatus::Pending,
            RequestStatus::Accepted,
            RequestStatus::Granted,
            RequestStatus::Denied,
            RequestStatus::Cancelled,
            RequestStatus::Released,
            RequestStatus::Revoked,
        ];
        all.into_iter().find(|status| *status as u8 + 1 == octet)
    }
}

/// Why a request failed (section 5.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorCode {
    /// 1.
    ConferenceDoesNotExist,
    /// 2.
    UserDoesNotExist,
    /// 3.
    UnknownPrimitive,
    /// 4.
    UnknownMandatoryAttribute,
    /// 5.
    Unauthorized,
    /// 6.
    InvalidFloorId,
    /// 7.
    FloorRequestDoesNotExist,
    /// 8: too many requests of this user run.
    TooManyRequests,
    /// 9.
    UseTls,
    /// 10.
    UnableToParse,
    /// 11.
    UseDtls,
    /// 12.
    UnsupportedVersion,
    /// 13.
    IncorrectLength,
    /// 14.
    Generic,
    /// Another one.
    Other(u8),
}

impl ErrorCode {
    const ALL: [ErrorCode; 14] = [
        ErrorCode::ConferenceDoesNotExist,
        ErrorCode::UserDoesNotExist,
        ErrorCode::UnknownPrimitive,
        ErrorCode::UnknownMandatoryAttribute,
        ErrorCode::Unauthorized,
        ErrorCode::InvalidFloorId,
        ErrorCode::FloorRequestDoesNotExist,
        ErrorCode::TooManyRequests,
        ErrorCode::UseTls,
        ErrorCode::UnableToParse,
        ErrorCode::UseDtls,
        ErrorCode::UnsupportedVersion,
        ErrorCode::IncorrectLength,
        ErrorCode::Generic,
    ];

    /// The octet on the wire.
    pub fn octet(self) -> u8 {
        match self {
            ErrorCode::Other(octet) => octet,
            known => {
                ErrorCode::ALL.iter().position(|code| *code == known).map_or(14, |at| at as u8 + 1)
            }
        }
    }

    fn from_octet(octet: u8) -> Self {
        let at = usize::from(octet).wrapping_sub(1);
        ErrorCode::ALL.get(at).copied().unwrap_or(ErrorCode::Other(octet))
    }
}

/// One attribute. Texts that are no UTF-8 are read with replacement characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attribute {
    /// For whom the floor is asked (section 5.2.1).
    BeneficiaryId(u16),
    /// Which floor (5.2.2).
    FloorId(u16),
    /// Which request (5.2.3).
    FloorRequestId(u16),
    /// How much it presses (5.2.4).
    Priority(Priority),
    /// Where a request stands, and its place in the queue, 0 for none (5.2.5).
    RequestStatus(RequestStatus, u8),
    /// What went wrong, and octets that belong to it (5.2.6).
    ErrorCode(ErrorCode, Vec<u8>),
    /// In words what went wrong (5.2.7).
    ErrorInfo(String),
    /// What a participant says to its request (5.2.8).
    ParticipantProvidedInfo(String),
    /// What is said to a status (5.2.9).
    StatusInfo(String),
    /// Types of attributes that are understood (5.2.10).
    SupportedAttributes(Vec<u8>),
    /// Primitives that are understood (5.2.11).
    SupportedPrimitives(Vec<u8>),
    /// A user's name (5.2.12).
    UserDisplayName(String),
    /// A user's address (5.2.13).
    UserUri(String),
    /// For whom, with name and address (5.2.14).
    BeneficiaryInformation(u16, Vec<Attribute>),
    /// All of one request (5.2.15).
    FloorRequestInformation(u16, Vec<Attribute>),
    /// By whom, with name and address (5.2.16).
    RequestedByInformation(u16, Vec<Attribute>),
    /// How a request stands at one floor (5.2.17).
    FloorRequestStatus(u16, Vec<Attribute>),
    /// How a request stands as a whole (5.2.18).
    OverallRequestStatus(u16, Vec<Attribute>),
}

/// Reads attributes; those that are unknown are skipped, and with their mandatory bit collected.
pub(crate) struct AttributeReader {
    /// Unknown types that must be understood, in the form of SUPPORTED-ATTRIBUTES.
    pub(crate) unknown_mandatory: Vec<u8>,
}

impl AttributeReader {
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Vec<Attribute>, ParseError> {
        let mut rest = bytes;
        let mut attributes = Vec::new();
        while !rest.is_empty() {
            let ([head, length], _) = rest.split_first_chunk::<2>().ok_or(ParseError::Attribute)?;
            let length = usize::from(*length);
            let contents = rest.get(HEAD..length).ok_or(ParseError::Attribute)?;
            let kind = head >> 1;
            match self.read_one(kind, contents, depth)? {
                Some(attribute) => attributes.push(attribute),
                None if head & 1 == 1 && self.unknown_mandatory.len() < MOST_CONTENTS - 1 => {
                    self.unknown_mandatory.push(kind << 1);
                }
                None => {}
            }
            // Padding is not counted in the length; the last one's may be left out.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(attributes)
    }

    fn read_one(
        &mut self,
        kind: u8,
        contents: &[u8],
        depth: usize,
    ) -> Result<Option<Attribute>, ParseError> {
        let number = || contents.first_chunk().copied().map(u16::from_be_bytes);
        let number = || number().ok_or(ParseError::Attribute);
        let text = || String::from_utf8_lossy(contents).into_owned();
        let octet = |at: usize| contents.get(at).copied().ok_or(ParseError::Attribute);
        Ok(Some(match kind {
            1 => Attribute::BeneficiaryId(number()?),
            2 => Attribute::FloorId(number()?),
            3 => Attribute::FloorRequestId(number()?),
            4 => Attribute::Priority(match octet(0)? >> 5 {
                0 => Priority::Lowest,
                1 => Priority::Low,
                2 => Priority::Normal,
                3 => Priority::High,
                // Section 5.2.4: what is above is reserved, and the highest.
                _ => Priority::Highest,
            }),
            5 => {
                let status = RequestStatus::from_octet(octet(0)?).ok_or(ParseError::Attribute)?;
                Attribute::RequestStatus(status, octet(1)?)
            }
            6 => {
                let details = contents.get(1..).unwrap_or_default().to_vec();
                Attribute::ErrorCode(ErrorCode::from_octet(octet(0)?), details)
            }
            7 => Attribute::ErrorInfo(text()),
            8 => Attribute::ParticipantProvidedInfo(text()),
            9 => Attribute::StatusInfo(text()),
            10 => Attribute::SupportedAttributes(contents.to_vec()),
            11 => Attribute::SupportedPrimitives(contents.to_vec()),
            12 => Attribute::UserDisplayName(text()),
            13 => Attribute::UserUri(text()),
            14..=18 => {
                if depth >= MAX_DEPTH {
                    return Err(ParseError::Attribute);
                }
                let inner = self.read(contents.get(2..).unwrap_or_default(), depth + 1)?;
                let id = number()?;
                match kind {
                    14 => Attribute::BeneficiaryInformation(id, inner),
                    15 => Attribute::FloorRequestInformation(id, inner),
                    16 => Attribute::RequestedByInformation(id, inner),
                    17 => Attribute::FloorRequestStatus(id, inner),
                    _ => Attribute::OverallRequestStatus(id, inner),
                }
            }
            _ => return Ok(None),
        }))
    }
}

impl Attribute {
    /// Its type.
    pub const fn kind(&self) -> u8 {
        match self {
            Attribute::BeneficiaryId(_) => 1,
            Attribute::FloorId(_) => 2,
            Attribute::FloorRequestId(_) => 3,
            Attribute::Priority(_) => 4,
            Attribute::RequestStatus(..) => 5,
            Attribute::ErrorCode(..) => 6,
            Attribute::ErrorInfo(_) => 7,
            Attribute::ParticipantProvidedInfo(_) => 8,
            Attribute::StatusInfo(_) => 9,
            Attribute::SupportedAttributes(_) => 10,
            Attribute::SupportedPrimitives(_) => 11,
            Attribute::UserDisplayName(_) => 12,
            Attribute::UserUri(_) => 13,
            Attribute::BeneficiaryInformation(..) => 14,
            Attribute::FloorRequestInformation(..) => 15,
            Attribute::RequestedByInformation(..) => 16,
            Attribute::FloorRequestStatus(..) => 17,
            Attribute::OverallRequestStatus(..) => 18,
        }
    }

    /// Appends the attribute, its mandatory bit set: all of these are the standard's. Texts are cut
    /// where they are too long; an inner attribute that has no room is left out.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.kind() << 1 | 1, 0]);
        match self {
            Attribute::BeneficiaryId(id)
            | Attribute::FloorId(id)
            | Attribute::FloorRequestId(id) => {
                out.extend_from_slice(&id.to_be_bytes());
            }
            Attribute::Priority(priority) => out.extend_from_slice(&[(*priority as u8) << 5, 0]),
            Attribute::RequestStatus(status, place) => {
                out.extend_from_slice(&[*status as u8 + 1, *place]);
            }
            Attribute::ErrorCode(code, details) => {
                out.push(code.octet());
                out.extend(details.iter().take(MOST_CONTENTS - 1));
            }
            Attribute::ErrorInfo(text)
            | Attribute::ParticipantProvidedInfo(text)
            | Attribute::StatusInfo(text)
            | Attribute::UserDisplayName(text)
            | Attribute::UserUri(text) => {
                let end = (0..=text.len().min(MOST_CONTENTS)).rev();
                let end = end.into_iter().find(|end| text.is_char_boundary(*end));
                out.extend_from_slice(
                    text.get(..end.unwrap_or_default()).unwrap_or_default().as_bytes(),
                );
            }
            Attribute::SupportedAttributes(octets) | Attribute::SupportedPrimitives(octets) => {
                out.extend(octets.iter().take(MOST_CONTENTS));
            }
            Attribute::BeneficiaryInformation(id, inner)
            | Attribute::FloorRequestInformation(id, inner)
            | Attribute::RequestedByInformation(id, inner)
            | Attribute::FloorRequestStatus(id, inner)
            | Attribute::OverallRequestStatus(id, inner) => {
                out.extend_from_slice(&id.to_be_bytes());
                for attribute in inner {
                    let before = out.len();
                    attribute.write(out);
                    if out.len() - start > 255 {
                        out.truncate(before);
                    }
                }
            }
        }
        let length = out.len() - start;
        if let Some(octet) = out.get_mut(start + 1) {
            *octet = length as u8;
        }
        out.resize(start + length.next_multiple_of(4), 0);
    }
}
