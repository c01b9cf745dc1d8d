//! Counters of the relay, the edge and the sink, as the Prometheus page names them.

use crate::history::HistoryCounters;
use crate::identity::CertificateEnd;
use b2bua::DtmfCounters;
use call_applications::SoundCounts;
use call_metrics::{Definition, Reading, definitions};
use call_recordings::{OrderedCounters, RecordingCounters};
use call_streaming::HubStatistics;
use call_streaming::kinesis::{FileStreamsStatistics, KinesisStatistics};
use media_relay::{DropReason, RelayStatistics};
use model::UnixTime;
use ng_control::ControlCounts;
use otlp_export::TraceStatistics;
use outbox::{OutboxStatistics, RetentionCounters, SinkStatistics};
use put_media::PutMediaView;
use sip_edge::ShellStatistics;
use sip_edge::tls::{CertificateStatus, HandshakeFailure};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use voice_socket::SocketCounts;

pub(crate) fn reading(definition: &'static Definition, label: &'static str, value: u64) -> Reading {
    Reading { definition, label: label.into(), value: value as f64 }
}

/// Of the threads that serve calls which are listened to.
pub(crate) fn of_hub(hub: &HubStatistics, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::LISTENED_CALLS, "", hub.calls));
    out.push(reading(&definitions::LISTENERS, "", hub.listeners));
    for (reason, count) in
        [("refused", hub.refused), ("not_opened", hub.unopened), ("failed", hub.failed_listeners)]
    {
        out.push(reading(&definitions::LISTENERS_LOST, reason, count));
    }
    for (outcome, count) in [
        ("heard", hub.packets),
        ("lost", hub.lost_packets),
        ("late", hub.late_packets),
        ("unreadable", hub.unreadable_packets),
    ] {
        out.push(reading(&definitions::LISTENED_PACKETS, outcome, count));
    }
    for (kind, count) in
        [("given", hub.samples), ("missing", hub.missing_samples), ("corrected", hub.slid_samples)]
    {
        out.push(reading(&definitions::LISTENED_SAMPLES, kind, count));
    }
    out.push(reading(&definitions::LISTENING_OVERRUNS, "", hub.overruns));
}

/// Of files that stand for streams of Kinesis Video.
pub(crate) fn of_kinesis_files(
    kinesis: &KinesisStatistics,
    files: &FileStreamsStatistics,
    out: &mut Vec<Reading>,
) {
    of_kinesis(kinesis, out);
    for (outcome, count) in [
        ("written", files.written_fragments),
        ("dropped", files.dropped_fragments),
        ("failed", files.failed_fragments),
    ] {
        out.push(reading(&definitions::KINESIS_FRAGMENTS, outcome, count));
    }
}

/// Of streams of Kinesis Video.
pub(crate) fn of_kinesis_service(
    kinesis: &KinesisStatistics,
    service: &PutMediaView,
    out: &mut Vec<Reading>,
) {
    of_kinesis(kinesis, out);
    let counters = &service.counters;
    for (outcome, count) in [
        ("sent", counters.sent_fragments),
        ("replayed", counters.replayed_fragments),
        ("persisted", counters.persisted_fragments),
        ("dropped", counters.dropped_fragments),
        ("unconfirmed", counters.unconfirmed_fragments),
        ("failed", counters.refused_fragments + counters.rejected_fragments),
    ] {
        out.push(reading(&definitions::KINESIS_FRAGMENTS, outcome, count));
    }
    for (outcome, count) in [
        ("opened", counters.connections),
        ("broken", counters.broken_connections),
        ("refused", counters.refused_connections),
        ("rotated", counters.rotations),
    ] {
        out.push(reading(&definitions::KINESIS_CONNECTIONS, outcome, count));
    }
    for (id, count) in counters.errors_by_id() {
        let label = id.map_or_else(|| "other".to_owned(), |id| id.to_string());
        let definition = &definitions::KINESIS_ERRORS;
        out.push(Reading { definition, label: label.into(), value: count as f64 });
    }
    out.push(reading(&definitions::KINESIS_WAITING, "", service.kept_bytes as u64));
}

/// Of both.
fn of_kinesis(kinesis: &KinesisStatistics, out: &mut Vec<Reading>) {
    for (outcome, count) in
        [("opened", kinesis.opened), ("not_opened", kinesis.not_opened), ("failed", kinesis.failed)]
    {
        out.push(reading(&definitions::KINESIS_STREAMS, outcome, count));
    }
    out.push(reading(&definitions::KINESIS_FRAGMENTS, "made", kinesis.fragments));
}

