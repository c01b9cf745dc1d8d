//! The formats that can be read and written, and one of each under a common face.

use crate::error::{DecodeError, EncodeError};
use crate::g722::{self, G722Decoder, G722Encoder};
use crate::opus::{OpusReader, OpusWriter};
use crate::pcm;
use model::Codec;
use rtp_proto::codecs::g711;

/// Octets of the longest payload that is made: with all headers it fits a path of 1,500 octets.
pub const LONGEST_PAYLOAD: usize = 1_400;
/// Durations of packets that are made, in ms, the longest first.
const PACKET_MS: [u32; 6] = [60, 50, 40, 30, 20, 10];
/// Those that Opus has a frame for (RFC 6716 section 2.1.4).
const OPUS_MS: [u32; 4] = [60, 40, 20, 10];

/// Turns payloads into samples. No implementation allocates while it decodes.
pub trait Decoder {
    /// Samples in a second of what is written.
    fn sample_rate(&self) -> u32;

    /// Writes the audio of one packet to the beginning of `out`; the samples written.
    ///
    /// # Errors
    /// [`DecodeError`]; the state is then as if the packet had not come.
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, DecodeError>;
}

/// Turns samples into payloads. No implementation allocates while it encodes.
pub trait Encoder {
    /// Samples in a second of what is read.
    fn sample_rate(&self) -> u32;

    /// Writes one packet for all of `samples` to the beginning of `out`; the octets written.
    ///
    /// # Errors
    /// [`EncodeError`].
    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, EncodeError>;
}

/// A format that can be read and written, one channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AudioFormat {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Linear, 16 bits, in network order (RFC 3551 section 4.5.11).
    L16 {
        /// Samples in a second: 8,000, 16,000 or 48,000.
        sample_rate: u32,
    },
    /// Opus (RFC 6716, RFC 7587).
    Opus,
}

impl AudioFormat {
    /// What a format of a session description is; `None` when it cannot be transcoded.
    /// `clock_rate` is that of RTP, in Hz.
    pub fn new(codec: Codec, clock_rate: u32) -> Option<Self> {
        match (codec, clock_rate) {
            (Codec::Pcmu, 8_000) => Some(AudioFormat::Pcmu),
            (Codec::Pcma, 8_000) => Some(AudioFormat::Pcma),
            (Codec::G722, 8_000) => Some(AudioFormat::G722),
            (Codec::L16, 8_000 | 16_000 | 48_000) => {
                Some(AudioFormat::L16 { sample_rate: clock_rate })
            }
            (Codec::Opus, 48_000) => Some(AudioFormat::Opus),
            _ => None,
        }
    }

    /// The clock rate of its RTP timestamps, in Hz. G.722's is 8,000 (RFC 3551 section 4.5.2),
    /// Opus's always 48,000 (RFC 7587 section 4.1).
    pub const fn clock_rate(self) -> u32 {
        match self {
            AudioFormat::Pcmu | AudioFormat::Pcma | AudioFormat::G722 => 8_000,
            AudioFormat::L16 { sample_rate } => sample_rate,
            AudioFormat::Opus => 48_000,
        }
    }

    /// How many samples a second it carries; of Opus, which can be read and written at 8,000 and
    /// 16,000 too, the most.
    pub const fn sample_rate(self) -> u32 {
        match self {
            AudioFormat::G722 => g722::SAMPLE_RATE,
            _ => self.clock_rate(),
        }
    }

    /// The duration of packets that are made for who asks for `asked` ms, in ms: the longest that is
    /// not longer, has a frame in the format and a payload within [`LONGEST_PAYLOAD`]; else 10.
    pub fn packet_ms(self, asked: u32) -> u32 {
        let durations = match self {
            AudioFormat::Opus => OPUS_MS.as_slice(),
            _ => PACKET_MS.as_slice(),
        };
        let octets_in_ms = match self {
            AudioFormat::L16 { sample_rate } => sample_rate / 1_000 * 2,
            _ => 8,
        };
        let fits = |ms: &u32| *ms <= asked && (ms * octets_in_ms) as usize <= LONGEST_PAYLOAD;
        durations.iter().copied().find(fits).unwrap_or(10)
    }

    /// The sample rates to decode and to encode at, between this format and `other`, so that as
    /// little as possible is resampled: Opus takes the other's, but is read at 16,000 or more. Its decoder
    /// folds what is above 4,000 Hz into what it writes at 8,000.
    pub const fn rates_with(self, other: AudioFormat) -> [u32; 2] {
        match (self, other) {
            (AudioFormat::Opus, AudioFormat::Opus) => [48_000; 2],
            (AudioFormat::Opus, other) if other.sample_rate() == 8_000 => [16_000, 8_000],
            (AudioFormat::Opus, other) => [other.sample_rate(); 2],
            (this, AudioFormat::Opus) => [this.sample_rate(); 2],
            (this, other) => [this.sample_rate(), other.sample_rate()],
        }
    }
}

/// Reads one of [`AudioFormat`].
#[derive(Debug)]
pub enum AudioDecoder {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<G722Decoder>),
    /// Linear, 16 bits, with its sample rate in Hz.
    L16(u32),
    /// Opus.
    Opus(Box<OpusReader>),
    /// G.722 as it is: each octet a sample of 8,000 a second, for packets of another duration.
    Octets,
}

