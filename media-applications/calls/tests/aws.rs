//! Functions of Lambda and sounds of S3, behind a stand-in that holds requests against the limits of the real
//! services and answers as they do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use aws_sinks::{Access, Endpoint as Backend};
use call_applications::{
    Application, Applications, AskedOutcome, Calls, Endpoint, Exchanged, MAX_SOUND_BYTES, NewCall,
    Settings, SoundStore,
};
use media_applications::{Acted, Direction, Ended, Facts, MeetingRefusal, MeetingRequest};
use model::{ApplicationNews, ApplicationOrder, LegSide, TransactionId, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "AKIDOFATEST";
const ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:menu";
/// What the real one takes and gives of a synchronous invocation.
const LAMBDA_PAYLOAD: usize = 6 * 1_048_576;

/// An answer: its status, further header fields, a body.
type Answer = (u16, &'static str, Vec<u8>);

/// The stand-in: what it answers to Lambda, in this order; to S3, by the key.
struct Aws {
    url: String,
    functions: SyncSender<Answer>,
    events: Receiver<Value>,
}

impl Aws {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (functions, answers) = sync_channel::<Answer>(64);
        let (told, events) = sync_channel(64);
        let answers = Arc::new(Mutex::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, told) = (Arc::clone(&answers), told.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &told));
            }
        });
        Aws { url, functions, events }
    }

    fn returns(&self, status: u16, headers: &'static str, body: impl Into<Vec<u8>>) {
        self.functions.send((status, headers, body.into())).unwrap();
    }

    fn does(&self, actions: Value) {
        self.returns(200, "", json!({ "SchemaVersion": "1.0", "Actions": actions }).to_string());
    }

    /// The next event that the function is given.
    fn event(&self, kind: &str) -> Value {
        let event = self.events.recv_timeout(DEADLINE).unwrap();
        assert_eq!(event["InvocationEventType"], kind, "{event}");
        event
    }
}

fn serve(stream: TcpStream, answers: &Mutex<Receiver<Answer>>, told: &SyncSender<Value>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line), Ok(1..)) {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let field = |name: &str| {
            let is_it = |line: &&String| line.to_lowercase().starts_with(&format!("{name}: "));
            lines.iter().find(is_it).map(|line| line[name.len() + 2..].to_owned())
        };
        let length = field("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let signed = field("authorization").unwrap_or_default();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 ") && signed.contains(KEY), "{lines:?}");
        let (status, headers, body) = match lines[0].split(' ').collect::<Vec<_>>()[..] {
            ["POST", path, _] => {
                assert_eq!(path, format!("/2015-03-31/functions/{}/invocations", escaped(ARN)));
                assert_eq!(field("x-amz-invocation-type").unwrap(), "RequestResponse");
                assert!(signed.contains("/lambda/") && body.len() <= LAMBDA_PAYLOAD);
                told.send(serde_json::from_slice(&body).unwrap()).unwrap();
                let Ok(answer) = answers.lock().unwrap().recv() else { return };
                // The real one never returns more.
                assert!(answer.2.len() <= LAMBDA_PAYLOAD);
                answer
            }
            ["GET", path, _] => {
                assert!(signed.contains("/s3/"));
                object(path)
            }
            _ => panic!("{lines:?}"),
        };
        let head =
            format!("HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n", body.len());
        let stream = stream.get_mut();
        // Whoever has heard enough hangs up.
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}

fn escaped(arn: &str) -> String {
    arn.replace(':', "%3A")
}

/// What the bucket has.
fn object(path: &str) -> Answer {
    let fault = |status, code: &str| {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
             <Message>of the stand-in</Message></Error>"
        );
        (status, "content-type: application/xml\r\n", body.into_bytes())
    };
    match path {
        "/demo/a.wav" => (200, "", b"RIFF\x04\0\0\0WAVE".to_vec()),
        "/demo/secret.wav" => fault(403, "AccessDenied"),
        "/demo/large.wav" => (200, "", vec![0; MAX_SOUND_BYTES + 1]),
        "/nobody/a.wav" => fault(404, "NoSuchBucket"),
        _ => fault(404, "NoSuchKey"),
    }
}

/// Answers what is played at once, and tells the rest.
struct Edge {
    orders: SyncSender<(u32, ApplicationOrder)>,
    given_up: SyncSender<Ended>,
}

impl Calls for Edge {
    fn order(
        &self,
        _: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder> {
        let _ = self.orders.try_send((number, order));
        Ok(())
    }

    fn pause_recording(&self, _: TransactionId, _: u32, _: bool) {}

    fn meet(&self, _: TransactionId, _: u32, _: MeetingRequest) -> Result<(), MeetingRefusal> {
        Ok(())
    }

    fn asked(&self, _: &Arc<str>, _: AskedOutcome, _: Duration) {}

    fn exchanged(&self, _: TransactionId, _: &Arc<str>, _: Exchanged<'_>) {}

    fn acted(&self, _: &Arc<str>, _: Acted) {}

    fn failing(&self, _: TransactionId, _: &Arc<str>, _: &Ended) {}

    fn unreachable(&self, _: TransactionId) -> bool {
        true
    }

    fn given_up(&self, _: TransactionId, why: &Ended) {
        let _ = self.given_up.try_send(why.clone());
    }
}

struct World {
    aws: Aws,
    applications: Applications,
    orders: Receiver<(u32, ApplicationOrder)>,
    given_up: Receiver<Ended>,
}

/// TLS that believes the certificates of these authorities.
fn believing(authorities: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(authorities).with_no_client_auth())
}

impl World {
    fn start() -> Self {
        let aws = Aws::start();
        let endpoint = Some(Backend::parse(&aws.url).unwrap());
        let access = Access { region: "us-east-1".to_owned(), endpoint, authorities: None };
        let settings = Settings {
            tls: believing(RootCertStore::empty()),
            lambda: access.clone(),
            sounds: SoundStore::S3(access),
            speech_command: Vec::new(),
            max_calls: 8,
            max_requests: 8,
        };
        let (orders, to_order) = sync_channel(64);
        let (given_up, to_give_up) = sync_channel(64);
        let applications = Applications::start(settings, Arc::new(Edge { orders, given_up }));
        let applications = applications.unwrap();
        World { aws, applications, orders: to_order, given_up: to_give_up }
    }

