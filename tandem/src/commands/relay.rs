//! `tandem relay`: only the media relay, driven over rtpengine's ng protocol.

use super::{complain, say};
use crate::clock::Origin;
use crate::config::{self, Media};
use listeners::{Connections, Input, Listeners};
use media_relay::{Clock, DtlsIdentity, EventSink, RecordingConfig, Relay, RelayConfig};
use model::{MediaEvent, ReportKind};
use ng_control::{
    Control, ControlConfig, InterfacePorts, Notice, Output, Relayed, TranscodedChain,
};
use outbox::{Retention, RetentionConfig, WholeFiles};
use pages::Pages;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

mod listeners;
mod pages;

/// Requests that wait; when there are more, datagrams wait in the socket and connections are not
/// read.
const REQUESTS: usize = 4_096;
/// Events of the relay that wait; when there are more, reports are lost, and offers get an error after
/// their patience.
const EVENTS: usize = 65_536;
/// Time between two measurements of a stream, as its MOS progression has them.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How often the relay's numbers are read.
const ROUND: Duration = Duration::from_secs(1);
/// How soon a silent stream is noticed.
const LIVE_INTERVAL: Duration = Duration::from_secs(1);

/// What `tandem relay` is told.
#[derive(clap::Args)]
pub(crate) struct RelayArgs {
    /// Serve the ng protocol here, over UDP and TCP; may be given more than once. Whoever reaches
    /// it commands the relay: keep it off networks that you do not trust.
    #[arg(long, value_name = "ADDRESS:PORT", required = true)]
    ng: Vec<SocketAddr>,
    /// Take [media] of this file; its other sections do not count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Addresses for media, instead of [media] bind.
    #[arg(long, value_name = "IP")]
    bind: Vec<IpAddr>,
    /// What descriptions say instead, one for each of --bind.
    #[arg(long, value_name = "IP", requires = "bind")]
    advertise: Vec<IpAddr>,
    /// Ports for media, instead of [media] ports.
    #[arg(long, value_name = "FIRST-LAST", value_parser = ports)]
    ports: Option<RangeInclusive<u16>>,
    /// Delete a call after so many seconds without a packet.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds)]
    timeout: u64,
    /// The same for a call on hold or not answered.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = seconds)]
    silent_timeout: u64,
    /// Let media pass for so many seconds after `delete`.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    delete_delay: u64,
    /// Play files of this directory (`play media`), and no others.
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    /// Write recordings (`start recording`) below this directory: a capture file and a file of notes a
    /// call, which nobody else may read.
    #[arg(long, value_name = "DIR")]
    recording_dir: Option<PathBuf>,
    /// End a recording's file at so many megabytes.
    #[arg(long, value_name = "MEGABYTES", default_value_t = 1_024, value_parser = megabytes)]
    max_recording: u64,
    /// Serve /metrics (Prometheus), /healthz and /readyz here, over HTTP and without a password; a port
    /// alone is one of 127.0.0.1. Not served without this.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = pages::address)]
    http: Option<SocketAddr>,
    /// Remove recordings after so many days; default: never.
    #[arg(long, value_name = "DAYS", requires = "recording_dir", value_parser = clap::value_parser!(u16).range(1..=3_650))]
    recording_days: Option<u16>,
    /// Refuse offers of more calls than this.
    #[arg(long, value_name = "CALLS", default_value_t = 20_000, value_parser = calls)]
    max_calls: usize,
}

fn seconds(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|s| (1..=604_800).contains(s)).ok_or("give 1 to 604800".to_owned())
}

fn megabytes(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|m| (1..=1_000_000).contains(m)).ok_or("give 1 to 1000000".to_owned())
}

fn calls(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|c| (1..=1_000_000).contains(c)).ok_or("give 1 to 1000000".to_owned())
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
        (*range.start() > 0 && range.start() < range.end()).then_some(range)
    });
    range.ok_or_else(|| "give two ports, such as 30000-39999".to_owned())
}

