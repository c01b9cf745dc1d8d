//! Identities of meetings and attendees: UUIDs for programs, numbers of 10 and 13 digits for people.

use model::{InvalidId, TransactionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Where random bits come from: 64 of them a call, unguessable (from the operating system).
pub type Draw<'a> = &'a mut dyn FnMut() -> u64;

/// Draws that are made for one number before giving up.
const MOST_DRAWS: u32 = 64;

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(TransactionId);

        impl $name {
            /// Draws one.
            pub fn draw(draw: Draw<'_>) -> Self {
                let bits = u128::from(draw()) << 64 | u128::from(draw());
                $name(TransactionId::from_random(bits))
            }

            /// Reads the 36-character form, in either case.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is not a UUID.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                TransactionId::parse(text)
                    .map($name)
                    .map_err(|invalid| InvalidId { kind: $kind, ..invalid })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

uuid!(
    /// A meeting, as programs name it (chime-sdk-meetings: `MeetingId`).
    MeetingId,
    "meeting id"
);
uuid!(
    /// An attendee that was made for a meeting (chime-sdk-meetings: `AttendeeId`).
    AttendeeId,
    "attendee id"
);

macro_rules! digits {
    ($(#[$doc:meta])* $name:ident, $digits:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u64);

        impl $name {
            /// How many digits it has.
            pub const DIGITS: usize = $digits;
            const LEAST: u64 = 10_u64.pow($digits - 1);
            const COUNT: u64 = 9 * Self::LEAST;

            /// Reads it: its digits and nothing else; the first is not 0.
            ///
            /// # Errors
            /// [`InvalidId`].
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId {
                    kind: $kind,
                    expected: concat!(stringify!($digits), " digits, the first of them not 0"),
                    given: text.to_owned(),
                };
                if text.len() != $digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(invalid());
                }
                let value: u64 = text.parse().map_err(|_| invalid())?;
                if value < Self::LEAST { Err(invalid()) } else { Ok($name(value)) }
            }

            /// Draws one; each is as probable as any other. `None` when `draw` gives nothing of use.
            fn draw(draw: Draw<'_>) -> Option<Self> {
                // The last part of a u64's range would make small numbers more probable.
                let fair = u64::MAX - u64::MAX % Self::COUNT;
                let drawn = (0..MOST_DRAWS).map(|_| draw()).find(|bits| *bits < fair)?;
                Some($name(Self::LEAST + drawn % Self::COUNT))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(number: $name) -> String {
                number.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        /// Whoever knows it may enter: its last digits are not shown.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}…", self.0 / (Self::LEAST / 100))
            }
        }
    };
}

digits!(
    /// What attendees type or dial: 10 digits.
    AttendeeNumber,
    10,
    "attendee id"
);
digits!(
    /// What moderators type or dial: 13 digits.
    ModeratorNumber,
    13,
    "moderator id"
);

impl ModeratorNumber {
    /// Its first ten digits, which are no meeting's attendee id.
    const fn beginning(self) -> AttendeeNumber {
        AttendeeNumber(self.0 / 1_000)
    }

    /// Whether its first ten digits are this attendee id: whoever types it would be taken for an attendee.
    pub fn begins_with(self, attendee: AttendeeNumber) -> bool {
        self.beginning() == attendee
    }
}

/// What moderators type after their id: 4 to 10 digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passcode(Arc<str>);

impl Passcode {
    /// The most digits that one has.
    pub const MOST_DIGITS: usize = 10;

    /// Reads it.
    ///
    /// # Errors
    /// [`InvalidId`]; it does not repeat what was given.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let valid = (4..=Self::MOST_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if valid {
            return Ok(Passcode(text.into()));
        }
        let expected = "4 to 10 digits";
        Err(InvalidId { kind: "passcode", expected, given: "what was given".to_owned() })
    }

    /// Draws one of six digits.
    pub fn draw(draw: Draw<'_>) -> Self {
        Passcode(format!("{:06}", draw() % 1_000_000).into())
    }

    /// Whether `text` is it. All digits are compared, whichever is the first to differ.
    pub fn matches(&self, text: &str) -> bool {
        same_text(&self.0, text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Passcode {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<Passcode> for String {
    fn from(passcode: Passcode) -> String {
        passcode.0.as_ref().to_owned()
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passcode(*)")
    }
}

/// Whether two texts are the same, in a time that depends on their lengths alone.
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}

/// The numbers of all meetings that there are. No number is given twice, and no moderator id begins
/// with an attendee id: whoever has typed ten digits of the one has not typed the other.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    attendee: BTreeSet<AttendeeNumber>,
    moderator: BTreeSet<ModeratorNumber>,
}

impl Numbers {
    /// Draws a pair that nobody has, and keeps it. `None` when `draw` gives nothing of use.
    pub fn draw(&mut self, draw: Draw<'_>) -> Option<(AttendeeNumber, ModeratorNumber)> {
        for _ in 0..MOST_DRAWS {
            let pair = (AttendeeNumber::draw(draw)?, ModeratorNumber::draw(draw)?);
            if self.insert(pair.0, pair.1) {
                return Some(pair);
            }
        }
        None
    }

    /// Keeps a pair; `false`, and nothing is kept, when somebody has one of the two or they could be
    /// taken for another's.
    pub fn insert(&mut self, attendee: AttendeeNumber, moderator: ModeratorNumber) -> bool {
        let first = ModeratorNumber(attendee.0.saturating_mul(1_000));
        let last = ModeratorNumber(first.0.saturating_add(999));
        let free = !self.attendee.contains(&attendee)
            && !self.moderator.contains(&moderator)
            && !self.attendee.contains(&moderator.beginning())
            && self.moderator.range(first..=last).next().is_none()
            && moderator.beginning() != attendee;
        if free {
            self.attendee.insert(attendee);
            self.moderator.insert(moderator);
        }
        free
    }

    /// Gives a pair back.
    pub fn remove(&mut self, attendee: AttendeeNumber, moderator: ModeratorNumber) {
        self.attendee.remove(&attendee);
        self.moderator.remove(&moderator);
    }

    /// How many pairs are kept.
    pub fn len(&self) -> usize {
        self.attendee.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.attendee.is_empty()
    }
}

#[cfg(test)]
mod tests;
