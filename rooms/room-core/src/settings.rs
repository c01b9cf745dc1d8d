//! What is set for a meeting.

use crate::Language;
use crate::prompt::WARNING_MINUTES;
use model::{PictureLayout, UnixTime};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most people of a meeting, as chime-sdk-meetings bounds `Attendee.MaxCount`.
pub const MOST_PEOPLE: u16 = 250;
/// The longest name of a meeting or person, in characters.
pub const MOST_NAME: usize = 64;

/// When a meeting can take place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Plan {
    /// Somebody's own room: any number of times, with the same numbers.
    Personal,
    /// Within a time: any number of times from `start` to `end` and `grace_seconds` after it.
    Scheduled {
        /// From when on people may enter; moderators may as early as `grace_seconds` before.
        start: UnixTime,
        /// When it ends.
        end: UnixTime,
        /// Seconds that it may last longer, at most a day.
        grace_seconds: u32,
    },
    /// Once: when it has ended, it is gone.
    OnDemand,
}

/// Who gets in how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Access {
    /// Everyone, at once.
    Open,
    /// Attendees wait, with music, until a moderator is in.
    Moderated,
    /// Attendees wait until a moderator admits them.
    Admitted,
}

/// What an attendee meets who comes to a locked meeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WhenLocked {
    /// The same words as after a wrong id.
    Refuse,
    /// Waits, and moderators hear that somebody does.
    Knock,
}

/// What the others hear when somebody joins or leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Announce {
    /// Nothing.
    Off,
    /// A tone.
    Tone,
    /// The name, which telephones are asked to say before.
    Name,
}

/// What becomes of a meeting whose last moderator has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LastModerator {
    /// It ends after so many seconds, if none comes back.
    EndAfter(u32),
    /// Whoever has been in it for the longest time becomes one.
    Promote,
    /// It goes on.
    Continue,
    /// Everyone waits again.
    BackToWaiting,
}

/// Who may show a screen or slides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FloorPolicy {
    /// Everyone. Who asks takes it over from whoever has it, as people expect of a meeting.
    Everyone,
    /// Everyone whom a moderator lets.
    Asked,
    /// Moderators.
    Moderators,
    /// Nobody.
    Nobody,
}

/// What is set for one meeting. All of it can be changed, also while it is held; what is about how it began
/// then holds from the next time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MeetingSettings {
    /// What people call it; at most [`MOST_NAME`] characters.
    pub name: String,
    /// When it can take place.
    pub plan: Plan,
    /// Who gets in how.
    pub access: Access,
    /// Who comes to it when it is locked.
    pub when_locked: WhenLocked,
    /// Joining and leaving.
    pub announce: Announce,
    /// Without its last moderator.
    pub last_moderator: LastModerator,
    /// People in it and waiting, 1 to [`MOST_PEOPLE`].
    pub capacity: u16,
    /// Seconds that it goes on with nobody in it, 0 to a day.
    pub empty_seconds: u32,
    /// Minutes that it lasts at most, 1 to 2,880.
    pub longest_minutes: u32,
    /// Minutes before its end at which that is said, of [`WARNING_MINUTES`].
    pub warnings: Vec<u8>,
    /// Minutes that somebody waits for a moderator, 1 to 240.
    pub waiting_minutes: u32,
    /// Seconds without a packet after which somebody counts as gone, 5 to 600.
    pub vanished_seconds: u32,
    /// Whether attendees whom a moderator has muted may unmute themselves.
    pub unmute_oneself: bool,
    /// Whether who is called into the meeting must press 1, so that no mailbox joins.
    pub confirm_called: bool,
    /// Who may show a screen.
    pub floor: FloorPolicy,
    /// What those see who have asked for nothing.
    pub layout: PictureLayout,
    /// The language of what everyone hears; `None` for the node's default.
    pub language: Option<Language>,
}

