//! The thread with the sockets of floor control: datagrams and connections in, what the rooms say out.

use super::Input;
use super::floor::{FloorNews, FloorOrder};
use crate::node::StartError;
use bfcp::{Action, Associations, LinkId, MAX_DATAGRAM, Tally};
use outbox::clock::Clock;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Orders that the thread takes at once. Full: the rooms keep them ([`super::floor::UNSENT`]).
const ORDERS: usize = 1_024;
/// News that the rooms have no room for. Full policy: messages are lost, counted; a device over UDP repeats.
/// That a device is gone is kept, once for each device.
const UNTOLD: usize = 1_024;
/// Pieces of at most [`PIECE`] that connections have read. Full: they are not read meanwhile.
const PIECES: usize = 256;
const PIECE: usize = 2_048;
/// Messages that wait for a connection. Full: it is closed, its device reads nothing.
const UNWRITTEN: usize = 64;
/// How long the last of what is written to a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Between two attempts of something that has found no room.
const AGAIN: Duration = Duration::from_millis(50);

/// Its counters.
#[derive(Default)]
pub(super) struct FloorCounters {
    tally: Mutex<Tally>,
    admitted: AtomicU64,
    links: AtomicU64,
    untold: AtomicU64,
}

/// What is read of them.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FloorCounts {
    pub(super) tally: Tally,
    pub(super) admitted: u64,
    pub(super) links: u64,
    pub(super) untold: u64,
}

impl FloorCounters {
    pub(super) fn read(&self) -> FloorCounts {
        FloorCounts {
            tally: *self.tally.lock().unwrap_or_else(PoisonError::into_inner),
            admitted: self.admitted.load(Ordering::Relaxed),
            links: self.links.load(Ordering::Relaxed),
            untold: self.untold.load(Ordering::Relaxed),
        }
    }
}

/// The sockets, served by a thread until this is dropped.
pub(super) struct FloorSockets {
    orders: Option<Sender<FloorOrder>>,
    thread: Option<JoinHandle<()>>,
}

impl FloorSockets {
    /// Binds `listen` over UDP and TCP. What devices say goes to `rooms`.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub(super) fn start(
        listen: SocketAddr,
        rooms: SyncSender<Input>,
        counters: Arc<FloorCounters>,
    ) -> Result<Self, StartError> {
        let fault = |what: &str, error: std::io::Error| {
            let advice = crate::listening::advice(error.kind());
            StartError(format!(
                "[rooms] bfcp: {listen} over {what} cannot be served: {error}; {advice}"
            ))
        };
        let udp = std::net::UdpSocket::bind(listen).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let udp = udp.map_err(|error| fault("UDP", error))?;
        let tcp = std::net::TcpListener::bind(listen).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let tcp = tcp.map_err(|error| fault("TCP", error))?;
        let (sender, orders) = channel(ORDERS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| fault("UDP and TCP", error))?;
        let thread = std::thread::Builder::new().name("floor-control".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(async move {
                let sockets = UdpSocket::from_std(udp).and_then(|udp| {
                    let tcp = TcpListener::from_std(tcp)?;
                    Ok((udp, tcp))
                });
                match sockets {
                    Ok((udp, tcp)) => {
                        let (sender, pieces) = channel(PIECES);
                        let server = Server::new(udp, rooms, counters, sender);
                        server.serve(&tcp, orders, pieces).await;
                    }
                    Err(error) => tracing::error!("floor control is not served: {error}"),
                }
            });
        });
        let thread = thread.map_err(|error| fault("UDP and TCP", error))?;
        Ok(FloorSockets { orders: Some(sender), thread: Some(thread) })
    }

    /// Takes orders as far as there is room; whether there was for all.
    pub(super) fn take(&self, orders: &mut VecDeque<FloorOrder>) -> bool {
        let Some(sender) = &self.orders else { return true };
        while let Some(order) = orders.pop_front() {
            if let Err(tokio::sync::mpsc::error::TrySendError::Full(order)) = sender.try_send(order)
            {
                orders.push_front(order);
                return false;
            }
        }
        true
    }
}

impl Drop for FloorSockets {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a connection has read; nothing more when it has ended.
type Piece = (LinkId, Option<Vec<u8>>);

struct Server {
    clock: Clock,
    associations: Associations,
    udp: UdpSocket,
    rooms: SyncSender<Input>,
    untold: VecDeque<FloorNews>,
    counters: Arc<FloorCounters>,
    links: HashMap<LinkId, Sender<Vec<u8>>>,
    last_link: u64,
    pieces: Sender<Piece>,
}

impl Server {
    fn new(
        udp: UdpSocket,
        rooms: SyncSender<Input>,
        counters: Arc<FloorCounters>,
        pieces: Sender<Piece>,
    ) -> Self {
        Server {
            clock: Clock::start(),
            associations: Associations::default(),
            udp,
            rooms,
            untold: VecDeque::new(),
            counters,
            links: HashMap::new(),
            last_link: 0,
            pieces,
        }
    }

