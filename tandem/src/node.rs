//! The running node: which part is started with what, and how they are joined. No domain logic.

mod claim;
mod not_taken;
mod parts;
mod taken_up;

pub(crate) use claim::{LOCK_FILE, claim, try_claim};
pub(crate) use not_taken::NotTaken;
pub(crate) use parts::relay_config;

use crate::clock::Origin;
use crate::config::{Config, Media};
use crate::control::StreamSwitch;
use crate::guests;
use crate::held::{PAGE_LIMIT, take_back};
use crate::history::HistoryFollower;
use crate::kept::Kept;
use crate::kept_calls::KeptCalls;
use crate::live_directory::{LiveDirectory, Watch};
use crate::media_applications::{AskedApplications, MediaApplications};
use crate::media_plane::{MediaPlane, Start};
use crate::mixing;
use crate::ordered_recordings::Ordered;
use crate::readiness::{self, Draining, Readiness};
use crate::role::Role;
use crate::sinks::{self, Routes};
use crate::streaming::{self, Started, Streaming};
use crate::traces::{self, Traces};
use crate::{hep, privacy, process, readings};
use b2bua::{EdgeConfig, ListenRefusal, Listener};
use call_metrics::{Numbers, PerSink, Recorder, RecorderConfig, RecorderHandle, RecorderView};
use call_recordings::Recordings;
use model::{Fingerprint, TransportProtocol, UnixTime};
use outbox::{FileSender, FileSink, Outbox, OutboxView, Retention};
use parts::{
    dtls_identity, left_of_last_run, serve_directory, start_applications, start_edge,
    start_history, start_relay,
};
use room_media::Mixing;
use sip_edge::tls::TlsSettings;
use sip_edge::{Clock, Drained, ResolverLimits, ShellConfig, SipEdge, TcpLimits};
use sip_proto::TimerConfig;
use std::fmt;
use std::fs::File;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use taken_up::{claims_of, take_up};

/// Events that may wait for the recorder; beyond it messages, then everything, is dropped and
/// counted ([`call_metrics::ObservationSender`]).
const RECORDER_QUEUE: usize = 65_536;

/// How long what waits in the outbox is still delivered when the node stops; the rest stays on disk.
pub(crate) const OUTBOX_LIMIT: Duration = Duration::from_secs(5);

/// A running node.
pub(crate) struct Node {
    edge: Arc<SipEdge>,
    media: Arc<MediaPlane>,
    /// Where the relay is in this process.
    streaming: Option<Arc<Streaming>>,
    /// Where the relay is in this process, and there are meeting rooms.
    mixing: Option<Arc<Mixing>>,
    /// What steers calls.
    applications: MediaApplications,
    /// The page of browser guests.
    guests: Option<room_guests::Guests>,
    recorder: RecorderHandle,
    sink: FileSink,
    /// The queues to services; none without a sink that has one.
    outbox: Outbox,
    traces: Traces,
    history: HistoryFollower,
    retention: Retention,
    recordings: Option<Recordings>,
    /// What applications have recorded.
    ordered: Option<Ordered>,
    config: Config,
    role: Role,
    kept: Kept,
    /// Only of an edge whose media outlives it.
    kept_calls: Option<KeptCalls>,
    readiness: Readiness,
    draining: Draining,
    /// Held while the node runs, so that no second one writes into the same directory.
    _lock: File,
    /// What calls are routed by.
    directory: Arc<LiveDirectory>,
    /// Sees what other processes make.
    watch: Watch,
    /// Takes events of the control API.
    event_sink: Arc<dyn call_streaming::events::EventSink>,
}

