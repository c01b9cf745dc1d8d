//! `[sinks]`: which records go to files and which to AWS.

mod events;
mod kinesis_video;
mod recordings;

pub(super) use events::warn_of_untold;
pub(crate) use kinesis_video::KinesisVideoSink;

use super::reader::Table;
use super::{tls, value};
use aws_sinks::{
    Access, Encryption, Endpoint, EventBridgeConfig, QueueUrl, RETENTION_DAYS, S3Config, TopicArn,
};
use call_metrics::{CdrForm, CloudWatchConfig, CloudWatchFormat, DEFAULT_NAMESPACE};
use call_recordings::UploadConfig;
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;

/// In whose name events are sent, where nothing is said; AWS's own voice connectors have `aws.chime`.
const DEFAULT_SOURCE: &str = "tandem.voiceconnector";

/// What goes to AWS; what is `None` goes into files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sinks {
    /// Metrics.
    pub(crate) cloudwatch: Option<CloudWatchSink>,
    /// Media quality and SIP message logs.
    pub(crate) logs: Option<LogsSink>,
    /// Call detail records.
    pub(crate) s3: Option<S3Sink>,
    /// The form of call detail records, in files and in S3.
    pub(crate) cdr: CdrForm,
    /// Streamed audio.
    pub(crate) kinesis_video: Option<KinesisVideoSink>,
    /// Events.
    pub(crate) events: EventSinks,
    /// Which requests to the control API become events.
    pub(crate) audit: AuditEvents,
    /// Recordings of calls.
    pub(crate) recordings: Option<UploadConfig>,
    /// Where KMS is, for keys of recordings.
    pub(crate) kms: Access,
    /// What is said for every service.
    pub(crate) all: Access,
}

/// Which requests to the control API become events.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum AuditEvents {
    #[default]
    Off,
    /// Those that would change something, as EventBridge has them of AWS's own services.
    Writes,
    All,
}

/// `events`, `sns` and `sqs`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EventSinks {
    /// In whose name events are sent, in files too.
    pub(crate) source: String,
    /// Whether the file of events is written.
    pub(crate) file: bool,
    /// A bus of EventBridge; `None` where `events` are files.
    pub(crate) bridge: Option<(Access, EventBridgeConfig)>,
    /// A topic, where one is named.
    pub(crate) sns: Option<(Access, TopicArn)>,
    /// A queue, where one is named.
    pub(crate) sqs: Option<(Access, QueueUrl)>,
}

impl EventSinks {
    /// Whether any service gets events.
    pub(crate) const fn has_service(&self) -> bool {
        self.bridge.is_some() || self.sns.is_some() || self.sqs.is_some()
    }
}

impl Default for EventSinks {
    fn default() -> Self {
        let source = DEFAULT_SOURCE.to_owned();
        EventSinks { source, file: true, bridge: None, sns: None, sqs: None }
    }
}

/// `cloudwatch` of kind `aws`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CloudWatchSink {
    pub(crate) access: Access,
    /// Whether files are written as well; default false, for each service.
    pub(crate) also_file: bool,
}

/// `logs` of kind `aws`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogsSink {
    pub(crate) access: Access,
    /// Of groups that are made; `None` keeps events without an end.
    pub(crate) retention_days: Option<u16>,
    pub(crate) also_file: bool,
}

/// `s3` of kind `aws`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct S3Sink {
    pub(crate) access: Access,
    pub(crate) config: S3Config,
    pub(crate) also_file: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Aws,
}

/// What holds for every service that does not say otherwise.
struct Defaults {
    kind: Kind,
    region: String,
    endpoint: Option<Endpoint>,
    authorities: Option<Arc<Path>>,
}

/// `region` is the node's own, where neither the section nor a service names one.
pub(super) fn read(mut table: Table<'_>, region: &str) -> (Sinks, CloudWatchConfig) {
    let defaults = Defaults {
        kind: table.or("kind", Kind::File, kind),
        region: table.or("region", region.to_owned(), region_name),
        endpoint: table.optional("endpoint_url", endpoint),
        authorities: tls::authorities(&mut table, "tls_ca"),
    };
    let cdr = table.or("cdr", CdrForm::default(), cdr_form);
    let mut own = table.table("audit");
    own.optional("kind", file_only);
    let audit = own.or("events", AuditEvents::Off, audit_events);
    own.finish();
    let logs = logs(table.table("logs"), &defaults);
    let (cloudwatch, config) = cloudwatch(table.table("cloudwatch"), &defaults, logs.is_some());
    let kinesis_video = kinesis_video::read(table.table("kinesis_video"), &defaults);
    let s3 = s3(table.table("s3"), &defaults);
    let events = events::read(&mut table, &defaults);
    let all = Access {
        region: defaults.region.clone(),
        endpoint: defaults.endpoint.clone(),
        authorities: defaults.authorities.clone(),
    };
    let recordings = recordings::read(table.table("recordings"), &defaults);
    let kms = recordings::read_kms(table.table("kms"), &defaults);
    let sinks =
        Sinks { cloudwatch, logs, s3, cdr, kinesis_video, events, audit, recordings, kms, all };
    table.finish();
    (sinks, config)
}

