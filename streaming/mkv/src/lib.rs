//! Audio in Matroska (RFC 9559) as Kinesis Video Streams takes it: fragments written, and read again.
//!
//! A stream is a *head* (EBML header, the start of a Segment of unknown size, Info, Tracks) and
//! *fragments* behind it. A [`Fragment`] is whole in itself: Tags, if it has any, and one Cluster. Every
//! fragment may follow on every head of the same [`Audio`], so that a connection or a file can begin with
//! any of them.
//!
//! [`FragmentWriter`] makes fragments, [`Reader`] reads what it or another producer wrote.
//! [`FileWriter`] writes files that people play. [`FragmentSink`] is what takes fragments away: a file, a service.
#![forbid(unsafe_code)]

mod audio;
mod ebml;
mod file;
mod fragment;
mod head;
mod reader;
mod sink;
mod tags;

pub use audio::{Audio, Encoding};
pub use file::{FileAudio, FileFacts, FileScan, FileWriter, duration_element, scan_file};
pub use fragment::{Fragment, FragmentWriter, NotForward};
pub use head::head;
pub use reader::{Codec, Event, Malformed, Reader, Track};
pub use sink::{FragmentSink, NotOpened, StreamObserver, StreamOrder, StreamReport, StreamSink};
pub use tags::{MAX_NAME, MAX_TAGS, MAX_VALUE, Tag, TagRefused, Tags};
