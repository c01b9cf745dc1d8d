//! WWW-Authenticate and Proxy-Authenticate.

use std::fmt;

use super::algorithm::{Algorithm, HashFunction};
use super::parameters::{Item, Items, plain, push_plain, push_quoted};
use crate::Malformed;
use crate::message::{HeaderName, Message};

/// Who asks for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChallengedBy {
    /// A user agent server or a registrar: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl ChallengedBy {
    /// The header that asks.
    pub const fn challenge_header(self) -> HeaderName {
        match self {
            ChallengedBy::Server => HeaderName::WwwAuthenticate,
            ChallengedBy::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header that answers.
    pub const fn credentials_header(self) -> HeaderName {
        match self {
            ChallengedBy::Server => HeaderName::Authorization,
            ChallengedBy::Proxy => HeaderName::ProxyAuthorization,
        }
    }

    /// The status of the response that asks.
    pub const fn status(self) -> u16 {
        match self {
            ChallengedBy::Server => 401,
            ChallengedBy::Proxy => 407,
        }
    }
}

/// The qualities of protection that a challenge offers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Qop {
    /// `auth`: method and URI are protected.
    pub auth: bool,
    /// `auth-int`: the body as well.
    pub auth_int: bool,
}

impl Qop {
    /// Whether the challenge names none: it comes from a peer of RFC 2069.
    pub const fn is_absent(self) -> bool {
        !self.auth && !self.auth_int
    }

    /// Reads the list; `None` when nothing in it is known.
    fn parse(list: &str) -> Option<Self> {
        let mut qop = Qop::default();
        for token in list.split(',').map(str::trim) {
            qop.auth |= token.eq_ignore_ascii_case("auth");
            qop.auth_int |= token.eq_ignore_ascii_case("auth-int");
        }
        (!qop.is_absent()).then_some(qop)
    }
}

/// A digest challenge that can be answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What the credentials are for.
    pub realm: String,
    /// To be mixed into the response.
    pub nonce: String,
    /// To be given back unchanged.
    pub opaque: Option<String>,
    /// MD5 when the challenge names none.
    pub algorithm: Algorithm,
    /// What may be protected.
    pub qop: Qop,
    /// The credentials were right, and only the nonce was too old.
    pub stale: bool,
}

/// Challenges read from one message; real ones have one or two.
const MOST: usize = 8;

impl Challenge {
    /// The digest challenges of one header line in their order. Those of other schemes, with an
    /// unknown algorithm or an unknown quality of protection are left out, as are parameters that
    /// RFC 7616 does not name.
    ///
    /// # Errors
    /// When the line is not a list of challenges.
    pub fn parse_line(text: &str) -> Result<Vec<Challenge>, Malformed> {
        let mut found = Vec::new();
        let mut draft: Option<Draft> = None;
        for item in Items::new("challenge", text) {
            match item? {
                Item::Scheme(scheme) => {
                    found.extend(draft.take().and_then(Draft::finish));
                    draft = scheme.eq_ignore_ascii_case("Digest").then(Draft::default);
                }
                Item::Parameter(name, value) => {
                    if let Some(draft) = &mut draft {
                        draft.take(name, value);
                    }
                }
            }
        }
        found.extend(draft.and_then(Draft::finish));
        Ok(found)
    }

    /// What a response asks for: for each realm and header the top-most challenge that can be
    /// answered (RFC 8760 section 2.4). Lines that cannot be read are passed over.
    pub fn of_response(response: &Message) -> Vec<(ChallengedBy, Challenge)> {
        let mut chosen: Vec<(ChallengedBy, Challenge)> = Vec::new();
        for by in [ChallengedBy::Server, ChallengedBy::Proxy] {
            for line in response.header_lines(by.challenge_header()) {
                for challenge in Challenge::parse_line(line).unwrap_or_default() {
                    let known = chosen.iter().any(|(b, c)| *b == by && c.realm == challenge.realm);
                    if !known && chosen.len() < MOST {
                        chosen.push((by, challenge));
                    }
                }
            }
        }
        chosen
    }

    /// The header's value.
    pub fn to_value(&self) -> String {
        let mut out = String::with_capacity(160);
        out.push_str("Digest ");
        push_quoted(&mut out, "realm", &self.realm);
        push_quoted(&mut out, "nonce", &self.nonce);
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut out, "opaque", opaque);
        }
        push_plain(&mut out, "algorithm", self.algorithm.as_str());
        match (self.qop.auth, self.qop.auth_int) {
            (true, true) => push_quoted(&mut out, "qop", "auth,auth-int"),
            (true, false) => push_quoted(&mut out, "qop", "auth"),
            (false, true) => push_quoted(&mut out, "qop", "auth-int"),
            (false, false) => {}
        }
        if self.stale {
            push_plain(&mut out, "stale", "true");
        }
        out
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .field("qop", &self.qop)
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

/// A challenge while it is read.
#[derive(Default)]
struct Draft {
    realm: Option<String>,
    nonce: Option<String>,
    opaque: Option<String>,
    algorithm: Option<String>,
    qop: Option<String>,
    stale: bool,
}

impl Draft {
    fn take(&mut self, name: &str, value: &str) {
        let value = plain(value);
        let fields = [
            ("realm", &mut self.realm),
            ("nonce", &mut self.nonce),
            ("opaque", &mut self.opaque),
            ("algorithm", &mut self.algorithm),
            ("qop", &mut self.qop),
        ];
        for (field, place) in fields {
            if name.eq_ignore_ascii_case(field) {
                place.get_or_insert_with(|| value.clone().into_owned());
            }
        }
        if name.eq_ignore_ascii_case("stale") {
            self.stale = value.eq_ignore_ascii_case("true");
        }
    }

    fn finish(self) -> Option<Challenge> {
        Some(Challenge {
            realm: self.realm?,
            nonce: self.nonce?,
            opaque: self.opaque,
            algorithm: match self.algorithm {
                Some(token) => Algorithm::parse(&token)?,
                None => Algorithm::plain(HashFunction::Md5),
            },
            qop: match self.qop {
                Some(list) => Qop::parse(&list)?,
                None => Qop::default(),
            },
            stale: self.stale,
        })
    }
}
