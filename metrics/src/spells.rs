//! When a leg lost packets: the live reports, every few seconds, tell it finer than the intervals.

use model::LossCounts;
use serde::{Deserialize, Serialize};

/// Spells of one leg that are kept; with more, the last one is stretched.
const SPELLS: usize = 16;
/// Share that makes a step part of a spell, in per cent: what G.711 with concealment hides is none.
const LOSSY_PERCENT: u64 = 1;

/// A time without a pause in which packets of a leg were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpellRecord {
    /// Its beginning, to the step of live reports.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Packets expected in it.
    pub expected: u64,
    /// Of those lost.
    pub lost: u64,
}

/// The spells of one leg, while it is watched.
#[derive(Debug, Default)]
pub(crate) struct Spells {
    counted: Counted,
    list: Vec<SpellRecord>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    at_ms: u64,
    expected: u64,
    lost: i64,
}

impl Spells {
    /// Takes the stream's counts so far in, at a time after the call began.
    pub(crate) fn take(&mut self, at_ms: u64, counts: LossCounts) {
        let before = self.counted;
        if at_ms <= before.at_ms {
            return;
        }
        self.counted = Counted { at_ms, expected: counts.expected, lost: counts.lost };
        // A stream that is new counts from nothing.
        let restarted = counts.expected < before.expected;
        let (old_expected, old_lost) =
            if restarted { (0, 0) } else { (before.expected, before.lost) };
        let expected = counts.expected - old_expected;
        let lost = u64::try_from(counts.lost.saturating_sub(old_lost)).unwrap_or(0).min(expected);
        if lost == 0 || lost.saturating_mul(100) < expected.saturating_mul(LOSSY_PERCENT) {
            return;
        }
        // Nothing comes before the answer: the first step is as long as the others at most.
        let from_ms = before.at_ms.max(at_ms.saturating_sub(20 * expected));
        let full = self.list.len() >= SPELLS;
        match self.list.last_mut().filter(|last| full || last.to_ms >= from_ms) {
            Some(last) => {
                last.to_ms = at_ms;
                last.expected = last.expected.saturating_add(expected);
                last.lost = last.lost.saturating_add(lost);
            }
            None => self.list.push(SpellRecord { from_ms, to_ms: at_ms, expected, lost }),
        }
    }

    pub(crate) fn records(&self) -> Vec<SpellRecord> {
        self.list.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(expected: u64, lost: i64) -> LossCounts {
        LossCounts { expected, lost }
    }

    #[test]
    fn neighbouring_steps_are_one_spell_and_clean_ones_part_them() {
        let mut spells = Spells::default();
        for (at, expected, lost) in [
            (5_000, 250, 0),
            (10_000, 500, 20),
            (15_000, 750, 45),
            (20_000, 1_000, 45),
            (25_000, 1_250, 46),
            (30_000, 1_500, 60),
        ] {
            spells.take(at, counts(expected, lost));
        }
        let told: Vec<_> =
            spells.records().iter().map(|s| (s.from_ms, s.to_ms, s.expected, s.lost)).collect();
        assert_eq!(told, [(5_000, 15_000, 500, 45), (25_000, 30_000, 250, 14)]);
    }

    #[test]
    fn a_new_stream_and_late_packets_are_no_panic() {
        let mut spells = Spells::default();
        spells.take(60_000, counts(100, 50));
        assert_eq!(spells.records()[0].from_ms, 58_000, "not before its packets");
        spells.take(65_000, counts(10, -3));
        spells.take(64_000, counts(u64::MAX, i64::MAX));
        spells.take(70_000, counts(u64::MAX, i64::MIN));
        spells.take(75_000, counts(u64::MAX, i64::MAX));
        assert_eq!(spells.records().len(), 1);
    }

    #[test]
    fn a_full_list_stretches_its_last() {
        let mut spells = Spells::default();
        for step in 1..100u64 {
            let lost = step.div_ceil(2) as i64 * 100;
            spells.take(step * 5_000, counts(step * 250, lost));
        }
        let list = spells.records();
        assert_eq!(list.len(), SPELLS);
        assert_eq!(list[SPELLS - 1].to_ms, 99 * 5_000);
    }
}
