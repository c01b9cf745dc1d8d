//! What an operator is told of recordings.

use crate::calendar;
use model::UnixTime;
use outbox::clock::unix_time;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The same trouble is told again after so many milliseconds, not sooner.
const PAUSE_MS: u64 = 600_000;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum NoticeKind {
    /// The node records from now on.
    Started,
    /// It does not any more.
    Stopped,
    /// Audio was lost, or a recording could not be written or finished.
    RecordingFailed,
    /// What waits cannot be uploaded; it is tried again.
    UploadFailed,
    /// Recordings were removed that had not been uploaded: there were too many.
    RemovedUnsent,
}

/// Something that an operator is told, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Of this JSON: 1.
    pub version: u32,
    /// What happened.
    pub event: NoticeKind,
    /// The node.
    pub node: String,
    /// When.
    pub time: String,
    /// In words, with what to do.
    pub message: String,
}

/// Where notices go. It must not wait.
pub type NoticeSink = Arc<dyn Fn(Notice) + Send + Sync>;

/// Tells notices; the same trouble once in ten minutes.
#[derive(Clone)]
pub(crate) struct Notices {
    node: String,
    sink: Option<NoticeSink>,
    told: Arc<Mutex<BTreeMap<NoticeKind, UnixTime>>>,
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Notices {
    pub(crate) fn new(node: &str, sink: Option<NoticeSink>) -> Self {
        Notices { node: node.to_owned(), sink, told: Arc::default() }
    }

    pub(crate) fn tell(&self, event: NoticeKind, message: impl fmt::Display) {
        self.tell_at(unix_time(), event, message);
    }

    fn tell_at(&self, now: UnixTime, event: NoticeKind, message: impl fmt::Display) {
        let Some(sink) = &self.sink else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let since = told.get(&event).map(|last| now.as_millis().saturating_sub(last.as_millis()));
        let is_trouble = !matches!(event, NoticeKind::Started | NoticeKind::Stopped);
        if is_trouble && since.is_some_and(|since| since < PAUSE_MS) {
            return;
        }
        told.insert(event, now);
        drop(told);
        let (node, message) = (self.node.clone(), message.to_string());
        sink(Notice { version: 1, event, node, time: calendar::readable(now, 0, 1), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_in_ten_minutes() {
        let seen: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let log = Arc::clone(&seen);
        let sink: NoticeSink = Arc::new(move |notice| log.lock().unwrap().push(notice));
        let notices = Notices::new("edge-1", Some(sink));
        for (ms, event) in [
            (0, NoticeKind::Started),
            (1, NoticeKind::RecordingFailed),
            (2, NoticeKind::UploadFailed),
            (PAUSE_MS, NoticeKind::RecordingFailed),
            (PAUSE_MS + 1, NoticeKind::RecordingFailed),
            (PAUSE_MS + 2, NoticeKind::Started),
        ] {
            notices.tell_at(UnixTime::from_millis(ms), event, "disk full");
        }
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 5);
        assert_eq!(
            serde_json::to_string(&seen[1]).unwrap(),
            r#"{"version":1,"event":"RecordingFailed","node":"edge-1","time":"1970-01-01T00:00:00.001Z","message":"disk full"}"#
        );
    }
}
