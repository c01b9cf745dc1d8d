//! Tells speech from the noise behind it, and describes the noise (RFC 3389), so that it need not be
//! sent.
//!
//! Whatever is in doubt is speech. A packet is judged by its own audio, in blocks of 10 ms, so that
//! one in which a word begins is sent whole; speech goes on for 300 ms behind its last block. Noise
//! is what stays within 7 dB of the quietest block of the last two seconds, in its level and in that
//! of its differences, in which hissing sounds stand out. What is loud, or holds a tone, is none.

use crate::comfort_noise::ComfortNoise;

/// Octets of the longest description: the level, and [`ORDER`] coefficients.
pub(crate) const LONGEST: usize = 1 + ORDER;
/// Reflection coefficients that are told.
const ORDER: usize = 6;
/// Blocks of 10 ms for which speech goes on behind its last one: pauses within words are shorter.
const HANGOVER: u32 = 30;
/// Blocks after which the noise is described again although it is the same: a description may be lost,
/// and who hears nothing for long takes the stream for dead.
const AGAIN: u32 = 40;
/// A change of the noise that is told at once, in dB.
const CHANGE: u8 = 3;
/// Louder than this, in dBov, is never noise.
const LOUDEST: f32 = -35.0;
/// Quieter is always silence: G.711 has but two values below.
const QUIETEST: f32 = -66.0;
/// How many dB speech is above the quietest block.
const ABOVE: f32 = 7.0;
/// A prediction that leaves less than this share of the power (15 dB) has found a tone.
const TONE: f32 = 0.031_6;
/// The quietest block is looked for in this many spans of as many blocks: 2 s in all.
const SPANS: usize = 8;
const SPAN: u32 = 25;
/// Samples of audio of 8,000 a second that a tone is looked for in.
const LOOK: usize = 160;

/// What a packet of audio is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Heard {
    /// To be sent.
    Speech,
    /// Noise that was described.
    Noise,
    /// Noise that is to be described now.
    NewNoise,
}

/// Judges one direction of audio. Fixed in size.
#[derive(Clone, Debug)]
pub(crate) struct SilenceDetector {
    /// Samples in 10 ms.
    block: usize,
    /// For each sample of 8,000 a second.
    decimation: usize,
    level: Floor,
    difference: Floor,
    last_sample: i16,
    /// Blocks that still count as speech.
    hangover: u32,
    /// Of the noise: its power, and how it agrees with itself some samples on; smoothed.
    noise: [f32; ORDER + 1],
    power: f32,
    described: Option<u8>,
    since_described: u32,
}

/// The quietest of the last two seconds, in dBov.
#[derive(Clone, Debug)]
struct Floor {
    spans: [f32; SPANS],
    blocks: u32,
}

impl Default for Floor {
    fn default() -> Self {
        Floor { spans: [f32::INFINITY; SPANS], blocks: 0 }
    }
}

impl Floor {
    /// Takes a block's level; whether it stands out. Before two seconds everything does that is not
    /// quiet beyond doubt.
    fn take(&mut self, level: f32) -> bool {
        if self.blocks.is_multiple_of(SPAN) {
            self.spans.rotate_right(1);
            self.spans[0] = f32::INFINITY;
        }
        self.blocks = self.blocks.saturating_add(1);
        self.spans[0] = self.spans[0].min(level);
        let is_known = self.blocks >= SPAN * SPANS as u32;
        let quietest = self.spans.iter().copied().fold(f32::INFINITY, f32::min);
        let bound = if is_known { (quietest + ABOVE).clamp(QUIETEST, LOUDEST) } else { QUIETEST };
        level > bound
    }
}

impl SilenceDetector {
    /// For audio of `sample_rate` Hz, a multiple of 8,000.
    pub(crate) fn new(sample_rate: u32) -> Self {
        SilenceDetector {
            block: (sample_rate / 100) as usize,
            decimation: (sample_rate / 8_000).max(1) as usize,
            level: Floor::default(),
            difference: Floor::default(),
            last_sample: 0,
            hangover: HANGOVER,
            noise: [0.0; ORDER + 1],
            power: 0.0,
            described: None,
            since_described: 0,
        }
    }

    /// Takes the audio of one packet, a multiple of 10 ms.
    pub(crate) fn judge(&mut self, samples: &[i16]) -> Heard {
        let (mut blocks, mut is_active) = (0, false);
        for block in samples.chunks(self.block.max(1)) {
            blocks += 1;
            // All of them are to be taken.
            is_active |= self.stands_out(block);
        }
        let seen = self.correlate(samples);
        let power = mean_square(samples);
        // Of next to nothing any rounding makes a tone.
        let has_tone = decibels(power) > QUIETEST && remainder(&reflections(&seen)) < TONE;
        if is_active || has_tone {
            (self.hangover, self.described) = (HANGOVER, None);
            self.power = 0.0;
            return Heard::Speech;
        }
        self.learn(seen, power);
        if self.hangover > 0 {
            self.hangover = self.hangover.saturating_sub(blocks);
            return Heard::Speech;
        }
        self.since_described = self.since_described.saturating_add(blocks);
        let level = self.quantised_level();
        let is_known = self.described.is_some_and(|before| before.abs_diff(level) < CHANGE);
        if is_known && self.since_described < AGAIN {
            return Heard::Noise;
        }
        (self.described, self.since_described) = (Some(level), 0);
        Heard::NewNoise
    }

