//! One stream's task: its producer, and what it asks for on the network.

use crate::connection::{self, Heard, Line};
use crate::counters::Counters;
use crate::fragment::Fragment;
use crate::intake::{Intake, Waiting};
use crate::producer::{End, Needs, Output, Producer};
use crate::service::{NODE_TAG, Shared};
use crate::streams::{Ready, Setback, lock};
use aws_sinks::Trouble;
use bytes::Bytes;
use mkv::{Audio, StreamObserver, StreamReport};
use model::Instant;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a stream is for.
pub(crate) struct Order {
    pub(crate) name: Arc<str>,
    pub(crate) retention_hours: u32,
    pub(crate) audio: Audio,
    pub(crate) observer: Box<dyn StreamObserver>,
}

/// A stream that is being sent to.
pub(crate) struct StreamTask {
    shared: Arc<Shared>,
    order: Order,
    intake: Arc<Intake>,
    producer: Producer,
    link: Link,
    /// As the service calls the stream; the order's name until that is known.
    arn: Arc<str>,
    /// What was kept when it was last said to the others.
    kept_bytes: usize,
}

type Preparing = Pin<Box<dyn Future<Output = Result<(Line, Ready), Setback>> + Send>>;

enum Link {
    None,
    Preparing(Preparing),
    Line {
        line: Line,
        /// Whether the producer is owed to be told that there is room.
        is_full: bool,
    },
}

enum Happened {
    Taken(Waiting),
    Prepared(Result<(Line, Ready), Setback>),
    Room,
    Heard(Heard),
    Due,
}

impl StreamTask {
    pub(crate) fn new(shared: Arc<Shared>, order: Order, intake: Arc<Intake>) -> Self {
        let producer = Producer::new(shared.config.producer, outbox::clock::draw());
        let (link, arn) = (Link::None, Arc::clone(&order.name));
        StreamTask { shared, order, intake, producer, link, arn, kept_bytes: 0 }
    }

    /// Serves the stream until its producer is done.
    pub(crate) async fn run(mut self) {
        loop {
            let now = self.shared.clock.now();
            self.producer.handle_timeout(now);
            while let Some(output) = self.producer.poll_output(now) {
                if let Some(end) = self.obey(output) {
                    self.settle(0);
                    return self.report(end);
                }
            }
            self.settle(0);
            let wait = self.producer.poll_timeout().map(|due| due - now);
            let happened = next(&self.intake, &mut self.link, wait).await;
            self.take_in(happened);
        }
    }

    fn take_in(&mut self, happened: Happened) {
        let now = self.shared.clock.now();
        match happened {
            Happened::Due => {}
            Happened::Taken(waiting) => self.take(now, waiting),
            Happened::Room => self.producer.handle_room(),
            Happened::Prepared(Ok((line, ready))) => {
                self.producer.handle_stream(ready.keeps_nothing);
                self.arn = ready.arn;
                self.link = Link::Line { line, is_full: false };
                self.producer.handle_connected(now, head(self.order.audio));
            }
            Happened::Prepared(Err(setback)) => {
                self.link = Link::None;
                match setback {
                    Setback::Failed(reason) => self.producer.handle_failure(now, reason),
                    Setback::Refused(refusal) => self.producer.handle_refusal(now, &refusal),
                }
            }
            Happened::Heard(Heard::Octets(octets)) => self.producer.handle_octets(now, &octets),
            Happened::Heard(over) => {
                self.link = Link::None;
                match over {
                    Heard::Refused(refusal) => self.producer.handle_refusal(now, &refusal),
                    Heard::Failed(reason) => self.producer.handle_failure(now, reason),
                    Heard::Closed | Heard::Octets(_) => self.producer.handle_closed(now),
                }
            }
        }
    }

    fn take(&mut self, now: Instant, waiting: Waiting) {
        let room = self.shared.room_of_one();
        for fragment in waiting.fragments {
            if let Err(rejected) = self.producer.handle_fragment(now, fragment, room) {
                tracing::debug!(stream = %self.order.name, %rejected, "a fragment is not taken");
            }
        }
        if waiting.is_over {
            self.producer.handle_end(now);
        }
        self.settle(waiting.dropped);
    }

    /// Does what the producer says; returns how it ended.
    fn obey(&mut self, output: Output) -> Option<End> {
        match output {
            Output::Connect { needs, first_timecode } => self.prepare(needs, first_timecode),
            Output::Send(octets) => {
                if let Link::Line { line, is_full } = &mut self.link {
                    // There is room: the producer sends nothing before it is told so.
                    let _ = line.body.as_ref().map(|body| body.try_send(octets));
                    *is_full = true;
                }
            }
            Output::Finish => {
                if let Link::Line { line, .. } = &mut self.link {
                    line.body = None;
                }
            }
            Output::Close => self.link = Link::None,
            Output::Started { timecode, number } => {
                self.order.observer.report(StreamReport::Started {
                    stream_arn: Arc::clone(&self.arn),
                    fragment_number: number.as_str().into(),
                    timecode_ms: timecode,
                });
            }
            Output::Trouble { reason } => {
                let stream = &self.order.name;
                tracing::warn!(%stream, "audio waits for Kinesis Video Streams: {reason}");
                self.order.observer.report(StreamReport::Trouble { reason: reason.into() });
            }
            Output::Over(end) => return Some(end),
        }
        None
    }

