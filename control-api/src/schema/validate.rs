//! Requests held against their shapes.

use super::shapes::{Kind, Member, Place, Schema, Shape};
use super::{Checked, json, timestamp};
use crate::router::Routed;
use regex_lite::Regex;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::LazyLock;

/// Faults that one answer names.
const FAULTS_MAX: usize = 5;
/// Members left out that are told.
const IGNORED_MAX: usize = 16;
/// Of a name that a client made up, in characters.
const NAME_MAX: usize = 64;

/// Shapes of which Tandem takes more than the model says, and what else: decision 0101.
///
/// - ARNs of phone numbers have a `+`.
/// - An application may be an address of HTTPS; which ones, its operations say.
static WIDER: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let wider = [("Arn", r"^arn[-/:_.a-zA-Z0-9+]+$"), ("FunctionArn", r"^https?://\S+$")];
    let compiled = wider.into_iter().map(|(name, text)| Some((name, Regex::new(text).ok()?)));
    compiled.flatten().collect()
});
/// The node's region may have any name: whether one is ours, the operations say.
const ANY_OF: &[&str] = &["VoiceConnectorAwsRegion"];

/// What is of the input's shape, or a message with what is not.
pub(super) fn request(schema: &Schema, routed: &Routed, body: &[u8]) -> Result<Checked, String> {
    let members = schema.input(routed.operation.name);
    let mut check = Check { schema, faults: Vec::new(), ignored: Vec::new() };
    let mut given = match members.iter().any(|member| member.place == Place::Body) {
        true => body_members(body)?,
        // What there is no place for is not read, as at AWS.
        false => Map::new(),
    };
    // A name of the path or the query has no place in the body.
    let mut in_body = Map::new();
    for member in members.iter().filter(|member| member.place == Place::Body) {
        if let Some(value) = given.remove(member.name) {
            in_body.insert(member.name.to_owned(), value);
        }
    }
    check.ignore(&Path::Root, given.keys());
    for member in members {
        let value = match member.place {
            Place::Body => continue,
            Place::Path(name) => routed.member(name).map(|text| vec![text]),
            Place::Query(name) => {
                let pairs = routed.query.iter().filter(|(each, _)| each == name);
                Some(pairs.map(|(_, value)| value.as_str()).collect())
            }
        };
        match check.read_texts(member, &value.unwrap_or_default()) {
            Some(value) => drop(in_body.insert(member.name.to_owned(), value)),
            None => continue,
        }
    }
    let input = check.structure(&Path::Root, members, in_body);
    match check.faults.is_empty() {
        true => Ok(Checked { input, ignored: check.ignored }),
        false => Err(check.faults.join("; ")),
    }
}

fn body_members(body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match json::parse(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("the body: must be a JSON object".to_owned()),
        Err(error) => Err(format!("the body: must be a JSON object; {error}")),
    }
}

