//! One stream connection: a task that reads, cuts the stream into messages, writes what is queued,
//! and keeps every deadline.

use super::layer::{Layer, Taken};
use super::tcp::StreamInput;
use crate::clock::Clock;
use crate::tls::HandshakeFailure;
use bytes::Bytes;
use model::{ConnectionId, Flow, Instant};
use sip_proto::{Frame, FramingError, Limits, StreamFramer, default_reason, salvage};
use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bounds on stream connections.
#[derive(Clone, Debug)]
pub struct TcpLimits {
    /// Accepted connections at a time, and as many opened ones.
    pub connections: usize,
    /// Accepted connections at a time from one IPv4 address or one IPv6 /64.
    pub connections_per_source: usize,
    /// From the first octet of a message to its last.
    pub message_deadline: Duration,
    /// From a connection's start to its first complete message or keep-alive.
    pub first_message_timeout: Duration,
    /// Nothing passed either way on a connection that carried no INVITE.
    pub idle_timeout: Duration,
    /// Nothing passed either way on a connection that carried an INVITE. Longer than a session
    /// interval (RFC 4028), so that a call's refresh and its BYE find the connection.
    pub call_idle_timeout: Duration,
    /// For one write.
    pub write_deadline: Duration,
    /// Messages that wait for a peer that does not read. One more closes the connection.
    pub queued_messages: usize,
    /// Octets that wait, likewise.
    pub queued_bytes: usize,
    /// For opening a connection.
    pub connect_timeout: Duration,
    /// For a TLS handshake, from the first octet to the last.
    pub handshake_timeout: Duration,
    /// TLS handshakes of peers at a time. One more is closed at once and counted.
    pub handshakes: usize,
    /// Likewise from one source.
    pub handshakes_per_source: usize,
    /// How long nothing may pass on a connection that we opened before we send a keep-alive
    /// (RFC 5626 section 4.4.1); `None` sends none.
    pub keep_alive: Option<Duration>,
    /// Keep-alives without any answer after which such a connection is closed.
    pub missing_pongs: u32,
    /// Bounds on messages.
    pub messages: Limits,
}

/// How long a keep-alive's answer may take (RFC 5626 section 4.4.1).
const PONG_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for TcpLimits {
    fn default() -> Self {
        TcpLimits {
            connections: 10_000,
            connections_per_source: 128,
            message_deadline: Duration::from_secs(10),
            first_message_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            call_idle_timeout: Duration::from_secs(2 * 3600),
            write_deadline: Duration::from_secs(5),
            queued_messages: 256,
            queued_bytes: 1024 * 1024,
            connect_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            handshakes: 512,
            handshakes_per_source: 64,
            keep_alive: None,
            missing_pongs: 2,
            messages: Limits::default(),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It could not be opened.
    ConnectFailed,
    /// The peer closed it, or it broke.
    Closed,
    /// A started message did not become complete in time.
    SlowMessage,
    /// Nothing passed for too long.
    Idle,
    /// The stream could not be cut into messages.
    Framing,
    /// The peer does not take what we write.
    WriteStalled,
    /// The peer does not answer keep-alives.
    NoPong,
    /// What came is not valid TLS.
    BrokenTls,
    /// The peer refuses our certificate, or misses one; over TLS 1.3 it says so after the handshake.
    CertificateRefused,
}

/// What the task and the driver both see of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    /// Octets in the write queue.
    pub(super) queued_bytes: AtomicUsize,
    /// An INVITE passed.
    pub(super) carries_calls: AtomicBool,
    /// When something last passed, nanoseconds of the clock.
    active_at: AtomicU64,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Arc<Activity> {
        Arc::new(Activity {
            queued_bytes: AtomicUsize::new(0),
            carries_calls: AtomicBool::new(false),
            active_at: AtomicU64::new(now.as_nanos()),
        })
    }

    fn active_at(&self) -> Instant {
        Instant::from_nanos(self.active_at.load(Ordering::Relaxed))
    }

    /// Notes that `message` passes at `now`.
    pub(super) fn note(&self, now: Instant, message: &[u8]) {
        self.active_at.store(now.as_nanos(), Ordering::Relaxed);
        if message.starts_with(b"INVITE ") {
            self.carries_calls.store(true, Ordering::Relaxed);
        }
    }
}

/// An entry of a connection's write queue.
pub(super) enum Write {
    /// Octets to write.
    Octets(Bytes),
    /// Write what stands before this, then end.
    Finish,
}

/// Everything that a connection's task owns but its stream.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) flow: Flow,
    pub(super) limits: Arc<TcpLimits>,
    pub(super) clock: Clock,
    pub(super) activity: Arc<Activity>,
    pub(super) inputs: mpsc::Sender<StreamInput>,
    /// For answers that need no call logic: pongs, and the status of a broken stream.
    pub(super) writes: mpsc::Sender<Write>,
    pub(super) layer: Layer,
    /// We opened it, so keeping it alive is our business.
    pub(super) opened_by_us: bool,
}

