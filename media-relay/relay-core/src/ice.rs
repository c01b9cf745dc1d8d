//! One leg's ICE-lite agent (RFC 8445 section 2.5): answers its connectivity checks, and learns from
//! the authentic ones where its media comes from and goes to.

use model::IcePlan;
use rtp_proto::stun::{
    BindingRequest, ErrorCode, LONGEST_RESPONSE, StunError, write_error, write_success,
};
use std::net::SocketAddr;

/// What came of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckOutcome {
    /// Octets of the response in the caller's buffer; it goes back to where the check came from.
    pub response: usize,
    /// The check was authentic: its source is the leg.
    pub authentic: bool,
    /// The leg has chosen the path that the check came over (USE-CANDIDATE).
    pub nominated: bool,
}

/// Answers one datagram that is STUN by its first octet. The response is written to `out`.
///
/// # Errors
/// [`StunError`] for what gets no answer: it is counted and dropped.
pub fn answer_check(
    plan: &IcePlan,
    source: SocketAddr,
    datagram: &[u8],
    out: &mut [u8; LONGEST_RESPONSE],
) -> Result<CheckOutcome, StunError> {
    let request = BindingRequest::parse(datagram)?;
    let password = plan.local_password.as_bytes();
    let refuse = |out: &mut [u8; LONGEST_RESPONSE], code, password| {
        let response = write_error(out, request.transaction_id(), code, password);
        let response = response.ok_or(StunError::Malformed)?;
        Ok(CheckOutcome { response, authentic: false, nominated: false })
    };
    let (Some(username), true) = (request.username(), request.has_integrity()) else {
        return refuse(out, ErrorCode::BadRequest, None);
    };
    if !is_for(plan, username) || !request.is_authentic(password) {
        return refuse(out, ErrorCode::Unauthenticated, None);
    }
    if let Some(unknown) = request.unknown_attribute() {
        return refuse(out, ErrorCode::UnknownAttribute(unknown), Some(password));
    }
    // Two controlled agents would wait for each other's nomination for ever.
    if request.is_from_controlled() {
        return refuse(out, ErrorCode::RoleConflict, Some(password));
    }
    let response = write_success(out, request.transaction_id(), source, password);
    let response = response.ok_or(StunError::Malformed)?;
    Ok(CheckOutcome { response, authentic: true, nominated: request.use_candidate() })
}

/// Whether USERNAME names both ends, the receiver first (RFC 8445 section 7.2.2).
fn is_for(plan: &IcePlan, username: &str) -> bool {
    username.split_once(':').is_some_and(|(ours, theirs)| {
        *ours == *plan.local_fragment && *theirs == *plan.remote_fragment
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_proto::stun::{TransactionId, write_check};

    const TRANSACTION: TransactionId = *b"transaction!";

    fn plan() -> IcePlan {
        IcePlan {
            local_fragment: "ours".into(),
            local_password: "a password of 22 chars".into(),
            remote_fragment: "theirs".into(),
        }
    }

    fn source() -> SocketAddr {
        "192.0.2.1:4000".parse().unwrap()
    }

    fn check(
        username: &str,
        password: &str,
        nominates: bool,
    ) -> (CheckOutcome, [u8; LONGEST_RESPONSE]) {
        let mut datagram = [0; LONGEST_RESPONSE];
        let password = password.as_bytes();
        let length = write_check(&mut datagram, &TRANSACTION, username, password, nominates);
        let mut out = [0; LONGEST_RESPONSE];
        let outcome = answer_check(&plan(), source(), &datagram[..length.unwrap()], &mut out);
        (outcome.unwrap(), out)
    }

    #[test]
    fn an_authentic_check_is_answered_and_a_nomination_noted() {
        for nominates in [false, true] {
            let (outcome, out) = check("ours:theirs", "a password of 22 chars", nominates);
            assert_eq!((outcome.authentic, outcome.nominated), (true, nominates));
            assert_eq!(out[..2], [0x01, 0x01]);
            assert_eq!(out[8..20], TRANSACTION);
        }
    }

    #[test]
    fn a_check_of_a_stranger_is_refused_and_teaches_nothing() {
        for (username, password) in [
            ("ours:theirs", "another password"),
            ("ours:others", "a password of 22 chars"),
            ("others:theirs", "a password of 22 chars"),
            ("ours", "a password of 22 chars"),
        ] {
            let (outcome, out) = check(username, password, true);
            assert!(!outcome.authentic && !outcome.nominated, "{username}");
            assert_eq!(out[..2], [0x01, 0x11]);
            assert_eq!(out[26..28], [4, 1], "401");
        }
    }

    #[test]
    fn what_is_no_check_gets_no_answer() {
        let mut out = [0; LONGEST_RESPONSE];
        for datagram in [&[0_u8][..], &[0; 20], b"\x01\x01\x00\x00\x21\x12\xa4\x42transaction!"] {
            assert!(answer_check(&plan(), source(), datagram, &mut out).is_err());
        }
    }
}
