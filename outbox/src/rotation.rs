//! Files of lines that grow without an end are put aside by size and by day.
//!
//! `x.jsonl` becomes `x.2026-11-21.0001.jsonl` with one rename: at any moment, also after `kill -9`, every
//! line is in exactly one file. The day is the one of its last line (UTC).
//!
//! Files that others point into keep their names: where `x.jsonl` is full, lines go on in `x.0001.jsonl`.

use crate::RecordPath;
use jiff::Timestamp;
use model::UnixTime;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const EXTENSION: &str = ".jsonl";
/// Of a file that was put aside and compressed.
const COMPRESSED: &str = ".jsonl.gz";
/// Files of one day and name; then the day's last file goes on growing.
const MOST_A_DAY: u32 = 9_999;

/// Which files of lines are put aside, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// The directories, relative to the sink's root; their files are called `….jsonl`.
    pub below: Vec<String>,
    /// The directories whose files are not put aside: where one is full, the next one begins.
    pub continued: Vec<String>,
    /// A file gets no more lines when it would exceed so many octets with them.
    pub max_bytes: u64,
}

impl Rotation {
    /// When the file at `path` is full, and what then; `None` for one that never is.
    pub(crate) fn limit(&self, path: &RecordPath) -> Option<Limit> {
        let (directory, name) = path.as_str().split_once('/')?;
        let is_in = |directories: &[String]| directories.iter().any(|below| below == directory);
        let then = match (is_in(&self.below), is_in(&self.continued)) {
            _ if !name.ends_with(EXTENSION) => return None,
            (true, _) => WhenFull::PutAside,
            (false, true) => WhenFull::Continue,
            (false, false) => return None,
        };
        Some(Limit { max_bytes: self.max_bytes, then })
    }
}

/// When a file is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limit {
    pub(crate) max_bytes: u64,
    pub(crate) then: WhenFull,
}

/// What becomes of a file that is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhenFull {
    /// It gets another name; at the end of its day as well.
    PutAside,
    /// It keeps its name and gets no more lines.
    Continue,
}

/// A file that was put aside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PutAside {
    /// The day of its last line, `YYYY-MM-DD`.
    pub day: String,
    /// Which one of the day, from 1.
    pub number: u32,
    /// The name of the file that it was, without its extension.
    pub stem: String,
    /// Its content is compressed (gzip).
    pub is_compressed: bool,
}

impl PutAside {
    /// What `name` says; `None` for other files.
    pub fn parse(name: &str) -> Option<PutAside> {
        let (rest, is_compressed) = match name.strip_suffix(COMPRESSED) {
            Some(rest) => (rest, true),
            None => (name.strip_suffix(EXTENSION)?, false),
        };
        let (rest, number) = rest.rsplit_once('.')?;
        let (stem, day) = rest.rsplit_once('.')?;
        let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
        (is_number && is_day(day) && !stem.is_empty()).then(|| PutAside {
            day: day.to_owned(),
            number: number.parse().unwrap_or_default(),
            stem: stem.to_owned(),
            is_compressed,
        })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        let extension = if self.is_compressed { COMPRESSED } else { EXTENSION };
        format!("{}.{}.{:04}{extension}", self.stem, self.day, self.number)
    }
}

/// The day of a moment, `YYYY-MM-DD` (UTC).
pub(crate) fn day_of(time: UnixTime) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%d").to_string()
}

/// When a file was written last.
pub(crate) fn written_last(metadata: &fs::Metadata) -> UnixTime {
    UnixTime::from_millis(u64::try_from(metadata.mtime()).unwrap_or(0).saturating_mul(1_000))
}

