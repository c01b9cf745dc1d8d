//! The meeting rooms of this node: they are told of the calls that reach them, and steer those.
//!
//! One thread holds them all ([`room_core::Focus`]); calls, keys and whoever asks something
//! ([`RoomsHandle`]) come to it by one queue.

mod api;
mod arrival;
mod built_in;
mod call_out;
mod cards;
mod desk;
mod ears;
mod events;
mod floor;
mod floor_sockets;
mod names;
mod numbers;
mod presenting;
mod prompts;
mod readings;
mod recording;
mod steered;
mod taping;

use crate::config::{Config, RoomsSection};
use crate::live_directory::LiveDirectory;
use crate::node::StartError;
pub(crate) use built_in::has as has_built_in;
use call_metrics::{Numbers, PerSink};
use call_out::CallOut;
use call_streaming::events::EventSink;
use desk::Desk;
use events::Teller;
use floor::{FloorNews, Floors};
use floor_sockets::FloorSockets;
use media_applications::MeetingRequest;
use model::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, LegSide, ROOM_ORDERS,
    ROOMS, SteeredCall, TransactionId,
};
use readings::Counters;
use room_core::{Draw, Focus, MeetingId, Now};
use room_guests::{FromGuest, RoomsPort};
use room_media::Mixing;
use sip_edge::ApplicationOrders;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use steered::{Gone, Left, Steered};

pub(crate) use readings::RoomsReadings;
pub(crate) use steered::Met;

/// Where it goes that a call is in a meeting, for its record: the call, the meeting, and whether that is
/// recorded while the call is in it. Said again of the same meeting whenever the call enters it.
pub(crate) type Noted = Box<dyn Fn(TransactionId, MeetingId, bool) + Send>;

/// What waits for the thread. Full policy: a call that begins is refused (503), one whose news find no
/// room is ended, since what is lost cannot be made up for, and whoever asks is told to ask again. That a
/// call is over finds its way beside the queue ([`Gone`]).
const QUEUE: usize = 4_096;

/// Of these, what guests' pages may ask, so that they never keep out calls and their news.
const GUESTS_QUEUE: usize = QUEUE / 4;

