use super::*;

fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    let (code, message) = (code.to_owned(), message.to_owned());
    Refusal { operation: "PutMedia", status, code, message, retry_after: None }
}

#[test]
fn every_fault_of_a_fragment_has_its_rule() {
    use Remedy::*;
    let expected = [
        (4000, Again),
        (4001, Skip),
        (4002, Skip),
        (4003, Again),
        (4004, Skip),
        (4005, GiveUp),
        (4006, Skip),
        (4007, Again),
        (4008, MakeStream),
        (4009, Skip),
        (4010, Skip),
        (4011, Skip),
        (4012, GiveUp),
        (4500, GiveUp),
        (4501, GiveUp),
        (4502, GiveUp),
        (4503, Again),
        (4504, GiveUp),
        (4505, GiveUp),
        (4506, GiveUp),
        (5000, Again),
        (5001, Again),
    ];
    assert_eq!(expected.map(|(id, _)| id), ERROR_IDS.map(|(id, _)| id));
    for (id, remedy) in expected {
        let rule = of_error(id);
        assert_eq!(rule.remedy, remedy, "{id}");
        assert_eq!(
            rule.remedy == GiveUp,
            !rule.advice.is_empty() && rule.attempts == Some(1),
            "{id}"
        );
        assert_eq!(rule.is_own, (4500..=4506).contains(&id) && id != 4503, "{id}");
    }
    assert!(of_error(4003).at_once);
    assert_eq!(of_error(4999), PASSES);
    assert_eq!((error_index(5001), error_index(4999)), (21, 22));
}

#[test]
fn every_refusal_has_its_rule() {
    use Remedy::*;
    for (status, code, message, remedy, attempts) in [
        (400, "ClientLimitExceededException", "", Again, None),
        (400, "ConnectionLimitExceededException", "", Again, Some(10)),
        (400, "InvalidArgumentException", "", Again, Some(2)),
        (400, "InvalidEndpointException", "", NewEndpoint, None),
        (401, "NotAuthorizedException", "", RenewCredentials, Some(4)),
        (403, "AccessDeniedException", "", RenewCredentials, Some(4)),
        (403, "ExpiredTokenException", "", RenewCredentials, Some(4)),
        (403, "InvalidSignatureException", "Signature expired: 2026", Again, Some(4)),
        (403, "InvalidSignatureException", "no match", RenewCredentials, Some(4)),
        (403, "UnrecognizedClientException", "", RenewCredentials, Some(4)),
        (404, "ResourceNotFoundException", "", MakeStream, None),
        (400, "AccountStreamLimitExceededException", "", GiveUp, Some(1)),
        (400, "ResourceInUseException", "", MakeStream, None),
        (400, "ThrottlingException", "", Again, None),
        (429, "", "", Again, None),
        (500, "InternalFailure", "", NewEndpoint, None),
        (503, "", "", NewEndpoint, None),
        (404, "", "", NewEndpoint, Some(5)),
        (301, "", "", NewEndpoint, Some(5)),
    ] {
        let rule = of_refusal(&refusal(status, code, message));
        assert_eq!((rule.remedy, rule.attempts), (remedy, attempts), "{status} {code}");
        assert_eq!(rule.attempts.is_some(), !rule.advice.is_empty(), "{status} {code}");
    }
}

#[test]
fn a_refusal_is_told_in_one_line() {
    let told = refusal(404, "ResourceNotFoundException", "no such stream").to_string();
    assert_eq!(told, "PutMedia: 404 ResourceNotFoundException (no such stream)");
    assert_eq!(refusal(502, "", "").to_string(), "PutMedia: 502");
}