/// Why a node does not start.
#[derive(Debug)]
pub(crate) struct StartError(pub(crate) String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Node {
    /// Starts everything that `config` asks for, with or without a relay in this process.
    pub(crate) fn start(
        mut config: Config,
        origin: Origin,
        role: Role,
    ) -> Result<Node, StartError> {
        let lock = claim(&config.node.data_dir)?;
        let directory = LiveDirectory::open(&config);
        config.directory = directory.current();
        let data_dir = &config.node.data_dir;
        let (sink, retention) = sinks::start_files(&config)?;
        let mut outbox = Outbox::new(config.outbox.to_config(data_dir));
        let traces = Traces::start(&config)?;
        let (traced, cdr_bucket) = (traces.sender(), directory.cdr_bucket());
        let routes = Routes::start(&config, sink.sender(), &mut outbox, traced, cdr_bucket)?;
        let privacy = privacy::prepare(&config).map_err(StartError)?;
        let (event_sink, people) = (routes.event_sink(), shown(&privacy));
        let told = (routes.teller(&config, &privacy), privacy.recordings.clone());
        let start = Start::draw()?;
        let history = start_history(&config)?;
        let mut left = left_of_last_run(&config, role);
        start.open(&config, &mut left.calls)?;
        // What happened to calls of the last run keeps its time.
        let origin = left.began().map_or(origin, |at| origin.back_to(UnixTime::from_millis(at)));
        let clock = Clock::new(origin.monotonic);
        let node = &config.node;
        let recorder = RecorderConfig {
            hep: hep::of_config(&config)?,
            traces: traces.config(),
            cloudwatch: Some(config.cloudwatch.clone()),
            cdr: config.sinks.cdr,
            begun: clock.now(),
            privacy,
            ..RecorderConfig::new(&node.name, &node.region, &node.account_id, origin.calendar)
        };
        let (observations, recorder) =
            call_metrics::spawn(Recorder::new(recorder), RECORDER_QUEUE, routes, move || {
                clock.now()
            })
            .map_err(|error| StartError(format!("cannot start the recorder: {error}")))?;
        let events = Arc::new(OnceLock::new());
        // A certificate of its own at each start: session descriptions vouch for it.
        let identity = dtls_identity()?;
        // Relays of their own say theirs when they are connected.
        let fingerprint = (role == Role::All).then(|| identity.fingerprint());
        let mut shell = shell_config(&config, clock, origin.calendar, fingerprint);
        let kept = Kept::start(&config, origin, &mut shell.edge)?;
        let kept_calls = match role {
            Role::Edge => {
                let seal = &start.seal;
                Some(take_up(&config, (origin, seal), left, &mut shell.edge, &observations)?)
            }
            Role::All | Role::Relay => None,
        };
        let claims = shell.edge.calls.iter().flat_map(claims_of).collect();
        shell.edge.begun = clock.now();
        let ordered = Ordered::start(&config, role, (observations.clone(), clock))?;
        let (media, mixing, listened) = match role {
            Role::All => {
                let files = (sink.sender(), &mut outbox);
                let opener = ordered.as_ref().and_then(Ordered::opener);
                let Started { recordings, streaming, news } =
                    streaming::start(&config, origin, told, files, observations.clone(), opener)?;
                let told = (&observations, &events, recordings.meetings());
                let (relay, mixing) = start_relay(&config, origin, (identity, news), told)?;
                (MediaPlane::Local(relay), mixing, Some((recordings, Arc::new(streaming))))
            }
            Role::Edge | Role::Relay => (MediaPlane::remote(), None, None),
        };
        let media = Arc::new(media);
        let (recordings, streaming) = listened.unzip();
        let counted = (observations.clone(), recorder.view(), clock);
        let told = (Arc::clone(&event_sink), people.0, people.1);
        let applications = start_applications(&config, role, ordered.as_ref(), told, counted)?;
        let keeper = kept_calls.as_ref().and_then(KeptCalls::keeper);
        let steering = (keeper, &applications, &directory);
        let (edge, guests) = start_edge(&config, shell, &observations, &media, steering)?;
        let _ = events.set(edge.media_events());
        media.connect(&config, clock, &edge, &observations, &start, claims)?;
        let (readiness, draining) = readiness::of_node(&edge, &media);
        let watch = serve_directory(&directory, &edge, &config)?;
        let node = Node {
            edge,
            media,
            streaming,
            mixing,
            applications,
            guests,
            recorder,
            sink,
            outbox,
            traces,
            history,
            retention,
            recordings,
            ordered,
            config,
            role,
            kept,
            kept_calls,
            readiness,
            draining,
            _lock: lock,
            directory,
            watch,
            event_sink,
        };
        node.publish_readings();
        Ok(node)
    }

    /// What is recorded: live calls and the Prometheus page.
    pub(crate) fn view(&self) -> RecorderView {
        self.recorder.view()
    }

    /// The queues to services.
    pub(crate) fn outbox(&self) -> OutboxView {
        self.outbox.view()
    }

    /// Switches a call's streaming on or off.
    pub(crate) fn stream_switch(&self) -> StreamSwitch {
        let edge = Arc::downgrade(&self.edge);
        Box::new(move |call, on| {
            let edge = edge.upgrade().ok_or("the node stops")?;
            match edge.set_listening(call, on) {
                Some(Ok(())) => Ok(()),
                Some(Err(ListenRefusal::NoCall)) => {
                    Err(format!("no call {call} runs here; `tandem calls` shows those that do"))
                }
                Some(Err(ListenRefusal::NoListeners)) => Err(format!(
                    "nobody would listen to {call}: set kinesis_video = true, or say who else does, \
                     in [voice_connector.streaming] of its voice connector"
                )),
                Some(Err(ListenRefusal::Recording)) => Err(format!(
                    "{call} is the copy of a call that a recording client sends (SIPREC), and is there for \
                     listeners alone; end it at the client"
                )),
                None => Err("the node is too busy; ask again".to_owned()),
            }
        })
    }

    /// Applications that steer calls.
    pub(crate) fn asked_applications(&self) -> AskedApplications {
        self.applications.asked()
    }

    /// For whoever makes, changes and looks at meetings.
    pub(crate) fn rooms(&self) -> crate::rooms::RoomsHandle {
        self.applications.rooms().mixed_by(self.mixing.as_ref().map(Arc::downgrade))
    }

    /// What calls are routed by, now and after changes.
    pub(crate) fn directory(&self) -> Arc<LiveDirectory> {
        Arc::clone(&self.directory)
    }

    /// Takes events for services and the file of events.
    pub(crate) fn event_sink(&self) -> Arc<dyn call_streaming::events::EventSink> {
        Arc::clone(&self.event_sink)
    }

    /// Writes files below `data_dir`.
    pub(crate) fn file_sender(&self) -> FileSender {
        self.sink.sender()
    }

    /// Whether the node is alive and takes new calls.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Where SIP is served.
    pub(crate) fn addresses(&self) -> &[(TransportProtocol, std::net::SocketAddr)] {
        self.edge.addresses()
    }

    /// Which half of a node this is.
    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the signalling worker is still at work.
    pub(crate) fn is_well(&self) -> bool {
        !self.edge.has_ended()
    }

    /// Does what is to be done every second.
    pub(crate) fn tick(&mut self) {
        self.kept.tick(&self.edge);
    }

    /// Puts another configuration into force as far as that is possible without touching calls:
    /// carriers and voice connectors, the audio files that they name, and meetings. Returns the sections that
    /// differ and need a restart.
    ///
    /// # Errors
    /// [`NotTaken`]; then nothing is taken.
    pub(crate) fn reload(&mut self, config: Config) -> Result<Vec<&'static str>, NotTaken> {
        // Where there were no rooms, they need a restart, and so do their meetings.
        let has_rooms = self.config.rooms.is_some();
        if has_rooms {
            self.check_meetings(&config)?;
        }
        self.media.reload_audio(&config.audio_paths()).map_err(NotTaken::AudioFile)?;
        let old = &self.config;
        // Which music is played by default is in every voice connector and carrier.
        let hold_music = old.media.hold_music.clone();
        let media = Media { hold_music, ..config.media.clone() };
        let mut restart = Vec::new();
        for (section, same) in [
            ("[node]", old.node == config.node),
            ("[sip]", old.sip == config.sip),
            ("[media]", old.media == media),
            ("[relay_control]", old.relay_control == config.relay_control),
            ("[api]", old.api == config.api),
            ("[prometheus]", old.prometheus == config.prometheus),
            ("[outbox]", old.outbox == config.outbox),
            ("[hep]", old.hep == config.hep),
            ("[traces]", old.traces == config.traces),
            ("[privacy]", old.privacy == config.privacy),
            ("[recordings]", old.recordings == config.recordings),
            ("[retention]", old.retention == config.retention),
            ("[streaming]", old.streaming == config.streaming),
            ("[media_applications]", old.media_applications.is_alike(&config.media_applications)),
            (
                "[rooms]",
                match (&old.rooms, &config.rooms) {
                    (Some(old), Some(new)) => old.is_alike(new),
                    (old, new) => old == new,
                },
            ),
            ("[limits]", old.limits == config.limits),
            ("[health]", old.health == config.health),
            ("[authentication]", old.authentication == config.authentication),
            ("[sinks]", old.sinks == config.sinks && old.cloudwatch == config.cloudwatch),
        ] {
            if !same {
                restart.push(section);
            }
        }
        self.directory.set_file(&config);
        // Where there are to be none any more, that needs one, too.
        if let Some(rooms) = config.rooms.as_ref().filter(|_| has_rooms) {
            self.directory.meetings().set_file(&rooms.records());
        }
        self.applications.follow_file(&config);
        self.kept.follow(&config.stir, &self.edge);
        self.config.stir = config.stir;
        self.config.directory = self.directory.current();
        self.config.resources = config.resources;
        self.config.drain = config.drain;
        Ok(restart)
    }

    /// What ends the running calls at once while [`stop`](Node::stop) lets them finish.
    pub(crate) fn hurry(&self) -> impl Fn() + use<> {
        // Weak: who stops takes the edge back.
        let edge = Arc::downgrade(&self.edge);
        move || {
            if let Some(edge) = edge.upgrade() {
                edge.end_calls();
            }
        }
    }

    /// Takes no new calls, lets the running ones finish within the limit, then stops everything in
    /// the order in which it feeds the next.
    pub(crate) fn stop(self) -> Drained {
        self.stop_after(|_| ())
    }

    /// The same; `last` is done when calls are over, while the meeting rooms still answer. What it holds of
    /// the node is to go with it.
    pub(crate) fn stop_after(mut self, last: impl FnOnce(Drained)) -> Drained {
        self.draining.begin();
        drop(self.watch);
        let drained = self.edge.drain(self.config.drain.timeout);
        self.kept.keep_bindings(&self.edge);
        // A page that is being read holds the edge and the media for a moment. Were they dropped with
        // it, calls would end and reports come after what records them is gone.
        match take_back(self.edge, PAGE_LIMIT) {
            Some(edge) => edge.stop(),
            None => tracing::warn!("the edge is still asked for readings; it is not waited for"),
        }
        drop(self.kept_calls.take());
        // Guests have had their BYEs.
        drop(self.guests);
        last(drained);
        self.applications.stop();
        match take_back(self.media, PAGE_LIMIT) {
            Some(media) => media.stop(),
            None => tracing::warn!("the relay is still asked for readings; it is not waited for"),
        }
        // Ends with the last page that reads it.
        drop(self.mixing);
        if let Some(streaming) = self.streaming {
            match take_back(streaming, PAGE_LIMIT) {
                Some(streaming) => streaming.stop(),
                None => tracing::warn!(
                    "listeners are still asked for readings; they may lack their end"
                ),
            }
        }
        // Its listeners went with the hub.
        drop(self.recordings);
        if let Some(ordered) = self.ordered {
            ordered.stop();
        }
        drop(self.event_sink);
        self.recorder.stop();
        self.traces.stop();
        self.outbox.stop(OUTBOX_LIMIT);
        drop(self.retention);
        self.sink.flush_and_close();
        drop(self.history);
        drained
    }

    fn publish_readings(&self) {
        let (edge, media) = (Arc::downgrade(&self.edge), Arc::downgrade(&self.media));
        let (sink, outbox) = (self.sink.sender(), self.outbox.view());
        let (history, retention) = (self.history.counters(), self.retention.counters());
        let recordings = self.recordings.as_ref().map(Recordings::counters);
        let ordered = self.ordered.as_ref().map(Ordered::counters);
        let applications = self.applications.news();
        let traces = self.traces.sender();
        let streaming = self.streaming.as_ref().map(Arc::downgrade);
        let mixing = self.mixing.as_ref().map(Arc::downgrade);
        let rooms = self.applications.rooms_readings();
        let guests = self.guests.as_ref().map(room_guests::Guests::counters);
        let identities = self.kept.certificate_ends();
        self.view().set_readings(move |out| {
            if let Some(media) = media.upgrade() {
                media.read(out);
            }
            if let Some(streaming) = streaming.as_ref().and_then(Weak::upgrade) {
                streaming.read(out);
            }
            if let Some(mixing) = mixing.as_ref().and_then(Weak::upgrade) {
                mixing::read(&mixing.statistics(), out);
            }
            rooms.read(out);
            if let Some(guests) = &guests {
                guests::read(guests, out);
            }
            if let Some(edge) = edge.upgrade() {
                readings::of_edge(&edge.statistics(), out);
                readings::of_certificates(&edge.certificates(), out);
            }
            let now = Origin::now().calendar;
            readings::of_identity(&identities.load(), now, out);
            readings::of_outbox(&outbox.statistics(), now, out);
            readings::of_sink(&sink.statistics(), out);
            readings::of_history(&history, out);
            traces::read(traces.as_ref(), out);
            readings::of_retention(&retention, out);
            if let Some(recordings) = &recordings {
                readings::of_recordings(recordings, out);
            }
            readings::of_applications(applications.active(), &applications.sounds(), out);
            if let Some(ordered) = &ordered {
                readings::of_ordered_recordings(ordered, out);
            }
            process::read(out);
        });
    }
}

