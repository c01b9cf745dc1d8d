//! `[traces]`: traces of calls for an OpenTelemetry collector.

use super::hep::share;
use super::node::Node;
use super::privacy::{NumbersKind, numbers};
use super::reader::Table;
use super::value;
use otlp_export::{Endpoint, InvalidHeader, OtlpConfig, check_header};
use std::time::Duration;
use toml::de::DeValue;

/// How long a collector may take when nothing is said, as OpenTelemetry has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go, and which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Traces {
    /// The collector.
    pub(crate) otlp: OtlpConfig,
    /// The share of calls that is traced, in 1/10,000; default the whole.
    pub(crate) share: u16,
    /// How telephone numbers are written; default masked.
    pub(crate) numbers: NumbersKind,
}

/// `None` without the section.
pub(super) fn read(mut table: Table<'_>, node: &Node) -> Option<Traces> {
    if !table.is_present() {
        return None;
    }
    let endpoint = table.required("endpoint", "endpoint = \"http://127.0.0.1:4318\"", endpoint);
    let headers = table.texts("headers", header);
    let share = table.or("sample", 10_000, share);
    let numbers = table.or("numbers", NumbersKind::Masked, numbers);
    let gzip = table.or("compression", true, compression);
    let timeout = table.or("timeout", TIMEOUT, |v| {
        value::duration_within(v, Duration::from_millis(100), Duration::from_secs(60))
    });
    let attributes = table.texts("attributes", attribute);
    if share == 0 {
        table.warn_at("sample", "no call is traced; leave [traces] out if that is meant");
    }
    let is_open = |endpoint: &Endpoint| !endpoint.is_encrypted() && !endpoint.is_local();
    if endpoint.as_ref().is_some_and(is_open) && !headers.is_empty() {
        table.warn_at("headers", "go over the network in the clear; use an https:// endpoint");
    }
    table.finish();
    let resource = resource(node, attributes);
    let otlp = OtlpConfig { endpoint: endpoint?, headers, gzip, timeout, resource };
    Some(Traces { otlp, share, numbers })
}

/// What the spans come from: the node, unless the configuration says otherwise.
fn resource(node: &Node, attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    let ours = [
        ("service.name", "tandem"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &node.name),
        ("cloud.region", &node.region),
    ];
    let given = |name: &str| attributes.iter().any(|(given, _)| given == name);
    let ours = ours.into_iter().filter(|(name, _)| !given(name));
    let mut all: Vec<_> = ours.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    all.extend(attributes);
    all
}

fn endpoint(value: &DeValue<'_>) -> Result<Endpoint, String> {
    Endpoint::parse(value::text(value)?).map_err(|error| error.to_string())
}

fn header(name: &str, text: &str) -> Result<(), String> {
    check_header(name, text).map_err(|wrong| match wrong {
        InvalidHeader::Name => "is no name of a header; use letters, digits and -".to_owned(),
        InvalidHeader::Value => {
            "has characters that no header may have, such as a line feed".to_owned()
        }
        InvalidHeader::Ours => "is written by Tandem itself; leave it out".to_owned(),
    })
}

fn attribute(name: &str, _text: &str) -> Result<(), String> {
    if name.is_empty() { Err("an attribute needs a name".to_owned()) } else { Ok(()) }
}

/// Whether requests are compressed.
fn compression(value: &DeValue<'_>) -> Result<bool, String> {
    match value::text(value)? {
        "gzip" => Ok(true),
        "none" => Ok(false),
        other => Err(format!("{other:?} is unknown; use \"gzip\" or \"none\"")),
    }
}
