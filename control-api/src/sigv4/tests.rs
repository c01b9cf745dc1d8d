//! The vectors are of botocore's signer, at 2026-01-02T03:04:05Z; tests/interop asks it for more.

use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const AT: u64 = 1_767_323_045;

struct Vector {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Vector {
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: self.body.as_bytes(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    fn refused(&self, seconds: u64) -> Option<ErrorKind> {
        self.verdict("chime", SECRET, seconds).err().map(|error| error.kind)
    }

    fn verdict(&self, service: &str, secret: &str, seconds: u64) -> Result<(), ApiError> {
        let claim = read(&self.request())?;
        let now = UnixTime::from_millis(seconds * 1_000);
        claim.verify(&self.request(), secret, service, now)
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let vectors = vectors.as_array().unwrap().iter().map(|vector| Vector {
        name: text(&vector["name"]),
        method: text(&vector["method"]),
        path: text(&vector["path"]),
        query: text(&vector["query"]),
        headers: vector["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| (text(&header[0]), text(&header[1])))
            .collect(),
        body: text(&vector["body"]),
    });
    vectors.collect()
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

#[test]
fn what_botocore_signs_is_verified() {
    for vector in vectors() {
        let claim = read(&vector.request()).unwrap();
        assert_eq!(claim.access_key_id, "AKTDAAAQEAYEAUDAOCAJ");
        assert_eq!(vector.verdict("chime", SECRET, AT), Ok(()), "{}", vector.name);
    }
}

/// AWS's own example, from the documentation of signature version 4 (`get-vanilla`).
#[test]
fn the_example_of_aws_is_verified() {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/\
        aws4_request, SignedHeaders=host;x-amz-date, \
        Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let vanilla = Vector {
        name: String::new(),
        method: "GET".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![
            header("host", "example.amazonaws.com"),
            header("x-amz-date", "20150830T123600Z"),
            header("authorization", authorization),
        ],
        body: String::new(),
    };
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    assert_eq!(vanilla.verdict("service", secret, 1_440_938_160), Ok(()));
}

#[test]
fn time_is_held_to_on_both_sides() {
    let signed = vector("plain in header");
    let invalid = Some(ErrorKind::InvalidSignature);
    assert_eq!(signed.refused(AT + 900), None);
    assert_eq!(signed.refused(AT + 901), invalid);
    assert_eq!(signed.refused(AT - 900), None);
    assert_eq!(signed.refused(AT - 901), invalid);
    let presigned = vector("plain in query");
    assert_eq!(presigned.refused(AT + 600), None);
    assert_eq!(presigned.refused(AT + 601), invalid);
    assert_eq!(presigned.refused(AT - 900), None);
    assert_eq!(presigned.refused(AT - 901), invalid);
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let invalid = Some(ErrorKind::InvalidSignature);
    let changed = |change: fn(&mut Vector)| {
        let mut vector = vector("body in header");
        change(&mut vector);
        vector.refused(AT)
    };
    assert_eq!(changed(|v| v.body.push(' ')), invalid);
    assert_eq!(changed(|v| v.path.push('x')), invalid);
    assert_eq!(changed(|v| v.method = "PUT".into()), invalid);
    assert_eq!(changed(|v| v.query = "operation=untag-resource".into()), invalid);
    assert_eq!(changed(|v| v.headers.retain(|(name, _)| name != "content-type")), invalid);
    assert_eq!(changed(|v| v.headers.push(("host".into(), "other".into()))), invalid);
    let unsigned = ("x-amz-content-sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned());
    let mut vector = vector("body in header");
    vector.headers.push(unsigned);
    assert!(vector.verdict("chime", SECRET, AT).unwrap_err().message.contains("signed whole"));
    let right = vectors().remove(0);
    for (service, secret) in [("sts", SECRET), ("chime", "other")] {
        let kind = right.verdict(service, secret, AT).unwrap_err().kind;
        assert_eq!(kind, ErrorKind::InvalidSignature);
    }
}

#[test]
fn what_is_no_claim_is_told_so() {
    let refused = |change: fn(&mut Vector)| {
        let mut vector = vector("plain in header");
        change(&mut vector);
        read(&vector.request()).unwrap_err().kind
    };
    fn authorization(vector: &mut Vector, from: &str, to: &str) {
        for (_, value) in vector.headers.iter_mut().filter(|(name, _)| name == "authorization") {
            *value = value.replace(from, to);
        }
    }
    let incomplete = ErrorKind::IncompleteSignature;
    assert_eq!(refused(|v| v.headers.clear()), ErrorKind::MissingAuthenticationToken);
    assert_eq!(refused(|v| authorization(v, "AWS4-HMAC", "AWS4-ECDSA-P256")), incomplete);
    assert_eq!(refused(|v| authorization(v, "Credential=", "C=")), incomplete);
    assert_eq!(refused(|v| authorization(v, "/aws4_request", "")), incomplete);
    assert_eq!(refused(|v| authorization(v, "host;", "")), incomplete);
    assert_eq!(refused(|v| authorization(v, ";x-amz-date", "")), incomplete);
    assert_eq!(refused(|v| v.headers.retain(|(name, _)| name != "x-amz-date")), incomplete);
    assert_eq!(refused(|v| v.query = "X-Amz-Signature=0".into()), incomplete);
    let token = ("x-amz-security-token".to_owned(), "t".to_owned());
    let mut signed = vector("plain in header");
    signed.headers.push(token);
    assert_eq!(read(&signed.request()).unwrap_err().kind, ErrorKind::UnrecognizedClient);
    for expires in ["0", "604801", "-1", "x"] {
        let mut presigned = vector("plain in query");
        let more = format!("X-Amz-Expires={expires}");
        presigned.query = presigned.query.replace("X-Amz-Expires=600", &more);
        assert_eq!(read(&presigned.request()).unwrap_err().kind, incomplete);
    }
}

proptest! {
    #[test]
    fn no_claim_panics(authorization in ".{0,200}", date in ".{0,20}", query in ".{0,200}") {
        let vector = Vector {
            name: String::new(),
            method: "GET".into(),
            path: "/".into(),
            query,
            headers: vec![("authorization".into(), authorization), ("x-amz-date".into(), date)],
            body: String::new(),
        };
        let _ = vector.refused(AT);
    }

    #[test]
    fn no_flipped_digit_is_taken(which in 0usize..14, at in 0usize..64) {
        let mut vector = vectors().remove(which);
        let text = match vector.query.contains("X-Amz-Signature") {
            true => &mut vector.query,
            false => {
                let mut headers = vector.headers.iter_mut();
                &mut headers.find(|(name, _)| name == "authorization").unwrap().1
            }
        };
        let at = text.find("Signature=").unwrap() + "Signature=".len() + at;
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        text.replace_range(at..=at, digit);
        prop_assert_eq!(vector.refused(AT), Some(ErrorKind::InvalidSignature));
    }
}
