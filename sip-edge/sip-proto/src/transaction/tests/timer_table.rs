use super::*;

struct Case {
    timer: &'static str,
    protocol: TransportProtocol,
    setup: fn(&mut Fixture, TransportProtocol),
    /// When the effect shows, in ms after the setup.
    at: u64,
    effect: fn(&Fixture) -> bool,
}

fn our_invite(f: &mut Fixture, protocol: TransportProtocol) {
    f.send(protocol, "INVITE");
}

fn our_options(f: &mut Fixture, protocol: TransportProtocol) {
    f.send(protocol, "OPTIONS");
}

fn our_options_tried(f: &mut Fixture, protocol: TransportProtocol) {
    let (_, branch) = f.send(protocol, "OPTIONS");
    f.reply(protocol, &branch, 100, "OPTIONS");
}

fn our_options_answered(f: &mut Fixture, protocol: TransportProtocol) {
    let (_, branch) = f.send(protocol, "OPTIONS");
    f.reply(protocol, &branch, 200, "OPTIONS");
}

fn our_invite_refused(f: &mut Fixture, protocol: TransportProtocol) {
    let (_, branch) = f.send(protocol, "INVITE");
    f.reply(protocol, &branch, 486, "INVITE");
}

fn our_invite_accepted(f: &mut Fixture, protocol: TransportProtocol) {
    let (_, branch) = f.send(protocol, "INVITE");
    f.reply(protocol, &branch, 200, "INVITE");
}

fn our_invite_cancelled(f: &mut Fixture, protocol: TransportProtocol) {
    let (key, branch) = f.send(protocol, "INVITE");
    f.reply(protocol, &branch, 180, "INVITE");
    f.cancel(key).unwrap();
    f.reply(protocol, &branch, 200, "CANCEL");
}

fn their_invite_refused(f: &mut Fixture, protocol: TransportProtocol) {
    f.input(protocol, request("INVITE", "z9hG4bKa"));
    f.respond(486);
}

fn their_invite_refused_and_acked(f: &mut Fixture, protocol: TransportProtocol) {
    their_invite_refused(f, protocol);
    f.input(protocol, request("ACK", "z9hG4bKa"));
}

fn their_invite_accepted(f: &mut Fixture, protocol: TransportProtocol) {
    f.input(protocol, request("INVITE", "z9hG4bKa"));
    f.respond(200);
}

fn their_options(f: &mut Fixture, protocol: TransportProtocol) {
    f.input(protocol, request("OPTIONS", "z9hG4bKa"));
}

fn their_options_tried(f: &mut Fixture, protocol: TransportProtocol) {
    their_options(f, protocol);
    f.respond(100);
}

fn their_options_answered(f: &mut Fixture, protocol: TransportProtocol) {
    their_options(f, protocol);
    f.respond(200);
}

fn over(f: &Fixture) -> bool {
    f.endpoint.is_empty()
}

