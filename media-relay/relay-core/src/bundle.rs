//! Which of the lines that share a transport a datagram is for (RFC 9143 section 9.2): a line is told by the
//! `a=mid` in its packets, by a source that was it before, or by a payload type that no other line has.
//!
//! Each line's stream decrypts by itself, under the same keys, so that what is looked at here is not proven:
//! a source is remembered only once its stream has taken a packet of it.

use model::{BundledLine, CodecMapping, LONGEST_MID, MAX_CALL_LINES};
use rtp_proto::{DatagramKind, RtpHead, demultiplex, write_element};

/// Lines of one transport.
pub const BUNDLED_LINES: usize = MAX_CALL_LINES;
/// Octets of the longest header extension with a mid.
pub(crate) const LONGEST_EXTENSION: usize = 4 + (2 + LONGEST_MID).next_multiple_of(4);
/// Sources that are remembered. Full: the one that was learnt the longest ago goes, and comes back with a mid
/// or a payload type of its own.
const SOURCES: usize = 16;

/// The lines of one transport, and the sources that were heard of each. Fixed in size.
#[derive(Clone, Default, Debug)]
pub struct Bundle {
    lines: [Option<Line>; BUNDLED_LINES],
    /// With the line's place.
    sources: [Option<(u32, u8)>; SOURCES],
    /// The place of the source that is forgotten next.
    oldest: usize,
}

/// How packets of a line are known.
#[derive(Clone, Debug)]
struct Line {
    mid: [u8; LONGEST_MID],
    mid_octets: usize,
    mid_extension: Option<u8>,
    /// A bit for each payload type.
    payload_types: u128,
}

/// Whose a datagram is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BundleRoute {
    /// RTP of the line at this place, from this source.
    Line {
        /// Its place.
        place: usize,
        /// The source, for [`Bundle::learn`].
        ssrc: u32,
    },
    /// RTCP, which may be about any of them.
    Every,
    /// The transport's own: checks, handshakes, and what is neither media nor these.
    Transport,
    /// RTP of no line.
    Nobody,
}

impl Bundle {
    /// From now on a line is known so at a place, below [`BUNDLED_LINES`]. Sources that were heard of it stay
    /// where it has the same mid.
    pub fn set(&mut self, place: usize, line: &BundledLine, formats: &[CodecMapping]) {
        let line = Line::new(line, formats);
        let Some(slot) = self.lines.get_mut(place) else { return };
        let is_other = slot.as_ref().is_some_and(|before| before.mid() != line.mid());
        *slot = Some(line);
        if is_other {
            self.forget_sources(place);
        }
    }

    /// No line is at a place any more.
    pub fn remove(&mut self, place: usize) {
        if let Some(slot) = self.lines.get_mut(place) {
            *slot = None;
            self.forget_sources(place);
        }
    }

    /// Whose a datagram is.
    #[inline]
    pub fn route(&self, datagram: &[u8]) -> BundleRoute {
        match demultiplex(datagram) {
            DatagramKind::Rtcp => BundleRoute::Every,
            DatagramKind::Rtp => match RtpHead::read(datagram) {
                Ok(head) => self.line_of(&head).map_or(BundleRoute::Nobody, |place| {
                    BundleRoute::Line { place, ssrc: head.ssrc }
                }),
                Err(_) => BundleRoute::Nobody,
            },
            _ => BundleRoute::Transport,
        }
    }

    fn line_of(&self, head: &RtpHead<'_>) -> Option<usize> {
        if let Some(extension) = &head.extension {
            let mut says = false;
            for (place, line) in self.present() {
                let said = line.mid_extension.and_then(|id| extension.element(id));
                if said == Some(line.mid()) {
                    return Some(place);
                }
                says |= said.is_some();
            }
            if says {
                return None;
            }
        }
        self.known(head.ssrc).or_else(|| self.only(head.payload_type))
    }

