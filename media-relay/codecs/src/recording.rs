//! Audio that is to be played: read from a WAV file, or a tone that is made by rule.

use crate::ringback::ToneSequence;
use model::Ringback;
use rtp_proto::codecs::g711;
use std::fmt;

/// The longest recording: 5 minutes, 28.8 MB of samples at 48,000 Hz.
pub const LONGEST_RECORDING_SECONDS: usize = 300;
/// Octets of the longest file that is worth reading: the longest recording with two channels, and
/// some room for what else stands in it.
pub const LONGEST_FILE: u64 = (LONGEST_RECORDING_SECONDS as u64) * 48_000 * 4 + 1024 * 1024;

/// Sample rates that can be played, in Hz.
const SAMPLE_RATES: [u32; 3] = [8_000, 16_000, 48_000];

/// One channel of audio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    sample_rate: u32,
    samples: Vec<i16>,
}

/// Why a file cannot be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingError {
    /// Not RIFF/WAVE.
    NotWave,
    /// A chunk that is needed is missing, or its lengths do not fit.
    Malformed,
    /// The file ends before its audio does.
    Truncated,
    /// Another encoding than 16 bits linear, A-law or µ-law.
    Encoding {
        /// The format tag of the file.
        tag: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// Another sample rate than 8,000, 16,000 or 48,000 Hz.
    SampleRate(u32),
    /// Neither one nor two channels.
    Channels(u16),
    /// No audio at all.
    Empty,
    /// Longer than [`LONGEST_RECORDING_SECONDS`].
    TooLong,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordingError::NotWave => f.write_str("this is no WAV file (RIFF/WAVE)"),
            RecordingError::Malformed => f.write_str("the WAV file's chunks cannot be read"),
            RecordingError::Truncated => f.write_str("the WAV file ends before its audio does"),
            RecordingError::Encoding { tag, bits } => write!(
                f,
                "its encoding (format {tag:#06x}, {bits} bits) is not known; make it 16-bit \
                 linear, A-law or µ-law"
            ),
            RecordingError::SampleRate(rate) => {
                write!(f, "its sample rate is {rate} Hz; make it 8000, 16000 or 48000 Hz")
            }
            RecordingError::Channels(channels) => {
                write!(f, "it has {channels} channels; make it one or two")
            }
            RecordingError::Empty => f.write_str("there is no audio in it"),
            RecordingError::TooLong => {
                write!(f, "it is longer than {LONGEST_RECORDING_SECONDS} s; cut it")
            }
        }
    }
}

impl std::error::Error for RecordingError {}

impl Recording {
    /// Reads a WAV file: 16 bits linear, A-law or µ-law, at 8,000, 16,000 or 48,000 Hz. Two channels
    /// become their mean.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn from_wav(file: &[u8]) -> Result<Self, RecordingError> {
        let body = file
            .strip_prefix(b"RIFF")
            .and_then(|rest| rest.get(4..))
            .and_then(|rest| rest.strip_prefix(b"WAVE"))
            .ok_or(RecordingError::NotWave)?;
        let mut layout = None;
        for chunk in (Chunks { rest: body }) {
            let Chunk { id, octets, is_whole } = chunk;
            match &id {
                b"fmt " => layout = Some(Layout::read(octets)?),
                b"data" => {
                    let layout = layout.ok_or(RecordingError::Malformed)?;
                    if !is_whole {
                        return Err(RecordingError::Truncated);
                    }
                    return layout.recording(octets);
                }
                _ => {}
            }
        }
        Err(RecordingError::Malformed)
    }

    /// One period of a ringback tone, to be repeated.
    pub fn ringback(ringback: Ringback) -> Self {
        let mut tones = ToneSequence::new(ringback);
        let mut samples = vec![0; tones.period()];
        tones.generate(&mut samples);
        Recording { sample_rate: ToneSequence::SAMPLE_RATE, samples }
    }

    /// Samples in a second: 8,000, 16,000 or 48,000.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// How long it lasts.
    pub fn duration(&self) -> std::time::Duration {
        let nanos = self.samples.len() as u64 * 1_000_000_000 / u64::from(self.sample_rate.max(1));
        std::time::Duration::from_nanos(nanos)
    }
}

