//! Recordings whose writer died: cut off behind the last whole piece, and finished.

use crate::description::Description;
use crate::keys::{KeyError, Keys};
use crate::mkv_opus::PACKET_MS;
use crate::ogg::{Page, read_page};
use crate::opus::{CLOCK, pre_skip};
use crate::seal::{SealError, Unsealed};
use crate::wav;
use mkv::{duration_element, scan_file};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Why a recording cannot be finished.
#[derive(Debug)]
pub(crate) enum RepairError {
    Io(io::Error),
    Key(KeyError),
    Seal(SealError),
    /// There is not one sample of it.
    Empty,
    /// It is encrypted, and no key is configured.
    NoKey,
}

impl fmt::Display for RepairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepairError::Io(error) => error.fmt(f),
            RepairError::Key(error) => error.fmt(f),
            RepairError::Seal(error) => error.fmt(f),
            RepairError::Empty => f.write_str("nothing of it was written"),
            RepairError::NoKey => f.write_str(
                "it is encrypted: set kms_key or key_file of [recordings] as it was before",
            ),
        }
    }
}

impl From<io::Error> for RepairError {
    fn from(error: io::Error) -> Self {
        RepairError::Io(error)
    }
}

impl From<SealError> for RepairError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Io(error) => RepairError::Io(error),
            error => RepairError::Seal(error),
        }
    }
}

/// Makes the audio at `path` whole; how many samples it has. One that is whole stays as it is.
pub(crate) fn repair(
    path: &Path,
    description: &Description,
    keys: Option<&mut Keys>,
) -> Result<u64, RepairError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if description.encryption.is_some() {
        return sealed(&mut file, description, keys.ok_or(RepairError::NoKey)?);
    }
    let rate = description.sample_rate;
    let samples = match description.format.as_str() {
        "ogg" => ogg(&mut file, rate)?,
        "mkv" => mkv_file(&mut file, rate)?,
        _ => wav_file(&mut file, rate, description.channel_count())?,
    };
    file.sync_data()?;
    Ok(samples)
}

fn wav_file(file: &mut File, rate: u32, channels: u16) -> Result<u64, RepairError> {
    let length = file.metadata()?.len();
    let frame = wav::frame_bytes(channels);
    let data = length.saturating_sub(wav::HEAD_BYTES) / frame * frame;
    let mut head = [0; wav::HEAD_BYTES as usize];
    if length < wav::HEAD_BYTES || file.read_exact_at(&mut head, 0).is_err() || !wav::is_head(&head)
    {
        return Err(RepairError::Empty);
    }
    file.set_len(wav::HEAD_BYTES + data)?;
    file.write_all_at(&wav::head_of(channels, rate, Some(data)), 0)?;
    Ok(data / frame)
}

fn mkv_file(file: &mut File, rate: u32) -> Result<u64, RepairError> {
    let scan = scan_file(&mut BufReader::new(&*file))?;
    if scan.blocks == 0 {
        return Err(RepairError::Empty);
    }
    file.set_len(scan.whole)?;
    if let Some(at) = scan.duration_at {
        file.write_all_at(&duration_element(scan.blocks * PACKET_MS), at)?;
    }
    Ok(samples_of_blocks(scan.blocks, rate))
}

fn samples_of_blocks(blocks: u64, rate: u32) -> u64 {
    blocks * PACKET_MS * u64::from(rate) / 1_000
}

fn ogg(file: &mut File, rate: u32) -> Result<u64, RepairError> {
    let mut from = BufReader::new(&*file);
    let (last, end) = last_page(&mut from)?;
    let last = last.ok_or(RepairError::Empty)?;
    file.set_len(end)?;
    let samples = samples_of(&last, rate);
    if !last.ends() {
        let at = end.saturating_sub(last.octets().len() as u64);
        file.write_all_at(last.ended().octets(), at)?;
    }
    Ok(samples)
}

/// The last whole page, and where it ends.
fn last_page(from: &mut dyn Read) -> io::Result<(Option<Page>, u64)> {
    let (mut last, mut end) = (None, 0);
    while let Some(page) = read_page(from)? {
        end += page.octets().len() as u64;
        last = Some(page);
    }
    Ok((last, end))
}

fn samples_of(last: &Page, rate: u32) -> u64 {
    let positions = last.granule().saturating_sub(u64::from(pre_skip(rate)));
    positions / u64::from(CLOCK / rate.clamp(1, CLOCK))
}

/// Reads all that is whole, and writes the end where it is missing. A stream of Ogg gets no page that says
/// it is the last one: players go by the end of the file.
fn sealed(file: &mut File, description: &Description, keys: &mut Keys) -> Result<u64, RepairError> {
    let rate = description.sample_rate;
    let from = BufReader::new(&*file);
    let unsealed = Unsealed::open(from, |envelope| keys.open(envelope).map_err(RepairError::Key))?;
    let mut plain = Plain { unsealed, chunk: Vec::new(), at: 0, bytes: 0, end: None };
    let counted = match description.format.as_str() {
        "ogg" => {
            let (last, _) = last_page(&mut plain)?;
            Some(last.map_or(0, |last| samples_of(&last, rate)))
        }
        "mkv" => Some(samples_of_blocks(scan_file(&mut plain)?.blocks, rate)),
        _ => None,
    };
    // To the end also behind what is no page, or no block.
    io::copy(&mut plain, &mut io::sink())?;
    let Plain { unsealed, bytes, end, .. } = plain;
    let frame = wav::frame_bytes(description.channel_count());
    let samples = counted.unwrap_or(bytes.saturating_sub(wav::HEAD_BYTES) / frame);
    match end {
        None => return Ok(samples),
        Some(SealError::Unfinished(0)) => return Err(RepairError::Empty),
        Some(SealError::Unfinished(_)) => {}
        Some(error) => return Err(error.into()),
    }
    let whole = unsealed.whole_bytes();
    let mut out = Vec::new();
    unsealed.into_sealer().finish(&mut out);
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    file.write_all(&out)?;
    file.sync_data()?;
    Ok(samples)
}

/// The octets inside a sealed file, as far as they are whole.
struct Plain<R> {
    unsealed: Unsealed<R>,
    chunk: Vec<u8>,
    at: usize,
    bytes: u64,
    /// Why it ended, where that was not its end.
    end: Option<SealError>,
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() && self.end.is_none() {
            match self.unsealed.chunk() {
                Ok(Some(chunk)) => {
                    self.bytes += chunk.len() as u64;
                    (self.chunk, self.at) = (chunk, 0);
                }
                Ok(None) => return Ok(0),
                Err(error) => self.end = Some(error),
            }
        }
        let left = self.chunk.get(self.at..).unwrap_or_default();
        let count = left.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}
