//! The server of pages and WebSockets: HTTP/1.1 with bounds on everything, under TLS.

use crate::channels::{ChannelId, FromGuest};
use crate::clock::now;
use crate::counters::{GuestCounters, GuestRefusal};
use crate::places::{NoPlace, Place, Places};
use crate::upgrade::{self, Wanted};
use crate::{page, room_socket, sip_socket, sockets};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::TransportProtocol;
use sip_edge::MessageConnections;
use sip_edge::tls::WebTls;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Octets and headers of a request's head; what a browser sends has some 1,000 and 20.
const HEAD_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// How long a head may take; a connection that rests longer is closed.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Octets of a message of the channel, with some room for what is refused in words.
const ROOM_LONGEST: usize = 32 * 1024;
/// After a failure of accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may still take when the server stops.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Where guests' channels lead; `false` when there is no room for it, and it was not taken.
pub type RoomsPort = Arc<dyn Fn(FromGuest) -> bool + Send + Sync>;

/// What is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestsConfig {
    /// The host of the rooms' SIP URIs.
    pub host: String,
    /// Whether pictures of all at once are composed, so that the page offers them.
    pub grid: bool,
    /// Connections at a time. A guest in a meeting has two.
    pub max_connections: usize,
    /// Of these from one source; under TLS alone, since without it all come from a proxy.
    pub max_per_source: usize,
    /// Octets of a SIP message.
    pub longest_message: usize,
}

/// A server that runs; dropping it stops it.
pub struct Guests {
    counters: GuestCounters,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Guests {
    /// Serves pages on `listener`: under `tls`, or without.
    ///
    /// # Errors
    /// No thread, or no poller.
    pub fn start(
        config: GuestsConfig,
        listener: std::net::TcpListener,
        tls: Option<WebTls>,
        (sip, rooms): (MessageConnections, RoomsPort),
    ) -> io::Result<Guests> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = GuestCounters::default();
        let server = Arc::new(Server {
            places: Places::new(config.max_connections, config.max_per_source),
            config,
            tls,
            sip,
            rooms,
            counters: counters.clone(),
            last_channel: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => tokio::select! {
                        _ = stopped => {}
                        () = server.accept(listener) => {}
                    },
                    Err(error) => tracing::error!(%error, "the page of guests is not served"),
                }
            });
            runtime.shutdown_timeout(STOP_LIMIT);
        };
        let thread = std::thread::Builder::new().name("guests".to_owned()).spawn(run)?;
        Ok(Guests { counters, stop: Some(stop), thread: Some(thread) })
    }

    /// What it has done and holds.
    pub fn counters(&self) -> GuestCounters {
        self.counters.clone()
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the guests' page ended by a panic");
        }
    }
}

struct Server {
    config: GuestsConfig,
    places: Arc<Places>,
    tls: Option<WebTls>,
    sip: MessageConnections,
    rooms: RoomsPort,
    counters: GuestCounters,
    last_channel: AtomicU64,
}

/// Between whom a connection is.
#[derive(Clone, Copy)]
struct Ends {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let source = self.tls.is_some().then(|| remote.ip());
                    match Places::take(&self.places, now(), source) {
                        Ok(place) => {
                            let local = stream.local_addr().unwrap_or(remote);
                            let ends = Ends { local, remote };
                            tokio::spawn(Arc::clone(&self).connection(stream, ends, place));
                        }
                        Err(NoPlace::Busy) => self.counters.refused(GuestRefusal::Busy),
                        Err(NoPlace::Rate) => self.counters.refused(GuestRefusal::Rate),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a guest; check the limit of open files");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, ends: Ends, place: Place) {
        let _connected = self.counters.connected();
        let _ = stream.set_nodelay(true);
        let place = Arc::new(place);
        let ended = match &self.tls {
            None => Arc::clone(&self).serve(stream, ends, place).await,
            Some(tls) => {
                let shaking = TlsAcceptor::from(tls.server()).accept(stream);
                match timeout(HANDSHAKE_LIMIT, shaking).await {
                    Ok(Ok(stream)) => Arc::clone(&self).serve(stream, ends, place).await,
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the TLS handshake takes too long".to_owned()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(remote = %ends.remote, error, "a guest's connection ended");
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ends: Ends,
        place: Arc<Place>,
    ) -> Result<(), String> {
        let service = service_fn(move |request| {
            let answer = Arc::clone(&self).answer(request, ends, &place);
            async move { Ok::<_, Infallible>(answer) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        connection.await.map_err(|error| error.to_string())
    }

    /// No body is read: none of what is here takes one.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        ends: Ends,
        place: &Arc<Place>,
    ) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if let Some(wanted) = Wanted::at(path) {
            return match upgrade::accept(wanted, request.method(), request.headers()) {
                Ok(accept) => {
                    tokio::spawn(self.upgraded(wanted, request, ends, Arc::clone(place)));
                    upgrade::switch(wanted, &accept)
                }
                Err((status, words)) => {
                    self.counters.refused(GuestRefusal::Request);
                    page::error(status, words)
                }
            };
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            self.counters.refused(GuestRefusal::Request);
            return page::error(StatusCode::METHOD_NOT_ALLOWED, "use GET");
        }
        page::file(path, &self.config.host, self.config.grid).unwrap_or_else(|| {
            self.counters.refused(GuestRefusal::Request);
            page::error(StatusCode::NOT_FOUND, "nothing is here; the page is at /")
        })
    }

    /// Serves a WebSocket; it keeps the place of its connection.
    async fn upgraded(
        self: Arc<Self>,
        wanted: Wanted,
        request: Request<Incoming>,
        ends: Ends,
        _place: Arc<Place>,
    ) {
        let _connected = self.counters.connected();
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let stream = TokioIo::new(upgraded);
        match wanted {
            Wanted::Sip => {
                let protocol =
                    if self.tls.is_some() { TransportProtocol::Wss } else { TransportProtocol::Ws };
                let socket = sockets::open(stream, self.config.longest_message).await;
                let opened = self.sip.open(protocol, ends.local, ends.remote).await;
                if let Some(connection) = opened {
                    sip_socket::serve(socket, connection, &self.counters).await;
                }
            }
            Wanted::Room => {
                let socket = sockets::open(stream, ROOM_LONGEST).await;
                let id = ChannelId(self.last_channel.fetch_add(1, Ordering::Relaxed));
                room_socket::serve(socket, id, &self.rooms, &self.counters).await;
            }
        }
    }
}
