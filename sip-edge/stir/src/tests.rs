//! Keys and certificates of the tests were made by openssl, see `tests/README.md`.

use crate::passport::{Attestation, Claims, signing_input};
use crate::*;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use model::UnixTime;
use proptest::prelude::*;

mod vectors;

const ROOT: &str = include_str!("tests/root.pem");
const PROVIDER: &str = include_str!("tests/provider.pem");
const PROVIDER_KEY: &str = include_str!("tests/provider.key");
const PROVIDER_SEC1: &str = include_str!("tests/provider-sec1.key");
const RANGED: &str = include_str!("tests/ranged.pem");
const RANGED_KEY: &str = include_str!("tests/ranged.key");
const OTHER_CURVE: &str = include_str!("tests/p384.pem");

const URL: &str = "https://certificates.example/provider.pem";
const RANGED_URL: &str = "https://certificates.example/ranged.pem";
/// A time at which the certificates are valid: 2030-01-01.
const NOW: u64 = 1_893_456_000;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_millis(seconds * 1_000)
}

fn claims() -> Claims {
    Claims {
        attestation: Attestation::A,
        orig: "12065550100".to_owned(),
        dest: vec!["13125550199".to_owned()],
        issued_at: NOW,
        origid: "123e4567-e89b-12d3-a456-426655440000".to_owned(),
    }
}

fn verifier() -> Verifier {
    let mut verifier = Verifier::default();
    verifier.add_roots(ROOT).unwrap();
    verifier.add_certificate(URL, PROVIDER, at(NOW)).unwrap();
    verifier.add_certificate(RANGED_URL, RANGED, at(NOW)).unwrap();
    verifier
}

fn call<'a>(orig: &'a str, dest: &'a str) -> CallFacts<'a> {
    CallFacts { orig, dest, date: None }
}

fn verify(value: &str) -> Result<Verified, Failure> {
    verifier().verify([value], call("+12065550100", "+1 312 555 0199"), at(NOW))
}

fn signed(claims: &Claims) -> String {
    Signer::new(PROVIDER_KEY, URL).unwrap().sign(claims).unwrap()
}

/// Signs any header and payload with the provider's key.
fn forged(header: &str, payload: &str) -> String {
    let mut input = String::new();
    base64url::push_encoded(&mut input, header.as_bytes());
    input.push('.');
    base64url::push_encoded(&mut input, payload.as_bytes());
    let der = pem::blocks(PROVIDER_KEY, "PRIVATE KEY").unwrap().remove(0);
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, &der).unwrap();
    let signature = key.sign(&aws_lc_rs::rand::SystemRandom::new(), input.as_bytes()).unwrap();
    input.push('.');
    base64url::push_encoded(&mut input, signature.as_ref());
    format!("{input};info=<{URL}>;alg=ES256;ppt=shaken")
}

fn header_with(alg: &str, more: &str) -> String {
    format!("{{\"alg\":\"{alg}\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":\"{URL}\"{more}}}")
}

fn payload_with(orig: &str, dest: &str, iat: &str) -> String {
    format!("{{\"attest\":\"A\",\"dest\":{dest},\"iat\":{iat},\"orig\":{orig},\"origid\":\"x\"}}")
}

#[test]
fn the_signature_of_rfc_7515_appendix_a_3_is_right() {
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const INPUT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6L\
                         y9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let mut point = vec![4];
    for coordinate in [X, Y] {
        point.extend(base64url::decoded(coordinate).unwrap());
    }
    let signature = base64url::decoded(SIGNATURE).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    assert!(key.verify(INPUT.as_bytes(), &signature).is_ok());
    assert!(key.verify(&INPUT.as_bytes()[1..], &signature).is_err());
}

#[test]
fn the_encodings_of_rfc_8225_appendix_a() {
    let encoded = |value: serde_json::Value| {
        let mut text = String::new();
        base64url::push_encoded(&mut text, value.to_string().as_bytes());
        text
    };
    let header = serde_json::json!({
        "x5u": "https://cert.example.org/passport.cer", "typ": "passport", "alg": "ES256",
    });
    assert_eq!(
        encoded(header),
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3N\
         wb3J0LmNlciJ9"
    );
    let payload = serde_json::json!({
        "orig": { "tn": "12155551212" }, "iat": 1_471_375_418,
        "dest": { "uri": ["sip:alice@example.com"] },
    });
    assert_eq!(
        encoded(payload),
        "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ\
         0biI6IjEyMTU1NTUxMjEyIn19"
    );
}

