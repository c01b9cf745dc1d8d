//! What a queue keeps: a record as a producer offers it, and as a destination gets it.

use model::UnixTime;
use std::fmt;

/// A record for a destination.
///
/// Kind, attributes and body mean what the producer and the destination agree on; the queue only
/// keeps them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OutboxRecord {
    /// Records of one stream are delivered in the order in which they were offered; empty for a
    /// record that needs no order. At most [`OutboxRecord::MAX_STREAM_BYTES`].
    pub stream: String,
    /// When what it tells happened.
    pub time: UnixTime,
    /// Which of the destination's kinds of record it is.
    pub kind: u16,
    /// Names and values beside the body, for example an object's key: at most
    /// [`OutboxRecord::MAX_ATTRIBUTES`], of [`OutboxRecord::MAX_NAME_BYTES`] and
    /// [`OutboxRecord::MAX_VALUE_BYTES`].
    pub attributes: Vec<(String, String)>,
    /// The body, at most [`OutboxRecord::MAX_BODY_BYTES`].
    pub body: Vec<u8>,
}

/// What of a record exceeds its bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TooLarge {
    /// The part.
    pub part: &'static str,
    /// The most that it may have: octets, or a number of attributes.
    pub most: usize,
}

impl OutboxRecord {
    /// Octets of a stream's name: CloudWatch's longest group and stream fit.
    pub const MAX_STREAM_BYTES: usize = 1_100;
    /// Attributes.
    pub const MAX_ATTRIBUTES: usize = 16;
    /// Octets of an attribute's name.
    pub const MAX_NAME_BYTES: usize = 64;
    /// Octets of an attribute's value.
    pub const MAX_VALUE_BYTES: usize = 2_048;
    /// Octets of a body: 1 MiB, more than any batch of CloudWatch takes.
    pub const MAX_BODY_BYTES: usize = 1_048_576;

    /// The value of the first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// The first part that exceeds its own.
    pub fn check(&self) -> Result<(), TooLarge> {
        let longest = |of: fn(&(String, String)) -> &String| {
            self.attributes.iter().map(|pair| of(pair).len()).max().unwrap_or(0)
        };
        for (part, has, most) in [
            ("stream", self.stream.len(), Self::MAX_STREAM_BYTES),
            ("number of attributes", self.attributes.len(), Self::MAX_ATTRIBUTES),
            ("name of an attribute", longest(|pair| &pair.0), Self::MAX_NAME_BYTES),
            ("value of an attribute", longest(|pair| &pair.1), Self::MAX_VALUE_BYTES),
            ("body", self.body.len(), Self::MAX_BODY_BYTES),
        ] {
            if has > most {
                return Err(TooLarge { part, most });
            }
        }
        Ok(())
    }

    /// Octets of memory that it takes while it waits for the disk, about.
    pub(crate) fn weight(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        128 + self.stream.len() + self.body.len() + attributes
    }
}

/// A record on its way to the destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the queue; grows, never used twice for entries that are still to be delivered.
    pub sequence: u64,
    /// The same for every attempt to deliver this entry, and for no other entry of any queue of
    /// this name: for services that take an idempotency key. At most 102 octets of `[a-z0-9-]`.
    pub idempotency_key: String,
    /// An earlier attempt may have reached the destination without our knowing: an attempt failed
    /// half-way, or the process ended during one.
    pub possible_duplicate: bool,
    /// Attempts before this one, in this process.
    pub attempts: u32,
    /// What was offered.
    pub record: OutboxRecord,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record's {} exceeds {}", self.part, self.most)
    }
}

impl std::error::Error for TooLarge {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_inclusive() {
        let at = |more: usize| {
            let text = |most: usize| "x".repeat(most + more);
            let pair = (String::new(), String::new());
            [
                (text(OutboxRecord::MAX_STREAM_BYTES), vec![], vec![]),
                (String::new(), vec![pair; OutboxRecord::MAX_ATTRIBUTES + more], vec![]),
                (String::new(), vec![(text(OutboxRecord::MAX_NAME_BYTES), String::new())], vec![]),
                (String::new(), vec![(String::new(), text(OutboxRecord::MAX_VALUE_BYTES))], vec![]),
                (String::new(), vec![], vec![0; OutboxRecord::MAX_BODY_BYTES + more]),
            ]
            .map(|(stream, attributes, body)| {
                OutboxRecord { stream, attributes, body, ..OutboxRecord::default() }.check()
            })
        };
        assert_eq!(at(0), [Ok(()); 5]);
        let parts = at(1).map(|outcome| outcome.unwrap_err().part);
        let names = ["stream", "number of attributes", "name of an attribute"];
        assert_eq!(parts[..3], names);
        assert_eq!(parts[3..], ["value of an attribute", "body"]);
    }
}
