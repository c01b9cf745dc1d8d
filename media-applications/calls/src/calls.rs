//! The calls of a node that applications steer, and the thread that serves them.

use crate::connections::Connections;
use crate::endpoint::Application;
use crate::invoker::AskedOutcome;
use crate::invoker::Invoker;
use crate::one_call::{News, run};
use crate::sounds::{SoundCounts, SoundStore, Sounds};
use crate::speech::Speaker;
use aws_sinks::Access;
use media_applications::{Acted, Ended, Facts, MeetingRefusal, MeetingRequest};
use model::{ApplicationNews, ApplicationOrder, TransactionId};
use outbox::clock::Clock;
use rustls::ClientConfig;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

/// News of one call that wait for its program. Full policy: the call is ended.
const NEWS_OF_A_CALL: usize = 256;

/// Who has the calls. All are called from the applications' thread and must not wait.
pub trait Calls: Send + Sync + 'static {
    /// The call is to do this; its news repeat `number`.
    ///
    /// # Errors
    /// The order, when there is no room for it. It is given again for 5 s, and counts as refused then.
    fn order(
        &self,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder>;

    /// The recording of this order keeps silence from now on, or goes on.
    fn pause_recording(&self, call: TransactionId, order: u32, on: bool);

    /// The call's application wants this of the meetings of the node. What comes of it is told by
    /// [`NewsSender::met`] with `number`, but for [`MeetingRequest::Leave`]: that is also said of a call
    /// that has asked to join, when leg A or its application is gone.
    ///
    /// # Errors
    /// Why nothing is done; [`NewsSender::met`] does not follow.
    fn meet(
        &self,
        call: TransactionId,
        number: u32,
        request: MeetingRequest,
    ) -> Result<(), MeetingRefusal>;

    /// An application was asked, once: what came of it, and how long it took. To be counted.
    fn asked(&self, application: &Arc<str>, outcome: AskedOutcome, took: Duration);

    /// What was told to an application whose messages are logged, and what came of it.
    fn exchanged(&self, call: TransactionId, application: &Arc<str>, message: Exchanged<'_>);

    /// An action of an application has ended. To be counted.
    fn acted(&self, application: &Arc<str>, acted: Acted);

    /// The application has no part in the call any more, and why. Comes before anything is ordered because
    /// of it.
    fn failing(&self, call: TransactionId, application: &Arc<str>, why: &Ended);

    /// The application cannot be asked, and nothing was ordered: another one may be, with
    /// [`NewsSender::begin`], or the call is to be ended. `false` when there is no room for it, as above.
    fn unreachable(&self, call: TransactionId) -> bool;

    /// The application has no part in the call any more, and why: after [`Calls::unreachable`], or when the
    /// end of the call was ordered.
    fn given_up(&self, call: TransactionId, why: &Ended);
}

/// A message to an application, or its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exchanged<'a> {
    /// It is told this, JSON in one line.
    Told(&'a str),
    /// It has answered this.
    Answered(&'a [u8]),
    /// It has not, in the end, and why.
    Failed(&'a str),
}

/// What applications need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose certificates are believed of applications.
    pub tls: Arc<ClientConfig>,
    /// Where Lambda is; the region is the function's own.
    pub lambda: Access,
    /// Where sounds are.
    pub sounds: SoundStore,
    /// A program and its arguments that speaks texts; may be empty.
    pub speech_command: Vec<String>,
    /// Calls at once.
    pub max_calls: usize,
    /// Requests to applications at once.
    pub max_requests: usize,
}

/// A call that is to be steered.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// What is known of it.
    pub facts: Facts,
    /// Who steers it.
    pub application: Application,
}

/// Why a call is not steered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// As many as may be are.
    TooMany,
    /// It is already.
    Twice,
    /// The node stops.
    Stopping,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::TooMany => {
                "as many calls are steered as max_calls of [media_applications] allows"
            }
            Refused::Twice => "an application steers it already",
            Refused::Stopping => "the node stops",
        })
    }
}

impl std::error::Error for Refused {}

/// Why there are no applications: the operating system gives no thread.
#[derive(Debug)]
pub struct StartError(std::io::Error);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no thread for applications: {}", self.0)
    }
}

impl std::error::Error for StartError {}

/// Gives news of calls; from any thread, without waiting.
#[derive(Clone)]
pub struct NewsSender(Arc<Shared>);

/// What every call needs.
pub(crate) struct Shared {
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) invoker: Invoker,
    pub(crate) sounds: Sounds,
    pub(crate) clock: Clock,
    /// Who waits for news of which call.
    running: Mutex<Running>,
    runtime: Handle,
    max_calls: usize,
    lost: AtomicU64,
}

#[derive(Default)]
struct Running {
    calls: HashMap<TransactionId, Steering>,
    begun: u64,
    is_stopping: bool,
}

/// Who steers a call.
struct Steering {
    /// Which of all that were begun.
    place: u64,
    application: Arc<str>,
    news: mpsc::Sender<News>,
}

/// Why an application is not made to think again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotUpdated {
    /// It steers no such call.
    NoCall,
    /// The call's news wait already.
    Busy,
}

