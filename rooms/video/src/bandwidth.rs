//! How much each source is asked to send: what the receivers that see it can take, on a ladder of steps.

use model::Instant;
use std::time::Duration;

/// The steps, in bit/s: of somebody who is not shown in a large and in a small meeting, of somebody
/// who is shown, and of high definition.
pub const LADDER: [u64; 4] = [184_000, 450_000, 650_000, 1_400_000];
/// The most of slides.
pub const SLIDES_MOST: u64 = 1_200_000;
/// The least that slides are asked for: letters must stay readable.
pub const SLIDES_FLOOR: u64 = 320_000;
/// The least that a picture is asked for: a receiver that takes less has losses, and the others not.
pub const FLOOR: u64 = 128_000;
/// Meetings of more are large.
const SMALL_MEETING: usize = 4;
/// An estimate that is not repeated for so long does not count any more.
pub const REMB_LIFE: Duration = Duration::from_secs(10);
/// The least time between two steps for loss.
const LOSS_INTERVAL: Duration = Duration::from_millis(900);
/// Loss, in 1/256, up to which there is room for more, and from which there is too much.
const LITTLE_LOSS: u8 = 5;
const MUCH_LOSS: u8 = 26;
/// The least time between two limits of which the second is lower.
const LOWER_INTERVAL: Duration = Duration::from_millis(200);
/// The least time after any limit before a higher one.
const RAISE_INTERVAL: Duration = Duration::from_secs(5);
/// How often a limit is said again.
const REMB_REPEAT: Duration = Duration::from_secs(1);
const TMMBR_REPEAT: Duration = Duration::from_secs(5);
/// How long a source whose slices were too large is asked for less.
const SMALLER_SLICES: Duration = Duration::from_secs(30);

/// By which ways a source takes limits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct LimitWays {
    /// `a=rtcp-fb:… goog-remb`.
    pub remb: bool,
    /// `a=rtcp-fb:… ccm tmmbr`.
    pub tmmbr: bool,
}

/// What one receiver can take.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// What its description allows (`b=AS`, `b=TIAS`, `max-br`).
    ceiling: u64,
    remb: Option<(u64, Instant)>,
    tmmbr: Option<u64>,
    by_loss: u64,
    last_loss: Option<Instant>,
}

impl Estimate {
    /// A receiver whose description allows so many bit/s; `u64::MAX` where it says nothing.
    pub const fn new(ceiling: u64) -> Self {
        Estimate { ceiling, remb: None, tmmbr: None, by_loss: ceiling, last_loss: None }
    }

    /// It says what it estimates.
    pub fn handle_remb(&mut self, now: Instant, bits_per_second: u64) {
        self.remb = Some((bits_per_second, now));
    }

    /// It sets a limit, which holds until it sets another one (RFC 5104 section 4.2.1.2).
    pub fn handle_max_bit_rate(&mut self, bits_per_second: u64) {
        self.tmmbr = Some(bits_per_second);
    }

    /// A report block of it says so much loss, in 1/256. Over a tenth: half of that less; under a
    /// fiftieth: a twentieth more; between, nothing.
    pub fn handle_loss(&mut self, now: Instant, fraction_lost: u8, sent: u64) {
        if self.last_loss.is_some_and(|last| now - last < LOSS_INTERVAL) {
            return;
        }
        self.last_loss = Some(now);
        if fraction_lost >= MUCH_LOSS {
            // What is sent counts, not what might be.
            let from = self.by_loss.min(sent.max(FLOOR));
            self.by_loss = (from - from / 512 * u64::from(fraction_lost)).max(FLOOR);
        } else if fraction_lost <= LITTLE_LOSS {
            self.by_loss = self.by_loss.saturating_add(self.by_loss / 20 + 1_000).min(self.ceiling);
        }
    }

    /// What it can take now, in bit/s.
    pub fn bits_per_second(&self, now: Instant) -> u64 {
        let remb = self.remb.filter(|(_, at)| now - *at < REMB_LIFE).map(|(rate, _)| rate);
        [Some(self.ceiling), remb, self.tmmbr, Some(self.by_loss)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.ceiling)
    }
}

