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
    sources: [Option<Source>; SOURCES],
    /// The place of the source that is forgotten next.
    oldest: usize,
}

/// A source that was heard.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    of: Heard,
}

/// Of which line a source was heard last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    /// The one at this place.
    Line(u8),
    /// One that has ended, with this mid. What still comes of it is nobody's: a line of the same payload type may
    /// go on, and who was heard once says no mid any more.
    Ended(Mid),
}

/// A mid, of [`LONGEST_MID`] octets at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mid {
    octets: [u8; LONGEST_MID],
    len: usize,
}

/// How packets of a line are known.
#[derive(Clone, Debug)]
struct Line {
    mid: Mid,
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
    /// where it has the same mid, and are its own again where it had ended.
    pub fn set(&mut self, place: usize, line: &BundledLine, formats: &[CodecMapping]) {
        let line = Line::new(line, formats);
        let Some(slot) = self.lines.get_mut(place) else { return };
        if slot.as_ref().is_some_and(|before| before.mid == line.mid) {
            *slot = Some(line);
            return;
        }
        self.remove(place);
        self.revive(place, &line);
        if let Some(slot) = self.lines.get_mut(place) {
            *slot = Some(line);
        }
    }

    /// No line is at a place any more.
    pub fn remove(&mut self, place: usize) {
        let Some(line) = self.lines.get_mut(place).and_then(Option::take) else { return };
        for source in self.sources.iter_mut().flatten() {
            if source.of.place() == Some(place) {
                source.of = Heard::Ended(line.mid);
            }
        }
    }

    /// A line begins at a place. Of a line whose packets say no mid any ended source may be.
    fn revive(&mut self, place: usize, line: &Line) {
        for slot in &mut self.sources {
            let Some(Source { ssrc, of: Heard::Ended(mid) }) = *slot else { continue };
            if mid == line.mid {
                *slot = Some(Source { ssrc, of: Heard::line(place) });
            } else if line.mid_extension.is_none() {
                *slot = None;
            }
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
                if said == Some(line.mid.octets()) {
                    return Some(place);
                }
                says |= said.is_some();
            }
            if says {
                return None;
            }
        }
        match self.sources.iter().flatten().find(|source| source.ssrc == head.ssrc) {
            Some(source) => source.of.place(),
            None => self.only(head.payload_type),
        }
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
        let of = Heard::line(place);
        if let Some(source) = self.sources.iter_mut().flatten().find(|source| source.ssrc == ssrc) {
            source.of = of;
            return;
        }
        let free = self.sources.iter().position(Option::is_none);
        let at = free.unwrap_or(self.oldest);
        if let Some(source) = self.sources.get_mut(at) {
            *source = Some(Source { ssrc, of });
        }
        if free.is_none() {
            self.oldest = (self.oldest + 1) % SOURCES;
        }
    }
}

impl Heard {
    /// Places are few.
    fn line(place: usize) -> Self {
        Heard::Line(place.min(usize::from(u8::MAX)) as u8)
    }

    /// The line's place, if it is there.
    fn place(self) -> Option<usize> {
        match self {
            Heard::Line(place) => Some(place.into()),
            Heard::Ended(_) => None,
        }
    }
}

impl Mid {
    /// Of one that is longer than any may be, the beginning: it is no packet's.
    fn new(mid: &str) -> Self {
        let mut octets = [0; LONGEST_MID];
        for (to, from) in octets.iter_mut().zip(mid.bytes()) {
            *to = from;
        }
        Mid { octets, len: mid.len().min(LONGEST_MID) }
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl Line {
    fn new(line: &BundledLine, formats: &[CodecMapping]) -> Self {
        let numbers = formats.iter().filter_map(|one| 1_u128.checked_shl(one.payload_type.into()));
        let payload_types = numbers.fold(0, |all, bit| all | bit);
        let (mid, mid_extension) = (Mid::new(&line.mid), line.mid_extension);
        Line { mid, mid_extension, payload_types }
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
