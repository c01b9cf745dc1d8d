//! H.264 as rooms need it: payloads (RFC 6184), parameter sets, formats of descriptions.

mod fmtp;
mod level;
mod parameter_sets;
mod payload;
mod profile;
mod sps;

pub use fmtp::{FormatError, H264Format, MAX_SPROP_BYTES, PacketizationMode};
pub use level::{Level, Limits};
pub use parameter_sets::{MAX_PARAMETER_SET, MAX_PPS, MAX_SPS, ParameterSets};
pub use payload::{Fragment, NalUnits, Nalu, Payload, PayloadError, PayloadSummary};
pub use profile::{Profile, ProfileLevelId};
pub use sps::{SequenceParameterSet, SpsError};

/// Types of NAL units (ITU-T H.264 table 7-1).
pub mod nal_type {
    /// A coded slice of a picture that others may be needed for.
    pub const SLICE: u8 = 1;
    /// A coded slice of an IDR picture: nothing before it is needed.
    pub const IDR_SLICE: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// A sequence parameter set.
    pub const SPS: u8 = 7;
    /// A picture parameter set.
    pub const PPS: u8 = 8;
    /// An access unit delimiter.
    pub const DELIMITER: u8 = 9;
}
