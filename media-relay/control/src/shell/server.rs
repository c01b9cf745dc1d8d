//! The relay's end: a thread that serves edges.

use super::Heartbeat;
use super::connection::{Ended, Party, read_opening, run};
use crate::edges::{EdgeStatus, Edges, EdgesConfig};
use crate::frame::Frames;
use crate::message::{EdgeHello, Greeting, Malformed, decode_opening, encode_opening};
use crate::tls::PeerName;
use model::{Instant, MediaCommand, MediaEvent};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

/// How long an edge may take until its first word.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at once, those too that have not proved anything. More are closed.
const CONNECTIONS_MAX: usize = 128;
/// Events of the workers that wait for this thread. Beyond it they are lost and counted.
const EVENTS_MAX: usize = 65_536;
/// Events that are taken in one turn.
const EVENTS_A_TURN: usize = 256;
/// How soon what the workers had no room for comes again.
const TICK: Duration = Duration::from_millis(100);
/// Ticks that the end waits for the edges.
const LAST_WORDS: u32 = 15;

/// How a relay is served.
pub struct ServerConfig {
    /// Where edges connect.
    pub listen: SocketAddr,
    /// From [`Credentials::server`](crate::Credentials::server).
    pub tls: Arc<rustls::ServerConfig>,
    /// An authority vouches for edges; otherwise they are known by their certificates.
    pub by_authority: bool,
    /// What edges are told.
    pub edges: EdgesConfig,
    /// When an edge counts as gone.
    pub heartbeat: Heartbeat,
    /// The relay's clock.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// Takes a command for the workers, or gives it back when they have no room.
    pub commands: Box<dyn Fn(MediaCommand) -> Result<(), MediaCommand> + Send + Sync>,
}

/// A relay's end of its edges. Dropping it closes the connections.
pub struct Served {
    address: SocketAddr,
    shared: Arc<Shared>,
    events: mpsc::Sender<MediaEvent>,
    stop: Option<watch::Sender<bool>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    edges: Mutex<Edges>,
    /// A connection waits for its own news; all are told of all.
    news: watch::Sender<u64>,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    commands: Box<dyn Fn(MediaCommand) -> Result<(), MediaCommand> + Send + Sync>,
    heartbeat: Heartbeat,
    by_authority: bool,
    lost: AtomicU64,
}

/// Listens, and serves on a thread of its own.
///
/// # Errors
/// The operating system's refusal of the address or the thread.
pub fn serve(config: ServerConfig) -> io::Result<Served> {
    let listener = TcpListener::bind(config.listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared {
        edges: Mutex::new(Edges::new(config.edges)),
        news: watch::Sender::new(0),
        clock: config.clock,
        commands: config.commands,
        heartbeat: config.heartbeat,
        by_authority: config.by_authority,
        lost: AtomicU64::new(0),
    });
    let (events, waiting) = mpsc::channel(EVENTS_MAX);
    let (stop, stopped) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = Arc::clone(&shared);
    let tls = TlsAcceptor::from(config.tls);
    let thread = std::thread::Builder::new().name("relay-control".into()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::spawn(accept(Arc::clone(&running), listener, tls));
                    running.pump(waiting, stopped).await;
                }
                Err(error) => tracing::error!(%error, "relay control is not served"),
            }
        });
    })?;
    Ok(Served { address, shared, events, stop: Some(stop), thread: Some(thread) })
}

impl Served {
    /// Where edges connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes an event of the workers, from any thread; never waits.
    pub fn deliver(&self, event: MediaEvent) {
        if self.events.try_send(event).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes no new streams from now on.
    pub fn drain(&self) {
        self.shared.edges().drain();
    }

    /// The workers have stopped: tells every edge that its streams are lost, and waits a moment for
    /// their word that they know.
    #[expect(clippy::disallowed_methods, reason = "the end of the process waits here")]
    pub fn lose_all(&self) {
        // What the workers said last is still on its way through the queue.
        for _ in 0..LAST_WORDS {
            std::thread::sleep(TICK);
            if self.events.capacity() == EVENTS_MAX {
                break;
            }
        }
        self.shared.edges().lose_all();
        self.shared.tell();
        for _ in 0..LAST_WORDS {
            std::thread::sleep(TICK);
            if self.shared.edges().waiting() == 0 {
                break;
            }
        }
    }

    /// How the edges are.
    pub fn status(&self) -> Vec<EdgeStatus> {
        self.shared.edges().status()
    }

    /// Commands and events that were lost because too many waited.
    pub fn lost(&self) -> (u64, u64) {
        let (commands, events) = self.shared.edges().lost();
        (commands, events + self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the relay control thread ended by a panic");
        }
    }
}

impl Shared {
    fn edges(&self) -> MutexGuard<'_, Edges> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Takes the workers' events to the edges until told to stop.
    async fn pump(
        &self,
        mut waiting: mpsc::Receiver<MediaEvent>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut ticks = interval(TICK);
        let mut taken = Vec::with_capacity(EVENTS_A_TURN);
        loop {
            tokio::select! {
                count = waiting.recv_many(&mut taken, EVENTS_A_TURN) => {
                    if count == 0 {
                        return;
                    }
                    let now = self.now();
                    let mut edges = self.edges();
                    for event in taken.drain(..) {
                        edges.deliver(now, event);
                    }
                }
                _ = ticks.tick() => self.edges().handle_timeout(self.now()),
                _ = stopped.changed() => return,
            }
            self.order();
            self.tell();
        }
    }

