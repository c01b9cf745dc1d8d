//! Packet loss concealment for formats without one, after ITU-T G.711 Appendix I.
//!
//! What is lost is filled with the last period of the voice's pitch, repeated, from 10 ms on weaker
//! and weaker, until nothing is left after 60 ms. What comes then is blended in. Unlike in the
//! Appendix nothing is delayed: the first repetition is joined by its phase and not by an overlap.

/// Samples of 48,000 a second in 48.75 ms, what the Appendix remembers.
const HISTORY: usize = 2_340;
/// The pitch periods that are looked for, 200 to 66 Hz.
const SHORTEST_PERIOD_MS: usize = 5;
const LONGEST_PERIOD_MS: usize = 15;
/// Repetition is full for 10 ms, and fades over the 50 ms after it.
const FULL_MS: usize = 10;
const FADE_MS: usize = 50;

/// Remembers the last audio of one direction, and continues it. Fixed in size.
#[derive(Clone, Debug)]
pub struct Concealment {
    /// The newest last; only the last `kept` count.
    history: [i16; HISTORY],
    kept: usize,
    per_ms: usize,
    /// Where in the last period the repetition stands.
    phase: usize,
    period: usize,
    /// Samples since the audio broke off; 0 while it comes.
    lost: usize,
}

impl Concealment {
    /// For samples of `sample_rate` a second, up to 48,000.
    pub fn new(sample_rate: u32) -> Self {
        let per_ms = (sample_rate / 1_000).clamp(1, 48) as usize;
        // 390 at 8,000 a second.
        let kept = (per_ms * 195 / 4).min(HISTORY);
        Concealment { history: [0; HISTORY], kept, per_ms, phase: 0, period: 0, lost: 0 }
    }

    /// Takes audio that came, and blends its beginning with what was made up before it.
    pub fn received(&mut self, samples: &mut [i16]) {
        if self.lost > 0 {
            // 4 ms more for each 10 ms that were lost, as the Appendix has it.
            let lost_ms = self.lost / self.per_ms;
            let overlap = (self.per_ms * (4 + 4 * (lost_ms / 10)).min(10)).min(samples.len());
            for (at, sample) in samples.iter_mut().take(overlap).enumerate() {
                let made_up = self.next_sample();
                let share = (at + 1) as f32 / (overlap + 1) as f32;
                *sample = (f32::from(made_up) * (1.0 - share) + f32::from(*sample) * share) as i16;
            }
            self.lost = 0;
        }
        self.remember(samples);
    }

    /// Fills `out` with what most likely was lost.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.lost == 0 {
            self.period = self.find_period();
            self.phase = 0;
        }
        for sample in out {
            *sample = self.next_sample();
        }
    }

    fn next_sample(&mut self) -> i16 {
        let gain = self.gain();
        self.lost = self.lost.saturating_add(1);
        if gain <= 0.0 {
            return 0;
        }
        let sample = self.repeated(self.phase);
        self.phase = if self.phase + 1 < self.period { self.phase + 1 } else { 0 };
        (sample * gain) as i16
    }

    /// A sample of the last period. Its end is blended into the sample before its beginning over a
    /// quarter of a period, so that no step is heard where it repeats.
    fn repeated(&self, phase: usize) -> f32 {
        let start = HISTORY - self.period;
        let sample = self.at(start + phase);
        let overlap = self.period / 4;
        let into = (phase + overlap + 1).saturating_sub(self.period);
        if into == 0 {
            return sample;
        }
        let before = self.at(start.saturating_sub(self.period - phase));
        let share = into as f32 / (overlap + 1) as f32;
        sample * (1.0 - share) + before * share
    }

    fn at(&self, position: usize) -> f32 {
        f32::from(self.history.get(position).copied().unwrap_or_default())
    }

    fn gain(&self) -> f32 {
        let full = FULL_MS * self.per_ms;
        let faded = self.lost.saturating_sub(full) as f32 / (FADE_MS * self.per_ms) as f32;
        1.0 - faded.min(1.0)
    }

    /// The distance, 5 to 15 ms, at which the last 20 ms are most like what came before.
    fn find_period(&self) -> usize {
        let (shortest, longest) =
            (SHORTEST_PERIOD_MS * self.per_ms, LONGEST_PERIOD_MS * self.per_ms);
        let window = (20 * self.per_ms).min(self.kept.saturating_sub(longest));
        // Pitch is low: 8,000 samples a second are enough to find it.
        let step = (self.per_ms / 8).max(1);
        let recent = self.history.get(HISTORY - window..).unwrap_or_default();
        let mut best = (f32::MIN, longest);
        for period in shortest..=longest {
            let earlier = HISTORY - window - period..HISTORY - period;
            let earlier = self.history.get(earlier).unwrap_or_default();
            let (mut product, mut energy) = (0.0, 1.0);
            for (recent, earlier) in recent.iter().zip(earlier).step_by(step) {
                let (recent, earlier) = (f32::from(*recent), f32::from(*earlier));
                product += recent * earlier;
                energy += earlier * earlier;
            }
            let likeness = product / f32::sqrt(energy);
            if likeness > best.0 {
                best = (likeness, period);
            }
        }
        best.1.max(1)
    }

    fn remember(&mut self, samples: &[i16]) {
        let newest = samples.get(samples.len().saturating_sub(HISTORY)..).unwrap_or_default();
        self.history.rotate_left(newest.len());
        if let Some(place) = self.history.get_mut(HISTORY - newest.len()..) {
            place.copy_from_slice(newest);
        }
    }
}

#[cfg(test)]
mod tests;
