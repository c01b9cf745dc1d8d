//! Host names to targets: [`sip_proto::locate`] says what to ask, this asks it, remembers the
//! answers for as long as their records live, and lets everybody who asks the same question share
//! one query.

mod client;
mod examine;
mod system;
mod wire;

pub(crate) use client::{ask_servers, lookup_over};
pub use examine::{Located, locate, look_up};

use crate::clock::Clock;
use b2bua::ResolveId;
use model::Instant;
use sip_proto::Random;
use sip_proto::locate::{
    Abilities, Answer, Locate, LocateFailure, Question, Record, Target, Wanted,
};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How names are resolved.
#[derive(Clone, Copy, Debug)]
pub struct ResolverLimits {
    /// After this a question counts as unanswered, whatever servers are left to ask.
    pub timeout: Duration,
    /// Questions to the DNS at a time.
    pub concurrent: usize,
    /// Questions that wait for their turn. One more counts as unanswered at once.
    pub waiting: usize,
    /// Hosts that are being located at a time. One more is told at once that there is no target.
    pub searches: usize,
    /// The longest that records are used again, however long they say that they live.
    pub longest: Duration,
    /// The shortest: a time to live of 0 must not make every message of a call ask again.
    pub shortest: Duration,
    /// The longest that the absence of records is remembered (RFC 2308 section 5), and how long when
    /// the DNS does not say.
    pub absence: Duration,
    /// How long a question that nobody answered is not asked again.
    pub failure: Duration,
    /// Questions whose answers are remembered. When full, those whose time is over are forgotten, and
    /// if that makes no room, all of them.
    pub remembered: usize,
}

impl Default for ResolverLimits {
    fn default() -> Self {
        ResolverLimits {
            timeout: Duration::from_secs(5),
            concurrent: 64,
            waiting: 1_024,
            searches: 4_096,
            longest: Duration::from_secs(24 * 3_600),
            shortest: Duration::from_secs(1),
            absence: Duration::from_secs(300),
            failure: Duration::from_secs(5),
            remembered: 4_096,
        }
    }
}

/// What was found out about one question.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The records and how long they live; none, and how long that holds if the DNS says so.
    Records(Vec<Record>, Option<Duration>),
    /// Nobody answered, or only with an error.
    Failed,
}

/// A question under way.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What answers questions: the DNS, or a script in tests.
pub(crate) type Lookup = Arc<dyn Fn(Question) -> Pending + Send + Sync>;

/// What a query's task tells the driver.
pub(crate) struct ResolverInput {
    question: Question,
    reply: Reply,
}

/// What the resolver counts; each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResolverCounters {
    /// Questions that were sent to the DNS.
    pub queries: u64,
    /// Questions that nobody answered.
    pub unanswered: u64,
    /// Hosts for which there was no target.
    pub not_found: u64,
}

/// One host that is being located.
struct Search {
    id: ResolveId,
    locate: Locate,
}

struct Remembered {
    answer: Answer,
    until: Instant,
}

/// The resolver of one worker.
pub(crate) struct Resolver {
    pub(crate) counters: ResolverCounters,
    limits: ResolverLimits,
    clock: Clock,
    abilities: Abilities,
    random: Box<dyn Random>,
    lookup: Lookup,
    inputs: mpsc::Sender<ResolverInput>,
    remembered: HashMap<Question, Remembered>,
    searches: HashMap<u64, Search>,
    next_search: u64,
    /// Questions under way or waiting, with every search that needs the answer.
    askers: HashMap<Question, Vec<u64>>,
    waiting: VecDeque<Question>,
    running: usize,
    answers: Vec<(ResolveId, Vec<Target>)>,
}

impl Resolver {
    pub(crate) fn new(
        limits: ResolverLimits,
        clock: Clock,
        abilities: Abilities,
        random: Box<dyn Random>,
        lookup: Lookup,
        inputs: mpsc::Sender<ResolverInput>,
    ) -> Resolver {
        Resolver {
            counters: ResolverCounters::default(),
            limits,
            clock,
            abilities,
            random,
            lookup,
            inputs,
            remembered: HashMap::new(),
            searches: HashMap::new(),
            next_search: 0,
            askers: HashMap::new(),
            waiting: VecDeque::new(),
            running: 0,
            answers: Vec::new(),
        }
    }