/// Puts the file at `path` aside under a name that none has, of the day of its last line.
///
/// # Errors
/// That it cannot be renamed, or that its day has all names already.
pub(crate) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let day = day_of(written_last(&fs::metadata(path)?));
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(EXTENSION).unwrap_or(name).to_owned();
    let mut last = 0;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(aside) = name.to_str().and_then(PutAside::parse)
            && aside.stem == stem
            && aside.day == day
        {
            last = last.max(aside.number);
        }
    }
    if last >= MOST_A_DAY {
        return Err(io::Error::other(format!("{MOST_A_DAY} files of {day} were put aside")));
    }
    let aside = PutAside { day, number: last + 1, stem, is_compressed: false };
    let aside = directory.join(aside.name());
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The last of the files that lines of `path` go on in: 0 for `path` itself.
///
/// # Errors
/// That the directory cannot be read.
pub(crate) fn last_part(path: &Path) -> io::Result<u32> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut last = 0;
    for entry in entries {
        let name = entry?.file_name();
        last = last.max(name.to_str().and_then(|name| part_number(path, name)).unwrap_or(0));
    }
    Ok(last)
}

/// Where lines of `path` go on; `None` when that many files are there that no more are begun.
pub(crate) fn part(path: &Path, number: u32) -> Option<PathBuf> {
    match number {
        0 => Some(path.to_owned()),
        1..=MOST_A_DAY => {
            Some(path.with_file_name(format!("{}.{number:04}{EXTENSION}", stem(path))))
        }
        _ => None,
    }
}

fn part_number(path: &Path, name: &str) -> Option<u32> {
    let number = name.strip_prefix(stem(path))?.strip_prefix('.')?.strip_suffix(EXTENSION)?;
    let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| number.parse().ok()).flatten()
}

fn stem(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(EXTENSION).unwrap_or(name)
}

fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, octet)| match place {
            4 | 7 => octet == b'-',
            _ => octet.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_was() {
        let aside = PutAside::parse("ab.c.2026-11-21.0012.jsonl.gz").unwrap();
        assert_eq!(
            (aside.stem.as_str(), aside.day.as_str(), aside.number),
            ("ab.c", "2026-11-21", 12)
        );
        assert!(aside.is_compressed);
        assert_eq!(aside.name(), "ab.c.2026-11-21.0012.jsonl.gz");
        for other in [
            "abc.jsonl",
            "2026-11-21.jsonl",
            "a.2026-11-21.1.jsonl",
            "a.2026-11-2x.0001.jsonl",
            ".2026-11-21.0001.jsonl",
            "a.2026-11-21.0001.jsonl.gz.partial",
            "",
            ".jsonl",
        ] {
            assert_eq!(PutAside::parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_files_of_lines_below_the_given_directories_are_put_aside() {
        let rotation = Rotation {
            below: vec!["logs".into(), "cloudwatch".into()],
            continued: vec!["calls".into()],
            max_bytes: 7,
        };
        let limit = |path: &str| {
            let limit = rotation.limit(&RecordPath::new(path).unwrap())?;
            assert_eq!(limit.max_bytes, 7);
            Some(limit.then)
        };
        assert_eq!(limit("logs/aws/x.jsonl"), Some(WhenFull::PutAside));
        assert_eq!(limit("cloudwatch/metrics.jsonl"), Some(WhenFull::PutAside));
        assert_eq!(limit("calls/2026-11-21.jsonl"), Some(WhenFull::Continue));
        assert_eq!(limit("s3/2026-11-21.jsonl"), None);
        assert_eq!(limit("logs/x"), None);
        assert_eq!(limit("logs.jsonl"), None);
    }

    #[test]
    fn the_parts_of_a_file_have_numbers_and_are_no_files_put_aside() {
        let path = Path::new("calls/2026-11-21.jsonl");
        assert_eq!(part(path, 0).as_deref(), Some(path));
        let second = part(path, 12).unwrap();
        assert_eq!(second, Path::new("calls/2026-11-21.0012.jsonl"));
        assert_eq!(PutAside::parse("2026-11-21.0012.jsonl"), None);
        assert!(part(path, 9_999).is_some() && part(path, 10_000).is_none());
        for (name, number) in [
            ("2026-11-21.0012.jsonl", Some(12)),
            ("2026-11-21.jsonl", None),
            ("2026-11-21.012.jsonl", None),
            ("2026-11-22.0012.jsonl", None),
            ("2026-11-21.0012.jsonl.gz", None),
        ] {
            assert_eq!(part_number(path, name), number, "{name}");
        }
        assert_eq!(last_part(Path::new("/none/x.jsonl")).unwrap(), 0);
    }
}
