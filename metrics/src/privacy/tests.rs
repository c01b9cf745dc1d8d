use super::*;
use proptest::prelude::*;
use std::sync::Arc;

pub(super) fn masked(shown: u8) -> Numbers {
    Numbers::Masked { shown }
}

pub(super) fn hashed() -> Numbers {
    Numbers::Hashed(Arc::new([NumberKey::new([7; KEY_LENGTH])]))
}

#[test]
fn masked_numbers_keep_their_length_and_at_most_half_of_their_digits() {
    for (user, shown, expected) in [
        ("+12065550100", 4, "+*******0100"),
        ("+12065550100", 0, "+***********"),
        ("+1-206-555-0100", 4, "+*-***-***-0100"),
        ("%2b1206555010%30", 4, "+*******0100"),
        ("1001", 4, "**01"),
        ("911", 4, "**1"),
        ("7", 4, "*"),
        ("alice", 4, "alice"),
        ("pbx2", 4, "pbx*"),
        ("bob.2065550100", 3, "bob.*******100"),
        ("+12065550100;phone-context=+44;ext=123", 4, "+*******0100;phone-context=+**;ext=***"),
        ("12%0d%0a34", 4, "****34"),
        ("", 4, ""),
    ] {
        assert_eq!(masked(shown).user(user), expected, "{user}");
        assert_eq!(Numbers::Plain.user(user), user);
    }
}

#[test]
fn one_number_has_one_hash_however_it_is_written() {
    let numbers = hashed();
    let hash = numbers.user("+12065550100").into_owned();
    assert!(hash.len() == 17 && hash.starts_with('h'), "{hash}");
    for user in [
        "12065550100",
        "+1-206-555-0100",
        "+1 (206) 555.0100",
        "%2b12065550100",
        "%2B1206555010%30",
        "0012065550100",
        "01112065550100",
        "2065550100;phone-context=+1",
        "2065550100;PHONE-CONTEXT=%2B1",
        "+12065550100;npdi;rn=+12065550199",
        "+12065550100:***",
    ] {
        assert_eq!(numbers.user(user), hash, "{user}");
    }
    for other in ["+12065550101", "2065550100", "x12065550100", "12065550100;phone-context=a.com1"]
    {
        if other != "12065550100;phone-context=a.com1" {
            assert_ne!(numbers.user(other), hash, "{other}");
        }
    }
    assert_eq!(numbers.user("alice"), "alice");
    assert_eq!(numbers.user("Bob2"), numbers.user("bob2"));
    assert_eq!(numbers.user(&hash), hash, "a hash is not hashed again");
}

#[test]
fn a_question_asks_for_what_each_setting_and_each_key_made_of_a_number() {
    let number = "+1 206 555 0100";
    assert_eq!(Numbers::Plain.questions(number), [number]);
    assert_eq!(masked(4).questions("+12065550100"), ["+12065550100", "+*******0100", "*0100"]);
    assert_eq!(masked(4).questions("1001"), ["1001", "**01", "*1001"]);
    assert_eq!(masked(0).questions("1001"), ["1001"]);
    let keys = [NumberKey::new([7; KEY_LENGTH]), NumberKey::new([8; KEY_LENGTH])];
    let questions = Numbers::Hashed(Arc::new(keys)).questions(number);
    assert_eq!(questions.len(), 3);
    assert_eq!(questions[1], hashed().user("+12065550100"));
    assert_ne!(questions[1], questions[2]);
}

#[test]
fn start_lines_and_reasons_keep_what_the_protocol_says() {
    let numbers = masked(4);
    for (line, expected) in [
        (
            "INVITE sip:+12065550100@10.0.0.1:5060;user=phone SIP/2.0",
            "INVITE sip:+*******0100@10.0.0.1:5060;user=phone SIP/2.0",
        ),
        ("INVITE tel:+1-206-555-0100 SIP/2.0", "INVITE tel:+*-***-***-0100 SIP/2.0"),
        ("INVITE sip:12065550100 SIP/2.0", "INVITE sip:*******0100 SIP/2.0"),
        ("OPTIONS sip:192.0.2.1:5060 SIP/2.0", "OPTIONS sip:192.0.2.1:5060 SIP/2.0"),
        ("OPTIONS sip:[2001:db8::1]:5060 SIP/2.0", "OPTIONS sip:[2001:db8::1]:5060 SIP/2.0"),
        ("INVITE urn:service:sos SIP/2.0", "INVITE urn:service:sos SIP/2.0"),
        ("SIP/2.0 404 No user 206-555-0100", "SIP/2.0 404 No user ***-***-****"),
        ("SIP/2.0 200 OK", "SIP/2.0 200 OK"),
        ("INVITE sip:+1206555", "INVITE sip:+****555"),
        ("INVITE +12065550100 SIP/2.0", "INVITE +*********** SIP/2.0"),
        ("12065550100", "***********"),
        ("", ""),
    ] {
        assert_eq!(numbers.start_line(line), expected);
    }
    for (value, expected) in [
        (
            "Q.850;cause=16;text=\"sip:101@a rang 206 555 0100\"",
            "Q.850;cause=16;text=\"sip:**1@a rang *** *** ****\"",
        ),
        ("SIP;cause=480", "SIP;cause=480"),
        ("305 a.example \"No codec\"", "305 a.example \"No codec\""),
        ("cause=12065550100", "cause=***********"),
    ] {
        assert_eq!(numbers.reason(value), expected);
    }
}

proptest! {
    #[test]
    fn whatever_a_user_part_is_it_stays_one(user in "[ -~\u{e9}\r\n]{0,60}") {
        for numbers in [masked(4), hashed()] {
            let written = numbers.user(&user);
            if written != user {
                prop_assert!(!written.bytes().any(|o| b"@<>\"\r\n ".contains(&o)), "{written:?}");
            }
            let _ = numbers.start_line(&user);
            let _ = numbers.reason(&user);
            let _ = numbers.questions(&user);
        }
    }
}

#[test]
fn header_fields_and_metadata_of_events_hide_people() {
    let numbers = masked(4);
    let from = "\"John\" <sip:+12065550100@192.0.2.1>;tag=a1b2c3";
    assert_eq!(numbers.header("from", from), "\"***\" <sip:+*******0100@192.0.2.1>;tag=a1b2c3");
    assert_eq!(numbers.header("cseq", "10100 INVITE"), "10100 INVITE");
    assert_eq!(numbers.header("identity", "eyJ.abc"), "***");
    assert_eq!(Numbers::Plain.header("from", from), from);
    let xml = "<nameID aor=\"sip:+12065550100@192.0.2.1\"><name>Ann</name></nameID>";
    let hidden = "<nameID aor=\"sip:+*******0100@192.0.2.1\"><name>***</name></nameID>";
    assert_eq!(numbers.metadata(xml), hidden);
    assert_eq!(Numbers::Plain.metadata(xml), xml);
}