impl Default for MeetingSettings {
    fn default() -> Self {
        MeetingSettings {
            name: String::new(),
            plan: Plan::OnDemand,
            access: Access::Open,
            when_locked: WhenLocked::Refuse,
            announce: Announce::Tone,
            last_moderator: LastModerator::Continue,
            capacity: MOST_PEOPLE,
            empty_seconds: 60,
            longest_minutes: 1_440,
            warnings: vec![5, 1],
            waiting_minutes: 30,
            vanished_seconds: 60,
            unmute_oneself: true,
            confirm_called: true,
            floor: FloorPolicy::Everyone,
            layout: PictureLayout::Speaker,
            language: None,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingFault {
    /// Which.
    pub setting: &'static str,
    /// What it must be.
    pub must: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.setting, self.must)
    }
}

impl std::error::Error for SettingFault {}

impl MeetingSettings {
    /// Whether each setting is one that can be.
    ///
    /// # Errors
    /// [`SettingFault`], the first that is found.
    pub fn check(&self) -> Result<(), SettingFault> {
        let day = 86_400;
        let minutes = self.warnings.iter().all(|minutes| WARNING_MINUTES.contains(minutes));
        let grace = match self.last_moderator {
            LastModerator::EndAfter(seconds) => seconds,
            _ => 0,
        };
        let (in_order, late) = match self.plan {
            Plan::Scheduled { start, end, grace_seconds } => (start < end, grace_seconds),
            Plan::Personal | Plan::OnDemand => (true, 0),
        };
        let checks: [(&'static str, bool, &dyn Fn() -> String); 11] = [
            ("name", is_name(&self.name, 0), &|| {
                format!("at most {MOST_NAME} printable characters")
            }),
            ("capacity", within(self.capacity, 1, MOST_PEOPLE), &|| format!("1 to {MOST_PEOPLE}")),
            ("empty_seconds", self.empty_seconds <= day, &|| format!("0 to {day}")),
            ("longest_minutes", within(self.longest_minutes, 1, 2_880), &|| "1 to 2880".into()),
            ("waiting_minutes", within(self.waiting_minutes, 1, 240), &|| "1 to 240".into()),
            ("vanished_seconds", within(self.vanished_seconds, 5, 600), &|| "5 to 600".into()),
            ("warnings", minutes, &|| format!("of {WARNING_MINUTES:?}")),
            ("warnings", self.warnings.len() <= WARNING_MINUTES.len(), &|| "at most 7".into()),
            ("last_moderator", grace <= day, &|| format!("at most {day} seconds")),
            ("start", in_order, &|| "before end".into()),
            ("grace_seconds", late <= day, &|| format!("0 to {day}")),
        ];
        match checks.iter().find(|(_, good, _)| !good) {
            None => Ok(()),
            Some((setting, _, must)) => Err(SettingFault { setting, must: must() }),
        }
    }

    /// Whether people may enter at this time; moderators may a little earlier.
    pub fn is_open_at(&self, now: UnixTime, moderator: bool) -> bool {
        let Plan::Scheduled { start, grace_seconds, .. } = self.plan else { return true };
        let grace = u64::from(grace_seconds) * 1_000;
        let early = if moderator { grace } else { 0 };
        let begins = start.as_millis().saturating_sub(early);
        begins <= now.as_millis() && !self.is_over_at(now)
    }

    /// Whether it can never take place again.
    pub fn is_over_at(&self, now: UnixTime) -> bool {
        self.last_end().is_some_and(|end| end <= now)
    }

    /// The end of a scheduled one, with its grace.
    pub fn last_end(&self) -> Option<UnixTime> {
        let Plan::Scheduled { end, grace_seconds, .. } = self.plan else { return None };
        let grace = u64::from(grace_seconds) * 1_000;
        Some(UnixTime::from_millis(end.as_millis().saturating_add(grace)))
    }
}

fn within<T: PartialOrd>(value: T, least: T, most: T) -> bool {
    least <= value && value <= most
}

/// Whether a text can be shown as a name: bounded, and without what moves a cursor or hides.
pub(crate) fn is_name(text: &str, least: usize) -> bool {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    (least..=MOST_NAME).contains(&text.chars().count()) && !text.chars().any(hides)
}

/// A name that somebody's device gives: what cannot be shown is left out, and what is too long.
pub(crate) fn shown_name(text: &str) -> String {
    let fine = text.chars().filter(|c| is_name(c.encode_utf8(&mut [0; 4]), 1));
    fine.take(MOST_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of the settings.
    type Change = fn(&mut MeetingSettings);

    #[test]
    fn settings_are_checked_on_both_sides_of_their_bounds() {
        assert_eq!(MeetingSettings::default().check(), Ok(()));
        let scheduled = |start, end, grace_seconds| Plan::Scheduled {
            start: UnixTime::from_millis(start),
            end: UnixTime::from_millis(end),
            grace_seconds,
        };
        let good: &[Change] = &[
            |s| s.name = "x".repeat(64),
            |s| s.capacity = 250,
            |s| s.capacity = 1,
            |s| s.warnings = WARNING_MINUTES.to_vec(),
            |s| s.last_moderator = LastModerator::EndAfter(86_400),
        ];
        for change in good {
            let mut settings = MeetingSettings::default();
            change(&mut settings);
            assert_eq!(settings.check(), Ok(()));
        }
        let bad: &[(&str, Change)] = &[
            ("name", |s| s.name = "x".repeat(65)),
            ("name", |s| s.name = "a\nb".into()),
            ("name", |s| s.name = "a\u{202e}b".into()),
            ("capacity", |s| s.capacity = 0),
            ("capacity", |s| s.capacity = 251),
            ("empty_seconds", |s| s.empty_seconds = 86_401),
            ("longest_minutes", |s| s.longest_minutes = 0),
            ("waiting_minutes", |s| s.waiting_minutes = 241),
            ("vanished_seconds", |s| s.vanished_seconds = 4),
            ("warnings", |s| s.warnings = vec![4]),
            ("warnings", |s| s.warnings = vec![1; 8]),
            ("last_moderator", |s| s.last_moderator = LastModerator::EndAfter(86_401)),
        ];
        for (setting, change) in bad {
            let mut settings = MeetingSettings::default();
            change(&mut settings);
            let why = settings.check().unwrap_err();
            assert_eq!(why.setting, *setting);
            assert!(why.to_string().contains("must be"));
        }
        let plan = |plan| MeetingSettings { plan, ..MeetingSettings::default() }.check();
        assert!(plan(scheduled(1, 2, 86_400)).is_ok());
        assert_eq!(plan(scheduled(2, 2, 0)).unwrap_err().setting, "start");
        assert_eq!(plan(scheduled(1, 2, 86_401)).unwrap_err().setting, "grace_seconds");
    }

    #[test]
    fn a_scheduled_meeting_is_open_from_its_start_to_its_grace() {
        let at = UnixTime::from_millis;
        let plan = Plan::Scheduled { start: at(100_000), end: at(200_000), grace_seconds: 10 };
        let settings = MeetingSettings { plan, ..MeetingSettings::default() };
        let cases = [
            (89_999, false, false),
            (90_000, false, true),
            (99_999, false, true),
            (100_000, true, true),
            (209_999, true, true),
            (210_000, false, false),
        ];
        for (now, attendee, moderator) in cases {
            assert_eq!(settings.is_open_at(at(now), false), attendee, "{now}");
            assert_eq!(settings.is_open_at(at(now), true), moderator, "{now}");
        }
    }

    #[test]
    fn names_of_devices_are_made_showable() {
        assert_eq!(shown_name(" Room\u{202e} 4\r\n "), "Room 4");
        assert_eq!(shown_name(&"é".repeat(100)).chars().count(), 64);
    }
}
