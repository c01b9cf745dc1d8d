//! A leg's samples, each at its time.

use super::StoredLeg;
use super::summary::is_heard;
use mkv::{Codec, Event, Reader, Track};
use rtp_proto::codecs::g711::{decode_a_law, decode_mu_law};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Octets that are read in one go.
const PIECE: usize = 64 * 1_024;
/// Timecodes are whole milliseconds: what begins so much earlier or later than the samples before it end
/// follows on them.
const ROUNDED_NS: u64 = 2_000_000;

/// The samples of a leg from a moment on, one after the other; silence of the exact length where there
/// are none.
#[derive(Debug)]
pub struct LegAudio {
    files: VecDeque<PathBuf>,
    open: Option<OpenFile>,
    sample_rate: u32,
    from_ns: u64,
    /// Samples that were given out or wait below, silence included.
    placed: u64,
    silence: u64,
    samples: VecDeque<i16>,
    heard: Heard,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
    reader: Reader,
    track: Option<Track>,
    piece: Vec<u8>,
}

/// What a leg's files told besides samples.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Heard {
    /// Samples that nobody sent, or that were lost on their way here: there is silence in the file.
    pub missing_samples: u64,
    /// Samples behind the first for which there is no fragment: dropped, or never written.
    pub absent_samples: u64,
    /// What could not be read, with why.
    pub faults: Vec<(PathBuf, String)>,
}

impl LegAudio {
    /// The samples of `leg` from `from_ns` (nanoseconds since 1970) on.
    pub fn new(leg: &StoredLeg, sample_rate: u32, from_ns: u64) -> Self {
        LegAudio {
            files: leg.files.iter().map(|file| file.path.clone()).collect(),
            open: None,
            sample_rate,
            from_ns,
            placed: 0,
            silence: 0,
            samples: VecDeque::new(),
            heard: Heard::default(),
        }
    }

    /// Fills `out` with the next samples. Behind the last one there is silence.
    pub fn fill(&mut self, out: &mut [i16]) {
        for place in out {
            while self.silence == 0 && self.samples.is_empty() {
                if !self.advance() {
                    break;
                }
            }
            *place = if self.silence > 0 {
                self.silence -= 1;
                0
            } else {
                self.samples.pop_front().unwrap_or(0)
            };
        }
    }

    /// What the files told besides, so far.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Takes the next block in; `false` when there is none.
    fn advance(&mut self) -> bool {
        loop {
            let Some(open) = &mut self.open else {
                let Some(path) = self.files.pop_front() else { return false };
                match OpenFile::open(&path) {
                    Ok(file) => self.open = Some(file),
                    Err(error) => self.heard.faults.push((path, error.to_string())),
                }
                continue;
            };
            match open.next(self.sample_rate, &mut self.heard.missing_samples) {
                Ok(Some((timecode_ns, samples))) => {
                    self.place(timecode_ns, samples);
                    return true;
                }
                Ok(None) => self.open = None,
                Err(reason) => {
                    self.heard.faults.push((open.path.clone(), reason));
                    self.open = None;
                }
            }
        }
    }

    fn place(&mut self, timecode_ns: u64, samples: Vec<i16>) {
        let rate = u128::from(self.sample_rate);
        let ns = |samples: u64| u128::from(samples) * 1_000_000_000 / rate.max(1);
        let due = u128::from(self.from_ns) + ns(self.placed);
        let at = u128::from(timecode_ns);
        let mut skipped = 0;
        if at > due + u128::from(ROUNDED_NS) {
            // To the nearest sample.
            let place = (at - u128::from(self.from_ns)) * rate + 500_000_000;
            let place = u64::try_from(place / 1_000_000_000).unwrap_or(u64::MAX);
            self.silence = place.saturating_sub(self.placed);
            // A leg may begin later than the other.
            if self.placed > 0 {
                self.heard.absent_samples = self.heard.absent_samples.saturating_add(self.silence);
            }
            self.placed = self.placed.saturating_add(self.silence);
        } else if at + u128::from(ROUNDED_NS) < due {
            // Said twice, as when fragments were sent again: the first time counts.
            skipped = usize::try_from((due - at) * rate / 1_000_000_000).unwrap_or(usize::MAX);
        }
        let before = self.samples.len();
        self.samples.extend(samples.into_iter().skip(skipped));
        self.placed = self.placed.saturating_add((self.samples.len() - before) as u64);
    }
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let (reader, piece) = (Reader::new(), vec![0; PIECE]);
        Ok(OpenFile { path: path.to_owned(), file, reader, track: None, piece })
    }

    /// The next block, and what its fragment's tags say is missing.
    fn next(
        &mut self,
        sample_rate: u32,
        missing: &mut u64,
    ) -> Result<Option<(u64, Vec<i16>)>, String> {
        loop {
            match self.reader.poll().map_err(|error| error.to_string())? {
                Some(Event::Tracks(tracks)) => {
                    self.track = tracks.iter().find(|track| is_heard(track)).cloned();
                    let rate = self.track.as_ref().map_or(sample_rate, |track| track.sample_rate);
                    if rate != sample_rate {
                        return Err(format!("it has {rate} samples a second, not {sample_rate}"));
                    }
                }
                Some(Event::Tags(tags)) => {
                    let tag = tags.iter().find(|tag| &*tag.name == "MissingSamples");
                    let count = tag.and_then(|tag| tag.value.parse::<u64>().ok()).unwrap_or(0);
                    *missing = missing.saturating_add(count);
                }
                Some(Event::Block { track, timecode_ns, payload }) => {
                    let heard = self.track.as_ref().filter(|heard| heard.number == track);
                    if let Some(heard) = heard {
                        return Ok(Some((timecode_ns, decoded(&heard.codec, payload))));
                    }
                }
                Some(Event::Fragment { .. }) => {}
                None => {
                    let length = self.file.read(&mut self.piece).map_err(|e| e.to_string())?;
                    if length == 0 {
                        return self.reader.finish().map(|()| None).map_err(|e| e.to_string());
                    }
                    self.reader.push(self.piece.get(..length).unwrap_or_default());
                }
            }
        }
    }
}

fn decoded(codec: &Codec, payload: &[u8]) -> Vec<i16> {
    let pairs = payload.as_chunks::<2>().0.iter();
    match codec {
        Codec::LinearLittle => pairs.map(|pair| i16::from_le_bytes(*pair)).collect(),
        Codec::LinearBig => pairs.map(|pair| i16::from_be_bytes(*pair)).collect(),
        Codec::MuLaw => payload.iter().map(|octet| decode_mu_law(*octet)).collect(),
        Codec::ALaw => payload.iter().map(|octet| decode_a_law(*octet)).collect(),
        Codec::Other(_) => Vec::new(),
    }
}
