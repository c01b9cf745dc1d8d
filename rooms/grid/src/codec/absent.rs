//! The crate without the codec: there is never a decoder or an encoder.

use super::{Failed, Made};
use crate::OutputSettings;
use crate::frame::{Frame, FrameView};
use std::convert::Infallible;

#[derive(Debug)]
pub(crate) struct Decoder(Infallible);

impl Decoder {
    pub(crate) const fn new() -> Result<Self, Failed> {
        Err(Failed)
    }

    pub(crate) const fn decode(&mut self, _: &[u8], _: &mut Frame) -> Result<bool, Failed> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Encoder(Infallible);

impl Encoder {
    pub(crate) const fn new(_: OutputSettings, _: u32) -> Result<Self, Failed> {
        Err(Failed)
    }

    pub(crate) const fn set_rate(&mut self, _: u32, _: u32) {
        match self.0 {}
    }

    pub(crate) const fn encode(
        &mut self,
        _: &FrameView<'_>,
        _: u64,
        _: bool,
        _: &mut impl FnMut(Made<'_>),
    ) -> Result<(), Failed> {
        match self.0 {}
    }
}
