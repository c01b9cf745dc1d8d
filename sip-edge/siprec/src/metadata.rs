//! What metadata says, as values.

use crate::{MAX_ENTRIES, MAX_TOGETHER, MetadataFault};
use model::UnixTime;
use serde::{Deserialize, Serialize};

/// What an entry takes beside its texts, in octets, about.
const ENTRY: usize = 32;

/// A document, or what several of them say together.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Whether it says all, or what has changed.
    pub mode: DataMode,
    /// Communication session groups (RFC 7865 section 6.2).
    pub groups: Vec<Group>,
    /// Communication sessions: the recorded calls (section 6.3).
    pub communications: Vec<CommunicationSession>,
    /// Who takes part (section 6.5).
    pub participants: Vec<Participant>,
    /// The media streams (section 6.7).
    pub streams: Vec<Stream>,
    /// Since when each communication session is recorded (section 6.4); `of` and `to` are its id.
    pub recorded: Vec<Membership>,
    /// Who takes part in which communication session (section 6.6).
    pub memberships: Vec<Membership>,
    /// Who sends and receives which stream (section 6.8).
    pub participations: Vec<ParticipantStreams>,
}

/// Whether a document says all (section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum DataMode {
    /// All of it: what it does not name is no more.
    #[default]
    Complete,
    /// What is new or has changed.
    Partial,
}

/// From when to when something holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Times {
    /// `associate-time`.
    pub from: Option<UnixTime>,
    /// `disassociate-time`; what has one is over.
    pub until: Option<UnixTime>,
}

/// Calls that belong together.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Group {
    /// `group_id`.
    pub id: Box<str>,
    /// Since when.
    pub times: Times,
}

/// A recorded call.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct CommunicationSession {
    /// `session_id`.
    pub id: Box<str>,
    /// The group that it belongs to.
    pub group: Option<Box<str>>,
    /// Its Session-IDs (RFC 7989).
    pub sip_session_ids: Vec<Box<str>>,
    /// Why it began or ended, in words.
    pub reason: Option<Box<str>>,
    /// `start-time`.
    pub start: Option<UnixTime>,
    /// `stop-time`.
    pub stop: Option<UnixTime>,
}

/// Who takes part.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Participant {
    /// `participant_id`.
    pub id: Box<str>,
    /// Its addresses of record, each with the name that goes with it.
    pub names: Vec<NameId>,
    /// It made the call. Not of the RFC: the `callerOrig` of some border controllers; `None` where
    /// nothing is said.
    pub is_caller: Option<bool>,
}

/// An address of record.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct NameId {
    /// The URI.
    pub aor: Box<str>,
    /// A person's name.
    pub name: Option<Box<str>>,
}

/// A media stream.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Stream {
    /// `stream_id`.
    pub id: Box<str>,
    /// The communication session that it belongs to.
    pub communication: Option<Box<str>>,
    /// The `a=label` (RFC 4574) of its line in the session description.
    pub label: Option<Box<str>>,
}

/// That something belongs to a communication session.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// The participant's id.
    pub of: Box<str>,
    /// The communication session's id.
    pub to: Box<str>,
    /// From when to when.
    pub times: Times,
}

/// What a participant sends and receives.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ParticipantStreams {
    /// The participant's id.
    pub participant: Box<str>,
    /// Ids of streams.
    pub sends: Vec<Box<str>>,
    /// Ids of streams.
    pub receives: Vec<Box<str>>,
    /// From when to when.
    pub times: Times,
}

impl Participant {
    /// The user part of its first address that has one: mostly a number.
    pub fn user(&self) -> Option<&str> {
        self.names.iter().find_map(|name| user_of(&name.aor))
    }
}

/// The user part of a `sip`, `sips` or `tel` URI; a bare number as some write it.
pub(crate) fn user_of(uri: &str) -> Option<&str> {
    let rest = match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => uri,
    };
    let user = rest.split(['@', ';', '?', '>']).next().unwrap_or_default();
    // What has neither an at sign nor a digit at its start is a host.
    let is_number = user.starts_with(|c: char| c == '+' || c.is_ascii_digit());
    (!user.is_empty() && (rest.contains('@') || is_number)).then_some(user)
}

fn is_scheme(text: &str) -> bool {
    ["sip", "sips", "tel"].iter().any(|scheme| text.eq_ignore_ascii_case(scheme))
}

