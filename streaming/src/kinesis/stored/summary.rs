//! What a file of a stream holds, without reading all of it.

use crate::kinesis::StreamName;
use mkv::{Codec, Event, Malformed, Reader, Tag, Track};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Octets of a file that are read for its head and tags, and for its end: several fragments.
const PART: u64 = 256 * 1_024;
/// How a fragment of ours begins behind its tags: a cluster of unknown size and a timecode of eight octets.
const CLUSTER: [u8; 14] =
    [0x1F, 0x43, 0xB6, 0x75, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xE7, 0x88];

/// One file of a stream: one leg of one call, or an hour of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredFile {
    /// Where.
    pub path: PathBuf,
    /// The stream.
    pub stream: StreamName,
    /// Octets.
    pub octets: u64,
    /// What its samples are.
    pub codec: Codec,
    /// Samples a second.
    pub sample_rate: u32,
    /// When its first sample was, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When its last one ended.
    pub ended_ns: u64,
    /// It ends within a block: it is written just now, or its writer was stopped hard.
    pub is_cut: bool,
    /// Tags of its first fragment.
    pub(super) tags: Vec<Tag>,
}

/// Why a file is left out.
pub(super) enum Unread {
    /// It is not there any more.
    Gone,
    /// For people.
    Bad(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Unread::Gone,
            _ => Unread::Bad(error.to_string()),
        }
    }
}

impl From<Malformed> for Unread {
    fn from(error: Malformed) -> Self {
        Unread::Bad(error.to_string())
    }
}

impl StoredFile {
    pub(super) fn read(path: &Path, stream: &StreamName) -> Result<Self, Unread> {
        let mut file = File::open(path)?;
        let octets = file.metadata()?.len();
        let mut begin = Vec::new();
        (&mut file).take(PART).read_to_end(&mut begin)?;
        let head = Head::read(&begin)?;
        let at_end = if octets > PART { end_of(&mut file, &head, &begin)? } else { None };
        let end = match at_end {
            Some(end) => end,
            None => {
                file.seek(SeekFrom::Start(0))?;
                whole(&mut file, &head.track)?
            }
        };
        Ok(StoredFile {
            path: path.to_owned(),
            stream: stream.clone(),
            octets,
            codec: head.track.codec,
            sample_rate: head.track.sample_rate,
            began_ns: head.began_ns,
            ended_ns: end.ended_ns.max(head.began_ns),
            is_cut: end.is_cut,
            tags: head.tags,
        })
    }

    /// A tag of its first fragment, whatever the case of its name: some producers write capitals. Empty
    /// without one.
    pub fn tag(&self, name: &str) -> &str {
        let mut tags = self.tags.iter();
        tags.find(|tag| tag.name.eq_ignore_ascii_case(name)).map_or("", |tag| &tag.value)
    }
}

/// What stands at a file's begin.
struct Head {
    /// Octets before the first tags or fragment.
    octets: usize,
    track: Track,
    tags: Vec<Tag>,
    began_ns: u64,
}

impl Head {
    fn read(begin: &[u8]) -> Result<Head, Unread> {
        let mut reader = Reader::new();
        reader.push(begin);
        let (mut octets, mut track, mut tags) = (0, None, Vec::new());
        loop {
            match reader.poll()? {
                Some(Event::Tracks(tracks)) => {
                    track = tracks.iter().find(|track| is_heard(track)).cloned();
                    octets = usize::try_from(reader.position()).unwrap_or(usize::MAX);
                }
                Some(Event::Tags(these)) => tags = these,
                Some(Event::Fragment { timecode_ns: began_ns }) => {
                    let unknown = || Unread::Bad("none of its tracks is mono audio".to_owned());
                    let track = track.ok_or_else(unknown)?;
                    return Ok(Head { octets, track, tags, began_ns });
                }
                Some(Event::Block { .. }) => {}
                None => return Err(Unread::Bad("it has no audio".to_owned())),
            }
        }
    }
}

/// Mono, in a format whose samples can be heard.
pub(super) fn is_heard(track: &Track) -> bool {
    track.codec.sample_octets().is_some() && track.channels == 1 && track.sample_rate > 0
}

/// How long so many samples last, in nanoseconds.
fn lasts(samples: usize, sample_rate: u32) -> u64 {
    (samples as u64).saturating_mul(1_000_000_000) / u64::from(sample_rate.max(1))
}

struct End {
    ended_ns: u64,
    is_cut: bool,
}

/// The end of a file, from its head and its last fragments; `None` when these cannot be found.
fn end_of(file: &mut File, head: &Head, begin: &[u8]) -> Result<Option<End>, Unread> {
    let mut last = Vec::new();
    file.seek(SeekFrom::End(-i64::try_from(PART).unwrap_or(0)))?;
    file.take(PART).read_to_end(&mut last)?;
    let mut places = last.windows(CLUSTER.len()).enumerate();
    // The first: a pattern among samples may look like one, and is then no good beginning.
    let Some((place, _)) = places.find(|(_, window)| *window == CLUSTER) else { return Ok(None) };
    let (mut reader, mut ended_ns) = (Reader::new(), None);
    // Every fragment may follow on the head.
    reader.push(begin.get(..head.octets).unwrap_or_default());
    read_on(&mut reader, &head.track, &mut ended_ns)?;
    reader.push(last.get(place..).unwrap_or_default());
    let is_read = read_on(&mut reader, &head.track, &mut ended_ns).is_ok();
    let ended_ns = ended_ns.filter(|ended_ns| is_read && *ended_ns >= head.began_ns);
    Ok(ended_ns.map(|ended_ns| End { ended_ns, is_cut: reader.finish().is_err() }))
}

/// The end of a file that is read from its begin; of a damaged one that of its good part.
fn whole(file: &mut File, track: &Track) -> Result<End, Unread> {
    let (mut reader, mut ended_ns) = (Reader::new(), None);
    let mut piece = vec![0; 64 * 1_024];
    loop {
        let length = file.read(&mut piece)?;
        reader.push(piece.get(..length).unwrap_or_default());
        let is_read = read_on(&mut reader, track, &mut ended_ns).is_ok();
        if length == 0 || !is_read {
            break;
        }
    }
    let ended_ns = ended_ns.ok_or_else(|| Unread::Bad("it has no audio".to_owned()))?;
    Ok(End { ended_ns, is_cut: reader.finish().is_err() })
}

/// Reads what the reader has; `ended_ns` is where the last block of it ends.
fn read_on(
    reader: &mut Reader,
    track: &Track,
    ended_ns: &mut Option<u64>,
) -> Result<(), Malformed> {
    let unit = track.codec.sample_octets().unwrap_or(1);
    while let Some(event) = reader.poll()? {
        if let Event::Block { track: number, timecode_ns, payload } = event
            && number == track.number
        {
            let lasts = lasts(payload.len() / unit, track.sample_rate);
            *ended_ns = Some(timecode_ns.saturating_add(lasts));
        }
    }
    Ok(())
}
