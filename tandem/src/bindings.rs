//! Registrations of customers' systems in a file of `data_dir`, so that a restart leaves nobody
//! unreachable until they register again. The file holds addresses, and nothing secret.

use b2bua::SavedBinding;
use model::{UnixTime, VoiceConnectorId};
use serde::{Deserialize, Serialize};
use sip_edge::Bindings;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file's name.
const NAME: &str = "registrations.json";
/// The form of this file; another one is not read.
const VERSION: u32 = 1;
/// A larger file is not one of ours.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    bindings: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    voice_connector: String,
    uri: Box<str>,
    path: Vec<Box<str>>,
    local: SocketAddr,
    remote: SocketAddr,
    q: u16,
    call_id: Box<str>,
    cseq: u32,
    until_unix_ms: u64,
}

/// Keeps the file as the registrations are.
pub(crate) struct BindingsFile {
    path: PathBuf,
    /// What it holds.
    revision: u64,
    /// It could not be written, which was said.
    failing: bool,
}

impl BindingsFile {
    /// The file in `data_dir`, and what the last run left in it. What cannot be read is warned of and
    /// counts as empty.
    pub(crate) fn open(data_dir: &Path) -> (Self, Vec<SavedBinding>) {
        let path = data_dir.join(NAME);
        let left = read(&path).unwrap_or_else(|error| {
            tracing::warn!(
                "{}: {error}; nobody counts as registered until they register again",
                path.display()
            );
            Vec::new()
        });
        (BindingsFile { path, revision: 0, failing: false }, left)
    }

    /// Writes what has changed. What fails is warned of once and tried again the next time.
    pub(crate) fn keep(&mut self, bindings: &Bindings) {
        if bindings.revision == self.revision {
            return;
        }
        match write(&self.path, &bindings.list) {
            Ok(()) => {
                self.revision = bindings.revision;
                self.failing = false;
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(
                    "{}: {error}; registrations will not outlive a restart",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
    }
}

fn read(path: &Path) -> Result<Vec<SavedBinding>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err("is larger than 64 MiB".to_owned());
    }
    let document: Document = serde_json::from_slice(&text)
        .map_err(|error| format!("is not what was written there: {error}"))?;
    if document.version != VERSION {
        return Err(format!("has the form of another version, {}", document.version));
    }
    Ok(document.bindings.into_iter().filter_map(Written::into_binding).collect())
}

/// In place of the old file at once, or not at all.
fn write(path: &Path, bindings: &[SavedBinding]) -> io::Result<()> {
    let fresh = path.with_extension("json.new");
    let bindings = bindings.iter().map(Written::of).collect();
    let text = serde_json::to_vec(&Document { version: VERSION, bindings })?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

impl Written {
    fn of(binding: &SavedBinding) -> Self {
        Written {
            voice_connector: binding.voice_connector.to_string(),
            uri: binding.uri.clone(),
            path: binding.path.clone(),
            local: binding.local,
            remote: binding.remote,
            q: binding.q,
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            until_unix_ms: binding.until.as_millis(),
        }
    }

    fn into_binding(self) -> Option<SavedBinding> {
        Some(SavedBinding {
            voice_connector: VoiceConnectorId::new(&self.voice_connector).ok()?,
            uri: self.uri,
            path: self.path,
            local: self.local,
            remote: self.remote,
            q: self.q,
            call_id: self.call_id,
            cseq: self.cseq,
            until: UnixTime::from_millis(self.until_unix_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn binding() -> SavedBinding {
        SavedBinding {
            voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
            uri: "sip:pbx@10.0.0.1:5060;line=\"a\"".into(),
            path: vec!["<sip:192.0.2.78;lr>".into()],
            local: "203.0.113.1:5060".parse().unwrap(),
            remote: "[2001:db8::1]:41000".parse().unwrap(),
            q: 700,
            call_id: "c@h".into(),
            cseq: 4,
            until: UnixTime::from_millis(1_893_456_000_123),
        }
    }

    #[test]
    fn what_is_kept_is_found_again_and_only_by_its_owner() {
        let data_dir = directory("bindings");
        let (mut file, left) = BindingsFile::open(&data_dir);
        assert_eq!(left, []);
        file.keep(&Bindings { revision: 0, list: [].into() });
        assert!(!file.path.exists(), "nothing has changed");
        file.keep(&Bindings { revision: 3, list: [binding()].into() });
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(BindingsFile::open(&data_dir).1, [binding()]);
        file.keep(&Bindings { revision: 4, list: [].into() });
        assert_eq!(BindingsFile::open(&data_dir).1, []);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no other file is left");
        fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn a_broken_file_counts_as_empty_and_is_replaced() {
        let data_dir = directory("bindings-broken");
        let good = serde_json::to_string(&Document {
            version: VERSION,
            bindings: vec![Written::of(&binding())],
        })
        .unwrap();
        let newer = good.replace("\"version\":1", "\"version\":2");
        for text in ["", "{", "[]", &good[..good.len() - 2], &newer, "\u{0}"] {
            fs::write(data_dir.join(NAME), text).unwrap();
            assert!(read(&data_dir.join(NAME)).is_err(), "{text}");
            let (mut file, left) = BindingsFile::open(&data_dir);
            assert_eq!(left, [], "{text}");
            file.keep(&Bindings { revision: 1, list: [binding()].into() });
            assert_eq!(BindingsFile::open(&data_dir).1, [binding()]);
        }
        let stranger = good.replace("abcdef1ghij2klmno3pqr4", "../..");
        fs::write(data_dir.join(NAME), stranger).unwrap();
        assert_eq!(read(&data_dir.join(NAME)), Ok(Vec::new()), "others would be kept");
        fs::remove_dir_all(data_dir).unwrap();
    }
}
