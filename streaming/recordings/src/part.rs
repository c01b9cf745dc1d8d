//! One file of audio while it is written.

use crate::description::{DescribedKey, DescribedMeeting, Description};
use crate::keys::DataKey;
use crate::mkv_opus::MkvOpus;
use crate::opus::OggOpus;
use crate::seal::{ALGORITHM, SealedHeader, Sealer};
use crate::subject::{Container, Subject};
use crate::{calendar, wav};
use mkv::duration_element;
use outbox::clock::draw;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What the names of encrypted files end with.
pub(crate) const SEALED: &str = "enc";
/// What the names of descriptions end with.
const JSON: &str = ".json";

/// A part that is written. It never waits for anything but the disk.
///
/// Bound: what is encoded and not written, which is a flush's worth; its owner hands over nothing more
/// while a write fails.
pub(crate) struct Part {
    file: File,
    json: PathBuf,
    description: Description,
    form: Form,
    sealer: Option<Sealer>,
    /// Encoded since the last flush.
    plain: Vec<u8>,
    /// As it goes into the file.
    pending: Vec<u8>,
    /// Octets in the file.
    written: u64,
    /// Samples of each channel.
    pairs: u64,
    channels: u16,
}

enum Form {
    Wav,
    OggOpus(Box<OggOpus>),
    Mkv(Box<MkvOpus>),
}

/// A part that nothing more comes for.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) json: PathBuf,
    pub(crate) description: Description,
    /// Whether all of it is on the disk; what is not is cut off.
    pub(crate) result: io::Result<()>,
    /// Pairs of them, as far as it is known: of Opus it is not.
    pub(crate) lost: u64,
}

/// Which part of which recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) part: u32,
    pub(crate) first_sample: u64,
}

