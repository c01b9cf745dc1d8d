//! Kinesis video streams: into files, or to the service.

use crate::config::Config;
use crate::node::StartError;
use crate::readings;
use crate::sinks::StreamTeller;
use call_metrics::Reading;
use call_streaming::Open;
use call_streaming::kinesis::{
    FOLDER, FileStreams, FileStreamsConfig, KinesisVideo, StreamName, StreamPool,
};
use model::KinesisVideoListener;
use put_media::{PutMedia, PutMediaConfig, PutMediaStreams};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How names of our streams begin.
const OURS: &str = "ChimeVoiceConnector-";
/// For how long the last fragments may take to the service when the node stops.
const LAST_FRAGMENTS: Duration = Duration::from_secs(10);

/// What becomes of audio for Kinesis Video Streams.
pub(super) struct Kinesis {
    streams: KinesisVideo,
    sink: Sink,
}

enum Sink {
    Files(Arc<FileStreams>),
    /// The sender is only asked to stop.
    Service {
        sender: Mutex<PutMedia>,
        streams: PutMediaStreams,
    },
}

impl Kinesis {
    /// Starts what writes files, or sends; numbers in tags are as `teller` shows them.
    pub(super) fn start(config: &Config, teller: &StreamTeller) -> Result<Self, StartError> {
        let (streams, sink) = match config.sinks.kinesis_video {
            None => into_files(config)?,
            Some(_) => to_service(config)?,
        };
        let is_service = matches!(sink, Sink::Service { .. });
        Ok(Kinesis { streams: streams.showing(teller.numbers(is_service)), sink })
    }

    /// Brings the streams of a call to the hub.
    pub(super) fn opener(&self, teller: StreamTeller) -> Open<KinesisVideoListener> {
        self.streams.clone().opener(teller.events)
    }

    /// Its numbers for the Prometheus page.
    pub(super) fn read(&self, out: &mut Vec<Reading>) {
        let streams = self.streams.statistics();
        match &self.sink {
            Sink::Files(files) => readings::of_kinesis_files(&streams, &files.statistics(), out),
            Sink::Service { streams: service, .. } => {
                readings::of_kinesis_service(&streams, &service.view(), out);
            }
        }
    }

    /// Lets what waits go its way, and ends.
    pub(super) fn stop(self) {
        match self.sink {
            Sink::Files(files) => files.flush(),
            Sink::Service { sender, .. } => {
                let sender = sender.into_inner().unwrap_or_else(PoisonError::into_inner);
                let octets = sender.stop(LAST_FRAGMENTS);
                if octets > 0 {
                    tracing::warn!(
                        octets,
                        "Kinesis Video Streams has not confirmed the last audio of calls in time; it \
                         may be lost"
                    );
                }
            }
        }
    }
}

fn into_files(config: &Config) -> Result<(KinesisVideo, Sink), StartError> {
    let node = &config.node;
    let folder = node.data_dir.join(FOLDER);
    let files = FileStreamsConfig::new(&folder, &node.region, &node.account_id);
    let files = FileStreams::start(files).map_err(|error| {
        StartError(format!("[node] data_dir: \"{}\": {error}", folder.display()))
    })?;
    let files = Arc::new(files);
    let sink: Arc<FileStreams> = Arc::clone(&files);
    Ok((KinesisVideo::new(StreamPool::new(files.known()), sink), Sink::Files(files)))
}

fn to_service(config: &Config) -> Result<(KinesisVideo, Sink), StartError> {
    let Some(sink) = &config.sinks.kinesis_video else { return into_files(config) };
    let data_endpoint = sink.data_endpoint.clone();
    let of_node = PutMediaConfig::new(sink.access.clone(), &config.node.name);
    let sender = PutMedia::start(PutMediaConfig { data_endpoint, ..of_node })
        .map_err(|error| StartError(format!("no thread for Kinesis Video Streams: {error}")))?;
    let streams = sender.streams();
    let pool = StreamPool::default();
    let learns = pool.clone();
    streams.list(OURS, move |names| match names {
        Ok(names) => learns.add(names.iter().filter_map(|name| StreamName::parse(name))),
        Err(reason) => {
            tracing::warn!(
                reason,
                "streams of an earlier run are not used again; new ones are made"
            );
        }
    });
    let kinesis = KinesisVideo::new(pool, Arc::new(streams.clone()));
    Ok((kinesis, Sink::Service { sender: Mutex::new(sender), streams }))
}
