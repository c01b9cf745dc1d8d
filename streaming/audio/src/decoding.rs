//! What a channel's payload types stand for, and how their payloads become samples of the timeline.

use codecs::{AudioDecoder, AudioFormat, Decoder, Resampler};
use model::Codec;

/// The longest packet that is read, in milliseconds (RFC 6716 section 3.2.5).
pub(crate) const LONGEST_MS: usize = 120;
/// The highest rate that anything is decoded at, in samples a millisecond.
const MOST_PER_MS: usize = 48;
/// The delay of a resampler, in samples of the lower of its rates.
const RESAMPLER_DELAY: i64 = 24;
/// In the table: nothing agreed; no audio (comfort noise, keys); nothing that can be read.
const UNKNOWN: u8 = 0;
const SILENT: u8 = 0xfe;
const UNREADABLE: u8 = 0xff;
const PAYLOAD_TYPES: usize = 128;

/// Room to decode in. One serves any number of channels, one after the other.
#[derive(Debug)]
pub struct Scratch {
    decoded: Box<[i16]>,
    /// At the rate of the timeline.
    pub(crate) heard: Box<[i16]>,
    pub(crate) slid: Box<[i16]>,
}

impl Default for Scratch {
    fn default() -> Self {
        let longest = LONGEST_MS * MOST_PER_MS;
        let room = || vec![0; longest].into();
        Scratch { decoded: room(), heard: room(), slid: room() }
    }
}

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// Audio in a way that can be read.
    Audio(usize),
    /// Nobody hears anything of it.
    Silent,
    /// Audio that nobody here can read.
    Unreadable,
    /// Nothing was said of it.
    Unknown,
}

/// The formats of one channel.
#[derive(Debug)]
pub(crate) struct Formats {
    sample_rate: u32,
    /// One for each format that was ever agreed; there are as many as [`AudioFormat`] has.
    ways: Vec<Way>,
    /// The position in `ways` of each payload type, from 1.
    by_payload_type: [u8; PAYLOAD_TYPES],
}

#[derive(Debug)]
struct Way {
    format: AudioFormat,
    /// Made for the first packet.
    reader: Option<Reader>,
}

#[derive(Debug)]
struct Reader {
    decoder: AudioDecoder,
    resampler: Resampler,
    /// In samples of the timeline.
    delay: i64,
}

impl Formats {
    pub(crate) const fn new(sample_rate: u32) -> Self {
        Formats { sample_rate, ways: Vec::new(), by_payload_type: [UNKNOWN; PAYLOAD_TYPES] }
    }

    /// A payload type has this meaning from now on. What is not said again keeps its own: packets of
    /// before are on their way when something else is agreed.
    pub(crate) fn set(&mut self, payload_type: u8, codec: Codec, clock_rate: u32) {
        let Some(entry) = self.by_payload_type.get_mut(usize::from(payload_type)) else { return };
        *entry = match AudioFormat::new(codec, clock_rate) {
            Some(format) => {
                let known = self.ways.iter().position(|way| way.format == format);
                let at = known.unwrap_or_else(|| {
                    self.ways.push(Way { format, reader: None });
                    self.ways.len() - 1
                });
                at as u8 + 1
            }
            None if matches!(codec, Codec::ComfortNoise | Codec::TelephoneEvent) => SILENT,
            None => UNREADABLE,
        };
    }

    /// What packets of a payload type are.
    pub(crate) fn meaning(&self, payload_type: u8) -> Meaning {
        match self.by_payload_type.get(usize::from(payload_type)).copied() {
            None | Some(UNKNOWN) => Meaning::Unknown,
            Some(SILENT) => Meaning::Silent,
            Some(UNREADABLE) => Meaning::Unreadable,
            Some(way) => Meaning::Audio(usize::from(way) - 1),
        }
    }

    /// The clock rate of timestamps of a way, in Hz.
    pub(crate) fn clock_rate(&self, way: usize) -> u32 {
        self.ways.get(way).map_or(8_000, |way| way.format.clock_rate())
    }

