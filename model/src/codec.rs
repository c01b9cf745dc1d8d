//! What audio, video and text are encoded in.

use serde::{Deserialize, Serialize};

/// The formats whose quality model or payload Tandem knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s, wideband.
    G722,
    /// G.729, also Annex A.
    G729,
    /// Opus.
    Opus,
    /// iLBC.
    Ilbc,
    /// GSM full rate.
    Gsm,
    /// AMR, narrowband.
    Amr,
    /// AMR-WB.
    AmrWb,
    /// Linear PCM, 16 bits.
    L16,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// Telephone events (RFC 4733).
    TelephoneEvent,
    /// H.261 video.
    H261,
    /// H.263 video, also H.263-1998 and H.263-2000.
    H263,
    /// H.264 video.
    H264,
    /// H.265 video.
    H265,
    /// VP8 video.
    Vp8,
    /// VP9 video.
    Vp9,
    /// AV1 video.
    Av1,
    /// Far end camera control (RFC 4573).
    H224,
    /// Real-time text (RFC 4103).
    T140,
    /// What repairs another format's losses: retransmissions (RFC 4588) and forward error
    /// correction. It passes, and has no part in measuring what it repairs.
    Repair,
    /// Anything else; relayed, and rated as G.711.
    Other,
}

impl Codec {
    /// The encoding name of `a=rtpmap`, or "other".
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::G729 => "G729",
            Codec::Opus => "opus",
            Codec::Ilbc => "iLBC",
            Codec::Gsm => "GSM",
            Codec::Amr => "AMR",
            Codec::AmrWb => "AMR-WB",
            Codec::L16 => "L16",
            Codec::ComfortNoise => "CN",
            Codec::TelephoneEvent => "telephone-event",
            Codec::H261 => "H261",
            Codec::H263 => "H263",
            Codec::H264 => "H264",
            Codec::H265 => "H265",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::Av1 => "AV1",
            Codec::H224 => "H224",
            Codec::T140 => "t140",
            Codec::Repair => "rtx",
            Codec::Other => "other",
        }
    }

    /// Reads an encoding name of `a=rtpmap`, in any case.
    pub fn from_encoding_name(name: &str) -> Self {
        const NAMED: [Codec; 22] = [
            Codec::Pcmu,
            Codec::Pcma,
            Codec::G722,
            Codec::G729,
            Codec::Opus,
            Codec::Ilbc,
            Codec::Gsm,
            Codec::Amr,
            Codec::AmrWb,
            Codec::L16,
            Codec::ComfortNoise,
            Codec::TelephoneEvent,
            Codec::H261,
            Codec::H263,
            Codec::H264,
            Codec::H265,
            Codec::Vp8,
            Codec::Vp9,
            Codec::Av1,
            Codec::H224,
            Codec::T140,
            Codec::Repair,
        ];
        const ALIASES: [(&str, Codec); 5] = [
            ("H263-1998", Codec::H263),
            ("H263-2000", Codec::H263),
            ("ulpfec", Codec::Repair),
            ("flexfec", Codec::Repair),
            ("flexfec-03", Codec::Repair),
        ];
        let alias = || ALIASES.into_iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        NAMED
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))
            .or_else(|| alias().map(|(_, codec)| codec))
            .unwrap_or(Codec::Other)
    }
}
