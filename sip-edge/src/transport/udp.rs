//! One UDP socket.

use super::batch::{self, BATCH, Outgoing, ReceiveBatch};
use super::{Feedback, FeedbackQueue, TransportCounters};
use bytes::Bytes;
use model::{Flow, TransportProtocol};
use sip_proto::Transmit;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What the kernel holds for us while the worker is busy: at 1,000 calls/s, half a second.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Datagrams that wait while the kernel's buffer is full. Beyond that a datagram is dropped and
/// counted, as the network would; the transaction layer sends it again.
const SEND_QUEUE: usize = 4_096;

/// Entries of the error queue that are read at once.
const ERRORS_AT_ONCE: usize = 1_024;

/// Opens a UDP socket for [`UdpSocket::new`].
pub(crate) fn bind(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        // So that [::] and 0.0.0.0 can both be configured, each with real addresses in its flows.
        socket.set_only_v6(true)?;
    }
    // The kernel grants at most net.core.rmem_max; less than we ask for is no error.
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    batch::configure(&socket, local)?;
    // No SO_REUSEADDR: on Linux it would let a second server share the port unnoticed.
    socket.bind(&local.into())?;
    Ok(socket)
}

/// A bound UDP socket with its send queue.
pub(crate) struct UdpSocket {
    fd: AsyncFd<Socket>,
    local: SocketAddr,
    receive: ReceiveBatch,
    queue: VecDeque<Outgoing>,
}

/// What a batch brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// More may wait.
    More,
    /// The socket was emptied.
    All,
}

impl UdpSocket {
    /// Registers `socket` with the runtime that this is called in.
    pub(crate) fn new(socket: Socket) -> io::Result<UdpSocket> {
        let local = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a UDP socket has no IP address"))?;
        let fd = batch::register(socket)?;
        Ok(UdpSocket { fd, local, receive: ReceiveBatch::new(), queue: VecDeque::new() })
    }

    /// Whether a datagram with this source address leaves through this socket.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        local == self.local
            || (self.local.ip().is_unspecified()
                && local.port() == self.local.port()
                && local.is_ipv4() == self.local.is_ipv4())
    }

    /// Whether there is something to read; wakes the caller's task when not.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.fd.poll_read_ready(cx) {
            Poll::Ready(Ok(mut guard)) => {
                guard.retain_ready();
                Poll::Ready(())
            }
            // Only when the runtime shuts down, which ends the worker by itself.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads one batch and gives each datagram to `deliver`.
    pub(crate) fn receive(
        &mut self,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
        mut deliver: impl FnMut(Flow, Bytes),
    ) -> Heard {
        let batch = &mut self.receive;
        let mut outcome = None;
        let readiness = self.fd.try_io(Interest::READABLE, |socket| {
            let received = batch.receive(socket);
            let full = matches!(received, Ok(BATCH));
            let failed = received.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock);
            outcome = Some(received);
            // Fewer than asked for means that the socket is empty: clear the readiness without
            // another system call. What comes later is a new edge.
            if full || failed { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        match outcome {
            None => Heard::All,
            Some(Ok(count)) => {
                for datagram in (0..count).filter_map(|index| batch.datagram(index)) {
                    if is_keep_alive(datagram.payload) {
                        counters.udp_keep_alives += 1;
                    } else if !datagram.truncated {
                        counters.udp_received += 1;
                        let local = datagram
                            .destination
                            .map_or(self.local, |ip| SocketAddr::new(ip, self.local.port()));
                        let flow = Flow {
                            protocol: TransportProtocol::Udp,
                            local,
                            remote: datagram.remote,
                            connection: None,
                            identity: None,
                        };
                        deliver(flow, Bytes::copy_from_slice(datagram.payload));
                    }
                }
                if readiness.is_ok() { Heard::More } else { Heard::All }
            }
            // Woken without a datagram, or told of an error: the error queue says whom it is about.
            Some(Err(_)) => {
                self.read_errors(counters, feedback);
                if readiness.is_ok() { Heard::More } else { Heard::All }
            }
        }
    }

    /// Queues a datagram for [`UdpSocket::flush`].
    pub(crate) fn queue(&mut self, transmit: Transmit, counters: &mut TransportCounters) {
        if self.queue.len() >= SEND_QUEUE {
            counters.udp_send_queue_full += 1;
            return;
        }
        let Transmit { flow, payload, client } = transmit;
        let chosen = self.local.ip().is_unspecified() && !flow.local.ip().is_unspecified();
        let source = chosen.then(|| flow.local.ip());
        self.queue.push_back(Outgoing { payload, remote: flow.remote, source, client });
    }

    /// Sends what is queued; `false` when the kernel's buffer is full and the rest has to wait.
    pub(crate) fn flush(
        &mut self,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) -> bool {
        // An error may belong to an earlier datagram (ICMP); only its repetition is this one's.
        let mut failed_before = false;
        while !self.queue.is_empty() {
            let wanted = self.queue.len().min(BATCH);
            match batch::send(self.fd.get_ref(), self.queue.make_contiguous()) {
                Ok(sent) => {
                    counters.udp_sent += sent as u64;
                    self.queue.drain(..sent.min(wanted));
                    failed_before = false;
                    if sent < wanted {
                        self.read_errors(counters, feedback);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.read_errors(counters, feedback);
                    if failed_before {
                        self.drop_first(&error, counters, feedback);
                    }
                    failed_before = !failed_before;
                }
            }
        }
        true
    }

    fn drop_first(
        &mut self,
        error: &io::Error,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) {
        let Some(outgoing) = self.queue.pop_front() else { return };
        counters.udp_send_failed += 1;
        tracing::debug!(remote = %outgoing.remote, %error, "a datagram could not be sent");
        feedback.extend(outgoing.client.map(Feedback::Unreachable));
    }

    fn read_errors(&self, counters: &mut TransportCounters, feedback: &mut FeedbackQueue) {
        for _ in 0..ERRORS_AT_ONCE {
            let Some(error) = batch::take_error(self.fd.get_ref()) else { return };
            if let (true, Some(remote)) = (error.unreachable, error.remote) {
                counters.udp_unreachable += 1;
                feedback.push_back(Feedback::PeerUnreachable(remote));
            }
        }
    }
}

/// CRLF, CRLF CRLF, one NUL or four: what PBXs send to keep a NAT binding open.
fn is_keep_alive(payload: &[u8]) -> bool {
    payload.len() <= 4 && payload.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::is_keep_alive;

    #[test]
    fn keep_alives_are_short_and_empty_of_text() {
        for payload in [&b"\r\n"[..], b"\r\n\r\n", b"\0", b"\0\0\0\0", b""] {
            assert!(is_keep_alive(payload), "{payload:?}");
        }
        for payload in [&b"\r\n\r\n\r\n"[..], b"\0\0\0\0\0", b"BYE", b"x"] {
            assert!(!is_keep_alive(payload), "{payload:?}");
        }
    }
}
