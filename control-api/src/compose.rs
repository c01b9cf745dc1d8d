//! From an operation and its members to a request: the other direction of [`route`](crate::route).

use crate::encoding::percent_encode;
use crate::operations::{Method, Operation, every};
use serde_json::{Map, Value};
use std::fmt;

/// A request without its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composed {
    /// Which operation it asks for.
    pub operation: &'static Operation,
    /// The path, percent-encoded.
    pub path: String,
    /// The query, percent-encoded, without `?`.
    pub query: String,
    /// The body: JSON, or nothing.
    pub body: Vec<u8>,
}

/// Why there is no such request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ComposeFault {
    /// The service has no operation of this name.
    UnknownOperation(String),
    /// The path needs this member.
    Missing(&'static str),
    /// This member of the path or the query is neither text, number, `true` nor `false`, or is a path
    /// that leads elsewhere.
    NotPlain(String),
}

/// Members of queries whose parameter is not the member's name in small letters with dashes.
const PARAMETERS: [(&str, &str); 3] = [
    ("ResourceARN", "arn"),
    ("SipMediaApplicationId", "sip-media-application"),
    ("IsCaller", "isCaller"),
];

/// Writes the request for `operation`, by its name, with `members` as the service's model names them:
/// those of the path go there, of an operation that reads the others into the query, of every other one
/// into the body. What is `null` is left out.
///
/// # Errors
/// [`ComposeFault`].
pub fn compose(operation: &str, members: &Map<String, Value>) -> Result<Composed, ComposeFault> {
    let found = every().find(|each| each.name == operation);
    let operation = found.ok_or_else(|| ComposeFault::UnknownOperation(operation.to_owned()))?;
    let mut rest: Vec<(&String, &Value)> =
        members.iter().filter(|(_, value)| !value.is_null()).collect();
    let path = path_of(operation, &mut rest)?;
    let mut query = operation.target.split_once('?').map_or("", |(_, query)| query).to_owned();
    let mut body = Vec::new();
    if operation.method == Method::Get {
        for (name, value) in rest {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&parameter(name));
            query.push('=');
            percent_encode(plain(name, value)?.as_bytes(), b"", &mut query);
        }
    } else if operation.method != Method::Delete {
        let members = rest.into_iter().map(|(name, value)| (name.clone(), value.clone()));
        body = Value::Object(members.collect()).to_string().into_bytes();
    }
    Ok(Composed { operation, path, query, body })
}

fn path_of(
    operation: &'static Operation,
    rest: &mut Vec<(&String, &Value)>,
) -> Result<String, ComposeFault> {
    let mut path = String::new();
    for shape in operation.path().split('/').skip(1) {
        path.push('/');
        let Some(name) = shape.strip_prefix('{').and_then(|shape| shape.strip_suffix('}')) else {
            path.push_str(shape);
            continue;
        };
        let at = rest.iter().position(|(each, _)| each.eq_ignore_ascii_case(name));
        let (name, value) = rest.swap_remove(at.ok_or(ComposeFault::Missing(name))?);
        let text = plain(name, value)?;
        if matches!(&*text, "" | "." | "..") {
            return Err(ComposeFault::NotPlain(name.clone()));
        }
        percent_encode(text.as_bytes(), b"", &mut path);
    }
    Ok(path)
}

fn plain(name: &str, value: &Value) -> Result<String, ComposeFault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(ComposeFault::NotPlain(name.to_owned()))
        }
    }
}

/// `MaxResults` is `max-results` in a query.
fn parameter(member: &str) -> String {
    if let Some((_, name)) = PARAMETERS.iter().find(|(each, _)| *each == member) {
        return (*name).to_owned();
    }
    let mut name = String::with_capacity(member.len() + 4);
    for (n, letter) in member.char_indices() {
        if letter.is_ascii_uppercase() && n > 0 {
            name.push('-');
        }
        let mut octets = [0; 4];
        let lower = letter.to_ascii_lowercase().encode_utf8(&mut octets);
        percent_encode(lower.as_bytes(), b"", &mut name);
    }
    name
}

