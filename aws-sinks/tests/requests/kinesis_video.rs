//! Kinesis Video Streams: what it is asked, and what its answers are taken for.

use crate::server::{Reply, Seen, Server};
use crate::{access, run};
use aws_sinks::{Endpoint, Judgement, KinesisVideo, Question, StreamState, Target, Trouble, probe};
use serde_json::json;

const DESCRIBED: &str = r#"{"StreamInfo":{"StreamName":"a","StreamARN":"arn:a","Status":"UPDATING",
    "DataRetentionInHours":24,"Version":"v7","KmsKeyId":"k","MediaType":null}}"#;

fn operations(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| seen.path.clone()).collect()
}

#[test]
fn streams_are_described_made_and_changed() {
    run("kinesis_video::streams_are_described_made_and_changed", async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/describeStream" => Reply::Answer(200, DESCRIBED),
            "/getDataEndpoint" => Reply::Answer(200, r#"{"DataEndpoint":"https://s-1.example"}"#),
            _ => Reply::Answer(200, "{}"),
        })
        .await;
        let service = KinesisVideo::new(&access(&server), None);
        let stream = service.describe("a").await.unwrap();
        assert_eq!((stream.retention_hours, stream.state), (24, StreamState::Active));
        service.create("b", 0, &[("tandem-node", "edge-1")]).await.unwrap();
        service.change_retention(&stream, 24).await.unwrap();
        service.change_retention(&stream, 30).await.unwrap();
        service.change_retention(&stream, 4).await.unwrap();
        assert_eq!(service.data_endpoint("a").await.unwrap().as_str(), "https://s-1.example");
        let seen = server.seen();
        let bodies: Vec<_> = seen.iter().map(Seen::json).collect();
        let change = |operation, hours| {
            json!({"StreamName": "a", "CurrentVersion": "v7", "Operation": operation,
                   "DataRetentionChangeInHours": hours})
        };
        assert_eq!(
            bodies,
            [
                json!({"StreamName": "a"}),
                json!({"StreamName": "b", "DataRetentionInHours": 0,
                       "Tags": {"tandem-node": "edge-1"}}),
                change("INCREASE_DATA_RETENTION", 6),
                change("DECREASE_DATA_RETENTION", 20),
                json!({"StreamName": "a", "APIName": "PUT_MEDIA"}),
            ]
        );
        let signed = seen[0].header("authorization");
        assert!(signed.contains("/eu-west-1/kinesisvideo/aws4_request"), "{signed}");
    });
}

#[test]
fn errors_keep_their_names() {
    run("kinesis_video::errors_keep_their_names", async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/describeStream" => {
                let kind = "x-amzn-ErrorType: ResourceNotFoundException:http://internal/";
                Reply::Headed(404, r#"{"Message":"no such stream"}"#, kind)
            }
            "/getDataEndpoint" => Reply::Answer(200, r#"{"DataEndpoint":"nowhere"}"#),
            _ => Reply::Answer(200, "<html>"),
        })
        .await;
        let service = KinesisVideo::new(&access(&server), None);
        let Err(Trouble::Refused(error)) = service.describe("a").await else { panic!() };
        assert_eq!(error.to_string(), "404 ResourceNotFoundException (no such stream)");
        for (what, told) in [
            (service.data_endpoint("a").await.map(|_| ()), "\"nowhere\" is not a URL"),
            (service.list("a", None).await.map(|_| ()), "endpoint_url of [sinks] kinesis_video"),
        ] {
            let Err(Trouble::Unanswered(reason)) = what else { panic!("{what:?}") };
            assert!(reason.contains(told), "{reason}");
        }
    });
}

#[test]
fn lists_come_in_pages() {
    run("kinesis_video::lists_come_in_pages", async {
        let server = Server::start(|seen| match seen.json()["NextToken"].as_str() {
            None => Reply::Answer(200, r#"{"StreamInfoList":[],"NextToken":"more"}"#),
            Some(_) => Reply::Answer(
                200,
                r#"{"StreamInfoList":[{"StreamName":"a","StreamARN":"arn:a","Status":"DELETING"}]}"#,
            ),
        })
        .await;
        let service = KinesisVideo::new(&access(&server), None);
        let first = service.list("a", None).await.unwrap();
        assert_eq!((first.streams.len(), first.next.as_deref()), (0, Some("more")));
        let second = service.list("a", first.next.as_deref()).await.unwrap();
        assert_eq!((second.streams[0].state, second.next), (StreamState::Deleting, None));
        let seen = server.seen();
        let condition = json!({"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "a"});
        assert_eq!(seen[1].json()["StreamNameCondition"], condition);
    });
}

#[test]
fn a_body_that_is_not_known_yet_is_not_signed() {
    run("kinesis_video::a_body_that_is_not_known_yet_is_not_signed", async {
        let server = Server::start(|_| Reply::Answer(200, "{}")).await;
        let data = Endpoint::parse("http://127.0.0.1:5001").unwrap();
        let service = KinesisVideo::new(&access(&server), Some(data.clone()));
        assert_eq!(service.data_endpoint("a").await, Ok(data.clone()));
        let head = service.put_media(&data, vec![("x-amzn-stream-name", "a")]).await.unwrap();
        assert_eq!(head.uri().to_string(), "http://127.0.0.1:5001/putMedia");
        assert_eq!(head.headers()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        let signed = head.headers()["authorization"].to_str().unwrap();
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amzn-stream-name";
        assert!(signed.contains(names), "{signed}");
        assert_eq!(operations(&server), <[String; 0]>::default());
    });
}

#[test]
fn doctor_asks_for_a_stream_that_is_not_there() {
    run("kinesis_video::doctor_asks_for_a_stream_that_is_not_there", async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/describeStream" => Reply::Answer(404, r#"{"__type":"ResourceNotFoundException"}"#),
            _ => Reply::Answer(200, "{}"),
        })
        .await;
        let access = access(&server);
        let target =
            Target::KinesisVideo { stream: "tandem-doctor".to_owned(), data_endpoint: None };
        let questions = vec![Question { access, target }];
        let said = tokio::task::spawn_blocking(move || probe(&questions)).await.unwrap();
        let said: Vec<_> = said.iter().filter(|said| said.subject == "kinesis_video").collect();
        assert_eq!(said[0].judgement, Judgement::Works);
        assert!(said[0].found.contains("allows kinesisvideo:DescribeStream"), "{}", said[0].found);
        assert_eq!((said.len(), said[1].judgement), (2, Judgement::Unknown));
    });
}
