//! Feedback messages (RFC 4585 section 6.1): the frame; the messages pass through uninterpreted.

use super::{Frame, RtcpError};
use crate::wire::u32_at;

/// Which of the two feedback packet types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FeedbackKind {
    /// RTPFB, 205: for example a generic NACK.
    Transport,
    /// PSFB, 206: for example a picture loss indication.
    PayloadSpecific,
}

/// A feedback message over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// The packet type.
    pub kind: FeedbackKind,
    /// Feedback message type, 0 to 31.
    pub format: u8,
    /// Who sends.
    pub sender_ssrc: u32,
    /// Of which source it speaks.
    pub media_ssrc: u32,
    /// Feedback control information.
    pub control: &'a [u8],
}

impl<'a> Feedback<'a> {
    pub(crate) fn parse(frame: &Frame<'a>, kind: FeedbackKind) -> Result<Self, RtcpError> {
        Ok(Feedback {
            kind,
            format: frame.count,
            sender_ssrc: u32_at(frame.body, 0).ok_or(frame.inner_error())?,
            media_ssrc: u32_at(frame.body, 4).ok_or(frame.inner_error())?,
            control: frame.body.get(8..).unwrap_or_default(),
        })
    }
}
