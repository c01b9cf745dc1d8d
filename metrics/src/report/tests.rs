mod calls;

use super::*;
use crate::call_record::{
    CopiedRecord, EndRecord, IntervalRecord, LadderRecord, QualityRecord, RecordedRecord,
    RouteRecord, Times,
};

pub(crate) fn rung(offset_ms: u64, leg: &str, direction: &str, start_line: &str) -> LadderRecord {
    LadderRecord {
        offset_ms,
        leg: leg.to_owned(),
        direction: direction.to_owned(),
        protocol: "udp".to_owned(),
        peer: if leg == "A" { "127.0.0.3:5070" } else { "127.0.0.2:5080" }.to_owned(),
        start_line: start_line.to_owned(),
        description: None,
        reason: None,
    }
}

fn good_side() -> QualityRecord {
    let interval = IntervalRecord {
        offset_ms: 60_000,
        expected: 3_000,
        lost: 0,
        jitter_max_us: 1_800,
        rtt_us: Some(21_400),
        mos: Some(4.38),
    };
    QualityRecord {
        transcoded: None,
        codec: Some("PCMU".to_owned()),
        received_packets: 3_620,
        received_bytes: 622_640,
        received_rtcp_packets: 14,
        expected_packets: 3_620,
        lost_packets: 0,
        jitter_us: 1_200,
        jitter_max_us: 1_800,
        reordered: 0,
        duplicated: 0,
        burst_ratio: 1.0,
        forbidden: false,
        wrong_source: 0,
        malformed: 0,
        unauthentic: 0,
        sent_packets: 3_618,
        sent_bytes: 622_296,
        sent_rtcp_packets: 14,
        send_dropped: 0,
        peer_lost_packets: Some(0),
        peer_jitter_us: Some(900),
        peer_metrics: None,
        rtt_us: Some(21_400),
        rtt_max_us: Some(24_000),
        mos: Some(4.37),
        intervals: vec![interval, IntervalRecord { offset_ms: 75_690, expected: 620, ..interval }],
        loss_spells: Vec::new(),
        fax: None,
    }
}

pub(crate) fn good_call() -> CallRecord {
    CallRecord {
        transaction_id: "00000000-0000-4000-8000-000000000007".to_owned(),
        node: "edge-1".to_owned(),
        region: "us-east-1".to_owned(),
        voice_connector_id: "abcdef1ghij2klmno3pqr4".to_owned(),
        direction: "Outbound".to_owned(),
        call_id: "a84b4c76e66710@127.0.0.3".to_owned(),
        from_user: "+12065550100".to_owned(),
        from_country: "US".to_owned(),
        to_user: "+81312345678".to_owned(),
        to_country: "JP".to_owned(),
        numbers: None,
        carrier: None,
        caller_verification: None,
        attestation: None,
        transferred_to: None,
        transferred_from: None,
        proxy_session: None,
        excused: Vec::new(),
        unheard: Vec::new(),
        streaming: None,
        copied: None,
        not_recorded: None,
        recorded: None,
        meetings: Vec::new(),
        emergency: None,
        source: "127.0.0.3:5070".to_owned(),
        times: Times {
            attempted: 1_551_460_200_020,
            ringing: Some(1_551_460_200_145),
            answered: Some(1_551_460_203_300),
            ended: 1_551_460_275_700,
        },
        routes: vec![RouteRecord {
            offset_ms: 3,
            attempt: 1,
            carrier: Some("pstn-1".to_owned()),
            destination: "127.0.0.2:5080".to_owned(),
            protocol: "udp".to_owned(),
        }],
        end: EndRecord {
            status: 200,
            cause: "BYE".to_owned(),
            ended_by: "leg_a".to_owned(),
            refusal: None,
        },
        ladder: vec![
            rung(
                0,
                "A",
                "received",
                "INVITE sip:+81312345678@abcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost SIP/2.0",
            ),
            rung(1, "A", "sent", "SIP/2.0 100 Trying"),
            rung(3, "B", "sent", "INVITE sip:+81312345678@127.0.0.2:5080 SIP/2.0"),
            rung(5, "B", "received", "SIP/2.0 100 Trying"),
            rung(125, "B", "received", "SIP/2.0 180 Ringing"),
            rung(125, "A", "sent", "SIP/2.0 180 Ringing"),
            rung(3_280, "B", "received", "SIP/2.0 200 OK"),
            rung(3_280, "A", "sent", "SIP/2.0 200 OK"),
            rung(3_290, "A", "received", "ACK sip:tandem@127.0.0.1:5060 SIP/2.0"),
            rung(3_290, "B", "sent", "ACK sip:127.0.0.2:5080 SIP/2.0"),
            rung(75_680, "A", "received", "BYE sip:tandem@127.0.0.1:5060 SIP/2.0"),
            rung(75_680, "A", "sent", "SIP/2.0 200 OK"),
            rung(75_681, "B", "sent", "BYE sip:127.0.0.2:5080 SIP/2.0"),
            rung(75_690, "B", "received", "SIP/2.0 200 OK"),
        ],
        ladder_omitted: 0,
        quality: [Some(good_side()), Some(good_side())],
        lines: Vec::new(),
    }
}