fn cloudwatch(
    mut table: Table<'_>,
    defaults: &Defaults,
    has_logs: bool,
) -> (Option<CloudWatchSink>, CloudWatchConfig) {
    let access = access(&mut table, defaults);
    let CloudWatchConfig { namespace, format, set } = CloudWatchConfig::default();
    let namespace = table.or("namespace", namespace, self::namespace);
    let format = table.or("format", format, self::format);
    let also_file = table.or("also_file", false, value::boolean);
    let is_aws_s_own = access.as_ref().is_some_and(|access| access.endpoint.is_none());
    if is_aws_s_own && namespace.starts_with("AWS/") {
        let message = format!(
            "CloudWatch at AWS refuses namespaces that begin with AWS/; leave it out ({DEFAULT_NAMESPACE}), \
             or set endpoint_url to a backend that takes it"
        );
        table.warn_at("namespace", message);
    }
    if format == CloudWatchFormat::Embedded && access.is_some() && !has_logs {
        let message =
            "with \"emf\" metrics go where logs go, into files: set kind = \"aws\" for logs";
        table.warn_at("format", message);
    }
    warn_unused(&table, access.is_none(), &[]);
    table.finish();
    (
        access.map(|access| CloudWatchSink { access, also_file }),
        CloudWatchConfig { namespace, format, set },
    )
}

fn logs(mut table: Table<'_>, defaults: &Defaults) -> Option<LogsSink> {
    let access = access(&mut table, defaults);
    let retention_days = table.optional("retention_days", retention_days);
    let also_file = table.or("also_file", false, value::boolean);
    warn_unused(&table, access.is_none(), &["retention_days"]);
    table.finish();
    Some(LogsSink { access: access?, retention_days, also_file })
}

fn s3(mut table: Table<'_>, defaults: &Defaults) -> Option<S3Sink> {
    let access = access(&mut table, defaults);
    let bucket = match access {
        Some(_) => table.required("bucket", "bucket = \"voice-records\"", bucket),
        None => table.optional("bucket", bucket),
    };
    let prefix = table.or("prefix", String::new(), prefix);
    let key = table.optional("kms_key", value::string);
    let encryption = table.optional("encryption", encryption);
    let also_file = table.or("also_file", false, value::boolean);
    if key.is_some() && !matches!(encryption, Some(Encryption::Kms(_))) {
        table.error_at("kms_key", "is used only with encryption = \"kms\"");
    }
    let encryption = encryption.map(|encryption| match encryption {
        Encryption::Kms(_) => Encryption::Kms(key),
        Encryption::S3 => Encryption::S3,
    });
    warn_unused(&table, access.is_none(), &["bucket", "prefix", "encryption"]);
    table.finish();
    let config = S3Config { bucket: bucket?, prefix, encryption };
    Some(S3Sink { access: access?, config, also_file })
}

/// Where the service is; `None` when its records go into files.
fn access(table: &mut Table<'_>, defaults: &Defaults) -> Option<Access> {
    let kind = table.or("kind", defaults.kind, kind);
    let endpoint = table.optional("endpoint_url", endpoint).or_else(|| defaults.endpoint.clone());
    let region = table.or("region", defaults.region.clone(), region_name);
    let authorities = tls::authorities(table, "tls_ca").or_else(|| defaults.authorities.clone());
    (kind == Kind::Aws).then_some(Access { region, endpoint, authorities })
}

fn warn_unused(table: &Table<'_>, is_file: bool, keys: &[&str]) {
    let common = ["endpoint_url", "region", "tls_ca", "also_file"];
    for key in common.iter().chain(keys).filter(|key| is_file && table.has(key)) {
        table.warn_at(key, "is not used: kind is \"file\"");
    }
}

fn kind(value: &DeValue<'_>) -> Result<Kind, String> {
    match value::text(value)? {
        "file" => Ok(Kind::File),
        "aws" => Ok(Kind::Aws),
        other => Err(format!("{other:?} is unknown; use \"file\" or \"aws\"")),
    }
}

fn audit_events(value: &DeValue<'_>) -> Result<AuditEvents, String> {
    match value::text(value)? {
        "off" => Ok(AuditEvents::Off),
        "writes" => Ok(AuditEvents::Writes),
        "all" => Ok(AuditEvents::All),
        other => Err(format!("{other:?} is unknown; use \"off\", \"writes\" or \"all\"")),
    }
}

fn file_only(value: &DeValue<'_>) -> Result<(), String> {
    match kind(value)? {
        Kind::File => Ok(()),
        Kind::Aws => Err("\"aws\" is not served yet by this version; use \"file\"".to_owned()),
    }
}

fn endpoint(value: &DeValue<'_>) -> Result<Endpoint, String> {
    Endpoint::parse(value::text(value)?).map_err(|error| error.to_string())
}

fn region_name(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a region; write one such as \"eu-central-1\""))
    }
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

fn cdr_form(value: &DeValue<'_>) -> Result<CdrForm, String> {
    match value::text(value)? {
        "voice-connector" => Ok(CdrForm::VoiceConnector),
        "business-calling" => Ok(CdrForm::BusinessCalling),
        "both" => Ok(CdrForm::Both),
        other => Err(format!(
            "{other:?} is unknown; use \"voice-connector\", \"business-calling\" or \"both\""
        )),
    }
}

fn retention_days(value: &DeValue<'_>) -> Result<u16, String> {
    let days: u16 = value::integer(value)?;
    if RETENTION_DAYS.contains(&days) {
        return Ok(days);
    }
    let all: Vec<_> = RETENTION_DAYS.iter().map(u16::to_string).collect();
    Err(format!("CloudWatch Logs has no retention of {days} days; use one of {}", all.join(", ")))
}

fn bucket(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    if (3..=63).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a bucket's name; it has 3 to 63 of a-z, 0-9, - and ."))
    }
}

fn prefix(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    if text.len() <= 256 && !text.starts_with('/') && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a prefix; write up to 256 octets such as \"records/\""))
    }
}

fn encryption(value: &DeValue<'_>) -> Result<Encryption, String> {
    match value::text(value)? {
        "s3" => Ok(Encryption::S3),
        "kms" => Ok(Encryption::Kms(None)),
        other => Err(format!("{other:?} is unknown; use \"s3\" or \"kms\"")),
    }
}

#[cfg(test)]
mod tests;
