//! The lines of a browser that share one transport with its sound (BUNDLE, RFC 9143).
//!
//! A browser that offers a group may insist on it, and does not say so before it has gathered candidates: then
//! none of its lines names a transport of its own. So a group is taken as a whole where no line that a room takes
//! has one, and not at all where one has.

use super::pictures::RoomPicture;
use super::{is_of_keys, said, word_of};
use crate::audio::payload_types;
use crate::description::SessionDescription;
use crate::write::WrittenMedia;
use model::LONGEST_MID;
use sdp_types::{Attribute, Media, Session};
use std::fmt::Write as _;
use std::sync::Arc;

/// What a header extension with the mid is called (RFC 9143 section 15).
const MID_EXTENSION: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// The port of a line whose address is yet to be found (RFC 8840 section 4.1.1).
const DISCARD: u16 = 9;

/// A line that shares the transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundledRoomLine {
    /// Its place among the `m=` lines, from 0.
    pub index: usize,
    /// Its `a=mid`, 1 to [`LONGEST_MID`] octets.
    pub mid: Arc<str>,
    /// The number of the header extension in which its packets say that, where it is offered and taken.
    pub mid_extension: Option<u8>,
}

/// The line of sound and those of pictures that may share its transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomBundle {
    /// The first is the sound's, which has the transport.
    pub lines: Vec<BundledRoomLine>,
}

impl RoomBundle {
    /// The line at a place, if it shares the transport.
    pub fn line(&self, index: usize) -> Option<&BundledRoomLine> {
        self.lines.iter().find(|line| line.index == index)
    }

    /// Whether all of `pictures` do.
    pub fn has_all(&self, pictures: &[RoomPicture]) -> bool {
        pictures.iter().all(|picture| self.line(picture.index).is_some())
    }

    /// Those of `pictures` whose packets can be told from the others' (RFC 9143 section 9.2): they say their
    /// mid, or have a payload type that no line before them has.
    pub fn told_apart(
        &self,
        offer: &SessionDescription,
        mut pictures: Vec<RoomPicture>,
    ) -> Vec<RoomPicture> {
        let sound = self.lines.first().and_then(|line| offer.inner.medias.get(line.index));
        let mut used: Vec<u8> =
            sound.map(|media| payload_types(&media.fmt).collect()).unwrap_or_default();
        pictures.retain(|picture| {
            let Some(line) = self.line(picture.index) else { return true };
            let is_told = line.mid_extension.is_some() || !used.contains(&picture.payload_type);
            used.push(picture.payload_type);
            is_told
        });
        pictures
    }

    /// Gives those of an answer's lines that are taken the transport of the main one; the value of `a=group`, `None`
    /// where that one is not taken.
    pub(crate) fn join(
        &self,
        medias: &mut [WrittenMedia<'_>],
        main: Option<usize>,
    ) -> Option<String> {
        let main =
            self.lines.first().map(|line| line.index).filter(|index| Some(*index) == main)?;
        let port = medias.get(main).filter(|media| media.transport.is_some())?.port;
        let mut group = String::from("BUNDLE");
        for line in &self.lines {
            let Some(media) = medias.get_mut(line.index) else { continue };
            let Some(transport) = &mut media.transport else { continue };
            transport.is_shared = line.index != main;
            media.port = port;
            // Writing into a String cannot fail.
            let _ = write!(group, " {}", line.mid);
        }
        Some(group)
    }
}

impl SessionDescription {
    /// The lines of an offer that may share the transport of the sound that a room takes. `None` where the sound
    /// is in no group, has no ICE or no handshake, or sends RTCP elsewhere.
    pub fn room_bundle(&self) -> Option<RoomBundle> {
        let index = self.sound()?;
        let sound = self.audio_at(index)?;
        let is_suited = sound.dtls.is_some() && sound.ice.is_some() && sound.rtcp_mux;
        let media = self.inner.medias.get(index).filter(|_| is_suited)?;
        let own = bundled(&self.inner, index, media)?;
        let group = group_of(&self.inner, &own.mid)?;
        let mids: Vec<&str> = group.split_ascii_whitespace().skip(1).collect();
        let tagged = mids.first().and_then(|first| {
            self.inner.medias.iter().find(|media| word_of(media, "mid") == Some(first))
        });
        let transport = Transport { sound: media, tagged: tagged.unwrap_or(media) };
        let others = self.inner.medias.iter().enumerate().filter(|(at, _)| *at != index);
        let others = others.filter(|(_, media)| transport.is_shared_by(media));
        let others = others.filter_map(|(at, media)| bundled(&self.inner, at, media));
        let others = others.filter(|line| mids.contains(&&*line.mid));
        Some(RoomBundle { lines: std::iter::once(own.clone()).chain(others).collect() })
    }

