//! The shapes as an OpenAPI document, for generators of clients and of tests.

use super::shapes::{Kind, Member, Place, Schema, Shape};
use super::{schema_of, validate};
use crate::error::ErrorKind;
use crate::operations::{MEETING_OPERATIONS, OPERATIONS, OWN_OPERATIONS, Operation};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document (OpenAPI 3.0.3) of all operations: those of chime-sdk-voice, of chime-sdk-meetings and
/// Tandem's own, also of those that are refused: docs/control-api.md has which ones work.
///
/// Operations on one path that a parameter of the query tells apart have it behind a `#`, since paths
/// of OpenAPI have no query; the parameter is required and has one value. Shapes of chime-sdk-meetings
/// and of Tandem's own are named after where they are from, since the services share names.
pub fn document(version: &str) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut shapes: BTreeMap<String, Value> = BTreeMap::new();
    for (prefix, listed) in BOOKS {
        let Some(schema) = listed.first().and_then(schema_of) else { return Value::Null };
        let book = Book { schema, prefix };
        for operation in listed {
            let path = match operation.selector() {
                Some((name, value)) => format!("{}#{name}={value}", operation.path()),
                None => operation.path().to_owned(),
            };
            let method = operation.method.as_str().to_ascii_lowercase();
            paths.entry(path).or_default().insert(method, book.operation(operation));
        }
        let named = schema.shapes.iter();
        shapes.extend(named.map(|(name, shape)| (book.name(name), book.json_schema(name, shape))));
    }
    let mut components = json!({
        "schemas": shapes,
        "securitySchemes": { "sigv4": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "AWS signature version 4 for the service chime, in any region",
        } },
    });
    components["schemas"]["Refusal"] = json!({
        "type": "object",
        "required": ["Code", "Message"],
        "properties": { "Code": { "type": "string" }, "Message": { "type": "string" } },
    });
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Tandem's control API (chime-sdk-voice 2022-08-03, chime-sdk-meetings \
                      2021-07-15, and Tandem's own)",
            "version": version,
        },
        "security": [{ "sigv4": [] }],
        "paths": paths,
        "components": components,
    })
}

/// What the names of a service's shapes begin with, and its operations.
const BOOKS: [(&str, &[Operation]); 3] =
    [("", OPERATIONS), ("Meetings.", MEETING_OPERATIONS), ("Tandem.", OWN_OPERATIONS)];

/// The shapes of one service, and what their names begin with.
#[derive(Clone, Copy)]
struct Book {
    schema: &'static Schema,
    prefix: &'static str,
}

/// What is said before an operation is asked, whatever its model says.
const DOOR: [ErrorKind; 10] = [
    ErrorKind::BadRequest,
    ErrorKind::IncompleteSignature,
    ErrorKind::MissingAuthenticationToken,
    ErrorKind::InvalidSignature,
    ErrorKind::UnrecognizedClient,
    ErrorKind::AccessDenied,
    ErrorKind::UnknownOperation,
    ErrorKind::RequestTooLarge,
    ErrorKind::ThrottledClient,
    ErrorKind::ServiceUnavailable,
];

/// What an operation says beside what its model names.
const ALSO: [(&str, ErrorKind); 3] = [
    ("DeleteVoiceConnectorOrigination", ErrorKind::Conflict),
    ("DeleteVoiceConnectorTermination", ErrorKind::Conflict),
    ("ValidateE911Address", ErrorKind::UnprocessableEntity),
];

impl Book {
    fn name(self, shape: &str) -> String {
        format!("{}{shape}", self.prefix)
    }

    fn reference(self, shape: &str) -> Value {
        reference(&self.name(shape))
    }

