use super::tests::{hashed, masked};
use super::*;
use proptest::prelude::*;

fn text(privacy: &MessagePrivacy, message: &str) -> String {
    String::from_utf8(privacy.of_message(message.as_bytes()).into_owned()).unwrap()
}

fn kept(numbers: Numbers) -> MessagePrivacy {
    MessagePrivacy { numbers, bodies: Bodies::Kept }
}

const SDP: &str = "v=0\r\no=+12065550100 12345678 1 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\n\
    t=0 0\r\nm=audio 40000 RTP/SAVP 0 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVC\r\n\
    a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=rtpmap:101 telephone-event/8000\r\n";

#[test]
fn a_call_s_message_names_nobody_and_stays_a_message() {
    let message = format!(
        "INVITE sip:%2b12065550100;phone-context=+1@10.0.0.2:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK776asdhds\r\n\
         f: Bob 4155550123\r\n <sip:+14155550123@10.0.0.1>;tag=1928301774\r\n\
         t : \"Al, \\\"4155550123\\\"\" <tel:+1-206-555-0100;ext=77>\r\n\
         i: 4155550123@10.0.0.1\r\n\
         CSeq: 314159 INVITE\r\n\
         m: <sip:+14155550123@10.0.0.1:5060;transport=udp>;expires=3600\r\n\
         P-Asserted-Identity: \"Bob\" <sip:+14155550123@a>, tel:+14155550123\r\n\
         Diversion: <sip:+14155550123@a>;reason=no-answer;counter=1\r\n\
         History-Info: <sip:+14155550123@a?Reason=SIP%3Bcause%3D302>;index=1.1, <sip:101@b>;index=1.2\r\n\
         Remote-Party-ID: \"4155550123\" <sip:+14155550123@a>;party=calling;screen=yes\r\n\
         Refer-To: <sip:bob@a?P-Asserted-Identity=%3Csip%3A%2B14155550123%40a%3E>\r\n\
         Identity: eyJhbGciOiJFUzI1NiJ9.eyJvcmlnIjp7InRuIjoiMTQxNTU1NTAxMjMifX0.sig;info=<https://a/b>\r\n\
         Proxy-Authorization: Digest username=\"+14155550123\", realm=\"r\", nonce=\"n\", uri=\"sip:+12065550100@a\", response=\"x\", nc=00000001\r\n\
         X-Caller: (415) 555-0123 at 10:30\r\n\
         User-Agent: PBX 18.2.1\r\n\
         c: application/sdp\r\n\r\n{SDP}"
    );
    let shown = text(&kept(masked(4)), &message);
    insta::assert_snapshot!("masked", shown.replace('\r', ""));
    let shown = text(&kept(hashed()), &message);
    insta::assert_snapshot!("hashed", shown.replace('\r', ""));
}

#[test]
fn plain_numbers_and_kept_bodies_change_nothing_but_credentials() {
    let message = format!("INVITE sip:+12065550100@a SIP/2.0\r\nc: application/sdp\r\n\r\n{SDP}");
    let shown = text(&MessagePrivacy::default(), &message);
    assert!(shown.contains("inline:***") && shown.contains("a=ice-pwd:***"), "{shown}");
    assert!(shown.contains("sip:+12065550100@a") && shown.contains("o=+12065550100 "), "{shown}");
}

#[test]
fn bodies_are_kept_left_out_or_kept_without_keys() {
    let head = "INVITE sip:a@b SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n";
    let of =
        |bodies, message: &str| text(&MessagePrivacy { numbers: Numbers::Plain, bodies }, message);
    let message = format!("{head}{SDP}");
    assert_eq!(of(Bodies::Omitted, &message), head);
    let shown = of(Bodies::SdpWithoutKeys, &message);
    assert!(!shown.contains("a=crypto") && !shown.contains("ice-pwd"), "{shown}");
    assert!(shown.starts_with(head) && shown.ends_with("telephone-event/8000\r\n"), "{shown}");
    let other = "MESSAGE sip:a@b SIP/2.0\r\nContent-Type: text/plain\r\n\r\n";
    assert_eq!(of(Bodies::SdpWithoutKeys, &format!("{other}Meet me")), other);
    assert_eq!(of(Bodies::Kept, &format!("{other}Meet me")), format!("{other}Meet me"));
    let parts = format!(
        "INVITE sip:a@b SIP/2.0\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\nbefore\r\n--x\r\n\
         Content-Type: application/sdp\r\n\r\n{SDP}--x\r\nContent-Type: text/plain\r\n\r\nsecret\r\n--x--\r\nafter"
    );
    let shown = of(Bodies::SdpWithoutKeys, &parts);
    assert!(shown.contains("m=audio 40000") && shown.contains("--x--"), "{shown}");
    for hidden in ["secret", "before", "after", "a=crypto"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
}

#[test]
fn bodies_that_are_no_description_lose_their_numbers() {
    let sipfrag = "NOTIFY sip:a@b SIP/2.0\r\nc: message/sipfrag;version=2.0\r\n\r\n\
         SIP/2.0 200 OK\r\nTo: <sip:+14155550123@a>;tag=7\r\n";
    let shown = text(&kept(masked(2)), sipfrag);
    assert!(shown.ends_with("SIP/2.0 200 OK\r\nTo: <sip:+*********23@a>;tag=7\r\n"), "{shown}");
    let message = "MESSAGE sip:a@b SIP/2.0\r\nc: text/plain\r\n\r\ncall 415 555 0123, room 12";
    assert!(text(&kept(masked(2)), message).ends_with("call *** *** ****, room 12"));
    for kind in ["application/rs-metadata+xml", "Application/RS-metadata; charset=utf-8"] {
        let metadata = format!(
            "UPDATE sip:a@b SIP/2.0\r\nc: {kind}\r\n\r\n<n aor=\"tel:4155550123\"><name>Ann</name></n>"
        );
        let shown = text(&kept(masked(2)), &metadata);
        assert!(shown.ends_with("<n aor=\"tel:********23\"><name>***</name></n>"), "{shown}");
    }
    let isup =
        [b"INVITE sip:a@b SIP/2.0\r\nc: application/ISUP\r\n\r\n".as_slice(), &[0xff, 0x41, 0x55]];
    assert!(kept(masked(2)).of_message(&isup.concat()).ends_with(b"\r\n\r\n***"));
}

/// Ways to write a number in a user part.
fn written(number: &str, way: u8) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match way % 7 {
        0 => format!("+{digits}"),
        1 => digits,
        2 => format!("%2b{digits}"),
        3 => digits.bytes().map(|octet| format!("%{octet:02x}")).collect(),
        4 => format!("+{}-{}", &digits[..3], &digits[3..]),
        5 => format!("{};phone-context=+{}", &digits[2..], &digits[..2]),
        _ => format!("+{digits};ext=12;isub=345"),
    }
}

