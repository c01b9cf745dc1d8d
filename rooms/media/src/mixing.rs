//! The threads.

use crate::clock::Clock;
use crate::conference::{Conference, Turn};
use crate::recording::{Recorder, RecordingEvents};
use crate::statistics::{Counters, MixingStatistics};
use media_relay::{RecordingOrder, SeatNews, SeatedStream};
use mixer::RoomConfig;
use model::{ConferenceId, ConferenceRecordingFailure, Instant, MediaEvent};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a frame lasts.
const FRAME: Duration = Duration::from_millis(mixer::TICK_MS as u64);
/// How soon the door sees that it is to close.
const DOOR_CHECK: Duration = Duration::from_millis(100);
/// News that wait for a thread. When there are more it is behind by far, and legs beyond are refused.
const INBOX: usize = 1_024;

/// How much is mixed, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MixingConfig {
    /// Threads, 1 to 64. A conference is mixed by one of them.
    pub threads: usize,
    /// What conferences are like.
    pub room: RoomConfig,
}

impl Default for MixingConfig {
    fn default() -> Self {
        MixingConfig { threads: 1, room: RoomConfig::default() }
    }
}

/// What records conferences.
#[derive(Clone)]
pub struct Recording {
    /// What makes recordings; `None` where nothing may be recorded.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Who is told what becomes of them.
    pub events: RecordingEvents,
}

/// The threads that mix. Stopped when it is dropped.
#[derive(Debug)]
pub struct Mixing {
    counters: Arc<Counters>,
    stops: Arc<AtomicBool>,
    door: Option<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Mixing {
    /// Starts the threads. `origin` is when the clock of arrivals was at [`Instant::ZERO`], `news` what a
    /// relay has to tell; `recording` records.
    ///
    /// # Errors
    /// The system's, when it has no thread.
    pub fn start(
        config: MixingConfig,
        origin: std::time::Instant,
        news: Receiver<SeatNews>,
        recording: Recording,
    ) -> io::Result<Mixing> {
        let mut mixing = Mixing {
            counters: Arc::default(),
            stops: Arc::default(),
            door: None,
            threads: Vec::new(),
        };
        let mut inboxes = Vec::new();
        for number in 0..config.threads.clamp(1, 64) {
            let (inbox, taken) = mpsc::sync_channel(INBOX);
            let desk = Desk {
                config: config.room,
                clock: Clock::new(origin),
                conferences: HashMap::new(),
                counters: Arc::clone(&mixing.counters),
                octets: Vec::with_capacity(2_048),
                held: [0; 2],
                recording: recording.clone(),
            };
            let stops = Arc::clone(&mixing.stops);
            let thread = thread::Builder::new().name(format!("mixing-{number}"));
            mixing.threads.push(thread.spawn(move || desk.serve(&taken, &stops))?);
            inboxes.push(inbox);
        }
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let door = Door { inboxes, counters, recording };
        let thread = thread::Builder::new().name("mixing-door".to_owned());
        mixing.door = Some(thread.spawn(move || door.keep(&news, &stops))?);
        Ok(mixing)
    }

    /// What was done so far.
    pub fn statistics(&self) -> MixingStatistics {
        self.counters.read()
    }

    /// Ends the threads. After the relay.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stops.store(true, Ordering::Release);
        let threads = self.door.take().into_iter().chain(self.threads.drain(..));
        if !threads.map(JoinHandle::join).all(|ended| ended.is_ok()) {
            tracing::error!("a thread that mixes conferences had ended by a fault of ours");
        }
    }
}

impl Drop for Mixing {
    fn drop(&mut self) {
        self.end();
    }
}

/// Shows each leg, and each order, to the thread of its conference.
struct Door {
    inboxes: Vec<SyncSender<SeatNews>>,
    counters: Arc<Counters>,
    recording: Recording,
}

