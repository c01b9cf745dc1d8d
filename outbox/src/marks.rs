//! Which entries are dealt with, and which were ever handed to the destination. Pure.
//!
//! On disk it is a list of marks of 21 octets: kind u8, two numbers u64, CRC32C u32, little-endian.
//! What is no mark (padding, a write that was cut off) is stepped over.

use std::collections::BTreeMap;

/// One thing to remember.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mark {
    /// Every entry before this one is dealt with.
    Floor(u64),
    /// These are dealt with, both ends included.
    Settled(u64, u64),
    /// Entries before this one may have reached the destination.
    Handed(u64),
}

/// Octets of a mark.
pub const MARK_BYTES: usize = 21;

impl Mark {
    /// As octets.
    pub fn to_bytes(self) -> [u8; MARK_BYTES] {
        let (kind, first, second) = match self {
            Mark::Floor(next) => (1, next, 0),
            Mark::Settled(first, last) => (2, first, last),
            Mark::Handed(next) => (3, next, 0),
        };
        let mut out = [0; MARK_BYTES];
        out[0] = kind;
        out[1..9].copy_from_slice(&first.to_le_bytes());
        out[9..17].copy_from_slice(&second.to_le_bytes());
        let sum = crc32c::crc32c(&out[..17]);
        out[17..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn read(bytes: &[u8; MARK_BYTES]) -> Option<Mark> {
        let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let sum = u32::from_le_bytes(*bytes.last_chunk()?);
        // Padding has kind 0 and is passed without a sum.
        let kind = bytes[0];
        if !(1..=3).contains(&kind) || crc32c::crc32c(bytes.get(..17)?) != sum {
            return None;
        }
        let (first, second) = (number(1)?, number(9)?);
        match kind {
            1 => Some(Mark::Floor(first)),
            2 => (first <= second && second < u64::MAX).then_some(Mark::Settled(first, second)),
            _ => Some(Mark::Handed(first)),
        }
    }
}

/// All marks together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Marks {
    floor: u64,
    /// Ranges above the floor, first to last; they never touch each other or the floor.
    settled: BTreeMap<u64, u64>,
    handed: u64,
}

impl Marks {
    /// The marks that a file holds.
    pub fn read(mut bytes: &[u8]) -> Marks {
        let mut marks = Marks::default();
        while let Some(begun) = bytes.first_chunk() {
            let read = Mark::read(begun);
            if let Some(mark) = read {
                marks.take(mark);
            }
            let step = if read.is_some() { MARK_BYTES } else { 1 };
            bytes = bytes.get(step..).unwrap_or_default();
        }
        marks
    }

    /// The fewest marks that say the same.
    pub fn to_marks(&self) -> Vec<Mark> {
        let mut out = vec![Mark::Floor(self.floor), Mark::Handed(self.handed)];
        out.extend(self.settled.iter().map(|(first, last)| Mark::Settled(*first, *last)));
        out
    }

    /// Adds what a mark says. Returns how many entries it settled that were not.
    pub fn take(&mut self, mark: Mark) -> u64 {
        match mark {
            Mark::Floor(next) => self.raise_floor(next),
            Mark::Settled(first, last) => self.settle(first, last),
            Mark::Handed(next) => {
                self.handed = self.handed.max(next);
                0
            }
        }
    }

    /// Every entry before this one is dealt with.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Entries before this one may have reached the destination.
    pub fn handed(&self) -> u64 {
        self.handed
    }

    /// The least number that no mark speaks of.
    pub fn beyond(&self) -> u64 {
        let last = self.settled.last_key_value().map_or(0, |(_, last)| last + 1);
        self.floor.max(self.handed).max(last)
    }

    /// Whether the entry is dealt with.
    pub fn is_settled(&self, sequence: u64) -> bool {
        let before = self.settled.range(..=sequence).next_back();
        sequence < self.floor || before.is_some_and(|(_, last)| *last >= sequence)
    }

    /// How many of the entries from `first` to before `end` are not dealt with.
    pub fn unsettled_within(&self, first: u64, end: u64) -> u64 {
        let first = first.max(self.floor);
        let begun_before = self.settled.range(..first).next_back();
        let settled: u64 = begun_before
            .into_iter()
            .chain(self.settled.range(first..end.max(first)))
            .map(|(from, last)| (last + 1).min(end).saturating_sub(*from.max(&first)))
            .sum();
        end.saturating_sub(first).saturating_sub(settled)
    }

