//! Secrets at rest: AES-256-GCM under a key in a file beside the database.

use crate::StoreError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The key file's name in `data_dir`.
pub const KEY_FILE: &str = "directory.key";

/// The key of the file.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads the file; makes it, with octets that `random` fills, when it is missing.
    pub(crate) fn open(
        data_dir: &Path,
        random: impl FnOnce(&mut [u8; 32]) -> io::Result<()>,
    ) -> Result<MasterKey, StoreError> {
        let path = data_dir.join(KEY_FILE);
        let at = |error| StoreError::File(path.clone(), error);
        if !path.try_exists().map_err(at)? {
            make(data_dir, &path, random).map_err(at)?;
        }
        MasterKey::read(data_dir)
    }

    /// Reads the file and makes none.
    ///
    /// # Errors
    /// [`StoreError::File`], also when there is none, or [`StoreError::BadKeyFile`].
    pub fn read(data_dir: &Path) -> Result<MasterKey, StoreError> {
        let path = data_dir.join(KEY_FILE);
        let octets =
            Zeroizing::new(fs::read(&path).map_err(|error| StoreError::File(path.clone(), error))?);
        let octets =
            <[u8; 32]>::try_from(octets.as_slice()).map_err(|_| StoreError::BadKeyFile(path))?;
        Ok(MasterKey(Zeroizing::new(octets)))
    }

    /// A key for another purpose, which tells nothing of this one.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0);
        let tag = hmac::sign(&key, purpose.as_bytes());
        let mut derived = [0; 32];
        derived.copy_from_slice(tag.as_ref());
        derived
    }

    /// Nonce, ciphertext and tag of `secret`; `place` must be the same when it is opened.
    pub(crate) fn seal(
        &self,
        place: &str,
        nonce: [u8; NONCE_LEN],
        secret: &str,
    ) -> Option<Vec<u8>> {
        let mut content = secret.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(place.as_bytes());
        self.cipher().seal_in_place_append_tag(unique, aad, &mut content).ok()?;
        Some([nonce.as_slice(), &content].concat())
    }

    pub(crate) fn open_sealed(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = Zeroizing::new(content.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(place.as_bytes());
        let opened = self.cipher().open_in_place(nonce, aad, &mut content).ok()?;
        Some(Zeroizing::new(std::str::from_utf8(opened).ok()?.to_owned()))
    }

    fn cipher(&self) -> LessSafeKey {
        #[expect(clippy::expect_used, reason = "the key has the cipher's length by its type")]
        let key = UnboundKey::new(&AES_256_GCM, &*self.0).expect("32 octets");
        LessSafeKey::new(key)
    }
}

/// The file appears whole, and only once: of two processes that make it, the first one's stays.
fn make(
    data_dir: &Path,
    path: &Path,
    random: impl FnOnce(&mut [u8; 32]) -> io::Result<()>,
) -> io::Result<()> {
    let mut octets = Zeroizing::new([0; 32]);
    random(&mut octets)?;
    let new = data_dir.join(format!("{KEY_FILE}.{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(&*octets).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&new, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&new)?;
    linked
}