/// Signs a header and a payload without SHAKEN's claims; `(full form, compact form)`.
fn plain(payload: &str) -> (String, String) {
    let header = header_with("ES256", "").replace("\"ppt\":\"shaken\",", "");
    let full = forged(&header, payload).replace(";ppt=shaken", "");
    let (token, rest) = full.split_once(';').unwrap();
    let compact = format!("..{};{rest}", token.rsplit_once('.').unwrap().1);
    (full.clone(), compact)
}

/// 2030-01-01 00:00:00.
const DATE: &str = "Tue, 01 Jan 2030 00:00:00 GMT";

fn dated<'a>(date: Option<&'a str>) -> CallFacts<'a> {
    CallFacts { date, ..call("+12065550100", "+13125550199") }
}

#[test]
fn a_passport_without_extension_vouches_for_the_number_alone() {
    let payload = "{\"dest\":{\"tn\":[\"13125550199\"]},\"iat\":1893456000,\
                   \"orig\":{\"tn\":\"12065550100\"}}";
    let (full, compact) = plain(payload);
    let expected =
        Verified { attestation: None, origid: None, signer: "CN=SHAKEN 709J".to_owned() };
    assert_eq!(verify(&full), Ok(expected.clone()));
    let check = |value: &str, call| verifier().verify([value], call, at(NOW + 5));
    assert_eq!(check(&compact, dated(Some(DATE))), Ok(expected));
    assert_eq!(check(&format!("{full};ppt=shaken"), dated(None)), Err(Failure::Invalid));
    for (call, failure) in [
        (dated(None), Failure::Invalid),
        (dated(Some("yesterday")), Failure::Invalid),
        // Signed at another second, and long ago.
        (dated(Some("Tue, 01 Jan 2030 00:00:01 GMT")), Failure::Invalid),
        (dated(Some("Tue, 01 Jan 2019 00:00:00 GMT")), Failure::Stale),
        (CallFacts { dest: "+13125550198", ..dated(Some(DATE)) }, Failure::Invalid),
        (CallFacts { orig: "+12065550101", ..dated(Some(DATE)) }, Failure::Invalid),
    ] {
        assert_eq!(check(&compact, call), Err(failure), "{call:?}");
    }
}

#[test]
fn shaken_has_no_compact_form() {
    let value = signed(&claims());
    let (token, rest) = value.split_once(';').unwrap();
    let compact = format!("..{};{rest}", token.rsplit_once('.').unwrap().1);
    for value in [compact.clone(), compact.replace(";ppt=shaken", "")] {
        let result = verifier().verify([&*value], dated(Some(DATE)), at(NOW));
        assert_eq!(result, Err(Failure::Invalid), "{value}");
    }
}

#[test]
fn the_serialisation_of_rfc_8225_section_9_has_one_form() {
    let input = signing_input(&claims(), URL);
    let (header, payload) = input.split_once('.').unwrap();
    let text = |part: &str| String::from_utf8(base64url::decoded(part).unwrap()).unwrap();
    assert_eq!(
        text(header),
        "{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\
         \"x5u\":\"https://certificates.example/provider.pem\"}"
    );
    assert_eq!(
        text(payload),
        "{\"attest\":\"A\",\"dest\":{\"tn\":[\"13125550199\"]},\"iat\":1893456000,\
         \"orig\":{\"tn\":\"12065550100\"},\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"}"
    );
}

#[test]
fn what_is_signed_verifies_and_says_who_signed() {
    let value = signed(&claims());
    assert!(
        value.ends_with(";info=<https://certificates.example/provider.pem>;alg=ES256;ppt=shaken")
    );
    let verified = verify(&value).unwrap();
    assert_eq!(verified.attestation, Some(Attestation::A));
    assert_eq!(verified.origid, Some(claims().origid));
    assert_eq!(verified.signer, "CN=SHAKEN 709J");
    let sec1 = Signer::new(PROVIDER_SEC1, URL).unwrap();
    assert_eq!(
        verify(&sec1.sign(&claims()).unwrap()).map(|v| v.attestation),
        Ok(Some(Attestation::A))
    );
}

#[test]
fn a_signature_of_openssl_verifies() {
    // printf '%s' "$input" | openssl dgst -sha256 -sign provider.key, as r and s.
    let value = include_str!("tests/openssl.identity").trim();
    assert_eq!(verify(value).map(|v| v.attestation), Ok(Some(Attestation::B)));
}

#[test]
fn an_identity_is_fresh_for_a_minute_either_way() {
    for (issued_at, result) in [
        (NOW - 60, Ok(())),
        (NOW + 60, Ok(())),
        (NOW - 61, Err(Failure::Stale)),
        (NOW + 61, Err(Failure::Stale)),
        (0, Err(Failure::Stale)),
        (u64::MAX, Err(Failure::Stale)),
    ] {
        let value = signed(&Claims { issued_at, ..claims() });
        assert_eq!(verify(&value).map(drop), result, "{issued_at}");
    }
}

