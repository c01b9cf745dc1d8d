//! One event, and the form in which EventBridge hands it on.

use jiff::Timestamp;
use model::{NotificationTargets, UnixTime};
use serde::Serialize;
use std::sync::Arc;

/// The `detail-type` of streaming status events.
pub const DETAIL_TYPE: &str = "Chime VoiceConnector Streaming Status";

/// In whose name events are sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issuer {
    /// The account, 12 digits at AWS.
    pub account_id: String,
    /// The region.
    pub region: String,
    /// Its short code in usage types, such as `USE1`.
    pub region_code: String,
    /// The `source`; AWS's own voice connectors have `aws.chime`, which AWS refuses from others.
    pub source: String,
}

/// An event for services and files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// A UUID (RFC 9562 section 5.8), always the same for the same event.
    pub id: String,
    /// What kind of event.
    pub detail_type: &'static str,
    /// In whose name.
    pub issuer: Arc<Issuer>,
    /// When it happened.
    pub time: UnixTime,
    /// The call: events of one call are delivered in their order.
    pub group: String,
    /// Services that it is for.
    pub targets: NotificationTargets,
    /// A JSON object, as services get it.
    pub detail: String,
    /// The same for files, where these show people differently.
    pub detail_in_files: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope<'a> {
    version: &'a str,
    id: &'a str,
    detail_type: &'a str,
    source: &'a str,
    account: &'a str,
    time: String,
    region: &'a str,
    resources: [&'a str; 0],
}

impl Event {
    /// As rules of EventBridge hand it on, with the detail for services: what SNS and SQS get.
    pub fn message(&self) -> String {
        self.envelope(&self.detail)
    }

    /// The same as a line of a file.
    pub fn line(&self) -> String {
        self.envelope(self.detail_in_files.as_deref().unwrap_or(&self.detail))
    }

    fn envelope(&self, detail: &str) -> String {
        let Issuer { account_id, region, source, .. } = &*self.issuer;
        let envelope = Envelope {
            version: "0",
            id: &self.id,
            detail_type: self.detail_type,
            source,
            account: account_id,
            time: seconds(self.time),
            region,
            resources: [],
        };
        // Plain fields cannot fail, and the object ends with a brace.
        let mut out = serde_json::to_string(&envelope).unwrap_or_default();
        out.pop();
        out.push_str(",\"detail\":");
        out.push_str(detail);
        out.push('}');
        out
    }
}

/// `2026-01-02T03:04:05.678Z`.
pub(super) fn millis(time: UnixTime) -> String {
    text("%Y-%m-%dT%H:%M:%S%.3fZ", time)
}

/// `2026-01-02T03:04:05Z`.
fn seconds(time: UnixTime) -> String {
    text("%Y-%m-%dT%H:%M:%SZ", time)
}

/// `2026/01/02/03.04.05.678`, the middle of a detail record's key.
pub(super) fn key(time: UnixTime) -> String {
    text("%Y/%m/%d/%H.%M.%S%.3f", time)
}

fn text(format: &str, time: UnixTime) -> String {
    // jiff ends with the year 9999; a time beyond it can only come of a broken clock.
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).strftime(format).to_string()
}
