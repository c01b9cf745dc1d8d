//! What a service has to bring to be delivered to.

use crate::{Entry, OutboxRecord};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// A service that records are delivered to.
///
/// It is called from a thread of its own, inside a single-threaded tokio runtime with I/O and time:
/// `deliver` may await a client that needs tokio, need not be [`Send`] and may keep connections in
/// `self`. Whatever takes long or blocks holds up this destination alone. What has to be awaited
/// first (credentials, a group to be made) belongs into the first `deliver`.
///
/// The order of calls for each batch is `rules`, `wire_bytes` of each candidate, `deliver`. There is
/// one batch at a time; a service with one request for each record sends those of a batch at once.
pub trait Destination: Send + 'static {
    /// What a batch may be; asked before each one, so that it can change.
    fn rules(&self) -> BatchRules;

    /// Octets that a record has in a request, without [`BatchRules::overhead_bytes`].
    fn wire_bytes(&self, record: &OutboxRecord) -> usize {
        record.body.len()
    }

    /// Delivers a batch: at least one entry, those of a stream in their order.
    ///
    /// It is dropped, and the batch tried again later as possible duplicates, when it takes longer
    /// than [`crate::OutboxConfig::delivery_timeout`].
    fn deliver(&mut self, batch: &[Entry]) -> impl Future<Output = Outcome>;
}

/// What a batch may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchRules {
    /// Entries, at least 1.
    pub max_entries: usize,
    /// Octets, by [`Destination::wire_bytes`] and `overhead_bytes`. A record that alone exceeds them
    /// is refused without an attempt.
    pub max_bytes: usize,
    /// Octets that each entry takes beside its own.
    pub overhead_bytes: usize,
    /// Whether all entries must be of one stream.
    pub one_stream: bool,
    /// The longest time between the earliest and the latest record.
    pub max_span: Option<Duration>,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// One verdict for each entry, in the batch's order. Entries without one are tried again.
    PerEntry(Vec<Verdict>),
    /// The service as a whole cannot be reached, or takes nothing now: all is tried again, nothing
    /// else before.
    Unavailable {
        /// In words, for the log.
        reason: String,
        /// When the service says to come back (Retry-After).
        after: Option<Duration>,
    },
}

/// What became of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The service has it.
    Delivered,
    /// It is tried again; its stream waits for it, others go on.
    Again {
        /// In words, for the log.
        reason: String,
        /// When the service says to come back (Retry-After).
        after: Option<Duration>,
    },
    /// The service will never take it: it goes to `refused.jsonl` with this reason.
    Refused(String),
}

/// A destination's name, which is also its directory and the label of its metrics.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DestinationName(String);

/// Why a text is no [`DestinationName`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidDestinationName(String);

impl DestinationName {
    /// Checks `name`.
    ///
    /// # Errors
    /// When it is not 1 to 64 of `[a-z0-9-]`.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidDestinationName> {
        let name = name.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
            Ok(DestinationName(name))
        } else {
            Err(InvalidDestinationName(name))
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidDestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not name a destination: use 1 to 64 of a-z, 0-9 and -", self.0)
    }
}

impl std::error::Error for InvalidDestinationName {}
