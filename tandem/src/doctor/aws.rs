//! The services of `[sinks]`: whose credentials these are, and whether records could be delivered.
//! Calls go on without them, so nothing of it is broken.

use super::finding::Finding;
use crate::config::{Config, EventSinks};
use crate::sinks;
use aws_sinks::{Judgement, NewEvent, Question, Said, Target, events, log_stream, probe};
use call_metrics::CloudWatchFormat;
use call_recordings::{KeyConfig, key_context};
use call_streaming::events::Event;
use model::{NotificationTargets, TransactionId, UnixTime};
use serde_json::json;
use std::sync::Arc;

/// An object that call detail records stand beside.
const KEY: &str = "Amazon-Chime-Voice-Connector-CDRs/json/tandem-doctor";
/// An object beside the voice connectors' recordings.
const RECORDING: &str = "tandem-doctor";
/// A stream that nobody makes.
const STREAM: &str = "ChimeVoiceConnector-tandem-doctor";
/// Groups that are asked about have a voice connector's name.
const GROUP: &str = "/aws/ChimeVoiceConnectorLogs";

/// What the event of `--send-event` is.
const TEST_EVENT: &str = "Tandem Test Event";

/// Nothing when all records go into files. With `sends_event` each service that events go to gets one.
pub(super) fn examine(config: &Config, now: UnixTime, sends_event: bool) -> Vec<Finding> {
    let questions = questions(config, now);
    if questions.is_empty() {
        return Vec::new();
    }
    let mut said = probe(&questions);
    if sends_event {
        said.extend(send(config, now, &questions));
    }
    // Beside whose credentials they are stands what is wrong with all of them.
    said.sort_by_key(|said| !matches!(said.subject, "identity" | "clock"));
    said.into_iter().map(finding).collect()
}

fn questions(config: &Config, now: UnixTime) -> Vec<Question> {
    let sinks = &config.sinks;
    let mut questions = Vec::new();
    // Embedded metrics are events of a log.
    let has_data = config.cloudwatch.format == CloudWatchFormat::MetricData;
    if let Some(sink) = sinks.cloudwatch.as_ref().filter(|_| has_data) {
        let target = Target::CloudWatch { namespace: config.cloudwatch.namespace.clone() };
        questions.push(Question { access: sink.access.clone(), target });
    }
    if let Some(sink) = &sinks.logs {
        let first = config.directory.voice_connectors().next();
        let connector = first.map_or("tandem-doctor", |connector| connector.id.as_str());
        let day = log_stream(&config.node.name, now);
        let stream = format!("{day}/tandem-doctor-{}", now.as_millis());
        let target = Target::Logs { group: format!("{GROUP}/{connector}"), stream };
        questions.push(Question { access: sink.access.clone(), target });
    }
    if let Some(sink) = &sinks.s3 {
        let target = Target::S3 { config: sink.config.clone(), key: KEY.to_owned() };
        questions.push(Question { access: sink.access.clone(), target });
    }
    if let Some(sink) = &sinks.recordings {
        let target = Target::Recordings { config: sink.s3.clone(), key: RECORDING.to_owned() };
        questions.push(Question { access: sink.access.clone(), target });
    }
    if let Some(KeyConfig::Kms { access, key }) = &config.recordings.key {
        let target = Target::Kms { key: key.clone(), context: key_context() };
        questions.push(Question { access: access.clone(), target });
    }
    if let Some(sink) = &sinks.kinesis_video {
        let (stream, data_endpoint) = (STREAM.to_owned(), sink.data_endpoint.clone());
        let target = Target::KinesisVideo { stream, data_endpoint };
        questions.push(Question { access: sink.access.clone(), target });
    }
    questions.extend(about_events(&sinks.events));
    questions
}

fn send(config: &Config, now: UnixTime, questions: &[Question]) -> Vec<Said> {
    let node = &config.node;
    // Only to be told from others: without a generator the time has to do.
    let mut octets = now.as_millis().to_be_bytes().repeat(2);
    let _ = getrandom::fill(&mut octets);
    let random = octets.iter().fold(0_u128, |all, octet| all << 8 | u128::from(*octet));
    let event = Event {
        id: TransactionId::from_random(random).to_string(),
        detail_type: TEST_EVENT,
        issuer: Arc::new(sinks::issuer(config)),
        time: now,
        group: format!("doctor-{}", now.as_millis()),
        targets: NotificationTargets::NONE,
        detail: json!({"node": node.name, "version": "0"}).to_string(),
        detail_in_files: None,
    };
    let (detail, message) = (event.detail.as_str(), event.message());
    let (group, message) = (event.group.as_str(), message.as_str());
    let event = NewEvent { group, time: now, detail_type: TEST_EVENT, detail, message };
    events::send(questions, event)
}

