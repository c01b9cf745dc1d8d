//! Our own record of a call, one JSON line in `calls/YYYY-MM-DD.jsonl`: everything that
//! `tandem report` tells.

use crate::description::DescriptionRecord;
use crate::lines::LineRecord;
use crate::spells::SpellRecord;
use serde::{Deserialize, Serialize};

/// The copy of a call that takes place elsewhere (RFC 7866).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedRecord {
    /// Lines of audio that were taken, in the end.
    pub lines: u8,
    /// Lines that were offered in vain.
    pub declined: u8,
    /// The client's metadata: `read`, `missing`, or why it was not read.
    pub metadata: String,
    /// A label of the metadata that no line had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_label: Option<String>,
}

/// The copy of the call that somebody else's recorder got, or should have got (RFC 7866).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CopiedRecord {
    /// The recorder, as the configuration names it.
    pub recorder: String,
    /// How often it took a copy.
    pub begun: u32,
    /// How often it did not, or not to the call's end.
    pub failures: u32,
    /// Why the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// It was not tried again then.
    #[serde(default)]
    pub was_given_up: bool,
}

/// A meeting that a call was in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MeetingRecord {
    /// Its id, a UUID, as events and the names of its recordings have it.
    pub meeting_id: String,
    /// It was recorded while the call was in it.
    pub recorded: bool,
}

/// One finished call. Times called `…_ms` are milliseconds; offsets count from `times.attempted`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call's identity in every log.
    pub transaction_id: String,
    /// The node that carried it.
    pub node: String,
    /// The node's region.
    pub region: String,
    /// The voice connector that it counts for.
    pub voice_connector_id: String,
    /// `Outbound` or `Inbound`.
    pub direction: String,
    /// Call-ID on leg A.
    pub call_id: String,
    /// Calling number.
    pub from_user: String,
    /// Its country, ISO 3166-1 alpha-2; empty when unknown.
    pub from_country: String,
    /// Called number.
    pub to_user: String,
    /// Its country; empty when unknown.
    pub to_country: String,
    /// `masked` or `hashed`, where the numbers of this record are; `None` where they are plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<String>,
    /// The carrier that an inbound call came from; `None` for outbound calls.
    #[serde(default)]
    pub carrier: Option<String>,
    /// What the Identity header of an inbound call proved (RFC 8224): `passed_A`, `passed_B`,
    /// `passed_C`, `failed_` and why, or `no_identity`; `None` when nobody asked.
    #[serde(default)]
    pub caller_verification: Option<String>,
    /// The level that an outbound call was signed with: `A`, `B` or `C` (RFC 8588).
    #[serde(default)]
    pub attestation: Option<String>,
    /// The call that went on with one of its legs after a transfer.
    #[serde(default)]
    pub transferred_to: Option<String>,
    /// The call that it took over a leg from.
    #[serde(default)]
    pub transferred_from: Option<String>,
    /// The proxy phone session that the call is of, by its id, or `fallback` of one to the fallback number;
    /// `None` for calls that are not masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_session: Option<String>,
    /// `emergency` or `test`; `None` for other calls.
    #[serde(default)]
    pub emergency: Option<String>,
    /// Rules that would have refused it and were set aside because it is an emergency call, by the
    /// names of refusals.
    #[serde(default)]
    pub excused: Vec<String>,
    /// The legs, `A` and `B`, in whose audio nothing was heard but silence from its first packet on, for as
    /// long as `media.unheard_after` of the voice connector says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheard: Vec<String>,
    /// `streamed` when its audio went to listeners, else why it did not; `None` when nobody was to listen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<String>,
    /// What became of the copy for somebody else's recorder (SIPREC); `None` of a call that none was
    /// wanted of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<CopiedRecord>,
    /// Why what the application that steers it has ordered is not recorded, or not to its end; the last
    /// reason. `None` where all is, or failed after the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_recorded: Option<String>,
    /// What a recording client sent of it; `None` of a call that is no copy of another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedRecord>,
    /// The meetings that it was in, the first eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meetings: Vec<MeetingRecord>,
    /// Where leg A's INVITE came from.
    pub source: String,
    /// When it began, rang, was answered and ended.
    pub times: Times,
    /// The routes that were tried, in order.
    pub routes: Vec<RouteRecord>,
    /// How it ended.
    pub end: EndRecord,
    /// The SIP messages of both legs.
    pub ladder: Vec<LadderRecord>,
    /// Messages that did not fit into `ladder`.
    pub ladder_omitted: u64,
    /// Quality of leg A and of leg B; `None` for a leg that never reported.
    pub quality: [Option<QualityRecord>; 2],
    /// The lines beside the audio.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineRecord>,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Times {
    /// The INVITE passed the policing.
    pub attempted: u64,
    /// First 18x of leg B.
    pub ringing: Option<u64>,
    /// 2xx of leg B.
    pub answered: Option<u64>,
    /// The call was over.
    pub ended: u64,
}

/// One try of the hunt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteRecord {
    /// When the INVITE went out.
    pub offset_ms: u64,
    /// 1 for the first.
    pub attempt: u32,
    /// The carrier; `None` for routes to the customer.
    pub carrier: Option<String>,
    /// Address and port.
    pub destination: String,
    /// `udp`, `tcp` or `tls`.
    pub protocol: String,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndRecord {
    /// Final status of leg A's INVITE; 0 when the record was closed without one.
    pub status: u16,
    /// In words.
    pub cause: String,
    /// `leg_a`, `leg_b` or `edge`.
    pub ended_by: String,
    /// The policy that refused the call, by its name in metrics.
    pub refusal: Option<String>,
}

