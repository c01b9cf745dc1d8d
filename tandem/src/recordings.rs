//! The recordings of the calls whose audio this process has.

use crate::clock::Origin;
use crate::commands::complain;
use crate::config::Config;
use crate::node::StartError;
use crate::sinks;
use aws_sinks::Sns;
use call_metrics::{KeptRecording, Observation, ObservationSender};
use call_recordings::{KeyConfig, Keys, Notice, NoticeSink, Outcome, Recordings, RecordingsConfig};
use outbox::{FileSender, Outbox, OutboxRecord, OutboxSender, Record, RecordKind, RecordPath};
use sip_edge::Clock;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

/// Where notices are written down.
const NOTICES: &str = "events/recordings.jsonl";

/// The queue of notices for a topic of SNS.
const TOPIC: &str = "recordings-sns";

/// Starts the threads, which also finish what a crash left.
///
/// # Errors
/// When the key cannot be read, or there is no thread.
pub(crate) fn start(
    config: &Config,
    file: FileSender,
    outbox: &mut Outbox,
    observations: ObservationSender,
    clock: Clock,
) -> Result<Recordings, StartError> {
    let section = &config.recordings;
    let topic = section
        .notify
        .as_ref()
        .map(|(access, topic)| sinks::queue(outbox, TOPIC, Sns::new(access, topic.clone())));
    let topic = topic.transpose()?;
    Recordings::start(RecordingsConfig {
        root: section.root(&config.node.data_dir),
        node: config.node.name.clone(),
        writers: section.writers,
        rotation: section.rotation,
        keep: section.keep,
        key: section.key.clone(),
        upload: config.sinks.recordings.clone(),
        notices: Some(notices(file, topic)),
        outcomes: Some(Arc::new(move |Outcome { voice_connector, bytes }| {
            let recorded = KeptRecording { at: clock.now(), voice_connector, bytes };
            observations.send(Observation::Recorded(recorded));
        })),
    })
    .map_err(|error| StartError(error.to_string()))
}

fn notices(file: FileSender, topic: Option<OutboxSender>) -> NoticeSink {
    Arc::new(move |notice: Notice| {
        let (Ok(path), Ok(body)) = (RecordPath::new(NOTICES), serde_json::to_vec(&notice)) else {
            return;
        };
        // File and queue count and log what they cannot take.
        if let Some(topic) = &topic {
            let (stream, time) = ("recordings".to_owned(), Origin::now().calendar);
            let body = body.clone();
            let _ = topic.offer(OutboxRecord { stream, time, body, ..OutboxRecord::default() });
        }
        let _ = file.send(Record { path, body, kind: RecordKind::AppendLine });
    })
}

/// Says what is wrong with the key of `[recordings]`.
pub(crate) fn key_is_fine(path: &Path, config: &Config) -> bool {
    let section = &config.recordings;
    let Some(key) = &section.key else { return true };
    let place = format!("{}:{}", path.display(), section.key_line);
    if let Err(error) = Keys::new(key) {
        complain(format_args!("{place}: {error}"));
        return false;
    }
    if let KeyConfig::File(file) = key
        && fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    {
        let file = file.display();
        complain(format_args!(
            "warning: {place}: key_file: others on this host can read {file}; chmod 600 {file}"
        ));
    }
    true
}