pub(crate) fn of_relay(relay: &RelayStatistics, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::RELAY_STREAMS, "", relay.streams));
    for (state, pairs) in [
        ("used", relay.port_pairs_used),
        ("quarantined", relay.port_pairs_quarantined),
        ("free", relay.port_pairs_free),
    ] {
        out.push(reading(&definitions::RELAY_PORTS, state, pairs * 2));
    }
    out.push(reading(&definitions::RELAY_PACKETS, "rtp", relay.rtp_packets));
    out.push(reading(&definitions::RELAY_PACKETS, "rtcp", relay.rtcp_packets));
    out.push(reading(&definitions::RELAY_PACKETS, "udptl", relay.udptl_packets));
    for reason in DropReason::ALL {
        let dropped = relay.dropped(reason);
        out.push(reading(&definitions::RELAY_DROPPED, reason.name(), dropped));
    }
    for (reason, count) in [
        ("send_failed", relay.send_failures),
        ("oversized", relay.oversized),
        ("receive_failed", relay.receive_failures),
    ] {
        out.push(reading(&definitions::RELAY_DROPPED, reason, count));
    }
    for (reason, count) in
        [("ports_exhausted", relay.ports_exhausted), ("socket", relay.socket_failures)]
    {
        out.push(reading(&definitions::RELAY_REFUSED, reason, count));
    }
    out.push(reading(&definitions::RELAY_HANDSHAKES_FAILED, "", relay.handshake_failures));
    out.push(reading(&definitions::RELAY_MADE, "", relay.made_packets));
    out.push(reading(&definitions::RELAY_UNTOLD_RTCP, "", relay.untold_rtcp));
    let conflicts = &definitions::RELAY_SOURCE_CONFLICTS;
    out.push(reading(conflicts, "collision", relay.source_collisions));
    out.push(reading(conflicts, "loop", relay.source_loops));
    out.push(reading(&definitions::RELAY_WARNING_TONES, "", relay.warning_tones));
    out.push(reading(&definitions::RELAY_UNSENT_KEYS, "", relay.unsent_keys));
    out.push(reading(&definitions::RELAY_TRANSCODED_STREAMS, "", relay.transcoded_streams));
    for (definition, value) in [
        (&definitions::RELAY_PLAYED_LEGS, relay.played_legs),
        (&definitions::RELAY_PLAY_FAILURES, relay.play_failures),
        (&definitions::RELAY_AUDIO_FILES, relay.audio_files),
        (&definitions::RELAY_AUDIO_CLIPS, relay.audio_clips),
        (&definitions::RELAY_AUDIO_BYTES, relay.audio_bytes),
    ] {
        out.push(reading(definition, "", value));
    }
    out.push(reading(&definitions::RELAY_RTCP_COPIES, "copied", relay.copied_rtcp));
    out.push(reading(&definitions::RELAY_RTCP_COPIES, "lost", relay.uncopied_rtcp));
    out.push(reading(&definitions::RELAY_COPIED, "", relay.copied_packets));
    out.push(reading(&definitions::RELAY_LISTENED, "", relay.listened_streams));
    out.push(reading(&definitions::RELAY_LISTEN_FAILURES, "", relay.listen_failures));
    out.push(reading(&definitions::RELAY_SEATS, "", relay.seats));
    out.push(reading(&definitions::RELAY_SEAT_FAILURES, "", relay.seat_failures));
    out.push(reading(&definitions::RELAY_UNHEARD_MIXED, "", relay.unheard_mixed));
    out.push(reading(&definitions::RELAY_PICTURE_SEATS, "", relay.picture_seats));
    out.push(reading(&definitions::RELAY_UNSHOWN, "", relay.unshown_pictures));
    out.push(reading(&definitions::RELAY_PICTURES_AGAIN, "sent", relay.pictures_again));
    out.push(reading(&definitions::RELAY_PICTURES_AGAIN, "refused", relay.pictures_not_again));
    out.push(reading(&definitions::RELAY_PICTURES_WANTED, "", relay.pictures_wanted));
    out.push(reading(&definitions::RELAY_RECORDINGS, "", relay.recordings));
    out.push(reading(&definitions::RELAY_RECORDED, "written", relay.recorded_packets));
    out.push(reading(&definitions::RELAY_RECORDED, "lost", relay.unrecorded_packets));
    out.push(reading(&definitions::RELAY_RECORDING_FAILURES, "", relay.recording_failures));
    for (kind, count) in
        [("rfc4733_to_inband", relay.events_to_tones), ("inband_to_rfc4733", relay.tones_to_events)]
    {
        out.push(reading(&definitions::DTMF_CONVERTED, kind, count));
    }
    out.push(reading(&definitions::DTMF_LOST, "relay", relay.lost_keys));
    out.push(reading(&definitions::RELAY_FAST_STREAMS, "", relay.fast_streams));
    out.push(reading(&definitions::RELAY_FAST_INTERFACES, "", relay.fast_interfaces));
    let measured = relay.fast_packets - relay.unmeasured_packets;
    out.push(reading(&definitions::RELAY_FAST_PACKETS, "measured", measured));
    out.push(reading(&definitions::RELAY_FAST_PACKETS, "unmeasured", relay.unmeasured_packets));
}