impl fmt::Display for ComposeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComposeFault::UnknownOperation(name) => write!(
                f,
                "there is no operation {name:?}; docs/control-api.md has all of them, such as \
                 GetVoiceConnector"
            ),
            ComposeFault::Missing(name) => write!(f, "the member {name} is needed"),
            ComposeFault::NotPlain(name) => {
                write!(f, "the member {name} must be a text, a number, true or false")
            }
        }
    }
}

impl std::error::Error for ComposeFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, route};
    use serde_json::json;
    use std::net::{IpAddr, Ipv4Addr};

    fn composed(operation: &str, members: Value) -> Result<Composed, ComposeFault> {
        compose(operation, members.as_object().unwrap())
    }

    #[test]
    fn the_router_finds_every_operation_again() {
        for operation in every() {
            let named = operation.path().split('/').filter_map(|shape| shape.strip_prefix('{'));
            let members: Map<String, Value> = named
                .map(|name| {
                    let name = name.trim_end_matches('}');
                    let (first, others) = name.split_at(1);
                    (first.to_uppercase() + others, json!("+1/é "))
                })
                .collect();
            let wanted = members.len();
            let asked = compose(operation.name, &members).unwrap();
            let request = Request {
                method: operation.method.as_str(),
                path: &asked.path,
                query: &asked.query,
                headers: &[],
                body: &asked.body,
                source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            };
            let routed = route(&request).unwrap();
            assert_eq!(routed.operation.name, operation.name);
            assert_eq!(routed.members.len(), wanted);
            assert!(routed.members.iter().all(|(_, value)| value == "+1/é "), "{routed:?}");
        }
    }

    #[test]
    fn members_go_where_the_model_has_them() {
        let list = composed(
            "ListPhoneNumbers",
            json!({ "MaxResults": 5, "FilterName": "SipRuleId",
            "FilterValue": "a b", "Status": null }),
        );
        let list = list.unwrap();
        assert_eq!(
            (&*list.path, &*list.query, list.body.len()),
            ("/phone-numbers", "filter-name=SipRuleId&filter-value=a%20b&max-results=5", 0)
        );
        let search = composed("SearchAvailablePhoneNumbers", json!({ "TollFreePrefix": "800" }));
        assert_eq!(search.unwrap().query, "type=phone-numbers&toll-free-prefix=800");
        let rules = composed("ListSipRules", json!({ "SipMediaApplicationId": "x" })).unwrap();
        assert_eq!(rules.query, "sip-media-application=x");
        let tags = composed("ListTagsForResource", json!({ "ResourceARN": "arn:aws:x" })).unwrap();
        assert_eq!(tags.query, "arn=arn%3Aaws%3Ax");
        let put = composed(
            "PutVoiceConnectorTerminationCredentials",
            json!({ "VoiceConnectorId": "abc", "Credentials": [] }),
        )
        .unwrap();
        assert_eq!(
            (&*put.path, &*put.query, &*put.body),
            (
                "/voice-connectors/abc/termination/credentials",
                "operation=put",
                br#"{"Credentials":[]}"#.as_slice()
            )
        );
        let gone = composed("DeletePhoneNumber", json!({ "PhoneNumberId": "+1206" })).unwrap();
        assert_eq!((&*gone.path, gone.body.len()), ("/phone-numbers/%2B1206", 0));
    }

    #[test]
    fn what_is_no_request_is_told() {
        let refused = |operation, members| composed(operation, members).unwrap_err();
        assert_eq!(
            refused("GetVoice", json!({})),
            ComposeFault::UnknownOperation("GetVoice".into())
        );
        assert_eq!(
            refused("GetVoiceConnector", json!({})),
            ComposeFault::Missing("voiceConnectorId")
        );
        for id in [json!(""), json!(".."), json!(["a"]), json!({})] {
            assert!(matches!(
                refused("GetVoiceConnector", json!({ "VoiceConnectorId": id })),
                ComposeFault::NotPlain(_)
            ));
        }
        assert!(composed("ListVoiceConnectors", json!({ "MaxResults": [1] })).is_err());
    }
}
