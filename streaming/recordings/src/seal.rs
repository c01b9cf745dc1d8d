//! Files that only who has the key can read: a header, then chunks of AES-256-GCM in an order, and with an
//! end, that nobody can change unseen. docs/recordings.md has the format octet by octet.

use crate::keys::{DATA_KEY_BYTES, Envelope, PlainKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, ErrorKind, Read};

/// What a sealed file begins with.
pub(crate) const MAGIC: &[u8; 8] = b"TDSEAL01";
/// Octets of a chunk at most, before they are encrypted.
pub(crate) const MOST_CHUNK: usize = 65_536;
const TAG_BYTES: usize = 16;
/// Octets of the header's description.
const MOST_HEADER: usize = 16_384;
const LAST: u32 = 1 << 31;

/// What a sealed file tells everybody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedHeader {
    /// How chunks are encrypted: `AES-256-GCM`.
    pub algorithm: String,
    /// What is inside, such as `audio/wav`.
    pub content_type: String,
    /// The data key, itself encrypted.
    pub key: Envelope,
}

/// Why a sealed file cannot be read.
#[derive(Debug)]
pub enum SealError {
    /// It is no sealed file, or of another version.
    NotSealed,
    /// A chunk, counted from 0, was changed, moved, or belongs to another file; or the key is another one.
    Changed(u64),
    /// The end is missing after so many whole chunks: the recorder died, or somebody cut it off.
    Unfinished(u64),
    /// The file cannot be read.
    Io(io::Error),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::NotSealed => f.write_str("it is not encrypted by tandem"),
            SealError::Changed(0) => {
                f.write_str("the key does not fit, or the file was changed at its beginning")
            }
            SealError::Changed(chunk) => write!(f, "it was changed after {chunk} whole chunks"),
            SealError::Unfinished(chunks) => write!(
                f,
                "its end is missing after {chunks} whole chunks: it was cut off, or its node has not \
                 started again since it died"
            ),
            SealError::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for SealError {}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        SealError::Io(error)
    }
}

/// A key and the header that its chunks are bound to.
struct Cipher {
    key: LessSafeKey,
    header: [u8; 32],
}

impl Cipher {
    fn new(key: &PlainKey, header: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key.octets()).ok()?;
        let header = digest(&SHA256, header).as_ref().try_into().ok()?;
        Some(Cipher { key: LessSafeKey::new(key), header })
    }

    /// Every key is used for one file, and every number once in it. The last chunk counts apart from the
    /// others, so that one of the same number which a crash tore off shares no nonce with it.
    fn nonce(number: u64, is_last: bool) -> Nonce {
        let mut octets = [0; 12];
        octets[0] = u8::from(is_last);
        octets[4..].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(octets)
    }

    fn aad(&self, word: u32) -> Aad<Vec<u8>> {
        let mut octets = self.header.to_vec();
        octets.extend_from_slice(&word.to_be_bytes());
        Aad::from(octets)
    }
}

/// Seals a file from its beginning to its end.
pub(crate) struct Sealer {
    cipher: Cipher,
    next: u64,
}

impl Sealer {
    /// Begins a file: writes its header. `None` when the header is too large.
    pub(crate) fn begin(key: &PlainKey, header: &SealedHeader, out: &mut Vec<u8>) -> Option<Self> {
        let text = serde_json::to_vec(header).ok().filter(|text| text.len() <= MOST_HEADER)?;
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&(text.len() as u32).to_be_bytes());
        octets.extend_from_slice(&text);
        let cipher = Cipher::new(key, &octets)?;
        out.append(&mut octets);
        Some(Sealer { cipher, next: 0 })
    }

    /// Writes chunks of `plain`; none when it is empty.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        for chunk in plain.chunks(MOST_CHUNK) {
            self.chunk(chunk, false, out);
        }
    }

    /// Writes the end, an empty chunk.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.chunk(&[], true, out);
    }

    fn chunk(&mut self, plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let word = plain.len() as u32 | if is_last { LAST } else { 0 };
        out.extend_from_slice(&word.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(plain);
        let nonce = Cipher::nonce(self.next, is_last);
        self.next += 1;
        let aad = self.cipher.aad(word);
        let place = out.get_mut(start..).unwrap_or_default();
        // It fails for more than 64 GiB only.
        if let Ok(tag) = self.cipher.key.seal_in_place_separate_tag(nonce, aad, place) {
            out.extend_from_slice(tag.as_ref());
        }
    }
}