impl AudioDecoder {
    /// A decoder of `format`; `sample_rate` (8,000, 16,000 or 48,000 Hz) counts only for Opus. The
    /// only allocation is here. `None` when Opus knows no such rate.
    pub fn new(format: AudioFormat, sample_rate: u32) -> Option<Self> {
        Some(match format {
            AudioFormat::Pcmu => AudioDecoder::Pcmu,
            AudioFormat::Pcma => AudioDecoder::Pcma,
            AudioFormat::G722 => AudioDecoder::G722(Box::default()),
            AudioFormat::L16 { sample_rate } => AudioDecoder::L16(sample_rate),
            AudioFormat::Opus => AudioDecoder::Opus(Box::new(OpusReader::new(sample_rate)?)),
        })
    }

    /// Writes what most likely stood in a lost packet of `out`'s length; `false` when the format
    /// cannot tell and [`crate::Concealment`] is to be asked.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        match self {
            AudioDecoder::Opus(opus) => opus.conceal(out),
            AudioDecoder::Pcmu
            | AudioDecoder::Pcma
            | AudioDecoder::G722(_)
            | AudioDecoder::L16(_)
            | AudioDecoder::Octets => false,
        }
    }

    /// Writes what stood in the lost packets before `next`, as [`OpusReader::recover`]; `false` when
    /// the format says nothing of them.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        match self {
            AudioDecoder::Opus(opus) => opus.recover(next, out),
            AudioDecoder::Pcmu
            | AudioDecoder::Pcma
            | AudioDecoder::G722(_)
            | AudioDecoder::L16(_)
            | AudioDecoder::Octets => false,
        }
    }
}

impl Decoder for AudioDecoder {
    fn sample_rate(&self) -> u32 {
        match self {
            AudioDecoder::Pcmu | AudioDecoder::Pcma | AudioDecoder::Octets => 8_000,
            AudioDecoder::G722(_) => g722::SAMPLE_RATE,
            AudioDecoder::L16(sample_rate) => *sample_rate,
            AudioDecoder::Opus(opus) => opus.sample_rate(),
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, DecodeError> {
        match self {
            AudioDecoder::Pcmu => pcm::expand(payload, out, g711::decode_mu_law),
            AudioDecoder::Pcma => pcm::expand(payload, out, g711::decode_a_law),
            AudioDecoder::G722(g722) => g722.decode(payload, out),
            AudioDecoder::L16(_) => pcm::read_l16(payload, out),
            AudioDecoder::Opus(opus) => opus.decode(payload, out),
            AudioDecoder::Octets => pcm::expand(payload, out, i16::from),
        }
    }
}

/// Writes one of [`AudioFormat`].
#[derive(Debug)]
pub enum AudioEncoder {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722(Box<G722Encoder>),
    /// Linear, 16 bits, with its sample rate in Hz.
    L16(u32),
    /// Opus.
    Opus(Box<OpusWriter>),
    /// What [`AudioDecoder::Octets`] read.
    Octets,
}

impl AudioEncoder {
    /// An encoder of `format`; `sample_rate` (8,000, 16,000 or 48,000 Hz) counts only for Opus. The
    /// only allocation is here. `None` when Opus knows no such rate.
    pub fn new(format: AudioFormat, sample_rate: u32) -> Option<Self> {
        Some(match format {
            AudioFormat::Pcmu => AudioEncoder::Pcmu,
            AudioFormat::Pcma => AudioEncoder::Pcma,
            AudioFormat::G722 => AudioEncoder::G722(Box::default()),
            AudioFormat::L16 { sample_rate } => AudioEncoder::L16(sample_rate),
            AudioFormat::Opus => AudioEncoder::Opus(Box::new(OpusWriter::new(sample_rate)?)),
        })
    }

    /// Goes on in the place of `other`: the receiver's decoder is in the state that `other` has brought
    /// it to. `false` where the state of one cannot be taken over: there the last audio that `other`
    /// encoded, encoded again, brings this one near it.
    pub fn follow(&mut self, other: &AudioEncoder) -> bool {
        match (self, other) {
            (AudioEncoder::G722(this), AudioEncoder::G722(other)) => {
                this.clone_from(other);
                true
            }
            (AudioEncoder::Opus(_), _) => false,
            (this, other) => std::mem::discriminant(this) == std::mem::discriminant(other),
        }
    }
}

impl Encoder for AudioEncoder {
    fn sample_rate(&self) -> u32 {
        match self {
            AudioEncoder::Pcmu | AudioEncoder::Pcma | AudioEncoder::Octets => 8_000,
            AudioEncoder::G722(_) => g722::SAMPLE_RATE,
            AudioEncoder::L16(sample_rate) => *sample_rate,
            AudioEncoder::Opus(opus) => opus.sample_rate(),
        }
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            AudioEncoder::Pcmu => pcm::compress(samples, out, g711::encode_mu_law),
            AudioEncoder::Pcma => pcm::compress(samples, out, g711::encode_a_law),
            AudioEncoder::G722(g722) => g722.encode(samples, out),
            AudioEncoder::L16(_) => pcm::write_l16(samples, out),
            AudioEncoder::Opus(opus) => opus.encode(samples, out),
            AudioEncoder::Octets => pcm::compress(samples, out, |sample| sample as u8),
        }
    }
}
