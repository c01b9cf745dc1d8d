//! What keys do in a meeting: two tables, one for moderators and one for attendees.

use model::{DtmfKey, Instant};
use std::fmt;
use std::time::Duration;

/// Keys of one entry.
pub const MOST_KEYS: usize = 4;
/// Entries of one menu.
pub const MOST_ENTRIES: usize = 32;
/// How long the next key of an entry may take.
pub const BETWEEN_KEYS: Duration = Duration::from_secs(3);

/// What an entry of a menu does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MenuAction {
    /// Says the menu.
    Help,
    /// Says how many are in the meeting.
    CountPeople,
    /// Mutes oneself, or ends that.
    MuteSelf,
    /// Raises the hand, or lowers it.
    RaiseHand,
    /// Sees all at once, or the speaker again.
    Layout,
    /// Starts recording, or stops it.
    Record,
    /// Locks the meeting, or unlocks it.
    Lock,
    /// Mutes everyone else.
    MuteAll,
    /// Ends that everyone is muted.
    UnmuteAll,
    /// Admits everyone who waits.
    Admit,
    /// Calls a number and lets who answers join.
    DialOut,
    /// Ends the meeting for everyone, after a confirmation.
    EndForAll,
}

impl MenuAction {
    /// All of them.
    pub const ALL: &[MenuAction] = &[
        MenuAction::Help,
        MenuAction::CountPeople,
        MenuAction::MuteSelf,
        MenuAction::RaiseHand,
        MenuAction::Layout,
        MenuAction::Record,
        MenuAction::Lock,
        MenuAction::MuteAll,
        MenuAction::UnmuteAll,
        MenuAction::Admit,
        MenuAction::DialOut,
        MenuAction::EndForAll,
    ];

    /// Its name in the configuration and in the name of its prompt.
    pub const fn name(self) -> &'static str {
        match self {
            MenuAction::Help => "help",
            MenuAction::CountPeople => "count-people",
            MenuAction::MuteSelf => "mute-self",
            MenuAction::RaiseHand => "raise-hand",
            MenuAction::Layout => "layout",
            MenuAction::Record => "record",
            MenuAction::Lock => "lock",
            MenuAction::MuteAll => "mute-all",
            MenuAction::UnmuteAll => "unmute-all",
            MenuAction::Admit => "admit",
            MenuAction::DialOut => "dial-out",
            MenuAction::EndForAll => "end-for-all",
        }
    }

    /// What it does, after "to".
    pub const fn purpose(self) -> &'static str {
        match self {
            MenuAction::Help => "hear this menu",
            MenuAction::CountPeople => "hear how many are in the meeting",
            MenuAction::MuteSelf => "mute or unmute yourself",
            MenuAction::RaiseHand => "raise or lower your hand",
            MenuAction::Layout => "see everyone, or the speaker",
            MenuAction::Record => "start or stop recording",
            MenuAction::Lock => "lock or unlock the meeting",
            MenuAction::MuteAll => "mute everyone else",
            MenuAction::UnmuteAll => "let everyone speak again",
            MenuAction::Admit => "admit everyone who is waiting",
            MenuAction::DialOut => "call somebody into the meeting",
            MenuAction::EndForAll => "end the meeting for everyone",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// Whether only moderators may have it in their menu.
    pub const fn is_for_moderators(self) -> bool {
        !matches!(
            self,
            MenuAction::Help
                | MenuAction::CountPeople
                | MenuAction::MuteSelf
                | MenuAction::RaiseHand
                | MenuAction::Layout
                | MenuAction::DialOut
        )
    }
}

/// What moderators press where nothing else is configured.
pub const MODERATOR_MENU: &[(&str, MenuAction)] = &[
    ("*0", MenuAction::Help),
    ("*1", MenuAction::CountPeople),
    ("*2", MenuAction::Record),
    ("*3", MenuAction::Admit),
    ("*4", MenuAction::Lock),
    ("*5", MenuAction::MuteAll),
    ("*6", MenuAction::MuteSelf),
    ("*7", MenuAction::UnmuteAll),
    ("*8", MenuAction::DialOut),
    ("*99", MenuAction::EndForAll),
    ("#1", MenuAction::Layout),
];

/// What attendees press where nothing else is configured.
pub const ATTENDEE_MENU: &[(&str, MenuAction)] = &[
    ("*0", MenuAction::Help),
    ("*1", MenuAction::CountPeople),
    ("*6", MenuAction::MuteSelf),
    ("*9", MenuAction::RaiseHand),
    ("#1", MenuAction::Layout),
];

