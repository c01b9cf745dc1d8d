//! How loud a participant is, and whether that is a voice.
//!
//! A voice stands 7 dB above the quietest of the last two seconds, or is louder than -40 dBov, which
//! no room's noise may be; it goes on for 200 ms behind its last block of 10 ms.

/// Spans of the last two seconds, and blocks of 10 ms in one.
const SPANS: usize = 8;
const SPAN: u32 = 25;
/// How many dB a voice is above the quietest.
const ABOVE: f32 = 7.0;
/// In dBov: louder is always a voice, and quieter never.
const LOUDEST: f32 = -40.0;
const QUIETEST: f32 = -58.0;
/// Frames of 20 ms for which a voice goes on.
const HANGOVER: u32 = 10;
/// What nothing is louder than.
pub(crate) const SILENCE: f32 = -127.0;

/// What a frame was heard to be. Levels in dBov.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Heard {
    pub(crate) level: f32,
    /// A block of this frame is a voice.
    pub(crate) is_loud: bool,
    /// It is, or one was a moment ago.
    pub(crate) is_voice: bool,
    /// The noise behind it.
    pub(crate) floor: f32,
}

#[derive(Clone, Debug)]
pub(crate) struct Meter {
    spans: [f32; SPANS],
    blocks: u32,
    hangover: u32,
}

impl Default for Meter {
    fn default() -> Self {
        Meter { spans: [f32::INFINITY; SPANS], blocks: 0, hangover: 0 }
    }
}

impl Meter {
    /// Takes a frame of 20 ms.
    pub(crate) fn hear(&mut self, samples: &[i16]) -> Heard {
        let mut is_loud = false;
        let mut sum = 0.0;
        for block in samples.chunks((samples.len() / 2).max(1)) {
            let power = power(block);
            sum += power / 2.0;
            is_loud |= self.stands_out(decibels(power));
        }
        self.hangover = if is_loud { HANGOVER } else { self.hangover.saturating_sub(1) };
        let floor = self.floor();
        Heard { level: decibels(sum), is_loud, is_voice: self.hangover > 0, floor }
    }

    /// What was not heard: the participant cannot be.
    pub(crate) fn hear_nothing(&mut self) -> Heard {
        self.hangover = 0;
        Heard { level: SILENCE, is_loud: false, is_voice: false, floor: self.floor() }
    }

    fn stands_out(&mut self, level: f32) -> bool {
        if self.blocks.is_multiple_of(SPAN) {
            self.spans.rotate_right(1);
            self.spans[0] = f32::INFINITY;
        }
        self.blocks = self.blocks.wrapping_add(1);
        self.spans[0] = self.spans[0].min(level);
        level > (self.floor() + ABOVE).clamp(QUIETEST, LOUDEST)
    }

    fn floor(&self) -> f32 {
        let quietest = self.spans.iter().copied().fold(f32::INFINITY, f32::min);
        if quietest.is_finite() { quietest } else { SILENCE }
    }
}

/// The mean square.
pub(crate) fn power(samples: &[i16]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let chunks = samples.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|one| f32::from(*one) * f32::from(*one)).sum();
    for chunk in chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum += f32::from(*sample) * f32::from(*sample);
        }
    }
    (sums.iter().sum::<f32>() + rest) / samples.len().max(1) as f32
}

/// A mean square in dB below that of a square wave of full scale.
pub(crate) fn decibels(power: f32) -> f32 {
    (10.0 * (power.max(1e-5) / (32_768.0 * 32_768.0)).log10()).max(SILENCE)
}

/// The factor of `decibels`.
pub(crate) fn factor(decibels: f32) -> f32 {
    10.0_f32.powf(decibels / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(amplitude: f32, n: usize) -> Vec<i16> {
        let at = |k: usize| ((n * 160 + k) as f32 * 0.7).sin() * amplitude;
        (0..160).map(|k| at(k) as i16).collect()
    }

    #[test]
    fn a_voice_stands_out_of_the_noise_and_lasts_200_ms_more() {
        let mut meter = Meter::default();
        for n in 0..200 {
            let heard = meter.hear(&frame(120.0, n));
            assert!(n < 20 || !heard.is_loud, "frame {n}: -52 dBov without end is noise");
        }
        let heard = meter.hear(&frame(400.0, 200));
        assert!(heard.is_loud && heard.is_voice, "{heard:?}");
        let lasts = (0..50).take_while(|n| meter.hear(&frame(120.0, 201 + n)).is_voice).count();
        assert_eq!(lasts, 9);
    }

    #[test]
    fn what_is_loud_is_a_voice_however_steady() {
        let mut meter = Meter::default();
        assert!((0..500).all(|n| meter.hear(&frame(1_000.0, n)).is_loud));
    }

    #[test]
    fn levels_are_of_a_square_wave() {
        assert!((decibels(power(&[i16::MAX; 160]))).abs() < 0.01);
        assert_eq!(decibels(0.0), SILENCE);
        assert!((factor(-20.0) - 0.1).abs() < 1e-6);
    }
}
