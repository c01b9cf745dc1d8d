//! Streams that calls take turns in.

use super::StreamName;
use model::VoiceConnectorId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Streams that are remembered while nobody has them. When one more is given back, it is forgotten: its
/// connector makes a new one some day.
const MAX_FREE: usize = 20_000;

/// The streams of a node: one has at most one leg of a call at a time, and others later, as AWS's voice
/// connectors use theirs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StreamPool {
    free: Arc<Mutex<Free>>,
}

#[derive(Debug, Default)]
struct Free {
    /// By connector; the one that was given back last is taken next.
    streams: HashMap<VoiceConnectorId, Vec<Idle>>,
    count: usize,
    /// Those that legs have, as many as there are legs: a service that is asked for its streams
    /// names them too.
    leased: HashSet<StreamName>,
}

#[derive(Debug)]
struct Idle {
    name: StreamName,
    /// Where its last fragment ended, in milliseconds since 1970.
    ended_ms: u64,
}

/// A stream that one leg has; dropped, it goes back into the pool.
#[derive(Debug)]
pub(super) struct Lease {
    pool: StreamPool,
    name: StreamName,
    ended_ms: u64,
    is_usable: bool,
}

impl StreamPool {
    /// A pool that knows these streams, of which nobody has one.
    pub fn new(known: impl IntoIterator<Item = StreamName>) -> Self {
        let pool = StreamPool::default();
        pool.add(known);
        pool
    }

    /// Learns of streams; those that legs have stay theirs.
    pub fn add(&self, known: impl IntoIterator<Item = StreamName>) {
        known.into_iter().for_each(|name| self.lock().give_back(name, 0));
    }

    /// How many streams nobody has.
    pub fn free(&self) -> usize {
        self.lock().count
    }

    /// A stream for a leg that is heard from `began_ms` on: one whose last fragment ended before, or
    /// else a new one, named by what `draw` gives. Timecodes of a stream only go forward, whatever
    /// happens to the node's clock.
    pub(super) fn take(
        &self,
        connector: &VoiceConnectorId,
        began_ms: u64,
        draw: impl FnOnce() -> u128,
    ) -> Lease {
        let mut free = self.lock();
        let idle = free.streams.get_mut(connector).and_then(|streams| {
            let place = streams.iter().rposition(|idle| idle.ended_ms <= began_ms)?;
            Some(streams.remove(place))
        });
        if idle.is_some() {
            free.count -= 1;
        }
        let (name, ended_ms) = match idle {
            Some(idle) => (idle.name, idle.ended_ms),
            None => (StreamName::from_random(connector, draw()), 0),
        };
        free.leased.insert(name.clone());
        drop(free);
        Lease { pool: self.clone(), name, ended_ms, is_usable: true }
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    fn give_back(&mut self, name: StreamName, ended_ms: u64) {
        if self.count >= MAX_FREE || self.leased.contains(&name) {
            return;
        }
        let streams = self.streams.entry(name.connector().clone()).or_default();
        if streams.iter().all(|idle| idle.name != name) {
            streams.push(Idle { name, ended_ms });
            self.count += 1;
        }
    }
}

impl Lease {
    pub(super) fn name(&self) -> &StreamName {
        &self.name
    }

    /// Where the last fragment ends that went into it.
    pub(super) fn ends_at(&mut self, ended_ms: u64) {
        self.ended_ms = self.ended_ms.max(ended_ms);
    }

    /// Nobody gets it any more.
    pub(super) fn spoil(&mut self) {
        self.is_usable = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut free = self.pool.lock();
        free.leased.remove(&self.name);
        if self.is_usable {
            free.give_back(self.name.clone(), self.ended_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_somebody_has_is_nobody_else_s_whoever_tells_of_it() {
        let connector = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
        let pool = StreamPool::default();
        let lease = pool.take(&connector, 5, || 7);
        // As the service does when it is asked which streams there are.
        pool.add([lease.name().clone()]);
        assert_eq!(pool.free(), 0);
        let other = pool.take(&connector, 5, || 8);
        assert_ne!(lease.name(), other.name());
        drop(lease);
        pool.add([StreamName::from_random(&connector, 7)]);
        assert_eq!(pool.free(), 1);
    }
}
