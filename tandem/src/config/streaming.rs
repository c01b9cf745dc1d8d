//! `[voice_connector.streaming]`: who gets the audio of a voice connector's calls while they run, and
//! `[streaming]`: what of it is this node's.

use super::reader::Table;
use super::value;
use call_streaming::HubConfig;
use directory::{Consent, Streaming};
use model::{CarrierId, NotificationTargets, RecordingFormat, RecordingListener, WarningTone};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeValue;

/// `[streaming]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeStreaming {
    /// Authorities of programs behind a WebSocket; `None` for those of the system.
    pub(crate) authorities: Option<Arc<Path>>,
    /// Threads, 1 to 64, default 1, and calls that they listen to, 1 to 100,000, default 2,048.
    pub(crate) hub: HubConfig,
}

pub(super) fn read_of_node(mut table: Table<'_>) -> NodeStreaming {
    let usual = HubConfig::default();
    let streaming = NodeStreaming {
        authorities: super::web_socket::read_authorities(&mut table),
        hub: HubConfig {
            threads: table
                .or("threads", usual.threads, |v| value::within(value::integer(v)?, 1..=64)),
            max_calls: table.or("max_calls", usual.max_calls, |v| {
                value::within(value::integer(v)?, 1..=100_000)
            }),
        },
    };
    table.finish();
    streaming
}

pub(super) fn read(mut table: Table<'_>) -> Streaming {
    let default = Streaming::default();
    let notifications = notifications(&mut table);
    let streaming = Streaming {
        enabled: table.or("enabled", default.enabled, value::boolean),
        by_header: table.or("by_header", default.by_header, value::boolean),
        numbers: table.list("numbers", value::shared_text).unwrap_or_default().into(),
        carriers: table.list("carriers", carrier).unwrap_or_default().into(),
        sample_rate: table.or("sample_rate", default.sample_rate, value::integer),
        kinesis_video: table.or("kinesis_video", default.kinesis_video, value::boolean),
        retention_hours: table.or("retention_hours", default.retention_hours, value::integer),
        mu_law: table.or("mu_law", default.mu_law, value::boolean),
        recording: recording(table.table("recording")),
        notifications,
        web_sockets: super::web_socket::read_all(&mut table, notifications),
        consent: consent(table.table("consent")),
    };
    let rules =
        [("numbers", streaming.numbers.is_empty()), ("carriers", streaming.carriers.is_empty())];
    for (key, is_empty) in rules {
        if !is_empty && !streaming.enabled {
            table.warn_at(key, "has no effect without enabled = true");
        }
    }
    if streaming.consent.is_some() && streaming.consent().is_none() {
        let message = "nobody hears it: calls are not recorded here; add \
                       [voice_connector.streaming.recording], or write while = \"streamed\"";
        table.warn_at("consent", message);
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

fn carrier(value: &DeValue<'_>) -> Result<CarrierId, String> {
    CarrierId::new(value::text(value)?).map_err(|error| error.to_string())
}

/// `[voice_connector.streaming.consent]`: what the parties hear.
fn consent(mut table: Table<'_>) -> Option<Consent> {
    if !table.is_present() {
        return None;
    }
    let of_streams = table.or("while", false, |value| match value::text(value)? {
        "recorded" => Ok(false),
        "streamed" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"recorded\" or \"streamed\"")),
    });
    let tone = tone(table.table("tone"));
    let announcement = table.optional("announcement", value::shared_text);
    if let Some(file) = &announcement {
        table.note_audio_file("announcement", file);
    }
    if tone.is_none() && announcement.is_none() {
        table
            .error("consent has neither a tone nor an announcement; write tone = {}, or remove it");
    }
    table.finish();
    Some(Consent { of_streams, tone, announcement })
}

