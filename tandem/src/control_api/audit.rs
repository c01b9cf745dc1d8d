//! Where records of requests go: into a file, and as events to whoever wants them.

use crate::config::{AuditEvents, Config};
use crate::sinks;
use call_streaming::events::{Event, EventSink, Issuer};
use control_api::{AUDIT_FILE, RequestKind};
use model::{NotificationTargets, UnixTime};
use outbox::{FileSender, Record, RecordKind, RecordPath};
use std::sync::Arc;

/// As EventBridge names them.
const DETAIL_TYPE: &str = "AWS API Call via CloudTrail";
/// Events of one group are delivered in their order.
const GROUP: &str = "control-api";

/// Takes records.
pub(super) struct AuditTrail {
    files: FileSender,
    which: AuditEvents,
    issuer: Arc<Issuer>,
    events: Arc<dyn EventSink>,
}

impl AuditTrail {
    pub(super) fn new(config: &Config, files: FileSender, events: Arc<dyn EventSink>) -> Self {
        let issuer = Arc::new(sinks::issuer(config));
        AuditTrail { files, which: config.sinks.audit, issuer, events }
    }

    /// Takes a record, one line of JSON, of a request at `time`; `id` is the record's.
    pub(super) fn take(&self, record: Vec<u8>, kind: RequestKind, id: &str, time: UnixTime) {
        let is_told = match self.which {
            AuditEvents::Off => false,
            AuditEvents::Writes => kind == RequestKind::Write,
            AuditEvents::All => true,
        };
        if is_told && let Ok(detail) = std::str::from_utf8(&record) {
            self.events.event(Event {
                id: id.to_owned(),
                detail_type: DETAIL_TYPE,
                issuer: Arc::clone(&self.issuer),
                time,
                group: GROUP.to_owned(),
                targets: NotificationTargets { event_bridge: true, sns: true, sqs: true },
                detail: detail.to_owned(),
                detail_in_files: None,
            });
        }
        let Ok(path) = RecordPath::new(AUDIT_FILE) else { return };
        let record = Record { path, body: record, kind: RecordKind::AppendLine };
        if let Err(error) = self.files.send(record) {
            tracing::warn!(?error, "control API: a request is not in {AUDIT_FILE}");
        }
    }
}
