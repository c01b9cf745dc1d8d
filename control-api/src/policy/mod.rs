//! Policies of access keys: a subset of IAM's language, evaluated by its rule. What a policy says
//! nothing of is denied; an explicit Deny wins over every Allow.
//!
//! A policy that has anything beyond the subset is refused when it is written: it would mean
//! something else here than its author thinks.

mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use pattern::Pattern;
use std::fmt;

/// A policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// Why a text is not a policy here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyFault(pub(crate) String);

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyFault {}

/// What somebody is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    /// Such as `chime:GetVoiceConnector`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for what is about no one resource.
    pub resource: &'a str,
    /// The resource's tags.
    pub resource_tags: &'a [(String, String)],
    /// Tags that the request gives.
    pub request_tags: &'a [(String, String)],
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Statement {
    allows: bool,
    actions: Vec<Pattern>,
    resources: Vec<Pattern>,
    conditions: Vec<Condition>,
}

/// One of `values` fits the tag; a tag that is not there fits nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Condition {
    tag: TagOf,
    key: String,
    values: Vec<Pattern>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TagOf {
    Resource,
    Request,
}

impl Policy {
    /// Longest text of a policy, in octets: that of IAM's managed policies.
    pub const MAX_BYTES: usize = 6_144;

    /// Whether it allows what is asked.
    pub fn allows(&self, question: &Question<'_>) -> bool {
        let mut applying = self.statements.iter().filter(|each| each.applies(question)).peekable();
        applying.peek().is_some() && applying.all(|statement| statement.allows)
    }
}

impl Statement {
    fn applies(&self, question: &Question<'_>) -> bool {
        self.actions.iter().any(|action| action.fits(question.action))
            && self.resources.iter().any(|resource| resource.fits(question.resource))
            && self.conditions.iter().all(|condition| condition.holds(question))
    }
}

impl Condition {
    fn holds(&self, question: &Question<'_>) -> bool {
        let tags = match self.tag {
            TagOf::Resource => question.resource_tags,
            TagOf::Request => question.request_tags,
        };
        let tag = tags.iter().find(|(key, _)| *key == self.key);
        tag.is_some_and(|(_, value)| self.values.iter().any(|pattern| pattern.fits(value)))
    }
}
