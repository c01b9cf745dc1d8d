//! JSON that means one thing: a name twice in an object, which readers take differently, and nesting
//! beyond every shape are refused.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Objects and lists within each other; no shape has half as many.
const DEPTH_MAX: usize = 24;
/// Of a name in a message, in characters.
const NAME_MAX: usize = 64;

/// Reads one document.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn parse(octets: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(octets);
    let value = Strict { depth: DEPTH_MAX }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn within<E: Error>(self) -> Result<Strict, E> {
        let depth = self.depth.checked_sub(1);
        depth.map(|depth| Strict { depth }).ok_or_else(|| {
            E::custom(format_args!("more than {DEPTH_MAX} objects and lists within each other"))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(within)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.contains_key(&name) {
                let name: String = name.chars().take(NAME_MAX).collect();
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            let value = entries.next_value_seed(within)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_mean_two_things_is_refused() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"a": 1, "\u0061": 2}"#).starts_with("\"a\" is there twice"));
        assert!(error(r#"{"x": [{"a": 1, "a": 1}]}"#).starts_with("\"a\" is there twice"));
        assert!(error("{} {}").contains("trailing"));
        assert!(error("").contains("EOF"));
        assert!(parse(b"\"\xff\"").is_err());
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(error(&nested(DEPTH_MAX + 1)).starts_with("more than 24"));
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_it_reads_serde_json_reads_too(text in "[\\[\\]{}:,\"a-c0-9.e \\\\untrlsf-]{0,40}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
