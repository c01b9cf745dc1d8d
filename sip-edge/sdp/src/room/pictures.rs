//! The lines of pictures that a room takes: one camera, one of slides, each in one format.

use super::h264::{H264, LEVEL_3, LEVEL_3_1};
use super::{is_of_keys, said, word_of};
use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use crate::direction::Direction;
use crate::floor::agreed_floor;
use model::{MediaType, PictureContent, PictureFeedback, PictureFormat};
use sdp_types::{Attribute, Bandwidth, Media, Session};
use std::sync::Arc;

/// Parameters of a format that are longer than this are not read.
const LONGEST_PARAMETERS: usize = 4_096;

/// What a room wants to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct PictureTerms {
    /// Cameras may send 1280x720.
    pub high_definition: bool,
}

impl PictureTerms {
    /// bit/s without headers (`b=TIAS`, RFC 3890) at most: the steps of docs/rooms-video.md.
    pub const fn most(self, content: PictureContent) -> u64 {
        match content {
            PictureContent::Main if self.high_definition => 1_400_000,
            PictureContent::Main => 650_000,
            PictureContent::Slides => 1_200_000,
        }
    }

    /// The same with headers, a tenth more, in 1,000 bit/s (`b=AS`, RFC 8866 section 5.8).
    pub const fn most_with_headers(self, content: PictureContent) -> u64 {
        self.most(content).div_ceil(1_000) * 11 / 10
    }

    /// The level of H.264 that is sent at most.
    pub const fn level(self, content: PictureContent) -> u8 {
        match content {
            PictureContent::Main if !self.high_definition => LEVEL_3,
            PictureContent::Main | PictureContent::Slides => LEVEL_3_1,
        }
    }
}

/// A line of pictures as a room takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomPicture {
    /// Its place among the `m=` lines, from 0.
    pub index: usize,
    /// What it is for.
    pub content: PictureContent,
    /// The payload type of its one format.
    pub payload_type: u8,
    /// That format.
    pub format: PictureFormat,
    /// What of feedback the device takes.
    pub feedback: PictureFeedback,
    /// bit/s that the device wants to receive at most, where it says so.
    pub most_bits_per_second: Option<u64>,
}

/// Who has described a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Described {
    /// The device has offered it: the room takes which of its formats it likes best.
    Offered,
    /// The device has answered ours: it sends in its first format.
    Answered,
}

impl SessionDescription {
    /// The lines of pictures that a room takes of a device's offer, in their order: the first camera
    /// and the first slides of those that can be taken, with keys before those without. None without
    /// sound.
    pub fn room_pictures(&self, terms: PictureTerms) -> Vec<RoomPicture> {
        self.pictures(Described::Offered, terms, |_, media| content_of(media))
    }

    /// The same of a device's answer to `ours`, whose lines say what they are for. Slides are none where the
    /// device says neither that they are such nor takes their floor: it may not know what they are, and
    /// show them in the place of the camera, or send its camera twice.
    pub fn answered_pictures(&self, ours: &Self, terms: PictureTerms) -> Vec<RoomPicture> {
        let has_floor = agreed_floor(ours, self).is_some();
        self.pictures(Described::Answered, terms, |index, media| {
            let offered = content_of(ours.inner.medias.get(index)?)?;
            let knows = || has_floor || content_of(media) == Some(PictureContent::Slides);
            (offered == PictureContent::Main || knows()).then_some(offered)
        })
    }