/// How long somebody waits for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Something to be done with the rooms by their thread. What comes of it in calls is done after it.
type Work = Box<dyn FnOnce(&mut Focus, Now, Draw<'_>) + Send>;

/// What the thread is told.
enum Input {
    Begun(TransactionId, Box<SteeredCall>),
    News(TransactionId, ApplicationNews),
    /// What an application wants for its call, and the number of that.
    Meet(TransactionId, u32, MeetingRequest),
    Ask(Work),
    Floor(FloorNews),
    Guest(FromGuest),
    Stop,
}

/// What steers the calls to the rooms.
pub(crate) struct Rooms {
    inputs: SyncSender<Input>,
    left: Arc<Left>,
    gone: Arc<Gone>,
    call_out: Arc<CallOut>,
    guests_wait: Arc<AtomicUsize>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Rooms {
    /// Starts it. What happens in meetings is told `events`, with people shown so, there and beside
    /// recordings, what became of the wishes of applications `met`, and in which meetings calls are `noted`.
    /// Orders are taken from [`Rooms::connect`] on.
    pub(crate) fn start(
        config: &Config,
        (sink, people, recorded): (Arc<dyn EventSink>, PerSink<Numbers>, Numbers),
        (met, noted): (Met, Noted),
    ) -> Result<Self, StartError> {
        let (inputs, received) = sync_channel(QUEUE);
        let orders = Arc::new(OnceLock::new());
        let counters = Arc::new(Counters::default());
        let (left, gone) = (Arc::<Left>::default(), Arc::<Gone>::default());
        let ways = (Arc::clone(&left), Arc::clone(&gone));
        let steered = Steered::new(met, config.rooms.is_some(), ways);
        let section = config.rooms.clone().unwrap_or_default();
        let call_out = Arc::new(CallOut::of(&section));
        let floor = match &section.bfcp {
            Some(bfcp) => {
                let counters = Arc::clone(&counters.floor);
                let sockets = FloorSockets::start(bfcp.listen, inputs.clone(), counters)?;
                Some((Floors::new(bfcp.advertised), sockets))
            }
            None => None,
        };
        let teller = Teller::new(config, (sink, people));
        // Of relays elsewhere their own files say whether they record.
        let relays = config.relay_control.as_ref().map_or(0, |control| control.relays.len());
        let unrecorded = section.recording.is_none() && relays == 0;
        let guests_wait = Arc::new(AtomicUsize::new(0));
        // Whoever sees nobody sees where it is.
        let always_welcomes = config.directory.rooms().is_some_and(|rooms| rooms.is_configured);
        let rooms = config.directory.rooms().filter(|rooms| rooms.video);
        let title = rooms.map(|rooms| Arc::from(rooms.host()));
        let desk = Desk::new(
            (section, title, always_welcomes),
            (teller, recorded, unrecorded),
            Arc::clone(&orders),
            (Arc::clone(&counters), Arc::clone(&guests_wait)),
            (steered, noted),
            (floor, Arc::clone(&call_out)),
        );
        let thread = std::thread::Builder::new().name("rooms".to_owned());
        let thread = thread.spawn(move || desk.serve(&received));
        let thread = thread
            .map_err(|error| StartError(format!("no thread for the meeting rooms: {error}")))?;
        let thread = Some(thread);
        Ok(Rooms { inputs, left, gone, call_out, guests_wait, orders, counters, thread })
    }

    /// Orders go there from now on.
    pub(crate) fn connect(&self, orders: ApplicationOrders) {
        let _ = self.orders.set(orders);
    }

    /// For whoever makes, changes and looks at meetings.
    pub(crate) fn handle(&self) -> RoomsHandle {
        let (left, guests_wait) = (Arc::clone(&self.left), Arc::clone(&self.guests_wait));
        let call_out = Arc::clone(&self.call_out);
        let inputs = self.inputs.clone();
        RoomsHandle { inputs, left, call_out, guests_wait, mixing: None }
    }

    /// Goes on by another file; of the rest of the section that needs a restart.
    pub(crate) fn follow_file(&self, config: &Config) {
        self.call_out.follow(config.rooms.as_ref().unwrap_or(&RoomsSection::default()));
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
        let gone = Arc::clone(&self.gone);
        let port = Port { inputs, gone, orders, directory, calls: Mutex::default() };
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
    left: Arc<Left>,
    call_out: Arc<CallOut>,
    guests_wait: Arc<AtomicUsize>,
    /// Where the meetings are mixed, if that is in this process.
    mixing: Option<Weak<Mixing>>,
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
    /// The way of guests' channels to the rooms.
    pub(crate) fn guests(&self) -> RoomsPort {
        let (inputs, wait) = (self.inputs.clone(), Arc::clone(&self.guests_wait));
        Arc::new(move |from| {
            let waiting = wait.fetch_add(1, Ordering::AcqRel);
            // What is closed is taken as long as there is any room.
            let may_wait = waiting < GUESTS_QUEUE || matches!(from, FromGuest::Closed(_));
            let taken = may_wait && inputs.try_send(Input::Guest(from)).is_ok();
            if !taken {
                wait.fetch_sub(1, Ordering::AcqRel);
            }
            taken
        })
    }

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
    gone: Arc<Gone>,
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
                if *begun.application != *ROOMS {
                    return Err(event);
                }
                let most = self.directory.current().rooms().map_or(0, |rooms| rooms.max_calls);
                // Whom a meeting calls is under the rules of such calls.
                let has_room = calls.len() < most as usize || begun.room.is_none();
                if !has_room || self.inputs.try_send(Input::Begun(call, begun.clone())).is_err() {
                    tracing::warn!(
                        %call,
                        "as many callers are in the meeting rooms as may be, and one more gets 503: \
                         see max_calls of [rooms]"
                    );
                    return Ok(Err(event));
                }
                calls.insert(call);
            }
            ApplicationTold::News(news) => {
                // Of a call that an application has sent into a meeting these are the rooms'.
                let is_rooms =
                    is_of_seat(news) || news.order().is_some_and(|order| order >= ROOM_ORDERS);
                if !is_rooms && !calls.contains(&call) {
                    return Err(event);
                }
                let told = self.inputs.try_send(Input::News(call, news.clone()));
                if let ApplicationNews::HungUp { leg: LegSide::A, status, .. } = news {
                    calls.remove(&call);
                    if matches!(told, Err(TrySendError::Full(_))) {
                        steered::note_gone(&self.gone, call, *status);
                    }
                    return Ok(Ok(()));
                }
                // How somebody is heard, and that nothing comes of it, is said again.
                let is_said_again =
                    matches!(news, ApplicationNews::Heard(_) | ApplicationNews::Silent { .. });
                if !is_said_again && matches!(told, Err(TrySendError::Full(_))) {
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

/// Whether news are of a place in a meeting, whoever steers the call. They answer no order by its number.
const fn is_of_seat(news: &ApplicationNews) -> bool {
    matches!(
        news,
        ApplicationNews::ConferenceRecords
            | ApplicationNews::ConferenceRecordingFailed(_)
            | ApplicationNews::Heard(_)
            | ApplicationNews::Silent { .. }
    )
}

#[cfg(test)]
mod tests;
