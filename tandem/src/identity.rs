//! The files of `[stir]`: read at the start, and again when they change.

mod watch;

use crate::config::Stir;
use model::UnixTime;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use watch::IdentityFiles;

/// What the files hold.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// For the call logic.
    pub(crate) stir: b2bua::Stir,
    /// When each file of certificates is over.
    pub(crate) ends: Vec<CertificateEnd>,
    /// Certificates of others that are not taken, and why: their calls do not verify.
    pub(crate) refused: Vec<String>,
}

/// When a file of certificates is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CertificateEnd {
    pub(crate) key: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) at: UnixTime,
}

impl CertificateEnd {
    /// How long it is still valid, in seconds; negative when it has ended.
    pub(crate) fn seconds_left(&self, now: UnixTime) -> i64 {
        let seconds = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.at).saturating_sub(seconds(now))
    }

    /// What to do, when it ends within the time that warnings are for.
    pub(crate) fn warning(&self, now: UnixTime) -> Option<String> {
        let left = self.seconds_left(now);
        let when = match left {
            ..=0 => "has expired".to_owned(),
            _ if left < sip_edge::tls::EXPIRY_WARNING_SECONDS => {
                format!("expires in {} days", left / 86_400)
            }
            _ => return None,
        };
        Some(wrong(self.key, &self.file, format!("{when}; put a new certificate there")))
    }
}

/// Reads keys and certificates. A certificate of somebody else that does not chain to a root, because
/// it has expired perhaps, is left out: that concerns its calls alone.
///
/// # Errors
/// Which file is wrong, and why.
pub(crate) fn load(stir: &Stir, now: UnixTime) -> Result<Loaded, String> {
    let mut loaded = Loaded::default();
    if let Some(files) = &stir.signer {
        let signer = stir::Signer::new(&read("key", &files.key)?, &files.x5u)
            .map_err(|error| wrong("key", &files.key, error))?;
        if let Some(path) = &files.certificate {
            let text = read("certificate", path)?;
            let fits = stir::Verifier::has_key(&text, signer.public_key())
                .map_err(|error| wrong("certificate", path, error))?;
            if !fits {
                return Err(wrong("certificate", path, "it is not the certificate of key"));
            }
            loaded.note_end("certificate", path, &text)?;
        }
        loaded.stir.signer = Some(Arc::new(signer));
    }
    if !stir.roots.is_empty() {
        let mut verifier = stir::Verifier::default();
        for path in &stir.roots {
            let text = read("roots", path)?;
            verifier.add_roots(&text).map_err(|error| wrong("roots", path, error))?;
            loaded.note_end("roots", path, &text)?;
        }
        for (url, path) in &stir.certificates {
            let text = read("certificates", path)?;
            match verifier.add_certificate(url, &text, now) {
                Ok(()) => {}
                Err(error @ stir::CertificateError::NotTrusted) => {
                    loaded.refused.push(wrong("certificates", path, error));
                }
                Err(error) => return Err(wrong("certificates", path, error)),
            }
            loaded.note_end("certificates", path, &text)?;
        }
        loaded.stir.verifier = Some(Arc::new(verifier));
    }
    Ok(loaded)
}

impl Loaded {
    fn note_end(&mut self, key: &'static str, path: &Path, text: &str) -> Result<(), String> {
        let at = stir::Verifier::end_of(text).map_err(|error| wrong(key, path, error))?;
        self.ends.push(CertificateEnd { key, file: path.to_owned(), at });
        Ok(())
    }
}

/// Far more than a chain or a list of authorities takes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

fn read(key: &str, path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| wrong(key, path, error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(wrong(key, path, "is larger than 4 MiB; it is not a certificate file"));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(key, path, error))
}

fn wrong(key: &str, path: &Path, why: impl Display) -> String {
    format!("[stir] {key} \"{}\": {why}", path.display())
}

#[cfg(test)]
mod tests;