/// Reads a sealed file.
pub struct Unsealed<R> {
    from: R,
    cipher: Cipher,
    header: SealedHeader,
    next: u64,
    /// Octets of the file up to the end of the last whole chunk.
    whole_bytes: u64,
    is_finished: bool,
}

/// Reads the header of a sealed file, as it stands and understood.
///
/// # Errors
/// [`SealError`].
pub fn read_sealed_header(from: &mut dyn Read) -> Result<(Vec<u8>, SealedHeader), SealError> {
    let mut octets = vec![0; MAGIC.len() + 4];
    from.read_exact(&mut octets).map_err(|error| unless_short(error, SealError::NotSealed))?;
    let (magic, length) = octets.split_at(MAGIC.len());
    let length = length.try_into().map_or(0, u32::from_be_bytes) as usize;
    if magic != MAGIC || length > MOST_HEADER {
        return Err(SealError::NotSealed);
    }
    let start = octets.len();
    octets.resize(start + length, 0);
    let text = octets.get_mut(start..).unwrap_or_default();
    from.read_exact(text).map_err(|error| unless_short(error, SealError::NotSealed))?;
    let header: SealedHeader = serde_json::from_slice(text).map_err(|_| SealError::NotSealed)?;
    if header.algorithm != ALGORITHM {
        return Err(SealError::NotSealed);
    }
    Ok((octets, header))
}

/// The only one there is.
pub(crate) const ALGORITHM: &str = "AES-256-GCM";

impl<R: Read> Unsealed<R> {
    /// Reads the header and asks `key` for the data key that its envelope holds.
    ///
    /// # Errors
    /// What the header has wrong, or what `key` says.
    pub fn open<E: From<SealError>>(
        mut from: R,
        key: impl FnOnce(&Envelope) -> Result<PlainKey, E>,
    ) -> Result<Self, E> {
        let (octets, header) = read_sealed_header(&mut from)?;
        let key = key(&header.key)?;
        let cipher = Cipher::new(&key, &octets).ok_or(SealError::NotSealed)?;
        let whole_bytes = octets.len() as u64;
        Ok(Unsealed { from, cipher, header, next: 0, whole_bytes, is_finished: false })
    }

    /// What the file tells everybody.
    pub fn header(&self) -> &SealedHeader {
        &self.header
    }

    /// The next chunk; `None` behind the last one.
    ///
    /// # Errors
    /// [`SealError`]. What was read before is as it was written.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, SealError> {
        if self.is_finished {
            return Ok(None);
        }
        let cut_off = || SealError::Unfinished(self.next);
        let mut word = [0; 4];
        self.from.read_exact(&mut word).map_err(|error| unless_short(error, cut_off()))?;
        let word = u32::from_be_bytes(word);
        let (is_last, length) = (word & LAST != 0, (word & !LAST) as usize);
        if length > MOST_CHUNK {
            return Err(SealError::Changed(self.next));
        }
        let mut octets = vec![0; length + TAG_BYTES];
        self.from.read_exact(&mut octets).map_err(|error| unless_short(error, cut_off()))?;
        let nonce = Cipher::nonce(self.next, is_last);
        let opened = self.cipher.key.open_in_place(nonce, self.cipher.aad(word), &mut octets);
        opened.map_err(|_| SealError::Changed(self.next))?;
        octets.truncate(length);
        self.next += 1;
        self.whole_bytes += (4 + length + TAG_BYTES) as u64;
        self.is_finished = is_last;
        Ok(Some(octets))
    }

    /// Octets of the file up to the end of the last chunk that was read.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Goes on behind the last chunk that was read, to finish a file that was cut off there.
    pub(crate) fn into_sealer(self) -> Sealer {
        Sealer { cipher: self.cipher, next: self.next }
    }
}

fn unless_short(error: io::Error, short: SealError) -> SealError {
    if error.kind() == ErrorKind::UnexpectedEof { short } else { SealError::Io(error) }
}

const _: () = assert!(DATA_KEY_BYTES == 32);

#[cfg(test)]
mod tests;