impl Metadata {
    /// Takes the next document: a complete one takes the place of all, a partial one changes and adds
    /// entries by their ids (RFC 7865 section 5).
    ///
    /// # Errors
    /// [`MetadataFault::TooMany`] when together they have more than [`MAX_ENTRIES`] of a kind,
    /// [`MetadataFault::TooLarge`] when they have more than [`MAX_TOGETHER`] octets; then nothing has
    /// changed.
    pub fn update(&mut self, news: Metadata) -> Result<(), MetadataFault> {
        if news.mode == DataMode::Complete {
            *self = news;
            return Ok(());
        }
        let mut next = self.clone();
        merge(&mut next.groups, news.groups, |a, b| a.id == b.id)?;
        merge(&mut next.communications, news.communications, |a, b| a.id == b.id)?;
        merge(&mut next.participants, news.participants, |a, b| a.id == b.id)?;
        merge(&mut next.streams, news.streams, |a, b| a.id == b.id)?;
        let same = |a: &Membership, b: &Membership| (&a.of, &a.to) == (&b.of, &b.to);
        merge(&mut next.recorded, news.recorded, same)?;
        merge(&mut next.memberships, news.memberships, same)?;
        merge(&mut next.participations, news.participations, |a, b| {
            a.participant == b.participant
        })?;
        if next.octets() > MAX_TOGETHER {
            return Err(MetadataFault::TooLarge);
        }
        *self = next;
        Ok(())
    }

    /// Octets of all that it says, each entry with some for its times.
    fn octets(&self) -> usize {
        let said = |texts: &[&[Box<str>]]| -> usize {
            texts.iter().flat_map(|of| of.iter()).map(|text| ENTRY + text.len()).sum()
        };
        let maybe = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let groups = self.groups.iter().map(|group| ENTRY + group.id.len());
        let communications = self.communications.iter().map(|one| {
            let words = maybe(&one.group) + maybe(&one.reason);
            ENTRY + one.id.len() + words + said(&[&one.sip_session_ids])
        });
        let participants = self.participants.iter().map(|one| {
            let names = one.names.iter().map(|name| ENTRY + name.aor.len() + maybe(&name.name));
            ENTRY + one.id.len() + names.sum::<usize>()
        });
        let streams = self.streams.iter().map(|stream| {
            ENTRY + stream.id.len() + maybe(&stream.communication) + maybe(&stream.label)
        });
        let memberships = self.recorded.iter().chain(&self.memberships);
        let memberships = memberships.map(|one| ENTRY + one.of.len() + one.to.len());
        let participations = self
            .participations
            .iter()
            .map(|one| ENTRY + one.participant.len() + said(&[&one.sends, &one.receives]));
        let entries = groups.chain(communications).chain(participants).chain(streams);
        entries.chain(memberships).chain(participations).sum()
    }

    /// The streams that have a label, which a line of the session description should have too.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.streams.iter().filter_map(|stream| stream.label.as_deref())
    }

    /// Who sends the stream with this label now, if that is said.
    pub fn sender_of(&self, label: &str) -> Option<&Participant> {
        let stream = self.streams.iter().find(|stream| stream.label.as_deref() == Some(label))?;
        let sends =
            |one: &&ParticipantStreams| one.times.until.is_none() && one.sends.contains(&stream.id);
        let sender = self.participations.iter().find(sends)?;
        self.participant(&sender.participant)
    }

    /// The participant with this id.
    pub fn participant(&self, id: &str) -> Option<&Participant> {
        self.participants.iter().find(|participant| &*participant.id == id)
    }

    /// The labels of streams that none of `lines` has, where at least one line has a label: the
    /// description and the metadata do not speak of the same.
    pub fn missing_labels<'a>(&'a self, lines: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        self.labels().filter(|label| !lines.contains(label))
    }
}

fn merge<T>(
    old: &mut Vec<T>,
    news: Vec<T>,
    same: impl Fn(&T, &T) -> bool,
) -> Result<(), MetadataFault> {
    for new in news {
        let is_full = old.len() >= MAX_ENTRIES;
        match old.iter_mut().find(|one| same(one, &new)) {
            Some(one) => *one = new,
            None if is_full => return Err(MetadataFault::TooMany),
            None => old.push(new),
        }
    }
    Ok(())
}
