use super::super::privacy::NumbersKind;
use super::{accepts, refuses, warnings};
use call_metrics::{Bodies, PerSink};
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
    assert_eq!(privacy.cdrs, PerSink::same(NumbersKind::Plain));
    assert_eq!(privacy.history, NumbersKind::Hashed);
    assert_eq!((plain.recordings, privacy.recordings), (NumbersKind::Plain, NumbersKind::Hashed));
    let own = accepts("[privacy]\nrecordings = { numbers = \"masked\" }").privacy;
    assert!(own.recordings == NumbersKind::Masked && own.has(NumbersKind::Masked));
    let messages = (NumbersKind::Masked, Bodies::SdpWithoutKeys);
    assert_eq!(privacy.sip_messages, PerSink::same(messages));
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

const BOTH: &str = "[sinks]\nkind = \"aws\"\nlogs = { also_file = true }\n\
                    s3 = { bucket = \"records\", also_file = true }\n[privacy]\n";
const APART: &str = "cdrs = { numbers = \"hashed\", file = { numbers = \"plain\" } }\n\
                     sip_messages = { bodies = \"omitted\", file = { bodies = \"kept\" } }";

#[test]
fn files_may_be_told_apart_from_the_service() {
    use NumbersKind::{Hashed, Masked, Plain};
    let privacy = accepts(&format!("{BOTH}numbers = \"masked\"\n{APART}")).privacy;
    assert_eq!(privacy.cdrs, PerSink { file: Plain, service: Hashed });
    assert_eq!(privacy.media_quality, PerSink::same(Masked));
    let messages = |bodies| (Masked, bodies);
    assert_eq!(
        privacy.sip_messages,
        PerSink { file: messages(Bodies::Kept), service: messages(Bodies::Omitted) }
    );
    assert_eq!(warnings(&format!("{BOTH}{APART}")), [""; 0]);
}

#[test]
fn files_alone_have_what_is_said_of_files() {
    let text = format!("[privacy]\n{APART}");
    assert_eq!(accepts(&text).privacy.cdrs, PerSink::same(NumbersKind::Plain));
    let told = warnings(&text);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("t.toml:5: numbers: is not used: these records go into files"));
    assert!(told[1].starts_with("t.toml:6: bodies: is not used"), "{told:?}");
}

#[test]
fn a_service_alone_has_no_use_for_what_is_said_of_files() {
    let text =
        format!("[sinks]\nkind = \"aws\"\ns3 = {{ bucket = \"records\" }}\n[privacy]\n{APART}");
    let privacy = accepts(&text).privacy;
    assert_eq!(privacy.cdrs, PerSink::same(NumbersKind::Hashed));
    assert!(!privacy.has(NumbersKind::Masked));
    let told = warnings(&text);
    assert_eq!(told.len(), 2, "{told:?}");
    let expected = "file: is not used: no file is written; set also_file = true in [sinks] s3";
    assert!(told[0].ends_with(expected), "{told:?}");
    assert!(told[1].ends_with("[sinks] logs"), "{told:?}");
}

#[test]
fn events_in_files_may_be_told_apart_from_those_of_services() {
    use NumbersKind::{Hashed, Masked};
    let privacy = "[privacy]\nevents = { numbers = \"hashed\", file = { numbers = \"masked\" } }";
    let queue = "[sinks]\nsqs = { kind = \"aws\", queue_url = \"http://127.0.0.1:5000/1/q\" }\n";
    let events = accepts(&format!("{queue}{privacy}")).privacy.events;
    assert_eq!(events, PerSink { file: Masked, service: Hashed });
    assert_eq!(accepts(privacy).privacy.events, PerSink::same(Masked));
    let bus = "[sinks]\nevents = { kind = \"aws\" }\n";
    assert_eq!(accepts(&format!("{bus}{privacy}")).privacy.events, PerSink::same(Hashed));
}

#[test]
fn only_places_with_two_sinks_have_files_apart() {
    for place in ["history", "log", "hep", "recordings"] {
        let text =
            super::with(&format!("[privacy]\n{place} = {{ file = {{ numbers = \"plain\" }} }}"));
        let errors = super::super::Config::parse(&text, "t.toml").unwrap_err().to_string();
        assert!(errors.starts_with("t.toml:5: ") && errors.contains("file"), "{errors}");
    }
    refuses(
        "[privacy]\ncdrs = { file = { numbers = \"none\" } }",
        "t.toml:5: numbers: \"none\" is unknown; use \"plain\", \"masked\" or \"hashed\"",
    );
}
