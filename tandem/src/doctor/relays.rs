//! The relays of an edge: are they there, and do both sides know each other?

use super::finding::Finding;
use crate::config::Config;
use relay_control::{fingerprint_text, probe};

/// Nothing without `[relay_control] relays`.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let Some(control) = &config.relay_control else { return Vec::new() };
    let mut findings = Vec::new();
    match control.credentials.fingerprint() {
        Ok(ours) => findings.push(Finding::fine("our fingerprint", fingerprint_text(&ours))),
        Err(error) => {
            let advice = "docs/split.md says how to make certificate and key";
            return vec![Finding::broken("our certificate", error.to_string(), advice)];
        }
    }
    let tls = match control.credentials.client() {
        Ok(tls) => tls,
        Err(error) => return vec![Finding::broken("our certificate", error.to_string(), "")],
    };
    for address in &control.relays {
        let asked = probe(*address, &config.node.name, tls.clone(), control.name.clone());
        findings.push(match asked {
            Ok((relay, took)) => {
                let millis = took.as_secs_f64() * 1e3;
                let found =
                    format!("{address} is relay \"{}\", connected in {millis:.1} ms", relay.node);
                Finding::fine("relay", found)
            }
            Err(reason) => {
                let advice = "calls get 503 relay_unavailable while no relay is there";
                Finding::broken("relay", format!("{address}: {reason}"), advice)
            }
        });
    }
    findings
}
