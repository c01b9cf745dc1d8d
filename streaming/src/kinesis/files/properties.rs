//! What a stream's folder says of it.

use crate::kinesis::PROPERTIES;
use jiff::Timestamp;
use model::UnixTime;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Octets of the file that are read.
const MOST: u64 = 16 * 1_024;

/// A stream as Kinesis Video Streams describes one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamProperties {
    /// Its name.
    pub stream_name: String,
    /// Its name beyond this node.
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    /// When it was made, as `2026-01-02T03:04:05.678Z`.
    pub creation_time: String,
    /// For how long it keeps what it gets.
    pub data_retention_in_hours: u32,
}

impl StreamProperties {
    /// Of a stream that is made now.
    pub(super) fn new(name: &str, region: &str, account: &str, hours: u32, now: UnixTime) -> Self {
        StreamProperties {
            stream_name: name.to_owned(),
            stream_arn: format!(
                "arn:aws:kinesisvideo:{region}:{account}:stream/{name}/{}",
                now.as_millis()
            ),
            creation_time: written(now, "%Y-%m-%dT%H:%M:%S%.3fZ"),
            data_retention_in_hours: hours,
        }
    }

    /// Those of the stream in `folder`.
    ///
    /// # Errors
    /// When they cannot be read, or are none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(PROPERTIES);
        if fs::metadata(&path)?.len() > MOST {
            return Err(io::Error::other(format!("{} is too long", path.display())));
        }
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let (path, partial) = (folder.join(PROPERTIES), folder.join("stream.json.partial"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.write_all(b"\n")?;
        fs::rename(partial, path)
    }
}

/// Makes a folder and what is missing above it, mode 0700.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The name of a file whose first fragment is at `timecode_ms`: in the order of time, and nothing that a
/// shell or another system stumbles over.
pub(super) fn file_stem(timecode_ms: u64) -> String {
    written(UnixTime::from_millis(timecode_ms), "%Y%m%dT%H%M%S%.3fZ")
}

fn written(time: UnixTime, format: &str) -> String {
    // jiff ends with the year 9999; a time beyond it can only come of a broken clock.
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).strftime(format).to_string()
}
