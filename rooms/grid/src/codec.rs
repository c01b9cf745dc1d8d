//! The codec: OpenH264, where the crate is built with it.

#[cfg(not(feature = "openh264"))]
mod absent;
#[cfg(feature = "openh264")]
mod decoder;
#[cfg(feature = "openh264")]
mod encoder;
#[cfg(feature = "openh264")]
mod tuning;

#[cfg(not(feature = "openh264"))]
pub(crate) use absent::{Decoder, Encoder};
#[cfg(feature = "openh264")]
pub(crate) use decoder::Decoder;
#[cfg(feature = "openh264")]
pub(crate) use encoder::Encoder;

/// Whether there is one.
pub(crate) const IS_BUILT: bool = cfg!(feature = "openh264");

/// It did not do what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed;

/// One unit that an encoder has made, without a start code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) unit: &'a [u8],
    pub(crate) ends_picture: bool,
    pub(crate) is_key: bool,
}
