//! Sequence numbers with their wraps counted, and sources that start over (RFC 3550 appendix A.1).

/// A forward jump of this many or more is no loss but another stream (RFC 3550 A.1): a minute of
/// 20 ms packets.
pub const MAX_DROPOUT: u16 = 3_000;
/// A packet this many or more behind the highest is no reordering but another stream (A.1).
pub const MAX_MISORDER: u16 = 100;
/// Packets in sequence that make an unknown source valid (A.1).
pub const MIN_SEQUENTIAL: u8 = 2;

/// The highest sequence number of a source, extended by its wraps.
///
/// Extended numbers begin one cycle up (the first packet's is 65,536 + its sequence), so that a
/// packet from just before the first one has a number too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedSequence {
    highest: u64,
    base: u64,
    /// The sequence that would prove that a jump was a restart (A.1's `bad_seq`).
    awaited: Option<u16>,
    probation: u8,
}

/// What one packet did to an [`ExtendedSequence`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SequenceStep {
    /// The source is not valid yet: more packets in sequence must come first.
    Probation,
    /// In sequence, `by` numbers after the highest (1: nothing missing between).
    Ahead {
        /// 1 to [`MAX_DROPOUT`] - 1.
        by: u16,
    },
    /// The highest again, or earlier: a duplicate or out of order.
    Behind {
        /// 0 to [`MAX_MISORDER`] - 1; any distance of a packet that its sender was asked for.
        by: u16,
    },
    /// A jump; not counted unless the next packet confirms it.
    Jumped,
    /// Two packets in sequence after a jump: the source started over. The base is now the first
    /// of the two; A.1 would start with the second and forget the first.
    Restarted,
}

impl ExtendedSequence {
    /// A source that must first prove itself by [`MIN_SEQUENTIAL`] packets in sequence. `first`
    /// is the first packet's number; [`ExtendedSequence::update`] takes it next.
    pub const fn new(first: u16) -> Self {
        let before = extend(first) - 1;
        ExtendedSequence {
            highest: before,
            base: before + 1,
            awaited: None,
            probation: MIN_SEQUENTIAL,
        }
    }

    /// A source that is valid by other means (its address was agreed and latched): `first` counts
    /// at once and has been taken.
    pub const fn accepted(first: u16) -> Self {
        let base = extend(first);
        ExtendedSequence { highest: base, base, awaited: None, probation: 0 }
    }

    /// Takes the next packet in order of arrival.
    #[inline]
    pub fn update(&mut self, sequence: u16) -> SequenceStep {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if self.probation > 0 {
            return self.update_on_probation(sequence, ahead);
        }
        if ahead == 0 {
            return SequenceStep::Behind { by: 0 };
        }
        if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.awaited = None;
            return SequenceStep::Ahead { by: ahead };
        }
        let behind = ahead.wrapping_neg();
        if behind < MAX_MISORDER {
            return SequenceStep::Behind { by: behind };
        }
        if self.awaited == Some(sequence) {
            self.base = extend(sequence.wrapping_sub(1));
            self.highest = self.base + 1;
            self.awaited = None;
            return SequenceStep::Restarted;
        }
        self.awaited = Some(sequence.wrapping_add(1));
        SequenceStep::Jumped
    }

    /// The same of a sender that is asked for lost packets again. One that answers is not the begin of
    /// another stream, however late it is and however many come in sequence: A.1 knows of no packets that
    /// are sent twice. `was_asked` says whether this one does; it is only asked of a packet that jumps.
    #[inline]
    pub fn update_or_answered(
        &mut self,
        sequence: u16,
        was_asked: impl FnOnce() -> bool,
    ) -> SequenceStep {
        let before = *self;
        let step = self.update(sequence);
        let jumps = matches!(step, SequenceStep::Jumped | SequenceStep::Restarted);
        if !jumps || !was_asked() {
            return step;
        }
        *self = before;
        SequenceStep::Behind { by: (before.highest as u16).wrapping_sub(sequence) }
    }

    fn update_on_probation(&mut self, sequence: u16, ahead: u16) -> SequenceStep {
        if ahead != 1 {
            // A.1: start over with this packet as the first of the run.
            *self = ExtendedSequence::new(sequence);
        }
        self.highest += 1;
        self.probation -= 1;
        if self.probation > 0 {
            return SequenceStep::Probation;
        }
        // A.1 begins to count here.
        self.base = self.highest;
        SequenceStep::Ahead { by: 1 }
    }

    /// The highest extended number.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// The first extended number that counts.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The highest number in the 32 bits of a report block (RFC 3550 section 6.4.1): wraps in the
    /// high half, counted from 0.
    pub const fn report_value(&self) -> u32 {
        (self.highest as u32).wrapping_sub(1 << 16)
    }

    /// Packets that should have come so far (A.3's `expected`); 0 on probation.
    pub const fn expected(&self) -> u64 {
        if self.probation > 0 { 0 } else { self.highest - self.base + 1 }
    }

    /// Whether the source is still unproven.
    pub const fn on_probation(&self) -> bool {
        self.probation > 0
    }
}

