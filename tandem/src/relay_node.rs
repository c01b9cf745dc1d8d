//! `tandem run --role relay`: a media relay for edges in processes of their own.

use crate::clock::Origin;
use crate::config::{Config, RelayControl};
use crate::held::{PAGE_LIMIT, take_back};
use crate::media_plane::incarnation;
use crate::node::{OUTBOX_LIMIT, StartError, claim, relay_config};
use crate::readiness::{self, Draining, Readiness};
use crate::readings::{self, LinkReading};
use crate::sinks::{self, Routes};
use crate::streaming::{self, Started, Streaming};
use crate::{mixing, privacy, process};
use call_metrics::{
    CloudWatchConfig, CloudWatchSet, Recorder, RecorderConfig, RecorderHandle, RecorderView,
};
use call_recordings::Recordings;
use media_relay::{DtlsIdentity, EventSink, Relay};
use outbox::{FileSink, Outbox, Retention};
use relay_control::{EdgesConfig, Served, ServerConfig, Trust};
use room_media::Mixing;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

/// Recordings that may wait for the recorder, which takes them several times a second. Full policy: the
/// newest is not counted for CloudWatch, and that is counted ([`call_metrics::ObservationSender`]).
const RECORDER_QUEUE: usize = 1_024;

/// A running relay.
pub(crate) struct RelayNode {
    served: Arc<OnceLock<Served>>,
    relay: Arc<Relay>,
    streaming: Arc<Streaming>,
    /// Where there are meeting rooms.
    mixing: Option<Arc<Mixing>>,
    recordings: Recordings,
    /// Events of streams, notices of recordings and their minutes.
    outbox: Outbox,
    /// Knows of recordings alone: calls are the edges'. The Prometheus page is its.
    recorder: RecorderHandle,
    sink: FileSink,
    retention: Retention,
    address: SocketAddr,
    readiness: Readiness,
    draining: Draining,
    _lock: File,
}

impl RelayNode {
    /// Starts the relay and listens for edges.
    pub(crate) fn start(config: &Config, origin: Origin) -> Result<RelayNode, StartError> {
        let (control, listen) = wanted(config)?;
        let data_dir = &config.node.data_dir;
        let lock = claim(data_dir)?;
        let (sink, retention) = sinks::start_files(config)?;
        let clock = media_relay::Clock::new(origin.monotonic);
        let node = &config.node;
        // Of calls its edges tell CloudWatch.
        let minutes =
            CloudWatchConfig { set: CloudWatchSet::Recordings, ..config.cloudwatch.clone() };
        let recorder = RecorderConfig {
            cloudwatch: Some(minutes),
            begun: clock.now(),
            ..RecorderConfig::new(&node.name, &node.region, &node.account_id, origin.calendar)
        };
        let mut outbox = Outbox::new(config.outbox.to_config(data_dir));
        let routes = Routes::start(config, sink.sender(), &mut outbox, None, Arc::default())?;
        let privacy = privacy::prepare(config).map_err(StartError)?;
        let teller = routes.teller(config, &privacy);
        let (observations, recorder) =
            call_metrics::spawn(Recorder::new(recorder), RECORDER_QUEUE, routes, move || {
                clock.now()
            })
            .map_err(|error| StartError(format!("cannot start the recorder: {error}")))?;
        let identity = DtlsIdentity::generate().map_err(|error| {
            StartError(format!("cannot make the certificate of DTLS-SRTP: {error}"))
        })?;
        let fingerprint = identity.fingerprint();
        let tls = control.credentials.server();
        let tls = tls.map_err(|error| StartError(format!("[relay_control] {error}")))?;
        let served = Arc::new(OnceLock::new());
        let files = (sink.sender(), &mut outbox);
        let told = (teller, privacy.recordings);
        let Started { recordings, streaming, news } =
            streaming::start(config, origin, told, files, observations, None)?;
        let mut relay = relay_config(&config.media, identity, Some(news));
        let events = event_sink(&served);
        let meetings = (recordings.meetings(), Arc::clone(&events));
        let mixing = mixing::start(config, origin, &mut relay, meetings)?;
        let relay = Arc::new(start_relay(config, clock, relay, events)?);
        let workers = Arc::downgrade(&relay);
        let server = relay_control::serve(ServerConfig {
            listen,
            tls,
            by_authority: matches!(control.credentials.trust, Trust::Authority(_)),
            edges: EdgesConfig {
                node: node.name.clone(),
                incarnation: incarnation()?,
                fingerprint: Some(fingerprint),
                orphan_timeout: control.orphan_timeout,
                live_interval: config.media.live_interval,
            },
            heartbeat: control.heartbeat,
            clock: Arc::new(move || clock.now()),
            commands: Box::new(move |command| match workers.upgrade() {
                Some(workers) => workers.command(command).map_err(|refused| *refused.command),
                // The end: what is said now has nobody to do it.
                None => Ok(()),
            }),
        });
        let server = server.map_err(|error| {
            StartError(format!(
                "[relay_control] listen \"{listen}\": {error}; choose a free address of this host"
            ))
        })?;
        let address = server.address();
        let _ = served.set(server);
        let (readiness, draining) = readiness::of_relay(&relay);
        let node = RelayNode {
            served,
            relay,
            streaming: Arc::new(streaming),
            mixing,
            recordings,
            outbox,
            recorder,
            sink,
            retention,
            address,
            readiness,
            draining,
            _lock: lock,
        };
        node.publish_readings();
        Ok(node)
    }

