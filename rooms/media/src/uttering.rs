//! What somebody says for a few seconds, made fit to be heard by others: without the silence before and after
//! it, and as loud as the prompts. Pure: frames in, a WAV file's octets out, in memory alone.

use codecs::Resampler;
use mixer::{SAMPLE_RATE, TICK_MS, TICK_SAMPLES};
use model::{LONGEST_UTTERANCE, MediaId, Utterance};
use std::time::Duration;

/// What is kept, Hz.
const RATE: u32 = 16_000;
/// How many samples of the room's one of it is made of.
const RATIO: usize = (SAMPLE_RATE / RATE) as usize;
const _: () =
    assert!(RATIO as u32 * RATE == SAMPLE_RATE, "the one rate is no multiple of the other");
/// 20 ms of it.
const FRAME: usize = RATE as usize / 50;
/// Whoever is not louder than this in any frame has said nothing, dBFS.
const LEAST_TOP: f32 = -42.0;
/// Frames below this are silence, whatever is around them, dBFS.
const SILENCE: f32 = -55.0;
/// How far below the loudest frame a voice goes, dB.
const RANGE: f32 = 30.0;
/// How far a voice stands above what is there all the time, dB.
const ABOVE_NOISE: f32 = 8.0;
/// What is there all the time is nothing to be trimmed where it is that near the loudest frame, dB: somebody
/// who speaks without a pause.
const NEAR_TOP: f32 = 10.0;
/// Frames in a row that are a voice, and no click.
const LEAST_RUN: usize = 4;
/// Frames of a voice, at least: less is a cough.
const LEAST_VOICE: usize = 8;
/// Frames that are kept before and after it.
const BEFORE: usize = 3;
const AFTER: usize = 5;
/// The level of what is spoken, and the highest peak, dBFS.
const LEVEL: f32 = -20.0;
const PEAK: f32 = -3.0;
/// Nobody is made louder by more, dB.
const MOST_GAIN: f32 = 26.0;
/// Samples over which the ends fade: 5 ms.
const FADE: usize = RATE as usize / 200;

/// Somebody whose words are kept.
pub(crate) struct Uttering {
    id: MediaId,
    /// The tick of the room at which its time is over.
    until: u64,
    resampler: Resampler,
    samples: Vec<i16>,
    most: usize,
    frame: [i16; FRAME],
}

impl Uttering {
    /// Begins at the room's tick `now`. Takes all memory that it will need, at most 128 kB.
    pub(crate) fn begin(id: MediaId, longest: Duration, now: u64) -> Self {
        let longest = longest.min(LONGEST_UTTERANCE);
        let ticks = longest.as_millis() as u64 / u64::from(TICK_MS);
        let most = ticks as usize * FRAME;
        Uttering {
            id,
            until: now + ticks,
            resampler: Resampler::lowering::<RATIO>(),
            samples: Vec::with_capacity(most),
            most,
            frame: [0; FRAME],
        }
    }

    /// Whose.
    pub(crate) const fn id(&self) -> MediaId {
        self.id
    }

    /// Whether its time is over at the room's tick `now`.
    pub(crate) const fn is_over(&self, now: u64) -> bool {
        now >= self.until
    }

    /// Takes 20 ms of it.
    pub(crate) fn take(&mut self, samples: &[i16; TICK_SAMPLES]) {
        let count = self.resampler.resample(samples, &mut self.frame);
        let room = self.most - self.samples.len();
        self.samples.extend(self.frame.iter().take(count.min(room)));
    }

    /// What was said, if anything.
    pub(crate) fn finish(mut self) -> Option<Utterance> {
        let said = trimmed(&mut self.samples)?;
        Some(Utterance::new(wav(said)))
    }
}

/// What was said of samples, at [`LEVEL`]; `None` where that is nothing.
fn trimmed(samples: &mut [i16]) -> Option<&[i16]> {
    let levels: Vec<f32> = samples.chunks_exact(FRAME).map(level).collect();
    let (first, last, power) = spoken(&levels)?;
    let (begin, end) = (first.saturating_sub(BEFORE) * FRAME, (last + 1 + AFTER) * FRAME);
    let end = end.min(samples.len());
    let said = samples.get_mut(begin..end)?;
    let peak = said.iter().map(|sample| f32::from(*sample).abs()).fold(1.0, f32::max);
    let most = PEAK - decibels(peak / FULL_SCALE);
    let gain = 10_f32.powf((LEVEL - power).min(MOST_GAIN).min(most) / 20.0);
    let count = said.len();
    for (at, sample) in said.iter_mut().enumerate() {
        let from_end = (at + 1).min(count - at).min(FADE) as f32;
        // The peak is known: nothing is cut off.
        *sample = (f32::from(*sample) * gain * from_end / FADE as f32) as i16;
    }
    Some(said)
}

/// The first and the last frame with a voice, and its level in dBFS, of those between that are no pauses.
fn spoken(levels: &[f32]) -> Option<(usize, usize, f32)> {
    let top = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if top < LEAST_TOP {
        return None;
    }
    let mut sorted = levels.to_vec();
    sorted.sort_by(f32::total_cmp);
    // What is there all the time: a tenth of the frames are below it.
    let noise = sorted.get(sorted.len() / 10).copied().unwrap_or(top);
    let bound = SILENCE.max(top - RANGE).max((noise + ABOVE_NOISE).min(top - NEAR_TOP));
    let is_voice = |at: usize| levels.get(at).is_some_and(|level| *level >= bound);
    let begins = |at: &usize| (*at..*at + LEAST_RUN).all(is_voice);
    let first = (0..levels.len()).find(begins)?;
    let last = (0..levels.len()).rev().find(begins)? + LEAST_RUN - 1;
    let loud = levels.get(first..=last)?.iter().filter(|level| **level >= bound);
    let powers: Vec<f32> = loud.map(|level| 10_f32.powf(level / 10.0)).collect();
    if powers.len() < LEAST_VOICE {
        return None;
    }
    let power = powers.iter().sum::<f32>() / powers.len() as f32;
    Some((first, last, 10.0 * power.log10()))
}

const FULL_SCALE: f32 = 32_768.0;

fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

/// dBFS, the root of the mean square.
fn level(frame: &[i16]) -> f32 {
    let squares: f32 = frame.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    decibels((squares / frame.len() as f32).sqrt().max(0.1) / FULL_SCALE)
}

/// A WAV file of 16 bits, one channel.
fn wav(samples: &[i16]) -> Vec<u8> {
    let octets = u32::try_from(samples.len() * 2).unwrap_or_default();
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + octets).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    for word in [1_u16, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for word in [RATE, RATE * 2] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for word in [2_u16, 16] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&octets.to_le_bytes());
    samples.iter().for_each(|sample| file.extend_from_slice(&sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests;
