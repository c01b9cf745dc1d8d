//! What callers say, and where marks are in what is heard.
//!
//! A turn is a second of something like a voice with marks in it, tones of 3,200 Hz, which its other
//! partials do not reach. A mark begins where the tone's envelope has half of its height, in what was
//! sent as in what is heard, both decoded in the same way: what is left between the two places is the server's.

use crate::rooms::{Codec, Outcome};
use codecs::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};

/// Packets of a turn: a second.
pub const TURN: usize = 50;
/// The packets that marks begin with.
const MARKS: [usize; 3] = [3, 19, 35];
/// A mark, in packets.
const MARK: usize = 3;
const MARK_HZ: f64 = 3_200.0;
const MARK_LEVEL: f32 = 5_000.0;
const VOICE_LEVEL: f32 = 4_000.0;
/// Until the next mark may come, in ms.
const WINDOW_MS: f64 = 310.0;
/// The envelope's window, in ms.
const SMOOTH_MS: usize = 5;
/// A peak below this is no mark.
const LEAST_PEAK: f32 = 40.0;
/// Packets before a turn, so that an encoder knows how it begins.
const BEFORE: usize = 10;

/// One caller's turn, encoded.
#[derive(Debug)]
pub struct Turn {
    /// Payloads of 20 ms.
    pub payloads: Vec<Vec<u8>>,
    /// Where marks begin: the packet, and the ms in it.
    pub marks: Vec<(usize, f64)>,
}

impl Turn {
    /// A turn in a voice of `pitch` Hz.
    ///
    /// # Errors
    /// When the codec fails, or a mark cannot be told from the voice.
    pub fn new(codec: Codec, pitch: f32) -> Outcome<Turn> {
        let mut encoder = encoder(codec)?;
        let samples = spoken(encoder.sample_rate(), pitch);
        let mut all = encode(&mut encoder, &samples)?;
        let mut heard = Heard::new(codec)?;
        for (at, payload) in all.iter().enumerate() {
            heard.packet(payload, at as f64 * 20.0);
        }
        let mut marks = Vec::new();
        for mark in MARKS {
            let begins = heard.mark((mark + BEFORE) as f64 * 20.0 - 5.0);
            let begins = begins.ok_or("a mark is not found in what was to be sent")?;
            // In another packet than that which it was put into, with a codec that looks ahead.
            let packet = (begins / 20.0) as usize;
            marks.push((packet - BEFORE, begins - packet as f64 * 20.0));
        }
        Ok(Turn { payloads: all.split_off(BEFORE), marks })
    }
}

/// A payload of somebody who says nothing, and sends that.
///
/// # Errors
/// When the codec fails.
pub fn silence(codec: Codec) -> Outcome<Vec<u8>> {
    let mut encoder = encoder(codec)?;
    let samples = vec![0; BEFORE * (encoder.sample_rate() / 50) as usize];
    Ok(encode(&mut encoder, &samples)?.pop().unwrap_or_default())
}

fn encoder(codec: Codec) -> Outcome<AudioEncoder> {
    let (format, rate) = match codec {
        Codec::Pcmu => (AudioFormat::Pcmu, 8_000),
        Codec::Opus => (AudioFormat::Opus, 48_000),
    };
    let mut encoder = AudioEncoder::new(format, rate).ok_or("no such encoder")?;
    if let AudioEncoder::Opus(opus) = &mut encoder {
        opus.set_bitrate(24_000);
    }
    Ok(encoder)
}

fn encode(encoder: &mut AudioEncoder, samples: &[i16]) -> Outcome<Vec<Vec<u8>>> {
    let mut out = [0; 2_000];
    let mut payloads = Vec::new();
    for frame in samples.chunks((encoder.sample_rate() / 50) as usize) {
        let len = encoder.encode(frame, &mut out).map_err(|error| error.to_string())?;
        payloads.push(out.get(..len).unwrap_or_default().to_vec());
    }
    Ok(payloads)
}

/// Silence, and the turn.
fn spoken(rate: u32, pitch: f32) -> Vec<i16> {
    let frame = (rate / 50) as usize;
    let mut random = 1_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as f32 / 65_536.0 - 0.5
    };
    let sample = |at: usize| {
        let (packet, time) = (at / frame, at as f32 / rate as f32);
        let Some(of_turn) = packet.checked_sub(BEFORE) else { return 0 };
        let turn = (time * pitch).fract() * std::f32::consts::TAU;
        let sound: f32 = (1..12).map(|k| (turn * k as f32).sin() / k as f32).sum();
        let syllable = (time * 3.0 * std::f32::consts::TAU).sin().abs();
        let is_marked = MARKS.iter().any(|mark| (*mark..mark + MARK).contains(&of_turn));
        let phase = at as f64 * MARK_HZ / f64::from(rate) * std::f64::consts::TAU;
        let mark = if is_marked { phase.sin() as f32 * MARK_LEVEL } else { 0.0 };
        ((sound * syllable + noise() * 0.05) * VOICE_LEVEL + mark) as i16
    };
    (0..(BEFORE + TURN) * frame).map(sample).collect()
}

/// What a listener was sent.
pub struct Heard {
    decoder: AudioDecoder,
    /// Samples of a millisecond.
    per_ms: usize,
    out: Vec<i16>,
    samples: Vec<f32>,
    /// When packets came, in ms, and where their samples begin.
    packets: Vec<(f64, usize)>,
    /// Of all samples, as soon as somebody asks.
    envelope: Vec<f32>,
}

