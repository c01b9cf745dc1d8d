//! The applications that steer this node's calls, and its meeting rooms: what the edge tells them, and
//! what they order.

use crate::clock::Origin;
use crate::config::Config;
use crate::live_directory::LiveDirectory;
use crate::node::StartError;
use crate::rooms::{Rooms, RoomsHandle, RoomsReadings};
use call_applications::{
    Application, Applications, Calls, Endpoint, NewCall, NewsSender, Settings, SoundStore,
};
use call_metrics::{Numbers, PerSink};
use call_streaming::events::EventSink;
use media_applications::{Direction, Ended, Facts};
use model::{
    ApplicationEvent, ApplicationOrder, ApplicationTold, CallDirection, Secret, SteeredCall,
    TransactionId,
};
use sip_edge::ApplicationOrders;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long applications may still be told of the last calls' ends when the node stops.
const LIMIT: Duration = Duration::from_secs(2);

/// What steers calls.
pub(crate) struct MediaApplications {
    applications: Applications,
    orders: Arc<OnceLock<ApplicationOrders>>,
    rooms: Rooms,
}

impl MediaApplications {
    /// Starts it. What happens in meetings is told `events`, with people shown so. Orders are taken from [`MediaApplications::connect`] on.
    pub(crate) fn start(
        config: &Config,
        events: (Arc<dyn EventSink>, PerSink<Numbers>),
    ) -> Result<Self, StartError> {
        let section = &config.media_applications;
        let access = config.sinks.all.clone();
        let sounds = match section.sounds_in_s3 {
            true => SoundStore::S3(access.clone()),
            false => SoundStore::Directory(config.node.data_dir.join("sounds")),
        };
        let settings = Settings {
            authorities: section.authorities.clone(),
            lambda: access,
            sounds,
            speech_command: section.speech_command.clone(),
            max_calls: section.max_calls,
            max_requests: section.max_requests,
        };
        let orders = Arc::new(OnceLock::new());
        let edge = Arc::new(EdgeCalls(Arc::clone(&orders)));
        let applications = Applications::start(settings, edge);
        let applications = applications.map_err(|error| StartError(error.to_string()))?;
        let rooms = Rooms::start(config, events)?;
        Ok(MediaApplications { applications, orders, rooms })
    }

    /// Orders go there from now on.
    pub(crate) fn connect(&self, orders: ApplicationOrders) {
        self.rooms.connect(orders.clone());
        let _ = self.orders.set(orders);
    }

    /// What the edge tells; applications are those of `directory` when a call comes.
    pub(crate) fn port(
        &self,
        config: &Config,
        directory: Arc<LiveDirectory>,
    ) -> Box<dyn Fn(ApplicationEvent) -> Result<(), ApplicationEvent> + Send> {
        let sender = self.applications.sender();
        let node = &config.node;
        let (account_id, region) = (node.account_id.as_str().into(), node.region.as_str().into());
        let beginner = Beginner { sender, account_id, region, directory: Arc::clone(&directory) };
        self.rooms.port(directory, Box::new(move |event| beginner.take(event)))
    }

    /// Tells them of calls.
    pub(crate) fn news(&self) -> NewsSender {
        self.applications.sender()
    }

    /// For whoever makes, changes and looks at meetings.
    #[expect(dead_code, reason = "the control API of meetings asks by it")]
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

/// Begins applications' parts in calls.
struct Beginner {
    sender: NewsSender,
    account_id: Arc<str>,
    region: Arc<str>,
    directory: Arc<LiveDirectory>,
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
                Ok(()) => Ok(()),
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
            arguments: Vec::new(),
            on_failure: application.on_failure,
        };
        let application = Application {
            id: application.id.clone(),
            endpoint,
            secret: application.secret.as_deref().map(Secret::new),
            timeout: application.timeout,
        };
        self.sender.begin(NewCall { facts, application }).map_err(|refused| refused.to_string())
    }
}

fn random() -> Result<u64, String> {
    getrandom::u64().map_err(|error| format!("no random numbers from the system: {error}"))
}

/// The edge's calls, once it runs.
struct EdgeCalls(Arc<OnceLock<ApplicationOrders>>);

impl Calls for EdgeCalls {
    fn order(
        &self,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder> {
        match self.0.get() {
            Some(orders) => orders.order(call, number, order),
            None => Err(order),
        }
    }

    fn unreachable(&self, call: TransactionId) -> bool {
        self.0.get().is_some_and(|orders| orders.unreachable(call))
    }

    fn given_up(&self, call: TransactionId, why: &Ended) {
        let why = match why {
            Ended::InvalidResponse(why) => format!("its answer cannot be understood: {why}"),
            Ended::Unreachable(why) | Ended::Failed(why) => format!("it cannot be asked: {why}"),
            Ended::TooOften => "it was asked 1,000 times about one call".to_owned(),
            Ended::Unanswered => "it left the call unanswered for 30 s".to_owned(),
        };
        tracing::warn!(%call, %why, "an application is given up; its call ends, or the next one is asked");
    }
}