/// Whose menu it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MenuOf {
    /// Moderators'.
    Moderators,
    /// Attendees'.
    Attendees,
}

/// One checked menu.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Menu {
    entries: Vec<(String, MenuAction)>,
}

/// Why a menu cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MenuFault {
    /// More than [`MOST_ENTRIES`].
    TooMany(usize),
    /// Not 1 to [`MOST_KEYS`] keys `0`–`9`, `*`, `#`.
    Keys(String),
    /// One entry's keys begin another's, or are the same: the longer one could never be pressed.
    Conflict {
        /// The shorter keys, and what they do.
        keys: (String, MenuAction),
        /// The longer ones.
        other: (String, MenuAction),
    },
    /// An attendee may not do this.
    ModeratorsOnly(MenuAction),
    /// An action has two entries, so that the menu would be said wrongly.
    Twice(MenuAction),
}

impl fmt::Display for MenuFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MenuFault::TooMany(count) => {
                write!(f, "{count} entries; a menu has at most {MOST_ENTRIES}")
            }
            MenuFault::Keys(keys) => {
                write!(f, "{keys:?} are no keys: give 1 to {MOST_KEYS} of 0-9, * and #")
            }
            MenuFault::Conflict { keys: (short, action), other: (long, other) } => write!(
                f,
                "{} has the keys {short:?}, which begin {long:?} of {}; change one of them",
                action.name(),
                other.name()
            ),
            MenuFault::ModeratorsOnly(action) => write!(
                f,
                "{} is for moderators alone; leave it out of the attendees' menu",
                action.name()
            ),
            MenuFault::Twice(action) => write!(f, "{} has two entries; keep one", action.name()),
        }
    }
}

impl std::error::Error for MenuFault {}

impl Menu {
    /// Checks the entries: keys, and what they do.
    ///
    /// # Errors
    /// [`MenuFault`], the first that is found.
    pub fn new<'a>(
        of: MenuOf,
        entries: impl IntoIterator<Item = (&'a str, MenuAction)>,
    ) -> Result<Self, MenuFault> {
        let entries: Vec<(String, MenuAction)> =
            entries.into_iter().map(|(keys, action)| (keys.to_owned(), action)).collect();
        if entries.len() > MOST_ENTRIES {
            return Err(MenuFault::TooMany(entries.len()));
        }
        for (at, (keys, action)) in entries.iter().enumerate() {
            let known = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
            if !(1..=MOST_KEYS).contains(&keys.len()) || !keys.bytes().all(known) {
                return Err(MenuFault::Keys(keys.clone()));
            }
            if of == MenuOf::Attendees && action.is_for_moderators() {
                return Err(MenuFault::ModeratorsOnly(*action));
            }
            for (other_keys, other) in entries.iter().take(at) {
                let (one, another) = ((keys.clone(), *action), (other_keys.clone(), *other));
                if other_keys.starts_with(keys) {
                    return Err(MenuFault::Conflict { keys: one, other: another });
                }
                if keys.starts_with(other_keys) {
                    return Err(MenuFault::Conflict { keys: another, other: one });
                }
                if action == other {
                    return Err(MenuFault::Twice(*action));
                }
            }
        }
        Ok(Menu { entries })
    }

    /// The menu of [`MODERATOR_MENU`].
    pub fn moderators() -> Self {
        Menu { entries: owned(MODERATOR_MENU) }
    }

    /// The menu of [`ATTENDEE_MENU`].
    pub fn attendees() -> Self {
        Menu { entries: owned(ATTENDEE_MENU) }
    }

    /// Its entries, in their order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, MenuAction)> {
        self.entries.iter().map(|(keys, action)| (keys.as_str(), *action))
    }

    fn find(&self, typed: &str) -> Found {
        let mut found = Found::Nothing;
        for (keys, action) in &self.entries {
            if keys == typed {
                return Found::Action(*action);
            }
            if keys.starts_with(typed) {
                found = Found::More;
            }
        }
        found
    }
}

fn owned(table: &[(&str, MenuAction)]) -> Vec<(String, MenuAction)> {
    table.iter().map(|(keys, action)| ((*keys).to_owned(), *action)).collect()
}

enum Found {
    Nothing,
    More,
    Action(MenuAction),
}

