use super::*;
use crate::rule::Refusal;

const FIRST: u64 = 1_767_323_045_000;

fn at(seconds: f64) -> Instant {
    Instant::ZERO + Duration::from_secs_f64(seconds)
}

fn fragment(index: u64) -> Fragment {
    Fragment { octets: vec![7; 1_000].into(), timecode: FIRST + index * 2_000 }
}

fn outputs(producer: &mut Producer, now: Instant) -> Vec<Output> {
    producer.handle_timeout(now);
    std::iter::from_fn(|| producer.poll_output(now)).collect()
}

fn ack(producer: &mut Producer, now: Instant, event: &str, index: u64) {
    let text = format!(
        "{{\"EventType\":\"{event}\",\"FragmentTimecode\":{},\"FragmentNumber\":\"{}\"}}\n",
        fragment(index).timecode,
        100 + index
    );
    producer.handle_octets(now, text.as_bytes());
}

fn error(producer: &mut Producer, now: Instant, id: u16, index: Option<u64>) {
    let of = index.map(|i| format!(",\"FragmentTimecode\":{}", fragment(i).timecode));
    let text = format!("{{\"EventType\":\"ERROR\",\"ErrorId\":{id}{}}}", of.unwrap_or_default());
    producer.handle_octets(now, text.as_bytes());
}

fn refusal(status: u16, code: &str) -> Refusal {
    Refusal { operation: "PutMedia", status, code: code.to_owned(), ..Refusal::default() }
}

/// A producer that has sent `count` fragments, the last of them at 0.25 s for each.
fn sending(count: u64) -> (Producer, Instant) {
    let mut producer = Producer::new(ProducerConfig::default(), 1);
    for index in 0..count {
        producer.handle_fragment(at(0.0), fragment(index), usize::MAX).unwrap();
    }
    connect(&mut producer, at(0.0));
    let now = drain(&mut producer, at(0.0), count);
    (producer, now)
}

fn connect(producer: &mut Producer, now: Instant) -> Needs {
    let out = outputs(producer, now);
    let needs = out.iter().find_map(|out| match out {
        Output::Connect { needs, .. } => Some(*needs),
        _ => None,
    });
    let needs = needs.unwrap_or_else(|| panic!("no connection is asked for: {out:?}"));
    producer.handle_connected(now, Bytes::from_static(b"HEAD"));
    needs
}

/// Lets `count` fragments go out, spaced; returns when the last one did.
fn drain(producer: &mut Producer, mut now: Instant, count: u64) -> Instant {
    for index in 0..count {
        let out = outputs(producer, now);
        let [Output::Send(octets)] = &out[..] else { panic!("{index}: {out:?}") };
        assert_eq!(octets.starts_with(b"HEAD"), index == 0);
        producer.handle_room();
        if index + 1 < count {
            assert_eq!(outputs(producer, now), [], "spaced");
            now += producer.config.spacing;
        }
    }
    now
}

#[test]
fn a_persisted_fragment_is_kept_no_longer() {
    let (mut producer, now) = sending(2);
    ack(&mut producer, now, "BUFFERING", 0);
    assert_eq!(outputs(&mut producer, now), []);
    ack(&mut producer, now, "RECEIVED", 0);
    let [Output::Started { timecode, number }] = &outputs(&mut producer, now)[..] else { panic!() };
    assert_eq!((*timecode, number.as_str()), (FIRST, "100"));
    assert_eq!(producer.kept_fragments(), 2);
    ack(&mut producer, now, "PERSISTED", 0);
    ack(&mut producer, now, "PERSISTED", 0);
    assert_eq!((producer.kept_fragments(), producer.kept_bytes()), (1, 1_000));
    assert_eq!(producer.take_counters().persisted_fragments, 1);
}

#[test]
fn a_stream_that_keeps_nothing_is_done_with_what_it_received() {
    let (mut producer, now) = sending(2);
    producer.handle_stream(true);
    ack(&mut producer, now, "RECEIVED", 0);
    assert_eq!(producer.kept_fragments(), 1);
}

#[test]
fn the_last_fragment_is_ended_with_the_body() {
    let (mut producer, now) = sending(1);
    producer.handle_end(now);
    assert_eq!(outputs(&mut producer, now), [Output::Finish]);
    ack(&mut producer, now, "PERSISTED", 0);
    let out = outputs(&mut producer, now);
    assert!(
        matches!(out[..], [Output::Started { .. }, Output::Close, Output::Over(End::Finished)]),
        "{out:?}"
    );
    assert_eq!(producer.poll_timeout(), None);
    assert_eq!(producer.handle_fragment(now, fragment(9), usize::MAX), Err(Rejected::Over));
}

