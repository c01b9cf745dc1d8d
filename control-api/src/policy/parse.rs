//! From JSON to a policy.

use super::{Condition, Pattern, Policy, PolicyFault, Statement, TagOf};
use crate::operations::every;
use serde_json::{Map, Value};

const VERSION: &str = "2012-10-17";
const STATEMENTS_MAX: usize = 64;

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing that is wrong or not of the subset, and where.
    pub fn parse(text: &str) -> Result<Policy, PolicyFault> {
        if text.len() > Self::MAX_BYTES {
            let most = Self::MAX_BYTES;
            return Err(PolicyFault(format!("it is longer than {most} octets")));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| PolicyFault(format!("no JSON: {error}")))?;
        read(&value).map_err(PolicyFault)
    }
}

fn read(value: &Value) -> Result<Policy, String> {
    let policy = object(value, "a policy")?;
    known(policy, &["Version", "Id", "Statement"], "a policy")?;
    match policy.get("Version").and_then(Value::as_str) {
        Some(VERSION) => {}
        _ => return Err(format!("Version must be \"{VERSION}\"")),
    }
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return Err("Statement is missing".to_owned()),
    };
    if statements.is_empty() || statements.len() > STATEMENTS_MAX {
        return Err(format!("Statement must have 1 to {STATEMENTS_MAX} statements"));
    }
    let read = |(n, value): (usize, &Value)| {
        statement(value).map_err(|error| format!("statement {}: {error}", n + 1))
    };
    Ok(Policy { statements: statements.iter().enumerate().map(read).collect::<Result<_, _>>()? })
}

fn statement(value: &Value) -> Result<Statement, String> {
    let statement = object(value, "a statement")?;
    let elements = ["Sid", "Effect", "Action", "Resource", "Condition"];
    known(statement, &elements, "a statement")?;
    let allows = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Effect must be \"Allow\" or \"Deny\"".to_owned()),
    };
    let actions = texts(statement, "Action")?;
    for action in &actions {
        check_action(action)?;
    }
    let resources = texts(statement, "Resource")?;
    for resource in &resources {
        if *resource != "*" && !resource.starts_with("arn:") {
            return Err(format!("Resource: {resource:?} is no ARN and not \"*\""));
        }
        no_variable(resource)?;
    }
    Ok(Statement {
        allows,
        actions: actions.into_iter().map(Pattern::like_in_any_case).collect(),
        resources: resources.into_iter().map(Pattern::like).collect(),
        conditions: statement.get("Condition").map_or(Ok(Vec::new()), conditions)?,
    })
}

/// An action that fits no operation is a slip of the pen.
fn check_action(action: &str) -> Result<(), String> {
    no_variable(action)?;
    let pattern = Pattern::like_in_any_case(action);
    let mut actions = every().map(|each| format!("{}:{}", each.service(), each.name));
    if pattern.fits("sts:GetCallerIdentity") || actions.any(|each| pattern.fits(&each)) {
        return Ok(());
    }
    Err(format!(
        "Action: {action:?} fits no operation; write \"*\", \"chime:*\" or names such as \
         \"chime:GetVoiceConnector\", or \"tandem:CreatePortingOrder\" of Tandem's own"
    ))
}

fn conditions(value: &Value) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (operator, keys) in object(value, "Condition")? {
        let pattern = match operator.as_str() {
            "StringEquals" => Pattern::exact,
            "StringLike" => Pattern::like,
            other => {
                return Err(format!(
                    "Condition: {other:?} is not known here; use \"StringEquals\" or \"StringLike\""
                ));
            }
        };
        let keys = object(keys, operator)?;
        for name in keys.keys() {
            let (tag, key) = tag_key(name)?;
            let values = texts(keys, name)?;
            values.iter().try_for_each(|value| no_variable(value))?;
            let values = values.into_iter().map(pattern).collect();
            conditions.push(Condition { tag, key, values });
        }
    }
    Ok(conditions)
}

fn tag_key(name: &str) -> Result<(TagOf, String), String> {
    let (prefix, key) = name.split_once('/').unwrap_or((name, ""));
    let tag = if prefix.eq_ignore_ascii_case("aws:ResourceTag") {
        TagOf::Resource
    } else if prefix.eq_ignore_ascii_case("aws:RequestTag") {
        TagOf::Request
    } else {
        return Err(format!(
            "Condition: {name:?} is not known here; use \"aws:ResourceTag/KEY\" or \
             \"aws:RequestTag/KEY\""
        ));
    };
    if key.is_empty() {
        return Err(format!("Condition: {name:?} names no tag"));
    }
    Ok((tag, key.to_owned()))
}

fn no_variable(text: &str) -> Result<(), String> {
    match text.contains("${") {
        true => Err(format!("{text:?}: policy variables are not known here")),
        false => Ok(()),
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} must be an object {{ … }}"))
}

fn known(object: &Map<String, Value>, names: &[&str], what: &str) -> Result<(), String> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{what} has {key:?}, which is not known here")),
        None => Ok(()),
    }
}

/// A text or a list of texts, not empty.
fn texts<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a str>, String> {
    let wrong = || format!("{name} must be a text or a list of texts");
    let values = match object.get(name) {
        Some(Value::Array(values)) => values.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return Err(format!("{name} is missing")),
    };
    if values.is_empty() {
        return Err(wrong());
    }
    values.iter().map(|value| value.as_str().ok_or_else(wrong)).collect()
}
