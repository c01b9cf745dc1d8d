//! Meetings as they are written down, and as the configuration file has them, on their way to whoever
//! holds them.

use control_api::State;
use control_api::state::{Change, Kind};
use room_core::{Clash, Followed, MeetingId, MeetingRecord, StoredMeeting};
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
    /// Those of the configuration file, which count where both have an id.
    file: BTreeMap<MeetingId, MeetingRecord>,
    /// Counts other files.
    file_generation: u64,
    /// Those of the API.
    known: BTreeMap<MeetingId, StoredMeeting>,
    changed: BTreeSet<MeetingId>,
    /// What of the changed ones the file has no more.
    retired: BTreeSet<MeetingId>,
}

/// A meeting of the API, and one of the file whose id it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// The place of the file's among those that were asked about.
    pub(crate) place: usize,
    /// Which of its ids it is.
    pub(crate) clash: Clash,
    /// The API's.
    pub(crate) meeting: MeetingId,
    /// What people, or programs, call that.
    pub(crate) name: String,
    /// No meeting of the file that is in force keeps that one out.
    pub(crate) is_in_force: bool,
}

impl Meetings {
    /// Those of the file that whoever holds meetings begins with.
    pub(super) fn of_file(meetings: &[MeetingRecord]) -> Self {
        let file = meetings.iter().map(|record| (record.meeting_id, record.clone())).collect();
        let inner = Inner { file, ..Inner::default() };
        Meetings { inner: Mutex::new(inner), wake: OnceLock::new() }
    }

    /// Which ids of these meetings of a file are those of meetings of the API.
    pub(crate) fn taken(&self, meetings: &[MeetingRecord]) -> Vec<Taken> {
        let inner = self.inner();
        let mut taken = Vec::new();
        for (place, record) in meetings.iter().enumerate() {
            for (id, StoredMeeting::V1(made)) in &inner.known {
                let Some(clash) = record.clash(made) else { continue };
                let name = [&made.settings.name, &made.request.external_meeting_id];
                let name = name.into_iter().find(|name| !name.is_empty());
                let name = name.cloned().unwrap_or_default();
                let is_in_force = inner.file.values().all(|of| of.clash(made).is_none());
                taken.push(Taken { place, clash, meeting: *id, name, is_in_force });
            }
        }
        taken
    }

    /// The same, without meetings whose ids the file that is in force has for them already: what they keep
    /// out is out.
    pub(crate) fn newly_taken(&self, meetings: &[MeetingRecord]) -> Vec<Taken> {
        let mut taken = self.taken(meetings);
        let inner = self.inner();
        let ids = |of: &MeetingRecord| (of.attendee_number, of.moderator_number);
        taken.retain(|taken| {
            let Some(record) = meetings.get(taken.place) else { return false };
            inner.file.get(&record.meeting_id).is_none_or(|before| ids(before) != ids(record))
        });
        taken
    }

    /// Another file is in force. Who is in a meeting that it has no more may stay.
    pub(crate) fn set_file(&self, meetings: &[MeetingRecord]) {
        let mut inner = self.inner();
        let Inner { file, file_generation, known, changed, retired } = &mut *inner;
        let next: BTreeMap<_, _> =
            meetings.iter().map(|record| (record.meeting_id, record.clone())).collect();
        if *file == next {
            return;
        }
        let before = std::mem::replace(file, next);
        *file_generation += 1;
        let others = file.iter().filter(|(id, record)| before.get(id) != Some(record));
        let gone = before.iter().filter(|(id, record)| file.get(id) != Some(record));
        for (id, record) in others.chain(gone) {
            changed.insert(*id);
            match file.contains_key(id) {
                true => retired.remove(id),
                false => retired.insert(*id),
            };
            // What of the API is kept out by the file's, or was.
            let hidden =
                known.iter().filter(|(_, StoredMeeting::V1(of))| record.clash(of).is_some());
            changed.extend(hidden.map(|(id, _)| *id));
        }
        drop(inner);
        self.tell();
    }

    /// The meetings of the file where it is another one since this generation, and its own.
    pub(crate) fn file_since(&self, generation: u64) -> Option<(Vec<MeetingRecord>, u64)> {
        let inner = self.inner();
        (inner.file_generation > generation)
            .then(|| (inner.file.values().cloned().collect(), inner.file_generation))
    }

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
        let Inner { known, changed, .. } = &mut *inner;
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

