//! Signing requests, for Tandem's own commands: the same canonical form that the verifier has.

use super::canonical::{Query, canonical_request};
use super::claim::Claim;
use crate::calendar::basic;
use crate::encoding::hex;
use crate::request::Request;
use aws_lc_rs::digest;
use model::UnixTime;
use zeroize::Zeroizing;

/// Who signs, and for what.
pub struct Signer<'a> {
    /// The id of the key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a Zeroizing<String>,
    /// The region of the scope; the verifier takes any.
    pub region: &'a str,
    /// The service of the scope: `chime`, or `sts`.
    pub service: &'a str,
}

impl Signer<'_> {
    /// All headers of the request with its signature: those that it has, which must name `host`, then
    /// `x-amz-date` and `authorization`. Every one of them is signed. Names must be in small letters.
    pub fn headers(&self, request: &Request<'_>, now: UnixTime) -> Vec<(String, String)> {
        let time = basic(now);
        let mut headers = request.headers.to_vec();
        headers.push(("x-amz-date".to_owned(), time.clone()));
        let mut signed_headers: Vec<String> =
            headers.iter().map(|(name, _)| name.clone()).collect();
        signed_headers.sort();
        signed_headers.dedup();
        let mut claim = Claim {
            access_key_id: self.access_key_id.to_owned(),
            date: time.get(..8).unwrap_or_default().to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
            signed_headers,
            signature: String::new(),
            time,
            expires: None,
        };
        let body = hex(digest::digest(&digest::SHA256, request.body).as_ref());
        let whole = Request { headers: &headers, ..*request };
        // Every header that is signed is there: they are named after them.
        let canonical = canonical_request(&whole, &claim.signed_headers, Query::Normalised, &body)
            .unwrap_or_default();
        let key = claim.signing_key(self.secret);
        claim.signature = hex(claim.signature_of(&canonical, &key).as_ref());
        headers.push(("authorization".to_owned(), claim.written()));
        headers
    }
}

impl Claim {
    /// The header's value.
    fn written(&self) -> String {
        format!(
            "{} Credential={}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature={}",
            super::ALGORITHM,
            self.access_key_id,
            self.date,
            self.region,
            self.service,
            self.signed_headers.join(";"),
            self.signature
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const AT: u64 = 1_767_323_045_000;

    fn request<'a>(
        method: &'a str,
        path: &'a str,
        query: &'a str,
        headers: &'a [(String, String)],
        body: &'a [u8],
    ) -> Request<'a> {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Request { method, path, query, headers, body, source }
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// AWS's own example (`get-vanilla`): the verifier's test has the same signature.
    #[test]
    fn the_example_of_aws() {
        let secret = Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret: &secret,
            region: "us-east-1",
            service: "service",
        };
        let headers = [header("host", "example.amazonaws.com")];
        let asked = request("GET", "/", "", &headers, b"");
        let signed = signer.headers(&asked, UnixTime::from_millis(1_440_938_160_000));
        assert_eq!(
            signed.last().unwrap().1,
            "AWS4-HMAC-SHA256 \
            Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    proptest! {
        #[test]
        fn the_verifier_takes_what_is_signed(
            path in "/[ -~é]{0,30}",
            query in "[ -~é]{0,30}",
            value in "[ -~]{0,20}",
            body: Vec<u8>,
            secret in "[A-Za-z0-9+/]{40}",
        ) {
            let secret = Zeroizing::new(secret);
            let signer = Signer {
                access_key_id: "AKTDAAAQEAYEAUDAOCAJ",
                secret: &secret,
                region: "eu-central-1",
                service: "chime",
            };
            let headers = [header("host", "[::1]:8080"), header("x-more", &value)];
            let now = UnixTime::from_millis(AT);
            let signed = signer.headers(&request("POST", &path, &query, &headers, &body), now);
            let sent = request("POST", &path, &query, &signed, &body);
            let verdict = |sent: &Request<'_>, secret: &str, now| {
                super::super::read(sent).and_then(|claim| claim.verify(sent, secret, "chime", now))
            };
            // What a query may say of signatures is the one thing that the two do not mean alike.
            prop_assume!(!query.contains("X-Amz-"));
            prop_assert_eq!(verdict(&sent, &secret, now), Ok(()));
            prop_assert!(verdict(&sent, "other", now).is_err());
            let other = request("PUT", &path, &query, &signed, &body);
            prop_assert!(verdict(&other, &secret, now).is_err());
            let later = UnixTime::from_millis(AT + 16 * 60 * 1_000);
            prop_assert!(verdict(&sent, &secret, later).is_err());
        }
    }
}