    /// The Prometheus page.
    pub(crate) fn view(&self) -> RecorderView {
        self.recorder.view()
    }

    /// Whether the relay takes new streams. It does so without an edge, too: one may come.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where edges connect.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Streams now.
    pub(crate) fn streams(&self) -> u64 {
        self.relay.statistics().streams
    }

    /// Takes no new streams from now on.
    pub(crate) fn drain(&self) {
        self.draining.begin();
        if let Some(served) = self.served.get() {
            served.drain();
        }
    }

    /// Ends every stream with its last reports, and tells the edges.
    pub(crate) fn stop(self) {
        match take_back(self.relay, PAGE_LIMIT) {
            Some(relay) => relay.shutdown(),
            None => tracing::warn!("the relay is still asked for readings; it is not waited for"),
        }
        // Ends with the last page that reads it.
        drop(self.mixing);
        match take_back(self.streaming, PAGE_LIMIT) {
            Some(streaming) => streaming.stop(),
            None => {
                tracing::warn!("listeners are still asked for readings; they may lack their end")
            }
        }
        if let Some(served) = self.served.get() {
            served.lose_all();
        }
        // Its listeners went with the hub.
        drop(self.recordings);
        self.recorder.stop();
        self.outbox.stop(OUTBOX_LIMIT);
        drop(self.retention);
        self.sink.flush_and_close();
    }

    fn publish_readings(&self) {
        let (relay, served) = (Arc::downgrade(&self.relay), Arc::downgrade(&self.served));
        let streaming = Arc::downgrade(&self.streaming);
        let mixing = self.mixing.as_ref().map(Arc::downgrade);
        let (recordings, outbox) = (self.recordings.counters(), self.outbox.view());
        let (sink, retention) = (self.sink.sender(), self.retention.counters());
        self.view().set_readings(move |out| {
            process::read(out);
            if let Some(relay) = relay.upgrade() {
                readings::of_relay(&relay.statistics(), out);
            }
            if let Some(streaming) = streaming.upgrade() {
                streaming.read(out);
            }
            if let Some(mixing) = mixing.as_ref().and_then(Weak::upgrade) {
                mixing::read(&mixing.statistics(), out);
            }
            readings::of_recordings(&recordings, out);
            readings::of_outbox(&outbox.statistics(), Origin::now().calendar, out);
            readings::of_sink(&sink.statistics(), out);
            readings::of_retention(&retention, out);
            let served = served.upgrade();
            if let Some(served) = served.as_ref().and_then(|served| served.get()) {
                let links = served.status().into_iter().map(|edge| LinkReading {
                    name: edge.node,
                    is_up: edge.is_connected,
                    losses: edge.losses,
                    round_trip: None,
                    streams: edge.streams,
                    waiting: edge.waiting,
                });
                readings::of_links(links, out);
                readings::of_lost(served.lost(), out);
            }
        });
    }
}

fn wanted(config: &Config) -> Result<(&RelayControl, SocketAddr), StartError> {
    let control = config.relay_control.as_ref();
    control.and_then(|control| Some((control, control.listen?))).ok_or_else(|| {
        StartError(
            "--role relay needs an address for edges: add [relay_control] with a line such as \
             listen = \"192.0.2.2:5090\""
                .to_owned(),
        )
    })
}

/// Tells edges what happens here.
fn event_sink(served: &Arc<OnceLock<Served>>) -> EventSink {
    let served = Arc::downgrade(served);
    Arc::new(move |event| {
        let served = served.upgrade();
        if let Some(served) = served.as_ref().and_then(|served| served.get()) {
            served.deliver(event);
        }
    })
}

fn start_relay(
    config: &Config,
    clock: media_relay::Clock,
    relay: media_relay::RelayConfig,
    sink: EventSink,
) -> Result<Relay, StartError> {
    let relay = media_relay::RelayConfig {
        emergency_calls: config.sip.emergency_headroom,
        audio_files: config.audio_paths(),
        ..relay
    };
    Relay::start(relay, clock, sink).map_err(|error| StartError(error.to_string()))
}