/// Read by every connection of the worker's thread in turn, so that an idle connection costs no
/// buffer.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

impl Connection {
    /// Serves the connection to its end. The driver must already know of it.
    pub(super) async fn run(self, mut stream: TcpStream, queue: mpsc::Receiver<Write>) {
        let reason = self.serve(&mut stream, queue).await;
        if reason != Ended::Framing {
            drop(stream);
            return self.report(reason).await;
        }
        self.report(reason).await;
        linger(stream).await;
    }

    async fn report(&self, reason: Ended) {
        // The driver is gone only when the worker stops.
        let _ = self.inputs.send(StreamInput::Ended { id: self.id, reason }).await;
    }

    async fn serve(&self, stream: &mut TcpStream, mut queue: mpsc::Receiver<Write>) -> Ended {
        let (reader, mut writer) = stream.split();
        let mut writing = pin!(self.write_loop(&mut writer, &mut queue));
        let read = tokio::select! {
            ended = self.read_loop(&reader) => ended,
            ended = &mut writing => return ended,
        };
        match read {
            ReadEnd::Ended(ended) => {
                // A word of farewell, if it gets away at once (RFC 8446 section 6.1).
                if self.layer.is_tls() && self.enqueue(Write::Finish).is_ok() {
                    let _ = timeout(FAREWELL, writing).await;
                }
                ended
            }
            ReadEnd::Broken(error) => self.refuse(&error, writing).await,
        }
    }

    /// Writes the status that a broken stream is owed (RFC 3261 section 18.3), where the head tells
    /// whom to answer.
    async fn refuse(&self, error: &FramingError, writing: impl Future<Output = Ended>) -> Ended {
        tracing::debug!(remote = %self.flow.remote, %error, "closing a stream that is not SIP");
        if let Some(salvaged) = salvage(&error.head).filter(|s| s.can_be_answered()) {
            let status = error.status();
            let tag = format!("{:x}", self.id.0);
            let response = salvaged.response(status, default_reason(status), &tag).finish();
            let _ = self.enqueue(Write::Octets(response));
        }
        if self.enqueue(Write::Finish).is_ok() {
            writing.await;
        }
        Ended::Framing
    }

    /// The write queue is full when this fails.
    fn enqueue(&self, write: Write) -> Result<(), Ended> {
        if let Write::Octets(octets) = &write {
            self.activity.queued_bytes.fetch_add(octets.len(), Ordering::Relaxed);
        }
        self.writes.try_send(write).map_err(|_| Ended::WriteStalled)
    }

