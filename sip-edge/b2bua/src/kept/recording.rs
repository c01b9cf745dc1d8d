//! What is written down of a call that is the copy of another one.

use model::{LegSide, ListenedCall, LocalMedia, MediaId};
use serde::{Deserialize, Serialize};
use siprec::{Metadata, MetadataFault};
use std::sync::Arc;

/// The copy of a call, beside what every call has.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedRecording {
    /// The lines that are taken, by their place.
    pub lines: Vec<SavedRecordedLine>,
    /// Our address in a description without lines.
    pub last_local: Option<LocalMedia>,
    /// Lines of the client's last description that are not taken.
    pub declined: u8,
    /// What its metadata say together.
    pub metadata: Metadata,
    /// Whether the last document could be read; `None` when there was none.
    pub news: Option<Result<(), MetadataFault>>,
    /// What listeners know it as, with the last document that could be read.
    pub call: Option<ListenedCall>,
    /// Whether channel A is the caller's; `None` while nothing is listened to.
    pub a_is_caller: Option<bool>,
    /// Somebody listens, or did.
    pub is_heard: bool,
}

/// One of its lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedRecordedLine {
    /// Its place among the `m=` lines, from 0.
    pub index: usize,
    /// The relay's stream.
    pub id: MediaId,
    /// The relay's addresses.
    pub local: [LocalMedia; 2],
    /// Its `a=label`.
    pub label: Option<Arc<str>>,
    /// Which of the two channels it is.
    pub side: LegSide,
    /// The relay was told to hand it to listeners.
    pub is_listened: bool,
}
