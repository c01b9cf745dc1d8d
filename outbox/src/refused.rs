//! Records that a destination will never take, for people to look at: `refused.jsonl` in the
//! queue's directory, and `refused.jsonl.1` before it.

use crate::OutboxRecord;
use crate::files::FILE_MODE;
use model::UnixTime;
use serde_json::{Map, Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The list of a destination. Full policy: at half of its bound the file becomes the earlier one,
/// whose predecessor goes.
#[derive(Debug)]
pub(crate) struct RefusedList {
    path: PathBuf,
    /// Octets of one of both files.
    most: u64,
}

impl RefusedList {
    /// `most` octets in two files.
    pub(crate) fn new(directory: &Path, most: u64) -> Self {
        RefusedList { path: directory.join("refused.jsonl"), most: most / 2 }
    }

    /// Adds records, each with its sequence number and why it was refused.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn add(
        &mut self,
        now: UnixTime,
        refused: &[(u64, &OutboxRecord, &str)],
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for (sequence, record, reason) in refused {
            lines.extend_from_slice(line(now, *sequence, record, reason).to_string().as_bytes());
            lines.push(b'\n');
        }
        let mut file = self.open()?;
        let length = file.metadata()?.len();
        if length > 0 && length + lines.len() as u64 > self.most {
            fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            file = self.open()?;
        }
        file.write_all(&lines)
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&self.path)
    }
}

fn line(now: UnixTime, sequence: u64, record: &OutboxRecord, reason: &str) -> Value {
    let attributes: Map<_, _> =
        record.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = match std::str::from_utf8(&record.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_hex", record.body.iter().map(|octet| format!("{octet:02x}")).collect()),
    };
    let mut line = json!({
        "refused_at": now.as_millis(),
        "reason": reason,
        "sequence": sequence,
        "time": record.time.as_millis(),
        "stream": record.stream,
        "kind": record.kind,
        "attributes": attributes,
    });
    if let Some(line) = line.as_object_mut() {
        line.insert(body.0.to_owned(), body.1.into());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn refused_records_are_kept_with_their_reason_within_the_bound() {
        let directory = std::env::temp_dir().join(format!("outbox-refused-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut list = RefusedList::new(&directory, 2_000);
        let record = OutboxRecord {
            stream: "logs".to_owned(),
            body: b"{\"a\":1}".to_vec(),
            attributes: vec![("key".to_owned(), "one".to_owned())],
            ..OutboxRecord::default()
        };
        let raw = OutboxRecord { body: vec![0xff, 0x00], ..record.clone() };
        let now = UnixTime::from_millis(5);
        for sequence in 0..20 {
            list.add(now, &[(sequence, &record, "too old"), (sequence, &raw, "no text")]).unwrap();
        }
        let path = directory.join("refused.jsonl");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (last, before) = (fs::read(&path).unwrap(), fs::read(path.with_extension("jsonl.1")));
        assert!(last.len() <= 1_000 && before.unwrap().len() <= 1_000);
        let lines: Vec<Value> = String::from_utf8(last)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [.., first, second] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(first["reason"], "too old");
        assert_eq!((&first["sequence"], &first["body"]), (&json!(19), &json!("{\"a\":1}")));
        assert_eq!(first["attributes"]["key"], "one");
        assert_eq!(second["body_hex"], "ff00");
        fs::remove_dir_all(&directory).unwrap();
    }
}