    async fn write_loop(
        &self,
        writer: &mut WriteHalf<'_>,
        queue: &mut mpsc::Receiver<Write>,
    ) -> Ended {
        const AT_ONCE: usize = 32;
        let mut taken = Vec::with_capacity(AT_ONCE);
        let (mut joined, mut octets) = (Vec::new(), Vec::new());
        loop {
            if queue.recv_many(&mut taken, AT_ONCE).await == 0 {
                return Ended::Closed;
            }
            let mut finish = false;
            joined.clear();
            for write in taken.drain(..) {
                match write {
                    Write::Octets(octets) => joined.extend_from_slice(&octets),
                    Write::Finish => finish = true,
                }
            }
            octets.clear();
            let given = self
                .layer
                .give(&joined, &mut octets)
                .and_then(|()| if finish { self.layer.finish(&mut octets) } else { Ok(()) });
            if given.is_err() {
                return Ended::BrokenTls;
            }
            match timeout(self.limits.write_deadline, writer.write_all(&octets)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ended::Closed,
                Err(_) => return Ended::WriteStalled,
            }
            self.activity.queued_bytes.fetch_sub(joined.len(), Ordering::Relaxed);
            if finish {
                return Ended::Closed;
            }
        }
    }

    async fn read_loop(&self, reader: &ReadHalf<'_>) -> ReadEnd {
        let mut framer = StreamFramer::new(self.limits.messages.clone());
        let mut progress = Progress { heard: false, message_started: None, pings: 0 };
        // What came together with the end of a TLS handshake.
        let left_over = self.layer.take(&[], &mut framer);
        if let Err(end) = self.deliver_all(left_over, &mut framer, &mut progress).await {
            return end;
        }
        let mut armed = self.wake_at(&progress);
        let mut sleep = pin!(tokio::time::sleep_until(self.clock.timer_at(armed)));
        loop {
            tokio::select! {
                biased;
                readable = reader.readable() => {
                    if readable.is_err() {
                        return ReadEnd::Ended(Ended::Closed);
                    }
                    match self.read_once(reader, &mut framer, &mut progress).await {
                        Ok(()) => {}
                        Err(end) => return end,
                    }
                    // A later deadline leaves the timer alone; it looks again when it fires.
                    let wake_at = self.wake_at(&progress);
                    if wake_at < armed {
                        armed = wake_at;
                        sleep.as_mut().reset(self.clock.timer_at(armed));
                    }
                }
                () = &mut sleep => {
                    if let Err(ended) = self.handle_timeout(&mut progress) {
                        return ReadEnd::Ended(ended);
                    }
                    armed = self.wake_at(&progress);
                    sleep.as_mut().reset(self.clock.timer_at(armed));
                }
            }
        }
    }