#[test]
fn what_is_not_persisted_goes_over_the_next_connection_behind_a_head() {
    let (mut producer, now) = sending(3);
    ack(&mut producer, now, "PERSISTED", 1);
    producer.handle_closed(now);
    let later = now + producer.config.longest_pause;
    connect(&mut producer, later);
    drain(&mut producer, later, 2);
    let counters = producer.take_counters();
    assert_eq!((counters.sent_fragments, counters.replayed_fragments), (5, 2));
    assert_eq!((counters.connections, counters.broken_connections), (2, 1));
}

#[test]
fn a_connection_is_rotated_between_fragments_before_the_service_ends_it() {
    let (mut producer, now) = sending(1);
    let mut now = now;
    for index in 1.. {
        ack(&mut producer, now, "PERSISTED", index - 1);
        now += Duration::from_secs(2);
        producer.handle_fragment(now, fragment(index), usize::MAX).unwrap();
        let out: Vec<_> = outputs(&mut producer, now);
        producer.handle_room();
        match &out[..] {
            [Output::Started { .. }, Output::Send(_)] | [Output::Send(_)] => {}
            // All before were persisted, so nothing is waited for.
            [Output::Finish, Output::Close, Output::Connect { needs, .. }] => {
                assert_eq!(now, at(2_400.0));
                assert_eq!(*needs, Needs::default());
                break;
            }
            _ => panic!("{now:?}: {out:?}"),
        }
    }
    assert_eq!(producer.take_counters().rotations, 1);
}

#[test]
fn a_rotated_connection_is_waited_for_as_long_as_it_owes_something() {
    let mut producer = Producer::new(
        ProducerConfig {
            rotate_after: Duration::from_secs(10),
            trouble_after: Duration::from_secs(30),
            ..ProducerConfig::default()
        },
        1,
    );
    producer.handle_fragment(at(0.0), fragment(0), usize::MAX).unwrap();
    connect(&mut producer, at(0.0));
    drain(&mut producer, at(0.0), 1);
    assert_eq!(outputs(&mut producer, at(9.999)), []);
    assert_eq!(producer.poll_timeout(), Some(at(10.0)));
    assert_eq!(outputs(&mut producer, at(10.0)), [Output::Finish]);
    assert_eq!(outputs(&mut producer, at(19.999)), []);
    assert_eq!(outputs(&mut producer, at(20.0)), [Output::Close]);
    connect(&mut producer, at(21.0));
    drain(&mut producer, at(21.0), 1);
}

#[test]
fn a_connection_without_data_is_ended_before_the_service_does() {
    let (mut producer, _) = sending(1);
    ack(&mut producer, at(1.0), "PERSISTED", 0);
    assert_eq!(outputs(&mut producer, at(24.999)).len(), 1);
    assert_eq!(producer.poll_timeout(), Some(at(25.0)));
    assert_eq!(outputs(&mut producer, at(25.0)), [Output::Finish, Output::Close]);
    assert_eq!(producer.poll_timeout(), None);
}

#[test]
fn a_service_that_is_silent_is_left() {
    let (mut producer, now) = sending(2);
    let due = now + producer.config.silence;
    assert_eq!(producer.poll_timeout(), Some(due));
    // For longer than it takes to be trouble.
    let out = outputs(&mut producer, due);
    assert!(matches!(out[..], [Output::Close, Output::Trouble { .. }]), "{out:?}");
    let later = due + producer.config.longest_pause;
    let needs = connect(&mut producer, later);
    assert!(needs.endpoint);
}

#[test]
fn one_fragment_alone_may_wait_for_its_end() {
    let (mut producer, now) = sending(1);
    let later = now + producer.config.silence;
    assert_eq!(outputs(&mut producer, later), []);
}

#[test]
fn what_finds_no_room_goes_whole_and_oldest_first() {
    let config = ProducerConfig { max_bytes: 3_500, ..ProducerConfig::default() };
    let mut producer = Producer::new(config, 1);
    for index in 0..5 {
        producer.handle_fragment(at(0.0), fragment(index), usize::MAX).unwrap();
    }
    assert_eq!((producer.kept_fragments(), producer.kept_bytes()), (3, 3_000));
    producer.handle_fragment(at(0.0), fragment(5), 2_000).unwrap();
    assert_eq!(producer.kept_fragments(), 2);
    assert_eq!(producer.take_counters().dropped_fragments, 4);
    let [Output::Connect { first_timecode, .. }] = outputs(&mut producer, at(0.0))[..] else {
        panic!()
    };
    assert_eq!(first_timecode, fragment(4).timecode);
}

