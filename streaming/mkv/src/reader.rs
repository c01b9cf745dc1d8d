//! Streams read: what [`FragmentWriter`](crate::FragmentWriter) or another producer wrote.

mod block;
mod malformed;
mod master;

pub use malformed::Malformed;

use crate::Tag;
use crate::ebml::{ElementHead, NoHead, element_head, id, unsigned};
use std::ops::Range;

/// Octets of an element that is kept whole: a block, tags, tracks. Larger ones are refused, unless
/// nothing of them is needed: those are passed over.
pub(crate) const MAX_ELEMENT: u64 = 1 << 20;
/// Tracks of a stream.
const MAX_TRACKS: usize = 16;

/// A track of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// By which its blocks name it.
    pub number: u64,
    /// Its name; empty without one.
    pub name: Box<str>,
    /// What its blocks hold.
    pub codec: Codec,
    /// Samples a second, 0 where it has none.
    pub sample_rate: u32,
    /// Samples of one instant, side by side.
    pub channels: u32,
}

/// What a track's blocks hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Codec {
    /// Signed samples of 16 bits, the low octet first.
    LinearLittle,
    /// Signed samples of 16 bits, the high octet first.
    LinearBig,
    /// G.711 µ-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
    /// Something else, by its codec ID; what its blocks hold is not looked at.
    Other(Box<str>),
}

impl Codec {
    /// Octets of one sample of one channel, where all samples have the same.
    pub fn sample_octets(&self) -> Option<usize> {
        match self {
            Codec::LinearLittle | Codec::LinearBig => Some(2),
            Codec::MuLaw | Codec::ALaw => Some(1),
            Codec::Other(_) => None,
        }
    }
}

/// What is next in a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// The tracks of what follows. A stream may begin anew behind any fragment, with a head of its own.
    Tracks(&'a [Track]),
    /// Tags: of the fragment that follows, as Kinesis Video Streams takes them.
    Tags(Vec<Tag>),
    /// A fragment begins.
    Fragment {
        /// Nanoseconds since 1970-01-01T00:00:00Z where the producer's timecodes are absolute.
        timecode_ns: u64,
    },
    /// Samples of a track, or one unit of another codec.
    Block {
        /// [`Track::number`].
        track: u64,
        /// When its first sample was.
        timecode_ns: u64,
        /// As [`Codec`] says.
        payload: &'a [u8],
    },
}

/// Reads a stream in pieces of any size.
///
/// [`Reader::push`] a piece, then [`Reader::poll`] until it gives nothing more; at the end
/// [`Reader::finish`]. After [`Malformed`] nothing more comes. It holds at most the last piece and
/// 1 MiB.
#[derive(Default, Debug)]
pub struct Reader {
    buffer: Vec<u8>,
    /// What of the buffer was read.
    read: usize,
    /// Octets before `read` in the whole stream.
    position: u64,
    /// Octets that are passed over.
    skip: u64,
    had_header: bool,
    segment: Option<Open>,
    cluster: Option<Cluster>,
    tracks: Vec<Track>,
    /// Nanoseconds of a unit of timestamps.
    scale: u64,
    last_fragment: Option<u64>,
    failed: Option<Malformed>,
}

/// An element whose children are read one by one.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where it ends, if it says so.
    end: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    open: Open,
    /// In units of the segment's scale.
    timestamp: Option<u64>,
}

/// What one element was.
enum Step {
    /// Nothing for the caller.
    Quiet,
    /// More octets are needed.
    Short,
    Tracks,
    Tags(Vec<Tag>),
    Fragment(u64),
    Block {
        track: u64,
        timecode_ns: u64,
        payload: Range<usize>,
    },
}

impl Reader {
    /// At the start of a stream.
    pub fn new() -> Self {
        Reader { scale: DEFAULT_SCALE, ..Reader::default() }
    }