    /// The same with the sound's transport in those lines of `bundle` that say nothing of theirs: in a first offer
    /// those with `a=bundle-only`, later all of them (RFC 9143 section 7.1.3). [`text`](Self::text) stays what came.
    #[must_use]
    pub fn with_shared_transport(&self, bundle: &RoomBundle) -> Self {
        let mut inner = self.inner.clone();
        let sound = bundle.lines.first().and_then(|line| self.inner.medias.get(line.index));
        let Some(sound) = sound else { return self.clone() };
        for line in bundle.lines.iter().skip(1) {
            let Some(media) = inner.medias.get_mut(line.index) else { continue };
            if repeats_transport(media) {
                continue;
            }
            media.port = sound.port;
            media.connections.clone_from(&sound.connections);
            let is_shared =
                |attribute: &Attribute| is_of_keys(attribute) || is_named(attribute, "rtcp-mux");
            media.attributes.retain(|attribute| !is_shared(attribute));
            let shared = sound.attributes.iter().filter(|attribute| is_shared(attribute));
            media.attributes.extend(shared.cloned());
        }
        self.changed(inner)
    }

    /// What a room answers, with the header extensions that are taken.
    #[must_use]
    pub fn saying_mids(&self, bundle: &RoomBundle) -> Self {
        let mut inner = self.inner.clone();
        for line in &bundle.lines {
            let Some(media) = inner.medias.get_mut(line.index) else { continue };
            let value = line.mid_extension.map(|number| format!("{number} {MID_EXTENSION}"));
            let attribute = value.map(|value| Attribute::with_value("extmap", &value));
            media.attributes.extend(attribute);
        }
        self.changed(inner)
    }
}

/// Where the lines of a group may be.
struct Transport<'a> {
    sound: &'a Media,
    /// The first of the group: the offerer's tagged line.
    tagged: &'a Media,
}

impl Transport<'_> {
    /// Whether a line names no transport but this one. One that repeats how it is reached is read as it stands,
    /// and RTCP of the shared transport is multiplexed (RFC 9143 section 9.3).
    fn is_shared_by(&self, media: &Media) -> bool {
        let is_multiplexed = media.attributes.iter().any(|one| is_named(one, "rtcp-mux"));
        if repeats_transport(media) && !is_multiplexed {
            return false;
        }
        match media.port {
            0 => media.attributes.iter().any(|attribute| is_named(attribute, "bundle-only")),
            DISCARD => said(media, "candidate").next().is_none(),
            port => port == self.tagged.port || port == self.sound.port,
        }
    }
}

/// Whether a line says itself how it is reached, though that be the same as others say.
fn repeats_transport(media: &Media) -> bool {
    media.port != 0 && said(media, "ice-ufrag").next().is_some()
}

fn is_named(attribute: &Attribute, name: &str) -> bool {
    attribute.attribute.trim().eq_ignore_ascii_case(name)
}

/// The group that a mid is in.
fn group_of<'a>(inner: &'a Session, mid: &str) -> Option<&'a str> {
    let groups = inner.attributes.iter().filter(|attribute| is_named(attribute, "group"));
    let mut groups = groups.filter_map(|attribute| attribute.value.as_deref());
    groups.find(|group| {
        let mut words = group.split_ascii_whitespace();
        words.next() == Some("BUNDLE") && words.any(|word| word == mid)
    })
}

/// `None` of a line without a mid that can be repeated.
fn bundled(inner: &Session, index: usize, media: &Media) -> Option<BundledRoomLine> {
    let mid = word_of(media, "mid").filter(|mid| mid.len() <= LONGEST_MID)?;
    let session = inner.attributes.iter().filter(|attribute| is_named(attribute, "extmap"));
    let session = session.filter_map(|attribute| attribute.value.as_deref());
    let mid_extension = said(media, "extmap").chain(session).find_map(mid_number);
    Some(BundledRoomLine { index, mid: mid.into(), mid_extension })
}

/// The number that `a=extmap` (RFC 8285 section 8) gives the mid, where it may be said both ways.
fn mid_number(value: &str) -> Option<u8> {
    let mut words = value.split_ascii_whitespace();
    let (number, direction) =
        words.next().map(|word| word.split_once('/').unwrap_or((word, "")))?;
    let is_both = direction.is_empty() || direction.eq_ignore_ascii_case("sendrecv");
    let is_mid = words.next().is_some_and(|name| name.eq_ignore_ascii_case(MID_EXTENSION));
    number
        .parse()
        .ok()
        .filter(|number| is_both && is_mid && (1..=255).contains(number) && *number != 15)
}
