//! `kinesis_video`: whether streamed audio goes into files or to Kinesis Video Streams.

use super::{Defaults, access, endpoint, warn_unused};
use crate::config::reader::Table;
use aws_sinks::{Access, Endpoint};

/// `kinesis_video` of kind `aws`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KinesisVideoSink {
    /// Where streams are made and described.
    pub(crate) access: Access,
    /// Where audio is sent; `None` for where the service says (GetDataEndpoint).
    pub(crate) data_endpoint: Option<Endpoint>,
}

/// `None` when audio goes into files.
pub(super) fn read(mut table: Table<'_>, defaults: &Defaults) -> Option<KinesisVideoSink> {
    let access = access(&mut table, defaults);
    let data_endpoint = table.optional("data_endpoint_url", endpoint);
    warn_unused(&table, access.is_none(), &["data_endpoint_url"]);
    table.finish();
    access.map(|access| KinesisVideoSink { access, data_endpoint })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, refuses};
    use super::*;

    fn sink(lines: &str) -> Option<KinesisVideoSink> {
        accepts(&format!("[sinks]\n{lines}")).sinks.kinesis_video
    }

    #[test]
    fn audio_goes_into_files_unless_aws_is_asked_for() {
        assert_eq!(sink(""), None);
        assert_eq!(
            sink(
                "kind = \"aws\"\ns3 = { bucket = \"records\" }\nkinesis_video = { kind = \"file\" }"
            ),
            None
        );
        let own = sink("kinesis_video = { kind = \"aws\", region = \"eu-west-1\" }").unwrap();
        assert_eq!((own.access.region.as_str(), own.access.endpoint), ("eu-west-1", None));
        assert_eq!(own.data_endpoint, None);
        let all = sink(
            "kind = \"aws\"\nendpoint_url = \"http://127.0.0.1:5000\"\ns3 = { bucket = \"records\" }",
        );
        assert_eq!(
            all.unwrap().access.endpoint,
            Some(Endpoint::parse("http://127.0.0.1:5000").unwrap())
        );
    }

    #[test]
    fn data_may_go_elsewhere() {
        let sink = sink(
            "kinesis_video = { kind = \"aws\", endpoint_url = \"http://127.0.0.1:5000\", \
             data_endpoint_url = \"http://127.0.0.1:5001\" }",
        );
        let sink = sink.unwrap();
        assert_eq!(sink.access.endpoint.unwrap().as_str(), "http://127.0.0.1:5000");
        assert_eq!(sink.data_endpoint.unwrap().as_str(), "http://127.0.0.1:5001");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        refuses(
            "[sinks]\nkinesis_video = { kind = \"aws\", data_endpoint_url = \"localhost\" }",
            "t.toml:5: data_endpoint_url: \"localhost\" is not a URL; write one such as \
             \"http://127.0.0.1:5000\"",
        );
        let told =
            accepts("[sinks]\nkinesis_video = { data_endpoint_url = \"http://127.0.0.1:1\" }");
        let told: Vec<_> = told.warnings.into_iter().map(|finding| finding.message).collect();
        assert!(
            told.contains(&"data_endpoint_url: is not used: kind is \"file\"".to_owned()),
            "{told:?}"
        );
    }
}
