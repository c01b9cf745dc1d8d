//! Files on a disk, and what they are told when they cannot be played.

use super::*;
use std::path::PathBuf;

/// A directory for one test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder.canonicalize().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; its path.
    pub(super) fn write(&self, name: &str, octets: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A µ-law file at 8,000 Hz.
pub(super) fn wav(samples: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0".to_vec();
    file.extend([0; 6]);
    file.extend(*b"\x08\0data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}

#[test]
fn a_file_is_checked_as_it_will_be_read() {
    let folder = Folder::new("checked");
    let good = folder.write("good.wav", &wav(&[0x7f; 12_000]));
    assert_eq!(check_audio_file(&good), Ok(Duration::from_millis(1_500)));
    let bad = folder.write("bad.wav", b"ID3");
    for (path, why) in [
        (bad, "this is no WAV file (RIFF/WAVE)"),
        (folder.path().to_str().unwrap().to_owned(), "this is no file"),
        (folder.write("missing.wav", b""), "this is no WAV file"),
        ("/nowhere/at/all.wav".to_owned(), "No such file"),
    ] {
        let error = check_audio_file(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("audio file \"{path}\"")) && error.contains(why),
            "{error}"
        );
    }
    let large = folder.write("large.wav", &[]);
    let file = std::fs::OpenOptions::new().write(true).open(&large).unwrap();
    // It takes no room on the disk.
    file.set_len(LONGEST_FILE + 1).unwrap();
    assert!(check_audio_file(&large).unwrap_err().to_string().contains("longer than 300 s"));
}
