//! From a configuration to a running worker.

use crate::clock::Clock;
use crate::driver::{Driver, Inputs, State};
use crate::error::StartError;
use crate::handle::{MEDIA_QUEUE, Shared, SipEdge};
use crate::logic::CallLogic;
use crate::ports::Ports;
use crate::random::OsRandom;
use crate::resolver::{Lookup, Resolver, ResolverLimits, lookup_over};
use crate::tls::{Tls, TlsSettings};
use crate::tls_thread::TlsThread;
use crate::transport::{MessageConnections, StreamInput, Streams, TcpLimits, UdpSocket, bind_udp};
use b2bua::{Edge, EdgeConfig, Listener};
use directory::Snapshot;
use model::{IpFamily, TransportProtocol};
use sip_proto::locate::Abilities;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Stream inputs that wait for the worker; a connection that finds the queue full waits, and its
/// peer feels TCP's flow control.
const STREAM_QUEUE: usize = 4_096;

/// Connections that the kernel accepts before we do.
const ACCEPT_BACKLOG: i32 = 1_024;

/// Settings of the SIP edge.
#[derive(Clone, Debug)]
pub struct ShellConfig {
    /// The call logic's settings. A listener is added for every address below that has none, with
    /// the address itself as the advertised one; port 0 in a listener becomes the chosen port.
    pub edge: EdgeConfig,
    /// `[sip] udp`.
    pub udp: Vec<SocketAddr>,
    /// `[sip] tcp`.
    pub tcp: Vec<SocketAddr>,
    /// `[sip] tls`.
    pub tls: Vec<SocketAddr>,
    /// Certificates; needed when `tls` has an address.
    pub tls_settings: Option<TlsSettings>,
    /// Whether the certificates are also for connections that others serve
    /// ([`SipEdge::web_tls`]), with or without an address in `tls`.
    pub web_tls: bool,
    /// Bounds on stream connections.
    pub tcp_limits: TcpLimits,
    /// How names are resolved.
    pub resolver: ResolverLimits,
    /// `[sip] dns_servers`: whom to ask; empty for those of `/etc/resolv.conf`.
    pub dns_servers: Vec<SocketAddr>,
    /// The process's clock.
    pub clock: Clock,
}

/// Binds every address and starts the signalling worker.
///
/// # Errors
/// [`StartError`], whose text names the setting and the address.
pub fn start(config: ShellConfig, ports: Ports) -> Result<SipEdge, StartError> {
    let random =
        OsRandom::new().map_err(|source| StartError::System { what: "random numbers", source })?;
    let lookup = lookup_over(&config.dns_servers);
    start_with(config, ports, lookup, |edge, directory| {
        Edge::new(edge, directory, Box::new(random))
    })
}

/// [`start`] with other call logic and another resolver.
pub(crate) fn start_with<L: CallLogic>(
    config: ShellConfig,
    ports: Ports,
    lookup: Lookup,
    logic: impl FnOnce(EdgeConfig, Arc<Snapshot>) -> L + Send + 'static,
) -> Result<SipEdge, StartError> {
    let mut config = config;
    let tls = match &config.tls_settings {
        Some(settings) if config.web_tls || !config.tls.is_empty() => {
            Some(TlsThread::start(settings.clone(), &ports.directory)?)
        }
        _ => None,
    };
    let sockets = Sockets::bind(&mut config)?;
    let addresses = sockets.addresses.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| StartError::System { what: "a poller", source })?;
    let shared = Arc::new(Shared::default());
    let (inputs, outside) = mpsc::channel(MEDIA_QUEUE);
    let (stream_inputs, streams) = mpsc::channel(STREAM_QUEUE);
    let messages = MessageConnections {
        inputs: stream_inputs,
        next_id: Arc::new(AtomicU64::new(1)),
        limits: Arc::new(config.tcp_limits.clone()),
        clock: config.clock,
    };
    let worker = {
        let tls = tls.as_ref().map(|tls| (Arc::clone(&tls.tls), tls.handle.clone()));
        let shared = Arc::clone(&shared);
        let streams = (messages.clone(), streams);
        let name = format!("sip-{}", config.edge.worker);
        let run = move || {
            let _ended = Ended(Arc::clone(&shared));
            let building = async {
                let logic = logic(config.edge.clone(), Arc::clone(&ports.directory));
                Parts { config, ports, lookup, shared, outside, streams, sockets, tls }.build(logic)
            };
            work(runtime, building);
        };
        std::thread::Builder::new().name(name).spawn(run)
    };
    let thread = worker.map_err(|source| StartError::System { what: "a thread", source })?;
    for (protocol, address) in &addresses {
        tracing::info!(%protocol, %address, "SIP edge listens");
    }
    let tls_thread = tls;
    Ok(SipEdge { shared, inputs, addresses, messages, thread: Some(thread), tls_thread })
}