    fn settle(&mut self, first: u64, last: u64) -> u64 {
        if last < first || last == u64::MAX {
            return 0;
        }
        let new = self.unsettled_within(first, last + 1);
        if last < self.floor {
            return new;
        }
        let (mut from, mut to) = (first.max(self.floor), last);
        // Whatever touches the range becomes part of it.
        while let Some((begin, end)) =
            self.settled.range(..=to.saturating_add(1)).next_back().map(|(b, e)| (*b, *e))
            && end.saturating_add(1) >= from
        {
            self.settled.remove(&begin);
            (from, to) = (from.min(begin), to.max(end));
        }
        if from == self.floor {
            self.floor = to + 1;
        } else {
            self.settled.insert(from, to);
        }
        new
    }

    fn raise_floor(&mut self, next: u64) -> u64 {
        if next <= self.floor {
            return 0;
        }
        let new = self.unsettled_within(self.floor, next);
        self.floor = next;
        while let Some((first, last)) = self.settled.first_key_value().map(|(f, l)| (*f, *l))
            && first <= self.floor
        {
            self.settled.remove(&first);
            self.floor = self.floor.max(last + 1);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_merge_and_raise_the_floor() {
        let mut marks = Marks::default();
        assert_eq!(marks.take(Mark::Settled(5, 6)), 2);
        assert_eq!(marks.take(Mark::Settled(8, 9)), 2);
        assert_eq!(marks.take(Mark::Settled(7, 7)), 1);
        assert_eq!(marks.to_marks()[2..], [Mark::Settled(5, 9)]);
        assert_eq!(marks.take(Mark::Settled(0, 6)), 5);
        assert_eq!((marks.floor(), marks.beyond()), (10, 10));
        assert_eq!(marks.take(Mark::Settled(20, 29)), 10);
        assert_eq!(marks.take(Mark::Floor(25)), 10);
        assert_eq!((marks.floor(), marks.beyond()), (30, 30));
        assert_eq!(marks.take(Mark::Handed(40)), 0);
        assert_eq!(marks.beyond(), 40);
    }

    #[test]
    fn impossible_marks_say_nothing() {
        let mut bytes = Mark::Settled(9, 3).to_bytes().to_vec();
        bytes.extend_from_slice(&Mark::Settled(3, u64::MAX).to_bytes());
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&Mark::Floor(2).to_bytes());
        let mut cut = Mark::Handed(7).to_bytes();
        cut[4] ^= 1;
        bytes.extend_from_slice(&cut);
        assert_eq!(Marks::read(&bytes), Marks { floor: 2, ..Marks::default() });
    }

    fn mark() -> impl Strategy<Value = Mark> {
        prop_oneof![
            (0..60_u64).prop_map(Mark::Floor),
            (0..80_u64, 0..8_u64).prop_map(|(first, more)| Mark::Settled(first, first + more)),
            (0..90_u64).prop_map(Mark::Handed),
        ]
    }

    proptest! {
        #[test]
        fn they_are_a_set_of_numbers(list in vec(mark(), 0..30), cut in 0..MARK_BYTES, from in 0..100_u64, count in 0..40_u64) {
            let (mut marks, mut model) = (Marks::default(), BTreeSet::new());
            let mut bytes = Vec::new();
            for mark in &list {
                let before = model.len();
                match *mark {
                    Mark::Floor(next) => model.extend(0..next),
                    Mark::Settled(first, last) => model.extend(first..=last),
                    Mark::Handed(_) => {}
                }
                prop_assert_eq!(marks.take(*mark), (model.len() - before) as u64);
                bytes.extend_from_slice(&mark.to_bytes());
            }
            for sequence in 0..100 {
                prop_assert_eq!(marks.is_settled(sequence), model.contains(&sequence));
            }
            let unsettled = (from..from + count).filter(|s| !model.contains(s)).count();
            prop_assert_eq!(marks.unsettled_within(from, from + count), unsettled as u64);
            prop_assert_eq!(&Marks::read(&bytes), &marks);
            let compact: Vec<u8> = marks.to_marks().into_iter().flat_map(Mark::to_bytes).collect();
            prop_assert_eq!(&Marks::read(&compact), &marks);
            // What a crash cut off costs one mark, and what was written after it is read.
            if let Some((last, before)) = list.split_last() {
                bytes.truncate(bytes.len() - MARK_BYTES);
                let whole = bytes.len();
                bytes.extend_from_slice(&last.to_bytes()[..cut]);
                bytes.extend_from_slice(&Mark::Handed(1_000).to_bytes());
                let read = Marks::read(&bytes);
                prop_assert_eq!(read.handed(), 1_000);
                prop_assert_eq!(read.floor(), Marks::read(&bytes[..whole]).floor());
                prop_assert!(before.len() * MARK_BYTES == whole);
            }
        }

        #[test]
        fn any_octets_are_read(bytes in vec(any::<u8>(), 0..200)) {
            let marks = Marks::read(&bytes);
            prop_assert!(marks.to_marks().len() <= 2 + bytes.len() / MARK_BYTES);
        }
    }
}