    fn operation(self, operation: &Operation) -> Value {
        let members = self.schema.input(operation.name);
        let mut parameters: Vec<Value> =
            members.iter().filter_map(|member| self.parameter(member)).collect();
        if let Some((name, value)) = operation.selector() {
            parameters.push(json!({
                "name": name,
                "in": "query",
                "required": true,
                "schema": { "type": "string", "enum": [value] },
            }));
        }
        let mut written = json!({
            "operationId": operation.name,
            "parameters": parameters,
            "responses": self.responses(operation),
        });
        let body: Vec<&Member> =
            members.iter().filter(|member| member.place == Place::Body).collect();
        if !body.is_empty() {
            written["requestBody"] = json!({
                "required": body.iter().any(|member| member.is_required),
                "content": { "application/json": { "schema": self.structure(&body) } },
            });
        }
        written
    }

    fn parameter(self, member: &Member) -> Option<Value> {
        let (place, name, is_required) = match member.place {
            Place::Body => return None,
            Place::Path(name) => ("path", name, true),
            Place::Query(name) => ("query", name, member.is_required),
        };
        Some(json!({
            "name": name,
            "in": place,
            "required": is_required,
            "schema": self.reference(member.shape),
        }))
    }

    /// Those of one status are one.
    fn responses(self, operation: &Operation) -> Value {
        let output = self.schema.operations.get(operation.name).and_then(|ends| ends.output);
        let mut success = json!({ "description": "done" });
        if let Some(output) = output {
            let schema = self.reference(output);
            success["content"] = json!({ "application/json": { "schema": schema } });
        }
        let mut responses = Map::new();
        responses.insert(operation.status.to_string(), success);
        let mut refusals: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        let refused_with = operation.refusal().map(|(kind, _)| kind);
        let is_said = |kind: &&ErrorKind| {
            operation.declares(**kind)
                || DOOR.contains(*kind)
                || ALSO.contains(&(operation.name, **kind))
                || refused_with == Some(**kind)
        };
        for kind in ErrorKind::ALL.iter().filter(is_said) {
            let exception = match operation.is_of_meetings() {
                true => kind.exception_of_meetings(),
                false => kind.exception(),
            };
            let of_status = refusals.entry(kind.status()).or_default();
            if !of_status.contains(&exception) {
                of_status.push(exception);
            }
        }
        for (status, exceptions) in refusals {
            let refusal = json!({
                "description": exceptions.join(", "),
                "headers": { "x-amzn-ErrorType": { "schema": { "type": "string" } } },
                "content": { "application/json": { "schema": reference("Refusal") } },
            });
            responses.insert(status.to_string(), refusal);
        }
        // Nothing was read of it, so that nothing is said of it.
        responses.insert("431".to_owned(), json!({ "description": "a head over 32 KiB; no body" }));
        Value::Object(responses)
    }

