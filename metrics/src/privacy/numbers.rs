//! One number, or name of a user, at a time.

use super::hash::NumberKey;
use super::{head, text, xml};
use std::borrow::Cow;
use std::sync::Arc;

/// How numbers are written in one place.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Numbers {
    /// As they are.
    #[default]
    Plain,
    /// With a `*` for each digit but the last ones, and not for more than half of them.
    Masked {
        /// How many of a number's last digits are shown.
        shown: u8,
    },
    /// As `h` and sixteen letters: HMAC-SHA-256 of the number in its international form, cut to 64
    /// bit. The first key makes the hashes, earlier ones only find what was hashed with them.
    Hashed(Arc<[NumberKey]>),
}

impl Numbers {
    /// `plain`, `masked` or `hashed`.
    pub const fn name(&self) -> &'static str {
        match self {
            Numbers::Plain => "plain",
            Numbers::Masked { .. } => "masked",
            Numbers::Hashed(_) => "hashed",
        }
    }

    /// The user part of a URI, or a number as it was dialled. Names without a digit stay.
    pub fn user<'a>(&self, user: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain || !has_digit(user.as_bytes()) {
            return Cow::Borrowed(user);
        }
        let mut out = Vec::with_capacity(user.len());
        self.put_user(user.as_bytes(), &mut out);
        Cow::Owned(lossy(out))
    }

    /// The start line of a SIP message.
    pub fn start_line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain {
            return Cow::Borrowed(line);
        }
        let mut out = Vec::with_capacity(line.len());
        head::start_line(self, line.as_bytes(), &mut out);
        Cow::Owned(lossy(out))
    }

    /// The value of a Reason or Warning header: what names the cause stays.
    pub fn reason<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain {
            return Cow::Borrowed(value);
        }
        let mut out = Vec::with_capacity(value.len());
        text::reason(self, value.as_bytes(), &mut out);
        Cow::Owned(lossy(out))
    }

    /// The value of a header field by its name, as in the SIP message log.
    pub fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain {
            return Cow::Borrowed(value);
        }
        let mut out = Vec::with_capacity(value.len());
        head::value(self, name.as_bytes(), value.as_bytes(), &mut out);
        Cow::Owned(lossy(out))
    }

    /// Metadata of a recording client (RFC 7865): numbers in it, and names of people.
    pub fn metadata<'a>(&self, xml: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain {
            return Cow::Borrowed(xml);
        }
        let nameless = xml::without_names(xml);
        let mut out = Vec::with_capacity(nameless.len());
        text::words(self, nameless.as_bytes(), text::WORDS, &mut out);
        Cow::Owned(lossy(out))
    }

    /// The name and version of a product.
    pub(crate) fn product<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if *self == Numbers::Plain {
            return Cow::Borrowed(value);
        }
        let mut out = Vec::with_capacity(value.len());
        text::words(self, value.as_bytes(), text::PRODUCTS, &mut out);
        Cow::Owned(lossy(out))
    }

    /// What records of `number` may have been written as: itself, because older ones may be plain, and
    /// what this setting makes of it.
    pub fn questions(&self, number: &str) -> Vec<String> {
        let mut questions = vec![number.to_owned()];
        match self {
            Numbers::Plain => {}
            // Nothing is left to ask for.
            Numbers::Masked { shown: 0 } => {}
            Numbers::Masked { shown } => {
                questions.extend(User::read(number.as_bytes()).endings(*shown));
            }
            Numbers::Hashed(keys) => {
                let user = User::read(number.as_bytes());
                questions.extend(keys.iter().map(|key| user.hash(key)));
            }
        }
        questions.dedup();
        questions
    }

    /// Writes the user part `user`. Whatever stands in it, what is written can stand in a user part.
    pub(super) fn put_user(&self, user: &[u8], out: &mut Vec<u8>) {
        match self {
            Numbers::Masked { shown } if has_digit(user) => User::read(user).mask(*shown, out),
            Numbers::Hashed(keys) if has_digit(user) => match keys.first() {
                Some(key) => out.extend_from_slice(User::read(user).hash(key).as_bytes()),
                None => out.extend_from_slice(text::HIDDEN),
            },
            Numbers::Plain | Numbers::Masked { .. } | Numbers::Hashed(_) => {
                out.extend_from_slice(user);
            }
        }
    }
}

