//! The meeting rooms of this node: they are told of the calls that reach them, and steer those.

mod built_in;
mod prompts;
mod welcome;

use crate::config::Config;
use crate::live_directory::LiveDirectory;
use crate::node::StartError;
use model::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, Instant, LegSide,
    RoomCall, TransactionId,
};
use outbox::clock::Clock;
use prompts::Prompts;
use sip_edge::ApplicationOrders;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use welcome::{Orders, Welcome};

/// What waits for the thread. Full policy: a call that begins is refused (503), and one whose news find
/// no room is ended, since what is lost cannot be made up for.
const QUEUE: usize = 4_096;

/// How long the thread waits for news at most, and between two attempts to give an order.
const PAUSE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// What the thread is told.
enum Input {
    Begun(TransactionId, Box<RoomCall>),
    News(TransactionId, ApplicationNews),
    Stop,
}

/// What steers the calls to the rooms.
pub(crate) struct Rooms {
    inputs: SyncSender<Input>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    thread: Option<JoinHandle<()>>,
}

impl Rooms {
    /// Starts it. Orders are taken from [`Rooms::connect`] on.
    pub(crate) fn start(config: &Config) -> Result<Self, StartError> {
        let (inputs, received) = sync_channel(QUEUE);
        let orders = Arc::new(OnceLock::new());
        let desk = Desk {
            clock: Clock::start(),
            prompts: Arc::new(Prompts::of(&config.room_prompts)),
            orders: Arc::clone(&orders),
            callers: HashMap::new(),
            deadlines: BTreeSet::new(),
            unsent: VecDeque::new(),
        };
        let thread = std::thread::Builder::new().name("rooms".to_owned());
        let thread = thread.spawn(move || desk.serve(&received));
        let thread = thread
            .map_err(|error| StartError(format!("no thread for the meeting rooms: {error}")))?;
        Ok(Rooms { inputs, orders, thread: Some(thread) })
    }

    /// Orders go there from now on.
    pub(crate) fn connect(&self, orders: ApplicationOrders) {
        let _ = self.orders.set(orders);
    }

    /// What the edge tells of steered calls: of those to the rooms here, of all others `applications`.
    pub(crate) fn port(
        &self,
        directory: Arc<LiveDirectory>,
        applications: Box<dyn Fn(ApplicationEvent) -> Result<(), ApplicationEvent> + Send>,
    ) -> Box<dyn Fn(ApplicationEvent) -> Result<(), ApplicationEvent> + Send> {
        let (inputs, orders) = (self.inputs.clone(), Arc::clone(&self.orders));
        let port = Port { inputs, orders, directory, calls: Mutex::default() };
        Box::new(move |event| port.take(event).unwrap_or_else(&applications))
    }

    /// After the edge.
    pub(crate) fn stop(mut self) {
        // With the edge gone nothing fills the queue any more.
        let _ = self.inputs.send(Input::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The way from the edge to the rooms.
struct Port {
    inputs: SyncSender<Input>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    directory: Arc<LiveDirectory>,
    /// Those that the rooms steer. Used by the signalling worker alone.
    calls: Mutex<HashSet<TransactionId>>,
}

impl Port {
    /// What became of an event of the rooms; gives back one that is not theirs.
    fn take(
        &self,
        event: ApplicationEvent,
    ) -> Result<Result<(), ApplicationEvent>, ApplicationEvent> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let call = event.call;
        match &event.told {
            ApplicationTold::Begun(begun) => {
                let Some(room) = begun.room.clone() else { return Err(event) };
                let most = self.directory.current().rooms().map_or(0, |rooms| rooms.max_calls);
                let has_room = calls.len() < most as usize;
                if !has_room || self.inputs.try_send(Input::Begun(call, room)).is_err() {
                    tracing::warn!(%call, "as many callers are in the meeting rooms as may be");
                    return Ok(Err(event));
                }
                calls.insert(call);
            }
            ApplicationTold::News(news) => {
                if !calls.contains(&call) {
                    return Err(event);
                }
                if matches!(news, ApplicationNews::HungUp { leg: LegSide::A, .. }) {
                    calls.remove(&call);
                }
                let told = self.inputs.try_send(Input::News(call, news.clone()));
                if matches!(told, Err(TrySendError::Full(_))) {
                    tracing::error!(%call, "news of a caller of the meeting rooms are not taken in time");
                    if let Some(orders) = self.orders.get() {
                        let order = ApplicationOrder::HangUp { leg: None, status: 503 };
                        let _ = orders.order(call, u32::MAX, order);
                    }
                }
            }
        }
        Ok(Ok(()))
    }
}

/// The thread's own.
struct Desk {
    clock: Clock,
    prompts: Arc<Prompts>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    callers: HashMap<TransactionId, Welcome>,
    deadlines: BTreeSet<(Instant, TransactionId)>,
    /// Orders that the edge had no room for, in their order; three a caller at most.
    unsent: VecDeque<(TransactionId, u32, ApplicationOrder)>,
}

impl Desk {
    fn serve(mut self, inputs: &Receiver<Input>) {
        loop {
            let next = self.deadlines.first().map(|(at, _)| at.saturating_since(self.clock.now()));
            let patience = if self.unsent.is_empty() { PAUSE } else { AGAIN };
            match inputs.recv_timeout(next.unwrap_or(PAUSE).min(patience)) {
                Ok(Input::Begun(call, room)) => {
                    let prompts = Arc::clone(&self.prompts);
                    let (welcome, orders) = Welcome::begin(self.clock.now(), &room, prompts);
                    self.put_back(call, welcome, orders);
                }
                Ok(Input::News(call, news)) => {
                    if matches!(news, ApplicationNews::HungUp { leg: LegSide::A, .. }) {
                        self.unsent.retain(|(of, ..)| *of != call);
                    }
                    self.with(call, |welcome, now| welcome.handle_news(now, &news));
                }
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.run_deadlines();
            self.send_again();
        }
    }

    fn run_deadlines(&mut self) {
        let now = self.clock.now();
        while let Some((_, call)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.with(call, |welcome, _| welcome.handle_timeout(now));
        }
    }

    fn with(&mut self, call: TransactionId, work: impl FnOnce(&mut Welcome, Instant) -> Orders) {
        let Some(mut welcome) = self.callers.remove(&call) else { return };
        if let Some(at) = welcome.poll_timeout() {
            self.deadlines.remove(&(at, call));
        }
        let orders = work(&mut welcome, self.clock.now());
        self.put_back(call, welcome, orders);
    }

    fn put_back(&mut self, call: TransactionId, welcome: Welcome, orders: Orders) {
        self.unsent.extend(orders.into_iter().map(|(number, order)| (call, number, order)));
        if let Some(at) = welcome.poll_timeout() {
            self.deadlines.insert((at, call));
        }
        if !welcome.is_over() {
            self.callers.insert(call, welcome);
        }
    }

    fn send_again(&mut self) {
        let Some(orders) = self.orders.get() else { return };
        while let Some((call, number, order)) = self.unsent.pop_front() {
            if let Err(order) = orders.order(call, number, order) {
                self.unsent.push_front((call, number, order));
                return;
            }
        }
    }
}
