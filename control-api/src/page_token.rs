//! Pagination: where a list goes on. A token is the last name that was given and a MAC over it, the
//! operation and its filters, so that nobody makes one up or carries it elsewhere.

use crate::encoding::{from_hex, hex};
use crate::error::{ApiError, ErrorKind};
use aws_lc_rs::hmac;

/// Longest token that is looked at, in characters.
const LONGEST: usize = 1_024;
/// Octets of the MAC that a token has.
const MAC_BYTES: usize = 16;

/// Makes and reads tokens.
pub(crate) struct PageTokens {
    key: hmac::Key,
}

impl PageTokens {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        PageTokens { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// A token of `list` (operation and filters) that goes on after `last`.
    pub(crate) fn write(&self, list: &str, last: &str) -> String {
        format!("{}{}", hex(&self.mac(list, last)), hex(last.as_bytes()))
    }

    /// The name that the list goes on after.
    pub(crate) fn read(&self, list: &str, token: &str) -> Result<String, ApiError> {
        let wrong = || {
            ApiError::new(ErrorKind::BadRequest, "NextToken is not one of this list; begin anew")
        };
        if token.len() > LONGEST {
            return Err(wrong());
        }
        let octets = from_hex(token).ok_or_else(wrong)?;
        let (mac, last) = octets.split_at_checked(MAC_BYTES).ok_or_else(wrong)?;
        let last = std::str::from_utf8(last).map_err(|_| wrong())?;
        let ours = self.mac(list, last);
        aws_lc_rs::constant_time::verify_slices_are_equal(mac, &ours).map_err(|_| wrong())?;
        Ok(last.to_owned())
    }

    fn mac(&self, list: &str, last: &str) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        // The length before it keeps list and name apart.
        context.update(&(list.len() as u64).to_be_bytes());
        context.update(list.as_bytes());
        context.update(last.as_bytes());
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&context.sign().as_ref()[..MAC_BYTES]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_good_for_its_list_alone(list in "[a-zA-Z&=]{1,20}", last in ".{0,40}") {
            let tokens = PageTokens::new(&[7; 32]);
            let token = tokens.write(&list, &last);
            prop_assert_eq!(tokens.read(&list, &token).unwrap(), last.clone());
            let other_list = format!("{list}x");
            prop_assert!(tokens.read(&other_list, &token).is_err());
            prop_assert!(PageTokens::new(&[8; 32]).read(&list, &token).is_err());
            for at in 0..token.len() {
                let mut other = token.clone().into_bytes();
                other[at] = if other[at] == b'0' { b'1' } else { b'0' };
                prop_assert!(tokens.read(&list, &String::from_utf8(other).unwrap()).is_err());
            }
        }

        #[test]
        fn whatever_comes_is_refused_at_worst(token in ".{0,200}") {
            prop_assert!(PageTokens::new(&[7; 32]).read("l", &token).is_err());
        }
    }
}