pub(crate) fn run(args: &RelayArgs) -> ExitCode {
    super::run::start_log();
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &RelayArgs) -> Result<(), String> {
    let media = media(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let origin = Origin::now();
    let clock = Clock::new(origin.monotonic);
    let identity = DtlsIdentity::generate()
        .map_err(|error| format!("cannot make the certificate of DTLS-SRTP: {error}"))?;
    let control = Control::new(ControlConfig {
        max_calls: args.max_calls,
        delete_delay: Duration::from_secs(args.delete_delay),
        timeout: Duration::from_secs(args.timeout),
        silent_timeout: Duration::from_secs(args.silent_timeout),
        plays_files: args.media_dir.is_some(),
        records: args.recording_dir.is_some(),
        fingerprint: Some(identity.fingerprint()),
        origin: origin.calendar,
    });
    let (sender, events) = mpsc::channel(EVENTS);
    let relay = Arc::new(start_relay(&media, args, clock, identity, sender)?);
    let pages = args.http.map(|at| Pages::open(at, &relay, origin, args.max_calls)).transpose()?;
    let _recordings = keep_recordings(args)?;
    runtime.block_on(async {
        let (requests, inputs) = mpsc::channel(REQUESTS);
        let listeners = Listeners::open(&args.ng, &requests).await?;
        let (connections, ports) = (Connections::new(), media.ports.clone().into_inner());
        let mut server = Server { control, relay, clock, listeners, connections, pages, ports };
        server.introduce(args, &media);
        server.run(inputs, events).await?;
        server.stop();
        Ok(())
    })
}

/// `[media]`, with what the command line says instead.
fn media(args: &RelayArgs) -> Result<Media, String> {
    let mut media = config::load_media(args.config.as_deref()).map_err(|e| e.to_string())?;
    if !args.bind.is_empty() {
        media.bind.clone_from(&args.bind);
        media.advertise.clone_from(&args.bind);
    }
    if !args.advertise.is_empty() {
        if args.advertise.len() != args.bind.len() {
            return Err("--advertise must be given once for each --bind".to_owned());
        }
        media.advertise.clone_from(&args.advertise);
    }
    if let Some(ports) = &args.ports {
        media.ports = ports.clone();
    }
    Ok(media)
}

fn start_relay(
    media: &Media,
    args: &RelayArgs,
    clock: Clock,
    identity: DtlsIdentity,
    events: mpsc::Sender<MediaEvent>,
) -> Result<Relay, String> {
    Random::check()?;
    let config = RelayConfig {
        report_interval: REPORT_INTERVAL,
        live_interval: LIVE_INTERVAL,
        audio_directory: args.media_dir.clone(),
        recording: args.recording_dir.clone().map(|directory| RecordingConfig {
            directory,
            max_octets: args.max_recording * 1_000_000,
        }),
        ..crate::node::relay_config(media, identity, None)
    };
    let sink: EventSink = Arc::new(move |event| {
        let is_final = matches!(&event, MediaEvent::Report(r) if r.kind == ReportKind::Final);
        if events.try_send(event).is_err() && is_final {
            tracing::debug!("a final report was lost: the ng protocol is behind");
        }
    });
    Relay::start(config, clock, sink).map_err(|error| error.to_string())
}

/// Removes recordings when they are as old as `args` says.
fn keep_recordings(args: &RelayArgs) -> Result<Option<Retention>, String> {
    let (Some(directory), Some(days)) = (&args.recording_dir, args.recording_days) else {
        return Ok(None);
    };
    let recordings = WholeFiles {
        below: String::new(),
        keep: Duration::from_secs(u64::from(days) * 24 * 3_600),
        extensions: vec!["pcap".to_owned(), "json".to_owned()],
    };
    let config = RetentionConfig::of_whole(directory, vec![recordings]);
    let started = Retention::start(config, None);
    started.map(Some).map_err(|error| format!("cannot start the removal of recordings: {error}"))
}

/// Everything that runs.
struct Server {
    control: Control,
    relay: Arc<Relay>,
    clock: Clock,
    listeners: Listeners,
    connections: Connections,
    pages: Option<Pages>,
    /// The first and the last port for media.
    ports: (u16, u16),
}

impl Server {
    fn introduce(&self, args: &RelayArgs, media: &Media) {
        for address in self.listeners.addresses() {
            say(format_args!("ng           udp and tcp {address}"));
            if !address.ip().is_loopback() {
                let warning = "warning: whoever reaches this address commands the relay";
                complain(format_args!("{warning}: {address}"));
            }
        }
        let (first, last) = (media.ports.start(), media.ports.end());
        for (bind, advertise) in media.bind.iter().zip(&media.advertise) {
            say(format_args!("media        {bind} as {advertise}, ports {first}-{last}"));
        }
        let timeout = args.timeout;
        say(format_args!("calls        up to {}, timeout {timeout} s", args.max_calls));
        if let Some(directory) = &args.recording_dir {
            let (directory, size) = (directory.display(), args.max_recording);
            let kept = args.recording_days.map(|days| format!(", removed after {days} days"));
            let kept = kept.unwrap_or_default();
            say(format_args!("recordings   {directory}, up to {size} MB each{kept}"));
        }
        if let Some(pages) = &self.pages {
            let address = pages.address();
            say(format_args!("Prometheus   http://{address}/metrics"));
            if !address.ip().is_loopback() {
                let warning = "warning: whoever reaches this address reads the relay's numbers";
                complain(format_args!("{warning}: {address}"));
            }
        }
        say("ready");
    }

    /// Serves until SIGTERM or Ctrl-C.
    async fn run(
        &mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut events: mpsc::Receiver<MediaEvent>,
    ) -> Result<(), String> {
        let caught = |kind| signal(kind).map_err(|e| format!("cannot catch signals: {e}"));
        let mut terminate = caught(SignalKind::terminate())?;
        let mut interrupt = caught(SignalKind::interrupt())?;
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let deadline = self.control.poll_timeout().map(|at| {
                let wait = at.saturating_since(self.clock.now());
                tokio::time::sleep(wait)
            });
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                Some(event) = events.recv() => {
                    let now = self.clock.now();
                    self.control.handle_media_event(now, event, &mut || Random.draw());
                }
                Some(input) = inputs.recv() => self.take(input),
                _ = round.tick() => self.note_relayed(),
                () = async { match deadline {
                    Some(sleep) => sleep.await,
                    None => std::future::pending().await,
                } } => {
                    self.control.handle_timeout(self.clock.now(), &mut || Random.draw());
                }
            }
            self.serve_outputs();
        }
    }

    fn stop(self) {
        if let Some(pages) = self.pages {
            pages.close();
        }
        if let Some(relay) = Arc::into_inner(self.relay) {
            relay.shutdown();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Request { asker, message } => {
                let now = self.clock.now();
                self.control.handle_request(now, asker, &message, &mut || Random.draw());
            }
            Input::Opened { id, replies } => self.connections.add(id, replies),
            Input::Closed { id } => self.connections.remove(id),
        }
    }

    fn serve_outputs(&mut self) {
        while let Some(output) = self.control.poll_output() {
            match output {
                Output::Reply { to, octets } => {
                    self.listeners.reply(&mut self.connections, to, octets);
                    self.control.note_sent(self.clock.now());
                }
                Output::Media(command) => {
                    if let Err(refused) = self.relay.command(command) {
                        let now = self.clock.now();
                        self.control.handle_refusal(now, &refused.command, &mut || Random.draw());
                    }
                }
                Output::Notice(notice) => log(&notice),
            }
        }
    }

    fn note_relayed(&mut self) {
        let numbers = self.relay.statistics();
        let now = self.clock.now();
        let relayed = Relayed {
            packets: numbers.rtp_packets + numbers.rtcp_packets,
            octets: numbers.rtp_bytes + numbers.rtcp_bytes,
            errors: numbers.send_failures + numbers.receive_failures,
            packets_by_kernel: numbers.fast_packets,
            directions: numbers.streams * 2,
            directions_by_kernel: numbers.fast_streams,
            transcoded: numbers.transcoded_streams,
            recordings: numbers.recordings,
            recorded: [numbers.recorded_packets, numbers.unrecorded_packets],
        };
        self.control.note_relayed(now, relayed);
        let (first, last) = self.ports;
        let interfaces = self.relay.ports().into_iter().map(|ports| InterfacePorts {
            address: ports.address,
            range: (first, last),
            all: ports.all,
            free: ports.free,
        });
        let chains = numbers.transcoded_chains().map(|chain| TranscodedChain {
            from: chain.from,
            to: chain.to,
            directions: chain.directions,
            packets: chain.packets,
            octets: chain.octets,
        });
        self.control.note_media(now, interfaces.collect(), &chains.collect::<Vec<_>>());
        if let Some(pages) = &self.pages {
            pages.tell(now, self.control.counts());
        }
    }
}

