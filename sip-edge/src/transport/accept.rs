//! The listener of plain connections.

use super::TcpLimits;
use super::admission::{Admission, Admitted};
use super::connection::{Activity, Connection};
use super::entry::Entry;
use super::layer::Layer;
use super::tcp::{Accepted, StreamInput};
use crate::clock::Clock;
use model::{ConnectionId, Flow, TransportProtocol};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Accepts connections on one listener.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) admission: Arc<Admission>,
    pub(super) limits: Arc<TcpLimits>,
    pub(super) clock: Clock,
    pub(super) inputs: mpsc::Sender<StreamInput>,
    pub(super) next_id: Arc<AtomicU64>,
}

impl Acceptor {
    pub(super) async fn run(self) {
        /// Out of descriptors, most likely: let some be closed before asking again.
        const PAUSE: Duration = Duration::from_millis(100);
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    // Room in the driver's queue first: its entry must be there before the
                    // connection says anything.
                    let Ok(room) = self.inputs.reserve().await else { return };
                    room.send(match Admission::admit(&self.admission, remote.ip()) {
                        Some(admitted) => self.start(stream, remote, admitted),
                        None => StreamInput::Refused,
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; check the limit of open files");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, remote: SocketAddr, admitted: Admitted) -> StreamInput {
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let local = stream.local_addr().or_else(|_| self.listener.local_addr()).unwrap_or(remote);
        // Without it a small response may wait for the ACK of the one before.
        let _ = stream.set_nodelay(true);
        let flow = Flow {
            protocol: TransportProtocol::Tcp,
            local,
            remote,
            connection: Some(id),
            identity: None,
        };
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
            layer: Layer::Plain,
            opened_by_us: false,
        };
        let serving = async move {
            let _admitted = admitted;
            connection.run(stream, queue).await;
        };
        let task = tokio::spawn(serving).abort_handle();
        let entry = Entry::accepted(flow, writes, activity, task, None);
        StreamInput::Accepted(Box::new(Accepted { flow, id, entry }))
    }
}