/// What a source is asked for where nobody's network is in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Situation {
    pub(crate) slides: bool,
    /// Somebody sees it, or is about to.
    pub(crate) shown: bool,
    pub(crate) participants: usize,
    /// The room lets it send high definition.
    pub(crate) high_definition: bool,
}

impl Situation {
    const fn most(self) -> u64 {
        match self {
            Situation { slides: true, .. } => SLIDES_MOST,
            Situation { shown: true, high_definition: true, .. } => LADDER[3],
            Situation { shown: true, .. } => LADDER[2],
            Situation { participants, .. } if participants <= SMALL_MEETING => LADDER[1],
            Situation { .. } => LADDER[0],
        }
    }
}

/// What a source was told, and when it is told again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourceLimit {
    told: Option<(u64, Instant)>,
    /// When the value changed last.
    changed: Option<Instant>,
    /// The most until then, because slices were too large.
    smaller: Option<(u64, Instant)>,
}

impl SourceLimit {
    /// A unit did not fit into a packet of somebody who takes single units alone.
    pub(crate) fn slices_too_large(&mut self, now: Instant) {
        // One step at a time: what was asked for must have been heard.
        if self.changed.is_some_and(|changed| now - changed < RAISE_INTERVAL) {
            return;
        }
        let Some((told, _)) = self.told else { return };
        let lower = LADDER.iter().rev().copied().find(|step| *step < told).unwrap_or(FLOOR);
        self.smaller = Some((lower, now + SMALLER_SLICES));
    }

    /// What it should send, from what those who see it can take.
    pub(crate) fn target(&self, now: Instant, situation: Situation, least: Option<u64>) -> u64 {
        let floor = if situation.slides { SLIDES_FLOOR } else { FLOOR };
        let smaller = self.smaller.filter(|(_, until)| now < *until).map(|(rate, _)| rate);
        let most = situation.most();
        most.min(least.unwrap_or(most)).min(smaller.unwrap_or(most)).max(floor)
    }

    /// What it was told, or would be if it took limits.
    pub(crate) fn told_or(&self, now: Instant, situation: Situation) -> u64 {
        self.told.map_or_else(|| self.target(now, situation, None), |(told, _)| told)
    }