fn about_events(sinks: &EventSinks) -> impl Iterator<Item = Question> {
    let bridge = sinks.bridge.as_ref();
    let bridge = bridge.map(|(at, config)| (at, Target::EventBridge { config: config.clone() }));
    let sns = sinks.sns.as_ref().map(|(at, topic)| (at, Target::Sns { topic: topic.clone() }));
    let sqs = sinks.sqs.as_ref().map(|(at, queue)| (at, Target::Sqs { queue: queue.clone() }));
    let all = bridge.into_iter().chain(sns).chain(sqs);
    all.map(|(access, target)| Question { access: access.clone(), target })
}

fn finding(said: Said) -> Finding {
    let Said { subject, judgement, found, advice } = said;
    match judgement {
        Judgement::Works => Finding::fine(subject, found),
        Judgement::Unknown => Finding::unknown(subject, found, advice),
        Judgement::Fails => Finding::warning(subject, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::config::accepts;

    const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_678);

    fn asked(sinks: &str) -> Vec<Target> {
        let questions = questions(&accepts(&format!("[sinks]\n{sinks}")), NOW);
        questions.into_iter().map(|question| question.target).collect()
    }

    #[test]
    fn only_what_goes_to_aws_is_asked() {
        assert_eq!(asked("kind = \"file\""), []);
        assert_eq!(examine(&accepts(""), NOW, true), []);
        let all = asked("kind = \"aws\"\ns3 = { bucket = \"records\", prefix = \"p/\" }");
        let [
            Target::CloudWatch { namespace },
            Target::Logs { group, stream },
            Target::S3 { .. },
            Target::KinesisVideo { .. },
            Target::EventBridge { config },
        ] = &all[..]
        else {
            panic!("{all:?}")
        };
        assert_eq!(namespace, "Tandem/VoiceConnector");
        assert_eq!(config.source, "tandem.voiceconnector");
        assert!(group.starts_with("/aws/ChimeVoiceConnectorLogs/"), "{group}");
        assert!(stream.ends_with("/2026/01/02/tandem-doctor-1767323045678"), "{stream}");
        let embedded =
            asked("cloudwatch = { kind = \"aws\", format = \"emf\" }\nlogs = { kind = \"aws\" }");
        assert!(matches!(embedded[..], [Target::Logs { .. }]), "{embedded:?}");
        let told = asked(
            "sns = { kind = \"aws\", topic_arn = \"arn:aws:sns:eu-west-1:111122223333:c\" }\n\
             sqs = { kind = \"aws\", queue_url = \"http://127.0.0.1:5000/1/q\" }",
        );
        assert!(matches!(told[..], [Target::Sns { .. }, Target::Sqs { .. }]), "{told:?}");
    }

    #[test]
    fn recordings_are_asked_about_where_they_go_and_whose_key_they_have() {
        let text = "[sinks]\nrecordings = { kind = \"aws\", bucket = \"voices\" }\n\
                    [recordings]\nkms_key = \"alias/voices\"";
        let asked = questions(&accepts(text), NOW);
        let [first, second] = &asked[..] else { panic!("{asked:?}") };
        let Target::Recordings { config, .. } = &first.target else { panic!("{first:?}") };
        assert_eq!(config.bucket, "voices");
        let Target::Kms { key, context } = &second.target else { panic!("{second:?}") };
        assert_eq!((key.as_str(), context), ("alias/voices", &key_context()));
        let file = "[recordings]\nkey_file = \"recordings.key\"";
        assert_eq!(questions(&accepts(file), NOW), []);
    }

    #[test]
    fn no_answer_of_a_service_breaks_calls() {
        for (judgement, state) in [
            (Judgement::Works, State::Fine),
            (Judgement::Unknown, State::Unknown),
            (Judgement::Fails, State::Warning),
        ] {
            let said = Said {
                subject: "s3",
                judgement,
                found: "found".to_owned(),
                advice: "advice".to_owned(),
            };
            assert_eq!(finding(said).state, state);
        }
    }
}
