//! base64url without padding (RFC 7515 section 2).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn push_encoded(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..=chunk.len() {
            let index = group >> (18 - 6 * position) & 63;
            out.push(char::from(ALPHABET[index as usize]));
        }
    }
}

/// `None` for any other character, padding, a length that no encoding has, or bits that an encoder
/// leaves zero: every value has one encoding only.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            group = group << 6 | value(*byte)?;
        }
        let (bytes, spare) = match chunk.len() {
            4 => (3, 0),
            3 => (2, 2),
            2 => (1, 4),
            _ => return None,
        };
        if group & ((1 << spare) - 1) != 0 {
            return None;
        }
        let group = group >> spare;
        out.extend((0..bytes).rev().map(|position| (group >> (8 * position)) as u8));
    }
    Some(out)
}

fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_4648_section_10_without_padding() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            push_encoded(&mut out, plain.as_bytes());
            assert_eq!(out, text);
            assert_eq!(decoded(text).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        for bad in ["Z", "Zg=", "Zg==", "Zh", "Zm9", "a+b/", "a b", "Zm9v\n", "é"] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut text = String::new();
            push_encoded(&mut text, &bytes);
            prop_assert_eq!(decoded(&text), Some(bytes));
        }

        #[test]
        fn a_text_has_one_meaning(text in "[A-Za-z0-9_-]{0,40}") {
            if let Some(bytes) = decoded(&text) {
                let mut again = String::new();
                push_encoded(&mut again, &bytes);
                prop_assert_eq!(again, text);
            }
        }
    }
}
