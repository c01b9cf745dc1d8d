//! The user agent's sockets: one UDP socket, a TCP and a TLS listener and their connections.

use super::tls::Session;
use super::wait::{Interest, wait};
use crate::trust::Trust;
use bytes::Bytes;
use model::{ConnectionId, Flow, TransportProtocol};
use rustls::ServerConfig;
use sip_proto::{Frame, Limits, StreamFramer};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// Accepted and opened connections; a further one is closed at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes that wait for a slow reader; beyond, its connection is closed.
const UNSENT_MAX: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_BYTES: usize = 65_536;
/// Datagrams that are read before anything else gets its turn.
const BATCH: usize = 256;

/// What came from the network.
#[derive(Debug)]
pub(super) enum Input {
    /// A message, complete.
    Message(Flow, Bytes),
    /// A stream that cannot be cut into messages any further; it has been closed.
    Broken { flow: Flow, head: Bytes, status: u16 },
    /// Nothing listens at this UDP address.
    Unreachable(SocketAddr),
    /// A connection has ended.
    Closed(ConnectionId),
}

/// The sockets.
#[derive(Debug)]
pub(super) struct Transport {
    udp: Option<(UdpSocket, SocketAddr)>,
    listener: Option<(TcpListener, SocketAddr)>,
    tls_listener: Option<(TcpListener, SocketAddr, Arc<ServerConfig>)>,
    trust: Option<Trust>,
    connections: Vec<Connection>,
    /// Hears that nothing listens at the target, which an unconnected socket does not.
    probe: Option<(UdpSocket, SocketAddr)>,
    next_connection: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    stream: TcpStream,
    tls: Option<Session>,
    local: SocketAddr,
    remote: SocketAddr,
    framer: StreamFramer,
    unsent: Vec<u8>,
    failed: bool,
}