    async fn serve(
        mut self,
        tcp: &TcpListener,
        mut orders: Receiver<FloorOrder>,
        mut pieces: Receiver<Piece>,
    ) {
        // A longer datagram is no message of a device; what is cut off fits nowhere.
        let mut buffer = vec![0; 2 * MAX_DATAGRAM];
        loop {
            let pause = self.pause();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.follow(order),
                    None => return,
                },
                received = self.udp.recv_from(&mut buffer) => {
                    // An error is about something that was sent before.
                    if let Ok((octets, source)) = received {
                        let now = self.clock.now();
                        let octets = buffer.get(..octets).unwrap_or_default();
                        self.associations.handle_datagram(now, source, octets);
                    }
                }
                accepted = tcp.accept() => match accepted {
                    Ok((stream, source)) => self.accept(stream, source),
                    // Too many open files, as a rule.
                    Err(_) => tokio::time::sleep(AGAIN).await,
                },
                piece = pieces.recv() => if let Some((link, octets)) = piece {
                    self.take_piece(link, octets.as_deref());
                },
                () = tokio::time::sleep(pause) => {}
            }
            self.associations.handle_timeout(self.clock.now());
            self.act();
        }
    }

    /// How long nothing has to be done, unless something comes.
    fn pause(&self) -> Duration {
        let now = self.clock.now();
        let due = self.associations.poll_timeout().map(|due| due.saturating_since(now));
        let again = (!self.untold.is_empty()).then_some(AGAIN);
        let shortest = due.into_iter().chain(again).min();
        // A timer of zero would turn the loop round without end.
        shortest.map_or(Duration::from_secs(60), |pause| pause.max(Duration::from_millis(1)))
    }

    fn follow(&mut self, order: FloorOrder) {
        let now = self.clock.now();
        match order {
            FloorOrder::Admit(admission) => {
                if !self.associations.admit(now, admission) {
                    tracing::warn!("as many devices have floor control as may");
                }
            }
            FloorOrder::Release(conference) => self.associations.release(conference),
            FloorOrder::Send(message, is_response) => {
                self.associations.send(now, message, is_response);
            }
        }
    }

    fn accept(&mut self, stream: TcpStream, source: SocketAddr) {
        self.last_link += 1;
        let link = LinkId(self.last_link);
        if !self.associations.handle_connected(self.clock.now(), link, source) {
            return;
        }
        // Messages are few and short, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let (sender, unwritten) = channel(UNWRITTEN);
        self.links.insert(link, sender);
        tokio::spawn(serve_link(link, stream, unwritten, self.pieces.clone()));
    }

    fn take_piece(&mut self, link: LinkId, octets: Option<&[u8]>) {
        match octets {
            Some(octets) => self.associations.handle_octets(self.clock.now(), link, octets),
            None => {
                self.links.remove(&link);
                self.associations.handle_closed(link);
            }
        }
    }

    /// Does what is to be done, and tells the rooms.
    fn act(&mut self) {
        while let Some(action) = self.associations.poll() {
            match action {
                Action::Message(message) => self.note(FloorNews::Said(message)),
                Action::Lost { conference } => self.note(FloorNews::Lost(conference)),
                Action::Send { to, datagram } => {
                    // What finds no room in the socket is lost as in the network, and repeated.
                    let _ = self.udp.try_send_to(&datagram, to);
                }
                Action::Write { link, octets } => {
                    let sender = self.links.get(&link);
                    if sender.is_some_and(|sender| sender.try_send(octets).is_err()) {
                        self.links.remove(&link);
                        self.associations.handle_closed(link);
                    }
                }
                Action::Close { link } => {
                    self.links.remove(&link);
                }
            }
        }
        while let Some(news) = self.untold.pop_front() {
            if let Err(std::sync::mpsc::TrySendError::Full(Input::Floor(news))) =
                self.rooms.try_send(Input::Floor(news))
            {
                self.untold.push_front(news);
                break;
            }
        }
        let counters = &self.counters;
        *counters.tally.lock().unwrap_or_else(PoisonError::into_inner) = self.associations.tally();
        counters.admitted.store(self.associations.admitted() as u64, Ordering::Relaxed);
        counters.links.store(self.associations.links() as u64, Ordering::Relaxed);
    }

    fn note(&mut self, news: FloorNews) {
        if !keep(&mut self.untold, news) {
            self.counters.untold.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Has news wait for the rooms; whether they do, or what waits says the same.
fn keep(untold: &mut VecDeque<FloorNews>, news: FloorNews) -> bool {
    if untold.len() >= UNTOLD {
        // Nobody would say again that a device is gone, and it would keep the floor.
        let FloorNews::Lost(conference) = news else { return false };
        let newest = untold.iter().rev().find(|waiting| waiting.conference() == conference);
        if matches!(newest, Some(FloorNews::Lost(_))) {
            return true;
        }
    }
    untold.push_back(news);
    true
}

/// Reads and writes a connection until either side has enough.
async fn serve_link(
    link: LinkId,
    mut stream: TcpStream,
    mut unwritten: Receiver<Vec<u8>>,
    pieces: Sender<Piece>,
) {
    let (mut reading, mut writing) = stream.split();
    let mut buffer = vec![0; PIECE];
    loop {
        tokio::select! {
            read = reading.read(&mut buffer) => match read {
                Ok(octets) if octets > 0 => {
                    let octets = buffer.get(..octets).unwrap_or_default().to_vec();
                    if pieces.send((link, Some(octets))).await.is_err() {
                        return;
                    }
                }
                _ => break,
            },
            octets = unwritten.recv() => match octets {
                Some(octets) => {
                    let written = tokio::time::timeout(LAST_WORDS, writing.write_all(&octets));
                    if !matches!(written.await, Ok(Ok(()))) {
                        break;
                    }
                }
                None => {
                    // What was written is sent before the end.
                    let _ = tokio::time::timeout(LAST_WORDS, writing.shutdown()).await;
                    return;
                }
            },
        }
    }
    let _ = pieces.send((link, None)).await;
}

#[cfg(test)]
mod tests;
