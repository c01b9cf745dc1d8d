//! TLS connections: accepted and opened on the TLS thread, served on the worker's.

use super::TcpLimits;
use super::admission::{Admission, Admitted};
use super::connection::{Activity, Connection, Ended, Write};
use super::entry::Entry;
use super::layer::Layer;
use super::open::{connect, peer_closed};
use super::tcp::{Accepted, StreamInput};
use crate::clock::Clock;
use crate::tls::{self, HandshakeFailure, Secured, Tls};
use b2bua::ExpectedPeer;
use model::{ConnectionId, Flow, TransportProtocol};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Accepts connections on one TLS listener. It and its handshakes run on the TLS thread; a
/// connection whose handshake is complete moves to the worker.
pub(super) struct TlsAcceptor {
    pub(super) listener: std::net::TcpListener,
    pub(super) tls: Arc<Tls>,
    pub(super) worker: Handle,
    pub(super) admission: Arc<Admission>,
    /// Places for handshakes under way.
    pub(super) shaking: Arc<Admission>,
    pub(super) limits: Arc<TcpLimits>,
    pub(super) clock: Clock,
    pub(super) inputs: mpsc::Sender<StreamInput>,
    pub(super) next_id: Arc<AtomicU64>,
}

impl TlsAcceptor {
    pub(super) async fn run(self) {
        /// Out of descriptors, most likely: let some be closed before asking again.
        const PAUSE: Duration = Duration::from_millis(100);
        let acceptor = Arc::new(self);
        let listener = acceptor.listener.try_clone().and_then(TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "cannot listen for TLS"),
        };
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => acceptor.admit(stream, remote).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; check the limit of open files");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn admit(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        let Some(shaking) = Admission::admit(&self.shaking, remote.ip()) else {
            return self.tls.complain(remote, None, HandshakeFailure::Busy, "");
        };
        let Some(admitted) = Admission::admit(&self.admission, remote.ip()) else {
            // The worker is gone only when everything stops.
            let _ = self.inputs.send(StreamInput::Refused).await;
            return;
        };
        let acceptor = Arc::clone(self);
        tokio::spawn(async move {
            // Without it a small response may wait for the ACK of the one before.
            let _ = stream.set_nodelay(true);
            let limit = acceptor.limits.handshake_timeout;
            let secured = tls::accept(&acceptor.tls, stream, remote, limit).await;
            drop(shaking);
            if let Ok(secured) = secured {
                acceptor.hand_over(secured, remote, admitted).await;
            }
        });
    }

    /// Gives the connection to the worker: first its entry, then its task may speak.
    async fn hand_over(&self, secured: Secured, remote: SocketAddr, admitted: Admitted) {
        let Secured { stream, connection: session, certificate } = secured;
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let local = stream.local_addr().or_else(|_| self.listener.local_addr()).unwrap_or(remote);
        let flow =
            Flow { connection: Some(id), ..Flow::new(TransportProtocol::Tls, local, remote) };
        let (writes, queue) = mpsc::channel(self.limits.queued_messages.max(1));
        let activity = Activity::new(self.clock.now());
        let connection = Connection {
            id,
            flow,
            limits: Arc::clone(&self.limits),
            clock: self.clock,
            activity: Arc::clone(&activity),
            inputs: self.inputs.clone(),
            writes: writes.clone(),
            layer: Layer::tls(session),
            opened_by_us: false,
        };
        let (known, may_speak) = oneshot::channel::<()>();
        let serving = async move {
            let _admitted = admitted;
            if may_speak.await.is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                connection.run(stream, queue).await;
            }
        };
        let task = self.worker.spawn(serving).abort_handle();
        let entry = Entry::accepted(flow, writes, activity, task, certificate);
        let accepted = StreamInput::Accepted(Box::new(Accepted { flow, id, entry }));
        if self.inputs.send(accepted).await.is_ok() {
            let _ = known.send(());
        }
    }
}

/// Opens a connection that must lead to `expected`, on the TLS thread, and serves it here.
pub(super) async fn open_and_run(
    tls: Arc<Tls>,
    handshakes: Handle,
    expected: Arc<ExpectedPeer>,
    mut connection: Connection,
    queue: mpsc::Receiver<Write>,
) {
    let (id, flow) = (connection.id, connection.flow);
    let limits = [connection.limits.connect_timeout, connection.limits.handshake_timeout];
    let opening = handshakes.spawn(async move {
        let connecting = connect(flow.local, flow.remote);
        tls::connect(&tls, connecting, flow.remote, &expected, limits).await
    });
    let opened = match opening.await {
        Ok(opened) => opened,
        Err(_) => Err(io::Error::other("the TLS thread has ended")),
    };
    let stream = opened.and_then(|secured| {
        connection.layer = Layer::tls(secured.connection);
        TcpStream::from_std(secured.stream)
    });
    match stream {
        Ok(stream) => {
            let _ = connection.inputs.send(StreamInput::Connected { id }).await;
            connection.run(stream, queue).await;
        }
        Err(error) => {
            tracing::debug!(remote = %flow.remote, %error, "cannot open a TLS connection");
            peer_closed(&connection, Ended::ConnectFailed).await;
        }
    }
}
