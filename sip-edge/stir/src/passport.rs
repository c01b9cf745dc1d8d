//! PASSporT (RFC 8225) with the claims of SHAKEN (RFC 8588).

use crate::base64url;
use crate::canonical_number;
use serde_json::{Map, Value};

/// How well the signer knows the caller (RFC 8588 section 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Attestation {
    /// Full: the caller is known and may use the number.
    A,
    /// Partial: the caller is known, the number is not known to be the caller's.
    B,
    /// Gateway: only where the call came in is known.
    C,
}

impl Attestation {
    /// The letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Attestation::A => "A",
            Attestation::B => "B",
            Attestation::C => "C",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Attestation::A, Attestation::B, Attestation::C].into_iter().find(|a| a.as_str() == text)
    }
}

/// What a SHAKEN PASSporT claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// How well the signer knows the caller.
    pub attestation: Attestation,
    /// The calling number, canonical (see [`canonical_number`]).
    pub orig: String,
    /// The called numbers, canonical.
    pub dest: Vec<String>,
    /// When it was signed, in seconds since 1970.
    pub issued_at: u64,
    /// Names where the call came from, opaquely: a UUID.
    pub origid: String,
}

/// Tokens beyond this are refused unread.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;
/// More called numbers than this are refused.
const MAX_DEST: usize = 32;

/// The signed part, `header.payload`, in the one serialisation of RFC 8225 section 9: keys in
/// lexicographic order, no white space.
pub(crate) fn signing_input(claims: &Claims, x5u: &str) -> String {
    // serde_json's maps are ordered by key.
    let header = serde_json::json!({
        "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": x5u,
    });
    let payload = serde_json::json!({
        "attest": claims.attestation.as_str(),
        "dest": { "tn": claims.dest },
        "iat": claims.issued_at,
        "orig": { "tn": claims.orig },
        "origid": claims.origid,
    });
    let mut input = String::with_capacity(512);
    base64url::push_encoded(&mut input, header.to_string().as_bytes());
    input.push('.');
    base64url::push_encoded(&mut input, payload.to_string().as_bytes());
    input
}

/// What a token says, its signature not looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) x5u: String,
    pub(crate) claims: Claims,
}

/// Why a token cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenFault {
    /// Not a token in full form, or claims that are missing or of the wrong kind.
    Malformed,
    /// Another algorithm, type or extension than ES256, passport and shaken.
    Unsupported,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenFault> {
        use TokenFault::{Malformed, Unsupported};
        if token.len() > MAX_TOKEN {
            return Err(Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        let header = object(header).ok_or(Malformed)?;
        // The algorithm is ours to choose, never the token's: "none" and the like end here.
        let is = |name: &str, value: &str| text(&header, name) == Some(value);
        if !is("alg", "ES256") || !is("typ", "passport") || !is("ppt", "shaken") {
            return Err(Unsupported);
        }
        // RFC 7515 section 4.1.11: extensions that must be understood, and are not.
        if header.contains_key("crit") {
            return Err(Unsupported);
        }
        let x5u = text(&header, "x5u").ok_or(Malformed)?.to_owned();
        let signature = base64url::decoded(signature).filter(|s| s.len() == 64).ok_or(Malformed)?;
        let claims = claims(&object(payload).ok_or(Malformed)?).ok_or(Malformed)?;
        Ok(Unverified { signed, signature, x5u, claims })
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&base64url::decoded(part)?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn claims(payload: &Map<String, Value>) -> Option<Claims> {
    let number = |value: &Value| canonical_number(value.as_str()?);
    let dest = payload.get("dest")?.get("tn")?.as_array()?;
    if dest.is_empty() || dest.len() > MAX_DEST {
        return None;
    }
    Some(Claims {
        attestation: Attestation::parse(text(payload, "attest")?)?,
        orig: number(payload.get("orig")?.get("tn")?)?,
        dest: dest.iter().map(number).collect::<Option<_>>()?,
        issued_at: payload.get("iat")?.as_u64()?,
        origid: text(payload, "origid")?.to_owned(),
    })
}
