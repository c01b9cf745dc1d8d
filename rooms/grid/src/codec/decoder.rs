//! Decodes pictures of one source.

use super::Failed;
use crate::MOST_PICTURE;
use crate::frame::{Frame, FrameView};
use openh264::formats::YUVSource as _;

/// A decoder. What it is given has been looked at by [`crate::access_units`]: it allocates what a sequence parameter
/// set says.
pub(crate) struct Decoder {
    inner: openh264::decoder::Decoder,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// One that has seen nothing. Nothing is concealed: a picture is whole, or there is none.
    pub(crate) fn new() -> Result<Self, Failed> {
        openh264::decoder::Decoder::new().map(|inner| Decoder { inner }).map_err(|_| Failed)
    }

    /// Decodes the units of a picture; whether `into` is a new one.
    pub(crate) fn decode(&mut self, units: &[u8], into: &mut Frame) -> Result<bool, Failed> {
        let Some(picture) = self.inner.decode(units).map_err(|_| Failed)? else {
            return Ok(false);
        };
        let size = picture.dimensions();
        let macroblocks = size.0.div_ceil(16) * size.1.div_ceil(16);
        if macroblocks > MOST_PICTURE as usize {
            return Err(Failed);
        }
        let (luma, blue, red) = picture.strides();
        let planes = [(picture.y(), luma), (picture.u(), blue), (picture.v(), red)];
        if into.copy(&FrameView { size, planes }) { Ok(true) } else { Err(Failed) }
    }
}
