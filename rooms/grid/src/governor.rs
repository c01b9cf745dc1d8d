//! How much is composed, by what it costs: a thread that has no time for all makes fewer pictures, and at last
//! fewer grids. No clock: it is told what was used, and when.

use crate::GridPace;
use model::Instant;
use std::time::Duration;

/// What is looked at together.
const WINDOW: Duration = Duration::from_secs(1);
/// Parts of a hundred of a thread's time, of which more is too much.
const TOO_MUCH: u32 = 80;
/// Of which less leaves room for more pictures, and for a grid more.
const ENOUGH: u32 = 55;
/// Windows with too much before less is done.
const BUSY_WINDOWS: u32 = 2;
/// Windows with room before more is done, at least, and at most where it was too much again and again.
const CALM_WINDOWS: u32 = 10;
const MOST_CALM_WINDOWS: u32 = 320;

/// What a turn has used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Used {
    /// Of what does not depend on how many pictures are made: decoding.
    pub(crate) always: Duration,
    /// Of what does: drawing and encoding.
    pub(crate) paced: Duration,
    /// It began later than the turn after it was due: other programs have the CPU, or the turn before was too long.
    pub(crate) is_late: bool,
}

/// What is to be done from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Another pace.
    Pace(GridPace),
    /// A grid is to be closed: the thread chooses which ([`crate::closing`]).
    Close,
}

/// Watches one thread.
#[derive(Debug)]
pub(crate) struct Governor {
    /// Pictures a second of [`GridPace::Full`].
    per_second: u32,
    pace: GridPace,
    window: Option<Window>,
    busy: u32,
    calm: u32,
    /// Calm windows that more is done after.
    patience: u32,
    /// Parts of a hundred that were used in the last window.
    share: u32,
    /// Since when the pace is what it is.
    changed: Option<Instant>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Window {
    since: Instant,
    always: Duration,
    paced: Duration,
    turns: u32,
    late: u32,
}

impl Governor {
    /// Of a thread with nothing to do; `per_second` pictures are made while there is time.
    pub(crate) const fn new(per_second: u32) -> Self {
        Governor {
            per_second,
            pace: GridPace::Full,
            window: None,
            busy: 0,
            calm: 0,
            patience: CALM_WINDOWS,
            share: 0,
            changed: None,
        }
    }

    /// How many pictures are made.
    pub(crate) const fn pace(&self) -> GridPace {
        self.pace
    }

    /// Whether there is room for one grid more.
    pub(crate) fn has_room(&self) -> bool {
        self.pace == GridPace::Full && self.busy == 0 && self.share < ENOUGH
    }

    /// There is nothing to do: what was is forgotten, but how often it was too much.
    pub(crate) const fn rest(&mut self) {
        self.pace = GridPace::Full;
        self.window = None;
        (self.busy, self.calm, self.share) = (0, 0, 0);
    }

    /// Notes a turn that has ended `now`, and says what is to change.
    pub(crate) fn note(&mut self, now: Instant, used: Used) -> Option<Change> {
        let window = self.window.get_or_insert(Window { since: now, ..Window::default() });
        window.always += used.always;
        window.paced += used.paced;
        window.turns += 1;
        window.late += u32::from(used.is_late);
        let window = *window;
        let lasted = now - window.since;
        if lasted < WINDOW {
            return None;
        }
        self.window = Some(Window { since: now, ..Window::default() });
        self.judge(now, &window, lasted)
    }

    fn judge(&mut self, now: Instant, window: &Window, lasted: Duration) -> Option<Change> {
        self.share = parts(window.always + window.paced, lasted);
        // Turns that come too late are as many as are missing.
        let is_behind = window.late * 2 > window.turns;
        if self.share > TOO_MUCH || is_behind {
            (self.busy, self.calm) = (self.busy + 1, 0);
            if self.busy >= BUSY_WINDOWS {
                self.busy = 0;
                return self.less(now);
            }
            return None;
        }
        self.busy = 0;
        let more = self.faster();
        let paced = window.paced * self.rate(more) / self.rate(self.pace);
        let would_use = parts(window.always + paced, lasted);
        self.calm = if would_use < ENOUGH { self.calm + 1 } else { 0 };
        if self.pace == GridPace::Full {
            // What was too much once is no longer held against it.
            if self.calm >= MOST_CALM_WINDOWS {
                self.patience = CALM_WINDOWS;
            }
            return None;
        }
        if self.calm < self.patience {
            return None;
        }
        self.go(now, more)
    }

    /// One step down; at the last a grid goes.
    fn less(&mut self, now: Instant) -> Option<Change> {
        // It has gone up too soon.
        let is_soon = self.changed.is_some_and(|changed| now - changed < WINDOW * CALM_WINDOWS);
        if is_soon {
            self.patience = (self.patience * 2).min(MOST_CALM_WINDOWS);
        }
        match self.pace {
            GridPace::Full => self.go(now, GridPace::Half),
            GridPace::Half => self.go(now, GridPace::Slow),
            // Where others have the CPU, a grid less gives none back; the switch shows the speaker where too
            // little comes.
            GridPace::Slow if self.share <= TOO_MUCH => None,
            GridPace::Slow => Some(Change::Close),
        }
    }

    const fn faster(&self) -> GridPace {
        match self.pace {
            GridPace::Full | GridPace::Half => GridPace::Full,
            GridPace::Slow => GridPace::Half,
        }
    }

