//! Kinesis video streams: each leg of a call becomes a stream of its own.
//!
//! [`KinesisVideo`] makes a listener for a call. Each of its legs takes a stream from the
//! [`StreamPool`], makes fragments of its frames and hands them to a [`mkv::StreamSink`]: files
//! ([`FileStreams`]), or a service. What becomes of the streams it tells to [`StreamEvents`].
//! [`stored_calls`] finds calls in files again, [`LegAudio`] gives their samples.

mod files;
mod leg;
mod listener;
mod name;
mod pool;
mod stored;
mod tags;
mod told;

pub use files::{FileStreams, FileStreamsConfig, FileStreamsStatistics, StreamProperties};
pub use listener::{KinesisStatistics, KinesisVideo, NumberView, StreamEvents};
pub use name::StreamName;
pub use pool::StreamPool;
pub use stored::{Heard, LegAudio, Stored, StoredCall, StoredFile, StoredLeg, stored_calls};

/// The folder of streams under `data_dir`.
pub const FOLDER: &str = "kinesis-video";
/// What the name of a file of a stream ends with.
pub const EXTENSION: &str = "mkv";
/// In each stream's folder, what it is and how long it keeps its files.
pub const PROPERTIES: &str = "stream.json";

#[cfg(test)]
mod tests;