/// The ng protocol's.
pub(crate) fn of_ng(counts: &ControlCounts, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::NG_CALLS, "", counts.calls));
    for (outcome, count) in
        [("deleted", counts.deleted), ("timed_out", counts.timed_out), ("refused", counts.refused)]
    {
        out.push(reading(&definitions::NG_ENDED, outcome, count));
    }
    for (command, count) in counts.requests {
        out.push(reading(&definitions::NG_REQUESTS, command, count));
    }
    out.push(reading(&definitions::NG_FAILED, "", counts.failed));
}

fn of_keys(dtmf: &DtmfCounters, out: &mut Vec<Reading>) {
    for (kind, count) in [
        ("rfc4733_to_info", dtmf.events_to_info),
        ("inband_to_info", dtmf.tones_to_info),
        ("info_to_rfc4733", dtmf.info_to_events),
        ("info_to_inband", dtmf.info_to_tones),
    ] {
        out.push(reading(&definitions::DTMF_CONVERTED, kind, count));
    }
    for (reason, count) in [
        ("info_failed", dtmf.info_failed),
        ("info_dropped", dtmf.dropped),
        ("malformed", dtmf.malformed),
    ] {
        out.push(reading(&definitions::DTMF_LOST, reason, count));
    }
}

pub(crate) fn of_edge(edge: &ShellStatistics, out: &mut Vec<Reading>) {
    let (logic, transport) = (&edge.edge, &edge.transport);
    of_keys(&logic.dtmf, out);
    out.push(reading(&definitions::SIP_TRANSACTIONS, "server", logic.server_transactions));
    out.push(reading(&definitions::SIP_TRANSACTIONS, "client", logic.client_transactions));
    out.push(reading(&definitions::SIP_OVERLOAD, "table", logic.table_refusals));
    out.push(reading(&definitions::SIP_OVERLOAD, "source_share", logic.share_refusals));
    out.push(reading(&definitions::SIP_CONNECTIONS, "", transport.tcp_connections));
    out.push(reading(&definitions::TLS_HANDSHAKES, "ok", transport.tls.handshakes));
    for kind in HandshakeFailure::ALL {
        let failed = transport.tls.failed(kind);
        out.push(reading(&definitions::TLS_HANDSHAKES, kind.name(), failed));
    }
    let (targets, oversize) = (&definitions::SIP_TARGETS, &definitions::SIP_OVERSIZE);
    let (dns, resolver) = (&definitions::DNS, &edge.resolver);
    for (definition, event, count) in [
        (targets, "failed", logic.target_failures),
        (targets, "failover", logic.target_failovers),
        (targets, "recovered", logic.target_recoveries),
        (&definitions::COPIES, "begun", logic.copies_begun),
        (&definitions::COPIES, "failed", logic.copies_failed),
        (&definitions::PROXY_CALLS, "participant", logic.proxied_calls),
        (&definitions::PROXY_CALLS, "fallback", logic.proxy_fallbacks),
        (oversize, "switched", logic.stream_switches),
        (oversize, "fallback", logic.stream_fallbacks),
        (dns, "query", resolver.queries),
        (dns, "unanswered", resolver.unanswered),
        (dns, "not_found", resolver.not_found),
    ] {
        out.push(reading(definition, event, count));
    }
    out.push(reading(&definitions::COPIED_CALLS, "", logic.active_copies));
    out.push(reading(&definitions::STEERED_CALLS, "", logic.steered_calls));
    out.push(reading(&definitions::REGISTERED_CONTACTS, "", logic.bindings));
    let authentication = &logic.authentication;
    for (outcome, count) in [
        ("challenged", authentication.challenged),
        ("accepted", authentication.accepted),
        ("stale", authentication.stale),
        ("wrong", authentication.wrong),
        ("unusable", authentication.unusable),
        ("blocked", authentication.blocked),
    ] {
        out.push(reading(&definitions::AUTHENTICATION, outcome, count));
    }
    let failing = authentication.failing_sources;
    out.push(reading(&definitions::AUTHENTICATION_SOURCES, "", failing));
    for (reason, count) in [
        ("down", logic.routes_down),
        ("avoided", logic.routes_avoided),
        ("full", logic.routes_full),
        ("rate", logic.routes_over_rate),
    ] {
        out.push(reading(&definitions::ROUTES_SKIPPED, reason, count));
    }
    out.push(reading(&definitions::PINGS, "", logic.pings));
    out.push(reading(&definitions::KEEP_ALIVES, "", logic.keep_alives));
    for (reason, count) in [
        ("stranger", logic.strangers_dropped),
        ("malformed", logic.malformed),
        ("stray_response", logic.stray_responses),
        ("unknown_dialog", logic.unknown_dialogs),
        ("udp_send_queue_full", transport.udp_send_queue_full),
        ("udp_send_failed", transport.udp_send_failed),
        ("tcp_refused", transport.tcp_refused),
        ("tcp_connect_failed", transport.tcp_connect_failed),
        ("tcp_connect_queue_full", transport.tcp_connect_queue_full),
        ("tcp_slow_message", transport.tcp_slow_messages),
        ("tcp_idle", transport.tcp_idle),
        ("tcp_framing", transport.tcp_framing_errors),
        ("tcp_write_stalled", transport.tcp_write_stalled),
        ("tcp_no_pong", transport.tcp_no_pong),
        ("tls_broken", transport.tls_broken),
        ("unserved_transport", transport.unserved_transport),
        ("media_event_lost", edge.media_events_lost),
        ("media_command_lost", edge.media_commands_lost),
    ] {
        out.push(reading(&definitions::SIP_DROPPED, reason, count));
    }
}