#[test]
fn what_is_too_old_goes() {
    let (mut producer, _) = sending(1);
    producer.handle_fragment(at(60.0), fragment(1), usize::MAX).unwrap();
    let _ = outputs(&mut producer, at(119.999));
    assert_eq!(producer.take_counters().unconfirmed_fragments, 0);
    let _ = outputs(&mut producer, at(120.0));
    assert_eq!(producer.take_counters().unconfirmed_fragments, 1);
    assert_eq!(producer.kept_fragments(), 1);
}

#[test]
fn what_can_never_be_sent_is_not_taken() {
    let mut producer = Producer::new(ProducerConfig::default(), 1);
    let empty = Fragment { octets: Bytes::new(), timecode: FIRST };
    assert_eq!(producer.handle_fragment(at(0.0), empty, usize::MAX), Err(Rejected::Size));
    let huge = Fragment { octets: vec![0; (4 << 20) + 1].into(), timecode: FIRST };
    assert_eq!(producer.handle_fragment(at(0.0), huge, usize::MAX), Err(Rejected::Size));
    producer.handle_fragment(at(0.0), fragment(3), usize::MAX).unwrap();
    for index in [2, 3] {
        let result = producer.handle_fragment(at(0.0), fragment(index), usize::MAX);
        assert_eq!(result, Err(Rejected::Order));
    }
    assert_eq!(producer.take_counters().rejected_fragments, 4);
}

#[test]
fn a_fragment_at_fault_is_left_out_and_the_others_are_sent_again() {
    for named in [Some(0), None] {
        let (mut producer, now) = sending(3);
        error(&mut producer, now, 4006, named);
        let out = outputs(&mut producer, now + Duration::from_secs(1));
        let [Output::Close, Output::Connect { first_timecode, .. }] = out[..] else {
            panic!("{out:?}")
        };
        assert_eq!(first_timecode, fragment(1).timecode);
        let counters = producer.take_counters();
        assert_eq!(counters.refused_fragments, 1);
        assert_eq!(counters.errors_by_id().collect::<Vec<_>>(), [(Some(4006), 1)]);
    }
}

#[test]
fn when_every_fragment_is_at_fault_the_stream_is_given_up() {
    let (mut producer, mut now) = sending(8);
    for attempt in 1..=5 {
        error(&mut producer, now, 4006, None);
        if attempt < 5 {
            assert_eq!(producer.poll_output(now), Some(Output::Close));
            now += producer.config.longest_pause;
            connect(&mut producer, now);
            drain(&mut producer, now, 1);
        }
    }
    let out = outputs(&mut producer, now);
    let [Output::Close, Output::Over(End::GivenUp { reason, .. })] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(reason, "PutMedia: error 4006, 5 times in a row");
    let counters = producer.take_counters();
    assert_eq!((counters.refused_fragments, counters.given_up_streams), (5, 1));
    assert_eq!(
        counters.taken_fragments,
        5 + counters.dropped_fragments + counters.unconfirmed_fragments
    );
}

#[test]
fn each_fault_has_its_remedy() {
    let stream = Needs { stream: true, endpoint: true, ..Needs::default() };
    for (id, needs) in [
        (4000, Needs::default()),
        (4003, Needs::default()),
        (4007, Needs::default()),
        (4008, stream),
        (4503, Needs::default()),
        (5000, Needs::default()),
        (5001, Needs::default()),
        (4999, Needs::default()),
    ] {
        let (mut producer, now) = sending(2);
        error(&mut producer, now, id, Some(0));
        assert_eq!(producer.poll_output(now), Some(Output::Close), "{id}");
        let now = now + Duration::from_secs(1);
        assert_eq!(connect(&mut producer, now), needs, "{id}");
        drain(&mut producer, now, 2);
    }
    for id in [4005, 4012, 4500, 4501, 4502, 4504, 4505, 4506] {
        let (mut producer, now) = sending(2);
        error(&mut producer, now, id, Some(0));
        let out = outputs(&mut producer, now);
        let [Output::Close, Output::Over(End::GivenUp { reason, .. })] = &out[..] else {
            panic!("{out:?}")
        };
        assert!(reason.starts_with(&format!("PutMedia: error {id}: ")), "{reason}");
    }
}

