//! What is said to people. A prompt is a name; the file of a language that has it is the shell's.

use crate::Language;
use crate::menu::MenuAction;
use model::TransactionId;
use std::borrow::Cow;

/// The minutes before a meeting's end at which it can be said how many are left.
pub const WARNING_MINUTES: &[u8] = &[1, 2, 3, 5, 10, 15, 30];

/// One recording, played in a language.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Prompt {
    /// "Welcome."
    Welcome,
    /// "Enter the meeting ID, then press pound."
    EnterId,
    /// "Enter the passcode, then press pound."
    EnterPasscode,
    /// "The meeting ID or the passcode is not right."
    WrongId,
    /// "We have not heard a key."
    NoInput,
    /// "Goodbye."
    Goodbye,
    /// "Please try again later."
    TryLater,
    /// "After the tone, say your name, then press pound."
    SayName,
    /// "You are joining the meeting."
    Joining,
    /// "The meeting is full."
    MeetingFull,
    /// "You are waiting for the moderator."
    WaitForModerator,
    /// "You are waiting to be admitted."
    WaitToBeAdmitted,
    /// "No moderator has come."
    NoModerator,
    /// "You were not admitted, or were asked to leave."
    Removed,
    /// "The meeting has ended."
    MeetingEnded,
    /// "You have joined from elsewhere."
    JoinedElsewhere,
    /// "This meeting is being recorded."
    Recorded,
    /// "Recording has stopped."
    RecordingStopped,
    /// "Recording is not possible."
    RecordingFailed,
    /// "The meeting is locked."
    Locked,
    /// "The meeting is unlocked."
    Unlocked,
    /// "Somebody waits to be admitted."
    Knock,
    /// "You are muted."
    Muted,
    /// "You are no longer muted."
    Unmuted,
    /// "You cannot unmute yourself."
    CannotUnmute,
    /// "Everyone is muted."
    EveryoneMuted,
    /// "Everyone may speak."
    EveryoneUnmuted,
    /// "Your hand is raised."
    HandRaised,
    /// "Your hand is lowered."
    HandLowered,
    /// "Somebody has raised a hand."
    SomebodyRaisedHand,
    /// "Everybody is shown."
    EverybodyShown,
    /// "The speaker is shown."
    SpeakerShown,
    /// "You are the moderator now."
    NowModerator,
    /// "The moderator has left; the meeting ends soon."
    ModeratorLeft,
    /// "Only moderators can do that."
    NotAllowed,
    /// "Nobody waits."
    NobodyWaits,
    /// "Enter the number to call, then press pound."
    EnterNumber,
    /// "We call this number."
    Calling,
    /// "This number cannot be called."
    CannotCall,
    /// "You are invited to a meeting. Press 1 to join."
    Invited,
    /// "Press 1 to end the meeting for everyone."
    ConfirmEnd,
    /// "The number of people in the meeting is", before its digits.
    PeopleCount,
    /// "Minutes are left", with how many: one of [`WARNING_MINUTES`].
    MinutesLeft(u8),
    /// A key of a telephone, said: its symbol.
    Key(char),
    /// What a key of the menu does.
    Menu(MenuAction),
    /// A short tone: somebody has joined.
    JoinTone,
    /// A short tone: somebody has left.
    LeaveTone,
    /// A tone after which something is recorded.
    RecordTone,
    /// "Has joined", after the name.
    HasJoined,
    /// "Has left", after the name.
    HasLeft,
    /// "Is waiting to be admitted", after the name.
    IsWaiting,
    /// The name that this caller has said; silence where there is none.
    Name(TransactionId),
}

