//! A question to a collector whether it would take traces.

use crate::answer::{Verdict, judge};
use crate::client::Client;
use crate::{OtlpConfig, request};
use outbox::clock::Clock;
use std::time::Duration;

/// What a collector says to a request without spans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// It takes it, after this time.
    Takes(Duration),
    /// It is there and refuses it: wrong path, wrong key.
    Refuses(String),
    /// It is there and busy, or what stands before it says that it is away.
    NotNow(String),
    /// Nobody answers.
    Unreachable(String),
}

/// Sends the collector a request without spans, which changes nothing there.
pub fn probe(config: &OtlpConfig) -> Probe {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Probe::Unreachable(error.to_string()),
    };
    let client = Client::new(config.clone());
    let (clock, empty) = (Clock::start(), client.packed(request::encode(&[], &[])));
    let answer = runtime.block_on(client.post(&empty, config.timeout));
    runtime.shutdown_background();
    match answer.map(|answer| judge(&answer)) {
        Ok(Verdict::Taken(_)) => Probe::Takes(clock.now() - model::Instant::ZERO),
        Ok(Verdict::Never { reason }) => Probe::Refuses(reason),
        Ok(Verdict::Later { reason, .. }) => Probe::NotNow(reason),
        Err(reason) => Probe::Unreachable(reason),
    }
}