fn timed_out(f: &Fixture) -> bool {
    over(f) && f.names().ends_with(&["ClientTimeout", "ClientDone"])
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Doubles without bound.
    Case { timer: "A, 1st", protocol: UDP, setup: our_invite, at: 500, effect: |f| f.count_sent("INVITE") == 2 },
    Case { timer: "A, 2nd", protocol: UDP, setup: our_invite, at: 1_500, effect: |f| f.count_sent("INVITE") == 3 },
    Case { timer: "A, 5th", protocol: UDP, setup: our_invite, at: 15_500, effect: |f| f.count_sent("INVITE") == 6 },
    Case { timer: "A, 6th", protocol: UDP, setup: our_invite, at: 31_500, effect: |f| f.count_sent("INVITE") == 7 },
    Case { timer: "B", protocol: UDP, setup: our_invite, at: 32_000, effect: timed_out },
    Case { timer: "B", protocol: TCP, setup: our_invite, at: 32_000, effect: timed_out },
    Case { timer: "D", protocol: UDP, setup: our_invite_refused, at: 32_000, effect: over },
    Case { timer: "D", protocol: TCP, setup: our_invite_refused, at: 0, effect: over },
    // Doubles up to T2.
    Case { timer: "E, 1st", protocol: UDP, setup: our_options, at: 500, effect: |f| f.count_sent("OPTIONS") == 2 },
    Case { timer: "E, 4th", protocol: UDP, setup: our_options, at: 7_500, effect: |f| f.count_sent("OPTIONS") == 5 },
    Case { timer: "E, 5th", protocol: UDP, setup: our_options, at: 11_500, effect: |f| f.count_sent("OPTIONS") == 6 },
    Case { timer: "E, 10th", protocol: UDP, setup: our_options, at: 31_500, effect: |f| f.count_sent("OPTIONS") == 11 },
    // Proceeding: T2 at once.
    Case { timer: "E, proceeding, 2nd", protocol: UDP, setup: our_options_tried, at: 4_500, effect: |f| f.count_sent("OPTIONS") == 3 },
    Case { timer: "F", protocol: UDP, setup: our_options, at: 32_000, effect: timed_out },
    Case { timer: "F", protocol: TCP, setup: our_options, at: 32_000, effect: timed_out },
    Case { timer: "F, proceeding", protocol: UDP, setup: our_options_tried, at: 32_000, effect: timed_out },
    Case { timer: "G, 1st", protocol: UDP, setup: their_invite_refused, at: 500, effect: |f| f.count_sent("SIP/2.0 486") == 2 },
    Case { timer: "G, 4th", protocol: UDP, setup: their_invite_refused, at: 7_500, effect: |f| f.count_sent("SIP/2.0 486") == 5 },
    Case { timer: "G, 5th", protocol: UDP, setup: their_invite_refused, at: 11_500, effect: |f| f.count_sent("SIP/2.0 486") == 6 },
    Case { timer: "H", protocol: UDP, setup: their_invite_refused, at: 32_000, effect: |f| over(f) && f.names().ends_with(&["ServerDone not acked"]) },
    Case { timer: "H", protocol: TCP, setup: their_invite_refused, at: 32_000, effect: |f| over(f) && f.names().ends_with(&["ServerDone not acked"]) },
    Case { timer: "I", protocol: UDP, setup: their_invite_refused_and_acked, at: 5_000, effect: over },
    Case { timer: "I", protocol: TCP, setup: their_invite_refused_and_acked, at: 0, effect: over },
    Case { timer: "J", protocol: UDP, setup: their_options_answered, at: 32_000, effect: over },
    Case { timer: "J", protocol: TCP, setup: their_options_answered, at: 0, effect: over },
    Case { timer: "K", protocol: UDP, setup: our_options_answered, at: 5_000, effect: over },
    Case { timer: "K", protocol: TCP, setup: our_options_answered, at: 0, effect: over },
    Case { timer: "L", protocol: UDP, setup: their_invite_accepted, at: 32_000, effect: over },
    Case { timer: "L", protocol: TCP, setup: their_invite_accepted, at: 32_000, effect: over },
    Case { timer: "M", protocol: UDP, setup: our_invite_accepted, at: 32_000, effect: over },
    Case { timer: "M", protocol: TCP, setup: our_invite_accepted, at: 32_000, effect: over },
    Case { timer: "cancelled", protocol: UDP, setup: our_invite_cancelled, at: 32_000, effect: timed_out },
    Case { timer: "cancelled", protocol: TCP, setup: our_invite_cancelled, at: 32_000, effect: timed_out },
    Case { timer: "abandoned", protocol: UDP, setup: their_options, at: 32_000, effect: over },
    Case { timer: "abandoned, proceeding", protocol: TCP, setup: their_options_tried, at: 32_000, effect: over },
];

#[test]
fn every_timer_fires_at_its_time_and_not_a_tick_earlier() {
    for case in CASES {
        let name = format!("timer {} over {}", case.timer, case.protocol);
        let mut f = Fixture::new();
        (case.setup)(&mut f, case.protocol);
        let start = f.now;
        if case.at > 0 {
            f.run_to(start + Duration::from_millis(case.at - 10));
            assert!(!(case.effect)(&f), "{name} is early");
        }
        f.run_to(start + Duration::from_millis(case.at));
        assert!((case.effect)(&f), "{name} is late");
    }
}

#[test]
fn nothing_is_repeated_over_a_reliable_transport() {
    for setup in [our_invite, our_options, their_invite_refused] {
        let mut f = Fixture::new();
        setup(&mut f, TCP);
        let sent = f.sent.len();
        f.run_for(Duration::from_secs(40));
        assert_eq!(f.sent.len(), sent);
        assert_eq!(f.endpoint.transaction_counters().retransmissions, 0);
    }
}

#[test]
fn timers_scale_with_t1() {
    let mut config = TransactionConfig::default();
    config.timers.t1 = Duration::from_millis(100);
    let mut f = Fixture::with(config);
    our_invite(&mut f, UDP);
    let start = f.now;
    f.run_to(start + Duration::from_millis(6_390));
    assert!(!timed_out(&f));
    f.run_to(start + Duration::from_millis(6_400));
    assert!(timed_out(&f));
}

#[test]
fn a_provisional_response_stops_timers_a_and_b() {
    let mut f = Fixture::new();
    let (_, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 100, "INVITE");
    f.run_for(Duration::from_secs(170));
    assert_eq!(f.count_sent("INVITE"), 1);
    assert_eq!(f.names(), ["Response"]);
    assert_eq!(f.endpoint.len(), (0, 1));
}
