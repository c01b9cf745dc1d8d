//! A network of one seed: what it loses, repeats and holds back.

use sip_proto::Random;
use std::time::Duration;

/// A small generator (SplitMix64) whose whole course follows from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Whether something of this probability in percent happens.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A time from `least` up to `most` milliseconds.
    pub(crate) fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

impl Random for Rng {
    fn next_u64(&mut self) -> u64 {
        self.next()
    }
}

/// What the network does to datagrams; chances in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    loss: u64,
    repetition: u64,
    /// A datagram comes up to this much later than the quickest, and so after later ones.
    spread_ms: u64,
    revenants: u64,
}

impl Conditions {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Conditions {
            loss: rng.pick(&[0, 0, 2, 5, 10, 20]),
            repetition: rng.pick(&[0, 0, 3, 10]),
            spread_ms: rng.pick(&[0, 5, 50, 400, 1500]),
            revenants: rng.pick(&[0, 0, 2]),
        }
    }

    /// How many of a hundred datagrams wake an old one, which then arrives once more.
    pub(crate) fn revenants(self) -> u64 {
        self.revenants
    }

    /// When the copies of a datagram arrive: none, one or two delays.
    pub(crate) fn delays(self, rng: &mut Rng) -> Vec<Duration> {
        if rng.percent(self.loss) {
            return Vec::new();
        }
        let copies = if rng.percent(self.repetition) { 2 } else { 1 };
        (0..copies).map(|_| rng.millis(1, 1 + self.spread_ms)).collect()
    }
}
