//! The deadlines of one call. A call keeps one entry in the worker's timer wheel, for whichever
//! comes first.

use model::{Instant, LegSide};

/// Everything that a call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deadline {
    /// When to give up a route that has not answered our INVITE at all, a resolver, or a relay that does
    /// not say whether it has ports.
    NoResponse,
    /// When to give up a leg B that rings and is not answered (RFC 3261 timer C's role).
    NoAnswer,
    /// When to retransmit an unacknowledged 2xx on a leg (RFC 3261 section 13.3.1.4).
    Retransmit(LegSide),
    /// When to retransmit a reliable provisional response to leg A (RFC 3262 section 3).
    Provisional,
    /// When to try again to tell leg A the description of the fork that answered.
    Realign,
    /// When to refresh the session on a leg (RFC 4028).
    Refresh(LegSide),
    /// When to end the call because a leg's session was not refreshed (RFC 4028).
    SessionExpiry(LegSide),
    /// When to stop waiting for the outcome of a forwarded re-INVITE or UPDATE and answer 504
    /// (RFC 3311 section 5.2).
    Renegotiation,
    /// When to try again to join two legs of a transfer, or to offer the joined leg its new media
    /// (RFC 3261 section 14.1).
    Transfer,
    /// When to ask the relay once more to hand the call's audio to listeners.
    Listening,
    /// When to tell a leg again that it is recorded, or to withdraw what tells it so.
    Indication,
    /// When to give up what a recorder's copy waits for, or to try it again.
    Copy,
    /// When to refresh the session with the recorder that gets a copy (RFC 4028).
    CopyRefresh,
    /// When to give up the copy because that session was not refreshed (RFC 4028).
    CopyExpiry,
    /// When to retransmit an unacknowledged 2xx to that recorder (RFC 3261 section 13.3.1.4).
    CopyRetransmit,
    /// When to stop waiting for the relay's ports for lines beside the main one.
    Lines,
    /// When to end the call because it has lived as long as any call may.
    Lifetime,
    /// When to end the call because its voice connector's calls may last no longer.
    DurationCap,
    /// When to forget an ended call whatever is still outstanding.
    Linger,
}

const SLOTS: usize = 22;

impl Deadline {
    const ALL: [Deadline; SLOTS] = [
        Deadline::NoResponse,
        Deadline::NoAnswer,
        Deadline::Retransmit(LegSide::A),
        Deadline::Retransmit(LegSide::B),
        Deadline::Refresh(LegSide::A),
        Deadline::Refresh(LegSide::B),
        Deadline::SessionExpiry(LegSide::A),
        Deadline::SessionExpiry(LegSide::B),
        Deadline::Renegotiation,
        Deadline::Lifetime,
        Deadline::DurationCap,
        Deadline::Linger,
        Deadline::Provisional,
        Deadline::Realign,
        Deadline::Transfer,
        Deadline::Lines,
        Deadline::Listening,
        Deadline::Copy,
        Deadline::CopyRefresh,
        Deadline::CopyExpiry,
        Deadline::CopyRetransmit,
        Deadline::Indication,
    ];

    fn slot(self) -> usize {
        match self {
            Deadline::NoResponse => 0,
            Deadline::NoAnswer => 1,
            Deadline::Retransmit(leg) => 2 + leg.index(),
            Deadline::Refresh(leg) => 4 + leg.index(),
            Deadline::SessionExpiry(leg) => 6 + leg.index(),
            Deadline::Renegotiation => 8,
            Deadline::Lifetime => 9,
            Deadline::DurationCap => 10,
            Deadline::Linger => 11,
            Deadline::Provisional => 12,
            Deadline::Realign => 13,
            Deadline::Transfer => 14,
            Deadline::Lines => 15,
            Deadline::Listening => 16,
            Deadline::Copy => 17,
            Deadline::CopyRefresh => 18,
            Deadline::CopyExpiry => 19,
            Deadline::CopyRetransmit => 20,
            Deadline::Indication => 21,
        }
    }
}

/// The set of a call's deadlines; at most one of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    at: [Option<Instant>; SLOTS],
}

impl Deadlines {
    pub(crate) fn set(&mut self, deadline: Deadline, at: Instant) {
        self.at[deadline.slot()] = Some(at);
    }

    pub(crate) fn at(&self, deadline: Deadline) -> Option<Instant> {
        self.at[deadline.slot()]
    }

    pub(crate) fn clear(&mut self, deadline: Deadline) {
        self.at[deadline.slot()] = None;
    }

    /// Forgets all but `Linger` and the retransmissions of an unacknowledged 2xx.
    pub(crate) fn clear_for_teardown(&mut self) {
        for deadline in Deadline::ALL {
            if !matches!(deadline, Deadline::Linger | Deadline::Retransmit(_)) {
                self.clear(deadline);
            }
        }
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Takes one deadline that has passed.
    pub(crate) fn pop_passed(&mut self, now: Instant) -> Option<Deadline> {
        let passed = Deadline::ALL
            .into_iter()
            .find(|deadline| self.at[deadline.slot()].is_some_and(|at| at <= now))?;
        self.clear(passed);
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deadline_has_its_own_slot_and_passes_at_its_instant_not_before() {
        let mut deadlines = Deadlines::default();
        for (index, deadline) in Deadline::ALL.into_iter().enumerate() {
            deadlines.set(deadline, Instant::from_millis(10 + index as u64));
        }
        assert_eq!(deadlines.earliest(), Some(Instant::from_millis(10)));
        for (index, deadline) in Deadline::ALL.into_iter().enumerate() {
            let at = 10 + index as u64;
            assert_eq!(deadlines.pop_passed(Instant::from_millis(at - 1)), None);
            assert_eq!(deadlines.pop_passed(Instant::from_millis(at)), Some(deadline));
        }
        assert_eq!(deadlines.earliest(), None);
    }

    #[test]
    fn teardown_keeps_what_still_ends_the_call() {
        let mut deadlines = Deadlines::default();
        for deadline in Deadline::ALL {
            deadlines.set(deadline, Instant::from_millis(1));
        }
        deadlines.clear_for_teardown();
        let now = Instant::from_millis(1);
        assert_eq!(deadlines.pop_passed(now), Some(Deadline::Retransmit(LegSide::A)));
        assert_eq!(deadlines.pop_passed(now), Some(Deadline::Retransmit(LegSide::B)));
        assert_eq!(deadlines.pop_passed(now), Some(Deadline::Linger));
        assert_eq!(deadlines.pop_passed(now), None);
    }
}
