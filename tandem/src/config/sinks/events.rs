//! `events`, `sns` and `sqs`: who is told of streams.

use super::{DEFAULT_SOURCE, Defaults, EventSinks, access, warn_unused};
use crate::config::reader::{Document, Table};
use crate::config::value;
use aws_sinks::{Access, EventBridgeConfig, QueueUrl, TopicArn};
use directory::Snapshot;
use toml::de::DeValue;

pub(super) fn read(table: &mut Table<'_>, defaults: &Defaults) -> EventSinks {
    let mut own = table.table("events");
    let at = access(&mut own, defaults);
    let source = own.or("source", DEFAULT_SOURCE.to_owned(), source);
    let bus = own.or("bus", "default".to_owned(), bus);
    let also_file = own.or("also_file", false, value::boolean);
    let is_aws_s_own = at.as_ref().is_some_and(|access| access.endpoint.is_none());
    if is_aws_s_own && source.starts_with("aws.") {
        let message = format!(
            "EventBridge at AWS refuses sources that begin with aws.; leave it out \
             ({DEFAULT_SOURCE}), or set endpoint_url to a backend that takes it"
        );
        own.warn_at("source", message);
    }
    warn_unused(&own, at.is_none(), &["bus"]);
    own.finish();
    let file = at.is_none() || also_file;
    let config = EventBridgeConfig { source: source.clone(), bus };
    let bridge = at.map(|access| (access, config));
    let (sns, sqs) = (sns(table.table("sns"), defaults), sqs(table.table("sqs"), defaults));
    EventSinks { source, file, bridge, sns, sqs }
}

/// Warns about voice connectors whose streams are to be told to a service that is not there.
pub(in crate::config) fn warn_of_untold(
    document: &Document<'_>,
    directory: &Snapshot,
    sinks: &EventSinks,
) {
    let (has_sns, has_sqs) = (sinks.sns.is_some(), sinks.sqs.is_some());
    for connector in directory.voice_connectors() {
        let named = connector.streaming.notifications;
        for (is_lost, target, advice) in [
            (named.sns && !has_sns, "SNS", "set topic_arn of [sinks] sns, and its kind to \"aws\""),
            (named.sqs && !has_sqs, "SQS", "set queue_url of [sinks] sqs, and its kind to \"aws\""),
        ] {
            if is_lost {
                let id = &connector.id;
                document
                    .warn("voice_connector", format!("notifications: {target} of {id}: {advice}"));
            }
        }
    }
}

fn sns(mut table: Table<'_>, defaults: &Defaults) -> Option<(Access, TopicArn)> {
    let mut at = access(&mut table, defaults);
    let topic = table.optional("topic_arn", |value| {
        TopicArn::parse(value::text(value)?).map_err(|error| error.to_string())
    });
    if !table.has("region")
        && let (Some(access), Some(topic)) = (&mut at, &topic)
    {
        access.region = topic.region().to_owned();
    }
    warn_idle(&table, at.is_some(), "topic_arn");
    table.finish();
    Some((at?, topic?))
}

fn sqs(mut table: Table<'_>, defaults: &Defaults) -> Option<(Access, QueueUrl)> {
    let mut at = access(&mut table, defaults);
    let queue = table.optional("queue_url", |value| {
        QueueUrl::parse(value::text(value)?).map_err(|error| error.to_string())
    });
    if table.has("endpoint_url") {
        table.warn_at("endpoint_url", "is not used: queue_url says where the queue is");
    }
    if !table.has("region")
        && let (Some(access), Some(queue)) = (&mut at, &queue)
    {
        access.region = queue.region().unwrap_or(&access.region).to_owned();
    }
    warn_idle(&table, at.is_some(), "queue_url");
    table.finish();
    Some((at?, queue?))
}

/// A service whose `key` names what gets events, and is of no use without it.
fn warn_idle(table: &Table<'_>, is_aws: bool, key: &str) {
    if !is_aws && table.has(key) {
        table.warn_at(key, "is not used: kind is \"file\"; add kind = \"aws\"");
    }
    if is_aws && table.has("kind") && !table.has(key) {
        table.warn_at("kind", format!("nothing goes there: add {key}"));
    }
}

/// As PutEvents takes it.
fn source(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::string(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/".contains(c);
    if text.len() <= 256 && text.chars().all(plain) {
        Ok(text)
    } else {
        Err(format!(
            "{text:?} is no source; use at most 256 letters, digits and .-_/ such as \
             {DEFAULT_SOURCE:?}"
        ))
    }
}

/// A bus by its name or ARN.
fn bus(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::string(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_/:".contains(c);
    if text.len() <= 1_600 && text.chars().all(plain) {
        Ok(text)
    } else {
        Err(format!("{text:?} is no event bus; write its name or ARN, such as \"default\""))
    }
}
