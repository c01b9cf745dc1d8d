//! The vectors of RFC 5769, and what an attacker would send.

use super::*;
use std::net::SocketAddr;

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: TransactionId =
    [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// RFC 5769 section 2.1.
fn sample_request() -> Vec<u8> {
    bytes(
        "00010058 2112a442 b7e7a701bc34d686fa87dfae
         80220010 5354554e207465737420636c69656e74
         00240004 6e0001ff
         80290008 932ff9b151263b36
         00060009 6576746a3a68367659202020
         00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
         80280004 e57a3bcf",
    )
}

#[test]
fn the_sample_request_is_read_and_authentic() {
    let message = sample_request();
    let request = BindingRequest::parse(&message).unwrap();
    assert_eq!(request.transaction_id(), &TRANSACTION);
    assert_eq!(request.username(), Some("evtj:h6vY"));
    assert!(request.is_from_controlled() && !request.use_candidate());
    assert_eq!(request.unknown_attribute(), None);
    assert!(request.is_authentic(PASSWORD));
    assert!(!request.is_authentic(b"another"));
}

#[test]
fn responses_hold_what_the_samples_hold() {
    // RFC 5769 sections 2.2 and 2.3 without SOFTWARE, which we do not send; the codes are those of
    // the shorter message.
    for (source, value) in [
        ("192.0.2.1:32853", "00200008 0001a147 e112a643"),
        (
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
            "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9",
        ),
    ] {
        let source: SocketAddr = source.parse().unwrap();
        let mut out = [0xff; LONGEST_RESPONSE];
        let length = write_success(&mut out, &TRANSACTION, source, PASSWORD).unwrap();
        let (message, value) = (&out[..length], bytes(value));
        assert_eq!(message[..2], [0x01, 0x01]);
        assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), length - HEADER);
        assert_eq!(message[HEADER..HEADER + value.len()], value);
        assert_codes(message);
        for short in 0..length {
            assert_eq!(write_success(&mut out[..short], &TRANSACTION, source, PASSWORD), None);
        }
    }
}

/// Checks both codes of a response with the code that reads requests.
fn assert_codes(response: &[u8]) {
    let mut as_request = response.to_vec();
    as_request[0] = 0;
    as_request[1] = 1;
    let end = as_request.len() - 8;
    let covered = as_request[..end].to_vec();
    let fingerprint = integrity::fingerprint([&covered, &[], &[]]);
    as_request[end + 4..].copy_from_slice(&fingerprint.to_be_bytes());
    let wrong = integrity::fingerprint([&response[..end], &[], &[]]).to_be_bytes();
    assert_eq!(response[end + 4..], wrong, "FINGERPRINT");
    let at = end - INTEGRITY - ATTRIBUTE_HEADER;
    let mut covered = response[..at].to_vec();
    covered[2..4].copy_from_slice(&u16::try_from(end - HEADER).unwrap().to_be_bytes());
    let code = integrity::code(PASSWORD, [&covered, &[], &[]]);
    assert_eq!(response[end - INTEGRITY..end], code, "MESSAGE-INTEGRITY");
}

#[test]
fn the_samples_own_codes_are_ours() {
    // RFC 5769 section 2.2, in full.
    let response = bytes(
        "0101003c 2112a442 b7e7a701bc34d686fa87dfae
         8022000b 7465737420766563746f7220
         00200008 0001a147e112a643
         00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
         80280004 c07d4c96",
    );
    assert_codes(&response);
}

#[test]
fn refusals_say_why() {
    let mut out = [0; LONGEST_RESPONSE];
    for (code, number) in [
        (ErrorCode::BadRequest, [4, 0]),
        (ErrorCode::Unauthenticated, [4, 1]),
        (ErrorCode::UnknownAttribute(0x7777), [4, 20]),
        (ErrorCode::RoleConflict, [4, 87]),
    ] {
        let length = write_error(&mut out, &TRANSACTION, code, None).unwrap();
        assert_eq!(out[..2], [0x01, 0x11]);
        assert_eq!(out[HEADER + 6..HEADER + 8], number);
        assert_eq!(length % 4, 0);
        let listed = bytes("000a0002 7777 0000");
        let lists = out[..length].windows(listed.len()).any(|window| window == listed);
        assert_eq!(lists, code == ErrorCode::UnknownAttribute(0x7777));
    }
    let length = write_error(&mut out, &TRANSACTION, ErrorCode::RoleConflict, Some(PASSWORD));
    assert_codes(&out[..length.unwrap()]);
}

#[test]
fn a_changed_bit_a_cut_message_and_lying_lengths_are_refused() {
    // Without FINGERPRINT, which comes after the protected part, so that the integrity is asked.
    let mut good = sample_request();
    good.truncate(good.len() - 8);
    let length = u16::try_from(good.len() - HEADER).unwrap();
    good[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(BindingRequest::parse(&good).is_ok_and(|request| request.is_authentic(PASSWORD)));
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut message = good.clone();
            message[at] ^= 1 << bit;
            let passes =
                BindingRequest::parse(&message).is_ok_and(|request| request.is_authentic(PASSWORD));
            assert!(!passes, "bit {bit} of byte {at}");
        }
        assert!(BindingRequest::parse(&good[..at]).is_err(), "cut at {at}");
    }
    let mut endless = good[..HEADER].to_vec();
    endless.extend(bytes("80220000").repeat(100));
    endless[2..4].copy_from_slice(&400_u16.to_be_bytes());
    assert_eq!(BindingRequest::parse(&endless), Err(StunError::Malformed));
}

#[test]
fn what_follows_the_integrity_does_not_count() {
    let mut message = sample_request();
    message.truncate(message.len() - 8);
    message.extend(bytes("00250000"));
    let length = u16::try_from(message.len() - HEADER).unwrap();
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let request = BindingRequest::parse(&message).unwrap();
    assert!(request.is_authentic(PASSWORD));
    assert!(!request.use_candidate());
}

#[test]
fn an_attribute_that_must_be_understood_is_named() {
    let mut message = sample_request()[..HEADER].to_vec();
    message.extend(bytes("77770004 00000000 88880000"));
    message[2..4].copy_from_slice(&12_u16.to_be_bytes());
    let request = BindingRequest::parse(&message).unwrap();
    assert_eq!(request.unknown_attribute(), Some(0x7777));
    assert!(!request.has_integrity() && !request.is_authentic(PASSWORD));
}

#[test]
fn a_check_of_a_controlling_agent_is_read_as_one() {
    let mut out = [0; LONGEST_RESPONSE];
    for nominates in [false, true] {
        let length = write_check(&mut out, &TRANSACTION, "evtj:h6vY", PASSWORD, nominates).unwrap();
        let request = BindingRequest::parse(&out[..length]).unwrap();
        assert_eq!(request.username(), Some("evtj:h6vY"));
        assert_eq!((request.use_candidate(), request.is_from_controlled()), (nominates, false));
        assert!(request.is_authentic(PASSWORD) && !request.is_authentic(b"other"));
    }
}
