//! One worker thread: waits for packets, commands and deadlines, and serves them in that order.

mod bundle;
mod connect;
mod control;
mod copy;
mod dtmf;
mod fast;
mod fork;
mod life;
mod listen;
mod made;
mod orders;
mod picture;
mod play;
mod record;
mod reports;
mod rtcp;
mod seat;
mod speak;
mod streams;
mod timers;

use crate::audio::AudioLibrary;
use crate::batch::{BATCH, Batch};
use crate::clock::Clock;
use crate::counters::WorkerCounters;
use crate::fast_path::Lane;
use crate::ports::PortPool;
use crate::queue::{CommandQueue, Order, Queues};
use crate::recording::Recorder;
use crate::relay::{EventSink, RelayConfig};
use crate::rtcp_copies::RtcpCopies;
use crate::sys::{self, Epoll};
use control::Surroundings;
use copy::CopyDesk;
use fork::ForkDesk;
use made::MadeBuffer;
use model::{Instant, LegSide, MediaEvent, PlayOutcome, ReportKind};
pub use picture::{PictureBell, SeatedPicture};
use relay_core::{Decision, PacketKind, TimedOut};
use rtcp::ReportBuffer;
pub use seat::{Announcement, RecordingOrder, SeatNews, SeatedStream, UtteranceOrder};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use streams::{StreamKey, Streams, Token};
use timers::Timers;

/// Commands served between two rounds of packets: an allocation costs four sockets, and audio must
/// not wait for a burst of them.
const COMMANDS_PER_TURN: usize = 16;
/// Deadlines served between two rounds of packets.
const DEADLINES_PER_TURN: usize = 64;
/// Events in one wake-up from which on it pays to let packets gather.
const GATHER_FROM: usize = 2;

/// What a worker is made of.
pub(crate) struct WorkerParts {
    pub(crate) config: Arc<RelayConfig>,
    pub(crate) clock: Clock,
    pub(crate) ports: Arc<Mutex<PortPool>>,
    pub(crate) queue: Arc<CommandQueue>,
    /// All workers', this one's too.
    pub(crate) queues: Queues,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) events: EventSink,
    pub(crate) audio: Arc<AudioLibrary>,
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) copies: Arc<RtcpCopies>,
    pub(crate) stop: Arc<AtomicBool>,
}

pub(crate) struct Worker {
    parts: WorkerParts,
    epoll: Epoll,
    streams: Streams,
    timers: Timers,
    orders: Vec<Order>,
    /// Sockets that had more than a batch waiting; epoll does not name them again.
    unfinished: Vec<Token>,
    report: ReportBuffer,
    copies: CopyDesk,
    forks: ForkDesk,
    made: MadeBuffer,
    /// Counts the wishes for what is to be played.
    tickets: u64,
    /// What the kernel forwards by itself; `None` where all goes through sockets.
    lane: Option<Lane>,
    /// Of streams whose sockets are read, where there is a lane.
    visits: fast::Visits,
    /// Streams that are listened to.
    listened: usize,
    /// Streams that take part in conferences.
    seats: Vec<StreamKey>,
    /// Streams whose pictures do.
    pictures: Vec<StreamKey>,
    /// One worker looks after what all share.
    is_first: bool,
}

/// What one batch from a socket was.
struct Heard {
    received: usize,
    arrival: Instant,
    /// Handshakes or checks were among it.
    has_control: bool,
    /// RTCP ended here, or what came makes a report due.
    has_rtcp: bool,
    /// Keys that are converted were pressed or let go.
    has_keys: bool,
    /// Something is made here for a leg, now or later.
    has_made: bool,
    /// The stream that gets copies of it, where there are any.
    copied_to: Option<StreamKey>,
}

