//! Delivery of records to their sinks.
//!
//! [`FileSink`]: files under `data_dir`, which are themselves what is delivered. A record is handed
//! over in constant time and never waits for the disk; a writer thread of its own does the work.
//! When the disk is slower than the records, the newest records are dropped and counted; calls are
//! never held up.
//!
//! [`Outbox`]: for services, which may be away. Each [`Destination`] has a queue on disk, a thread
//! that writes into it and one that delivers from it, at least once, in the order of each stream.
//! A service of its own is an implementation of [`Destination`] and one call of [`Outbox::start`];
//! what it can rely on:
//!
//! - [`OutboxSender::offer`] never waits for the disk. A record counts as accepted when it is in a
//!   segment file, as [`Fsync`] says; from then on it survives the end of the process.
//! - Every accepted record is delivered, refused by the service for good (and then listed in
//!   `refused.jsonl`), or dropped because the outbox reached its bound, the oldest first; each is
//!   counted in [`OutboxStatistics`].
//! - An entry that may have reached the service before is marked
//!   ([`Entry::possible_duplicate`]) and has the same [`Entry::idempotency_key`].
//! - Records of one stream ([`OutboxRecord::stream`]) are delivered in order: none before an
//!   earlier one has its verdict. Other streams do not wait for it.
#![forbid(unsafe_code)]

pub mod clock;
mod delivery;
mod destination;
mod directories;
mod entry;
mod file_sink;
mod files;
mod inspect;
mod intake;
pub mod marks;
mod outbox;
mod queue;
mod record;
mod refused;
mod rest;
mod retention;
mod rotation;
#[cfg(test)]
mod scratch;
pub mod segment;
mod statistics;

pub use delivery::Backoff;
pub use destination::{
    BatchRules, Destination, DestinationName, InvalidDestinationName, Outcome, Verdict,
};
pub use entry::{Entry, OutboxRecord, TooLarge};
pub use file_sink::{FileSender, FileSink, FileSinkConfig, NotAccepted, SinkStatistics};
pub use inspect::{QueueInspection, RefusedInspection, Waiting, inspect};
pub use intake::{NotTaken, OutboxSender};
pub use outbox::{Outbox, OutboxConfig, OutboxView};
pub use queue::Fsync;
pub use record::{InvalidPath, Record, RecordKind, RecordPath};
pub use rest::Rest;
pub use retention::{Lines, Retention, RetentionConfig, RetentionCounters, WholeFiles};
pub use rotation::{PutAside, Rotation};
pub use statistics::{DeliveryError, OutboxStatistics};
