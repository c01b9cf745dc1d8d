//! The control of meeting rooms: who may enter which meeting, the dialogue that finds it out, what
//! moderators and keys can do, when meetings end, and what is told of all this.
//!
//! Pure: no socket, clock or randomness, no syntax of SIP and no samples. Whoever holds the
//! [`Focus`] gives it calls, keys and what became of its orders, each with the time, and takes its
//! outputs after each of them. Calls are named by their [`model::TransactionId`]; so are browser
//! guests, who have one of their own.
//!
//! What people say and type is never a panic, and ids that do not open a meeting are not told
//! apart ([`Focus::handle_call`]).
#![forbid(unsafe_code)]

mod event;
mod focus;
mod guess;
mod id;
mod language;
mod layout;
mod meeting;
mod menu;
mod output;
mod prompt;
mod registry;
mod settings;
mod welcome;

pub use event::{DropReason, EndReason, Event, EventKind, LeaveReason, Person};
pub use focus::{Arrival, Focus, FocusSettings, Followed};
pub use guess::{GuessLimiter, GuessLimits, Source, Turn};
pub use id::{AttendeeId, AttendeeNumber, Draw, MeetingId, ModeratorNumber, Numbers, Passcode};
pub use language::{Language, Languages};
pub use layout::dialled_layout;
pub use meeting::{
    By, CalledNews, Command, KEPT_CHAT, MOST_CHAT, MeetingState, Menus, Refused, RosterEntry,
};
pub use menu::{
    ATTENDEE_MENU, BETWEEN_KEYS, MODERATOR_MENU, MOST_ENTRIES, MOST_KEYS, Menu, MenuAction,
    MenuFault, MenuOf,
};
pub use output::{ChatMessage, MeetingOrder, Now, Order, Output, status};
pub use prompt::{Prompt, WARNING_MINUTES, Words};
pub use registry::{
    ApiError, Attendee, AttendeeFeatures, AudioFeatures, Capabilities, Clash, CreateAttendee,
    CreateAttendeeError, CreateMeeting, FeatureStatus, MOST_BATCH, MOST_MEETINGS, MOST_PAGE,
    MediaCapability, MeetingFeatures, MeetingRecord, Page, PasscodeChoice, PictureFeatures,
    Registry, Resolution, RoomOptions, StoredMeeting, Tag,
};
pub use settings::{
    Access, Announce, FloorPolicy, LastModerator, MOST_NAME, MOST_PEOPLE, MeetingSettings, Plan,
    SettingFault, WhenLocked,
};
pub use welcome::{Dialled, WelcomeSettings};
