//! The sockets of a node, and the thread that serves them.

use crate::call::{Call, SocketConsumer};
use crate::counters::{SocketCounters, SocketCounts};
use crate::endpoint::{Endpoint, EndpointError};
use crate::interleave::{Interleaver, channels_there};
use crate::message::channels_of;
use crate::outgoing::Outgoing;
use call_audio::{AudioConsumer, Opening};
use model::WebSocketListener;
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

/// What sockets need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Told of every socket that is given up.
    pub given_up: GivenUp,
    /// Whose certificates are believed of `wss://` services.
    pub tls: Arc<ClientConfig>,
    /// Calls that may have a socket at once. More get none, and it is counted.
    pub max_sockets: usize,
}

/// Tells that a call's socket is given up: whose, and why, in one line for people. It must not wait.
#[derive(Clone, Default)]
pub struct GivenUp(Option<Arc<Tell>>);

type Tell = dyn Fn(&WebSocketListener, &Opening, &str) + Send + Sync;

impl GivenUp {
    /// Tells by `tell`.
    pub fn new(tell: impl Fn(&WebSocketListener, &Opening, &str) + Send + Sync + 'static) -> Self {
        GivenUp(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, listener: &WebSocketListener, opening: &Opening, why: &str) {
        if let Some(tell) = &self.0 {
            tell(listener, opening, why);
        }
    }
}

impl fmt::Debug for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GivenUp").field(&self.0.is_some()).finish()
    }
}

impl Settings {
    /// With these certificates, and the rest as usual: 2,000 sockets, nobody is told.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Settings { given_up: GivenUp::default(), tls, max_sockets: 2_000 }
    }
}

/// Why there can be no sockets: the operating system gives no thread.
#[derive(Debug)]
pub struct StartError(std::io::Error);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no thread for WebSockets: {}", self.0)
    }
}

impl std::error::Error for StartError {}

/// Why a call gets no socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The URL is none.
    Endpoint(EndpointError),
    /// As many calls as may have one do.
    TooMany,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Endpoint(error) => write!(f, "the URL of its WebSocket {error}"),
            OpenError::TooMany => f.write_str("too many calls have a WebSocket"),
        }
    }
}

impl std::error::Error for OpenError {}

/// All sockets of a node.
///
/// [`VoiceSockets::open`] for each call; [`VoiceSockets::stop`] after the last consumer was ended.
#[derive(Debug)]
pub struct VoiceSockets {
    tls: Arc<ClientConfig>,
    given_up: GivenUp,
    counters: Arc<SocketCounters>,
    places: Arc<Semaphore>,
    max_sockets: u32,
    runtime: Handle,
    thread: Option<(oneshot::Sender<Duration>, JoinHandle<()>)>,
}

impl VoiceSockets {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let tls = Arc::clone(&settings.tls);
        let max_sockets = u32::try_from(settings.max_sockets).unwrap_or(u32::MAX).min(1 << 20);
        let places = Arc::new(Semaphore::new(max_sockets as usize));
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<Duration>();
        let all = Arc::clone(&places);
        let serve = move || {
            let patience = runtime.block_on(async move {
                let patience = stopped.await.unwrap_or_default();
                // Every call gives its place back when it is over.
                let _ = tokio::time::timeout(patience, all.acquire_many(max_sockets)).await;
                patience
            });
            // A resolver may still be waited for.
            runtime.shutdown_timeout(patience.min(Duration::from_millis(100)));
        };
        let thread = std::thread::Builder::new().name("voice-sockets".to_owned()).spawn(serve);
        let thread = thread.map_err(StartError)?;
        Ok(VoiceSockets {
            tls,
            given_up: settings.given_up.clone(),
            counters: Arc::default(),
            places,
            max_sockets,
            runtime: handle,
            thread: Some((stop, thread)),
        })
    }

    /// Gives a call a socket. It is connected meanwhile; what of the call's audio does not go there is
    /// counted.
    ///
    /// # Errors
    /// [`OpenError`]; counted.
    pub fn open(
        &self,
        listener: &WebSocketListener,
        opening: &Opening,
    ) -> Result<Box<dyn AudioConsumer>, OpenError> {
        let call = self.try_open(listener, opening);
        call.inspect_err(|error| {
            self.counters.refused.add(1);
            self.given_up.tell(listener, opening, &error.to_string());
        })
    }

    fn try_open(
        &self,
        listener: &WebSocketListener,
        opening: &Opening,
    ) -> Result<Box<dyn AudioConsumer>, OpenError> {
        let endpoint = Endpoint::parse(&listener.url).map_err(OpenError::Endpoint)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| OpenError::TooMany)?;
        let WebSocketListener { layout, message_ms, .. } = *listener;
        let rate = opening.sample_rate;
        let octets_per_ms = rate as usize / 1_000 * 2 * usize::from(channels_of(layout));
        let is_there = channels_there(&opening.channels);
        let call = Arc::new(Call {
            listener: listener.clone(),
            endpoint,
            opening: opening.clone(),
            outgoing: Outgoing::new(octets_per_ms),
            counters: Arc::clone(&self.counters),
            tls: Arc::clone(&self.tls),
            given_up: self.given_up.clone(),
        });
        self.counters.open.add(1);
        self.runtime.spawn(Arc::clone(&call).run(place));
        let interleaver = Interleaver::new(layout, is_there, rate, message_ms);
        Ok(Box::new(SocketConsumer::new(call, interleaver)))
    }

    /// What all sockets did so far.
    pub fn counts(&self) -> SocketCounts {
        self.counters.read()
    }

    /// The same, for who reads it again and again.
    pub fn counters(&self) -> Arc<SocketCounters> {
        Arc::clone(&self.counters)
    }

    /// Calls that may have a socket at once.
    pub const fn max_sockets(&self) -> u32 {
        self.max_sockets
    }

    /// Ends the thread. Calls whose consumers were ended may send what waits for so long.
    pub fn stop(mut self, patience: Duration) {
        self.end(patience);
    }

    fn end(&mut self, patience: Duration) {
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(patience);
            let _ = thread.join();
        }
    }
}

impl Drop for VoiceSockets {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
