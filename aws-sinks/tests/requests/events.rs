//! Events: what EventBridge, SNS and SQS are asked, and that each event's own end counts.

use super::server::{Reply, Seen, Server};
use super::{access, entry, run};
use aws_sinks::{
    EventBridge, EventBridgeConfig, EventTarget, Judgement, NewEvent, Question, QueueUrl, Said,
    Sns, Sqs, Target, TopicArn, probe,
};
use model::UnixTime;
use outbox::{Destination, Entry, Outcome, Verdict};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:calls";
const DONE: &str = r#"{"FailedEntryCount":0,"Entries":[]}"#;

fn event(target: EventTarget, sequence: u64, group: &str) -> Entry {
    let detail = format!("{{\"n\":{sequence}}}");
    let message = format!("{{\"detail\":{detail}}}");
    let time = UnixTime::from_millis(1_767_323_045_678);
    let (detail_type, detail, message) = ("A Type", detail.as_str(), message.as_str());
    let record = target.record(NewEvent { group, time, detail_type, detail, message });
    Entry { record, ..entry(sequence, "", "{}") }
}

fn events(target: EventTarget, count: u64) -> Vec<Entry> {
    (0..count).map(|n| event(target, n, &format!("call-{n}"))).collect()
}

fn bridge(server: &Server, source: &str) -> EventBridge {
    let config = EventBridgeConfig { source: source.to_owned(), bus: "calls".to_owned() };
    EventBridge::new(&access(server), config)
}

fn queue(server: &Server, name: &str) -> Sqs {
    let url = format!("{}/111122223333/{name}", server.url);
    Sqs::new(&access(server), QueueUrl::parse(&url).unwrap())
}

fn verdicts(outcome: Outcome) -> Vec<Verdict> {
    match outcome {
        Outcome::PerEntry(verdicts) => verdicts,
        Outcome::Unavailable { reason, .. } => panic!("{reason}"),
    }
}

/// How many entries each request had.
fn sizes(seen: &[Seen]) -> Vec<usize> {
    seen.iter().map(|seen| seen.json()["Entries"].as_array().unwrap().len()).collect()
}

#[test]
fn a_bus_gets_ten_entries_to_a_request() {
    run("events::a_bus_gets_ten_entries_to_a_request", async {
        let server = Server::start(|_| Reply::Answer(200, DONE)).await;
        let mut batch = events(EventTarget::EventBridge, 12);
        batch[11].possible_duplicate = true;
        let outcome = bridge(&server, "tandem.voiceconnector").deliver(&batch).await;
        assert_eq!(verdicts(outcome), vec![Verdict::Delivered; 12]);
        let seen = server.seen();
        assert_eq!(sizes(&seen), [10, 2]);
        assert_eq!(seen[0].header("x-amz-target"), "AWSEvents.PutEvents");
        assert!(seen[0].header("authorization").contains("/eu-west-1/events/aws4_request"));
        let expected = json!({
            "Time": 1_767_323_045.678,
            "Source": "tandem.voiceconnector",
            "Resources": [],
            "DetailType": "A Type",
            "Detail": "{\"n\":0}",
            "EventBusName": "calls",
        });
        assert_eq!(seen[0].json()["Entries"][0], expected);
        let marked = "{\"n\":11,\"possibleDuplicate\":true}";
        assert_eq!(seen[1].json()["Entries"][1]["Detail"], marked);
    });
}

#[test]
fn a_success_is_no_success_of_each_entry() {
    run("events::a_success_is_no_success_of_each_entry", async {
        let told = r#"{"FailedEntryCount":2,"Entries":[{"EventId":"1"},
            {"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."},
            {"ErrorCode":"InternalFailure","ErrorMessage":""},{"EventId":"2"}]}"#;
        let server = Server::start(move |_| Reply::Answer(200, told)).await;
        let outcome = bridge(&server, "tandem").deliver(&events(EventTarget::EventBridge, 4)).await;
        let [
            Verdict::Delivered,
            Verdict::Refused(why),
            Verdict::Again { reason, .. },
            Verdict::Delivered,
        ] = &verdicts(outcome)[..]
        else {
            panic!()
        };
        assert_eq!(why, "MalformedDetail (Detail is malformed.)");
        assert_eq!(reason, "InternalFailure");
    });
}

#[test]
fn a_source_that_aws_keeps_for_itself_waits_for_its_setting() {
    run("events::a_source_that_aws_keeps_for_itself_waits_for_its_setting", async {
        let told = r#"{"FailedEntryCount":1,"Entries":[
            {"ErrorCode":"NotAuthorizedForSourceException","ErrorMessage":"Not authorized for the source."}]}"#;
        let server = Server::start(move |_| Reply::Answer(200, told)).await;
        let batch = events(EventTarget::EventBridge, 1);
        let outcome = bridge(&server, "aws.chime").deliver(&batch).await;
        let [Verdict::Again { reason, .. }] = &verdicts(outcome)[..] else { panic!() };
        let advice = "set source of [sinks] events to a name of your own; it is \"aws.chime\"";
        assert!(reason.contains(advice), "{reason}");
        // Corrected, the same event goes out under the new name.
        let good = Server::start(|_| Reply::Answer(200, DONE)).await;
        let outcome = bridge(&good, "tandem").deliver(&batch).await;
        assert_eq!(verdicts(outcome), [Verdict::Delivered]);
        assert_eq!(good.seen()[0].json()["Entries"][0]["Source"], "tandem");
    });
}

