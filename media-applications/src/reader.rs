//! JSON of an application, read field by field, with the place of each in what is wrong.

use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// What is wrong with an action, as `ActionData` names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ActionError {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

pub(crate) const INVALID: &str = "InvalidActionParameter";
pub(crate) const MISSING: &str = "MissingRequiredActionParameter";
pub(crate) const UNSUPPORTED: &str = "UnsupportedAction";
pub(crate) const AUDIO: &str = "InvalidAudioSource";
pub(crate) const SYSTEM: &str = "SystemException";

impl ActionError {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        ActionError { kind, message: message.into() }
    }
}

/// An object and its place, for example `Actions[2].Parameters`.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) fields: &'a Map<String, Value>,
    pub(crate) place: Place<'a>,
}

/// Where something stands in a response.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The action of this position, and its parameters.
    Parameters(usize),
    /// A field.
    Field(&'a Place<'a>, &'a str),
    /// A field's list, and the position in it.
    Item(&'a Place<'a>, &'a str, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Parameters(index) => write!(f, "Actions[{index}].Parameters"),
            Place::Field(of, name) => write!(f, "{of}.{name}"),
            Place::Item(of, name, index) => write!(f, "{of}.{name}[{index}]"),
        }
    }
}

/// Milliseconds of a pause or timer at most: a day.
const MOST_MILLIS: u64 = 86_400_000;

impl<'a> Object<'a> {
    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn invalid(&self, name: &str, why: impl fmt::Display) -> ActionError {
        ActionError::new(INVALID, format!("{}.{name}: {why}", self.place))
    }

    pub(crate) fn missing(&self, name: &str) -> ActionError {
        ActionError::new(MISSING, format!("{}.{name} is missing", self.place))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ActionError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.invalid(name, "is to be a text"))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&'a str, ActionError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number, also one in quotes, as the service's own examples write them.
    pub(crate) fn number(
        &self,
        name: &str,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ActionError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        let number = number.filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            self.invalid(name, format_args!("is to be a whole number, {least} to {most}"))
        })
    }

    pub(crate) fn millis(&self, name: &str) -> Result<Option<Duration>, ActionError> {
        Ok(self.number(name, 1..=MOST_MILLIS)?.map(Duration::from_millis))
    }

    pub(crate) fn required_millis(&self, name: &str) -> Result<Duration, ActionError> {
        self.millis(name)?.ok_or_else(|| self.missing(name))
    }

    /// Gives an object inside to `read`.
    pub(crate) fn within<T>(
        &self,
        name: &str,
        read: impl FnOnce(Object<'_>) -> Result<T, ActionError>,
    ) -> Result<Option<T>, ActionError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let fields = value.as_object().ok_or_else(|| self.invalid(name, "is to be an object"))?;
        read(Object { fields, place: Place::Field(&self.place, name) }).map(Some)
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, ActionError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| self.invalid(name, "is to be a list"))?;
        Ok(Some(list))
    }
}
