//! Many random runs. A failing seed prints the command that runs it again.
#![allow(missing_docs, clippy::print_stderr)]

use simnet::{Outcome, Simulation};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn whatever_the_endpoints_and_the_network_do_nothing_is_left_behind() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, last) = match setting("SIMNET_SEED") {
        Some(seed) => (seed, seed),
        None => (1, setting("SIMNET_SEEDS").unwrap_or(300)),
    };
    let trace = first == last;
    let mut total = Outcome::default();
    let mut failed = Vec::new();
    for seed in first..=last {
        match catch_unwind(AssertUnwindSafe(|| Simulation::new(seed, trace).run())) {
            Ok(outcome) => {
                total.attempted += outcome.attempted;
                total.answered += outcome.answered;
                total.transferred += outcome.transferred;
                total.secured += outcome.secured;
                total.sent += outcome.sent;
            }
            Err(_) => {
                eprintln!(
                    "seed {seed} failed; run it again with \
                     SIMNET_SEED={seed} cargo test -p simnet --test random"
                );
                failed.push(seed);
            }
        }
    }
    eprintln!("seeds {first} to {last}: {total:?}");
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
    if last - first >= 100 {
        assert!(total.answered * 4 > total.attempted, "too few calls are answered: {total:?}");
        assert!(total.secured > 10, "too little SRTP: {total:?}");
        assert!(total.transferred * 40 > total.attempted, "too few transfers: {total:?}");
    }
}
