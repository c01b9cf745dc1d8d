//! The threads.

use crate::announcements::{self, Sound};
use crate::clock::Clock;
use crate::conference::{Conference, Turn};
use crate::statistics::{Counters, MixingStatistics};
use media_relay::{Announcement, SeatedStream};
use mixer::RoomConfig;
use model::{ConferenceId, Instant};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
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

/// The threads that mix. Stopped when it is dropped.
#[derive(Debug)]
pub struct Mixing {
    counters: Arc<Counters>,
    stops: Arc<AtomicBool>,
    /// Those that hand over to the others.
    beside: Vec<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a relay has to tell the threads.
#[derive(Debug)]
pub struct MixingOrders {
    /// Legs that take part from now on.
    pub seats: Receiver<SeatedStream>,
    /// What everybody in a conference is to hear.
    pub announcements: Receiver<Announcement>,
}

impl Mixing {
    /// Starts the threads. `origin` is when the clock of arrivals was at [`Instant::ZERO`].
    ///
    /// # Errors
    /// The system's, when it has no thread.
    pub fn start(
        config: MixingConfig,
        origin: std::time::Instant,
        orders: MixingOrders,
    ) -> io::Result<Mixing> {
        let mut mixing = Mixing {
            counters: Arc::default(),
            stops: Arc::default(),
            beside: Vec::new(),
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
            };
            let stops = Arc::clone(&mixing.stops);
            let thread = thread::Builder::new().name(format!("mixing-{number}"));
            mixing.threads.push(thread.spawn(move || desk.serve(&taken, &stops))?);
            inboxes.push(inbox);
        }
        let inboxes = Inboxes(inboxes.into());
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let door = Door { inboxes: inboxes.clone(), counters };
        let thread = thread::Builder::new().name("mixing-door".to_owned());
        let MixingOrders { seats, announcements } = orders;
        mixing.beside.push(thread.spawn(move || door.keep(&seats, &stops))?);
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let thread = thread::Builder::new().name("mixing-sounds".to_owned());
        let sounds = move || announcements::serve(&announcements, &inboxes, &counters, &stops);
        mixing.beside.push(thread.spawn(sounds)?);
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
        let threads = self.beside.drain(..).chain(self.threads.drain(..));
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

/// What a thread that mixes is told.
enum News {
    Seat(Box<SeatedStream>),
    Sound(Sound),
}

/// The ways to the threads.
#[derive(Clone)]
pub(crate) struct Inboxes(Arc<[SyncSender<News>]>);

impl Inboxes {
    /// That of the thread of a conference; it never waits.
    fn send(&self, conference: ConferenceId, news: News) -> Result<(), ()> {
        let count = self.0.len().max(1) as u64;
        let inbox = self.0.get((conference.0 % count) as usize).ok_or(())?;
        inbox.try_send(news).map_err(|_| ())
    }

    /// Hands a sound to the thread of its conference.
    pub(crate) fn sound(&self, sound: Sound) -> Result<(), ()> {
        self.send(sound.conference, News::Sound(sound))
    }
}

/// Shows each leg to the thread of its conference.
struct Door {
    inboxes: Inboxes,
    counters: Arc<Counters>,
}

impl Door {
    fn keep(self, news: &Receiver<SeatedStream>, stops: &AtomicBool) {
        while !stops.load(Ordering::Acquire) {
            match news.recv_timeout(DOOR_CHECK) {
                Ok(news) => self.let_in(news),
                Err(RecvTimeoutError::Timeout) => {}
                // The relay has ended.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn let_in(&self, stream: SeatedStream) {
        let conference = stream.seat.conference;
        if self.inboxes.send(conference, News::Seat(Box::new(stream))).is_err() {
            self.counters.refuse();
            tracing::warn!(
                conference = conference.0,
                "a call has no part in its conference: the thread that would mix it is behind"
            );
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
}

impl Desk {
    fn serve(mut self, inbox: &Receiver<News>, stops: &AtomicBool) {
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
    fn take(&mut self, news: News, last: Instant) {
        match news {
            News::Seat(stream) => {
                let (id, config) = (stream.seat.conference, self.config);
                let conference = self.conferences.entry(id);
                conference.or_insert_with(|| Conference::new(config, last)).sit(stream);
                self.count();
            }
            News::Sound(sound) => {
                // Of a conference that everybody has left meanwhile there is nobody to hear it.
                let conference = self.conferences.get_mut(&sound.conference);
                let heard = conference.map(|conference| conference.announce(sound.recording));
                if let Some(Err(error)) = heard {
                    self.counters.leave_out();
                    tracing::debug!("an announcement is not heard: {error}");
                }
            }
        }
    }

    fn turn(&mut self, now: Instant) {
        let mut turn = Turn::default();
        for conference in self.conferences.values_mut() {
            conference.turn(now, &mut self.octets, &mut turn);
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
