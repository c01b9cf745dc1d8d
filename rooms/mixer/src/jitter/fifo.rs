//! Samples that were decoded and wait to be played, with those that were played last in front of
//! them; and how some are left out or put in without a click.
//!
//! To make audio shorter, one period of the voice is blended into the next; to make it longer, the
//! last period that was played is blended in once more (waveform similarity, WSOLA).

/// Samples at 48,000 Hz that are kept of what was played, and that can wait.
const PLAYED: usize = 15 * 48;
const CAPACITY: usize = 400 * 48;
/// Periods that are looked for, in ms: 400 Hz to 80 Hz.
const SHORTEST_MS: usize = 2;
const LONGEST_MS: usize = 12;
/// What is compared, in ms.
const WINDOW_MS: usize = 8;
/// Mean squares below this are silence, where any cut will do: -60 dBov.
const SILENT: f32 = 1_000.0;

/// Fixed in size.
pub(super) struct Fifo {
    samples: Box<[i16]>,
    /// Where those that wait begin, and where they end.
    at: usize,
    end: usize,
    per_ms: usize,
}

impl Fifo {
    pub(super) fn new(sample_rate: u32) -> Self {
        let per_ms = (sample_rate / 1_000).clamp(1, 48) as usize;
        let samples = vec![0; (PLAYED + CAPACITY) * per_ms / 48].into();
        let at = PLAYED * per_ms / 48;
        Fifo { samples, at, end: at, per_ms }
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.at
    }

    /// Where `count` more samples are to be written; `None` when there is no room for them. They
    /// count after [`Fifo::add`].
    pub(super) fn room(&mut self, count: usize) -> Option<&mut [i16]> {
        if self.end + count > self.samples.len() {
            let kept = PLAYED * self.per_ms / 48;
            let from = self.at.saturating_sub(kept);
            self.samples.copy_within(from..self.end, 0);
            (self.at, self.end) = (self.at - from, self.end - from);
        }
        self.samples.get_mut(self.end..self.end + count)
    }

    pub(super) fn add(&mut self, count: usize) {
        self.end = (self.end + count).min(self.samples.len());
    }

    /// The first that wait are played; whether there were so many.
    pub(super) fn play(&mut self, out: &mut [i16]) -> bool {
        let Some(from) = self.samples.get(self.at..self.end).and_then(|some| some.get(..out.len()))
        else {
            return false;
        };
        out.copy_from_slice(from);
        self.at += out.len();
        true
    }

    /// The mean square of what waits.
    pub(super) fn waiting_power(&self) -> f32 {
        let waiting = self.samples.get(self.at..self.end).unwrap_or_default();
        power(waiting) / waiting.len().max(1) as f32
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.end = self.at;
    }

    /// Makes what waits shorter by one period; the samples left out, 0 when no place was found for
    /// that. `likeness` is what two periods must have, -1 to 1.
    pub(super) fn shorten(&mut self, likeness: f32) -> usize {
        let Some(waiting) = self.samples.get(self.at..self.end) else { return 0 };
        let window = WINDOW_MS * self.per_ms;
        let longest = (LONGEST_MS * self.per_ms).min(waiting.len().saturating_sub(window));
        let period = self.find(waiting, longest, likeness, |at| waiting.get(at..at + window));
        let Some(period) = period.filter(|period| 2 * period <= waiting.len()) else { return 0 };
        let at = self.at;
        for n in 0..period {
            let blended = blend(self.samples[at + n], self.samples[at + period + n], n, period);
            self.samples[at + n] = blended;
        }
        self.samples.copy_within(at + 2 * period..self.end, at + period);
        self.end -= period;
        period
    }

    /// Makes what waits longer by one period; the samples put in, 0 when no place was found for that.
    pub(super) fn lengthen(&mut self, likeness: f32) -> usize {
        let longest = LONGEST_MS * self.per_ms;
        if self.room(longest).is_none() {
            return 0;
        }
        let window = WINDOW_MS * self.per_ms;
        let (at, end) = (self.at, self.end);
        let Some(waiting) = self.samples.get(at..end) else { return 0 };
        let samples = &self.samples;
        let longest = longest.min(at);
        let before = |back: usize| samples.get(at - back..(at - back + window).min(end));
        let period = self.find(waiting, longest, likeness, before);
        let Some(period) = period.filter(|period| *period <= waiting.len()) else { return 0 };
        self.samples.copy_within(at..end, at + period);
        self.end += period;
        for n in 0..period {
            // What would have followed, blended into what was played a period before.
            let blended =
                blend(self.samples[at + period + n], self.samples[at + n - period], n, period);
            self.samples[at + n] = blended;
        }
        period
    }

    /// The distance, up to `longest`, at which `other` is most like the beginning of `waiting`.
    fn find<'a>(
        &self,
        waiting: &[i16],
        longest: usize,
        likeness: f32,
        other: impl Fn(usize) -> Option<&'a [i16]>,
    ) -> Option<usize> {
        let beginning = waiting.get(..WINDOW_MS * self.per_ms)?;
        let energy = power(beginning);
        if energy / (beginning.len().max(1) as f32) < SILENT {
            return (longest >= 5 * self.per_ms).then_some(5 * self.per_ms);
        }
        // Pitch is low: it is looked for at 8,000 samples a second, and then to the sample.
        let step = (self.per_ms / 8).max(1);
        let like = |period: usize, stride: usize| {
            let Some(there) = other(period) else { return -1.0 };
            let pairs = beginning.iter().zip(there).step_by(stride);
            let (mut product, mut here_power, mut there_power) = (0.0, 1.0, 1.0);
            for (a, b) in pairs {
                let (a, b) = (f32::from(*a), f32::from(*b));
                product += a * b;
                here_power += a * a;
                there_power += b * b;
            }
            product / f32::sqrt(here_power * there_power)
        };
        let best_of = |periods: &mut dyn Iterator<Item = usize>, stride: usize| {
            let scored = periods.map(|period| (period, like(period, stride)));
            scored.max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let coarse = best_of(&mut (SHORTEST_MS * self.per_ms..=longest).step_by(step), step)?;
        let around = coarse.0.saturating_sub(step)..=(coarse.0 + step).min(longest);
        let fine = best_of(&mut around.into_iter(), (step / 2).max(1))?;
        (fine.1 >= likeness).then_some(fine.0)
    }
}

fn blend(from: i16, to: i16, at: usize, len: usize) -> i16 {
    let share = (at as f32 + 0.5) / len as f32;
    (f32::from(from) * (1.0 - share) + f32::from(to) * share) as i16
}

fn power(samples: &[i16]) -> f32 {
    samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum()
}