fn work<L: CallLogic>(runtime: Runtime, building: impl Future<Output = io::Result<Driver<L>>>) {
    runtime.block_on(async {
        match building.await {
            Ok(driver) => driver.run().await,
            Err(error) => tracing::error!(%error, "the SIP edge cannot poll its sockets"),
        }
    });
    // Nothing blocks in the background, but nothing is waited for either.
    runtime.shutdown_background();
}

/// Tells whoever waits for the worker that it has ended, also by a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.publish(|published| published.ended = true);
    }
}

struct Parts {
    config: ShellConfig,
    ports: Ports,
    lookup: Lookup,
    shared: Arc<Shared>,
    outside: mpsc::Receiver<crate::handle::WorkerInput>,
    streams: (MessageConnections, mpsc::Receiver<StreamInput>),
    sockets: Sockets,
    tls: Option<(Arc<Tls>, tokio::runtime::Handle)>,
}

impl Parts {
    /// Registers the sockets with the runtime that this is called in.
    fn build<L: CallLogic>(self, logic: L) -> io::Result<Driver<L>> {
        let Parts { config, ports, lookup, shared, outside, streams, sockets, tls } = self;
        let clock = config.clock;
        let (MessageConnections { inputs, next_id, .. }, streams_receiver) = streams;
        let (resolver_inputs, resolver_receiver) = mpsc::channel(config.resolver.concurrent.max(1));
        let listeners = config.edge.listeners.iter();
        let abilities = Abilities::new(listeners.map(|l| (l.protocol, IpFamily::of(&l.local))));
        let random = Box::new(OsRandom::new()?);
        let resolver =
            Resolver::new(config.resolver, clock, abilities, random, lookup, resolver_inputs);
        let mut streams = Streams::new(config.tcp_limits, clock, (inputs, next_id));
        let admission = streams.admission();
        for listener in sockets.tcp {
            streams.listen(listener, &admission)?;
        }
        if let Some((tls, handle)) = tls {
            streams.serve_tls(tls, handle);
            let shaking = streams.shaking();
            for listener in sockets.tls {
                streams.listen_tls(listener, &admission, &shaking);
            }
        }
        Ok(Driver {
            logic,
            clock,
            ports,
            shared,
            inputs: Inputs { outside, streams: streams_receiver, resolver: resolver_receiver },
            udp: sockets.udp.into_iter().map(UdpSocket::new).collect::<io::Result<_>>()?,
            streams,
            resolver,
            state: State::default(),
        })
    }
}

/// Everything that is listened on.
struct Sockets {
    udp: Vec<Socket>,
    tcp: Vec<std::net::TcpListener>,
    tls: Vec<std::net::TcpListener>,
    addresses: Vec<(TransportProtocol, SocketAddr)>,
}

impl Sockets {
    fn bind(config: &mut ShellConfig) -> Result<Sockets, StartError> {
        if config.udp.is_empty() && config.tcp.is_empty() && config.tls.is_empty() {
            return Err(StartError::NothingToListenOn);
        }
        let mut sockets =
            Sockets { udp: Vec::new(), tcp: Vec::new(), tls: Vec::new(), addresses: Vec::new() };
        let ShellConfig { edge, udp, tcp, tls, .. } = config;
        for &address in udp.iter() {
            let protocol = TransportProtocol::Udp;
            let failed = |source| StartError::Listen { protocol, address, source };
            let socket = bind_udp(address).map_err(failed)?;
            let bound = bound_address(&socket).map_err(failed)?;
            sockets.udp.push(socket);
            sockets.note(edge, protocol, address, bound);
        }
        let streams = tcp.iter().map(|address| (TransportProtocol::Tcp, *address));
        let streams = streams.chain(tls.iter().map(|address| (TransportProtocol::Tls, *address)));
        for (protocol, address) in streams {
            let failed = |source| StartError::Listen { protocol, address, source };
            let socket = bind_tcp(address).map_err(failed)?;
            let bound = bound_address(&socket).map_err(failed)?;
            match protocol {
                TransportProtocol::Tls => sockets.tls.push(socket.into()),
                _ => sockets.tcp.push(socket.into()),
            }
            sockets.note(edge, protocol, address, bound);
        }
        Ok(sockets)
    }

    /// Makes sure that the call logic knows the listener by its real address.
    fn note(
        &mut self,
        edge: &mut EdgeConfig,
        protocol: TransportProtocol,
        configured: SocketAddr,
        bound: SocketAddr,
    ) {
        self.addresses.push((protocol, bound));
        let known = edge
            .listeners
            .iter_mut()
            .find(|listener| listener.protocol == protocol && listener.local == configured);
        if let Some(listener) = known {
            listener.local = bound;
            if listener.advertised.port() == 0 {
                listener.advertised.set_port(bound.port());
            }
        } else {
            edge.listeners.push(Listener { protocol, local: bound, advertised: bound });
        }
    }
}

fn bound_address(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    address.as_socket().ok_or_else(|| io::Error::other("the socket has no IP address"))
}

fn bind_tcp(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run in TIME_WAIT must not keep the port from us. For TCP it does
    // not allow a second listener.
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket)
}
