//! Where records go: into files, into a service's queue, or both.

use crate::cdr_bucket::CdrBucket;
use crate::clock::Origin;
use crate::config::{Config, EventSinks};
use crate::node::StartError;
use crate::privacy::Shown;
use aws_sinks::{
    CloudWatch, EventBridge, EventTarget, Logs, NewEvent, S3, Service, Sns, Sqs, outbox_record,
};
use call_metrics::{CallTrace, Numbers, PerSink, Privacy, Reach, RecordSink, region_code};
use call_streaming::events::{Event, EventSender, EventSink, Issuer, People};
use call_streaming::kinesis::NumberView;
use model::NotificationTargets;
use otlp_export::TraceSender;
use outbox::{
    Destination, DestinationName, FileSender, FileSink, FileSinkConfig, Outbox, OutboxSender,
    Record, RecordKind, RecordPath, Retention,
};
use std::sync::Arc;

/// The file of events, below `data_dir`.
const EVENTS_FILE: &str = "events/events.jsonl";

/// Starts what writes files below `data_dir`, and what removes them.
///
/// # Errors
/// When the directory cannot be made or no thread can be started.
pub(crate) fn start_files(config: &Config) -> Result<(FileSink, Retention), StartError> {
    let data_dir = &config.node.data_dir;
    let rotation = Some(config.retention.rotation());
    let sink = FileSink::start(FileSinkConfig { rotation, ..FileSinkConfig::new(data_dir) });
    let sink = sink.map_err(|error| {
        StartError(format!("[node] data_dir \"{}\": {error}", data_dir.display()))
    })?;
    let retention = Retention::start(config.retention.to_config(data_dir), Some(sink.sender()));
    let retention =
        retention.map_err(|error| StartError(format!("cannot start the retention: {error}")))?;
    Ok((sink, retention))
}

/// The ways of a node's records.
pub(crate) struct Routes {
    ways: Arc<Ways>,
    traces: Option<TraceSender>,
}

/// Tells of streams, in events and on the streams themselves.
#[derive(Clone)]
pub(crate) struct StreamTeller {
    pub(crate) events: EventSender,
    numbers: PerSink<Numbers>,
}

impl StreamTeller {
    /// How numbers are shown on streams in files, or on those of a service.
    pub(crate) fn numbers(&self, is_service: bool) -> NumberView {
        let PerSink { file, service } = &self.numbers;
        let numbers = if is_service { service.clone() } else { file.clone() };
        Arc::new(move |number| numbers.user(number).into_owned())
    }
}

/// The ways of records and events, which come from several threads.
struct Ways {
    file: FileSender,
    queues: Vec<Queue>,
    /// Where objects go by what was said through the control API.
    cdr_bucket: Arc<CdrBucket>,
    /// Services that events go to.
    targets: Vec<(EventTarget, OutboxSender)>,
    /// Whether events are written into a file.
    has_event_file: bool,
    /// The node's name, which log streams have.
    node: String,
}

struct Queue {
    service: Service,
    sender: OutboxSender,
    also_file: bool,
}

impl Routes {
    /// Starts the queue of each service that `config` sends records to.
    ///
    /// # Errors
    /// When a queue cannot be opened.
    pub(crate) fn start(
        config: &Config,
        file: FileSender,
        outbox: &mut Outbox,
        traces: Option<TraceSender>,
        cdr_bucket: Arc<CdrBucket>,
    ) -> Result<Self, StartError> {
        let sinks = &config.sinks;
        let mut queues = Vec::new();
        let mut put = |service: Service, sender, also_file| {
            queues.push(Queue { service, sender, also_file });
        };
        if let Some(sink) = &sinks.cloudwatch {
            let destination = CloudWatch::new(&sink.access, &config.cloudwatch.namespace);
            let service = Service::CloudWatch;
            put(service, queue(outbox, service.name(), destination)?, sink.also_file);
        }
        if let Some(sink) = &sinks.logs {
            let destination = Logs::new(&sink.access, sink.retention_days);
            put(Service::Logs, queue(outbox, Service::Logs.name(), destination)?, sink.also_file);
        }
        if let Some(sink) = &sinks.s3 {
            let bucket = Arc::clone(&cdr_bucket);
            let destination = S3::new(&sink.access, sink.config.clone())
                .choosing(Box::new(move || bucket.chosen()));
            put(Service::S3, queue(outbox, Service::S3.name(), destination)?, sink.also_file);
        }
        let ways = Ways {
            file,
            queues,
            cdr_bucket,
            targets: targets(&sinks.events, outbox)?,
            has_event_file: sinks.events.file,
            node: config.node.name.clone(),
        };
        Ok(Routes { ways: Arc::new(ways), traces })
    }