    /// Starts to locate a host; the answer comes out of [`Resolver::take_answers`], sometimes at
    /// once.
    pub(crate) fn resolve(&mut self, id: ResolveId, wanted: Wanted) {
        if self.searches.len() >= self.limits.searches {
            tracing::warn!(host = %wanted.host, "too many names are being resolved");
            self.answers.push((id, Vec::new()));
            return;
        }
        let host = Arc::clone(&wanted.host);
        let locate = Locate::new(wanted, self.abilities.clone());
        self.next_search += 1;
        self.proceed(self.next_search, Search { id, locate }, &host);
    }

    /// Takes what a query found out.
    pub(crate) fn handle(&mut self, input: ResolverInput) {
        let ResolverInput { question, reply } = input;
        self.running = self.running.saturating_sub(1);
        let answer = self.remember(&question, reply);
        self.give(&question, &answer);
        while self.running < self.limits.concurrent
            && let Some(question) = self.waiting.pop_front()
        {
            self.start(question);
        }
    }

    /// The answers that are ready; an empty list says that there is no target.
    pub(crate) fn take_answers(&mut self) -> Vec<(ResolveId, Vec<Target>)> {
        std::mem::take(&mut self.answers)
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    fn give(&mut self, question: &Question, answer: &Answer) {
        for number in self.askers.remove(question).unwrap_or_default() {
            let Some(mut search) = self.searches.remove(&number) else { continue };
            search.locate.handle_answer(question, answer, self.random.as_mut());
            self.proceed(number, search, &question.name);
        }
    }

    /// Asks what a search wants to know, and ends it when it knows enough. `about` is for the log.
    fn proceed(&mut self, number: u64, mut search: Search, about: &str) {
        let now = self.clock.now();
        while let Some(question) = search.locate.poll_question() {
            let known = self.remembered.get(&question).filter(|known| known.until > now);
            if let Some(known) = known {
                search.locate.handle_answer(&question, &known.answer, self.random.as_mut());
            } else if !self.ask(&question, number) {
                let failed = Answer::Failed;
                search.locate.handle_answer(&question, &failed, self.random.as_mut());
            }
        }
        let targets = match search.locate.outcome() {
            None => {
                self.searches.insert(number, search);
                return;
            }
            Some(Ok(targets)) => targets.to_vec(),
            Some(Err(failure)) => {
                self.note_failure(about, failure);
                Vec::new()
            }
        };
        self.answers.push((search.id, targets));
    }

    fn note_failure(&mut self, about: &str, failure: LocateFailure) {
        self.counters.not_found += 1;
        tracing::debug!(name = about, %failure, "a host cannot be located");
    }

    /// Has a question answered some time; `false` when too many wait already.
    fn ask(&mut self, question: &Question, number: u64) -> bool {
        if let Some(askers) = self.askers.get_mut(question) {
            askers.push(number);
            return true;
        }
        if self.running < self.limits.concurrent {
            self.start(question.clone());
        } else if self.waiting.len() < self.limits.waiting {
            self.waiting.push_back(question.clone());
        } else {
            tracing::warn!(name = %question.name, "too many questions wait for the DNS");
            return false;
        }
        self.askers.insert(question.clone(), vec![number]);
        true
    }

    fn start(&mut self, question: Question) {
        self.running += 1;
        self.counters.queries += 1;
        let asking = (self.lookup)(question.clone());
        let inputs = self.inputs.clone();
        let limit = self.limits.timeout;
        tokio::spawn(async move {
            let reply = tokio::time::timeout(limit, asking).await.unwrap_or(Reply::Failed);
            // The queue holds one input of every query that may run.
            let _ = inputs.send(ResolverInput { question, reply }).await;
        });
    }

    fn remember(&mut self, question: &Question, reply: Reply) -> Answer {
        let limits = self.limits;
        let now = self.clock.now();
        let (answer, until) = match reply {
            Reply::Records(records, lives) => {
                let keep = if records.is_empty() {
                    lives.unwrap_or(limits.absence).min(limits.absence)
                } else {
                    lives.unwrap_or_default().min(limits.longest)
                };
                let until = now + keep.max(limits.shortest);
                (Answer::Records(records.into(), until), until)
            }
            Reply::Failed => {
                self.counters.unanswered += 1;
                let Question { name, kind } = question;
                tracing::warn!(%name, ?kind, "the DNS did not answer");
                (Answer::Failed, now + limits.failure)
            }
        };
        if self.remembered.len() >= limits.remembered {
            self.remembered.retain(|_, known| known.until > now);
        }
        if self.remembered.len() >= limits.remembered {
            self.remembered.clear();
        }
        self.remembered.insert(question.clone(), Remembered { answer: answer.clone(), until });
        answer
    }
}

#[cfg(test)]
mod tests;
