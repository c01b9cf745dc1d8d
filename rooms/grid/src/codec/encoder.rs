//! Encodes composed pictures of one size: constrained baseline, in slices that fit into packets.

use super::{Failed, Made, tuning};
use crate::frame::FrameView;
use crate::{MOST_UNIT, OutputSettings};
use openh264::encoder::{
    BitRate, Complexity, EncodedBitStream, Encoder as Inner, EncoderConfig, FrameRate, FrameType,
    IntraFramePeriod, Profile, RateControlMode, SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSource;
use openh264::{OpenH264API, Timestamp};
use room_video::h264::{Level, nal_type};

/// Threads of one encoder: the calling one.
const THREADS: u16 = 1;

/// An encoder.
pub(crate) struct Encoder {
    inner: Inner,
    level: Level,
    /// bit/s and pictures a second, as it knows them.
    rate: (u32, u32),
    /// A unit whose level is another one.
    patched: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder of pictures of one size, at so many a second.
    pub(crate) fn new(settings: OutputSettings, per_second: u32) -> Result<Self, Failed> {
        let bits_per_second = settings.bits_per_second;
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(bits_per_second))
            .max_frame_rate(FrameRate::from_hz(per_second as f32))
            .skip_frames(true)
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .max_slice_len(MOST_UNIT as u32)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            // Key frames are asked for.
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            // A meeting's picture is one scene; a tile more or less costs what it costs.
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .num_threads(THREADS);
        let inner = Inner::with_api_config(OpenH264API::from_source(), config);
        let mut inner = inner.map_err(|_| Failed)?;
        tuning::silence(&mut inner);
        let rate = (bits_per_second, per_second);
        Ok(Encoder { inner, level: settings.level, rate, patched: Vec::new() })
    }

    /// From the next picture on so many bit/s, and so many pictures a second.
    pub(crate) fn set_rate(&mut self, bits_per_second: u32, per_second: u32) {
        if self.rate != (bits_per_second, per_second)
            && tuning::set_rate(&mut self.inner, self.rate.0, bits_per_second, per_second)
        {
            self.rate = (bits_per_second, per_second);
        }
    }

    /// Encodes a picture that is shown at `millis`, as a key frame or as what suits; `made` is given its units. To
    /// keep the rate it may leave a picture out: then there is none.
    pub(crate) fn encode(
        &mut self,
        picture: &FrameView<'_>,
        millis: u64,
        is_key: bool,
        made: &mut impl FnMut(Made<'_>),
    ) -> Result<(), Failed> {
        if is_key {
            self.inner.force_intra_frame();
        }
        let stream = self.inner.encode_at(&Source(picture), Timestamp::from_millis(millis));
        let stream = stream.map_err(|_| Failed)?;
        let is_key = match stream.frame_type() {
            FrameType::IDR => true,
            FrameType::I | FrameType::P | FrameType::IPMixed => false,
            FrameType::Skip => return Ok(()),
            FrameType::Invalid => return Err(Failed),
        };
        // Units that fit into no packet would be lost to whoever takes single units alone.
        if units(&stream, |_, unit| unit.len() > MOST_UNIT) {
            return Err(Failed);
        }
        let (level, patched) = (self.level, &mut self.patched);
        units(&stream, |ends_picture, unit| {
            made(Made { unit: with_level(patched, unit, level), ends_picture, is_key });
            false
        });
        Ok(())
    }
}

/// Shows `look` each unit of a picture, without its start code, and whether it is the last, until it says `true`;
/// whether it did.
fn units(stream: &EncodedBitStream<'_>, mut look: impl FnMut(bool, &[u8]) -> bool) -> bool {
    let layers = stream.num_layers();
    for number in 0..layers {
        let Some(layer) = stream.layer(number) else { return false };
        let count = layer.nal_count();
        for at in 0..count {
            let Some(unit) = layer.nal_unit(at) else { return false };
            let unit = unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1]));
            let is_last = number + 1 == layers && at + 1 == count;
            if look(is_last, unit.unwrap_or_default()) {
                return true;
            }
        }
    }
    false
}

/// A sequence parameter set says no higher level than the least of those who see it: the encoder goes by bit rates that it
/// might reach, and whoever opened the grid has seen to it that the size fits ([`crate::GridSize::fits`]).
fn with_level<'a>(patched: &'a mut Vec<u8>, unit: &'a [u8], level: Level) -> &'a [u8] {
    let is_set = unit.first().is_some_and(|header| header & 0x1f == nal_type::SPS);
    if !is_set || unit.get(3).is_none_or(|idc| *idc <= level.idc()) {
        return unit;
    }
    patched.clear();
    patched.extend_from_slice(unit);
    if let Some(idc) = patched.get_mut(3) {
        *idc = level.idc();
    }
    patched
}

/// A picture as the encoder reads it.
struct Source<'a>(&'a FrameView<'a>);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        self.0.size
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [(_, luma), (_, blue), (_, red)] = self.0.planes;
        (luma, blue, red)
    }

    fn y(&self) -> &[u8] {
        self.0.planes[0].0
    }

    fn u(&self) -> &[u8] {
        self.0.planes[1].0
    }

    fn v(&self) -> &[u8] {
        self.0.planes[2].0
    }
}
