//! What a meeting room answers to a device: one line of sound, one of a camera and one of slides, each in
//! one format, and no to the rest.
//!
//! [`part_of`] decides for each line. A line that a room takes beside these is let in there, and
//! described in [`SessionDescription::spoken_in_room`].

mod bundle;
mod h264;
mod pictures;

pub use bundle::{BundledRoomLine, RoomBundle};
pub use pictures::{PictureTerms, RoomPicture};

use crate::audio::AudioStream;
use crate::description::SessionDescription;
use crate::direction::Direction;
use model::{Codec, MediaType, RoomLine, RoomLinePart};
use sdp_types::{Attribute, Media};

/// The formats of sound in a room, the best one first: of those that a device offers the first is
/// taken, whatever the device's own order is.
const FORMATS: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma];

/// The longest word of an attribute, as `a=content`, that is told or repeated.
const LONGEST_WORD: usize = 32;

impl SessionDescription {
    /// The same with every line declined that a room does not take. Of several lines of sound that are
    /// allowed under [`encryption`](Self::encryption) it takes one with keys, else the first, and passes
    /// over those in formats that it does not speak. `pictures` are the further lines that it takes.
    /// [`text`](Self::text) stays what came.
    #[must_use]
    pub fn in_room(&self, pictures: &[RoomPicture]) -> Self {
        let Some(sound) = self.sound() else { return self.taking(&[]) };
        let places = pictures.iter().map(|picture| picture.index);
        let taken: Vec<usize> = std::iter::once(sound).chain(places).collect();
        self.taking(&taken)
    }

    /// What a room answers to its [`in_room`](Self::in_room) form: the best of the formats that the
    /// device offers, telephone-event where it offers that, and nothing else of what it says; `pictures`
    /// as they are, under the room's `terms`.
    #[must_use]
    pub fn spoken_in_room(&self, pictures: &[RoomPicture], terms: PictureTerms) -> Self {
        let mut inner = self.inner.clone();
        inner.attributes.retain(is_of_keys);
        inner.bandwidths.clear();
        for (index, media) in inner.medias.iter_mut().enumerate() {
            if let Some(stream) = self.audio_at(index) {
                speak(media, &stream);
            }
            let picture = pictures.iter().find(|picture| picture.index == index);
            if let Some((picture, line)) = picture.zip(self.line_at(index)) {
                pictures::answer(media, line.stream.direction, picture, terms);
            }
        }
        self.changed(inner)
    }

    /// The line of sound that a room takes.
    fn sound(&self) -> Option<usize> {
        let can_be_taken =
            |stream: &AudioStream| best_format(stream).is_some() && stream.check_address().is_ok();
        let streams = (0..self.media_count()).filter_map(|index| self.audio_at(index));
        let mut streams: Vec<AudioStream> = streams.filter(can_be_taken).collect();
        // A stable sort: the first of those with keys, else the first.
        streams.sort_by_key(|stream| !self.encryption().prefers(stream));
        streams.first().map(|stream| stream.index)
    }
}

/// What becomes of each `m=` line of a device in a room that takes `pictures`, in their order; `offer` is
/// as the policy of its leg sees it.
pub fn room_lines(offer: &SessionDescription, pictures: &[RoomPicture]) -> Vec<RoomLine> {
    let sound = offer.sound();
    let lines = offer.inner.medias.iter().enumerate();
    let line = |(index, media): (usize, &Media)| RoomLine {
        media: MediaType::parse(&media.media),
        content: word_of(media, "content").map(Into::into),
        part: part_of(index, media, sound, pictures),
    };
    lines.map(line).collect()
}

/// Whether a room takes a line, and as what.
fn part_of(
    index: usize,
    media: &Media,
    sound: Option<usize>,
    pictures: &[RoomPicture],
) -> RoomLinePart {
    let picture = pictures.iter().find(|picture| picture.index == index);
    match (media.port, picture) {
        (0, _) => RoomLinePart::Unused,
        _ if Some(index) == sound => RoomLinePart::Sound,
        (_, Some(picture)) => RoomLinePart::Pictures(picture.content),
        _ => RoomLinePart::Declined,
    }
}

/// The values of an attribute of a line.
fn said<'a>(media: &'a Media, name: &str) -> impl Iterator<Item = &'a str> {
    let is_it = move |attribute: &&Attribute| attribute.attribute.trim().eq_ignore_ascii_case(name);
    media.attributes.iter().filter(is_it).filter_map(|attribute| attribute.value.as_deref())
}

/// The first of them, where it can be told and repeated.
fn word_of<'a>(media: &'a Media, name: &str) -> Option<&'a str> {
    let is_word = |word: &&str| {
        (1..=LONGEST_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic())
    };
    said(media, name).next().map(str::trim).filter(is_word)
}

/// The place in `stream.codecs` of the format that a room speaks on it.
fn best_format(stream: &AudioStream) -> Option<usize> {
    let place = |wanted: &Codec| stream.codecs.iter().position(|one| one.codec == *wanted);
    FORMATS.iter().filter(|_| stream.profile.is_rtp()).find_map(place)
}

/// What makes a stream one that is encrypted, and one whose address is yet to be found (RFC 8840) and
/// not on hold. It says how the answer is read, and is never written.
fn is_of_keys(attribute: &Attribute) -> bool {
    let name = attribute.attribute.trim();
    let known = ["crypto", "fingerprint", "setup", "ice-ufrag", "ice-pwd"];
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn speak(media: &mut Media, stream: &AudioStream) {
    let Some(format) = best_format(stream).and_then(|place| stream.codecs.get(place)) else {
        return;
    };
    // RFC 4733 section 2.1: events have the clock of the format that they stand in for. A device that
    // offers them with another one alone means them all the same.
    let is_event = |one: &&model::CodecMapping| one.codec == Codec::TelephoneEvent;
    let mut events = stream.codecs.iter().filter(is_event);
    let fits = |one: &&model::CodecMapping| one.clock_rate == format.clock_rate;
    let event = events.clone().find(fits).or_else(|| events.next());
    let kept: Vec<&model::CodecMapping> = std::iter::once(format).chain(event).collect();
    media.fmt = kept.iter().map(|one| one.payload_type.to_string()).collect::<Vec<_>>().join(" ");
    media.bandwidths.clear();
    let mut attributes: Vec<Attribute> =
        media.attributes.iter().filter(|attribute| is_of_keys(attribute)).cloned().collect();
    let mut say = |name: &str, value: Option<String>| {
        attributes.push(Attribute { attribute: name.to_owned(), value });
    };
    for one in &kept {
        let (payload_type, clock) = (one.payload_type, one.clock_rate);
        // RFC 7587 section 7: always two channels in the name.
        let channels = if one.codec == Codec::Opus { "/2" } else { "" };
        let name = one.codec.name();
        say("rtpmap", Some(format!("{payload_type} {name}/{clock}{channels}")));
        match one.codec {
            Codec::Opus => say("fmtp", Some(format!("{payload_type} useinbandfec=1"))),
            Codec::TelephoneEvent => say("fmtp", Some(format!("{payload_type} 0-15"))),
            _ => {}
        }
    }
    say("ptime", Some("20".to_owned()));
    if let Some(Some(mid)) = media.get_first_attribute_value("mid") {
        say("mid", Some(mid.to_owned()));
    }
    say(Direction::reversed(stream.direction).as_str(), None);
    media.attributes = attributes;
}