/// How long the certificates of TLS are still valid.
pub(crate) fn of_certificates(certificates: &[CertificateStatus], out: &mut Vec<Reading>) {
    for certificate in certificates {
        let left = certificate.seconds_left().max(0);
        out.push(Reading {
            definition: &definitions::TLS_CERTIFICATE_LEFT,
            label: certificate.name.to_string().into(),
            value: left as f64,
        });
    }
}

/// How long the certificates of `[stir]` are still valid.
pub(crate) fn of_identity(ends: &[CertificateEnd], now: UnixTime, out: &mut Vec<Reading>) {
    for end in ends {
        out.push(Reading {
            definition: &definitions::STIR_CERTIFICATE_LEFT,
            label: end.file.display().to_string().into(),
            value: end.seconds_left(now).max(0) as f64,
        });
    }
}

/// What links an edge and its relays, on either side.
pub(crate) struct LinkReading {
    /// The relay's address, or the edge's name.
    pub(crate) name: String,
    pub(crate) is_up: bool,
    pub(crate) losses: u64,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) streams: u64,
    pub(crate) waiting: u64,
}

pub(crate) fn of_links(links: impl Iterator<Item = LinkReading>, out: &mut Vec<Reading>) {
    for link in links {
        let round_trip = link.round_trip.map(|time| time.as_secs_f64());
        for (definition, value) in [
            (&definitions::RELAY_LINK_UP, Some(f64::from(u8::from(link.is_up)))),
            (&definitions::RELAY_LINK_LOSSES, Some(link.losses as f64)),
            (&definitions::RELAY_LINK_ROUND_TRIP, round_trip),
            (&definitions::RELAY_LINK_STREAMS, Some(link.streams as f64)),
            (&definitions::RELAY_LINK_WAITING, Some(link.waiting as f64)),
        ] {
            let label = link.name.clone().into();
            out.extend(value.map(|value| Reading { definition, label, value }));
        }
    }
}

/// What a relay lost of its edges' messages.
pub(crate) fn of_lost((commands, events): (u64, u64), out: &mut Vec<Reading>) {
    out.push(reading(&definitions::RELAY_LINK_LOST, "command", commands));
    out.push(reading(&definitions::RELAY_LINK_LOST, "event", events));
}

