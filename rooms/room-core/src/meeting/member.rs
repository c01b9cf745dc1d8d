//! People of a meeting.

use super::{Meeting, Person};
use crate::menu::Pressed;
use crate::registry::Capabilities;
use crate::{AttendeeId, Language};
use model::{Heard, Instant, PictureLayout, TransactionId};
use std::sync::Arc;

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Moderator,
    Attendee,
}

/// Somebody who wants to join.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) call: TransactionId,
    pub(crate) role: Role,
    pub(crate) name: Arc<str>,
    pub(crate) attendee: Option<(AttendeeId, Arc<str>)>,
    pub(crate) language: Language,
    pub(crate) capabilities: Capabilities,
    pub(crate) has_said_name: bool,
    /// Called by somebody of the meeting: the lock is not for it.
    pub(crate) invited: bool,
    /// What it has asked to see; `None` for the meeting's.
    pub(crate) layout: Option<PictureLayout>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Until when at most.
    Waiting {
        until: Instant,
        music: bool,
    },
    In,
}

/// What the next keys of somebody are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// Of a number to call; when to give up.
    Number(String, Instant),
    /// 1 ends the meeting; when to give up.
    ConfirmEnd(Instant),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) call: TransactionId,
    pub(super) role: Role,
    pub(super) name: Arc<str>,
    pub(super) attendee: Option<(AttendeeId, Arc<str>)>,
    pub(super) language: Language,
    pub(super) capabilities: Capabilities,
    pub(super) has_said_name: bool,
    pub(super) invited: bool,
    pub(super) layout: Option<PictureLayout>,
    pub(super) place: Place,
    /// Its number among those who came.
    pub(super) arrival: u64,
    pub(super) since: Instant,
    pub(super) muted_by_oneself: bool,
    pub(super) muted_by_moderator: bool,
    pub(super) hand: bool,
    /// dBov, 0 to -127.
    pub(super) level: i8,
    /// Whether it speaks now.
    pub(super) is_speaking: bool,
    /// When it was told last that no packet comes.
    pub(super) silent_at: Option<Instant>,
    pub(super) pressed: Pressed,
    pub(super) input: Option<Input>,
    /// Texts since `chat_since`.
    pub(super) chat_count: u32,
    pub(super) chat_since: Instant,
}

impl Member {
    pub(super) fn new(newcomer: Newcomer, arrival: u64, since: Instant, until: Instant) -> Self {
        let Newcomer { call, role, name, attendee, language, capabilities, .. } = newcomer;
        Member {
            call,
            role,
            name,
            attendee,
            language,
            capabilities,
            has_said_name: newcomer.has_said_name,
            invited: newcomer.invited,
            layout: newcomer.layout,
            place: Place::Waiting { until, music: false },
            arrival,
            since,
            muted_by_oneself: false,
            muted_by_moderator: false,
            hand: false,
            level: -127,
            is_speaking: false,
            silent_at: None,
            pressed: Pressed::default(),
            input: None,
            chat_count: 0,
            chat_since: since,
        }
    }

    /// It is who `old` was, by another call.
    pub(super) fn take_over(&mut self, old: &Member) {
        self.arrival = old.arrival;
        self.muted_by_oneself = old.muted_by_oneself;
        self.muted_by_moderator = old.muted_by_moderator;
        self.hand = old.hand;
        self.capabilities = old.capabilities;
        self.layout = self.layout.or(old.layout);
        if old.role == Role::Moderator {
            self.role = Role::Moderator;
        }
    }

    pub(super) fn is_in(&self) -> bool {
        self.place == Place::In
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted_by_oneself || self.muted_by_moderator
    }

    pub(super) fn person(&self) -> Person {
        Person {
            call: self.call,
            attendee: self.attendee.clone(),
            name: self.name.clone(),
            moderator: self.role == Role::Moderator,
        }
    }
}

/// Somebody in the list of who is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RosterEntry {
    /// Who.
    pub person: Person,
    /// Whether in the meeting, not waiting.
    pub is_in: bool,
    /// Since when it is there.
    pub since: Instant,
    /// Whether its audio reaches nobody.
    pub muted: bool,
    /// Whether a hand is raised.
    pub hand: bool,
    /// How loud it was last, in dBov: 0 to -127 (RFC 6464).
    pub level: i8,
    /// Whether it speaks now.
    pub is_speaking: bool,
    /// Whether it is the active speaker: who has spoken loudest for a while, until somebody else is.
    pub speaks: bool,
    /// Whether no packet of it comes now.
    pub is_lost: bool,
    /// Whether it shows a screen.
    pub shows: bool,
    /// Whether it asks a moderator to let it show one.
    pub asks_to_show: bool,
    /// Whether its device has a line of pictures for a camera.
    pub camera: bool,
    /// Whether it has one for slides.
    pub slides: bool,
    /// What it sees of the others.
    pub layout: PictureLayout,
}

/// How a meeting is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeetingState {
    /// People who are in.
    pub people: usize,
    /// People who wait.
    pub waiting: usize,
    /// People who are called.
    pub called: usize,
    /// Whether it is locked.
    pub locked: bool,
    /// Whether it is recorded.
    pub recording: bool,
}

impl Meeting {
    /// Who is there, in the order of arrival.
    pub(crate) fn roster(&self) -> Vec<RosterEntry> {
        let mut members: Vec<&Member> = self.people.values().collect();
        members.sort_by_key(|member| member.arrival);
        let entry = |member: &Member| RosterEntry {
            person: member.person(),
            is_in: member.is_in(),
            since: member.since,
            muted: member.is_muted(),
            hand: member.hand,
            level: member.level,
            is_speaking: member.is_speaking,
            is_lost: member.silent_at.is_some(),
            speaks: self.speaker == Some(member.call),
            shows: self.floor == Some(member.call),
            asks_to_show: self.floor_asked.contains(&member.call),
            // Known of callers, wherever they are.
            camera: false,
            slides: false,
            layout: member.layout.unwrap_or(self.facts.settings.layout),
        };
        members.into_iter().map(entry).collect()
    }

    pub(crate) fn state(&self) -> MeetingState {
        let people = self.people.values().filter(|member| member.is_in()).count();
        MeetingState {
            people,
            waiting: self.people.len() - people,
            called: self.called.len(),
            locked: self.locked,
            recording: self.is_recorded,
        }
    }

    /// The call by which an attendee is there.
    pub(crate) fn call_of(&self, attendee: AttendeeId) -> Option<TransactionId> {
        let is_it =
            |member: &&Member| member.attendee.as_ref().is_some_and(|(id, _)| *id == attendee);
        self.people.values().find(is_it).map(|member| member.call)
    }

    /// How somebody who is in is heard.
    pub(crate) fn set_heard(&mut self, call: TransactionId, heard: Heard) {
        let Some(member) = self.people.get_mut(&call).filter(|member| member.is_in()) else {
            return;
        };
        member.level = -i8::try_from(heard.level).unwrap_or(i8::MAX);
        member.is_speaking = heard.is_speaking;
        if heard.is_active_speaker {
            self.speaker = Some(call);
        } else if self.speaker == Some(call) {
            self.speaker = None;
        }
    }

    /// How many of those who are in speak now.
    pub(crate) fn speaking(&self) -> usize {
        self.people.values().filter(|member| member.is_in() && member.is_speaking).count()
    }
}
