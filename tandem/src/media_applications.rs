//! The applications that steer this node's calls, and its meeting rooms: what the edge tells them, and
//! what they order.

mod message_log;

use crate::clock::Origin;
use crate::config::Config;
use crate::live_directory::LiveDirectory;
use crate::node::StartError;
use crate::rooms::{Noted, Rooms, RoomsHandle, RoomsReadings};
use crate::trust;
use call_applications::{
    Application, Applications, AskedOutcome, Calls, Endpoint, Exchanged, NewCall, NewsSender,
    Settings, SoundStore,
};
use call_metrics::{Numbers, Observation, ObservationSender, PerSink, RecorderView};
use call_recordings::OrderedOpener;
use call_streaming::events::EventSink;
use control_api::{NotCalled, NotUpdated};
use media_applications::{Acted, Direction, Ended, Facts, MeetingRefusal, MeetingRequest};
use message_log::MessageLog;
use model::{
    ApplicationEvent, ApplicationOrder, ApplicationTold, CallDirection, CallEvent, CallEventKind,
    OutboundCall, Secret, SteeredCall, TransactionId,
};
use serde_json::{Map, Value};
use sip_edge::{ApplicationOrders, Clock};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long applications may still be told of the last calls' ends when the node stops.
const LIMIT: Duration = Duration::from_secs(2);

/// Characters of the reason why an application was given up, in a call's record.
const LONGEST_REASON: usize = 300;

/// What steers calls.
pub(crate) struct MediaApplications {
    applications: Applications,
    orders: Arc<OnceLock<ApplicationOrders>>,
    rooms: Rooms,
    unrecorded: Option<Arc<str>>,
    observations: ObservationSender,
}

/// What the rest of the node has for applications.
pub(crate) struct About {
    /// What pauses recordings.
    pub(crate) recordings: Option<OrderedOpener>,
    /// Why nothing is recorded.
    pub(crate) unrecorded: Option<Arc<str>>,
    pub(crate) observations: ObservationSender,
    pub(crate) view: RecorderView,
    pub(crate) clock: Clock,
}

/// Writes down in which meetings calls are.
fn noted(observations: ObservationSender, clock: Clock) -> Noted {
    Box::new(move |call, meeting, is_recorded| {
        let kind = CallEventKind::Met { meeting: meeting.to_string().into(), is_recorded };
        let event = CallEvent { transaction_id: call, at: clock.now(), kind };
        observations.send(Observation::Call(event));
    })
}

impl MediaApplications {
    /// Starts it. What happens in meetings is told `events`, with people shown so there and beside
    /// recordings. Orders are taken from
    /// [`MediaApplications::connect`] on.
    pub(crate) fn start(
        config: &Config,
        events: (Arc<dyn EventSink>, PerSink<Numbers>, Numbers),
        about: About,
    ) -> Result<Self, StartError> {
        let section = &config.media_applications;
        let access = config.sinks.all.clone();
        let sounds = match section.sounds_in_s3 {
            true => SoundStore::S3(access.clone()),
            false => SoundStore::Directory(config.node.data_dir.join("sounds")),
        };
        let tls = trust::believing(section.authorities.as_deref())
            .map_err(|why| StartError(format!("tls_ca of [media_applications]: {why}")))?;
        let settings = Settings {
            tls,
            lambda: access,
            sounds,
            speech_command: section.speech_command.clone(),
            max_calls: section.max_calls,
            max_requests: section.max_requests,
        };
        let orders = Arc::new(OnceLock::new());
        let unrecorded = about.unrecorded.clone();
        let observations = about.observations.clone();
        let noted = noted(about.observations.clone(), about.clock);
        let asked = Arc::new(OnceLock::new());
        let log = MessageLog::new(config, (&events.0, &events.1));
        let edge = EdgeCalls { orders: Arc::clone(&orders), rooms: Arc::clone(&asked), about, log };
        let edge = Arc::new(edge);
        let applications = Applications::start(settings, edge);
        let applications = applications.map_err(|error| StartError(error.to_string()))?;
        let sender = applications.sender();
        let met = Box::new(move |call, number, outcome| sender.met(call, number, outcome));
        let rooms = Rooms::start(config, events, (met, noted))?;
        let _ = asked.set(rooms.handle());
        Ok(MediaApplications { applications, orders, rooms, unrecorded, observations })
    }

