use super::*;

const POLICY: LearningPolicy = LearningPolicy {
    window: Duration::from_millis(500),
    confirmations: 3,
    span: Duration::from_millis(30),
};

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn latch(described: Option<&str>, signalling: Option<&str>) -> Latch {
    let mut latch = Latch::default();
    let signalling = signalling.map(|ip| ip.parse().unwrap());
    latch.expect(Expectation::new(described.map(at), signalling), true);
    latch
}

/// Observes a packet with SSRC 1 at a time in milliseconds.
fn see(latch: &mut Latch, source: &str, millis: u64) -> Verdict {
    latch.observe(at(source), 1, Instant::from_millis(millis), &POLICY, None)
}

#[test]
fn the_described_address_locks_with_its_first_packet() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")));
    assert_eq!(see(&mut latch, "192.0.2.1:4000", 0), Verdict::Accepted);
    assert_eq!(latch.locked(), Some(at("192.0.2.1:4000")));
}

#[test]
fn a_spray_from_elsewhere_never_moves_a_locked_or_an_unlocked_latch() {
    for locked_first in [true, false] {
        let mut latch = latch(Some("192.0.2.1:4000"), Some("192.0.2.1"));
        if locked_first {
            see(&mut latch, "192.0.2.1:4000", 0);
        }
        for packet in 0..10_000_u64 {
            let source = format!("203.0.113.{}:{}", packet % 250, 1_024 + packet % 7);
            assert_eq!(see(&mut latch, &source, packet), Verdict::WrongSource);
        }
        assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")));
    }
}

#[test]
fn once_locked_even_the_described_ip_with_another_port_is_refused() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    see(&mut latch, "192.0.2.1:4000", 0);
    for packet in 1..100 {
        assert_eq!(see(&mut latch, "192.0.2.1:4001", packet * 20), Verdict::WrongSource);
    }
}

#[test]
fn another_port_of_the_described_ip_locks_after_three_packets_that_take_30_ms() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    assert_eq!(see(&mut latch, "192.0.2.1:61000", 0), Verdict::Learning);
    assert_eq!(see(&mut latch, "192.0.2.1:61000", 20), Verdict::Learning);
    assert_eq!(latch.destination(), Some(at("192.0.2.1:4000")));
    assert_eq!(see(&mut latch, "192.0.2.1:61000", 30), Verdict::Accepted);
    assert_eq!(latch.destination(), Some(at("192.0.2.1:61000")));
}

#[test]
fn a_burst_is_no_evidence_until_its_span_is_reached() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    for _ in 0..1_000 {
        assert_eq!(see(&mut latch, "192.0.2.1:61000", 0), Verdict::Learning);
    }
    assert_eq!(see(&mut latch, "192.0.2.1:61000", 29), Verdict::Learning);
    assert_eq!(see(&mut latch, "192.0.2.1:61000", 30), Verdict::Accepted);
}

#[test]
fn evidence_must_come_from_one_source_with_one_ssrc_within_the_window() {
    let mut alternating = latch(Some("192.0.2.1:4000"), None);
    for packet in 0..100 {
        let source = ["192.0.2.1:61000", "192.0.2.1:61002"][packet as usize % 2];
        assert_eq!(see(&mut alternating, source, packet * 20), Verdict::Learning);
    }
    let mut changing = latch(Some("192.0.2.1:4000"), None);
    for packet in 0..100_u32 {
        let now = Instant::from_millis(u64::from(packet) * 20);
        let verdict = changing.observe(at("192.0.2.1:61000"), packet, now, &POLICY, None);
        assert_eq!(verdict, Verdict::Learning);
    }
    let window = |third| {
        let mut slow = latch(Some("192.0.2.1:4000"), None);
        see(&mut slow, "192.0.2.1:61000", 0);
        see(&mut slow, "192.0.2.1:61000", 250);
        see(&mut slow, "192.0.2.1:61000", third)
    };
    assert_eq!(window(500), Verdict::Accepted);
    assert_eq!(window(501), Verdict::Learning);
}

#[test]
fn the_described_address_supersedes_a_learned_one_only_within_the_window() {
    for (millis, verdict) in [(499, Verdict::Accepted), (500, Verdict::WrongSource)] {
        let mut latch = latch(Some("192.0.2.1:4000"), None);
        for packet in [0, 20, 40] {
            see(&mut latch, "192.0.2.1:61000", packet);
        }
        assert_eq!(see(&mut latch, "192.0.2.1:4000", millis), verdict, "{millis}");
    }
}

