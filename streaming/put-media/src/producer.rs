//! One stream's producer: which fragments go over which connection, and when. Pure: time is an
//! argument, what is to be done on the network is an [`Output`].
//!
//! A producer is told what happens by the `handle_…` methods; after each of them
//! [`Producer::poll_output`] is called until it gives nothing, and [`Producer::handle_timeout`] at the
//! time of [`Producer::poll_timeout`]. Its connection goes through these states:
//!
//! ```text
//!            something to send, pause over        connected
//! Down ------------------------------> Preparing ----------> Open
//!  ^                                        |                  | old, idle, or nothing more to send
//!  |          failed, refused, broken       |                  v
//!  +----------------------------------------+------------- Finishing  (the body is over, the answer not)
//! ```
//!
//! A fragment is kept until the service says that it has it. It is *dropped* (never sent) or
//! *unconfirmed* (sent) when it becomes too old or there is no room, *refused* when the service finds a
//! fault in it; each is counted, so that `taken = persisted + dropped + unconfirmed + refused + kept`.
//! What is sent again over a new connection the service may have twice.

mod link;
mod outcome;

use crate::acknowledgement::{AckEvent, AckReader, Acknowledgement};
use crate::counters::Counters;
use crate::fragment::{Fragment, FragmentNumber, MAX_FRAGMENT_BYTES, Rejected};
use crate::kept::{Kept, Left};
use crate::pace::Pace;
use bytes::Bytes;
use link::Link;
use model::Instant;
use outcome::Outage;
use std::collections::VecDeque;
use std::time::Duration;

/// How a producer behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerConfig {
    /// Octets of fragments that are kept at most. The oldest ones are dropped when a new one finds no
    /// room.
    pub max_bytes: usize,
    /// How long a fragment is kept. Older ones are dropped.
    pub max_age: Duration,
    /// The age at which a connection is ended between two fragments; the service ends it at 45
    /// minutes.
    pub rotate_after: Duration,
    /// A connection over which nothing was sent for so long is ended; the service ends it after 30 s.
    pub idle: Duration,
    /// A connection is broken when it is silent for so long while something is unanswered.
    pub silence: Duration,
    /// How long the service may take for what is open when no more is sent over a connection.
    pub finish_within: Duration,
    /// How long what is kept may take to be delivered after the last fragment.
    pub linger: Duration,
    /// Between two fragments that are sent; the service takes 5 a second.
    pub spacing: Duration,
    /// Between two connections that are begun; the service takes 5 a second.
    pub connect_spacing: Duration,
    /// The longest pause after a first failure; it doubles with each that follows.
    pub first_pause: Duration,
    /// No pause is longer, unless the service asks for it.
    pub longest_pause: Duration,
    /// How long nothing may be confirmed before it is said that something is wrong.
    pub trouble_after: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        ProducerConfig {
            max_bytes: 4 << 20,
            max_age: seconds(120),
            rotate_after: seconds(40 * 60),
            idle: seconds(25),
            silence: seconds(20),
            finish_within: seconds(10),
            linger: seconds(30),
            spacing: Duration::from_millis(250),
            connect_spacing: Duration::from_millis(250),
            first_pause: Duration::from_millis(500),
            longest_pause: seconds(10),
            trouble_after: seconds(10),
        }
    }
}

/// What must be done before a connection is opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Needs {
    /// The stream is looked for, whatever is remembered, and made where it is missing.
    pub stream: bool,
    /// The service is asked where data go, whatever is remembered.
    pub endpoint: bool,
    /// Credentials are looked up again.
    pub credentials: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a connection and begin a request on it, whose first fragment has this timecode. Answered by
    /// [`Producer::handle_connected`] or [`Producer::handle_failure`].
    Connect {
        /// What comes before.
        needs: Needs,
        /// In milliseconds.
        first_timecode: u64,
    },
    /// Send octets over the connection. Answered by [`Producer::handle_room`] as soon as it takes more.
    Send(Bytes),
    /// The request's body is complete; its answer is still read.
    Finish,
    /// End the connection.
    Close,
    /// The service has the first fragment of this producer, or the first after [`Output::Trouble`].
    Started {
        /// As it was sent, in milliseconds.
        timecode: u64,
        /// As the service names it.
        number: FragmentNumber,
    },
    /// Nothing was confirmed for [`ProducerConfig::trouble_after`]: once, until something is.
    Trouble {
        /// What happened last.
        reason: String,
    },
    /// The producer is done: nothing more comes of it. Once.
    Over(End),
}