    fn structure(self, members: &[&Member]) -> Value {
        let properties: BTreeMap<_, _> =
            members.iter().map(|member| (member.name, self.reference(member.shape))).collect();
        let required: Vec<_> =
            members.iter().filter(|member| member.is_required).map(|member| member.name).collect();
        let mut written = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            written["required"] = required.into();
        }
        written
    }

    fn json_schema(self, name: &str, shape: &Shape) -> Value {
        let (mut written, least, most) = match &shape.kind {
            Kind::Text => (text(name, shape), "minLength", "maxLength"),
            Kind::Integer => {
                (json!({ "type": "integer", "format": "int32" }), "minimum", "maximum")
            }
            Kind::Float => (json!({ "type": "number" }), "minimum", "maximum"),
            Kind::Flag => (json!({ "type": "boolean" }), "", ""),
            Kind::Timestamp => (json!({ "type": "string", "format": "date-time" }), "", ""),
            Kind::List(of) => {
                let written = json!({ "type": "array", "items": self.reference(of) });
                (written, "minItems", "maxItems")
            }
            Kind::Map(_, of) => {
                let of = self.reference(of);
                let written = json!({ "type": "object", "additionalProperties": of });
                (written, "minProperties", "maxProperties")
            }
            Kind::Structure(members) => {
                (self.structure(&members.iter().collect::<Vec<_>>()), "", "")
            }
        };
        for (key, bound) in [(least, shape.min), (most, shape.max)] {
            if let Some(bound) = bound {
                written[key] = bound.into();
            }
        }
        if name == "ListTagsForResourceResponse" {
            // Clients expect an empty list, where the model would have at least one tag.
            written["properties"]["Tags"] =
                json!({ "type": "array", "items": self.reference("Tag"), "maxItems": 50 });
        }
        written
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What is wider than the model is so here too.
fn text(name: &str, shape: &Shape) -> Value {
    let mut written = json!({ "type": "string" });
    if !shape.one_of.is_empty() && !validate::is_open(name) {
        written["enum"] = json!(shape.one_of);
    }
    if let Some(pattern) = &shape.pattern {
        let model = format!("^(?:{})$", pattern.source());
        written["pattern"] = match validate::wider(name) {
            Some(wider) => format!("{model}|{wider}").into(),
            None => model.into(),
        };
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::every;

    /// Every `$ref` below a value.
    fn references<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match value {
                Value::String(to) if name == "$ref" => out.push(to),
                value => references(value, out),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, out)),
            _ => {}
        }
    }

    #[test]
    fn the_document_has_every_operation_and_everything_that_it_refers_to() {
        let document = document("1.2.3");
        let paths = document["paths"].as_object().unwrap();
        let ids: Vec<&str> = paths
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), every().count());
        assert!(every().all(|operation| ids.contains(&operation.name)));
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 500);
        for to in found {
            let at = to.strip_prefix('#').unwrap();
            assert!(document.pointer(at).is_some(), "{to}");
        }
        let put = &document["paths"]["/voice-connectors/{voiceConnectorId}/origination"]["put"];
        assert_eq!(put["parameters"][0]["in"], "path");
        assert_eq!(put["requestBody"]["required"], true);
        assert!(put["responses"]["404"]["description"].as_str().unwrap().contains("NotFound"));
        let shapes = &document["components"]["schemas"];
        assert_eq!(shapes["Port"]["maximum"], 65_535);
        assert_eq!(shapes["TagList"]["maxItems"], 50);
        assert!(shapes["VoiceConnectorAwsRegion"].get("enum").is_none());
        assert!(shapes["Arn"]["pattern"].as_str().unwrap().contains("9+]"));
        // The model's own is no pattern in any dialect.
        assert_eq!(shapes["ClientRequestId"]["pattern"], "^(?:^[-_a-zA-Z0-9]*$)$");
        // The services share names: each shape is that of its own.
        let room = &document["paths"]["/tandem/rooms/{roomId}"]["get"];
        let told = &room["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(told["$ref"], "#/components/schemas/Tandem.RoomResponse");
        assert_eq!(shapes["Tandem.GuidString"]["type"], "string");
        let meeting = &document["paths"]["/meetings/{MeetingId}"]["get"];
        assert_eq!(
            meeting["parameters"][0]["schema"]["$ref"],
            "#/components/schemas/Meetings.GuidString"
        );
        assert!(meeting["responses"]["429"]["description"] == "ThrottlingException");
        let told = &shapes["ListTagsForResourceResponse"]["properties"]["Tags"];
        assert_eq!(told.get("minItems"), None);
        assert_eq!(shapes["TagList"]["minItems"], 1);
    }

    #[test]
    fn every_operation_has_what_is_said_before_it_is_asked() {
        let document = document("1.2.3");
        let paths = document["paths"].as_object().unwrap();
        for operation in paths.values().flat_map(|path| path.as_object().unwrap().values()) {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "403", "404", "413", "429", "431", "503"] {
                assert!(responses.contains_key(status), "{operation} {status}");
            }
            let told = responses["403"]["description"].as_str().unwrap();
            assert!(told.contains("InvalidSignatureException"), "{told}");
        }
        let delete =
            &document["paths"]["/voice-connectors/{voiceConnectorId}/origination"]["delete"];
        assert_eq!(delete["responses"]["409"]["description"], "ConflictException");
    }
}
