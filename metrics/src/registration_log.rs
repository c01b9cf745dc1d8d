//! Our registrations at carriers in the node's own log. Lines are rare: a failed round is followed
//! by a wait of a quarter of a minute at the least.

use model::{RegistrationEvent, RegistrationNews};

/// Writes a line.
pub(crate) fn log(event: &RegistrationEvent) {
    let carrier = event.carrier.as_str();
    let registrar = event.destination.map(tracing::field::display);
    match event.news {
        RegistrationNews::Registered { seconds } => {
            tracing::info!(carrier, registrar, seconds, "registered at the carrier");
        }
        RegistrationNews::Failed { status, retry_in } => {
            let (seconds, advice) = (retry_in.as_secs(), advice(status));
            tracing::warn!(
                carrier,
                registrar,
                status,
                retry_in_seconds = seconds,
                advice,
                "not registered at the carrier"
            );
        }
        RegistrationNews::Lost => {
            tracing::warn!(carrier, registrar, "the registration at the carrier ran out");
        }
        RegistrationNews::Removed => {
            tracing::info!(carrier, registrar, "took the registration at the carrier back");
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        0 => "see that the carrier's host can be resolved",
        401 | 403 | 407 => "correct the carrier's username and password",
        404 => "correct the carrier's host and username: it does not know us",
        408 | 503 => "see that the carrier's host, port and transport are right and reachable",
        423 => "raise the carrier's register_expires",
        _ => "ask the carrier what the status means",
    }
}
