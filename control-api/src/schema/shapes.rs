//! What a shape is.

use super::pattern::Pattern;
use std::collections::BTreeMap;

/// Every shape by its name, and the input and output of every operation.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) shapes: BTreeMap<&'static str, Shape>,
    pub(crate) operations: BTreeMap<&'static str, Ends>,
}

/// The names of an operation's input and output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) input: Option<&'static str>,
    pub(crate) output: Option<&'static str>,
}

/// One shape of the model.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) is_sensitive: bool,
    /// Of a number its value, of a text its characters, of a list or map its entries.
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    /// The texts that there are; empty: any.
    pub(crate) one_of: Vec<&'static str>,
    pub(crate) pattern: Option<Pattern>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    /// Of 32 bits.
    Integer,
    Float,
    Flag,
    Timestamp,
    /// Of one shape.
    List(&'static str),
    /// From texts of the first shape to the second.
    Map(&'static str, &'static str),
    Structure(Vec<Member>),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) is_required: bool,
    pub(crate) place: Place,
}

/// Where a member of an input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Body,
    Path(&'static str),
    Query(&'static str),
}

impl Schema {
    /// The members of an operation's input.
    pub(crate) fn input(&self, operation: &str) -> &[Member] {
        let input = self.operations.get(operation).and_then(|ends| ends.input);
        match input.and_then(|name| self.shapes.get(name)) {
            Some(Shape { kind: Kind::Structure(members), .. }) => members,
            _ => &[],
        }
    }
}
