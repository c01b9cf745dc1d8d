//! A service on loopback that refuses, is slow, hangs up or is away: what becomes of each record.
#![allow(clippy::unwrap_used, reason = "a test")]

use outbox::{
    Backoff, BatchRules, Destination, DestinationName, Entry, Fsync, NotTaken, Outbox,
    OutboxConfig, OutboxRecord, OutboxSender, OutboxStatistics, Outcome, Verdict,
};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LIMIT: Duration = Duration::from_secs(30);

/// One POST for each entry, one connection for each POST.
struct Http(SocketAddr);

impl Destination for Http {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: 4,
            max_bytes: 1_000,
            overhead_bytes: 0,
            one_stream: false,
            max_span: None,
        }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        let mut verdicts = Vec::new();
        for entry in batch {
            match post(self.0, entry).await {
                Ok(answer) => match answer.split(' ').nth(1) {
                    Some("200") => verdicts.push(Verdict::Delivered),
                    Some("400") => verdicts.push(Verdict::Refused("400 Bad Request".to_owned())),
                    Some("429") => verdicts
                        .push(Verdict::Again { reason: "429".to_owned(), after: retry(&answer) }),
                    Some("503") => {
                        let reason = "503 Service Unavailable".to_owned();
                        return Outcome::Unavailable { reason, after: retry(&answer) };
                    }
                    _ => return unavailable(&"the service hung up without an answer"),
                },
                Err(error) => return unavailable(&error),
            }
        }
        Outcome::PerEntry(verdicts)
    }
}

fn unavailable(reason: &dyn std::fmt::Display) -> Outcome {
    Outcome::Unavailable { reason: reason.to_string(), after: None }
}

fn retry(answer: &str) -> Option<Duration> {
    let seconds = answer.split("Retry-After: ").nth(1)?.split('\r').next()?;
    seconds.parse().ok().map(Duration::from_secs)
}

async fn post(to: SocketAddr, entry: &Entry) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(to).await?;
    let body = String::from_utf8_lossy(&entry.record.body);
    let (key, again) = (&entry.idempotency_key, entry.possible_duplicate);
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nKey: {key}\r\nAgain: {again}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What the service does with its next requests; then it says 200.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Refuse,
    Throttle,
    Unavailable,
    HangUp,
    Silence,
    Fine,
}

/// What it was asked: body, key, whether marked.
type Request = (String, String, bool);

struct Service {
    address: SocketAddr,
    asked: Receiver<Request>,
}

fn service(listener: TcpListener, acts: &[Act]) -> Service {
    let address = listener.local_addr().unwrap();
    let acts = acts.to_vec();
    let (tell, asked) = sync_channel(1_000);
    std::thread::spawn(move || serve(&listener, acts, &tell));
    Service { address, asked }
}