fn with_leg_a(change: impl FnOnce(&mut QualityRecord)) -> CallRecord {
    let mut call = good_call();
    change(call.quality[0].as_mut().unwrap());
    call
}

fn worst(call: &CallRecord) -> (Severity, String) {
    let first = findings(call).remove(0);
    (first.severity, first.text)
}

#[test]
fn a_good_call_is_told_in_a_hundred_columns() {
    let text = explain(&good_call());
    println!("{text}");
    assert!(text.contains("GOOD\n"));
    assert!(text.contains("rang after 125 ms, answered after 3.3 s, talked for 1 min 12 s"));
    assert!(text.contains("by the caller: BYE"));
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn arrows_point_from_the_sender_to_the_receiver() {
    let text = explain(&good_call());
    let row = |part: &str| text.lines().find(|l| l.contains(part)).unwrap().to_owned();
    let invite = row("INVITE +81312345678");
    assert_eq!(
        invite,
        "       0 |-------- INVITE +81312345678 -------->|                                      |"
    );
    let ringing: Vec<_> = text.lines().filter(|l| l.contains("180 Ringing")).collect();
    assert!(ringing[0].contains("|<----") && ringing[0].ends_with("-|"), "leg B to Tandem");
    assert!(ringing[1].starts_with("     125 |<"), "Tandem to leg A");
    assert!(row("1 min 12 s ").contains(':'), "the talk is a gap");
}

#[test]
fn what_was_bad_is_said_with_its_numbers() {
    let cases: [(CallRecord, Severity, &str); 12] = [
        (
            with_leg_a(|q| {
                q.lost_packets = 362;
                q.burst_ratio = 2.5;
            }),
            Severity::Bad,
            "10.0 % of the customer's packets (362 of 3620) were lost on the way to Tandem. It came in bursts",
        ),
        (
            with_leg_a(|q| q.peer_lost_packets = Some(72)),
            Severity::Fair,
            "2.0 % of the packets that Tandem sent to the customer (72 of 3618)",
        ),
        (with_leg_a(|q| q.jitter_max_us = 95_000), Severity::Bad, "rose to 95.0 ms"),
        (
            with_leg_a(|q| q.rtt_max_us = Some(350_000)),
            Severity::Fair,
            "round trip to the customer rose to 350.0 ms",
        ),
        (with_leg_a(|q| q.mos = Some(2.9)), Severity::Bad, "MOS on the customer's side was 2.90"),
        (
            with_leg_a(|q| {
                q.received_packets = 0;
                q.wrong_source = 3_000;
            }),
            Severity::Bad,
            "One-way audio: no audio came from the customer (0 RTP packets in 1 min 12 s; the carrier sent 3620). 3000 packets came from an address",
        ),
        (
            with_leg_a(|q| {
                q.received_packets = 0;
                q.unauthentic = 3_590;
            }),
            Severity::Bad,
            "One-way audio: no audio came from the customer (0 RTP packets in 1 min 12 s; the carrier sent 3620). 3590 packets came that the SRTP key of its own session description does not prove",
        ),
        (
            CallRecord { unheard: vec!["B".to_owned()], ..good_call() },
            Severity::Bad,
            "One-way audio: 3620 RTP packets came from the carrier, and from the first on nothing was heard in them but silence",
        ),
        (
            with_leg_a(|q| q.unauthentic = 400),
            Severity::Fair,
            "400 packets from the customer were not under the SRTP key of its session description",
        ),
        (
            with_leg_a(|q| q.codec = Some("PCMA".to_owned())),
            Severity::Fair,
            "different codecs (customer: PCMA, carrier: PCMU), and Tandem did not transcode",
        ),
        (
            with_leg_a(|q| {
                q.codec = Some("opus".to_owned());
                q.transcoded = q.codec.clone();
            }),
            Severity::Note,
            "The customer got opus, transcoded from PCMU.",
        ),
        (
            with_leg_a(|q| q.reordered = 100),
            Severity::Fair,
            "100 of the customer's 3620 packets came out of order",
        ),
    ];
    // A few are packets under way while a key changes.
    let call = with_leg_a(|q| q.unauthentic = 5);
    assert!(explain(&call).contains("5 packets from the customer were not under the SRTP key"));
    assert_eq!(worst(&call).0, Severity::Note);
    for (call, severity, part) in cases {
        let found = worst(&call);
        assert_eq!(found.0, severity, "{}", found.1);
        assert!(found.1.contains(part), "{}\nlacks\n{part}", found.1);
        println!("{}", explain(&call).split("Why").nth(1).unwrap());
    }
}

#[test]
fn a_masked_call_names_its_session_and_has_a_carrier_on_either_side() {
    let shown = |session: &str| {
        let record = CallRecord { proxy_session: Some(session.to_owned()), ..good_call() };
        explain(&record)
    };
    let text = shown("123e4567-e89b-42d3-a456-426614174000");
    assert!(text.contains("proxy session 123e4567-e89b-42d3-a456-426614174000"), "{text}");
    assert!(text.contains("carrier to carrier, masked"), "{text}");
    assert!(shown("fallback").contains("fallback number"));
}

#[test]
fn a_call_of_a_meeting_names_it_and_says_that_it_was_recorded() {
    let meeting = |id: &str, recorded| MeetingRecord { meeting_id: id.to_owned(), recorded };
    let meetings = vec![meeting("17bc8b19", false), meeting("00bc8b19", true)];
    let text = explain(&CallRecord { meetings, ..good_call() });
    assert!(text.contains("17bc8b19; 00bc8b19 (recorded)"), "{text}");
    assert!(!explain(&good_call()).contains("meeting"));
    let of_rooms =
        CallRecord { voice_connector_id: model::ROOMS_CONNECTOR.to_owned(), ..good_call() };
    let text = explain(&of_rooms);
    assert!(text.contains("Meeting    none: no right ID was given"), "{text}");
}

#[test]
fn why_the_rooms_ended_a_call_is_told() {
    let ended = |cause: &str| {
        let mut call = good_call();
        (call.end.cause, call.end.ended_by) = (cause.to_owned(), "edge".to_owned());
        because(&call)
    };
    let told = ended("no meeting could be entered by what the caller gave");
    assert_eq!(told.cause, Cause::NoMeeting);
    assert!(
        told.text.contains("no meeting could be entered by what the caller gave; compare"),
        "{}",
        told.text
    );
    let told = ended("no media from the caller in the meeting rooms");
    assert_eq!(told.cause, Cause::MediaStopped);
    assert!(told.text.starts_with("Nothing came any more from the customer"), "{}", told.text);
    assert_eq!(ended("the meeting rooms hung up").cause, Cause::Good);
    let mut call = good_call();
    call.end.cause = "no media from the caller in the meeting rooms".to_owned();
    let text = explain(&call);
    assert!(
        !text.contains("GOOD") && text.contains("[fair] Tandem ended the call: no media"),
        "{text}"
    );
}

#[test]
fn limits_hold_on_both_sides() {
    let loss = |lost| {
        with_leg_a(|q| {
            q.expected_packets = 10_000;
            q.lost_packets = lost;
        })
    };
    assert_eq!(worst(&loss(99)).0, Severity::Good);
    assert_eq!(worst(&loss(100)).0, Severity::Fair);
    assert_eq!(worst(&loss(500)).0, Severity::Bad);
    let mos = |mos| with_leg_a(|q| q.mos = Some(mos));
    assert_eq!(worst(&mos(3.61)).0, Severity::Good);
    assert_eq!(worst(&mos(3.6)).0, Severity::Fair);
}

#[test]
fn no_media_and_no_rtcp_are_told_apart() {
    let mut silent = good_call();
    for side in silent.quality.iter_mut().flatten() {
        side.received_packets = 0;
    }
    assert!(worst(&silent).1.starts_with("No audio at all: no audio came from the customer"));
    let mute = with_leg_a(|q| {
        q.received_rtcp_packets = 0;
        q.rtt_us = None;
        q.rtt_max_us = None;
    });
    let found = findings(&mute);
    assert!(found.iter().any(|f| f.text.starts_with("The customer sent no RTCP")));
    assert!(found.iter().any(|f| f.severity == Severity::Good));
}

#[test]
fn calls_that_did_not_come_about_say_why() {
    let mut call = good_call();
    call.times.answered = None;
    call.quality = [None, None];
    call.end = EndRecord {
        status: 486,
        cause: "Busy Here".to_owned(),
        ended_by: "leg_b".to_owned(),
        refusal: None,
    };
    assert!(explain(&call).contains("NOT ANSWERED"));
    assert!(worst(&call).1.ends_with("The called party was busy."));
    call.end.refusal = Some("region_not_allowed".to_owned());
    assert!(explain(&call).contains("REFUSED"));
    assert!(worst(&call).1.contains("calling_regions"));
    for refusal in model::Refusal::ALL {
        call.end.refusal = Some(refusal.name().to_owned());
        assert!(!worst(&call).1.contains("see the refusal's name"), "{refusal} has no advice");
    }
}

#[test]
fn a_hunt_shows_the_new_peer_and_all_routes() {
    let mut call = good_call();
    let mut second = call.routes[0].clone();
    second.destination = "127.0.0.4:5080".to_owned();
    second.carrier = Some("pstn-2".to_owned());
    call.routes.push(second);
    call.ladder[12].peer = "127.0.0.4:5080".to_owned();
    let text = explain(&call);
    assert!(text.contains("B is now 127.0.0.4:5080 udp"));
    assert!(text.contains("pstn-1 (127.0.0.2:5080), then pstn-2 (127.0.0.4:5080)"));
}

#[test]
fn silence_is_flagged_on_short_calls_and_excused_where_nothing_could_come() {
    let talked = |millis, change: fn(&mut QualityRecord)| {
        let mut call = with_leg_a(change);
        call.times.ended = call.times.answered.unwrap() + millis;
        call
    };
    let mute = |q: &mut QualityRecord| q.received_packets = 0;
    assert_eq!(worst(&talked(299, mute)).0, Severity::Good);
    assert_eq!(worst(&talked(300, mute)).0, Severity::Fair);
    assert_eq!(worst(&talked(1_000, mute)).0, Severity::Bad);
    assert!(explain(&talked(300, mute)).contains("FAIR\n"));
    let forbidden = talked(60_000, |q| {
        q.received_packets = 0;
        q.forbidden = true;
    });
    assert!(explain(&forbidden).contains("GOOD\n"));
    assert!(findings(&forbidden).iter().any(|f| f.text.contains("recvonly or inactive")));
    let deaf = worst(&talked(60_000, |q| q.sent_packets = 0));
    assert_eq!(deaf.0, Severity::Bad);
    assert!(deaf.1.contains("nothing was sent to the customer, though 3620 RTP packets"));
    let mut unmeasured = good_call();
    unmeasured.quality = [None, None];
    assert_eq!(worst(&unmeasured).0, Severity::Fair);
}

#[test]
fn nothing_is_said_of_the_quality_of_packets_that_never_were() {
    let call = with_leg_a(|q| {
        q.received_packets = 0;
        q.expected_packets = 0;
        q.codec = None;
        q.jitter_us = 0;
        q.sent_packets = 0;
    });
    let text = explain(&call);
    let cells = |name: &str| {
        let row = text.lines().find(|l| l.starts_with(name)).unwrap();
        row[22..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cells("lost  ")[..2], ["-", "-"]);
    assert_eq!(cells("jitter  ")[..2], ["-", "-"]);
    assert_eq!(cells("codec  "), ["-", "PCMU"]);
    assert_eq!(cells("largest jitter"), ["-", "1.8", "ms"]);
}

#[test]
fn what_was_sent_again_is_marked_and_what_is_new_is_not() {
    let mut call = good_call();
    call.ladder = [
        (0, "received", "INVITE sip:b@t SIP/2.0", false),
        (0, "sent", "SIP/2.0 100 Trying", false),
        (500, "received", "INVITE sip:b@t SIP/2.0", true),
        (500, "sent", "SIP/2.0 100 Trying", true),
        (900, "sent", "SIP/2.0 200 OK", false),
        (1_400, "sent", "SIP/2.0 200 OK", true),
        (1_500, "received", "ACK sip:t SIP/2.0", false),
        (1_600, "received", "ACK sip:t SIP/2.0", true),
        (2_000, "received", "INFO sip:t SIP/2.0", false),
        (2_000, "sent", "SIP/2.0 200 OK", false),
        (2_100, "received", "INFO sip:t SIP/2.0", false),
        (2_100, "sent", "SIP/2.0 200 OK", false),
        (40_000, "received", "BYE sip:t SIP/2.0", false),
        (40_500, "received", "BYE sip:t SIP/2.0", true),
        (72_501, "received", "BYE sip:t SIP/2.0", false),
        (72_502, "sent", "SIP/2.0 200 OK", false),
    ]
    .map(|(at, direction, line, again)| {
        let mut rung = rung(at, "A", direction, line);
        rung.protocol = if again { "again" } else { "new" }.to_owned();
        rung
    })
    .to_vec();
    let text = explain(&call);
    let rows = text.lines().filter(|l| l.contains('|') && !l.contains(": "));
    for (row, rung) in rows.zip(&call.ladder) {
        assert_eq!(row.contains("(again)"), rung.protocol == "again", "{}\n{row}", rung.offset_ms);
    }
    assert_eq!(text.matches("(again)").count(), 5);
}

#[test]
fn nothing_of_a_peer_commands_the_terminal() {
    const COMMAND: &str = "\x1b[2J\x07\u{9b}31m\r\nFORGED\u{202e}";
    let mut call = good_call();
    call.from_user = COMMAND.to_owned();
    call.to_user = COMMAND.to_owned();
    call.call_id = COMMAND.to_owned();
    call.end.cause = COMMAND.to_owned();
    call.ladder = vec![
        rung(0, "A", "received", &format!("INVITE sip:{COMMAND}@x SIP/2.0")),
        rung(1, "A", "sent", &format!("SIP/2.0 486 {COMMAND}")),
    ];
    for quality in call.quality.iter_mut().flatten() {
        quality.codec = Some(COMMAND.to_owned());
    }
    let text = explain(&call);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}') && !text.lines().any(|l| l.starts_with("FORGED")), "{text}");
}

#[test]
fn what_an_endpoint_says_of_itself_is_shown_where_it_said_it() {
    let mut call = good_call();
    assert!(!explain(&call).contains("it says"));
    let told = crate::PeerMetricsRecord {
        loss_ratio: 0.01,
        discard_ratio: 0.25,
        burst_density: 0.0,
        burst_ms: 0,
        gap_density: 0.0,
        gap_ms: 0,
        round_trip_ms: None,
        end_system_delay_ms: None,
        r_factor: Some(80),
        mos_lq: None,
        mos_cq: Some(3.9),
        jitter_buffer_ms: Some(60),
        jitter_buffer_max_ms: None,
    };
    for side in call.quality.iter_mut().flatten().take(1) {
        side.peer_metrics = Some(told);
    }
    let text = explain(&call);
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("MOS (LQ"), "MOS (LQ / CQ) it says - / 3.9 -");
    assert_eq!(line("R factor"), "R factor it says 80 -");
    assert_eq!(line("lost/discarded"), "lost/discarded it says 1.0 % / 25.0 % -");
    assert_eq!(line("its jitter buffer"), "its jitter buffer 60 ms -");
}

