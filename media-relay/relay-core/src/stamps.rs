//! Which timestamps the last packets of a source had.
//!
//! Less than [`MISORDER_IN_SRTP`] numbers back, a sequence number by itself does not tell a source that
//! started over from a packet that is repeated (RFC 3550 appendix A.1 takes it for the latter). The
//! timestamp does: a repetition has that of the packet which it repeats (section 5.1), and one that was
//! drawn anew has it by chance once in 2^32 times.

use crate::outbound::{MISORDER_IN_SRTP, Numbers};

/// Numbers that are remembered, a power of two: all that may be taken for repeated.
const KEPT: usize = 128;
const _: () = assert!(KEPT >= MISORDER_IN_SRTP as usize && KEPT.is_power_of_two());

/// The timestamps of one source, by number. 772 octets; a packet reads and writes one place.
#[derive(Debug)]
pub(crate) struct Stamps {
    ssrc: u32,
    /// Which number's timestamp stands at a place; one that does not belong there for none.
    numbers: [u16; KEPT],
    timestamps: [u32; KEPT],
}

impl Stamps {
    pub(crate) const fn new() -> Self {
        Stamps { ssrc: 0, numbers: Self::NONE, timestamps: [0; KEPT] }
    }

    /// At each place a number that belongs to the next one.
    const NONE: [u16; KEPT] = {
        let mut numbers = [0; KEPT];
        let mut place = 0;
        while place < KEPT {
            numbers[place] = place as u16 + 1;
            place += 1;
        }
        numbers
    };

    /// Takes a packet; `true` when its number came before with another timestamp.
    #[inline]
    pub(crate) fn is_other(&mut self, packet: Numbers) -> bool {
        if packet.ssrc != self.ssrc {
            self.begin(packet);
        }
        let place = usize::from(packet.sequence) % KEPT;
        let came = self.numbers[place] == packet.sequence;
        let is_other = came && self.timestamps[place] != packet.timestamp;
        self.numbers[place] = packet.sequence;
        self.timestamps[place] = packet.timestamp;
        is_other
    }

    #[cold]
    fn begin(&mut self, first: Numbers) {
        *self = Stamps { ssrc: first.ssrc, ..Stamps::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Numbers {
        Numbers { ssrc: 7, sequence, timestamp }
    }

    /// Whatever the first number is, an empty place belongs to none.
    #[test]
    fn the_first_of_each_number_is_no_other() {
        for sequence in 0..=u16::MAX {
            assert!(!Stamps::new().is_other(packet(sequence, 1)), "{sequence}");
        }
    }

    #[test]
    fn a_number_that_comes_again_is_told_by_its_timestamp() {
        for begin in [0, 1_000, u16::MAX - 50] {
            let mut stamps = Stamps::new();
            let number = |n: u16| begin.wrapping_add(n);
            for n in 0..120 {
                assert!(!stamps.is_other(packet(number(n), u32::from(n) * 160)));
            }
            for n in [119, 60, 20] {
                assert!(!stamps.is_other(packet(number(n), u32::from(n) * 160)), "repeated");
            }
            // It starts over 60 back, and loses the second one.
            assert!(stamps.is_other(packet(number(60), 5_000)));
            assert!(stamps.is_other(packet(number(62), 5_320)));
            // That one comes late, and the third one again.
            assert!(stamps.is_other(packet(number(61), 5_160)));
            assert!(!stamps.is_other(packet(number(62), 5_320)));
            assert!(stamps.is_other(packet(number(63), 5_480)));
        }
    }

    #[test]
    fn another_source_and_a_former_round_say_nothing() {
        let mut stamps = Stamps::new();
        assert!(!stamps.is_other(packet(10, 1)));
        assert!(!stamps.is_other(Numbers { ssrc: 8, ..packet(10, 2) }));
        assert!(!stamps.is_other(packet(10, 3)), "the other one's are forgotten");
        for n in 11..=10 + KEPT as u16 {
            assert!(!stamps.is_other(packet(n, 4)));
        }
        assert!(!stamps.is_other(packet(10, 5)), "its place was taken");
    }
}
