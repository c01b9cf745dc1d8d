//! What a context remembers of each SSRC: the highest index and which of those before it were seen.

use super::SrtpError;

/// Packets behind the highest of which is known whether they came (RFC 3711 section 3.3.2 wants at
/// least 64).
const WINDOW: u64 = u128::BITS as u64;
/// SSRCs that a new context has room for.
const AT_FIRST: usize = 16;
/// SSRCs that a context ever has room for.
const AT_MOST: usize = 256;
/// The last index of SRTP: 32 bits of roll-over counter, 16 of sequence number.
const LAST_RTP_INDEX: u64 = (1 << 48) - 1;

/// One SSRC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Source {
    /// Bit n: index `highest` - n was seen. 0: none was yet.
    seen: u128,
    /// While nothing was seen under this key: the highest under the key before, or 0.
    highest: u64,
    ssrc: u32,
}

impl Source {
    const fn new(ssrc: u32) -> Self {
        Source { seen: 0, highest: 0, ssrc }
    }

    /// The index that a sequence number most probably stands for (RFC 3711 section 3.3.1, appendix
    /// A): the one nearest to the highest. The counter begins at 0, and nothing comes before that.
    #[inline]
    pub(super) fn rtp_index(&self, sequence: u16) -> Result<u64, SrtpError> {
        let sequence = u64::from(sequence);
        if self.is_new() {
            return Ok(sequence);
        }
        let (cycle, highest) = (self.highest & !0xffff, self.highest & 0xffff);
        let index = if highest < 0x8000 {
            let before = sequence > highest + 0x8000;
            if before { (cycle + sequence).checked_sub(0x1_0000) } else { Some(cycle + sequence) }
                .unwrap_or(sequence)
        } else if sequence + 0x8000 < highest {
            cycle + 0x1_0000 + sequence
        } else {
            cycle + sequence
        };
        if index > LAST_RTP_INDEX { Err(SrtpError::KeyExhausted) } else { Ok(index) }
    }

    /// Whether the roll-over counter is that of the key before, and nothing has come yet to show
    /// whether the peer continues it.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        self.seen == 0 && self.highest > 0
    }

    /// Whether nothing is known of the SSRC.
    #[inline]
    pub(super) const fn is_new(&self) -> bool {
        self.seen == 0 && self.highest == 0
    }

    /// The SSRC, and its highest sequence number.
    pub(super) const fn highest(&self) -> (u32, u16) {
        (self.ssrc, self.highest as u16)
    }

    /// Whether an index stands for a number before the first cycle: nearer to the highest that way.
    #[inline]
    pub(super) const fn is_before_the_first(&self, index: u64) -> bool {
        !self.is_new() && index > self.highest + 0x8000
    }

    /// Refuses an index that was noted, or that the window no longer tells about.
    #[inline]
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let is_new = match self.highest.checked_sub(index) {
            _ if self.seen == 0 => true,
            None => true,
            Some(behind) => behind < WINDOW && self.seen >> behind & 1 == 0,
        };
        if is_new { Ok(()) } else { Err(SrtpError::Replayed) }
    }

    /// Remembers an index that was checked.
    #[inline]
    pub(super) fn note(&mut self, index: u64) {
        if self.seen == 0 {
            (self.highest, self.seen) = (index, 1);
        } else if index > self.highest {
            let ahead = index - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
            self.highest = index;
        } else if self.highest - index < WINDOW {
            self.seen |= 1 << (self.highest - index);
        }
    }
}

/// The SSRCs of one context. When it is full, new SSRCs are refused and none is forgotten: a sender
/// that forgot would encrypt twice with one keystream, a receiver would take packets again.
#[derive(Debug)]
pub(super) struct Sources {
    known: Vec<Source>,
    /// Where the last one asked for stands.
    recent: usize,
}

impl Sources {
    pub(super) fn new() -> Self {
        Sources { known: Vec::with_capacity(AT_FIRST), recent: 0 }
    }

    /// The same SSRCs and roll-over counters under a new key, of which nothing was seen.
    pub(super) fn inherited(&self) -> Self {
        let mut sources = self.copy();
        sources.known.iter_mut().for_each(|source| source.seen = 0);
        sources.make_room();
        sources
    }

    /// The same once more, with the same room.
    pub(super) fn copy(&self) -> Self {
        let mut known = Vec::with_capacity(self.known.capacity());
        known.extend_from_slice(&self.known);
        Sources { known, recent: 0 }
    }

    /// Takes the SSRCs of `other` that are not known, while there is room.
    pub(super) fn learn(&mut self, other: &Sources) {
        for source in &other.known {
            self.make_room();
            if self.find(source.ssrc).is_none() && self.set(*source).is_err() {
                return;
            }
        }
    }

    /// Doubles the room, up to 256, when more than half is used.
    pub(super) fn make_room(&mut self) {
        let (used, room) = (self.known.len(), self.known.capacity());
        if used > room / 2 && room < AT_MOST {
            self.known.reserve_exact((2 * room).min(AT_MOST) - used);
        }
    }

