//! What a request says about its signature.

use super::ALGORITHM;
use crate::encoding::{decoded_pairs, value_of};
use crate::error::{ApiError, ErrorKind};
use crate::request::Request;

/// Headers that a signature may name.
const SIGNED_HEADERS_MAX: usize = 64;
/// Longest life of a presigned request, in seconds: seven days.
const EXPIRES_MAX: u32 = 604_800;

/// The claim of a request: who signed it, for what, and when. Nothing of it is proven yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The id of the key.
    pub access_key_id: String,
    /// The scope's date, `YYYYMMDD`.
    pub(super) date: String,
    /// The scope's region.
    pub region: String,
    /// The scope's service.
    pub service: String,
    /// Names in small letters.
    pub(super) signed_headers: Vec<String>,
    /// Hexadecimal digits.
    pub(super) signature: String,
    /// When it was signed: `YYYYMMDDTHHMMSSZ`.
    pub(super) time: String,
    /// How long it holds, in seconds, of a presigned request.
    pub(super) expires: Option<u32>,
}

/// Reads the claim.
///
/// # Errors
/// [`ErrorKind::MissingAuthenticationToken`] of an unsigned request,
/// [`ErrorKind::UnrecognizedClient`] of one with a session token,
/// [`ErrorKind::IncompleteSignature`] of one that lacks a part.
pub fn read(request: &Request<'_>) -> Result<Claim, ApiError> {
    let query = decoded_pairs(request.query).unwrap_or_default();
    let header = request.header("authorization");
    let in_query = value_of(&query, "X-Amz-Algorithm").or(value_of(&query, "X-Amz-Signature"));
    let token = request.header("x-amz-security-token");
    if token.or(value_of(&query, "X-Amz-Security-Token")).is_some() {
        let message = "The security token included in the request is invalid: Tandem issues none; \
                       use an access key of `tandem key create`";
        return Err(ApiError::new(ErrorKind::UnrecognizedClient, message));
    }
    let claim = match (header, in_query) {
        (Some(_), Some(_)) => Err("a signature stands in the header or in the query".to_owned()),
        (Some(header), None) => of_header(request, header),
        (None, Some(_)) => of_query(&query),
        (None, None) => {
            let message = "Missing Authentication Token";
            return Err(ApiError::new(ErrorKind::MissingAuthenticationToken, message));
        }
    };
    let incomplete = |message| ApiError::new(ErrorKind::IncompleteSignature, message);
    let claim = claim.map_err(incomplete)?;
    claim.check_headers().map_err(incomplete)?;
    Ok(claim)
}

fn of_header(request: &Request<'_>, header: &str) -> Result<Claim, String> {
    let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header, ""));
    check_algorithm(algorithm)?;
    let part = |name: &str| {
        let mut values = rest.split(',').filter_map(|part| part.trim().split_once('='));
        let value = values.find(|(each, _)| *each == name).map(|(_, value)| value);
        value.ok_or_else(|| format!("Authorization header requires '{name}' parameter."))
    };
    let time = request.header("x-amz-date").ok_or(
        "Authorization header requires existence of an 'X-Amz-Date' header, which is signed.",
    )?;
    let claim = claim(part("Credential")?, part("SignedHeaders")?, part("Signature")?, time)?;
    if claim.signed_headers.iter().all(|name| name != "x-amz-date") {
        return Err("'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
    }
    Ok(claim)
}

fn of_query(query: &[(String, String)]) -> Result<Claim, String> {
    let part = |name: &str| {
        // One that stands twice could be read as another than the one that was signed.
        let mut values = query.iter().filter(|(each, _)| each == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value.as_str()),
            _ => Err(format!("AWS query-string parameters must include '{name}' once.")),
        }
    };
    check_algorithm(part("X-Amz-Algorithm")?)?;
    let expires = part("X-Amz-Expires")?;
    let seconds = expires.parse().ok().filter(|seconds| (1..=EXPIRES_MAX).contains(seconds));
    let expires = seconds.ok_or_else(|| {
        format!("X-Amz-Expires must be a number of seconds from 1 to {EXPIRES_MAX}.")
    })?;
    let headers = part("X-Amz-SignedHeaders")?;
    let (signature, time) = (part("X-Amz-Signature")?, part("X-Amz-Date")?);
    let claim = claim(part("X-Amz-Credential")?, headers, signature, time)?;
    Ok(Claim { expires: Some(expires), ..claim })
}

fn check_algorithm(algorithm: &str) -> Result<(), String> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(format!("Unsupported AWS 'algorithm': use {ALGORITHM}, signature version 4."))
}

fn claim(credential: &str, headers: &str, signature: &str, time: &str) -> Result<Claim, String> {
    let parts: Vec<&str> = credential.split('/').take(6).collect();
    let [access_key_id, date, region, service, "aws4_request"] = parts.as_slice() else {
        return Err("Credential must have 5 parts: key/date/region/service/aws4_request.".into());
    };
    let signed_headers: Vec<String> =
        headers.split(';').take(SIGNED_HEADERS_MAX + 1).map(str::to_owned).collect();
    Ok(Claim {
        access_key_id: (*access_key_id).to_owned(),
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
        signed_headers,
        signature: signature.to_owned(),
        time: time.to_owned(),
        expires: None,
    })
}

impl Claim {
    fn check_headers(&self) -> Result<(), String> {
        if self.signed_headers.len() > SIGNED_HEADERS_MAX {
            return Err(format!("SignedHeaders names more than {SIGNED_HEADERS_MAX} headers."));
        }
        if self.signed_headers.iter().all(|name| name != "host") {
            return Err("'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
        }
        Ok(())
    }
}