    /// What [`Heard::NewNoise`] is to be described as (RFC 3389 section 3); the octets written.
    /// `with_colour` only where the receiver makes noise of 8,000 samples a second.
    pub(crate) fn describe(&self, with_colour: bool, out: &mut [u8]) -> Option<usize> {
        *out.first_mut()? = self.quantised_level();
        if !with_colour {
            return Some(1);
        }
        let places = out.get_mut(1..LONGEST)?;
        for (place, reflection) in places.iter_mut().zip(reflections(&self.noise)) {
            *place = ComfortNoise::quantised(reflection);
        }
        Some(LONGEST)
    }

    /// What is heard next is a beginning: it counts as speech for a while.
    pub(crate) fn begin_again(&mut self) {
        (self.hangover, self.described, self.power) = (HANGOVER, None, 0.0);
    }

    fn stands_out(&mut self, block: &[i16]) -> bool {
        let mut sum = 0.0;
        for sample in block {
            let difference = f32::from(*sample) - f32::from(self.last_sample);
            self.last_sample = *sample;
            sum += difference * difference;
        }
        let loud = self.level.take(decibels(mean_square(block)));
        // White noise has twice its power in its differences.
        let hissing = self.difference.take(decibels(sum / 2.0 / block.len().max(1) as f32));
        loud || hissing
    }

    /// How the last 20 ms agree with themselves, at 8,000 samples a second under a Hann window.
    fn correlate(&self, samples: &[i16]) -> [f32; ORDER + 1] {
        let from = samples.len().saturating_sub(LOOK * self.decimation);
        let mut weighted = [0.0_f32; LOOK];
        let last = samples.get(from..).unwrap_or_default();
        let count = last.len() / self.decimation;
        for (at, (place, some)) in
            weighted.iter_mut().zip(last.chunks_exact(self.decimation)).enumerate()
        {
            let sum: f32 = some.iter().map(|sample| f32::from(*sample)).sum();
            let turn = std::f32::consts::TAU * (at as f32 + 0.5) / count.max(1) as f32;
            *place = sum / self.decimation as f32 * (0.5 - 0.5 * turn.cos());
        }
        let mut seen = [0.0; ORDER + 1];
        for (lag, seen) in seen.iter_mut().enumerate() {
            let behind = weighted.get(lag..).unwrap_or_default();
            *seen = weighted.iter().zip(behind).map(|(a, b)| a * b).sum();
        }
        seen
    }

    fn learn(&mut self, seen: [f32; ORDER + 1], power: f32) {
        let share = if self.power == 0.0 { 1.0 } else { 0.25 };
        self.power += share * (power - self.power);
        for (noise, seen) in self.noise.iter_mut().zip(seen) {
            *noise += share * (seen - *noise);
        }
    }

    /// In -dBov.
    fn quantised_level(&self) -> u8 {
        (-decibels(self.power)).round().clamp(0.0, 127.0) as u8
    }
}

fn mean_square(samples: &[i16]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    sum / samples.len().max(1) as f32
}

/// A mean square in dB below that of a square wave of full scale.
fn decibels(power: f32) -> f32 {
    10.0 * (power.max(1e-3) / (32_768.0 * 32_768.0)).log10()
}

/// The reflection coefficients of the filter that such a signal came through (Levinson and Durbin), of
/// RFC 3389's sign.
fn reflections(seen: &[f32; ORDER + 1]) -> [f32; ORDER] {
    let mut found = [0.0; ORDER];
    let mut filter = [0.0_f32; ORDER + 1];
    // A little white noise keeps it stable.
    let mut error = seen[0] * 1.000_1;
    if error <= 0.0 {
        return found;
    }
    for order in 1..=ORDER {
        let predicted: f32 = (1..order).map(|at| filter[at] * seen[order - at]).sum();
        let reflection = (-(seen[order] + predicted) / error).clamp(-0.999, 0.999);
        found[order - 1] = reflection;
        let before = filter;
        for at in 1..order {
            filter[at] += reflection * before[order - at];
        }
        filter[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    found
}

/// The share of the power that a prediction by such coefficients leaves.
fn remainder(reflections: &[f32; ORDER]) -> f32 {
    reflections.iter().map(|reflection| 1.0 - reflection * reflection).product()
}

#[cfg(test)]
mod tests;
