//! The collector of traces: is it there, and does it take what it gets?

use super::finding::Finding;
use crate::config::Traces;
use otlp_export::{Probe, probe};

/// Asks the collector of `[traces]`.
pub(super) fn examine(traces: &Traces) -> Finding {
    let endpoint = &traces.otlp.endpoint;
    judge(endpoint.as_str(), probe(&traces.otlp))
}

fn judge(endpoint: &str, said: Probe) -> Finding {
    let subject = "collector";
    match said {
        Probe::Takes(after) => {
            let millis = after.as_secs_f64() * 1e3;
            Finding::fine(subject, format!("{endpoint} takes traces, asked in {millis:.1} ms"))
        }
        Probe::Refuses(reason) => Finding::warning(
            subject,
            format!("{endpoint} refuses: {reason}"),
            "correct [traces] endpoint (404: another path or port, OTLP over HTTP has 4318) or \
             headers (401, 403: the key); calls go on without traces",
        ),
        Probe::NotNow(reason) => Finding::warning(
            subject,
            format!("{endpoint} takes nothing now: {reason}"),
            "look after the collector; traces are tried again for five minutes, then dropped",
        ),
        Probe::Unreachable(reason) => Finding::warning(
            subject,
            format!("{endpoint}: {reason}"),
            "check [traces] endpoint, that the collector runs, and firewalls on the way; calls go \
             on without traces",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_answer_says_what_to_do_and_none_breaks_calls() {
        let of = |said| judge("http://a:4318/v1/traces", said);
        let fine = of(Probe::Takes(Duration::from_millis(2)));
        assert_eq!(fine.state, State::Fine);
        assert_eq!(fine.found, "http://a:4318/v1/traces takes traces, asked in 2.0 ms");
        let why = || "why".to_owned();
        for said in [Probe::Refuses(why()), Probe::NotNow(why()), Probe::Unreachable(why())] {
            let finding = of(said);
            assert_eq!(finding.state, State::Warning);
            assert!(finding.found.ends_with("why") && !finding.advice.is_empty());
        }
    }
}