pub(crate) fn of_history(history: &HistoryCounters, out: &mut Vec<Reading>) {
    for (event, count) in
        [("taken", &history.calls), ("removed", &history.removed), ("damaged", &history.damaged)]
    {
        out.push(reading(&definitions::HISTORY_RECORDS, event, count.load(Ordering::Relaxed)));
    }
    let failures = history.failures.load(Ordering::Relaxed);
    out.push(reading(&definitions::HISTORY_FAILURES, "", failures));
}

pub(crate) fn of_retention(retention: &RetentionCounters, out: &mut Vec<Reading>) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    for (event, count) in [
        ("removed", &retention.removed_files),
        ("compressed", &retention.compressed_files),
        ("failed", &retention.failures),
    ] {
        out.push(reading(&definitions::RETENTION_FILES, event, read(count)));
    }
    out.push(reading(&definitions::RETENTION_BYTES, "", read(&retention.removed_bytes)));
}

pub(crate) fn of_recordings(counters: &RecordingCounters, out: &mut Vec<Reading>) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    out.push(reading(&definitions::RECORDINGS_OPEN, "", read(&counters.recording)));
    for (event, count) in [
        ("saved", &counters.saved),
        ("failed", &counters.failed),
        ("repaired", &counters.repaired),
        ("uploaded", &counters.uploaded),
        ("upload_failed", &counters.upload_failures),
        ("removed", &counters.removed),
        ("removed_unsent", &counters.removed_unsent),
    ] {
        out.push(reading(&definitions::RECORDINGS, event, read(count)));
    }
    let bytes = &definitions::RECORDINGS_BYTES;
    out.push(reading(bytes, "saved", read(&counters.saved_bytes)));
    out.push(reading(bytes, "uploaded", read(&counters.uploaded_bytes)));
    out.push(reading(&definitions::RECORDINGS_LOST, "", read(&counters.lost_samples)));
    out.push(reading(&definitions::RECORDINGS_WAITING, "", read(&counters.waiting)));
}

/// Of applications that steer calls: how many, and what they play.
pub(crate) fn of_applications(calls: usize, sounds: &SoundCounts, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::APPLICATION_CALLS, "", calls as u64));
    let outcomes =
        [("found", sounds.found), ("fetched", sounds.fetched), ("failed", sounds.failed)];
    for (outcome, count) in outcomes {
        out.push(reading(&definitions::APPLICATION_SOUNDS, outcome, count));
    }
    out.push(reading(&definitions::APPLICATION_SOUND_BYTES, "", sounds.kept_bytes));
}

pub(crate) fn of_ordered_recordings(counters: &OrderedCounters, out: &mut Vec<Reading>) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    out.push(reading(&definitions::APPLICATION_RECORDINGS, "", read(&counters.open)));
    for (outcome, count) in [("saved", &counters.saved), ("failed", &counters.failed)] {
        out.push(reading(&definitions::APPLICATION_RECORDED, outcome, read(count)));
    }
    let lost = read(&counters.lost_samples);
    out.push(reading(&definitions::APPLICATION_RECORDINGS_LOST, "", lost));
}

pub(crate) fn of_sockets(sockets: &SocketCounts, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::SOCKETS_OPEN, "", sockets.open));
    for (definition, outcomes) in [
        (
            &definitions::SOCKETS_CONNECTIONS,
            [
                ("opened", sockets.connections),
                ("failed", sockets.failures),
                ("given_up", sockets.given_up),
                ("refused", sockets.refused),
            ]
            .as_slice(),
        ),
        (
            &definitions::SOCKETS_MESSAGES,
            &[("sent", sockets.sent), ("dropped", sockets.dropped), ("bad", sockets.bad_messages)],
        ),
        (
            &definitions::SOCKETS_VOICE,
            &[
                ("received", sockets.voice_samples),
                ("dropped", sockets.voice_dropped),
                ("unheard", sockets.voice_unheard),
            ],
        ),
    ] {
        out.extend(outcomes.iter().map(|(outcome, count)| reading(definition, outcome, *count)));
    }
    out.push(reading(&definitions::SOCKETS_GAPS, "", sockets.voice_gaps));
}