#[test]
fn other_numbers_than_the_calls_prove_nothing() {
    let value = signed(&claims());
    let verifier = verifier();
    for (orig, dest) in
        [("+12065550101", "+13125550199"), ("+12065550100", "+13125550198"), ("alice", "bob")]
    {
        assert_eq!(verifier.verify([&*value], call(orig, dest), at(NOW)), Err(Failure::Invalid));
    }
    assert_eq!(verifier.verify([], call("+12065550100", "+1"), at(NOW)), Err(Failure::Missing));
}

#[test]
fn a_certificate_speaks_for_its_numbers_only() {
    let signer = Signer::new(RANGED_KEY, RANGED_URL).unwrap();
    for (orig, right) in [
        ("12065550099", false),
        ("12065550100", true),
        ("12065550149", true),
        ("12065550150", false),
        ("12125550000", true),
        ("12125550001", false),
        ("112065550100", false),
    ] {
        let value = signer.sign(&Claims { orig: orig.to_owned(), ..claims() }).unwrap();
        let result = verifier().verify([&*value], call(orig, "13125550199"), at(NOW)).map(drop);
        let expected = if right { Ok(()) } else { Err(Failure::UnsupportedCredential) };
        assert_eq!(result, expected, "{orig}");
    }
}

#[test]
fn certificates_are_trusted_only_from_a_root_and_while_valid() {
    let mut verifier = Verifier::default();
    let untrusted = verifier.add_certificate(URL, PROVIDER, at(NOW));
    assert_eq!(untrusted, Err(CertificateError::NotTrusted));
    verifier.add_roots(ROOT).unwrap();
    for early_or_late in [0, 1_000_000_000_000 / 100] {
        let result = verifier.add_certificate(URL, PROVIDER, at(early_or_late));
        assert_eq!(result, Err(CertificateError::NotTrusted));
    }
    assert_eq!(verifier.add_certificate(URL, OTHER_CURVE, at(NOW)), Err(CertificateError::NotP256));
    // Without the intermediate there is no chain.
    let end = PROVIDER.find("-----END CERTIFICATE-----").unwrap() + 25;
    let alone = verifier.add_certificate(URL, &PROVIDER[..end], at(NOW));
    assert_eq!(alone, Err(CertificateError::NotTrusted));
    assert_eq!(verifier.add_certificate(URL, "", at(NOW)), Err(CertificateError::NotPem));
    assert_eq!(verifier.add_roots("nothing"), Err(CertificateError::NotPem));
    // One that was trusted when it was loaded expires like any other.
    verifier.add_certificate(URL, PROVIDER, at(NOW)).unwrap();
    let later = 10_000_000_000;
    let value = signed(&Claims { issued_at: later, ..claims() });
    let result = verifier.verify([&*value], call("12065550100", "13125550199"), at(later));
    assert_eq!(result, Err(Failure::UnsupportedCredential));
}

#[test]
fn the_algorithm_is_never_the_tokens_choice() {
    let payload =
        payload_with("{\"tn\":\"12065550100\"}", "{\"tn\":[\"13125550199\"]}", "1893456000");
    assert!(verify(&forged(&header_with("ES256", ""), &payload)).is_ok(), "the control");
    for header in [
        header_with("none", ""),
        header_with("HS256", ""),
        header_with("es256", ""),
        header_with("ES256", ",\"crit\":[\"exp\"]"),
        header_with("ES256", "").replace("passport", "JWT"),
        header_with("ES256", "").replace("shaken", "div"),
        header_with("ES256", "").replace("provider", "ranged"),
        "[]".to_owned(),
        "{}".to_owned(),
    ] {
        assert_eq!(verify(&forged(&header, &payload)), Err(Failure::Invalid), "{header}");
    }
    // A token without a signature, as "none" would have it.
    let value = forged(&header_with("none", ""), &payload);
    let (token, _) = value.split_once(';').unwrap();
    let bare = format!("{}.;info=<{URL}>", token.rsplit_once('.').unwrap().0);
    assert_eq!(verify(&bare), Err(Failure::Invalid));
}