impl Worker {
    pub(crate) fn new(parts: WorkerParts, lane: Option<Lane>, is_first: bool) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(parts.queue.wake().fd(), Token::WAKE.0)?;
        Ok(Worker {
            parts,
            epoll,
            streams: Streams::default(),
            timers: Timers::default(),
            orders: Vec::with_capacity(COMMANDS_PER_TURN),
            unfinished: Vec::new(),
            report: ReportBuffer::new(),
            copies: CopyDesk::default(),
            forks: ForkDesk::default(),
            made: MadeBuffer::default(),
            tickets: 0,
            lane,
            visits: fast::Visits::default(),
            listened: 0,
            seats: Vec::new(),
            pictures: Vec::new(),
            is_first,
        })
    }

    /// Serves until told to stop.
    pub(crate) fn run(&mut self) {
        sys::use_precise_timers();
        let mut batch = Batch::new();
        let mut more = true;
        while !self.parts.stop.load(Ordering::Acquire) {
            let timeout =
                if more { Some(Duration::ZERO) } else { self.wait(self.parts.clock.now()) };
            let events = self.epoll.wait(timeout);
            let mut unfinished = std::mem::take(&mut self.unfinished);
            for token in unfinished.drain(..) {
                self.serve_socket(token, &mut batch);
            }
            let mut woken = false;
            for index in 0..events {
                match Token(self.epoll.token(index)) {
                    Token::WAKE => woken = true,
                    token => self.serve_socket(token, &mut batch),
                }
            }
            if woken {
                self.parts.queue.wake().clear();
                self.serve_seats();
            }
            more = (woken || more) && self.serve_commands();
            more |= self.serve_deadlines() || !self.unfinished.is_empty();
            self.serve_fast_path();
            if events >= GATHER_FROM && !more {
                self.gather();
            }
        }
        self.release_all();
    }

    /// Lets packets gather, so that one wake-up serves several: a wake-up costs about as much as a
    /// packet.
    #[expect(clippy::disallowed_methods, reason = "the point is not to be woken by an event")]
    fn gather(&self) {
        if !self.parts.config.gather.is_zero() {
            std::thread::sleep(self.parts.config.gather);
        }
    }

    fn serve_socket(&mut self, token: Token, batch: &mut Batch) {
        let Some(heard) = self.hear(token, batch) else { return };
        if heard.received == BATCH {
            self.unfinished.push(token);
        }
        let (key, from) = (token.key(), token.leg());
        if let Some(to) = heard.copied_to {
            self.send_copies(to, heard.arrival);
        }
        if heard.has_control {
            self.schedule_handshakes(key);
        }
        if heard.has_rtcp {
            self.schedule_reports(key);
        }
        if heard.has_made {
            self.send_what_waits(key, heard.arrival);
        }
        if heard.has_keys {
            self.serve_dtmf(key);
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(lane) = &mut self.lane
            && stream.fast.is_some()
        {
            stream.review_fast_path(lane, &self.parts.counters, heard.arrival);
        }
        if stream.wants_connection(from, heard.arrival) {
            self.connect(key, from, batch);
        }
    }

    /// Reads one batch from a socket and sends on what is to be sent on; `None` when nothing could
    /// be read.
    fn hear(&mut self, token: Token, batch: &mut Batch) -> Option<Heard> {
        let stream = self.streams.get_mut(token.key())?;
        if stream.shared.is_some() && token.leg() == LegSide::A {
            return self.hear_shared(token, batch);
        }
        let counters = &self.parts.counters;
        let (from, socket) = (token.leg(), token.socket());
        if let Some(lane) = &self.lane
            && stream.fast.is_some()
        {
            // What the kernel forwarded came before what it left for us.
            stream.count_fast_path(lane, counters, self.parts.clock.now());
        }
        let fd = stream.sockets[from.index()].fd(socket)?;
        let socket = socket.media();
        let received = match batch.receive(fd) {
            Ok(received) => received,
            Err(_) => {
                counters.receive_failures.add(1);
                return None;
            }
        };
        let arrival = self.parts.clock.now();
        let mut queued = [(LegSide::A, PacketKind::Rtp, 0); BATCH];
        let mut count = 0;
        let (mut has_control, mut has_rtcp) = (false, false);
        for index in 0..received {
            let Some((source, buffer, len)) = batch.datagram(index) else {
                counters.oversized.add(1);
                stream.session.count_malformed(from);
                continue;
            };
            let decision = stream.session.forward(from, socket, source, buffer, len, arrival);
            if let Some(octets) = stream.session.take_copied() {
                self.forks.keep(octets);
            }
            if may_be_rtcp(&decision) {
                self.copies.take(stream);
            }
            match decision {
                Decision::Send { to, socket, destination, len, kind } => {
                    let (fd, to_address) = stream.sockets[to.index()].way_to(socket, destination);
                    batch.queue(index, len, fd, to_address);
                    counters.sent(kind, len);
                    queued[count] = (to, kind, len);
                    count += 1;
                }
                Decision::Drop(reason) => counters.dropped(reason),
                Decision::Taken => has_rtcp = true,
                Decision::Kept => {}
                control => {
                    has_control = true;
                    let around = Surroundings { clock: self.parts.clock, counters, now: arrival };
                    let datagram = buffer.get(..len).unwrap_or_default();
                    if control == Decision::Check {
                        stream.take_check(from, source, datagram, around);
                    } else {
                        stream.take_handshake(from, source, datagram, around);
                    }
                }
            }
        }
        batch.flush(|position| {
            let (to, kind, len) = queued[position];
            counters.send_failed(kind, len);
            stream.session.send_failed(to, kind, len);
        });
        if has_rtcp {
            counters.untold_rtcp.add(stream.session.take_unpassed_feedback().into());
        }
        has_rtcp |= stream.session.take_rtcp_is_nearer();
        if stream.session.take_picture_news()
            && let Some(picture) = stream.picture.as_deref()
        {
            picture.call();
        }
        let has_keys = stream.session.has_dtmf_news();
        let has_made = stream.session.made_deadline().is_some();
        let copied_to = stream.copies[from.index()].filter(|_| !self.forks.is_empty());
        Some(Heard { received, arrival, has_control, has_rtcp, has_keys, has_made, copied_to })
    }

    /// Serves some commands; whether more wait.
    fn serve_commands(&mut self) -> bool {
        let mut orders = std::mem::take(&mut self.orders);
        let more = self.parts.queue.take(COMMANDS_PER_TURN, &mut orders);
        for order in orders.drain(..) {
            self.serve(order);
        }
        self.orders = orders;
        more
    }

    /// Serves some deadlines; whether more have come.
    fn serve_deadlines(&mut self) -> bool {
        let now = self.parts.clock.now();
        for _ in 0..DEADLINES_PER_TURN {
            let Some((at, key)) = self.timers.due(now) else { return false };
            let Some(stream) = self.streams.get_mut(key) else { continue };
            if stream.deadline != at {
                continue;
            }
            if stream.handshakes.is_some() {
                let (clock, counters) = (self.parts.clock, &self.parts.counters);
                stream.handshake_timeouts(Surroundings { clock, counters, now });
            }
            if let Some(lane) = &self.lane {
                stream.count_fast_path(lane, &self.parts.counters, now);
            }
            let (clock, counters) = (self.parts.clock, &self.parts.counters);
            stream.send_reports(clock, counters, (&mut self.report, &mut self.copies), now);
            stream.send_made(counters, &mut self.made, now);
            if let Some(lane) = &mut self.lane
                && stream.fast.is_some()
            {
                // A report may have begun another source of ours.
                stream.review_fast_path(lane, counters, now);
            }
            stream.count_transcoding(counters);
            let has_keys = stream.session.dtmf_deadline().is_some_and(|at| at <= now);
            let id = stream.session.id();
            let is_abandoned =
                stream.session.is_seat_abandoned() || stream.session.is_picture_abandoned();
            let is_pictured = stream.picture.is_some();
            let finished = stream.note_played(counters);
            let due = stream.reports.due(now);
            // Nothing is to be seen live before the first packet.
            let live = due.live && stream.session.has_media();
            let reports = [(due.interval, ReportKind::Interval), (live, ReportKind::Live)]
                .map(|(due, kind)| due.then(|| stream.session.poll_report(now, kind)));
            let silence_after = self.parts.config.silence_after;
            let silent = LegSide::BOTH
                .map(|leg| stream.session.poll_silence(leg, now, silence_after).then_some(leg));
            let timed_out = stream.session.poll_timeout(now);
            let unheard = LegSide::BOTH.map(|_| stream.session.poll_unheard(now));
            let deadlines = [
                stream.session.silence_deadline(silence_after),
                stream.session.rtcp_deadline(),
                stream.session.timeout_deadline(),
                stream.session.unheard_deadline(),
                stream.session.made_deadline(),
                stream.session.dtmf_deadline(),
                stream.session.picture_wanted_deadline(),
                stream.handshake_deadline(self.parts.clock),
            ];
            let next = deadlines.into_iter().flatten().fold(stream.reports.next(), Instant::min);
            stream.deadline = next.max(now + Duration::from_millis(1));
            self.timers.set(stream.deadline, key);
            for report in reports.into_iter().flatten().flatten() {
                self.emit(MediaEvent::Report(Box::new(report)));
            }
            if let Some(TimedOut { leg, silent_for }) = timed_out {
                self.emit(MediaEvent::TimedOut { id, leg, silent_for });
            }
            for (leg, lasted) in unheard.into_iter().flatten() {
                self.emit(MediaEvent::Unheard { id, leg, lasted });
            }
            for leg in silent.into_iter().flatten() {
                self.emit(MediaEvent::Silent { id, leg, at: now });
            }
            for leg in finished.into_iter().flatten() {
                self.emit(MediaEvent::Played { id, leg, outcome: PlayOutcome::Finished });
            }
            if has_keys {
                self.serve_dtmf(key);
            }
            if is_pictured {
                self.tell_picture_wanted(key, now);
            }
            if is_abandoned {
                self.end_abandoned_seat(id);
            }
        }
        true
    }

    fn emit(&self, event: MediaEvent) {
        (self.parts.events)(event);
    }
}

/// Whether what was decided on can have been RTCP that was accepted.
#[inline]
fn may_be_rtcp(decision: &Decision) -> bool {
    match decision {
        Decision::Send { kind, .. } => *kind == PacketKind::Rtcp,
        Decision::Taken | Decision::Drop(_) => true,
        Decision::Check | Decision::Handshake | Decision::Kept => false,
    }
}
