//! `[sinks]`: only files are served, so there is nothing to choose yet; what is asked for is checked.

use super::reader::Table;
use super::value;
use toml::de::DeValue;

/// The kinds of record that can have a sink of their own: metrics, media quality and SIP message
/// logs, events, audio, call detail records, control API calls.
const OWN_SINKS: [&str; 6] = ["cloudwatch", "logs", "events", "kinesis_video", "s3", "audit"];

pub(super) fn check(mut table: Table<'_>) {
    table.optional("kind", check_kind);
    for key in OWN_SINKS {
        let mut own = table.table(key);
        own.optional("kind", check_kind);
        own.optional("endpoint_url", check_url);
        own.optional("namespace", value::string);
        own.finish();
    }
    table.finish();
}

fn check_kind(value: &DeValue<'_>) -> Result<(), String> {
    match value::text(value)? {
        "file" => Ok(()),
        "aws" => Err("\"aws\" is not served yet by this version; use \"file\"".to_owned()),
        other => Err(format!("{other:?} is unknown; use \"file\"")),
    }
}

fn check_url(value: &DeValue<'_>) -> Result<(), String> {
    let text = value::string(value)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace)) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a URL; write one such as \"http://127.0.0.1:5000\""))
    }
}
