//! The keys that numbers are hashed with, and what `[privacy]` makes of them.

use crate::config::{Config, NumbersKind};
use call_metrics::{KEY_LENGTH, MessagePrivacy, NumberKey, Numbers, PerSink, Privacy};
use call_streaming::events::People;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// The largest file of keys that is read.
const LARGEST: u64 = 65_536;

/// People in events, as `[privacy]` says.
pub(crate) struct Shown(pub(crate) Numbers);

impl People for Shown {
    fn number<'a>(&self, number: &'a str) -> Cow<'a, str> {
        self.0.user(number)
    }

    fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        self.0.header(name, value)
    }

    fn metadata<'a>(&self, xml: &'a str) -> Cow<'a, str> {
        self.0.metadata(xml)
    }
}

/// What is written where. Makes the file of keys when it is needed, missing and ours.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub(crate) fn prepare(config: &Config) -> Result<Privacy, String> {
    let keys = match config.privacy.has(NumbersKind::Hashed) {
        true => {
            let (path, is_ours) = config.privacy.key_file(&config.node.data_dir);
            if is_ours && !path.exists() {
                make(&path).map_err(|error| said(&path, &error.to_string()))?;
                tracing::info!(
                    path = %path.display(),
                    "made the key that numbers are hashed with; keep a copy: without it no call is \
                     found by its number"
                );
            }
            read(&path)?
        }
        false => Vec::new(),
    };
    Ok(privacy(config, &keys.into()))
}

/// How the history has numbers, for whoever searches it.
///
/// # Errors
/// As [`prepare`]; nothing is made.
pub(crate) fn of_history(config: &Config) -> Result<Numbers, String> {
    let keys = match config.privacy.history {
        NumbersKind::Hashed => made(config)?,
        NumbersKind::Plain | NumbersKind::Masked => Vec::new(),
    };
    Ok(privacy(config, &keys.into()).history)
}

/// How the control API's audit has numbers.
///
/// # Errors
/// As [`prepare`], after which it is called; nothing is made.
pub(crate) fn of_audit(config: &Config) -> Result<Numbers, String> {
    let kind = config.privacy.audit;
    let keys = match kind {
        NumbersKind::Hashed => made(config)?,
        NumbersKind::Plain | NumbersKind::Masked => Vec::new(),
    };
    Ok(numbers(kind, config.privacy.shown_digits, &keys.into()))
}

/// Whether the keys that are needed can be read, as far as they are there already.
///
/// # Errors
/// As [`prepare`]; nothing is made.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    match config.privacy.has(NumbersKind::Hashed) {
        true => made(config).map(|_| ()),
        false => Ok(()),
    }
}

/// The keys; none while the file is still to be made.
fn made(config: &Config) -> Result<Vec<NumberKey>, String> {
    let (path, is_ours) = config.privacy.key_file(&config.node.data_dir);
    if is_ours && !path.exists() {
        return Ok(Vec::new());
    }
    read(&path)
}

fn privacy(config: &Config, keys: &Arc<[NumberKey]>) -> Privacy {
    let privacy = &config.privacy;
    let numbers = |kind| numbers(kind, privacy.shown_digits, keys);
    let messages = |(kind, bodies)| MessagePrivacy { numbers: numbers(kind), bodies };
    let each = |kinds: &PerSink<NumbersKind>| kinds.map(|kind| numbers(*kind));
    Privacy {
        cdrs: each(&privacy.cdrs),
        media_quality: each(&privacy.media_quality),
        history: numbers(privacy.history),
        log: numbers(privacy.log),
        sip_messages: privacy.sip_messages.map(|both| messages(*both)),
        hep: messages(privacy.hep),
        traces: numbers(privacy.traces),
        events: each(&privacy.events),
        recordings: numbers(privacy.recordings),
    }
}

fn numbers(kind: NumbersKind, shown: u8, keys: &Arc<[NumberKey]>) -> Numbers {
    match kind {
        NumbersKind::Plain => Numbers::Plain,
        NumbersKind::Masked => Numbers::Masked { shown },
        NumbersKind::Hashed => Numbers::Hashed(Arc::clone(keys)),
    }
}

/// The keys of a file: 64 hexadecimal digits a line, the present one first. Empty lines and those that
/// begin with `#` say nothing.
///
/// # Errors
/// That it cannot be read, that others can, or the line that is no key.
pub(crate) fn read(path: &Path) -> Result<Vec<NumberKey>, String> {
    let open = || -> io::Result<(u32, String)> {
        let file = File::open(path)?;
        let mode = file.metadata()?.mode();
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text)?;
        Ok((mode, text))
    };
    let (mode, text) = open().map_err(|error| said(path, &error.to_string()))?;
    if mode & 0o077 != 0 {
        return Err(said(path, "others on this machine can read it; chmod 600 it"));
    }
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|(number, line)| {
        key(line).ok_or_else(|| {
            // What stands there may be a key all the same, so it is not shown.
            said(path, &format!("line {} is no key: 64 hexadecimal digits", number + 1))
        })
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        let advice = "it has no key; write one: openssl rand -hex 32";
        return Err(said(path, advice));
    }
    Ok(keys)
}

fn said(path: &Path, message: &str) -> String {
    format!("[privacy] key_file \"{}\": {message}", path.display())
}

fn key(line: &str) -> Option<NumberKey> {
    let mut octets = [0; KEY_LENGTH];
    if line.len() != 2 * KEY_LENGTH || !line.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (place, pair) in octets.iter_mut().zip(line.as_bytes().chunks(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(NumberKey::new(octets))
}

/// The file is complete or not there, at whatever point this ends.
fn make(path: &Path) -> io::Result<()> {
    let mut octets = [0; KEY_LENGTH];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = String::with_capacity(2 * KEY_LENGTH + 1);
    for octet in octets {
        // Writing into a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text.push('\n');
    let partial = path.with_extension("key.partial");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(text.as_bytes())?;
    // Hashes that were made with a key that a power failure takes away could be asked for no more.
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_with_older_ones() {
        let root = std::env::temp_dir().join(format!("privacy-key-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let path = root.join("privacy.key");
        make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let made = read(&path).unwrap();
        assert_eq!(made.len(), 1);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("# since May\n{}\n\n{text}", "A0".repeat(32))).unwrap();
        let both = read(&path).unwrap();
        assert_eq!((both.len(), &both[1]), (2, &made[0]));
        for (content, expected) in [
            ("", "it has no key"),
            ("# none\n", "it has no key"),
            ("# one\nnot a key", "line 2 is no key"),
            (&"é".repeat(32), "line 1 is no key"),
        ] {
            fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.contains(expected) && error.contains("privacy.key"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().contains("chmod 600"));
        assert!(read(&root.join("none")).unwrap_err().contains("No such file"));
        fs::remove_dir_all(&root).unwrap();
    }
}
