//! What a room and its participants are told when they begin.

use codecs::AudioFormat;
use std::fmt;
use std::ops::RangeInclusive;

/// Participants of one room.
pub const MAX_PARTICIPANTS: usize = 500;
/// Participants up to whom a room is small: each may have more of a line.
pub const SMALL_ROOM: usize = 8;
/// Formats that one participant may send by turns.
pub const MAX_FORMATS: usize = 4;
/// Payload types of telephone-event that one participant may have.
const MAX_EVENTS: usize = 4;
/// How many may be heard at once.
const VOICES: RangeInclusive<usize> = 1..=16;
/// Bits a second of Opus.
const BITRATES: RangeInclusive<u32> = 6_000..=128_000;

/// Names a participant; chosen by the caller, unique in its room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParticipantId(pub u64);

/// What is recorded of a room.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Record {
    /// The sum of all that is heard.
    pub mix: bool,
    /// Each participant alone.
    pub each: bool,
}

/// A room's settings. Out of their bounds they count as the nearest within.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RoomConfig {
    /// How many are heard at once, 1 to 16; of more the loudest.
    pub voices: usize,
    /// Bits a second of an Opus payload, 6,000 to 128,000.
    pub opus_bitrate: u32,
    /// The same while there are at most two participants.
    pub opus_pair_bitrate: u32,
    /// The same while there are more than [`SMALL_ROOM`].
    pub opus_crowd_bitrate: u32,
    /// How much work Opus encoders do, 0 to 10.
    pub opus_complexity: u8,
    /// While nobody is heard, Opus and formats with comfort noise send a packet in 400 ms.
    pub discontinuous: bool,
    /// What is heard while nobody is, in -dBov; 127 is silence.
    pub comfort_noise: u8,
    /// What is recorded.
    pub record: Record,
}

impl Default for RoomConfig {
    fn default() -> Self {
        RoomConfig {
            voices: 5,
            opus_bitrate: 24_000,
            opus_pair_bitrate: 32_000,
            opus_crowd_bitrate: 16_000,
            opus_complexity: 5,
            discontinuous: true,
            comfort_noise: 68,
            record: Record::default(),
        }
    }
}

impl RoomConfig {
    pub(crate) fn bounded(self) -> Self {
        let bitrate = |bits: u32| bits.clamp(*BITRATES.start(), *BITRATES.end());
        RoomConfig {
            voices: self.voices.clamp(*VOICES.start(), *VOICES.end()),
            opus_bitrate: bitrate(self.opus_bitrate),
            opus_pair_bitrate: bitrate(self.opus_pair_bitrate),
            opus_crowd_bitrate: bitrate(self.opus_crowd_bitrate),
            opus_complexity: self.opus_complexity.min(10),
            comfort_noise: self.comfort_noise.min(127),
            ..self
        }
    }
}

/// What a participant's packets may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiveFormats {
    /// Payload types and their formats, one to [`MAX_FORMATS`].
    pub audio: Vec<(u8, AudioFormat)>,
    /// Payload types of telephone-event (RFC 4733), at most four.
    pub telephone_events: Vec<u8>,
    /// The payload type of comfort noise (RFC 3389), usually 13.
    pub comfort_noise: Option<u8>,
}

impl ReceiveFormats {
    /// One format and nothing else.
    pub fn one(payload_type: u8, format: AudioFormat) -> Self {
        let audio = vec![(payload_type, format)];
        ReceiveFormats { audio, telephone_events: Vec::new(), comfort_noise: None }
    }

    pub(crate) fn check(&self) -> Result<(), JoinError> {
        if self.audio.is_empty() {
            return Err(JoinError::NoFormat);
        }
        if self.audio.len() > MAX_FORMATS || self.telephone_events.len() > MAX_EVENTS {
            return Err(JoinError::TooManyFormats);
        }
        if !self.audio.iter().all(|(_, format)| is_known(*format)) {
            return Err(JoinError::NoFormat);
        }
        let events = self.telephone_events.iter().copied();
        let all = self.audio.iter().map(|(number, _)| *number).chain(events);
        let mut seen = 0_u128;
        for number in all.chain(self.comfort_noise) {
            let bit =
                1_u128.checked_shl(u32::from(number)).ok_or(JoinError::PayloadType(number))?;
            if seen & bit != 0 {
                return Err(JoinError::PayloadType(number));
            }
            seen |= bit;
        }
        Ok(())
    }
}

/// Whether the sample rate is one that is worked with.
pub(crate) fn is_known(format: AudioFormat) -> bool {
    matches!(format.sample_rate(), 8_000 | 16_000 | 48_000)
}

/// Where a participant's packets say how loud they are (RFC 6464), one-byte form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoudnessExtension(pub u8);

/// What a participant sends and is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// What it sends.
    pub receive: ReceiveFormats,
    /// The payload type of what it is sent.
    pub payload_type: u8,
    /// The format of what it is sent.
    pub format: AudioFormat,
    /// The duration of packets that it asks for, in ms; it gets the longest of 60, 40, 20 and 10 that
    /// is not longer and that the format and a path of 1,500 octets take.
    pub packet_ms: u32,
    /// The payload type of comfort noise that it may be sent (RFC 3389); not for Opus.
    pub comfort_noise: Option<u8>,
    /// Which header extension tells loudness, if it was agreed on.
    pub loudness: Option<LoudnessExtension>,
}

impl Format {
    /// The same format both ways, in packets of 20 ms.
    pub fn symmetric(payload_type: u8, format: AudioFormat) -> Self {
        Format {
            receive: ReceiveFormats::one(payload_type, format),
            payload_type,
            format,
            packet_ms: 20,
            comfort_noise: None,
            loudness: None,
        }
    }
}

/// Why a participant cannot join. The caller's mistake, but for [`JoinError::Full`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinError {
    /// [`MAX_PARTICIPANTS`] are there.
    Full,
    /// This one is there already.
    Present(ParticipantId),
    /// Nothing that it sends could be read, or the sample rate is none that is known.
    NoFormat,
    /// More than [`MAX_FORMATS`].
    TooManyFormats,
    /// A payload type over 127, or named twice.
    PayloadType(u8),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Full => {
                write!(f, "the room is full: {MAX_PARTICIPANTS} participants are in it")
            }
            JoinError::Present(id) => write!(f, "participant {} is in the room already", id.0),
            JoinError::NoFormat => f.write_str("the participant has no audio format that is known"),
            JoinError::TooManyFormats => {
                write!(f, "the participant has more than {MAX_FORMATS} audio formats")
            }
            JoinError::PayloadType(number) => {
                write!(f, "payload type {number} is over 127 or stands for two formats")
            }
        }
    }
}

impl std::error::Error for JoinError {}
