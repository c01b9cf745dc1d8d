//! Encrypted recordings as everybody can play them.

use crate::keys::{KeyError, Keys};
use crate::seal::{SealError, Unsealed};
use crate::wav;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Why an encrypted recording cannot be decrypted.
#[derive(Debug)]
pub enum UnsealError {
    /// The file.
    Seal(SealError),
    /// The key.
    Key(KeyError),
    /// What it is written to.
    Write(io::Error),
}

impl fmt::Display for UnsealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnsealError::Seal(error) => error.fmt(f),
            UnsealError::Key(error) => error.fmt(f),
            UnsealError::Write(error) => write!(f, "it cannot be written: {error}"),
        }
    }
}

impl std::error::Error for UnsealError {}

impl From<SealError> for UnsealError {
    fn from(error: SealError) -> Self {
        UnsealError::Seal(error)
    }
}

/// Decrypts the file at `path` into `out`. What is inside a WAV file was written before its length was
/// known: the header says it here.
///
/// # Errors
/// [`UnsealError`]. What was written before it is as it was recorded.
pub fn unseal(path: &Path, keys: &mut Keys, out: &mut dyn Write) -> Result<u64, UnsealError> {
    let file = File::open(path).map_err(SealError::Io)?;
    let data = plain_bytes(BufReader::new(&file)).map_err(SealError::Io)?;
    let from = BufReader::new(File::open(path).map_err(SealError::Io)?);
    let mut unsealed =
        Unsealed::open(from, |envelope| keys.open(envelope).map_err(UnsealError::Key))?;
    let (mut bytes, mut is_first) = (0, true);
    while let Some(mut chunk) = unsealed.chunk()? {
        if is_first {
            set_length(&mut chunk, data);
            is_first = false;
        }
        out.write_all(&chunk).map_err(UnsealError::Write)?;
        bytes += chunk.len() as u64;
    }
    out.flush().map_err(UnsealError::Write)?;
    Ok(bytes)
}

/// Octets inside, by the lengths of the chunks; what they are worth is known when they are opened.
fn plain_bytes(mut from: impl Read) -> io::Result<u64> {
    if crate::seal::read_sealed_header(&mut from).is_err() {
        return Ok(0);
    }
    let mut total = 0;
    let mut word = [0; 4];
    while from.read_exact(&mut word).is_ok() {
        let length = u64::from(u32::from_be_bytes(word) & !(1 << 31));
        let skipped = io::copy(&mut (&mut from).take(length + 16), &mut io::sink())?;
        if skipped < length + 16 {
            break;
        }
        total += length;
    }
    Ok(total)
}

/// Puts the length into a WAV header whose own says that it is not known.
fn set_length(first: &mut [u8], total: u64) {
    let unknown = wav::UNKNOWN.to_le_bytes();
    let rate = first.get(24..28).and_then(|octets| octets.try_into().ok()).map(u32::from_le_bytes);
    if let (true, Some(rate)) = (wav::is_head(first), rate)
        && first.get(40..44) == Some(&unknown)
        && let Some(place) = first.get_mut(..wav::HEAD_BYTES as usize)
    {
        let channels = if place.get(22) == Some(&1) { 1 } else { 2 };
        let frame = wav::frame_bytes(channels);
        let data = total.saturating_sub(wav::HEAD_BYTES) / frame * frame;
        place.copy_from_slice(&wav::head_of(channels, rate, Some(data)));
    }
}
