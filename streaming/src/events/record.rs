//! Streaming detail records: one JSON file for each call whose audio was streamed.

use super::event::{Issuer, key};
use model::{ListenedCall, UnixTime};
use outbox::{Record, RecordKind, RecordPath};
use serde::Serialize;

/// What became of a call's streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed<'a> {
    pub(super) call: &'a ListenedCall,
    /// When the first stream began; `None` when none did.
    pub(super) began: Option<UnixTime>,
    /// When the last one ended.
    pub(super) ended: UnixTime,
    /// Why one of them failed.
    pub(super) failure: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    schema_version: &'static str,
    aws_account_id: &'a str,
    transaction_id: String,
    call_id: &'a str,
    voice_connector_id: &'a str,
    start_time_epoch_seconds: u64,
    end_time_epoch_seconds: u64,
    status: &'static str,
    status_message: &'a str,
    service_code: &'static str,
    usage_type: String,
    billable_duration_seconds: u64,
    region: &'a str,
}

impl Streamed<'_> {
    /// `…/json/<vc>/YYYY/MM/DD/HH.MM.SS.mmm_<transaction id>`, by the time that streaming began.
    pub(super) fn record(&self, issuer: &Issuer) -> Option<Record> {
        let Streamed { call, ended, failure, .. } = *self;
        let began = self.began.unwrap_or(ended);
        let path = format!(
            "s3/Amazon-Chime-Voice-Connector-SDRs/json/{}/{}_{}",
            call.voice_connector_id,
            key(began),
            call.transaction_id
        );
        let document = Document {
            schema_version: "1.0",
            aws_account_id: &issuer.account_id,
            transaction_id: call.transaction_id.to_string(),
            call_id: &call.call_id,
            voice_connector_id: call.voice_connector_id.as_str(),
            start_time_epoch_seconds: began.as_secs(),
            end_time_epoch_seconds: ended.as_secs(),
            status: if failure.is_some() { "Failed" } else { "Completed" },
            status_message: failure.unwrap_or("OK"),
            service_code: "AmazonChime",
            usage_type: format!("{}-VC-kinesis-audio-streaming", issuer.region_code),
            // Started seconds count whole.
            billable_duration_seconds: ended
                .as_millis()
                .saturating_sub(began.as_millis())
                .div_ceil(1_000),
            region: &issuer.region,
        };
        // Ids have no characters that a path could not have, and plain fields cannot fail.
        let path = RecordPath::new(path).ok()?;
        let body = serde_json::to_vec(&document).ok()?;
        Some(Record { path, body, kind: RecordKind::WholeFile })
    }
}