const fn extend(sequence: u16) -> u64 {
    (1 << 16) + sequence as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_packets_in_sequence_end_the_probation() {
        let mut sequence = ExtendedSequence::new(10);
        assert_eq!(sequence.update(10), SequenceStep::Probation);
        assert_eq!(sequence.update(12), SequenceStep::Probation);
        assert_eq!(sequence.expected(), 0);
        assert_eq!(sequence.update(13), SequenceStep::Ahead { by: 1 });
        // A.1 counts from the packet that ended the probation.
        assert_eq!((sequence.expected(), sequence.base() as u16), (1, 13));
    }

    #[test]
    fn wraps_extend_the_number() {
        let mut sequence = ExtendedSequence::accepted(65_534);
        assert_eq!(sequence.update(65_535), SequenceStep::Ahead { by: 1 });
        assert_eq!(sequence.update(1), SequenceStep::Ahead { by: 2 });
        assert_eq!(sequence.update(0), SequenceStep::Behind { by: 1 });
        // 65534, 65535, 0, 1: four expected; one wrap in the high half of the report's value.
        assert_eq!(sequence.expected(), 4);
        assert_eq!(sequence.report_value(), 0x0001_0001);
    }

    #[test]
    fn both_sides_of_the_dropout_limit() {
        let mut near = ExtendedSequence::accepted(0);
        assert_eq!(near.update(MAX_DROPOUT - 1), SequenceStep::Ahead { by: MAX_DROPOUT - 1 });
        let mut far = ExtendedSequence::accepted(0);
        assert_eq!(far.update(MAX_DROPOUT), SequenceStep::Jumped);
        assert_eq!(far.expected(), 1);
    }

    #[test]
    fn both_sides_of_the_misorder_limit() {
        let mut sequence = ExtendedSequence::accepted(1_000);
        assert_eq!(sequence.update(1_000), SequenceStep::Behind { by: 0 });
        assert_eq!(sequence.update(901), SequenceStep::Behind { by: 99 });
        assert_eq!(sequence.update(900), SequenceStep::Jumped);
    }

    #[test]
    fn a_jump_is_a_restart_only_when_the_next_packet_confirms_it() {
        let mut sequence = ExtendedSequence::accepted(0);
        assert_eq!(sequence.update(30_000), SequenceStep::Jumped);
        assert_eq!(sequence.update(1), SequenceStep::Ahead { by: 1 });
        // The jump before was a stray: its successor proves nothing any more.
        assert_eq!(sequence.update(30_001), SequenceStep::Jumped);
        assert_eq!(sequence.update(30_002), SequenceStep::Restarted);
        assert_eq!(sequence.expected(), 2);
        assert_eq!(sequence.update(30_003), SequenceStep::Ahead { by: 1 });
        assert_eq!(sequence.expected(), 3);
    }

    #[test]
    fn a_restart_across_the_wrap_keeps_its_base_below_its_highest() {
        let mut sequence = ExtendedSequence::accepted(30_000);
        assert_eq!(sequence.update(65_535), SequenceStep::Jumped);
        assert_eq!(sequence.update(0), SequenceStep::Restarted);
        assert_eq!(sequence.expected(), 2);
    }

    #[test]
    fn what_was_asked_for_is_no_restart_however_late_it_comes() {
        let mut sequence = ExtendedSequence::accepted(1_000);
        for late in [800, 801, 802] {
            let step = sequence.update_or_answered(late, || true);
            assert_eq!(step, SequenceStep::Behind { by: 1_000 - late });
        }
        assert_eq!(sequence, ExtendedSequence::accepted(1_000));
        // Neither does it confirm a jump, nor hide one.
        assert_eq!(sequence.update_or_answered(500, || false), SequenceStep::Jumped);
        assert_eq!(sequence.update_or_answered(700, || true), SequenceStep::Behind { by: 300 });
        assert_eq!(sequence.update_or_answered(501, || false), SequenceStep::Restarted);
        assert_eq!(sequence.update_or_answered(502, || panic!()), SequenceStep::Ahead { by: 1 });
    }

    proptest! {
        #[test]
        fn any_order_keeps_the_count_sound(first: u16, steps in prop::collection::vec(any::<u16>(), 0..200)) {
            for mut sequence in [ExtendedSequence::new(first), ExtendedSequence::accepted(first)] {
                for &step in &steps {
                    let before = sequence;
                    match sequence.update(step) {
                        SequenceStep::Ahead { by } if !before.on_probation() => {
                            prop_assert_eq!(sequence.highest(), before.highest() + u64::from(by));
                        }
                        SequenceStep::Behind { .. } | SequenceStep::Jumped => {
                            prop_assert_eq!(sequence.highest(), before.highest());
                        }
                        _ => {}
                    }
                    prop_assert!(sequence.base() <= sequence.highest() + 1);
                }
            }
        }
    }
}