impl Part {
    /// Makes the two files below `root`; neither may be there. Of an encrypted one no octet of audio is on the disk in the plain,
    /// at any time.
    pub(crate) fn create(
        root: &Path,
        subject: &Subject,
        number: Number,
        key: Option<DataKey>,
    ) -> io::Result<Self> {
        let base = base(root, subject, number.part);
        if let Some(directory) = base.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let (Number { part, first_sample }, container) = (number, subject.container);
        let mut description = Description {
            part,
            first_sample,
            began: calendar::readable(subject.began, first_sample, subject.sample_rate),
            ..subject.description.clone()
        };
        let ending = if key.is_some() { format!(".{SEALED}") } else { String::new() };
        let audio = with_ending(&base, &format!(".{}{ending}", container.extension()));
        let json = with_ending(&base, JSON);
        // Of the same call in another format, or of one whose audio is uploaded and gone.
        if json.try_exists()? {
            return Err(ErrorKind::AlreadyExists.into());
        }
        description.audio = audio.file_name().unwrap_or_default().to_string_lossy().into_owned();
        description.encryption = key.as_ref().map(|key| DescribedKey {
            provider: key.envelope.provider.clone(),
            key_id: key.envelope.key_id.clone(),
        });
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&audio)?;
        let begun = Part::begin(file, json, description, container, key).and_then(|mut part| {
            part.flush()?;
            part.description.write(&part.json)?;
            Ok(part)
        });
        if begun.is_err() {
            let _ = std::fs::remove_file(&audio);
        }
        begun
    }

    fn begin(
        file: File,
        json: PathBuf,
        description: Description,
        container: Container,
        key: Option<DataKey>,
    ) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(ErrorKind::InvalidInput, what);
        let (mut plain, mut pending) = (Vec::new(), Vec::new());
        let rate = description.sample_rate;
        let channels = description.channel_count();
        let form = match container {
            Container::Wav => {
                let data = if key.is_some() { None } else { Some(0) };
                plain.extend_from_slice(&wav::head_of(channels, rate, data));
                Form::Wav
            }
            Container::MkvOpus => {
                let uid = u128::from(draw()) << 64 | u128::from(draw());
                let began = description.began_at().map_or(0, |began| began.as_millis());
                let title = description.title();
                let begun = MkvOpus::begin(rate, (&title, began), uid.to_be_bytes(), &mut plain);
                let begun = begun.ok_or_else(|| invalid("Opus has no such sample rate"))?;
                Form::Mkv(Box::new(begun))
            }
            Container::OggOpus => {
                // The stream's number within a file of one stream.
                let mut ogg =
                    OggOpus::new(rate, 1).ok_or_else(|| invalid("Opus has no such sample rate"))?;
                ogg.begin(&comments(&description), &mut plain);
                Form::OggOpus(Box::new(ogg))
            }
        };
        let sealer = match key {
            Some(DataKey { plain: key, envelope }) => {
                let content_type = container.content_type();
                let (algorithm, content_type) = (ALGORITHM.to_owned(), content_type.to_owned());
                let header = SealedHeader { algorithm, content_type, key: envelope };
                let sealer = Sealer::begin(&key, &header, &mut pending);
                Some(sealer.ok_or_else(|| invalid("the wrapped key is too large"))?)
            }
            None => None,
        };
        let (written, pairs) = (0, 0);
        Ok(Part { file, json, description, form, sealer, plain, pending, written, pairs, channels })
    }

    /// Takes pairs of samples; they are on the disk after the next flush.
    pub(crate) fn audio(&mut self, pairs: &[i16]) {
        match &mut self.form {
            Form::Wav => wav::encode(pairs, &mut self.plain),
            Form::OggOpus(ogg) => ogg.encode(pairs, &mut self.plain),
            Form::Mkv(mkv) => mkv.encode(pairs, &mut self.plain),
        }
        self.pairs += pairs.len() as u64 / u64::from(self.channels);
    }

    /// Writes what there is: after a crash the file can be played up to here. What cannot be written stays
    /// for the next time.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Form::OggOpus(ogg) = &mut self.form {
            ogg.flush(&mut self.plain);
        }
        self.seal();
        self.write()
    }

    /// What is known of its meeting by now; whether that is written down is told.
    pub(crate) fn describe(&mut self, meeting: &DescribedMeeting) -> io::Result<()> {
        self.description.meeting = Some(meeting.clone());
        self.description.write(&self.json)
    }

    /// Writes the end.
    pub(crate) fn close(mut self, missing: [u64; 2], meeting: Option<DescribedMeeting>) -> Closed {
        match &mut self.form {
            Form::Wav => {}
            Form::OggOpus(ogg) => ogg.finish(&mut self.plain),
            Form::Mkv(mkv) => mkv.finish(&mut self.plain),
        }
        self.seal();
        if let Some(sealer) = self.sealer.take() {
            sealer.finish(&mut self.pending);
        }
        let result = self.write().and_then(|()| self.tell_duration());
        let result = result.and_then(|()| self.file.sync_data());
        let lost = match &self.form {
            Form::Wav => self.pending.len() as u64 / wav::frame_bytes(self.channels),
            Form::OggOpus(_) | Form::Mkv(_) => 0,
        };
        let mut description = self.description;
        let channels = usize::from(self.channels);
        description.missing_samples = missing.get(..channels).map(<[u64]>::to_vec);
        description.meeting = meeting;
        description.finish(self.pairs);
        Closed { json: self.json, description, result, lost }
    }

    /// Puts the duration where there is a gap for it.
    fn tell_duration(&self) -> io::Result<()> {
        match &self.form {
            Form::Mkv(mkv) if self.description.encryption.is_none() => {
                let ms = self.pairs * 1_000 / u64::from(self.description.sample_rate.max(1));
                self.file.write_all_at(&duration_element(ms), mkv.duration_at())
            }
            _ => Ok(()),
        }
    }

    /// Its disk takes nothing from now on.
    #[cfg(test)]
    pub(crate) fn stall(&mut self) {
        self.file = File::open("/dev/null").expect("a file that cannot be written");
    }

    /// Pairs that were taken.
    pub(crate) fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Octets of the file, with those that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.written + (self.pending.len() + self.plain.len()) as u64
    }

    fn seal(&mut self) {
        match &mut self.sealer {
            Some(sealer) => sealer.seal(&self.plain, &mut self.pending),
            None => self.pending.append(&mut self.plain),
        }
        self.plain.clear();
    }

    fn write(&mut self) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            let left = self.pending.get(done..).unwrap_or_default();
            if left.is_empty() {
                break Ok(());
            }
            match self.file.write(left) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.pending.drain(..done);
        self.written += done as u64;
        if done > 0 && self.is_plain_wav() {
            let data = self.written.saturating_sub(wav::HEAD_BYTES);
            let frame = wav::frame_bytes(self.channels);
            let data = data / frame * frame;
            // In the place of a header that is as long: it needs no room.
            let head = wav::head_of(self.channels, self.description.sample_rate, Some(data));
            if self.written >= wav::HEAD_BYTES {
                self.file.write_all_at(&head, 0)?;
            }
        }
        result
    }

    fn is_plain_wav(&self) -> bool {
        matches!(self.form, Form::Wav) && self.description.encryption.is_none()
    }
}

/// Where the JSON of a part is.
pub(crate) fn json_of(root: &Path, subject: &Subject, part: u32) -> PathBuf {
    with_ending(&base(root, subject, part), JSON)
}

/// Of a call `<root>/<voice connector>/YYYY/MM/DD/HH.MM.SS.mmm_<transaction id>`, from the second part on `_N` behind.
fn base(root: &Path, subject: &Subject, part: u32) -> PathBuf {
    let place = calendar::place(subject.began);
    let part = if part > 1 { format!("_{part}") } else { String::new() };
    root.join(format!("{}/{place}_{}{part}", subject.folder, subject.name))
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What players show.
fn comments(description: &Description) -> Vec<(&'static str, String)> {
    let d = description;
    vec![
        ("TITLE", d.title()),
        ("DATE", d.began.clone()),
        ("TRANSACTION_ID", d.transaction_id.clone()),
        ("VOICE_CONNECTOR_ID", d.voice_connector_id.clone()),
        ("CALL_ID", d.call_id.clone()),
        ("DIRECTION", d.direction.clone()),
        ("FROM_NUMBER", d.from_number.clone()),
        ("TO_NUMBER", d.to_number.clone()),
        ("PART", d.part.to_string()),
    ]
}
