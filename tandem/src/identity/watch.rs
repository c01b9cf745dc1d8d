//! Takes files of `[stir]` that have changed, as the TLS files are.

use super::{CertificateEnd, Loaded, load};
use crate::config::Stir;
use arc_swap::ArcSwap;
use model::UnixTime;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// Seconds between two warnings about certificates that end.
const WARNING_INTERVAL: u64 = 86_400;

/// The files in force. A set is taken whole or not at all: one that does not fit together, as in the
/// middle of a renewal, changes nothing.
pub(crate) struct IdentityFiles {
    stir: Stir,
    stamps: Vec<Option<Stamp>>,
    ends: Arc<ArcSwap<Vec<CertificateEnd>>>,
    warned_at: UnixTime,
}

/// What changes when a file is written or replaced: time, inode, length.
type Stamp = (i64, i64, u64, u64);

impl IdentityFiles {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Which file is wrong, and why.
    pub(crate) fn start(stir: Stir, now: UnixTime) -> Result<(Self, b2bua::Stir), String> {
        let stamps = stamps(&stir);
        let loaded = load(&stir, now)?;
        let ends = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let mut files = IdentityFiles { stir, stamps, ends, warned_at: now };
        let taken = files.take(loaded, now);
        Ok((files, taken))
    }

    /// When the certificates end, at any time.
    pub(crate) fn ends(&self) -> Arc<ArcSwap<Vec<CertificateEnd>>> {
        Arc::clone(&self.ends)
    }

    /// Looks whether a file has changed. Gives what is to be used from now on, if that is new.
    pub(crate) fn look(&mut self, now: UnixTime) -> Option<b2bua::Stir> {
        if now.as_secs().saturating_sub(self.warned_at.as_secs()) >= WARNING_INTERVAL {
            self.warn(now);
        }
        // Before reading: a change in between is then seen the next time.
        let stamps = stamps(&self.stir);
        if stamps == self.stamps {
            return None;
        }
        self.stamps = stamps;
        match load(&self.stir, now) {
            Ok(loaded) => {
                tracing::info!("the files of [stir] were read again");
                Some(self.take(loaded, now))
            }
            Err(error) => {
                tracing::error!("{error}; what was read before stays in use");
                None
            }
        }
    }

    /// Other files count from now on. Gives what is to be used, if that is new.
    pub(crate) fn follow(&mut self, stir: Stir, now: UnixTime) -> Option<b2bua::Stir> {
        if stir != self.stir {
            self.stir = stir;
            self.stamps.clear();
            // No file at all has no stamp either.
            self.stamps.push(None);
        }
        self.look(now)
    }

    fn take(&mut self, loaded: Loaded, now: UnixTime) -> b2bua::Stir {
        for text in &loaded.refused {
            tracing::warn!("{text}; calls that it signs do not verify");
        }
        self.ends.store(Arc::new(loaded.ends));
        self.warn(now);
        loaded.stir
    }

    fn warn(&mut self, now: UnixTime) {
        self.warned_at = now;
        for warning in self.ends.load().iter().filter_map(|end| end.warning(now)) {
            tracing::warn!("{warning}");
        }
    }
}

fn stamps(stir: &Stir) -> Vec<Option<Stamp>> {
    let signer = stir.signer.iter();
    let own = signer.flat_map(|files| std::iter::once(&files.key).chain(&files.certificate));
    let others = stir.certificates.iter().map(|(_, path)| path);
    own.chain(&stir.roots).chain(others).map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    Some((data.mtime(), data.mtime_nsec(), data.ino(), data.len()))
}
