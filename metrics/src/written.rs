//! A [`CallRecord`](crate::CallRecord) as it is written: the same fields in the same order,
//! borrowed, so that a call's record needs no copy of every text in it.

use crate::call_record::{CopiedRecord, MeetingRecord, QualityRecord, RecordedRecord, Times};
use crate::description::DescriptionRecord;
use crate::lines::LineRecord;
use model::{TransactionId, TransportProtocol};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

#[derive(Serialize)]
pub(crate) struct WrittenCall<'a> {
    #[serde(serialize_with = "text")]
    pub(crate) transaction_id: TransactionId,
    pub(crate) node: &'a str,
    pub(crate) region: &'a str,
    pub(crate) voice_connector_id: &'a str,
    pub(crate) direction: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) from_user: Cow<'a, str>,
    pub(crate) from_country: &'a str,
    pub(crate) to_user: Cow<'a, str>,
    pub(crate) to_country: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) numbers: Option<&'static str>,
    pub(crate) carrier: Option<&'a str>,
    pub(crate) caller_verification: Option<String>,
    pub(crate) attestation: Option<&'static str>,
    #[serde(serialize_with = "optional_text")]
    pub(crate) transferred_to: Option<TransactionId>,
    #[serde(serialize_with = "optional_text")]
    pub(crate) transferred_from: Option<TransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxy_session: Option<String>,
    pub(crate) emergency: Option<&'static str>,
    pub(crate) excused: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unheard: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) streaming: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copied: Option<CopiedRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_recorded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recorded: Option<RecordedRecord>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) meetings: &'a [MeetingRecord],
    pub(crate) source: SocketAddr,
    pub(crate) times: Times,
    pub(crate) routes: Vec<WrittenRoute<'a>>,
    pub(crate) end: WrittenEnd<'a>,
    pub(crate) ladder: Vec<WrittenRung<'a>>,
    pub(crate) ladder_omitted: u64,
    pub(crate) quality: [Option<QualityRecord>; 2],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<LineRecord>,
}

#[derive(Serialize)]
pub(crate) struct WrittenRoute<'a> {
    pub(crate) offset_ms: u64,
    pub(crate) attempt: u32,
    pub(crate) carrier: Option<&'a str>,
    pub(crate) destination: SocketAddr,
    #[serde(serialize_with = "text")]
    pub(crate) protocol: TransportProtocol,
}

#[derive(Serialize)]
pub(crate) struct WrittenEnd<'a> {
    pub(crate) status: u16,
    #[serde(serialize_with = "text")]
    pub(crate) cause: &'a str,
    pub(crate) ended_by: &'static str,
    pub(crate) refusal: Option<&'static str>,
}

#[derive(Serialize)]
pub(crate) struct WrittenRung<'a> {
    pub(crate) offset_ms: u64,
    pub(crate) leg: &'static str,
    pub(crate) direction: &'static str,
    #[serde(serialize_with = "text")]
    pub(crate) protocol: TransportProtocol,
    pub(crate) peer: SocketAddr,
    pub(crate) start_line: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a DescriptionRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
}

fn optional_text<S: Serializer>(
    value: &Option<impl fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
