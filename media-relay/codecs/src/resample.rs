//! From one sample rate to another that is a whole multiple of it, or the other way.
//!
//! One low-pass filter at the higher rate, a sinc under a Kaiser window, split into its phases. It
//! passes what lies under 0.45 of the lower rate and takes away 70 dB and more from 0.55 on.

mod halver;

use crate::pcm::to_sample;
use halver::Halver;
use std::f32::consts::PI;

/// Coefficients of one phase.
const TAPS: usize = 48;
/// The greatest ratio between two rates: 8,000 to 48,000.
const MAX_RATIO: usize = 6;
/// Shape of the Kaiser window: about 70 dB of rejection.
const BETA: f32 = 6.8;

/// Changes the sample rate of one direction of audio. Its size is fixed when it is made; its delay
/// is 24 samples of the lower rate.
#[derive(Debug)]
pub struct Resampler {
    kind: Kind,
    /// The filter at the higher rate; when the rate goes up, phase by phase.
    filter: Box<[f32]>,
    /// The last samples that were read, twice, so that they always stand in one piece.
    history: Box<[f32]>,
    /// Where the next one is written, and where the oldest stands.
    next: usize,
    /// Samples read since the last one that was written, when the rate goes down.
    waiting: usize,
}

#[derive(Debug)]
enum Kind {
    Same,
    Up(usize),
    Halve(Box<Halver>),
    Down(usize),
}

impl Resampler {
    /// Between rates in Hz, one a multiple of the other by 1 to 6; `None` for others.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let (high, low) = (from.max(to), from.min(to));
        let is_multiple = low > 0 && high.is_multiple_of(low);
        let ratio = if is_multiple { (high / low) as usize } else { MAX_RATIO + 1 };
        let kind = match ratio {
            1 => Kind::Same,
            2..=MAX_RATIO if from < to => Kind::Up(ratio),
            2 => Kind::Halve(Box::new(Halver::new())),
            3..=MAX_RATIO => Kind::Down(ratio),
            _ => return None,
        };
        Some(Resampler::of(kind))
    }

    /// From a rate to one that is `RATIO` times lower, 3 to 6; another ratio is refused when it is compiled.
    pub fn lowering<const RATIO: usize>() -> Self {
        const { assert!(RATIO > 2 && RATIO <= MAX_RATIO) };
        Resampler::of(Kind::Down(RATIO))
    }

    fn of(kind: Kind) -> Self {
        let taken = match kind {
            Kind::Same | Kind::Halve(_) => 0,
            Kind::Up(_) => TAPS,
            Kind::Down(ratio) => TAPS * ratio,
        };
        let filter = match kind {
            Kind::Same | Kind::Halve(_) => Vec::new(),
            Kind::Up(ratio) => by_phase(&low_pass(ratio), ratio),
            Kind::Down(ratio) => low_pass(ratio),
        };
        let history = vec![0.0; 2 * taken].into();
        Resampler { kind, filter: filter.into(), history, next: 0, waiting: 0 }
    }

    /// The most samples that come of `samples`.
    pub const fn output_of(&self, samples: usize) -> usize {
        match &self.kind {
            Kind::Same => samples,
            Kind::Up(ratio) => samples * *ratio,
            Kind::Halve(_) => samples.div_ceil(2),
            Kind::Down(ratio) => samples.div_ceil(*ratio),
        }
    }

    /// Writes what comes of `samples` to the beginning of `out`; the samples written, which is less
    /// than what comes only when `out` is shorter than [`Resampler::output_of`].
    pub fn resample(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        match &mut self.kind {
            Kind::Halve(halver) => halver.halve(samples, out),
            Kind::Same => {
                let len = samples.len().min(out.len());
                out[..len].copy_from_slice(&samples[..len]);
                len
            }
            &mut Kind::Up(ratio) => self.raise(ratio, samples, out),
            &mut Kind::Down(ratio) => self.lower(ratio, samples, out),
        }
    }

    fn raise(&mut self, ratio: usize, samples: &[i16], out: &mut [i16]) -> usize {
        let mut written = 0;
        for (sample, group) in samples.iter().zip(out.chunks_exact_mut(ratio)) {
            self.push(*sample);
            let window = self.window();
            for (value, phase) in group.iter_mut().zip(self.filter.chunks_exact(TAPS)) {
                *value = to_sample(dot(window, phase));
            }
            written += ratio;
        }
        written
    }

    fn lower(&mut self, ratio: usize, samples: &[i16], out: &mut [i16]) -> usize {
        let mut out = out.iter_mut();
        let mut written = 0;
        for sample in samples {
            self.push(*sample);
            self.waiting += 1;
            if self.waiting < ratio {
                continue;
            }
            self.waiting = 0;
            let Some(value) = out.next() else { break };
            *value = to_sample(dot(self.window(), &self.filter));
            written += 1;
        }
        written
    }

    fn push(&mut self, sample: i16) {
        let taken = self.history.len() / 2;
        for at in [self.next, self.next + taken] {
            if let Some(place) = self.history.get_mut(at) {
                *place = f32::from(sample);
            }
        }
        self.next = if self.next + 1 < taken { self.next + 1 } else { 0 };
    }

    /// The last samples, the oldest first.
    fn window(&self) -> &[f32] {
        self.history.get(self.next..self.next + self.history.len() / 2).unwrap_or_default()
    }
}

fn dot(samples: &[f32], coefficients: &[f32]) -> f32 {
    // Eight sums at once, so that the compiler can use vectors.
    let mut sums = [0.0; 8];
    for (samples, coefficients) in samples.chunks_exact(8).zip(coefficients.chunks_exact(8)) {
        for ((sum, sample), coefficient) in sums.iter_mut().zip(samples).zip(coefficients) {
            *sum += sample * coefficient;
        }
    }
    sums.iter().sum()
}

/// Splits a filter into what each of `ratio` output samples takes of the input, the oldest sample's
/// coefficient first.
fn by_phase(filter: &[f32], ratio: usize) -> Vec<f32> {
    let mut phases = Vec::with_capacity(filter.len());
    for phase in 0..ratio {
        let mut one: Vec<f32> = filter.iter().skip(phase).step_by(ratio).copied().collect();
        one.reverse();
        // Between two input samples there are zeros.
        phases.extend(one.iter().map(|coefficient| coefficient * ratio as f32));
    }
    phases
}

/// A filter whose coefficients sum to 1, for the higher of two rates.
fn low_pass(ratio: usize) -> Vec<f32> {
    let len = TAPS * ratio;
    // Symmetric about a coefficient: a whole number of samples of delay.
    let centre = (len / 2) as f32;
    let mut filter: Vec<f32> = (0..len)
        .map(|at| {
            let from_centre = at as f32 - centre;
            let edge = from_centre / centre;
            let window = bessel(BETA * (1.0 - edge * edge).max(0.0).sqrt()) / bessel(BETA);
            let angle = PI * from_centre / ratio as f32;
            let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
            sinc * window
        })
        .collect();
    let sum: f32 = filter.iter().sum();
    for coefficient in &mut filter {
        *coefficient /= sum;
    }
    filter
}

/// The modified Bessel function of the first kind and order 0.
fn bessel(x: f32) -> f32 {
    let half = x / 2.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..25_u8 {
        term *= half / f32::from(k);
        sum += term * term;
    }
    sum
}

#[cfg(test)]
mod tests;