    /// Decodes a payload to the beginning of [`Scratch::heard`]: how many samples, and by how many they
    /// are late behind its beginning. `None` where it is none of its format, or too long.
    pub(crate) fn decode(
        &mut self,
        way: usize,
        payload: &[u8],
        scratch: &mut Scratch,
    ) -> Option<(usize, i64)> {
        let way = self.ways.get_mut(way)?;
        if way.reader.is_none() {
            way.reader = Some(Reader::new(way.format, self.sample_rate)?);
        }
        let reader = way.reader.as_mut()?;
        let longest = LONGEST_MS * (reader.decoder.sample_rate() / 1_000) as usize;
        if reader.delay == 0 {
            let out = scratch.heard.get_mut(..longest)?;
            return Some((reader.decoder.decode(payload, out).ok()?, 0));
        }
        let out = scratch.decoded.get_mut(..longest)?;
        let decoded = reader.decoder.decode(payload, out).ok()?;
        let samples = out.get(..decoded)?;
        Some((reader.resampler.resample(samples, &mut scratch.heard), reader.delay))
    }
}

impl Reader {
    fn new(format: AudioFormat, sample_rate: u32) -> Option<Self> {
        // Opus is read at 16,000 or more, see AudioFormat::rates_with.
        let timeline = AudioFormat::L16 { sample_rate };
        let [read_at, _] = format.rates_with(timeline);
        let lower = read_at.min(sample_rate);
        let delay = if read_at == sample_rate { 0 } else { RESAMPLER_DELAY };
        Some(Reader {
            decoder: AudioDecoder::new(format, read_at)?,
            resampler: Resampler::new(read_at, sample_rate)?,
            delay: delay * i64::from(sample_rate / lower.max(1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_type_means_what_was_said_of_it_last() {
        let mut formats = Formats::new(8_000);
        assert_eq!(formats.meaning(0), Meaning::Unknown);
        formats.set(0, Codec::Pcmu, 8_000);
        formats.set(96, Codec::Opus, 48_000);
        formats.set(18, Codec::G729, 8_000);
        formats.set(13, Codec::ComfortNoise, 8_000);
        formats.set(101, Codec::TelephoneEvent, 8_000);
        formats.set(200, Codec::Pcma, 8_000);
        assert_eq!([0, 96].map(|n| formats.meaning(n)), [Meaning::Audio(0), Meaning::Audio(1)]);
        assert_eq!([13, 101].map(|n| formats.meaning(n)), [Meaning::Silent; 2]);
        assert_eq!(formats.meaning(18), Meaning::Unreadable);
        assert_eq!(formats.meaning(200), Meaning::Unknown);
        assert_eq!(formats.clock_rate(1), 48_000);
        // Another number for the same format is the same way, with the same state.
        formats.set(0, Codec::Opus, 48_000);
        assert_eq!(formats.meaning(0), Meaning::Audio(1));
        assert_eq!(formats.ways.len(), 2);
    }

    #[test]
    fn each_format_has_its_samples_and_its_delay() {
        let mut scratch = Scratch::default();
        let formats = [
            (Codec::Pcmu, 8_000, 160, [(160, 0), (320, 48)]),
            (Codec::G722, 8_000, 160, [(160, 24), (320, 0)]),
            (Codec::L16, 48_000, 1_920, [(160, 24), (320, 24)]),
            (Codec::L16, 16_000, 640, [(160, 24), (320, 0)]),
            (Codec::L16, 8_000, 320, [(160, 0), (320, 48)]),
        ];
        for (codec, clock_rate, octets, expected) in formats {
            for (sample_rate, expected) in [8_000, 16_000].into_iter().zip(expected) {
                let mut formats = Formats::new(sample_rate);
                formats.set(9, codec, clock_rate);
                let decoded = formats.decode(0, &vec![0; octets], &mut scratch);
                assert_eq!(decoded, Some(expected), "{codec:?} at {sample_rate}");
            }
        }
    }

    #[test]
    fn what_is_too_long_or_broken_is_refused() {
        let mut scratch = Scratch::default();
        let mut formats = Formats::new(8_000);
        formats.set(0, Codec::Pcmu, 8_000);
        formats.set(1, Codec::L16, 8_000);
        formats.set(2, Codec::Opus, 48_000);
        assert_eq!(formats.decode(0, &[0; 960], &mut scratch), Some((960, 0)));
        assert_eq!(formats.decode(0, &[0; 961], &mut scratch), None);
        assert_eq!(formats.decode(1, &[0; 3], &mut scratch), None);
        assert_eq!(formats.decode(2, &[], &mut scratch), None);
        assert_eq!(formats.decode(7, &[0; 20], &mut scratch), None);
    }
}
