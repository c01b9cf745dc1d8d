//! From frames to fragments.

use crate::ebml::{UNKNOWN_SIZE, id, put_id, put_size};
use crate::tags::put_tags;
use crate::{Audio, Tags};
use std::fmt;
use std::time::Duration;

/// A key frame, no lacing (RFC 9559, section 10.2).
const BLOCK_FLAGS: u8 = 0x80;
/// Track number, relative timestamp and flags.
const BLOCK_HEAD: u64 = 4;

/// A piece of a stream that is whole in itself: Tags, if there are any, and a Cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// When its first sample was: milliseconds since 1970-01-01T00:00:00Z. Those of a stream only go
    /// forward.
    pub timecode_ms: u64,
    /// How long its samples last.
    pub duration: Duration,
    /// How many of its samples nobody sent, or were lost; there is silence in their places.
    pub missing_samples: u64,
    /// What is written, behind a head or another fragment.
    pub octets: Vec<u8>,
}

/// Makes fragments of frames.
///
/// Give it every frame in order with [`FragmentWriter::push`]; what is left at the end is
/// [`FragmentWriter::finish`]'s, the only fragment that may be shorter than the length asked for.
#[derive(Debug)]
pub struct FragmentWriter {
    audio: Audio,
    /// Samples from which on a fragment is complete.
    full: u64,
    length_ms: u64,
    /// Of the first fragment only.
    first: Option<Tags>,
    /// Of each that follows.
    every: Tags,
    open: Open,
    /// Frames that come later have later timecodes than this.
    last_ms: Option<u64>,
}

/// A fragment that is gathered.
#[derive(Default, Debug)]
struct Open {
    /// Of its first frame; none without a frame.
    timecode_ms: Option<u64>,
    blocks: Vec<u8>,
    samples: u64,
    missing: u64,
}

/// A frame is not later than the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotForward {
    /// The frame's, in milliseconds.
    pub timecode_ms: u64,
    /// What it has to be later than.
    pub last_ms: u64,
}

impl FragmentWriter {
    /// Fragments of `length` each, 1 to 20 seconds; what is less or more is taken for the nearer of
    /// these. The first one gets the tags `first`, all others `every`.
    pub fn new(audio: Audio, length: Duration, first: Tags, every: Tags) -> Self {
        let length = length.clamp(Duration::from_secs(1), Duration::from_secs(20));
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        FragmentWriter {
            audio,
            full: length_ms * u64::from(audio.sample_rate) / 1_000,
            length_ms,
            first: Some(first),
            every,
            open: Open::default(),
            last_ms: None,
        }
    }

    /// Adds a frame that begins at `timecode_ms` since 1970: whole samples as [`Audio`] writes them,
    /// `missing` of them nobody's. Returns the fragment that is complete with it, or before it when there
    /// is a hole in time between.
    ///
    /// # Errors
    /// [`NotForward`]; the frame is left out.
    pub fn push(
        &mut self,
        timecode_ms: u64,
        frame: &[u8],
        missing: u32,
    ) -> Result<Option<Fragment>, NotForward> {
        if let Some(last_ms) = self.last_ms.filter(|last| timecode_ms <= *last) {
            return Err(NotForward { timecode_ms, last_ms });
        }
        if frame.is_empty() {
            return Ok(None);
        }
        let began = self.open.timecode_ms.unwrap_or(timecode_ms);
        let is_over = timecode_ms - began >= self.length_ms || self.open.samples >= self.full;
        let before = if is_over { self.finish() } else { None };
        self.last_ms = Some(timecode_ms);
        self.open.add(timecode_ms, frame, missing, self.audio.sample_octets());
        if before.is_none() && self.open.samples >= self.full {
            return Ok(self.finish());
        }
        Ok(before)
    }

    /// The fragment that was begun.
    pub fn finish(&mut self) -> Option<Fragment> {
        let timecode_ms = self.open.timecode_ms?;
        let blocks = self.open.blocks.len();
        let open = std::mem::replace(
            &mut self.open,
            Open { blocks: Vec::with_capacity(blocks), ..Open::default() },
        );
        let first = self.first.take();
        let tags = first.as_ref().unwrap_or(&self.every);
        let mut octets = Vec::with_capacity(open.blocks.len() + 512);
        put_tags(&mut octets, tags, open.missing);
        put_id(&mut octets, id::CLUSTER);
        octets.extend_from_slice(&UNKNOWN_SIZE);
        put_id(&mut octets, id::TIMESTAMP);
        put_size(&mut octets, 8);
        octets.extend_from_slice(&timecode_ms.to_be_bytes());
        octets.extend_from_slice(&open.blocks);
        let nanos = open.samples.saturating_mul(1_000_000_000);
        Some(Fragment {
            timecode_ms,
            duration: Duration::from_nanos(nanos / u64::from(self.audio.sample_rate.max(1))),
            missing_samples: open.missing,
            octets,
        })
    }
}

impl Open {
    fn add(&mut self, timecode_ms: u64, frame: &[u8], missing: u32, sample_octets: usize) {
        let began = *self.timecode_ms.get_or_insert(timecode_ms);
        // Less than a fragment's length: 20 s at most.
        let relative = i16::try_from(timecode_ms - began).unwrap_or(i16::MAX);
        put_id(&mut self.blocks, id::SIMPLE_BLOCK);
        put_size(&mut self.blocks, BLOCK_HEAD + frame.len() as u64);
        // Track 1 as a variable-size integer.
        self.blocks.push(0x81);
        self.blocks.extend_from_slice(&relative.to_be_bytes());
        self.blocks.push(BLOCK_FLAGS);
        self.blocks.extend_from_slice(frame);
        self.samples += (frame.len() / sample_octets) as u64;
        self.missing += u64::from(missing);
    }
}

impl fmt::Display for NotForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotForward { timecode_ms, last_ms } = self;
        write!(f, "a frame at {timecode_ms} ms follows on one at {last_ms} ms")
    }
}

impl std::error::Error for NotForward {}

#[cfg(test)]
mod tests;
