//! What a guest wants done, as its page says it. Pure.

use serde::Deserialize;
use std::fmt;

/// Octets of what a page says at once: a text of a thousand characters, each escaped, fits.
const LONGEST_ASKED: usize = 16 * 1024;
/// Digits of a number to be called.
const LONGEST_NUMBER: usize = 32;

/// One wish, with the number that the answer repeats.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The page's own.
    pub number: u32,
    /// What.
    pub request: Request,
}

/// Something to be done. People are named by the ids of the list of who is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Mutes somebody, or ends it; `None` for the guest itself.
    Mute(Option<u64>, bool),
    /// Mutes everyone, or ends that.
    MuteAll(bool),
    /// Raises the guest's own hand (`None`), or lowers somebody's.
    Hand(Option<u64>, bool),
    /// Locks the meeting, or unlocks it.
    Lock(bool),
    /// Starts recording, or stops it.
    Record(bool),
    /// Lets somebody in who waits, or everyone.
    Admit(Option<u64>),
    /// Makes somebody leave.
    Remove(u64),
    /// Makes somebody a moderator.
    Promote(u64),
    /// A text to everyone.
    Say(String),
    /// Asks to show the guest's own screen (`None`), or lets somebody show one; or no more.
    Show(Option<u64>, bool),
    /// Sees all at once, or whoever speaks.
    LayOut(bool),
    /// Calls a number into the meeting.
    Dial(String),
    /// Ends the meeting for all.
    End,
}

/// What a page has said is nothing that can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadAsk(String);

impl fmt::Display for BadAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a message of a guest's page: {}", self.0)
    }
}

impl std::error::Error for BadAsk {}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    number: u32,
    #[serde(rename = "do")]
    what: What,
    who: Option<String>,
    on: Option<bool>,
    text: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Mute,
    MuteAll,
    Hand,
    Lock,
    Record,
    Admit,
    AdmitAll,
    Remove,
    Promote,
    Say,
    Show,
    Layout,
    Dial,
    End,
}

impl Asked {
    /// Reads a message of a page.
    ///
    /// # Errors
    /// [`BadAsk`]: too long, no JSON, unknown words or members that are missing.
    pub fn parse(text: &str) -> Result<Asked, BadAsk> {
        let bad = |why: &str| BadAsk(why.to_owned());
        if text.len() > LONGEST_ASKED {
            return Err(bad("too long"));
        }
        let wire: Wire = serde_json::from_str(text).map_err(|error| BadAsk(error.to_string()))?;
        let who = wire.who.as_deref().map(read_id);
        let who = match who {
            Some(None) => return Err(bad("who: 16 hexadecimal digits are expected")),
            other => other.flatten(),
        };
        let on = wire.on.unwrap_or(true);
        let somebody = who.ok_or_else(|| bad("who is missing"));
        let text = wire.text.ok_or_else(|| bad("text is missing"));
        let request = match wire.what {
            What::Mute => Request::Mute(who, on),
            What::MuteAll => Request::MuteAll(on),
            What::Hand => Request::Hand(who, on),
            What::Lock => Request::Lock(on),
            What::Record => Request::Record(on),
            What::Admit => Request::Admit(Some(somebody?)),
            What::AdmitAll => Request::Admit(None),
            What::Remove => Request::Remove(somebody?),
            What::Promote => Request::Promote(somebody?),
            What::Say => Request::Say(text?),
            What::Show => Request::Show(who, on),
            What::Layout => Request::LayOut(on),
            What::Dial => Request::Dial(number(&text?).ok_or_else(|| bad("text is no number"))?),
            What::End => Request::End,
        };
        Ok(Asked { number: wire.number, request })
    }
}

fn number(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    let plain = digits.strip_prefix('+').unwrap_or(&digits);
    let fine = (1..=LONGEST_NUMBER).contains(&plain.len())
        && plain.bytes().all(|byte| byte.is_ascii_digit());
    fine.then_some(digits)
}