fn log(notice: &Notice) {
    match notice {
        Notice::Ignored(name) => {
            tracing::warn!(name, "ng: this name in a request means nothing here and is ignored");
        }
        Notice::Failed { call_id, reason } => tracing::warn!(call_id, reason, "ng: not served"),
        Notice::TimedOut { call_id } => {
            tracing::info!(call_id, "ng: a call without media for long was deleted");
        }
    }
}

/// Random numbers of the system, which were there at the start.
#[derive(Clone, Copy)]
struct Random;

impl Random {
    fn check() -> Result<(), String> {
        getrandom::u64()
            .map(|_| ())
            .map_err(|error| format!("no random numbers from the system: {error}"))
    }

    fn draw(self) -> u64 {
        #[expect(clippy::expect_used, reason = "it worked at the start; keys need real ones")]
        getrandom::u64().expect("the system's random numbers do not end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RelayArgs,
    }

    fn read(line: &str) -> Result<RelayArgs, String> {
        let words = std::iter::once("relay").chain(line.split_ascii_whitespace());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_says_what_the_file_does_not() {
        let line = "--ng 127.0.0.1:22222 --bind 192.0.2.1 --bind 2001:db8::1 --ports 30000-30999";
        let media = media(&read(line).unwrap()).unwrap();
        assert_eq!(media.bind, media.advertise);
        assert_eq!((media.bind.len(), media.ports), (2, 30_000..=30_999));
        let line = "--ng 127.0.0.1:1 --bind 192.0.2.1 --advertise 203.0.113.1";
        let media = super::media(&read(line).unwrap()).unwrap();
        assert_eq!(media.advertise, [IpAddr::from([203, 0, 113, 1])]);
        assert_eq!(media.ports, 10_000..=60_000);
    }

    #[test]
    fn of_a_file_only_the_media_counts() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/dev.toml");
        let line = format!("--ng 127.0.0.1:1 --config {file} --ports 20000-20099");
        let media = media(&read(&line).unwrap()).unwrap();
        let whole = config::load(std::path::Path::new(file)).unwrap().media;
        assert_eq!(media.bind, whole.bind);
        assert_eq!(media.ports, 20_000..=20_099);
        let missing = super::media(&read("--ng 127.0.0.1:1 --config no/such.toml").unwrap());
        assert!(missing.unwrap_err().contains("no/such.toml"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "",
            "--ng 127.0.0.1",
            "--ng 127.0.0.1:1 --ports 30000",
            "--ng 127.0.0.1:1 --ports 30001-30000",
            "--ng 127.0.0.1:1 --ports 0-100",
            "--ng 127.0.0.1:1 --timeout 0",
            "--ng 127.0.0.1:1 --max-calls 0",
            "--ng 127.0.0.1:1 --advertise 203.0.113.1",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
        let line = "--ng 127.0.0.1:1 --bind 192.0.2.1 --bind 192.0.2.2 --advertise 203.0.113.1";
        assert!(media(&read(line).unwrap()).unwrap_err().contains("--advertise"));
    }
}