    /// What has become of meetings since this was asked last; at first all of the API's. Those of the file
    /// go first: they count.
    pub(crate) fn take_changed(&self) -> Vec<(MeetingId, Followed)> {
        let mut inner = self.inner();
        let Inner { file, known, changed, retired, .. } = &mut *inner;
        let retired = std::mem::take(retired);
        let stored = |of: &StoredMeeting| Followed::Stored(Box::new(of.clone()));
        let follow = |id: MeetingId| match (file.get(&id), known.get(&id)) {
            (Some(record), _) => stored(&StoredMeeting::V1(record.clone())),
            (None, Some(made)) => stored(made),
            (None, None) if retired.contains(&id) => Followed::Retired,
            (None, None) => Followed::Deleted,
        };
        let (first, second): (Vec<_>, Vec<_>) =
            std::mem::take(changed).into_iter().partition(|id| file.contains_key(id));
        first.into_iter().chain(second).map(|id| (id, follow(id))).collect()
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

    fn put((id, stored): &(MeetingId, StoredMeeting)) -> (MeetingId, Followed) {
        (*id, Followed::Stored(Box::new(stored.clone())))
    }

    #[test]
    fn another_file_changes_and_retires_its_own_and_shows_what_it_hid() {
        let [one, two, made] = [stored(1), stored(2), stored(3)];
        let record = |(_, StoredMeeting::V1(record)): &(MeetingId, StoredMeeting)| record.clone();
        let meetings = Meetings::of_file(&[record(&one)]);
        assert_eq!(meetings.take_changed(), [], "whoever holds them has begun with it");
        meetings.follow(&State::load([row(&made)]).unwrap());
        assert_eq!(meetings.take_changed(), [put(&made)]);
        // A file with the attendee id of the one that was made.
        let mut taken = record(&two);
        taken.attendee_number = record(&made).attendee_number;
        let found = meetings.taken(&[record(&one), taken.clone()]);
        let name = "room".to_owned();
        let clash = Clash::Attendee;
        let expected = Taken { place: 1, clash, meeting: made.0, name, is_in_force: true };
        assert_eq!(found, std::slice::from_ref(&expected));
        assert_eq!(meetings.newly_taken(&[record(&one), taken.clone()]), [expected]);
        // At a start it would be so; then the file counts until it has it no more.
        meetings.set_file(&[taken.clone()]);
        let two = (two.0, StoredMeeting::V1(taken));
        let sorted = |meetings: &Meetings| {
            let mut found = meetings.take_changed();
            found.sort_by_key(|(id, _)| [one.0, two.0, made.0].iter().position(|of| of == id));
            found
        };
        assert_eq!(sorted(&meetings), [(one.0, Followed::Retired), put(&two), put(&made)]);
        assert_eq!(meetings.file_since(0), Some((vec![record(&two)], 1)));
        meetings.set_file(&[record(&two)]);
        assert_eq!((meetings.take_changed(), meetings.file_since(1)), (vec![], None));
        meetings.set_file(&[record(&one)]);
        assert_eq!(sorted(&meetings), [put(&one), (two.0, Followed::Retired), put(&made)]);
        // Away and back before anybody looks is as it was.
        meetings.set_file(&[]);
        meetings.set_file(&[record(&one)]);
        assert_eq!(meetings.take_changed(), [put(&one)]);
    }

    #[test]
    fn a_file_that_counted_at_the_start_can_be_read_again() {
        let [of_file, made, other] = [stored(1), stored(2), stored(3)];
        let record = |(_, StoredMeeting::V1(record)): &(MeetingId, StoredMeeting)| record.clone();
        let mut of_file = record(&of_file);
        of_file.attendee_number = record(&made).attendee_number;
        let meetings = Meetings::of_file(&[of_file.clone()]);
        meetings.follow(&State::load([row(&made), row(&other)]).unwrap());
        let found = meetings.taken(&[of_file.clone()]);
        let [Taken { meeting, is_in_force: false, .. }] = found[..] else { panic!("{found:?}") };
        assert_eq!(meeting, made.0);
        // With another name, and beside another meeting, too.
        of_file.settings.name = "Weekly".to_owned();
        assert_eq!(meetings.newly_taken(&[of_file.clone()]), []);
        // Not with the id of one that people can reach.
        of_file.moderator_number = record(&other).moderator_number;
        let found: Vec<_> = meetings.newly_taken(&[of_file]);
        let found = found.iter().map(|taken| (taken.meeting, taken.is_in_force));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(id, _)| *id != made.0);
        assert_eq!(found, [(made.0, false), (other.0, true)]);
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
        assert_eq!(meetings.take_changed(), [put(&one)]);
        assert_eq!(meetings.take_changed(), []);
        // The API writes: put and removed before anybody looks is gone.
        let gone = Change::Remove { kind: Kind::Meeting, id: one.0.to_string() };
        meetings.take(&[Change::Put(row(&two)), gone]);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let mut taken = meetings.take_changed();
        taken.sort_by_key(|(id, _)| *id != one.0);
        assert_eq!(taken, [(one.0, Followed::Deleted), put(&two)]);
        // Another process writes: what is as it was is not told again.
        meetings.follow(&State::load([row(&one), row(&two)]).unwrap());
        meetings.tell();
        assert_eq!(meetings.take_changed(), [put(&one)]);
        meetings.follow(&State::default());
        assert_eq!(meetings.take_changed().len(), 2);
        meetings.take(&[]);
        assert_eq!(woken.load(Ordering::Relaxed), 3, "nothing is no reason to wake anybody");
    }
}
