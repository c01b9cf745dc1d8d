//! Whole reports, to be read by people.

use super::*;

fn told(name: &str, call: &CallRecord) {
    let text = explain(call);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(name, text);
}

#[test]
fn a_good_call() {
    told("good_call", &good_call());
}

#[test]
fn a_call_that_lost_packets_in_bursts() {
    let mut call = with_leg_a(|q| {
        q.received_packets = 3_330;
        q.lost_packets = 290;
        q.burst_ratio = 2.4;
        q.jitter_max_us = 41_300;
        q.jitter_us = 12_800;
        q.reordered = 12;
        q.mos = Some(2.86);
        q.intervals[0].lost = 281;
        q.intervals[1].lost = 9;
        q.intervals[1].mos = Some(2.31);
    });
    if let Some(b) = &mut call.quality[1] {
        b.sent_packets = 3_330;
    }
    told("lossy_call", &call);
}

#[test]
fn a_refused_call() {
    let mut call = not_answered(403, "region not allowed", "edge");
    call.end.refusal = Some("region_not_allowed".to_owned());
    call.routes.clear();
    call.times.ended = call.times.attempted + 1;
    call.ladder.truncate(2);
    call.ladder.push(rung(1, "A", "sent", "SIP/2.0 403 Forbidden"));
    call.ladder.push(rung(9, "A", "received", "ACK sip:+81312345678@127.0.0.1:5060 SIP/2.0"));
    told("refused_call", &call);
}

#[test]
fn a_call_with_audio_one_way() {
    let mut call = with_leg_a(|q| {
        q.codec = None;
        q.received_packets = 0;
        q.received_bytes = 0;
        q.received_rtcp_packets = 0;
        q.expected_packets = 0;
        q.jitter_us = 0;
        q.jitter_max_us = 0;
        q.peer_lost_packets = None;
        q.peer_jitter_us = None;
        q.rtt_us = None;
        q.rtt_max_us = None;
        q.mos = None;
        q.wrong_source = 3_619;
        q.intervals.clear();
    });
    if let Some(b) = &mut call.quality[1] {
        b.sent_packets = 0;
        b.sent_bytes = 0;
        b.sent_rtcp_packets = 0;
        b.peer_lost_packets = None;
        b.peer_jitter_us = None;
    }
    told("one_way_call", &call);
}

#[test]
fn a_call_that_took_the_second_carrier_over_long_addresses() {
    let mut call = good_call();
    let pbx = "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:3]:50700";
    let carriers = [
        "[2001:db8:1111:2222:3333:4444:5555:2]:50800",
        "[2001:db8:1111:2222:3333:4444:5555:4]:50800",
    ];
    call.source = pbx.to_owned();
    let route = |attempt: u32, offset_ms, index: usize| RouteRecord {
        offset_ms,
        attempt,
        carrier: Some(format!("pstn-{attempt}")),
        destination: carriers[index].to_owned(),
        protocol: "udp".to_owned(),
    };
    call.routes = vec![route(1, 3, 0), route(2, 5_003, 1)];
    let first = [3, 503, 1_503, 3_503]
        .map(|at| rung(at, "B", "sent", "INVITE sip:+81312345678@carrier.example SIP/2.0"));
    let after = call.ladder.split_off(2);
    call.ladder.extend(first);
    call.ladder.extend(after.into_iter().map(|mut rung| {
        rung.offset_ms += 5_000;
        rung
    }));
    for (position, rung) in call.ladder.iter_mut().enumerate() {
        rung.peer = match (rung.leg.as_str(), position) {
            ("A", _) => pbx.to_owned(),
            (_, 0..6) => carriers[0].to_owned(),
            _ => carriers[1].to_owned(),
        };
    }
    for time in [&mut call.times.ringing, &mut call.times.answered] {
        *time = time.map(|at| at + 5_000);
    }
    call.times.ended += 5_000;
    told("failover_call", &call);
}

fn not_answered(status: u16, cause: &str, ended_by: &str) -> CallRecord {
    let mut call = good_call();
    call.times.answered = None;
    call.times.ringing = None;
    call.quality = [None, None];
    call.end =
        EndRecord { status, cause: cause.to_owned(), ended_by: ended_by.to_owned(), refusal: None };
    call
}

#[test]
fn a_fax_is_no_mute_call() {
    let mut record = good_call();
    for side in record.quality.iter_mut().flatten() {
        side.received_packets = 0;
        side.sent_packets = 0;
        side.expected_packets = 0;
        side.mos = None;
        let (received_packets, sent_packets) = (412, 398);
        side.fax = Some(crate::FaxRecord {
            received_packets,
            received_bytes: 40_000,
            sent_packets,
            sent_bytes: 39_000,
        });
    }
    let text = explain(&record);
    assert!(text.contains("412 T.38 datagrams from the customer"), "{text}");
    assert!(!text.contains("One-way audio") && !text.contains("No audio"), "{text}");
}

#[test]
fn a_call_that_was_held_at_another_address() {
    let mut call = good_call();
    let first = crate::DescriptionRecord {
        codecs: ["PCMU", "PCMA"].map(str::to_owned).to_vec(),
        profile: "RTP/AVP".to_owned(),
        direction: "sendrecv".to_owned(),
        address: "192.0.2.4:4000".to_owned(),
        others: Vec::new(),
    };
    let held = crate::DescriptionRecord {
        codecs: vec!["PCMU".to_owned()],
        direction: "sendonly".to_owned(),
        address: "192.0.2.5:4002".to_owned(),
        others: vec!["video".to_owned()],
        ..first.clone()
    };
    let mut invite = rung(20_000, "A", "received", "INVITE sip:tandem@127.0.0.1:5060 SIP/2.0");
    invite.description = Some(held.clone());
    let mut again = rung(20_500, "A", "received", "INVITE sip:tandem@127.0.0.1:5060 SIP/2.0");
    again.description = Some(held);
    let mut refusal = rung(20_600, "A", "sent", "SIP/2.0 488 Not Acceptable Here");
    refusal.reason = Some("SIP;cause=488".to_owned());
    call.ladder[0].description = Some(first.clone());
    call.ladder[5].description = Some(first);
    call.ladder.splice(10..10, [invite, again, refusal]);
    told("held_call", &call);
}
