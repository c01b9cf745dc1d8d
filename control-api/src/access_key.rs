//! Access keys: who may ask, and for what.

use crate::policy::Policy;
use std::fmt;
use zeroize::Zeroizing;

/// A key that requests are signed with.
#[derive(Clone)]
pub struct AccessKey {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: Zeroizing<String>,
    /// What its maker called it.
    pub name: String,
    /// What it may do; `None`: everything.
    pub policy: Option<Policy>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).field("name", &self.name).finish()
    }
}

/// Where keys are found.
pub trait KeySource {
    /// The key, if it is known now.
    ///
    /// # Errors
    /// When that cannot be said for the moment.
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault>;
}

/// Keys cannot be read; the source has logged why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySourceFault;

/// Both halves of a new key.
pub struct NewAccessKey {
    /// 20 characters of `[A-Z2-7]`, the first four `AKTD`: no key of AWS begins so.
    pub id: String,
    /// 40 characters of `[A-Za-z0-9+/]`.
    pub secret: Zeroizing<String>,
}

impl NewAccessKey {
    /// What a key's id begins with.
    pub const PREFIX: &str = "AKTD";

    /// Makes a key of random octets: 80 bits of id, 240 bits of secret.
    pub fn from_random(id: [u8; 10], secret: Zeroizing<[u8; 30]>) -> Self {
        let name: String = groups(&id, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").collect();
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = Zeroizing::new(String::with_capacity(40));
        text.extend(groups(&*secret, 6, digits));
        NewAccessKey { id: format!("{}{name}", Self::PREFIX), secret: text }
    }

    /// Whether a text looks like a key's id, so that it is worth a look.
    pub fn is_id(text: &str) -> bool {
        text.len() == 20 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    }
}

/// Octets in groups of `bits`, each as a digit; the octets have a whole number of groups.
fn groups<'a>(octets: &'a [u8], bits: usize, digits: &'a [u8]) -> impl Iterator<Item = char> + 'a {
    let bit =
        |at: usize| octets.get(at / 8).map_or(0, |octet| usize::from(octet >> (7 - at % 8) & 1));
    (0..octets.len() * 8 / bits).map(move |group| {
        let value = (0..bits).fold(0, |value, at| value << 1 | bit(group * bits + at));
        char::from(digits.get(value).copied().unwrap_or(b'A'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_random_octets() {
        let ones = NewAccessKey::from_random([0xff; 10], Zeroizing::new([0xff; 30]));
        assert_eq!((&*ones.id, &**ones.secret), ("AKTD7777777777777777", &*"/".repeat(40)));
        let secret: [u8; 30] = std::array::from_fn(|at| at as u8);
        let key = NewAccessKey::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], Zeroizing::new(secret));
        // RFC 4648's base32 and base64 of the same octets.
        assert_eq!(key.id, "AKTDAAAQEAYEAUDAOCAJ");
        assert_eq!(&**key.secret, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd");
        assert!(NewAccessKey::is_id(&key.id) && !NewAccessKey::is_id("AKTD' OR 1=1 --     "));
        assert!(
            !format!(
                "{:?}",
                AccessKey { id: key.id, secret: key.secret, name: "n".into(), policy: None }
            )
            .contains("AAECAw")
        );
    }
}
