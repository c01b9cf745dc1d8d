//! A producer against a service that is simulated, in virtual time: what it sends keeps every limit of
//! the service, and no fragment is lost without being counted.

use super::*;
use crate::rule::{ERROR_IDS, Refusal};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SERVICE_AGE: Duration = Duration::from_secs(45 * 60);
const SERVICE_IDLE: Duration = Duration::from_secs(30);

/// Chance of the service, in parts of 1,000 for each fragment or connection.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    fragment_error: u32,
    broken: u32,
    silent: u32,
    malformed: u32,
    refused: u32,
    unreachable: u32,
    stalled: u32,
}

enum Event {
    Connected,
    Unreachable,
    Refused,
    Room,
    Octets(String),
    Closed,
    Broken,
    Fragment,
}

struct Connection {
    since: Instant,
    last: Instant,
    timecodes: Vec<u64>,
    is_silent: bool,
    body_is_over: bool,
}

struct World {
    producer: Producer,
    now: Instant,
    /// In order; of a connection by its number, 0 for fragments.
    events: BTreeMap<(Instant, u64), (u64, Event)>,
    counter: u64,
    chance: u64,
    faults: Faults,
    connections: u64,
    connection: Option<Connection>,
    asked: bool,
    sends: Vec<Instant>,
    persisted: BTreeSet<u64>,
    persisted_times: u64,
    refused: BTreeSet<u64>,
    counters: Counters,
    over: Option<End>,
    most_kept: usize,
}

impl World {
    fn new(faults: Faults, seed: u64, config: ProducerConfig) -> Self {
        World {
            producer: Producer::new(config, seed),
            now: Instant::from_millis(1_000),
            events: BTreeMap::new(),
            counter: 0,
            chance: seed,
            faults,
            connections: 0,
            connection: None,
            asked: false,
            sends: Vec::new(),
            persisted: BTreeSet::new(),
            persisted_times: 0,
            refused: BTreeSet::new(),
            counters: Counters::default(),
            over: None,
            most_kept: 0,
        }
    }

