//! The handle: starts the workers, hands them commands, reads their numbers, stops them.

use crate::audio::{AudioFileError, AudioLibrary};
use crate::clock::Clock;
use crate::counters::{RelayStatistics, WorkerCounters};
use crate::dtls::DtlsIdentity;
use crate::fast_path::{self, FastPath, FastPathMode, Lane};
use crate::ports::{AddressPortCounts, Draw, PortPool};
use crate::queue::{CommandQueue, Overloaded, Queues};
use crate::recording::{Recorder, RecordingConfig};
use crate::rtcp_copies::RtcpCopies;
use crate::sys;
use crate::worker::{Announcement, SeatNews, Worker, WorkerParts};
use model::{IpFamily, MediaCommand, MediaEvent, MediaId};
use relay_core::{LearningPolicy, ListenNews, REPORT_INTERVAL, RtcpStyle};
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where the relay's events go: called on worker threads, so it must neither block nor panic.
pub type EventSink = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// How a relay runs.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Addresses to bind; the first of each family is used.
    pub bind: Vec<IpAddr>,
    /// Addresses to write into session descriptions instead, one of each family at most.
    pub advertise: Vec<IpAddr>,
    /// Ports to use; a stream takes four.
    pub ports: RangeInclusive<u16>,
    /// Worker threads; at least one runs.
    pub workers: usize,
    /// How long a port pair rests after use.
    pub quarantine: Duration,
    /// Time between two interval reports of a stream.
    pub report_interval: Duration,
    /// Time between two live reports ([`model::ReportKind::Live`]) of a stream that has media; zero
    /// for none. The first comes within this time, spread over the streams so that those that were
    /// set up together do not report together.
    pub live_interval: Duration,
    /// How long a leg that should send may be silent before [`MediaEvent::Silent`].
    pub silence_after: Duration,
    /// How source addresses are learned.
    pub learning: LearningPolicy,
    /// While packets come often, how long a worker lets them gather before it looks again: fewer
    /// wake-ups for that much delay. Zero, the default, is never to wait.
    pub gather: Duration,
    /// For how many emergency calls the last free ports are kept, a twentieth of them at most.
    pub emergency_calls: usize,
    /// Whether the kernel forwards what needs no decision.
    pub fast_path: FastPathMode,
    /// Directions of streams (two a call) that the kernel can forward at once; each takes 1.6 KiB
    /// of kernel memory from the start on. The sockets carry what is more.
    pub fast_path_capacity: u32,
    /// Differentiated services code point of all media, 0 to 63 (RFC 2474); 46 is expedited
    /// forwarding (RFC 3246).
    pub dscp: u8,
    /// Who speaks RTCP with the legs.
    pub rtcp: RtcpStyle,
    /// The mean time between two of our own RTCP reports on a leg.
    pub rtcp_interval: Duration,
    /// Packets a second that a leg may send, RTP and RTCP together, and as many at once; more are
    /// dropped ([`relay_core::DropReason::RateExceeded`]). 0 is no bound. A bound below 600 does not hold for what
    /// the kernel forwards.
    pub max_packets_per_second: u32,
    /// The same for a leg's video.
    pub max_video_packets_per_second: u32,
    /// The certificate for legs that agree their keys on the media path; without one their calls
    /// have no audio.
    pub dtls: Option<Arc<DtlsIdentity>>,
    /// WAV files that may be played, by their paths; read at the start.
    pub audio_files: Vec<Arc<str>>,
    /// The directory that any other file that is played must be in; `None` for no other file.
    pub audio_directory: Option<PathBuf>,
    /// Where recordings go; `None` for none.
    pub recording: Option<RecordingConfig>,
    /// Where streams that are listened to go; `None` for a relay that nobody listens to. When it is
    /// full, nobody listens to the next stream ([`MediaEvent::ListenFailed`]).
    pub listening: Option<SyncSender<ListenNews>>,
    /// Streams that are listened to at a time, each with a ring of 64 KiB; the workers share them evenly,
    /// and more are refused.
    pub max_listened_streams: usize,
    /// Where streams that take part in conferences go; `None` for a relay without any. When it is full,
    /// the next stream has no seat ([`MediaEvent::SeatFailed`]), and the next recording does not begin.
    pub conferences: Option<SyncSender<SeatNews>>,
    /// Where announcements in conferences go; `None` for a relay that has none. When it is full, the next
    /// one is not heard.
    pub announcements: Option<SyncSender<Announcement>>,
    /// Streams in conferences at a time, each with rings of 40 KiB; the workers share them evenly, and
    /// more are refused.
    pub max_seats: usize,
    /// Streams of pictures in conferences at a time, each with rings of 512 KiB; the workers share them
    /// evenly, and more are refused.
    pub max_picture_seats: usize,
}

