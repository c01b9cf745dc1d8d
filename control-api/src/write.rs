//! A write: its draft is written down before it is kept.

use crate::api::{Settings, tag_key};
use crate::backend::{Backend, CommitFault, Made};
use crate::error::ApiError;
use crate::reads::Catalogue;
use crate::rooms;
use crate::router::Routed;
use crate::state::{self, Draft, State, Tags};
use crate::writes::Writing;
use directory::{NumberTable, Snapshot};
use model::{ProxySessionId, UnixTime};
use room_core::{MeetingId, Registry, StoredMeeting};
use serde_json::Value;
use std::sync::Arc;

/// What an operation that writes works on.
pub(crate) struct Written<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) directory: &'a Arc<Snapshot>,
    pub(crate) routed: &'a Routed,
    pub(crate) live: &'a [ProxySessionId],
    pub(crate) orders_kept_ms: u64,
    pub(crate) state: &'a mut State,
    pub(crate) meetings: &'a mut Registry,
    pub(crate) numbers: &'a mut Option<NumberTable>,
}

/// Does what an operation says and has it written down; of a failure nothing stays but in `meetings`,
/// which tells what it has changed.
pub(crate) fn write(
    of: Written<'_>,
    (now, input): (UnixTime, Value),
    backend: &mut dyn Backend,
) -> Result<Value, ApiError> {
    let Written { settings, catalogue, directory, routed, live, orders_kept_ms, .. } = of;
    let (answer, draft) = {
        let held = rooms::held(&*backend, routed, of.meetings);
        let mut random = || backend.random();
        let mut writing = Writing {
            input,
            settings,
            catalogue,
            directory,
            routed,
            draft: Draft::new(of.state, now),
            meetings: of.meetings,
            held,
            live,
            random: &mut random,
            orders_kept_ms,
        };
        (writing.answer()?, writing.draft)
    };
    if !draft.changes().is_empty() {
        let known = of.numbers.take();
        let mut numbers = known.clone().unwrap_or_else(|| draft.state().number_table());
        state::follow(&mut numbers, draft.state(), draft.changes());
        let made = Made::of(&draft, &numbers, directory);
        // What fails leaves the numbers as they were, or to be gathered again.
        *of.numbers = known;
        backend.commit(draft.changes(), made)?;
        *of.numbers = Some(numbers);
    }
    draft.keep();
    Ok(answer)
}

/// Removes meetings on demand that have ended; where that fails, nothing has changed.
pub(crate) fn remove_ended(
    state: &mut State,
    meetings: &mut Registry,
    (now, ended): (UnixTime, &[MeetingId]),
    backend: &mut dyn Backend,
) -> Result<(), CommitFault> {
    let mut draft = Draft::new(state, now);
    for id in ended.iter().map(MeetingId::to_string) {
        draft.remove::<StoredMeeting>(&id);
        draft.remove::<Tags>(&tag_key("meeting", &id));
    }
    if !draft.changes().is_empty() {
        backend.commit(draft.changes(), None)?;
        draft.keep();
    }
    for id in ended {
        // Nothing is restored, and so nothing can be wrong.
        let _ = meetings.follow(*id, None);
    }
    Ok(())
}
