//! Changes that are all made, or none.

use super::{Change, Record, Row, State, Stored, Table};
use model::UnixTime;

/// Puts one record back as it was.
pub(super) type Undo = Box<dyn FnOnce(&mut State) + Send>;

/// Changes to a state. They are seen at once in the draft, and undone when it is dropped without
/// [`Draft::keep`].
pub(crate) struct Draft<'a> {
    state: &'a mut State,
    now: UnixTime,
    changes: Vec<Change>,
    undo: Vec<Undo>,
}

impl<'a> Draft<'a> {
    /// A draft at `now`, without changes.
    pub(crate) fn new(state: &'a mut State, now: UnixTime) -> Self {
        Draft { state, now, changes: Vec::new(), undo: Vec::new() }
    }

    /// When the draft was begun; the time of all its changes.
    #[allow(dead_code, reason = "for operations with deadlines")]
    pub(crate) fn now(&self) -> UnixTime {
        self.now
    }

    /// The state with the changes.
    pub(crate) fn state(&self) -> &State {
        self.state
    }

    /// A record, with the changes.
    pub(crate) fn get<T: Record>(&self, id: &str) -> Option<&Stored<T>> {
        self.state.get(id)
    }

    /// All records of a kind, with the changes.
    pub(crate) fn all<T: Record>(&self) -> &Table<T> {
        self.state.all()
    }

    /// Makes or replaces a record.
    pub(crate) fn put<T: Record>(&mut self, id: &str, value: T) {
        // Plain structs of text and numbers: they can always be written.
        let body = serde_json::to_string(&value).unwrap_or_default();
        let table = T::table_mut(self.state);
        let before = table.get(id).cloned();
        let created = before.as_ref().map_or(self.now, |before| before.created);
        let row = Row {
            kind: T::KIND,
            id: id.to_owned(),
            body,
            created_ms: created.as_millis(),
            updated_ms: self.now.as_millis(),
        };
        table.insert(id.to_owned(), Stored { value, created, updated: self.now });
        self.changes.push(Change::Put(row));
        self.remember(id, before);
    }

    /// Removes a record; whether there was one.
    pub(crate) fn remove<T: Record>(&mut self, id: &str) -> bool {
        let Some(before) = T::table_mut(self.state).remove(id) else { return false };
        self.changes.push(Change::Remove { kind: T::KIND, id: id.to_owned() });
        self.remember(id, Some(before));
        true
    }

    fn remember<T: Record>(&mut self, id: &str, before: Option<Stored<T>>) {
        let id = id.to_owned();
        self.undo.push(Box::new(move |state| {
            match before {
                Some(before) => T::table_mut(state).insert(id, before),
                None => T::table_mut(state).remove(&id),
            };
        }));
    }

    /// What is to be written down, in order.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes stay.
    pub(crate) fn keep(mut self) {
        self.undo.clear();
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        while let Some(undo) = self.undo.pop() {
            self.state.undo(undo);
        }
    }
}
