//! The servers of a route's name that are still to be tried (RFC 3263 section 4.3): a few, and within
//! a time, so that a name whose servers are all silent does not hold the call from the next route.

use super::Call;
use super::setup::SetupState;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::ResolveId;
use model::Instant;
use sip_proto::locate::Target;
use std::collections::VecDeque;

/// Servers of the present route, the next one at the front.
#[derive(Default)]
pub(crate) struct Targets {
    left: VecDeque<Target>,
    /// From then on no further one is tried.
    until: Instant,
}

impl Targets {
    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Forgets them: the route has had its say, or its time is over.
    pub(super) fn clear(&mut self) {
        self.left.clear();
    }

    /// Forgets them if their time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        if now >= self.until {
            self.left.clear();
        }
    }

    /// The next one.
    pub(super) fn pop_front(&mut self) -> Option<Target> {
        self.left.pop_front()
    }
}

impl Call {
    /// The resolver answered for the present route, or for a next hop.
    pub(crate) fn handle_resolved(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: ResolveId,
        mut targets: Vec<Target>,
    ) {
        // Those that failed lately come last, and so are the ones that are left out.
        context.target_health.order(now, &mut targets);
        targets.truncate(context.config.max_targets);
        if self.legs.iter_mut().any(|leg| leg.next_hop.resolved(id, &targets))
            || self.copy_resolved(context, now, id, &targets)
        {
            return;
        }
        let Some(pending) = self.pending.as_mut() else { return };
        // An answer for a route that was given up meanwhile must not be taken for this one's.
        if self.setup.state() != SetupState::Resolving || pending.resolving != Some(id) {
            return;
        }
        pending.resolving = None;
        self.deadlines.clear(Deadline::NoResponse);
        let until = now + context.config.targets_timeout;
        pending.targets = Targets { left: targets.into(), until };
        if pending.targets.is_empty() {
            pending.hunt.note(503);
            self.note_route_unresolved(context, now);
        }
        self.next_route(context, now);
    }
}
