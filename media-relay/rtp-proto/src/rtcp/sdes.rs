//! Source descriptions (RFC 3550 section 6.5).

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::u32_at;

/// A source description over borrowed bytes; all its chunks were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sdes<'a> {
    bytes: &'a [u8],
    count: u8,
}

/// What is said of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: u32,
    items: &'a [u8],
}

/// One item. The text should be UTF-8; it comes from outside and may be anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItem<'a> {
    /// What it says.
    pub kind: SdesKind,
    /// Its octets, at most 255.
    pub text: &'a [u8],
}

/// The types of items.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SdesKind {
    /// Canonical name: the same for all sources of an endpoint.
    Cname,
    /// User name.
    Name,
    /// E-mail address.
    Email,
    /// Phone number.
    Phone,
    /// Place.
    Location,
    /// Name of the program.
    Tool,
    /// Notice.
    Note,
    /// Private extension.
    Private,
    /// Any other type.
    Other(u8),
}

impl<'a> Sdes<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let mut rest = frame.body;
        for _ in 0..frame.count {
            (_, rest) = split_chunk(rest).ok_or(frame.inner_error())?;
        }
        Ok(Sdes { bytes: frame.body, count: frame.count })
    }

    /// The chunks in wire order, at most 31.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + use<'a> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| {
            let (chunk, after) = split_chunk(rest)?;
            rest = after;
            Some(chunk)
        })
    }

    /// The canonical name of `ssrc`, if it is here.
    pub fn cname(&self, ssrc: u32) -> Option<&'a [u8]> {
        let chunk = self.chunks().find(|chunk| chunk.ssrc == ssrc)?;
        chunk.items().find(|item| item.kind == SdesKind::Cname).map(|item| item.text)
    }
}

impl<'a> SdesChunk<'a> {
    /// The items in wire order.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let (item, after) = split_item(rest)?;
            rest = after;
            Some(item)
        })
    }
}

/// A chunk is its source, its items, and one to four zero octets up to the next word.
fn split_chunk(bytes: &[u8]) -> Option<(SdesChunk<'_>, &[u8])> {
    let ssrc = u32_at(bytes, 0)?;
    let items = bytes.get(4..)?;
    let mut rest = items;
    while *rest.first()? != 0 {
        (_, rest) = split_item(rest)?;
    }
    let used = items.len() - rest.len();
    let padded = (used + 1).next_multiple_of(4);
    Some((SdesChunk { ssrc, items: items.get(..used)? }, items.get(padded..)?))
}

fn split_item(bytes: &[u8]) -> Option<(SdesItem<'_>, &[u8])> {
    let &[kind, length, ref rest @ ..] = bytes else {
        return None;
    };
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((SdesItem { kind: SdesKind::from_wire(kind), text }, rest))
}

impl SdesKind {
    /// Its number on the wire (RFC 3550 section 12.2).
    pub const fn to_wire(self) -> u8 {
        match self {
            SdesKind::Cname => 1,
            SdesKind::Name => 2,
            SdesKind::Email => 3,
            SdesKind::Phone => 4,
            SdesKind::Location => 5,
            SdesKind::Tool => 6,
            SdesKind::Note => 7,
            SdesKind::Private => 8,
            SdesKind::Other(other) => other,
        }
    }

    const fn from_wire(kind: u8) -> Self {
        match kind {
            1 => SdesKind::Cname,
            2 => SdesKind::Name,
            3 => SdesKind::Email,
            4 => SdesKind::Phone,
            5 => SdesKind::Location,
            6 => SdesKind::Tool,
            7 => SdesKind::Note,
            8 => SdesKind::Private,
            other => SdesKind::Other(other),
        }
    }
}

/// Appends a source description that gives `ssrc` its canonical name, cut after 255 octets.
pub fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &[u8]) {
    write_source_description(out, ssrc, &[SdesItem { kind: SdesKind::Cname, text: cname }]);
}

/// Appends a source description of one source; each item is cut after 255 octets. An item of type 0
/// would be the end of the list and is left out.
pub fn write_source_description(out: &mut Vec<u8>, ssrc: u32, items: &[SdesItem<'_>]) {
    write_packet(out, packet_type::SOURCE_DESCRIPTION, 1, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        for item in items.iter().filter(|item| item.kind.to_wire() != 0) {
            let text = item.text.get(..255).unwrap_or(item.text);
            out.extend_from_slice(&[item.kind.to_wire(), text.len() as u8]);
            out.extend_from_slice(text);
        }
        // The list must end with a zero octet even when it ends on a word.
        out.push(0);
    });
}