impl NewsSender {
    /// Has an application steer a call from now on.
    ///
    /// # Errors
    /// [`Refused`]; then nothing follows of it.
    pub fn begin(&self, call: NewCall) -> Result<(), Refused> {
        let id = call.facts.transaction_id;
        let (sender, news) = mpsc::channel(NEWS_OF_A_CALL);
        let mut running = self.0.running();
        if running.is_stopping {
            return Err(Refused::Stopping);
        }
        if running.calls.contains_key(&id) {
            return Err(Refused::Twice);
        }
        if running.calls.len() >= self.0.max_calls {
            return Err(Refused::TooMany);
        }
        running.begun += 1;
        let place = running.begun;
        let application = call.application.id.clone();
        running.calls.insert(id, Steering { place, application, news: sender });
        drop(running);
        let shared = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            let ended = run(&shared, call, news).await;
            // Before it is told, so that another application may begin at once.
            shared.forget(id, place);
            let Some(ended) = ended else { return };
            if matches!(ended, Ended::Unreachable(_)) {
                insist(|| shared.calls.unreachable(id)).await;
            }
            shared.calls.given_up(id, &ended);
        });
        Ok(())
    }

    /// Something has happened in a call; of one that no application steers it is dropped. When a call's
    /// news are not taken in time, the call is ended: what is lost cannot be made up for.
    pub fn news(&self, call: TransactionId, news: ApplicationNews) {
        self.tell(call, News::Call(news));
    }

    fn tell(&self, call: TransactionId, news: News) {
        let mut running = self.0.running();
        let Some(steering) = running.calls.get(&call) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = steering.news.try_send(news) {
            running.calls.remove(&call);
            drop(running);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%call, "a call's news are not taken in time; it is ended");
            let shared = Arc::clone(&self.0);
            self.0.runtime.spawn(async move {
                let order = ApplicationOrder::HangUp { leg: None, status: 503 };
                shared.order(call, u32::MAX, order).await;
            });
        }
    }

    /// What became of [`Calls::meet`] of this number; of a call that no application steers it is dropped.
    pub fn met(&self, call: TransactionId, number: u32, outcome: Result<(), MeetingRefusal>) {
        self.tell(call, News::Met(number, outcome));
    }

    /// Has `application`, which steers the call, think again (`UpdateSipMediaApplicationCall`).
    ///
    /// # Errors
    /// [`NotUpdated`].
    pub fn update(
        &self,
        application: &str,
        call: TransactionId,
        arguments: Map<String, Value>,
    ) -> Result<(), NotUpdated> {
        let running = self.0.running();
        let steering = running.calls.get(&call).filter(|each| *each.application == *application);
        let steering = steering.ok_or(NotUpdated::NoCall)?;
        let told = steering.news.try_send(News::Update(arguments));
        told.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotUpdated::Busy,
            mpsc::error::TrySendError::Closed(_) => NotUpdated::NoCall,
        })
    }

    /// Sounds that are kept.
    pub fn sounds(&self) -> SoundCounts {
        self.0.sounds.counts()
    }

    /// Whether a further call could be steered now.
    pub fn has_room(&self) -> bool {
        let running = self.0.running();
        !running.is_stopping && running.calls.len() < self.0.max_calls
    }

    /// Calls that are steered now.
    pub fn active(&self) -> usize {
        self.0.running().calls.len()
    }

    /// Calls that were ended because their news were not taken in time.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }
}

/// Tries again while there is no room; whether there was in the end.
async fn insist(mut attempt: impl FnMut() -> bool) -> bool {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..100 {
        if attempt() {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::error!("an edge takes no orders of applications");
    false
}

impl fmt::Debug for NewsSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewsSender").field("active", &self.active()).finish_non_exhaustive()
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the order was taken.
    pub(crate) async fn order(
        &self,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> bool {
        let mut left = Some(order);
        insist(|| {
            left = left.take().and_then(|order| self.calls.order(call, number, order).err());
            left.is_none()
        })
        .await
    }

    fn forget(&self, call: TransactionId, place: u64) {
        let mut running = self.running();
        // Another one of the same call may have begun.
        if running.calls.get(&call).is_some_and(|other| other.place == place) {
            running.calls.remove(&call);
        }
    }
}

/// Everything that steers calls, and its thread.
pub struct Applications {
    sender: NewsSender,
    thread: Option<(oneshot::Sender<Duration>, JoinHandle<()>)>,
}

impl fmt::Debug for Applications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applications").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Applications {
    /// Starts the thread. Orders go to `calls`.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: Settings, calls: Arc<dyn Calls>) -> Result<Self, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError)?;
        let clock = Clock::start();
        let speaker = Speaker::new(settings.speech_command);
        let connections = Connections::new(settings.tls);
        let shared = Arc::new(Shared {
            calls,
            invoker: Invoker::new(connections, settings.lambda, settings.max_requests, clock),
            sounds: Sounds::new(settings.sounds, speaker, clock),
            clock,
            running: Mutex::default(),
            runtime: runtime.handle().clone(),
            max_calls: settings.max_calls,
            lost: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let mine = Arc::clone(&shared);
        let serve = move || {
            runtime.block_on(async move {
                let patience = stopped.await.unwrap_or_default();
                let idle = async {
                    while !mine.running().calls.is_empty() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                let _ = tokio::time::timeout(patience, idle).await;
            });
            // A resolver or a file may still be waited for.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("applications".to_owned()).spawn(serve);
        let thread = thread.map_err(StartError)?;
        Ok(Applications { sender: NewsSender(shared), thread: Some((stop, thread)) })
    }

    /// What calls give their news to.
    pub fn sender(&self) -> NewsSender {
        self.sender.clone()
    }

    /// Takes no new calls, and waits for so long until applications have heard of the end of those that
    /// there are.
    pub fn stop(mut self, patience: Duration) {
        self.end(patience);
    }

    fn end(&mut self, patience: Duration) {
        self.sender.0.running().is_stopping = true;
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(patience);
            let _ = thread.join();
        }
    }
}

impl Drop for Applications {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