impl Heard {
    /// Nothing as yet.
    ///
    /// # Errors
    /// When the codec has no decoder.
    pub fn new(codec: Codec) -> Outcome<Heard> {
        let (format, rate) = match codec {
            Codec::Pcmu => (AudioFormat::Pcmu, 8_000),
            Codec::Opus => (AudioFormat::Opus, 16_000),
        };
        Ok(Heard {
            decoder: AudioDecoder::new(format, rate).ok_or("no such decoder")?,
            per_ms: (rate / 1_000) as usize,
            out: vec![0; 5_760],
            samples: Vec::new(),
            packets: Vec::new(),
            envelope: Vec::new(),
        })
    }

    /// A payload that came at `came`, in ms.
    pub fn packet(&mut self, payload: &[u8], came: f64) {
        let Ok(count) = self.decoder.decode(payload, &mut self.out) else { return };
        self.packets.push((came, self.samples.len()));
        self.samples.extend(self.out.iter().take(count).map(|sample| f32::from(*sample)));
    }

    /// When the mark begins that was sent at `sent`, in ms; `None` when none is heard until the next one may
    /// come.
    pub fn mark(&mut self, sent: f64) -> Option<f64> {
        if self.envelope.len() != self.samples.len() {
            self.envelope = envelope(&self.samples, self.per_ms);
        }
        let first = self.packets.partition_point(|(came, _)| *came + 20.0 <= sent);
        let last = self.packets.partition_point(|(came, _)| *came < sent + WINDOW_MS);
        let from = self.packets.get(first)?.1;
        let until = self.packets.get(last).map_or(self.samples.len(), |(_, at)| *at);
        let at = from + begins(self.envelope.get(from..until)?)?;
        let packet = self.packets.partition_point(|(_, begin)| *begin <= at).checked_sub(1)?;
        let (came, begin) = self.packets.get(packet)?;
        let heard = came + (at - begin) as f64 / self.per_ms as f64;
        (heard >= sent).then_some(heard)
    }
}

/// How strong the tone of marks is in the last [`SMOOTH_MS`].
fn envelope(samples: &[f32], per_ms: usize) -> Vec<f32> {
    let window = SMOOTH_MS * per_ms;
    let step = MARK_HZ / (per_ms as f64 * 1e3) * std::f64::consts::TAU;
    let turned: Vec<(f64, f64)> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let (sine, cosine) = (at as f64 * step).sin_cos();
            (f64::from(*sample) * cosine, f64::from(*sample) * sine)
        })
        .collect();
    let (mut real, mut imaginary) = (0.0, 0.0);
    let smooth = |(at, (cosine, sine)): (usize, &(f64, f64))| {
        let (old_cosine, old_sine) =
            at.checked_sub(window).and_then(|old| turned.get(old)).copied().unwrap_or_default();
        real += cosine - old_cosine;
        imaginary += sine - old_sine;
        (f64::hypot(real, imaginary) / window as f64) as f32
    };
    turned.iter().enumerate().map(smooth).collect()
}

/// Where an envelope has first half of its height, behind where it has a quarter of it or less.
fn begins(envelope: &[f32]) -> Option<usize> {
    let peak = envelope.iter().copied().fold(0.0, f32::max);
    if peak < LEAST_PEAK {
        return None;
    }
    let low = envelope.iter().position(|value| *value < peak / 4.0)?;
    let rise = envelope.get(low..)?.iter().position(|value| *value >= peak / 2.0)?;
    Some(low + rise)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a listener hears of a turn whose packets come with each one's delay, in ms.
    fn hear(codec: Codec, delay: impl Fn(usize) -> f64) -> (Turn, Heard) {
        let turn = Turn::new(codec, 130.0).unwrap();
        let mut heard = Heard::new(codec).unwrap();
        let quiet = silence(codec).unwrap();
        let before = (0..BEFORE).map(|_| &quiet);
        for (at, payload) in before.chain(&turn.payloads).enumerate() {
            heard.packet(payload, at as f64 * 20.0 + delay(at));
        }
        (turn, heard)
    }

    fn sent(turn: &Turn) -> Vec<f64> {
        turn.marks.iter().map(|(packet, ms)| (BEFORE + packet) as f64 * 20.0 + ms).collect()
    }

    #[test]
    fn the_delay_of_packets_is_found() {
        for codec in [Codec::Pcmu, Codec::Opus] {
            for delay in [0.0, 33.5, 170.0, 240.0] {
                let (turn, mut heard) = hear(codec, |_| delay);
                for sent in sent(&turn) {
                    let found = heard.mark(sent).unwrap() - sent;
                    assert!((found - delay).abs() < 1.0, "{codec:?}: {found} ms of {delay}");
                }
            }
        }
    }

    #[test]
    fn a_delay_that_changes_is_that_of_the_marks_packet() {
        let (turn, mut heard) = hear(Codec::Pcmu, |at| if at < BEFORE + 16 { 30.0 } else { 90.0 });
        let found: Vec<_> =
            sent(&turn).into_iter().map(|sent| heard.mark(sent).unwrap() - sent).collect();
        assert!((found[0] - 30.0).abs() < 1.0 && (found[2] - 90.0).abs() < 1.0, "{found:?}");
    }

    #[test]
    fn where_nothing_was_said_no_mark_is_found() {
        let mut heard = Heard::new(Codec::Pcmu).unwrap();
        let quiet = silence(Codec::Pcmu).unwrap();
        (0..50).for_each(|at| heard.packet(&quiet, at as f64 * 20.0));
        assert_eq!(heard.mark(100.0), None);
        assert_eq!(heard.mark(5_000.0), None);
    }
}
