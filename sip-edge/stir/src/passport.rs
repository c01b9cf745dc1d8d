//! PASSporT (RFC 8225), alone and with the claims of SHAKEN (RFC 8588).

use crate::base64url;
use crate::canonical_number;
use serde_json::{Map, Value};
use std::borrow::Cow;

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
    serialised(&header, &payload)
}

fn serialised(header: &Value, payload: &Value) -> String {
    let mut input = String::with_capacity(512);
    base64url::push_encoded(&mut input, header.to_string().as_bytes());
    input.push('.');
    base64url::push_encoded(&mut input, payload.to_string().as_bytes());
    input
}

/// What a token says, its signature not looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) signed: Cow<'a, str>,
    pub(crate) signature: Vec<u8>,
    pub(crate) x5u: String,
    pub(crate) orig: String,
    pub(crate) dest: Vec<String>,
    pub(crate) issued_at: u64,
    /// Level and origin, of a token with the extension of RFC 8588.
    pub(crate) shaken: Option<(Attestation, String)>,
}

/// What a request says of the claims that every PASSporT has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told<'a> {
    /// Canonical.
    pub(crate) orig: &'a str,
    /// Canonical.
    pub(crate) dest: &'a str,
    /// Seconds since 1970, of the Date header.
    pub(crate) date: u64,
}

/// Why a token cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenFault {
    /// Not a token, or claims that are missing or of the wrong kind.
    Malformed,
    /// Another algorithm or type than ES256 and passport, or an extension other than shaken.
    Unsupported,
}

/// How a token in compact form begins (RFC 8225 section 7).
const COMPACT: &str = "..";

impl<'a> Unverified<'a> {
    /// Whether a token leaves its header and claims to the request.
    pub(crate) fn is_compact(token: &str) -> bool {
        token.starts_with(COMPACT)
    }

    /// Reads a token in full form.
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
        let extended = header.contains_key("ppt");
        if !is("alg", "ES256") || !is("typ", "passport") || (extended && !is("ppt", "shaken")) {
            return Err(Unsupported);
        }
        // RFC 7515 section 4.1.11: extensions that must be understood, and are not.
        if header.contains_key("crit") {
            return Err(Unsupported);
        }
        let x5u = text(&header, "x5u").ok_or(Malformed)?.to_owned();
        let signature = signature_of(signature)?;
        let payload = object(payload).ok_or(Malformed)?;
        let mut token = claims(&payload).ok_or(Malformed)?;
        if extended {
            token.shaken = Some(shaken(&payload).ok_or(Malformed)?);
        }
        Ok(Unverified { signed: signed.into(), signature, x5u, ..token })
    }

    /// Puts a token in compact form together again, of what the request says (RFC 8224 section 4).
    /// It has the claims that every PASSporT has and no others: those of an extension stand nowhere
    /// in a request.
    pub(crate) fn rebuild(token: &str, x5u: &str, told: Told<'_>) -> Result<Self, TokenFault> {
        let signature = token.strip_prefix(COMPACT).ok_or(TokenFault::Malformed)?;
        let header = serde_json::json!({ "alg": "ES256", "typ": "passport", "x5u": x5u });
        let payload = serde_json::json!({
            "dest": { "tn": [told.dest] },
            "iat": told.date,
            "orig": { "tn": told.orig },
        });
        Ok(Unverified {
            signed: serialised(&header, &payload).into(),
            signature: signature_of(signature)?,
            x5u: x5u.to_owned(),
            orig: told.orig.to_owned(),
            dest: vec![told.dest.to_owned()],
            issued_at: told.date,
            shaken: None,
        })
    }
}

fn signature_of(part: &str) -> Result<Vec<u8>, TokenFault> {
    let is_short = part.len() <= MAX_TOKEN;
    let signature = is_short.then(|| base64url::decoded(part)).flatten();
    signature.filter(|signature| signature.len() == 64).ok_or(TokenFault::Malformed)
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

/// The claims that every PASSporT has.
fn claims(payload: &Map<String, Value>) -> Option<Unverified<'static>> {
    let number = |value: &Value| canonical_number(value.as_str()?);
    let dest = payload.get("dest")?.get("tn")?.as_array()?;
    if dest.is_empty() || dest.len() > MAX_DEST {
        return None;
    }
    Some(Unverified {
        orig: number(payload.get("orig")?.get("tn")?)?,
        dest: dest.iter().map(number).collect::<Option<_>>()?,
        issued_at: payload.get("iat")?.as_u64()?,
        signed: Cow::default(),
        signature: Vec::new(),
        x5u: String::new(),
        shaken: None,
    })
}

/// The claims of SHAKEN.
fn shaken(payload: &Map<String, Value>) -> Option<(Attestation, String)> {
    let level = Attestation::parse(text(payload, "attest")?)?;
    Some((level, text(payload, "origid")?.to_owned()))
}
