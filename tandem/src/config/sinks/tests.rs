use super::super::tests::{accepts, refuses};
use super::*;

fn warnings(lines: &str) -> Vec<String> {
    accepts(lines).warnings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn files_are_the_default() {
    for lines in ["", "[sinks]\nkind = \"file\"", "[sinks]\nlogs = { kind = \"file\" }"] {
        let Sinks { cloudwatch, logs, s3, kinesis_video, events, recordings, .. } =
            accepts(lines).sinks;
        assert_eq!((cloudwatch, logs, s3, kinesis_video), (None, None, None, None), "{lines}");
        assert_eq!((events, recordings), (EventSinks::default(), None), "{lines}");
    }
}

#[test]
fn a_service_has_the_section_s_values_unless_it_has_its_own() {
    let sinks = accepts(
        "[sinks]\nkind = \"aws\"\nregion = \"eu-west-1\"\nendpoint_url = \"http://127.0.0.1:5000\"\n\
         cloudwatch = { region = \"us-west-2\", namespace = \"AWS/ChimeVoiceConnector\" }\n\
         logs = { kind = \"file\" }\n\
         s3 = { bucket = \"records\", prefix = \"a/\", endpoint_url = \"https://s3.example\", \
         encryption = \"kms\", kms_key = \"alias/voice\", also_file = true }",
    )
    .sinks;
    let endpoint = |text| Some(Endpoint::parse(text).unwrap());
    let cloudwatch = sinks.cloudwatch.unwrap();
    assert_eq!(cloudwatch.access.region, "us-west-2");
    assert_eq!(cloudwatch.access.endpoint, endpoint("http://127.0.0.1:5000"));
    assert!(!cloudwatch.also_file);
    assert_eq!(sinks.logs, None);
    let s3 = sinks.s3.unwrap();
    assert_eq!(s3.access.region, "eu-west-1");
    assert_eq!(s3.access.endpoint, endpoint("https://s3.example"));
    let encryption = Some(Encryption::Kms(Some("alias/voice".to_owned())));
    let (bucket, prefix) = ("records".to_owned(), "a/".to_owned());
    assert_eq!(s3.config, S3Config { bucket, prefix, encryption });
    assert!(s3.also_file);
}

#[test]
fn without_a_region_the_node_s_counts() {
    let sinks = accepts("[sinks]\nlogs = { kind = \"aws\", retention_days = 30 }").sinks;
    let logs = sinks.logs.unwrap();
    assert_eq!((logs.access.region.as_str(), logs.retention_days), ("us-east-1", Some(30)));
    assert_eq!(sinks.cloudwatch, None);
}

#[test]
fn call_detail_records_have_the_form_that_is_asked_for() {
    for (lines, form) in [
        ("", CdrForm::VoiceConnector),
        ("[sinks]\ncdr = \"voice-connector\"", CdrForm::VoiceConnector),
        ("[sinks]\ncdr = \"business-calling\"", CdrForm::BusinessCalling),
        ("[sinks]\ncdr = \"both\"", CdrForm::Both),
    ] {
        assert_eq!(accepts(lines).sinks.cdr, form, "{lines}");
    }
}

#[test]
fn a_namespace_that_aws_refuses_is_warned_about() {
    let aws = "[sinks]\ncloudwatch = { kind = \"aws\", namespace = \"AWS/ChimeVoiceConnector\"";
    let told = warnings(&format!("{aws} }}"));
    assert!(told.iter().any(|warning| warning.contains("refuses namespaces")), "{told:?}");
    let told = warnings(&format!("{aws}, endpoint_url = \"http://127.0.0.1:5000\" }}"));
    assert!(!told.iter().any(|warning| warning.contains("refuses namespaces")), "{told:?}");
    let told = warnings("[sinks]\ncloudwatch = { kind = \"aws\" }");
    assert!(!told.iter().any(|warning| warning.contains("refuses namespaces")), "{told:?}");
}

#[test]
fn embedded_metrics_go_where_logs_go() {
    let emf = "[sinks]\ncloudwatch = { kind = \"aws\", format = \"emf\" }";
    let told = warnings(emf);
    assert!(told.iter().any(|warning| warning.contains("where logs go")), "{told:?}");
    let told = warnings(&format!("{emf}\nlogs = {{ kind = \"aws\" }}"));
    assert!(!told.iter().any(|warning| warning.contains("where logs go")), "{told:?}");
}

#[test]
fn what_a_file_has_no_use_for_is_warned_about() {
    let told = warnings("[sinks]\ns3 = { bucket = \"records\" }");
    assert!(told.contains(&"bucket: is not used: kind is \"file\"".to_owned()), "{told:?}");
}

#[test]
fn events_go_where_each_service_says() {
    let events = accepts("").sinks.events;
    assert_eq!((events.source.as_str(), events.file), ("tandem.voiceconnector", true));
    assert!(!events.has_service());
    let events = accepts(
        "[sinks]\nkind = \"aws\"\nendpoint_url = \"http://127.0.0.1:5000\"\ns3 = { kind = \"file\" }\n\
         events = { source = \"aws.chime\", bus = \"calls\", also_file = true }\n\
         sns = { topic_arn = \"arn:aws:sns:eu-west-1:111122223333:calls\" }\n\
         sqs = { queue_url = \"https://sqs.eu-west-2.amazonaws.com/111122223333/calls\" }",
    )
    .sinks
    .events;
    let (access, config) = events.bridge.unwrap();
    assert_eq!((config.source.as_str(), config.bus.as_str()), ("aws.chime", "calls"));
    assert_eq!(access.endpoint, Some(Endpoint::parse("http://127.0.0.1:5000").unwrap()));
    assert!(events.file);
    let regions = (events.sns.unwrap().0.region, events.sqs.unwrap().0.region);
    assert_eq!(regions, ("eu-west-1".to_owned(), "eu-west-2".to_owned()));
    // A topic and a queue need no bus, and the file is written beside them.
    let events = accepts(
        "[sinks]\nsns = { kind = \"aws\", topic_arn = \"arn:aws:sns:eu-west-1:111122223333:c\" }",
    )
    .sinks
    .events;
    assert!(events.file && events.bridge.is_none() && events.sns.is_some());
    let events = accepts("[sinks]\nevents = { kind = \"aws\" }").sinks.events;
    assert!(!events.file && events.sns.is_none());
}

#[test]
fn events_that_cannot_arrive_are_warned_about() {
    let aws = "[sinks]\nevents = { kind = \"aws\", source = \"aws.chime\"";
    for (lines, expected) in [
        (format!("{aws} }}"), "refuses sources that begin with aws."),
        ("[sinks]\nevents = { bus = \"b\" }".to_owned(), "bus: is not used"),
        (
            "[sinks]\nsqs = { queue_url = \"http://127.0.0.1:5000/1/q\" }".to_owned(),
            "queue_url: is not used: kind is \"file\"; add kind = \"aws\"",
        ),
        ("[sinks]\nsns = { kind = \"aws\" }".to_owned(), "nothing goes there: add topic_arn"),
        (
            "[sinks]\nsqs = { kind = \"aws\", queue_url = \"http://a/1/q\", endpoint_url = \"http://b\" }"
                .to_owned(),
            "queue_url says where the queue is",
        ),
    ] {
        let told = warnings(&lines);
        assert!(told.iter().any(|warning| warning.contains(expected)), "{lines}: {told:?}");
    }
    let told = warnings(&format!("{aws}, endpoint_url = \"http://127.0.0.1:5000\" }}"));
    assert!(!told.iter().any(|warning| warning.contains("refuses sources")), "{told:?}");
}

#[test]
fn wrong_values_are_named_with_their_lines() {
    for (line, expected) in [
        ("kind = \"s3\"", "kind: \"s3\" is unknown; use \"file\" or \"aws\""),
        (
            "audit = { kind = \"aws\" }",
            "kind: \"aws\" is not served yet by this version; use \"file\"",
        ),
        (
            "audit = { events = \"some\" }",
            "events: \"some\" is unknown; use \"off\", \"writes\" or \"all\"",
        ),
        (
            "logs = { endpoint_url = \"localhost\" }",
            "endpoint_url: \"localhost\" is not a URL; write one such as \"http://127.0.0.1:5000\"",
        ),
        (
            "logs = { kind = \"aws\", retention_days = 2 }",
            "retention_days: CloudWatch Logs has no retention of 2 days; use one of 1, 3, 5, 7, 14, \
             30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653",
        ),
        (
            "s3 = { bucket = \"Records\" }",
            "bucket: \"Records\" is not a bucket's name; it has 3 to 63 of a-z, 0-9, - and .",
        ),
        (
            "s3 = { kind = \"aws\", bucket = \"records\", kms_key = \"k\" }",
            "kms_key: is used only with encryption = \"kms\"",
        ),
        (
            "events = { source = \"a b\" }",
            "source: \"a b\" is no source; use at most 256 letters, digits and .-_/ such as \
             \"tandem.voiceconnector\"",
        ),
        (
            "sns = { topic_arn = \"calls\" }",
            "topic_arn: \"calls\" is not a topic's ARN; write one such as \
             \"arn:aws:sns:eu-central-1:111122223333:calls\"",
        ),
        (
            "sqs = { queue_url = \"calls\" }",
            "queue_url: \"calls\" is not a queue's URL; write one such as \
             \"https://sqs.eu-central-1.amazonaws.com/111122223333/calls\"",
        ),
        (
            "region = \"Frankfurt\"",
            "region: \"Frankfurt\" is not a region; write one such as \"eu-central-1\"",
        ),
        (
            "cdr = \"csv\"",
            "cdr: \"csv\" is unknown; use \"voice-connector\", \"business-calling\" or \"both\"",
        ),
    ] {
        refuses(&format!("[sinks]\n{line}"), &format!("t.toml:5: {expected}"));
    }
}

#[test]
fn objects_need_a_bucket() {
    let text = super::super::tests::with("[sinks]\nkind = \"aws\"");
    let errors = super::super::Config::parse(&text, "t.toml").unwrap_err().to_string();
    assert!(errors.contains("bucket = \"voice-records\""), "{errors}");
}