    /// What is known of an SSRC.
    #[inline]
    pub(super) fn get(&mut self, ssrc: u32) -> Source {
        match self.find(ssrc) {
            Some(source) => *source,
            None => Source::new(ssrc),
        }
    }

    /// An SSRC, or, where nothing is known of it, the one that was found last.
    pub(super) fn known_or_recent(&mut self, ssrc: u32) -> Option<&Source> {
        self.find(ssrc);
        self.known.get(self.recent)
    }

    /// Replaces what is known of an SSRC.
    #[inline]
    pub(super) fn set(&mut self, source: Source) -> Result<(), SrtpError> {
        if let Some(known) = self.find(source.ssrc) {
            *known = source;
            return Ok(());
        }
        if self.known.len() == self.known.capacity() {
            return Err(SrtpError::TooManySources);
        }
        self.known.push(source);
        Ok(())
    }

    #[inline]
    fn find(&mut self, ssrc: u32) -> Option<&mut Source> {
        if self.known.get(self.recent).is_none_or(|source| source.ssrc != ssrc) {
            self.recent = self.known.iter().position(|source| source.ssrc == ssrc)?;
        }
        self.known.get_mut(self.recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn at(highest: u64) -> Source {
        let mut source = Source::new(1);
        source.note(highest);
        source
    }

    #[test]
    fn indices_are_guessed_on_both_sides_of_every_limit() {
        for (highest, sequence, expected) in [
            (0x1_0000, 0x8000, 0x1_8000),
            (0x1_0000, 0x8001, 0x8001),
            (0x1_7fff, 0xffff, 0x1_ffff),
            (0x1_7ffe, 0xffff, 0xffff),
            (0x1_8000, 0x0000, 0x1_0000),
            (0x1_8001, 0x0000, 0x2_0000),
            (0x1_ffff, 0x7ffe, 0x2_7ffe),
            (0x1_ffff, 0x7fff, 0x1_7fff),
            // Nothing is before the first cycle.
            (0x0_0000, 0xffff, 0xffff),
        ] {
            let guess = at(highest).rtp_index(sequence);
            assert_eq!(guess, Ok(expected), "{sequence:#x} after {highest:#x}");
        }
        assert_eq!(Source::new(1).rtp_index(0xffff), Ok(0xffff));
        let inherited = Source { seen: 0, ..at(0x1_ffff) };
        assert_eq!(inherited.rtp_index(3), Ok(0x2_0003));
        assert_eq!(at(LAST_RTP_INDEX).rtp_index(0), Err(SrtpError::KeyExhausted));
        assert_eq!(at(LAST_RTP_INDEX - 1).rtp_index(0xffff), Ok(LAST_RTP_INDEX));
    }

    #[test]
    fn the_window_has_128_places() {
        let source = at(1_000);
        assert_eq!(source.check(1_000), Err(SrtpError::Replayed));
        assert_eq!(source.check(999), Ok(()));
        assert_eq!(source.check(873), Ok(()));
        assert_eq!(source.check(872), Err(SrtpError::Replayed));
        assert_eq!(source.check(1_001), Ok(()));
    }

    #[test]
    fn a_full_context_refuses_new_sources_until_there_is_room_and_forgets_none() {
        let mut sources = Sources::new();
        let mut taken = 0;
        let mut rooms = Vec::new();
        for _ in 0..10 {
            while sources.set(Source { ssrc: taken, ..at(7) }).is_ok() {
                taken += 1;
            }
            rooms.push(taken);
            sources.make_room();
        }
        assert_eq!(rooms[..6], [16, 32, 64, 128, 256, 256]);
        assert_eq!(sources.get(3).check(7), Err(SrtpError::Replayed));
        assert_eq!(sources.set(Source { ssrc: 3, ..at(8) }), Ok(()));
    }

    proptest! {
        #[test]
        fn each_index_is_taken_once(indices in prop::collection::vec(0..400_u64, 0..300)) {
            let mut source = Source::new(1);
            let (mut taken, mut highest) = (HashSet::new(), 0);
            for index in indices {
                let is_old = !taken.is_empty() && index + WINDOW <= highest;
                let expected = !is_old && !taken.contains(&index);
                prop_assert_eq!(source.check(index).is_ok(), expected);
                if expected {
                    source.note(index);
                    taken.insert(index);
                    highest = highest.max(index);
                }
            }
        }

        #[test]
        fn any_order_within_half_a_cycle_is_guessed_right(
            start in 0..0x1_0000_u64,
            steps in prop::collection::vec(-0x7f00..0x7f00_i64, 0..200),
        ) {
            let mut source = at(start + 0x1_0000);
            for step in steps {
                let index = source.highest.saturating_add_signed(step).max(0x1_0000);
                prop_assert_eq!(source.rtp_index(index as u16), Ok(index));
                source.note(index);
            }
        }
    }
}
