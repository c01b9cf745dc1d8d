//! The file of marks: room for thousands of them is taken in advance, so that a full disk does not
//! keep us from noting what is delivered.

use crate::files::FILE_MODE;
use crate::marks::{MARK_BYTES, Mark, Marks};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Octets of the file, unless the marks need more.
const ROOM: usize = 64 * 1_024;

#[derive(Debug)]
pub(crate) struct MarksFile {
    path: PathBuf,
    file: File,
    /// Where the next mark goes.
    at: usize,
    room: usize,
    failing: bool,
}

impl MarksFile {
    /// Writes the file anew with the fewest marks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn create(path: PathBuf, marks: &Marks) -> io::Result<Self> {
        let content = content(marks);
        let at = marks.to_marks().len() * MARK_BYTES;
        let partial = path.with_extension("partial");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&partial)?;
        file.write_all(&content)?;
        // Without it, a power failure could leave an empty file under the name.
        file.sync_data()?;
        fs::rename(&partial, &path)?;
        Ok(MarksFile { path, file, at, room: content.len(), failing: false })
    }

    /// Adds marks; `all` has them already. With `sync`, they survive a power failure. A failure is
    /// said once: the price is that entries may come again after a restart.
    pub(super) fn add(&mut self, new: &[Mark], all: &Marks, sync: bool) {
        let outcome = self.write(new, all).and_then(|()| match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        if let Err(error) = &outcome
            && !self.failing
        {
            let file = self.path.display().to_string();
            tracing::error!(file, %error, "what is delivered cannot be noted: it may come again");
        }
        self.failing = outcome.is_err();
    }

    fn write(&mut self, new: &[Mark], all: &Marks) -> io::Result<()> {
        let bytes: Vec<u8> = new.iter().copied().flat_map(Mark::to_bytes).collect();
        if !self.failing && self.at + bytes.len() <= self.room {
            self.file.write_all_at(&bytes, self.at as u64)?;
            self.at += bytes.len();
            return Ok(());
        }
        // An earlier failure may have left a gap: everything is said again.
        match MarksFile::create(self.path.clone(), all) {
            Ok(fresh) => {
                *self = fresh;
                Ok(())
            }
            // No room for a second file: over the first one, which one write does as a whole as
            // long as the machine runs.
            Err(_) => {
                let content = content(all);
                self.file.write_all_at(&content, 0)?;
                self.at = all.to_marks().len() * MARK_BYTES;
                self.room = self.room.max(content.len());
                Ok(())
            }
        }
    }
}

fn content(marks: &Marks) -> Vec<u8> {
    let mut content: Vec<u8> = marks.to_marks().into_iter().flat_map(Mark::to_bytes).collect();
    content.resize(ROOM.max(content.len() * 2), 0);
    content
}