/// How samples lie in the file.
#[derive(Clone, Copy, Debug)]
struct Layout {
    encoding: Encoding,
    channels: usize,
    sample_rate: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    Linear,
    ALaw,
    MuLaw,
}

impl Encoding {
    const fn octets(self) -> usize {
        match self {
            Encoding::Linear => 2,
            Encoding::ALaw | Encoding::MuLaw => 1,
        }
    }

    fn sample(self, octets: &[u8]) -> i16 {
        match (self, octets) {
            (Encoding::Linear, &[low, high]) => i16::from_le_bytes([low, high]),
            (Encoding::ALaw, &[octet]) => g711::decode_a_law(octet),
            (Encoding::MuLaw, &[octet]) => g711::decode_mu_law(octet),
            _ => 0,
        }
    }
}

impl Layout {
    fn read(octets: &[u8]) -> Result<Self, RecordingError> {
        let word = |at: usize| {
            let pair = octets.get(at..at + 2).and_then(<[u8]>::first_chunk);
            pair.map(|pair| u16::from_le_bytes(*pair)).ok_or(RecordingError::Malformed)
        };
        let (mut tag, channels, bits) = (word(0)?, word(2)?, word(14)?);
        if tag == EXTENSIBLE {
            tag = word(24)?;
        }
        let rate = octets.get(4..8).and_then(<[u8]>::first_chunk);
        let sample_rate = u32::from_le_bytes(*rate.ok_or(RecordingError::Malformed)?);
        let encoding = match (tag, bits) {
            (1, 16) => Encoding::Linear,
            (6, 8) => Encoding::ALaw,
            (7, 8) => Encoding::MuLaw,
            _ => return Err(RecordingError::Encoding { tag, bits }),
        };
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(RecordingError::SampleRate(sample_rate));
        }
        if !(1..=2).contains(&channels) {
            return Err(RecordingError::Channels(channels));
        }
        Ok(Layout { encoding, channels: usize::from(channels), sample_rate })
    }

    fn recording(self, octets: &[u8]) -> Result<Recording, RecordingError> {
        let sample_octets = self.encoding.octets();
        let count = octets.len() / (sample_octets * self.channels);
        match count {
            0 => return Err(RecordingError::Empty),
            _ if count > LONGEST_RECORDING_SECONDS * self.sample_rate as usize => {
                return Err(RecordingError::TooLong);
            }
            _ => {}
        }
        let mixed = |frame: &[u8]| {
            let channels = frame.chunks_exact(sample_octets);
            let sum: i32 = channels.map(|one| i32::from(self.encoding.sample(one))).sum();
            // The mean of two samples is one.
            (sum / self.channels as i32) as i16
        };
        let frames = octets.chunks_exact(sample_octets * self.channels);
        Ok(Recording { sample_rate: self.sample_rate, samples: frames.map(mixed).collect() })
    }
}

/// The tag of files whose format stands further behind.
const EXTENSIBLE: u16 = 0xfffe;
/// The length of audio whose writer could not go back to write it.
const UNKNOWN_LENGTH: u32 = u32::MAX;

struct Chunk<'a> {
    id: [u8; 4],
    octets: &'a [u8],
    /// All that its length says is there.
    is_whole: bool,
}

struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<8>()?;
        let [a, b, c, d, l0, l1, l2, l3] = *header;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let wanted = len as usize;
        let is_whole = wanted <= rest.len() || len == UNKNOWN_LENGTH;
        let (octets, rest) = rest.split_at(wanted.min(rest.len()));
        // Chunks begin at even places.
        self.rest = rest.get(wanted % 2..).unwrap_or_default();
        Some(Chunk { id: [a, b, c, d], octets, is_whole })
    }
}

#[cfg(test)]
mod tests;
