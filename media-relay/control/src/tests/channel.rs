//! What both ends make of lost connections and of each other's restarts.

use super::{Pair, SECOND, allocate, call, edge, edge_config, local, owner, relay, report, rtcp};
use crate::Relays;
use crate::frame::Frames;
use crate::message::{Greeting, Purpose, RelayBody};
use model::{
    AllocationFailure, AudioSource, BundledLine, Instant, LegPlan, LegSide, ListenFailure,
    MediaCommand, MediaEvent, MediaId, MediaLine, MediaPlan, MediaType, OtherMedia, Playing,
    ReportKind,
};

fn is_failure(event: &MediaEvent, of: u64) -> bool {
    let reason = AllocationFailure::Unavailable;
    matches!(event, MediaEvent::AllocationFailed { id, reason: r } if id.0 == of && *r == reason)
}

fn is_lost(event: &MediaEvent, of: u64) -> bool {
    matches!(event, MediaEvent::Lost { id } if id.0 == of)
}

#[test]
fn a_stream_is_asked_for_used_and_released() {
    let mut pair = Pair::new();
    pair.connect();
    let ours = pair.open(70);
    assert_eq!(pair.edge.streams(), 1);
    pair.command(MediaCommand::Report { id: MediaId(70) });
    pair.command(MediaCommand::Release { id: MediaId(70) });
    assert_eq!(pair.released(), [ours]);
    assert_eq!(pair.edge.streams(), 0);
    pair.deliver(report(ours, 70, ReportKind::Final, 5));
    let events = pair.events();
    let [MediaEvent::Report(last)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((last.id, last.transaction_id), (MediaId(70), call(70)));
    pair.pass(6 * SECOND);
    assert_eq!(pair.relay.streams(), 0);
}

#[test]
fn sounds_of_applications_come_whole_however_long_they_are() {
    let mut pair = Pair::new();
    pair.connect();
    let ours = pair.open(70);
    // Over a quarter of a MiB, and the longest there is.
    for octets in [256 * 1024 + 1, 8 * 1024 * 1024] {
        let sound: Vec<u8> = (0..octets).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let playing = Playing {
            source: AudioSource::Octets(sound.into()),
            start: 0,
            rounds: Some(1),
            with: OtherMedia::Yields,
        };
        let (id, leg) = (MediaId(70), LegSide::B);
        pair.command(MediaCommand::Play { id, leg, playing: playing.clone() });
        let told = pair.told.pop();
        let Some(MediaCommand::Play { id, leg: LegSide::B, playing: came }) = told else {
            panic!("{octets} octets did not come");
        };
        assert!(id == MediaId(ours) && came == playing, "{octets} octets");
    }
}

#[test]
fn without_a_relay_calls_are_refused_at_once() {
    let mut pair = Pair::new();
    pair.command(allocate(1));
    assert!(is_failure(&pair.events()[0], 1));
    pair.connect();
    pair.open(2);
    pair.cut();
    pair.command(allocate(3));
    assert!(is_failure(&pair.events()[0], 3));
}

#[test]
fn a_relay_that_does_not_answer_in_time_is_told_to_forget_it() {
    let mut pair = Pair::new();
    pair.connect();
    pair.command(allocate(1));
    pair.pass(2 * SECOND - SECOND / 1_000);
    assert!(pair.events().is_empty());
    pair.pass(SECOND / 1_000);
    assert!(is_failure(&pair.events()[0], 1));
    let ours = pair.told[0].id();
    assert_eq!(pair.released(), [ours.0]);
    // Its late answer is nobody's.
    pair.deliver(MediaEvent::Allocated { id: ours, local: local() });
    assert!(pair.events().is_empty());
}

#[test]
fn what_was_said_while_the_connection_was_broken_is_said_again() {
    let mut pair = Pair::new();
    pair.connect();
    let (first, second) = (pair.open(1), pair.open(2));
    pair.cut();
    pair.command(MediaCommand::Release { id: MediaId(1) });
    pair.deliver(report(second, 2, ReportKind::Interval, 5));
    pair.deliver(report(second, 2, ReportKind::Live, 6));
    assert!(pair.released().is_empty() && pair.events().is_empty());
    pair.connect();
    assert_eq!(pair.released(), [first]);
    let events = pair.events();
    assert!(matches!(&events[..], [MediaEvent::Report(r)] if r.kind == ReportKind::Interval));
    // And once only.
    pair.cut();
    pair.connect();
    assert_eq!(pair.released(), [first]);
    assert!(pair.events().is_empty());
}

#[test]
fn copies_of_rtcp_are_told_while_there_is_somebody_to_tell() {
    let mut pair = Pair::new();
    pair.connect();
    let stream = pair.open(1);
    pair.deliver(rtcp(stream, 1));
    let events = pair.events();
    let [MediaEvent::Rtcp(copy)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((copy.id, copy.octets.len()), (MediaId(1), 8), "under the edge's id");
    assert_eq!(copy.remote, ([198, 51, 100, 7], 4_001).into());
    pair.cut();
    pair.deliver(rtcp(stream, 1));
    pair.connect();
    assert!(pair.events().is_empty(), "nobody waits for it");
    // Nor do they crowd out what calls need.
    for _ in 0..20_000 {
        pair.relay.deliver(pair.now, rtcp(stream, 1));
    }
    pair.deliver(report(stream, 1, ReportKind::Final, 5));
    let events = pair.events();
    let copies = events.iter().filter(|event| matches!(event, MediaEvent::Rtcp(_))).count();
    assert!((16_000..=16_384).contains(&copies), "{copies}");
    assert!(matches!(events.last(), Some(MediaEvent::Report(_))));
    assert_eq!(pair.relay.lost().1, 20_000 - copies as u64);
}

/// Else a call would be taken for one that is listened to, and a recording for one that is made.
#[test]
fn whether_anybody_listens_is_told_when_the_edge_is_back() {
    let mut pair = Pair::new();
    pair.connect();
    let id = MediaId(pair.open(1));
    pair.cut();
    let failure = ListenFailure::TooMany;
    pair.deliver(MediaEvent::ListenFailed { id, failure });
    pair.deliver(MediaEvent::Listens { id });
    pair.connect();
    let events = pair.events();
    let [MediaEvent::ListenFailed { id: first, .. }, MediaEvent::Listens { id: second }] =
        events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!([first, second], [MediaId(1); 2]);
}

#[test]
fn a_relay_that_was_started_anew_has_lost_its_streams() {
    let mut pair = Pair::new();
    pair.connect();
    pair.open(1);
    pair.command(allocate(2));
    pair.cut();
    pair.relay = relay(8);
    pair.connect();
    let events = pair.events();
    assert_eq!(events.len(), 2);
    assert!(events.iter().any(|e| is_lost(e, 1)) && events.iter().any(|e| is_failure(e, 2)));
    assert_eq!(pair.edge.streams(), 0);
    pair.open(3);
}

#[test]
fn an_edge_that_was_started_anew_takes_up_what_it_knows_and_the_rest_ends() {
    let mut pair = Pair::new();
    pair.connect();
    let (kept, other) = (pair.open(1), pair.open(2));
    pair.restart_edge(&[(1, 91), (3, 93)]);
    pair.deliver(report(kept, 1, ReportKind::Interval, 50));
    // A plan that a call wants before its relay is there.
    pair.command(MediaCommand::Report { id: MediaId(91) });
    pair.connect();
    assert_eq!(pair.released(), [other], "nobody claims it");
    let events = pair.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().any(|e| is_lost(e, 93)), "no relay has it");
    let reported = |e: &MediaEvent| matches!(e, MediaEvent::Report(r) if r.id == MediaId(91));
    assert!(events.iter().any(reported), "under its new id: {events:?}");
    pair.command(MediaCommand::Release { id: MediaId(91) });
    assert_eq!(pair.released(), [other, kept]);
    // A new stream may have the id that the old one had.
    let again = pair.open(1);
    assert!(again != kept && again != other);
}

#[test]
fn a_call_that_ends_before_its_relay_is_there_leaves_nothing() {
    let mut pair = Pair::new();
    pair.connect();
    let ours = pair.open(1);
    pair.restart_edge(&[(1, 91)]);
    pair.command(MediaCommand::Release { id: MediaId(91) });
    pair.connect();
    assert_eq!(pair.released(), [ours]);
    assert!(pair.events().is_empty());
}

#[test]
fn without_any_relay_claimed_streams_are_lost_in_the_end() {
    let mut pair = Pair::new();
    pair.restart_edge(&[(1, 91)]);
    pair.pass(59 * SECOND);
    assert!(pair.events().is_empty());
    pair.pass(2 * SECOND);
    assert!(is_lost(&pair.events()[0], 91));
}

#[test]
fn orphans_live_for_the_timeout_and_then_as_long_as_media_flows() {
    let mut pair = Pair::new();
    pair.connect();
    let (flowing, silent) = (pair.open(1), pair.open(2));
    pair.cut();
    for second in 0..59 {
        pair.deliver(report(flowing, 1, ReportKind::Live, second));
        pair.pass(SECOND);
    }
    assert!(pair.released().is_empty());
    for second in 60..90 {
        pair.deliver(report(flowing, 1, ReportKind::Live, second));
        pair.pass(SECOND);
    }
    assert_eq!(pair.released(), [silent]);
    pair.pass(16 * SECOND);
    assert_eq!(pair.released(), [silent, flowing]);
    pair.deliver(report(flowing, 1, ReportKind::Final, 90));
    pair.connect();
    let events = pair.events();
    for of in [1, 2] {
        assert!(events.iter().any(|e| is_lost(e, of)), "{events:?}");
    }
    let last = |e: &MediaEvent| matches!(e, MediaEvent::Report(r) if r.kind == ReportKind::Final);
    assert!(events.iter().any(last), "its last report was kept");
    assert_eq!(pair.edge.streams(), 0);
}

#[test]
fn two_edges_may_not_have_one_name_and_a_probe_disturbs_nobody() {
    let mut pair = Pair::new();
    pair.connect();
    pair.open(1);
    let second = edge(2, Vec::new(), pair.now);
    let hello = second.hello(0).unwrap();
    let (greeting, place) = pair.relay.greet(pair.now, 99, owner(), hello.clone());
    assert!(matches!(greeting, Greeting::Refused(text) if text.contains("[node] name")));
    assert_eq!(place, None);
    let probe = crate::EdgeHello { purpose: Purpose::Look, ..hello };
    let (greeting, place) = pair.relay.greet(pair.now, 100, owner(), probe);
    assert!(matches!(greeting, Greeting::Welcome(_)) && place.is_none());
    pair.command(MediaCommand::Release { id: MediaId(1) });
    assert_eq!(pair.released().len(), 1);
}

#[test]
fn an_edge_that_connects_again_replaces_its_own_connection() {
    let mut pair = Pair::new();
    pair.connect();
    let (place, old) = pair.place.unwrap();
    pair.connect();
    assert!(!pair.relay.is_current(place, old));
    assert!(!pair.relay.disconnected(pair.now, place, old), "the other one counts");
    pair.open(1);
}

#[test]
fn instants_are_moved_to_the_clock_of_the_edge() {
    let mut pair = Pair::new();
    pair.connect();
    let ours = pair.open(1);
    let (place, _) = pair.place.unwrap();
    // Measured at 0.5 s of the relay's clock, sent at 2.5 s: two seconds ago.
    pair.relay.deliver(pair.now, report(ours, 1, ReportKind::Interval, 1));
    let mut out = Vec::new();
    assert!(pair.relay.poll_transmit(Instant::from_millis(2_500), place, &mut out));
    let mut frames = Frames::default();
    frames.push(&out);
    let frame = frames.next_frame().unwrap().unwrap().to_vec();
    pair.edge.handle(Instant::from_millis(60_000), 0, &frame).unwrap();
    let events = pair.events();
    let [MediaEvent::Report(report)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(report.at, Instant::from_millis(58_000));
}

#[test]
fn full_of_events_the_final_reports_are_kept_longest() {
    let mut pair = Pair::new();
    pair.connect();
    let ours = pair.open(1);
    pair.cut();
    pair.relay.deliver(pair.now, report(ours, 1, ReportKind::Final, 7));
    for packets in 0..70_000 {
        pair.relay.deliver(pair.now, report(ours, 1, ReportKind::Interval, packets));
    }
    assert!(pair.relay.status()[0].waiting <= 65_536);
    assert!(pair.relay.lost().1 > 4_000);
    pair.connect();
    let events = pair.events();
    let last = |e: &MediaEvent| matches!(e, MediaEvent::Report(r) if r.kind == ReportKind::Final);
    assert!(events.iter().any(last));
}

#[test]
fn full_of_commands_allocations_are_refused_first_and_releases_kept() {
    let mut pair = Pair::new();
    pair.connect();
    let mut refused = None;
    for id in 0..20_000 {
        if pair.edge.command(pair.now, allocate(id)).is_err() {
            refused = Some(id);
            break;
        }
    }
    let refused = refused.expect("a bound");
    assert!(pair.edge.command(pair.now, MediaCommand::Report { id: MediaId(1) }).is_ok());
    for id in 0..refused {
        let release = MediaCommand::Release { id: MediaId(id) };
        assert!(pair.edge.command(pair.now, release).is_ok());
    }
    pair.speak();
    assert_eq!(pair.released().len() as u64, refused);
}

#[test]
fn a_heartbeat_measures_the_round_trip() {
    let mut pair = Pair::new();
    pair.connect();
    pair.edge.ping(pair.now, 0);
    let mut out = Vec::new();
    assert!(pair.edge.poll_transmit(0, &mut out));
    let (place, _) = pair.place.unwrap();
    let mut frames = Frames::default();
    frames.push(&out);
    let ping = frames.next_frame().unwrap().unwrap().to_vec();
    pair.relay.handle(pair.now, place, &ping).unwrap();
    pair.now += SECOND / 50;
    pair.speak();
    assert_eq!(pair.edge.status()[0].round_trip, Some(SECOND / 50));
    pair.cut();
    let status = &pair.edge.status()[0];
    assert_eq!((status.round_trip, status.losses, status.is_up), (None, 1, false));
}

#[test]
fn relays_speak_relays_words_only() {
    // The body of the other direction has other variants: what is no event is malformed.
    let mut out = Vec::new();
    let claimed = crate::Frame::Message { number: 1, acknowledged: 0, body: 9_u8 };
    assert!(crate::encode(&claimed, &mut out));
    let mut frames = Frames::default();
    frames.push(&out);
    let frame = frames.next_frame().unwrap().unwrap();
    assert!(crate::decode::<crate::Frame<RelayBody>>(frame).is_err());
}

/// A worker has all the lines of a call: they may share a transport.
#[test]
fn lines_of_a_call_are_beside_its_main_stream_and_name_it_as_the_relay_does() {
    let mut pair = Pair::new();
    pair.connect();
    let other = pair.open(60);
    let main = MediaId(pair.open(70));
    let MediaCommand::Allocate { families, emergency, .. } = allocate(71) else { panic!() };
    let line = MediaLine::Further { index: 1, media: MediaType::Video };
    let (id, transaction_id) = (MediaId(71), call(70));
    pair.command(MediaCommand::Allocate { id, transaction_id, families, emergency, line });
    let own = pair.told.pop().expect("a command").id();
    assert_eq!(own.place(), main.place());
    assert!(own != main && own.place() != MediaId(other).place());
    let leg = || LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs: Vec::new(),
        telephone_event: None,
        xr: Default::default(),
        security: Default::default(),
        ice: None,
    };
    let mut apply = |on: u64| {
        let line = BundledLine { on: MediaId(on), mid: "1".into(), mid_extension: Some(4) };
        let plan = MediaPlan { bundled: Some(line.into()), ..MediaPlan::rtp([leg(), leg()]) };
        pair.told.clear();
        pair.command(MediaCommand::Apply { id, plan: plan.into() });
        pair.told.pop()
    };
    let Some(MediaCommand::Apply { id: of, plan }) = apply(70) else { panic!("no plan came") };
    assert_eq!((of, plan.bundled.map(|line| line.on)), (own, Some(main)));
    assert!(apply(99).is_none(), "the transport of a stream that is not there");
}

/// One description has one address.
#[test]
fn all_lines_of_a_call_are_on_one_relay() {
    let now = Instant::from_millis(1_000);
    let mut config = edge_config(1);
    config.addresses.push(([192, 0, 2, 2], 5090).into());
    let mut edge = Relays::new(config, Vec::new(), now);
    let mut relays = Vec::new();
    for link in 0..2 {
        let hello = edge.hello(link).expect("a link");
        let mut known = relay(7);
        let (greeting, place) = known.greet(now, 1, owner(), hello);
        let Greeting::Welcome(welcome) = greeting else { panic!("{greeting:?}") };
        edge.connected(link, &welcome);
        relays.push(known);
        let (Some(known), Some(place)) = (relays.last_mut(), place) else { panic!("no place") };
        let mut down = Vec::new();
        while known.poll_transmit(now, place, &mut down) {}
        let mut frames = Frames::default();
        frames.push(&down);
        while let Some(frame) = frames.next_frame().expect("ours") {
            edge.handle(now, link, frame).expect("ours");
        }
        while edge.poll_transmit(link, &mut down) {}
    }
    let mut asked = |command: MediaCommand| {
        edge.command(now, command).expect("room");
        [0, 1].map(|link| {
            let mut octets = Vec::new();
            while edge.poll_transmit(link, &mut octets) {}
            !octets.is_empty()
        })
    };
    let line = |id: u64, of: u64| match allocate(id) {
        MediaCommand::Allocate { id, families, emergency, .. } => {
            let line = MediaLine::Further { index: 1, media: MediaType::Video };
            MediaCommand::Allocate { id, transaction_id: call(of), families, emergency, line }
        }
        other => other,
    };
    let first = asked(allocate(70));
    let second = asked(allocate(71));
    assert_ne!(first, second, "calls are spread");
    for id in 80..84 {
        assert_eq!(asked(line(id, 70)), first);
        assert_eq!(asked(line(id + 10, 71)), second);
    }
}
