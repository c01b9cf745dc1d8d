//! A few threads that serve all calls that are listened to.
//!
//! Each thread has its own calls, by their transaction id, and looks after all of them every 20 ms; what it
//! shares with others are counters and the way in. Nothing here makes a packet of a call wait: what a thread
//! does not take in time is lost in the stream's ring, and counted.

mod call;
mod calls;
mod clock;
mod listeners;
mod statistics;
mod stream;

use calls::Calls;
use clock::Clock;
use model::TransactionId;
use relay_core::ListenNews;
use statistics::Counters;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use listeners::{Open, Openers, Refuse};
pub use statistics::HubStatistics;

/// How often a thread looks after its calls.
const TURN: Duration = Duration::from_millis(20);
/// How soon the hub's door sees that it is to close.
const DOOR_CHECK: Duration = Duration::from_millis(100);
/// News that wait for a thread. When there are more it is behind by far; streams beyond are refused.
const INBOX: usize = 1_024;
/// A thread that comes so much too late is counted.
const OVERRUN: Duration = Duration::from_millis(100);

/// Why a stream that came then is refused.
const BEHIND: &str = "the thread that would serve it is behind; raise [streaming] threads";

/// How much a hub does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HubConfig {
    /// Threads, 1 to 64.
    pub threads: usize,
    /// Calls that are listened to at a time; the threads share them evenly, and more are refused.
    pub max_calls: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        HubConfig { threads: 1, max_calls: 2_048 }
    }
}

/// The threads. Stopped when it is dropped.
#[derive(Debug)]
pub struct Hub {
    counters: Arc<Counters>,
    stops: Arc<AtomicBool>,
    door: Option<JoinHandle<()>>,
    /// Held so that threads go on when the relay has ended, until their calls have.
    inboxes: Vec<SyncSender<ListenNews>>,
    threads: Vec<JoinHandle<()>>,
}

impl Hub {
    /// Starts the threads. `origin` is when the clock of arrivals was at [`model::Instant::ZERO`],
    /// `news` what a relay has to tell, and `openers` bring the listeners.
    ///
    /// # Errors
    /// The system's, when it has no thread.
    pub fn start(
        config: HubConfig,
        origin: Instant,
        news: Receiver<ListenNews>,
        openers: Openers,
    ) -> io::Result<Hub> {
        let count = config.threads.clamp(1, 64);
        let openers = Arc::new(openers);
        let mut hub = Hub {
            counters: Arc::default(),
            stops: Arc::default(),
            door: None,
            inboxes: Vec::new(),
            threads: Vec::new(),
        };
        for number in 0..count {
            let (inbox, taken) = mpsc::sync_channel(INBOX);
            let most = config.max_calls.div_ceil(count);
            let calls = Calls::new(most, Arc::clone(&openers), Arc::clone(&hub.counters));
            let (clock, stops) = (Clock::new(origin), Arc::clone(&hub.stops));
            let thread = thread::Builder::new().name(format!("listening-{number}"));
            hub.threads.push(thread.spawn(move || serve(calls, clock, &taken, &stops))?);
            hub.inboxes.push(inbox);
        }
        let door = Door {
            inboxes: hub.inboxes.clone(),
            openers,
            counters: Arc::clone(&hub.counters),
            stops: Arc::clone(&hub.stops),
        };
        let thread = thread::Builder::new().name("listening-door".to_owned());
        hub.door = Some(thread.spawn(move || door.keep(&news))?);
        Ok(hub)
    }

    /// What was done so far.
    pub fn statistics(&self) -> HubStatistics {
        self.counters.read()
    }

    /// Gives away what has come so far, tells all listeners that the node stops, and ends the threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stops.store(true, Ordering::Release);
        // What the door has taken in before it closes is still served.
        let ended = self.door.take().map(JoinHandle::join).is_none_or(|ended| ended.is_ok());
        self.inboxes.clear();
        let all = self.threads.drain(..).map(JoinHandle::join).all(|ended| ended.is_ok());
        if !(ended && all) {
            tracing::error!("a thread of calls that are listened to had ended by a fault of ours");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.end();
    }
}

/// Shows each piece of news to its thread.
struct Door {
    inboxes: Vec<SyncSender<ListenNews>>,
    openers: Arc<Openers>,
    counters: Arc<Counters>,
    stops: Arc<AtomicBool>,
}

impl Door {
    fn keep(&self, news: &Receiver<ListenNews>) {
        loop {
            match news.recv_timeout(DOOR_CHECK) {
                Ok(news) => self.let_in(news),
                Err(RecvTimeoutError::Timeout) => {}
                // The relay has ended.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.stops.load(Ordering::Acquire) {
                // What has come; a relay that goes on is not waited for.
                news.try_iter().take(INBOX).for_each(|news| self.let_in(news));
                return;
            }
        }
    }

    fn let_in(&self, news: ListenNews) {
        let call = match &news {
            ListenNews::Stream(stream) => stream.listening.call.transaction_id,
            ListenNews::Refused(refused) => refused.listening.call.transaction_id,
            ListenNews::Update { transaction_id, .. } => *transaction_id,
        };
        let Some(inbox) = self.inboxes.get(place_of(call, self.inboxes.len())) else { return };
        if let Err(TrySendError::Full(news) | TrySendError::Disconnected(news)) =
            inbox.try_send(news)
        {
            self.counters.refuse();
            tracing::warn!(transaction = %call, "nobody listens to a call: {BEHIND}");
            if let ListenNews::Stream(stream) = news {
                self.openers.refuse(&stream.listening, stream.began_at, BEHIND);
            }
        }
    }
}

fn place_of(call: TransactionId, count: usize) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(call);
    (hash % count.max(1) as u64) as usize
}

/// One thread.
fn serve(mut calls: Calls, clock: Clock, inbox: &Receiver<ListenNews>, stops: &AtomicBool) {
    let mut due = clock.now() + TURN;
    loop {
        if calls.is_empty() {
            // Nobody is listened to: it sleeps until somebody is, or the hub ends.
            let Ok(news) = inbox.recv() else { break };
            calls.hear(news, clock.now());
            due = clock.now() + TURN;
        }
        let now = clock.now();
        if now < due {
            match inbox.recv_timeout(due - now) {
                Ok(news) => calls.hear(news, clock.now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            continue;
        }
        let is_late = now - due > OVERRUN;
        calls.turn(now);
        calls.note_turn(is_late, clock.now() - now);
        due = if is_late { now + TURN } else { due + TURN };
        if stops.load(Ordering::Acquire) && calls.is_empty() {
            break;
        }
        // A thread that is always late still lets calls in.
        while let Ok(news) = inbox.try_recv() {
            calls.hear(news, clock.now());
        }
    }
    while let Ok(news) = inbox.try_recv() {
        calls.hear(news, clock.now());
    }
    calls.stop(clock.now());
}

#[cfg(test)]
mod tests;