    fn pictures(
        &self,
        described: Described,
        terms: PictureTerms,
        content: impl Fn(usize, &Media) -> Option<PictureContent>,
    ) -> Vec<RoomPicture> {
        if self.sound().is_none() {
            return Vec::new();
        }
        let mut found: Vec<(bool, RoomPicture)> = (0..self.media_count())
            .filter_map(|index| {
                let line = self.line_at(index).filter(|line| line.media == MediaType::Video)?;
                let media = self.inner.medias.get(index)?;
                let content = content(index, media)?;
                let picture = read(&self.inner, &line.stream, (described, terms, content))?;
                Some((!self.encryption().prefers(&line.stream), picture))
            })
            .collect();
        // A stable sort: of each kind the first of those with keys, else the first.
        found.sort_by_key(|(is_worse, picture)| (picture.content, *is_worse));
        found.dedup_by_key(|(_, picture)| picture.content);
        let mut taken: Vec<RoomPicture> = found.into_iter().map(|(_, picture)| picture).collect();
        taken.sort_by_key(|picture| picture.index);
        taken
    }
}

fn read(
    inner: &Session,
    stream: &AudioStream,
    (described, terms, content): (Described, PictureTerms, PictureContent),
) -> Option<RoomPicture> {
    let media = inner.medias.get(stream.index)?;
    let (payload_type, format, raised) = format_of(media, described, terms.level(content))?;
    let feedback = feedback_of(media, payload_type);
    let told = bandwidth(&media.bandwidths).or_else(|| bandwidth(&inner.bandwidths));
    let most = [told, raised].into_iter().flatten().min();
    let (index, most_bits_per_second) = (stream.index, most);
    Some(RoomPicture { index, content, payload_type, format, feedback, most_bits_per_second })
}

/// `None` of a line that is for something else, such as a second camera.
fn content_of(media: &Media) -> Option<PictureContent> {
    let Some(content) = word_of(media, "content") else { return Some(PictureContent::Main) };
    // RFC 4796 section 5: several words may stand there.
    let mut words = content.split(',').map(str::trim);
    let has = |wanted: &str| words.clone().any(|word| word.eq_ignore_ascii_case(wanted));
    if has("slides") {
        return Some(PictureContent::Slides);
    }
    words.any(|word| word.eq_ignore_ascii_case("main")).then_some(PictureContent::Main)
}

/// The format that is taken, and how much the device decodes where that says so.
fn format_of(
    media: &Media,
    described: Described,
    level: u8,
) -> Option<(u8, PictureFormat, Option<u64>)> {
    let mut h264: Vec<(u8, H264, &str)> = Vec::new();
    let mut vp8 = None;
    for payload_type in payload_types(&media.fmt) {
        let is_name = |name: &str| {
            of_format(media, "rtpmap", payload_type).is_some_and(|value| {
                let (said, clock) = value.trim().split_once('/').unwrap_or((value, ""));
                said.eq_ignore_ascii_case(name) && clock.trim() == "90000"
            })
        };
        let parameters = of_format(media, "fmtp", payload_type).unwrap_or_default();
        if is_name("H264") && parameters.len() <= LONGEST_PARAMETERS {
            let format = H264::parse(parameters);
            let is_new = |format: &H264| h264.iter().all(|(_, other, _)| !other.is_alike(format));
            h264.extend(format.filter(is_new).map(|format| (payload_type, format, parameters)));
        } else if is_name("VP8") {
            vp8 = vp8.or(Some(payload_type));
        }
        // What comes is in the first format of an answer.
        if described == Described::Answered && (!h264.is_empty() || vp8.is_some()) {
            break;
        }
    }
    let best = h264.iter().min_by_key(|(_, format, _)| format.rank());
    if let Some((payload_type, format, parameters)) = best {
        let sends = format.answer(level).to_string().into();
        let receives: Arc<str> = parameters.trim().into();
        let taken = PictureFormat::H264 { sends, receives };
        return Some((*payload_type, taken, format.max_bits_per_second));
    }
    vp8.map(|payload_type| (payload_type, PictureFormat::Vp8, None))
}

/// What stands behind the payload type in an attribute that is of one format.
fn of_format<'a>(media: &'a Media, name: &str, payload_type: u8) -> Option<&'a str> {
    said(media, name).find_map(|value| {
        let (number, rest) = value.trim().split_once(char::is_whitespace)?;
        (number.parse() == Ok(payload_type)).then_some(rest)
    })
}

