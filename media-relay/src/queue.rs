//! The way from signalling to a worker: bounded, never blocking, in order.

use crate::sys::EventFd;
use model::MediaCommand;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

/// A command was not queued because the worker's queue is full.
///
/// The limits are staggered so that work in progress is not lost to new work: with room for `n`
/// streams, an `Allocate` is refused from `n` waiting commands on, an `Apply` from `2n`, a `Release`
/// from `4n`. A sender that releases each stream once cannot meet the last one.
#[derive(Clone, Debug)]
pub struct Overloaded {
    /// What was not queued.
    pub command: Box<MediaCommand>,
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the media relay's command queue is full: lower the call rate")
    }
}

impl std::error::Error for Overloaded {}

/// One worker's queue.
#[derive(Debug)]
pub(crate) struct CommandQueue {
    streams: usize,
    waiting: Mutex<VecDeque<MediaCommand>>,
    wake: EventFd,
}

impl CommandQueue {
    /// A queue for a worker that holds up to `streams` streams.
    pub(crate) fn new(streams: usize) -> io::Result<Self> {
        Ok(CommandQueue {
            streams: streams.max(16),
            waiting: Mutex::new(VecDeque::new()),
            wake: EventFd::new()?,
        })
    }

    /// Queues a command and wakes the worker.
    pub(crate) fn push(&self, command: MediaCommand) -> Result<(), Overloaded> {
        let limit = match command {
            MediaCommand::Allocate { .. } => self.streams,
            MediaCommand::Apply { .. } => self.streams.saturating_mul(2),
            MediaCommand::Release { .. } => self.streams.saturating_mul(4),
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= limit {
            return Err(Overloaded { command: Box::new(command) });
        }
        let was_empty = waiting.is_empty();
        waiting.push_back(command);
        drop(waiting);
        if was_empty {
            self.wake.signal();
        }
        Ok(())
    }

    /// Moves up to `limit` commands to `into`; whether more wait.
    pub(crate) fn take(&self, limit: usize, into: &mut Vec<MediaCommand>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = limit.min(waiting.len());
        into.extend(waiting.drain(..count));
        !waiting.is_empty()
    }

    /// What wakes the worker.
    pub(crate) fn wake(&self) -> &EventFd {
        &self.wake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{IpFamily, MediaId, TransactionId};

    fn allocate() -> MediaCommand {
        MediaCommand::Allocate {
            id: MediaId(1),
            transaction_id: TransactionId::from_random(1),
            families: [IpFamily::V4; 2],
        }
    }

    #[test]
    fn new_work_is_refused_before_work_in_progress() {
        let queue = CommandQueue::new(16).unwrap();
        for _ in 0..16 {
            assert!(queue.push(allocate()).is_ok());
        }
        assert!(queue.push(allocate()).is_err());
        for _ in 16..64 {
            assert!(queue.push(MediaCommand::Release { id: MediaId(1) }).is_ok());
        }
        assert!(queue.push(MediaCommand::Release { id: MediaId(1) }).is_err());
        let mut taken = Vec::new();
        assert!(queue.take(63, &mut taken));
        assert!(!queue.take(63, &mut taken));
        assert_eq!(taken.len(), 64);
    }
}
