//! Finds keys in the audio, within the limits of ITU-T Q.24.
//!
//! Windows of 20 ms, one every 10 ms. In each, Goertzel's filter measures the eight tones under a
//! Hann window; the phase from one window to the next tells how far a tone is from its frequency. A
//! key is there after three windows in a row: 40 ms of tone always give three, 23 ms never. It is
//! gone after three windows without it, so that a gap of 10 ms does not make two of one.

use super::{COLUMNS, EVENTS, ROWS, ZERO_DBM0};
use std::f32::consts::TAU;

const SAMPLE_RATE: f32 = 8_000.0;
/// Samples of a window, and from one to the next.
const WINDOW: usize = 160;
const HOP: usize = 80;
/// Windows in a row that make or end a key.
const STEADY: u8 = 3;
/// A tone weaker than -31 dBm0 is none. Q.24: -25 (AT&T) and -29 (others) are to be heard.
const WEAKEST: f32 = -31.0;
/// How many dB the higher tone may be stronger, and weaker, than the lower. Q.24 asks for 4 and 8
/// (AT&T), 6 and 6 (Europe); with 1 dB for what measuring costs.
const TWIST: (f32, f32) = (7.0, 9.0);
/// Every other tone of the group is weaker by this many dB.
const ALONE: f32 = 6.0;
/// How far a tone may be from its frequency. Q.24: within 1.5 % it is one, beyond 3.5 % none.
const TOLERANCE: f32 = 0.022;
/// How far, in Hz, it may move from one window to the next: voices glide.
const GLIDE: f32 = 4.0;
/// The share of a window's power that both tones must have: speech spreads its power. At first as
/// measured; from the second window on it is known how much a tone loses that is off its frequency.
const SHARE: f32 = 0.62;
const TUNED_SHARE: f32 = 0.8;

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToneStep {
    /// A key was pressed, some 40 ms ago.
    Pressed {
        /// The event, 0 to 15.
        event: u8,
        /// The tones' power in -dBm0, 0 to 63, as an event says it.
        volume: u8,
    },
    /// The key was let go, some 30 ms ago.
    Released {
        /// The event, 0 to 15.
        event: u8,
        /// How long it was pressed, within 10 ms.
        millis: u32,
    },
}

/// Finds keys in one direction of audio of 8,000 samples a second. Fixed in size.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    window: [i16; WINDOW],
    filled: usize,
    last: Option<Measured>,
    /// What was found in the windows before, and how many times in a row.
    candidate: Option<u8>,
    steady: u8,
    pressed: Option<u8>,
    /// Windows since the key was found, and those of them since it was last there.
    held: u32,
    missing: u8,
}

/// One tone pair that stands out.
#[derive(Clone, Copy, Debug)]
struct Measured {
    row: Tone,
    column: Tone,
    /// Mean square of the window.
    power: f32,
}

#[derive(Clone, Copy, Debug)]
struct Tone {
    at: usize,
    hertz: f32,
    /// In radians.
    phase: f32,
    /// Peak, in samples' units.
    amplitude: f32,
    /// In Hz from `hertz`; `None` without a window before.
    off: Option<f32>,
}

impl Default for ToneDetector {
    fn default() -> Self {
        ToneDetector {
            window: [0; WINDOW],
            filled: WINDOW - HOP,
            last: None,
            candidate: None,
            steady: 0,
            pressed: None,
            held: 0,
            missing: 0,
        }
    }
}

impl ToneDetector {
    /// Takes the audio that follows, any number of samples; `tell` hears of each key, in order.
    pub fn take(&mut self, samples: &[i16], mut tell: impl FnMut(ToneStep)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(WINDOW - self.filled));
            if let Some(place) = self.window.get_mut(self.filled..self.filled + now.len()) {
                place.copy_from_slice(now);
            }
            self.filled += now.len();
            rest = later;
            if self.filled == WINDOW {
                if let Some(step) = self.judge() {
                    tell(step);
                }
                self.window.copy_within(HOP.., 0);
                self.filled = WINDOW - HOP;
            }
        }
    }

    /// The key that is pressed now.
    pub const fn pressed(&self) -> Option<u8> {
        self.pressed
    }

    /// Whether the last window held the tones of a key, if not for as long as makes one: what is to be
    /// kept from somebody else's detector is kept back from here on.
    pub const fn suspects(&self) -> bool {
        self.pressed.is_some() || self.candidate.is_some()
    }

    fn judge(&mut self) -> Option<ToneStep> {
        let mut measured = measure(&self.window);
        let event = measured.as_mut().and_then(|now| self.event_of(now));
        self.last = measured;
        self.steady = match event.is_some() && event == self.candidate {
            true => self.steady.saturating_add(1),
            false => 1,
        };
        self.candidate = event;
        if let Some(pressed) = self.pressed {
            self.held = self.held.saturating_add(1);
            self.missing = if event == Some(pressed) { 0 } else { self.missing + 1 };
            // Another key that is as steady ends this one too.
            if self.missing < STEADY {
                return None;
            }
            let millis = (self.held - u32::from(self.missing)).saturating_mul(10);
            (self.pressed, self.steady) = (None, 0);
            return Some(ToneStep::Released { event: pressed, millis });
        }
        let event = event.filter(|_| self.steady >= STEADY)?;
        self.pressed = Some(event);
        // Three windows are 40 ms of tone.
        (self.held, self.missing) = (u32::from(STEADY) + 1, 0);
        let volume = measured.map_or(63, |now| now.volume());
        Some(ToneStep::Pressed { event, volume })
    }

    /// The event of what stands out; from the second window on only if it has its frequencies.
    fn event_of(&self, now: &mut Measured) -> Option<u8> {
        if let Some(last) = &self.last
            && (last.row.at, last.column.at) == (now.row.at, now.column.at)
        {
            now.row.tune(&last.row);
            now.column.tune(&last.column);
            let steady = now.row.is_steady(&last.row) && now.column.is_steady(&last.column);
            if !steady || now.row.power() + now.column.power() < TUNED_SHARE * now.power {
                return None;
            }
        }
        EVENTS.get(now.row.at)?.get(now.column.at).copied()
    }
}

