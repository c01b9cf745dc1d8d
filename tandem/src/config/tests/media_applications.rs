//! `[[sip_media_application]]` and `[[sip_rule]]`.

use super::{accepts, refuses};
use directory::ApplicationEndpoint;
use std::time::Duration;

const ID: &str = "123e4567-e89b-42d3-a456-426614174000";

fn application(lines: &str) -> String {
    format!(
        "[[sip_media_application]]\nid = \"{ID}\"\nendpoint = \"https://menu.example.com/\"\n\
         secret = \"sixteen characters\"\n{lines}\n"
    )
}

/// An application, and a rule with these lines from line 9 on.
fn rule(lines: &str) -> String {
    let application = application("");
    format!("{application}[[sip_rule]]\nid = \"menu\"\n{lines}\n")
}

fn targets() -> String {
    format!("targets = [{{ application = \"{ID}\" }}]")
}

#[test]
fn an_application_has_an_endpoint_a_secret_and_limits() {
    let config = accepts(&application(
        "name = \"menu\"\ntimeout = \"3s\"\non_failure = 480\ncalling_regions = [\"US\"]\n\
         cps_limit = 5\nconcurrent_calls_limit = 7",
    ));
    let application = config.directory.media_applications().next().unwrap().clone();
    assert_eq!(&*application.name, "menu");
    assert!(matches!(&application.endpoint, ApplicationEndpoint::Url(_)));
    assert_eq!((application.timeout, application.on_failure), (Duration::from_secs(3), 480));
    assert_eq!((application.cps_limit, application.concurrent_calls_limit), (5, 7));
    assert!(!format!("{application:?}").contains("sixteen"), "secrets are never printed");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let unsigned = format!(
        "[[sip_media_application]]\nid = \"{ID}\"\nendpoint = \"http://127.0.0.1:8000/\"\n"
    );
    assert_eq!(accepts(&unsigned).warnings.len(), 1, "nothing says that it is us");
}

#[test]
fn what_is_wrong_with_an_application_is_named() {
    refuses(
        "[[sip_media_application]]\nid = \"menu\"\n\
         endpoint = \"arn:aws:lambda:us-east-1:111122223333:function:menu\"",
        "t.toml:5: id: \"menu\" is no id of an application; write a UUID in lower case such as \
         \"123e4567-e89b-42d3-a456-426614174000\"",
    );
    refuses(
        &format!("[[sip_media_application]]\nid = \"{ID}\"\nendpoint = \"http://example.com/\""),
        "t.toml:6: endpoint: \"http://example.com/\" would be asked without encryption; write \
         https://, or an address of this machine such as http://127.0.0.1:8000/",
    );
    refuses(
        &format!("[[sip_media_application]]\nid = \"{ID}\"\nendpoint = \"arn:aws:s3:::menu\""),
        "t.toml:6: endpoint: \"arn:aws:s3:::menu\" is no ARN of a Lambda function; write one such \
         as \"arn:aws:lambda:us-east-1:111122223333:function:menu\"",
    );
    refuses(
        &application("timeout = \"61s\""),
        "t.toml:8: timeout: 61s is out of range; use 1s to 60s",
    );
    refuses(
        &application("on_failure = 399"),
        "t.toml:8: on_failure: 399 is out of range; use 400 to 699",
    );
}

#[test]
fn a_rule_leads_to_applications_by_priority() {
    let second = "223e4567-e89b-42d3-a456-426614174000";
    let endpoint = "endpoint = \"https://menu.example.com/\"";
    let config = accepts(&format!(
        "{}[[sip_media_application]]\nid = \"{second}\"\n{endpoint}\n\
         secret = \"sixteen characters\"\n\
         [[sip_rule]]\nid = \"number\"\nto_phone_number = \"+12065550500\"\n\
         targets = [{{ application = \"{ID}\", priority = 9 }}, {{ application = \"{second}\" }}]\n\
         [[sip_rule]]\nid = \"host\"\nrequest_uri_hostname = \"Menu.Example.com\"\n{}\n",
        application(""),
        targets(),
    ));
    let of = |number, host| -> Vec<String> {
        let found = config.directory.applications_of(number, host);
        found.iter().map(|target| target.application.id.to_string()).collect()
    };
    assert_eq!(of(Some("+12065550500"), None), [second, ID]);
    assert_eq!(of(None, Some("menu.example.COM.")), [ID]);
    assert!(of(Some("+12065550501"), Some("example.com")).is_empty());
    let target = &config.directory.applications_of(Some("+12065550500"), None)[1];
    let connector = target.connector.id.clone();
    assert_eq!(connector.as_str(), "123e4567e89b42d3a45642");
    assert!(config.directory.connector_of_calls(&connector).is_some());
    assert!(config.directory.voice_connector(&connector).is_none(), "it is no voice connector");
}

#[test]
fn what_is_wrong_with_a_rule_is_named() {
    refuses(
        &rule(&targets()),
        "t.toml:9: [sip_rule] needs a trigger; add a line such as to_phone_number = \
         \"+12065550100\" or request_uri_hostname = \"menu.example.com\"",
    );
    refuses(
        &rule("to_phone_number = \"+12065550500\""),
        "t.toml:9: targets: 0 applications; a rule needs 1 to 25",
    );
    refuses(
        &rule(&format!("to_phone_number = \"5550500\"\n{}", targets())),
        "t.toml:11: to_phone_number: \"5550500\" is not an E.164 number; write \"+\" and 7 to 15 \
         digits, such as \"+12065550100\"",
    );
    refuses(
        &rule(
            "to_phone_number = \"+12065550500\"\n\
             targets = [{ application = \"223e4567-e89b-42d3-a456-426614174000\" }]",
        ),
        "t.toml:12: application: there is no [[sip_media_application]] with id = \
         \"223e4567-e89b-42d3-a456-426614174000\"; add it or correct the id",
    );
    let taken = format!(
        "to_phone_number = \"+12065550500\"\n{}\n[[voice_connector]]\n\
         id = \"abcdef1ghij2klmno3pqr4\"\nnumbers = [\"+12065550500\"]\n\
         origination_disabled = true",
        targets()
    );
    refuses(
        &rule(&taken),
        "t.toml:11: to_phone_number: +12065550500 is listed twice, and a number reaches one voice \
         connector, one group or one rule; remove one (first on line 15)",
    );
}
