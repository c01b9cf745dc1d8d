//! What a connection needs before it is opened: the stream, and where its data go.

use crate::counters::Counters;
use crate::pace::Pace;
use crate::producer::Needs;
use crate::rule::Refusal;
use crate::turns::Turns;
use aws_sinks::{Endpoint, KinesisVideo, StreamDescription, StreamState, Trouble};
use outbox::clock::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a stream that is being made or deleted is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often in all; 30 s.
const LOOKS: u32 = 60;
/// Streams that are remembered; when there are more, all are forgotten and asked for again.
const MOST_KNOWN: usize = 16_384;
/// Streams that are listed for whoever reuses them; what there is more is not reused.
const MOST_LISTED: usize = 2_000;

/// The streams of a node, as far as they are known.
#[derive(Debug)]
pub(crate) struct Streams {
    service: Arc<KinesisVideo>,
    known: Mutex<HashMap<Arc<str>, Known>>,
    /// Requests about streams, each kind by itself: the service takes 50 of a kind a second of an
    /// account, and what a stream needs at last must not wait behind what all others need first.
    describes: Turns,
    creates: Turns,
    endpoints: Turns,
    others: Turns,
    /// PutMedia requests of all streams.
    starts: Turns,
    pub(crate) counters: Mutex<Counters>,
}

/// What is remembered of a stream.
#[derive(Clone, Debug)]
struct Known {
    arn: Arc<str>,
    retention_hours: u32,
    /// What was asked for, whether or not it could be changed to that.
    asked_hours: u32,
    endpoint: Option<Endpoint>,
}

/// A stream that data can be sent to.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) arn: Arc<str>,
    /// It keeps nothing.
    pub(crate) keeps_nothing: bool,
    pub(crate) endpoint: Endpoint,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Setback {
    /// Something failed that may pass.
    Failed(String),
    /// The service refuses something.
    Refused(Refusal),
}

impl Streams {
    pub(crate) fn new(service: Arc<KinesisVideo>, clock: Clock) -> Self {
        let turns = |burst, ms| Turns::new(Pace::new(burst, Duration::from_millis(ms)), clock);
        Streams {
            service,
            known: Mutex::default(),
            describes: turns(40, 25),
            creates: turns(40, 25),
            endpoints: turns(40, 25),
            others: turns(40, 25),
            starts: turns(50, 20),
            counters: Mutex::default(),
        }
    }

    pub(crate) fn service(&self) -> &Arc<KinesisVideo> {
        &self.service
    }

    /// Waits until another PutMedia request may be begun.
    pub(crate) async fn may_start(&self) {
        self.starts.take().await;
    }

    /// The stream `name`, which keeps data for so long: found, or made with `tags`. What is remembered
    /// is asked for again as far as `needs` says.
    pub(crate) async fn ready(
        &self,
        name: &Arc<str>,
        retention_hours: u32,
        tags: &[(&str, &str)],
        needs: Needs,
    ) -> Result<Ready, Setback> {
        if needs.credentials {
            self.service.forget_credentials().await;
        }
        let known = lock(&self.known).get(name).cloned();
        let known = known.filter(|known| !needs.stream && known.asked_hours == retention_hours);
        let mut known = match known {
            Some(known) => known,
            None => {
                let described = self.ensure(name, retention_hours, tags).await?;
                let arn = described.arn.into();
                let kept = described.retention_hours;
                let asked_hours = retention_hours;
                let found = Known { arn, retention_hours: kept, asked_hours, endpoint: None };
                // Whatever comes of the rest: each attempt gets further than the one before.
                self.remember(name, found.clone());
                found
            }
        };
        let remembered = known.endpoint.take().filter(|_| !needs.endpoint);
        let endpoint = match remembered {
            Some(endpoint) => endpoint,
            None => {
                self.endpoints.take().await;
                let asked = self.service.data_endpoint(name).await;
                asked.map_err(|trouble| setback("GetDataEndpoint", trouble))?
            }
        };
        let Known { arn, retention_hours, .. } = known.clone();
        self.remember(name, Known { endpoint: Some(endpoint.clone()), ..known });
        Ok(Ready { arn, keeps_nothing: retention_hours == 0, endpoint })
    }

    fn remember(&self, name: &Arc<str>, stream: Known) {
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN && !known.contains_key(name) {
            known.clear();
        }
        known.insert(Arc::clone(name), stream);
    }

    /// Looks for a stream until it can be used, makes it where there is none, and has it keep data as
    /// asked.
    async fn ensure(
        &self,
        name: &str,
        hours: u32,
        tags: &[(&str, &str)],
    ) -> Result<StreamDescription, Setback> {
        let mut waits_for = "made";
        for _ in 0..LOOKS {
            self.describes.take().await;
            match self.service.describe(name).await {
                Ok(stream) if stream.state == StreamState::Active => {
                    return Ok(self.keep_for(stream, hours).await);
                }
                Ok(stream) if stream.state == StreamState::Deleting => waits_for = "deleted",
                Ok(_) => {}
                Err(Trouble::Refused(error)) if error.code == "ResourceNotFoundException" => {
                    self.creates.take().await;
                    match self.service.create(name, hours, tags).await {
                        // Somebody else was faster, or the one before is not quite gone.
                        Err(Trouble::Refused(error)) if error.code == "ResourceInUseException" => {}
                        Err(trouble) => return Err(setback("CreateStream", trouble)),
                        Ok(()) => {}
                    }
                }
                Err(trouble) => return Err(setback("DescribeStream", trouble)),
            }
            tokio::time::sleep(LOOK).await;
        }
        let seconds = (LOOK * LOOKS).as_secs();
        Err(Setback::Failed(format!("{name} is not {waits_for} after {seconds} s")))
    }

    /// A stream that keeps data for another time than asked is used as it is when that cannot be
    /// changed: audio in it is worth more.
    async fn keep_for(&self, mut stream: StreamDescription, hours: u32) -> StreamDescription {
        if stream.retention_hours == hours {
            return stream;
        }
        self.others.take().await;
        match self.service.change_retention(&stream, hours).await {
            Ok(()) => stream.retention_hours = hours,
            Err(trouble) => {
                let kept = stream.retention_hours;
                tracing::warn!(
                    stream = %stream.name,
                    "it keeps audio for {kept} hours, and not for {hours}: UpdateDataRetention: {trouble}"
                );
            }
        }
        stream
    }

    /// The names of the streams that begin with `prefix` and have the tag `own`: 2,000 at most.
    pub(crate) async fn list(
        &self,
        prefix: &str,
        own: (&str, &str),
    ) -> Result<Vec<String>, String> {
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            self.others.take().await;
            let page = self.service.list(prefix, next.as_deref()).await;
            let page = page.map_err(|trouble| format!("ListStreams: {trouble}"))?;
            for stream in page.streams {
                let is_usable = stream.state == StreamState::Active;
                if !is_usable || !stream.name.starts_with(prefix) {
                    continue;
                }
                self.others.take().await;
                let tags = self.service.tags(&stream.name).await;
                let tags = tags.map_err(|trouble| format!("ListTagsForStream: {trouble}"))?;
                if tags.get(own.0).is_some_and(|value| value == own.1) {
                    names.push(stream.name);
                }
                if names.len() == MOST_LISTED {
                    return Ok(names);
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(names);
            }
        }
    }
}

fn setback(operation: &'static str, trouble: Trouble) -> Setback {
    match trouble {
        Trouble::Unanswered(reason) => Setback::Failed(reason),
        Trouble::Refused(error) => Setback::Refused(Refusal::new(operation, error)),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
