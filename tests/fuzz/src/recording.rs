//! Files that are to be played.

use crate::bounded;
use codecs::{AudioFormat, Clip, Recording};

/// Reads a WAV file and makes a clip of it.
///
/// # Panics
/// When a recording has no samples, or more than the file could hold, or when it becomes no clip.
pub fn recording(data: &[u8]) {
    let data = bounded(data);
    let Ok(recording) = Recording::from_wav(data) else { return };
    let samples = recording.samples().len();
    assert!((1..=data.len()).contains(&samples), "{samples} samples of {} octets", data.len());
    let clip = Clip::encode(&recording, AudioFormat::Pcma, 20);
    let packets = clip.as_ref().map_or(0, Clip::packets);
    let whole = recording.sample_rate() as usize / 50;
    assert_eq!(packets, samples.div_ceil(whole), "every sample is played");
}
