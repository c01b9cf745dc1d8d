//! What is wrong with declared resources.

use std::fmt;

/// One thing that is wrong, where it is, and what to do about it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// The place, with positions counted from 0, for example
    /// `voice_connector[0].termination.cidr_allowed_list[1]`.
    pub path: String,
    /// What is wrong there and what to do, for a person.
    pub message: String,
    /// The earlier place that it conflicts with, if it does with one.
    pub conflicts_with: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.conflicts_with {
            Some(first) => write!(f, " (first at {first})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