    const fn go(&mut self, now: Instant, pace: GridPace) -> Option<Change> {
        (self.pace, self.calm, self.changed) = (pace, 0, Some(now));
        Some(Change::Pace(pace))
    }

    /// Pictures a second.
    pub(crate) fn rate(&self, pace: GridPace) -> u32 {
        rate(self.per_second, pace)
    }
}

/// Turns of which one makes a picture, of a thread that has so many a second.
pub(crate) fn turns(per_second: u32, pace: GridPace) -> u32 {
    match pace {
        GridPace::Full => 1,
        GridPace::Half if per_second < 10 => 1,
        GridPace::Half => 2,
        GridPace::Slow => (per_second / 5).max(1),
    }
}

/// Pictures a second at a pace, of so many at [`GridPace::Full`].
pub(crate) fn rate(per_second: u32, pace: GridPace) -> u32 {
    per_second / turns(per_second, pace)
}

/// Parts of a hundred.
fn parts(used: Duration, of: Duration) -> u32 {
    let parts = used.as_nanos() * 100 / of.as_nanos().max(1);
    u32::try_from(parts).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread whose turns come fifteen times a second.
    struct Thread {
        governor: Governor,
        turn: u64,
    }

    impl Thread {
        fn new() -> Self {
            Thread { governor: Governor::new(15), turn: 0 }
        }

        /// So many seconds in which decoding takes `always` and making `paced` thousandths of the time, at
        /// the full pace; what has changed, and in which second.
        fn run(&mut self, seconds: u64, always: u64, paced: u64) -> Vec<(u64, Change)> {
            let mut changes = Vec::new();
            for turn in 0..seconds * 15 {
                self.turn += 1;
                let rate = u64::from(self.governor.rate(self.governor.pace()));
                let used = Used {
                    always: Duration::from_micros(always * 1_000 / 15),
                    paced: Duration::from_micros(paced * 1_000 / 15 * rate / 15),
                    is_late: false,
                };
                let now = Instant::from_nanos(self.turn * 1_000_000_000 / 15);
                changes.extend(self.governor.note(now, used).map(|change| (turn / 15, change)));
            }
            changes
        }
    }

    #[test]
    fn what_there_is_time_for_is_left_alone() {
        let mut thread = Thread::new();
        assert_eq!(thread.run(1_000, 300, 200), []);
        assert!(thread.governor.has_room());
        // Between both bounds nothing changes, but no grid is opened.
        assert_eq!(thread.run(1_000, 400, 300), []);
        assert!(!thread.governor.has_room());
        thread.governor.rest();
        assert!(thread.governor.has_room());
    }

    #[test]
    fn too_much_goes_down_step_by_step_and_ends_with_fewer_grids() {
        let mut thread = Thread::new();
        let changes = thread.run(9, 900, 900);
        let kinds: Vec<Change> = changes.iter().map(|(_, change)| *change).collect();
        assert_eq!(
            kinds,
            [
                Change::Pace(GridPace::Half),
                Change::Pace(GridPace::Slow),
                Change::Close,
                Change::Close,
            ]
        );
        assert!(changes[0].0 >= 2, "one window is no reason");
        assert!(!thread.governor.has_room());
    }

    #[test]
    fn half_as_many_are_enough_where_making_them_is_what_costs() {
        let mut thread = Thread::new();
        let changes = thread.run(100, 200, 700);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].1, Change::Pace(GridPace::Half));
        // At the full pace it would be as much as before: it stays.
        assert_eq!(thread.run(1_000, 200, 700), []);
        // With room it goes up again, ten seconds later.
        let changes = thread.run(30, 100, 300);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].1, Change::Pace(GridPace::Full));
        assert!((9..=12).contains(&changes[0].0), "{changes:?}");
    }

    #[test]
    fn who_swings_waits_longer_each_time() {
        let mut thread = Thread::new();
        let mut waits = Vec::new();
        for _ in 0..6 {
            let down = thread.run(4, 500, 500);
            assert_eq!(down.first().map(|(_, change)| *change), Some(Change::Pace(GridPace::Half)));
            let up = thread.run(400, 100, 100);
            waits.push(
                up.iter().find(|(_, change)| *change == Change::Pace(GridPace::Full)).unwrap().0,
            );
            // At once again.
            thread.run(1, 100, 100);
        }
        assert!(waits[0] <= 12 && waits.is_sorted(), "{waits:?}");
    }

    #[test]
    fn turns_that_come_too_late_are_too_many_and_close_nothing() {
        let mut governor = Governor::new(15);
        let mut changes = Vec::new();
        for turn in 0..100_u64 {
            let used =
                Used { always: Duration::from_millis(5), is_late: turn % 3 > 0, ..Used::default() };
            changes.extend(governor.note(Instant::from_millis(turn * 200), used));
        }
        assert_eq!(changes, [Change::Pace(GridPace::Half), Change::Pace(GridPace::Slow)]);
    }

    #[test]
    fn paces_are_never_under_five() {
        assert_eq!([30, 15, 10, 8, 5].map(|full| rate(full, GridPace::Half)), [15, 7, 5, 8, 5]);
        assert_eq!([30, 15, 8, 5].map(|full| rate(full, GridPace::Slow)), [5, 5, 8, 5]);
    }
}