impl Door {
    fn keep(self, news: &Receiver<SeatNews>, stops: &AtomicBool) {
        while !stops.load(Ordering::Acquire) {
            match news.recv_timeout(DOOR_CHECK) {
                Ok(news) => self.pass(news),
                Err(RecvTimeoutError::Timeout) => {}
                // The relay has ended.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn pass(&self, news: SeatNews) {
        let conference = match &news {
            SeatNews::Audio(stream) => stream.seat.conference,
            SeatNews::Record(order) => order.conference,
        };
        let count = self.inboxes.len().max(1) as u64;
        let Some(inbox) = self.inboxes.get((conference.0 % count) as usize) else { return };
        let Err(TrySendError::Full(news) | TrySendError::Disconnected(news)) = inbox.try_send(news)
        else {
            return;
        };
        match news {
            SeatNews::Audio(_) => {
                self.counters.refuse();
                tracing::warn!(
                    conference = conference.0,
                    "a call has no part in its conference: the thread that would mix it is behind"
                );
            }
            SeatNews::Record(order) => {
                self.recording.refuse(&order, ConferenceRecordingFailure::TooMany);
            }
        }
    }
}

/// One thread's own.
struct Desk {
    config: RoomConfig,
    clock: Clock,
    conferences: HashMap<ConferenceId, Conference>,
    counters: Arc<Counters>,
    /// A packet, while it is looked at.
    octets: Vec<u8>,
    /// Conferences and legs, as they were told.
    held: [u64; 2],
    recording: Recording,
}

impl Recording {
    fn refuse(&self, order: &RecordingOrder, failure: ConferenceRecordingFailure) {
        tracing::warn!(conference = order.conference.0, %failure, "a meeting is not recorded");
        (self.events)(MediaEvent::ConferenceRecordingFailed { id: order.id, failure });
    }
}

impl Desk {
    fn serve(mut self, inbox: &Receiver<SeatNews>, stops: &AtomicBool) {
        let mut due = self.clock.now();
        while !stops.load(Ordering::Acquire) {
            if self.conferences.is_empty() {
                // It sleeps until there is one, or everything ends.
                match inbox.recv_timeout(DOOR_CHECK) {
                    Ok(news) => {
                        due = self.clock.now();
                        self.take(news, due);
                        due += FRAME;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                continue;
            }
            let now = self.clock.now();
            if now < due {
                match inbox.recv_timeout(due - now) {
                    Ok(news) => self.take(news, due - FRAME),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                continue;
            }
            self.turn(now);
            due += FRAME;
            // A thread that is always late still lets legs in, and does not run after what is past.
            while let Ok(news) = inbox.try_recv() {
                self.take(news, due - FRAME);
            }
            if due + 5 * FRAME < self.clock.now() {
                due = self.clock.now();
            }
        }
        self.conferences.clear();
        self.count();
    }

    /// `last` is when frames were mixed last: those of all conferences are mixed together.
    fn take(&mut self, news: SeatNews, last: Instant) {
        match news {
            SeatNews::Audio(stream) => self.sit(stream, last),
            SeatNews::Record(order) => self.record(&order),
        }
    }

    fn record(&mut self, order: &RecordingOrder) {
        let done = match (&self.recording.recorder, self.conferences.get_mut(&order.conference)) {
            (None, _) => Err(ConferenceRecordingFailure::NotConfigured),
            (Some(recorder), Some(conference)) => conference.record(order, &**recorder),
            // Whoever named it has left meanwhile.
            (Some(_), None) => Err(ConferenceRecordingFailure::NoSeat),
        };
        if let Err(failure) = done
            && order.recording.is_some()
        {
            self.recording.refuse(order, failure);
        }
    }

    fn sit(&mut self, stream: Box<SeatedStream>, last: Instant) {
        let (id, config) = (stream.seat.conference, self.config);
        let conference = self.conferences.entry(id);
        conference.or_insert_with(|| Conference::new(config, last)).sit(stream);
        self.count();
    }

    fn turn(&mut self, now: Instant) {
        let mut turn = Turn::default();
        for conference in self.conferences.values_mut() {
            conference.turn(now, &mut self.octets, &mut turn);
        }
        for conference in self.conferences.values_mut() {
            conference.look_at_tape(&self.recording.events);
        }
        turn.bells.iter().for_each(media_relay::MixBell::ring);
        self.conferences.retain(|_, conference| !conference.is_empty());
        (0..turn.refused).for_each(|_| self.counters.refuse());
        self.counters.add(turn.tally, self.clock.now() - now);
        self.count();
    }

    fn count(&mut self) {
        let legs = self.conferences.values().map(|conference| conference.len() as u64).sum();
        let held = [self.conferences.len() as u64, legs];
        if held != self.held {
            self.counters.hold(held, std::mem::replace(&mut self.held, held));
        }
    }
}
