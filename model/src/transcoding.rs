//! Audio that has another format on each leg.

use crate::{Codec, CodecMapping};
use serde::{Deserialize, Serialize};

/// A format that the relay can read and write, one channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TranscodableFormat {
    /// The format.
    pub codec: Codec,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
}

impl TranscodableFormat {
    /// Every one.
    pub const ALL: [TranscodableFormat; 7] = [
        Self::new(Codec::Pcmu, 8_000),
        Self::new(Codec::Pcma, 8_000),
        Self::new(Codec::G722, 8_000),
        Self::new(Codec::Opus, 48_000),
        Self::new(Codec::L16, 8_000),
        Self::new(Codec::L16, 16_000),
        Self::new(Codec::L16, 48_000),
    ];
    /// Those that are offered where nothing else is said: what telephones and browsers have.
    pub const USUAL: [TranscodableFormat; 4] = {
        let [pcmu, pcma, g722, opus, ..] = Self::ALL;
        [pcmu, pcma, g722, opus]
    };

    const fn new(codec: Codec, clock_rate: u32) -> Self {
        TranscodableFormat { codec, clock_rate }
    }

    /// What a payload type stands for, if that can be transcoded.
    pub fn of(mapping: &CodecMapping) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.is(mapping))
    }

    /// Whether a payload type stands for it.
    pub fn is(self, mapping: &CodecMapping) -> bool {
        self.codec == mapping.codec && self.clock_rate == mapping.clock_rate
    }

    /// The name in configurations and reports: the encoding name of `a=rtpmap`, and the clock rate
    /// where the name alone says too little.
    pub const fn name(self) -> &'static str {
        match (self.codec, self.clock_rate) {
            (Codec::L16, 8_000) => "L16/8000",
            (Codec::L16, 16_000) => "L16/16000",
            (Codec::L16, _) => "L16/48000",
            (codec, _) => codec.name(),
        }
    }

    /// Reads such a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Its payload type, where RFC 3551 gives it one.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self.codec {
            Codec::Pcmu => Some(0),
            Codec::Pcma => Some(8),
            Codec::G722 => Some(9),
            _ => None,
        }
    }
}

/// How audio that comes from one leg is turned into a format of the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transcoding {
    /// The payload types that the other leg does not have the formats of; each one of
    /// [`TranscodableFormat`]. What comes under another one passes.
    pub from: Vec<CodecMapping>,
    /// What the other leg gets instead, in packets of its `packet_duration`.
    pub to: CodecMapping,
    /// Bits a second of `to`, where that has a choice (Opus); `None` for the relay's own.
    pub bitrate: Option<u32>,
    /// Comfort noise that the other leg takes beside that; `None` where it gets audible noise.
    pub comfort_noise: Option<ComfortNoise>,
}

/// Comfort noise towards a leg (RFC 3389).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ComfortNoise {
    /// Its payload type, with the clock of the audio.
    pub payload_type: u8,
    /// Silence that is found in the audio becomes such noise too, not only what comes as such.
    pub in_place_of_silence: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for format in TranscodableFormat::ALL {
            assert_eq!(TranscodableFormat::from_name(format.name()), Some(format));
        }
        assert_eq!(
            TranscodableFormat::from_name("OPUS").map(|format| format.codec),
            Some(Codec::Opus)
        );
        assert_eq!(TranscodableFormat::from_name("L16"), None);
        assert_eq!(TranscodableFormat::from_name("G729"), None);
    }
}
