//! Which grid is closed when there is no CPU for all. No clock: it is told what each has cost.

use std::time::Duration;

/// Turns over which a grid's cost is averaged: a second, at fifteen a second.
const AVERAGED: u32 = 16;
/// Parts of the dearest's cost from which on another counts as dear as it, so that who goes is not left to chance: three
/// quarters.
const AS_DEAR: (u128, u128) = (3, 4);

/// What a grid costs, and whom it serves.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Burden {
    /// CPU time of a turn, on average.
    pub(crate) cost: Duration,
    /// How many see it.
    pub(crate) viewers: u32,
}

impl Burden {
    /// Takes in what a turn has cost.
    pub(crate) fn note(&mut self, used: Duration) {
        self.cost = self.cost - self.cost / AVERAGED + used / AVERAGED;
    }

    /// Parts of a hundred of a core, where so many turns are taken a second.
    pub(crate) fn percent(self, turns: u32) -> u32 {
        u32::try_from(self.cost.as_nanos() * u128::from(turns) / 10_000_000).unwrap_or(u32::MAX)
    }

    /// What each who sees it costs, in nanoseconds.
    fn each(self) -> u128 {
        self.cost.as_nanos() / u128::from(self.viewers.max(1))
    }
}

/// Which of these grids is closed, the oldest being the first: one that nobody sees, else the dearest for each who sees
/// it, so that as few people as may be lose their picture for the CPU that comes free; of those that are about as dear the
/// youngest. `None` where there is none.
pub(crate) fn to_close(grids: impl Iterator<Item = Burden> + Clone) -> Option<usize> {
    let costs_for_nobody = |burden: Burden| burden.viewers == 0 && burden.cost > Duration::ZERO;
    let all = || grids.clone().enumerate();
    if let Some((at, _)) = all().filter(|(_, burden)| costs_for_nobody(*burden)).last() {
        return Some(at);
    }
    let dearest = grids.clone().map(Burden::each).max()?;
    let is_as_dear = |burden: Burden| burden.each() * AS_DEAR.1 >= dearest * AS_DEAR.0;
    all().filter(|(_, burden)| is_as_dear(*burden)).last().map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn burden(micros: u64, viewers: u32) -> Burden {
        Burden { cost: Duration::from_micros(micros), viewers }
    }

    fn closed(grids: &[(u64, u32)]) -> Option<usize> {
        to_close(grids.iter().map(|(micros, viewers)| burden(*micros, *viewers)))
    }

    #[test]
    fn the_dearest_for_each_who_sees_it_goes() {
        assert_eq!(closed(&[]), None);
        assert_eq!(closed(&[(5_000, 1)]), Some(0));
        // Sixteen tiles for one, beside four tiles for five, and a cheap one that has just begun.
        assert_eq!(closed(&[(20_000, 1), (6_000, 5), (1_000, 1)]), Some(0));
        // As dear, but many see it.
        assert_eq!(closed(&[(20_000, 10), (20_000, 2), (6_000, 2)]), Some(1));
        // Many see the dearest of all: who is alone with a cheaper one costs more.
        assert_eq!(closed(&[(30_000, 20), (8_000, 1)]), Some(1));
    }

    #[test]
    fn of_those_that_are_about_as_dear_the_youngest_goes() {
        assert_eq!(closed(&[(10_000, 1), (10_000, 1), (10_000, 1)]), Some(2));
        assert_eq!(closed(&[(10_000, 1), (7_500, 1), (7_000, 1)]), Some(1));
        assert_eq!(closed(&[(0, 3), (0, 0)]), Some(1), "nothing is known of any yet");
    }

    #[test]
    fn what_nobody_sees_goes_first() {
        assert_eq!(closed(&[(20_000, 1), (500, 0), (400, 1)]), Some(1));
        assert_eq!(closed(&[(500, 0), (500, 0), (20_000, 1)]), Some(1));
        // It has cost nothing yet: closing it gives nothing back.
        assert_eq!(closed(&[(20_000, 1), (0, 0)]), Some(0));
    }

    #[test]
    fn a_cost_is_that_of_about_a_second() {
        let mut burden = Burden::default();
        let turn = |burden: &mut Burden, used| burden.note(Duration::from_micros(used));
        (0..150).for_each(|_| turn(&mut burden, 6_400));
        assert_eq!((burden.percent(15), burden.percent(30)), (9, 19));
        assert!((6_300..=6_400).contains(&burden.cost.as_micros()), "{burden:?}");
        // A second with nothing leaves a third, four leave almost nothing.
        (0..16).for_each(|_| turn(&mut burden, 0));
        assert!((2_000..2_600).contains(&burden.cost.as_micros()), "{burden:?}");
        (0..45).for_each(|_| turn(&mut burden, 0));
        assert!(burden.cost.as_micros() < 200, "{burden:?}");
        // Pictures of each third turn alone.
        (0..150).for_each(|at| turn(&mut burden, if at % 3 == 0 { 3_000 } else { 0 }));
        assert!((850..=1_150).contains(&burden.cost.as_micros()), "{burden:?}");
    }

    proptest! {
        /// However many are closed one after the other, what each viewer of the closed one costs is never much less than
        /// what each of another does, and all that cost nothing to anybody go before.
        #[test]
        fn nobody_is_closed_for_one_that_is_much_dearer(
            mut grids in prop::collection::vec((1..100_000_u64, 0..300_u32), 1..64),
        ) {
            while let Some(at) = closed(&grids) {
                let (micros, viewers) = grids.remove(at);
                if viewers == 0 {
                    continue;
                }
                for (other, seen_by) in &grids {
                    prop_assert!(*seen_by > 0);
                    let (mine, theirs) = (micros * u64::from(*seen_by), other * u64::from(viewers));
                    prop_assert!(mine * 5 >= theirs * 3, "{micros}/{viewers}, {other}/{seen_by}");
                }
            }
            prop_assert!(grids.is_empty());
        }
    }
}
