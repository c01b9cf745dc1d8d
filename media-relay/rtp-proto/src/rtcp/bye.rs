//! Goodbye (RFC 3550 section 6.6).

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::u32_at;

/// A goodbye over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why, in the leaving side's words; empty when it gave none. Any octets.
    pub reason: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let length = 4 * usize::from(frame.count);
        let (sources, rest) = frame.body.split_at_checked(length).ok_or(frame.inner_error())?;
        let reason = match rest {
            [] => rest,
            &[length, ref text @ ..] => {
                text.get(..usize::from(length)).ok_or(frame.inner_error())?
            }
        };
        Ok(Bye { sources, reason })
    }

    /// The sources that leave, at most 31.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}

/// Appends a goodbye of one source, its reason cut after 255 octets.
pub fn write_bye(out: &mut Vec<u8>, ssrc: u32, reason: &[u8]) {
    let reason = reason.get(..255).unwrap_or(reason);
    write_packet(out, packet_type::GOODBYE, 1, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        if !reason.is_empty() {
            out.push(reason.len() as u8);
            out.extend_from_slice(reason);
        }
    });
}
