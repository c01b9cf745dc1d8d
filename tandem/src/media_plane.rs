//! The media relay as the edge holds it: in this process, or in processes of their own.

use crate::config::Config;
use crate::kept_calls::{self, Left};
use crate::node::StartError;
use crate::readings::{self, LinkReading};
use call_metrics::{Observation, ObservationSender, Reading};
use media_relay::{AudioFileError, Relay, RelayStatistics};
use model::{MediaCommand, MediaEvent};
use relay_control::{AskConfig, Claimed, ClientConfig, Connected, RelaysConfig, SealKey};
use sip_edge::{Clock, SipEdge};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) enum MediaPlane {
    /// In this process.
    Local(Relay),
    /// Elsewhere, over `[relay_control]`; not before the edge runs.
    Remote(OnceLock<Connected>),
}

impl MediaPlane {
    /// Relays elsewhere; [`MediaPlane::connect`] is to follow.
    pub(crate) const fn remote() -> MediaPlane {
        MediaPlane::Remote(OnceLock::new())
    }

    /// Begins to connect to relays elsewhere.
    pub(crate) fn connect(
        &self,
        config: &Config,
        clock: Clock,
        edge: &Arc<SipEdge>,
        observations: &ObservationSender,
        start: &Start,
        claims: Vec<Claimed>,
    ) -> Result<(), StartError> {
        let MediaPlane::Remote(connected) = self else { return Ok(()) };
        let client = ClientConfig { claims, ..client(config, clock, edge, observations, start)? };
        let begun = relay_control::connect(client)
            .map_err(|error| StartError(format!("[relay_control]: {error}")))?;
        let _ = connected.set(begun);
        Ok(())
    }

    /// Takes a command, or gives it back when there is no room.
    pub(crate) fn command(&self, command: MediaCommand) -> Result<(), MediaCommand> {
        match self {
            MediaPlane::Local(relay) => relay.command(command).map_err(|refused| *refused.command),
            MediaPlane::Remote(connected) => match connected.get() {
                Some(relays) => relays.command(command),
                None => Err(command),
            },
        }
    }

    /// Reads what is to be played anew; relays elsewhere have files of their own.
    pub(crate) fn reload_audio(&self, files: &[Arc<str>]) -> Result<(), AudioFileError> {
        match self {
            MediaPlane::Local(relay) => relay.reload_audio(files),
            MediaPlane::Remote(_) => Ok(()),
        }
    }

    /// Its numbers for the Prometheus page.
    pub(crate) fn read(&self, out: &mut Vec<Reading>) {
        match self {
            MediaPlane::Local(relay) => readings::of_relay(&relay.statistics(), out),
            MediaPlane::Remote(connected) => {
                let links = connected.get().map(Connected::status).unwrap_or_default();
                let links = links.into_iter().map(|link| LinkReading {
                    name: link.address.to_string(),
                    is_up: link.is_up,
                    losses: link.losses,
                    round_trip: link.round_trip,
                    streams: link.streams,
                    waiting: link.waiting,
                });
                readings::of_links(links, out);
            }
        }
    }

    /// Why no new call gets ports, in words; nothing when it would.
    pub(crate) fn lacks(&self) -> Option<String> {
        match self {
            MediaPlane::Local(relay) => lacks_ports(&relay.statistics()),
            MediaPlane::Remote(connected) => {
                let links = connected.get().map(Connected::status).unwrap_or_default();
                if links.iter().any(|link| link.is_up) {
                    return None;
                }
                let relays: Vec<_> = links.iter().map(|link| link.address.to_string()).collect();
                Some(format!("no relay is connected: {}", relays.join(", ")))
            }
        }
    }

    /// Stops after the last reports.
    pub(crate) fn stop(self) {
        match self {
            MediaPlane::Local(relay) => relay.shutdown(),
            MediaPlane::Remote(connected) => {
                if let Some(relays) = connected.into_inner() {
                    relays.stop();
                }
            }
        }
    }
}

