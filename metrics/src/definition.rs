//! Every metric of the Prometheus page, defined once.

use std::borrow::Cow;

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// What a metric is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// A count without a unit, or a score.
    None,
    /// Seconds.
    Seconds,
    /// Octets.
    Bytes,
    /// Packets.
    Packets,
}

impl Unit {
    /// The part of the metric's name before `_total`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Packets => "_packets",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Definition {
    /// The name on the page, with unit and `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// The labels, in order. None of them names a call, a number or a peer.
    pub labels: &'static [&'static str],
    /// What it tells, without a final stop.
    pub help: &'static str,
}

/// A value that another part of the node keeps itself, read when the page is asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    /// Which metric; a counter or a gauge.
    pub definition: &'static Definition,
    /// The value of its label; ignored when it has none.
    pub label: Cow<'static, str>,
    /// The value; of a counter a whole number, but for seconds.
    pub value: f64,
}

macro_rules! define {
    ($($constant:ident, $kind:ident, $unit:ident, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Definition = Definition {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// Every metric of the page, in its order.
        pub const ALL: &[Definition] = &[$($constant),*];
    };
}

/// Every metric of the page.
pub mod definitions {
    use super::{Definition, Kind, Unit};

    define! {
            BUILD_INFO, Gauge, None, "tandem_build_info", ["version"], "Always 1; the label tells the version";
            CALLS_ACTIVE, Gauge, None, "tandem_calls_active", ["voice_connector", "direction"], "Calls that have begun and not ended";
            CALL_ATTEMPTS, Counter, None, "tandem_call_attempts_total", ["voice_connector", "direction"], "Calls that passed the policing";
            CALLS_ANSWERED, Counter, None, "tandem_calls_answered_total", ["voice_connector", "direction"], "Calls that were answered";
            CALL_FAILURES, Counter, None, "tandem_call_failures_total", ["voice_connector", "direction"], "Calls that ended without an answer, other than by the caller giving up";
            CALL_SETUP, Histogram, Seconds, "tandem_call_setup_seconds", ["direction"], "Time from the attempt to the first ringing or answer";
            CALL_DURATION, Histogram, Seconds, "tandem_call_duration_seconds", ["direction"], "Time from the answer to the end";
            REFUSALS, Counter, None, "tandem_refusals_total", ["reason"], "Requests and calls that policy refused";
            CARRIER_CALLS, Counter, None, "tandem_carrier_calls_total", ["carrier", "direction"], "Calls that were sent to a carrier (outbound; each carrier of a hunt counts) or came from it (inbound)";
            CARRIER_ANSWERED, Counter, None, "tandem_carrier_answered_total", ["carrier", "direction"], "Calls of a carrier that were answered";
            CARRIER_FAILURES, Counter, None, "tandem_carrier_failures_total", ["carrier", "class"], "Outbound calls that a carrier did not connect, by the class of its last final response; none: it gave no final response. Calls that the caller gave up are not among them";
            CARRIER_CREDENTIALS, Counter, None, "tandem_carrier_credential_problems_total", ["problem"], "Challenges of carriers that were answered in vain or not at all";
            CARRIER_REGISTERED, Gauge, None, "tandem_carrier_registered", ["carrier"], "Whether Tandem is registered at the carrier, 1 or 0";
            REGISTERED_CONTACTS, Gauge, None, "tandem_registered_contacts", [], "Contacts of customers' systems that are registered here";
            AUTHENTICATION, Counter, None, "tandem_sip_authentication_total", ["outcome"], "Requests of customers that had to prove who they are";
            AUTHENTICATION_SOURCES, Gauge, None, "tandem_sip_authentication_failing_sources", [], "Sources that gave wrong credentials of late";
            THROTTLES, Counter, None, "tandem_throttles_total", ["voice_connector"], "Calls refused by the call rate or concurrent call limit";
            WOULD_REFUSE, Counter, None, "tandem_policy_would_refuse_total", ["reason"], "Refusals that a voice connector's dry run left undone";
            PROXY_CALLS, Counter, None, "tandem_proxy_calls_total", ["to"], "Calls to proxy numbers that were taken: participant (to the other one of their session) or fallback (to the fallback number). Refused ones are among the refusals, no_proxy_session";
            TARGET_UP, Gauge, None, "tandem_target_up", ["target"], "Whether OPTIONS pings find a carrier or an origination route alive, 1 or 0; named by the carrier's id, or by the voice connector and the route's position";
            ROUTES_SKIPPED, Counter, None, "tandem_routes_skipped_total", ["reason"], "Routes that calls passed over: down by pings, avoided after a failure, full or over their rate";
            PINGS, Counter, None, "tandem_pings_total", [], "OPTIONS sent to carriers and origination routes";
            SIP_REQUESTS, Counter, None, "tandem_sip_requests_total", ["method", "direction"], "SIP requests on the wire";
            SIP_RESPONSES, Counter, None, "tandem_sip_responses_total", ["class", "direction"], "SIP responses on the wire, by class of status";
            UNHEARD_LEGS, Counter, None, "tandem_unheard_legs_total", ["voice_connector", "side"], "Legs of that side in whose audio nothing was heard but silence, for as long as media.unheard_after says";
            UNHEARD_LEGS_NOW, Gauge, None, "tandem_unheard_legs", ["voice_connector", "side"], "The same, of calls that are not over";
            CARRIER_UNHEARD_LEGS, Counter, None, "tandem_carrier_unheard_legs_total", ["carrier", "side"], "The same of calls over a carrier: remote is its side, customer the other";
            CARRIER_UNHEARD_LEGS_NOW, Gauge, None, "tandem_carrier_unheard_legs", ["carrier", "side"], "The same, of calls that are not over";
            RTP_PACKETS, Counter, Packets, "tandem_rtp_packets_total", ["voice_connector", "path"], "RTP packets; cust2vc and rem2vc came, vc2cust and vc2rem were sent";
            RTP_BYTES, Counter, Bytes, "tandem_rtp_bytes_total", ["voice_connector", "path"], "RTP octets, header and payload";
            RTP_LOST, Counter, Packets, "tandem_rtp_lost_packets_total", ["voice_connector", "path"], "RTP packets lost; on vc2cust and vc2rem as the peer reported";
            JITTER, Histogram, Seconds, "tandem_jitter_seconds", ["side"], "Largest interarrival jitter of an interval";
            ROUND_TRIP, Histogram, Seconds, "tandem_round_trip_seconds", ["side"], "Round trip between Tandem and the side, per interval";
            MOS, Histogram, None, "tandem_mos", ["side"], "Estimated mean opinion score of an interval, 1.0 to 4.5";
            HEP_PACKETS, Counter, Packets, "tandem_hep_packets_total", ["result"], "HEP packets for the collector: sent, or failed (the system did not take them)";
            API_REQUESTS, Counter, None, "tandem_control_api_requests_total", ["operation", "outcome"], "Requests to the control API: ok, or the exception's name; the operation unknown is what no key vouches for, and what is no operation";
            API_SECONDS, Histogram, Seconds, "tandem_control_api_request_seconds", ["kind"], "Time that a request to the control API took from its last octet to its answer: of what reads, of what writes, and of what is neither (other)";
            APPLICATION_REQUESTS, Counter, None, "tandem_application_requests_total", ["application", "outcome"], "Requests to SIP media applications: answered, timeout, or failed (no connection, an error status, a function that failed); each try counts";
            APPLICATION_SECONDS, Histogram, Seconds, "tandem_application_request_seconds", ["application"], "Time that an application took for an answer, or until it was given up";
            APPLICATION_ACTIONS, Counter, None, "tandem_application_actions_total", ["action", "outcome"], "Actions of applications that have ended: done or failed; the action other is what is none here";
            APPLICATION_FAILURES, Counter, None, "tandem_application_failures_total", ["application"], "Calls that an application was given up in: it could not be asked, its answer not be understood, it asked for too much, or it left the call unanswered";
            RECORDER_DROPPED, Counter, None, "tandem_recorder_dropped_total", ["what"], "Events that the recorder lost because its queue or a table was full";
            HISTORY_RECORDS, Counter, None, "tandem_history_records_total", ["event"], "Records of finished calls in the history: taken in, removed because of their age, or damaged (lines that are no record)";
            HISTORY_FAILURES, Counter, None, "tandem_history_failures_total", [], "Turns in which the history could not follow the files of records; it goes on when this is over";
            RETENTION_FILES, Counter, None, "tandem_retention_files_total", ["event"], "Old files: removed because of their age or all their size, compressed, or failed (tried again)";
            RETENTION_BYTES, Counter, Bytes, "tandem_retention_removed_bytes_total", [], "Octets of the files that were removed";
            RECORDINGS_OPEN, Gauge, None, "tandem_recordings", [], "Calls and meetings that are recorded now";
            RECORDINGS, Counter, None, "tandem_recording_files_total", ["event"], "Files of recordings, of calls, of meetings, or their parts: saved, failed (nothing could be written, or it is lost), repaired after a crash, uploaded, upload_failed (an attempt; it is repeated), removed because of age or all their size, removed_unsent (before they were uploaded)";
            RECORDINGS_BYTES, Counter, Bytes, "tandem_recording_bytes_total", ["event"], "Octets of recordings: saved on this disk, uploaded";
            RECORDINGS_LOST, Counter, None, "tandem_recording_lost_samples_total", [], "Samples that were heard and are silence in their recording: its disk, its thread or KMS was too slow";
            RECORDINGS_WAITING, Gauge, None, "tandem_recording_uploads_waiting", [], "Files of recordings that wait to be uploaded";
            APPLICATION_CALLS, Gauge, None, "tandem_application_calls", [], "Calls that applications steer now";
            APPLICATION_SOUNDS, Counter, None, "tandem_application_sounds_total", ["outcome"], "Sounds that applications wanted: found among those that are kept, fetched (or spoken), or failed";
            APPLICATION_SOUND_BYTES, Gauge, Bytes, "tandem_application_sound_bytes", [], "Memory that the sounds which are kept for applications take";
            APPLICATION_RECORDINGS, Gauge, None, "tandem_application_recordings", [], "Recordings that applications have ordered and that are written now";
            APPLICATION_RECORDED, Counter, None, "tandem_application_recordings_total", ["outcome"], "Recordings that applications have ordered: saved where they belong, or failed";
            APPLICATION_RECORDINGS_LOST, Counter, None, "tandem_application_recording_lost_samples_total", [], "Samples that are not in a recording of an application: its thread was too slow";
            SINK_RECORDS, Counter, None, "tandem_sink_records_total", ["outcome"], "Records handed to the file sink";
            SINK_QUEUE, Gauge, None, "tandem_sink_queued_records", [], "Records that wait to be written";
            OUTBOX_ENTRIES, Gauge, None, "tandem_outbox_entries", ["destination"], "Records on disk that are still to be delivered";
            OUTBOX_BYTES, Gauge, Bytes, "tandem_outbox_bytes", ["destination"], "Disk that the records to be delivered take";
            OUTBOX_UNWRITTEN, Gauge, None, "tandem_outbox_unwritten_records", ["destination"], "Records that wait for the disk in memory";
            OUTBOX_AGE, Gauge, Seconds, "tandem_outbox_oldest_seconds", ["destination"], "Age of the oldest record that is still to be delivered; 0 without one";
            OUTBOX_ACCEPTED, Counter, None, "tandem_outbox_accepted_total", ["destination"], "Records that came to be on disk";
            OUTBOX_DELIVERED, Counter, None, "tandem_outbox_delivered_total", ["destination"], "Records that the destination took";
            OUTBOX_REFUSED, Counter, None, "tandem_outbox_refused_total", ["destination"], "Records that the destination will never take; they are in its refused.jsonl";
            OUTBOX_DROPPED, Counter, None, "tandem_outbox_dropped_total", ["destination"], "Records on disk that were dropped undelivered, the oldest first, because the outbox reached its bound";
            OUTBOX_NOT_ACCEPTED, Counter, None, "tandem_outbox_not_accepted_total", ["destination"], "Records that never came to be on disk: too many waited for it, or too large";
            OUTBOX_DAMAGED, Counter, None, "tandem_outbox_damaged_total", ["destination"], "Records that could not be read back from the disk";
            OUTBOX_TORN, Counter, None, "tandem_outbox_torn_writes_total", ["destination"], "Writes of an earlier process that were found cut off at the start, and removed";
            OUTBOX_FAILED_WRITES, Counter, None, "tandem_outbox_failed_writes_total", ["destination"], "Writes to the disk that failed; their records are tried again";
            OUTBOX_AGAIN, Counter, None, "tandem_outbox_again_total", ["destination"], "Attempts for a record that have to be made again";
            OUTBOX_FAILURES, Gauge, None, "tandem_outbox_failures_in_a_row", ["destination"], "Attempts in a row that found the destination unavailable";
            OUTBOX_LAST_ERROR, Gauge, Seconds, "tandem_outbox_last_error_timestamp_seconds", ["destination"], "When an attempt to deliver last failed, in seconds since 1970; absent when none has";
            TRACES_QUEUED, Gauge, None, "tandem_traces_queued", [], "Finished calls whose traces wait to be sent";
            TRACES_DROPPED, Counter, None, "tandem_traces_dropped_total", [], "Finished calls whose traces were dropped: too many waited, or the node stopped";
            TRACE_SPANS, Counter, None, "tandem_trace_spans_total", ["outcome"], "Spans: exported, rejected by the collector within a request that it took, or failed (refused, or the collector was away for too long)";
            TRACE_EXPORTS, Counter, None, "tandem_trace_exports_total", ["result"], "Requests to the collector of traces: taken, again (to be repeated), or refused for good";
            TRACE_LAST_ERROR, Gauge, Seconds, "tandem_trace_last_error_timestamp_seconds", [], "When a request to the collector of traces last failed, in seconds since 1970; absent when none has";
            RELAY_STREAMS, Gauge, None, "tandem_relay_streams", [], "Media streams that are relayed";
            RELAY_PORTS, Gauge, None, "tandem_relay_ports", ["state"], "Media ports by state";
            RELAY_PACKETS, Counter, Packets, "tandem_relay_packets_total", ["direction"], "Datagrams that the media relay received and sent";
            RELAY_DROPPED, Counter, Packets, "tandem_relay_dropped_packets_total", ["reason"], "Datagrams that the media relay dropped";
            RELAY_REFUSED, Counter, None, "tandem_relay_refused_total", ["reason"], "Media streams that could not be allocated";
            RELAY_HANDSHAKES_FAILED, Counter, None, "tandem_relay_handshakes_failed_total", [], "DTLS handshakes for SRTP keys that failed: that leg has no audio, the log says why";
            RELAY_MADE, Counter, Packets, "tandem_relay_made_packets_total", [], "RTP packets that the media relay made itself: keys, and what it plays";
            RELAY_PLAYED_LEGS, Gauge, None, "tandem_relay_played_legs", [], "Legs that the media relay plays something to: hold music, ringback, a file";
            RELAY_PLAY_FAILURES, Counter, None, "tandem_relay_play_failures_total", [], "What was to be played and was not: no such file, none that can be played, or no format for it";
            RELAY_AUDIO_FILES, Gauge, None, "tandem_relay_audio_files", [], "Audio files of the configuration in memory";
            RELAY_AUDIO_CLIPS, Gauge, None, "tandem_relay_audio_clips", [], "Audio ready to be played, one for each file, format and packet duration in use";
            RELAY_AUDIO_BYTES, Gauge, Bytes, "tandem_relay_audio_bytes", [], "Memory that audio ready to be played takes";
            RELAY_UNTOLD_RTCP, Counter, None, "tandem_relay_untold_rtcp_total", [], "Feedback (NACK, PLI, REMB and the like) and extended reports of a leg whose RTCP ends here that could not be told the other leg";
            RELAY_SOURCE_CONFLICTS, Counter, None, "tandem_relay_source_conflicts_total", ["kind"], "Legs whose packets carried the relay's own SSRC, where RTCP ends here: collision (the relay took another), or loop (the relay's packets come back)";
            RELAY_RTCP_COPIES, Counter, None, "tandem_relay_rtcp_copies_total", ["outcome"], "RTCP copied for a HEP collector: copied, or lost because too much came at once";
    COPIED_CALLS, Gauge, None, "tandem_copied_calls", [], "Calls that somebody else's recorder gets a copy of now (SIPREC)";
    STEERED_CALLS, Gauge, None, "tandem_steered_calls", [], "Calls that SIP media applications and the meeting rooms steer";
            COPIES, Counter, None, "tandem_copies_total", ["outcome"], "Copies of calls for somebody else's recorder: begun (it took one) or failed (it did not, or not to the call's end; each try counts); the log says why";
            RELAY_COPIED, Counter, Packets, "tandem_relay_copied_packets_total", [], "RTP packets that the media relay copied to somebody else's recorder (SIPREC)";
            RELAY_LISTENED, Gauge, None, "tandem_relay_listened_streams", [], "Streams whose audio the media relay hands to listeners (Kinesis Video, WebSocket, recordings)";
            RELAY_LISTEN_FAILURES, Counter, None, "tandem_relay_listen_failures_total", [], "Streams that nobody listens to though it was ordered, and changes of a call that listeners were not told; the log says why";
            RELAY_SEATS, Gauge, None, "tandem_relay_seats", [], "Streams whose calls take part in a conference at the media relay (meeting rooms)";
            RELAY_SEAT_FAILURES, Counter, None, "tandem_relay_seat_failures_total", [], "Streams that were to take part in a conference and do not: the relay mixes none, or as many as are allowed do; the log says why";
            RELAY_UNHEARD_MIXED, Counter, Packets, "tandem_relay_unheard_mixed_packets_total", [], "RTP packets that were mixed for a leg and not sent: it holds the call, hears a prompt, or has not agreed to their format";
            RELAY_PICTURE_SEATS, Gauge, None, "tandem_relay_picture_seats", [], "Streams of pictures (cameras, slides) that take part in a conference at the media relay";
            RELAY_UNSHOWN, Counter, Packets, "tandem_relay_unshown_picture_packets_total", [], "RTP packets of pictures that were given to a leg and not sent: it holds the call, or nobody knows where it is";
            RELAY_PICTURES_AGAIN, Counter, Packets, "tandem_relay_repeated_picture_packets_total", ["outcome"], "RTP packets of pictures that legs asked for again (NACK): sent, or refused (gone, sent twice already, more than a tenth of what the leg is sent, or never there: lost between its sender and Tandem)";
            RELAY_PICTURES_WANTED, Counter, None, "tandem_relay_pictures_wanted_total", [], "Key frames that legs without feedback were to be asked for by INFO";
            MIXED_CONFERENCES, Gauge, None, "tandem_mixed_conferences", [], "Conferences that are mixed now (meeting rooms)";
            MIXED_LEGS, Gauge, None, "tandem_mixed_legs", [], "Legs in those conferences";
            MIXED_LEGS_REFUSED, Counter, None, "tandem_mixed_legs_refused_total", [], "Legs that are not mixed: none of their formats is known, or a thread is behind (raise rooms.threads); the log says why";
            MIXED_PACKETS, Counter, Packets, "tandem_mixed_packets_total", ["outcome"], "RTP packets of conferences: heard (taken of legs), lost (not taken in time), made (for legs), unsent (the relay did not take them in time)";
            MIXING_SKIPPED, Counter, None, "tandem_mixing_skipped_frames_total", [], "Frames of 20 ms that were left out of conferences because a thread came too late";
            MIXING_UNHEARD, Counter, None, "tandem_mixing_unheard_announcements_total", [], "Announcements in conferences that nobody heard: too many at once, or no sound that is known";
            MIXING_SECONDS, Counter, Seconds, "tandem_mixing_seconds_total", [], "Time that threads spent mixing, and switching pictures";
            SWITCHED_LINES, Gauge, None, "tandem_switched_picture_lines", [], "Lines of pictures (cameras, slides) in those conferences";
            SWITCHED_LINES_REFUSED, Counter, None, "tandem_switched_picture_lines_refused_total", [], "Lines without pictures: their parameters cannot be read, there are too many, or a thread is behind; the log says why";
            SWITCHED_PACKETS, Counter, Packets, "tandem_switched_picture_packets_total", ["outcome"], "RTP packets of pictures: taken (of lines), lost (not taken in time), given (to lines, one for each who sees it), unsent (the relay did not take them in time)";
            PICTURE_REQUESTS, Counter, None, "tandem_picture_requests_total", ["kind"], "What lines of pictures were asked for: key_frame, limit (of bit/s), or packets (lost ones by NACK; each message counts)";
            GRIDS, Gauge, None, "tandem_composed_grids", [], "Meetings with a picture composed of several, for those who ask for it";
            GRIDS_REFUSED, Counter, None, "tandem_composed_grids_refused_total", ["reason"], "Composed pictures that are not there though asked for: refused (max_meetings or CPU, tried again each 10 s), closed (no CPU is left for one that was there); who asked sees the speaker";
            GRID_THREADS_DEGRADED, Gauge, None, "tandem_composing_degraded_threads", [], "Threads that compose fewer pictures a second than they are to, because there is too little CPU";
            GRID_PICTURES, Counter, None, "tandem_composed_pictures_total", ["what"], "Pictures: made (of all sizes), decoded (of cameras), undecodable (damaged, too large, or of a profile that is not decoded), failed (the encoder could not)";
            GRID_LOST, Counter, None, "tandem_composing_lost_total", ["what"], "What found no room between the switch and the threads that compose: packets (of cameras), units (of composed pictures)";
            GRID_SECONDS, Counter, Seconds, "tandem_composing_seconds_total", [], "CPU time of the threads that compose pictures";
            ROOM_MEETINGS, Gauge, None, "tandem_room_meetings", [], "Meetings that are held now, with or without anybody in them";
            ROOM_CALLERS, Gauge, None, "tandem_room_callers", [], "Callers in the meeting rooms: welcomed, waiting or in a meeting";
            ROOM_GUESSES, Counter, None, "tandem_room_ids_refused_total", ["outcome"], "IDs and passcodes of meetings that callers gave in vain: wrong, or too_fast, after too many wrong ones of their source";
            FLOOR_DEVICES, Gauge, None, "tandem_floor_control_devices", [], "Callers of meeting rooms whose devices may ask for the floor of the slides (BFCP)";
            FLOOR_CONNECTIONS, Gauge, None, "tandem_floor_control_connections", [], "TCP connections of floor control, those of nobody yet included";
            FLOOR_MESSAGES, Counter, None, "tandem_floor_control_messages_total", ["outcome"], "Messages of floor control: understood; unreadable; stranger, of no call or from elsewhere, connections too; too_fast; untold, the rooms had no room for them; unsent, a device acknowledges nothing or was never heard";
            ROOM_SPEAKING, Gauge, None, "tandem_room_speaking", [], "People who speak in meetings now, whether among the loudest who are heard or not";
            GUEST_CONNECTIONS, Gauge, None, "tandem_guest_connections", [], "Connections to the page of browser guests; a guest in a meeting has two";
            GUEST_SIP_SOCKETS, Gauge, None, "tandem_guest_sip_sockets", [], "Of these, WebSockets with SIP";
            GUESTS_REFUSED, Counter, None, "tandem_guests_refused_total", ["reason"], "What was refused of browser guests: busy (a connection over rooms.guests.max_connections or max_per_source), rate (too many connections or messages in a short time), request (HTTP that is none of the page's), message (over a WebSocket, too long or malformed)";
            LISTENED_CALLS, Gauge, None, "tandem_listened_calls", [], "Calls that somebody listens to while they run (streaming)";
            LISTENERS, Gauge, None, "tandem_listeners", [], "Listeners of those calls";
            LISTENERS_LOST, Counter, None, "tandem_listeners_lost_total", ["reason"], "Listeners that a call should have had: refused (too many calls, or a thread behind), not_opened (no way to one of this kind), failed (a fault of ours)";
            LISTENED_PACKETS, Counter, Packets, "tandem_listened_packets_total", ["outcome"], "RTP packets of listened calls: heard, or missing from what listeners get: lost (not taken in time), late, unreadable";
            LISTENED_SAMPLES, Counter, None, "tandem_listened_samples_total", ["kind"], "Audio samples of one channel: given to listeners, missing among them (silence in their place), added or left out to correct clocks that drift (corrected)";
            LISTENING_OVERRUNS, Counter, None, "tandem_listening_overruns_total", [], "Times that a thread looked after its listened calls more than 100 ms too late";
            KINESIS_STREAMS, Counter, None, "tandem_kinesis_video_streams_total", ["outcome"], "Kinesis video streams of legs: opened, not_opened, failed later";
            KINESIS_FRAGMENTS, Counter, None, "tandem_kinesis_video_fragments_total", ["outcome"], "Fragments of those streams: made; of files: written, dropped (the queue was full), failed; of the service: sent, replayed among them, persisted, dropped before they were sent, unconfirmed (sent, and dropped before the service kept them), failed (it found a fault in them)";
            KINESIS_CONNECTIONS, Counter, None, "tandem_kinesis_video_connections_total", ["outcome"], "Connections to Kinesis Video Streams: opened, broken (or silent), refused (answered with another status than 200), rotated for their age";
            KINESIS_ERRORS, Counter, None, "tandem_kinesis_video_errors_total", ["error_id"], "Faults that Kinesis Video Streams told of fragments, by its ErrorId (docs/aws.md)";
            KINESIS_WAITING, Gauge, Bytes, "tandem_kinesis_video_waiting_bytes", [], "Audio that Kinesis Video Streams has not yet said to keep: what a sudden end of this process costs";
            SOCKETS_OPEN, Gauge, None, "tandem_voice_socket_calls", [], "Calls that a program behind a WebSocket hears, connected or not";
            SOCKETS_CONNECTIONS, Counter, None, "tandem_voice_socket_connections_total", ["outcome"], "Connections to such programs: opened; failed, or lost while the call went on; given_up, calls that were not tried again; refused, calls over the bound";
            SOCKETS_MESSAGES, Counter, None, "tandem_voice_socket_messages_total", ["outcome"], "Messages of audio to them: sent; dropped, the oldest, because they read too slowly or were not there; bad, messages of theirs that are none";
            SOCKETS_VOICE, Counter, None, "tandem_voice_socket_voice_samples_total", ["outcome"], "Samples that they said: received; dropped, over a minute ahead or to nobody; unheard, said on hold or under something else";
            SOCKETS_GAPS, Counter, None, "tandem_voice_socket_voice_gaps_total", [], "Times that their voices broke off because samples came too late";
            RELAY_RECORDINGS, Gauge, None, "tandem_relay_recordings", [], "Recordings that the media relay writes";
            RELAY_RECORDED, Counter, Packets, "tandem_relay_recorded_packets_total", ["outcome"], "Packets of recorded legs: written, or lost because the disk was too slow or full, or the file as long as it may be";
            RELAY_RECORDING_FAILURES, Counter, None, "tandem_relay_recording_failures_total", [], "Recordings that could not begin, go on or be finished; the log says why";
            NG_CALLS, Gauge, None, "tandem_ng_calls", [], "Calls that proxies have with the relay over the ng protocol";
            NG_ENDED, Counter, None, "tandem_ng_ended_calls_total", ["outcome"], "Calls of the ng protocol: deleted by a proxy, timed out without media, or refused for want of ports or room";
            NG_REQUESTS, Counter, None, "tandem_ng_requests_total", ["command"], "Requests of the ng protocol by command";
            NG_FAILED, Counter, None, "tandem_ng_failed_requests_total", [], "Requests of the ng protocol that were answered with an error; the log says why";
            RELAY_WARNING_TONES, Counter, None, "tandem_relay_warning_tones_total", [], "Tones of recorded calls ([voice_connector.streaming] consent) that a leg was sent whole";
            RELAY_UNSENT_KEYS, Counter, None, "tandem_relay_unsent_keys_total", [], "Telephone keys (RFC 4733) that a leg was to get and did not: on hold, not agreed to, or too many at once";
            RELAY_TRANSCODED_STREAMS, Gauge, None, "tandem_relay_transcoded_streams", [], "Media streams with audio that is transcoded";
            DTMF_CONVERTED, Counter, None, "tandem_dtmf_converted_total", ["kind"], "Telephone keys that a leg said in one form and the other leg got in another: RFC 4733 events, INFO, or tones in the audio (inband)";
            DTMF_LOST, Counter, None, "tandem_dtmf_lost_total", ["reason"], "Telephone keys that were to be converted and were not: info_failed and info_dropped towards a peer that takes INFO, malformed INFO of a peer, relay: too many at once";
            RELAY_FAST_STREAMS, Gauge, None, "tandem_relay_fast_streams", [], "Directions of media streams, two a call, that the kernel forwards by itself";
            RELAY_FAST_INTERFACES, Gauge, None, "tandem_relay_fast_interfaces", [], "Network interfaces whose media the kernel can forward by itself; 0: all media goes through sockets";
            RELAY_FAST_PACKETS, Counter, Packets, "tandem_relay_fast_packets_total", ["state"], "RTP packets that the kernel forwarded by itself: measured, or not (unmeasured)";
            RELAY_LINK_UP, Gauge, None, "tandem_relay_link_up", ["relay"], "Whether a relay in a process of its own can be given calls, 1 or 0; on a relay, whether an edge is connected, by its name";
            RELAY_LINK_LOSSES, Counter, None, "tandem_relay_link_losses_total", ["relay"], "Connections between an edge and a relay that broke";
            RELAY_LINK_ROUND_TRIP, Gauge, Seconds, "tandem_relay_link_round_trip_seconds", ["relay"], "Round trip of the last heartbeat; absent while there is no connection";
            RELAY_LINK_STREAMS, Gauge, None, "tandem_relay_link_streams", ["relay"], "Media streams of the edge at the relay";
            RELAY_LINK_WAITING, Gauge, None, "tandem_relay_link_waiting_messages", ["relay"], "Messages that the other side is not known to have";
            RELAY_LINK_LOST, Counter, None, "tandem_relay_link_lost_messages_total", ["what"], "Commands and events that a relay lost because too many waited";
            SIP_TRANSACTIONS, Gauge, None, "tandem_sip_transactions", ["side"], "Live SIP transactions";
            SIP_OVERLOAD, Counter, None, "tandem_sip_overload_refusals_total", ["reason"], "Requests that got 503 because the transaction table, or their source's share of it, was full";
            SIP_CONNECTIONS, Gauge, None, "tandem_sip_connections", [], "Open SIP stream connections";
            TLS_HANDSHAKES, Counter, None, "tandem_tls_handshakes_total", ["result"], "TLS handshakes, both ways: ok, or why they failed";
            TLS_CERTIFICATE_LEFT, Gauge, Seconds, "tandem_tls_certificate_left_seconds", ["certificate"], "Time until a TLS certificate of ours ends; 0 when it has";
            STIR_CERTIFICATE_LEFT, Gauge, Seconds, "tandem_stir_certificate_left_seconds", ["file"], "Time until a certificate of `[stir]` ends; 0 when it has";
            SIP_TARGETS, Counter, None, "tandem_sip_targets_total", ["event"], "Targets of named carriers and routes: failed, failover (another one tried), recovered";
            SIP_OVERSIZE, Counter, None, "tandem_sip_oversize_requests_total", ["event"], "Requests too big for UDP: switched to TCP, and of these fallback to UDP because TCP was refused";
            DNS, Counter, None, "tandem_dns_total", ["event"], "DNS: query sent, unanswered question, not_found host";
            KEEP_ALIVES, Counter, None, "tandem_udp_keep_alives_total", [], "Times that a way over UDP to a registered system, or to a carrier that we are registered at, was used only to be kept open";
            SIP_DROPPED, Counter, None, "tandem_sip_dropped_total", ["reason"], "SIP messages dropped without a call seeing them";
            PROCESS_CPU, Counter, Seconds, "process_cpu_seconds_total", [], "Processor time of the process, user and system";
            PROCESS_RESIDENT, Gauge, Bytes, "process_resident_memory_bytes", [], "Memory of the process that is in use";
            PROCESS_OPEN_FILES, Gauge, None, "process_open_fds", [], "Open files and sockets of the process";
            PROCESS_MAX_FILES, Gauge, None, "process_max_fds", [], "How many files the process may open (RLIMIT_NOFILE); absent without a limit";
            PROCESS_START, Gauge, Seconds, "process_start_time_seconds", [], "When the process started, in seconds since 1970";
            THREAD_CPU, Counter, Seconds, "tandem_thread_cpu_seconds_total", ["thread"], "Processor time of the threads that carry signalling (sip-0), media (relay-N) and records; one at 1 a second can do no more";
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::fmt::Write as _;
    use std::path::Path;

    #[test]
    fn docs_name_every_metric() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let written = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == written,
            "docs/metrics.md does not say what the page has; write it anew with\n\
             UPDATE_DOCS=1 cargo test -p call-metrics docs"
        );
    }

    fn markdown() -> String {
        let mut text = "# Metrics\n\n\
            What `http://<[prometheus] listen>/metrics` tells, in OpenMetrics text. Written from\n\
            `metrics/src/definition.rs` by `UPDATE_DOCS=1 cargo test -p call-metrics docs`; do not edit.\n\
            What CloudWatch gets stands below.\n\n\
            Counters begin at 0 when the node starts. No label names a call, a number or a peer; a\n\
            `voice_connector` beyond the first thousand counts under `other`.\n\n\
            | Name | Kind | Unit | Labels | What it tells |\n|---|---|---|---|---|\n"
            .to_owned();
        for Definition { name, kind, unit, labels, help } in definitions::ALL {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let unit = match unit {
                Unit::None => "",
                unit => unit.suffix().trim_start_matches('_'),
            };
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = labels.join(", ");
            let row = format!("| `{name}` | {kind} | {unit} | {labels} | {help} |");
            writeln!(text, "{}", row.replace("|  |", "| |").replace("|  |", "| |")).unwrap();
        }
        text + &cloudwatch_markdown()
    }

    fn cloudwatch_markdown() -> String {
        let mut text = "\n## CloudWatch\n\n\
            What `cloudwatch/metrics.jsonl` tells, in a line for each minute (more when one call of\n\
            PutMetricData could not take it). `[sinks] cloudwatch` names the namespace,\n\
            `Tandem/VoiceConnector` unless it says otherwise, and the form: `format = \"emf\"` writes\n\
            log events in Embedded Metric Format to `logs/aws/ChimeVoiceConnectorMetrics.jsonl` instead.\n\n\
            Each metric has the dimensions `VoiceConnectorId` and `Region` together, each alone, and none.\n\
            `Timestamp` is the minute's beginning; a report of media counts in the minute that its interval\n\
            ended in. A gauge has a value for each second. It is written every minute, of a voice connector\n\
            until nothing was heard of it for an hour. Counts are written, also at 0, of minutes in which\n\
            something happened; distributions when there is a value. They are exact up to 600 distinct values\n\
            a minute; beyond, values are rounded by at most 0.4, 1.2, 2.8 or 6 %, as little as it takes. Scores\n\
            have the unit `None`.\n\n\
            `configs/dashboards/` has a dashboard and alarms of these metrics, for the voice connector of\n\
            `configs/dev.toml` in `us-east-1`; the dashboard lets you choose others:\n\n\
            ```\n\
            aws cloudwatch put-dashboard --dashboard-name tandem \\\n    \
            --dashboard-body file://configs/dashboards/cloudwatch-dashboard.json\n\
            jq -c '.[]' configs/dashboards/cloudwatch-alarms.json | while read -r alarm; do\n    \
            aws cloudwatch put-metric-alarm --cli-input-json \"$alarm\"\n\
            done\n\
            ```\n\n\
            | Name | Kind | Unit | What it tells |\n|---|---|---|---|\n"
            .to_owned();
        for definition in crate::CLOUDWATCH_METRICS {
            let kind = match definition.kind {
                crate::CloudWatchKind::Count => "count",
                crate::CloudWatchKind::Gauge => "gauge",
                crate::CloudWatchKind::Distribution => "distribution",
            };
            let (name, unit, help) = (definition.name, definition.unit.name(), definition.help);
            writeln!(text, "| `{name}` | {kind} | {unit} | {help} |").unwrap();
        }
        text
    }

    #[test]
    fn names_are_unique_and_end_with_their_unit_and_kind() {
        let mut names = HashSet::new();
        for definition in definitions::ALL {
            let name = definition.name;
            assert!(names.insert(name), "{name} twice");
            // What every program says of its process has names of its own.
            assert!(name.starts_with("tandem_") || name.starts_with("process_"), "{name}");
            let base = name.strip_suffix("_total");
            assert_eq!(base.is_some(), definition.kind == Kind::Counter, "{name}");
            assert!(base.unwrap_or(name).ends_with(definition.unit.suffix()), "{name}");
            assert!(!definition.help.ends_with('.'), "{name}: the page adds the stop");
        }
    }
}