/// Prompts of one name each, with what the English recording says.
const FIXED: &[(Prompt, &str, &str)] = &[
    (Prompt::Welcome, "welcome", "Welcome."),
    (Prompt::EnterId, "enter-id", "Please enter the meeting ID, followed by the pound key."),
    (
        Prompt::EnterPasscode,
        "enter-passcode",
        "Please enter the passcode, followed by the pound key.",
    ),
    (Prompt::WrongId, "wrong-id", "The meeting ID or the passcode is not correct."),
    (Prompt::NoInput, "no-input", "We did not receive any keys."),
    (Prompt::Goodbye, "goodbye", "Goodbye."),
    (Prompt::TryLater, "try-later", "Please try again later."),
    (
        Prompt::SayName,
        "say-name",
        "After the tone, please say your name, then press the pound key.",
    ),
    (Prompt::Joining, "joining", "You are joining the meeting."),
    (Prompt::MeetingFull, "meeting-full", "The meeting is full."),
    (
        Prompt::WaitForModerator,
        "wait-for-moderator",
        "Please wait. The meeting begins when the moderator joins.",
    ),
    (Prompt::WaitToBeAdmitted, "wait-to-be-admitted", "Please wait until a moderator admits you."),
    (Prompt::NoModerator, "no-moderator", "No moderator has joined."),
    (Prompt::Removed, "removed", "A moderator has ended your participation."),
    (Prompt::MeetingEnded, "meeting-ended", "The meeting has ended."),
    (
        Prompt::JoinedElsewhere,
        "joined-elsewhere",
        "You have joined the meeting from another device.",
    ),
    (Prompt::Recorded, "recorded", "This meeting is being recorded."),
    (Prompt::RecordingStopped, "recording-stopped", "The recording has stopped."),
    (Prompt::RecordingFailed, "recording-failed", "The meeting cannot be recorded."),
    (Prompt::Locked, "locked", "The meeting is locked."),
    (Prompt::Unlocked, "unlocked", "The meeting is unlocked."),
    (Prompt::Knock, "knock", "Somebody is waiting to be admitted."),
    (Prompt::Muted, "muted", "You are muted."),
    (Prompt::Unmuted, "unmuted", "You are no longer muted."),
    (Prompt::CannotUnmute, "cannot-unmute", "You cannot unmute yourself."),
    (Prompt::EveryoneMuted, "everyone-muted", "Everyone is muted."),
    (Prompt::EveryoneUnmuted, "everyone-unmuted", "Everyone may speak."),
    (Prompt::HandRaised, "hand-raised", "Your hand is raised."),
    (Prompt::HandLowered, "hand-lowered", "Your hand is lowered."),
    (Prompt::SomebodyRaisedHand, "somebody-raised-hand", "Somebody has raised a hand."),
    (Prompt::EverybodyShown, "everybody-shown", "Everybody is shown."),
    (Prompt::SpeakerShown, "speaker-shown", "The speaker is shown."),
    (Prompt::NowModerator, "now-moderator", "You are now a moderator."),
    (Prompt::ModeratorLeft, "moderator-left", "The moderator has left. The meeting will end soon."),
    (Prompt::NotAllowed, "not-allowed", "Only moderators can do that."),
    (Prompt::NobodyWaits, "nobody-waits", "Nobody is waiting."),
    (
        Prompt::EnterNumber,
        "enter-number",
        "Please enter the phone number to call, followed by the pound key.",
    ),
    (Prompt::Calling, "calling", "We are calling this number."),
    (Prompt::CannotCall, "cannot-call", "This number cannot be called."),
    (Prompt::Invited, "invited", "You are invited to a meeting. To join, press 1."),
    (Prompt::ConfirmEnd, "confirm-end", "To end the meeting for everyone, press 1."),
    (Prompt::PeopleCount, "people-count", "The number of people in the meeting is:"),
    (Prompt::JoinTone, "join-tone", "(a rising tone)"),
    (Prompt::LeaveTone, "leave-tone", "(a falling tone)"),
    (Prompt::RecordTone, "record-tone", "(a tone)"),
    (Prompt::HasJoined, "has-joined", "has joined."),
    (Prompt::HasLeft, "has-left", "has left."),
    (Prompt::IsWaiting, "is-waiting", "is waiting to be admitted."),
];

impl Prompt {
    /// The name of its file, without an extension: `[a-z0-9-]`. `None` of what no file has: a name
    /// that a caller has said.
    pub fn name(self) -> Option<Cow<'static, str>> {
        Some(match self {
            Prompt::MinutesLeft(minutes) => format!("minutes-left-{minutes}").into(),
            Prompt::Key('*') => "key-star".into(),
            Prompt::Key('#') => "key-pound".into(),
            Prompt::Key(symbol) => format!("key-{}", symbol.to_ascii_lowercase()).into(),
            Prompt::Menu(action) => format!("menu-{}", action.name()).into(),
            Prompt::Name(_) => return None,
            fixed => FIXED.iter().find(|(known, ..)| *known == fixed)?.1.into(),
        })
    }

    /// Every prompt that has a file, with what the English one says.
    pub fn all() -> impl Iterator<Item = (Prompt, Cow<'static, str>)> {
        let fixed = FIXED.iter().map(|(prompt, _, says)| (*prompt, Cow::from(*says)));
        let minutes = WARNING_MINUTES.iter().map(|minutes| {
            let unit = if *minutes == 1 { "minute is" } else { "minutes are" };
            (Prompt::MinutesLeft(*minutes), format!("{minutes} {unit} left.").into())
        });
        let keys = "0123456789*#".chars().map(|symbol| {
            let says = match symbol {
                '*' => "Star.".into(),
                '#' => "Pound.".into(),
                digit => format!("{digit}.").into(),
            };
            (Prompt::Key(symbol), says)
        });
        let menu = MenuAction::ALL.iter().map(|action| {
            (Prompt::Menu(*action), format!("To {}, press:", action.purpose()).into())
        });
        fixed.chain(minutes).chain(keys).chain(menu)
    }
}

/// Prompts to be played one after the other, in a language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// Of which language.
    pub language: Language,
    /// Which; at most [`Words::MOST`].
    pub prompts: Vec<Prompt>,
}

impl Words {
    /// The most prompts in one order: a menu of 32 entries of four keys each.
    pub const MOST: usize = 160;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_prompt_has_a_name_of_its_own() {
        let names: Vec<_> = Prompt::all().map(|(prompt, _)| prompt.name().unwrap()).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        for name in names {
            let fine =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(name.bytes().all(fine), "{name}");
        }
        // An enumeration without a line in the table would have none.
        assert_eq!(Prompt::Name(TransactionId::from_random(1)).name(), None);
    }
}
