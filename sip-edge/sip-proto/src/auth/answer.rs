//! The side that is asked for credentials.

use std::cell::Cell;
use std::fmt;

use super::algorithm::Hex;
use super::challenge::{Challenge, ChallengedBy};
use super::credentials::Credentials;
use super::digest::response;
use crate::message::HeaderName;
use crate::random::Random;

/// A challenge that is being answered, for one request or for many: each gets the next nonce
/// count.
#[derive(Clone)]
pub struct Answerer {
    by: ChallengedBy,
    challenge: Challenge,
    cnonce: String,
    /// Answers given so far. Counted behind a shared reference: whoever writes a request does not
    /// change its dialog.
    used: Cell<u32>,
}

impl Answerer {
    /// Takes a challenge, with a client nonce drawn from `random`.
    pub fn new(by: ChallengedBy, challenge: Challenge, random: &mut dyn Random) -> Self {
        let cnonce = Hex::of(&random.next_u64().to_be_bytes()).as_str().to_owned();
        Answerer { by, challenge, cnonce, used: Cell::new(0) }
    }

    /// Who asks.
    pub const fn challenged_by(&self) -> ChallengedBy {
        self.by
    }

    /// The challenge.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Whether an answer needs the request's body: `auth-int` and nothing else is offered.
    pub const fn needs_body(&self) -> bool {
        self.challenge.qop.auth_int && !self.challenge.qop.auth
    }

    /// The header and its value for one request. Where the challenge leaves the choice, the body is
    /// not protected: it is ours to be changed by a gateway on the way. A challenge without
    /// qualities of protection is answered as in RFC 2069.
    pub fn answer(
        &self,
        method: &str,
        uri: &str,
        body: &[u8],
        username: &str,
        password: &str,
    ) -> (HeaderName, String) {
        let challenge = &self.challenge;
        let count = self.used.get().wrapping_add(1);
        self.used.set(count);
        let nonce_count = format!("{count:08x}");
        let integrity = (!challenge.qop.is_absent()).then(|| self.needs_body());
        let with_cnonce = integrity.is_some() || challenge.algorithm.keyed_by_nonce;
        let mut credentials = Credentials {
            username: username.into(),
            realm: challenge.realm.as_str().into(),
            nonce: challenge.nonce.as_str().into(),
            uri: uri.into(),
            response: "".into(),
            algorithm: challenge.algorithm,
            cnonce: with_cnonce.then(|| self.cnonce.as_str().into()),
            opaque: challenge.opaque.as_deref().map(Into::into),
            integrity,
            nonce_count: integrity.is_some().then_some(&nonce_count),
        };
        let proof = response(&credentials.input(method, body), password).as_str().to_owned();
        credentials.response = proof.into();
        (self.by.credentials_header(), credentials.to_value())
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answerer")
            .field("by", &self.by)
            .field("challenge", &self.challenge)
            .field("used", &self.used.get())
            .finish_non_exhaustive()
    }
}