#[test]
fn the_copy_of_a_call_has_one_side_and_says_what_is_odd_about_it() {
    let mut record = good_call();
    record.quality[1] = None;
    record.routes.clear();
    record.recorded = Some(RecordedRecord {
        lines: 2,
        declined: 1,
        metadata: "read".to_owned(),
        unknown_label: None,
    });
    let text = explain(&record);
    assert!(text.contains("GOOD"), "{text}");
    assert!(text.contains("SIPREC") && text.contains("2 of 3 lines, metadata read"), "{text}");
    assert!(text.contains("that were declined: 1"), "{text}");
    assert!(!text.contains("was not reported") && !text.contains("One-way"), "{text}");
    let recorded = record.recorded.as_mut().unwrap();
    (recorded.metadata, recorded.unknown_label) =
        ("entity".to_owned(), Some("7\u{1b}[2J".to_owned()));
    let text = explain(&record);
    assert!(text.contains("metadata was not read (entity)"), "{text}");
    assert!(text.contains("names label 7") && !text.contains('\u{1b}'), "{text}");
    record.quality[0].as_mut().unwrap().received_packets = 0;
    assert!(explain(&record).contains("No audio came on the first line"), "{}", explain(&record));
}

#[test]
fn a_recording_that_failed_is_found() {
    let mut record = good_call();
    record.not_recorded = Some("the disk is full".to_owned());
    let text = explain(&record);
    assert!(text.contains("ordered to be recorded is not whole: the disk is full."), "{text}");
}

