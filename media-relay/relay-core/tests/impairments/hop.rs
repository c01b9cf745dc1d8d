//! A lossy hop, deterministic by its seed: it knows what it lost, repeated and overtook, and when
//! each packet went on.

use std::collections::HashSet;
use std::time::Duration;

/// Time between two packets of the sender, by its own clock.
pub(crate) const PACKET: Duration = Duration::from_millis(20);

/// What becomes of packets. The default harms nothing.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Hop {
    pub(crate) loss: Loss,
    /// Share of packets that come a second time, up to 30 ms after the first.
    pub(crate) duplicated: f64,
    /// Share of packets that are held back for 45 ms, so that the next two overtake them.
    pub(crate) held: f64,
    /// Each packet takes 0 to this much longer, uniformly.
    pub(crate) jitter: Duration,
    /// How much slower than true the sender's clock is, in millionths; negative is faster.
    pub(crate) drift_ppm: i32,
}

/// Which packets are lost.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) enum Loss {
    #[default]
    None,
    /// Each with this probability.
    Random(f64),
    /// Gilbert-Elliott: good and bad stretches.
    Bursts {
        /// Probability that a good stretch ends with a packet.
        begin: f64,
        /// Probability that a bad one does.
        end: f64,
        /// Share lost in bad stretches; nothing is lost in good ones.
        lost: f64,
    },
}

/// One packet that leaves the hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delivery {
    /// The sender's count, from 0.
    pub(crate) number: u64,
    /// When it leaves, counted from the first packet's sending.
    pub(crate) at: Duration,
}

/// What the hop did.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    /// In the order of leaving.
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether packet `n` was lost.
    pub(crate) lost: Vec<bool>,
    /// Packets that left twice.
    pub(crate) duplicated: u64,
}

impl Hop {
    /// Sends `count` packets through.
    pub(crate) fn pass(&self, count: u64, seed: u64) -> Passage {
        let mut random = Random(seed);
        let mut deliveries = Vec::new();
        let mut lost = Vec::new();
        let (mut is_bad, mut duplicated) = (false, 0);
        for number in 0..count {
            let gone = self.loss.takes(&mut is_bad, &mut random);
            lost.push(gone);
            let held = if random.happens(self.held) { 45_000_000 } else { 0 };
            let delay = held + random.below(self.jitter.as_nanos() as u64);
            let again = random.happens(self.duplicated).then(|| random.below(30_000_000));
            if gone {
                continue;
            }
            let at = self.sent(number) + Duration::from_nanos(delay);
            deliveries.push(Delivery { number, at });
            if let Some(later) = again {
                duplicated += 1;
                deliveries.push(Delivery { number, at: at + Duration::from_nanos(later) });
            }
        }
        deliveries.sort_by_key(|delivery| delivery.at);
        Passage { deliveries, lost, duplicated }
    }

    /// When the sender, by whose clock it is time, sends packet `number`.
    fn sent(&self, number: u64) -> Duration {
        let nanos = i128::from(number) * PACKET.as_nanos() as i128;
        let true_nanos = nanos + nanos * i128::from(self.drift_ppm) / 1_000_000;
        Duration::from_nanos(true_nanos as u64)
    }
}

impl Loss {
    fn takes(self, is_bad: &mut bool, random: &mut Random) -> bool {
        match self {
            Loss::None => false,
            Loss::Random(share) => random.happens(share),
            Loss::Bursts { begin, end, lost } => {
                *is_bad = if *is_bad { !random.happens(end) } else { random.happens(begin) };
                *is_bad && random.happens(lost)
            }
        }
    }
}

impl Passage {
    /// Packets that left for the first time after a later one had left.
    pub(crate) fn overtaken(&self) -> u64 {
        let (mut seen, mut highest, mut overtaken) = (HashSet::new(), 0, 0);
        for Delivery { number, .. } in &self.deliveries {
            if seen.insert(*number) && *number < highest {
                overtaken += 1;
            }
            highest = highest.max(*number);
        }
        overtaken
    }

    /// The first and the last packet that left: all that a receiver can know of the stream's ends.
    pub(crate) fn ends(&self) -> (u64, u64) {
        let numbers = || self.deliveries.iter().map(|delivery| delivery.number);
        (numbers().min().unwrap(), numbers().max().unwrap())
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(end)) >> 64) as u64
    }

    fn happens(&mut self, share: f64) -> bool {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0
    }
}