/// Why a relay gives no new stream its ports.
pub(crate) fn lacks_ports(relay: &RelayStatistics) -> Option<String> {
    // Those in quarantine are free again within it.
    (relay.port_pairs_free == 0)
        .then(|| "no media port is free: give [media] ports a wider range".to_owned())
}

fn client(
    config: &Config,
    clock: Clock,
    edge: &Arc<SipEdge>,
    observations: &ObservationSender,
    start: &Start,
) -> Result<ClientConfig, StartError> {
    let wanted = config.relay_control.as_ref().filter(|control| !control.relays.is_empty());
    let control = wanted.ok_or_else(|| {
        StartError(
            "--role edge needs relays: add [relay_control] with a line such as \
             relays = [\"192.0.2.2:5090\"]"
                .to_owned(),
        )
    })?;
    let tls = control.credentials.client();
    let tls = tls.map_err(|error| StartError(format!("[relay_control] {error}")))?;
    let (sender, observations) = (edge.media_events(), observations.clone());
    let told = Arc::downgrade(edge);
    Ok(ClientConfig {
        relays: RelaysConfig {
            node: config.node.name.clone(),
            incarnation: start.incarnation,
            seal: start.seal.clone(),
            addresses: control.relays.clone(),
            allocation_timeout: control.allocation_timeout,
        },
        claims: Vec::new(),
        tls,
        name: control.name.clone(),
        heartbeat: control.heartbeat,
        clock: Arc::new(move || clock.now()),
        events: Arc::new(move |event| match event {
            MediaEvent::Report(report) => observations.send(Observation::Quality(report)),
            MediaEvent::Rtcp(copy) => observations.send(Observation::Rtcp(copy)),
            other => sender.send(other),
        }),
        fingerprint: Box::new(move |fingerprint| {
            if let Some(edge) = told.upgrade() {
                edge.set_dtls_fingerprint(fingerprint);
            }
        }),
    })
}

/// What tells one start of a process from another.
pub(crate) struct Start {
    incarnation: u64,
    pub(crate) seal: SealKey,
}

impl Start {
    pub(crate) fn draw() -> Result<Start, StartError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)
            .map_err(|error| StartError(format!("no random numbers from the system: {error}")))?;
        Ok(Start { incarnation: incarnation()?, seal: SealKey::new(bits) })
    }

    /// Opens what the last run has sealed, with the keys that the relays kept. Waits for them as long
    /// as they may take to notice that the last run is gone.
    pub(crate) fn open(&self, config: &Config, left: &mut [Left]) -> Result<(), StartError> {
        let Some(control) =
            config.relay_control.as_ref().filter(|_| left.iter().any(Left::is_sealed))
        else {
            return Ok(());
        };
        let failed = |error: String| StartError(format!("[relay_control] {error}"));
        let ask = AskConfig {
            addresses: control.relays.clone(),
            node: config.node.name.clone(),
            incarnation: self.incarnation,
            seal: self.seal.clone(),
            tls: control.credentials.client().map_err(|error| failed(error.to_string()))?,
            name: control.name.clone(),
            patience: control.heartbeat.timeout + RELAYS_PATIENCE,
        };
        let keys = relay_control::ask_seals(ask, |keys| kept_calls::open(left, keys) == 0);
        let sealed = kept_calls::open(left, &keys.map_err(failed)?);
        if sealed > 0 {
            tracing::warn!(
                calls = sealed,
                "encrypted calls of the last run end: no relay in [relay_control] relays has the \
                 key that they were written down under"
            );
        }
        Ok(())
    }
}

/// How long relays are waited for beyond their heartbeat, before calls are given up.
const RELAYS_PATIENCE: Duration = Duration::from_secs(2);

/// Another number at each start, and never 0.
pub(crate) fn incarnation() -> Result<u64, StartError> {
    let drawn = getrandom::u64()
        .map_err(|error| StartError(format!("no random numbers from the system: {error}")))?;
    Ok(drawn | 1)
}
