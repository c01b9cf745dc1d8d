//! `tandem run`: serve, obey signals, drain.

use super::{complain, load, say};
use crate::clock::Origin;
use crate::config::{self, Media};
use crate::control_api::{self, ControlApi};
use crate::node::{HEALTH_INTERVAL, Node};
use crate::role::Role;
use crate::{control, http, listening};
use sip_edge::Drained;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

mod prove;
mod relay;

/// Signals that come so soon after the first one are the same wish: `timeout` and some supervisors signal
/// the process and then its group, which it is in.
const SAME_WISH: Duration = Duration::from_secs(1);

pub(crate) fn run(path: &Path, role: Role, prove: bool) -> ExitCode {
    start_log();
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    if role == Role::Relay {
        return relay::run(&config);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // Signals are caught before anything listens, so that one sent at once is not lost.
    let _entered = runtime.enter();
    let (mut terminate, mut interrupt, mut reload) = match signals() {
        Ok(signals) => signals,
        Err(error) => {
            complain(format_args!("cannot catch signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut node = match Node::start(config, Origin::now(), role).map_err(|error| error.to_string())
    {
        Ok(node) => node,
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    let api = match open_doors(&node) {
        Ok(api) => api,
        Err(error) => {
            complain(error);
            node.stop();
            return ExitCode::FAILURE;
        }
    };
    // The stand-ins stay up while the node serves, so that what the prover suggests works.
    let stand_ins = match prove.then(|| prove::prove(&node, path)) {
        None => None,
        Some(Ok(stand_ins)) => Some(stand_ins),
        Some(Err(error)) => {
            complain(format_args!("the test call failed: {error}"));
            node.stop();
            return ExitCode::FAILURE;
        }
    };
    say("ready");
    let why = runtime.block_on(async {
        let mut health = tokio::time::interval(HEALTH_INTERVAL);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Why::Asked("SIGTERM"),
                _ = interrupt.recv() => return Why::Asked("Ctrl-C"),
                _ = reload.recv() => read_again(&mut node, path),
                _ = health.tick() => {
                    if !node.is_well() {
                        return Why::Broken;
                    }
                    node.tick();
                }
            }
        }
    });
    if let Why::Asked(signal) = why {
        say(format_args!(
            "{signal}: no new calls; running ones may finish within {} s; once more ends them now",
            node.config().drain.timeout.as_secs()
        ));
    }
    drop(stand_ins);
    stop(node, api, &runtime, once_more(&mut terminate, &mut interrupt));
    match why {
        Why::Asked(_) => {
            say("stopped");
            ExitCode::SUCCESS
        }
        Why::Broken => {
            complain("the signalling worker has died; see the log above");
            ExitCode::FAILURE
        }
    }
}

/// Stops the node. Calls have their time to finish unless `again`, a second signal, comes before that.
fn stop(
    node: Node,
    mut api: Option<ControlApi>,
    runtime: &tokio::runtime::Runtime,
    again: impl Future<Output = &'static str>,
) {
    let hurry = node.hurry();
    let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
    let drained = std::thread::scope(|scope| {
        let stopping = scope.spawn(move || {
            // Dropped with the thread, however that ends.
            let _ended = ended;
            if let Some(api) = &mut api {
                api.close();
            }
            node.stop_after(|drained| finish(api, drained))
        });
        runtime.block_on(async {
            tokio::select! {
                _ = &mut end => return,
                signal = again => say(format_args!("{signal} once more: running calls end now")),
            }
            hurry();
            let _ = end.await;
        });
        stopping.join()
    });
    match drained {
        Ok(Drained { ended_by_force: 0 }) => {}
        Ok(Drained { ended_by_force }) => {
            say(format_args!("{ended_by_force} call(s) were ended before they were over"));
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Meetings that have ended for good while calls finished are gone; then the API is, whose records go into
/// the node's files.
fn finish(api: Option<ControlApi>, drained: Drained) {
    // Of meetings that calls were cut off from it is not known which would have gone on.
    if let Some(api) = api
        && drained.ended_by_force == 0
    {
        api.remove_ended();
    }
}

/// The next signal that is another wish than the first, from which on this is to be waited for.
async fn once_more(terminate: &mut Signals, interrupt: &mut Signals) -> &'static str {
    let same = tokio::time::sleep(SAME_WISH);
    tokio::pin!(same);
    loop {
        tokio::select! {
            // What has come already comes before the time that is over.
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = &mut same => break,
        }
    }
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
    }
}

enum Why {
    Asked(&'static str),
    Broken,
}

pub(super) type Signals = tokio::signal::unix::Signal;

pub(super) fn signals() -> std::io::Result<(Signals, Signals, Signals)> {
    Ok((
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ))
}

/// Serves the control API, the control socket and the Prometheus page, and says where everything is.
fn open_doors(node: &Node) -> Result<Option<ControlApi>, String> {
    let config = node.config();
    for (protocol, address) in node.addresses() {
        say(format_args!("SIP          {protocol} {address}"));
    }
    match (node.role(), &config.relay_control) {
        (Role::Edge, Some(control)) => {
            let relays: Vec<String> = control.relays.iter().map(ToString::to_string).collect();
            say(format_args!("media        relays {}", relays.join(", ")));
        }
        _ => say_media(&config.media),
    }
    if let Some(listen) = config.prometheus {
        let address = http::serve(listen, node.view(), node.readiness()).map_err(|error| {
            let advice = listening::advice(error.kind());
            format!("[prometheus] listen \"{listen}\": {error}; {advice}")
        })?;
        say(format_args!("Prometheus   http://{address}/metrics"));
    }
    let api = open_api(node)?;
    let socket =
        control::serve(&config.node.data_dir, node.view(), node.outbox(), node.stream_switch())
            .map_err(|error| {
                format!("[node] data_dir \"{}\": {error}", config.node.data_dir.display())
            })?;
    say(format_args!("control      {}", socket.display()));
    say(format_args!("records      {}", config.node.data_dir.display()));
    Ok(api)
}

fn open_api(node: &Node) -> Result<Option<ControlApi>, String> {
    let Some((api, first)) = control_api::start(node)? else { return Ok(None) };
    say(format_args!("control API  {}", api.url()));
    if let Some(first) = first {
        let secret = first.secret.as_str();
        say(format_args!("first key    {} secret {secret} (shown this once)", first.id));
    }
    Ok(Some(api))
}

fn say_media(media: &Media) {
    let bind: Vec<String> = media.bind.iter().map(ToString::to_string).collect();
    let (first, last) = (media.ports.start(), media.ports.end());
    say(format_args!("media        udp {} ports {first}-{last}", bind.join(", ")));
}

/// SIGHUP: a good file replaces carriers and voice connectors, a bad one changes nothing.
fn read_again(node: &mut Node, path: &Path) {
    match config::load(path) {
        Ok(config) => {
            let restart = match node.reload(config) {
                Ok(restart) => restart,
                Err(error) => return not_taken(path, &error.in_file(&path.display().to_string())),
            };
            say(format_args!("{}: read again", path.display()));
            if !restart.is_empty() {
                complain(format_args!(
                    "{}: {} changed: restart for that to take effect",
                    path.display(),
                    restart.join(", ")
                ));
            }
        }
        Err(errors) => not_taken(path, &errors),
    }
}

fn not_taken(path: &Path, why: &dyn std::fmt::Display) {
    complain(why);
    complain(format_args!("{}: not taken; the old one stays in force", path.display()));
}

/// Warnings, what this binary tells, which path media takes, and when a collector is back.
const DEFAULT_LOG: &str =
    "warn,tandem=info,relay_control=info,media_relay::fast_path=info,otlp_export=info";

/// The log goes to standard error; `TANDEM_LOG` chooses what is in it, `info` by default.
pub(super) fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TANDEM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn raise(signal: &str) {
        let process = std::process::id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
    }

    /// By two signals that nobody else here waits for.
    #[test]
    fn signals_that_come_with_the_first_one_are_the_same_wish() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::user_defined1()).unwrap();
            let mut interrupt = signal(SignalKind::user_defined2()).unwrap();
            raise("USR1");
            raise("USR2");
            let begun = Origin::now().monotonic;
            let again = once_more(&mut terminate, &mut interrupt);
            tokio::pin!(again);
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            let name = loop {
                tokio::select! {
                    name = &mut again => break name,
                    _ = ticks.tick() => raise("USR2"),
                }
            };
            assert_eq!(name, "Ctrl-C");
            assert!(begun.elapsed() >= SAME_WISH);
        });
    }
}
