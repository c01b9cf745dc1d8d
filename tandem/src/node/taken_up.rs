//! What an edge goes on with that was started anew.

use super::StartError;
use crate::clock::Origin;
use crate::config::Config;
use crate::kept_calls::{KeptCalls, LastRun};
use b2bua::{EdgeConfig, SavedCall};
use call_metrics::{Observation, ObservationSender};
use model::VoiceConnectorId;
use relay_control::{Claim, Claimed, SealKey};

/// Has the edge take up what the last run left, and the recorder know of it.
pub(super) fn take_up(
    config: &Config,
    (origin, seal): (Origin, &SealKey),
    LastRun { calls: left, farewells, setups }: LastRun,
    edge: &mut EdgeConfig,
    observations: &ObservationSender,
) -> Result<KeptCalls, StartError> {
    edge.keep_calls = true;
    edge.farewells = farewells.into();
    edge.calls = left.iter().map(|left| left.call.clone()).collect();
    let logs_of = |id: &VoiceConnectorId| {
        let logging = config.directory.voice_connector(id).map(|connector| &connector.logging);
        logging.map_or([false; 2], |logs| [logs.sip_messages, logs.media_metrics])
    };
    let calls =
        left.iter().map(|left| left.events(origin, logs_of(&left.call.parties.voice_connector)));
    let lost =
        setups.iter().map(|left| left.events(origin, logs_of(&left.setup.parties.voice_connector)));
    for event in calls.chain(lost).flatten() {
        observations.send(Observation::Call(event));
    }
    if !left.is_empty() {
        tracing::info!(calls = left.len(), "calls of the last run are taken up");
    }
    let open = setups.iter().filter(|left| !left.setup.has_ended).count();
    if open > 0 {
        tracing::info!(calls = open, "calls that the last run was setting up end");
    }
    edge.setups = setups.into_iter().map(|left| left.setup).collect();
    KeptCalls::start(&config.node.data_dir, origin, left, seal).map_err(StartError)
}

/// A call is where it was, and its streams have the same ids.
pub(super) fn claims_of(call: &SavedCall) -> impl Iterator<Item = Claimed> {
    let transaction_id = call.transaction_id;
    call.streams().map(move |id| Claimed { ids: Claim { old: id, new: id }, transaction_id })
}