    /// Adds what comes next.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.read.min(self.buffer.len()));
        self.read = 0;
        if self.failed.is_none() {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// What is next, `None` when more octets are needed to tell.
    ///
    /// # Errors
    /// [`Malformed`], and the same again from then on.
    pub fn poll(&mut self) -> Result<Option<Event<'_>>, Malformed> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        loop {
            match self.step() {
                Ok(Step::Quiet) => {}
                Ok(Step::Short) => return Ok(None),
                Ok(Step::Tracks) => return Ok(Some(Event::Tracks(&self.tracks))),
                Ok(Step::Tags(tags)) => return Ok(Some(Event::Tags(tags))),
                Ok(Step::Fragment(timecode_ns)) => {
                    return Ok(Some(Event::Fragment { timecode_ns }));
                }
                Ok(Step::Block { track, timecode_ns, payload }) => {
                    let payload = self.buffer.get(payload).unwrap_or_default();
                    return Ok(Some(Event::Block { track, timecode_ns, payload }));
                }
                Err(failure) => {
                    self.failed = Some(failure);
                    return Err(failure);
                }
            }
        }
    }

    /// Where the next element begins, in octets from the start of the stream.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// That the stream ends here. What was read before stays good.
    ///
    /// # Errors
    /// [`Malformed::Cut`] when an element has not come whole, or nothing came at all.
    pub fn finish(&self) -> Result<(), Malformed> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        let is_within = |open: Open| open.end.is_some_and(|end| self.position < end);
        let is_cut = !self.rest().is_empty()
            || self.skip > 0
            || !self.had_header
            || self.segment.is_some_and(is_within)
            || self.cluster.is_some_and(|cluster| is_within(cluster.open));
        if is_cut { Err(Malformed::Cut { at: self.position }) } else { Ok(()) }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.read..).unwrap_or_default()
    }

    fn advance(&mut self, octets: usize) {
        self.read += octets;
        self.position += octets as u64;
    }

    fn step(&mut self) -> Result<Step, Malformed> {
        if self.skip > 0 {
            let now = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.rest().len());
            self.advance(now);
            self.skip -= now as u64;
            return Ok(if self.skip > 0 { Step::Short } else { Step::Quiet });
        }
        self.close_what_ends_here();
        let at = self.position;
        let head = match element_head(self.rest()) {
            Ok(head) => head,
            Err(NoHead::Short) => return Ok(Step::Short),
            Err(NoHead::Invalid) => return Err(Malformed::NotEbml { at }),
        };
        if self.closes_by(head.id)? {
            return Ok(Step::Quiet);
        }
        self.check_within(&head)?;
        match (self.segment.is_some(), self.cluster.is_some()) {
            (false, _) => self.top(head),
            (true, false) => self.in_segment(head),
            (true, true) => self.in_cluster(head),
        }
    }

    fn close_what_ends_here(&mut self) {
        let position = self.position;
        self.cluster = self.cluster.filter(|cluster| cluster.open.end != Some(position));
        self.segment = self.segment.filter(|segment| segment.end != Some(position));
    }

    /// An element of unknown size ends where one comes that cannot be in it (RFC 8794, section 6.2).
    fn closes_by(&mut self, next: u32) -> Result<bool, Malformed> {
        let is_root = matches!(next, id::EBML | id::SEGMENT);
        let misplaced = Malformed::Misplaced { id: next, at: self.position };
        if let Some(cluster) = self.cluster {
            if !is_root && !is_of_segment(next) {
                return Ok(false);
            }
            self.cluster = None;
            return if cluster.open.end.is_none() { Ok(true) } else { Err(misplaced) };
        }
        match self.segment {
            Some(segment) if is_root => {
                self.segment = None;
                if segment.end.is_none() { Ok(true) } else { Err(misplaced) }
            }
            _ => Ok(false),
        }
    }

    /// No element ends behind the one that it is in, and only two kinds may be of unknown size.
    fn check_within(&self, head: &ElementHead) -> Result<(), Malformed> {
        let at = self.position;
        let Some(size) = head.size else {
            let may = matches!(head.id, id::SEGMENT | id::CLUSTER);
            return if may { Ok(()) } else { Err(Malformed::UnknownSize { id: head.id, at }) };
        };
        let outer = self.cluster.and_then(|cluster| cluster.open.end);
        let outer = outer.or(self.segment.and_then(|segment| segment.end));
        // A size has 56 bits, a position counts what was read: no sum overflows.
        let end = at.saturating_add(head.octets as u64).saturating_add(size);
        if outer.is_some_and(|outer| end > outer) {
            return Err(Malformed::TooLong { id: head.id, at });
        }
        Ok(())
    }

    fn top(&mut self, head: ElementHead) -> Result<Step, Malformed> {
        match head.id {
            id::EBML => self.whole(head, |reader, payload| {
                master::check_header(reader.slice(&payload), reader.position)?;
                reader.had_header = true;
                Ok(Step::Quiet)
            }),
            id::SEGMENT if self.had_header => {
                self.segment = Some(self.enter(head));
                self.tracks.clear();
                self.scale = DEFAULT_SCALE;
                self.last_fragment = None;
                Ok(Step::Quiet)
            }
            VOID | CRC_32 if self.had_header => Ok(self.pass_over(head)),
            id => Err(Malformed::Misplaced { id, at: self.position }),
        }
    }

    fn in_segment(&mut self, head: ElementHead) -> Result<Step, Malformed> {
        match head.id {
            id::INFO => self.whole(head, |reader, payload| {
                reader.scale = master::timestamp_scale(reader.slice(&payload), reader.position)?;
                Ok(Step::Quiet)
            }),
            id::TRACKS => self.whole(head, |reader, payload| {
                reader.tracks =
                    master::tracks(reader.slice(&payload), reader.position, MAX_TRACKS)?;
                Ok(Step::Tracks)
            }),
            id::TAGS => self.whole(head, |reader, payload| {
                master::tags(reader.slice(&payload), reader.position).map(Step::Tags)
            }),
            id::CLUSTER if self.tracks.is_empty() => {
                Err(Malformed::Misplaced { id: head.id, at: self.position })
            }
            id::CLUSTER => {
                self.cluster = Some(Cluster { open: self.enter(head), timestamp: None });
                Ok(Step::Quiet)
            }
            _ => Ok(self.pass_over(head)),
        }
    }

    fn in_cluster(&mut self, head: ElementHead) -> Result<Step, Malformed> {
        match head.id {
            id::TIMESTAMP => self.whole(head, Self::begin_fragment),
            id::SIMPLE_BLOCK => self.whole(head, Self::block),
            id::BLOCK_GROUP => self.whole(head, |reader, payload| {
                let (group, at) = (reader.slice(&payload), reader.position);
                let inner = master::child(group, id::BLOCK, at)?;
                let inner = inner.ok_or(Malformed::Value { id: id::BLOCK_GROUP, at })?;
                let start = payload.start + inner.start;
                reader.block(start..payload.start + inner.end)
            }),
            _ => Ok(self.pass_over(head)),
        }
    }

    /// Hands an element's payload to `take` when all of it is there.
    fn whole(
        &mut self,
        head: ElementHead,
        take: impl FnOnce(&mut Self, Range<usize>) -> Result<Step, Malformed>,
    ) -> Result<Step, Malformed> {
        let size = head.size.filter(|size| *size <= MAX_ELEMENT);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or(Malformed::TooLarge { id: head.id, at: self.position })?;
        let whole = head.octets + size;
        if self.rest().len() < whole {
            return Ok(Step::Short);
        }
        let payload = self.read + head.octets..self.read + whole;
        let step = take(self, payload)?;
        self.advance(whole);
        Ok(step)
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// Reads the children of an element next.
    fn enter(&mut self, head: ElementHead) -> Open {
        self.advance(head.octets);
        Open { end: head.size.map(|size| self.position.saturating_add(size)) }
    }

    fn pass_over(&mut self, head: ElementHead) -> Step {
        self.advance(head.octets);
        self.skip = head.size.unwrap_or(0);
        Step::Quiet
    }

    fn begin_fragment(&mut self, payload: Range<usize>) -> Result<Step, Malformed> {
        let (at, id) = (self.position, id::TIMESTAMP);
        let value = unsigned(self.slice(&payload)).ok_or(Malformed::Value { id, at })?;
        let timecode_ns = value.checked_mul(self.scale).ok_or(Malformed::Value { id, at })?;
        let cluster = self.cluster.as_mut().filter(|cluster| cluster.timestamp.is_none());
        cluster.ok_or(Malformed::Misplaced { id, at })?.timestamp = Some(value);
        if self.last_fragment.is_some_and(|last| timecode_ns <= last) {
            return Err(Malformed::Backward { at });
        }
        self.last_fragment = Some(timecode_ns);
        Ok(Step::Fragment(timecode_ns))
    }

    fn block(&mut self, payload: Range<usize>) -> Result<Step, Malformed> {
        let at = self.position;
        let timestamp = self.cluster.and_then(|cluster| cluster.timestamp);
        // RFC 9559, section 5.1.3.1: the timestamp comes before any block.
        let timestamp = timestamp.ok_or(Malformed::Misplaced { id: id::SIMPLE_BLOCK, at })?;
        let block = block::parse(self.slice(&payload), at)?;
        let track = self.tracks.iter().find(|track| track.number == block.track);
        let track = track.ok_or(Malformed::NoSuchTrack { track: block.track, at })?;
        let octets = payload.end - payload.start - block.head;
        let unit = track.codec.sample_octets().map(|octets| octets * track.channels as usize);
        if unit.is_some_and(|unit| !octets.is_multiple_of(unit.max(1))) {
            return Err(Malformed::HalfSample { at });
        }
        let timecode_ns = timestamp
            .checked_add_signed(block.relative.into())
            .and_then(|time| time.checked_mul(self.scale))
            .ok_or(Malformed::Value { id: id::SIMPLE_BLOCK, at })?;
        let payload = payload.start + block.head..payload.end;
        Ok(Step::Block { track: block.track, timecode_ns, payload })
    }
}

/// Milliseconds, where a segment says nothing (RFC 9559, section 5.1.2.9).
const DEFAULT_SCALE: u64 = 1_000_000;
/// Elements that may stand anywhere (RFC 8794, section 11.3).
const VOID: u32 = 0xEC;
const CRC_32: u32 = 0xBF;

/// Stands directly in a segment, and nowhere else.
fn is_of_segment(id: u32) -> bool {
    matches!(
        id,
        id::SEEK_HEAD
            | id::INFO
            | id::TRACKS
            | id::TAGS
            | id::CLUSTER
            | id::CUES
            | id::CHAPTERS
            | id::ATTACHMENTS
    )
}

#[cfg(test)]
mod tests;
