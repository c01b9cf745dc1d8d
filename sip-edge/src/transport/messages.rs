//! Connections that others serve, whose messages come and go whole: WebSockets (RFC 7118).

use super::TcpLimits;
use super::connection::{Activity, Ended, Write};
use super::entry::Entry;
use super::tcp::{Accepted, StreamInput};
use crate::clock::Clock;
use bytes::Bytes;
use model::{ConnectionId, Flow, TransportProtocol};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The way to the signalling worker for whoever serves such connections, from any thread; cheap to clone.
#[derive(Clone)]
pub struct MessageConnections {
    pub(crate) inputs: mpsc::Sender<StreamInput>,
    pub(crate) next_id: Arc<AtomicU64>,
    pub(crate) limits: Arc<TcpLimits>,
    pub(crate) clock: Clock,
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageEnd {
    /// The peer closed it, or it broke.
    Closed,
    /// Nothing passed for too long.
    Idle,
    /// What came was no message.
    Malformed,
    /// The peer does not take what is written.
    WriteStalled,
}

impl MessageConnections {
    /// Makes a connection known that a peer has opened. How many there may be is for whoever serves them
    /// to say. It waits while the worker's queue (4,096) is full; `None` when the worker has ended.
    pub async fn open(
        &self,
        protocol: TransportProtocol,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<MessageConnection> {
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let flow = Flow { connection: Some(id), ..Flow::new(protocol, local, remote) };
        let (writes, queue) = mpsc::channel(self.limits.queued_messages.max(1));
        let activity = Activity::new(self.clock.now());
        let entry = Entry::accepted(flow, writes, Arc::clone(&activity), None, None);
        let accepted = StreamInput::Accepted(Box::new(Accepted { flow, id, entry }));
        self.inputs.send(accepted).await.ok()?;
        let (inputs, clock) = (self.inputs.clone(), self.clock);
        Some(MessageConnection {
            flow,
            id,
            activity,
            queue,
            inputs,
            clock,
            end: MessageEnd::Closed,
        })
    }
}

/// One such connection; it is over when this is dropped.
pub struct MessageConnection {
    flow: Flow,
    id: ConnectionId,
    activity: Arc<Activity>,
    queue: mpsc::Receiver<Write>,
    inputs: mpsc::Sender<StreamInput>,
    clock: Clock,
    end: MessageEnd,
}

impl MessageConnection {
    /// Hands on a message that has come. It waits while the worker's queue is full; `false` when the
    /// worker has ended.
    pub async fn deliver(&self, raw: Bytes) -> bool {
        let at = self.clock.now();
        self.activity.note(at, &raw);
        self.inputs.send(StreamInput::Message { at, flow: self.flow, raw }).await.is_ok()
    }

    /// The next message to be sent; `None` when the connection is to be closed. At most
    /// [`TcpLimits::queued_messages`] wait; one more closes it. Nothing is lost where this is not waited
    /// for to its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.queue.recv().await? {
            Write::Octets(octets) => {
                self.activity.queued_bytes.fetch_sub(octets.len(), Ordering::Relaxed);
                Some(octets)
            }
            Write::Finish => None,
        }
    }

    /// Why it is over, if not because the peer closed it.
    pub const fn note_end(&mut self, end: MessageEnd) {
        self.end = end;
    }
}

impl Drop for MessageConnection {
    fn drop(&mut self) {
        let reason = match self.end {
            MessageEnd::Closed => Ended::Closed,
            MessageEnd::Idle => Ended::Idle,
            MessageEnd::Malformed => Ended::Framing,
            MessageEnd::WriteStalled => Ended::WriteStalled,
        };
        let ended = StreamInput::Ended { id: self.id, reason };
        // A full queue has to be waited for, or the worker would keep what is gone.
        if let Err(mpsc::error::TrySendError::Full(ended)) = self.inputs.try_send(ended)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inputs = self.inputs.clone();
            runtime.spawn(async move {
                let _ = inputs.send(ended).await;
            });
        }
    }
}
