//! The recordings of the calls whose audio this process has.

use crate::clock::Origin;
use crate::commands::complain;
use crate::config::Config;
use crate::node::StartError;
use crate::sinks;
use aws_sinks::Sns;
use call_audio::Opening;
use call_metrics::{KeptRecording, Numbers, Observation, ObservationSender};
use call_recordings::{
    Keep, KeyConfig, Keys, Notice, NoticeSink, Opener, Outcome, Recordings, RecordingsConfig,
};
use call_streaming::Open;
use model::{ListenedCall, RecordingListener};
use outbox::{FileSender, Outbox, OutboxRecord, OutboxSender, Record, RecordKind, RecordPath};
use sip_edge::Clock;
use std::borrow::Cow;
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
    let rooms = config.rooms.as_ref().and_then(|rooms| rooms.recording);
    let meetings = rooms.and_then(|rooms| rooms.keep).unwrap_or(section.keep.age);
    Recordings::start(RecordingsConfig {
        root: section.root(&config.node.data_dir),
        node: config.node.name.clone(),
        writers: section.writers,
        rotation: section.rotation,
        keep: Keep { meetings, ..section.keep },
        key: section.key.clone(),
        upload: config.sinks.recordings.clone(),
        meetings: rooms.map(|rooms| rooms.files),
        notices: Some(notices(file, topic)),
        outcomes: Some(Arc::new(move |Outcome { voice_connector, bytes }| {
            let recorded = KeptRecording { at: clock.now(), voice_connector, bytes };
            observations.send(Observation::Recorded(recorded));
        })),
    })
    .map_err(|error| StartError(error.to_string()))
}

/// What opens recordings, with people in the JSON beside them, and in the comments of Ogg files, as
/// `numbers` shows them: what is hidden there never reaches the threads that write.
pub(crate) fn opening(opener: Opener, numbers: Numbers) -> Open<RecordingListener> {
    Box::new(move |listener, opening| opener.open(&shown(opening, &numbers), listener.format))
}

fn shown<'a>(opening: &'a Opening, numbers: &Numbers) -> Cow<'a, Opening> {
    if *numbers == Numbers::Plain {
        return Cow::Borrowed(opening);
    }
    let call = &opening.call;
    let call = ListenedCall {
        from_number: numbers.user(&call.from_number).into(),
        to_number: numbers.user(&call.to_number).into(),
        // A recording has nothing of these.
        invite_headers: Vec::new(),
        siprec_metadata: None,
        ..ListenedCall::clone(call)
    };
    Cow::Owned(Opening { call: Arc::new(call), ..opening.clone() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use call_metrics::{KEY_LENGTH, NumberKey};
    use model::{CallDirection, TransactionId, UnixTime, VoiceConnectorId};

    fn opening(from: &str, to: &str) -> Opening {
        let call = ListenedCall {
            transaction_id: TransactionId::from_u128(7),
            voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
            call_id: "call@pbx".into(),
            direction: CallDirection::Inbound,
            from_number: from.into(),
            to_number: to.into(),
            invite_headers: vec![("from".into(), format!("<sip:{from}@pbx>").into())],
            siprec_metadata: Some(to.into()),
        };
        let began = UnixTime::from_millis(1_795_355_520_123);
        Opening { call: Arc::new(call), channels: [None, None], sample_rate: 8_000, began }
    }

    /// However long numbers are and whatever stands in them, none gets to those who write.
    #[test]
    fn what_is_hidden_never_reaches_the_writers() {
        let hashed = Numbers::Hashed(vec![NumberKey::new([7; KEY_LENGTH])].into());
        for digits in 3..=15 {
            let digits = &"318274659081726"[..digits];
            for from in [digits.to_owned(), format!("+{digits}"), format!("{digits};ext=12")] {
                let plain = opening(&from, &format!("00{digits}"));
                for numbers in [&hashed, &Numbers::Masked { shown: 2 }] {
                    let shown = shown(&plain, numbers);
                    let all = format!("{shown:?}");
                    assert!(!all.contains(digits), "{digits}: {all}");
                    let (call, was) = (&shown.call, &plain.call);
                    assert_eq!(&*call.from_number, numbers.user(&from));
                    assert_eq!(call.transaction_id, was.transaction_id);
                    assert_eq!((&call.call_id, call.direction), (&was.call_id, was.direction));
                    assert_eq!((shown.sample_rate, shown.began), (8_000, plain.began));
                }
                assert!(matches!(shown(&plain, &Numbers::Plain), Cow::Borrowed(_)));
            }
        }
        let named = opening("alice", "bob");
        assert_eq!(&*shown(&named, &hashed).call.from_number, "alice");
    }
}
