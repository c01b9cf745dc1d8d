//! Ids of what a document speaks of.

/// RFC 4648 section 4.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A UUID as ids are written (RFC 7865 section 6.10): its 16 octets in base64, 24 characters.
pub fn id_of(uuid: u128) -> Box<str> {
    let mut text = String::with_capacity(24);
    for chunk in uuid.to_be_bytes().chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, octet| word << 8 | u32::from(*octet));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS.get((word >> (18 - 6 * place) & 63) as usize);
            text.push(match digit {
                Some(digit) if place <= chunk.len() => char::from(*digit),
                _ => '=',
            });
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_in_base64() {
        assert_eq!(&*id_of(0), "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(&*id_of(u128::MAX), "/////////////////////w==");
        // "0123456789abcdef" as RFC 4648 has it.
        let octets = u128::from_be_bytes(*b"0123456789abcdef");
        assert_eq!(&*id_of(octets), "MDEyMzQ1Njc4OWFiY2RlZg==");
    }
}