    fn draw(&mut self, below: u32) -> u32 {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.chance >> 33).unwrap() % below
    }

    fn happens(&mut self, parts: u32) -> bool {
        self.draw(1_000) < parts
    }

    fn later(&mut self, millis: u64, event: Event) {
        self.counter += 1;
        let at = self.now + Duration::from_millis(millis);
        self.events.insert((at, self.counter), (self.connections, event));
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Connect { .. } => {
                assert!(self.connection.is_none() && !self.asked, "one connection at a time");
                self.asked = true;
                self.connections += 1;
                let delay = u64::from(self.draw(400));
                let event = if self.happens(self.faults.unreachable) {
                    Event::Unreachable
                } else {
                    Event::Connected
                };
                self.later(delay, event);
            }
            Output::Send(octets) => self.receive(&octets),
            Output::Finish => {
                let connection = self.connection.as_mut().expect("a connection");
                connection.body_is_over = true;
                let last = connection.timecodes.last().copied();
                let silent = connection.is_silent;
                if let (Some(last), false) = (last, silent) {
                    self.answer(last);
                    self.later(2_000, Event::Closed);
                }
            }
            Output::Close => {
                self.connection = None;
                self.asked = false;
                self.connections += 1;
            }
            Output::Started { .. } | Output::Trouble { .. } => {}
            Output::Over(end) => {
                assert_eq!(self.over, None, "over once");
                assert!(self.connection.is_none(), "the connection is ended before");
                self.over = Some(end);
            }
        }
    }

    /// Checks what the service would refuse, and answers.
    fn receive(&mut self, octets: &[u8]) {
        let now = self.now;
        self.sends.push(now);
        let second = self.sends.iter().rev().take_while(|at| now - **at < Duration::from_secs(1));
        assert!(second.count() <= 5, "fragments in a second");
        let connection = self.connection.as_mut().expect("a connection");
        assert!(!connection.body_is_over, "after the end of the body");
        assert!(now - connection.since < SERVICE_AGE, "the connection's age");
        assert!(now - connection.last < SERVICE_IDLE, "an idle connection");
        let text = std::str::from_utf8(octets).unwrap();
        let (head, fragment) = text.split_once('F').unwrap();
        assert_eq!(head.is_empty(), !connection.timecodes.is_empty(), "one head, first");
        let timecode = fragment.trim_end_matches('.').parse().unwrap();
        let before = connection.timecodes.last().copied();
        assert!(before.is_none_or(|before| before < timecode), "timecodes go forward");
        connection.timecodes.push(timecode);
        connection.last = now;
        let is_silent = connection.is_silent;
        if !self.happens(self.faults.stalled) {
            let delay = u64::from(self.draw(20));
            self.later(delay, Event::Room);
        }
        if is_silent {
            return;
        }
        if self.happens(self.faults.refused) && before.is_none() {
            return self.later(10, Event::Refused);
        }
        self.later(10, Event::Octets(ack("BUFFERING", timecode)));
        if let Some(before) = before {
            self.answer(before);
        }
        if self.happens(self.faults.broken) {
            let delay = u64::from(self.draw(3_000));
            let event = if self.happens(500) { Event::Closed } else { Event::Broken };
            self.later(delay, event);
        }
        if self.happens(self.faults.silent) {
            self.connection.as_mut().unwrap().is_silent = true;
        }
    }

    /// What becomes of a fragment that is complete.
    fn answer(&mut self, timecode: u64) {
        if self.happens(self.faults.fragment_error) {
            let (id, name) = ERROR_IDS[self.draw(22) as usize];
            // Those that are given up would end every run.
            if crate::rule::of_error(id).attempts.is_none_or(|attempts| attempts > 1) {
                let text = format!(
                    "{{\"EventType\":\"ERROR\",\"FragmentTimecode\":{timecode},\"ErrorId\":{id},\"ErrorCode\":\"{name}\"}}"
                );
                self.refused.insert(timecode);
                return self.later(20, Event::Octets(text));
            }
        }
        if self.happens(self.faults.malformed) {
            self.later(20, Event::Octets("{\"EventType\":\"PERS\n".to_owned()));
        }
        let delay = 20 + u64::from(self.draw(900));
        self.later(delay, Event::Octets(ack("RECEIVED", timecode)));
        // It is kept whether or not its producer hears of it.
        self.persisted.insert(timecode);
        self.persisted_times += 1;
        let delay = delay + u64::from(self.draw(900));
        self.later(delay, Event::Octets(ack("PERSISTED", timecode)));
    }

    fn happen(&mut self, connection: u64, event: Event, sent: &mut u64) {
        let is_current = connection == self.connections;
        let now = self.now;
        match event {
            Event::Fragment => {
                let timecode = 1_000_000 + *sent * 2_000;
                *sent += 1;
                let octets = format!("F{timecode}{}", ".".repeat(60)).into_bytes().into();
                self.producer
                    .handle_fragment(now, Fragment { octets, timecode }, usize::MAX)
                    .unwrap();
            }
            Event::Room if self.connection.is_some() && is_current => self.producer.handle_room(),
            Event::Connected if is_current => {
                self.asked = false;
                let is_silent = self.happens(self.faults.silent);
                self.connection = Some(Connection {
                    since: now,
                    last: now,
                    timecodes: Vec::new(),
                    is_silent,
                    body_is_over: false,
                });
                self.producer.handle_connected(now, Bytes::from_static(b"HEAD"));
            }
            Event::Unreachable if is_current => {
                self.lose();
                self.producer.handle_failure(now, "unreachable".to_owned());
            }
            Event::Octets(text) if is_current && self.connection.is_some() => {
                let (first, second) = text.split_at(self.draw(text.len() as u32) as usize);
                self.producer.handle_octets(now, first.as_bytes());
                self.producer.handle_octets(now, second.as_bytes());
            }
            Event::Refused if is_current => {
                self.lose();
                let codes = [
                    "ClientLimitExceededException",
                    "ResourceNotFoundException",
                    "InternalFailure",
                    "InvalidEndpointException",
                ];
                let code = codes[self.draw(4) as usize];
                let status = if code == "InternalFailure" { 500 } else { 400 };
                self.producer.handle_refusal(
                    now,
                    &Refusal { status, code: code.to_owned(), ..Refusal::default() },
                );
            }
            Event::Closed if is_current => {
                self.lose();
                self.producer.handle_closed(now);
            }
            Event::Broken if is_current => {
                self.lose();
                self.producer.handle_failure(now, "reset".to_owned());
            }
            _ => {}
        }
    }

    fn lose(&mut self) {
        self.connection = None;
        self.asked = false;
        self.connections += 1;
    }

    /// `count` fragments of 2 s, and the end.
    fn run(mut self, count: u64) -> Self {
        for index in 0..count {
            self.counter += 1;
            let at = self.now + Duration::from_millis(index * 2_000);
            self.events.insert((at, self.counter), (0, Event::Fragment));
        }
        let (mut sent, mut steps) = (0, 0_u64);
        while self.over.is_none() {
            steps += 1;
            assert!(steps < 400_000, "it comes to an end");
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let due = self.producer.poll_timeout();
            let next = event.into_iter().chain(due).min().expect("something is due");
            self.now = self.now.max(next);
            if event.is_some_and(|at| at <= self.now) {
                let (_, (connection, event)) = self.events.pop_first().unwrap();
                self.happen(connection, event, &mut sent);
                if sent == count {
                    self.producer.handle_end(self.now);
                }
            }
            self.producer.handle_timeout(self.now);
            while let Some(output) = self.producer.poll_output(self.now) {
                self.obey(output);
            }
            let counters = self.producer.take_counters();
            self.counters.add(&counters);
            self.most_kept = self.most_kept.max(self.producer.kept_bytes());
        }
        self
    }
}

