//! What is told of meetings, to whoever keeps or passes on events.

use crate::{AttendeeId, MeetingId};
use model::{TransactionId, UnixTime};
use std::sync::Arc;

/// Something happened in a meeting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// In which.
    pub meeting: MeetingId,
    /// Its `ExternalMeetingId`.
    pub external_meeting_id: Arc<str>,
    /// Its `MediaRegion`.
    pub media_region: Arc<str>,
    /// When.
    pub at: UnixTime,
    /// Its number among the events of the meeting since it began, from 1 on.
    pub sequence: u64,
    /// What.
    pub kind: EventKind,
}

/// Somebody, as events name people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The call.
    pub call: TransactionId,
    /// The attendee that was made by the API; `None` of who has typed a number.
    pub attendee: Option<(AttendeeId, Arc<str>)>,
    /// The name, as a device or guest gives it; may be empty.
    pub name: Arc<str>,
    /// Whether a moderator.
    pub moderator: bool,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The first one came.
    Started,
    /// It is over; nobody is in it.
    Ended(EndReason),
    /// Somebody waits: for a moderator, or to be admitted.
    Waiting(Person),
    /// Somebody is in.
    Joined(Person),
    /// Somebody went, or was made to; after [`EventKind::Waiting`] also without having joined.
    Left(Person, LeaveReason),
    /// Somebody was lost.
    Dropped(Person, DropReason),
    /// No packet of somebody comes any more; it stays for a while.
    MediaLost(Person),
    /// They come again.
    MediaBack(Person),
    /// Somebody's audio no longer reaches the others.
    Muted(Person),
    /// It reaches them again.
    Unmuted(Person),
    /// A hand.
    HandRaised(Person),
    /// A hand.
    HandLowered(Person),
    /// Somebody became a moderator.
    Promoted(Person),
    /// Somebody asks a moderator to let it show a screen or slides.
    PresentingAsked(Person),
    /// Somebody shows a screen or slides.
    PresentingStarted(Person),
    /// It no longer does, or may not any more.
    PresentingStopped(Person),
    /// From now on nobody else gets in.
    Locked,
    /// Others get in again.
    Unlocked,
    /// A recording begins.
    RecordingStarted,
    /// It ends.
    RecordingStopped,
    /// It cannot begin or go on.
    RecordingFailed,
    /// Somebody is called into the meeting.
    Dialling(TransactionId),
    /// Nobody answered, or the call was not allowed: the SIP status.
    DialFailed(TransactionId, u16),
}

/// Why a meeting ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// A moderator ended it.
    Moderator,
    /// It was ended or deleted by the API.
    Api,
    /// Nobody was in it.
    Empty,
    /// Its last moderator had gone.
    NoModerator,
    /// Its longest time, or the end of its schedule.
    TimeOver,
    /// The node stops. Its numbers stay good, and whoever dials one later begins it again.
    NodeStops,
}

/// Why somebody left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaveReason {
    /// Hung up.
    HungUp,
    /// A moderator or the API removed it.
    Removed,
    /// The meeting ended.
    MeetingEnded,
    /// The same attendee joined by another call.
    Replaced,
    /// No moderator came in time.
    WaitedTooLong,
}

/// Why somebody was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropReason {
    /// No packet came for too long.
    MediaLost,
    /// The call failed: the SIP status.
    CallFailed(u16),
}

impl EventKind {
    /// Its name in `detail.eventType`: the service's where it has one, else one of our own.
    pub const fn name(&self) -> &'static str {
        match self {
            EventKind::Started => "chime:MeetingStarted",
            EventKind::Ended(_) => "chime:MeetingEnded",
            EventKind::Joined(_) => "chime:AttendeeJoined",
            EventKind::Left(..) => "chime:AttendeeLeft",
            EventKind::Dropped(..) => "chime:AttendeeDropped",
            EventKind::Waiting(_) => "tandem:AttendeeWaiting",
            EventKind::MediaLost(_) => "tandem:AttendeeMediaLost",
            EventKind::MediaBack(_) => "tandem:AttendeeMediaBack",
            EventKind::Muted(_) => "tandem:AttendeeMuted",
            EventKind::Unmuted(_) => "tandem:AttendeeUnmuted",
            EventKind::HandRaised(_) => "tandem:HandRaised",
            EventKind::HandLowered(_) => "tandem:HandLowered",
            EventKind::Promoted(_) => "tandem:AttendeePromoted",
            EventKind::PresentingAsked(_) => "tandem:PresentingAsked",
            EventKind::PresentingStarted(_) => "tandem:PresentingStarted",
            EventKind::PresentingStopped(_) => "tandem:PresentingStopped",
            EventKind::Locked => "tandem:MeetingLocked",
            EventKind::Unlocked => "tandem:MeetingUnlocked",
            EventKind::RecordingStarted => "tandem:RecordingStarted",
            EventKind::RecordingStopped => "tandem:RecordingStopped",
            EventKind::RecordingFailed => "tandem:RecordingFailed",
            EventKind::Dialling(_) => "tandem:DialOutStarted",
            EventKind::DialFailed(..) => "tandem:DialOutFailed",
        }
    }

    /// Whom it is about.
    pub const fn person(&self) -> Option<&Person> {
        match self {
            EventKind::Waiting(person)
            | EventKind::Joined(person)
            | EventKind::Left(person, _)
            | EventKind::Dropped(person, _)
            | EventKind::MediaLost(person)
            | EventKind::MediaBack(person)
            | EventKind::Muted(person)
            | EventKind::Unmuted(person)
            | EventKind::HandRaised(person)
            | EventKind::HandLowered(person)
            | EventKind::PresentingAsked(person)
            | EventKind::PresentingStarted(person)
            | EventKind::PresentingStopped(person)
            | EventKind::Promoted(person) => Some(person),
            _ => None,
        }
    }

    /// The reason, in one word.
    pub const fn reason(&self) -> Option<&'static str> {
        Some(match self {
            EventKind::Ended(EndReason::Moderator) => "Moderator",
            EventKind::Ended(EndReason::Api) => "Api",
            EventKind::Ended(EndReason::Empty) => "Empty",
            EventKind::Ended(EndReason::NoModerator) => "NoModerator",
            EventKind::Ended(EndReason::TimeOver) => "TimeOver",
            EventKind::Ended(EndReason::NodeStops) => "NodeStops",
            EventKind::Left(_, LeaveReason::HungUp) => "HungUp",
            EventKind::Left(_, LeaveReason::Removed) => "Removed",
            EventKind::Left(_, LeaveReason::MeetingEnded) => "MeetingEnded",
            EventKind::Left(_, LeaveReason::Replaced) => "Replaced",
            EventKind::Left(_, LeaveReason::WaitedTooLong) => "WaitedTooLong",
            EventKind::Dropped(_, DropReason::MediaLost) => "MediaLost",
            EventKind::Dropped(_, DropReason::CallFailed(_)) => "CallFailed",
            _ => return None,
        })
    }
}