impl RelayConfig {
    /// A relay on `bind` with the given ports, and defaults for the rest.
    pub fn new(bind: Vec<IpAddr>, ports: RangeInclusive<u16>) -> Self {
        RelayConfig {
            bind,
            advertise: Vec::new(),
            ports,
            workers: 1,
            quarantine: Duration::from_secs(5),
            report_interval: Duration::from_secs(60),
            live_interval: Duration::from_secs(5),
            silence_after: Duration::from_secs(30),
            learning: LearningPolicy::default(),
            gather: Duration::ZERO,
            emergency_calls: 0,
            fast_path: FastPathMode::Off,
            fast_path_capacity: 8_192,
            dscp: 46,
            rtcp: RtcpStyle::Auto,
            rtcp_interval: REPORT_INTERVAL,
            max_packets_per_second: 2_000,
            max_video_packets_per_second: 5_000,
            dtls: None,
            audio_files: Vec::new(),
            audio_directory: None,
            recording: None,
            listening: None,
            max_listened_streams: 4_096,
            conferences: None,
            announcements: None,
            max_seats: 2_048,
            max_picture_seats: 512,
        }
    }

    /// Seats that one worker has.
    pub(crate) fn seats_by_worker(&self) -> usize {
        self.max_seats.div_ceil(self.workers.max(1))
    }

    /// Seats of pictures that one worker has.
    pub(crate) fn picture_seats_by_worker(&self) -> usize {
        self.max_picture_seats.div_ceil(self.workers.max(1))
    }

    /// Streams that one worker has listened to.
    pub(crate) fn listened_by_worker(&self) -> usize {
        self.max_listened_streams.div_ceil(self.workers.max(1))
    }

    /// The address to bind and the one to advertise for a family.
    pub(crate) fn address(&self, family: IpFamily) -> Option<(IpAddr, IpAddr)> {
        let of_family = |ip: &&IpAddr| match family {
            IpFamily::V4 => ip.is_ipv4(),
            IpFamily::V6 => ip.is_ipv6(),
        };
        let bound = *self.bind.iter().find(of_family)?;
        let advertised = self.advertise.iter().find(of_family).copied().unwrap_or(bound);
        Some((bound, advertised))
    }

    fn check(&self) -> io::Result<()> {
        let bad = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.bind.is_empty() {
            return bad("[media] bind names no address: give the address that carries the audio");
        }
        for family in [IpFamily::V4, IpFamily::V6] {
            if self.address(family).is_some_and(|(_, advertised)| advertised.is_unspecified()) {
                return bad("[media] bind is a wildcard: give a concrete address, \
                            or set [media] advertise to the address that peers can reach");
            }
        }
        if self.streams() == 0 {
            return bad("[media] ports holds fewer than two pairs of an even and the next odd \
                        port: widen the range");
        }
        Ok(())
    }

    /// Streams that the range has ports for on one address.
    fn streams(&self) -> usize {
        self.ports.clone().filter(|p| p % 2 == 0 && p < self.ports.end()).count() / 2
    }
}

/// A running media relay. Dropping it stops the workers without final reports; [`Relay::shutdown`]
/// stops them with.
pub struct Relay {
    clock: Clock,
    ports: Arc<Mutex<PortPool>>,
    stop: Arc<AtomicBool>,
    fast_path: Option<Arc<FastPath>>,
    audio: Arc<AudioLibrary>,
    recorder: Option<Arc<Recorder>>,
    copies: Arc<RtcpCopies>,
    workers: Vec<RunningWorker>,
}

