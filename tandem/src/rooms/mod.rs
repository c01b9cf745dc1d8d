//! The meeting rooms of this node: they are told of the calls that reach them, and steer those.
//!
//! One thread holds them all ([`room_core::Focus`]); calls, keys and whoever asks something
//! ([`RoomsHandle`]) come to it by one queue.

mod api;
mod built_in;
mod desk;
mod ears;
mod events;
mod prompts;
mod readings;
mod taping;

use crate::config::{Config, RoomsSection};
use crate::live_directory::LiveDirectory;
use crate::node::StartError;
pub(crate) use built_in::has as has_built_in;
use call_metrics::{Numbers, PerSink};
use call_streaming::events::EventSink;
use desk::Desk;
use events::Teller;
use model::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, LegSide, SteeredCall,
    TransactionId,
};
use readings::Counters;
use room_core::{Draw, Focus, Now};
use sip_edge::ApplicationOrders;
use std::collections::HashSet;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use readings::RoomsReadings;

/// What waits for the thread. Full policy: a call that begins is refused (503), one whose news find no
/// room is ended, since what is lost cannot be made up for, and whoever asks is told to ask again.
const QUEUE: usize = 4_096;

/// How long somebody waits for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Something to be done with the rooms by their thread. What comes of it in calls is done after it.
type Work = Box<dyn FnOnce(&mut Focus, Now, Draw<'_>) + Send>;

/// What the thread is told.
enum Input {
    Begun(TransactionId, Box<SteeredCall>),
    News(TransactionId, ApplicationNews),
    Ask(Work),
    Stop,
}

/// What steers the calls to the rooms.
pub(crate) struct Rooms {
    inputs: SyncSender<Input>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Rooms {
    /// Starts it. What happens in meetings is told `events`, with people shown so, there and beside
    /// recordings. Orders are taken from [`Rooms::connect`] on.
    pub(crate) fn start(
        config: &Config,
        (sink, people, recorded): (Arc<dyn EventSink>, PerSink<Numbers>, Numbers),
    ) -> Result<Self, StartError> {
        let (inputs, received) = sync_channel(QUEUE);
        let orders = Arc::new(OnceLock::new());
        let counters = Arc::new(Counters::default());
        let section = config.rooms.clone().unwrap_or_default();
        let tellers = (Teller::new(config, (sink, people)), recorded);
        // Of relays elsewhere their own files say whether they record.
        let relays = config.relay_control.as_ref().map_or(0, |control| control.relays.len());
        let unrecorded = section.recording.is_none() && relays == 0;
        let shared = (Arc::clone(&orders), Arc::clone(&counters));
        let desk = Desk::new(section, tellers, shared, unrecorded);
        let thread = std::thread::Builder::new().name("rooms".to_owned());
        let thread = thread.spawn(move || desk.serve(&received));
        let thread = thread
            .map_err(|error| StartError(format!("no thread for the meeting rooms: {error}")))?;
        Ok(Rooms { inputs, orders, counters, thread: Some(thread) })
    }

    /// Orders go there from now on.
    pub(crate) fn connect(&self, orders: ApplicationOrders) {
        let _ = self.orders.set(orders);
    }

    /// For whoever makes, changes and looks at meetings.
    pub(crate) fn handle(&self) -> RoomsHandle {
        RoomsHandle { inputs: self.inputs.clone() }
    }

    /// Their numbers for the Prometheus page.
    pub(crate) fn readings(&self) -> RoomsReadings {
        RoomsReadings(Arc::clone(&self.counters))
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

/// Asks the rooms' thread, from any other thread; cheap to clone.
#[derive(Clone)]
pub(crate) struct RoomsHandle {
    inputs: SyncSender<Input>,
}

/// Why the rooms do not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoAnswer {
    /// Too much waits for them already; nothing was done.
    Busy,
    /// They have not answered in time, or the node stops. It may still be done.
    Late,
}

impl RoomsHandle {
    /// Has something done with the rooms, and waits for what comes of it: 5 s at most. `work` must not
    /// wait for anything itself: every caller of every room waits meanwhile.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Focus, Now, Draw<'_>) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let (answer, answered) = sync_channel(1);
        let work: Work = Box::new(move |focus, now, draw| {
            // Nobody may be waiting any more.
            let _ = answer.send(work(focus, now, draw));
        });
        self.inputs.try_send(Input::Ask(work)).map_err(|refused| match refused {
            TrySendError::Full(_) => NoAnswer::Busy,
            TrySendError::Disconnected(_) => NoAnswer::Late,
        })?;
        answered.recv_timeout(ANSWER_LIMIT).map_err(|_| NoAnswer::Late)
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
                if begun.room.is_none() {
                    return Err(event);
                }
                let most = self.directory.current().rooms().map_or(0, |rooms| rooms.max_calls);
                let has_room = calls.len() < most as usize;
                if !has_room || self.inputs.try_send(Input::Begun(call, begun.clone())).is_err() {
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

#[cfg(test)]
mod tests;