fn serve(listener: &TcpListener, acts: Vec<Act>, tell: &SyncSender<Request>) {
    // Connections that are never answered.
    let mut silent = Vec::new();
    for act in acts.into_iter().chain(std::iter::repeat(Act::Fine)) {
        let (mut stream, _) = listener.accept().unwrap();
        if tell.send(read_request(&stream)).is_err() {
            return;
        }
        let answer = match act {
            Act::Refuse => "HTTP/1.1 400 Bad Request\r\n\r\n",
            Act::Throttle => "HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\n\r\n",
            Act::Unavailable => "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n",
            Act::Fine => "HTTP/1.1 200 OK\r\n\r\n",
            Act::HangUp => "",
            Act::Silence => {
                silent.push(stream);
                continue;
            }
        };
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut headers = HashMap::new();
    for line in reader.by_ref().lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
    let mut body = vec![0; headers["Content-Length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (String::from_utf8(body).unwrap(), headers["Key"].clone(), headers["Again"] == "true")
}

/// A directory that is removed at the end of its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        Scratch(std::env::temp_dir().join(format!("outbox-{test}-{}", std::process::id())))
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(OutboxConfig {
            backoff: Backoff { first: Duration::from_millis(5), most: Duration::from_millis(20) },
            delivery_timeout: Duration::from_millis(300),
            fsync: Fsync::Never,
            ..OutboxConfig::new(&self.0)
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> DestinationName {
    DestinationName::new(text).unwrap()
}

fn offer(sender: &OutboxSender, body: &str) {
    let record = OutboxRecord {
        stream: "s".to_owned(),
        body: body.as_bytes().to_vec(),
        ..OutboxRecord::default()
    };
    sender.offer(record).unwrap();
    assert!(sender.wait_accepted(LIMIT));
}

fn one(statistics: Vec<OutboxStatistics>) -> OutboxStatistics {
    statistics.into_iter().next().unwrap()
}

fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn whatever_the_service_does_each_record_has_one_fate() {
    let scratch = Scratch::new("fates");
    let acts = [Act::Fine, Act::Refuse, Act::Throttle, Act::HangUp, Act::Silence, Act::Unavailable];
    let service = service(loopback(), &acts);
    let mut outbox = scratch.outbox();
    let sender = outbox.start(&name("http"), Http(service.address)).unwrap();
    let mut asked = Vec::new();
    // One after the other, so that the service's acts meet known records.
    let mut next = |body: &str, times: usize| {
        offer(&sender, body);
        for _ in 0..times {
            asked.push(service.asked.recv_timeout(LIMIT).unwrap());
            assert_eq!(asked.last().unwrap().0, body);
        }
    };
    next("fine", 1);
    next("refused", 1);
    next("throttled, hung up, silence, away, fine", 5);
    next("last", 1);
    let marks: Vec<_> = asked.iter().map(|(_, _, again)| *again).collect();
    assert_eq!(marks, [false, false, false, true, true, true, true, false]);
    assert!(asked[2..7].iter().all(|(_, key, _)| *key == asked[2].1), "one key for one record");
    assert_ne!(asked[7].1, asked[2].1);
    let found = one(outbox.stop(LIMIT));
    assert_eq!((found.accepted, found.delivered, found.refused), (4, 3, 1), "{found:?}");
    assert_eq!((found.again, found.depth_entries, found.dropped), (4, 0, 0), "{found:?}");
    let error = found.last_error.unwrap();
    assert_eq!(error.reason, "503 Service Unavailable");
    let list = fs::read_to_string(scratch.0.join("http/refused.jsonl")).unwrap();
    assert!(list.contains("400 Bad Request") && list.contains("\"body\":\"refused\""), "{list}");
    assert_eq!(list.lines().count(), 1);
}

#[test]
fn what_waits_while_nobody_listens_is_delivered_after_a_restart() {
    let scratch = Scratch::new("away");
    let listener = loopback();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut outbox = scratch.outbox();
    let sender = outbox.start(&name("http"), Http(address)).unwrap();
    for number in 0..20 {
        offer(&sender, &number.to_string());
    }
    let found = one(outbox.stop(Duration::from_millis(50)));
    assert_eq!((found.delivered, found.depth_entries), (0, 20), "{found:?}");
    assert!(found.last_error.is_none_or(|error| error.reason.contains("refused")));

    let service = service(TcpListener::bind(address).unwrap(), &[]);
    let mut outbox = scratch.outbox();
    outbox.start(&name("http"), Http(address)).unwrap();
    for number in 0..20 {
        let (body, _, _) = service.asked.recv_timeout(LIMIT).unwrap();
        assert_eq!(body, number.to_string());
    }
    let found = one(outbox.stop(LIMIT));
    assert_eq!((found.delivered, found.depth_entries, found.depth_bytes), (20, 0, 0));
}

#[test]
fn a_destination_that_is_stuck_holds_up_no_other() {
    let scratch = Scratch::new("stuck");
    let stuck = service(loopback(), &[Act::Silence; 1_000]);
    let fine = service(loopback(), &[]);
    let mut outbox = scratch.outbox();
    let slow = outbox.start(&name("slow"), Http(stuck.address)).unwrap();
    let quick = outbox.start(&name("quick"), Http(fine.address)).unwrap();
    assert!(outbox.start(&name("quick"), Http(fine.address)).is_err(), "the name is taken");
    offer(&slow, "waits");
    stuck.asked.recv_timeout(LIMIT).unwrap();
    for number in 0..50 {
        offer(&quick, &number.to_string());
        assert_eq!(fine.asked.recv_timeout(LIMIT).unwrap().0, number.to_string());
    }
    let [slow, quick] = &outbox.stop(Duration::from_millis(500))[..] else { panic!() };
    assert_eq!((slow.delivered, slow.depth_entries), (0, 1));
    assert_eq!((quick.delivered, quick.depth_entries), (50, 0));
}

/// Panics at the first batch, gives too few verdicts for the second.
struct Clumsy(u32);

impl Destination for Clumsy {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: 10,
            max_bytes: 100,
            overhead_bytes: 1,
            one_stream: true,
            max_span: None,
        }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        self.0 += 1;
        assert!(self.0 > 1, "the first one");
        let verdicts = if self.0 == 2 { 0 } else { batch.len() };
        Outcome::PerEntry(vec![Verdict::Delivered; verdicts])
    }
}

#[test]
fn a_clumsy_destination_loses_nothing_and_a_record_that_fits_no_request_is_refused() {
    let scratch = Scratch::new("clumsy");
    let mut outbox = scratch.outbox();
    let sender = outbox.start(&name("clumsy"), Clumsy(0)).unwrap();
    offer(&sender, "one");
    offer(&sender, &"x".repeat(100));
    offer(&sender, &"x".repeat(99));
    let huge =
        OutboxRecord { body: vec![0; OutboxRecord::MAX_BODY_BYTES + 1], ..Default::default() };
    assert!(matches!(sender.offer(huge), Err(NotTaken::TooLarge(_))));
    let found = one(outbox.stop(LIMIT));
    assert_eq!((found.delivered, found.refused, found.depth_entries), (2, 1, 0), "{found:?}");
    assert_eq!(found.not_accepted, 1);
    assert_eq!(sender.offer(OutboxRecord::default()), Err(NotTaken::Stopped));
}
