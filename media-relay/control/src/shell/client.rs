//! The edge's end: a thread that keeps a connection to each relay.

use super::Heartbeat;
use super::connection::{Ended, Party, read_opening, run};
use crate::frame::Frames;
use crate::link::LinkStatus;
use crate::message::{EdgeHello, Greeting, RelayHello, decode_opening, encode_opening};
use crate::relays::{Claimed, Relays, RelaysConfig};
use model::{Fingerprint, Instant, MediaCommand, MediaEvent};
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a connection may take until the relay's first word.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to connect: at first, and at most.
const BACK_OFF: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How often allocations without an answer are looked for.
const TICK: Duration = Duration::from_millis(100);
/// At the end: how long the relay may take for the last words, and how long nothing more comes then.
const LAST_WORDS: Duration = Duration::from_secs(3);
const LAST_SILENCE: Duration = Duration::from_millis(300);

/// How an edge connects.
pub struct ClientConfig {
    /// Its relays.
    pub relays: RelaysConfig,
    /// Streams that calls from before its start have.
    pub claims: Vec<Claimed>,
    /// From [`Credentials::client`](crate::Credentials::client).
    pub tls: Arc<rustls::ClientConfig>,
    /// The name that a relay's certificate must be for; `None` for its address. Does not count where
    /// certificates are known by fingerprint.
    pub name: Option<String>,
    /// When a relay counts as gone.
    pub heartbeat: Heartbeat,
    /// The edge's clock.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// Takes events, from any thread; must not block.
    pub events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    /// Takes the fingerprint that the relays' DTLS-SRTP certificate has from now on.
    pub fingerprint: Box<dyn Fn(Option<Fingerprint>) + Send + Sync>,
}

/// An edge's end of its relays. Dropping it breaks the connections.
pub struct Connected {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    config: Settings,
    relays: Mutex<Relays>,
    news: Vec<Notify>,
    stop: AtomicBool,
    stopped: Notify,
}

struct Settings {
    tls: TlsConnector,
    name: Option<ServerName<'static>>,
    heartbeat: Heartbeat,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    events: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    fingerprint: Box<dyn Fn(Option<Fingerprint>) + Send + Sync>,
}

