//! Applications behind real sockets, and an edge that only writes down what it is ordered.

use crate::{
    Application, Applications, AskedOutcome, Calls, Endpoint, Exchanged, NewCall, NewsSender,
    Refused, SIGNATURE_HEADER, Settings, SoundStore, sign,
};
use aws_sinks::Access;
use media_applications::{Acted, Direction, Ended, Facts, MeetingRefusal, MeetingRequest, Room};
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, LegSide, PlayOutcome, Secret, TransactionId,
    UnixTime,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Generous: nothing here takes long.
const DEADLINE: Duration = Duration::from_secs(60);
const WAV: &[u8] = b"RIFF\x04\0\0\0WAVE";

#[derive(Debug)]
enum Seen {
    /// An order waits at the gate.
    AtTheGate,
    Order(u32, ApplicationOrder),
    Meet(u32, MeetingRequest),
    GivenUp(Ended),
}

/// Writes down orders; while its gate is shut the applications' thread waits in them.
struct Edge {
    seen: SyncSender<Seen>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    has_room: AtomicBool,
    asked: Mutex<Vec<AskedOutcome>>,
    acted: Mutex<Vec<Acted>>,
    exchanged: Mutex<Vec<(&'static str, String)>>,
    failing: Mutex<Option<Ended>>,
}

impl Calls for Edge {
    fn order(
        &self,
        _call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder> {
        if number != u32::MAX {
            let (is_shut, opened) = &*self.gate;
            let is_shut = is_shut.lock().unwrap();
            if *is_shut {
                let _ = self.seen.try_send(Seen::AtTheGate);
            }
            let _open = opened.wait_while(is_shut, |is_shut| *is_shut).unwrap();
        }
        // Every second order comes when there is no room.
        if self.has_room.fetch_xor(true, Ordering::Relaxed) {
            return Err(order);
        }
        let _ = self.seen.try_send(Seen::Order(number, order));
        Ok(())
    }

    fn pause_recording(&self, _: TransactionId, _: u32, _: bool) {}

    fn meet(
        &self,
        _: TransactionId,
        number: u32,
        request: MeetingRequest,
    ) -> Result<(), MeetingRefusal> {
        let _ = self.seen.try_send(Seen::Meet(number, request));
        Ok(())
    }

    fn asked(&self, application: &Arc<str>, outcome: AskedOutcome, _: Duration) {
        assert_eq!(&**application, "menu");
        self.asked.lock().unwrap().push(outcome);
    }

    fn exchanged(&self, _: TransactionId, application: &Arc<str>, message: Exchanged<'_>) {
        assert_eq!(&**application, "menu");
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        self.exchanged.lock().unwrap().push(match message {
            Exchanged::Told(body) => ("told", body.to_owned()),
            Exchanged::Answered(body) => ("answered", text(body)),
            Exchanged::Failed(why) => ("failed", why.to_owned()),
        });
    }

    fn acted(&self, application: &Arc<str>, acted: Acted) {
        assert_eq!(&**application, "menu");
        self.acted.lock().unwrap().push(acted);
    }

    fn failing(&self, _call: TransactionId, _: &Arc<str>, why: &Ended) {
        *self.failing.lock().unwrap() = Some(why.clone());
    }

    fn unreachable(&self, _call: TransactionId) -> bool {
        self.has_room.fetch_xor(true, Ordering::Relaxed)
    }

    fn given_up(&self, _call: TransactionId, why: &Ended) {
        let _ = self.seen.try_send(Seen::GivenUp(why.clone()));
    }
}

/// What an application got: the header fields in lower case, and the body.
struct Got {
    headers: Vec<(String, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let of_name = |(other, _): &&(String, String)| other == name;
        self.headers.iter().find(of_name).map(|(_, value)| value.as_str())
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An application: what it got, and what it answers, a status and a body; without any it is silent.
struct Server {
    address: SocketAddr,
    got: Receiver<Got>,
    answers: SyncSender<(u16, String)>,
}

impl Server {
    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = sync_channel(64);
        let (answers, to_answer) = sync_channel(64);
        let to_answer = Arc::new(Mutex::new(to_answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, to_answer) = (sender.clone(), Arc::clone(&to_answer));
                let (stream, tls) = (stream.unwrap(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &sender, &to_answer),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(connection, stream), &sender, &to_answer);
                    }
                });
            }
        });
        Server { address, got, answers }
    }

    fn answers(&self, status: u16, body: impl ToString) {
        self.answers.send((status, body.to_string())).unwrap();
    }

    fn does(&self, actions: Value) {
        self.answers(200, json!({ "SchemaVersion": "1.0", "Actions": actions }));
    }

    /// The next request, which is of this kind.
    fn got(&self, event: &str) -> Got {
        let got = self.got.recv_timeout(DEADLINE).unwrap();
        assert_eq!(got.event()["InvocationEventType"], event);
        got
    }

    fn application(&self, scheme: &str) -> Application {
        let url = format!("{scheme}://localhost:{}/calls?x=1", self.address.port());
        Application {
            id: "menu".into(),
            endpoint: Endpoint::parse(&url).unwrap(),
            secret: Some(Secret::new("open-sesame")),
            timeout: DEADLINE,
            message_logs: false,
        }
    }
}