/// What of feedback (RFC 4585 section 4.2) a line offers for a format, in its own words, with `*`
/// where it says so of all.
fn offered_feedback(media: &Media, payload_type: u8) -> Vec<(&str, &'static str)> {
    let own = payload_type.to_string();
    let mut found: Vec<(&str, &'static str)> = Vec::new();
    for value in said(media, "rtcp-fb") {
        let mut words = value.split_ascii_whitespace();
        let Some(whose) = words.next().filter(|whose| *whose == "*" || **whose == *own) else {
            continue;
        };
        let Some(kind) = words.next() else { continue };
        let kind = kind.to_ascii_lowercase();
        // There are devices that name several after one `ccm`.
        let has = |wanted: &str| words.clone().any(|word| word.eq_ignore_ascii_case(wanted));
        let known: &[(&str, bool)] = &[
            ("nack", kind == "nack" && words.clone().next().is_none()),
            ("nack pli", kind == "nack" && has("pli")),
            ("ccm fir", kind == "ccm" && has("fir")),
            ("ccm tmmbr", kind == "ccm" && has("tmmbr")),
            ("goog-remb", kind == "goog-remb"),
        ];
        for (name, is_there) in known {
            if *is_there && found.iter().all(|(_, other)| other != name) {
                found.push((whose, name));
            }
        }
    }
    found
}

fn feedback_of(media: &Media, payload_type: u8) -> PictureFeedback {
    let offered = offered_feedback(media, payload_type);
    let has = |wanted: &str| offered.iter().any(|(_, name)| *name == wanted);
    let (nack, pli, fir) = (has("nack"), has("nack pli"), has("ccm fir"));
    let (remb, tmmbr) = (has("goog-remb"), has("ccm tmmbr"));
    PictureFeedback { nack, pli, fir, remb, tmmbr, info: !pli && !fir }
}

/// bit/s that `b=` lines allow: `TIAS` (RFC 3890) before `AS`, which counts headers too.
fn bandwidth(lines: &[Bandwidth]) -> Option<u64> {
    let said = |name: &str| {
        lines.iter().find(|line| line.bwtype.trim().eq_ignore_ascii_case(name)).map(|l| l.bandwidth)
    };
    said("TIAS").or_else(|| said("AS").map(|kilobits| kilobits.saturating_mul(1_000)))
}

/// Writes into `media`, a line of the device's, what the room answers there.
pub(super) fn answer(
    media: &mut Media,
    direction: Direction,
    picture: &RoomPicture,
    terms: PictureTerms,
) {
    let payload_type = picture.payload_type;
    let mut attributes: Vec<Attribute> =
        media.attributes.iter().filter(|attribute| is_of_keys(attribute)).cloned().collect();
    let mut say = |name: &str, value: Option<String>| {
        attributes.push(Attribute { attribute: name.to_owned(), value });
    };
    match &picture.format {
        PictureFormat::H264 { sends, .. } => {
            say("rtpmap", Some(format!("{payload_type} H264/90000")));
            say("fmtp", Some(format!("{payload_type} {sends}")));
        }
        PictureFormat::Vp8 => say("rtpmap", Some(format!("{payload_type} VP8/90000"))),
    }
    for (whose, name) in offered_feedback(media, payload_type) {
        say("rtcp-fb", Some(format!("{whose} {name}")));
    }
    // Floor control names streams by their labels (RFC 8856), and devices theirs by their content.
    for name in ["content", "label", "mid"] {
        if let Some(word) = word_of(media, name) {
            say(name, Some(word.to_owned()));
        }
    }
    say(direction.reversed().as_str(), None);
    media.fmt = payload_type.to_string();
    media.attributes = attributes;
    let limit = |bwtype: &str, bandwidth| Bandwidth { bwtype: bwtype.to_owned(), bandwidth };
    let content = picture.content;
    media.bandwidths =
        vec![limit("AS", terms.most_with_headers(content)), limit("TIAS", terms.most(content))];
}
