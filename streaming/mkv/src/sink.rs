//! Where fragments go.

use crate::{Audio, Fragment};
use std::fmt;
use std::sync::Arc;

/// A place that has streams: a directory, a service.
pub trait StreamSink: Send + Sync {
    /// Opens a stream for one leg of one call. It never waits: what takes time happens later, and what
    /// fails then is told to the order's observer.
    ///
    /// # Errors
    /// [`NotOpened`]; the observer is dropped, and nothing is told to it.
    fn open(&self, order: StreamOrder) -> Result<Box<dyn FragmentSink>, NotOpened>;
}

/// What a stream is opened for.
pub struct StreamOrder {
    /// Its name, as `ChimeVoiceConnector-abcdef1ghij2klmno3pqr4-…`; made when there is none of it.
    pub name: Arc<str>,
    /// For how long it keeps what it gets.
    pub retention_hours: u32,
    /// What its fragments hold; a [`head`](crate::head) of it begins each file or connection.
    pub audio: Audio,
    /// Who is told. It is kept until the stream is done with this call, and dropped then: another call
    /// may have the stream from that moment.
    pub observer: Box<dyn StreamObserver>,
}

/// Takes the fragments of one leg of a call into its stream.
pub trait FragmentSink: Send {
    /// Takes a fragment, later than all before. It never waits: what finds no room is dropped whole, the
    /// oldest first, and counted.
    fn fragment(&mut self, fragment: Fragment);

    /// No more come. What was taken still goes out.
    fn finish(self: Box<Self>);
}

/// Who is told what becomes of a stream while one leg has it. Called from the sink's thread: it returns
/// at once.
pub trait StreamObserver: Send {
    /// Something has.
    fn report(&mut self, report: StreamReport);
}

/// What became of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamReport {
    /// A first fragment is where it belongs: the first of all, or the first after
    /// [`StreamReport::Trouble`].
    Started {
        /// The name of the stream beyond this node.
        stream_arn: Arc<str>,
        /// The number that the stream gave the fragment.
        fragment_number: Arc<str>,
        /// The fragment's timecode: milliseconds since 1970.
        timecode_ms: u64,
    },
    /// Fragments find no way for now. It is tried again.
    Trouble {
        /// Why, for people, with what to do.
        reason: Arc<str>,
    },
    /// Nothing more of this call goes into the stream. The last report.
    Failed {
        /// Why, for people, with what to do.
        reason: Arc<str>,
        /// Other calls may have the stream nevertheless.
        is_usable: bool,
    },
    /// Everything that was taken went out, or was counted as dropped. The last report.
    Ended {
        /// The number that the stream gave the last fragment that it got.
        fragment_number: Option<Arc<str>>,
    },
}

/// Why a stream was not opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotOpened {
    /// For people, with what to do.
    pub reason: Arc<str>,
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NotOpened {}

impl fmt::Debug for StreamOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut order = f.debug_struct("StreamOrder");
        order.field("name", &self.name).field("retention_hours", &self.retention_hours);
        order.field("audio", &self.audio);
        order.finish_non_exhaustive()
    }
}