/// A user part, its escapes read (RFC 3261 section 19.1.2).
struct User {
    /// Up to the first semicolon.
    name: Vec<u8>,
    /// What follows: parameters of a telephone-subscriber (RFC 3966 section 3).
    parameters: Vec<u8>,
}

impl User {
    fn read(user: &[u8]) -> User {
        let mut name: Vec<u8> = text::units(user).map(|unit| unit.octet).collect();
        // A colon begins a password, which is hidden already, or is none of a number.
        let end = name.iter().position(|octet| matches!(octet, b';' | b':')).unwrap_or(name.len());
        let parameters = name.split_off(end);
        User { name, parameters }
    }

    fn mask(&self, shown: u8, out: &mut Vec<u8>) {
        let digits = self.name.iter().filter(|octet| octet.is_ascii_digit()).count();
        let shown = usize::from(shown).min(digits / 2);
        let mut left = digits;
        for octet in &self.name {
            let is_digit = octet.is_ascii_digit();
            let hides = (is_digit && left > shown) || !is_harmless(*octet);
            out.push(if hides { b'*' } else { *octet });
            left -= usize::from(is_digit);
        }
        for octet in &self.parameters {
            let hides = octet.is_ascii_digit() || !(is_harmless(*octet) || b";=".contains(octet));
            out.push(if hides { b'*' } else { *octet });
        }
    }

    /// What it may end with when it is masked: it alone, if it is whole, or what is shown of a longer
    /// number behind a hidden digit.
    fn endings(&self, shown: u8) -> Vec<String> {
        let digits: Vec<u8> = self.name.iter().copied().filter(u8::is_ascii_digit).collect();
        let mut masked = Vec::new();
        self.mask(shown, &mut masked);
        let mut endings = vec![lossy(masked)];
        if let Some(end) = digits.len().checked_sub(shown.into()).and_then(|at| digits.get(at..)) {
            endings.push(format!("*{}", String::from_utf8_lossy(end)));
        }
        endings
    }

    fn hash(&self, key: &NumberKey) -> String {
        match self.international() {
            Some(digits) => key.hash("number", &digits),
            None => key.hash("name", &self.name.to_ascii_lowercase()),
        }
    }

    /// The digits of a number behind its `+` (E.164); `None` for what is no number. A national number
    /// stays one: only the caller knows whose.
    fn international(&self) -> Option<Vec<u8>> {
        // Visual separators (RFC 3966 section 3), and what dials services.
        let is_plain = |octet: &u8| octet.is_ascii_digit() || b"+-.() *#".contains(octet);
        if !self.name.iter().all(is_plain) {
            return None;
        }
        let digits: Vec<u8> = self.name.iter().copied().filter(u8::is_ascii_digit).collect();
        if self.name.trim_ascii_start().starts_with(b"+") {
            return Some(digits);
        }
        if let Some(mut context) = self.context() {
            context.extend_from_slice(&digits);
            return Some(context);
        }
        // The ways out of most countries and of North America; no E.164 number begins with 0.
        let rest = digits.strip_prefix(b"00").or_else(|| {
            digits.strip_prefix(b"011").filter(|rest| rest.len() >= NORTH_AMERICAN_ABROAD)
        });
        Some(rest.map(<[u8]>::to_vec).unwrap_or(digits))
    }

    /// The digits of a global `phone-context`.
    fn context(&self) -> Option<Vec<u8>> {
        const NAME: &[u8] = b"phone-context=+";
        let mut parameters = self.parameters.split(|octet| *octet == b';');
        let value = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_at_checked(NAME.len())?;
            name.eq_ignore_ascii_case(NAME).then_some(value)
        })?;
        Some(value.iter().copied().filter(u8::is_ascii_digit).collect())
    }
}

/// Digits of a number that is dialled with 011 in front, at least: less may be a national number.
const NORTH_AMERICAN_ABROAD: usize = 10;

/// May stand in a user part without an escape, and is no mark of a URI.
fn is_harmless(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.!~*'()&+$,#".contains(&octet)
}

fn has_digit(user: &[u8]) -> bool {
    text::units(user).any(|unit| unit.octet.is_ascii_digit())
}

/// Text that was text before: only octets of ASCII were put in the place of others.
fn lossy(octets: Vec<u8>) -> String {
    match String::from_utf8(octets) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