/// Keys that one person has pressed of an entry. Keys that begin none are dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pressed {
    keys: String,
    until: Option<Instant>,
}

impl Pressed {
    /// One more; an action, when it was the last of its entry.
    pub(crate) fn press(&mut self, now: Instant, key: DtmfKey, menu: &Menu) -> Option<MenuAction> {
        if self.until.is_none_or(|until| until <= now) {
            self.keys.clear();
        }
        self.keys.push(key.symbol());
        let mut found = menu.find(&self.keys);
        if matches!(found, Found::Nothing) && self.keys.len() > 1 {
            // The key that begins no more of the entry before may begin one itself.
            self.keys.clear();
            self.keys.push(key.symbol());
            found = menu.find(&self.keys);
        }
        match found {
            Found::More => {
                self.until = Some(now + BETWEEN_KEYS);
                None
            }
            Found::Nothing => {
                *self = Pressed::default();
                None
            }
            Found::Action(action) => {
                *self = Pressed::default();
                Some(action)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &str, menu: &Menu) -> Vec<MenuAction> {
        let mut pressed = Pressed::default();
        keys.chars()
            .filter_map(|symbol| {
                let key = DtmfKey::from_symbol(symbol).unwrap();
                pressed.press(Instant::from_millis(1), key, menu)
            })
            .collect()
    }

    #[test]
    fn the_built_in_menus_are_sound() {
        assert_eq!(
            Menu::new(MenuOf::Moderators, MODERATOR_MENU.iter().copied()),
            Ok(Menu::moderators())
        );
        assert_eq!(
            Menu::new(MenuOf::Attendees, ATTENDEE_MENU.iter().copied()),
            Ok(Menu::attendees())
        );
        for action in MenuAction::ALL {
            assert_eq!(MenuAction::from_name(action.name()), Some(*action));
        }
    }

    #[test]
    fn menus_that_cannot_be_pressed_are_refused_with_both_entries() {
        use MenuAction::{Help, Lock, MuteSelf};
        let fault = |of, entries: &[(&str, MenuAction)]| {
            Menu::new(of, entries.iter().copied()).unwrap_err().to_string()
        };
        let all = MenuOf::Moderators;
        let why = fault(all, &[("*9", Lock), ("*99", Help)]);
        assert!(
            why.contains("lock has the keys \"*9\"") && why.contains("\"*99\" of help"),
            "{why}"
        );
        let why = fault(all, &[("*99", Help), ("*9", Lock)]);
        assert!(why.contains("lock has the keys \"*9\""), "{why}");
        assert!(fault(all, &[("*1", Help), ("*1", Lock)]).contains("change one"));
        assert!(fault(all, &[("*1", Help), ("*2", Help)]).contains("two entries"));
        for keys in ["", "12345", "*A", "1 ", "é"] {
            assert!(fault(all, &[(keys, Help)]).contains("no keys"), "{keys}");
        }
        assert!(fault(MenuOf::Attendees, &[("*4", Lock)]).contains("moderators alone"));
        let many: Vec<String> = (100..133).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(|keys| (keys.as_str(), MuteSelf)).collect();
        assert!(fault(all, &many).contains("at most 32"));
    }

    #[test]
    fn keys_are_told_apart() {
        use MenuAction::{EndForAll, Help, Lock, MuteSelf};
        let menu = Menu::moderators();
        assert_eq!(press("*4", &menu), [Lock]);
        assert_eq!(press("4*6", &menu), [MuteSelf]);
        assert_eq!(press("**6", &menu), [MuteSelf]);
        assert_eq!(press("*9*6", &menu), [MuteSelf]);
        assert_eq!(press("*99", &menu), [EndForAll]);
        assert_eq!(press("*#*0", &menu), [Help]);
        assert_eq!(press("123456789", &menu), []);
    }

    #[test]
    fn a_key_that_comes_too_late_begins_anew() {
        let menu = Menu::moderators();
        let (star, four) = (DtmfKey::from_symbol('*').unwrap(), DtmfKey::from_symbol('4').unwrap());
        for (after, expected) in [(2_999, Some(MenuAction::Lock)), (3_000, None)] {
            let mut pressed = Pressed::default();
            assert_eq!(pressed.press(Instant::from_millis(0), star, &menu), None);
            assert_eq!(pressed.press(Instant::from_millis(after), four, &menu), expected);
        }
    }
}
