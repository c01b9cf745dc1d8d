//! What others on this host can read below `data_dir`. What Tandem makes is its user's alone, but a
//! directory that an operator made, or files that were copied, keep the modes that they have.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files and directories that are looked at, those above first: a question of milliseconds.
const MOST_ENTRIES: usize = 20_000;
/// Bits of a mode: group or others may read, may enter.
const READ: u32 = 0o044;
const ENTER: u32 = 0o011;
const ANY: u32 = 0o077;

/// A `data_dir` that is not its owner's alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exposure {
    directory: PathBuf,
    mode: u32,
    /// Files below it that others can read: how many were seen, and one of them.
    files: Option<(usize, PathBuf)>,
}

impl Exposure {
    /// `None` when nobody else can look into it, or it is not there yet.
    pub(crate) fn of(data_dir: &Path) -> Option<Exposure> {
        let mode = fs::metadata(data_dir).ok()?.mode() & 0o777;
        if mode & ANY == 0 {
            return None;
        }
        let files = if mode & ENTER == 0 { None } else { readable(data_dir) };
        Some(Exposure { directory: data_dir.to_owned(), mode, files })
    }

    /// What to do.
    pub(crate) fn advice(&self) -> String {
        let directory = self.directory.display();
        match self.files {
            Some(_) => format!("chmod -R go= {directory}"),
            None => format!("chmod 700 {directory}"),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exposure { directory, mode, files } = self;
        let directory = directory.display();
        write!(f, "{directory} has mode {mode:04o}: other users of this host can ")?;
        match files {
            Some((1, file)) => write!(f, "read {}", file.display()),
            Some((count, file)) => {
                write!(f, "read {} and {} more of its files", file.display(), count - 1)
            }
            None => f.write_str("look into it, though not into its files"),
        }
    }
}

/// The files below `directory` that others can read, as far as they can come to them.
fn readable(directory: &Path) -> Option<(usize, PathBuf)> {
    let mut directories = VecDeque::from([directory.to_owned()]);
    let (mut left, mut count, mut first) = (MOST_ENTRIES, 0, None);
    while let Some(directory) = directories.pop_front() {
        // What this user may not list it did not write.
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            if left == 0 {
                return first.map(|first| (count, first));
            }
            left -= 1;
            // Of the entry itself: a link leads out of what is Tandem's.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && metadata.mode() & ENTER != 0 {
                directories.push_back(entry.path());
            } else if metadata.is_file() && metadata.mode() & READ != 0 {
                count += 1;
                first.get_or_insert_with(|| entry.path());
            }
        }
    }
    first.map(|first| (count, first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("exposure-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("calls")).unwrap();
            Scratch(path)
        }

        fn mode(&self, path: &str, mode: u32) -> &Self {
            let path = self.0.join(path);
            if !path.exists() {
                fs::write(&path, "{}").unwrap();
            }
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            self
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_of_its_owner_s_alone_hides_whatever_is_in_it() {
        let scratch = Scratch::new("closed");
        scratch.mode("calls/a.jsonl", 0o644).mode("calls", 0o755).mode("", 0o700);
        assert_eq!(Exposure::of(&scratch.0), None);
        assert_eq!(Exposure::of(&scratch.0.join("none")), None);
    }

    #[test]
    fn an_open_directory_is_told_with_what_others_can_read() {
        let scratch = Scratch::new("open");
        let shown = scratch.0.display().to_string();
        scratch.mode("calls/a.jsonl", 0o600).mode("calls", 0o700).mode("", 0o755);
        let exposure = Exposure::of(&scratch.0).unwrap();
        assert_eq!(
            exposure.to_string(),
            format!(
                "{shown} has mode 0755: other users of this host can look into it, though not into \
                 its files"
            )
        );
        assert_eq!(exposure.advice(), format!("chmod 700 {shown}"));
        scratch.mode("calls/a.jsonl", 0o640).mode("calls/b.jsonl", 0o604).mode("", 0o750);
        assert_eq!(Exposure::of(&scratch.0).unwrap().files, None, "nobody comes through calls");
        symlink("/etc/passwd", scratch.0.join("calls/link")).unwrap();
        let exposure = Exposure::of(scratch.mode("calls", 0o755).0.as_path()).unwrap();
        let told = exposure.to_string();
        assert!(
            told.contains("has mode 0750") && told.ends_with("and 1 more of its files"),
            "{told}"
        );
        assert_eq!(exposure.advice(), format!("chmod -R go= {shown}"));
        let exposure = Exposure::of(scratch.mode("", 0o744).0.as_path()).unwrap();
        assert_eq!(exposure.files, None, "it can be listed, not entered");
    }
}