impl Tone {
    /// Finds how far the tone is from its frequency, by its phase in the window before.
    fn tune(&mut self, last: &Tone) {
        let advance = TAU * self.hertz * HOP as f32 / SAMPLE_RATE;
        let off = (self.phase - last.phase - advance).rem_euclid(TAU);
        let off = if off > TAU / 2.0 { off - TAU } else { off };
        self.off = Some(off / TAU * SAMPLE_RATE / HOP as f32);
    }

    /// Whether it is near its frequency, and has not moved since the window before.
    fn is_steady(&self, last: &Tone) -> bool {
        let Some(off) = self.off else { return true };
        let moved = last.off.map_or(0.0, |last| (off - last).abs());
        off.abs() <= TOLERANCE * self.hertz && moved <= GLIDE
    }

    /// Mean square, with what a Hann window takes of a tone that is off the middle of its bin.
    fn power(&self) -> f32 {
        let bins = self.off.unwrap_or_default() * WINDOW as f32 / SAMPLE_RATE;
        let angle = bins * TAU / 2.0;
        let sinc = if angle.abs() < 1e-3 { 1.0 } else { angle.sin() / angle };
        let left = sinc / (1.0 - bins * bins);
        (self.amplitude / left).powi(2) / 2.0
    }
}

impl Measured {
    fn volume(&self) -> u8 {
        let power = 2.0 * (self.row.power() + self.column.power());
        let level = -10.0 * (power / (ZERO_DBM0 * ZERO_DBM0)).log10();
        level.clamp(0.0, 63.0) as u8
    }
}

/// The pair of tones that makes up the window; `None` when there is none.
fn measure(window: &[i16; WINDOW]) -> Option<Measured> {
    let mut weighted = [0.0_f32; WINDOW];
    let mut power = 0.0;
    for (at, (weighted, sample)) in weighted.iter_mut().zip(window).enumerate() {
        let hann = 0.5 - 0.5 * (TAU * (at as f32 + 0.5) / WINDOW as f32).cos();
        *weighted = hann * f32::from(*sample);
        power += *weighted * *weighted;
    }
    // The squares of a Hann window have a mean of 3/8.
    let power = power / (WINDOW as f32 * 0.375);
    let weakest = ZERO_DBM0 * 10.0_f32.powf(WEAKEST / 20.0);
    if power < weakest * weakest {
        return None;
    }
    let row = strongest(&weighted, &ROWS)?;
    let column = strongest(&weighted, &COLUMNS)?;
    let twist = 20.0 * (column.amplitude / row.amplitude).log10();
    let both = (row.amplitude * row.amplitude + column.amplitude * column.amplitude) / 2.0;
    let is_pair = row.amplitude >= weakest
        && column.amplitude >= weakest
        && (-TWIST.1..=TWIST.0).contains(&twist)
        && both >= SHARE * power;
    is_pair.then_some(Measured { row, column, power })
}

/// The strongest tone of a group, if the others are far weaker.
fn strongest(weighted: &[f32; WINDOW], group: &[f32; 4]) -> Option<Tone> {
    let tones = [0, 1, 2, 3].map(|at| goertzel(weighted, at, group[at]));
    let best = *tones.iter().max_by(|a, b| a.amplitude.total_cmp(&b.amplitude))?;
    let bound = best.amplitude * 10.0_f32.powf(-ALONE / 20.0);
    let alone = tones.iter().all(|tone| tone.at == best.at || tone.amplitude <= bound);
    alone.then_some(best)
}

fn goertzel(weighted: &[f32; WINDOW], at: usize, hertz: f32) -> Tone {
    let angle = TAU * hertz / SAMPLE_RATE;
    let coefficient = 2.0 * angle.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in weighted {
        (last, before) = (sample + coefficient * last - before, last);
    }
    let (real, imaginary) = (last - before * angle.cos(), before * angle.sin());
    // A Hann window has a mean of a half, and half of a tone is at its negative frequency.
    let amplitude = 4.0 * real.hypot(imaginary) / WINDOW as f32;
    Tone { at, hertz, phase: imaginary.atan2(real), amplitude, off: None }
}

#[cfg(test)]
mod tests;