    /// The limit to say now, if there is one to say.
    pub(crate) fn poll(&mut self, now: Instant, target: u64, ways: LimitWays) -> Option<u64> {
        if ways == LimitWays::default() {
            return None;
        }
        let repeat = if ways.remb { REMB_REPEAT } else { TMMBR_REPEAT };
        let Some((told, at)) = self.told else {
            self.changed = Some(now);
            self.told = Some((target, now));
            return Some(target);
        };
        let passed = now - at;
        let lower = target < told - told / 20 && passed >= LOWER_INTERVAL;
        let since_change = self.changed.map_or(Duration::MAX, |changed| now - changed);
        let higher = target > told.saturating_add(told / 10) && since_change >= RAISE_INTERVAL;
        if lower || higher {
            self.changed = Some(now);
            self.told = Some((target, now));
            return Some(target);
        }
        if passed >= repeat {
            self.told = Some((told, now));
            return Some(told);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }
    const TMMBR: LimitWays = LimitWays { remb: false, tmmbr: true };
    const SHOWN: Situation =
        Situation { slides: false, shown: true, participants: 3, high_definition: true };

    #[test]
    fn the_least_of_what_a_receiver_says_counts() {
        let mut estimate = Estimate::new(2_000_000);
        assert_eq!(estimate.bits_per_second(at(0)), 2_000_000);
        estimate.handle_max_bit_rate(900_000);
        estimate.handle_remb(at(0), 500_000);
        assert_eq!(estimate.bits_per_second(at(9_999)), 500_000);
        assert_eq!(estimate.bits_per_second(at(10_000)), 900_000, "an old estimate is none");
        estimate.handle_max_bit_rate(u64::MAX);
        assert_eq!(estimate.bits_per_second(at(10_000)), 2_000_000);
    }

    #[test]
    fn loss_lowers_what_is_sent_and_its_absence_raises_it() {
        let mut estimate = Estimate::new(1_400_000);
        estimate.handle_loss(at(0), 51, 650_000);
        let lower = estimate.bits_per_second(at(0));
        assert!((580_000..590_000).contains(&lower), "a tenth of 650,000 less: {lower}");
        estimate.handle_loss(at(100), 255, 650_000);
        assert_eq!(estimate.bits_per_second(at(100)), lower, "not twice in one interval");
        estimate.handle_loss(at(1_000), 12, 650_000);
        assert_eq!(estimate.bits_per_second(at(1_000)), lower, "between the bounds");
        for second in 2..200 {
            estimate.handle_loss(at(second * 1_000), 0, 650_000);
        }
        assert_eq!(estimate.bits_per_second(at(200_000)), 1_400_000);
        for second in 200..300 {
            estimate.handle_loss(at(second * 1_000), 255, 1_000);
        }
        assert_eq!(estimate.bits_per_second(at(300_000)), FLOOR);
    }

    #[test]
    fn the_ladder_follows_the_meeting() {
        let limit = SourceLimit::default();
        let target = |situation| limit.target(at(0), situation, None);
        assert_eq!(target(SHOWN), 1_400_000);
        assert_eq!(target(Situation { high_definition: false, ..SHOWN }), 650_000);
        assert_eq!(target(Situation { shown: false, participants: 4, ..SHOWN }), 450_000);
        assert_eq!(target(Situation { shown: false, participants: 5, ..SHOWN }), 184_000);
        assert_eq!(target(Situation { slides: true, ..SHOWN }), 1_200_000);
        assert_eq!(limit.target(at(0), SHOWN, Some(1)), FLOOR);
        let slides = Situation { slides: true, ..SHOWN };
        assert_eq!(limit.target(at(0), slides, Some(1)), SLIDES_FLOOR);
    }

    #[test]
    fn less_is_said_at_once_and_more_after_a_while() {
        let mut limit = SourceLimit::default();
        assert_eq!(limit.poll(at(0), 650_000, LimitWays::default()), None);
        assert_eq!(limit.poll(at(0), 650_000, TMMBR), Some(650_000));
        assert_eq!(limit.poll(at(100), 300_000, TMMBR), None, "a moment ago");
        assert_eq!(limit.poll(at(200), 300_000, TMMBR), Some(300_000));
        assert_eq!(limit.poll(at(300), 299_000, TMMBR), None, "hardly less");
        assert_eq!(limit.poll(at(5_199), 650_000, TMMBR), None);
        assert_eq!(limit.poll(at(5_200), 650_000, TMMBR), Some(650_000));
        assert_eq!(limit.poll(at(10_199), 650_000, TMMBR), None);
        assert_eq!(limit.poll(at(10_200), 650_000, TMMBR), Some(650_000), "said again");
        let remb = LimitWays { remb: true, tmmbr: false };
        assert_eq!(limit.poll(at(11_200), 650_000, remb), Some(650_000));
    }

    #[test]
    fn slices_that_are_too_large_go_down_a_step() {
        let mut limit = SourceLimit::default();
        limit.slices_too_large(at(0));
        assert_eq!(limit.target(at(0), SHOWN, None), 1_400_000, "nothing was said yet");
        limit.poll(at(0), 1_400_000, TMMBR);
        limit.slices_too_large(at(5_000));
        assert_eq!(limit.target(at(5_000), SHOWN, None), 650_000);
        limit.poll(at(5_000), 650_000, TMMBR);
        limit.slices_too_large(at(6_000));
        assert_eq!(limit.target(at(6_000), SHOWN, None), 650_000, "give it time");
        limit.slices_too_large(at(10_000));
        assert_eq!(limit.target(at(10_000), SHOWN, None), 450_000);
        assert_eq!(limit.target(at(40_000), SHOWN, None), 1_400_000);
    }
}
