use super::{accepts, refuses};
use call_metrics::{CloudWatchConfig, CloudWatchFormat};

#[test]
fn cloudwatch_gets_a_namespace_and_a_form() {
    assert_eq!(accepts("").cloudwatch, CloudWatchConfig::default());
    let asked = accepts(
        "[sinks]\ncloudwatch = { namespace = \"AWS/ChimeVoiceConnector\", format = \"emf\" }",
    );
    assert_eq!(asked.cloudwatch.namespace, "AWS/ChimeVoiceConnector");
    assert_eq!(asked.cloudwatch.format, CloudWatchFormat::Embedded);
    let asked = accepts("[sinks]\ncloudwatch = { kind = \"file\", format = \"metric-data\" }");
    assert_eq!(asked.cloudwatch, CloudWatchConfig::default());
}

#[test]
fn what_is_wrong_with_it_is_said() {
    refuses(
        "[sinks]\ncloudwatch = { namespace = \":calls\" }",
        "t.toml:5: namespace: \":calls\" is no namespace; use at most 255 letters, digits and .-_/#: \
         such as \"Tandem/VoiceConnector\", with no \":\" in front",
    );
    refuses(
        "[sinks]\ncloudwatch = { format = \"json\" }",
        "t.toml:5: format: \"json\" is unknown; use \"metric-data\" or \"emf\"",
    );
    let logs = super::errors(&super::with("[sinks]\nlogs = { namespace = \"Tandem\" }"));
    assert!(logs.contains("namespace"), "{logs}");
}