#[test]
fn a_success_of_another_server_is_none() {
    run("events::a_success_of_another_server_is_none", async {
        let server = Server::start(|_| Reply::Answer(200, "<html>welcome</html>")).await;
        let topic = TopicArn::parse(TOPIC).unwrap();
        let outcomes = [
            bridge(&server, "t").deliver(&events(EventTarget::EventBridge, 1)).await,
            Sns::new(&access(&server), topic).deliver(&events(EventTarget::Sns, 1)).await,
            queue(&server, "calls").deliver(&events(EventTarget::Sqs, 1)).await,
        ];
        for outcome in outcomes {
            let Outcome::Unavailable { reason, .. } = outcome else { panic!("{outcome:?}") };
            assert!(reason.contains("see endpoint_url of [sinks] "), "{reason}");
        }
    });
}

/// Takes all messages of SQS.
fn all_sent(seen: &Seen) -> Reply {
    let ids = (0..seen.json()["Entries"].as_array().unwrap().len()).map(|n| n.to_string());
    let sent: Vec<_> = ids.map(|id| json!({"Id": id, "MessageId": "m"})).collect();
    Reply::Answer(200, json!({ "Successful": sent }).to_string().leak())
}

#[test]
fn a_queue_gets_whole_events() {
    run("events::a_queue_gets_whole_events", async {
        let server = Server::start(all_sent).await;
        let outcome = queue(&server, "calls").deliver(&events(EventTarget::Sqs, 11)).await;
        assert_eq!(verdicts(outcome), vec![Verdict::Delivered; 11]);
        let seen = server.seen();
        assert_eq!(sizes(&seen), [10, 1]);
        assert_eq!(seen[0].header("x-amz-target"), "AmazonSQS.SendMessageBatch");
        let url = format!("{}/111122223333/calls", server.url);
        assert_eq!(seen[0].json()["QueueUrl"], url);
        let first = &seen[0].json()["Entries"][0];
        assert_eq!(*first, json!({"Id": "0", "MessageBody": "{\"detail\":{\"n\":0}}"}));
    });
}

#[test]
fn a_fifo_queue_keeps_a_call_s_order() {
    run("events::a_fifo_queue_keeps_a_call_s_order", async {
        // The first of the two messages of call a fails for now.
        let server = Server::start(|seen| match seen.json()["Entries"][0]["MessageBody"].as_str() {
            Some(body) if body.contains("\"n\":1}") => Reply::Answer(
                200,
                r#"{"Successful":[{"Id":"1"}],"Failed":[{"Id":"0","SenderFault":false,"Code":"InternalError"}]}"#,
            ),
            _ => all_sent(seen),
        })
        .await;
        let batch = [
            event(EventTarget::Sqs, 1, "a"),
            event(EventTarget::Sqs, 2, "b"),
            event(EventTarget::Sqs, 3, "a"),
        ];
        let outcome = queue(&server, "calls.fifo").deliver(&batch).await;
        let verdicts = verdicts(outcome);
        assert!(
            matches!(
                &verdicts[..],
                [Verdict::Again { .. }, Verdict::Delivered, Verdict::Again { .. }]
            ),
            "the third must not overtake the first: {verdicts:?}"
        );
        let seen = server.seen();
        assert_eq!(sizes(&seen), [2]);
        let first = &seen[0].json()["Entries"][0];
        assert_eq!(
            (&first["MessageGroupId"], &first["MessageDeduplicationId"]),
            (&json!("a"), &json!("1"))
        );
    });
}

#[test]
fn a_topic_gets_a_form() {
    run("events::a_topic_gets_a_form", async {
        let server = Server::start(|_| {
            Reply::Answer(
                200,
                "<PublishBatchResponse><PublishBatchResult><Failed/><Successful><member><Id>0</Id>\
                 </member><member><Id>1</Id></member></Successful></PublishBatchResult></PublishBatchResponse>",
            )
        })
        .await;
        let topic = TopicArn::parse(&format!("{TOPIC}.fifo")).unwrap();
        let mut sink = Sns::new(&access(&server), topic);
        let outcome = sink.deliver(&events(EventTarget::Sns, 2)).await;
        assert_eq!(verdicts(outcome), vec![Verdict::Delivered; 2]);
        let [seen] = &server.seen()[..] else { panic!() };
        assert!(seen.header("authorization").contains("/eu-west-1/sns/aws4_request"));
        let form = String::from_utf8(seen.body.clone()).unwrap();
        let topic = "Action=PublishBatch&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A111122223333%3Acalls.fifo&";
        assert!(form.starts_with(topic), "{form}");
        let second = "&PublishBatchRequestEntries.member.2.Id=1\
                      &PublishBatchRequestEntries.member.2.Message=%7B%22detail%22%3A%7B%22n%22%3A1%7D%7D\
                      &PublishBatchRequestEntries.member.2.MessageGroupId=call-1\
                      &PublishBatchRequestEntries.member.2.MessageDeduplicationId=1";
        assert!(form.ends_with(second), "{form}");
    });
}

