//! The threads: how many, from their start to their end.

use crate::announcements;
use crate::clock::Clock;
use crate::desk::Desk;
use crate::door::Door;
use crate::error::MixingError;
use crate::inbox::Inboxes;
use crate::pictures::Composer;
use crate::recording::Recording;
use crate::statistics::{Counters, MixingStatistics};
use media_relay::{Announcement, SeatNews};
use mixer::RoomConfig;
use room_grid::{GridPool, GridSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

/// News that wait for a thread. When there are more it is behind by far, and legs beyond are refused.
const INBOX: usize = 1_024;

/// How much is mixed, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MixingConfig {
    /// Threads, 1 to 64. A conference is mixed by one of them.
    pub threads: usize,
    /// What conferences are like.
    pub room: RoomConfig,
    /// How many pictures are composed of several, and how; `None` for none.
    pub grids: Option<GridSettings>,
}

impl Default for MixingConfig {
    fn default() -> Self {
        MixingConfig { threads: 1, room: RoomConfig::default(), grids: None }
    }
}

/// The threads that mix. Stopped when it is dropped.
#[derive(Debug)]
pub struct Mixing {
    counters: Arc<Counters>,
    pub(crate) composer: Option<Composer>,
    stops: Arc<AtomicBool>,
    /// Those that hand over to the others.
    beside: Vec<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a relay has to tell the threads.
#[derive(Debug)]
pub struct MixingOrders {
    /// Legs that take part from now on.
    pub seats: Receiver<SeatNews>,
    /// What everybody in a conference is to hear.
    pub announcements: Receiver<Announcement>,
}

impl Mixing {
    /// Starts the threads. `origin` is when the clock of arrivals was at [`model::Instant::ZERO`]; `recording`
    /// records.
    ///
    /// # Errors
    /// The system has no thread; this program composes no pictures, where it is to.
    pub fn start(
        config: MixingConfig,
        origin: std::time::Instant,
        orders: MixingOrders,
        recording: Recording,
    ) -> Result<Mixing, MixingError> {
        let composer = config.grids.map(|grids| {
            let pool = Arc::new(GridPool::start(grids)?);
            Ok(Composer { pool, per_second: grids.frames_per_second })
        });
        let composer = composer.transpose().map_err(MixingError::Grids)?;
        let mut mixing = Mixing {
            counters: Arc::default(),
            composer: composer.clone(),
            stops: Arc::default(),
            beside: Vec::new(),
            threads: Vec::new(),
        };
        let mut inboxes = Vec::new();
        for number in 0..config.threads.clamp(1, 64) {
            let (inbox, taken) = mpsc::sync_channel(INBOX);
            let (clock, counters) = (Clock::new(origin), Arc::clone(&mixing.counters));
            let desk = Desk::new(config.room, clock, counters, recording.clone(), composer.clone());
            let stops = Arc::clone(&mixing.stops);
            let thread = thread::Builder::new().name(format!("mixing-{number}"));
            let thread = thread.spawn(move || desk.serve(&taken, &stops))?;
            inboxes.push((inbox, thread.thread().clone()));
            mixing.threads.push(thread);
        }
        let inboxes = Inboxes(inboxes.into());
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let door = Door::new(inboxes.clone(), recording, counters, Clock::new(origin));
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
        let composer = self.composer.as_ref();
        let grids = composer.map(|composer| composer.pool.statistics()).unwrap_or_default();
        MixingStatistics { grids, ..self.counters.read() }
    }

    /// Ends the threads. After the relay.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stops.store(true, Ordering::Release);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
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
