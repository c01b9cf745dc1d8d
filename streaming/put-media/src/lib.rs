//! Fragments to Kinesis Video Streams: streams that are found or made, PutMedia, and what becomes of a
//! fragment that is not acknowledged.
//!
//! [`Producer`] is one stream's, and pure: fragments and acknowledgements in, what is to be done on the
//! network out. Around it are a thread that serves all streams of a node, and one HTTP/1.1 connection
//! for each stream.
#![forbid(unsafe_code)]

pub mod acknowledgement;
mod connection;
mod counters;
mod fragment;
mod intake;
mod kept;
mod pace;
mod producer;
pub mod rule;
mod service;
mod stream;
mod streams;
mod turns;

pub use counters::Counters;
pub use fragment::{Fragment, FragmentNumber, MAX_FRAGMENT_BYTES, Rejected};
pub use pace::Pace;
pub use producer::{End, Needs, Output, Producer, ProducerConfig};
pub use service::{PutMedia, PutMediaConfig, PutMediaStreams, PutMediaView};
