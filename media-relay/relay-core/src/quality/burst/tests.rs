use super::*;
use proptest::prelude::*;

/// `.` came, `x` did not.
fn pattern(text: &str) -> LossPattern {
    let mut pattern = LossPattern::default();
    for packet in text.chars() {
        if packet == 'x' { pattern.push_lost(1) } else { pattern.push_received(1) }
    }
    pattern
}

#[test]
fn without_loss_there_is_nothing_to_tell() {
    let clean = pattern("..........");
    assert_eq!(clean.burst_ratio(), 1.0);
    assert_eq!((clean.bursts(), clean.burst_density(), clean.gap_density()), (0, 0.0, 0.0));
    assert_eq!(LossPattern::default().burst_ratio(), 1.0);
}

#[test]
fn gmin_received_packets_separate_bursts() {
    let gap = |received: usize| pattern(&format!("{}x{}x", ".".repeat(20), ".".repeat(received)));
    // 15 between: one burst of 17 packets, 2 of them lost.
    assert_eq!(gap(15).bursts(), 1);
    assert_eq!(gap(15).mean_burst_packets(), 17.0);
    assert_eq!(gap(15).burst_density(), 2.0 / 17.0);
    assert_eq!(gap(15).gap_density(), 0.0);
    // 16 between: two lone losses within a gap of 38 packets.
    assert_eq!(gap(16).bursts(), 0);
    assert_eq!(gap(16).gap_density(), 2.0 / 38.0);
}

#[test]
fn burst_ratio_compares_runs_with_random_loss() {
    // 4 of 20 lost in one run: mean 4; random loss of 20 % has mean 1 / 0.8: 4 * 0.8 = 3.2.
    let one_run = pattern("........xxxx........");
    assert!((one_run.burst_ratio() - 3.2).abs() < 1e-12);
    // 4 of 20 lost one by one: 1 * 0.8, no credit below 1.
    assert_eq!(pattern("x....x....x....x....").burst_ratio(), 1.0);
    // Everything lost: no run has an end.
    assert_eq!(pattern("xxxx").burst_ratio(), 1.0);
}

#[test]
fn an_interval_has_its_own_ratio() {
    let before = pattern("........xxxx........");
    let mut now = before;
    for _ in 0..2 {
        now.push_received(8);
        now.push_lost(1);
    }
    assert_eq!(now.burst_ratio_since(&before), 1.0);
    assert!(now.burst_ratio() > 1.0);
}

#[test]
fn patterns_of_two_sources_add_up_without_a_common_burst() {
    let mut sum = pattern("..xx");
    sum.absorb(pattern("xx.."));
    assert_eq!((sum.received(), sum.lost(), sum.bursts()), (4, 4, 2));
    sum.push_lost(1);
    assert_eq!(sum.bursts(), 2);
}

proptest! {
    #[test]
    fn counts_agree_with_a_count_of_the_whole_text(packets in prop::collection::vec(any::<bool>(), 0..300)) {
        let text: String = packets.iter().map(|&lost| if lost { 'x' } else { '.' }).collect();
        let streamed = pattern(&text);
        let runs = text.split('.').filter(|run| !run.is_empty()).count() as u64;
        prop_assert_eq!(streamed.loss_runs, runs);
        prop_assert_eq!(streamed.lost(), packets.iter().filter(|&&lost| lost).count() as u64);
        // Bursts by definition: split where 16 or more came in a row.
        let gap = ".".repeat(16);
        let segments = text.split(&gap).map(|s| s.trim_matches('.'));
        let bursts = segments.filter(|s| s.matches('x').count() >= 2).count() as u64;
        prop_assert_eq!(streamed.bursts(), bursts);
        prop_assert!(streamed.burst_ratio() >= 1.0);
    }
}
