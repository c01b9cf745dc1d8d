//! Audio that is like speech to a codec, an echo canceller and a spectrum analyser: a voiced sound
//! with moving pitch and two formants, cut into syllables of about 4 Hz, with pauses for breath.
//! It is the same in every call.

use model::Codec;
use rtp_proto::codecs::g711::{encode_a_law, encode_mu_law};
use std::f32::consts::TAU;
use std::sync::OnceLock;

/// Samples a second.
pub(super) const SAMPLE_RATE: u32 = 8_000;
/// Samples of one packet: 20 ms.
pub(super) const SAMPLES_PER_PACKET: usize = 160;

/// The phrase repeats after 6 s.
const PHRASE_SAMPLES: usize = SAMPLE_RATE as usize * 6;
/// About -20 dBov while speaking, the level of a telephone call.
const AMPLITUDE: f32 = 9_000.0;
const SYLLABLES_PER_SECOND: f32 = 4.0;

/// Who speaks. The pitches differ, so that each side can be told from its own echo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Voice {
    /// About 120 Hz.
    Caller,
    /// About 210 Hz.
    Callee,
}

/// An endless phrase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech {
    phrase: &'static [i16],
    position: usize,
}

impl Speech {
    /// From the beginning of the phrase.
    pub(super) fn new(voice: Voice) -> Speech {
        static CALLER: OnceLock<Vec<i16>> = OnceLock::new();
        static CALLEE: OnceLock<Vec<i16>> = OnceLock::new();
        let phrase = match voice {
            Voice::Caller => CALLER.get_or_init(|| phrase(120.0)),
            Voice::Callee => CALLEE.get_or_init(|| phrase(210.0)),
        };
        Speech { phrase, position: 0 }
    }

    /// Appends the next 20 ms in G.711: A-law for [`Codec::Pcma`], else µ-law.
    pub(super) fn write_packet(&mut self, codec: Codec, out: &mut Vec<u8>) {
        let samples = self.phrase.iter().skip(self.position).take(SAMPLES_PER_PACKET);
        match codec {
            Codec::Pcma => out.extend(samples.map(|&sample| encode_a_law(sample))),
            _ => out.extend(samples.map(|&sample| encode_mu_law(sample))),
        }
        self.position = (self.position + SAMPLES_PER_PACKET) % PHRASE_SAMPLES;
    }
}

/// A sum of harmonics weighted by two formants. The pitch moves slowly around `pitch` (Hz), as in a
/// sentence; phase is accumulated, so that it never jumps.
fn phrase(pitch: f32) -> Vec<i16> {
    let mut phase = 0.0_f32;
    (0..PHRASE_SAMPLES)
        .map(|n| {
            let at = n as f32 / SAMPLE_RATE as f32;
            let intonation = 1.0 + 0.12 * (TAU * at / 3.0).sin() + 0.03 * (TAU * 5.5 * at).sin();
            let frequency = pitch * intonation;
            phase = (phase + frequency / SAMPLE_RATE as f32).fract();
            (AMPLITUDE * envelope(at) * voiced(phase, frequency, at)) as i16
        })
        .collect()
}

/// One period of the voice at `phase` (0 to 1).
fn voiced(phase: f32, frequency: f32, at: f32) -> f32 {
    // The formants of two vowels, with a slow change from one to the other.
    let vowel = 0.5 + 0.5 * (TAU * at * SYLLABLES_PER_SECOND / 3.0).sin();
    let formants = [(400.0 + 350.0 * vowel, 1.0), (1_100.0 + 700.0 * vowel, 0.5)];
    (1_u8..=16)
        .map(f32::from)
        .take_while(|harmonic| harmonic * frequency < 3_300.0)
        .map(|harmonic| {
            let distance = |centre: f32| (harmonic * frequency - centre) / 180.0;
            let weight: f32 = formants
                .iter()
                .map(|(centre, gain)| gain * (-distance(*centre).powi(2)).exp())
                .sum();
            (weight + 0.12 / harmonic) * (TAU * harmonic * phase).sin()
        })
        .sum::<f32>()
        * 0.6
}

/// Loudness, 0 to 1: syllables, and a pause of 0.6 s in every 3 s.
fn envelope(at: f32) -> f32 {
    let in_sentence = at % 3.0;
    if in_sentence > 2.4 {
        return 0.0;
    }
    let syllable = (TAU * SYLLABLES_PER_SECOND * in_sentence / 2.0).sin().abs();
    // Fades the sentence in and out within 50 ms.
    let edge = (in_sentence.min(2.4 - in_sentence) / 0.05).min(1.0);
    syllable.sqrt() * edge
}

/// Adds up what the ear would: the mean power of received G.711.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LevelMeter {
    power: f64,
    samples: u64,
}

impl LevelMeter {
    /// Takes a payload of decoded samples.
    pub(super) fn add(&mut self, samples: impl Iterator<Item = i16>) {
        for sample in samples {
            self.power += f64::from(sample).powi(2);
            self.samples += 1;
        }
    }

    /// Mean level in dBov (0 is the loudest square wave); `None` before the first sample and for
    /// digital silence.
    pub(super) fn dbov(&self) -> Option<f64> {
        let mean = self.power / self.samples as f64;
        (self.samples > 0 && mean > 1.0)
            .then(|| 10.0 * (mean / f64::from(i16::MAX).powi(2)).log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_proto::codecs::g711::{decode_a_law, decode_mu_law};

    fn second(voice: Voice, codec: Codec) -> Vec<i16> {
        let mut speech = Speech::new(voice);
        let mut octets = Vec::new();
        (0..50).for_each(|_| speech.write_packet(codec, &mut octets));
        let decode = if codec == Codec::Pcma { decode_a_law } else { decode_mu_law };
        octets.into_iter().map(decode).collect()
    }

    /// Power at one frequency (Goertzel).
    fn power_at(samples: &[i16], hertz: f64) -> f64 {
        let step = std::f64::consts::TAU * hertz / f64::from(SAMPLE_RATE);
        let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &sample)| {
            let angle = step * n as f64;
            (re + f64::from(sample) * angle.cos(), im + f64::from(sample) * angle.sin())
        });
        re * re + im * im
    }

    /// Power around a pitch that moves by a tenth.
    fn band(samples: &[i16], centre: f64) -> f64 {
        (-10..=10).map(|n| power_at(samples, centre * (1.0 + f64::from(n) * 0.015))).sum()
    }

    #[test]
    fn both_laws_carry_the_same_speech_at_a_telephone_level() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let mut meter = LevelMeter::default();
            meter.add(second(Voice::Caller, codec).into_iter());
            let level = meter.dbov().unwrap();
            assert!((-30.0..-12.0).contains(&level), "{codec:?}: {level} dBov");
        }
    }

    #[test]
    fn the_voices_are_told_apart_by_their_pitch() {
        let caller = second(Voice::Caller, Codec::Pcmu);
        let callee = second(Voice::Callee, Codec::Pcmu);
        assert!(band(&caller, 120.0) > 4.0 * band(&callee, 120.0));
        assert!(band(&callee, 210.0) > 2.0 * band(&caller, 170.0));
    }

    #[test]
    fn silence_has_no_level() {
        let mut meter = LevelMeter::default();
        assert_eq!(meter.dbov(), None);
        meter.add(std::iter::repeat_n(0, 160));
        assert_eq!(meter.dbov(), None);
    }
}
