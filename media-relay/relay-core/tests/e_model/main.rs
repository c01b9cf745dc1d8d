//! The E-model against a second implementation, `reference.py`, which was written from ITU-T's
//! formulae alone: `table.tsv` is what it prints.
//!
//! Tandem departs from the letter of G.107 in three places, so that its score is monotonic: STMRo is
//! taken at T = 0, Idte stays at 0 or above, and the score at 1 or above. What that makes is bounded
//! here, and named where it is more than rounding.

use relay_core::quality::codec_impairment::{Band, Impairment};
use relay_core::quality::emodel::{PacketLoss, Transmission, mean_opinion_score};

/// By so much Tandem may differ: in R, of which Idte's dip below zero makes 0.2, and in score.
const RATING: f64 = 0.25;
const SCORE: f64 = 0.05;

struct Row {
    band: Band,
    impairment: Impairment,
    loss: PacketLoss,
    transmission: Transmission,
    rating: f64,
    score: f64,
}

fn rows() -> Vec<Row> {
    let table = include_str!("table.tsv");
    let mut lines = table.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split('\t').collect();
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('\t').collect();
            let cell = |name: &str| {
                let at = names.iter().position(|n| *n == name);
                at.and_then(|at| cells.get(at)).unwrap_or_else(|| panic!("no {name} in {line:?}"))
            };
            let number = |name: &str| -> f64 {
                cell(name).parse().unwrap_or_else(|_| panic!("{name} is no number in {line:?}"))
            };
            let band = if *cell("band") == "wide" { Band::Wide } else { Band::Narrow };
            Row {
                band,
                impairment: Impairment { band, ie: number("Ie"), bpl: number("Bpl") },
                loss: PacketLoss { ratio: number("Ppl") / 100.0, burst_ratio: number("BurstR") },
                transmission: Transmission {
                    slr: number("SLR"),
                    rlr: number("RLR"),
                    stmr: number("STMR"),
                    telr: number("TELR"),
                    wepl: number("WEPL"),
                    qdu: number("qdu"),
                    nc: number("Nc"),
                    ps: number("Ps"),
                    pr: number("Pr"),
                    delay_ms: number("Ta"),
                    ..Transmission::default()
                },
                rating: number("R"),
                score: number("MOS"),
            }
        })
        .collect()
}

#[test]
fn ratings_and_scores_are_those_of_a_second_implementation() {
    let rows = rows();
    assert!(rows.len() > 300, "{}", rows.len());
    let (mut rating_off, mut score_off): (f64, f64) = (0.0, 0.0);
    for row in &rows {
        let rating = row.transmission.rating(&row.impairment, row.loss);
        let score = mean_opinion_score(rating, row.band);
        rating_off = rating_off.max((rating - row.rating).abs());
        score_off = score_off.max((score - row.score).abs());
        assert!((rating - row.rating).abs() <= RATING, "R {rating} for {}", row.rating);
        assert!((score - row.score).abs() <= SCORE, "MOS {score} for {}", row.score);
    }
    println!("{} rows: R within {rating_off:.4}, MOS within {score_off:.4}", rows.len());
}
