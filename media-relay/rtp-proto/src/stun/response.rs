//! Responses to Binding requests.

use super::{
    ATTRIBUTE_HEADER, BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, HEADER, INTEGRITY,
    MAGIC_COOKIE, TransactionId, attribute, integrity,
};
use std::net::{IpAddr, SocketAddr};

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorCode {
    /// 400: it lacks USERNAME or MESSAGE-INTEGRITY (RFC 8489 section 9.1.3).
    BadRequest,
    /// 401: its user name or its integrity is wrong.
    Unauthenticated,
    /// 420: it has an attribute that must be understood and is not.
    UnknownAttribute(u16),
    /// 487: both agents take themselves for the controlled one (RFC 8445 section 7.3.1.1).
    RoleConflict,
}

impl ErrorCode {
    const fn number(self) -> u16 {
        match self {
            ErrorCode::BadRequest => 400,
            ErrorCode::Unauthenticated => 401,
            ErrorCode::UnknownAttribute(_) => 420,
            ErrorCode::RoleConflict => 487,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "Bad Request",
            ErrorCode::Unauthenticated => "Unauthenticated",
            ErrorCode::UnknownAttribute(_) => "Unknown Attribute",
            ErrorCode::RoleConflict => "Role Conflict",
        }
    }
}

/// Writes the answer to a good request that came from `source`, with the integrity that the same
/// password gives; its length, or `None` when `out` is too short.
pub fn write_success(
    out: &mut [u8],
    transaction_id: &TransactionId,
    source: SocketAddr,
    password: &[u8],
) -> Option<usize> {
    let mut writer = Writer::new(out, BINDING_SUCCESS, transaction_id)?;
    writer.mapped_address(source, transaction_id)?;
    writer.integrity(password)?;
    writer.finish()
}

/// Writes a refusal; with integrity where the request's was right. Its length, or `None` when `out`
/// is too short.
pub fn write_error(
    out: &mut [u8],
    transaction_id: &TransactionId,
    code: ErrorCode,
    password: Option<&[u8]>,
) -> Option<usize> {
    let mut writer = Writer::new(out, BINDING_ERROR, transaction_id)?;
    let number = code.number();
    let head = [0, 0, u8::try_from(number / 100).ok()?, u8::try_from(number % 100).ok()?];
    writer.attribute(attribute::ERROR_CODE, &[&head, code.reason().as_bytes()])?;
    if let ErrorCode::UnknownAttribute(kind) = code {
        writer.attribute(attribute::UNKNOWN_ATTRIBUTES, &[&kind.to_be_bytes()])?;
    }
    if let Some(password) = password {
        writer.integrity(password)?;
    }
    writer.finish()
}

/// Writes a connectivity check as a full, controlling agent sends it (RFC 8445 section 7.2.4). An
/// ICE-lite agent sends none: this is for whoever plays its peer. Its length, or `None` when `out`
/// is too short.
pub fn write_check(
    out: &mut [u8],
    transaction_id: &TransactionId,
    username: &str,
    password: &[u8],
    use_candidate: bool,
) -> Option<usize> {
    let mut writer = Writer::new(out, BINDING_REQUEST, transaction_id)?;
    writer.attribute(attribute::USERNAME, &[username.as_bytes()])?;
    writer.attribute(attribute::PRIORITY, &[&HOST_PRIORITY.to_be_bytes()])?;
    writer.attribute(attribute::ICE_CONTROLLING, &[transaction_id.get(..8)?])?;
    if use_candidate {
        writer.attribute(attribute::USE_CANDIDATE, &[])?;
    }
    writer.integrity(password)?;
    writer.finish()
}

/// Of a peer-reflexive candidate on the only interface (RFC 8445 section 5.1.2.1).
const HOST_PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [u8], kind: u16, transaction_id: &TransactionId) -> Option<Self> {
        let mut writer = Writer { out, length: 0 };
        for part in [&kind.to_be_bytes()[..], &[0, 0], &MAGIC_COOKIE, transaction_id] {
            writer.push(part)?;
        }
        Some(writer)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.out.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn attribute(&mut self, kind: u16, parts: &[&[u8]]) -> Option<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.push(&kind.to_be_bytes())?;
        self.push(&u16::try_from(length).ok()?.to_be_bytes())?;
        for part in parts {
            self.push(part)?;
        }
        self.push([0_u8; 4].get(..length.next_multiple_of(4) - length)?)
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
    fn mapped_address(
        &mut self,
        address: SocketAddr,
        transaction_id: &TransactionId,
    ) -> Option<()> {
        let [a, b, ..] = MAGIC_COOKIE;
        let port = address.port() ^ u16::from_be_bytes([a, b]);
        let mask = MAGIC_COOKIE.into_iter().chain(*transaction_id);
        let mut octets = [0; 16];
        let (family, plain): (u8, &[u8]) = match &address.ip() {
            IpAddr::V4(v4) => (1, &v4.octets()),
            IpAddr::V6(v6) => (2, &v6.octets()),
        };
        for ((out, byte), mask) in octets.iter_mut().zip(plain).zip(mask) {
            *out = byte ^ mask;
        }
        let head = [0, family];
        let value = octets.get(..plain.len())?;
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &[&head, &port.to_be_bytes(), value])
    }

    fn integrity(&mut self, password: &[u8]) -> Option<()> {
        self.set_length(self.length + ATTRIBUTE_HEADER + INTEGRITY)?;
        let code = integrity::code(password, [self.out.get(..self.length)?, &[], &[]]);
        self.attribute(attribute::MESSAGE_INTEGRITY, &[&code])
    }

    /// Adds FINGERPRINT, which every message of ICE has (RFC 8445 section 7.1).
    fn finish(mut self) -> Option<usize> {
        self.set_length(self.length + ATTRIBUTE_HEADER + size_of::<u32>())?;
        let value = integrity::fingerprint([self.out.get(..self.length)?, &[], &[]]);
        self.attribute(attribute::FINGERPRINT, &[&value.to_be_bytes()])?;
        Some(self.length)
    }

    fn set_length(&mut self, end: usize) -> Option<()> {
        let length = u16::try_from(end.checked_sub(HEADER)?).ok()?;
        self.out.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
        Some(())
    }
}
