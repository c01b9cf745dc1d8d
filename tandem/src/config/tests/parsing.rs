//! Any text: bad syntax, values of another shape, words thrown together.

use super::{Config, errors, load, refuses, with};
use proptest::prelude::*;
use std::path::Path;

#[test]
fn values_of_another_shape_are_named() {
    refuses("[[media]]", "t.toml:4: media: expected a table [media], found a list");
    refuses(
        "[carrier]\nid = \"a\"",
        "t.toml:4: carrier: expected tables [[carrier]], found a table",
    );
    refuses(
        "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = \"+\"",
        "t.toml:7: prefixes: expected a list [ … ], found the string \"+\"",
    );
    refuses(
        "max_calls = 1.5",
        "t.toml:4: max_calls: expected a whole number, found the number 1.5",
    );
}

#[test]
fn syntax_errors_have_their_line() {
    let errors =
        errors("[sip]\ndomain = \"example.com\"\nudp = 127.0.0.1:5060\nt1 = 1\nmax_calls = \n");
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "both, and nothing that only follows from them: {errors}");
    assert!(lines[0].starts_with("t.toml:3: not valid TOML: "), "{errors}");
    assert!(lines[1].starts_with("t.toml:5: not valid TOML: "), "{errors}");
    let twice = self::errors(&with("domain = \"example.org\""));
    assert!(twice.starts_with("t.toml:4: not valid TOML: "), "{twice}");
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let errors = load(Path::new("no/such/file.toml")).unwrap_err().to_string();
    assert!(errors.starts_with("no/such/file.toml: cannot be read: "), "{errors}");
    assert!(errors.ends_with("give an existing, readable file with --config"), "{errors}");
}

/// Text made of the words of the language, so that most of it gets past the TOML parser.
fn mixed_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("[sip]\n".to_owned()),
        Just("[[carrier]]\n".to_owned()),
        Just("[[voice_connector]]\n".to_owned()),
        Just("[voice_connector.termination]\n".to_owned()),
        Just("[[voice_connector.origination]]\n".to_owned()),
        Just("[media]\n".to_owned()),
        ("[a-z_0-9]{1,12}", "(\"\\PC{0,12}\"|-?[0-9]{1,20}|\\[\"\\PC{0,9}\"\\]|true|\\{\\})")
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
        (
            prop_oneof![
                Just("id"),
                Just("host"),
                Just("port"),
                Just("udp"),
                Just("ports"),
                Just("t1"),
                Just("domain"),
                Just("numbers"),
                Just("prefixes"),
                Just("cidr_allowed_list"),
                Just("priority"),
                Just("credentials"),
                Just("bind"),
                Just("advertise"),
            ],
            "(\"[a-z0-9.:/+\\-]{0,24}\"|-?[0-9]{1,20}|\\[\"[0-9.:/+]{0,12}\"\\]|\\[\\{\\}\\])",
        )
            .prop_map(|(key, value)| format!("{key} = {value}\n")),
        "\\PC{0,20}\n",
    ];
    proptest::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_every_error_has_a_line_of_the_file(text in mixed_text()) {
        if let Err(errors) = Config::parse(&text, "t.toml") {
            prop_assert!(!errors.errors.is_empty());
            for error in &errors.errors {
                let line = error.line.unwrap_or(1);
                prop_assert!(line <= text.matches('\n').count() + 1, "{}", error.message);
            }
        }
    }

    #[test]
    fn reading_arbitrary_text_never_panics(text in any::<String>()) {
        // `[sip]` with its domain is required, so arbitrary text is refused.
        prop_assert!(Config::parse(&text, "t.toml").is_err());
    }
}