pub(crate) fn of_sink(sink: &SinkStatistics, out: &mut Vec<Reading>) {
    for (outcome, count) in [
        ("written", sink.written_records),
        ("dropped", sink.dropped_records),
        ("failed", sink.failed_records),
    ] {
        out.push(reading(&definitions::SINK_RECORDS, outcome, count));
    }
    out.push(reading(&definitions::SINK_QUEUE, "", sink.queued_records));
}

/// The export of traces.
pub(crate) fn of_traces(traces: &TraceStatistics, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::TRACES_QUEUED, "", traces.queued));
    out.push(reading(&definitions::TRACES_DROPPED, "", traces.dropped));
    for (definition, label, count) in [
        (&definitions::TRACE_SPANS, "exported", traces.exported),
        (&definitions::TRACE_SPANS, "rejected", traces.rejected),
        (&definitions::TRACE_SPANS, "failed", traces.failed),
        (&definitions::TRACE_EXPORTS, "taken", traces.taken),
        (&definitions::TRACE_EXPORTS, "again", traces.again),
        (&definitions::TRACE_EXPORTS, "refused", traces.refused),
    ] {
        out.push(reading(definition, label, count));
    }
    out.extend(traces.last_error.as_ref().map(|error| Reading {
        definition: &definitions::TRACE_LAST_ERROR,
        label: "".into(),
        value: error.at.as_millis() as f64 / 1_000.0,
    }));
}

/// The queues to services; at most as many as sinks can be configured.
pub(crate) fn of_outbox(queues: &[OutboxStatistics], now: UnixTime, out: &mut Vec<Reading>) {
    for queue in queues {
        let error = queue.last_error.as_ref().map(|error| error.at.as_millis() as f64 / 1_000.0);
        for (definition, value) in [
            (&definitions::OUTBOX_ENTRIES, Some(queue.depth_entries as f64)),
            (&definitions::OUTBOX_BYTES, Some(queue.depth_bytes as f64)),
            (&definitions::OUTBOX_UNWRITTEN, Some(queue.unwritten as f64)),
            (&definitions::OUTBOX_AGE, Some(queue.age(now).as_secs_f64())),
            (&definitions::OUTBOX_ACCEPTED, Some(queue.accepted as f64)),
            (&definitions::OUTBOX_DELIVERED, Some(queue.delivered as f64)),
            (&definitions::OUTBOX_REFUSED, Some(queue.refused as f64)),
            (&definitions::OUTBOX_DROPPED, Some(queue.dropped as f64)),
            (&definitions::OUTBOX_NOT_ACCEPTED, Some(queue.not_accepted as f64)),
            (&definitions::OUTBOX_DAMAGED, Some(queue.damaged as f64)),
            (&definitions::OUTBOX_TORN, Some(queue.torn as f64)),
            (&definitions::OUTBOX_FAILED_WRITES, Some(queue.failed_writes as f64)),
            (&definitions::OUTBOX_AGAIN, Some(queue.again as f64)),
            (&definitions::OUTBOX_FAILURES, Some(f64::from(queue.failures_in_a_row))),
            (&definitions::OUTBOX_LAST_ERROR, error),
        ] {
            let label = queue.destination.clone().into();
            out.extend(value.map(|value| Reading { definition, label, value }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::DeliveryError;

    #[test]
    fn a_queue_tells_its_depth_its_age_and_its_last_error() {
        let quiet = OutboxStatistics { destination: "s3".to_owned(), ..Default::default() };
        let failing = OutboxStatistics {
            destination: "logs".to_owned(),
            depth_entries: 3,
            oldest: Some(UnixTime::from_millis(10_000)),
            last_error: Some(DeliveryError {
                at: UnixTime::from_millis(12_500),
                reason: "refused".to_owned(),
            }),
            ..quiet.clone()
        };
        let mut out = Vec::new();
        of_outbox(&[quiet, failing], UnixTime::from_millis(70_000), &mut out);
        let value = |definition: &Definition, label: &str| {
            let found = out.iter().find(|r| r.definition == definition && r.label == label);
            found.map(|reading| reading.value)
        };
        assert_eq!(value(&definitions::OUTBOX_ENTRIES, "logs"), Some(3.0));
        assert_eq!(value(&definitions::OUTBOX_AGE, "logs"), Some(60.0));
        assert_eq!(value(&definitions::OUTBOX_LAST_ERROR, "logs"), Some(12.5));
        assert_eq!(value(&definitions::OUTBOX_AGE, "s3"), Some(0.0));
        assert_eq!(value(&definitions::OUTBOX_LAST_ERROR, "s3"), None);
    }
}
