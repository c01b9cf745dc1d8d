//! `[voice_connector.streaming]`: who gets the audio of a voice connector's calls while they run.

use super::reader::Table;
use super::value;
use directory::Streaming;
use model::{NotificationTargets, RecordingFormat, RecordingListener};

pub(super) fn read(mut table: Table<'_>) -> Streaming {
    let default = Streaming::default();
    let streaming = Streaming {
        enabled: table.or("enabled", default.enabled, value::boolean),
        by_header: table.or("by_header", default.by_header, value::boolean),
        numbers: table.list("numbers", value::shared_text).unwrap_or_default().into(),
        sample_rate: table.or("sample_rate", default.sample_rate, value::integer),
        kinesis_video: table.or("kinesis_video", default.kinesis_video, value::boolean),
        retention_hours: table.or("retention_hours", default.retention_hours, value::integer),
        mu_law: table.or("mu_law", default.mu_law, value::boolean),
        recording: recording(table.table("recording")),
        notifications: notifications(&mut table),
        web_socket: super::web_socket::read(table.table("web_socket")),
    };
    if !streaming.numbers.is_empty() && !streaming.enabled {
        table.warn_at("numbers", "has no effect without enabled = true");
    }
    table.finish();
    streaming
}

/// `[voice_connector.streaming.recording]`; where it is, calls are recorded.
fn recording(mut table: Table<'_>) -> Option<RecordingListener> {
    let is_there = table.is_present();
    let format = table.or("format", RecordingFormat::Wav, |value| match value::text(value)? {
        "wav" => Ok(RecordingFormat::Wav),
        "ogg" => Ok(RecordingFormat::OggOpus),
        other => Err(format!("{other:?} is unknown; use \"wav\" or \"ogg\"")),
    });
    table.finish();
    is_there.then_some(RecordingListener { format })
}

/// Who is told of streams, as the API names them; EventBridge where nothing is said.
fn notifications(table: &mut Table<'_>) -> NotificationTargets {
    const NONE: NotificationTargets = NotificationTargets::NONE;
    let named = table.list("notifications", |value| match value::text(value)? {
        "EventBridge" => Ok(NotificationTargets { event_bridge: true, ..NONE }),
        "SNS" => Ok(NotificationTargets { sns: true, ..NONE }),
        "SQS" => Ok(NotificationTargets { sqs: true, ..NONE }),
        other => Err(format!("{other:?} is unknown; use \"EventBridge\", \"SNS\" or \"SQS\"")),
    });
    let Some(named) = named else { return NotificationTargets::default() };
    named.into_iter().fold(NONE, |all, one| NotificationTargets {
        event_bridge: all.event_bridge || one.event_bridge,
        sns: all.sns || one.sns,
        sqs: all.sqs || one.sqs,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, refuses};
    use super::*;

    const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n\
                             [voice_connector.streaming]\nenabled = true\n";

    #[test]
    fn a_recording_is_made_where_its_section_stands() {
        let recording = |text: &str| {
            let config = accepts(&format!("{CONNECTOR}{text}"));
            config.directory.voice_connectors().next().and_then(|vc| vc.streaming.recording)
        };
        let of = |format| Some(RecordingListener { format });
        assert_eq!(recording(""), None);
        assert_eq!(recording("recording = {}"), of(RecordingFormat::Wav));
        assert_eq!(
            recording("[voice_connector.streaming.recording]\nformat = \"ogg\""),
            of(RecordingFormat::OggOpus)
        );
        refuses(
            &format!("{CONNECTOR}recording = {{ format = \"mp3\" }}"),
            "t.toml:8: format: \"mp3\" is unknown; use \"wav\" or \"ogg\"",
        );
    }
}
