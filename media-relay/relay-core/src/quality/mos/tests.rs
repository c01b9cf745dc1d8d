use super::*;
use proptest::prelude::*;

const ALL: [Codec; 13] = [
    Codec::Pcmu,
    Codec::Pcma,
    Codec::G722,
    Codec::G729,
    Codec::Opus,
    Codec::Ilbc,
    Codec::Gsm,
    Codec::Amr,
    Codec::AmrWb,
    Codec::L16,
    Codec::ComfortNoise,
    Codec::TelephoneEvent,
    Codec::Other,
];

fn g711(loss: f64) -> f64 {
    estimate(Codec::Pcmu, loss, 1.0, Duration::ZERO, Duration::ZERO).value()
}

#[test]
fn a_call_over_a_good_network_stays_within_the_reference() {
    for (loss, mos) in [
        (0.0, 4.41),
        (0.01, 4.31),
        (0.05, 3.90),
        (0.1, 3.38),
        (0.2, 2.60),
        (0.3, 2.11),
        (0.4, 1.79),
    ] {
        assert!((g711(loss) - mos).abs() <= 0.05, "{loss}: {} for {mos}", g711(loss));
    }
}

#[test]
fn without_rtcp_the_default_delay_scores_as_a_good_network() {
    let unknown = estimate(Codec::Pcmu, 0.0, 1.0, network_delay(None), Duration::ZERO);
    assert!((unknown.value() - 4.38).abs() < 0.02, "{unknown:?}");
    assert_eq!(network_delay(Some(Duration::from_millis(80))), Duration::from_millis(40));
}

#[test]
fn the_jitter_buffer_is_bounded_on_both_sides() {
    let delay =
        |jitter| mouth_to_ear_delay(Duration::from_millis(5), Duration::from_millis(jitter));
    assert_eq!(delay(0), Duration::from_millis(45));
    assert_eq!(delay(10), Duration::from_millis(45));
    assert_eq!(delay(11), Duration::from_millis(47));
    assert_eq!(delay(100), Duration::from_millis(225));
    assert_eq!(delay(5_000), Duration::from_millis(225));
    assert_eq!(mouth_to_ear_delay(Duration::MAX, Duration::MAX), Duration::MAX);
}

#[test]
fn packets_are_late_only_beyond_the_buffer() {
    assert_eq!(late_ratio(Duration::from_millis(100)), 0.0);
    let beyond = late_ratio(Duration::from_millis(101));
    assert!(beyond > 0.0 && beyond < 0.01, "{beyond}");
    assert!(late_ratio(Duration::from_secs(3_600)) > 0.99);
}

#[test]
fn nonsense_scores_within_the_scale() {
    for loss in [f64::NAN, -1.0, 2.0, f64::INFINITY] {
        for burst in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            let mos = estimate(Codec::Opus, loss, burst, Duration::MAX, Duration::MAX).value();
            assert!((1.0..=4.5).contains(&mos), "{loss} {burst}: {mos}");
        }
    }
}

proptest! {
    #[test]
    fn worse_conditions_never_score_better(
        which in 0usize..ALL.len(),
        loss in 0.0..1.0, more_loss in 0.0..0.5,
        burst in 1.0..10.0, more_burst in 0.0..5.0,
        delay in 0u64..2_000, more_delay in 0u64..500,
        jitter in 0u64..1_000, more_jitter in 0u64..300,
    ) {
        let codec = ALL[which];
        let score = |loss: f64, burst, delay, jitter| {
            let millis = Duration::from_millis;
            estimate(codec, loss.min(1.0), burst, millis(delay), millis(jitter)).value()
        };
        let base = score(loss, burst, delay, jitter);
        prop_assert!(score(loss + more_loss, burst, delay, jitter) <= base);
        prop_assert!(score(loss, burst + more_burst, delay, jitter) <= base);
        prop_assert!(score(loss, burst, delay + more_delay, jitter) <= base);
        prop_assert!(score(loss, burst, delay, jitter + more_jitter) <= base);
    }
}
