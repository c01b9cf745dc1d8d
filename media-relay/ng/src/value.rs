//! What a message is made of, whatever it is written in.

use std::collections::BTreeMap;
use std::fmt;

/// Nesting that is read; requests have four levels at most.
pub(crate) const MAX_DEPTH: usize = 16;
/// Values that are read of one message.
pub(crate) const MAX_VALUES: usize = 4_096;

/// A value of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Octets; text in UTF-8 nearly always.
    Text(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Values in their order.
    List(Vec<Value>),
    /// Values by name.
    Dictionary(Dictionary),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, also when it is written as text: proxies pass on what their scripts hold.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// The entries, if it is a list.
    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The entries by name, if it is a dictionary.
    pub const fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Value::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into_bytes())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<u64> for Value {
    /// A number that is too large becomes the largest.
    fn from(number: u64) -> Self {
        Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Value::List(list)
    }
}

impl From<Dictionary> for Value {
    fn from(dictionary: Dictionary) -> Self {
        Value::Dictionary(dictionary)
    }
}

/// Values by name, in the order of their names' octets, as bencode wants it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dictionary(BTreeMap<Vec<u8>, Value>);

impl Dictionary {
    /// An empty one.
    pub const fn new() -> Self {
        Dictionary(BTreeMap::new())
    }

    /// Sets `name`; what it was before is forgotten.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.as_ref().to_vec(), value.into());
        self
    }

    /// Reads `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Value> {
        self.0.get(name.as_ref())
    }

    /// Every name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets `name` unless it is there: of two, the first counts.
    pub(crate) fn read(&mut self, name: Vec<u8>, value: Value) {
        self.0.entry(name).or_insert(value);
    }
}

/// Why a message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Where, in octets from the beginning of the value.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "octet {}: {}", self.offset, self.reason)
    }
}

impl std::error::Error for Malformed {}
