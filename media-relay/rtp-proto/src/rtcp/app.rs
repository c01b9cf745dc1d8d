//! Application-defined packets (RFC 3550 section 6.7).

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::u32_at;

/// An application-defined packet over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    /// Subtype, 0 to 31, in the application's meaning.
    pub subtype: u8,
    /// Who sends.
    pub ssrc: u32,
    /// Four ASCII characters; not checked.
    pub name: [u8; 4],
    /// The application's data.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let ssrc = u32_at(frame.body, 0).ok_or(frame.inner_error())?;
        let name = u32_at(frame.body, 4).ok_or(frame.inner_error())?.to_be_bytes();
        let data = frame.body.get(8..).unwrap_or_default();
        Ok(App { subtype: frame.count, ssrc, name, data })
    }
}

/// Appends an application-defined packet. Data that does not end on a word is filled up with zeros.
pub fn write_app(out: &mut Vec<u8>, app: &App<'_>) {
    write_packet(out, packet_type::APPLICATION, app.subtype, |out| {
        out.extend_from_slice(&app.ssrc.to_be_bytes());
        out.extend_from_slice(&app.name);
        out.extend_from_slice(app.data);
    });
}
