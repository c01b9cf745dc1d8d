//! The threads that compose.

use crate::clock::{Clock, thread_time};
use crate::codec::IS_BUILT;
use crate::composer::Composer;
use crate::signs::{GridSign, ThreadSigns};
use crate::worker::{Seat, Worker};
use crate::{Grid, GridError, GridSettings, GridStatistics, GridView};
use relay_core::octet_ring;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle, Thread};

/// Octets of packets on the way to a grid: sixteen sources of 1.4 Mbit/s for a third of a second. Full: what is new
/// is lost and counted; its tile stands still until the key frame that it asks for.
const PACKETS: usize = 1024 * 1024;
/// Octets of units on the way from a grid: two key frames of each size. Full: the rest of the picture is lost and
/// counted, and a key frame follows.
const UNITS: usize = 512 * 1024;
/// Orders on the way to a grid. Full: they are kept by the grid's holder, the last of each kind, until there is room.
const ORDERS: usize = 64;
/// Requests for key frames on the way from a grid. Full: they are made again a second later.
const WANTS: usize = 64;
/// Grids on the way to a thread.
const INBOX: usize = 64;

/// The threads. Stopped when it is dropped: grids that are open then are closed.
#[derive(Debug)]
pub struct GridPool {
    settings: GridSettings,
    stops: Arc<AtomicBool>,
    refused: AtomicU64,
    opened: AtomicU64,
    threads: Vec<PoolThread>,
    /// Those that were opened, by the names that they were given.
    grids: Mutex<Vec<(u64, Weak<GridSign>)>>,
}

#[derive(Debug)]
struct PoolThread {
    inbox: SyncSender<Seat>,
    signs: Arc<ThreadSigns>,
    handle: Option<JoinHandle<()>>,
    /// It was said that it has ended.
    is_said: AtomicBool,
}

impl PoolThread {
    /// Whether it serves its grids. One that has ended by a fault has closed them, and is given none any more.
    fn lives(&self) -> bool {
        let has_ended = self.handle.as_ref().is_none_or(JoinHandle::is_finished);
        if has_ended && !self.is_said.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "a thread that composes pictures has ended by a fault of ours: fewer meetings have a composed \
                 picture until the program is started again"
            );
        }
        !has_ended
    }
}

impl GridPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`GridError::NotBuilt`], [`GridError::Setting`], [`GridError::Thread`].
    pub fn start(settings: GridSettings) -> Result<GridPool, GridError> {
        settings.check()?;
        if !IS_BUILT {
            return Err(GridError::NotBuilt);
        }
        let mut pool = GridPool {
            settings,
            stops: Arc::default(),
            refused: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            threads: Vec::new(),
            grids: Mutex::default(),
        };
        let clock = Clock::new();
        for number in 0..settings.threads {
            let (inbox, taken) = mpsc::sync_channel(INBOX);
            let signs: Arc<ThreadSigns> = Arc::default();
            let worker = Worker {
                clock,
                inbox: taken,
                signs: Arc::clone(&signs),
                per_second: settings.frames_per_second,
            };
            let stops = Arc::clone(&pool.stops);
            let thread = thread::Builder::new().name(format!("grid-{number}"));
            let handle = thread.spawn(move || worker.serve(&stops)).map_err(GridError::Thread)?;
            let is_said = AtomicBool::new(false);
            pool.threads.push(PoolThread { inbox, signs, handle: Some(handle), is_said });
        }
        Ok(pool)
    }

    /// A grid, by the thread that has the fewest, and by this name in [`GridPool::grids`]. `wake` is woken
    /// (`std::thread::park`) when there is something to be read, a key frame is wanted of a source, or it is closed. It
    /// waits for nothing but that list.
    ///
    /// # Errors
    /// [`GridError::TooMany`], [`GridError::Busy`], [`GridError::Ended`].
    pub fn open(&self, wake: Thread, name: u64) -> Result<Grid, GridError> {
        let opened = self.find(wake, name);
        match &opened {
            Ok(_) => self.opened.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.refused.fetch_add(1, Ordering::Relaxed),
        };
        opened
    }

    fn find(&self, wake: Thread, name: u64) -> Result<Grid, GridError> {
        let open = |thread: &&PoolThread| thread.signs.open.load(Ordering::Relaxed);
        let living = || self.threads.iter().filter(|thread| thread.lives());
        if living().next().is_none() {
            return Err(GridError::Ended);
        }
        if living().map(|thread| open(&thread)).sum::<u64>() >= self.settings.most_grids as u64 {
            return Err(GridError::TooMany);
        }
        let has_time = |thread: &&PoolThread| !thread.signs.is_busy.load(Ordering::Relaxed);
        let thread = living().filter(has_time).min_by_key(open).ok_or(GridError::Busy)?;
        let (grid, seat) = pair(self.settings.frames_per_second, wake);
        // Counted before it is there, so that nobody counts it as gone before.
        thread.signs.open.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = thread.inbox.try_send(seat) {
            thread.signs.open.fetch_sub(1, Ordering::Relaxed);
            return Err(match error {
                mpsc::TrySendError::Full(_) => GridError::Busy,
                mpsc::TrySendError::Disconnected(_) => GridError::Ended,
            });
        }
        if let Some(handle) = &thread.handle {
            handle.thread().unpark();
        }
        let mut grids = self.grids.lock().unwrap_or_else(PoisonError::into_inner);
        grids.retain(|(_, sign)| sign.strong_count() > 0);
        grids.push((name, grid.sign()));
        Ok(grid)
    }

    /// Those that are open, in the order in which they were opened.
    pub fn grids(&self) -> Vec<GridView> {
        let full = self.settings.frames_per_second;
        let grids = self.grids.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |(name, sign): &(u64, Weak<GridSign>)| sign.upgrade()?.view(*name, full);
        grids.iter().filter_map(view).collect()
    }

    /// What was done so far.
    pub fn statistics(&self) -> GridStatistics {
        let mut sum = GridStatistics {
            opened: self.opened.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            ..GridStatistics::default()
        };
        for thread in &self.threads {
            thread.signs.add_to(&mut sum, thread.lives());
        }
        sum
    }
}

/// Both ends of a grid.
pub(crate) fn pair(per_second: u32, wake: Thread) -> (Grid, Seat) {
    let (packets, packets_read) = octet_ring(PACKETS);
    let (units, units_read) = octet_ring(UNITS);
    let (orders, orders_taken) = mpsc::sync_channel(ORDERS);
    let (wants, wanted) = mpsc::sync_channel(WANTS);
    let sign: Arc<GridSign> = Arc::default();
    let grid = Grid::new(packets, units_read, orders, wanted, Arc::clone(&sign));
    let seat = Seat {
        orders: orders_taken,
        packets: packets_read,
        units,
        wants,
        wake,
        sign,
        composer: Composer::metered(per_second, thread_time),
    };
    (grid, seat)
}

impl Drop for GridPool {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        let handles = self.threads.iter_mut().filter_map(|thread| thread.handle.take());
        let handles: Vec<_> = handles.collect();
        handles.iter().for_each(|handle| handle.thread().unpark());
        if !handles.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok()) {
            tracing::error!("a thread that composes pictures had ended by a fault of ours");
        }
    }
}

#[cfg(test)]
#[cfg(feature = "openh264")]
mod tests;