    /// Hands the edges' commands to the workers.
    fn order(&self) {
        loop {
            let Some(command) = self.edges().poll_command() else { return };
            if let Err(command) = (self.commands)(command) {
                let now = self.now();
                if self.edges().refused(now, command) {
                    return;
                }
            }
        }
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }
}

async fn accept(shared: Arc<Shared>, listener: tokio::net::TcpListener, tls: TlsAcceptor) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connection = 0;
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a relay control connection was not accepted");
                tokio::time::sleep(TICK).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        connection += 1;
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            if let Err(ended) = greet(&shared, connection, stream, from, &tls).await {
                tracing::warn!(%from, "no edge of ours: {}", explain(&ended));
            }
            drop(place);
        });
    }
}

async fn greet(
    shared: &Shared,
    connection: u64,
    stream: TcpStream,
    from: SocketAddr,
    tls: &TlsAcceptor,
) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let shaken = timeout(PATIENCE, tls.accept(stream)).await;
    let mut stream = shaken.map_err(|_| Ended::Silent(PATIENCE))??;
    let mut frames = Frames::default();
    let opening = read_opening(&mut stream, &mut frames, PATIENCE).await?;
    let mut out = Vec::new();
    let hello: EdgeHello = match decode_opening(&opening) {
        Ok(hello) => hello,
        Err(error) => {
            // It shall see our version, and say the same.
            if let Malformed::Version(_) = error {
                encode_opening(&Greeting::Refused(error.to_string()), &mut out);
                stream.write_all(&out).await?;
                stream.shutdown().await?;
            }
            return Err(error.into());
        }
    };
    let node = hello.node.clone();
    // The handshake ended with one.
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let owner = PeerName::of(shown.ok_or(Ended::Closed)?, shared.by_authority);
    let (greeting, place) = shared.edges().greet(shared.now(), connection, owner, hello);
    encode_opening(&greeting, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let Some(place) = place else {
        stream.shutdown().await?;
        return match greeting {
            Greeting::Refused(reason) => Err(Ended::Refused(reason)),
            Greeting::Welcome(_) => Ok(()),
        };
    };
    tracing::info!(edge = node, %from, "the edge is connected");
    let party = RelayEnd { shared, place, connection, news: Notify::new() };
    let mut changes = shared.news.subscribe();
    let follow = async {
        while changes.changed().await.is_ok() {
            party.news.notify_one();
        }
        Ended::Closed
    };
    let ended = tokio::select! {
        ended = run(stream, frames, &party, shared.heartbeat) => ended,
        ended = follow => ended,
    };
    if shared.edges().disconnected(shared.now(), place, connection) {
        tracing::warn!(edge = node, "the edge is lost: {ended}; its calls go on");
    }
    Ok(())
}

fn explain(ended: &Ended) -> String {
    let Ended::Io(error) = ended else { return ended.to_string() };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => format!(
            "its certificate is not one that [relay_control] knows ({why:?}): name its \
             fingerprint, which `tandem check` says on the edge, or the authority that signed it"
        ),
        Some(rustls::Error::AlertReceived(alert)) => format!(
            "it refuses our certificate ({alert:?}): name our fingerprint, which `tandem check` \
             says, or the authority that signed it in its [relay_control]"
        ),
        _ => error.to_string(),
    }
}

struct RelayEnd<'a> {
    shared: &'a Shared,
    place: usize,
    connection: u64,
    news: Notify,
}

impl Party for RelayEnd<'_> {
    fn handle(&self, content: &[u8]) -> Result<(), Ended> {
        let now = self.shared.now();
        let mut edges = self.shared.edges();
        if !edges.is_current(self.place, self.connection) {
            return Err(Ended::Replaced);
        }
        edges.handle(now, self.place, content)?;
        drop(edges);
        self.shared.order();
        Ok(())
    }

    fn poll_transmit(&self, out: &mut Vec<u8>) -> bool {
        let mut edges = self.shared.edges();
        edges.is_current(self.place, self.connection)
            && edges.poll_transmit(self.shared.now(), self.place, out)
    }

    fn beat(&self) -> Result<(), Ended> {
        let current = self.shared.edges().is_current(self.place, self.connection);
        if current { Ok(()) } else { Err(Ended::Replaced) }
    }

    fn news(&self) -> &Notify {
        &self.news
    }
}
