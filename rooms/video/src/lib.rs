//! Pictures and slides of a meeting: a selective forwarding middlebox (RFC 7667 section 3.7) that
//! gives each participant one picture at a time, without transcoding.
#![forbid(unsafe_code)]

mod format;
pub mod h264;
pub mod vp8;

pub use format::{Answered, MAX_OFFERED, Mismatch, VideoFormat, answer, forwardable, preferred};
