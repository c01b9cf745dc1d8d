//! What a stream of ours holds.

/// How samples are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Encoding {
    /// Signed, 16 bits, the low octet first: `A_PCM/INT/LIT`.
    Linear,
    /// G.711 µ-law: `A_MS/ACM` with the format 7.
    MuLaw,
}

/// The one track of a stream: mono audio.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Audio {
    /// How samples are written.
    pub encoding: Encoding,
    /// Samples a second.
    pub sample_rate: u32,
}

impl Audio {
    /// Octets of one sample.
    pub const fn sample_octets(self) -> usize {
        match self.encoding {
            Encoding::Linear => 2,
            Encoding::MuLaw => 1,
        }
    }

    pub(crate) const fn codec_id(self) -> &'static str {
        match self.encoding {
            Encoding::Linear => "A_PCM/INT/LIT",
            Encoding::MuLaw => "A_MS/ACM",
        }
    }

    /// WAVEFORMATEX for `A_MS/ACM` (RFC 9559, section 27.2 and the registry of codecs): tag 7 (µ-law), one
    /// channel, samples and octets a second, octets of a sample, bits of one, no octets behind it.
    pub(crate) fn codec_private(self) -> Option<[u8; 18]> {
        if self.encoding == Encoding::Linear {
            return None;
        }
        let mut format = [0; 18];
        let rate = self.sample_rate.to_le_bytes();
        let fields: [&[u8]; 7] = [&[7, 0], &[1, 0], &rate, &rate, &[1, 0], &[8, 0], &[0, 0]];
        for (to, from) in format.iter_mut().zip(fields.concat()) {
            *to = from;
        }
        Some(format)
    }
}