/// Somebody's id, as pages have it.
pub(crate) fn written_id(id: u64) -> String {
    format!("{id:016x}")
}

fn read_id(text: &str) -> Option<u64> {
    let fine = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fine { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wishes_are_read() {
        let id = "00000000000000ff";
        for (text, request) in [
            (r#"{"number":7,"do":"mute","on":false}"#.to_owned(), Request::Mute(None, false)),
            (format!(r#"{{"number":7,"do":"mute","who":"{id}"}}"#), Request::Mute(Some(255), true)),
            (r#"{"number":7,"do":"mute-all","on":true}"#.to_owned(), Request::MuteAll(true)),
            (r#"{"number":7,"do":"hand","on":true}"#.to_owned(), Request::Hand(None, true)),
            (r#"{"number":7,"do":"show","on":true}"#.to_owned(), Request::Show(None, true)),
            (r#"{"number":7,"do":"layout","on":false}"#.to_owned(), Request::LayOut(false)),
            (
                format!(r#"{{"number":7,"do":"show","who":"{id}","on":false}}"#),
                Request::Show(Some(255), false),
            ),
            (r#"{"number":7,"do":"admit-all"}"#.to_owned(), Request::Admit(None)),
            (format!(r#"{{"number":7,"do":"admit","who":"{id}"}}"#), Request::Admit(Some(255))),
            (format!(r#"{{"number":7,"do":"remove","who":"{id}"}}"#), Request::Remove(255)),
            (
                r#"{"number":7,"do":"say","text":"こんにちは"}"#.to_owned(),
                Request::Say("こんにちは".into()),
            ),
            (
                r#"{"number":7,"do":"dial","text":"+1 (206) 555-0100"}"#.to_owned(),
                Request::Dial("+12065550100".into()),
            ),
            (r#"{"number":7,"do":"end"}"#.to_owned(), Request::End),
        ] {
            assert_eq!(Asked::parse(&text), Ok(Asked { number: 7, request }), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in [
            "",
            "mute",
            "[]",
            "{}",
            r#"{"do":"fly"}"#,
            r#"{"do":"remove"}"#,
            r#"{"do":"remove","who":"+0000000000000ff"}"#,
            r#"{"do":"remove","who":"ff"}"#,
            r#"{"do":"say"}"#,
            r#"{"do":"dial","text":"1;evil"}"#,
            r#"{"do":"mute","on":"yes"}"#,
            r#"{"number":-1,"do":"end"}"#,
        ] {
            assert!(Asked::parse(text).is_err(), "{text}");
        }
        let long = format!(r#"{{"do":"say","text":"{}"}}"#, "x".repeat(LONGEST_ASKED));
        assert_eq!(Asked::parse(&long), Err(BadAsk("too long".into())));
    }

    proptest! {
        /// Anything is a wish or an error, and what is a wish keeps its bounds.
        #[test]
        fn nothing_that_is_said_panics(
            what in "[a-z-]{0,10}",
            who in proptest::option::of("[0-9a-f]{14,18}|.{0,20}"),
            text in proptest::option::of(".{0,60}"),
            rest in ".{0,40}",
        ) {
            let said = serde_json::json!({ "do": what, "who": who, "text": text, "on": true });
            let said = said.to_string();
            for said in [&said, &format!("{said}{rest}"), &rest] {
                if let Ok(Asked { request: Request::Dial(number), .. }) = Asked::parse(said) {
                    prop_assert!(number.len() <= LONGEST_NUMBER + 1);
                    prop_assert!(number.bytes().all(|b| b == b'+' || b.is_ascii_digit()));
                }
            }
            let cut = said.char_indices().map(|(at, _)| at).nth(said.chars().count() / 2);
            prop_assert!(Asked::parse(&said[..cut.unwrap_or(0)]).is_err());
        }

        #[test]
        fn ids_are_read_as_they_are_written(id: u64) {
            prop_assert_eq!(read_id(&written_id(id)), Some(id));
        }
    }
}