    /// The line that a source was heard of.
    fn known(&self, ssrc: u32) -> Option<usize> {
        let mut sources = self.sources.iter().flatten();
        sources.find(|(known, _)| *known == ssrc).map(|(_, place)| usize::from(*place))
    }

    /// The only line with a payload type.
    fn only(&self, payload_type: u8) -> Option<usize> {
        let mut having = self.present().filter(|(_, line)| line.has(payload_type));
        let (place, _) = having.next()?;
        having.next().is_none().then_some(place)
    }

    fn present(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().filter_map(|(place, line)| Some((place, line.as_ref()?)))
    }

    /// A packet of a source has been taken by the line at a place.
    #[inline]
    pub fn learn(&mut self, ssrc: u32, place: usize) {
        let Ok(place) = u8::try_from(place) else { return };
        let known = |source: &Option<(u32, u8)>| source.is_some_and(|(known, _)| known == ssrc);
        if let Some(source) = self.sources.iter_mut().find(|source| known(source)) {
            *source = Some((ssrc, place));
            return;
        }
        let free = self.sources.iter().position(Option::is_none);
        let at = free.unwrap_or(self.oldest);
        if let Some(source) = self.sources.get_mut(at) {
            *source = Some((ssrc, place));
        }
        if free.is_none() {
            self.oldest = (self.oldest + 1) % SOURCES;
        }
    }

    fn forget_sources(&mut self, place: usize) {
        for source in &mut self.sources {
            source.take_if(|(_, of)| usize::from(*of) == place);
        }
    }
}

impl Line {
    /// Of a mid that is longer than any may be, the beginning: it is no packet's.
    fn new(line: &BundledLine, formats: &[CodecMapping]) -> Self {
        let mut mid = [0; LONGEST_MID];
        let mid_octets = line.mid.len().min(LONGEST_MID);
        for (to, from) in mid.iter_mut().zip(line.mid.bytes()) {
            *to = from;
        }
        let numbers = formats.iter().filter_map(|one| 1_u128.checked_shl(one.payload_type.into()));
        let payload_types = numbers.fold(0, |all, bit| all | bit);
        Line { mid, mid_octets, mid_extension: line.mid_extension, payload_types }
    }

    fn mid(&self) -> &[u8] {
        self.mid.get(..self.mid_octets).unwrap_or_default()
    }

    fn has(&self, payload_type: u8) -> bool {
        self.payload_types >> (payload_type & 0x7f) & 1 != 0
    }
}

/// The header extension that says a line's mid, as it stands in packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MidExtension {
    octets: [u8; LONGEST_EXTENSION],
    len: usize,
}

impl MidExtension {
    /// `None` where it was not agreed.
    pub(crate) fn of(line: &BundledLine) -> Option<Self> {
        let mut octets = [0; LONGEST_EXTENSION];
        let mid = line.mid.as_bytes();
        let mid = mid.get(..LONGEST_MID.min(mid.len()))?;
        let len = write_element(&mut octets, line.mid_extension?, mid)?;
        Some(MidExtension { octets, len })
    }

    /// Puts it behind the fixed header of the packet in the first `len` octets of `buffer`; the length then. What
    /// has an extension or contributing sources stays as it is. `None` without room.
    #[inline]
    pub(crate) fn put(&self, buffer: &mut [u8], len: usize) -> Option<usize> {
        const FIXED: usize = rtp_proto::RtpHeader::BYTES;
        const EXTENSION_BIT: u8 = 0x10;
        const SOURCES: u8 = 0x0f;
        if buffer.first()? & (EXTENSION_BIT | SOURCES) != 0 {
            return Some(len);
        }
        let grown = len + self.len;
        if buffer.len() < grown || len < FIXED {
            return None;
        }
        buffer.copy_within(FIXED..len, FIXED + self.len);
        *buffer.first_mut()? |= EXTENSION_BIT;
        let place = buffer.get_mut(FIXED..FIXED + self.len)?;
        place.copy_from_slice(self.octets.get(..self.len)?);
        Some(grown)
    }
}

#[cfg(test)]
mod tests;
