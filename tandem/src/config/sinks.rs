//! `[sinks]`: only files are served so far; what CloudWatch gets can be chosen, the rest is checked.

use super::reader::Table;
use super::value;
use call_metrics::{CloudWatchConfig, CloudWatchFormat};
use toml::de::DeValue;

/// The kinds of record that can have a sink of their own: metrics, media quality and SIP message
/// logs, events, audio, call detail records, control API calls.
const OWN_SINKS: [&str; 6] = ["cloudwatch", "logs", "events", "kinesis_video", "s3", "audit"];

/// What CloudWatch gets.
pub(super) fn read(mut table: Table<'_>) -> CloudWatchConfig {
    let mut cloudwatch = CloudWatchConfig::default();
    table.optional("kind", check_kind);
    for key in OWN_SINKS {
        let mut own = table.table(key);
        own.optional("kind", check_kind);
        own.optional("endpoint_url", check_url);
        if key == "cloudwatch" {
            cloudwatch.namespace = own.or("namespace", cloudwatch.namespace, namespace);
            cloudwatch.format = own.or("format", cloudwatch.format, format);
        }
        own.finish();
    }
    table.finish();
    cloudwatch
}

/// As PutMetricData takes it.
fn namespace(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::string(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
    if text.len() <= 255 && text.chars().all(plain) && !text.starts_with(':') {
        Ok(text)
    } else {
        Err(format!(
            "{text:?} is no namespace; use at most 255 letters, digits and .-_/#: such as \
             \"Tandem/VoiceConnector\", with no \":\" in front"
        ))
    }
}

fn format(value: &DeValue<'_>) -> Result<CloudWatchFormat, String> {
    match value::text(value)? {
        "metric-data" => Ok(CloudWatchFormat::MetricData),
        "emf" => Ok(CloudWatchFormat::Embedded),
        other => Err(format!("{other:?} is unknown; use \"metric-data\" or \"emf\"")),
    }
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