    async fn read_once(
        &self,
        reader: &ReadHalf<'_>,
        framer: &mut StreamFramer,
        progress: &mut Progress,
    ) -> Result<(), ReadEnd> {
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = reader.try_read(scratch);
            read.map(|length| (length, self.layer.take(&scratch[..length], framer)))
        });
        match read {
            Ok((0, _)) => Err(ReadEnd::Ended(Ended::Closed)),
            Ok((_, taken)) => self.deliver_all(taken, framer, progress).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(ReadEnd::Ended(Ended::Closed)),
        }
    }

    /// Hands on every message that is complete.
    async fn deliver_all(
        &self,
        taken: Result<Taken, rustls::Error>,
        framer: &mut StreamFramer,
        progress: &mut Progress,
    ) -> Result<(), ReadEnd> {
        let taken = taken.map_err(|error| {
            tracing::debug!(remote = %self.flow.remote, %error, "TLS failed on a connection");
            ReadEnd::Ended(match HandshakeFailure::of(&error) {
                HandshakeFailure::OurCertificateRefused => Ended::CertificateRefused,
                _ => Ended::BrokenTls,
            })
        })?;
        if taken.must_write {
            let nothing = Write::Octets(Bytes::new());
            self.enqueue(nothing).map_err(ReadEnd::Ended)?;
        }
        let now = self.clock.now();
        let mut completed = false;
        while let Some(frame) = framer.next().map_err(ReadEnd::Broken)? {
            completed = true;
            self.deliver(now, frame).await.map_err(ReadEnd::Ended)?;
        }
        progress.heard |= completed;
        if completed {
            progress.pings = 0;
        }
        progress.message_started = match progress.message_started {
            _ if framer.buffered() == 0 => None,
            Some(started) if !completed => Some(started),
            _ => Some(now),
        };
        if taken.closed { Err(ReadEnd::Ended(Ended::Closed)) } else { Ok(()) }
    }

    /// Sends a keep-alive if it is time for one, or says why the connection ends.
    fn handle_timeout(&self, progress: &mut Progress) -> Result<(), Ended> {
        let now = self.clock.now();
        if self.deadline(progress) <= now {
            let slow = progress.message_started.is_some();
            return Err(if slow { Ended::SlowMessage } else { Ended::Idle });
        }
        if self.ping_at(progress).is_some_and(|at| at <= now) {
            if progress.pings >= self.limits.missing_pongs {
                return Err(Ended::NoPong);
            }
            progress.pings += 1;
            self.activity.note(now, b"");
            self.enqueue(Write::Octets(Bytes::from_static(b"\r\n\r\n")))?;
        }
        Ok(())
    }

    /// When something is to be done unless something passes before.
    fn wake_at(&self, progress: &Progress) -> Instant {
        let deadline = self.deadline(progress);
        self.ping_at(progress).map_or(deadline, |at| at.min(deadline))
    }

    /// When the next keep-alive is due, or the answer to the last one is missing.
    fn ping_at(&self, progress: &Progress) -> Option<Instant> {
        let pause = self.limits.keep_alive.filter(|_| self.opened_by_us)?;
        let pause = if progress.pings > 0 { pause.min(PONG_TIMEOUT) } else { pause };
        Some(self.activity.active_at() + pause)
    }

    async fn deliver(&self, now: Instant, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Message(raw) => {
                self.activity.note(now, &raw);
                let input = StreamInput::Message { at: now, flow: self.flow, raw };
                // Waits when the worker is behind: the peer then feels TCP's flow control.
                self.inputs.send(input).await.map_err(|_| Ended::Closed)
            }
            Frame::KeepAlivePing => {
                self.activity.note(now, b"");
                self.enqueue(Write::Octets(Bytes::from_static(b"\r\n")))
            }
            Frame::KeepAlivePong => {
                self.activity.note(now, b"");
                Ok(())
            }
        }
    }

    /// When the connection ends unless something passes before.
    fn deadline(&self, progress: &Progress) -> Instant {
        if let Some(started) = progress.message_started {
            return started + self.limits.message_deadline;
        }
        let activity = &self.activity;
        let patience = if activity.carries_calls.load(Ordering::Relaxed) {
            self.limits.call_idle_timeout
        } else if progress.heard {
            self.limits.idle_timeout
        } else {
            self.limits.first_message_timeout
        };
        activity.active_at() + patience
    }
}

/// How far a connection's reading has come.
struct Progress {
    /// A message or a keep-alive came.
    heard: bool,
    /// When the first octet of the incomplete message came.
    message_started: Option<Instant>,
    /// Keep-alives sent since the peer last said something.
    pings: u32,
}

/// For saying that a TLS connection ends.
const FAREWELL: Duration = Duration::from_millis(200);

enum ReadEnd {
    Ended(Ended),
    Broken(FramingError),
}

/// Lets the peer read our last answer: closing with unread octets would reset the connection and
/// take the answer with it. Bounded in time and octets.
async fn linger(mut stream: TcpStream) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const OCTETS: usize = 4 * 1024 * 1024;
    let _ = stream.shutdown().await;
    let drained = async {
        let mut discarded = vec![0_u8; 16 * 1024];
        let mut total = 0;
        while let Ok(length) = stream.read(&mut discarded).await {
            total += length;
            if length == 0 || total > OCTETS {
                break;
            }
        }
    };
    let _ = timeout(PATIENCE, drained).await;
}
