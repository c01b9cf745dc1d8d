//! `tandem run --role relay`.

use super::{complain, once_more, say, say_media, signals};
use crate::clock::Origin;
use crate::config::Config;
use crate::node::HEALTH_INTERVAL;
use crate::relay_node::RelayNode;
use crate::{http, listening};
use relay_control::fingerprint_text;
use std::process::ExitCode;
use std::time::Duration;

/// Serves until SIGTERM or Ctrl-C.
pub(super) fn run(config: &Config) -> ExitCode {
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let _entered = runtime.enter();
    let caught = signals().map_err(|error| format!("cannot catch signals: {error}"))?;
    let (mut terminate, mut interrupt, mut reload) = caught;
    let node = RelayNode::start(config, Origin::now()).map_err(|error| error.to_string())?;
    if let Err(error) = introduce(&node, config) {
        node.stop();
        return Err(error);
    }
    let limit = config.drain.timeout;
    runtime.block_on(async {
        let signal = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "Ctrl-C",
                _ = reload.recv() => complain("a relay reads nothing again: restart it"),
            }
        };
        let seconds = limit.as_secs();
        say(format_args!(
            "{signal}: no new streams; running ones may end within {seconds} s; once more ends them now"
        ));
        node.drain();
        let again = once_more(&mut terminate, &mut interrupt);
        tokio::pin!(again);
        let mut left = limit;
        let mut ticks = tokio::time::interval(HEALTH_INTERVAL);
        while node.streams() > 0 && left > Duration::ZERO {
            tokio::select! {
                _ = &mut again => break,
                _ = ticks.tick() => left = left.saturating_sub(HEALTH_INTERVAL),
            }
        }
    });
    node.stop();
    say("stopped");
    Ok(())
}

fn introduce(node: &RelayNode, config: &Config) -> Result<(), String> {
    say_media(&config.media);
    say(format_args!("edges        tls {}", node.address()));
    if let Some(control) = &config.relay_control {
        let ours = control.credentials.fingerprint().map_err(|error| error.to_string())?;
        say(format_args!("fingerprint  {}", fingerprint_text(&ours)));
    }
    if let Some(listen) = config.prometheus {
        let address = http::serve(listen, node.view(), node.readiness()).map_err(|error| {
            let advice = listening::advice(error.kind());
            format!("[prometheus] listen \"{listen}\": {error}; {advice}")
        })?;
        say(format_args!("Prometheus   http://{address}/metrics"));
    }
    say("ready");
    Ok(())
}
