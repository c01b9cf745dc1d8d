//! STUN (RFC 8489) as far as an ICE-lite agent (RFC 8445 section 2.5) needs it: Binding requests
//! in, their responses out. An ICE-lite agent sends no request of its own.

mod integrity;
mod request;
mod response;

pub use request::{BindingRequest, StunError};
pub use response::{ErrorCode, write_check, write_error, write_success};

/// The largest response that is written, in bytes.
pub const LONGEST_RESPONSE: usize = 128;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const ATTRIBUTE_HEADER: usize = 4;
const INTEGRITY: usize = 20;
/// What the CRC of a FINGERPRINT is combined with (section 14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

/// Attribute types: section 18.3, and RFC 8445 section 16.1 for those of ICE.
mod attribute {
    pub(super) const USERNAME: u16 = 0x0006;
    pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const ICE_CONTROLLED: u16 = 0x8029;
    pub(super) const ICE_CONTROLLING: u16 = 0x802a;

    /// Whether an agent that does not know the type must refuse the message (section 14).
    pub(super) const fn must_be_understood(kind: u16) -> bool {
        kind < 0x8000
    }
}

/// Names a request and its response.
pub type TransactionId = [u8; 12];

#[cfg(test)]
mod tests;
