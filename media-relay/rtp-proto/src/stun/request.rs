//! Binding requests.

use super::{
    ATTRIBUTE_HEADER, BINDING_REQUEST, HEADER, INTEGRITY, MAGIC_COOKIE, TransactionId, attribute,
    integrity,
};
use std::fmt;

/// Attributes of one message that are looked at; more make it malformed.
const MOST_ATTRIBUTES: usize = 32;
/// The longest USERNAME (RFC 8489 section 14.3).
const LONGEST_USERNAME: usize = 508;

/// A Binding request of a connectivity check (RFC 8445 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindingRequest<'a> {
    message: &'a [u8],
    transaction_id: TransactionId,
    username: Option<&'a str>,
    use_candidate: bool,
    controlled: bool,
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
    /// The first attribute that must be understood and is not.
    unknown: Option<u16>,
}

/// Why a datagram is no Binding request to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StunError {
    /// Another method, or a response or indication.
    NotABindingRequest,
    /// Lengths that do not fit, too many attributes, a name that is no text.
    Malformed,
    /// FINGERPRINT is there and wrong.
    Fingerprint,
}

impl fmt::Display for StunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StunError::NotABindingRequest => "not a STUN Binding request",
            StunError::Malformed => "a malformed STUN message",
            StunError::Fingerprint => "a STUN message with a wrong fingerprint",
        })
    }
}

impl std::error::Error for StunError {}

impl<'a> BindingRequest<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// [`StunError`]; such a datagram gets no answer.
    pub fn parse(message: &'a [u8]) -> Result<Self, StunError> {
        let (header, body) = message.split_at_checked(HEADER).ok_or(StunError::Malformed)?;
        if word(header, 0) != Some(BINDING_REQUEST) || header.get(4..8) != Some(&MAGIC_COOKIE) {
            return Err(StunError::NotABindingRequest);
        }
        // Section 5: a multiple of four, and all that there is.
        if word(header, 2).map(usize::from) != Some(body.len()) || body.len() % 4 != 0 {
            return Err(StunError::Malformed);
        }
        let mut transaction_id = [0; 12];
        transaction_id.copy_from_slice(header.get(8..HEADER).ok_or(StunError::Malformed)?);
        let mut request = BindingRequest {
            message,
            transaction_id,
            username: None,
            use_candidate: false,
            controlled: false,
            integrity_at: None,
            unknown: None,
        };
        request.read_attributes()?;
        Ok(request)
    }

    fn read_attributes(&mut self) -> Result<(), StunError> {
        let mut at = HEADER;
        for _ in 0..MOST_ATTRIBUTES {
            if at == self.message.len() {
                return Ok(());
            }
            let kind = word(self.message, at).ok_or(StunError::Malformed)?;
            let length = usize::from(word(self.message, at + 2).ok_or(StunError::Malformed)?);
            let start = at + ATTRIBUTE_HEADER;
            let value = self.message.get(start..start + length).ok_or(StunError::Malformed)?;
            self.read_attribute(at, kind, value)?;
            at = start + length.next_multiple_of(4);
        }
        Err(StunError::Malformed)
    }

    fn read_attribute(&mut self, at: usize, kind: u16, value: &'a [u8]) -> Result<(), StunError> {
        if kind == attribute::FINGERPRINT {
            return self.check_fingerprint(at, value);
        }
        // Whatever follows the integrity is not protected by it (section 14.5).
        if self.integrity_at.is_some() {
            return Ok(());
        }
        match kind {
            attribute::USERNAME if value.len() <= LONGEST_USERNAME => {
                let name = std::str::from_utf8(value).map_err(|_| StunError::Malformed)?;
                self.username = Some(name);
            }
            attribute::MESSAGE_INTEGRITY if value.len() == INTEGRITY => {
                self.integrity_at = Some(at);
            }
            attribute::USERNAME | attribute::MESSAGE_INTEGRITY => {
                return Err(StunError::Malformed);
            }
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.controlled = true,
            attribute::PRIORITY | attribute::ICE_CONTROLLING => {}
            other if attribute::must_be_understood(other) => {
                self.unknown = self.unknown.or(Some(other));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_fingerprint(&self, at: usize, value: &[u8]) -> Result<(), StunError> {
        let covered = self.message.get(..at).ok_or(StunError::Malformed)?;
        let right = integrity::fingerprint([covered, &[], &[]]).to_be_bytes();
        // It is the last attribute (section 14.7).
        let last = at + ATTRIBUTE_HEADER + right.len() == self.message.len();
        if last && value == right { Ok(()) } else { Err(StunError::Fingerprint) }
    }

    /// Whether the sender knows `password` (the short-term credential of section 9.1).
    pub fn is_authentic(&self, password: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        // The code covers a header whose length ends with this attribute (section 14.5).
        let Ok(length) = u16::try_from(at + ATTRIBUTE_HEADER + INTEGRITY - HEADER) else {
            return false;
        };
        let (Some(kind), Some(rest)) = (self.message.get(..2), self.message.get(4..at)) else {
            return false;
        };
        let ours = integrity::code(password, [kind, &length.to_be_bytes(), rest]);
        let start = at + ATTRIBUTE_HEADER;
        let theirs = self.message.get(start..start + INTEGRITY);
        theirs.is_some_and(|theirs| integrity::is_same(&ours, theirs))
    }

    /// What names this request in its response.
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// USERNAME: the receiver's and the sender's user name fragment with a colon between them
    /// (RFC 8445 section 7.2.2); `None` when there is none.
    pub const fn username(&self) -> Option<&'a str> {
        self.username
    }

    /// USE-CANDIDATE: the controlling agent nominates the pair that this request came over.
    pub const fn use_candidate(&self) -> bool {
        self.use_candidate
    }

    /// ICE-CONTROLLED: the sender takes itself for the controlled agent, as an ICE-lite agent is.
    pub const fn is_from_controlled(&self) -> bool {
        self.controlled
    }

    /// Whether MESSAGE-INTEGRITY is there at all.
    pub const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// An attribute that must be understood and is not: the answer is 420.
    pub const fn unknown_attribute(&self) -> Option<u16> {
        self.unknown
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}
