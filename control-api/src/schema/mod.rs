//! The shapes of every operation's request and reply, as the service's model has them, and requests
//! held against them.
//!
//! `data/shapes.txt` is made from the model by `data/make.py`, which tells its form; `data/meetings.txt` is
//! that of chime-sdk-meetings, and `data/own.txt` has the operations that are Tandem's own. [`checked`] is
//! what every operation that is served begins with: it gives the members of path, query and body as
//! one JSON object that is of the operation's input shape, or an error that names what is wrong.

mod json;
pub mod openapi;
mod pattern;
mod shapes;
pub(crate) mod shown;
mod table;
#[cfg(test)]
mod tests;
mod timestamp;
mod validate;

use shapes::Schema;

use crate::error::{ApiError, ErrorKind};
use crate::operations::Operation;
use crate::router::Routed;
use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| table::parse(include_str!("../../data/shapes.txt")));

/// Those of Tandem's own operations.
static OWN: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| table::parse(include_str!("../../data/own.txt")));

/// Those of the service of meetings.
static MEETINGS: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| table::parse(include_str!("../../data/meetings.txt")));

/// The shapes of the model, read at the first use; `None` never happens: a test reads them.
fn schema() -> Option<&'static Schema> {
    SCHEMA.as_ref().ok()
}

/// The shapes that an operation is of.
fn schema_of(operation: &Operation) -> Option<&'static Schema> {
    match operation {
        own if own.is_own() => OWN.as_ref().ok(),
        of_meetings if of_meetings.is_of_meetings() => MEETINGS.as_ref().ok(),
        _ => schema(),
    }
}

/// Seconds since 1970 of a member that is a time.
pub(crate) fn seconds_of(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => timestamp::from_iso(text),
        value => value.as_f64().map(|seconds| seconds as i64),
    }
}

/// A request that is of its operation's shape.
#[derive(Clone, PartialEq, Debug)]
pub struct Checked {
    /// One object: the members of path, query and body by the model's names. What the model does not
    /// know and what is null is left out.
    pub input: Value,
    /// What the model does not know, such as `Origination.Colour`; bounded.
    pub ignored: Vec<String>,
}

/// The members of a request's path, query and body as one object, see [`Checked::input`].
///
/// Numbers, flags and texts are what the model says; whoever reads the object with serde's
/// `from_value` only has to name members as the model does.
///
/// # Errors
/// [`ErrorKind::BadRequest`] that names up to five members with what each must be; the values are
/// not repeated.
pub fn checked(routed: &Routed, body: &[u8]) -> Result<Value, ApiError> {
    check(routed, body).map(|checked| checked.input)
}

/// The same, and what was left out.
///
/// # Errors
/// As [`checked`].
pub fn check(routed: &Routed, body: &[u8]) -> Result<Checked, ApiError> {
    let Some(schema) = schema_of(routed.operation) else {
        return Err(ApiError::new(ErrorKind::ServiceFailure, "the API's shapes cannot be read"));
    };
    validate::request(schema, routed, body)
        .map_err(|message| ApiError::new(ErrorKind::BadRequest, message))
}
