//! Payload types that need no `a=rtpmap` (RFC 3551 section 6, tables 4 and 5).

use model::Codec;

/// What a static payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticPayloadType {
    /// 0 to 34.
    pub payload_type: u8,
    /// Encoding name.
    pub name: &'static str,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels; 0 for video.
    pub channels: u8,
}

impl StaticPayloadType {
    /// The format as the quality model knows it.
    pub fn codec(&self) -> Codec {
        Codec::from_encoding_name(self.name)
    }
}

/// The static meaning of a payload type; `None` for dynamic, reserved and unassigned ones.
pub fn static_payload_type(payload_type: u8) -> Option<&'static StaticPayloadType> {
    TABLE.iter().find(|entry| entry.payload_type == payload_type)
}

const fn entry(
    payload_type: u8,
    name: &'static str,
    clock_rate: u32,
    channels: u8,
) -> StaticPayloadType {
    StaticPayloadType { payload_type, name, clock_rate, channels }
}

/// Payload type 13 is CN at 8,000 Hz (RFC 3389 section 4).
const TABLE: [StaticPayloadType; 24] = [
    entry(0, "PCMU", 8_000, 1),
    entry(3, "GSM", 8_000, 1),
    entry(4, "G723", 8_000, 1),
    entry(5, "DVI4", 8_000, 1),
    entry(6, "DVI4", 16_000, 1),
    entry(7, "LPC", 8_000, 1),
    entry(8, "PCMA", 8_000, 1),
    entry(9, "G722", 8_000, 1),
    entry(10, "L16", 44_100, 2),
    entry(11, "L16", 44_100, 1),
    entry(12, "QCELP", 8_000, 1),
    entry(13, "CN", 8_000, 1),
    entry(14, "MPA", 90_000, 1),
    entry(15, "G728", 8_000, 1),
    entry(16, "DVI4", 11_025, 1),
    entry(17, "DVI4", 22_050, 1),
    entry(18, "G729", 8_000, 1),
    entry(25, "CelB", 90_000, 0),
    entry(26, "JPEG", 90_000, 0),
    entry(28, "nv", 90_000, 0),
    entry(31, "H261", 90_000, 0),
    entry(32, "MPV", 90_000, 0),
    entry(33, "MP2T", 90_000, 0),
    entry(34, "H263", 90_000, 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_have_their_codec_and_clock() {
        let of = |payload_type| {
            static_payload_type(payload_type).map(|entry| (entry.codec(), entry.clock_rate))
        };
        assert_eq!(of(0), Some((Codec::Pcmu, 8_000)));
        assert_eq!(of(8), Some((Codec::Pcma, 8_000)));
        // G.722 samples at 16,000 Hz and still counts 8,000 (RFC 3551 section 4.5.2).
        assert_eq!(of(9), Some((Codec::G722, 8_000)));
        assert_eq!(of(13), Some((Codec::ComfortNoise, 8_000)));
        assert_eq!(of(18), Some((Codec::G729, 8_000)));
        for unassigned in [1, 2, 19, 35, 72, 96, 127, 255] {
            assert_eq!(of(unassigned), None, "{unassigned}");
        }
    }
}
