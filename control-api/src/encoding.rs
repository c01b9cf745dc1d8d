//! Percent-encoding, hexadecimal digits, queries.

use std::fmt::Write as _;

/// Decodes `%XX`; a `%` without two digits stands for itself.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    let octets = text.as_bytes();
    let mut decoded = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let pair = octets.get(at + 1).zip(octets.get(at + 2));
        let value = pair.and_then(|(high, low)| Some(digit(*high)? << 4 | digit(*low)?));
        match value.filter(|_| *octet == b'%') {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*octet);
                at += 1;
            }
        }
    }
    decoded
}

/// Encodes everything but RFC 3986's unreserved characters and those of `safe`, in capitals.
pub(crate) fn percent_encode(octets: &[u8], safe: &[u8], out: &mut String) {
    for octet in octets {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(octet) || safe.contains(octet) {
            out.push(char::from(*octet));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

/// Name and value of each part of a query, still encoded.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// The same decoded; `None` for what is no UTF-8. A `+` stands for itself, as clients of AWS send it.
pub(crate) fn decoded_pairs(query: &str) -> Option<Vec<(String, String)>> {
    let decoded = |text| String::from_utf8(percent_decoded(text)).ok();
    query_pairs(query).map(|(name, value)| Some((decoded(name)?, decoded(value)?))).collect()
}

/// The fields of a form, where `+` is a space.
pub(crate) fn form_fields(body: &[u8]) -> Option<Vec<(String, String)>> {
    decoded_pairs(&std::str::from_utf8(body).ok()?.replace('+', "%20"))
}

/// The first value of a name.
pub(crate) fn value_of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
}

/// Octets as small hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(octets.len() * 2);
    for octet in octets {
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// The octets of small hexadecimal digits.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let small = |octet: &u8| !octet.is_ascii_uppercase();
    digits.bytes().all(|octet| small(&octet)).then_some(())?;
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_an_escape_stands_for_itself() {
        assert_eq!(percent_decoded("%2B1%zz%4"), b"+1%zz%4");
        assert_eq!(decoded_pairs("a=%ff"), None);
        assert_eq!(from_hex("0g"), None);
        assert_eq!(from_hex("AB"), None);
        assert_eq!(from_hex("abc"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(octets: Vec<u8>) {
            let mut text = String::new();
            percent_encode(&octets, b"/", &mut text);
            prop_assert_eq!(percent_decoded(&text), octets.clone());
            prop_assert_eq!(from_hex(&hex(&octets)), Some(octets));
        }
    }
}