    /// What tells of streams, with people shown as `privacy` says.
    pub(crate) fn teller(&self, config: &Config, privacy: &Privacy) -> StreamTeller {
        let numbers = privacy.events.clone();
        StreamTeller { events: self.events(config, privacy), numbers }
    }

    /// Where events go that are not of streams.
    pub(crate) fn event_sink(&self) -> Arc<dyn EventSink> {
        Arc::<Ways>::clone(&self.ways)
    }

    fn events(&self, config: &Config, privacy: &Privacy) -> EventSender {
        let PerSink { file, service } = &privacy.events;
        let in_files = (file != service).then(|| Arc::new(Shown(file.clone())) as Arc<dyn People>);
        let sink: Arc<dyn EventSink> = Arc::<Ways>::clone(&self.ways);
        EventSender::new(issuer(config), sink).showing(Arc::new(Shown(service.clone())), in_files)
    }
}

/// In whose name this node's events are sent.
pub(crate) fn issuer(config: &Config) -> Issuer {
    let node = &config.node;
    Issuer {
        account_id: node.account_id.clone(),
        region: node.region.clone(),
        region_code: region_code(&node.region),
        source: config.sinks.events.source.clone(),
    }
}

impl RecordSink for Routes {
    // Each sink counts and logs what it cannot take.
    fn trace(&self, trace: CallTrace) {
        if let Some(traces) = &self.traces {
            traces.send(trace);
        }
    }

    fn write(&self, record: Record, reach: Reach) {
        self.ways.write(record, reach);
    }
}

impl Ways {
    fn write(&self, record: Record, reach: Reach) {
        let service = Service::of(&record);
        let is_kept_here = service == Some(Service::S3) && self.cdr_bucket.is_nowhere();
        let mut queues = self.queues.iter().filter(|_| !is_kept_here);
        let queue = queues.find(|queue| Some(queue.service) == service);
        let Some(queue) = queue else {
            if reach != Reach::Services {
                let _ = self.file.send(record);
            }
            return;
        };
        if queue.also_file && reach != Reach::Services {
            let _ = self.file.send(record.clone());
        }
        if reach == Reach::Files {
            return;
        }
        let now = Origin::now().calendar;
        let _ = queue.sender.offer(outbox_record(queue.service, record, &self.node, now));
    }
}

impl EventSink for Ways {
    fn event(&self, event: Event) {
        let message = event.message();
        let new = NewEvent {
            group: &event.group,
            time: event.time,
            detail_type: event.detail_type,
            detail: &event.detail,
            message: &message,
        };
        for (target, sender) in &self.targets {
            if is_for(event.targets, *target) {
                let _ = sender.offer(target.record(new));
            }
        }
        // A path of letters is one.
        if let Some(path) = RecordPath::new(EVENTS_FILE).ok().filter(|_| self.has_event_file) {
            let body = event.line().into_bytes();
            let _ = self.file.send(Record { path, body, kind: RecordKind::AppendLine });
        }
    }

    fn record(&self, record: Record) {
        self.write(record, Reach::Everywhere);
    }
}

/// Whether a connector's events go there.
const fn is_for(targets: NotificationTargets, target: EventTarget) -> bool {
    match target {
        EventTarget::EventBridge => targets.event_bridge,
        EventTarget::Sns => targets.sns,
        EventTarget::Sqs => targets.sqs,
    }
}

/// Starts the queue of each service that events go to.
fn targets(
    sinks: &EventSinks,
    outbox: &mut Outbox,
) -> Result<Vec<(EventTarget, OutboxSender)>, StartError> {
    let mut targets = Vec::new();
    if let Some((access, config)) = &sinks.bridge {
        let destination = EventBridge::new(access, config.clone());
        let target = EventTarget::EventBridge;
        targets.push((target, queue(outbox, target.name(), destination)?));
    }
    if let Some((access, topic)) = &sinks.sns {
        let destination = Sns::new(access, topic.clone());
        targets.push((EventTarget::Sns, queue(outbox, EventTarget::Sns.name(), destination)?));
    }
    if let Some((access, url)) = &sinks.sqs {
        let destination = Sqs::new(access, url.clone());
        targets.push((EventTarget::Sqs, queue(outbox, EventTarget::Sqs.name(), destination)?));
    }
    Ok(targets)
}

/// Starts the queue of a destination.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn queue<D: Destination>(
    outbox: &mut Outbox,
    name: &str,
    destination: D,
) -> Result<OutboxSender, StartError> {
    let failed = |error: &dyn std::error::Error| {
        StartError(format!("[sinks] {name}: its queue below data_dir/outbox: {error}"))
    };
    let own = DestinationName::new(name).map_err(|error| failed(&error))?;
    outbox.start(&own, destination).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests;