struct RunningWorker {
    queue: Arc<CommandQueue>,
    counters: Arc<WorkerCounters>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts the workers. Raises the limit of open files to what the system allows.
    ///
    /// # Errors
    /// `InvalidInput` with what to change in `config`, or the operating system's refusal of a
    /// thread or a descriptor.
    pub fn start(config: RelayConfig, clock: Clock, events: EventSink) -> io::Result<Relay> {
        config.check()?;
        check_bindable(&config)?;
        let open_files = sys::raise_open_file_limit().unwrap_or(0);
        tracing::debug!(open_files, "media relay starts");
        let mut bound = config.bind.clone();
        bound.dedup();
        let audio = AudioLibrary::start(&config.audio_files, config.audio_directory.as_deref())?;
        let recorder = config.recording.as_ref();
        let recorder = recorder.map(|config| Recorder::start(config, clock, Arc::clone(&events)));
        let recorder = recorder.transpose()?.map(Arc::new);
        let copies = Arc::new(RtcpCopies::start(config.workers, Arc::clone(&events))?);
        let (kept, draw) = (config.emergency_calls, Draw(Box::new(crate::random::draw)));
        let ports = PortPool::new(&bound, &config.ports, config.quarantine, kept, draw);
        let mut relay = Relay {
            clock,
            ports: Arc::new(Mutex::new(ports)),
            stop: Arc::new(AtomicBool::new(false)),
            fast_path: None,
            audio: Arc::new(audio),
            recorder,
            copies,
            workers: Vec::new(),
        };
        let streams = config.streams();
        relay.fast_path = fast_path::start(&config).map_err(|reason| {
            io::Error::other(format!("[media] fast_path = \"ebpf\" cannot be had: {reason}"))
        })?;
        let config = Arc::new(config);
        let queues = (0..config.workers.max(1)).map(|_| CommandQueue::new(streams).map(Arc::new));
        let queues = Queues(queues.collect::<io::Result<_>>()?);
        for (number, queue) in queues.0.iter().enumerate() {
            let origin = clock.monotonic_origin();
            let lane = relay.fast_path.clone();
            let lane =
                lane.map(|path| Lane::new(path, number, queues.0.len(), origin)).transpose()?;
            let counters = Arc::new(WorkerCounters::default());
            let parts = WorkerParts {
                config: Arc::clone(&config),
                clock,
                ports: Arc::clone(&relay.ports),
                queue: Arc::clone(queue),
                queues: queues.clone(),
                counters: Arc::clone(&counters),
                events: Arc::clone(&events),
                audio: Arc::clone(&relay.audio),
                recorder: relay.recorder.clone(),
                copies: Arc::clone(&relay.copies),
                stop: Arc::clone(&relay.stop),
            };
            let mut worker = Worker::new(parts, lane, number == 0)?;
            let thread = std::thread::Builder::new()
                .name(format!("relay-{number}"))
                .spawn(move || worker.run())?;
            let queue = Arc::clone(queue);
            relay.workers.push(RunningWorker { queue, counters, thread: Some(thread) });
        }
        Ok(relay)
    }

    /// Hands a command to the worker that owns its stream. Never blocks.
    ///
    /// # Errors
    /// [`Overloaded`] gives the command back: a refused `Allocate` is to be treated as
    /// [`model::AllocationFailure::Overloaded`]; see there about the others.
    pub fn command(&self, command: MediaCommand) -> Result<(), Overloaded> {
        self.worker_of(command.id()).queue.push(command)
    }

    /// The numbers now, summed over the workers.
    pub fn statistics(&self) -> RelayStatistics {
        let mut sum = RelayStatistics::default();
        for worker in &self.workers {
            sum.add(&worker.counters);
        }
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = ports.counts(self.clock.now());
        sum.port_pairs_used = counts.used as u64;
        sum.port_pairs_quarantined = counts.quarantined as u64;
        sum.port_pairs_free = counts.free as u64;
        let audio = self.audio.counts();
        (sum.audio_files, sum.audio_clips) = (audio.files as u64, audio.clips as u64);
        sum.audio_bytes = audio.octets as u64;
        let recorded = self.recorder.as_ref().map(|recorder| recorder.counts()).unwrap_or_default();
        (sum.recordings, sum.recorded_packets) = (recorded.open, recorded.packets);
        sum.unrecorded_packets = recorded.lost;
        sum.recording_failures += recorded.failures;
        [sum.copied_rtcp, sum.uncopied_rtcp] = self.copies.counts();
        sum.fast_interfaces = self.fast_path.as_ref().map_or(0, |path| path.attached() as u64);
        sum
    }

    /// The ports of each address now.
    pub fn ports(&self) -> Vec<AddressPortCounts> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.by_address(self.clock.now())
    }

    /// Reads the files of a new configuration. Calls that hear one go on as they began.
    ///
    /// # Errors
    /// The first file that cannot be played; then everything stays as it was.
    pub fn reload_audio(&self, files: &[Arc<str>]) -> Result<(), AudioFileError> {
        self.audio.reload(files)
    }

    /// Stops: every stream that is left is released with its final reports.
    pub fn shutdown(mut self) {
        self.stop_workers();
    }

    fn worker_of(&self, id: MediaId) -> &RunningWorker {
        let index = id.place() % self.workers.len() as u64;
        &self.workers[index as usize]
    }

    fn stop_workers(&mut self) {
        self.stop.store(true, Ordering::Release);
        for worker in &self.workers {
            worker.queue.wake().signal();
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a relay worker ended by a panic; its streams are gone");
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop_workers();
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// Finds a wrong `bind` at the start instead of at the first call.
fn check_bindable(config: &RelayConfig) -> io::Result<()> {
    for ip in &config.bind {
        std::net::UdpSocket::bind((*ip, 0)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("[media] bind = \"{ip}\": {error}: give an address of this host"),
            )
        })?;
    }
    Ok(())
}
