//! Frames on the stream: four octets of length, most significant first, and as many octets.

use std::fmt;

/// The longest frame. A plan of many streams has some kilobytes, an order to play what an application
/// wants heard 8 MiB.
pub const FRAME_MAX: usize = 9 * 1024 * 1024;
const HEAD: usize = 4;

/// The stream is not one of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// A frame that claims to be longer than [`FRAME_MAX`], or to be empty.
    Length(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Length(length) => write!(f, "a frame of {length} octets"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Takes octets as they come and gives whole frames. Holds one frame at most beside what was last
/// pushed.
#[derive(Debug, Default)]
pub struct Frames {
    octets: Vec<u8>,
    /// Octets at the front that were given out.
    taken: usize,
}

impl Frames {
    /// Adds what came.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.taken);
        self.taken = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The next whole frame, without its head.
    ///
    /// # Errors
    /// [`FrameError`]; nothing more can be read after it.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = self.octets.get(self.taken..).unwrap_or_default();
        let Some((head, body)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head);
        let octets = usize::try_from(length).unwrap_or(usize::MAX);
        if octets == 0 || octets > FRAME_MAX {
            return Err(FrameError::Length(length));
        }
        let Some(frame) = body.get(..octets) else { return Ok(None) };
        self.taken += HEAD + octets;
        Ok(Some(frame))
    }
}

/// Begins a frame at the end of `out`; [`finish`] writes its length.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    start
}

/// Ends the frame that began at `start`; whether it is short enough. Otherwise it is taken back.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize) -> bool {
    let octets = out.len().saturating_sub(start + HEAD);
    let length = u32::try_from(octets).unwrap_or(u32::MAX);
    let head = out.get_mut(start..).and_then(|frame| frame.first_chunk_mut::<HEAD>());
    match head {
        Some(head) if octets <= FRAME_MAX && octets > 0 => {
            *head = length.to_be_bytes();
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}