/// A header field with the number, in one of many forms.
fn field(name: &str, user: &str, number: &str, form: u8) -> String {
    match form % 9 {
        0 => format!("{name}: <sip:{user}@10.0.0.1:5060>;tag=a1"),
        1 => format!("{name}:sip:{user}@h.example;tag=a1"),
        2 => format!("{name} : \"{number}\"<sips:{user}@h>"),
        3 => format!("{name}:\r\n\t{number} <sip:{user}@h;transport=tcp>"),
        4 => format!("{name}: <tel:{user}>, <sip:{user}@h?Subject={user}>"),
        5 => format!("{name}: \"x\\\"{number}\" <SIP:{user}\r\n @h"),
        6 => format!("{name}: {number}"),
        7 => format!("{name}: <sip:{user}>;x=\"{number}\""),
        _ => format!("{name}: <sip:a@{number}.h:5060;rn=+{number}>;y={number}"),
    }
}

const NAMES: [&str; 16] = [
    "From",
    "f",
    "TO",
    "t",
    "Contact",
    "m",
    "P-Asserted-Identity",
    "Diversion",
    "Refer-To",
    "r",
    "History-Info",
    "Remote-Party-ID",
    "Referred-By",
    "X-Unknown",
    "Subject",
    "Reason",
];

/// Whether `text` shows `number`'s digits, more than `most` in a row, escaped or not.
fn shows(text: &str, number: &str, most: usize) -> Option<String> {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let decoded: String = text::units(text.as_bytes()).map(|u| char::from(u.octet)).collect();
    let runs = digits.windows(most + 1).map(|run| run.iter().collect::<String>());
    runs.into_iter().find(|run| text.contains(run) || decoded.contains(run))
}

proptest! {
    #[test]
    fn no_run_of_a_number_s_digits_survives(
        // No three of these digits follow each other in anything else that is written here.
        number in "[34789]{10,14}",
        fields in prop::collection::vec((0..NAMES.len(), any::<u8>(), any::<u8>()), 1..8),
        way in any::<u8>(),
        line_end in prop::sample::select(vec!["\r\n", "\n"]),
        body in any::<bool>(),
    ) {
        let mut message = format!("INVITE sip:{}@10.0.0.2 SIP/2.0", written(&number, way));
        for (name, way, form) in fields {
            message.push_str(line_end);
            message.push_str(&field(NAMES[name], &written(&number, way), &number, form));
        }
        message.push_str("\r\nAuthorization: Digest username=\"");
        message.push_str(&format!("{number}\", uri=\"sip:{number}@h\", response=\"5ec12e7k\"\r\n"));
        message.push_str(if body { "c: application/sdp\r\n\r\n" } else { "c: text/plain\r\n\r\n" });
        message.push_str(&format!("v=0\r\no={number} 1 1 IN IP4 192.0.2.1\r\ns={number}\r\np=+{number}\r\n"));
        for (numbers, most) in [(masked(4), 4), (masked(0), 2), (hashed(), 2)] {
            let shown = text(&kept(numbers.clone()), &message);
            prop_assert_eq!(shows(&shown, &number, most), None, "{:?}\n{}\n{}", numbers, message, shown);
            prop_assert!(!shown.contains("5ec12e7k"));
            // Nothing of the framing is lost: as many lines, the same first word.
            prop_assert!(shown.starts_with("INVITE "));
        }
    }

    #[test]
    fn any_octets_are_survived(message in prop::collection::vec(any::<u8>(), 0..400)) {
        for numbers in [Numbers::Plain, masked(4), hashed()] {
            for bodies in [Bodies::Kept, Bodies::Omitted, Bodies::SdpWithoutKeys] {
                let _ = MessagePrivacy { numbers: numbers.clone(), bodies }.of_message(&message);
            }
        }
    }

    #[test]
    fn any_text_of_the_grammar_s_marks_is_survived(message in "(INVITE |SIP/2.0 |From|sip:|tel:|[@<>\";:,=%\\\\ \r\n\t0-9a-f-]){0,80}") {
        for numbers in [masked(4), hashed()] {
            let privacy = kept(numbers);
            let _ = privacy.of_message(message.as_bytes());
        }
    }
}
