//! The two calls that a disk can fail in the midst of, so that tests can make them fail.

use std::fs::File;
use std::io::{self, Write as _};

pub(crate) trait Disk: Send {
    /// Appends some of `bytes`; how many.
    fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Makes the file's content survive a power failure.
    fn sync(&mut self, file: &File) -> io::Result<()>;
}

/// The operating system's.
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

pub(super) fn write_all(disk: &mut dyn Disk, file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