/// `tone = {}` is the usual one.
fn tone(mut table: Table<'_>) -> Option<WarningTone> {
    if !table.is_present() {
        return None;
    }
    let usual = WarningTone::default();
    let tone = WarningTone {
        every: table.or("every", usual.every, |value| {
            value::duration_within(value, Duration::from_secs(5), Duration::from_secs(300))
        }),
        length: table.or("length", usual.length, |value| {
            value::duration_within(value, Duration::from_millis(100), Duration::from_secs(1))
        }),
        frequency: table.or("frequency", usual.frequency, |value| {
            value::within(value::integer(value)?, 300..=3_400)
        }),
        level: table
            .or("level", usual.level, |value| value::within(value::integer(value)?, -40..=-6)),
    };
    table.finish();
    Some(tone)
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
    named.into_iter().fold(NONE, NotificationTargets::and)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, refuses};
    use super::*;

    const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n\
                             [voice_connector.streaming]\nenabled = true\n";

    #[test]
    fn the_nodes_share_has_its_bounds() {
        let hub = |text: &str| accepts(text).streaming.hub;
        assert_eq!(hub(""), HubConfig { threads: 1, max_calls: 2_048 });
        let least = "[streaming]\nthreads = 1\nmax_calls = 1";
        assert_eq!(hub(least), HubConfig { threads: 1, max_calls: 1 });
        let most = "[streaming]\nthreads = 64\nmax_calls = 100000";
        assert_eq!(hub(most), HubConfig { threads: 64, max_calls: 100_000 });
        for (text, message) in [
            ("threads = 0", "threads: 0 is out of range; use 1 to 64"),
            ("threads = 65", "threads: 65 is out of range; use 1 to 64"),
            ("max_calls = 0", "max_calls: 0 is out of range; use 1 to 100000"),
            ("max_calls = 100001", "max_calls: 100001 is out of range; use 1 to 100000"),
        ] {
            refuses(&format!("[streaming]\n{text}"), &format!("t.toml:5: {message}"));
        }
        for most in [1, 65_536] {
            let config = accepts(&format!("[media]\nmax_listened_streams = {most}"));
            assert_eq!(config.media.max_listened_streams, most);
        }
        for beyond in [0, 65_537] {
            refuses(
                &format!("[media]\nmax_listened_streams = {beyond}"),
                &format!(
                    "t.toml:5: max_listened_streams: {beyond} is out of range; use 1 to 65536"
                ),
            );
        }
    }

    fn consent_of(text: &str) -> Consent {
        let config = accepts(&format!("{CONNECTOR}{text}"));
        let mut connectors = config.directory.voice_connectors();
        connectors.next().and_then(|vc| vc.streaming.consent.clone()).unwrap()
    }

    #[test]
    fn a_tone_has_its_bounds() {
        let consent = consent_of("consent = { tone = {} }");
        let usual = WarningTone::default();
        assert_eq!((consent.tone, consent.of_streams), (Some(usual), false));
        let seconds = Duration::from_secs;
        for (text, tone) in [
            ("every = \"5s\"", WarningTone { every: seconds(5), ..usual }),
            ("every = \"5m\"", WarningTone { every: seconds(300), ..usual }),
            ("length = \"100ms\"", WarningTone { length: seconds(1) / 10, ..usual }),
            ("length = \"1s\"", WarningTone { length: seconds(1), ..usual }),
            ("frequency = 300", WarningTone { frequency: 300, ..usual }),
            ("frequency = 3400", WarningTone { frequency: 3_400, ..usual }),
            ("level = -40", WarningTone { level: -40, ..usual }),
            ("level = -6", WarningTone { level: -6, ..usual }),
        ] {
            let text = format!("consent = {{ while = \"streamed\", tone = {{ {text} }} }}");
            let consent = consent_of(&text);
            assert_eq!((consent.tone, consent.of_streams), (Some(tone), true), "{text}");
        }
        for (text, message) in [
            ("every = \"4s\"", "every: the string \"4s\" is out of range; use \"5s\" to \"5m\""),
            (
                "every = \"301s\"",
                "every: the string \"301s\" is out of range; use \"5s\" to \"5m\"",
            ),
            (
                "length = \"99ms\"",
                "length: the string \"99ms\" is out of range; use \"100ms\" to \"1s\"",
            ),
            (
                "length = \"2s\"",
                "length: the string \"2s\" is out of range; use \"100ms\" to \"1s\"",
            ),
            ("frequency = 299", "frequency: 299 is out of range; use 300 to 3400"),
            ("frequency = 3401", "frequency: 3401 is out of range; use 300 to 3400"),
            ("level = -41", "level: -41 is out of range; use -40 to -6"),
            ("level = -5", "level: -5 is out of range; use -40 to -6"),
        ] {
            let text = format!("{CONNECTOR}consent = {{ tone = {{ {text} }} }}");
            refuses(&text, &format!("t.toml:8: {message}"));
        }
    }

    #[test]
    fn consent_says_what_is_heard() {
        let consent = consent_of("consent = { announcement = \"recorded.wav\" }");
        assert_eq!((consent.tone, consent.announcement.as_deref()), (None, Some("recorded.wav")));
        refuses(
            &format!("{CONNECTOR}[voice_connector.streaming.consent]"),
            "t.toml:8: consent has neither a tone nor an announcement; write tone = {}, or remove it",
        );
        refuses(
            &format!("{CONNECTOR}consent = {{ while = \"always\", tone = {{}} }}"),
            "t.toml:8: while: \"always\" is unknown; use \"recorded\" or \"streamed\"",
        );
    }

    #[test]
    fn a_carrier_that_is_not_there_is_refused() {
        refuses(
            &format!("{CONNECTOR}carriers = [\"pstn-9\"]"),
            "t.toml:8: carriers: there is no [[carrier]] with id = \"pstn-9\"; add it or correct the \
             id",
        );
        refuses(
            &format!("{CONNECTOR}carriers = [\"a b\"]"),
            "t.toml:8: carriers: \"a b\" is not a carrier id: expected 1 to 64 characters of \
             letters, digits, '_', '.' and '-'",
        );
    }

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
