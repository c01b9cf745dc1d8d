//! What applications have recorded of the calls that they steer: where it goes, and how they hear of it.

use crate::config::{Config, RecordingsTo};
use crate::node::StartError;
use crate::role::Role;
use call_applications::NewsSender;
use call_metrics::{Observation, ObservationSender};
use call_recordings::{
    OrderedCounters, OrderedEvent, OrderedNews, OrderedOpener, OrderedRecordings, OrderedStore,
};
use model::{ApplicationNews, CallEvent, CallEventKind};
use sip_edge::Clock;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::{Arc, OnceLock};

/// Where files are written, below `data_dir`.
const SPOOL: &str = "application-recordings";

/// What records.
pub(crate) struct Ordered {
    recordings: OrderedRecordings,
    news: Arc<OnceLock<NewsSender>>,
}

impl Ordered {
    /// Starts it, where this node records what applications order. What fails is told `observations`.
    ///
    /// # Errors
    /// When a directory cannot be made or there is no thread.
    pub(crate) fn start(
        config: &Config,
        role: Role,
        (observations, clock): (ObservationSender, Clock),
    ) -> Result<Option<Self>, StartError> {
        let to = match config.media_applications.recordings {
            Some(to) if role == Role::All => to,
            _ => return Ok(None),
        };
        let data_dir = &config.node.data_dir;
        let store = match to {
            RecordingsTo::File => OrderedStore::Directory(data_dir.join("sounds")),
            RecordingsTo::S3 => OrderedStore::S3(config.sinks.all.clone()),
        };
        if let OrderedStore::Directory(sounds) = &store {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(sounds);
            made.map_err(|error| StartError(format!("{}: {error}", sounds.display())))?;
        }
        let news: Arc<OnceLock<NewsSender>> = Arc::default();
        let told = Arc::clone(&news);
        let sink = Arc::new(move |OrderedNews { call, order, event }| {
            if let OrderedEvent::Ended(Err(why)) = &event {
                let kind = CallEventKind::NotRecorded(why.as_str().into());
                let event = CallEvent { transaction_id: call, at: clock.now(), kind };
                observations.send(Observation::Call(event));
            }
            if let Some(news) = told.get() {
                let happened = match event {
                    OrderedEvent::Began => ApplicationNews::Writes { order },
                    OrderedEvent::Ended(outcome) => ApplicationNews::Recorded { order, outcome },
                };
                news.news(call, happened);
            }
        });
        let recordings = OrderedRecordings::start(data_dir.join(SPOOL), store, sink);
        let recordings =
            recordings.map_err(|error| StartError(format!("no thread for recordings: {error}")))?;
        Ok(Some(Ordered { recordings, news }))
    }

    /// What opens and pauses recordings.
    pub(crate) fn opener(&self) -> Option<OrderedOpener> {
        self.recordings.opener()
    }

    /// Applications hear of their recordings by `news` from now on.
    pub(crate) fn connect(&self, news: NewsSender) {
        let _ = self.news.set(news);
    }

    pub(crate) fn counters(&self) -> Arc<OrderedCounters> {
        self.recordings.counters()
    }

    /// After the hub, whose listeners these are.
    pub(crate) fn stop(self) {
        self.recordings.stop();
    }
}

/// Why nothing is recorded for applications here, for whoever wrote the application.
pub(crate) fn unrecorded(config: &Config, role: Role) -> Option<Arc<str>> {
    match (config.media_applications.recordings, role) {
        (None, _) => Some(
            "this node records nothing for applications; set recordings = \"file\" or \"aws\" in \
             [media_applications]"
                .into(),
        ),
        (Some(_), Role::All) => None,
        (Some(_), _) => Some(
            "recordings of [media_applications] need the relay in the edge's process; run without \
             --role"
                .into(),
        ),
    }
}
