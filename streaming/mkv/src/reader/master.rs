//! Elements that are read whole: header, Info, Tracks, Tags.

use super::{Codec, Malformed, Track};
use crate::Tag;
use crate::ebml::{element_head, id, unsigned};
use std::ops::Range;

/// The newest version of Matroska whose streams an older reader can read as one of these.
const READ_VERSION: u64 = 4;
/// Tags of a Tags element: more than any service takes.
const MAX_TAGS: usize = 1_024;

/// The children of an element, as their IDs and places; ends with an error behind the first that is none.
struct Children<'a> {
    payload: &'a [u8],
    next: usize,
    at: u64,
}

fn children(payload: &[u8], at: u64) -> Children<'_> {
    Children { payload, next: 0, at }
}

impl Iterator for Children<'_> {
    type Item = Result<(u32, Range<usize>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.payload.get(self.next..).filter(|rest| !rest.is_empty())?;
        let begin = self.next;
        // Whatever comes, there is no second error.
        self.next = self.payload.len();
        let at = self.at;
        let Ok(head) = element_head(rest) else { return Some(Err(Malformed::NotEbml { at })) };
        let Some(size) = head.size else {
            return Some(Err(Malformed::UnknownSize { id: head.id, at }));
        };
        let begin = begin + head.octets;
        let end = usize::try_from(size).ok().and_then(|size| begin.checked_add(size));
        let Some(end) = end.filter(|end| *end <= self.payload.len()) else {
            return Some(Err(Malformed::TooLong { id: head.id, at }));
        };
        self.next = end;
        Some(Ok((head.id, begin..end)))
    }
}

/// The first child of that ID.
pub(super) fn child(payload: &[u8], id: u32, at: u64) -> Result<Option<Range<usize>>, Malformed> {
    let mut found = None;
    for next in children(payload, at) {
        let (this, range) = next?;
        if this == id && found.is_none() {
            found = Some(range);
        }
    }
    Ok(found)
}

/// Calls `take` for each child with its ID and payload.
fn each<'a>(
    payload: &'a [u8],
    at: u64,
    mut take: impl FnMut(u32, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for next in children(payload, at) {
        let (id, range) = next?;
        take(id, payload.get(range).unwrap_or_default())?;
    }
    Ok(())
}

fn number(id: u32, payload: &[u8], at: u64) -> Result<u64, Malformed> {
    unsigned(payload).ok_or(Malformed::Value { id, at })
}

/// A string ends with its element, or with an octet 0 before that (RFC 8794, section 7.4).
fn text(payload: &[u8]) -> Box<str> {
    let end = payload.iter().position(|octet| *octet == 0).unwrap_or(payload.len());
    String::from_utf8_lossy(payload.get(..end).unwrap_or_default()).into()
}

/// Checks the EBML header (RFC 8794, section 11.2).
pub(super) fn check_header(payload: &[u8], at: u64) -> Result<(), Malformed> {
    let mut is_matroska = false;
    each(payload, at, |id, value| {
        let most = match id {
            id::DOC_TYPE => {
                is_matroska = matches!(&*text(value), "matroska" | "webm");
                return Ok(());
            }
            id::EBML_READ_VERSION => 1,
            id::EBML_MAX_ID_LENGTH => 4,
            id::EBML_MAX_SIZE_LENGTH => 8,
            id::DOC_TYPE_READ_VERSION => READ_VERSION,
            _ => return Ok(()),
        };
        let is_known = number(id, value, at)? <= most;
        if is_known { Ok(()) } else { Err(Malformed::NotMatroska { at }) }
    })?;
    if is_matroska { Ok(()) } else { Err(Malformed::NotMatroska { at }) }
}

/// Nanoseconds of a unit of timestamps, from Info.
pub(super) fn timestamp_scale(payload: &[u8], at: u64) -> Result<u64, Malformed> {
    let mut scale = super::DEFAULT_SCALE;
    each(payload, at, |id, value| {
        if id == id::TIMESTAMP_SCALE {
            scale = number(id, value, at)?;
        }
        Ok(())
    })?;
    if scale == 0 { Err(Malformed::Value { id: id::TIMESTAMP_SCALE, at }) } else { Ok(scale) }
}

/// The tracks of a Tracks element: at least one, at most `most`, each with a number of its own.
pub(super) fn tracks(payload: &[u8], at: u64, most: usize) -> Result<Vec<Track>, Malformed> {
    let mut tracks: Vec<Track> = Vec::new();
    each(payload, at, |id, value| {
        if id != id::TRACK_ENTRY {
            return Ok(());
        }
        let track = track(value, at)?;
        if tracks.len() >= most {
            return Err(Malformed::TooLarge { id: id::TRACKS, at });
        }
        if tracks.iter().any(|other| other.number == track.number) {
            return Err(Malformed::Value { id: id::TRACK_NUMBER, at });
        }
        tracks.push(track);
        Ok(())
    })?;
    if tracks.is_empty() { Err(Malformed::Value { id: id::TRACKS, at }) } else { Ok(tracks) }
}

