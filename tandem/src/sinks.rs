//! Where records go: into files, into a service's queue, or both.

use crate::clock::Origin;
use crate::config::Config;
use crate::node::StartError;
use aws_sinks::{CloudWatch, Logs, S3, Service, outbox_record};
use call_metrics::{CallTrace, RecordSink};
use otlp_export::TraceSender;
use outbox::{
    Destination, DestinationName, FileSender, FileSink, FileSinkConfig, Outbox, OutboxSender,
    Record, Retention,
};

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
    file: FileSender,
    queues: Vec<Queue>,
    /// The node's name, which log streams have.
    node: String,
    traces: Option<TraceSender>,
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
    ) -> Result<Self, StartError> {
        let sinks = &config.sinks;
        let mut queues = Vec::new();
        if let Some(sink) = &sinks.cloudwatch {
            let destination = CloudWatch::new(&sink.access, &config.cloudwatch.namespace);
            queues.push(queue(outbox, Service::CloudWatch, sink.also_file, destination)?);
        }
        if let Some(sink) = &sinks.logs {
            let destination = Logs::new(&sink.access, sink.retention_days);
            queues.push(queue(outbox, Service::Logs, sink.also_file, destination)?);
        }
        if let Some(sink) = &sinks.s3 {
            let destination = S3::new(&sink.access, sink.config.clone());
            queues.push(queue(outbox, Service::S3, sink.also_file, destination)?);
        }
        Ok(Routes { file, queues, node: config.node.name.clone(), traces })
    }
}

impl RecordSink for Routes {
    // Each sink counts and logs what it cannot take.
    fn trace(&self, trace: CallTrace) {
        if let Some(traces) = &self.traces {
            traces.send(trace);
        }
    }

    fn write(&self, record: Record) {
        let service = Service::of(&record);
        let queue = self.queues.iter().find(|queue| Some(queue.service) == service);
        let Some(queue) = queue else {
            let _ = self.file.send(record);
            return;
        };
        if queue.also_file {
            let _ = self.file.send(record.clone());
        }
        let now = Origin::now().calendar;
        let _ = queue.sender.offer(outbox_record(queue.service, record, &self.node, now));
    }
}

fn queue<D: Destination>(
    outbox: &mut Outbox,
    service: Service,
    also_file: bool,
    destination: D,
) -> Result<Queue, StartError> {
    let name = service.name();
    let failed = |error: &dyn std::error::Error| {
        StartError(format!("[sinks] {name}: its queue below data_dir/outbox: {error}"))
    };
    let name = DestinationName::new(name).map_err(|error| failed(&error))?;
    let sender = outbox.start(&name, destination).map_err(|error| failed(&error))?;
    Ok(Queue { service, sender, also_file })
}