#[test]
fn a_request_that_is_refused_costs_only_the_event_at_fault() {
    run("events::a_request_that_is_refused_costs_only_the_event_at_fault", async {
        let server = Server::start(|seen| {
            let is_bad = seen.json()["Entries"].to_string().contains("{\\\"n\\\":2}");
            match is_bad {
                true => Reply::Answer(400, r#"{"__type":"ValidationException","message":"no"}"#),
                false => Reply::Answer(200, DONE),
            }
        })
        .await;
        let outcome = bridge(&server, "t").deliver(&events(EventTarget::EventBridge, 4)).await;
        let verdicts = verdicts(outcome);
        for (n, verdict) in verdicts.iter().enumerate() {
            match n {
                2 => assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}"),
                _ => assert_eq!(*verdict, Verdict::Delivered),
            }
        }
    });
}

async fn asked(server: &Server) -> Vec<Said> {
    let access = access(server);
    let config = EventBridgeConfig { source: "tandem".to_owned(), bus: "calls".to_owned() };
    let queue = QueueUrl::parse(&format!("{}/1/calls", server.url)).unwrap();
    let targets = [
        Target::EventBridge { config },
        Target::Sns { topic: TopicArn::parse(TOPIC).unwrap() },
        Target::Sqs { queue },
    ];
    let questions = targets.map(|target| Question { access: access.clone(), target });
    tokio::task::spawn_blocking(move || probe(&questions)).await.unwrap()
}

fn judged<'a>(said: &'a [Said], subject: &str) -> Vec<(Judgement, &'a str)> {
    let of = said.iter().filter(|said| said.subject == subject);
    of.map(|said| (said.judgement, said.found.as_str())).collect()
}

#[test]
fn questions_leave_nothing_behind() {
    run("events::questions_leave_nothing_behind", async {
        let server = Server::start(|seen| match seen.operation() {
            "PutEvents" => Reply::Answer(400, r#"{"__type":"ValidationException"}"#),
            "GetQueueAttributes" => Reply::Answer(
                200,
                r#"{"Attributes":{"QueueArn":"arn:q","MaximumMessageSize":"262144"}}"#,
            ),
            _ => Reply::Answer(200, "<GetTopicAttributesResponse/>"),
        })
        .await;
        let said = asked(&server).await;
        for subject in ["events", "sns", "sqs"] {
            let judged: Vec<_> = judged(&said, subject).into_iter().map(|(how, _)| how).collect();
            assert_eq!(judged, [Judgement::Works, Judgement::Unknown], "{subject}: {said:?}");
        }
        for seen in server.seen() {
            match seen.operation() {
                "PutEvents" => assert_eq!(seen.json(), json!({"Entries": []})),
                "GetQueueAttributes" => {}
                _ => {
                    let form = String::from_utf8(seen.body).unwrap();
                    assert!(form.contains("Action=Get"), "{form}");
                }
            }
        }
    });
}

#[test]
fn what_is_missing_or_too_small_is_named() {
    run("events::what_is_missing_or_too_small_is_named", async {
        let missing = Server::start(|seen| match seen.operation() {
            "PutEvents" => Reply::Answer(400, r#"{"__type":"AccessDeniedException"}"#),
            "GetQueueAttributes" => {
                Reply::Answer(400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#)
            }
            _ => Reply::Answer(
                404,
                "<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>",
            ),
        })
        .await;
        let said = asked(&missing).await;
        for (subject, advice) in [
            ("events", "allow events:PutEvents"),
            ("sns", "make the topic"),
            ("sqs", "make the queue"),
        ] {
            let told = said.iter().find(|said| said.subject == subject).unwrap();
            assert_eq!(told.judgement, Judgement::Fails, "{told:?}");
            assert!(told.advice.contains(advice), "{told:?}");
        }
        let small = Server::start(|seen| match seen.operation() {
            "GetQueueAttributes" => Reply::Answer(
                200,
                r#"{"Attributes":{"QueueArn":"arn:q","MaximumMessageSize":"1024"}}"#,
            ),
            _ => Reply::Answer(403, ""),
        })
        .await;
        let said = asked(&small).await;
        assert!(
            matches!(judged(&said, "sqs")[..], [(Judgement::Fails, found), _] if found.contains("1024")),
            "{said:?}"
        );
    });
}

#[test]
fn the_message_of_a_queue_is_the_event_as_rules_hand_it_on() {
    let record = event(EventTarget::Sqs, 7, "g").record;
    let parsed: Value = serde_json::from_slice(&record.body).unwrap();
    assert_eq!(parsed["detail"]["n"], 7);
}