/// How a producer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// After its last fragment. All of them were delivered, but for those that are counted.
    Finished,
    /// It was given up.
    GivenUp {
        /// Why, and what to do.
        reason: String,
        /// Whether another producer may do better with this stream.
        is_usable: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Producer {
    config: ProducerConfig,
    /// The stream keeps nothing, so that nothing is persisted: what is received is done.
    keeps_nothing: bool,
    /// What `Connect` needs the next time.
    needs: Needs,
    kept: Kept,
    link: Link,
    acknowledgements: AckReader,
    connects: Pace,
    sends: Pace,
    outage: Outage,
    last_timecode: Option<u64>,
    last_number: Option<FragmentNumber>,
    has_started: bool,
    /// When no more fragments were to come.
    ended_at: Option<Instant>,
    /// What was said already, and is to be done first.
    queue: VecDeque<Output>,
    counters: Counters,
}

impl Producer {
    /// A producer without a fragment. `seed` is chance, for its pauses.
    pub fn new(config: ProducerConfig, seed: u64) -> Self {
        Producer {
            config,
            keeps_nothing: false,
            needs: Needs::default(),
            kept: Kept::default(),
            link: Link::Down { not_before: Instant::ZERO },
            acknowledgements: AckReader::default(),
            connects: Pace::new(1, config.connect_spacing),
            sends: Pace::new(1, config.spacing),
            outage: Outage::new(seed),
            last_timecode: None,
            last_number: None,
            has_started: false,
            ended_at: None,
            queue: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes a fragment. `room` is how many octets this producer may keep now, if that is less than
    /// its bound. When there is no room, the oldest ones go.
    ///
    /// # Errors
    /// [`Rejected`], when it will never be sent.
    pub fn handle_fragment(
        &mut self,
        now: Instant,
        fragment: Fragment,
        room: usize,
    ) -> Result<(), Rejected> {
        let room = room.min(self.config.max_bytes);
        let size = fragment.octets.len();
        let rejected = if self.ended_at.is_some() || matches!(self.link, Link::Over) {
            Some(Rejected::Over)
        } else if size == 0 || size > MAX_FRAGMENT_BYTES || size > self.config.max_bytes {
            Some(Rejected::Size)
        } else if self.last_timecode.is_some_and(|last| fragment.timecode <= last) {
            Some(Rejected::Order)
        } else {
            None
        };
        if let Some(rejected) = rejected {
            self.counters.rejected_fragments += 1;
            return Err(rejected);
        }
        self.counters.taken_fragments += 1;
        self.last_timecode = Some(fragment.timecode);
        if self.kept.is_empty() {
            self.outage.begin(now);
        }
        while self.kept.octets().saturating_add(size) > room {
            let Some(left) = self.kept.remove_oldest() else { break };
            self.count_left(left);
        }
        self.kept.push(now, fragment);
        Ok(())
    }

    /// No more fragments come. What is kept is delivered, if it can be within
    /// [`ProducerConfig::linger`].
    pub fn handle_end(&mut self, now: Instant) {
        self.ended_at.get_or_insert(now);
    }

    /// The stream is there, and what it keeps. Known before the first connection is open.
    pub fn handle_stream(&mut self, keeps_nothing: bool) {
        self.keeps_nothing = keeps_nothing;
    }

    /// Octets of the answer.
    pub fn handle_octets(&mut self, now: Instant, octets: &[u8]) {
        if !self.link.is_connected() {
            return;
        }
        self.link.heard(now);
        let mut found = Vec::new();
        self.acknowledgements.read(octets, |result| found.push(result));
        for result in found {
            match result {
                Ok(acknowledgement) => self.acknowledge(now, &acknowledgement),
                Err(_) => self.counters.malformed_acknowledgements += 1,
            }
        }
    }

    fn acknowledge(&mut self, now: Instant, acknowledgement: &Acknowledgement) {
        // One that came with the fault before it is of a connection that is over.
        if !self.link.is_connected() {
            return;
        }
        let Acknowledgement { event, timecode, number, .. } = acknowledgement;
        let is_there = matches!(event, AckEvent::Received | AckEvent::Persisted);
        if let (true, Some(timecode), Some(number)) = (is_there, timecode, number) {
            self.note_number(*timecode, number);
        }
        match event {
            AckEvent::Persisted => self.confirm(now, *timecode),
            AckEvent::Received if self.keeps_nothing => self.confirm(now, *timecode),
            AckEvent::Buffering | AckEvent::Received | AckEvent::Idle => {}
            AckEvent::Error(id) => self.handle_fault(now, *id, acknowledgement),
        }
    }

    fn note_number(&mut self, timecode: u64, number: &FragmentNumber) {
        if !std::mem::replace(&mut self.has_started, true) {
            self.queue.push_back(Output::Started { timecode, number: number.clone() });
        }
        self.last_number = Some(number.clone());
    }

    fn confirm(&mut self, now: Instant, timecode: Option<u64>) {
        if timecode.and_then(|timecode| self.kept.remove(timecode)).is_some() {
            self.counters.persisted_fragments += 1;
            self.outage.end(now);
        }
    }

    fn count_left(&mut self, left: Left) {
        if left.was_sent {
            self.counters.unconfirmed_fragments += 1;
        } else {
            self.counters.dropped_fragments += 1;
        }
    }

    /// The time at which something of [`Producer::poll_timeout`] is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(left) = self.kept.remove_aged(now, self.config.max_age) {
            self.count_left(left);
        }
        if self.lingers_until().is_some_and(|until| until <= now) {
            while let Some(left) = self.kept.remove_oldest() {
                self.count_left(left);
            }
        }
        self.check_link(now);
        if let Some(reason) =
            self.outage.told(now, self.config.trouble_after, !self.kept.is_empty())
        {
            self.has_started = false;
            self.queue.push_back(Output::Trouble { reason });
        }
    }

    /// When [`Producer::handle_timeout`] is to be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.link, Link::Over) {
            return None;
        }
        let trouble = self.outage.due(self.config.trouble_after, !self.kept.is_empty());
        [self.kept.ages_at(self.config.max_age), self.lingers_until(), trouble, self.link_due()]
            .into_iter()
            .flatten()
            .min()
    }

    fn lingers_until(&self) -> Option<Instant> {
        self.ended_at.filter(|_| !self.kept.is_empty()).map(|ended| ended + self.config.linger)
    }

    /// What is to be done next; `None` when nothing is.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        self.queue.pop_front().or_else(|| self.drive(now))
    }

    /// What was counted since this was called the last time.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Octets of fragments that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept.octets()
    }

    /// Fragments that are kept.
    pub fn kept_fragments(&self) -> usize {
        self.kept.len()
    }

    /// The fragment that the service received last.
    pub fn last_number(&self) -> Option<&FragmentNumber> {
        self.last_number.as_ref()
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
