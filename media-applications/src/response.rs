//! What an application answers.

use crate::action::{self, Legs, Planned};
use serde_json::{Map, Value};

/// Octets of a response; more is refused unread.
pub const MAX_RESPONSE_BYTES: usize = 65_536;
/// Actions of a response.
const MOST_ACTIONS: usize = 10;
/// Pairs of `TransactionAttributes`.
const MOST_ATTRIBUTES: usize = 100;
/// Octets of `TransactionAttributes` in JSON.
const MOST_ATTRIBUTE_BYTES: usize = 20_480;

/// A response that can be understood; its single actions may be wrong.
pub(crate) struct Response {
    /// `None` leaves the actions as they are.
    pub(crate) actions: Option<Vec<Planned>>,
    /// `None` leaves the attributes as they are.
    pub(crate) attributes: Option<Map<String, Value>>,
}

/// Reads a response. A function of AWS Lambda that returns nothing answers `null`.
///
/// # Errors
/// What is wrong with it as a whole, in words.
pub(crate) fn read(body: &[u8], legs: &Legs) -> Result<Response, String> {
    if body.len() > MAX_RESPONSE_BYTES {
        return Err(format!("the response has more than {MAX_RESPONSE_BYTES} octets"));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the response is no JSON: {error}"))?;
    let Value::Object(mut fields) = value else {
        return if value.is_null() {
            Ok(Response { actions: None, attributes: None })
        } else {
            Err("the response is no JSON object".to_owned())
        };
    };
    match fields.get("SchemaVersion") {
        Some(Value::String(version)) if version == "1.0" => {}
        Some(_) => return Err("SchemaVersion is to be \"1.0\"".to_owned()),
        None => return Err("SchemaVersion is missing; write \"1.0\"".to_owned()),
    }
    let attributes = attributes(fields.remove("TransactionAttributes"))?;
    let actions = match fields.remove("Actions") {
        None | Some(Value::Null) => None,
        Some(Value::Array(list)) => Some(read_actions(list, legs)?),
        Some(_) => return Err("Actions is to be a list".to_owned()),
    };
    Ok(Response { actions, attributes })
}

fn attributes(value: Option<Value>) -> Result<Option<Map<String, Value>>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => {
            if map.len() > MOST_ATTRIBUTES {
                return Err(format!("TransactionAttributes has more than {MOST_ATTRIBUTES} pairs"));
            }
            let length = serde_json::to_string(&map).map_or(usize::MAX, |text| text.len());
            if length > MOST_ATTRIBUTE_BYTES {
                let most = MOST_ATTRIBUTE_BYTES;
                return Err(format!("TransactionAttributes has more than {most} octets"));
            }
            Ok(Some(map))
        }
        Some(_) => Err("TransactionAttributes is to be an object".to_owned()),
    }
}

fn read_actions(list: Vec<Value>, legs: &Legs) -> Result<Vec<Planned>, String> {
    if list.len() > MOST_ACTIONS {
        let count = list.len();
        return Err(format!("Actions has {count} actions; {MOST_ACTIONS} are the most"));
    }
    let numbered = list.into_iter().enumerate();
    numbered.map(|(index, value)| action::read(index, value, legs)).collect()
}
