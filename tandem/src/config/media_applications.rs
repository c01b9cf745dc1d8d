//! `[media_applications]`: how this node asks the applications that steer calls.

use super::media_application::{Function, read_function};
use super::reader::Table;
use super::{tls, value};
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;

/// Where recordings of applications go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordingsTo {
    /// Into `data_dir/sounds`.
    File,
    /// Into S3.
    S3,
}

/// What of applications is this node's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MediaApplications {
    /// Calls that are steered at once, 1 to 100,000; default 2,000.
    pub(crate) max_calls: usize,
    /// Requests to applications at once, 1 to 10,000; default 256.
    pub(crate) max_requests: usize,
    /// Whether sounds are objects of S3; else files below `data_dir/sounds`.
    pub(crate) sounds_in_s3: bool,
    /// Where what applications have recorded goes; `None` records nothing.
    pub(crate) recordings: Option<RecordingsTo>,
    /// What speaks texts: a program and its arguments; empty for nothing.
    pub(crate) speech_command: Vec<String>,
    /// Authorities of applications' certificates; `None` for those of the system.
    pub(crate) authorities: Option<Arc<Path>>,
    /// What functions are that applications of the API name.
    pub(crate) functions: Vec<Function>,
}

impl MediaApplications {
    /// Whether another section needs no restart: functions are read again with the directory.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let functions = self.functions.clone();
        *self == MediaApplications { functions, ..other.clone() }
    }
}

pub(super) fn read(mut table: Table<'_>) -> MediaApplications {
    let command = table.list("speech_command", value::string);
    if command.as_ref().is_some_and(Vec::is_empty) {
        let message =
            "names no program; write speech_command = [\"/usr/local/bin/speak\"], or remove it";
        table.error_at("speech_command", message);
    }
    let section = MediaApplications {
        max_calls: table.or("max_calls", 2_000, |v| value::within(value::integer(v)?, 1..=100_000)),
        max_requests: table
            .or("max_requests", 256, |v| value::within(value::integer(v)?, 1..=10_000)),
        sounds_in_s3: table.or("sounds", false, sounds),
        recordings: table.or("recordings", None, recordings),
        speech_command: command.unwrap_or_default(),
        authorities: tls::authorities(&mut table, "tls_ca"),
        functions: table.tables("function", read_function),
    };
    table.finish();
    section
}

fn sounds(value: &DeValue<'_>) -> Result<bool, String> {
    match value::text(value)? {
        "file" => Ok(false),
        "aws" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"file\" or \"aws\"")),
    }
}

fn recordings(value: &DeValue<'_>) -> Result<Option<RecordingsTo>, String> {
    match value::text(value)? {
        "off" => Ok(None),
        "file" => Ok(Some(RecordingsTo::File)),
        "aws" => Ok(Some(RecordingsTo::S3)),
        other => Err(format!("{other:?} is unknown; use \"off\", \"file\" or \"aws\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, refuses};
    use super::*;
    use directory::ApplicationEndpoint;

    #[test]
    fn the_section_has_its_bounds() {
        let section = |text: &str| {
            accepts(&format!("[media_applications]\n{text}")).media_applications.clone()
        };
        let usual = MediaApplications {
            max_calls: 2_000,
            max_requests: 256,
            sounds_in_s3: false,
            recordings: None,
            speech_command: Vec::new(),
            authorities: None,
            functions: Vec::new(),
        };
        assert_eq!(section(""), usual);
        assert_eq!(accepts("").media_applications, usual);
        for most in [1, 100_000] {
            assert_eq!(section(&format!("max_calls = {most}")).max_calls, most);
        }
        for most in [1, 10_000] {
            assert_eq!(section(&format!("max_requests = {most}")).max_requests, most);
        }
        assert!(section("sounds = \"aws\"").sounds_in_s3);
        for (text, to) in
            [("off", None), ("file", Some(RecordingsTo::File)), ("aws", Some(RecordingsTo::S3))]
        {
            assert_eq!(section(&format!("recordings = \"{text}\"")).recordings, to);
        }
        let command = section("speech_command = [\"speak\", \"-x\"]").speech_command;
        assert_eq!(command, ["speak", "-x"]);
        for (text, message) in [
            ("max_calls = 0", "max_calls: 0 is out of range; use 1 to 100000"),
            ("recordings = true", "recordings: expected a string in quotes, found true"),
            ("max_calls = 100001", "max_calls: 100001 is out of range; use 1 to 100000"),
            ("max_requests = 0", "max_requests: 0 is out of range; use 1 to 10000"),
            ("max_requests = 10001", "max_requests: 10001 is out of range; use 1 to 10000"),
            ("sounds = \"s3\"", "sounds: \"s3\" is unknown; use \"file\" or \"aws\""),
            (
                "recordings = \"s3\"",
                "recordings: \"s3\" is unknown; use \"off\", \"file\" or \"aws\"",
            ),
            (
                "speech_command = []",
                "speech_command: names no program; write speech_command = \
                 [\"/usr/local/bin/speak\"], or remove it",
            ),
        ] {
            refuses(&format!("[media_applications]\n{text}"), &format!("t.toml:5: {message}"));
        }
    }

    #[test]
    fn a_function_rules_the_applications_that_name_it() {
        let config = accepts(
            "[[media_applications.function]]\nname = \"menu\"\n\
             endpoint = \"http://127.0.0.1:8000/\"\nsecret = \"0123456789abcdef\"\n\
             calling_regions = [\"US\"]\non_failure = 480\n",
        );
        let [function] = &config.media_applications.functions[..] else { panic!("one function") };
        let arn = "arn:aws:lambda:us-east-1:111122223333:function:menu";
        for (arn, is_of) in [(arn, true), (&arn.replace("menu", "menus"), false)] {
            let endpoint = ApplicationEndpoint::parse(arn).unwrap();
            let mut application = directory::MediaApplication::new("id", endpoint);
            assert_eq!(function.is_of(&application), is_of);
            function.rule(&mut application);
            let asked = ApplicationEndpoint::Url("http://127.0.0.1:8000/".into());
            assert_eq!((&*application.id, application.endpoint), ("id", asked));
            assert_eq!(
                (&application.calling_regions[..], application.on_failure),
                (&["US"][..], 480)
            );
        }
    }
}