    fn prepare(&mut self, needs: Needs, first_timecode: u64) {
        let (shared, name) = (Arc::clone(&self.shared), Arc::clone(&self.order.name));
        let hours = self.order.retention_hours;
        self.link = Link::Preparing(Box::pin(async move {
            let streams = &shared.streams;
            let tags = [(NODE_TAG, shared.config.node.as_str())];
            let ready = streams.ready(&name, hours, &tags, needs).await?;
            let timestamp = format!("{}.{:03}", first_timecode / 1_000, first_timecode % 1_000);
            let headers = vec![
                ("x-amzn-stream-name", &*name),
                ("x-amzn-fragment-timecode-type", "ABSOLUTE"),
                ("x-amzn-producer-start-timestamp", timestamp.as_str()),
                ("x-amzn-fragment-acknowledgment-required", "1"),
            ];
            streams.may_start().await;
            let service = streams.service();
            let request = service.put_media(&ready.endpoint, headers).await;
            let request = request.map_err(|trouble| match trouble {
                Trouble::Unanswered(reason) => Setback::Failed(reason),
                Trouble::Refused(error) => Setback::Failed(error.to_string()),
            })?;
            let tls = shared.tls.as_ref().map_err(|reason| Setback::Failed(reason.clone()))?;
            let line = connection::open(Arc::clone(service), tls, request).await;
            Ok((line.map_err(Setback::Failed)?, ready))
        }));
    }

    /// Adds up what was counted; `dropped` fragments never reached the producer.
    fn settle(&mut self, dropped: u64) {
        let mut counted = self.producer.take_counters();
        counted.taken_fragments += dropped;
        counted.dropped_fragments += dropped;
        let kept = self.producer.kept_bytes();
        let before = std::mem::replace(&mut self.kept_bytes, kept);
        self.shared.kept_bytes.fetch_add(kept, Ordering::Relaxed);
        self.shared.kept_bytes.fetch_sub(before, Ordering::Relaxed);
        if counted != Counters::default() {
            lock(&self.shared.streams.counters).add(&counted);
        }
    }

    fn report(mut self, end: End) {
        let fragment_number = self.producer.last_number().map(|number| number.as_str().into());
        let report = match end {
            End::Finished => StreamReport::Ended { fragment_number },
            End::GivenUp { reason, is_usable } => {
                tracing::warn!(stream = %self.order.name, "its audio is given up: {reason}");
                StreamReport::Failed { reason: reason.into(), is_usable }
            }
        };
        self.order.observer.report(report);
    }
}

impl Drop for StreamTask {
    fn drop(&mut self) {
        lock(&self.shared.streams.counters).rejected_fragments += self.intake.close();
        self.shared.kept_bytes.fetch_sub(self.kept_bytes, Ordering::Relaxed);
        self.shared.open_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What happens next.
async fn next(intake: &Intake, link: &mut Link, wait: Option<std::time::Duration>) -> Happened {
    let due = async {
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => pending().await,
        }
    };
    tokio::select! {
        biased;
        happened = of_link(link) => happened,
        waiting = intake.next() => Happened::Taken(waiting),
        () = due => Happened::Due,
    }
}

async fn of_link(link: &mut Link) -> Happened {
    match link {
        Link::None => pending().await,
        Link::Preparing(preparing) => Happened::Prepared(preparing.await),
        Link::Line { line: Line { body, heard, .. }, is_full } => {
            let room = async {
                match body {
                    // One that is closed is heard of as well.
                    Some(body) if *is_full && body.reserve().await.is_ok() => {}
                    _ => pending().await,
                }
            };
            let happened = tokio::select! {
                biased;
                heard = heard.recv() => {
                    let ended = || Heard::Failed("the connection ended".to_owned());
                    return Happened::Heard(heard.unwrap_or_else(ended));
                }
                () = room => Happened::Room,
            };
            *is_full = false;
            happened
        }
    }
}

/// What the body of a connection begins with.
fn head(audio: Audio) -> Bytes {
    let mut uid = [0; 16];
    for half in uid.chunks_mut(8) {
        half.copy_from_slice(&outbox::clock::draw().to_be_bytes());
    }
    mkv::head(audio, uid).into()
}

impl From<mkv::Fragment> for Fragment {
    fn from(fragment: mkv::Fragment) -> Self {
        Fragment { octets: fragment.octets.into(), timecode: fragment.timecode_ms }
    }
}