/// One SIP message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LadderRecord {
    /// When it passed.
    pub offset_ms: u64,
    /// `A` or `B`; empty when it could not be told.
    pub leg: String,
    /// `received` or `sent`.
    pub direction: String,
    /// `udp`, `tcp` or `tls`.
    pub protocol: String,
    /// The peer's address.
    pub peer: String,
    /// The start line, control characters replaced, cut to 160 characters.
    pub start_line: String,
    /// Its session description in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<DescriptionRecord>,
    /// What its Reason or Warning header says, cut to 120 characters; of BYE, CANCEL and responses
    /// from 300 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Datagrams of T.38 fax of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FaxRecord {
    /// Received from the leg.
    pub received_packets: u64,
    /// Octets of those.
    pub received_bytes: u64,
    /// Sent to the leg.
    pub sent_packets: u64,
    /// Octets of those.
    pub sent_bytes: u64,
}

/// Quality of one leg over the whole call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QualityRecord {
    /// Encoding name of the last audio packet.
    pub codec: Option<String>,
    /// Encoding name of what the leg got, where the other leg's audio was transcoded to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcoded: Option<String>,
    /// RTP from the leg: packets, octets.
    pub received_packets: u64,
    /// Octets of RTP from the leg.
    pub received_bytes: u64,
    /// RTCP datagrams from the leg.
    pub received_rtcp_packets: u64,
    /// Packets that its sequence numbers promised.
    pub expected_packets: u64,
    /// Of those, how many did not come.
    pub lost_packets: i64,
    /// Last jitter estimate, µs.
    pub jitter_us: u64,
    /// Largest jitter estimate of any interval, µs.
    pub jitter_max_us: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicated: u64,
    /// 1.0 for random loss, larger for bursts (ITU-T G.107).
    pub burst_ratio: f64,
    /// Its session descriptions never let it send.
    #[serde(default)]
    pub forbidden: bool,
    /// Datagrams from another source, dropped.
    pub wrong_source: u64,
    /// Datagrams that were no media, dropped.
    pub malformed: u64,
    /// Packets that the leg's SRTP key did not prove, dropped.
    #[serde(default)]
    pub unauthentic: u64,
    /// RTP to the leg.
    pub sent_packets: u64,
    /// Octets of RTP to the leg.
    pub sent_bytes: u64,
    /// RTCP datagrams to the leg.
    pub sent_rtcp_packets: u64,
    /// Datagrams that the operating system refused.
    pub send_dropped: u64,
    /// Loss that the leg reported; `None` without RTCP from it.
    pub peer_lost_packets: Option<i64>,
    /// Jitter that the leg reported, µs.
    pub peer_jitter_us: Option<u64>,
    /// What the leg's extended reports said of what it received; `None` without them.
    #[serde(default)]
    pub peer_metrics: Option<PeerMetricsRecord>,
    /// Round trip between us and the leg, last known, µs.
    pub rtt_us: Option<u64>,
    /// The largest round trip of any interval, µs.
    pub rtt_max_us: Option<u64>,
    /// MOS of the whole stream, 1.0 to 4.5.
    pub mos: Option<f64>,
    /// The intervals. When there are too many, neighbours are merged in pairs.
    pub intervals: Vec<IntervalRecord>,
    /// When it lost packets, at most 16 times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loss_spells: Vec<SpellRecord>,
    /// Datagrams of T.38 fax (UDPTL); `None` for a leg that never had any.
    #[serde(default)]
    pub fax: Option<FaxRecord>,
}

/// What a leg said of the audio that it received and of itself, in VoIP metrics (RFC 3611 section
/// 4.7): end to end, and as it said it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct PeerMetricsRecord {
    /// Share lost in the network, 0 to 1.
    pub loss_ratio: f64,
    /// Share that came too late for its jitter buffer, 0 to 1.
    pub discard_ratio: f64,
    /// Share lost or discarded within bursts, 0 to 1.
    pub burst_density: f64,
    /// Mean length of a burst, ms.
    pub burst_ms: u64,
    /// Share lost or discarded between bursts, 0 to 1.
    pub gap_density: f64,
    /// Mean length from burst to burst, ms.
    pub gap_ms: u64,
    /// Round trip that it measured, ms.
    pub round_trip_ms: Option<u64>,
    /// Delay within its own system, ms.
    pub end_system_delay_ms: Option<u64>,
    /// R factor, 0 to 100.
    pub r_factor: Option<u8>,
    /// MOS for listening quality, 1.0 to 5.0.
    pub mos_lq: Option<f64>,
    /// MOS for conversational quality, 1.0 to 5.0.
    pub mos_cq: Option<f64>,
    /// Nominal delay of its jitter buffer, ms.
    pub jitter_buffer_ms: Option<u64>,
    /// The largest delay of its jitter buffer, ms.
    pub jitter_buffer_max_ms: Option<u64>,
}

/// Quality of one leg in one interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct IntervalRecord {
    /// When the interval ended.
    pub offset_ms: u64,
    /// Packets expected from the leg.
    pub expected: u64,
    /// Of those lost.
    pub lost: i64,
    /// Largest jitter estimate, µs.
    pub jitter_max_us: u64,
    /// Round trip, µs.
    pub rtt_us: Option<u64>,
    /// MOS, 1.0 to 4.5.
    pub mos: Option<f64>,
}
