//! Signatures that others have published.

use crate::{base64url, pem};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// The example that the drafts of RFC 8225 had (draft-ietf-stir-passport-05, appendix A), signed by
/// its authors; it verifies by the public key that is still in appendix A.2 of the RFC.
#[test]
fn the_signature_of_the_draft_of_rfc_8225_is_right() {
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH\
                       78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==";
    const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1w\
                          bGUub3JnL3Bhc3Nwb3J0LmNlciJ9";
    let input = [
        HEADER,
        ".eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmln\
         Ijp7InRuIjoiMTIxNTU1NTEyMTIifX0",
    ]
    .concat();
    let signature = base64url::decoded(
        "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w",
    );
    let armour = |kind: &str| format!("-----{kind} PUBLIC KEY-----");
    let pem = [armour("BEGIN"), KEY.to_owned(), armour("END")].join("\n");
    let der = pem::blocks(&pem, "PUBLIC KEY").unwrap().remove(0);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der);
    assert!(key.verify(input.as_bytes(), &signature.unwrap()).is_ok());
    // What the RFC itself prints was made by another key than the one that it prints.
    let printed = [
        HEADER,
        ".eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6\
         eyJ0biI6IjEyMTU1NTUxMjEyIn19",
    ]
    .concat();
    let signature = base64url::decoded(
        "VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw",
    );
    assert!(key.verify(printed.as_bytes(), &signature.unwrap()).is_err());
}
