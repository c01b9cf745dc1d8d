//! The side that asks for credentials.

use std::net::IpAddr;
use std::time::Duration;

use model::Instant;

use super::algorithm::{Algorithm, HashFunction, same_in_constant_time};
use super::challenge::{Challenge, ChallengedBy, Qop};
use super::credentials::Credentials;
use super::digest::response;
use super::nonce::NonceMint;
use super::replay::ReplayTable;
use crate::message::{Message, Uri};
use crate::random::Random;

/// Settings of a [`Verifier`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifierConfig {
    /// How long a nonce may be used. Default 5 minutes.
    pub nonce_lifetime: Duration,
    /// Nonces whose counts are remembered, 1 or more. Default 16,384. When it is full the oldest is
    /// given up and its holder is asked again with `stale=true`.
    pub max_nonces: usize,
}

impl Default for VerifierConfig {
    fn default() -> Self {
        VerifierConfig { nonce_lifetime: Duration::from_secs(300), max_nonces: 16_384 }
    }
}

/// What somebody asks for, and for whom the answer must be.
#[derive(Clone, Copy, Debug)]
pub struct Protected<'a> {
    /// The realm.
    pub realm: &'a str,
    /// Where the request comes from; nonces are for one source.
    pub source: IpAddr,
    /// The hash functions, the preferred one first.
    pub offered: &'a [HashFunction],
    /// In which headers.
    pub by: ChallengedBy,
}

/// What a request's credentials are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They prove the password of this user, and are used for the first time.
    Accepted {
        /// The user name.
        username: String,
    },
    /// There are none for the realm.
    Absent,
    /// Their nonce is too old, is none of ours, is another source's, or was used with this count
    /// before: to be asked again with `stale=true`. The password was not looked at, except for a
    /// repeated count.
    Stale,
    /// They answer a nonce of ours with a wrong password, or for an unknown user.
    Wrong,
    /// They cannot be read, or sign another request than this one; the password was not looked at.
    Unusable,
}

/// Issues challenges and checks what comes back. It remembers nothing of a challenge: nonces carry
/// their time and a keyed hash.
pub struct Verifier {
    config: VerifierConfig,
    mint: NonceMint,
    replay: ReplayTable,
}

impl Verifier {
    /// A verifier with a secret of its own, drawn from `random`.
    pub fn new(config: VerifierConfig, random: &mut dyn Random) -> Self {
        Verifier {
            config,
            mint: NonceMint::new(random),
            replay: ReplayTable::new(config.max_nonces),
        }
    }

    /// The challenges of one response, one for each hash function that is offered (RFC 8760
    /// section 2.3).
    pub fn challenges(
        &self,
        now: Instant,
        protected: &Protected<'_>,
        stale: bool,
        random: &mut dyn Random,
    ) -> Vec<Challenge> {
        let nonce = self.mint.issue(now, protected.realm, protected.source, random);
        protected
            .offered
            .iter()
            .map(|hash| Challenge {
                realm: protected.realm.to_owned(),
                nonce: nonce.clone(),
                opaque: None,
                algorithm: Algorithm::plain(*hash),
                qop: Qop { auth: true, auth_int: false },
                stale,
            })
            .collect()
    }

    /// Checks the credentials that `request` has for the realm.
    ///
    /// `password_of` finds the password of a user. The time that this takes does not tell whether
    /// the user exists, nor how much of a response was right. Credentials without `qop` (RFC 2069)
    /// are taken with MD5, and once a nonce, as they have no count.
    pub fn verify<'p>(
        &mut self,
        now: Instant,
        protected: &Protected<'_>,
        request: &Message,
        password_of: impl Fn(&str) -> Option<&'p str>,
    ) -> Verdict {
        let mut verdict = Verdict::Absent;
        for line in request.header_lines(protected.by.credentials_header()) {
            match Credentials::parse(line) {
                Ok(Some(credentials)) if credentials.realm == protected.realm => {
                    return self.check(now, protected, &credentials, request, password_of);
                }
                // Of another scheme or realm: meant for somebody else on the path.
                Ok(_) => {}
                Err(_) => verdict = Verdict::Unusable,
            }
        }
        verdict
    }

    /// How many nonces are remembered.
    pub fn remembered(&self) -> usize {
        self.replay.len()
    }

    fn check<'p>(
        &mut self,
        now: Instant,
        protected: &Protected<'_>,
        credentials: &Credentials<'_>,
        request: &Message,
        password_of: impl Fn(&str) -> Option<&'p str>,
    ) -> Verdict {
        let (Some(method), Some(uri)) = (request.method(), request.request_uri()) else {
            return Verdict::Unusable;
        };
        let legacy = credentials.integrity.is_none();
        if !protected.offered.contains(&credentials.algorithm.hash)
            || (legacy && credentials.algorithm != Algorithm::plain(HashFunction::Md5))
            || !names_the_same(&credentials.uri, uri)
        {
            return Verdict::Unusable;
        }
        // The nonce first: whoever cannot show a fresh one of this source learns nothing of a
        // password, so that no guess goes uncounted and none is counted against another.
        let lifetime = self.config.nonce_lifetime;
        let Some(nonce) = self
            .mint
            .recognise(&credentials.nonce, protected.realm, protected.source)
            .filter(|nonce| nonce.age(now).is_some_and(|age| age <= lifetime))
        else {
            return Verdict::Stale;
        };
        let password = password_of(&credentials.username);
        let input = credentials.input(method.as_str(), request.body_bytes());
        let expected = response(&input, password.unwrap_or("nobody's"));
        let mut given = credentials.response.to_string();
        given.make_ascii_lowercase();
        let right = same_in_constant_time(expected.as_bytes(), given.as_bytes());
        if !right || password.is_none() {
            return Verdict::Wrong;
        }
        let used = legacy && self.replay.knows(nonce);
        let count = credentials.count().unwrap_or(1);
        if used || !self.replay.accept(now, lifetime, nonce, count) {
            return Verdict::Stale;
        }
        Verdict::Accepted { username: credentials.username.to_string() }
    }
}

/// Whether the `uri` that was signed asks for what the request asks for. Both may differ in form,
/// for a proxy may have rewritten the request's (RFC 3261 section 22.4), and some clients sign the
/// server's address alone; but a number that was signed must be the number that is called.
fn names_the_same(signed: &str, request_uri: &str) -> bool {
    if signed == request_uri {
        return true;
    }
    let (Ok(signed), Ok(asked)) = (Uri::parse(signed), Uri::parse(request_uri)) else {
        return false;
    };
    signed.user.is_none() || signed.user_unescaped() == asked.user_unescaped()
}