/// A track's fields as they stand in its entry; defaults as in RFC 9559, section 5.1.4.
#[derive(Default)]
struct Entry<'a> {
    number: u64,
    name: Box<str>,
    codec_id: Box<str>,
    codec_private: &'a [u8],
    frequency: f64,
    channels: u64,
    bit_depth: u64,
    is_encoded: bool,
}

fn track(payload: &[u8], at: u64) -> Result<Track, Malformed> {
    let mut entry = Entry { frequency: 8_000.0, channels: 1, ..Entry::default() };
    each(payload, at, |id, value| {
        match id {
            id::TRACK_NUMBER => entry.number = number(id, value, at)?,
            id::NAME => entry.name = text(value),
            id::CODEC_ID => entry.codec_id = text(value),
            id::CODEC_PRIVATE => entry.codec_private = value,
            id::CONTENT_ENCODINGS => entry.is_encoded = true,
            id::AUDIO => each(value, at, |id, value| {
                match id {
                    id::SAMPLING_FREQUENCY => entry.frequency = float(id, value, at)?,
                    id::CHANNELS => entry.channels = number(id, value, at)?,
                    id::BIT_DEPTH => entry.bit_depth = number(id, value, at)?,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    entry.into_track(at)
}

impl Entry<'_> {
    fn into_track(self, at: u64) -> Result<Track, Malformed> {
        if self.number == 0 {
            return Err(Malformed::Value { id: id::TRACK_NUMBER, at });
        }
        let channels = u32::try_from(self.channels).ok().filter(|count| (1..=64).contains(count));
        let channels = channels.ok_or(Malformed::Value { id: id::CHANNELS, at })?;
        let is_rate = self.frequency.is_finite() && (0.0..=768_000.0).contains(&self.frequency);
        if !is_rate {
            return Err(Malformed::Value { id: id::SAMPLING_FREQUENCY, at });
        }
        Ok(Track {
            number: self.number,
            codec: self.codec(),
            name: self.name,
            // Within 768,000.
            sample_rate: self.frequency.round() as u32,
            channels,
        })
    }

    fn codec(&self) -> Codec {
        let is_of_16 = matches!(self.bit_depth, 0 | 16);
        // The format's tag is the first field of WAVEFORMATEX.
        let format = self.codec_private.first_chunk().map(|tag| u16::from_le_bytes(*tag));
        match (&*self.codec_id, format) {
            // Compressed or encrypted blocks are nobody's samples.
            _ if self.is_encoded => {}
            ("A_PCM/INT/LIT", _) if is_of_16 => return Codec::LinearLittle,
            ("A_PCM/INT/BIG", _) if is_of_16 => return Codec::LinearBig,
            ("A_MS/ACM", Some(1)) if is_of_16 => return Codec::LinearLittle,
            ("A_MS/ACM", Some(6)) => return Codec::ALaw,
            ("A_MS/ACM", Some(7)) => return Codec::MuLaw,
            _ => {}
        }
        Codec::Other(self.codec_id.clone())
    }
}

/// A float of 0, 4 or 8 octets (RFC 8794, section 7.3).
fn float(id: u32, payload: &[u8], at: u64) -> Result<f64, Malformed> {
    if payload.is_empty() {
        return Ok(0.0);
    }
    let four = <[u8; 4]>::try_from(payload).map(|octets| f64::from(f32::from_be_bytes(octets)));
    let eight = || <[u8; 8]>::try_from(payload).map(f64::from_be_bytes);
    four.or_else(|_| eight()).map_err(|_| Malformed::Value { id, at })
}

/// All tags of a Tags element, in their order, of whatever they tell.
pub(super) fn tags(payload: &[u8], at: u64) -> Result<Vec<Tag>, Malformed> {
    let mut tags = Vec::new();
    each(payload, at, |id, tag| {
        if id != id::TAG {
            return Ok(());
        }
        each(tag, at, |id, simple| {
            if id == id::SIMPLE_TAG {
                if tags.len() >= MAX_TAGS {
                    return Err(Malformed::TooLarge { id: id::TAGS, at });
                }
                tags.extend(simple_tag(simple, at)?);
            }
            Ok(())
        })
    })?;
    Ok(tags)
}

/// One with a name; its value is empty where it holds octets in the place of text.
fn simple_tag(payload: &[u8], at: u64) -> Result<Option<Tag>, Malformed> {
    let (mut name, mut value) = (None, Box::default());
    each(payload, at, |id, part| {
        match id {
            id::TAG_NAME => name = Some(text(part)),
            id::TAG_STRING => value = text(part),
            _ => {}
        }
        Ok(())
    })?;
    Ok(name.map(|name| Tag { name, value }))
}
