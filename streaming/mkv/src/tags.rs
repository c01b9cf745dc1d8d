//! Words beside the audio.

use crate::ebml::{id, put, put_master};
use std::fmt;

/// Tags of a fragment, [`Tag`]s of the writer included, as Kinesis Video Streams bounds them.
pub const MAX_TAGS: usize = 10;
/// Octets of a name.
pub const MAX_NAME: usize = 128;
/// Octets of a value.
pub const MAX_VALUE: usize = 256;

/// The tag that says how many samples of a fragment nobody sent, or were lost.
pub(crate) const MISSING_SAMPLES: &str = "MissingSamples";

/// A name and what it stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    /// Of what.
    pub name: Box<str>,
    /// What.
    pub value: Box<str>,
}

/// Tags of a fragment, within the bounds of Kinesis Video Streams.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tags(Vec<Tag>);

/// Why a tag cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagRefused {
    /// The name is empty, has more than [`MAX_NAME`] octets, or begins with `AWS`.
    Name,
    /// There are [`MAX_TAGS`] less one already; the last place is the writer's.
    TooMany,
}

impl Tags {
    /// None.
    pub fn new() -> Self {
        Tags::default()
    }

    /// Adds a tag. Of a longer value the first [`MAX_VALUE`] octets stay, cut between characters; control
    /// characters go; nothing is added when nothing is left.
    ///
    /// # Errors
    /// [`TagRefused`].
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), TagRefused> {
        if name.is_empty() || name.len() > MAX_NAME || name.starts_with("AWS") {
            return Err(TagRefused::Name);
        }
        let value = within(value);
        if value.is_empty() {
            return Ok(());
        }
        if self.0.len() + 1 >= MAX_TAGS {
            return Err(TagRefused::TooMany);
        }
        self.0.push(Tag { name: name.into(), value: value.into() });
        Ok(())
    }

    /// What was added, in this order.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }
}

/// Writes a Tags element of `tags` and, if samples are missing, of their number. Nothing without any.
pub(crate) fn put_tags(out: &mut Vec<u8>, tags: &Tags, missing: u64) {
    let missing = (missing > 0).then(|| missing.to_string());
    let own = missing.as_deref().map(|value| (MISSING_SAMPLES, value));
    let all = tags.0.iter().map(|tag| (&*tag.name, &*tag.value)).chain(own);
    if tags.0.is_empty() && missing.is_none() {
        return;
    }
    put_master(out, id::TAGS, |out| {
        put_master(out, id::TAG, |out| {
            for (name, value) in all {
                put_master(out, id::SIMPLE_TAG, |out| {
                    put(out, id::TAG_NAME, name.as_bytes());
                    put(out, id::TAG_STRING, value.as_bytes());
                });
            }
        });
    });
}

/// Of texts that a peer chose: an octet 0 would end them for others (RFC 8794, section 13).
fn within(value: &str) -> String {
    let mut kept = String::with_capacity(value.len().min(MAX_VALUE));
    for character in value.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > MAX_VALUE {
            break;
        }
        kept.push(character);
    }
    kept
}

impl fmt::Display for TagRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TagRefused::Name => "a tag's name has 1 to 128 octets and does not begin with AWS",
            TagRefused::TooMany => "a fragment has at most 10 tags, one of them the writer's",
        })
    }
}

impl std::error::Error for TagRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_both_sides_of_their_bounds() {
        let mut tags = Tags::new();
        assert_eq!(tags.add("", "x"), Err(TagRefused::Name));
        assert_eq!(tags.add("AWS_KINESISVIDEO", "x"), Err(TagRefused::Name));
        assert_eq!(tags.add(&"n".repeat(MAX_NAME + 1), "x"), Err(TagRefused::Name));
        assert_eq!(tags.add(&"n".repeat(MAX_NAME), "x"), Ok(()));
        assert_eq!(tags.as_slice().len(), 1);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let mut tags = Tags::new();
        tags.add("exact", &"v".repeat(MAX_VALUE)).unwrap();
        tags.add("over", &"v".repeat(MAX_VALUE + 1)).unwrap();
        // 85 characters of three octets are 255; an 86th does not fit.
        tags.add("wide", &"\u{20AC}".repeat(100)).unwrap();
        tags.add("zero", "a\0b\r\n").unwrap();
        tags.add("nothing", "\0").unwrap();
        let lengths: Vec<usize> = tags.as_slice().iter().map(|tag| tag.value.len()).collect();
        assert_eq!(lengths, [256, 256, 255, 2]);
    }

    #[test]
    fn a_place_is_kept_for_missing_samples() {
        let mut tags = Tags::new();
        for number in 1..MAX_TAGS {
            assert_eq!(tags.add(&number.to_string(), "x"), Ok(()));
        }
        assert_eq!(tags.add("one more", "x"), Err(TagRefused::TooMany));
    }
}
