//! Whole files with one change of their directory: written without a name, then given one.

use crate::RecordPath;
use crate::files::FILE_MODE;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open, openat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// Directories that are open during a batch, so that the files of a batch need no walk from the
/// root each.
pub(crate) struct Directories {
    open: HashMap<Box<str>, OwnedFd>,
    limit: usize,
    /// The file system makes no files without names: do not ask again for every file.
    refused: bool,
}

impl Directories {
    /// At most `limit` are open; when one more is needed, all are closed.
    pub(crate) fn new(limit: usize) -> Self {
        Directories { open: HashMap::new(), limit: limit.max(1), refused: false }
    }

    /// Makes the file below `root`.
    ///
    /// # Errors
    /// When the directory is missing, the name is taken, or the file system cannot do this.
    pub(crate) fn link_file(
        &mut self,
        root: &Path,
        path: &RecordPath,
        body: &[u8],
    ) -> io::Result<()> {
        if self.refused {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (directory, name) = path.as_str().rsplit_once('/').unwrap_or((".", path.as_str()));
        let directory = self.directory(root, directory)?;
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let unnamed = match openat(directory, ".", flags, Mode::from_raw_mode(FILE_MODE)) {
            // From the file system, and from a kernel that does not know the flag.
            Err(error @ (Errno::OPNOTSUPP | Errno::ISDIR)) => {
                self.refused = true;
                return Err(error.into());
            }
            outcome => outcome?,
        };
        let mut file = File::from(unnamed);
        file.write_all(body)?;
        // The only way to name such a file without privileges, see open(2).
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, unnamed, directory, name, AtFlags::SYMLINK_FOLLOW)?;
        Ok(())
    }

    /// Closes all.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }

    fn directory(&mut self, root: &Path, path: &str) -> io::Result<&OwnedFd> {
        if !self.open.contains_key(path) {
            if self.open.len() >= self.limit {
                self.open.clear();
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = open(root.join(path), flags, Mode::empty())?;
            self.open.insert(path.into(), directory);
        }
        self.open.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_appears_whole_once_and_never_over_another() {
        let root = std::env::temp_dir().join(format!("outbox-directories-{}", std::process::id()));
        fs::create_dir_all(root.join("a")).unwrap();
        let mut directories = Directories::new(1);
        let path = |text: &str| RecordPath::new(text).unwrap();
        for name in ["a/one", "two", "a/three"] {
            // A file system without unnamed files is served by the long way.
            let linked = directories.link_file(&root, &path(name), b"{}");
            assert!(linked.is_ok() || directories.refused, "{name}: {linked:?}");
            assert_eq!(root.join(name).exists(), linked.is_ok());
            assert!(directories.open.len() <= 1);
        }
        fs::write(root.join("taken"), "old").unwrap();
        assert!(directories.link_file(&root, &path("taken"), b"new").is_err());
        assert_eq!(fs::read_to_string(root.join("taken")).unwrap(), "old");
        assert!(directories.link_file(&root, &path("missing/one"), b"{}").is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
