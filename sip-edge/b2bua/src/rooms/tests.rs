use super::{dialled_in, shown};
use model::{Dialled, MeetingDigits};
use proptest::prelude::*;

const A: &str = "4081234567";
const M: &str = "4081234567890";

/// Meeting, passcode, layout and host key; empty for none.
fn read(uri: &str) -> [String; 4] {
    let Dialled { meeting, passcode, layout, host_key } = dialled_in(uri);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    [
        text(meeting.as_ref().map(MeetingDigits::digits)),
        text(passcode.as_deref()),
        text(layout.as_deref()),
        text(host_key.as_deref()),
    ]
}

#[test]
fn dial_strings_as_devices_write_them() {
    for (user, fields) in [
        ("4081234567", [A, "", "", ""]),
        ("4081234567890", [M, "", "", ""]),
        ("4081234567*123456", [A, "123456", "", ""]),
        ("4081234567.123456", [A, "123456", "", ""]),
        ("4081234567.123456.03.99887766", [A, "123456", "03", "99887766"]),
        ("4081234567.123456.100003504608.99887766", [A, "123456", "100003504608", "99887766"]),
        ("4081234567..608", [A, "", "608", ""]),
        ("4081234567..03", [A, "", "03", ""]),
        ("4081234567...99887766", [A, "", "", "99887766"]),
        ("4081234567#123456#1#99887766", [A, "123456", "1", "99887766"]),
        ("4081234567%23123456%231", [A, "123456", "1", ""]),
        ("%23%234081234567%23123456%23", [A, "123456", "", ""]),
        ("4081234567##123456", [A, "123456", "", ""]),
        ("**4081234567**", [A, "", "", ""]),
        ("4081234567#", [A, "", "", ""]),
        ("408-123-4567", [A, "", "", ""]),
        ("408%20123%204567", [A, "", "", ""]),
        ("(408)123-4567", [A, "", "", ""]),
        ("+4081234567", [A, "", "", ""]),
        ("4081234567;phone-context=example", [A, "", "", ""]),
        ("4081234567:123456", [A, "123456", "", ""]),
        ("4081234567*12a4", [A, "", "", ""]),
        ("4081234567*12345678901234567", [A, "", "", ""]),
        ("4081234567*1*123", [A, "1", "123", ""]),
        ("4081234567*1*1234567890123456789012345678901234567890123456789", [A, "1", "", ""]),
        // Nothing that could be a meeting: the welcome asks.
        ("u", ["", "", "", ""]),
        ("", ["", "", "", ""]),
        ("408123456", ["", "", "", ""]),
        ("40812345678", ["", "", "", ""]),
        ("408123456٣", ["", "", "", ""]),
        ("alice*123456", ["", "", "", ""]),
        ("#", ["", "", "", ""]),
    ] {
        for scheme in ["sip", "sips"] {
            for rest in ["", ";user=phone", ";transport=tls?Subject=x"] {
                let uri = format!("{scheme}:{user}@meet.tandem.example{rest}");
                assert_eq!(read(&uri), fields.map(str::to_owned), "{uri}");
            }
        }
    }
}

#[test]
fn addresses_without_a_user_land_in_the_welcome() {
    for uri in [
        "sip:meet.tandem.example",
        "sip:@meet.tandem.example",
        "sips:@meet.tandem.example:5061",
        "tel:+12065550777",
        "http://meet.tandem.example/",
        "sip:4081234567 @meet.tandem.example",
        "",
    ] {
        assert_eq!(read(uri), [""; 4].map(str::to_owned), "{uri}");
    }
    assert_eq!(read("tel:4081234567")[0], A, "the same digits in the other scheme");
}

#[test]
fn passcodes_are_not_printed() {
    let printed = format!("{:?}", dialled_in("sip:4081234567*987654**1122@meet.tandem.example"));
    assert!(printed.contains(A) && !printed.contains("987654") && !printed.contains("1122"));
}

#[test]
fn names_of_devices_are_bounded_and_have_no_control_characters() {
    assert_eq!(shown(" Board room \u{7}\r\n2 ").as_deref(), Some("Board room 2"));
    assert_eq!(shown("\u{1b}\u{0}"), None);
    assert_eq!(shown(&"é".repeat(500)).map(|name| name.chars().count()), Some(128));
}

proptest! {
    #[test]
    fn anything_is_read_without_a_panic_and_in_bounds(uri in "\\PC{0,200}") {
        check(&dialled_in(&uri));
    }

    #[test]
    fn any_user_is_read_in_bounds(user in "[0-9#*.%;: +a-f-]{0,160}") {
        check(&dialled_in(&format!("sip:{user}@meet.tandem.example")));
    }

    #[test]
    fn what_is_written_in_each_style_is_read_again(
        id in "([0-9]{10}|[0-9]{13})",
        codes in proptest::collection::vec("[0-9]{1,2}", 0..=3),
        separator in prop_oneof![Just("*"), Just("."), Just("#"), Just("%23"), Just("##")],
    ) {
        let fields: Vec<&str> =
            std::iter::once(&*id).chain(codes.iter().map(|code| &**code)).collect();
        let uri = format!("sips:{}@meet.tandem.example", fields.join(separator));
        let read = read(&uri);
        for (at, field) in read.iter().enumerate() {
            prop_assert_eq!(&**field, fields.get(at).copied().unwrap_or_default());
        }
    }
}

fn check(dialled: &Dialled) {
    let fits = |code: &Option<std::sync::Arc<str>>, most: usize| {
        code.as_ref().is_none_or(|code| {
            (1..=most).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit())
        })
    };
    assert!(
        fits(&dialled.passcode, 16) && fits(&dialled.layout, 48) && fits(&dialled.host_key, 16)
    );
    if let Some(meeting) = &dialled.meeting {
        assert!(matches!(meeting.digits().len(), 10 | 13));
    } else {
        assert_eq!(*dialled, Dialled::default(), "nothing without a meeting");
    }
}