#[test]
fn behind_a_nat_the_signalling_address_is_plausible_and_others_are_not() {
    for described in [Some("10.0.0.5:4000"), Some("0.0.0.0:4000"), Some("100.64.1.1:4000"), None] {
        let mut latch = latch(described, Some("198.51.100.9"));
        for packet in 0..10 {
            assert_eq!(see(&mut latch, "203.0.113.1:9", packet * 20), Verdict::WrongSource);
        }
        see(&mut latch, "198.51.100.9:5555", 1_000);
        see(&mut latch, "198.51.100.9:5555", 1_020);
        assert_eq!(see(&mut latch, "198.51.100.9:5555", 1_040), Verdict::Accepted);
        assert_eq!(latch.destination(), Some(at("198.51.100.9:5555")));
    }
}

#[test]
fn a_public_description_does_not_make_the_signalling_address_plausible() {
    let mut latch = latch(Some("192.0.2.1:4000"), Some("198.51.100.9"));
    for packet in 0..10 {
        assert_eq!(see(&mut latch, "198.51.100.9:5555", packet * 20), Verdict::WrongSource);
    }
}

#[test]
fn without_any_expectation_nobody_is_plausible() {
    let mut latch = latch(None, None);
    for packet in 0..10 {
        assert_eq!(see(&mut latch, "192.0.2.1:4000", packet * 20), Verdict::WrongSource);
    }
    assert_eq!(latch.destination(), None);
}

#[test]
fn a_new_description_moves_the_latch_and_the_former_source_is_heard_until_then() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    see(&mut latch, "192.0.2.1:4000", 0);
    latch.expect(Expectation::new(Some(at("192.0.2.2:5000")), None), true);
    assert_eq!(latch.destination(), Some(at("192.0.2.2:5000")));
    assert_eq!(see(&mut latch, "192.0.2.1:4000", 20), Verdict::Accepted);
    assert_eq!(latch.destination(), Some(at("192.0.2.2:5000")));
    assert_eq!(see(&mut latch, "192.0.2.2:5000", 40), Verdict::Accepted);
    assert_eq!(see(&mut latch, "192.0.2.1:4000", 60), Verdict::WrongSource);
}

#[test]
fn without_relearn_a_new_plan_does_not_touch_a_lock() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    see(&mut latch, "192.0.2.1:4000", 0);
    latch.expect(Expectation::new(Some(at("192.0.2.2:5000")), None), false);
    assert_eq!(see(&mut latch, "192.0.2.2:5000", 20), Verdict::WrongSource);
    assert_eq!(see(&mut latch, "192.0.2.1:4000", 20), Verdict::Accepted);
}

#[test]
fn relearning_the_same_description_keeps_a_learned_port_while_it_speaks() {
    let mut latch = latch(Some("192.0.2.1:4000"), None);
    for packet in [0, 20, 40] {
        see(&mut latch, "192.0.2.1:61000", packet);
    }
    let same = Expectation::new(Some(at("192.0.2.1:4000")), None);
    latch.expect(same, true);
    assert_eq!(latch.destination(), Some(at("192.0.2.1:61000")));
    for packet in 5..40 {
        assert_eq!(see(&mut latch, "192.0.2.1:61000", packet * 20), Verdict::Accepted);
        assert_ne!(see(&mut latch, "192.0.2.1:7777", packet * 20 + 1), Verdict::Accepted);
    }
    // Silent since: its new NAT binding is found after the next re-learning.
    latch.expect(same, true);
    for (packet, verdict) in
        [(0, Verdict::Learning), (20, Verdict::Learning), (40, Verdict::Accepted)]
    {
        assert_eq!(see(&mut latch, "192.0.2.1:62000", 10_000 + packet), verdict);
    }
}

#[test]
fn rtcp_follows_the_ip_that_rtp_is_locked_to() {
    let mut rtcp = latch(Some("10.0.0.5:4001"), None);
    let rtp = Some(at("198.51.100.9:5555"));
    let mut see = |source: &str| rtcp.observe(at(source), 1, Instant::ZERO, &POLICY, rtp);
    assert_eq!(see("203.0.113.1:5556"), Verdict::WrongSource);
    assert_eq!(see("198.51.100.9:5556"), Verdict::Accepted);
    assert_eq!(see("198.51.100.9:5557"), Verdict::WrongSource);
}

#[test]
fn an_ipv4_mapped_description_is_the_ipv4_address() {
    let mut latch = latch(Some("[::ffff:192.0.2.1]:4000"), None);
    assert_eq!(see(&mut latch, "192.0.2.1:4000", 0), Verdict::Accepted);
}