#[test]
fn claims_of_the_wrong_kind_prove_nothing() {
    let (orig, dest) = ("{\"tn\":\"12065550100\"}", "{\"tn\":[\"13125550199\"]}");
    let many = format!("{{\"tn\":[{}\"13125550199\"]}}", "\"1\",".repeat(40));
    for payload in [
        payload_with("{\"uri\":\"sip:a@b\"}", dest, "1893456000"),
        payload_with("{\"tn\":[\"12065550100\"]}", dest, "1893456000"),
        payload_with(orig, "{\"tn\":\"13125550199\"}", "1893456000"),
        payload_with(orig, "{\"tn\":[]}", "1893456000"),
        payload_with(orig, &many, "1893456000"),
        payload_with(orig, dest, "\"1893456000\""),
        payload_with(orig, dest, "1893456000.5"),
        payload_with(orig, dest, "-1"),
        payload_with(orig, dest, "1893456000").replace("\"A\"", "\"D\""),
        "{".repeat(3_000),
    ] {
        let result = verify(&forged(&header_with("ES256", ""), &payload));
        assert_eq!(result, Err(Failure::Invalid), "{payload:.200}");
    }
}

#[test]
fn a_changed_or_foreign_signature_is_invalid() {
    let value = signed(&claims());
    let (token, rest) = value.split_once(';').unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let last = if signature.ends_with('A') { 'Q' } else { 'A' };
    let other = Signer::new(RANGED_KEY, URL).unwrap().sign(&claims()).unwrap();
    assert_eq!(verify(&other), Err(Failure::Invalid), "another key under that certificate's name");
    for changed in [
        format!("{input}.{};{rest}", signature.chars().rev().collect::<String>()),
        format!("{input}.{}{last};{rest}", &signature[..signature.len() - 1]),
        format!("{input}.{signature}AAAA;{rest}"),
        format!("{input}.;{rest}"),
        format!("{input};{rest}"),
        token.to_owned(),
        format!("{token};info=<https://elsewhere.example/c.pem>"),
        format!("{token};{rest};alg=none"),
        format!("{}.{signature};{rest}", "A".repeat(20_000)),
        format!("{input}!.{signature};{rest}"),
    ] {
        assert_eq!(verify(&changed), Err(Failure::Invalid), "{changed:.100}");
    }
}

#[test]
fn the_first_header_that_verifies_counts_and_few_are_looked_at() {
    let good = signed(&claims());
    let verifier = verifier();
    let check = |values: Vec<&str>| {
        verifier.verify(values, call("12065550100", "13125550199"), at(NOW)).map(drop)
    };
    assert_eq!(check(vec!["junk", &good]), Ok(()));
    assert_eq!(check(vec!["junk", "junk", "junk", "junk", &good]), Err(Failure::Invalid));
    let unknown = Signer::new(PROVIDER_KEY, "https://x.example/c.pem").unwrap();
    let unknown = unknown.sign(&claims()).unwrap();
    assert_eq!(check(vec![&unknown]), Err(Failure::UnknownCertificate));
}

#[test]
fn failures_have_the_statuses_of_rfc_8224_section_6_2_2() {
    let statuses = [
        (Failure::Missing, 428),
        (Failure::Stale, 403),
        (Failure::UnknownCertificate, 436),
        (Failure::UnsupportedCredential, 437),
        (Failure::Invalid, 438),
    ];
    assert!(statuses.iter().all(|(failure, status)| failure.status() == *status));
}

#[test]
fn keys_are_checked_and_never_shown() {
    let error = |key: &str, url: &str| Signer::new(key, url).err();
    assert_eq!(error(PROVIDER, URL), Some(KeyError::NotPem));
    assert_eq!(
        error("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", URL),
        Some(KeyError::NotP256)
    );
    for url in ["http://x/", "https://x/>;ppt=y", "https://x/ y", ""] {
        assert_eq!(error(PROVIDER_KEY, url), Some(KeyError::BadUrl), "{url}");
    }
    let signer = Signer::new(PROVIDER_KEY, URL).unwrap();
    assert_eq!(Verifier::has_key(PROVIDER, signer.public_key()), Ok(true));
    assert_eq!(Verifier::has_key(RANGED, signer.public_key()), Ok(false));
    assert_eq!(format!("{signer:?}"), format!("Signer {{ x5u: {URL:?}, .. }}"));
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(value in "\\PC{0,300}", date in "\\PC{0,40}") {
        let _ = verify(&value);
        let _ = verifier().verify([&*["..", &*value].concat()], dated(Some(&date)), at(NOW));
        let _ = date::seconds_of(&["Mon, ", &*date].concat());
    }

    #[test]
    fn no_change_of_one_character_verifies(at_byte in 0_usize..600, with in "[A-Za-z0-9_.-]") {
        let value = signed(&claims());
        let (token, rest) = value.split_once(';').unwrap();
        let index = at_byte % token.len();
        let mut changed = token.to_owned();
        changed.replace_range(index..=index, &with);
        if changed != token {
            let result = verify(&format!("{changed};{rest}"));
            prop_assert!(result.is_err(), "{}", changed);
        }
    }
}
