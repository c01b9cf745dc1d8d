//! WAV: RIFF with linear samples of 16 bits, two channels or one.

/// Octets before the samples.
pub(crate) const HEAD_BYTES: u64 = 44;
/// Octets of a pair of samples.
pub(crate) const PAIR_BYTES: u64 = 4;
/// Octets of samples that a header can count, in whole pairs.
pub(crate) const MOST_BYTES: u64 = (u32::MAX as u64 - (HEAD_BYTES - 8)) / PAIR_BYTES * PAIR_BYTES;
/// What stands in the place of a size that is not known: programs read to the end of the file.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// Octets of the samples of one instant.
pub(crate) const fn frame_bytes(channels: u16) -> u64 {
    2 * channels as u64
}

/// What stands before `data` octets of samples; `None` where their number is not known.
#[cfg(test)]
pub(crate) fn head(sample_rate: u32, data: Option<u64>) -> [u8; HEAD_BYTES as usize] {
    head_of(2, sample_rate, data)
}

/// What stands before `data` octets of samples of so many channels, one or two; `None` where their number is
/// not known.
pub(crate) fn head_of(
    channels: u16,
    sample_rate: u32,
    data: Option<u64>,
) -> [u8; HEAD_BYTES as usize] {
    let frame = 2 * channels;
    let data = data.map(|data| u32::try_from(data.min(MOST_BYTES)).unwrap_or(UNKNOWN));
    let riff = data.map_or(UNKNOWN, |data| data + (HEAD_BYTES as u32 - 8));
    let mut head = [0; HEAD_BYTES as usize];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &riff.to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        // PCM.
        &1_u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &sample_rate.to_le_bytes(),
        &(sample_rate * u32::from(frame)).to_le_bytes(),
        &frame.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &data.unwrap_or(UNKNOWN).to_le_bytes(),
    ];
    let mut at = 0;
    for field in fields {
        if let Some(place) = head.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
        at += field.len();
    }
    head
}

/// Whether a file begins as [`head`] writes it.
pub(crate) fn is_head(octets: &[u8]) -> bool {
    let has = |at: usize, word: &[u8]| octets.get(at..at + word.len()) == Some(word);
    has(0, b"RIFF") && has(8, b"WAVEfmt ") && has(36, b"data")
}

/// Samples as a file has them, lowest octet first.
pub(crate) fn encode(pairs: &[i16], out: &mut Vec<u8>) {
    out.extend(pairs.iter().flat_map(|sample| sample.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_of_what_follows_them() {
        let head = head(16_000, Some(400));
        assert_eq!(&head[..4], b"RIFF");
        assert_eq!(u32::from_le_bytes(head[4..8].try_into().unwrap()), 436);
        assert_eq!(u32::from_le_bytes(head[24..28].try_into().unwrap()), 16_000);
        assert_eq!(u32::from_le_bytes(head[28..32].try_into().unwrap()), 64_000);
        assert_eq!(u32::from_le_bytes(head[40..44].try_into().unwrap()), 400);
        assert!(is_head(&head));
        assert!(!is_head(&head[..39]) && !is_head(b"OggS"));
    }

    #[test]
    fn sizes_that_are_not_known_or_too_large_do_not_wrap() {
        assert_eq!(head(8_000, None)[40..44], [0xff; 4]);
        assert_eq!(head(8_000, None)[4..8], [0xff; 4]);
        let most = head(8_000, Some(u64::MAX));
        assert_eq!(u64::from(u32::from_le_bytes(most[40..44].try_into().unwrap())), MOST_BYTES);
        assert_eq!(MOST_BYTES % PAIR_BYTES, 0);
    }
}