#[test]
fn a_recorder_without_its_copy_is_found() {
    let mut record = good_call();
    let copied = |begun, failures, was_given_up| CopiedRecord {
        recorder: "sip:srs@192.0.2.9".to_owned(),
        begun,
        failures,
        last_failure: (failures > 0).then(|| "the recorder refuses with 403".to_owned()),
        was_given_up,
    };
    record.copied = Some(copied(1, 0, false));
    let of_copies = |record: &CallRecord| {
        let is_said = |finding: &Finding| finding.text.contains("192.0.2.9");
        findings(record).into_iter().filter(is_said).collect::<Vec<_>>()
    };
    assert!(of_copies(&record).is_empty());
    for (copy, said) in [
        (copied(0, 1, true), "got no copy of this call: the recorder refuses with 403"),
        (copied(1, 1, true), "did not get all of this call"),
        (copied(2, 1, false), "missed a part of this call"),
    ] {
        record.copied = Some(copy);
        let found = of_copies(&record);
        assert!(found.len() == 1 && found[0].text.contains(said), "{said}: {found:?}");
    }
}

#[test]
fn a_call_that_an_application_began_speaks_of_no_customer() {
    let mut record = good_call();
    record.direction = "Outbound".to_owned();
    record.source = "0.0.0.0:0".to_owned();
    record.ladder.retain(|rung| rung.leg == "B");
    record.quality[0] = None;
    for nobody in [None, Some(silent_side())] {
        record.quality[0] = nobody;
        let text = explain(&record) + &explain_html(&record);
        for wrong in ["customer", "0.0.0.0", "No audio", "One-way", "not reported"] {
            assert!(!text.contains(wrong), "{wrong}:\n{text}");
        }
        assert!(text.contains("begun by an application, to a carrier"), "{text}");
    }
    // Somebody who was called beside, and sends nothing, is told of.
    let mut beside = silent_side();
    beside.sent_packets = 3_000;
    record.quality[0] = Some(beside);
    assert!(explain(&record).contains("no audio came from the other side"), "{}", explain(&record));
    record.times.answered = None;
    record.end.status = 487;
    record.end.cause = "cancelled".to_owned();
    let text = explain(&record);
    assert!(text.contains("The application") && !text.contains("customer"), "{text}");
}

#[test]
fn a_call_that_is_answered_here_has_one_leg_with_media() {
    let mut record = good_call();
    record.direction = "Inbound".to_owned();
    record.routes.clear();
    record.ladder.retain(|rung| rung.leg == "A");
    record.quality[1] = Some(silent_side());
    let text = explain(&record);
    assert!(text.contains("from a carrier, answered here"), "{text}");
    assert!(!text.contains("One-way") && !text.contains("No audio"), "{text}");
    record.quality[0] = Some(silent_side());
    let text = explain(&record);
    assert!(text.contains("no audio came from the carrier"), "{text}");
}

/// A side with which nothing was exchanged.
fn silent_side() -> QualityRecord {
    QualityRecord {
        codec: None,
        received_packets: 0,
        received_bytes: 0,
        received_rtcp_packets: 0,
        expected_packets: 0,
        sent_packets: 0,
        sent_bytes: 0,
        sent_rtcp_packets: 0,
        peer_lost_packets: None,
        peer_jitter_us: None,
        rtt_us: None,
        rtt_max_us: None,
        mos: None,
        intervals: Vec::new(),
        ..good_side()
    }
}
