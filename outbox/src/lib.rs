//! Delivery of records to their sinks.
//!
//! Today there is one sink: files under `data_dir`. A record is handed over in constant time and
//! never waits for the disk; a writer thread of its own does the work. When the disk is slower
//! than the records, the newest records are dropped and counted; calls are never held up.
#![forbid(unsafe_code)]

mod directories;
mod file_sink;
mod files;
mod record;

pub use file_sink::{FileSender, FileSink, FileSinkConfig, NotAccepted, SinkStatistics};
pub use record::{InvalidPath, Record, RecordKind, RecordPath};