/// Connects to every relay, again and again, on a thread of its own.
///
/// # Errors
/// The operating system's refusal of a thread, or a name that no certificate can have.
pub fn connect(config: ClientConfig) -> io::Result<Connected> {
    let name = config.name.map(ServerName::try_from).transpose();
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let settings = Settings {
        tls: TlsConnector::from(config.tls),
        name,
        heartbeat: config.heartbeat,
        clock: config.clock,
        events: config.events,
        fingerprint: config.fingerprint,
    };
    let links = config.relays.addresses.len();
    let now = (settings.clock)();
    let shared = Arc::new(Shared {
        relays: Mutex::new(Relays::new(config.relays, config.claims, now)),
        config: settings,
        news: (0..links).map(|_| Notify::new()).collect(),
        stop: AtomicBool::new(false),
        stopped: Notify::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("relay-control".into()).spawn(move || {
        runtime.block_on(async {
            for link in 0..links {
                tokio::spawn(keep_connected(Arc::clone(&running), link));
            }
            running.run_timeouts().await;
        });
    })?;
    Ok(Connected { shared, thread: Some(thread) })
}

impl Connected {
    /// Hands a command to its stream's relay. Never waits.
    ///
    /// # Errors
    /// The command, when too much waits for that relay.
    pub fn command(&self, command: MediaCommand) -> Result<(), MediaCommand> {
        let now = (self.shared.config.clock)();
        let done = self.shared.relays().command(now, command);
        self.shared.pass_events();
        self.shared.news.iter().for_each(Notify::notify_one);
        done
    }

    /// How the relays are.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.shared.relays().status()
    }

    /// Waits for the relays to take what was said last and for their last reports, then closes.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.stop.store(true, Ordering::Release);
        self.shared.stopped.notify_one();
        if thread.join().is_err() {
            tracing::error!("the relay control thread ended by a panic");
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn relays(&self) -> MutexGuard<'_, Relays> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the relays said; how many events.
    fn pass_events(&self) -> usize {
        let mut passed = 0;
        loop {
            // Taken out one by one: the receiver may ask us something.
            let Some(event) = self.relays().poll_event() else { return passed };
            (self.config.events)(event);
            passed += 1;
        }
    }

    async fn run_timeouts(&self) {
        let mut ticks = interval(TICK);
        while !self.stop.load(Ordering::Acquire) {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.stopped.notified() => {}
            }
            self.relays().handle_timeout((self.config.clock)());
            self.pass_events();
            self.news.iter().for_each(Notify::notify_one);
        }
        let _ = timeout(LAST_WORDS, self.hear_last_words()).await;
    }

    /// Until every relay that is there has what was said, and says nothing more.
    async fn hear_last_words(&self) {
        let waiting = || {
            let status = self.relays().status();
            status.iter().any(|link| link.is_up && link.waiting > 0)
        };
        let mut reports = self.relays().reports();
        loop {
            sleep(LAST_SILENCE).await;
            let now = self.relays().reports();
            if !waiting() && now == reports {
                return;
            }
            reports = now;
        }
    }
}

async fn keep_connected(shared: Arc<Shared>, link: usize) {
    let mut back_off = BACK_OFF;
    let mut said = String::new();
    let Some(address) = shared.relays().address(link) else { return };
    loop {
        let Some(hello) = shared.relays().hello(link) else { return };
        let config = &shared.config;
        let opened = open(address, &config.tls, config.name.clone(), &hello).await;
        match opened {
            Ok((stream, frames, welcome)) => {
                tracing::info!(relay = %address, name = welcome.node, "the relay is connected");
                let ended = serve(&shared, link, stream, frames, &welcome).await;
                tracing::warn!(relay = %address, "the relay is lost: {}", explain(&ended));
                (back_off, said) = (BACK_OFF, String::new());
            }
            Err(ended) => {
                let why = explain(&ended);
                // Once for each reason: a relay that is switched off is so for long.
                if why != said {
                    tracing::warn!(relay = %address, "the relay cannot be reached: {why}");
                    said = why;
                }
            }
        }
        sleep(back_off).await;
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

async fn serve(
    shared: &Shared,
    link: usize,
    stream: TlsStream<TcpStream>,
    frames: Frames,
    welcome: &RelayHello,
) -> Ended {
    let fingerprint = {
        let mut relays = shared.relays();
        relays.connected(link, welcome);
        relays.fingerprint()
    };
    (shared.config.fingerprint)(fingerprint);
    shared.pass_events();
    let ended = match shared.news.get(link) {
        Some(news) => {
            let party = EdgeEnd { shared, link, news };
            run(stream, frames, &party, shared.config.heartbeat).await
        }
        None => Ended::Closed,
    };
    shared.relays().disconnected(link);
    ended
}

/// Connects, up to the relay's first word.
pub(super) async fn open(
    address: SocketAddr,
    tls: &TlsConnector,
    name: Option<ServerName<'static>>,
    hello: &EdgeHello,
) -> Result<(TlsStream<TcpStream>, Frames, RelayHello), Ended> {
    let name = name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()));
    let connected = timeout(PATIENCE, async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        tls.connect(name, stream).await
    });
    let mut stream = connected.await.map_err(|_| Ended::Silent(PATIENCE))??;
    let mut out = Vec::new();
    encode_opening(hello, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let mut frames = Frames::default();
    let opening = read_opening(&mut stream, &mut frames, PATIENCE).await?;
    match decode_opening(&opening)? {
        Greeting::Welcome(welcome) => Ok((stream, frames, welcome)),
        Greeting::Refused(reason) => Err(Ended::Refused(reason)),
    }
}

/// In words, with what to do where that is not plain.
pub(super) fn explain(ended: &Ended) -> String {
    let Ended::Io(error) = ended else { return ended.to_string() };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(why)), _) => format!(
            "its certificate is not the one that [relay_control] expects ({why:?}): compare the \
             fingerprint, ca and name there with what `tandem check` says on the relay"
        ),
        (Some(rustls::Error::AlertReceived(alert)), _) => format!(
            "it refuses our certificate ({alert:?}): name our fingerprint, which `tandem check` \
             says, or the authority that signed it in its [relay_control]"
        ),
        (_, io::ErrorKind::ConnectionRefused) => format!(
            "{error}: start it with `tandem run --role relay`, and compare its [relay_control] \
             listen with ours"
        ),
        _ => error.to_string(),
    }
}

struct EdgeEnd<'a> {
    shared: &'a Shared,
    link: usize,
    news: &'a Notify,
}

impl Party for EdgeEnd<'_> {
    fn handle(&self, content: &[u8]) -> Result<(), Ended> {
        let now = (self.shared.config.clock)();
        self.shared.relays().handle(now, self.link, content)?;
        self.shared.pass_events();
        Ok(())
    }

    fn poll_transmit(&self, out: &mut Vec<u8>) -> bool {
        self.shared.relays().poll_transmit(self.link, out)
    }

    fn beat(&self) -> Result<(), Ended> {
        self.shared.relays().ping((self.shared.config.clock)(), self.link);
        Ok(())
    }

    fn news(&self) -> &Notify {
        self.news
    }
}