impl Transport {
    /// Binds what is asked for at `listen`. Port 0 lets the system choose, the same port for both.
    pub(super) fn bind(listen: SocketAddr, udp: bool, tcp: bool) -> io::Result<Transport> {
        const ATTEMPTS: usize = 16;
        let attempts = if listen.port() == 0 && udp && tcp { ATTEMPTS } else { 1 };
        let mut last = io::Error::other("no protocol to listen with");
        for _ in 0..attempts {
            match bind_both(listen, udp, tcp) {
                Ok((udp, listener)) => {
                    return Ok(Transport {
                        udp,
                        listener,
                        tls_listener: None,
                        trust: None,
                        connections: Vec::new(),
                        probe: None,
                        next_connection: 1,
                        buffer: vec![0; READ_BYTES],
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes TLS connections too.
    pub(super) fn listen_tls(
        &mut self,
        listen: SocketAddr,
        config: Arc<ServerConfig>,
    ) -> io::Result<()> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        self.tls_listener = Some((listener, local, config));
        Ok(())
    }

    /// Opens TLS connections, which must lead to the one in `trust`.
    pub(super) fn trust(&mut self, trust: Trust) {
        self.trust = Some(trust);
    }

    /// Our address for a protocol: what Via and Contact say.
    pub(super) fn local(&self, protocol: TransportProtocol) -> Option<SocketAddr> {
        match protocol {
            TransportProtocol::Udp => self.udp.as_ref().map(|(_, local)| *local),
            TransportProtocol::Tcp => self.listener.as_ref().map(|(_, local)| *local),
            TransportProtocol::Tls => self.tls_listener.as_ref().map(|(_, local, _)| *local),
            TransportProtocol::Ws | TransportProtocol::Wss => None,
        }
    }

    /// Makes "nothing listens there" known at once, where it would otherwise take 32 s: sends an
    /// empty keep-alive (RFC 5626 section 4.4.1) from a socket of its own that is connected, for
    /// the system reports ICMP errors only to those.
    pub(super) fn probe(&mut self, target: SocketAddr) -> io::Result<()> {
        let local = self.local(TransportProtocol::Udp).map_or(target, |local| local);
        let socket = UdpSocket::bind((local.ip(), 0))?;
        socket.connect(target)?;
        socket.set_nonblocking(true)?;
        socket.send(b"\r\n\r\n")?;
        self.probe = Some((socket, target));
        Ok(())
    }

    /// A path to `remote`; over TCP an open connection, if need be a new one.
    pub(super) fn flow_to(
        &mut self,
        protocol: TransportProtocol,
        remote: SocketAddr,
    ) -> io::Result<Flow> {
        let no_socket = || io::Error::other(format!("no {protocol} socket"));
        let local = self.local(protocol).ok_or_else(no_socket)?;
        if protocol == TransportProtocol::Udp {
            return Ok(Flow { protocol, local, remote, connection: None, identity: None });
        }
        let usable = |c: &&Connection| c.remote == remote && c.protocol() == protocol && !c.failed;
        if let Some(open) = self.connections.iter().find(usable) {
            return Ok(open.flow());
        }
        let mut stream = connect(local.ip(), remote)?;
        let tls = match (protocol, &self.trust) {
            (TransportProtocol::Tls, Some(trust)) => Some(Session::connect(trust, &mut stream)?),
            (TransportProtocol::Tls, None) => return Err(io::Error::other("nobody to trust")),
            _ => None,
        };
        self.adopt(stream, tls)
    }

    /// Sends a message. A datagram that the socket does not take at once counts as lost in the
    /// network.
    pub(super) fn send(&mut self, flow: Flow, payload: &[u8]) -> io::Result<()> {
        if flow.protocol == TransportProtocol::Udp {
            let Some((socket, _)) = &self.udp else {
                return Err(io::Error::other("no UDP socket"));
            };
            return match socket.send_to(payload, flow.remote) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            };
        }
        let open = |c: &&mut Connection| !c.failed && Some(c.id) == flow.connection;
        if let Some(connection) = self.connections.iter_mut().find(open) {
            return connection.send(payload);
        }
        let renewed = self.flow_to(flow.protocol, flow.remote)?;
        match self.connections.iter_mut().find(|c| Some(c.id) == renewed.connection) {
            Some(connection) => connection.send(payload),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Waits for at most `timeout` and returns what came.
    pub(super) fn wait(&mut self, timeout: Duration) -> Vec<Input> {
        let mut watched: Vec<(BorrowedFd<'_>, Interest)> = Vec::new();
        watched.extend(self.udp.iter().map(|(s, _)| (s.as_fd(), Interest::Readable)));
        watched.extend(self.probe.iter().map(|(s, _)| (s.as_fd(), Interest::Readable)));
        watched.extend(self.listener.iter().map(|(s, _)| (s.as_fd(), Interest::Readable)));
        watched.extend(self.tls_listener.iter().map(|(s, ..)| (s.as_fd(), Interest::Readable)));
        watched.extend(self.connections.iter().map(|c| (c.stream.as_fd(), c.interest())));
        // Every socket is tried after any news: reading one in vain costs less than sorting them.
        if !wait(&watched, timeout).contains(&true) {
            return Vec::new();
        }
        let mut inputs = Vec::new();
        self.read_udp(&mut inputs);
        self.read_probe(&mut inputs);
        self.accept();
        for connection in &mut self.connections {
            connection.flush();
            connection.read(&mut self.buffer, &mut inputs);
        }
        self.connections.retain(|connection| {
            if connection.failed {
                inputs.push(Input::Closed(connection.id));
            }
            !connection.failed
        });
        inputs
    }

    fn read_udp(&mut self, inputs: &mut Vec<Input>) {
        let Some((socket, local)) = &self.udp else { return };
        for _ in 0..BATCH {
            let Ok((length, remote)) = socket.recv_from(&mut self.buffer) else { return };
            let protocol = TransportProtocol::Udp;
            let flow = Flow { protocol, local: *local, remote, connection: None, identity: None };
            let raw = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
            inputs.push(Input::Message(flow, raw));
        }
    }

    fn read_probe(&mut self, inputs: &mut Vec<Input>) {
        let Some((socket, target)) = &self.probe else { return };
        let mut ignored = [0; 64];
        match socket.recv(&mut ignored) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                inputs.push(Input::Unreachable(*target));
                self.probe = None;
            }
            _ => {}
        }
    }

    fn accept(&mut self) {
        let mut accepted = Vec::new();
        if let Some((listener, _)) = &self.listener {
            while let Ok((stream, _)) = listener.accept() {
                accepted.push((stream, None));
            }
        }
        if let Some((listener, _, config)) = &self.tls_listener {
            while let Ok((stream, _)) = listener.accept() {
                accepted.extend(Session::accept(config).map(|tls| (stream, Some(tls))));
            }
        }
        for (stream, tls) in accepted {
            // A connection that failed so early is gone already; its peer will notice.
            let _ = self.adopt(stream, tls);
        }
    }

    fn adopt(&mut self, stream: TcpStream, tls: Option<Session>) -> io::Result<Flow> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(io::Error::other("too many connections"));
        }
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let framer = StreamFramer::new(Limits::default());
        let (unsent, failed) = (Vec::new(), false);
        let connection = Connection { id, stream, tls, local, remote, framer, unsent, failed };
        let flow = connection.flow();
        self.connections.push(connection);
        Ok(flow)
    }
}

impl Connection {
    const fn protocol(&self) -> TransportProtocol {
        if self.tls.is_some() { TransportProtocol::Tls } else { TransportProtocol::Tcp }
    }

    const fn flow(&self) -> Flow {
        Flow {
            protocol: self.protocol(),
            local: self.local,
            remote: self.remote,
            connection: Some(self.id),
            identity: None,
        }
    }

    const fn interest(&self) -> Interest {
        if self.unsent.is_empty() { Interest::Readable } else { Interest::ReadableOrWritable }
    }

    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        if self.unsent.len().saturating_add(payload.len()) > UNSENT_MAX {
            self.failed = true;
        } else {
            match &mut self.tls {
                Some(tls) => self.failed |= tls.give(payload, &mut self.unsent).is_err(),
                None => self.unsent.extend_from_slice(payload),
            }
            self.flush();
        }
        if self.failed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) if written > 0 => {
                    self.unsent.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.failed = true;
                    return;
                }
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8], inputs: &mut Vec<Input>) {
        for _ in 0..16 {
            match self.stream.read(buffer) {
                Ok(0) => self.failed = true,
                Ok(length) => {
                    let octets = buffer.get(..length).unwrap_or_default();
                    match &mut self.tls {
                        Some(tls) => {
                            let taken = tls.take(octets, &mut self.framer, &mut self.unsent);
                            self.flush();
                            self.failed |= taken.is_err();
                        }
                        None => self.framer.push(octets),
                    }
                    self.cut(inputs);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.failed = true,
            }
            if self.failed {
                return;
            }
        }
    }

    fn cut(&mut self, inputs: &mut Vec<Input>) {
        loop {
            match self.framer.next() {
                Ok(Some(Frame::Message(raw))) => inputs.push(Input::Message(self.flow(), raw)),
                Ok(Some(Frame::KeepAlivePing)) => {
                    // A failure shows at the next read.
                    let _ = self.send(b"\r\n");
                }
                Ok(Some(Frame::KeepAlivePong)) => {}
                Ok(None) => return,
                Err(error) => {
                    let (flow, status) = (self.flow(), error.status());
                    inputs.push(Input::Broken { flow, head: error.head, status });
                    self.failed = true;
                    return;
                }
            }
        }
    }
}

type Bound<S> = Option<(S, SocketAddr)>;

fn bind_both(
    listen: SocketAddr,
    udp: bool,
    tcp: bool,
) -> io::Result<(Bound<UdpSocket>, Bound<TcpListener>)> {
    let mut listen = listen;
    let mut datagrams = None;
    if udp {
        let socket = UdpSocket::bind(listen)?;
        socket.set_nonblocking(true)?;
        listen = socket.local_addr()?;
        datagrams = Some((socket, listen));
    }
    let mut streams = None;
    if tcp {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        streams = Some((listener, local));
    }
    Ok((datagrams, streams))
}

/// Opens a connection from our address; the standard library cannot bind before connecting.
fn connect(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(remote),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    if local.is_ipv4() == remote.is_ipv4() && !local.is_unspecified() {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    socket.connect_timeout(&remote.into(), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}
