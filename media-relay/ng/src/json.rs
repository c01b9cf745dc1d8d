//! The same values as JSON, which rtpengine takes in place of bencode.

use crate::value::{Dictionary, MAX_DEPTH, MAX_VALUES, Malformed, Value};
use serde_json::Value as Json;

/// Reads one JSON value. Truth values become 1 and 0, null an empty text, other numbers than whole
/// ones their text. Depth and number of values are bounded as for bencode.
///
/// # Errors
/// [`Malformed`].
pub fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| Malformed {
        offset: error.column().min(bytes.len()),
        reason: "this is no JSON",
    })?;
    value_of(json, 0, &mut 0)
}

/// Writes a value as JSON; text that is not UTF-8 with its faulty octets replaced.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    // Writing into a Vec cannot fail.
    let _ = serde_json::to_writer(out, &json_of(value));
}

fn value_of(json: Json, depth: usize, values: &mut usize) -> Result<Value, Malformed> {
    let fault = |reason| Err(Malformed { offset: 0, reason });
    *values += 1;
    if depth >= MAX_DEPTH {
        return fault("it is nested too deeply");
    }
    if *values > MAX_VALUES {
        return fault("it has too many values");
    }
    Ok(match json {
        Json::Null => Value::from(""),
        Json::Bool(truth) => Value::Integer(i64::from(truth)),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::from(number.to_string()), Value::Integer)
        }
        Json::String(text) => Value::from(text),
        Json::Array(list) => Value::List(
            list.into_iter()
                .map(|entry| value_of(entry, depth + 1, values))
                .collect::<Result<_, _>>()?,
        ),
        Json::Object(entries) => {
            let mut dictionary = Dictionary::new();
            for (name, entry) in entries {
                dictionary.read(name.into_bytes(), value_of(entry, depth + 1, values)?);
            }
            Value::Dictionary(dictionary)
        }
    })
}

fn json_of(value: &Value) -> Json {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match value {
        Value::Text(octets) => Json::String(text(octets)),
        Value::Integer(number) => Json::from(*number),
        Value::List(list) => Json::Array(list.iter().map(json_of).collect()),
        Value::Dictionary(dictionary) => {
            Json::Object(dictionary.iter().map(|(name, v)| (text(name), json_of(v))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_in_json_and_in_bencode() {
        let bencode = b"d5:flagsl13:trust addresse5:limiti32e3:sdp5:v=0\r\ne";
        let json = br#"{"flags":["trust address"],"limit":32,"sdp":"v=0\r\n"}"#;
        let value = parse(json).unwrap();
        assert_eq!(crate::bencode::parse(bencode), Ok(value.clone()));
        let mut out = Vec::new();
        write(&value, &mut out);
        assert_eq!(out, json);
    }

    #[test]
    fn bounds_and_odd_values() {
        let nested = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(parse(nested.as_bytes()).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert!(parse(many.as_bytes()).is_err());
        let odd = parse(br#"[null,true,1.5,18446744073709551615]"#).unwrap();
        let texts = [Value::from(""), Value::Integer(1), Value::from("1.5")];
        assert_eq!(odd.list().unwrap()[..3], texts);
        assert!(parse(b"{").is_err() && parse(b"{}x").is_err());
    }
}