/// How people are shown in events of meetings, and beside their recordings.
fn shown(privacy: &call_metrics::Privacy) -> (PerSink<Numbers>, Numbers) {
    (privacy.events.clone(), privacy.recordings.clone())
}

fn shell_config(
    config: &Config,
    clock: Clock,
    calendar: UnixTime,
    fingerprint: Option<Fingerprint>,
) -> ShellConfig {
    let (sip, limits) = (&config.sip, &config.limits);
    let listeners: Vec<Listener> = sip
        .listeners
        .iter()
        .map(|l| Listener { protocol: l.protocol, local: l.local, advertised: l.advertised })
        .collect();
    let of = |protocol| {
        listeners.iter().filter(|l| l.protocol == protocol).map(|l| l.local).collect::<Vec<_>>()
    };
    ShellConfig {
        udp: of(TransportProtocol::Udp),
        tcp: of(TransportProtocol::Tcp),
        tls: of(TransportProtocol::Tls),
        web_tls: false,
        tls_settings: Some(TlsSettings {
            certificate: sip.tls_certificate.clone(),
            hosts: sip.tls_hosts.clone(),
            poll: sip.tls_poll,
            names: config.resources.rooms.as_ref().map(directory::Rooms::hosts).unwrap_or_default(),
            needs_names: config.resources.rooms.as_ref().is_some_and(|rooms| rooms.is_configured),
            ..TlsSettings::new(&sip.domain, &config.node.data_dir)
        }),
        tcp_limits: TcpLimits {
            connections: limits.tcp_connections,
            keep_alive: sip.keep_alive,
            ..TcpLimits::default()
        },
        resolver: ResolverLimits::default(),
        dns_servers: sip.dns_servers.clone(),
        clock,
        edge: EdgeConfig {
            node: node_number(&config.node.name),
            timers: TimerConfig { t1: sip.t1, ..TimerConfig::default() },
            limits: limits.message.clone(),
            max_transactions: limits.max_transactions,
            max_transactions_per_source: limits.transactions_per_source,
            max_calls: sip.max_calls,
            no_answer_timeout: sip.no_answer_timeout,
            max_call_duration: sip.max_call_duration,
            session_expires: sip.session_expires,
            min_se: sip.min_se,
            max_targets: sip.max_targets,
            targets_timeout: sip.targets_timeout,
            max_datagram_request: sip.path_mtu.map_or(1_300, |mtu| mtu - 200),
            stranger_answers_per_second: limits.stranger_answers_per_second,
            stranger_answers_per_source: limits.stranger_answers_per_source,
            unknown_sources: sip.unknown_sources,
            emergency_headroom: sip.emergency_headroom,
            health: config.health,
            origin: calendar,
            authentication: config.authentication,
            udp_keep_alive: sip.udp_keep_alive,
            whole_messages: config.traces.is_some()
                || config.hep.as_ref().is_some_and(|hep| hep.copies.messages),
            rtcp_copies: hep::rtcp_sample(config),
            dtls_fingerprint: fingerprint,
            hold_music_when: config.media.hold_music_when,
            ringback: config.media.ringback,
            listeners,
            ..EdgeConfig::default()
        },
    }
}

/// The node's number in tags and branches, the same at each start (FNV-1a, folded to 16 bits).
fn node_number(name: &str) -> u16 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 16) as u16
}

/// How often the main thread looks whether the node is well.
pub(crate) const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