    /// Orders go there from now on.
    pub(crate) fn connect(&self, orders: ApplicationOrders) {
        self.rooms.connect(orders.clone());
        let _ = self.orders.set(orders);
    }

    /// What the edge tells; applications are those of `directory` when a call comes, and meetings, from now
    /// on.
    pub(crate) fn port(
        &self,
        config: &Config,
        directory: Arc<LiveDirectory>,
    ) -> Box<dyn Fn(ApplicationEvent) -> Result<(), ApplicationEvent> + Send> {
        self.rooms.handle().follow(&directory);
        let sender = self.applications.sender();
        let node = &config.node;
        let (account_id, region) = (node.account_id.as_str().into(), node.region.as_str().into());
        let (unrecorded, observations) = (self.unrecorded.clone(), self.observations.clone());
        let known = Arc::clone(&directory);
        let beginner =
            Beginner { sender, account_id, region, directory: known, unrecorded, observations };
        self.rooms.port(directory, Box::new(move |event| beginner.take(event)))
    }

    /// Tells them of calls.
    pub(crate) fn news(&self) -> NewsSender {
        self.applications.sender()
    }

    /// Tells them of calls, and has somebody called for them.
    pub(crate) fn asked(&self) -> AskedApplications {
        AskedApplications { news: self.applications.sender(), orders: Arc::clone(&self.orders) }
    }

    /// Goes on by another file, as far as that needs no restart.
    pub(crate) fn follow_file(&self, config: &Config) {
        self.rooms.follow_file(config);
    }

    /// For whoever makes, changes and looks at meetings.
    pub(crate) fn rooms(&self) -> RoomsHandle {
        self.rooms.handle()
    }

    /// Meetings and their callers, for the Prometheus page.
    pub(crate) fn rooms_readings(&self) -> RoomsReadings {
        self.rooms.readings()
    }

    /// After the edge.
    pub(crate) fn stop(self) {
        self.applications.stop(LIMIT);
        self.rooms.stop();
    }
}

/// What the control API asks of applications and their calls.
#[derive(Clone)]
pub(crate) struct AskedApplications {
    news: NewsSender,
    orders: Arc<OnceLock<ApplicationOrders>>,
}

impl AskedApplications {
    /// Has an application think again.
    pub(crate) fn update(
        &self,
        application: &str,
        call: TransactionId,
        arguments: Map<String, Value>,
    ) -> Result<(), NotUpdated> {
        self.news.update(application, call, arguments).map_err(|fault| match fault {
            call_applications::NotUpdated::NoCall => NotUpdated::NoCall,
            call_applications::NotUpdated::Busy => NotUpdated::Busy,
        })
    }

    /// Calls somebody for an application.
    pub(crate) fn call(&self, wanted: OutboundCall) -> Result<TransactionId, NotCalled> {
        let orders = self.orders.get().ok_or(NotCalled::Unserved)?;
        // One that nobody could steer would ring for nothing.
        if !self.news.has_room() {
            return Err(NotCalled::TooMany);
        }
        let outcome = orders.call(wanted).ok_or(NotCalled::Busy)?;
        outcome.map_err(|why| match why {
            b2bua::NotCalled::NoApplication => NotCalled::NoApplication,
            b2bua::NotCalled::Unfit(why) => NotCalled::Unfit(why),
            b2bua::NotCalled::Refused(refusal) => NotCalled::Refused(refusal),
        })
    }
}

/// Begins applications' parts in calls.
struct Beginner {
    sender: NewsSender,
    account_id: Arc<str>,
    region: Arc<str>,
    directory: Arc<LiveDirectory>,
    unrecorded: Option<Arc<str>>,
    observations: ObservationSender,
}

impl Beginner {
    fn take(&self, event: ApplicationEvent) -> Result<(), ApplicationEvent> {
        let call = event.call;
        match event.told {
            ApplicationTold::News(news) => {
                self.sender.news(call, news);
                Ok(())
            }
            ApplicationTold::Begun(ref steered) => match self.begin(call, steered) {
                Ok(()) => {
                    // What another one of the rule has failed with no longer ends the call.
                    let kind = CallEventKind::ApplicationFailed(None);
                    let event = CallEvent { transaction_id: call, at: event.at, kind };
                    self.observations.send(Observation::Call(event));
                    Ok(())
                }
                Err(why) => {
                    let application = &*steered.application;
                    tracing::warn!(%call, application, %why, "an application is not asked");
                    Err(event)
                }
            },
        }
    }