#[test]
fn each_refusal_has_its_remedy() {
    let needs = Needs::default();
    for (status, code, expected) in [
        (400, "ClientLimitExceededException", needs),
        (400, "ConnectionLimitExceededException", needs),
        (400, "InvalidEndpointException", Needs { endpoint: true, ..needs }),
        (401, "NotAuthorizedException", Needs { credentials: true, ..needs }),
        (404, "ResourceNotFoundException", Needs { endpoint: true, stream: true, ..needs }),
        (500, "InternalFailure", Needs { endpoint: true, ..needs }),
    ] {
        let (mut producer, now) = sending(2);
        producer.handle_refusal(now, &refusal(status, code));
        let now = now + Duration::from_secs(1);
        assert_eq!(connect(&mut producer, now), expected, "{code}");
    }
}

#[test]
fn a_refusal_that_does_not_pass_is_given_up_after_its_attempts() {
    let (mut producer, mut now) = sending(1);
    for attempt in 1..=4 {
        producer.handle_refusal(now, &refusal(401, "NotAuthorizedException"));
        if attempt < 4 {
            now += producer.config.longest_pause;
            connect(&mut producer, now);
        }
    }
    let out = outputs(&mut producer, now);
    let [Output::Over(End::GivenUp { reason, .. })] = &out[..] else { panic!("{out:?}") };
    assert!(reason.contains("allow kinesisvideo:PutMedia"), "{reason}");
}

#[test]
fn pauses_grow_and_are_not_the_same_for_all() {
    let pauses = |seed| {
        let mut producer = Producer::new(
            ProducerConfig { max_age: Duration::MAX, ..ProducerConfig::default() },
            seed,
        );
        producer.handle_fragment(at(0.0), fragment(0), usize::MAX).unwrap();
        let (mut now, mut pauses) = (at(0.0), Vec::new());
        for _ in 0..8 {
            let out = outputs(&mut producer, now);
            assert!(out.iter().any(|out| matches!(out, Output::Connect { .. })), "{out:?}");
            producer.handle_failure(now, "refused".to_owned());
            let Link::Down { not_before } = producer.link else { panic!() };
            pauses.push(not_before - now);
            now = not_before.max(producer.connects.next());
        }
        pauses
    };
    let longest = [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0].map(Duration::from_secs_f64);
    for (pause, most) in pauses(3).into_iter().zip(longest) {
        assert!(pause >= most / 2 && pause <= most, "{pause:?} {most:?}");
    }
    assert_ne!(pauses(3), pauses(4));
}

#[test]
fn the_service_says_when_to_come_back() {
    let (mut producer, now) = sending(1);
    let retry_after = Some(Duration::from_secs(9));
    producer.handle_refusal(now, &Refusal { retry_after, ..refusal(429, "") });
    assert_eq!(producer.poll_timeout(), Some(now + Duration::from_secs(9)));
}

#[test]
fn trouble_is_said_once_until_something_is_confirmed() {
    let (mut producer, now) = sending(1);
    producer.handle_failure(now, "connection refused".to_owned());
    let mut told = Vec::new();
    let mut later = now;
    for _ in 0..60 {
        later += Duration::from_secs(1);
        for out in outputs(&mut producer, later) {
            match out {
                Output::Connect { .. } => producer.handle_failure(later, "no route".to_owned()),
                Output::Trouble { reason } => told.push((later, reason)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(told, [(at(10.0), "no route".to_owned())]);
}

#[test]
fn a_stream_that_cannot_be_delivered_ends_all_the_same() {
    let (mut producer, now) = sending(1);
    producer.handle_failure(now, "connection refused".to_owned());
    producer.handle_end(now);
    let end = now + producer.config.linger;
    assert!(producer.poll_timeout().unwrap() <= end);
    let out = outputs(&mut producer, end);
    assert!(out.contains(&Output::Over(End::Finished)), "{out:?}");
    assert_eq!(producer.take_counters().unconfirmed_fragments, 1);
}

#[test]
fn malformed_acknowledgements_are_counted_and_cost_nothing() {
    let (mut producer, now) = sending(2);
    producer.handle_octets(now, b"<html>{\"EventType\":\"PERSISTED\"}{{{\n");
    ack(&mut producer, now, "PERSISTED", 0);
    assert_eq!(producer.kept_fragments(), 1);
    assert!(producer.take_counters().malformed_acknowledgements >= 3);
}
