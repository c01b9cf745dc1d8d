use super::super::codec_impairment::{G711_WITHOUT_CONCEALMENT, impairment};
use super::*;
use model::Codec;
use proptest::prelude::*;

const NO_LOSS: PacketLoss = PacketLoss { ratio: 0.0, burst_ratio: 1.0 };

fn rating(delay_ms: f64, loss_percent: f64, impairment: &Impairment) -> f64 {
    let transmission = Transmission { delay_ms, ..Transmission::default() };
    transmission.rating(impairment, PacketLoss { ratio: loss_percent / 100.0, burst_ratio: 1.0 })
}

fn near(value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within, "{value} is not {expected} within {within}");
}

#[test]
fn the_default_values_rate_93_2() {
    // G.107 clause 7.7.
    near(rating(0.0, 0.0, &impairment(Codec::Pcmu)), 93.2, 0.05);
}

#[test]
fn the_parts_of_the_default_rating() {
    let default = Transmission::default();
    // By hand: Nc -70, Nos -75.74, Nor -83.36, Nfo -62: No = 10 lg(7.622e-7) = -61.18;
    // Ro = 15 - 1.5 (8 - 61.18) = 94.77.
    near(default.noise(), -61.18, 0.01);
    near(default.basic_signal_to_noise(), 94.77, 0.01);
    near(default.simultaneous_impairment(), 1.41, 0.01);
    near(default.delay_impairment(), 0.15, 0.01);
}

#[test]
fn scores_of_ratings_in_g107_annex_b() {
    // Table B.1: user satisfaction borders.
    for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
        near(mean_opinion_score(r, Band::Narrow), mos, 0.01);
        near(mean_opinion_score(r * 1.29, Band::Wide), mos, 0.01);
    }
    near(mean_opinion_score(93.2, Band::Narrow), 4.41, 0.005);
    for floor in [-50.0, 0.0, 3.0, 6.5, f64::NAN] {
        near(mean_opinion_score(floor, Band::Narrow), 1.0, 0.001);
    }
    assert_eq!(mean_opinion_score(100.0, Band::Narrow), 4.5);
    assert_eq!(mean_opinion_score(129.0, Band::Wide), 4.5);
}

#[test]
fn delay_alone_follows_idd() {
    // Clause 7.4 by hand: Ta = 200, X = 1: 25 (2^(1/6) - 3 (1 + 3^-6)^(1/6) + 2) = 3.04;
    // Ta = 400, X = 2: 25 (65^(1/6) - 3 (1 + (2/3)^6)^(1/6) + 2) = 24.05.
    near(absolute_delay(100.0), 0.0, 0.0);
    near(absolute_delay(200.0), 3.04, 0.01);
    near(absolute_delay(400.0), 24.05, 0.05);
}

#[test]
fn g711_under_random_loss_stays_within_the_reference() {
    let g711 = impairment(Codec::Pcma);
    for (percent, mos) in [
        (0.0, 4.41),
        (1.0, 4.31),
        (5.0, 3.90),
        (10.0, 3.38),
        (20.0, 2.60),
        (30.0, 2.11),
        (40.0, 1.79),
    ] {
        near(mean_opinion_score(rating(0.0, percent, &g711), Band::Narrow), mos, 0.05);
    }
}

#[test]
fn effective_impairments_by_hand() {
    let ie_eff = |impairment: &Impairment, ratio, burst_ratio| {
        effective_equipment_impairment(impairment, PacketLoss { ratio, burst_ratio })
    };
    // 95 * 2 / (2 + 25.1) and 95 * 2 / (2 / 2 + 25.1).
    near(ie_eff(&impairment(Codec::Pcmu), 0.02, 1.0), 7.011, 0.001);
    near(ie_eff(&impairment(Codec::Pcmu), 0.02, 2.0), 7.280, 0.001);
    // 11 + 84 * 2 / (2 + 19).
    near(ie_eff(&impairment(Codec::G729), 0.02, 1.0), 19.0, 0.001);
    // 95 * 2 / (2 + 4.3).
    near(ie_eff(&G711_WITHOUT_CONCEALMENT, 0.02, 1.0), 30.159, 0.001);
    near(ie_eff(&impairment(Codec::Gsm), 0.0, 1.0), 20.0, 0.0);
}

#[test]
fn wideband_rates_above_narrowband_without_loss() {
    // 129 - 13 - 0.15.
    near(rating(0.0, 0.0, &impairment(Codec::G722)), 115.85, 0.01);
    // 115.85 / 1.29 = 89.8.
    near(mean_opinion_score(115.85, Band::Wide), 4.34, 0.01);
}

#[test]
fn loud_sidetone_and_absent_sidetone_take_their_branches() {
    let at = |stmr| Transmission { stmr, delay_ms: 50.0, ..Transmission::default() };
    let echo = |stmr| at(stmr).talker_echo(50.0);
    // Clause 7.4: below 9 dB sidetone masks echo, above 20 dB its absence adds to it.
    assert!(echo(8.9) < echo(15.0));
    assert!(echo(21.0) > echo(15.0));
}

proptest! {
    #[test]
    fn more_delay_loss_or_bursts_never_rate_better(
        delay in 0.0..1_000.0, more_delay in 0.0..200.0,
        ratio in 0.0..1.0, more_loss in 0.0..0.5,
        burst_ratio in 1.0..20.0, more_burst in 0.0..5.0,
    ) {
        for codec in [Codec::Pcmu, Codec::G729, Codec::G722, Codec::Opus] {
            let impairment = impairment(codec);
            let rate = |delay_ms: f64, ratio: f64, burst_ratio: f64| {
                Transmission { delay_ms, ..Transmission::default() }
                    .rating(&impairment, PacketLoss { ratio, burst_ratio })
            };
            let base = rate(delay, ratio, burst_ratio);
            prop_assert!(rate(delay + more_delay, ratio, burst_ratio) <= base);
            prop_assert!(rate(delay, f64::min(ratio + more_loss, 1.0), burst_ratio) <= base);
            prop_assert!(rate(delay, ratio, burst_ratio + more_burst) <= base);
        }
    }

    #[test]
    fn a_better_rating_never_scores_worse(r in -20.0..140.0, more in 0.0..10.0) {
        for band in [Band::Narrow, Band::Wide] {
            prop_assert!(mean_opinion_score(r, band) <= mean_opinion_score(r + more, band));
        }
    }
}

#[test]
fn no_loss_is_no_impairment() {
    near(effective_equipment_impairment(&impairment(Codec::Pcmu), NO_LOSS), 0.0, 0.0);
}
