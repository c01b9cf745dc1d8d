use super::super::privacy::NumbersKind;
use super::{accepts, refuses, warnings};
use call_metrics::Bodies;
use std::path::Path;

#[test]
fn a_place_has_its_own_setting_or_the_section_s() {
    let plain = accepts("").privacy;
    assert!(!plain.has(NumbersKind::Masked) && !plain.has(NumbersKind::Hashed));
    assert_eq!((plain.shown_digits, plain.hep.1), (4, Bodies::Kept));
    let privacy = accepts(
        "[privacy]\nnumbers = \"hashed\"\nbodies = \"omitted\"\ncdrs = { numbers = \"plain\" }\n\
         sip_messages = { numbers = \"masked\", bodies = \"sdp_without_keys\" }\nshown_digits = 2",
    )
    .privacy;
    assert_eq!(privacy.cdrs, NumbersKind::Plain);
    assert_eq!(privacy.history, NumbersKind::Hashed);
    assert_eq!(privacy.sip_messages, (NumbersKind::Masked, Bodies::SdpWithoutKeys));
    assert_eq!(privacy.hep, (NumbersKind::Hashed, Bodies::Omitted));
    let (path, ours) = privacy.key_file(Path::new("data"));
    assert_eq!((path.to_str(), ours), (Some("data/privacy.key"), true));
}

#[test]
fn what_is_wrong_or_does_not_work_together_is_said() {
    refuses(
        "[privacy]\nnumbers = \"hidden\"",
        "t.toml:5: numbers: \"hidden\" is unknown; use \"plain\", \"masked\" or \"hashed\"",
    );
    refuses(
        "[privacy]\nhep = { bodies = \"none\" }",
        "t.toml:5: bodies: \"none\" is unknown; use \"kept\", \"omitted\" or \"sdp_without_keys\"",
    );
    accepts("[privacy]\nnumbers = \"masked\"\nshown_digits = 8");
    refuses("[privacy]\nshown_digits = 9", "t.toml:5: shown_digits: 9 is out of range; use 0 to 8");
    for (text, expected) in [
        ("[privacy]\nkey_file = \"a.key\"", "key_file: is not used"),
        ("[privacy]\nshown_digits = 2", "shown_digits: is not used"),
        ("[privacy]\nhep = { numbers = \"masked\" }", "hep: is not used: there is no [hep]"),
        ("[privacy]\nnumbers = \"masked\"\nshown_digits = 0", "no call can be found by a number"),
    ] {
        let all = warnings(text);
        assert!(all.iter().any(|warning| warning.contains(expected)), "{text}: {all:?}");
    }
    assert_eq!(warnings("[privacy]\nnumbers = \"hashed\"\nkey_file = \"a.key\""), [""; 0]);
}
