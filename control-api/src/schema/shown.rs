//! What of a request may be written down.
//!
//! The model marks what is sensitive. An audit that hid all of it could not tell what was done, so
//! that resources stay: their ARNs and tags, and phone numbers, which `numbers` writes.

use super::shapes::{Kind, Member, Place, Schema};
use super::{json, schema_of};
use crate::router::Routed;
use serde_json::{Map, Value};

/// What stands in place of a secret, as CloudTrail has it.
pub(crate) const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Sensitive in the model, and shown all the same.
const SHOWN: &[&str] = &["Arn", "TagKey", "TagValue"];
/// Shapes that are phone numbers.
const NUMBERS: &[&str] = &["E164PhoneNumber"];
/// Whose numbers a proxy session masks: nobody is to learn them.
const MASKED: &[&str] = &["ParticipantPhoneNumberList"];
/// Members that are phone numbers in shapes that others have too.
const NUMBER_MEMBERS: &[&str] = &["PhoneNumberId", "PhoneNumberIds"];
/// Longer texts are cut, in characters.
const TEXT_MAX: usize = 1_024;
/// Digits behind a `+` that make a number in a text.
const DIGITS_MIN: usize = 7;

/// How a phone number is written down.
pub(crate) type Numbers<'a> = &'a dyn Fn(&str) -> String;

/// The members of path, query and body that the operation has, names with a small first letter; of
/// the body nothing when it is no JSON object. It need not be of the operation's shape.
pub(crate) fn shown(routed: &Routed, body: &[u8], numbers: Numbers<'_>) -> Map<String, Value> {
    let Some(schema) = schema_of(routed.operation) else { return Map::new() };
    let writer = Writer { schema, numbers };
    let mut given = match json::parse(body) {
        Ok(Value::Object(given)) => given,
        _ => Map::new(),
    };
    let mut out = Map::new();
    for member in schema.input(routed.operation.name) {
        let value = match member.place {
            Place::Body => given.remove(member.name),
            Place::Path(name) => routed.member(name).map(Value::from),
            Place::Query(name) => routed.parameter(name).map(Value::from),
        };
        if let Some(value) = value {
            out.insert(small_first(member.name), writer.member(member, value));
        }
    }
    out
}

/// A text in which each phone number is written by `numbers`.
pub fn text_shown(text: &str, numbers: &dyn Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('+') {
        let (before, number) = rest.split_at(at);
        let digits = number.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let (number, after) = number.split_at_checked(digits + 1).unwrap_or((number, ""));
        out.push_str(before);
        match digits < DIGITS_MIN {
            true => out.push_str(number),
            false => out.push_str(&numbers(number)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

struct Writer<'a> {
    schema: &'a Schema,
    numbers: Numbers<'a>,
}

impl Writer<'_> {
    fn member(&self, member: &Member, value: Value) -> Value {
        match NUMBER_MEMBERS.contains(&member.name) {
            true => self.number(value),
            false => self.value(member.shape, value),
        }
    }

    fn value(&self, name: &str, value: Value) -> Value {
        let Some(shape) = self.schema.shapes.get(name) else { return HIDDEN.into() };
        if NUMBERS.contains(&name) {
            return self.number(value);
        }
        if (shape.is_sensitive && !SHOWN.contains(&name)) || MASKED.contains(&name) {
            return HIDDEN.into();
        }
        match (&shape.kind, value) {
            (Kind::Structure(members), Value::Object(mut given)) => {
                let present = members.iter().filter_map(|member| {
                    let value = given.remove(member.name)?;
                    Some((small_first(member.name), self.member(member, value)))
                });
                Value::Object(present.collect())
            }
            (Kind::List(of), Value::Array(items)) => {
                items.into_iter().map(|item| self.value(of, item)).collect()
            }
            // Names of entries may be secrets as well; and of another type than the model says,
            // what it is nobody knows.
            (Kind::Map(..) | Kind::Structure(_) | Kind::List(_), _)
            | (_, Value::Object(_) | Value::Array(_)) => HIDDEN.into(),
            (_, Value::String(text)) => text_shown(&short(&text), self.numbers).into(),
            (_, value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        }
    }

    fn number(&self, value: Value) -> Value {
        match value {
            Value::String(number) => (self.numbers)(&short(&number)).into(),
            Value::Array(numbers) => numbers.into_iter().map(|each| self.number(each)).collect(),
            _ => HIDDEN.into(),
        }
    }
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn small_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_texts() {
        let masked = |number: &str| format!("<{}>", number.len());
        let shown = |text| text_shown(text, &masked);
        assert_eq!(shown("no +12065550100, and +1206555010"), "no <12>, and <11>");
        assert_eq!(
            shown("arn:aws:chime:r:1:phone-number/+12065550100"),
            "arn:aws:chime:r:1:phone-number/<12>"
        );
        assert_eq!(shown("1+1 ++12345678+é"), "1+1 +<9>+é");
        assert_eq!(shown(""), "");
    }
}
