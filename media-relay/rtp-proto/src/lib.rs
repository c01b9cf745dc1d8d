//! RTP, RTCP and telephone-event wire formats: bytes in, values out.
//!
//! Nothing here keeps a socket, reads a clock or allocates while parsing. Bytes from the network
//! are hostile: every length is checked against what really arrived, and a lie becomes an error
//! value, never a panic and never a read past the end.
#![forbid(unsafe_code)]

mod asked;
pub mod codecs;
mod demultiplex;
mod header_extension;
mod ntp;
mod payload_type;
pub mod rtcp;
mod rtp;
mod sequence;
pub mod srtp;
pub mod stun;
mod telephone_event;
mod wire;

pub use asked::AskedPackets;
pub use demultiplex::{DatagramKind, demultiplex};
pub use header_extension::{RtpHead, write_element};
pub use ntp::{NtpMid, NtpTime, dlsr_from_duration, dlsr_to_duration};
pub use payload_type::{StaticPayloadType, static_payload_type};
pub use rtp::{Extension, RtpError, RtpHeader, RtpPacket};
pub use sequence::{ExtendedSequence, MAX_DROPOUT, MAX_MISORDER, MIN_SEQUENTIAL, SequenceStep};
pub use telephone_event::{TelephoneEvent, TelephoneEventError};