/// Where a value is.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Member(Path::Root, name) => f.write_str(name),
            Path::Member(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

fn short(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

struct Check<'a> {
    schema: &'a Schema,
    faults: Vec<String>,
    ignored: Vec<String>,
}

impl Check<'_> {
    fn fault(&mut self, path: &Path<'_>, what: impl fmt::Display) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(format!("{path}: {what}"));
        }
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= FAULTS_MAX
    }

    fn ignore<'n>(&mut self, path: &Path<'_>, names: impl Iterator<Item = &'n String>) {
        let room = IGNORED_MAX.saturating_sub(self.ignored.len());
        let told = names.take(room).map(|name| Path::Member(path, &short(name)).to_string());
        self.ignored.extend(told);
    }

    /// A member of the path or the query.
    fn read_texts(&mut self, member: &Member, texts: &[&str]) -> Option<Value> {
        let path = Path::Member(&Path::Root, member.name);
        let shape = self.schema.shapes.get(member.shape)?;
        if let Kind::List(of) = shape.kind {
            let of = self.schema.shapes.get(of)?;
            let values = texts.iter().filter_map(|text| from_text(of, text));
            return (!texts.is_empty()).then(|| Value::Array(values.collect()));
        }
        match texts {
            [] => None,
            [text] => {
                let value = from_text(shape, text);
                // It is named as it stands in the model, wherever it came from.
                if value.is_none() {
                    self.fault(&path, kind_wanted(shape));
                }
                value
            }
            _ => {
                self.fault(&path, "must be given once");
                None
            }
        }
    }

    fn structure(
        &mut self,
        path: &Path<'_>,
        members: &[Member],
        given: Map<String, Value>,
    ) -> Value {
        let mut given = given;
        let mut kept = Map::new();
        for member in members {
            if self.is_full() {
                break;
            }
            let path = Path::Member(path, member.name);
            match given.remove(member.name).filter(|value| !value.is_null()) {
                Some(value) => {
                    let value = self.value(&path, member.shape, value);
                    kept.insert(member.name.to_owned(), value);
                }
                // A member of the query that is malformed was told already.
                None if member.is_required && !self.tells(&path) => {
                    self.fault(&path, "is required");
                }
                None => {}
            }
        }
        self.ignore(path, given.keys());
        Value::Object(kept)
    }

    fn tells(&self, path: &Path<'_>) -> bool {
        let begin = format!("{path}:");
        self.faults.iter().any(|fault| fault.starts_with(&begin))
    }

    /// The value without what its shape does not know; faults are kept.
    fn value(&mut self, path: &Path<'_>, name: &'static str, value: Value) -> Value {
        let Some(shape) = self.schema.shapes.get(name) else { return Value::Null };
        if self.is_full() {
            return Value::Null;
        }
        match (&shape.kind, value) {
            (Kind::Text, Value::String(text)) => {
                self.text(path, name, shape, &text);
                Value::String(text)
            }
            (Kind::Integer, Value::Number(number)) => match number.as_i64().map(i32::try_from) {
                Some(Ok(_)) => {
                    self.bounds(path, shape, number.as_i64(), "");
                    Value::Number(number)
                }
                Some(Err(_)) => self.wrong(path, shape),
                None => self.wrong(path, shape),
            },
            (Kind::Float, Value::Number(number)) => {
                self.fraction(path, shape, number.as_f64());
                Value::Number(number)
            }
            (Kind::Flag, value @ Value::Bool(_)) => value,
            (Kind::Timestamp, Value::String(text)) if timestamp::from_iso(&text).is_some() => {
                Value::String(text)
            }
            // Seconds since 1970.
            (Kind::Timestamp, value @ Value::Number(_)) => value,
            (Kind::List(of), Value::Array(items)) => {
                self.bounds(path, shape, i64::try_from(items.len()).ok(), " entries");
                let mut kept = Vec::with_capacity(items.len());
                for (at, item) in items.into_iter().enumerate() {
                    kept.push(self.value(&Path::Item(path, at), of, item));
                    if self.is_full() {
                        break;
                    }
                }
                Value::Array(kept)
            }
            (Kind::Map(key, of), Value::Object(entries)) => {
                self.bounds(path, shape, i64::try_from(entries.len()).ok(), " entries");
                self.entries(path, (key, of), entries)
            }
            (Kind::Structure(members), Value::Object(given)) => {
                self.structure(path, members, given)
            }
            _ => self.wrong(path, shape),
        }
    }

    fn entries(
        &mut self,
        path: &Path<'_>,
        (key, of): (&'static str, &'static str),
        entries: Map<String, Value>,
    ) -> Value {
        let mut kept = Map::new();
        // Keys may be secrets: an entry is told by its place among the names in their order.
        for (at, (name, value)) in entries.into_iter().enumerate() {
            if self.is_full() {
                break;
            }
            let path = Path::Item(path, at);
            if let Some(shape) = self.schema.shapes.get(key) {
                self.text(&path, key, shape, &name);
            }
            let value = self.value(&path, of, value);
            kept.insert(name, value);
        }
        Value::Object(kept)
    }

    fn wrong(&mut self, path: &Path<'_>, shape: &Shape) -> Value {
        self.fault(path, kind_wanted(shape));
        Value::Null
    }

    fn text(&mut self, path: &Path<'_>, name: &str, shape: &Shape, text: &str) {
        let long = i64::try_from(text.chars().count()).ok();
        self.bounds(path, shape, long, " characters");
        let is_open = ANY_OF.contains(&name);
        if !shape.one_of.is_empty() && !is_open && !shape.one_of.contains(&text) {
            self.fault(path, format_args!("must be one of {}", shape.one_of.join(", ")));
        }
        if let Some(pattern) = &shape.pattern
            && !pattern.fits(text)
            && !WIDER.iter().any(|(each, wider)| *each == name && wider.is_match(text))
        {
            self.fault(path, format_args!("must match {}", pattern.source()));
        }
    }

    fn bounds(&mut self, path: &Path<'_>, shape: &Shape, value: Option<i64>, unit: &str) {
        let value = value.unwrap_or(i64::MAX);
        let is_within =
            shape.min.is_none_or(|min| value >= min) && shape.max.is_none_or(|max| value <= max);
        if is_within {
            return;
        }
        let verb = if unit.is_empty() { "be" } else { "have" };
        match (shape.min, shape.max) {
            (Some(min), Some(max)) if min == max => {
                self.fault(path, format_args!("must {verb} {min}{unit}"));
            }
            (Some(min), Some(max)) => {
                let between = if unit.is_empty() { "between " } else { "" };
                let and = if unit.is_empty() { "and" } else { "to" };
                self.fault(path, format_args!("must {verb} {between}{min} {and} {max}{unit}"));
            }
            (Some(min), None) => self.fault(path, format_args!("must {verb} at least {min}{unit}")),
            (_, Some(max)) => self.fault(path, format_args!("must {verb} at most {max}{unit}")),
            (None, None) => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "bounds of the model are small")]
    fn fraction(&mut self, path: &Path<'_>, shape: &Shape, value: Option<f64>) {
        let (min, max) = (shape.min.map(|n| n as f64), shape.max.map(|n| n as f64));
        let is_within = value.is_some_and(|value| {
            min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
        });
        if !is_within {
            self.fault(path, "is out of its bounds");
        }
    }
}

/// A text of the path or the query as a value of its shape.
fn from_text(shape: &Shape, text: &str) -> Option<Value> {
    match shape.kind {
        Kind::Integer => text.parse::<i32>().ok().map(Value::from),
        Kind::Float => text.parse::<f64>().ok().map(Value::from),
        Kind::Flag => match text {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        Kind::Text | Kind::Timestamp => Some(text.into()),
        Kind::List(_) | Kind::Map(..) | Kind::Structure(_) => None,
    }
}

fn kind_wanted(shape: &Shape) -> &'static str {
    match shape.kind {
        Kind::Text => "must be a string",
        Kind::Integer => "must be an integer of 32 bits",
        Kind::Float => "must be a number",
        Kind::Flag => "must be true or false",
        Kind::Timestamp => "must be a time such as 2015-08-30T12:36:00Z, or seconds since 1970",
        Kind::List(_) => "must be a list",
        Kind::Map(..) | Kind::Structure(_) => "must be an object",
    }
}
