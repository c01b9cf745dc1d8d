//! What of a call's texts an event has room for.
//!
//! SNS and SQS take messages of 256 KiB, and so do most targets of EventBridge's rules, so no detail is
//! longer than [`MAX_DETAIL_BYTES`], whatever a peer writes into its headers and metadata. Half a header
//! field or half an XML document misleads whoever reads it: those are left out whole, all other texts are
//! cut. What was left out or cut the detail names in `truncated`, with the octets that it had.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::sync::Arc;

/// Octets of a detail as JSON.
pub const MAX_DETAIL_BYTES: usize = 245_760;
/// Octets of a text that is neither header nor metadata.
const MOST_TEXT: usize = 1_024;
/// Octets of all header fields of an event together, as JSON.
const MOST_HEADERS: usize = 32_768;
/// Header fields of an event, left out or not; what the others had together stands at the list's name.
const MOST_FIELDS: usize = 32;
/// Octets of metadata, as JSON.
const MOST_METADATA: usize = 150_000;

/// Names and values in their order, as a JSON object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pairs<K, V>(pub(super) Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Pairs<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Cuts the texts of one event, and remembers which.
#[derive(Default, Debug)]
pub(super) struct Bounds {
    truncated: Vec<(String, usize)>,
}

impl Bounds {
    /// A text, cut to its bound.
    pub(super) fn text<'a>(&mut self, name: &str, text: Cow<'a, str>) -> Cow<'a, str> {
        let text = clean(text);
        if text.len() <= MOST_TEXT {
            return text;
        }
        self.note(name, text.len());
        Cow::Owned(start(&text, MOST_TEXT).to_owned())
    }

    /// Header fields, those with one name as one (RFC 3261 section 7.3.1); what finds no room is left
    /// out whole.
    pub(super) fn headers<'a>(
        &mut self,
        name: &str,
        fields: &'a [(Arc<str>, Arc<str>)],
        shown: impl Fn(&str, &'a str) -> Cow<'a, str>,
    ) -> Pairs<&'a str, String> {
        let (mut out, mut room): (Vec<(&str, String)>, usize) = (Vec::new(), MOST_HEADERS);
        for (field, value) in fields.iter().take(MOST_FIELDS) {
            let value = clean(shown(field, value));
            // Quotes, colon, comma.
            let needs = json_bytes(field) + json_bytes(&value) + 2;
            let Some(left) = room.checked_sub(needs) else {
                self.note(&format!("{name}.{}", start(field, 64)), value.len());
                continue;
            };
            room = left;
            match out.iter_mut().find(|(has, _)| *has == &**field) {
                Some((_, before)) => {
                    before.push_str(", ");
                    before.push_str(&value);
                }
                None => out.push((field, value.into_owned())),
            }
        }
        let rest = fields.iter().skip(MOST_FIELDS).map(|(_, value)| value.len()).sum();
        if rest > 0 {
            self.note(name, rest);
        }
        Pairs(out)
    }

    /// Metadata, whole or not at all.
    pub(super) fn metadata<'a>(&mut self, name: &str, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let text = clean(text);
        if json_bytes(&text) <= MOST_METADATA {
            return Some(text);
        }
        self.note(name, text.len());
        None
    }

    /// What was left out or cut, by its name, with the octets that it had.
    pub(super) fn into_truncated(self) -> Option<Pairs<String, usize>> {
        (!self.truncated.is_empty()).then_some(Pairs(self.truncated))
    }

    fn note(&mut self, name: &str, octets: usize) {
        if self.truncated.iter().all(|(noted, _)| noted != name) {
            self.truncated.push((name.to_owned(), octets));
        }
    }
}

/// Octets of a text as JSON, quotes included.
fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

/// The longest start of a text of at most so many octets.
fn start(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// SQS takes all characters of XML 1.0, and JSON escapes of the others all but these two.
fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['\u{fffe}', '\u{ffff}']) {
        Cow::Owned(text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"))
    } else {
        text
    }
}
