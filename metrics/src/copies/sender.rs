//! The way to a collector of copies: nobody waits for it.

use crate::hep::{HepConfig, HepTls, HepTransport};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Packets that wait for a connection. Full policy: the newest is dropped, and counted as
/// failed.
const WAITING: usize = 4_096;
/// A collector that takes nothing for so long is given up, and connected to anew.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to connect: the first pause, which is doubled up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];

#[derive(Debug, Default)]
struct Shared {
    /// Packets that the system took, and that nobody will get.
    sent: AtomicU64,
    failed: AtomicU64,
    /// No more packets come, and nobody waits for a connection.
    ends: AtomicBool,
}

impl Shared {
    fn note(&self, sent: bool) {
        let count = if sent { &self.sent } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }
}

/// Sends copies.
#[derive(Debug)]
pub(crate) struct CopySender {
    way: Way,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Way {
    /// As most of HEP's senders do it: a packet is a datagram.
    Datagrams(UdpSocket),
    /// One packet behind the other, by a thread. Both are `None` once it ends.
    Stream(Option<Sender<Vec<u8>>>, Option<JoinHandle<()>>),
}

impl CopySender {
    /// # Errors
    /// Over UDP as `bind(2)` and `connect(2)`; over TCP and TLS when no thread can be started: a connection
    /// is made when there is something to send, and made again.
    pub(crate) fn new(config: &HepConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let way = match &config.transport {
            HepTransport::Udp => Way::Datagrams(datagrams(config.target)?),
            HepTransport::Tcp => Way::stream(config.target, None, &shared)?,
            HepTransport::Tls(layer) => Way::stream(config.target, Some(layer.clone()), &shared)?,
        };
        Ok(CopySender { way, shared })
    }

    /// Sends a packet now, or leaves it to the thread.
    pub(crate) fn send(&self, packet: Vec<u8>) {
        match &self.way {
            Way::Datagrams(socket) => {
                // A collector that is not there answers one packet later (ICMP): that error is taken
                // away, and the packet sent.
                let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
                let sent = match socket.send(&packet) {
                    Err(error) if refused(&error) => socket.send(&packet),
                    sent => sent,
                };
                self.shared.note(sent.is_ok());
            }
            Way::Stream(queue, _) => {
                if queue.as_ref().is_none_or(|queue| queue.try_send(packet).is_err()) {
                    self.shared.note(false);
                }
            }
        }
    }

    /// How many packets were sent, and how many failed, since this was last asked.
    pub(crate) fn take_outcomes(&self) -> [u64; 2] {
        [self.shared.sent.swap(0, Relaxed), self.shared.failed.swap(0, Relaxed)]
    }
}

impl Way {
    fn stream(target: SocketAddr, layer: Option<HepTls>, shared: &Arc<Shared>) -> io::Result<Self> {
        let (queue, packets) = bounded(WAITING);
        let shared = Arc::clone(shared);
        let stream = Stream { target, layer, packets, shared, complaint: None };
        let thread = thread::Builder::new().name("hep".to_owned()).spawn(move || stream.run())?;
        Ok(Way::Stream(Some(queue), Some(thread)))
    }
}

impl Drop for CopySender {
    /// What waits is sent while there is a connection.
    fn drop(&mut self) {
        let Way::Stream(queue, thread) = &mut self.way else { return };
        self.shared.ends.store(true, Relaxed);
        drop(queue.take());
        let Some(thread) = thread.take() else { return };
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the thread that sends HEP packets panicked");
        }
    }
}

fn datagrams(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(target)?;
    Ok(socket)
}

/// The thread's side of a connection.
struct Stream {
    target: SocketAddr,
    layer: Option<HepTls>,
    packets: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    /// What the log was told last.
    complaint: Option<String>,
}

impl Stream {
    fn run(mut self) {
        let mut pause = PAUSES[0];
        let mut waiting = None;
        while let Some(packet) = waiting.take().or_else(|| self.packets.recv().ok()) {
            match self.connect() {
                Ok(stream) => {
                    pause = PAUSES[0];
                    if self.complaint.take().is_some() {
                        tracing::info!(target = %self.target, "the HEP collector takes packets again");
                    }
                    self.serve(stream, packet);
                }
                Err(error) if self.shared.ends.load(Relaxed) => {
                    let lost = 1 + self.packets.len();
                    tracing::warn!(target = %self.target, %error, lost, "HEP packets nobody gets");
                    self.shared.failed.fetch_add(lost as u64, Relaxed);
                    return;
                }
                Err(error) => {
                    self.complain(&error);
                    waiting = Some(packet);
                    thread::park_timeout(pause);
                    pause = (pause * 2).min(PAUSES[1]);
                }
            }
        }
    }

    /// Sends until the connection breaks, or nothing more comes. Of a connection that the collector
    /// closed, the packet that shows it may count as sent: HEP has no acknowledgement.
    fn serve(&self, mut stream: Box<dyn Write + Send>, first: Vec<u8>) {
        let mut next = Some(first);
        while let Some(packet) = next.take().or_else(|| self.packets.recv().ok()) {
            let sent = stream.write_all(&packet).and_then(|()| stream.flush());
            self.shared.note(sent.is_ok());
            if sent.is_err() {
                return;
            }
        }
    }

    fn connect(&self) -> io::Result<Box<dyn Write + Send>> {
        let stream = TcpStream::connect_timeout(&self.target, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        match &self.layer {
            Some(layer) => layer.0.secure(stream),
            None => Ok(Box::new(stream)),
        }
    }

    /// Says why there is no connection when that begins, and when it is something else.
    fn complain(&mut self, error: &io::Error) {
        let reason = error.to_string();
        if self.complaint.as_ref() != Some(&reason) {
            let waiting = WAITING;
            tracing::warn!(
                target = %self.target,
                %error,
                "no connection to the HEP collector of [hep] target; {waiting} packets wait at most"
            );
            self.complaint = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    fn sender(target: SocketAddr) -> CopySender {
        let config = HepConfig { transport: HepTransport::Tcp, ..HepConfig::new(target) };
        CopySender::new(&config).unwrap()
    }

    fn took(listener: &TcpListener, octets: usize) -> Vec<u8> {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = vec![0; octets];
        stream.read_exact(&mut all).unwrap();
        all
    }

    #[test]
    fn a_stream_carries_packets_in_order_and_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = sender(listener.local_addr().unwrap());
        sender.send(b"HEP3one".to_vec());
        sender.send(b"HEP3two".to_vec());
        assert_eq!(took(&listener, 14), b"HEP3oneHEP3two");
        // That connection is closed: sooner or later a packet shows it, and the next one gets through.
        listener.set_nonblocking(true).unwrap();
        let again = loop {
            sender.send(b"HEP3again".to_vec());
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => thread::yield_now(),
            }
        };
        again.set_nonblocking(false).unwrap();
        let mut start = [0; 9];
        (&again).read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HEP3again");
    }

    #[test]
    fn what_waits_is_bounded_and_nobody_waits_at_the_end() {
        // Nobody listens where somebody did.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sender = sender(gone);
        (0..WAITING + 10).for_each(|_| sender.send(b"HEP3".to_vec()));
        let [sent, failed] = sender.take_outcomes();
        assert!(sent == 0 && (9..=10).contains(&failed), "{sent} {failed}");
        let shared = Arc::clone(&sender.shared);
        drop(sender);
        let failed = failed + shared.failed.load(Relaxed);
        assert_eq!(failed, WAITING as u64 + 10, "all are counted");
    }
}
