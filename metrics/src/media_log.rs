//! The media quality log: one line per call and minute, and one at the end.
//!
//! Names say who measured: `cust2vc` is what we received from the customer; `vc2cust` packets and
//! bytes are what we sent to the customer, its loss and jitter what the customer's RTCP reported
//! having received (`null` while it reported nothing). All counters are cumulative over the call,
//! jitter and round trips (the mean of the newest interval that measured one) are µs, MOS is within 1.0 to 4.4.

use crate::Numbers;
use crate::quality::{micros, rounded};
use model::{CallParties, QualityReport, Side, TransactionId, UnixTime};
use serde::Serialize;

/// The path of a voice connector's log.
pub(crate) fn path(voice_connector: &str) -> String {
    format!("logs/aws/ChimeVoiceConnectorLogs/{voice_connector}.jsonl")
}

/// What every line of a node has in common.
pub(crate) struct Place<'a> {
    pub(crate) node: &'a str,
    pub(crate) region: &'a str,
    pub(crate) numbers: &'a Numbers,
}

/// Composes a line of what is known of the customer's and the carrier's side.
pub(crate) fn line(
    place: &Place<'_>,
    id: TransactionId,
    parties: &CallParties,
    at: UnixTime,
    report_of: impl Fn(Side) -> Option<QualityReport>,
) -> Vec<u8> {
    let cust = SideFields::of(report_of(Side::Customer).as_ref());
    let rem = SideFields::of(report_of(Side::Remote).as_ref());
    let line = Line {
        voice_connector_id: parties.voice_connector.as_str(),
        event_timestamp: at.as_millis(),
        call_id: id.to_string(),
        from_sip_user: &place.numbers.user(&parties.from_user),
        from_country: parties.from_country,
        to_sip_user: &place.numbers.user(&parties.to_user),
        to_country: parties.to_country,
        endpoint_id: place.node,
        aws_region: place.region,
        cust2vc_rtp_packets: cust.from.rtp_packets,
        cust2vc_rtp_bytes: cust.from.rtp_bytes,
        cust2vc_rtcp_packets: cust.from.rtcp_packets,
        cust2vc_rtcp_bytes: cust.from.rtcp_bytes,
        cust2vc_packets_lost: cust.from.packets_lost,
        cust2vc_jitter: cust.from.jitter,
        vc2cust_rtp_packets: cust.to.rtp_packets,
        vc2cust_rtp_bytes: cust.to.rtp_bytes,
        vc2cust_rtcp_packets: cust.to.rtcp_packets,
        vc2cust_rtcp_bytes: cust.to.rtcp_bytes,
        vc2cust_packets_lost: cust.to.packets_lost,
        vc2cust_jitter: cust.to.jitter,
        rem2vc_rtp_packets: rem.from.rtp_packets,
        rem2vc_rtp_bytes: rem.from.rtp_bytes,
        rem2vc_rtcp_packets: rem.from.rtcp_packets,
        rem2vc_rtcp_bytes: rem.from.rtcp_bytes,
        rem2vc_packets_lost: rem.from.packets_lost,
        rem2vc_jitter: rem.from.jitter,
        vc2rem_rtp_packets: rem.to.rtp_packets,
        vc2rem_rtp_bytes: rem.to.rtp_bytes,
        vc2rem_rtcp_packets: rem.to.rtcp_packets,
        vc2rem_rtcp_bytes: rem.to.rtcp_bytes,
        vc2rem_packets_lost: rem.to.packets_lost,
        vc2rem_jitter: rem.to.jitter,
        rtt_btwn_vc_and_cust: cust.rtt,
        mos_btwn_vc_and_cust: cust.mos,
        rtt_btwn_vc_and_rem: rem.rtt,
        mos_btwn_vc_and_rem: rem.mos,
    };
    let mut out = Vec::with_capacity(2_048);
    // Serialising plain fields into memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &line);
    out
}

/// One direction's fields; all `None` when the leg never reported.
#[derive(Default)]
struct Direction {
    rtp_packets: Option<u64>,
    rtp_bytes: Option<u64>,
    rtcp_packets: Option<u64>,
    rtcp_bytes: Option<u64>,
    packets_lost: Option<i64>,
    jitter: Option<u64>,
}

#[derive(Default)]
struct SideFields {
    from: Direction,
    to: Direction,
    rtt: Option<u64>,
    mos: Option<f64>,
}

impl SideFields {
    fn of(report: Option<&QualityReport>) -> Self {
        let Some(report) = report else { return SideFields::default() };
        let (received, sent) = (&report.received, &report.sent);
        SideFields {
            from: Direction {
                rtp_packets: Some(received.rtp_packets),
                rtp_bytes: Some(received.rtp_bytes),
                rtcp_packets: Some(received.rtcp_packets),
                rtcp_bytes: Some(received.rtcp_bytes),
                // Duplicates can make the RFC's count negative; the log's field is a loss.
                packets_lost: Some(received.loss.lost.max(0)),
                jitter: Some(micros(received.jitter)),
            },
            to: Direction {
                rtp_packets: Some(sent.rtp_packets),
                rtp_bytes: Some(sent.rtp_bytes),
                rtcp_packets: Some(sent.rtcp_packets),
                rtcp_bytes: Some(sent.rtcp_bytes),
                packets_lost: report.peer.map(|p| p.packets_lost.max(0)),
                jitter: report.peer.map(|p| micros(p.jitter)),
            },
            rtt: report.rtt.map(micros),
            mos: report.mos.map(|m| rounded(m.aws_value())),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    voice_connector_id: &'a str,
    event_timestamp: u64,
    call_id: String,
    from_sip_user: &'a str,
    from_country: &'a str,
    to_sip_user: &'a str,
    to_country: &'a str,
    endpoint_id: &'a str,
    aws_region: &'a str,
    cust2vc_rtp_packets: Option<u64>,
    cust2vc_rtp_bytes: Option<u64>,
    cust2vc_rtcp_packets: Option<u64>,
    cust2vc_rtcp_bytes: Option<u64>,
    cust2vc_packets_lost: Option<i64>,
    cust2vc_jitter: Option<u64>,
    vc2cust_rtp_packets: Option<u64>,
    vc2cust_rtp_bytes: Option<u64>,
    vc2cust_rtcp_packets: Option<u64>,
    vc2cust_rtcp_bytes: Option<u64>,
    vc2cust_packets_lost: Option<i64>,
    vc2cust_jitter: Option<u64>,
    rem2vc_rtp_packets: Option<u64>,
    rem2vc_rtp_bytes: Option<u64>,
    rem2vc_rtcp_packets: Option<u64>,
    rem2vc_rtcp_bytes: Option<u64>,
    rem2vc_packets_lost: Option<i64>,
    rem2vc_jitter: Option<u64>,
    vc2rem_rtp_packets: Option<u64>,
    vc2rem_rtp_bytes: Option<u64>,
    vc2rem_rtcp_packets: Option<u64>,
    vc2rem_rtcp_bytes: Option<u64>,
    vc2rem_packets_lost: Option<i64>,
    vc2rem_jitter: Option<u64>,
    rtt_btwn_vc_and_cust: Option<u64>,
    mos_btwn_vc_and_cust: Option<f64>,
    rtt_btwn_vc_and_rem: Option<u64>,
    mos_btwn_vc_and_rem: Option<f64>,
}
