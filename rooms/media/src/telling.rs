//! When signalling is told how a leg is heard. Pure: one call for each frame.

use model::Heard;

/// Frames between two words about somebody who speaks: a second.
const AGAIN: u32 = 50;
/// Frames between any two words about one leg: 200 ms. What changes sooner is told then.
const LEAST: u32 = 10;

/// What was told of one leg.
#[derive(Debug)]
pub(crate) struct Telling {
    /// Whether it speaks, and is the active speaker.
    told: (bool, bool),
    /// Frames since.
    since: u32,
    /// The loudest frame since, in dBov.
    loudest: f32,
}

impl Default for Telling {
    /// Nothing is known of it, which is that it is silent.
    fn default() -> Self {
        Telling { told: (false, false), since: LEAST, loudest: f32::NEG_INFINITY }
    }
}

impl Telling {
    /// Takes a frame: its level in dBov, and both words. What is to be told, if anything.
    pub(crate) fn take(
        &mut self,
        level: f32,
        is_speaking: bool,
        is_active_speaker: bool,
    ) -> Option<Heard> {
        self.since = self.since.saturating_add(1);
        self.loudest = self.loudest.max(level);
        let is_changed = self.told != (is_speaking, is_active_speaker) && self.since > LEAST;
        let is_due = is_changed || is_speaking && self.since >= AGAIN;
        if !is_due {
            return None;
        }
        // Who has fallen silent is as loud as it is now.
        let level = if is_speaking { self.loudest } else { level };
        (self.told, self.since) = ((is_speaking, is_active_speaker), 0);
        self.loudest = f32::NEG_INFINITY;
        let level = (-level).clamp(0.0, 127.0) as u8;
        Some(Heard { is_speaking, is_active_speaker, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_at_once_and_who_speaks_once_a_second() {
        let mut telling = Telling::default();
        for _ in 0..1_000 {
            assert_eq!(telling.take(-70.0, false, false), None, "silence is what is known");
        }
        let heard = |level| Heard { is_speaking: true, is_active_speaker: false, level };
        assert_eq!(telling.take(-30.0, true, false), Some(heard(30)));
        for n in 1..=150 {
            let level = if n % 50 == 7 { -12.0 } else { -26.0 };
            let told = telling.take(level, true, false);
            assert_eq!(
                told,
                (n % 50 == 0).then_some(heard(12)),
                "frame {n}: the loudest of a second"
            );
        }
        let active = telling.take(-26.0, true, true);
        assert_eq!(active, None, "too soon");
        let told = (0..LEAST).find_map(|_| telling.take(-26.0, true, true)).unwrap();
        assert!(told.is_active_speaker);
        let told = (0..=LEAST).find_map(|_| telling.take(-90.0, false, true)).unwrap();
        assert_eq!((told.is_speaking, told.is_active_speaker, told.level), (false, true, 90));
    }

    #[test]
    fn whatever_changes_how_often_five_a_second_are_told() {
        let mut telling = Telling::default();
        let told = (0..1_000).filter(|n| telling.take(f32::NAN, n % 2 == 0, n % 3 == 0).is_some());
        let count = told.count();
        assert!((50..=100).contains(&count), "{count} in 20 s");
        let level =
            (0..=AGAIN).find_map(|_| telling.take(f32::NEG_INFINITY, true, true)).unwrap().level;
        assert_eq!(level, 127);
    }
}
