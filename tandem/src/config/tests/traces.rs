use super::{accepts, refuses};
use crate::config::NumbersKind;
use std::time::Duration;

#[test]
fn traces_are_off_until_an_endpoint_is_named() {
    assert_eq!(accepts("").traces, None);
    let traces = accepts("[traces]\nendpoint = \"http://127.0.0.1:4318\"").traces.unwrap();
    assert_eq!(traces.otlp.endpoint.as_str(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!((traces.share, traces.numbers), (10_000, NumbersKind::Masked));
    assert_eq!((traces.otlp.timeout, traces.otlp.gzip), (Duration::from_secs(10), true));
    let named = |name: &str| {
        let found = traces.otlp.resource.iter().find(|(given, _)| given == name);
        found.map(|(_, text)| text.as_str())
    };
    assert_eq!(named("service.name"), Some("tandem"));
    assert!(named("service.instance.id").is_some());
}

#[test]
fn every_setting_is_taken() {
    let config = accepts(
        "[traces]\nendpoint = \"https://collector.example\"\nsample = 0.25\nnumbers = \"plain\"\n\
         compression = \"none\"\ntimeout = \"60s\"\nheaders = { Authorization = \"Bearer s3cret\" }\n\
         attributes = { \"service.name\" = \"edge\", \"deployment.environment.name\" = \"test\" }",
    );
    assert!(config.warnings.is_empty());
    let traces = config.traces.unwrap();
    assert_eq!((traces.share, traces.numbers), (2_500, NumbersKind::Plain));
    assert_eq!((traces.otlp.timeout, traces.otlp.gzip), (Duration::from_secs(60), false));
    let key = ("Authorization".to_owned(), "Bearer s3cret".to_owned());
    assert_eq!(traces.otlp.headers, [key]);
    assert!(!format!("{traces:?}").contains("s3cret"), "a key is in no log");
    let names: Vec<_> = traces.otlp.resource.iter().filter(|(n, _)| n == "service.name").collect();
    assert_eq!(names, [&("service.name".to_owned(), "edge".to_owned())]);
}

#[test]
fn what_is_wrong_with_it_is_said() {
    let least = "[traces]\nendpoint = \"http://192.0.2.9:4318\"\n";
    let wrong = |line: &str, message: &str| {
        refuses(&format!("{least}{line}"), &format!("t.toml:6: {message}"));
    };
    refuses(
        "[traces]\nsample = 1",
        "t.toml:4: [traces] needs `endpoint`; add a line such as endpoint = \
         \"http://127.0.0.1:4318\"",
    );
    refuses(
        "[traces]\nendpoint = \"127.0.0.1:4318\"",
        "t.toml:5: endpoint: \"127.0.0.1:4318\" is not a URL; write one such as \
         \"http://127.0.0.1:4318\"",
    );
    wrong("sample = 1.1", "sample: a share is a number from 0 to 1, such as 0.25");
    wrong(
        "numbers = \"hidden\"",
        "numbers: \"hidden\" is unknown; use \"plain\", \"masked\" or \"hashed\"",
    );
    wrong("compression = \"br\"", "compression: \"br\" is unknown; use \"gzip\" or \"none\"");
    let range = "timeout: the string \"99ms\" is out of range; use \"100ms\" to \"1m\"";
    wrong("timeout = \"99ms\"", range);
    wrong("timeout = \"61s\"", &range.replace("99ms", "61s"));
    wrong(
        "headers = { \"a b\" = \"c\" }",
        "a b: is no name of a header; use letters, digits and -",
    );
    wrong(
        "headers = { a = \"b\\nc\" }",
        "a: has characters that no header may have, such as a line feed",
    );
    wrong("headers = { Host = \"a\" }", "Host: is written by Tandem itself; leave it out");
    wrong("headers = { a = 1 }", "a: expected a string in quotes, found the number 1");
    wrong(
        "attributes = { service.name = \"a\" }",
        "service: names with dots stand in quotes: \"service.…\"",
    );
}

#[test]
fn a_key_in_the_clear_and_a_share_of_nothing_are_warned_about() {
    let of = |text: &str| accepts(&format!("[traces]\n{text}")).warnings;
    let key = "headers = { a = \"b\" }";
    let open = of(&format!("endpoint = \"http://192.0.2.9:4318\"\n{key}"));
    assert!(open[0].message.contains("in the clear"), "{open:?}");
    assert!(of(&format!("endpoint = \"http://localhost:4318\"\n{key}")).is_empty());
    assert!(of(&format!("endpoint = \"https://192.0.2.9\"\n{key}")).is_empty());
    let none = of("endpoint = \"https://192.0.2.9\"\nsample = 0");
    assert_eq!(none[0].message, "sample: no call is traced; leave [traces] out if that is meant");
}
