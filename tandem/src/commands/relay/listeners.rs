//! Sockets of the ng protocol.

use ng_control::{Asker, MAX_MESSAGE, StreamFramer};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

/// Connections at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Replies that wait for one connection; when there are more it is closed.
const REPLIES: usize = 256;
/// Octets that are read of a connection at once.
const PIECE: usize = 16 * 1024;

/// What comes in.
pub(super) enum Input {
    Request { asker: Asker, message: Vec<u8> },
    Opened { id: u64, replies: mpsc::Sender<Vec<u8>> },
    Closed { id: u64 },
}

/// The open sockets.
pub(super) struct Listeners {
    udp: Vec<Arc<UdpSocket>>,
    addresses: Vec<SocketAddr>,
}

/// Where replies to open connections go.
pub(super) struct Connections(HashMap<u64, mpsc::Sender<Vec<u8>>>);

impl Connections {
    pub(super) fn new() -> Self {
        Connections(HashMap::new())
    }

    /// One more; it ends by itself when it is one too many, because its replies are dropped.
    pub(super) fn add(&mut self, id: u64, replies: mpsc::Sender<Vec<u8>>) {
        if self.0.len() < MAX_CONNECTIONS {
            self.0.insert(id, replies);
        } else {
            tracing::warn!(MAX_CONNECTIONS, "ng: too many connections; one was closed");
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

impl Listeners {
    /// Opens UDP and TCP at each address and begins to read.
    pub(super) async fn open(
        addresses: &[SocketAddr],
        inputs: &mpsc::Sender<Input>,
    ) -> Result<Self, String> {
        let mut listeners = Listeners { udp: Vec::new(), addresses: Vec::new() };
        let fault = |at: &SocketAddr, error: io::Error| {
            format!("--ng {at}: {error}; give a free address of this host")
        };
        for (listener, address) in addresses.iter().enumerate() {
            let tcp = TcpListener::bind(address).await.map_err(|e| fault(address, e))?;
            // With port 0 both have the one that the system gives.
            let address = tcp.local_addr().map_err(|e| fault(address, e))?;
            let udp = UdpSocket::bind(address).await.map_err(|e| fault(&address, e))?;
            let udp = Arc::new(udp);
            tokio::spawn(read_datagrams(listener, Arc::clone(&udp), inputs.clone()));
            tokio::spawn(accept(listener, tcp, inputs.clone()));
            listeners.udp.push(udp);
            listeners.addresses.push(address);
        }
        Ok(listeners)
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Sends a reply. A datagram that the system does not take is lost; the proxy asks again, and gets
    /// the kept reply.
    pub(super) fn reply(&self, connections: &mut Connections, to: Asker, octets: Vec<u8>) {
        match to {
            Asker::Udp { listener, from } => {
                let socket = self.udp.get(listener);
                if let Some(Err(error)) = socket.map(|udp| udp.try_send_to(&octets, from)) {
                    tracing::debug!(%from, %error, "ng: a reply was not sent");
                }
            }
            Asker::Tcp(id) => {
                let sent = connections.0.get(&id).map(|replies| replies.try_send(octets));
                if let Some(Err(_)) = sent {
                    connections.remove(id);
                }
            }
        }
    }
}

async fn read_datagrams(listener: usize, socket: Arc<UdpSocket>, inputs: mpsc::Sender<Input>) {
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        // An error tells of a reply that found nobody; the next datagram is not its fault.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let asker = Asker::Udp { listener, from };
        let message = buffer.get(..length).unwrap_or_default().to_vec();
        if inputs.send(Input::Request { asker, message }).await.is_err() {
            return;
        }
    }
}

async fn accept(listener: usize, socket: TcpListener, inputs: mpsc::Sender<Input>) {
    // Numbers of different listeners never meet.
    let mut id = (listener as u64) << 48;
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                id += 1;
                tokio::spawn(serve_connection(id, stream, inputs.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "ng: a connection was not accepted");
                // Out of descriptors, most likely: what is open must end first.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(id: u64, stream: TcpStream, inputs: mpsc::Sender<Input>) {
    let (sender, replies) = mpsc::channel(REPLIES);
    if inputs.send(Input::Opened { id, replies: sender }).await.is_ok() {
        if let Err(error) = exchange(id, &stream, &inputs, replies).await {
            tracing::debug!(%error, "ng: a connection was closed");
        }
        let _ = inputs.send(Input::Closed { id }).await;
    }
}

async fn exchange(
    id: u64,
    stream: &TcpStream,
    inputs: &mpsc::Sender<Input>,
    mut replies: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut framer = StreamFramer::default();
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            reply = replies.recv() => match reply {
                Some(octets) => write_all(stream, &octets).await?,
                None => return Ok(()),
            },
            ready = stream.readable() => {
                ready?;
                match stream.try_read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(length) => framer.push(piece.get(..length).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                while let Some(message) = framer.next_request().map_err(io::Error::other)? {
                    let request = Input::Request { asker: Asker::Tcp(id), message };
                    inputs.send(request).await.map_err(io::Error::other)?;
                }
            }
        }
    }
}

async fn write_all(stream: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        stream.writable().await?;
        match stream.try_write(octets) {
            Ok(written) => octets = octets.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
