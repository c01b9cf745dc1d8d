//! The way from signalling to a worker: bounded, never blocking, in order.

use crate::sys::EventFd;
use codecs::Clip;
use model::{LegSide, MediaCommand, MediaId, PlayFailure};
use relay_core::LegContexts;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A command was not queued because the worker's queue is full.
///
/// The limits are staggered so that work in progress is not lost to new work: with room for `n`
/// streams, an `Allocate` is refused from `n` waiting commands on, an `Apply`, a `MoveLeg` and the
/// `Allocate` of an emergency call from `2n`, a `Release` from `4n`. A sender that releases each
/// stream once cannot meet the last one.
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

/// What waits for a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Signalling's.
    Command(MediaCommand),
    /// Another worker's: what it remembered of a leg that comes to a stream here.
    Adopt {
        /// The stream, and which leg of it.
        to: (MediaId, LegSide),
        contexts: Box<LegContexts>,
    },
    /// The audio library's: what is to be played, or why it cannot be.
    Clip {
        /// Where it is wanted.
        to: (MediaId, LegSide),
        /// The number of the wish.
        ticket: u64,
        clip: Result<Arc<Clip>, PlayFailure>,
    },
}

/// The queues of all workers.
#[derive(Clone, Debug)]
pub(crate) struct Queues(pub(crate) Arc<[Arc<CommandQueue>]>);

impl Queues {
    /// The queue of the worker that owns a stream.
    pub(crate) fn of(&self, id: MediaId) -> Option<&Arc<CommandQueue>> {
        let index = id.place().checked_rem(self.0.len() as u64)?;
        self.0.get(index as usize)
    }
}

/// Tells a worker that something was mixed for streams of it.
#[derive(Clone, Debug)]
pub struct MixBell(Arc<CommandQueue>);

impl MixBell {
    pub(crate) const fn new(queue: Arc<CommandQueue>) -> Self {
        MixBell(queue)
    }

    /// Never waits. Rung again before the worker has looked, it costs a few instructions.
    pub fn ring(&self) {
        if !self.0.mixed.swap(true, Ordering::AcqRel) {
            self.0.wake.signal();
        }
    }

    /// Whether both are the same worker's.
    pub fn is_same(&self, other: &MixBell) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One worker's queue.
#[derive(Debug)]
pub(crate) struct CommandQueue {
    streams: usize,
    waiting: Mutex<VecDeque<Order>>,
    wake: EventFd,
    /// Something was mixed for streams of the worker.
    mixed: AtomicBool,
}

impl CommandQueue {
    /// A queue for a worker that holds up to `streams` streams.
    pub(crate) fn new(streams: usize) -> io::Result<Self> {
        Ok(CommandQueue {
            streams: streams.max(16),
            waiting: Mutex::new(VecDeque::new()),
            wake: EventFd::new()?,
            mixed: AtomicBool::new(false),
        })
    }

    /// Queues a command and wakes the worker.
    pub(crate) fn push(&self, command: MediaCommand) -> Result<(), Overloaded> {
        let limit = match command {
            MediaCommand::Allocate { emergency: false, .. } => self.streams,
            MediaCommand::Allocate { .. }
            | MediaCommand::Apply { .. }
            | MediaCommand::MoveLeg { .. }
            | MediaCommand::SendEvent { .. }
            | MediaCommand::Play { .. }
            | MediaCommand::Record { .. }
            | MediaCommand::Copy { .. }
            | MediaCommand::Listen { .. }
            | MediaCommand::UpdateListening { .. }
            | MediaCommand::Sit { .. }
            | MediaCommand::SitPicture { .. }
            | MediaCommand::RefreshPicture { .. }
            | MediaCommand::Announce { .. }
            | MediaCommand::RecordConference { .. }
            | MediaCommand::RecordUtterance { .. }
            | MediaCommand::Report { .. } => self.streams.saturating_mul(2),
            MediaCommand::StopPlaying { .. }
            | MediaCommand::StopRecording { .. }
            | MediaCommand::StopListening { .. }
            | MediaCommand::StandUp { .. }
            | MediaCommand::Release { .. } => self.streams.saturating_mul(4),
        };
        match self.waiting_below(limit) {
            Some(waiting) => {
                self.add(waiting, Order::Command(command));
                Ok(())
            }
            None => Err(Overloaded { command: Box::new(command) }),
        }
    }

    /// Queues what another worker remembered of a leg; whether there was room, as for a plan.
    pub(crate) fn push_contexts(&self, to: (MediaId, LegSide), contexts: Box<LegContexts>) -> bool {
        let waiting = self.waiting_below(self.streams.saturating_mul(2));
        let has_room = waiting.is_some();
        if let Some(waiting) = waiting {
            self.add(waiting, Order::Adopt { to, contexts });
        }
        has_room
    }

    /// Queues what the audio library has made. There is one at most for each wish that it had room for.
    pub(crate) fn push_clip(
        &self,
        to: (MediaId, LegSide),
        ticket: u64,
        clip: Result<Arc<Clip>, PlayFailure>,
    ) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.add(waiting, Order::Clip { to, ticket, clip });
    }

    /// What waits, if that is less than `limit`.
    fn waiting_below(&self, limit: usize) -> Option<MutexGuard<'_, VecDeque<Order>>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        (waiting.len() < limit).then_some(waiting)
    }

    fn add(&self, mut waiting: MutexGuard<'_, VecDeque<Order>>, order: Order) {
        let was_empty = waiting.is_empty();
        waiting.push_back(order);
        drop(waiting);
        if was_empty {
            self.wake.signal();
        }
    }

    /// Moves up to `limit` orders to `into`; whether more wait.
    pub(crate) fn take(&self, limit: usize, into: &mut Vec<Order>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = limit.min(waiting.len());
        into.extend(waiting.drain(..count));
        !waiting.is_empty()
    }

    /// Whether something was mixed since this was last asked.
    pub(crate) fn take_mixed(&self) -> bool {
        self.mixed.swap(false, Ordering::AcqRel)
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
            emergency: false,
            line: Default::default(),
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
