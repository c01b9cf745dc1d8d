//! What is left behind of every call: media quality log, SIP message log, call detail record, our
//! own call record, the table of live calls, the Prometheus page, CloudWatch's minutes and traces.
//!
//! [`Recorder`] is pure: it is fed events that carry their own time and yields
//! [`outbox::Record`]s. [`spawn`] puts it on a thread behind a bounded queue that the call path
//! never waits for. It reads reports; it is never called per RTP packet.
#![forbid(unsafe_code)]

mod before_restart;
mod calendar;
mod call_record;
mod capture;
mod cdr;
mod cloudwatch;
mod copies;
mod definition;
mod description;
mod feed;
mod health;
mod hep;
mod lines;
mod live;
mod lookup;
mod masking;
mod media_log;
mod methods;
mod page;
mod printable;
mod privacy;
mod quality;
mod recorder;
mod refusal_log;
mod registration_log;
mod report;
mod sip_log;
mod spells;
mod traces;
mod tracked;
mod written;

pub use before_restart::with_whole_ladder;
pub use call_record::{
    CallRecord, CopiedRecord, EndRecord, FaxRecord, IntervalRecord, LadderRecord, MeetingRecord,
    PeerMetricsRecord, QualityRecord, RecordedRecord, RouteRecord, Times,
};
pub use capture::{capture_from, signalling_capture, sip_log_of};
pub use cdr::{CdrForm, region_code};
pub use cloudwatch::{
    CLOUDWATCH_METRICS, CloudWatchConfig, CloudWatchDefinition, CloudWatchFormat, CloudWatchKind,
    CloudWatchMetric, CloudWatchSet, CloudWatchUnit, DEFAULT_NAMESPACE, EMBEDDED_METRICS_PATH,
    METRIC_DATA_PATH,
};
pub use definition::{Definition, Kind, Reading, Unit, definitions};
pub use description::DescriptionRecord;
pub use feed::{
    KeptRecording, Observation, ObservationSender, RecordSink, RecorderHandle, RecorderView, spawn,
};
pub use health::{LiveTarget, LiveTermination, PeerHealth};
pub use hep::{HepConfig, HepLayer, HepTls, HepTransport};
pub use lines::{LineRecord, LiveLine};
pub use live::{LiveCall, LiveCopy, LiveCopyState, LiveQuality, LiveState};
pub use lookup::{call_record_in, find_call_record, find_call_record_by_call_id};
pub use masking::masked;
pub use page::{ApiRequest, CONTENT_TYPE, Page};
pub use printable::{printable, printable_line};
pub use privacy::{
    Bodies, KEY_LENGTH, MessagePrivacy, NumberKey, Numbers, PerSink, Privacy, Reach,
};
pub use recorder::{Recorder, RecorderConfig};
pub use report::{Because, Cause, Finding, Severity, because, explain, explain_html, findings};
pub use spells::SpellRecord;
pub use traces::{
    AttributeValue, Attributes, CallTrace, Span, SpanEvent, SpanKind, SpanLink, TraceConfig,
    call_span_id,
};
