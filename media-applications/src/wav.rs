//! How long a sound plays: what its header says, without a look at its samples.

use model::AudioSource;
use std::time::Duration;

/// What the relay plays at most of one file; of what is not known it is taken to be that long.
pub(crate) const LONGEST: Duration = Duration::from_secs(300);

/// How long a sound is, [`LONGEST`] where it does not say.
pub(crate) fn duration(source: &AudioSource) -> Duration {
    let known = match source {
        AudioSource::Octets(octets) => of_wav(octets),
        _ => None,
    };
    known.unwrap_or(LONGEST).min(LONGEST)
}

fn of_wav(octets: &[u8]) -> Option<Duration> {
    let mut rest = octets.get(12..)?;
    let mut rate = None;
    // A file has a handful of chunks.
    for _ in 0..64 {
        let (head, tail) = rest.split_at_checked(8)?;
        let length = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
        match head.get(..4)? {
            b"fmt " => rate = Some(u32::from_le_bytes(tail.get(8..12)?.try_into().ok()?)),
            b"data" => {
                // A length that was not known when the file was written is that of what follows.
                let length = u64::from(length).min(tail.len() as u64);
                let rate = rate.filter(|rate| *rate > 0)?;
                return Some(Duration::from_millis(length * 1_000 / u64::from(rate)));
            }
            _ => {}
        }
        let padded = usize::try_from(length).ok()?.checked_add(length as usize % 2)?;
        rest = tail.get(padded..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate: u32, said: u32, octets: usize) -> AudioSource {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0".to_vec();
        file.extend(rate.to_le_bytes());
        file.extend(*b"\x02\0\x10\0LIST\x03\0\0\0abc\0data");
        file.extend(said.to_le_bytes());
        file.resize(file.len() + octets, 0);
        AudioSource::Octets(file.into())
    }

    #[test]
    fn a_sound_is_as_long_as_its_header_says_and_its_octets_allow() {
        let seconds = Duration::from_secs;
        assert_eq!(duration(&wav(16_000, 48_000, 48_000)), seconds(3));
        // One that was written while its length was not known, and one that was cut off.
        assert_eq!(duration(&wav(16_000, u32::MAX, 32_000)), seconds(2));
        assert_eq!(duration(&wav(16_000, 64_000, 16_000)), seconds(1));
        assert_eq!(duration(&wav(0, 64_000, 16_000)), LONGEST);
        assert_eq!(duration(&wav(1, 64_000, 16_000)), LONGEST);
        assert_eq!(duration(&AudioSource::Octets(b"RIFF\0\0\0\0WAVE"[..].into())), LONGEST);
        assert_eq!(duration(&AudioSource::File("a.wav".into())), LONGEST);
    }
}
