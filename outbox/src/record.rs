//! One thing to be written.

use std::fmt;

/// A body and the file that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Where, below the sink's root.
    pub path: RecordPath,
    /// What; for [`RecordKind::AppendLine`] without the line's end.
    pub body: Vec<u8>,
    /// How.
    pub kind: RecordKind,
}

/// How a record is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// The body becomes the last line of the file. A line feed inside the body would break the
    /// file for its readers; JSON texts have none.
    AppendLine,
    /// The body is the whole file. A reader sees all of it or nothing (it is renamed into place).
    WholeFile,
}

/// A relative path of plain components: it cannot leave the sink's root.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordPath(String);

/// Why a text is not a [`RecordPath`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidPath {
    /// The text that was given.
    pub given: String,
}

impl RecordPath {
    /// Longest path in octets; POSIX systems take 4,096 with the root in front.
    pub const MAX_BYTES: usize = 1_024;

    /// Checks `path`.
    ///
    /// # Errors
    /// [`InvalidPath`] when it is empty, longer than [`RecordPath::MAX_BYTES`], starts or ends
    /// with `/`, has an empty component, `.` or `..`, or a control character or backslash.
    pub fn new(path: impl Into<String>) -> Result<Self, InvalidPath> {
        let path = path.into();
        let plain = |c: &str| {
            !matches!(c, "" | "." | "..") && !c.chars().any(|c| c.is_control() || c == '\\')
        };
        if path.len() <= Self::MAX_BYTES && path.split('/').all(plain) {
            Ok(RecordPath(path))
        } else {
            Err(InvalidPath { given: path })
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a path for a record: use a relative path without '.', '..' or empty parts",
            self.given
        )
    }
}

impl std::error::Error for InvalidPath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_root() {
        for good in ["a", "calls/2026-01-02.jsonl", "s3/x/json/v/2026/01/02/03.04.05.678_id"] {
            assert!(RecordPath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/.", "a\nb", "a\\b"] {
            assert!(RecordPath::new(bad).is_err(), "{bad}");
        }
        assert!(RecordPath::new("a".repeat(RecordPath::MAX_BYTES)).is_ok());
        assert!(RecordPath::new("a".repeat(RecordPath::MAX_BYTES + 1)).is_err());
    }
}