fn serve(
    stream: impl Read + Write,
    sender: &SyncSender<Got>,
    answers: &Mutex<Receiver<(u16, String)>>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut headers = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            if !matches!(stream.read_line(&mut line), Ok(1..)) {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
                None if line.trim_end().is_empty() => break,
                None => assert_eq!(line.trim_end(), "POST /calls?x=1 HTTP/1.1"),
            }
        }
        let mut got = Got { headers, body: String::new() };
        let length = got.header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        got.body = String::from_utf8(body).unwrap();
        let _ = sender.try_send(got);
        let Ok((status, body)) = answers.lock().unwrap().recv() else { return };
        let head = format!(
            "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let stream = stream.get_mut();
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .is_err()
        {
            return;
        }
        let _ = stream.flush();
    }
}

/// Applications, an edge and a directory of sounds.
struct World {
    applications: Option<Applications>,
    sender: NewsSender,
    seen: Receiver<Seen>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    root: PathBuf,
    edge: Arc<Edge>,
}

/// TLS that believes the certificates of these authorities.
fn believing(authorities: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(authorities).with_no_client_auth())
}

impl World {
    fn start(name: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let root =
            std::env::temp_dir().join(format!("tandem-applications-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("bucket")).unwrap();
        std::fs::write(root.join("bucket/a.wav"), WAV).unwrap();
        let (seen, to_see) = sync_channel(1_024);
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let access = Access { region: "us-east-1".to_owned(), endpoint: None, authorities: None };
        let mut settings = Settings {
            tls: believing(RootCertStore::empty()),
            lambda: access,
            sounds: SoundStore::Directory(root.clone()),
            speech_command: Vec::new(),
            max_calls: 2,
            max_requests: 4,
        };
        change(&mut settings);
        let edge = Arc::new(Edge {
            seen,
            gate: Arc::clone(&gate),
            has_room: AtomicBool::new(true),
            asked: Mutex::default(),
            acted: Mutex::default(),
            exchanged: Mutex::default(),
            failing: Mutex::default(),
        });
        let applications = Applications::start(settings, Arc::clone(&edge) as _).unwrap();
        let sender = applications.sender();
        World { applications: Some(applications), sender, seen: to_see, gate, root, edge }
    }

    fn order(&self) -> (u32, ApplicationOrder) {
        match self.seen.recv_timeout(DEADLINE).unwrap() {
            Seen::Order(number, order) => (number, order),
            other => panic!("{other:?}"),
        }
    }

    fn given_up(&self) -> Ended {
        match self.seen.recv_timeout(DEADLINE).unwrap() {
            Seen::GivenUp(why) => {
                assert_eq!(self.edge.failing.lock().unwrap().as_ref(), Some(&why));
                why
            }
            other => panic!("{other:?}"),
        }
    }

    fn hung_up(&self, call: TransactionId) {
        let news = ApplicationNews::HungUp { leg: LegSide::A, ordered: true, status: 200 };
        self.sender.news(call, news);
    }

    /// Waits until no call is steered any more.
    fn stop(mut self) {
        self.applications.take().unwrap().stop(DEADLINE);
        assert_eq!(self.sender.active(), 0);
        assert!(matches!(
            self.seen.try_recv(),
            Err(TryRecvError::Disconnected | TryRecvError::Empty)
        ));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn id(number: u128) -> TransactionId {
    TransactionId::from_random(number)
}

fn call(number: u128, application: Application) -> NewCall {
    let facts = Facts {
        transaction_id: id(number),
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
    NewCall { facts, application }
}

fn play() -> Value {
    json!({ "Type": "PlayAudio", "Parameters": {
        "AudioSource": { "Type": "S3", "BucketName": "bucket", "Key": "a.wav" } } })
}

#[test]
fn a_call_joins_a_meeting_and_leaves_it_as_it_hangs_up() {
    let world = World::start("meets", |_| {});
    let server = Server::start(None);
    let number =
        |room: &str| json!([{ "Type": "JoinChimeMeeting", "Parameters": { "MeetingId": room } }]);
    world.sender.begin(call(1, server.application("http"))).unwrap();
    server.does(number("4081234567"));
    server.got("NEW_INBOUND_CALL");
    assert_eq!(world.order().1, ApplicationOrder::Answer);
    world.sender.news(id(1), ApplicationNews::Answered(LegSide::A));
    let meets = || match world.seen.recv_timeout(DEADLINE).unwrap() {
        Seen::Meet(number, request) => (number, request),
        other => panic!("{other:?}"),
    };
    let (first, request) = meets();
    let room = Room::Number { digits: "4081234567".into(), passcode: "".into() };
    assert_eq!(request, MeetingRequest::Join { room, from: "+12065550199".into() });
    server.does(number("4081234568"));
    world.sender.met(id(1), first, Err(MeetingRefusal::Full));
    assert!(server.got("ACTION_FAILED").body.contains("full"));
    let (second, _) = meets();
    world.sender.met(id(1), second, Ok(()));
    server.does(json!([]));
    server.got("ACTION_SUCCESSFUL");
    // Before the application has answered: the others of the meeting are not to wait for it.
    world.hung_up(id(1));
    assert_eq!(meets().1, MeetingRequest::Leave);
    server.got("HANGUP");
    server.does(json!([]));
    world.stop();
}

fn pause() -> Value {
    json!({ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 86_400_000 } })
}

#[test]
fn messages_are_told_of_applications_that_want_them_logged() {
    let (world, server) = (World::start("logged", |_| {}), Server::start(None));
    server.does(json!([{ "Type": "Hangup" }]));
    let quiet = server.application("http");
    world.sender.begin(call(1, quiet)).unwrap();
    server.got("NEW_INBOUND_CALL");
    world.order();
    server.does(json!([]));
    world.hung_up(id(1));
    server.got("HANGUP");
    let logged = Application { message_logs: true, ..server.application("http") };
    server.does(json!([{ "Type": "Hangup" }]));
    world.sender.begin(call(2, logged)).unwrap();
    let got = server.got("NEW_INBOUND_CALL");
    world.order();
    for _ in 0..2 {
        server.answers(500, "");
    }
    world.hung_up(id(2));
    server.got("HANGUP");
    server.got("HANGUP");
    let edge = Arc::clone(&world.edge);
    world.stop();
    let exchanged = edge.exchanged.lock().unwrap();
    let kinds: Vec<_> = exchanged.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["told", "answered", "told", "failed"], "{exchanged:?}");
    assert_eq!(exchanged[0].1, got.body);
    assert!(exchanged[1].1.contains("Hangup") && exchanged[3].1.contains("500"), "{exchanged:?}");
}

/// A call to its end: what the application is told, what the call is ordered.
fn whole_call(world: &World, server: &Server, scheme: &str) {
    server.does(json!([play()]));
    world.sender.begin(call(1, server.application(scheme))).unwrap();
    let got = server.got("NEW_INBOUND_CALL");
    assert_eq!(got.header("x-tandem-transaction-id"), Some(id(1).to_string().as_str()));
    let signature = got.header(SIGNATURE_HEADER).unwrap();
    let seconds = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
    let time = UnixTime::from_millis(seconds.parse::<u64>().unwrap() * 1_000);
    assert_eq!(signature, sign(&Secret::new("open-sesame"), time, &got.body));
    assert_eq!(world.order().1, ApplicationOrder::Answer);
    world.sender.news(id(1), ApplicationNews::Answered(LegSide::A));
    let (order, played) = world.order();
    let source = AudioSource::Octets(WAV.into());
    assert_eq!(played, ApplicationOrder::Play { leg: LegSide::A, source, rounds: Some(1) });
    let outcome = PlayOutcome::Finished;
    world.sender.news(id(1), ApplicationNews::Played { order, outcome });
    server.does(json!([{ "Type": "Hangup" }]));
    server.got("ACTION_SUCCESSFUL");
    let (_, order) = world.order();
    assert_eq!(order, ApplicationOrder::HangUp { leg: Some(LegSide::A), status: 480 });
    world.hung_up(id(1));
    let got = server.got("HANGUP");
    assert_eq!(got.event()["Sequence"], 3);
    server.answers(204, "");
}

#[test]
fn an_application_steers_a_call_to_its_end() {
    let (world, server) = (World::start("whole", |_| {}), Server::start(None));
    whole_call(&world, &server, "http");
    let edge = Arc::clone(&world.edge);
    world.stop();
    assert_eq!(*edge.asked.lock().unwrap(), [AskedOutcome::Answered; 3]);
    let played = Acted { action: "PlayAudio", is_done: true };
    assert_eq!(edge.acted.lock().unwrap().first(), Some(&played));
}

#[test]
fn a_certificate_is_checked() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let server = Server::start(Some(Arc::new(tls)));
    let mut authorities = RootCertStore::empty();
    authorities.add(made.cert.der().clone()).unwrap();
    let world = World::start("tls", |settings| settings.tls = believing(authorities));
    whole_call(&world, &server, "https");
    world.stop();
    let world = World::start("no-tls", |_| {});
    world.sender.begin(call(1, server.application("https"))).unwrap();
    let Ended::Unreachable(why) = world.given_up() else { panic!() };
    assert!(why.starts_with("TLS: "), "{why}");
    world.stop();
}

#[test]
fn an_application_is_asked_twice() {
    let (world, server) = (World::start("twice", |_| {}), Server::start(None));
    server.answers(500, "");
    server.does(json!([pause()]));
    world.sender.begin(call(1, server.application("http"))).unwrap();
    let first = server.got("NEW_INBOUND_CALL").body;
    assert_eq!(server.got("NEW_INBOUND_CALL").body, first);
    world.hung_up(id(1));
    server.got("HANGUP");
    server.does(json!([]));
    world.stop();
}

#[test]
fn a_call_is_given_up_whose_application_fails() {
    let world = World::start("failing", |_| {});
    for (status, body, why) in [
        (500, String::new(), "answered with status 500"),
        // Nobody follows it.
        (302, String::new(), "answered with status 302"),
        (200, "x".repeat(65_537), "cannot be read to its end"),
    ] {
        let server = Server::start(None);
        server.answers(status, &body);
        server.answers(status, &body);
        world.sender.begin(call(1, server.application("http"))).unwrap();
        let Ended::Unreachable(told) = world.given_up() else { panic!() };
        assert!(told.contains(why), "{told} for {why}");
    }
    // One that is silent, and one that is not there.
    let server = Server::start(None);
    let timeout = Duration::from_millis(200);
    let silent = Application { timeout, ..server.application("http") };
    world.sender.begin(call(1, silent)).unwrap();
    assert_eq!(world.given_up(), Ended::Unreachable("no answer within 0.2 s".to_owned()));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Endpoint::parse(&format!("http://{nobody}/")).unwrap();
    world.sender.begin(call(1, Application { endpoint, ..server.application("http") })).unwrap();
    let Ended::Unreachable(told) = world.given_up() else { panic!() };
    assert!(told.contains("refused"), "{told}");
    world.stop();
}

#[test]
fn what_cannot_be_understood_ends_the_call() {
    let (world, server) = (World::start("wrong", |_| {}), Server::start(None));
    server.answers(200, "hello");
    world.sender.begin(call(1, server.application("http"))).unwrap();
    server.got("NEW_INBOUND_CALL");
    assert_eq!(world.order().1, ApplicationOrder::HangUp { leg: None, status: 503 });
    assert!(world.edge.failing.lock().unwrap().is_some(), "the reason comes first");
    let told = server.got("INVALID_LAMBDA_RESPONSE").event();
    assert!(told["ActionData"]["ErrorMessage"].as_str().unwrap().contains("no JSON"));
    server.answers(200, "{}");
    world.hung_up(id(1));
    server.got("HANGUP");
    server.answers(200, "{}");
    assert!(matches!(world.given_up(), Ended::InvalidResponse(_)));
    world.stop();
}

#[test]
fn an_update_reaches_its_application() {
    let (world, server) = (World::start("update", |_| {}), Server::start(None));
    server.does(json!([pause()]));
    world.sender.begin(call(1, server.application("http"))).unwrap();
    server.got("NEW_INBOUND_CALL");
    let arguments = json!({ "what": "end" }).as_object().unwrap().clone();
    world.sender.update("menu", id(1), arguments.clone()).unwrap();
    let got = server.got("CALL_UPDATE_REQUESTED").event();
    assert_eq!(got["ActionData"]["Parameters"]["Arguments"]["what"], "end");
    server.does(json!([{ "Type": "Hangup" }]));
    server.got("ACTION_INTERRUPTED");
    server.answers(204, "");
    world.order();
    world.hung_up(id(1));
    server.got("HANGUP");
    server.answers(204, "");
    let none = Err(crate::NotUpdated::NoCall);
    assert_eq!(world.sender.update("menu", id(2), arguments.clone()), none);
    assert_eq!(world.sender.update("other", id(1), arguments), none);
    world.stop();
}

#[test]
fn calls_beyond_the_bound_are_refused() {
    let (world, server) = (World::start("many", |_| {}), Server::start(None));
    for number in 1..=2 {
        server.does(json!([pause()]));
        world.sender.begin(call(number, server.application("http"))).unwrap();
        server.got("NEW_INBOUND_CALL");
    }
    let refused = |number| world.sender.begin(call(number, server.application("http")));
    assert_eq!(refused(2), Err(Refused::Twice));
    assert_eq!(refused(3), Err(Refused::TooMany));
    for number in 1..=2 {
        server.answers(204, "");
        world.hung_up(id(number));
        server.got("HANGUP");
    }
    world.stop();
}

#[test]
fn a_call_whose_news_are_lost_is_ended() {
    let (world, server) = (World::start("lost", |_| {}), Server::start(None));
    let (is_shut, opened) = &*world.gate;
    *is_shut.lock().unwrap() = true;
    server.does(json!([play()]));
    world.sender.begin(call(1, server.application("http"))).unwrap();
    server.got("NEW_INBOUND_CALL");
    // From now on the thread takes no news.
    assert!(matches!(world.seen.recv_timeout(DEADLINE).unwrap(), Seen::AtTheGate));
    while world.sender.lost() == 0 {
        world.sender.news(id(1), ApplicationNews::Ringing(LegSide::A));
    }
    assert_eq!(world.sender.active(), 0);
    *is_shut.lock().unwrap() = false;
    opened.notify_all();
    let orders = [world.order(), world.order()];
    let last = ApplicationOrder::HangUp { leg: None, status: 503 };
    assert!(orders.contains(&(u32::MAX, last)), "{orders:?}");
    world.stop();
}