fn ack(event: &str, timecode: u64) -> String {
    format!(
        "{{\"EventType\":\"{event}\",\"FragmentTimecode\":{timecode},\"FragmentNumber\":\"{timecode}\"}}\r\n"
    )
}

fn accounted(world: &World, count: u64) {
    let c = &world.counters;
    let left = c.dropped_fragments + c.unconfirmed_fragments + c.refused_fragments;
    assert_eq!(c.taken_fragments, count);
    assert_eq!(c.persisted_fragments + left, count, "{c:?}");
    let missing =
        (0..count).filter(|index| !world.persisted.contains(&(1_000_000 + index * 2_000)));
    assert!(missing.count() as u64 <= left, "lost without being counted: {c:?}");
}

#[test]
fn a_service_that_works_gets_every_fragment_once() {
    let world = World::new(Faults::default(), 7, ProducerConfig::default()).run(3_000);
    let c = &world.counters;
    accounted(&world, 3_000);
    assert_eq!(
        (c.persisted_fragments, c.sent_fragments, world.persisted_times),
        (3_000, 3_000, 3_000)
    );
    // 100 minutes of audio.
    assert_eq!((c.connections, c.rotations, c.broken_connections), (3, 2, 0));
    assert_eq!(world.over, Some(End::Finished));
}

#[test]
fn a_short_outage_loses_nothing() {
    let faults = Faults { unreachable: 700, broken: 20, ..Faults::default() };
    let config = ProducerConfig { linger: Duration::from_secs(100), ..ProducerConfig::default() };
    let world = World::new(faults, 11, config).run(500);
    accounted(&world, 500);
    assert!(world.counters.broken_connections > 20);
    assert_eq!(world.counters.persisted_fragments, 500, "{:?}", world.counters);
}

fn faults() -> impl Strategy<Value = Faults> {
    (0_u32..120, 0_u32..60, 0_u32..20, 0_u32..60, 0_u32..300, 0_u32..600, 0_u32..10).prop_map(
        |(fragment_error, broken, silent, malformed, refused, unreachable, stalled)| Faults {
            fragment_error,
            broken,
            silent,
            malformed,
            refused,
            unreachable,
            stalled,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_fragment_is_lost_without_being_counted(faults in faults(), seed in any::<u64>(), small in any::<bool>()) {
        let max_bytes = if small { 700 } else { 4 << 20 };
        let config = ProducerConfig { max_bytes, ..ProducerConfig::default() };
        let world = World::new(faults, seed, config).run(200);
        if world.over == Some(End::Finished) {
            accounted(&world, 200);
        }
        prop_assert!(world.most_kept <= max_bytes);
    }
}
