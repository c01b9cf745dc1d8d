//! Authorization and Proxy-Authorization.

use std::borrow::Cow;
use std::fmt;

use super::algorithm::{Algorithm, HashFunction};
use super::digest::DigestInput;
use super::parameters::{Item, Items, plain, push_plain, push_quoted};
use crate::Malformed;

/// Digest credentials as a peer sent them, borrowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Who.
    pub username: Cow<'a, str>,
    /// For what.
    pub realm: Cow<'a, str>,
    /// The nonce of the challenge.
    pub nonce: Cow<'a, str>,
    /// The request URI as the sender had it.
    pub uri: Cow<'a, str>,
    /// The proof: hexadecimal digits.
    pub response: Cow<'a, str>,
    /// MD5 when none is named.
    pub algorithm: Algorithm,
    /// What the sender mixed in; without `qop` there is none.
    pub cnonce: Option<Cow<'a, str>>,
    /// As it was given.
    pub opaque: Option<Cow<'a, str>>,
    /// `Some(true)` for `auth-int`, `Some(false)` for `auth`, `None` for a sender of RFC 2069.
    pub integrity: Option<bool>,
    /// The nonce count, eight hexadecimal digits as sent.
    pub nonce_count: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// Reads one header value; `None` for a scheme other than Digest.
    ///
    /// # Errors
    /// When a parameter is missing, stands twice or is none that could be checked; the user name as
    /// a hash (RFC 7616 section 3.4.4) is one of these, for it is never offered.
    pub fn parse(text: &'a str) -> Result<Option<Credentials<'a>>, Malformed> {
        let mut items = Items::new("credentials", text);
        match items.next() {
            Some(Ok(Item::Scheme(scheme))) if scheme.eq_ignore_ascii_case("Digest") => {}
            Some(Err(fault)) => return Err(fault),
            _ => return Ok(None),
        }
        let mut fields: [Option<&'a str>; FIELDS.len()] = [None; FIELDS.len()];
        for item in items {
            let Item::Parameter(name, value) = item? else {
                return Err(wrong("two schemes in one header"));
            };
            let Some(index) = FIELDS.iter().position(|f| name.eq_ignore_ascii_case(f)) else {
                continue;
            };
            if fields[index].replace(value).is_some() {
                return Err(wrong("a parameter stands twice"));
            }
        }
        Credentials::from_fields(&fields).map(Some)
    }

    fn from_fields(fields: &[Option<&'a str>; FIELDS.len()]) -> Result<Self, Malformed> {
        let [username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, nc, hashed] =
            *fields;
        if hashed.is_some_and(|value| plain(value).eq_ignore_ascii_case("true")) {
            return Err(wrong("the user name is hashed"));
        }
        let needed = |value: Option<&'a str>| value.map(plain).ok_or(wrong("a part is missing"));
        let integrity = match qop.map(plain) {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(false),
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") => Some(true),
            Some(_) => return Err(wrong("qop is unknown")),
        };
        // Some quote the count, which RFC 7616 section 3.4 forbids.
        let nonce_count = nc.map(|nc| nc.trim_matches('"'));
        let countable = nonce_count
            .is_some_and(|nc| nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()));
        if integrity.is_some() && (!countable || cnonce.is_none()) {
            return Err(wrong("qop without cnonce or nonce count"));
        }
        Ok(Credentials {
            username: needed(username)?,
            realm: needed(realm)?,
            nonce: needed(nonce)?,
            uri: needed(uri)?,
            response: needed(response)?,
            algorithm: match algorithm.map(plain) {
                Some(token) => Algorithm::parse(&token).ok_or(wrong("algorithm is unknown"))?,
                None => Algorithm::plain(HashFunction::Md5),
            },
            cnonce: cnonce.map(plain),
            opaque: opaque.map(plain),
            integrity,
            nonce_count,
        })
    }

    /// The nonce count as a number.
    pub fn count(&self) -> Option<u32> {
        u32::from_str_radix(self.nonce_count?, 16).ok()
    }

    /// What the response was computed from, but for the password.
    pub(crate) fn input<'i>(&'i self, method: &'i str, body: &'i [u8]) -> DigestInput<'i> {
        DigestInput {
            algorithm: self.algorithm,
            username: &self.username,
            realm: &self.realm,
            nonce: &self.nonce,
            cnonce: self.cnonce.as_deref().unwrap_or_default(),
            nonce_count: self.nonce_count.unwrap_or_default(),
            integrity: self.integrity,
            method,
            uri: &self.uri,
            body,
        }
    }

    /// The header's value.
    pub fn to_value(&self) -> String {
        let mut out = String::with_capacity(320);
        out.push_str("Digest ");
        push_quoted(&mut out, "username", &self.username);
        push_quoted(&mut out, "realm", &self.realm);
        push_quoted(&mut out, "nonce", &self.nonce);
        push_quoted(&mut out, "uri", &self.uri);
        push_quoted(&mut out, "response", &self.response);
        push_plain(&mut out, "algorithm", self.algorithm.as_str());
        if let Some(cnonce) = &self.cnonce {
            push_quoted(&mut out, "cnonce", cnonce);
        }
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut out, "opaque", opaque);
        }
        if let Some(integrity) = self.integrity {
            push_plain(&mut out, "qop", if integrity { "auth-int" } else { "auth" });
        }
        if let Some(count) = self.nonce_count {
            push_plain(&mut out, "nc", count);
        }
        out
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The parameters that are read, in the order of [`Credentials::from_fields`].
const FIELDS: [&str; 11] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "cnonce",
    "opaque",
    "qop",
    "nc",
    "userhash",
];

const fn wrong(reason: &'static str) -> Malformed {
    Malformed::new("credentials", reason, 0)
}
