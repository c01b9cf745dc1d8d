//! Meetings as they are written down, on their way to whoever holds them.

use control_api::State;
use control_api::state::{Change, Kind};
use room_core::{MeetingId, StoredMeeting};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What is told when there is something to be taken.
type Wake = Box<dyn Fn() + Send + Sync>;

/// The meetings, and which of them whoever holds them has not seen yet. Nothing is queued: a meeting
/// that changes twice is taken once, as it is last.
#[derive(Default)]
pub(crate) struct Meetings {
    inner: Mutex<Inner>,
    wake: OnceLock<Wake>,
}

#[derive(Default)]
struct Inner {
    known: BTreeMap<MeetingId, StoredMeeting>,
    changed: BTreeSet<MeetingId>,
}

impl Meetings {
    /// Follows all that is made through the API; [`Meetings::tell`] is to be called after it.
    pub(super) fn follow(&self, state: &State) {
        let (registry, faults) = state.registry();
        for fault in faults {
            tracing::error!("{}: {fault}", directory_store::FILE);
        }
        let mut next = BTreeMap::new();
        for (id, stored) in state.all::<StoredMeeting>() {
            // One that cannot be is none.
            if let Ok(id) = MeetingId::parse(id)
                && registry.get_meeting(id).is_ok()
            {
                next.insert(id, stored.value.clone());
            }
        }
        let mut inner = self.inner();
        let Inner { known, changed } = &mut *inner;
        changed.extend(known.keys().filter(|id| !next.contains_key(id)));
        let differs = |(id, stored): &(&MeetingId, &StoredMeeting)| known.get(id) != Some(*stored);
        changed.extend(next.iter().filter(differs).map(|(id, _)| *id));
        *known = next;
    }

    /// Follows changes that are written down.
    pub(crate) fn take(&self, changes: &[Change]) {
        let mut of_meetings =
            changes.iter().filter(|change| change.kind() == Kind::Meeting).peekable();
        if of_meetings.peek().is_none() {
            return;
        }
        let mut inner = self.inner();
        for change in of_meetings {
            let Ok(id) = MeetingId::parse(change.id()) else { continue };
            // What the API has written is JSON of this kind.
            let stored = match change {
                Change::Put(row) => serde_json::from_str(&row.body).ok(),
                Change::Remove { .. } => None,
            };
            match stored {
                Some(stored) => inner.known.insert(id, stored),
                None => inner.known.remove(&id),
            };
            inner.changed.insert(id);
        }
        drop(inner);
        self.tell();
    }

    /// Calls `wake`, once and for all, when there is something to be taken.
    pub(crate) fn wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.wake.set(Box::new(wake));
        self.tell();
    }

    /// The meetings that are new, others, or gone (`None`) since this was asked last; at first all of
    /// them.
    pub(crate) fn take_changed(&self) -> Vec<(MeetingId, Option<StoredMeeting>)> {
        let mut inner = self.inner();
        let changed = std::mem::take(&mut inner.changed);
        changed.into_iter().map(|id| (id, inner.known.get(&id).cloned())).collect()
    }

    /// Wakes whoever holds them. It may wait for them.
    pub(super) fn tell(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::state::Row;
    use room_core::{CreateMeeting, Registry, RoomOptions};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn stored(seed: u64) -> (MeetingId, StoredMeeting) {
        let (mut registry, mut next) = (Registry::default(), seed);
        let mut draw = || {
            next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            next ^ next >> 29
        };
        let request = CreateMeeting {
            client_request_token: format!("token-{seed}"),
            media_region: "us-east-1".into(),
            external_meeting_id: "room".into(),
            ..CreateMeeting::default()
        };
        let now = model::UnixTime::from_millis(1);
        registry.create_meeting(now, request, RoomOptions::default(), &mut draw).unwrap();
        let (id, stored) = registry.take_changed().remove(0);
        (id, stored.unwrap())
    }

    fn row((id, stored): &(MeetingId, StoredMeeting)) -> Row {
        let body = serde_json::to_string(stored).unwrap();
        Row { kind: Kind::Meeting, id: id.to_string(), body, created_ms: 1, updated_ms: 1 }
    }

    #[test]
    fn what_is_written_is_taken_once_as_it_is_last() {
        let (one, two) = (stored(1), stored(2));
        let meetings = Meetings::default();
        meetings.follow(&State::load([row(&one)]).unwrap());
        let woken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&woken);
        meetings.wake(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(woken.load(Ordering::Relaxed), 1, "there is something already");
        assert_eq!(meetings.take_changed(), [(one.0, Some(one.1.clone()))]);
        assert_eq!(meetings.take_changed(), []);
        // The API writes: put and removed before anybody looks is gone.
        let gone = Change::Remove { kind: Kind::Meeting, id: one.0.to_string() };
        meetings.take(&[Change::Put(row(&two)), gone]);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let mut taken = meetings.take_changed();
        taken.sort_by_key(|(id, _)| *id != one.0);
        assert_eq!(taken, [(one.0, None), (two.0, Some(two.1.clone()))]);
        // Another process writes: what is as it was is not told again.
        meetings.follow(&State::load([row(&one), row(&two)]).unwrap());
        meetings.tell();
        assert_eq!(meetings.take_changed(), [(one.0, Some(one.1.clone()))]);
        meetings.follow(&State::default());
        assert_eq!(meetings.take_changed().len(), 2);
        meetings.take(&[]);
        assert_eq!(woken.load(Ordering::Relaxed), 3, "nothing is no reason to wake anybody");
    }
}