    fn begin(&self, number: u128) -> TransactionId {
        let id = TransactionId::from_random(number);
        let facts = Facts {
            transaction_id: id,
            seed: 1,
            account_id: "111122223333".into(),
            region: "us-east-1".into(),
            rule_id: None,
            application_id: "menu".into(),
            direction: Direction::Inbound,
            to: "+12065550100".into(),
            from: "+12065550199".into(),
            started: UnixTime::from_millis(1_700_000_000_000),
            headers: Vec::new(),
            arguments: Vec::new(),
            unrecorded: None,
            on_failure: 503,
        };
        let endpoint = Endpoint::parse(ARN).unwrap();
        let application = Application {
            id: "menu".into(),
            endpoint,
            secret: None,
            timeout: DEADLINE,
            message_logs: false,
        };
        self.applications.sender().begin(NewCall { facts, application }).unwrap();
        id
    }

    fn order(&self) -> (u32, ApplicationOrder) {
        self.orders.recv_timeout(DEADLINE).unwrap()
    }
}

/// Credentials come from the environment, which a test must not change for others: it runs again as a
/// process of its own.
fn run(test: &str, body: impl FnOnce()) {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == KEY) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]);
    child.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    child.env("AWS_EC2_METADATA_DISABLED", "true");
    assert!(child.status().unwrap().success(), "{test} failed in its process");
}

fn play(bucket: &str, key: &str) -> Value {
    json!({ "Type": "PlayAudio", "Parameters": {
        "AudioSource": { "Type": "S3", "BucketName": bucket, "Key": key } } })
}

#[test]
fn a_function_steers_a_call_and_its_sounds_come_from_s3() {
    run("a_function_steers_a_call_and_its_sounds_come_from_s3", || {
        let world = World::start();
        let id = world.begin(1);
        world.aws.event("NEW_INBOUND_CALL");
        world.aws.does(json!([play("demo", "a.wav")]));
        assert_eq!(world.order().1, ApplicationOrder::Answer);
        let sender = world.applications.sender();
        sender.news(id, ApplicationNews::Answered(LegSide::A));
        let (order, played) = world.order();
        assert!(matches!(played, ApplicationOrder::Play { .. }), "{played:?}");
        let outcome = model::PlayOutcome::Finished;
        sender.news(id, ApplicationNews::Played { order, outcome });
        for (bucket, key, why) in [
            ("demo", "none.wav", "NoSuchKey"),
            ("nobody", "a.wav", "NoSuchBucket"),
            ("demo", "secret.wav", "s3:GetObject"),
            ("demo", "large.wav", "s3://demo/large.wav"),
        ] {
            // Of the one before.
            world.aws.events.recv_timeout(DEADLINE).unwrap();
            world.aws.does(json!([play(bucket, key)]));
            let failed = world.aws.event("ACTION_FAILED");
            let data = &failed["ActionData"];
            assert_eq!(data["ErrorType"], "InvalidAudioSource");
            assert!(data["ErrorMessage"].as_str().unwrap().contains(why), "{data} for {why}");
            // A pause brings the next event.
            let pause = json!({ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 1 } });
            world.aws.does(json!([pause]));
        }
    });
}

#[test]
fn what_a_function_does_wrong_is_said() {
    run("what_a_function_does_wrong_is_said", || {
        let world = World::start();
        let failed = r#"{"errorMessage":"division by zero","errorType":"ZeroDivisionError"}"#;
        let denied = r#"{"Message":"not authorized to perform: lambda:InvokeFunction"}"#;
        let throttled = r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#;
        let cases: [(u16, &'static str, Vec<u8>, &str); 5] = [
            (200, "x-amz-function-error: Unhandled\r\n", failed.into(), "division by zero"),
            (
                403,
                "x-amzn-errortype: AccessDeniedException\r\n",
                denied.into(),
                "lambda:InvokeFunction",
            ),
            (
                404,
                "x-amzn-errortype: ResourceNotFoundException\r\n",
                br#"{"Message":"Function not found"}"#.to_vec(),
                "Function not found",
            ),
            (
                429,
                "x-amzn-errortype: TooManyRequestsException\r\n",
                throttled.into(),
                "Rate Exceeded",
            ),
            // As much as a function may return is more than an answer may have.
            (200, "", vec![b' '; LAMBDA_PAYLOAD], ""),
        ];
        for (number, (status, headers, body, why)) in cases.into_iter().enumerate() {
            for _ in 0..2 {
                world.aws.returns(status, headers, body.clone());
            }
            world.begin(number as u128);
            let Ended::Unreachable(told) = world.given_up.recv_timeout(DEADLINE).unwrap() else {
                panic!("{why}")
            };
            assert!(told.contains(why) && !told.is_empty(), "{told} for {why}");
            assert!(!told.contains("records"), "a function brings none: {told}");
            println!("{status}: {told}");
        }
    });
}
