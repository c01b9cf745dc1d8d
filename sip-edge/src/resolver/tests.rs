mod asking;
mod server;
mod system;

use super::*;
use crate::random::OsRandom;
use model::{IpFamily, TransportProtocol};
use sip_proto::locate::RecordKind;
use std::sync::Mutex;

fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "a test chooses its clock's origin")]
    let origin = std::time::Instant::now();
    Clock::new(origin)
}

fn wanted(host: &str) -> Wanted {
    let transport = Some(TransportProtocol::Udp);
    Wanted { host: host.into(), port: Some(5060), transport, secure: false }
}

fn address() -> Record {
    Record::Address("192.0.2.7".parse().unwrap())
}

/// A resolver, what its queries say, and what was asked.
struct Rig {
    resolver: Resolver,
    received: mpsc::Receiver<ResolverInput>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Lets the queries go that wait.
    gate: Arc<tokio::sync::Semaphore>,
}

impl Rig {
    /// Queries are answered with `reply`, one for each permit of the gate.
    fn new(limits: ResolverLimits, reply: Reply) -> Rig {
        let (inputs, received) = mpsc::channel(16);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let (record, held) = (Arc::clone(&asked), Arc::clone(&gate));
        let lookup: Lookup = Arc::new(move |question| {
            record.lock().unwrap().push(question.name.to_string());
            let (held, reply) = (Arc::clone(&held), reply.clone());
            Box::pin(async move {
                held.acquire().await.unwrap().forget();
                reply
            })
        });
        let abilities = Abilities::new([(TransportProtocol::Udp, IpFamily::V4)]);
        let random = Box::new(OsRandom::new().unwrap());
        let resolver = Resolver::new(limits, clock(), abilities, random, lookup, inputs);
        Rig { resolver, received, asked, gate }
    }

    fn resolve(&mut self, id: u64, host: &str) {
        self.resolver.resolve(ResolveId(id), wanted(host));
    }

    /// One query is answered.
    async fn answer(&mut self) {
        self.gate.add_permits(1);
        self.expire().await;
    }

    /// One query comes to its end.
    async fn expire(&mut self) {
        let input = self.received.recv().await.unwrap();
        self.resolver.handle(input);
    }

    /// Who was answered, and with how many targets.
    fn answers(&mut self) -> Vec<(u64, usize)> {
        self.resolver.take_answers().into_iter().map(|(id, found)| (id.0, found.len())).collect()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn found(seconds: u64) -> Reply {
    Reply::Records(vec![address()], Some(Duration::from_secs(seconds)))
}

#[tokio::test]
async fn one_query_answers_everybody_who_asks_the_same() {
    let mut rig = Rig::new(ResolverLimits::default(), found(60));
    for id in 1..=3 {
        rig.resolve(id, "a.example");
    }
    rig.resolve(4, "A.Example");
    assert_eq!(rig.answers(), []);
    rig.answer().await;
    assert_eq!(rig.answers(), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    rig.resolve(5, "a.example");
    assert_eq!(rig.answers(), [(5, 1)], "remembered");
    assert_eq!(rig.asked(), ["a.example"]);
    assert_eq!(rig.resolver.counters.queries, 1);
}

#[tokio::test]
async fn queries_are_bounded_in_number_and_time() {
    let limits = ResolverLimits {
        timeout: Duration::from_millis(20),
        concurrent: 1,
        waiting: 1,
        searches: 3,
        ..ResolverLimits::default()
    };
    let mut rig = Rig::new(limits, found(60));
    rig.resolve(1, "hangs.example");
    rig.resolve(2, "hangs.example");
    rig.resolve(3, "waits.example");
    rig.resolve(4, "one-too-many.example");
    assert_eq!(rig.answers(), [(4, 0)], "searches");
    rig.expire().await;
    assert_eq!(rig.answers(), [(1, 0), (2, 0)], "time");
    assert_eq!(rig.resolver.counters.unanswered, 1);
    rig.resolve(5, "queued.example");
    rig.resolve(6, "refused.example");
    assert_eq!(rig.answers(), [(6, 0)], "queue");
    rig.answer().await;
    rig.answer().await;
    assert_eq!(rig.answers(), [(3, 1), (5, 1)]);
    assert!(rig.resolver.searches.is_empty() && rig.resolver.askers.is_empty());
}

#[tokio::test]
async fn answers_live_as_long_as_their_records_within_limits() {
    let limits = ResolverLimits {
        longest: Duration::from_secs(100),
        absence: Duration::from_secs(50),
        ..ResolverLimits::default()
    };
    let none = |lives: Option<u64>| Reply::Records(Vec::new(), lives.map(Duration::from_secs));
    for (reply, seconds) in [
        (found(7), 7),
        (found(0), 1),
        (found(1_000), 100),
        (none(Some(9)), 9),
        (none(Some(900)), 50),
        (none(None), 50),
        (Reply::Failed, 5),
    ] {
        let mut rig = Rig::new(limits, reply.clone());
        let before = rig.resolver.clock.now();
        rig.resolve(1, "a.example");
        rig.answer().await;
        let after = rig.resolver.clock.now();
        let question = Question { name: "a.example".into(), kind: RecordKind::A };
        let until = rig.resolver.remembered[&question].until;
        let span = Duration::from_secs(seconds);
        assert!(before + span <= until && until <= after + span, "{reply:?}: {until:?}");
    }
}

#[tokio::test]
async fn what_has_outlived_its_records_is_asked_again() {
    let limits = ResolverLimits {
        // Dead with the answer.
        longest: Duration::ZERO,
        shortest: Duration::ZERO,
        ..ResolverLimits::default()
    };
    let mut rig = Rig::new(limits, found(60));
    rig.resolve(1, "a.example");
    rig.answer().await;
    rig.resolve(2, "a.example");
    assert_eq!(rig.answers(), [(1, 1)]);
    rig.answer().await;
    assert_eq!(rig.answers(), [(2, 1)]);
    assert_eq!(rig.asked().len(), 2);
}

#[tokio::test]
async fn a_full_memory_forgets_the_old_and_then_everything() {
    let limits = ResolverLimits { remembered: 2, ..ResolverLimits::default() };
    let mut rig = Rig::new(limits, found(60));
    for (id, host) in (1..).zip(["a.example", "b.example", "c.example"]) {
        rig.resolve(id, host);
        rig.answer().await;
    }
    assert_eq!(rig.resolver.remembered.len(), 1);
    rig.resolve(4, "c.example");
    assert_eq!(rig.answers().len(), 4);
}