    fn begin(&self, call: TransactionId, steered: &SteeredCall) -> Result<(), String> {
        let directory = self.directory.current();
        let target = directory.application(&steered.application);
        let application = target.ok_or("it is no longer there")?.application;
        let endpoint = Endpoint::parse(application.endpoint.text());
        let endpoint = endpoint.map_err(|error| format!("its endpoint {error}"))?;
        let seed = [random()?, random()?];
        let facts = Facts {
            transaction_id: call,
            seed: u128::from(seed[0]) << 64 | u128::from(seed[1]),
            account_id: self.account_id.clone(),
            region: self.region.clone(),
            rule_id: steered.rule.clone(),
            application_id: steered.application.clone(),
            direction: match steered.direction {
                CallDirection::Inbound => Direction::Inbound,
                CallDirection::Outbound => Direction::Outbound,
            },
            to: steered.to.clone(),
            from: steered.from.clone(),
            started: Origin::now().calendar,
            headers: steered.headers.clone(),
            arguments: steered.arguments.clone(),
            unrecorded: self.unrecorded.clone(),
            on_failure: application.on_failure,
        };
        let application = Application {
            id: application.id.clone(),
            endpoint,
            secret: application.secret.as_deref().map(Secret::new),
            timeout: application.timeout,
            message_logs: application.message_logs,
        };
        self.sender.begin(NewCall { facts, application }).map_err(|refused| refused.to_string())
    }
}

fn random() -> Result<u64, String> {
    getrandom::u64().map_err(|error| format!("no random numbers from the system: {error}"))
}

/// The edge's calls, once it runs.
struct EdgeCalls {
    orders: Arc<OnceLock<ApplicationOrders>>,
    rooms: Arc<OnceLock<RoomsHandle>>,
    about: About,
    log: MessageLog,
}

impl Calls for EdgeCalls {
    fn order(
        &self,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder> {
        match self.orders.get() {
            Some(orders) => orders.order(call, number, order),
            None => Err(order),
        }
    }

    fn pause_recording(&self, call: TransactionId, order: u32, on: bool) {
        if let Some(recordings) = &self.about.recordings {
            recordings.pause(call, order, on);
        }
    }

    fn meet(
        &self,
        call: TransactionId,
        number: u32,
        request: MeetingRequest,
    ) -> Result<(), MeetingRefusal> {
        match self.rooms.get() {
            Some(rooms) => rooms.meet(call, number, request),
            None => Err(MeetingRefusal::Failed("the node is just starting".to_owned())),
        }
    }

    fn asked(&self, application: &Arc<str>, outcome: AskedOutcome, took: Duration) {
        self.about.view.page().application_asked(application, outcome.name(), took);
    }

    fn exchanged(&self, call: TransactionId, application: &Arc<str>, message: Exchanged<'_>) {
        self.log.write(call, application, message);
    }

    fn acted(&self, _: &Arc<str>, Acted { action, is_done }: Acted) {
        let outcome = if is_done { "done" } else { "failed" };
        self.about.view.page().application_acted(action, outcome);
    }

    fn failing(&self, call: TransactionId, application: &Arc<str>, why: &Ended) {
        self.about.view.page().application_failed(application);
        let why = format!("{application}: {why}");
        let why = why.chars().take(LONGEST_REASON).collect::<String>();
        let kind = CallEventKind::ApplicationFailed(Some(why.into()));
        let event = CallEvent { transaction_id: call, at: self.about.clock.now(), kind };
        self.about.observations.send(Observation::Call(event));
    }

    fn unreachable(&self, call: TransactionId) -> bool {
        self.orders.get().is_some_and(|orders| orders.unreachable(call))
    }

    fn given_up(&self, call: TransactionId, why: &Ended) {
        tracing::warn!(%call, %why, "an application is given up; its call ends, or the next one is asked");
    }
}
