//! What the crate `openh264` has no safe way for: another bit rate of an encoder that is at work, and no
//! remarks on standard error while it begins.
#![expect(unsafe_code, reason = "options of the encoder; the block states why it is sound")]

use openh264::encoder::Encoder;
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_MAX_BITRATE,
    ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};
use std::ffi::{c_int, c_void};

/// So many bit/s (`before` until now) and pictures a second, for an encoder that has encoded a picture; whether
/// it took them.
pub(super) fn set_rate(
    encoder: &mut Encoder,
    before: u32,
    bits_per_second: u32,
    per_second: u32,
) -> bool {
    let bits = c_int::try_from(bits_per_second).unwrap_or(c_int::MAX);
    // What is aimed at is of the whole stream, the most of its only layer.
    let aim = (ENCODER_OPTION_BITRATE, SPATIAL_LAYER_ALL);
    let most = (ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_0);
    // The one is never more than the other.
    let options = if bits_per_second > before { [most, aim] } else { [aim, most] };
    let taken = options.map(|(option, layer)| {
        let mut rate = SBitrateInfo { iLayer: layer, iBitrate: bits };
        set(encoder, option, (&raw mut rate).cast())
    });
    let mut frames = per_second as f32;
    let frames = set(encoder, ENCODER_OPTION_FRAME_RATE, (&raw mut frames).cast());
    frames && taken == [true, true]
}

/// It says nothing: what it has to say to its settings is known, and nobody reads it.
pub(super) fn silence(encoder: &mut Encoder) {
    let mut level: c_int = WELS_LOG_QUIET;
    set(encoder, ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast());
}

/// `value` is valid for reads and writes of what the option takes.
fn set(encoder: &mut Encoder, option: ENCODER_OPTION, value: *mut c_void) -> bool {
    // SAFETY: the encoder lives; it copies what `value` points to, an SBitrateInfo, a float or an int of
    // this call's caller in this file, and keeps no pointer. None of these options is one that the crate relies on: it
    // sets them once, before the first picture.
    unsafe { encoder.raw_api().set_option(option, value) == 0 }
}
